//! How a rename ends.

use rebucket_protocol::{ETag, Evidence, Reason, Timestamp, VersionId};

use super::Copy;
use crate::error::{ErrorClass, ServiceError};
use crate::retry::CallError;
use crate::store::object::ObjectHead;

/// The object at its new name, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landed {
    /// Size in bytes.
    pub bytes: u64,
    /// Its entity tag.
    pub etag: ETag,
    /// Its version, in a versioned bucket.
    pub version: Option<VersionId>,
    /// Its date as S3 gives it, in whole seconds.
    pub modified: Option<Timestamp>,
}

impl Landed {
    /// A copy of `bytes` bytes.
    pub(super) fn copied(copy: &Copy, bytes: u64) -> Self {
        Self {
            bytes,
            etag: copy.etag.clone(),
            version: copy.version.clone(),
            modified: copy.modified,
        }
    }

    /// An object that was found.
    pub(super) fn found(head: ObjectHead) -> Self {
        Self {
            bytes: head.size,
            etag: head.etag,
            version: head.version,
            modified: head.modified,
        }
    }
}

/// How a rename ended well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finished {
    /// Done by this delivery.
    Renamed {
        /// What is at the destination.
        landed: Landed,
        /// Who else may have been at it.
        others: Others,
    },
    /// Done by an earlier one.
    AlreadyRenamed {
        /// What is at the destination.
        landed: Landed,
        /// What says so, where that is less than a comparison.
        evidence: Option<Evidence>,
    },
    /// The destination is taken, and the task says to leave it then.
    Skipped {
        /// Size of the source in bytes.
        bytes: u64,
        /// What is in the way.
        detail: String,
    },
}

/// Whether a delete of the source may still be under way when its rename is
/// done: it would hit an object with the same bytes that takes its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// No other delivery has sent one, and ours was answered.
    None,
    /// That cannot be told.
    Perhaps,
}

/// How a rename ended otherwise.
#[derive(Debug, thiserror::Error)]
pub enum RenameError {
    /// Stopped from outside: handed back, not failed.
    #[error("interrupted")]
    Interrupted,
    /// May work later: handed back with a delay.
    #[error(transparent)]
    Retry(ServiceError),
    /// Will not work: parked. Nothing was deleted.
    #[error("{reason}: {detail}")]
    Failed {
        /// The stable code.
        reason: Reason,
        /// The reason in words.
        detail: String,
        /// Size of the source in bytes, 0 when it was never seen.
        bytes: u64,
    },
}

impl RenameError {
    pub(crate) fn failed(reason: Reason, detail: impl Into<String>) -> Self {
        Self::Failed {
            reason,
            detail: detail.into(),
            bytes: 0,
        }
    }

    /// The same failure, with the size of the object it is about.
    pub(super) fn of_size(self, size: u64) -> Self {
        match self {
            Self::Failed { reason, detail, .. } => Self::Failed {
                reason,
                detail,
                bytes: size,
            },
            other => other,
        }
    }
}

impl From<CallError> for RenameError {
    fn from(error: CallError) -> Self {
        let CallError::Failed(error) = error else {
            return Self::Interrupted;
        };
        let reason = match error.class() {
            ErrorClass::Throttled | ErrorClass::Transient | ErrorClass::Conflict => {
                return Self::Retry(error);
            }
            // An upload that somebody aborted is begun anew.
            ErrorClass::UploadMissing => return Self::Retry(error),
            ErrorClass::LeaseLost => return Self::Interrupted,
            ErrorClass::NotFound => Reason::SourceMissing,
            ErrorClass::Precondition => Reason::SourceChanged,
            ErrorClass::ContainerMissing => Reason::BucketMissing,
            ErrorClass::Denied => Reason::AccessDenied,
            ErrorClass::CustomerKey => Reason::CustomerKey,
            ErrorClass::Archived => Reason::Archived,
            ErrorClass::Unsupported | ErrorClass::Invalid => Reason::InvalidRequest,
        };
        Self::failed(reason, error.to_string())
    }
}
