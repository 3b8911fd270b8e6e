//! The arguments of `rebucket estimate`, which `rebucket submit` shares.

use std::path::PathBuf;
use std::str::FromStr;

use bytesize::ByteSize;
use clap::{Args, ValueEnum, ValueHint};
use rebucket_protocol::StorageClass;
use rebucket_worker::config::S3Args;
use rebucket_worker::rename::plan::{MAX_PART, MAX_SINGLE_COPY, MIN_PART};

use super::ManifestArgs;

/// `rebucket estimate`.
#[derive(Debug, Clone, Args)]
pub struct EstimateArgs {
    /// The manifest.
    #[command(flatten)]
    pub manifest: ManifestArgs,

    /// What is assumed.
    #[command(flatten)]
    pub assume: AssumeArgs,

    /// How to print it.
    #[arg(long, env = "REBUCKET_FORMAT", value_enum, default_value_t = EstimateFormat::Text)]
    pub format: EstimateFormat,

    /// For a manifest on S3.
    #[command(flatten)]
    pub s3: S3Args,
}

/// What a manifest does not say, and a job depends on.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Estimate")]
pub struct AssumeArgs {
    /// A table of prices in the place of the one that is built in.
    #[arg(long, env = "REBUCKET_PRICES", value_name = "FILE.toml", value_hint = ValueHint::FilePath)]
    pub prices: Option<PathBuf>,

    /// The size of objects whose size the manifest does not tell.
    #[arg(long, env = "REBUCKET_ASSUME_SIZE", value_name = "SIZE", value_parser = size)]
    pub assume_size: Option<u64>,

    /// The storage class of objects whose class the manifest does not tell.
    #[arg(
        long,
        env = "REBUCKET_ASSUME_STORAGE_CLASS",
        value_name = "CLASS",
        default_value = "STANDARD"
    )]
    pub assume_storage_class: StorageClass,

    /// What else costs requests: acl (the buckets have ACLs), tags (the
    /// objects have some), kms (they are encrypted under a KMS key without a
    /// bucket key). And what saves some: plain (the workers are given --assume
    /// plain). Can be given more than once, or with commas.
    #[arg(
        long,
        env = "REBUCKET_ESTIMATE_ASSUME",
        value_enum,
        value_name = "PROPERTY",
        value_delimiter = ','
    )]
    pub assume: Vec<Assumption>,

    /// Workers, or 1 for `rebucket run`.
    #[arg(long, env = "REBUCKET_WORKERS", value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub workers: u32,

    /// Partitions that S3 has made of each bucket: 3,500 writes a second each.
    #[arg(long, env = "REBUCKET_PARTITIONS", value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub partitions: u32,

    /// As given to the workers.
    #[arg(long, env = "REBUCKET_MULTIPART_THRESHOLD", value_name = "SIZE",
          default_value = "1GiB", value_parser = threshold)]
    pub multipart_threshold: u64,

    /// As given to the workers.
    #[arg(long, env = "REBUCKET_PART_SIZE", value_name = "SIZE",
          default_value = "128MiB", value_parser = part_size)]
    pub part_size: u64,

    /// As given to the workers.
    #[arg(long, env = "REBUCKET_MAX_PARTS", value_name = "N", default_value_t = 16,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub max_parts: u16,

    /// As given to the workers.
    #[arg(long, env = "REBUCKET_MAX_RENAMES", value_name = "N", default_value_t = 64,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub max_renames: u16,

    /// As given to the workers.
    #[arg(long, env = "REBUCKET_MAX_REQUESTS", value_name = "N", default_value_t = 128,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub max_requests: u16,
}

/// `--assume`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Assumption {
    /// The buckets have ACLs, so each object's is read.
    Acl,
    /// The objects have tags.
    Tags,
    /// The objects are encrypted under a KMS key, without a bucket key.
    Kms,
    /// The workers do not look at plain objects.
    Plain,
}

/// The forms of an estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EstimateFormat {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

fn size(text: &str) -> Result<u64, String> {
    ByteSize::from_str(text)
        .map(|size| size.as_u64())
        .map_err(|_| format!("expected a size such as 8MiB or 5GB, found {text:?}"))
}

fn threshold(text: &str) -> Result<u64, String> {
    let size = size(text)?;
    if size > MAX_SINGLE_COPY {
        return Err("a single CopyObject copies at most 5GB".to_owned());
    }
    Ok(size)
}

fn part_size(text: &str) -> Result<u64, String> {
    let size = size(text)?;
    if (MIN_PART..=MAX_PART).contains(&size) {
        Ok(size)
    } else {
        Err("a part has 5MiB to 5GiB".to_owned())
    }
}
