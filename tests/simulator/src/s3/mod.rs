//! A model of Amazon S3: one method an operation, no threads, clock or sockets.
//!
//! Every method is told the time; ids and hidden numbers come from counters; so
//! the same calls in the same order give the same answers. A refused request
//! changes nothing.
//!
//! ```
//! use rebucket_simulator::clock::Millis;
//! use rebucket_simulator::s3::{
//!     BucketSettings, CopyObjectRequest, CopySource, PutObjectRequest, S3, WriteConditions,
//! };
//!
//! let mut s3 = S3::new();
//! let now = Millis(1_000);
//! s3.create_bucket("b", BucketSettings::default(), now)?;
//! s3.put_object(PutObjectRequest::new("b", "old", "bytes"), now)?;
//! s3.copy_object(
//!     CopyObjectRequest {
//!         conditions: WriteConditions::absent(),
//!         ..CopyObjectRequest::new(CopySource::new("b", "old"), "b", "new")
//!     },
//!     now,
//! )?;
//! let bucket = s3.bucket("b").unwrap();
//! let (old, new) = (bucket.current("old").unwrap(), bucket.current("new").unwrap());
//! assert_eq!((&old.content, old.origin), (&new.content, new.origin));
//! # Ok::<(), rebucket_simulator::s3::S3Error>(())
//! ```

// Each operation fails as its namesake of Amazon's does: with an `S3Error`.
#![allow(clippy::missing_errors_doc)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Millis;

mod acl;
mod annotations;
mod archive;
mod attributes;
mod bucket;
mod checksum;
mod complete;
mod conditions;
mod content;
mod copy;
mod delete;
mod digest;
mod error;
mod expiry;
mod get;
pub mod limits;
mod list;
mod lock;
mod multipart;
mod names;
mod object;
mod put;
mod quirks;
mod rename;
mod tags;
#[cfg(test)]
mod tests;
mod upload;

pub use acl::{
    ALL_USERS, AUTHENTICATED_USERS, Acl, AclRequest, CannedAcl, Grant, Grantee, OWNER, Permission,
};
pub use annotations::{
    Annotation, AnnotationEntry, ListAnnotationsRequest, ListAnnotationsResponse,
    PutAnnotationRequest,
};
pub use archive::{RestoreOutcome, RestoreRequest};
pub use attributes::ObjectAttributes;
pub use bucket::{Bucket, BucketEntry, BucketSettings, DefaultRetention, Ownership, Versioning};
pub use checksum::{
    Checksum, ChecksumAlgorithm, ChecksumKept, ChecksumRequest, ChecksumType, base64,
};
pub use conditions::{ReadConditions, WriteConditions};
pub use content::{Content, Segment};
pub use copy::{AnnotationDirective, CopyObjectRequest, CopyResponse, CopySource, Directive};
pub use delete::{
    DeleteObjectRequest, DeleteObjectResponse, DeleteObjectsEntry, DeleteObjectsResult,
};
pub use digest::REAL_DIGEST_LIMIT;
pub use error::{ErrorCode, S3Error, S3Result};
pub use expiry::{Expiration, ExpiryRule};
pub use get::{ByteRange, GetObjectRequest, GetObjectResponse, ObjectHead, RestoreStatus};
pub use list::{
    ListObjectsRequest, ListObjectsResponse, ListUploadsRequest, ListUploadsResponse,
    ListVersionsRequest, ListVersionsResponse, ListedObject, ListedUpload, ListedVersion,
};
pub use lock::{EventHold, HoldPeriod, Retention, RetentionAnswer, RetentionMode};
pub use names::{AliasKind, Folding};
pub use object::{
    ArchiveTier, CustomerKey, ETag, Encryption, Metadata, NewObject, Object, ObjectPart, Restore,
    StorageClass, Version, VersionId,
};
pub use put::{Layout, PutObjectRequest, SparseObject, WriteResponse};
pub use quirks::Quirks;
pub use rename::RenameObjectRequest;
pub use tags::Tags;
pub use upload::{
    CompletePart, CompleteUploadRequest, CreateUploadRequest, CreateUploadResponse,
    ListPartsRequest, ListPartsResponse, Part, PartSource, Upload, UploadPartCopyRequest,
    UploadPartRequest,
};

/// All buckets of one account.
#[derive(Debug, Clone, Default)]
pub struct S3 {
    buckets: BTreeMap<String, Bucket>,
    aliases: BTreeMap<String, names::Alias>,
    /// Where this server departs from Amazon's.
    pub quirks: Quirks,
    /// How long a restore takes when the request does not say.
    pub restore_takes: Duration,
    sequence: u64,
    origins: u64,
    uploads: u64,
    /// What finished uploads were answered: when asked again, the same.
    completed: BTreeMap<String, Completed>,
}

/// An object as a request names it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectRef {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The version; `None` is the current one.
    pub version: Option<VersionId>,
}

impl ObjectRef {
    /// The current version.
    #[must_use]
    pub fn new(bucket: &str, key: &str) -> Self {
        Self {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            version: None,
        }
    }

    /// That version.
    #[must_use]
    pub fn version(mut self, version: VersionId) -> Self {
        self.version = Some(version);
        self
    }
}

/// An upload that was completed.
#[derive(Debug, Clone)]
struct Completed {
    bucket: String,
    key: String,
    answer: WriteResponse,
}

/// An object that was found.
struct Found<'a> {
    id: VersionId,
    modified: Millis,
    sequence: u64,
    object: &'a Arc<Object>,
}

impl S3 {
    /// An account without buckets.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A bucket by any of its names, for auditors.
    #[must_use]
    pub fn bucket(&self, name: &str) -> Option<&Bucket> {
        self.buckets.get(self.own_name(name))
    }

    /// Every bucket by its own name, for auditors.
    pub fn buckets(&self) -> impl Iterator<Item = (&str, &Bucket)> {
        self.buckets.iter().map(|(name, b)| (name.as_str(), b))
    }

    fn bucket_or_err(&self, name: &str) -> S3Result<&Bucket> {
        self.bucket(name).ok_or_else(|| no_such_bucket(name))
    }

    fn bucket_mut(&mut self, name: &str) -> S3Result<&mut Bucket> {
        let own = self.aliases.get(name).map_or(name, names::Alias::bucket);
        self.buckets
            .get_mut(own)
            .ok_or_else(|| no_such_bucket(name))
    }

    fn find(&self, object: &ObjectRef) -> S3Result<(&Bucket, Found<'_>)> {
        let bucket = self.bucket_or_err(&object.bucket)?;
        let version = bucket.locate(&object.key, object.version)?;
        let found = version.object.as_ref().map(|object| Found {
            id: version.id,
            modified: version.modified,
            sequence: version.sequence,
            object,
        });
        let missing = || S3Error::no_such_key(&object.key);
        Ok((bucket, found.ok_or_else(missing)?))
    }

    fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    fn next_origin(&mut self) -> u64 {
        self.origins += 1;
        self.origins
    }
}

impl Bucket {
    /// The version that a request means. Never a delete marker: meeting one is
    /// 404 when it is current and 405 when it was asked for.
    fn locate(&self, key: &str, version: Option<VersionId>) -> S3Result<&Version> {
        let versions = self.versions(key);
        let found = match version {
            None => versions.last().ok_or_else(|| S3Error::no_such_key(key))?,
            Some(id) => versions
                .iter()
                .find(|v| v.id == id)
                .ok_or_else(|| no_such_version(key, id))?,
        };
        match (found.is_marker(), version) {
            (false, _) => Ok(found),
            (true, None) => Err(S3Error::no_such_key(key).at_marker(found.id)),
            (true, Some(_)) => Err(S3Error::of_marker(found.id)),
        }
    }

    /// Changes an object in place, and returns the version to show for it.
    fn change(
        &mut self,
        object: &ObjectRef,
        change: impl FnOnce(&mut Object),
    ) -> S3Result<Option<VersionId>> {
        let id = self.locate(&object.key, object.version)?.id;
        let shown = self.shown(id);
        let stored = self
            .keys
            .get_mut(&object.key)
            .and_then(|versions| versions.iter_mut().find(|v| v.id == id))
            .and_then(|version| version.object.as_mut())
            .ok_or_else(|| S3Error::no_such_key(&object.key))?;
        change(Arc::make_mut(stored));
        Ok(shown)
    }
}

fn no_such_bucket(name: &str) -> S3Error {
    S3Error::new(
        ErrorCode::NoSuchBucket,
        "The specified bucket does not exist",
    )
    .with("BucketName", name)
}

fn no_such_version(key: &str, version: VersionId) -> S3Error {
    S3Error::new(
        ErrorCode::NoSuchVersion,
        "The specified version does not exist.",
    )
    .with("Key", key)
    .with("VersionId", version)
}
