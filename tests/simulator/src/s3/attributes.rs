//! `GetObjectAttributes`.

use super::{
    Checksum, CustomerKey, ETag, ObjectPart, ObjectRef, S3, S3Result, StorageClass, VersionId,
};
use crate::clock::Millis;
use std::sync::Arc;

/// What `GetObjectAttributes` can say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectAttributes {
    /// The version, in a bucket that has any.
    pub version_id: Option<VersionId>,
    /// When it was made.
    pub modified: Millis,
    /// The entity tag.
    pub etag: ETag,
    /// The size in bytes.
    pub size: u64,
    /// The storage class.
    pub storage_class: StorageClass,
    /// The checksum.
    pub checksum: Option<Checksum>,
    /// The parts, of an object that was uploaded in parts.
    pub parts: Option<Arc<[ObjectPart]>>,
}

impl S3 {
    /// `GetObjectAttributes`.
    pub fn get_object_attributes(
        &self,
        object: &ObjectRef,
        customer_key: Option<&CustomerKey>,
        _now: Millis,
    ) -> S3Result<ObjectAttributes> {
        let (bucket, found) = self.find(object)?;
        found.object.check_key(customer_key)?;
        Ok(ObjectAttributes {
            version_id: bucket.shown(found.id),
            modified: found.modified,
            etag: found.object.etag.clone(),
            size: found.object.content.size(),
            storage_class: found.object.storage_class,
            checksum: found.object.checksum(),
            parts: found.object.parts.clone(),
        })
    }
}
