//! `CopyObject`.

use std::sync::Arc;

use super::limits::{MAX_SINGLE, check_key};
use super::put::{Draft, check_properties};
use super::{
    ChecksumAlgorithm, ChecksumKept, Content, CustomerKey, Encryption, ErrorCode, Found, NewObject,
    Object, ObjectRef, ReadConditions, S3, S3Error, S3Result, VersionId, WriteConditions,
    WriteResponse,
};
use crate::clock::Millis;

/// Whether metadata, or tags, come from the source or from the request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Directive {
    /// From the source.
    #[default]
    Copy,
    /// From the request.
    Replace,
}

/// Whether annotations come along.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AnnotationDirective {
    /// They do.
    #[default]
    Copy,
    /// They do not: the only way into a directory bucket.
    Exclude,
}

/// What is copied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CopySource {
    /// The object.
    pub object: ObjectRef,
    /// Only under these conditions.
    pub conditions: ReadConditions,
    /// The key of an SSE-C source.
    pub customer_key: Option<CustomerKey>,
}

impl CopySource {
    /// The current version, unconditionally.
    #[must_use]
    pub fn new(bucket: &str, key: &str) -> Self {
        Self {
            object: ObjectRef::new(bucket, key),
            ..Self::default()
        }
    }

    /// Only if it has this ETag.
    #[must_use]
    #[allow(clippy::needless_pass_by_value)] // For texts and ETags alike.
    pub fn if_match(mut self, etag: impl ToString) -> Self {
        self.conditions.if_match = Some(etag.to_string());
        self
    }
}

/// `CopyObject`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CopyObjectRequest {
    /// What to copy.
    pub source: CopySource,
    /// The destination's bucket.
    pub bucket: String,
    /// The destination's key.
    pub key: String,
    /// With COPY directives, `metadata` and `tags` in it are not looked at.
    pub properties: NewObject,
    /// Where the metadata comes from.
    pub metadata_directive: Directive,
    /// Where the tags come from.
    pub tagging_directive: Directive,
    /// Whether annotations come along.
    pub annotation_directive: AnnotationDirective,
    /// Conditions on the destination.
    pub conditions: WriteConditions,
    /// The checksum to keep; `None` is the source's.
    pub checksum_algorithm: Option<ChecksumAlgorithm>,
}

impl CopyObjectRequest {
    /// A plain copy.
    #[must_use]
    pub fn new(source: CopySource, bucket: &str, key: &str) -> Self {
        Self {
            source,
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            ..Self::default()
        }
    }
}

/// What a copy made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyResponse {
    /// The copy.
    pub written: WriteResponse,
    /// The version it was made of, in a bucket that has any.
    pub source_version: Option<VersionId>,
}

impl S3 {
    /// The source of a copy or a part copy, when it may be read.
    pub(super) fn source(
        &self,
        source: &CopySource,
        now: Millis,
    ) -> S3Result<(Option<VersionId>, Found<'_>)> {
        let (bucket, found) = self.find(&source.object)?;
        if !self.quirks.ignore_copy_source_conditions {
            source.conditions.check_source(
                "x-amz-copy-source-",
                found.object,
                found.modified,
                now,
            )?;
        }
        found.object.check_key(source.customer_key.as_ref())?;
        if !found.object.is_readable(now) {
            return Err(S3Error::new(
                ErrorCode::InvalidObjectState,
                "Operation is not valid for the source object's storage class",
            ));
        }
        // The version `null` is not named as a source.
        let version = bucket.shown(found.id).filter(|id| *id != VersionId::Null);
        Ok((version, found))
    }

    /// `CopyObject`.
    pub fn copy_object(
        &mut self,
        request: CopyObjectRequest,
        now: Millis,
    ) -> S3Result<CopyResponse> {
        check_key(&request.key)?;
        check_properties(&request.properties)?;
        let quirks = self.quirks;
        if !quirks.ignore_conditions_on_copy {
            request.conditions.check_form()?;
        }
        for (left, code) in [
            (&mut self.quirks.copies_find_no_source, ErrorCode::NoSuchKey),
            (
                &mut self.quirks.copies_find_taken,
                ErrorCode::PreconditionFailed,
            ),
        ] {
            if *left > 0 {
                *left -= 1;
                return Err(S3Error::new(code, "refused by a quirk"));
            }
        }
        let (source_version, found) = self.source(&request.source, now)?;
        let source: Arc<Object> = found.object.clone();
        if source.content.size() > MAX_SINGLE {
            return Err(too_large_a_source());
        }
        if !quirks.accept_self_copies
            && self.is_onto_itself(&request)
            && request.changes_nothing(&source)
            && self
                .bucket(&request.bucket)
                .is_none_or(|b| !b.encryption_set)
        {
            return Err(S3Error::request(
                "This copy request is illegal because it is trying to copy an object to itself \
                 without changing the object's metadata, storage class, website redirect location \
                 or encryption attributes.",
            ));
        }
        let bucket = self.bucket_or_err(&request.bucket)?;
        let annotations = match request.annotation_directive {
            AnnotationDirective::Exclude => Arc::default(),
            AnnotationDirective::Copy => {
                bucket.check_general()?;
                source.annotations.clone()
            }
        };
        if !quirks.ignore_conditions_on_copy {
            request
                .conditions
                .check(&request.key, bucket.latest(&request.key))?;
        }
        let mut properties = request.properties;
        if quirks.keep_storage_class_on_copy && properties.storage_class.is_none() {
            properties.storage_class = Some(source.storage_class);
        }
        let content = if quirks.empty_copies {
            Content::default()
        } else {
            source.content.clone()
        };
        let kept = request
            .checksum_algorithm
            .or(source.checksum.map(|kept| kept.algorithm));
        let mut draft = Draft {
            checksum: Some(ChecksumKept::full(kept)),
            annotations,
            origin: Some(source.origin),
            ..Draft::new(&properties, content, now)
        };
        if request.metadata_directive == Directive::Copy {
            draft.metadata = source.metadata.clone();
        }
        if request.tagging_directive == Directive::Copy {
            draft.tags = source.tags.clone();
        }
        let written = self.write(&request.bucket, &request.key, draft, now)?;
        Ok(CopyResponse {
            written,
            source_version,
        })
    }
}

impl S3 {
    /// Whether source and destination are one object, whatever they are called.
    fn is_onto_itself(&self, request: &CopyObjectRequest) -> bool {
        let source = &request.source.object;
        self.own_name(&source.bucket) == self.own_name(&request.bucket)
            && self
                .bucket(&request.bucket)
                .is_some_and(|b| b.keys.fold(&source.key) == b.keys.fold(&request.key))
    }
}

impl CopyObjectRequest {
    /// Whatever is sent counts as a change, also when the object has it already;
    /// and so does an encryption that would not be sent again.
    fn changes_nothing(&self, source: &Object) -> bool {
        let new = &self.properties;
        source.encryption == Encryption::Aes256
            && self.source.object.version.is_none()
            && self.metadata_directive == Directive::Copy
            && new.storage_class.is_none()
            && new.encryption.is_none()
            && new.redirect.is_none()
    }
}

pub(super) fn too_large_a_source() -> S3Error {
    S3Error::request(format!(
        "The specified copy source is larger than the maximum allowable size for a copy source: \
         {MAX_SINGLE}"
    ))
}
