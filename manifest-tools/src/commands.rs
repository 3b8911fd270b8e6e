//! The commands, one file each, and what they have in common.

mod begun;
mod beside;
mod distinct;
pub(crate) mod estimate;
mod listing;
pub(crate) mod map;
mod messages;
mod pinned;
pub(crate) mod plan;
mod progress;
pub(crate) mod report;
pub(crate) mod run;
mod say;
mod source;
mod start;
mod submissions;
pub(crate) mod submit;
pub(crate) mod undo;
mod words;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rebucket_manifest::Exit;
use rebucket_manifest::outcomes::OutcomesError;
use rebucket_planner::{ManifestError, PlanError, SpillError};
use rebucket_protocol::JobId;
use rebucket_worker::clients::EnvironmentError;
use rebucket_worker::error::{ErrorClass, ServiceError};
use rebucket_worker::report::ReportError;
use rebucket_worker::retry::CallError;
use rebucket_worker::setup::StartError;
use rebucket_worker::store::download::DownloadError;
use tokio::signal::unix::{SignalKind, signal};

pub(crate) use say::complain;
use say::{Lines, complain_all};

/// Why a command stopped early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// There is no plan to work with.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A plan was given where only a manifest makes sense.
    #[error("{0} is a plan already; give it to `rebucket submit` or `rebucket run`")]
    AlreadyAPlan(String),
    /// A file cannot be written.
    #[error("{} cannot be written: {source}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Standard output cannot be written.
    #[error("standard output cannot be written: {0}")]
    Stdout(io::Error),
    /// What was downloaded or planned cannot be kept for a moment, in the
    /// system's folder; see [`placed`](Self::placed).
    #[error(
        "temporary files cannot be kept in {folder}: {0}; make room there, or name a folder with more \
         in TMPDIR", folder = std::env::temp_dir().display()
    )]
    Spool(io::Error),
    /// The plan cannot be written to the file that was named for it.
    #[error(
        "the plan cannot be written to {}: {source}; make room in its folder, or name another file \
         with --out; nothing was renamed", .path.display()
    )]
    PlanFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: PlanError,
    },
    /// The plan cannot be written to a temporary file.
    #[error(
        "the plan cannot be kept in {}: {source}; make room there, or name a folder with more with \
         --temp-dir; nothing was renamed", .folder.display()
    )]
    TemporaryPlan {
        /// Where the temporary files are.
        folder: PathBuf,
        /// What is wrong.
        source: PlanError,
    },
    /// The arguments do not go together.
    #[error("{0}")]
    Usage(String),
    /// A file that is written is also read, or written for something else.
    #[error(
        "{first} and {second} are one file, of which something would be lost; name another file \
         for {written}"
    )]
    OneFile {
        /// An argument and its file.
        first: String,
        /// Another one.
        second: String,
        /// The argument that writes.
        written: &'static str,
    },
    /// A flag that says nothing about the input that was given.
    #[error("{flag} is for {meant}, and {input} is {kind}; leave it out")]
    Idle {
        /// The flag.
        flag: String,
        /// The kind of input that it is for.
        meant: &'static str,
        /// The input.
        input: String,
        /// What that is.
        kind: &'static str,
    },
    /// The engine or the queue is not ready.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A request had no success.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The report cannot be read or written.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The outcomes in a report cannot be told.
    #[error(transparent)]
    Outcomes(OutcomesError),
    /// A job of that name was begun with other renames.
    #[error(
        "the report {report} has a job {job} of another manifest; give another --report or --job, \
         or the manifest that it was begun with"
    )]
    OtherManifest {
        /// The report.
        report: String,
        /// The job.
        job: JobId,
    },
    /// There is no chance to draw from.
    #[error("no id could be drawn for the submission: the system gives no random numbers: {0}")]
    NoChance(getrandom::Error),
    /// The job was begun by somebody else, whose pins are not ours.
    #[error(
        "the report {report} has a job {job} of this manifest that was begun elsewhere; what was at \
         the keys of its chains before only its beginner knows: go on from the checkpoint, or with \
         the command, that it was begun with, or give another --job"
    )]
    BegunElsewhere {
        /// The report.
        report: String,
        /// The job.
        job: JobId,
    },
    /// The plan that a job was begun with is gone.
    #[error(
        "{plan} {why}; it is the plan that the job {job} was begun with, and in the middle of a job \
         nobody can tell any more what was at the keys of its chains before. Put the file back; or \
         see what was done (`rebucket report`), and begin another job, with another name, of what \
         is left"
    )]
    PlanGone {
        /// The job.
        job: JobId,
        /// Where the plan was kept.
        plan: String,
        /// What is the matter with it.
        why: String,
    },
    /// There is no manifest to be made.
    #[error(transparent)]
    Map(#[from] map::MapError),
    /// The prices cannot be used.
    #[error(transparent)]
    Prices(#[from] estimate::PriceError),
    /// What was sent cannot be told, or not be kept.
    #[error(transparent)]
    Checkpoint(#[from] submit::CheckpointError),
    /// Stopped by a signal.
    #[error("interrupted")]
    Interrupted,
    /// A defect of ours.
    #[error("stopped by a defect of rebucket, please report it: {0}")]
    Defect(#[from] tokio::task::JoinError),
}

impl From<CallError> for CommandError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Interrupted => Self::Interrupted,
            CallError::Failed(error) => error.into(),
        }
    }
}

impl From<DownloadError> for CommandError {
    fn from(error: DownloadError) -> Self {
        match error {
            DownloadError::Call(error) => error.into(),
            DownloadError::Write(error) => Self::Spool(error),
        }
    }
}

impl From<EnvironmentError> for CommandError {
    fn from(error: EnvironmentError) -> Self {
        Self::Start(error.into())
    }
}

impl From<OutcomesError> for CommandError {
    fn from(error: OutcomesError) -> Self {
        match error {
            OutcomesError::Report(error) => error.into(),
            other => Self::Outcomes(other),
        }
    }
}

impl CommandError {
    /// The file cannot be written.
    pub(crate) fn writing(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::Write { path, source }
    }

    /// A failure of a look at a row's source is one of S3, not of the manifest.
    pub(crate) fn of_manifest(error: ManifestError) -> Self {
        match error {
            ManifestError::Pin(error) => match error.downcast::<Self>() {
                Ok(own) => *own,
                Err(other) => Self::Manifest(ManifestError::Pin(other)),
            },
            error => Self::Manifest(error),
        }
    }

    /// Says of a command that plans where it had no room: in the file `out`, or
    /// among the temporary files in `folder`, by default the system's.
    pub(crate) fn placed(self, folder: Option<PathBuf>, out: Option<PathBuf>) -> Self {
        let folder = folder.unwrap_or_else(std::env::temp_dir);
        match (self, out) {
            (Self::Spool(source), _) => ManifestError::from(SpillError { folder, source }).into(),
            (Self::Manifest(ManifestError::Write(source)), Some(path)) => {
                Self::PlanFile { path, source }
            }
            (Self::Manifest(ManifestError::Write(source)), None) => {
                Self::TemporaryPlan { folder, source }
            }
            (other, _) => other,
        }
    }

    /// The exit code that this error stands for.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Start(error) => match error.exit_code() {
                3 => Exit::Unreachable,
                130 => Exit::Interrupted,
                _ => Exit::BadInput,
            },
            Self::Service(error) | Self::Report(ReportError::Object(CallError::Failed(error)))
                if is_missing(error) =>
            {
                Exit::BadInput
            }
            Self::Service(_) | Self::Report(ReportError::Object(_)) => Exit::Unreachable,
            Self::Manifest(_)
            | Self::AlreadyAPlan(_)
            | Self::Write { .. }
            | Self::Stdout(_)
            | Self::Spool(_)
            | Self::PlanFile { .. }
            | Self::TemporaryPlan { .. }
            | Self::Usage(_)
            | Self::OneFile { .. }
            | Self::Idle { .. }
            | Self::Map(_)
            | Self::OtherManifest { .. }
            | Self::NoChance(_)
            | Self::BegunElsewhere { .. }
            | Self::PlanGone { .. }
            | Self::Checkpoint(_)
            | Self::Prices(_)
            | Self::Report(_)
            | Self::Outcomes(_)
            | Self::Defect(_) => Exit::BadInput,
            Self::Interrupted => Exit::Interrupted,
        }
    }
}

/// True when there is no such object, or no such bucket: S3 was reached, and
/// was asked for something else than what the operator meant. A queue that is
/// not there is none of these.
fn is_missing(error: &ServiceError) -> bool {
    let class = error.class();
    matches!(class, ErrorClass::NotFound | ErrorClass::ContainerMissing)
        && error.target.starts_with("s3://")
}

/// Says on standard error why a command stopped early.
pub(crate) fn explain(error: &CommandError) {
    match error {
        // Every line of it starts with the manifest's name and a place in it.
        CommandError::Manifest(ManifestError::Invalid(manifest)) => {
            complain_all(&found(manifest));
        }
        error => complain(format_args!("rebucket: {error}")),
    }
}

/// What was found in a manifest. It comes as lines, in which what is the
/// manifest's is escaped.
pub(crate) fn found(all: impl fmt::Display) -> Lines {
    let mut lines = Lines::default();
    all.to_string().lines().for_each(|line| lines.add(line));
    lines
}

/// Takes over Ctrl-C and SIGTERM at once; the future ends when one of them
/// arrives.
pub(crate) fn interrupted() -> impl Future<Output = ()> {
    let signals = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    );
    async move {
        match signals {
            (Ok(mut interrupt), Ok(mut terminate)) => {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            }
            // Without handlers the signals end the process by themselves.
            _ => std::future::pending().await,
        }
    }
}
