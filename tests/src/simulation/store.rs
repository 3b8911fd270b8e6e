//! The object store of one worker process, over the model of S3. The auditor
//! looks at every change.

use std::sync::Arc;

use async_trait::async_trait;
use rebucket_protocol::{ETag, ObjectUri, S3Prefix, Timestamp, VersionId};
use rebucket_simulator::clock::Millis;
use rebucket_simulator::s3::{self, S3, S3Error, S3Result};
use rebucket_worker::error::{ErrorClass, ServiceError};
use rebucket_worker::store::classify::class_of;
use rebucket_worker::store::object::{
    Acl, Attributes, ChecksumAlgorithm, Checksums, ObjectHead, ObjectLock, PinnedSource, Tags,
};
use rebucket_worker::store::{
    BucketFacts, CompleteRequest, CopyReceipt, CopyRequest, DeleteRequest, HeadScope, ObjectStore,
    PartRange, PartReceipt, Replaces, StoreResult, UploadId,
};

use super::audit::Place;
use super::cloud::{State, timestamp_seconds};
use super::convert::{self, object_ref, to_algorithm, to_kind, to_new_object};
use super::hidden::{Hidden, Property};
use super::history;
use super::line::Process;
use super::outsider::Trigger;
use super::schedule::mix;

/// What somebody who is no worker puts.
#[derive(Debug, Clone, Default)]
pub struct Blueprint {
    /// The bytes.
    pub content: s3::Content,
    /// The properties.
    pub new: s3::NewObject,
    /// The size in bytes of the parts that it is uploaded in, if it is. Only
    /// for sparse content.
    pub parts: Option<u64>,
    /// The checksum to store; CRC64NVME when absent.
    pub checksum: Option<s3::ChecksumAlgorithm>,
    /// An annotation to put on it.
    pub annotation: Option<String>,
}

/// Puts an object without a condition, past the limits that tests get in the
/// way of.
pub fn put(s3: &mut S3, place: &Place, made: &Blueprint, now: Millis) {
    let (bucket, key) = (&place.bucket, &place.key);
    let sparse = match made.content.segments() {
        [s3::Segment::Sparse { seed, len, .. }] => Some((*seed, *len)),
        _ => None,
    };
    let result = if let (Some(size), Some((seed, len))) = (made.parts, sparse) {
        let kept = |algorithm: s3::ChecksumAlgorithm| s3::ChecksumKept {
            algorithm,
            kind: algorithm.default_type(),
        };
        let object = s3::SparseObject {
            seed,
            size: len,
            layout: s3::Layout::Even(size),
            checksum: made.checksum.map(kept),
            properties: made.new.clone(),
        };
        s3.put_sparse(bucket, key, &object, now)
    } else {
        let request = s3::PutObjectRequest {
            properties: made.new.clone(),
            checksum: s3::ChecksumRequest {
                algorithm: made.checksum,
                ..s3::ChecksumRequest::default()
            },
            ..s3::PutObjectRequest::new(bucket, key, made.content.clone())
        };
        s3.put_object(request, now)
    };
    result.expect("an object that the model takes");
    if let Some(text) = &made.annotation {
        let request = s3::PutAnnotationRequest {
            object: s3::ObjectRef::new(bucket, key),
            name: "note".to_owned(),
            payload: text.clone().into(),
            ..s3::PutAnnotationRequest::default()
        };
        s3.put_object_annotation(request, now)
            .expect("an annotation that the model takes");
    }
}

/// Deletes what is current, without a condition.
pub fn remove(s3: &mut S3, place: &Place, now: Millis) {
    let request = s3::DeleteObjectRequest::new(&place.bucket, &place.key);
    s3.delete_object(&request, now)
        .expect("a delete of anything succeeds");
}

/// The store by way of one process's line.
pub struct SimStore {
    process: Arc<Process>,
    counts_tags: bool,
    hidden: Hidden,
}

impl SimStore {
    /// The store as this process reaches it. Whether HEAD counts tags is the
    /// endpoint's to say.
    #[must_use]
    pub fn new(process: Arc<Process>, counts_tags: bool, hidden: Hidden) -> Self {
        Self {
            process,
            counts_tags,
            hidden,
        }
    }

    /// What a request that reads a property answers to who may not.
    fn permitted(
        &self,
        property: Property,
        operation: &'static str,
        object: &ObjectUri,
    ) -> StoreResult<()> {
        if !self.hidden.hides(property, object) {
            return Ok(());
        }
        let (class, message) = (ErrorClass::Denied, "a permission is missing");
        Err(ServiceError::local(
            operation,
            object,
            class,
            "AccessDenied",
            message,
        ))
    }

    /// Whether the next request meets a node that ignores the conditions on
    /// its destination.
    fn meets_lax_node(&self) -> bool {
        let lax = self.process.cloud().twist.lax_nodes;
        let name = (u64::from(self.process.number) << 32) | u64::from(self.process.requests());
        lax > 0 && fastrand::Rng::with_seed(mix(name)).u32(0..1_000) < lax
    }

    async fn request<T: Send + 'static>(
        &self,
        operation: &'static str,
        object: &ObjectUri,
        apply: impl FnOnce(&mut State, Millis) -> S3Result<T> + Send + 'static,
    ) -> StoreResult<T> {
        let target = object.clone();
        let worker = self.process.number;
        self.process
            .request(
                operation,
                || object.to_string(),
                move |state, now| {
                    let place = Place::of(&target);
                    let answer = apply(state, now);
                    if answer.is_ok() {
                        state.audit.asked(worker, operation, &place, now);
                    } else if operation == "HeadObject" {
                        state.audit.found_nothing(worker, &place, now);
                    }
                    answer.map_err(|error| failed(operation, &target, &error))
                },
            )
            .await
    }
}

fn failed(operation: &'static str, object: &ObjectUri, error: &S3Error) -> ServiceError {
    let code = error.code.as_str();
    let class = class_of(error.status, code);
    ServiceError::local(operation, object, class, code, error.message.to_string())
}

fn unsupported(operation: &'static str, target: impl std::fmt::Display) -> ServiceError {
    let class = ErrorClass::Unsupported;
    ServiceError::local(operation, target, class, "NotImplemented", "not simulated")
}

fn copy_source(source: &PinnedSource) -> s3::CopySource {
    let object = object_ref(&source.object, source.version.as_ref());
    let found = s3::CopySource {
        object,
        ..s3::CopySource::default()
    };
    found.if_match(source.etag.to_header())
}

fn conditions(replaces: Replaces<'_>) -> s3::WriteConditions {
    s3::WriteConditions {
        if_match: replaces.if_match(),
        if_none_match: replaces.if_none_match(),
    }
}

fn receipt(written: &s3::WriteResponse) -> CopyReceipt {
    CopyReceipt {
        etag: convert::etag(written.etag()),
        version: convert::version(written.version_id),
        modified: Some(timestamp_seconds(written.modified)),
        checksums: convert::checksums(written.object.checksum().as_ref()),
        encryption: convert::encryption(&written.object.encryption),
        expiration: None,
    }
}

fn sent_checksum(checksums: &Checksums) -> Option<(s3::ChecksumAlgorithm, String)> {
    let (algorithm, value) = checksums.values.iter().next()?;
    Some((to_algorithm(*algorithm)?, value.clone()))
}

impl State {
    /// Lets a worker's request write an object, and the auditor see it.
    fn write<T>(
        &mut self,
        worker: u16,
        place: &Place,
        now: Millis,
        write: impl FnOnce(&mut S3) -> S3Result<T>,
    ) -> S3Result<T> {
        let before = place.current(&self.s3).cloned();
        let versions = history::of(place, &self.s3);
        let written = write(&mut self.s3)?;
        // A completion that is repeated after its own success writes nothing.
        let newest = |history: &[s3::Version]| history.last().map(|version| version.sequence);
        if newest(&history::of(place, &self.s3)) == newest(&versions) {
            return Ok(written);
        }
        self.audit
            .keeps_history(worker, place, &versions, None, &self.s3);
        self.audit
            .written(worker, place, before.as_ref(), &self.s3, now);
        self.spring(place, Trigger::Written, now);
        Ok(written)
    }
}

#[async_trait]
impl ObjectStore for SimStore {
    fn now(&self) -> Option<Timestamp> {
        Some(timestamp_seconds(self.process.cloud().now()))
    }

    async fn head(&self, object: &ObjectUri, scope: HeadScope<'_>) -> StoreResult<ObjectHead> {
        let request = s3::GetObjectRequest {
            object: object_ref(object, scope.version),
            part_number: scope.part,
            checksum_mode: true,
            ..s3::GetObjectRequest::default()
        };
        let found = self
            .request("HeadObject", object, move |state, now| {
                state.s3.head_object(&request, now)
            })
            .await
            .map_err(|mut error| {
                // HEAD of a delete marker's version, as the worker's own store
                // has it.
                if error.class() == ErrorClass::Unsupported {
                    error.fault.class = ErrorClass::NotFound;
                }
                error
            })?;
        let head = convert::head(&found, scope.part.is_some(), self.counts_tags);
        Ok(self.hidden.shown(object, head))
    }

    async fn tags(&self, object: &ObjectUri, version: Option<&VersionId>) -> StoreResult<Tags> {
        self.permitted(Property::Tags, "GetObjectTagging", object)?;
        let of = object_ref(object, version);
        self.request("GetObjectTagging", object, move |state, now| {
            let (tags, _) = state.s3.get_object_tagging(&of, now)?;
            Ok(tags.as_ref().clone())
        })
        .await
    }

    async fn acl(&self, object: &ObjectUri, version: Option<&VersionId>) -> StoreResult<Acl> {
        self.permitted(Property::Acl, "GetObjectAcl", object)?;
        let of = object_ref(object, version);
        self.request("GetObjectAcl", object, move |state, now| {
            let acl = state.s3.get_object_acl(&of, now)?;
            Ok(convert::acl(&acl))
        })
        .await
    }

    async fn retention(
        &self,
        object: &ObjectUri,
        version: Option<&VersionId>,
    ) -> StoreResult<ObjectLock> {
        self.permitted(Property::Retention, "GetObjectRetention", object)?;
        let of = object_ref(object, version);
        self.request("GetObjectRetention", object, move |state, now| {
            let answer = state.s3.get_object_retention(&of, now)?;
            Ok(convert::lock(answer.retention, None, answer.event_hold))
        })
        .await
    }

    async fn legal_hold(
        &self,
        object: &ObjectUri,
        version: Option<&VersionId>,
    ) -> StoreResult<bool> {
        self.permitted(Property::LegalHold, "GetObjectLegalHold", object)?;
        let of = object_ref(object, version);
        self.request("GetObjectLegalHold", object, move |state, now| {
            state.s3.get_object_legal_hold(&of, now)
        })
        .await
    }

    async fn bucket_facts(&self, place: &S3Prefix) -> StoreResult<BucketFacts> {
        Err(unsupported("GetBucketOwnershipControls", place))
    }

    async fn copy(&self, request: CopyRequest<'_>) -> StoreResult<CopyReceipt> {
        let place = Place::of(request.destination);
        let mut properties = to_new_object(request.attributes);
        properties.tags = Arc::default();
        let copy = s3::CopyObjectRequest {
            properties,
            tagging_directive: if request.keep_tags {
                s3::Directive::Copy
            } else {
                s3::Directive::Replace
            },
            conditions: conditions(request.replaces),
            checksum_algorithm: request
                .attributes
                .checksum
                .and_then(|(algorithm, _)| to_algorithm(algorithm)),
            ..s3::CopyObjectRequest::new(copy_source(request.source), &place.bucket, &place.key)
        };
        let worker = self.process.number;
        // S3 refuses to copy tags that one may not read, on tagged objects
        // only (facts, section 2).
        let tags = object_ref(&request.source.object, request.source.version.as_ref());
        let refused = (request.keep_tags
            && self.hidden.hides(Property::Tags, &request.source.object))
        .then_some(tags);
        let lax = self.meets_lax_node();
        self.request("CopyObject", request.destination, move |state, now| {
            if let Some(of) = refused
                && !state.s3.get_object_tagging(&of, now)?.0.is_empty()
            {
                let message = "Access Denied";
                return Err(S3Error::new(s3::ErrorCode::AccessDenied, message));
            }
            let copied = state.write(worker, &place, now, |s3| {
                s3.quirks.ignore_conditions_on_copy = lax;
                let copied = s3.copy_object(copy, now);
                s3.quirks.ignore_conditions_on_copy = false;
                copied
            })?;
            Ok(receipt(&copied.written))
        })
        .await
    }

    async fn create_upload(
        &self,
        destination: &ObjectUri,
        attributes: &Attributes,
    ) -> StoreResult<UploadId> {
        let known = |(algorithm, _): (ChecksumAlgorithm, _)| to_algorithm(algorithm);
        let request = s3::CreateUploadRequest {
            bucket: destination.bucket.to_string(),
            key: destination.key.to_string(),
            properties: to_new_object(attributes),
            checksum_algorithm: attributes.checksum.and_then(known),
            checksum_type: attributes.multipart_checksum_kind().map(to_kind),
        };
        let worker = self.process.number;
        self.request("CreateMultipartUpload", destination, move |state, now| {
            let created = state.s3.create_multipart_upload(request, now)?;
            let id = created.upload_id;
            state.audit.uploads.insert(id.clone(), worker);
            Ok(UploadId(id))
        })
        .await
    }

    async fn copy_part(
        &self,
        source: &PinnedSource,
        destination: &ObjectUri,
        upload: &UploadId,
        range: PartRange,
    ) -> StoreResult<PartReceipt> {
        let request = s3::UploadPartCopyRequest {
            source: copy_source(source),
            range: Some((range.start, range.start + range.len - 1)),
            bucket: destination.bucket.to_string(),
            key: destination.key.to_string(),
            upload_id: upload.0.clone(),
            number: range.number,
            customer_key: None,
        };
        self.request("UploadPartCopy", destination, move |state, now| {
            let bucket = state.s3.bucket(&request.bucket);
            let kept = bucket.and_then(|bucket| {
                let (_, upload) = bucket.uploads().find(|(id, _)| *id == request.upload_id)?;
                upload.checksum
            });
            let (part, _) = state.s3.upload_part_copy(&request, now)?;
            let checksum = kept.map(|kept| s3::Checksum {
                algorithm: kept.algorithm,
                kind: s3::ChecksumType::FullObject,
                value: s3::base64(part.content.digest(kept.algorithm)),
            });
            Ok(PartReceipt {
                number: request.number,
                etag: convert::etag(&part.etag),
                checksums: convert::checksums(checksum.as_ref()),
            })
        })
        .await
    }

    async fn complete_upload(&self, request: CompleteRequest<'_>) -> StoreResult<CopyReceipt> {
        let place = Place::of(request.destination);
        let part = |part: &PartReceipt| s3::CompletePart {
            number: part.number,
            etag: part.etag.to_header(),
            checksum: sent_checksum(&part.checksums),
        };
        let complete = s3::CompleteUploadRequest {
            bucket: place.bucket.clone(),
            key: place.key.clone(),
            upload_id: request.upload.0.clone(),
            parts: request.parts.iter().map(part).collect(),
            conditions: conditions(request.replaces),
            checksum: sent_checksum(request.expected),
            checksum_type: request.expected.kind.map(to_kind),
            object_size: Some(request.size),
        };
        let worker = self.process.number;
        let operation = "CompleteMultipartUpload";
        self.request(operation, request.destination, move |state, now| {
            let written = state.write(worker, &place, now, |s3| {
                s3.complete_multipart_upload(&complete, now)
            })?;
            state.audit.uploads.remove(&complete.upload_id);
            Ok(receipt(&written))
        })
        .await
    }

    async fn abort_upload(&self, destination: &ObjectUri, upload: &UploadId) -> StoreResult<()> {
        let (place, id) = (Place::of(destination), upload.0.clone());
        self.request("AbortMultipartUpload", destination, move |state, now| {
            let (bucket, key) = (&place.bucket, &place.key);
            state.s3.abort_multipart_upload(bucket, key, &id, now)?;
            state.audit.uploads.remove(&id);
            Ok(())
        })
        .await
    }

    async fn annotations(
        &self,
        object: &ObjectUri,
        version: Option<&VersionId>,
    ) -> StoreResult<Vec<String>> {
        self.permitted(Property::Annotations, "ListObjectAnnotations", object)?;
        let request = s3::ListAnnotationsRequest {
            object: object_ref(object, version),
            ..s3::ListAnnotationsRequest::default()
        };
        self.request("ListObjectAnnotations", object, move |state, now| {
            let listed = state.s3.list_object_annotations(&request, now)?;
            Ok(listed.annotations.into_iter().map(|a| a.name).collect())
        })
        .await
    }

    async fn carry_annotation(
        &self,
        source: &PinnedSource,
        destination: &ObjectUri,
        destination_etag: &ETag,
        name: &str,
    ) -> StoreResult<()> {
        let from = object_ref(&source.object, source.version.as_ref());
        let wanted = name.to_owned();
        let payload = self
            .request("GetObjectAnnotation", &source.object, move |state, now| {
                let (found, _) = state.s3.get_object_annotation(&from, &wanted, now)?;
                Ok(found.payload.to_bytes())
            })
            .await?;
        let put = s3::PutAnnotationRequest {
            object: object_ref(destination, None),
            name: name.to_owned(),
            payload,
            object_if_match: Some(destination_etag.to_header()),
            checksum: s3::ChecksumRequest::default(),
        };
        let (worker, place) = (self.process.number, Place::of(destination));
        self.request("PutObjectAnnotation", destination, move |state, now| {
            state.s3.put_object_annotation(put, now)?;
            state.audit.annotated(worker, &place, &state.s3);
            Ok(())
        })
        .await
    }

    async fn delete(&self, request: DeleteRequest<'_>) -> StoreResult<()> {
        let (object, version, etag) = match request {
            DeleteRequest::IfMatch { object, etag } => (object, None, Some(etag.to_header())),
            DeleteRequest::Version { object, version } => (object, Some(version), None),
            DeleteRequest::Unconditional { object } => (object, None, None),
        };
        let place = Place::of(object);
        let delete = s3::DeleteObjectRequest {
            object: object_ref(object, version),
            if_match: etag,
            bypass_governance: false,
        };
        let worker = self.process.number;
        self.request("DeleteObject", object, move |state, now| {
            let history = history::of(&place, &state.s3);
            let removed = match delete.object.version {
                None => history.last(),
                Some(id) => history.iter().find(|version| version.id == id),
            };
            let removed = removed.cloned();
            state.s3.delete_object(&delete, now)?;
            let named = delete.object.version;
            state
                .audit
                .keeps_history(worker, &place, &history, named, &state.s3);
            // Deleting a version that is not there succeeds and does nothing.
            if let Some(removed) = removed {
                state.audit.deleted(worker, &place, &removed, &state.s3);
                state.spring(&place, Trigger::Taken, now);
            }
            Ok(())
        })
        .await
    }

    async fn put_scratch(
        &self,
        object: &ObjectUri,
        _: &[u8],
        _: &Attributes,
    ) -> StoreResult<CopyReceipt> {
        Err(unsupported("PutObject", object))
    }

    async fn purge_scratch(&self, folder: &S3Prefix) -> StoreResult<()> {
        Err(unsupported("ListObjectVersions", folder))
    }

    async fn get_scratch(&self, object: &ObjectUri) -> StoreResult<Vec<u8>> {
        Err(unsupported("GetObject", object))
    }
}
