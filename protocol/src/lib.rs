//! The vocabulary of rebucket: what a rename is, how it travels through the
//! queue, and how it ends.
//!
//! Pure types without I/O. Every newtype is checked in its constructor, so a
//! value that exists is a value that is valid; wire types are separate from
//! domain types and are converted in one place ([`message`]).

pub mod account;
pub mod bucket;
pub mod chain;
pub mod created;
pub mod etag;
pub mod job;
pub mod key;
pub mod message;
pub mod options;
pub mod outcome;
pub mod places;
pub mod printable;
pub mod submission;
pub mod task;
pub mod timestamp;
pub mod uri;
pub mod version;

pub use account::AccountId;
pub use bucket::BucketName;
pub use chain::{ChainError, Hop, Leg, Step};
pub use created::{CreationDates, OtherBucket};
pub use etag::ETag;
pub use job::{JobId, TaskId};
pub use key::{CopySource, ObjectKey};
pub use message::{MAX_MESSAGE_BYTES, MessageError, decode, encode};
pub use options::{IfExists, JobOptions, StorageClass, VersionPolicy, Waiver};
pub use outcome::{Evidence, Outcome, OutcomeRecord, Reason};
pub use printable::printable;
pub use submission::SubmissionId;
pub use task::{Pins, RenameTask, SelfRename};
pub use timestamp::Timestamp;
pub use uri::{ObjectUri, S3Prefix};
pub use version::VersionId;
