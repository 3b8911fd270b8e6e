//! Object tags.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Content, ErrorCode, ObjectRef, S3, S3Error, S3Result, VersionId};
use crate::clock::Millis;

/// Tags by key; copies share them.
pub type Tags = Arc<BTreeMap<String, String>>;

/// Ten tags, keys of 1 to 128 characters, values of at most 256.
pub(super) fn check(tags: &Tags) -> S3Result<()> {
    if tags.len() > 10 {
        return Err(S3Error::new(
            ErrorCode::BadRequest,
            "Object tags cannot be greater than 10",
        ));
    }
    for (key, value) in tags.iter() {
        if key.is_empty() || key.chars().count() > 128 {
            return Err(S3Error::new(
                ErrorCode::InvalidTag,
                "The TagKey you have provided is invalid",
            ));
        }
        if value.chars().count() > 256 {
            return Err(S3Error::new(
                ErrorCode::InvalidTag,
                "The TagValue you have provided is invalid",
            ));
        }
    }
    Ok(())
}

impl S3 {
    /// `GetObjectTagging`: the tags, and the version they are on.
    pub fn get_object_tagging(
        &self,
        object: &ObjectRef,
        _now: Millis,
    ) -> S3Result<(Tags, Option<VersionId>)> {
        let (bucket, found) = self.find(object)?;
        bucket.check_general()?;
        Ok((found.object.tags.clone(), bucket.shown(found.id)))
    }

    /// `PutObjectTagging`: replaces all tags. Returns the version they are on.
    pub fn put_object_tagging(
        &mut self,
        object: &ObjectRef,
        tags: Tags,
        _now: Millis,
    ) -> S3Result<Option<VersionId>> {
        check(&tags)?;
        let empties = self.quirks.tagging_empties;
        let bucket = self.bucket_mut(&object.bucket)?;
        bucket.check_general()?;
        bucket.change(object, |o| {
            o.tags = tags;
            if empties {
                o.content = Content::default();
                o.parts = None;
            }
        })
    }

    /// `DeleteObjectTagging`. Returns the version they were on.
    pub fn delete_object_tagging(
        &mut self,
        object: &ObjectRef,
        now: Millis,
    ) -> S3Result<Option<VersionId>> {
        self.put_object_tagging(object, Tags::default(), now)
    }
}
