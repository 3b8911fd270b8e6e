//! Object annotations: up to 1,000 named texts of up to 1 MiB each.

use std::sync::Arc;

use bytes::Bytes;

use super::conditions::etag_matches;
use super::limits::{MAX_PAGE, MIB};
use super::{
    ChecksumRequest, Content, ETag, ErrorCode, ObjectRef, S3, S3Error, S3Result, VersionId,
};
use crate::clock::Millis;

const MAX_ANNOTATIONS: usize = 1_000;
const MAX_NAME: usize = 512;

/// An annotation as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// The text, UTF-8.
    pub payload: Content,
    /// The entity tag of the annotation.
    pub etag: ETag,
    /// When it was put.
    pub modified: Millis,
}

/// `PutObjectAnnotation`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PutAnnotationRequest {
    /// The object that gets it.
    pub object: ObjectRef,
    /// Its name: 1 to 512 bytes, not beginning with `aws` or `s3`.
    pub name: String,
    /// Its text: 1 byte to 1 MiB of UTF-8.
    pub payload: Bytes,
    /// Only if the object has this ETag.
    pub object_if_match: Option<String>,
    /// What the payload's checksum must be.
    pub checksum: ChecksumRequest,
}

/// `ListObjectAnnotations`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListAnnotationsRequest {
    /// The object.
    pub object: ObjectRef,
    /// Only names that begin so.
    pub prefix: String,
    /// [`ListAnnotationsResponse::next`] of the page before.
    pub continuation: Option<String>,
    /// At most this many, and at most 1,000.
    pub max: Option<usize>,
}

/// An annotation in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnotationEntry {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its entity tag.
    pub etag: ETag,
    /// When it was put.
    pub modified: Millis,
}

/// A page of annotations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListAnnotationsResponse {
    /// In the order of their names.
    pub annotations: Vec<AnnotationEntry>,
    /// The last name of the page, when there are more.
    pub next: Option<String>,
    /// The version they are on, in a bucket that has any.
    pub version_id: Option<VersionId>,
}

fn check_name(name: &str) -> S3Result<()> {
    if name.len() > MAX_NAME {
        return Err(S3Error::new(
            ErrorCode::AnnotationNameTooLong,
            "The annotation name is too long",
        ));
    }
    let lower = name.to_lowercase();
    if name.is_empty() || lower.starts_with("aws") || lower.starts_with("s3") {
        return Err(S3Error::new(
            ErrorCode::InvalidAnnotationName,
            "The annotation name is not valid",
        ));
    }
    Ok(())
}

fn no_such_annotation() -> S3Error {
    S3Error::new(
        ErrorCode::NoSuchAnnotation,
        "The specified annotation does not exist",
    )
}

impl S3 {
    /// `ListObjectAnnotations`.
    pub fn list_object_annotations(
        &self,
        request: &ListAnnotationsRequest,
        _now: Millis,
    ) -> S3Result<ListAnnotationsResponse> {
        let (bucket, found) = self.find(&request.object)?;
        bucket.check_general()?;
        let max = request.max.unwrap_or(MAX_PAGE).min(MAX_PAGE);
        let mut rest = found
            .object
            .annotations
            .iter()
            .filter(|(name, _)| {
                name.starts_with(&request.prefix)
                    && request
                        .continuation
                        .as_ref()
                        .is_none_or(|after| *name > after)
            })
            .map(|(name, annotation)| AnnotationEntry {
                name: name.clone(),
                size: annotation.payload.size(),
                etag: annotation.etag.clone(),
                modified: annotation.modified,
            });
        let annotations: Vec<_> = rest.by_ref().take(max).collect();
        let more = rest.next().is_some();
        Ok(ListAnnotationsResponse {
            next: annotations.last().map(|a| a.name.clone()).filter(|_| more),
            annotations,
            version_id: bucket.shown(found.id),
        })
    }

    /// `GetObjectAnnotation`: the annotation, and the version it is on.
    pub fn get_object_annotation(
        &self,
        object: &ObjectRef,
        name: &str,
        _now: Millis,
    ) -> S3Result<(Annotation, Option<VersionId>)> {
        let (bucket, found) = self.find(object)?;
        bucket.check_general()?;
        let annotation = found
            .object
            .annotations
            .get(name)
            .ok_or_else(no_such_annotation)?;
        Ok((annotation.clone(), bucket.shown(found.id)))
    }

    /// `PutObjectAnnotation`: adds one, or replaces the one of that name.
    pub fn put_object_annotation(
        &mut self,
        request: PutAnnotationRequest,
        now: Millis,
    ) -> S3Result<(Annotation, Option<VersionId>)> {
        check_name(&request.name)?;
        if request.payload.is_empty() || request.payload.len() as u64 > MIB {
            return Err(S3Error::new(
                ErrorCode::EntityTooLarge,
                "An annotation is 1 byte to 1 MiB in size",
            ));
        }
        if std::str::from_utf8(&request.payload).is_err() {
            return Err(S3Error::new(
                ErrorCode::UnsupportedMediaType,
                "An annotation is UTF-8 text",
            ));
        }
        let payload = Content::literal(request.payload);
        if !self.quirks.no_checksums {
            request.checksum.check(&payload)?;
        }
        let bucket = self.bucket_mut(&request.object.bucket)?;
        bucket.check_general()?;
        bucket.check_etag(&request.object, request.object_if_match.as_deref())?;
        let version = bucket.locate(&request.object.key, request.object.version)?;
        let full = version.object.as_ref().is_some_and(|o| {
            o.annotations.len() >= MAX_ANNOTATIONS && !o.annotations.contains_key(&request.name)
        });
        if full {
            return Err(S3Error::new(
                ErrorCode::AnnotationLimitExceeded,
                "An object has at most 1,000 annotations",
            ));
        }
        let annotation = Annotation {
            etag: ETag::new(&hex::encode(payload.md5())),
            payload,
            modified: now,
        };
        let stored = annotation.clone();
        let version = bucket.change(&request.object, |o| {
            Arc::make_mut(&mut o.annotations).insert(request.name, stored);
        })?;
        Ok((annotation, version))
    }

    /// `DeleteObjectAnnotation`. Returns the version it was on.
    pub fn delete_object_annotation(
        &mut self,
        object: &ObjectRef,
        name: &str,
        object_if_match: Option<&str>,
        _now: Millis,
    ) -> S3Result<Option<VersionId>> {
        let bucket = self.bucket_mut(&object.bucket)?;
        bucket.check_general()?;
        bucket.check_etag(object, object_if_match)?;
        let version = bucket.locate(&object.key, object.version)?;
        if version
            .object
            .as_ref()
            .is_some_and(|o| !o.annotations.contains_key(name))
        {
            return Err(no_such_annotation());
        }
        bucket.change(object, |o| {
            Arc::make_mut(&mut o.annotations).remove(name);
        })
    }
}

impl super::Bucket {
    fn check_etag(&self, object: &ObjectRef, condition: Option<&str>) -> S3Result<()> {
        let version = self.locate(&object.key, object.version)?;
        match (condition, &version.object) {
            (Some(condition), Some(o)) if !etag_matches(condition, &o.etag) => {
                Err(S3Error::precondition("x-amz-object-if-match"))
            }
            _ => Ok(()),
        }
    }
}
