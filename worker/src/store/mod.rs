//! The object store, as narrow as a rename needs it.
//!
//! Obligations of every implementation, checked by the same tests:
//! - One call is one request. No call retries: [`crate::retry`] does.
//! - A success carries a non-empty [`ETag`]; an answer without one is an error
//!   of class [`ErrorClass::Transient`](crate::error::ErrorClass::Transient),
//!   because the request may or may not have been carried out.
//! - A delete of a source without a condition can be asked for only where the
//!   endpoint refuses the condition, and the operator said `emulate`.

pub mod classify;
pub mod download;
pub mod endpoint;
pub mod expiration;
pub mod object;
pub mod paging;
pub mod probe;
pub mod s3;
pub mod told;

use async_trait::async_trait;
use rebucket_protocol::{ETag, ObjectUri, S3Prefix, Timestamp, VersionId};

use crate::error::ServiceError;
use expiration::Expiration;
use object::{Acl, Attributes, Checksums, Encryption, ObjectHead, ObjectLock, PinnedSource, Tags};

/// Result of one request to the store.
pub type StoreResult<T> = Result<T, ServiceError>;

/// The id of a multipart upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadId(pub String);

/// Which version, or which part, HEAD looks at.
#[derive(Debug, Clone, Copy, Default)]
pub struct HeadScope<'a> {
    /// A version; the current one when absent.
    pub version: Option<&'a VersionId>,
    /// A part, counted from 1: its size, and the number of parts.
    pub part: Option<u32>,
}

/// What a write may replace. The service itself refuses anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaces<'a> {
    /// No object: `If-None-Match: *`.
    Nothing,
    /// The object with this entity tag: `If-Match`.
    Object(&'a ETag),
    /// Whatever is there. For scratch keys, and for a task that overwrites on
    /// an endpoint where nothing better is known to work.
    Anything,
}

impl Replaces<'_> {
    /// The value of `If-None-Match`, if it is sent.
    #[must_use]
    pub fn if_none_match(self) -> Option<String> {
        (self == Self::Nothing).then(|| "*".to_owned())
    }

    /// The value of `If-Match`, if it is sent.
    #[must_use]
    pub fn if_match(self) -> Option<String> {
        match self {
            Self::Object(etag) => Some(etag.to_header()),
            Self::Nothing | Self::Anything => None,
        }
    }
}

/// A copy in one request.
#[derive(Debug, Clone, Copy)]
pub struct CopyRequest<'a> {
    /// What to copy; every copy is pinned.
    pub source: &'a PinnedSource,
    /// Where to.
    pub destination: &'a ObjectUri,
    /// What it may replace.
    pub replaces: Replaces<'a>,
    /// What to carry besides the bytes. The content's headers, the metadata
    /// and the tags are carried by the service itself.
    pub attributes: &'a Attributes,
    /// False to leave the tags behind, which also spares the permission to
    /// read them.
    pub keep_tags: bool,
}

/// What a successful copy answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyReceipt {
    /// The destination's entity tag.
    pub etag: ETag,
    /// The destination's version, in a versioned bucket.
    pub version: Option<VersionId>,
    /// When the destination was written, in whole seconds, if the answer says.
    pub modified: Option<Timestamp>,
    /// The destination's checksums, as far as the answer has them.
    pub checksums: Checksums,
    /// The destination's encryption, as far as the answer says.
    pub encryption: Encryption,
    /// When a lifecycle rule expires the destination, if the answer says.
    pub expiration: Option<Expiration>,
}

/// A range of the source that becomes one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartRange {
    /// The part's number, from 1.
    pub number: u32,
    /// Its first byte.
    pub start: u64,
    /// Its length in bytes, at least 1.
    pub len: u64,
}

/// What a successful part copy answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartReceipt {
    /// The part's number.
    pub number: u32,
    /// The part's entity tag.
    pub etag: ETag,
    /// The part's checksums.
    pub checksums: Checksums,
}

/// The last request of a multipart upload.
#[derive(Debug, Clone, Copy)]
pub struct CompleteRequest<'a> {
    /// Where to.
    pub destination: &'a ObjectUri,
    /// The upload.
    pub upload: &'a UploadId,
    /// Every part, in the order of their numbers.
    pub parts: &'a [PartReceipt],
    /// What it may replace.
    pub replaces: Replaces<'a>,
    /// The size in bytes that the whole must have.
    pub size: u64,
    /// The checksum of all bytes that the whole must have, if the source has
    /// one that the service can compute.
    pub expected: &'a Checksums,
}

/// A delete of one known object and no other, as far as a condition can say
/// so.
#[derive(Debug, Clone, Copy)]
pub enum DeleteRequest<'a> {
    /// Deletes the current object, or hides it behind a delete marker, if it
    /// still has this entity tag.
    IfMatch {
        /// The object.
        object: &'a ObjectUri,
        /// The tag that it must have.
        etag: &'a ETag,
    },
    /// Removes exactly one version for good.
    Version {
        /// The object.
        object: &'a ObjectUri,
        /// The version to remove.
        version: &'a VersionId,
    },
    /// Deletes whatever is there. For scratch objects, whose keys nobody else
    /// uses, and for what was looked at right before where the endpoint refuses
    /// the condition.
    Unconditional {
        /// The object.
        object: &'a ObjectUri,
    },
}

/// What a bucket settles for all of its objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BucketFacts {
    /// False when the bucket's owner owns every object, so that none has
    /// grants of its own.
    pub has_acls: bool,
    /// False when no version in the bucket can be locked.
    pub has_lock: bool,
    /// Whether it keeps versions.
    pub versioning: Versioning,
}

/// Whether a bucket keeps versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versioning {
    /// It never did: no object in it has a version.
    Never,
    /// Each write makes a version, and a plain delete destroys none.
    Enabled,
    /// A write or a plain delete destroys the version `null`, wherever that is
    /// in the key's history (facts 8.3). Older versions may be there.
    Suspended,
    /// Only a clear answer says one of the others.
    Unknown,
}

impl Versioning {
    /// False when no object has a version.
    #[must_use]
    pub fn may_have_versions(self) -> bool {
        self != Self::Never
    }

    /// Whether a write or a plain delete may destroy a version that is not the
    /// current one.
    #[must_use]
    pub fn may_destroy_history(self) -> bool {
        matches!(self, Self::Suspended | Self::Unknown)
    }
}

/// The requests that a rename makes.
#[async_trait]
pub trait ObjectStore: Send + Sync + 'static {
    /// The store's own time, by which objects are dated, or a little earlier;
    /// `None` while no answer had a date. Sends nothing.
    fn now(&self) -> Option<Timestamp>;

    /// `HeadObject` with checksums.
    async fn head(&self, object: &ObjectUri, scope: HeadScope<'_>) -> StoreResult<ObjectHead>;

    /// `GetObjectTagging`.
    async fn tags(&self, object: &ObjectUri, version: Option<&VersionId>) -> StoreResult<Tags>;

    /// `GetObjectAcl`.
    async fn acl(&self, object: &ObjectUri, version: Option<&VersionId>) -> StoreResult<Acl>;

    /// `GetObjectRetention`: mode, date and event hold, and no legal hold.
    async fn retention(
        &self,
        object: &ObjectUri,
        version: Option<&VersionId>,
    ) -> StoreResult<ObjectLock>;

    /// `GetObjectLegalHold`: true when one is on.
    async fn legal_hold(
        &self,
        object: &ObjectUri,
        version: Option<&VersionId>,
    ) -> StoreResult<bool>;

    /// The settings of a bucket in which we work under this prefix. Fails with
    /// `ContainerMissing` when there is no such bucket, and with `Denied`
    /// when the prefix may not be listed.
    async fn bucket_facts(&self, place: &S3Prefix) -> StoreResult<BucketFacts>;

    /// `CopyObject`.
    async fn copy(&self, request: CopyRequest<'_>) -> StoreResult<CopyReceipt>;

    /// `CreateMultipartUpload` with every attribute.
    async fn create_upload(
        &self,
        destination: &ObjectUri,
        attributes: &Attributes,
    ) -> StoreResult<UploadId>;

    /// `UploadPartCopy`.
    async fn copy_part(
        &self,
        source: &PinnedSource,
        destination: &ObjectUri,
        upload: &UploadId,
        range: PartRange,
    ) -> StoreResult<PartReceipt>;

    /// `CompleteMultipartUpload`.
    async fn complete_upload(&self, request: CompleteRequest<'_>) -> StoreResult<CopyReceipt>;

    /// `AbortMultipartUpload`.
    async fn abort_upload(&self, destination: &ObjectUri, upload: &UploadId) -> StoreResult<()>;

    /// `ListObjectAnnotations`: the names of all of them.
    async fn annotations(
        &self,
        object: &ObjectUri,
        version: Option<&VersionId>,
    ) -> StoreResult<Vec<String>>;

    /// `GetObjectAnnotation` and `PutObjectAnnotation`: carries one annotation
    /// over to a destination that still has this entity tag.
    async fn carry_annotation(
        &self,
        source: &PinnedSource,
        destination: &ObjectUri,
        destination_etag: &ETag,
        name: &str,
    ) -> StoreResult<()>;

    /// `DeleteObject`, always conditional.
    async fn delete(&self, request: DeleteRequest<'_>) -> StoreResult<()>;

    /// `PutObject` of a few bytes: only for scratch objects of the probe.
    async fn put_scratch(
        &self,
        object: &ObjectUri,
        body: &[u8],
        attributes: &Attributes,
    ) -> StoreResult<CopyReceipt>;

    /// Removes every version and delete marker under a scratch folder of the
    /// probe's own; nothing is there in a bucket without versions.
    async fn purge_scratch(&self, folder: &S3Prefix) -> StoreResult<()>;

    /// `GetObject` of a few bytes: only for scratch objects of the probe.
    async fn get_scratch(&self, object: &ObjectUri) -> StoreResult<Vec<u8>>;
}
