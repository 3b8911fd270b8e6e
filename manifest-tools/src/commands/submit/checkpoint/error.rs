//! Why a checkpoint cannot be used.

use std::io;
use std::path::PathBuf;

use rebucket_protocol::{JobId, OtherBucket};

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckpointError {
    /// It cannot be read or written.
    #[error("the checkpoint {}: {source}; another can be given with --checkpoint", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something else, or damaged.
    #[error(
        "{} is not a checkpoint of `rebucket submit`, or a damaged one (line {line}); give \
         another --checkpoint, or --again to replace it and to begin anew", .path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line that cannot be read.
        line: usize,
    },
    /// Written by a newer build.
    #[error("the checkpoint {} has version {version}, this build reads version 1", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u64,
    },
    /// Another process has it.
    #[error("another `rebucket submit` is using the checkpoint {}; wait for it to end", .0.display())]
    InUse(PathBuf),
    /// An unfinished submission of something else.
    #[error(
        "the checkpoint {} is of a submission that did not end (job {job}, {sent} of {rows} \
         renames) and had another {what}; finish it with the command that began it (without --again), \
         give another --checkpoint, or give it up and begin anew with --again", .path.display()
    )]
    Another {
        /// The file.
        path: PathBuf,
        /// The unfinished job.
        job: JobId,
        /// What of it was sent.
        sent: u64,
        /// What it has.
        rows: u64,
        /// What differs.
        what: &'static str,
    },
    /// The submission was begun for another store.
    #[error(
        "the checkpoint {} is of the job {job}, which was begun for the bucket {} that was created at \
         {}; the bucket of this name that is reached now was created at {}, so it is another one; \
         give the endpoint that the job was begun with, or give the job up and begin anew with --again",
        .path.display(), .other.bucket, .other.meant, .other.found
    )]
    OtherStore {
        /// The file.
        path: PathBuf,
        /// The job.
        job: JobId,
        /// The bucket.
        other: Box<OtherBucket>,
    },
    /// The same renames, submitted otherwise.
    #[error(
        "according to the checkpoint {} the job {job} submitted these renames to this queue \
         already, with another {what}; to submit them once more, give --again", .path.display()
    )]
    DoneOtherwise {
        /// The file.
        path: PathBuf,
        /// The finished job.
        job: JobId,
        /// What differs.
        what: &'static str,
    },
}
