//! The arguments of the commands that read a manifest or a report. Every flag
//! has an environment variable `REBUCKET_*`.

#![expect(
    clippy::doc_markdown,
    reason = "the docs of arguments are the help text"
)]

pub mod estimate;
mod given;
pub mod submit;
pub mod undo;
mod which;

use std::fs::File;
use std::path::PathBuf;

use bytesize::ByteSize;
use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum, ValueHint};
use rebucket_protocol::{BucketName, IfExists, JobId, StorageClass, VersionPolicy, Waiver};
use rebucket_worker::config::{EngineArgs, LogArgs, OwnerArgs, S3Args};
use rebucket_worker::report::ReportLocation;

use rebucket_planner::{JobChoices, ManifestOptions};

pub use given::Given;
pub use which::Which;

const MANIFEST: &str = "The manifest: a CSV file, - for standard input, or s3://bucket/key. A .gz \
     or .zst is decompressed";

const MANIFEST_OR_PLAN: &str = "The manifest: a CSV file, - for standard input, s3://bucket/key, or \
     a plan, which `rebucket plan --out` writes. A .gz or .zst of any is decompressed";

const COLUMNS: &str = "The first row names the columns: source,destination (s3://bucket/key URIs, \
     taken literally) or source_bucket,source_key,destination_bucket,destination_key; and \
     optionally version_id, etag, size, modified (the source is renamed only if it matches them), \
     storage_class (what is known of it) and if_exists.";

/// How a manifest is read, and what is chosen for its job.
#[derive(Debug, Clone, Args)]
pub struct ManifestArgs {
    /// The manifest.
    #[arg(value_name = "MANIFEST", value_hint = ValueHint::FilePath, help = MANIFEST_OR_PLAN,
          long_help = format!("{MANIFEST_OR_PLAN}.\n\n{COLUMNS}"))]
    pub manifest: String,

    /// The columns source and destination are keys in this bucket, not URIs.
    #[arg(long, env = "REBUCKET_BUCKET", value_parser = |name: &str| BucketName::new(name))]
    pub bucket: Option<BucketName>,

    /// Keys are percent-encoded, with + for a space, as in S3 Inventory.
    #[arg(long, env = "REBUCKET_URL_ENCODED", value_parser = BoolishValueParser::new())]
    pub url_encoded: bool,

    /// What to do when another object is at a destination: fail, skip or
    /// overwrite. The column if_exists overrides it row by row. [default:
    /// fail]
    #[arg(long, env = "REBUCKET_IF_EXISTS", value_name = "CHOICE")]
    pub if_exists: Option<IfExists>,

    /// The job's name, in the report and in the ids of its tasks.
    #[arg(long, env = "REBUCKET_JOB", value_name = "ID", value_parser = |id: &str| JobId::new(id))]
    pub job: Option<JobId>,

    /// Store the renamed objects in this storage class instead of their own.
    #[arg(long, env = "REBUCKET_STORAGE_CLASS", value_name = "CLASS")]
    pub storage_class: Option<StorageClass>,

    /// Rename objects even though this property cannot be carried over: acl,
    /// tags, lock, storage_class, redirect, encryption, metadata, checksum or
    /// annotations; or destroys an older version where versioning is suspended:
    /// history. Can be given more than once, or with commas.
    #[arg(
        long,
        env = "REBUCKET_WAIVE",
        value_name = "PROPERTY",
        value_delimiter = ','
    )]
    pub waive: Vec<Waiver>,

    /// In versioned buckets, hide the old key behind a delete marker (marker)
    /// or remove the renamed version for good (purge). [default: marker]
    #[arg(long, env = "REBUCKET_VERSIONED", value_name = "POLICY")]
    pub versioned: Option<VersionPolicy>,

    /// How many problems of each kind to print, and how many warnings and notes
    /// of each; 0 for all. The rest are counted.
    #[arg(
        long,
        env = "REBUCKET_MAX_PROBLEMS",
        value_name = "N",
        default_value_t = 100
    )]
    pub max_problems: usize,

    /// Write every problem, warning and note of the manifest to this file, one
    /// a line.
    #[arg(long, env = "REBUCKET_PROBLEMS", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub problems: Option<PathBuf>,

    /// How much memory to plan with, at least 64MiB. What does not fit is
    /// sorted on disk.
    #[arg(long, env = "REBUCKET_MEMORY", value_name = "SIZE", default_value = "512MiB",
          value_parser = parse_memory)]
    pub memory: u64,

    /// Where to keep temporary files: about 50 bytes for each row of the
    /// manifest while it is checked. [default: the system's folder, $TMPDIR]
    #[arg(long, env = "REBUCKET_TEMP_DIR", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub temp_dir: Option<PathBuf>,

    /// What is on the command line.
    #[arg(skip)]
    pub given: Given,
}

fn parse_memory(text: &str) -> Result<u64, String> {
    let ByteSize(bytes) = text.parse()?;
    if bytes < ManifestOptions::MIN_MEMORY {
        return Err(format!("planning needs at least 64MiB, not {text}"));
    }
    Ok(bytes)
}

impl ManifestArgs {
    /// How the manifest is to be read.
    #[must_use]
    pub fn options(&self) -> ManifestOptions {
        ManifestOptions {
            bucket: self.bucket.clone(),
            url_encoded: self.url_encoded,
            max_problems: self.max_problems,
            problems: self.problems.clone(),
            memory: self.memory,
            temp_dir: self.temp_dir.clone(),
            ..ManifestOptions::default()
        }
    }

    /// A temporary file without a name, where the operator wants such files.
    ///
    /// # Errors
    /// [`std::io::Error`] when there can be none.
    pub fn temporary_file(&self) -> std::io::Result<File> {
        match &self.temp_dir {
            Some(folder) => tempfile::tempfile_in(folder),
            None => tempfile::tempfile(),
        }
    }

    /// What was chosen for the job.
    #[must_use]
    pub fn choices(&self) -> JobChoices {
        JobChoices {
            job: self.job.clone(),
            if_exists: self.if_exists,
            storage_class: self.storage_class.clone(),
            waive: self.waive.iter().copied().collect(),
            versioned: self.versioned,
        }
    }
}

/// `rebucket plan`.
#[derive(Debug, Clone, Args)]
#[command(mut_arg("manifest", |manifest| manifest
    .help(MANIFEST)
    .long_help(format!("{MANIFEST}.\n\n{COLUMNS}"))))]
pub struct PlanArgs {
    /// The manifest.
    #[command(flatten)]
    pub manifest: ManifestArgs,

    /// Write the plan here, for submit and run. Nothing is written when the
    /// manifest has a problem. The objects of renames that wait for one another
    /// (chains, swaps, cycles) are looked at for it.
    #[arg(long, env = "REBUCKET_OUT", value_name = "PLAN", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,

    /// Look at every source, warn of what is not there or not as the manifest
    /// says, and pin the renames to what is there.
    #[arg(long, env = "REBUCKET_PIN", value_name = "HOW", value_enum,
          default_value_t = PinChoice::None)]
    pub pin: PinChoice,

    /// For a manifest on S3, and for the sources.
    #[command(flatten)]
    pub s3: S3Args,

    /// Whose buckets the sources are in.
    #[command(flatten)]
    pub owner: OwnerArgs,
}

/// How the sources of a plan are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PinChoice {
    /// Not at all, but for renames that wait for one another, in a plan that
    /// is kept.
    None,
    /// By listing the buckets, from what their sources have in common on. A
    /// row that names a version is left as it is.
    List,
    /// By one HEAD for each row.
    Head,
}

/// `rebucket submit`.
#[derive(Debug, Clone, Args)]
pub struct SubmitArgs {
    /// The manifest.
    #[command(flatten)]
    pub manifest: ManifestArgs,

    /// The queue that the workers receive from.
    #[arg(long, env = "REBUCKET_QUEUE_URL", value_name = "URL", value_hint = ValueHint::Url)]
    pub queue_url: String,

    /// Record here how many tasks the job has, so that a report of the workers
    /// at the same place can tell what is pending.
    #[arg(long, env = "REBUCKET_REPORT", value_name = "LOC")]
    pub report: Option<ReportLocation>,

    /// How to send, and how to go on.
    #[command(flatten)]
    pub send: submit::SendArgs,

    /// What it may cost.
    #[command(flatten)]
    pub consent: submit::ConsentArgs,

    /// What is assumed for the estimate.
    #[command(flatten)]
    pub assume: estimate::AssumeArgs,

    /// For a manifest or a report on S3.
    #[command(flatten)]
    pub s3: S3Args,

    /// Whose buckets are meant.
    #[command(flatten)]
    pub owner: OwnerArgs,

    /// How to log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// `rebucket run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// The manifest.
    #[command(flatten)]
    pub manifest: ManifestArgs,

    /// Where the report goes: a directory or s3://bucket/prefix. A run that is
    /// started again with the same report goes on where it was. [default:
    /// MANIFEST.report/]
    #[arg(long, env = "REBUCKET_REPORT", value_name = "LOC")]
    pub report: Option<ReportLocation>,

    /// When going on with an earlier run, try the renames again that failed in
    /// it.
    #[arg(long, env = "REBUCKET_RETRY_FAILED", value_parser = BoolishValueParser::new())]
    pub retry_failed: bool,

    /// Begin a new job, whatever the report says of earlier ones: in a folder
    /// of its own in the report, named after the manifest, or --job, and the
    /// time.
    #[arg(long, env = "REBUCKET_AGAIN", value_parser = BoolishValueParser::new(),
          conflicts_with = "retry_failed")]
    pub again: bool,

    /// How to rename.
    #[command(flatten)]
    pub engine: EngineArgs,

    /// How to log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// `rebucket report`.
#[derive(Debug, Clone, Args)]
pub struct ReportArgs {
    /// The report: a directory or s3://bucket/prefix, or one job's folder in
    /// it.
    #[arg(value_name = "LOC")]
    pub report: ReportLocation,

    /// Only this job.
    #[arg(long, env = "REBUCKET_JOB", value_name = "ID", value_parser = |id: &str| JobId::new(id))]
    pub job: Option<JobId>,

    /// Only this submission, where several have one job name: its id, or none
    /// for tasks whose messages named no submission.
    #[arg(long, env = "REBUCKET_SUBMISSION", value_name = "ID")]
    pub submission: Option<Which>,

    /// How to print it.
    #[arg(long, env = "REBUCKET_FORMAT", value_enum, default_value_t = ReportFormat::Text)]
    pub format: ReportFormat,

    /// Where to keep temporary files: as much as the report has, once that is
    /// more than 64 MiB. [default: the system's folder, $TMPDIR]
    #[arg(long, env = "REBUCKET_TEMP_DIR", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub temp_dir: Option<PathBuf>,

    /// For a report on S3.
    #[command(flatten)]
    pub s3: S3Args,
}

/// The forms of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// A summary for people.
    Text,
    /// The summary as one JSON object.
    Json,
    /// Every outcome, one JSON object a line.
    Jsonl,
    /// Every outcome as CSV.
    Csv,
    /// A page for a browser.
    Html,
}
