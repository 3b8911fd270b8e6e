//! How a rename ended: the line of the report.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{ETag, ObjectUri, SubmissionId, TaskId, Timestamp, VersionId};

/// The four ways in which a task can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The object is under its new key, and this task put it there.
    Renamed,
    /// An earlier delivery of the same task had done it.
    AlreadyRenamed,
    /// The destination was taken, and the task says to leave it then.
    Skipped,
    /// Not done, for the reason given. The source is untouched.
    Failed,
}

impl Outcome {
    /// The stable name in reports and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Renamed => "renamed",
            Self::AlreadyRenamed => "already_renamed",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $code:literal,)*) => {
        /// Why a rename was not carried out. The codes are stable: dashboards
        /// and scripts count by them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Reason {
            $($(#[$doc])* #[serde(rename = $code)] $variant,)*
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The stable code.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }
        }
    };
}

reasons! {
    /// No object at the source, and none of ours at the destination.
    SourceMissing = "source_missing",
    /// The object was at its temporary key, between the two legs of its rename,
    /// and is not there any more.
    TemporaryObjectGone = "temporary_object_gone",
    /// The source does not match the pins, or was replaced while we copied.
    SourceChanged = "source_changed",
    /// The source was written again after the job was submitted, perhaps with
    /// the same bytes, so it may not be the object that the task names.
    SourceRewritten = "source_rewritten",
    /// Source and destination are, or may be, one object to the endpoint,
    /// although their keys differ.
    KeysFold = "keys_fold",
    /// The endpoint does not copy keys like the source's, or does not write one
    /// like the destination's: it has a folder of that name.
    KeyUnsupported = "key_unsupported",
    /// Source and destination are, or may be, one object in one bucket that has
    /// two names.
    SameObject = "same_object",
    /// A purge without a version to purge, where an earlier delivery may have
    /// removed one already.
    VersionUnpinned = "version_unpinned",
    /// Object Lock keeps the version that would be removed.
    Locked = "locked",
    /// Versioning is suspended, and the rename would destroy an older version.
    HistoryAtRisk = "history_at_risk",
    /// Another object is at the destination.
    DestinationExists = "destination_exists",
    /// An object is at the destination that could not be compared with the
    /// source.
    DestinationNotComparable = "destination_not_comparable",
    /// The copy does not match the source.
    VerificationFailed = "verification_failed",
    /// The endpoint denied a request.
    AccessDenied = "access_denied",
    /// The source's tags may not be read or written.
    TagsDenied = "tags_denied",
    /// A bucket does not exist.
    BucketMissing = "bucket_missing",
    /// The message is for buckets of another account than the worker's.
    WrongStore = "wrong_store",
    /// The bucket or prefix is not on the worker's `--allow` list.
    NotAllowed = "not_allowed",
    /// Source and destination are the same object.
    SelfRename = "self_rename",
    /// The message is not a task.
    MalformedMessage = "malformed_message",
    /// The message has a version that this worker does not read.
    UnknownVersion = "unknown_version",
    /// The message has a field that this worker does not know.
    UnknownField = "unknown_field",
    /// The message is over the size limit.
    OversizedMessage = "oversized_message",
    /// The message carries a chain of renames that do not wait for one another.
    BrokenChain = "broken_chain",
    /// The rename that frees the destination, or brings the source, was not
    /// carried out.
    BlockedBy = "blocked_by",
    /// The object is in an archive and must be restored first.
    Archived = "archived",
    /// Larger than an S3 object can be, or than parts can carry.
    TooLarge = "too_large",
    /// A property of the source cannot be carried over, and is not waived.
    NotPreservable = "not_preservable",
    /// A property of the source did not arrive at the destination.
    NotPreserved = "not_preserved",
    /// Encrypted with a key that the customer keeps (SSE-C).
    CustomerKey = "customer_key",
    /// The endpoint ignores a condition that safety needs.
    UnsafeEndpoint = "unsafe_endpoint",
    /// The endpoint refused a request as invalid.
    InvalidRequest = "invalid_request",
    /// Transient failures until the last permitted delivery.
    RetriesExhausted = "retries_exhausted",
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a task counts as done, where that rests on less than a comparison of
/// the object at its new name with the source or with the task's pins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// The object at the new name is dated at or after the time at which the
    /// task was sent. Somebody else may have put it there.
    Date,
}

impl Evidence {
    /// The stable name in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Date => "date",
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One line of the report: the terminal outcome of one task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeRecord {
    /// The task.
    pub task: TaskId,
    /// The submission that the task belongs to. `None` where its message did
    /// not say, or a build before there were submissions wrote the line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submission: Option<SubmissionId>,
    /// The old name.
    pub source: ObjectUri,
    /// The new name.
    pub destination: ObjectUri,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, when it was not renamed.
    pub reason: Option<Reason>,
    /// The reason in words, for people.
    pub detail: Option<String>,
    /// The object's size in bytes; 0 where it was never seen.
    pub bytes: u64,
    /// The entity tag of the object at its new name.
    pub etag: Option<ETag>,
    /// The version of the object at its new name, where its bucket keeps
    /// versions and the version is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionId>,
    /// The date of the object at its new name as S3 gives it, in whole
    /// seconds, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<Timestamp>,
    /// Why it counts as done, where that rests on less than a comparison.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// How often the task had been delivered, this time included.
    pub attempts: u32,
    /// When the worker began with the task.
    pub started: Timestamp,
    /// When the task ended.
    pub ended: Timestamp,
    /// Which worker ended it.
    pub worker: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_serialized_names() {
        for reason in Reason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
        let all = [
            Outcome::Renamed,
            Outcome::AlreadyRenamed,
            Outcome::Skipped,
            Outcome::Failed,
        ];
        for outcome in all {
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.as_str());
        }
        let date = Evidence::Date;
        assert_eq!(serde_json::to_value(date).unwrap(), date.as_str());
    }
}
