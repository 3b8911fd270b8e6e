//! `DeleteObject` and `DeleteObjects`.

use super::conditions::etag_matches;
use super::limits::{MAX_PAGE, check_key};
use super::{ErrorCode, ObjectRef, S3, S3Error, S3Result, Version, VersionId, Versioning};
use crate::clock::Millis;

/// `DeleteObject`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeleteObjectRequest {
    /// What; with a version, the version itself goes.
    pub object: ObjectRef,
    /// Only if the *current* version has this ETag.
    pub if_match: Option<String>,
    /// Whether a retention in GOVERNANCE mode is passed over.
    pub bypass_governance: bool,
}

impl DeleteObjectRequest {
    /// Whatever is current.
    #[must_use]
    pub fn new(bucket: &str, key: &str) -> Self {
        Self {
            object: ObjectRef::new(bucket, key),
            ..Self::default()
        }
    }

    /// Only if the current version has this ETag.
    #[must_use]
    #[allow(clippy::needless_pass_by_value)] // For texts and ETags alike.
    pub fn if_match(mut self, etag: impl ToString) -> Self {
        self.if_match = Some(etag.to_string());
        self
    }
}

/// What a delete did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeleteObjectResponse {
    /// The version that was removed, or the marker that was added.
    pub version_id: Option<VersionId>,
    /// Whether that is a delete marker.
    pub delete_marker: bool,
}

/// One key of a `DeleteObjects`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeleteObjectsEntry {
    /// The key.
    pub key: String,
    /// The version, which then itself goes.
    pub version: Option<VersionId>,
    /// Only if the *current* version has this ETag.
    pub etag: Option<String>,
}

/// What became of each key of a `DeleteObjects`, in the order of the request.
pub type DeleteObjectsResult = Vec<(DeleteObjectsEntry, S3Result<DeleteObjectResponse>)>;

impl S3 {
    /// `DeleteObject`. Deleting what is not there succeeds, unless a condition
    /// was sent. A condition and a version exclude each other.
    pub fn delete_object(
        &mut self,
        request: &DeleteObjectRequest,
        now: Millis,
    ) -> S3Result<DeleteObjectResponse> {
        let condition = request
            .if_match
            .as_deref()
            .filter(|_| !self.quirks.ignore_if_match_on_delete);
        let refused = self.quirks.refuse_if_match_on_delete || request.object.version.is_some();
        if condition.is_some() && refused {
            return Err(S3Error::not_implemented("If-Match"));
        }
        self.delete(&request.object, condition, request.bypass_governance, now)
    }

    /// `DeleteObjects`: each key on its own, at most 1,000.
    pub fn delete_objects(
        &mut self,
        bucket: &str,
        entries: Vec<DeleteObjectsEntry>,
        bypass_governance: bool,
        now: Millis,
    ) -> S3Result<DeleteObjectsResult> {
        self.bucket_or_err(bucket)?;
        if entries.is_empty() || entries.len() > MAX_PAGE {
            return Err(S3Error::new(
                ErrorCode::MalformedXml,
                "The XML you provided was not well-formed or did not validate against our \
                 published schema",
            ));
        }
        Ok(entries
            .into_iter()
            .map(|entry| {
                let object = ObjectRef {
                    bucket: bucket.to_owned(),
                    key: entry.key.clone(),
                    version: entry.version,
                };
                let condition = entry
                    .etag
                    .as_deref()
                    .filter(|_| !self.quirks.ignore_etags_in_delete_objects);
                let result = self.delete(&object, condition, bypass_governance, now);
                (entry, result)
            })
            .collect())
    }

    fn delete(
        &mut self,
        object: &ObjectRef,
        if_match: Option<&str>,
        bypass: bool,
        now: Millis,
    ) -> S3Result<DeleteObjectResponse> {
        check_key(&object.key)?;
        let bucket = self.bucket_or_err(&object.bucket)?;
        if let Some(etag) = if_match {
            let current = bucket.latest(&object.key).and_then(|v| v.object.as_ref());
            match current {
                None => return Err(S3Error::no_such_key(&object.key)),
                Some(current) if !etag_matches(etag, &current.etag) => {
                    return Err(S3Error::precondition("If-Match"));
                }
                Some(_) => {}
            }
        }
        match (object.version, bucket.settings.versioning) {
            (None, Versioning::Off) => {
                self.remove(object, VersionId::Null, bypass, now)?;
                Ok(DeleteObjectResponse::default())
            }
            (None, versioning) => self.mark(object, versioning, now),
            (Some(id), _) => {
                let removed = self.remove(object, id, bypass, now)?;
                Ok(DeleteObjectResponse {
                    version_id: Some(id),
                    delete_marker: removed.is_some_and(|v| v.is_marker()),
                })
            }
        }
    }

    /// Removes a version for good; the one before it is then current again.
    fn remove(
        &mut self,
        object: &ObjectRef,
        id: VersionId,
        bypass: bool,
        now: Millis,
    ) -> S3Result<Option<Version>> {
        let bucket = self.bucket_mut(&object.bucket)?;
        let Some(versions) = bucket.keys.get_mut(&object.key) else {
            return Ok(None);
        };
        let Some(at) = versions.iter().position(|v| v.id == id) else {
            return Ok(None);
        };
        if let Some(stored) = &versions[at].object {
            stored.check_unlocked(bypass, now)?;
        }
        let removed = versions.remove(at);
        if versions.is_empty() {
            bucket.keys.remove(&object.key);
        }
        bucket.overtake(&object.key);
        Ok(Some(removed))
    }

    /// Makes a delete marker current, over a key that need not exist.
    fn mark(
        &mut self,
        object: &ObjectRef,
        versioning: Versioning,
        now: Millis,
    ) -> S3Result<DeleteObjectResponse> {
        let sequence = self.next_sequence();
        let id = match versioning {
            Versioning::Enabled => VersionId::Id(sequence),
            Versioning::Off | Versioning::Suspended => VersionId::Null,
        };
        self.bucket_mut(&object.bucket)?.store(
            &object.key,
            Version {
                id,
                modified: now,
                sequence,
                object: None,
            },
        );
        Ok(DeleteObjectResponse {
            version_id: Some(id),
            delete_marker: true,
        })
    }
}
