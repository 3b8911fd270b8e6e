//! The arguments of `rebucket undo`.

#![expect(
    clippy::doc_markdown,
    reason = "the docs of arguments are the help text"
)]

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueHint};
use rebucket_protocol::JobId;
use rebucket_worker::config::S3Args;
use rebucket_worker::report::ReportLocation;

use super::Which;

/// `rebucket undo`.
#[derive(Debug, Clone, Args)]
pub struct UndoArgs {
    /// The report of the job: a directory or s3://bucket/prefix, or the job's
    /// folder in it.
    #[arg(value_name = "LOC")]
    pub report: ReportLocation,

    /// The job to take back, where the report has several.
    #[arg(long, env = "REBUCKET_JOB", value_name = "ID", value_parser = |id: &str| JobId::new(id))]
    pub job: Option<JobId>,

    /// The submission to take back, where several have the job's name: its id,
    /// or none for tasks whose messages named no submission.
    #[arg(long, env = "REBUCKET_SUBMISSION", value_name = "ID")]
    pub submission: Option<Which>,

    /// Write the manifest here; - for standard output.
    #[arg(long, env = "REBUCKET_OUT", value_name = "MANIFEST.csv", value_hint = ValueHint::FilePath)]
    pub out: PathBuf,

    /// Take back as well what counts as renamed by its date alone. Somebody
    /// else may have put those objects at the new names; look at them first.
    #[arg(long, env = "REBUCKET_INCLUDE_BY_DATE", value_parser = BoolishValueParser::new())]
    pub include_by_date: bool,

    /// Where to keep temporary files: as much as the report has, once that is
    /// more than 64 MiB. [default: the system's folder, $TMPDIR]
    #[arg(long, env = "REBUCKET_TEMP_DIR", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub temp_dir: Option<PathBuf>,

    /// For a report on S3.
    #[command(flatten)]
    pub s3: S3Args,
}
