//! What one step of a rename hands to the next.

use rebucket_protocol::{ETag, Timestamp, VersionId};

use super::distinct::Distinct;
use super::plan::CopyPlan;
use crate::store::CopyReceipt;
use crate::store::expiration::Expiration;
use crate::store::object::{Attributes, Checksums, Encryption, ObjectHead, PinnedSource};

/// The source as it was inspected: pinned, with everything that is to be
/// carried over.
#[derive(Debug, Clone)]
pub struct Source {
    /// The object and its pins.
    pub pinned: PinnedSource,
    /// What HEAD said.
    pub head: ObjectHead,
    /// What its copy carries.
    pub attributes: Attributes,
    /// How far its tags are known: a single copy carries them unseen.
    pub tags_known: TagsKnown,
    /// How it is copied.
    pub plan: CopyPlan,
    /// The names of its annotations, if they were asked for: a copy in parts
    /// drops them.
    pub annotations: Option<Vec<String>>,
}

impl Source {
    /// What its copy and its delete must know of it.
    pub(crate) fn original(&self) -> Original {
        Original {
            pinned: self.pinned.clone(),
            size: self.head.size,
            plan: self.plan,
            written: Written::Seen(self.head.modified),
        }
    }
}

/// How far the tags of an object are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagsKnown {
    /// Nobody asked.
    Unread,
    /// HEAD counted none, which it does as well for who may not read them.
    BySilence,
    /// They were counted, or read.
    ByName,
}

/// The original of a copy, as far as its delete must know it.
#[derive(Debug, Clone)]
pub struct Original {
    /// The object and its pins.
    pub pinned: PinnedSource,
    /// The size in bytes: as HEAD said, or as the task does.
    pub size: u64,
    /// How it is copied.
    pub plan: CopyPlan,
    /// When it was written.
    pub written: Written,
}

/// When an original was written. That tells it from an object with the same
/// bytes that somebody puts in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// As HEAD said, in whole seconds; `None` where the endpoint does not say.
    Seen(Option<Timestamp>),
    /// Nobody looked. Before the task was sent, then: its pins were known.
    Unseen,
}

/// Who made the object at the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A success response of this very attempt.
    ThisAttempt,
    /// An earlier attempt, as the comparison with the source proved.
    Recognised,
}

/// A copy of the source at the destination, which is not the source itself.
#[derive(Debug, Clone)]
pub struct Copy {
    /// Its entity tag.
    pub etag: ETag,
    /// Its version, in a versioned bucket.
    pub version: Option<VersionId>,
    /// Its date as S3 gives it, in whole seconds, where it is known.
    pub modified: Option<Timestamp>,
    /// Its checksums, as far as the response had them.
    pub checksums: Checksums,
    /// Its encryption, if the response says: its bucket may have chosen it.
    pub encryption: Encryption,
    /// When a lifecycle rule expires it, if an answer says.
    pub expiration: Option<Expiration>,
    /// Who made it.
    pub origin: Origin,
    /// What shows that it is another object than the source.
    pub distinct: Distinct,
}

impl Copy {
    /// What a success response of this attempt has made. A key that was asked
    /// for is used, and answered by most.
    pub(crate) fn answered(receipt: CopyReceipt, asked: &Encryption, distinct: Distinct) -> Self {
        Self {
            etag: receipt.etag,
            version: receipt.version,
            modified: receipt.modified,
            checksums: receipt.checksums,
            encryption: match receipt.encryption {
                Encryption::Unstated => asked.clone(),
                stated => stated,
            },
            expiration: receipt.expiration,
            origin: Origin::ThisAttempt,
            distinct,
        }
    }
}
