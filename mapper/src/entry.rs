//! One key, with whatever is known about its object.

use rebucket_protocol::{BucketName, ETag, ObjectKey, StorageClass, Timestamp, VersionId};

/// An object that may be renamed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its bucket.
    pub bucket: BucketName,
    /// Its key.
    pub key: ObjectKey,
    /// Its entity tag, where known.
    pub etag: Option<ETag>,
    /// Its size in bytes, where known.
    pub size: Option<u64>,
    /// Its current version, where known.
    pub version: Option<VersionId>,
    /// When it was last written, where known.
    pub modified: Option<Timestamp>,
    /// Its storage class, where known.
    pub storage_class: Option<StorageClass>,
    /// The values of further columns of a file of keys, in the order in which
    /// they were asked for.
    pub columns: Vec<String>,
}

impl Entry {
    /// An object of which only the place is known.
    #[must_use]
    pub fn new(bucket: BucketName, key: ObjectKey) -> Self {
        Self {
            bucket,
            key,
            etag: None,
            size: None,
            version: None,
            modified: None,
            storage_class: None,
            columns: Vec::new(),
        }
    }
}

/// What a source of keys lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    /// An object as it is now.
    Current(Entry),
    /// An older version of an object, which no rename moves.
    Noncurrent,
    /// A delete marker: no object.
    DeleteMarker,
}
