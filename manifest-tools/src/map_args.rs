//! The arguments of `rebucket map`. Every flag has an environment variable
//! `REBUCKET_*`.

#![expect(
    clippy::doc_markdown,
    reason = "the docs of arguments are the help text"
)]

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum, ValueHint};
use rebucket_mapper::mapping::{Change, Mapping};
use rebucket_mapper::{Filters, Glob, Rule, SyntaxError, Template, filter, syntax};
use rebucket_protocol::{BucketName, S3Prefix, Timestamp};
use rebucket_worker::config::{OwnerArgs, S3Args};

use crate::args::Given;

/// `rebucket map`.
#[derive(Debug, Clone, Args)]
pub struct MapArgs {
    /// Where the keys come from: s3://bucket/prefix to list it, the
    /// manifest.json of an S3 Inventory (a file, or s3://...), a file with one
    /// key a line or CSV with a column key, or - for such a file on standard
    /// input.
    #[arg(value_name = "SOURCE", value_hint = ValueHint::FilePath)]
    pub source: String,

    /// Change keys by this rule, as sed does: s|pattern|replacement|flags,
    /// with another separator than | if you like, the regular expressions of
    /// Rust's regex crate, $1 or ${name} for a group, and the flags g (every
    /// match) and i (any case). Can be given more than once; each rule is
    /// applied to what the one before it made.
    #[arg(
        long,
        env = "REBUCKET_REWRITE",
        value_name = "RULE",
        conflicts_with = "template"
    )]
    pub rewrite: Vec<Rule>,

    /// Build each key from fields, such as {folder}{date:year}/{basename}. The
    /// fields: key, basename, stem, extension, suffix, dirname, folder,
    /// segment:N, size, etag, storage_class, version_id, date, date:year (or
    /// month, day, hour, minute, second), hash:N, match:GROUP and column:NAME;
    /// {field|text} has a text for objects without the field.
    #[arg(long, env = "REBUCKET_TEMPLATE", value_name = "TEMPLATE")]
    pub template: Option<String>,

    /// Use the template for keys that match this regular expression alone; its
    /// groups are the fields match:1, match:name, ...
    #[arg(
        long = "match",
        env = "REBUCKET_MATCH",
        value_name = "REGEX",
        requires = "template"
    )]
    pub pattern: Option<String>,

    /// Put the new keys into this bucket, and into this folder of it.
    #[arg(long, env = "REBUCKET_TO", value_name = "s3://BUCKET/PREFIX")]
    pub to: Option<S3Prefix>,

    /// Only keys that match this glob, or another --include. * matches slashes
    /// too.
    #[arg(long, env = "REBUCKET_INCLUDE", value_name = "GLOB")]
    pub include: Vec<Glob>,

    /// No keys that match this glob.
    #[arg(long, env = "REBUCKET_EXCLUDE", value_name = "GLOB")]
    pub exclude: Vec<Glob>,

    /// Only objects of at least this size, such as 1MiB.
    #[arg(long, env = "REBUCKET_MIN_SIZE", value_name = "SIZE", value_parser = size)]
    pub min_size: Option<u64>,

    /// Only objects of at most this size.
    #[arg(long, env = "REBUCKET_MAX_SIZE", value_name = "SIZE", value_parser = size)]
    pub max_size: Option<u64>,

    /// Only objects last written at this date or time (in UTC), or later.
    #[arg(long, env = "REBUCKET_MODIFIED_SINCE", value_name = "TIME", value_parser = filter::time)]
    pub modified_since: Option<Timestamp>,

    /// Only objects last written before this date or time.
    #[arg(long, env = "REBUCKET_MODIFIED_BEFORE", value_name = "TIME", value_parser = filter::time)]
    pub modified_before: Option<Timestamp>,

    /// The bucket of the keys in a file of keys; without it they are
    /// s3://bucket/key URIs, or there is a column bucket.
    #[arg(long, env = "REBUCKET_BUCKET", value_parser = |name: &str| BucketName::new(name))]
    pub bucket: Option<BucketName>,

    /// The keys in a file of keys are percent-encoded, with + for a space.
    #[arg(long, env = "REBUCKET_URL_ENCODED", value_parser = BoolishValueParser::new())]
    pub url_encoded: bool,

    /// When listing a bucket with versions, pin each rename to the current
    /// version.
    #[arg(long, env = "REBUCKET_VERSIONS", value_name = "CHOICE", value_enum,
          default_value_t = Versions::None)]
    pub versions: Versions,

    /// List with so many requests at a time; 1 to list page by page.
    #[arg(long, env = "REBUCKET_LIST_CONCURRENCY", value_name = "N", default_value_t = 32,
          value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub list_concurrency: u16,

    /// The folder that the data files of a local inventory are in, if it is
    /// not where S3 puts them from its manifest.json.
    #[arg(long, env = "REBUCKET_INVENTORY_DATA", value_name = "FOLDER",
          value_hint = ValueHint::DirPath)]
    pub inventory_data: Option<PathBuf>,

    /// Write the manifest here instead of to standard output; compressed, if
    /// the name ends in .gz or .zst. It appears when it is complete.
    #[arg(long, env = "REBUCKET_OUT", value_name = "MANIFEST", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,

    /// Write nothing; show examples, and how many keys would change.
    #[arg(long, env = "REBUCKET_DRY_RUN", value_parser = BoolishValueParser::new())]
    pub dry_run: bool,

    /// How many examples --dry-run shows.
    #[arg(
        long,
        env = "REBUCKET_EXAMPLES",
        value_name = "N",
        default_value_t = 20
    )]
    pub examples: usize,

    /// How many problems and collisions to print; 0 for all. The rest are
    /// counted.
    #[arg(
        long,
        env = "REBUCKET_MAX_PROBLEMS",
        value_name = "N",
        default_value_t = 100
    )]
    pub max_problems: usize,

    /// To reach the bucket, or an inventory on S3.
    #[command(flatten)]
    pub s3: S3Args,

    /// Whose bucket is listed. An inventory and its data files may belong to
    /// another account: for them it says nothing.
    #[command(flatten)]
    pub owner: OwnerArgs,

    /// What is on the command line.
    #[arg(skip)]
    pub given: Given,
}

/// Which versions a listing carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Versions {
    /// None: the column version_id stays empty.
    None,
    /// The current one of each object.
    Latest,
}

impl MapArgs {
    /// What is to be done to keys; `None` when nothing says so.
    ///
    /// # Errors
    /// [`SyntaxError`] when the template or its pattern is not understood.
    pub fn mapping(&self) -> Result<Option<Mapping>, SyntaxError> {
        let pattern = self.pattern.as_deref().map(syntax::pattern).transpose()?;
        let change = match &self.template {
            Some(template) => Change::Template {
                template: Template::parse(template, pattern.as_ref())?,
                pattern,
            },
            None if !self.rewrite.is_empty() => Change::Rewrite(self.rewrite.clone()),
            None if self.to.is_some() => Change::Keep,
            None => return Ok(None),
        };
        Ok(Some(Mapping {
            filters: Filters {
                include: self.include.clone(),
                exclude: self.exclude.clone(),
                min_size: self.min_size,
                max_size: self.max_size,
                since: self.modified_since,
                before: self.modified_before,
            },
            change,
            to: self.to.clone(),
        }))
    }
}

fn size(text: &str) -> Result<u64, String> {
    text.parse::<bytesize::ByteSize>()
        .map(|size| size.as_u64())
        .map_err(|_| format!("expected a size such as 1048576, 8MiB or 5GB, found {text:?}"))
}
