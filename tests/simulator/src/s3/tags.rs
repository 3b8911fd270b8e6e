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
    check_each(tags, "Your TagKey cannot be prefixed with aws:")
}

/// `reserved` is what S3 says to a key that begins with `aws:`.
fn check_each(tags: &Tags, reserved: &'static str) -> S3Result<()> {
    for (key, value) in tags.iter() {
        if key.starts_with("aws:") {
            return Err(invalid(reserved).with("TagKey", key));
        }
        if key.is_empty() || key.chars().count() > 128 || !key.chars().all(is_allowed) {
            return Err(invalid("The TagKey you have provided is invalid").with("TagKey", key));
        }
        if value.chars().count() > 256 || !value.chars().all(is_allowed) {
            return Err(
                invalid("The TagValue you have provided is invalid").with("TagValue", value)
            );
        }
    }
    Ok(())
}

fn invalid(message: &'static str) -> S3Error {
    S3Error::new(ErrorCode::InvalidTag, message)
}

/// Letters, digits and spaces of every language, and `+ - = . _ : / @`.
fn is_allowed(c: char) -> bool {
    c.is_alphanumeric() || c.is_whitespace() || "+-=._:/@".contains(c)
}

/// Unlike other properties, the tags of a current delete marker are refused as
/// those of a marker that was asked for.
fn refuse_marker(error: S3Error) -> S3Error {
    match error.delete_marker {
        Some(marker) if error.code == ErrorCode::NoSuchKey => S3Error::of_marker(marker),
        _ => error,
    }
}

impl S3 {
    /// `GetObjectTagging`: the tags, and the version they are on.
    pub fn get_object_tagging(
        &self,
        object: &ObjectRef,
        _now: Millis,
    ) -> S3Result<(Tags, Option<VersionId>)> {
        let (bucket, found) = self.find(object).map_err(refuse_marker)?;
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
        let changed = bucket.change(object, |o| {
            o.tags = tags;
            if empties {
                o.content = Content::default();
                o.parts = None;
            }
        });
        changed.map_err(refuse_marker)
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

impl S3 {
    /// `GetBucketTagging`: the bucket's own tags.
    pub fn get_bucket_tagging(&self, bucket: &str, _now: Millis) -> S3Result<Tags> {
        let tags = &self.bucket_or_err(bucket)?.tags;
        if tags.is_empty() {
            return Err(
                S3Error::new(ErrorCode::NoSuchTagSet, "The TagSet does not exist")
                    .with("BucketName", bucket),
            );
        }
        Ok(tags.clone())
    }

    /// `PutBucketTagging`: replaces all tags. `DeleteBucketTagging` is one of
    /// none.
    pub fn put_bucket_tagging(&mut self, bucket: &str, tags: Tags, _now: Millis) -> S3Result<()> {
        check_each(&tags, "System tags cannot be added/updated by requester")?;
        self.bucket_mut(bucket)?.tags = tags;
        Ok(())
    }
}
