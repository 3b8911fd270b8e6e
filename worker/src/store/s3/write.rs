//! Requests that write: copies, multipart uploads, deletes.

use aws_sdk_s3::types::{
    CompletedMultipartUpload, CompletedPart, MetadataDirective, ObjectLockEventHold,
    ObjectLockLegalHoldStatus, ObjectLockMode, ServerSideEncryption,
    StorageClass as SdkStorageClass, TaggingDirective,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rebucket_protocol::{ETag, ObjectUri, StorageClass};

use super::convert::{
    self, checksums, grant_header, sdk_algorithm, sdk_checksum_kind, sdk_time, set_checksums,
};
use super::{S3Store, required_etag};
use crate::error::{ErrorClass, ServiceError};
use crate::store::expiration::Expiration;
use crate::store::object::{
    Attributes, Encryption, HoldPeriod, ObjectLock, Permission, PinnedSource, Tags,
};
use crate::store::{
    CompleteRequest, CopyReceipt, CopyRequest, DeleteRequest, PartRange, PartReceipt, StoreResult,
    UploadId,
};

/// The base64 MD5 of an empty body. Some servers want a digest on every
/// request that sets Object Lock, even on a copy, which has no body.
const MD5_OF_NOTHING: &str = "1B2M2Y8AsgTpgAmY7PhCfg==";

/// Sets what neither a `COPY` directive nor the destination keeps: the same
/// setters on three builders that share no trait.
macro_rules! set_unkept {
    ($request:expr, $attributes:expr) => {{
        let attributes: &Attributes = $attributes;
        let (sse, key, bucket_key) = encryption(&attributes.encryption);
        $request
            .set_storage_class(storage_class(&attributes.storage_class))
            .set_server_side_encryption(sse)
            .set_ssekms_key_id(key)
            .set_bucket_key_enabled(bucket_key)
            .set_grant_full_control(grant_header(
                attributes.acl.as_ref(),
                Permission::FullControl,
            ))
            .set_grant_read(grant_header(attributes.acl.as_ref(), Permission::Read))
            .set_grant_read_acp(grant_header(attributes.acl.as_ref(), Permission::ReadAcp))
            .set_grant_write_acp(grant_header(attributes.acl.as_ref(), Permission::WriteAcp))
            .set_object_lock_mode(attributes.lock.mode.as_deref().map(ObjectLockMode::from))
            .set_object_lock_retain_until_date(attributes.lock.retain_until.map(sdk_time))
            .set_object_lock_legal_hold_status(
                attributes
                    .lock
                    .legal_hold
                    .then_some(ObjectLockLegalHoldStatus::On),
            )
            .set_object_lock_event_hold(attributes.lock.event_hold.map(|_| ObjectLockEventHold::On))
            .set_object_lock_event_hold_duration_days(
                held_for(&attributes.lock).and_then(HoldPeriod::days),
            )
            .set_object_lock_event_hold_duration_years(
                held_for(&attributes.lock).and_then(HoldPeriod::years),
            )
            .set_website_redirect_location(attributes.redirect.clone())
    }};
}

/// Sets what a `COPY` directive would keep.
macro_rules! set_described {
    ($request:expr, $attributes:expr) => {{
        let attributes: &Attributes = $attributes;
        $request
            .set_content_type(attributes.headers.content_type.clone())
            .set_cache_control(attributes.headers.cache_control.clone())
            .set_content_disposition(attributes.headers.content_disposition.clone())
            .set_content_encoding(attributes.headers.content_encoding.clone())
            .set_content_language(attributes.headers.content_language.clone())
            .set_metadata(Some(attributes.metadata.clone().into_iter().collect()))
            .set_tagging(tagging(&attributes.tags))
    }};
}

fn held_for(lock: &ObjectLock) -> Option<HoldPeriod> {
    lock.event_hold.and_then(|hold| hold.then)
}

/// `STANDARD` is what an object gets without the header.
fn storage_class(class: &StorageClass) -> Option<SdkStorageClass> {
    (*class != StorageClass::standard()).then(|| SdkStorageClass::from(class.as_str()))
}

fn encryption(
    encryption: &Encryption,
) -> (Option<ServerSideEncryption>, Option<String>, Option<bool>) {
    match encryption {
        Encryption::Unstated | Encryption::CustomerKey => (None, None, None),
        Encryption::Managed => (Some(ServerSideEncryption::Aes256), None, None),
        Encryption::Kms {
            algorithm,
            key,
            bucket_key,
        } => (
            Some(ServerSideEncryption::from(algorithm.as_str())),
            key.clone(),
            Some(*bucket_key),
        ),
        Encryption::Other(name) => (Some(ServerSideEncryption::from(name.as_str())), None, None),
    }
}

/// Tags as a query string, which is how headers carry them.
fn tagging(tags: &Tags) -> Option<String> {
    let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
    let pairs: Vec<String> = tags
        .iter()
        .map(|(key, value)| format!("{}={}", encode(key), encode(value)))
        .collect();
    (!pairs.is_empty()).then(|| pairs.join("&"))
}

impl S3Store {
    pub(super) async fn copy_object(&self, request: CopyRequest<'_>) -> StoreResult<CopyReceipt> {
        let CopyRequest {
            source,
            destination,
            replaces,
            attributes,
            keep_tags,
        } = request;
        let tagging = if keep_tags {
            TaggingDirective::Copy
        } else {
            TaggingDirective::Replace
        };
        let copy = self
            .client
            .copy_object()
            .bucket(destination.bucket.as_str())
            .key(destination.key.as_str())
            .copy_source(source.object.copy_source(source.version.as_ref()).as_str())
            .copy_source_if_match(source.etag.to_header())
            .set_if_none_match(replaces.if_none_match())
            .set_if_match(replaces.if_match())
            .metadata_directive(MetadataDirective::Copy)
            .tagging_directive(tagging);
        let locked = !attributes.lock.is_none();
        let copy = set_unkept!(copy, attributes)
            .customize()
            .mutate_request(move |http| {
                if locked {
                    http.headers_mut().insert("content-md5", MD5_OF_NOTHING);
                }
            });
        let answer = self.send("CopyObject", destination, copy.send()).await?;
        let result = answer.copy_object_result().ok_or_else(|| {
            let (class, message) = (ErrorClass::Transient, "the success response has no result");
            ServiceError::local(
                "CopyObject",
                destination,
                class,
                "IncompleteResponse",
                message,
            )
        })?;
        let kind = convert::checksum_kind(result.checksum_type());
        Ok(CopyReceipt {
            etag: required_etag("CopyObject", destination, result.e_tag())?,
            version: convert::written_version(destination, answer.version_id())?,
            modified: result.last_modified().and_then(convert::timestamp),
            checksums: crate::store::object::Checksums {
                kind,
                ..checksums!(result)
            },
            encryption: convert::encryption(
                answer.server_side_encryption(),
                answer.ssekms_key_id(),
                answer.bucket_key_enabled(),
            ),
            expiration: answer.expiration().and_then(Expiration::parse),
        })
    }

    pub(super) async fn create_multipart_upload(
        &self,
        destination: &ObjectUri,
        attributes: &Attributes,
    ) -> StoreResult<UploadId> {
        let create = self
            .client
            .create_multipart_upload()
            .bucket(destination.bucket.as_str())
            .key(destination.key.as_str())
            .set_checksum_algorithm(attributes.checksum.map(|(a, _)| sdk_algorithm(a)))
            .set_checksum_type(attributes.multipart_checksum_kind().map(sdk_checksum_kind));
        // As text, because an `Expires` that is no date cannot be typed.
        let expires = attributes.headers.expires.clone();
        let create = set_unkept!(set_described!(create, attributes), attributes)
            .customize()
            .mutate_request(move |http| {
                if let Some(expires) = &expires {
                    http.headers_mut().insert("expires", expires.clone());
                }
            });
        let answer = self
            .send("CreateMultipartUpload", destination, create.send())
            .await?;
        match answer.upload_id() {
            Some(id) if !id.is_empty() => Ok(UploadId(id.to_owned())),
            _ => Err(ServiceError::local(
                "CreateMultipartUpload",
                destination,
                ErrorClass::Transient,
                "IncompleteResponse",
                "the success response has no upload id",
            )),
        }
    }

    pub(super) async fn upload_part_copy(
        &self,
        source: &PinnedSource,
        destination: &ObjectUri,
        upload: &UploadId,
        range: PartRange,
    ) -> StoreResult<PartReceipt> {
        let refuse = |message: &str, class| {
            let code = "IncompleteResponse";
            ServiceError::local("UploadPartCopy", destination, class, code, message)
        };
        let number = i32::try_from(range.number)
            .map_err(|_| refuse("the part number is out of range", ErrorClass::Invalid))?;
        let last = range.start + range.len - 1;
        let copy = self
            .client
            .upload_part_copy()
            .bucket(destination.bucket.as_str())
            .key(destination.key.as_str())
            .upload_id(&upload.0)
            .part_number(number)
            .copy_source(source.object.copy_source(source.version.as_ref()).as_str())
            .copy_source_range(format!("bytes={}-{last}", range.start))
            .copy_source_if_match(source.etag.to_header());
        let answer = self
            .send("UploadPartCopy", destination, copy.send())
            .await?;
        let result = answer
            .copy_part_result()
            .ok_or_else(|| refuse("the success response has no result", ErrorClass::Transient))?;
        Ok(PartReceipt {
            number: range.number,
            etag: required_etag("UploadPartCopy", destination, result.e_tag())?,
            checksums: checksums!(result),
        })
    }

    pub(super) async fn complete_multipart_upload(
        &self,
        request: CompleteRequest<'_>,
    ) -> StoreResult<CopyReceipt> {
        let destination = request.destination;
        let parts = request.parts.iter().map(|part| {
            let completed = CompletedPart::builder()
                .set_part_number(i32::try_from(part.number).ok())
                .e_tag(part.etag.to_header());
            set_checksums!(completed, part.checksums).build()
        });
        let upload = CompletedMultipartUpload::builder()
            .set_parts(Some(parts.collect()))
            .build();
        let complete = self
            .client
            .complete_multipart_upload()
            .bucket(destination.bucket.as_str())
            .key(destination.key.as_str())
            .upload_id(&request.upload.0)
            .multipart_upload(upload)
            .set_if_none_match(request.replaces.if_none_match())
            .set_if_match(request.replaces.if_match())
            .set_mpu_object_size(i64::try_from(request.size).ok())
            .set_checksum_type(request.expected.kind.map(sdk_checksum_kind));
        let complete = set_checksums!(complete, request.expected);
        let answer = self
            .send("CompleteMultipartUpload", destination, complete.send())
            .await?;
        let kind = convert::checksum_kind(answer.checksum_type());
        Ok(CopyReceipt {
            etag: required_etag("CompleteMultipartUpload", destination, answer.e_tag())?,
            version: convert::written_version(destination, answer.version_id())?,
            modified: None,
            checksums: crate::store::object::Checksums {
                kind,
                ..checksums!(answer)
            },
            encryption: convert::encryption(
                answer.server_side_encryption(),
                answer.ssekms_key_id(),
                answer.bucket_key_enabled(),
            ),
            expiration: answer.expiration().and_then(Expiration::parse),
        })
    }

    pub(super) async fn abort_multipart_upload(
        &self,
        destination: &ObjectUri,
        upload: &UploadId,
    ) -> StoreResult<()> {
        let abort = self
            .client
            .abort_multipart_upload()
            .bucket(destination.bucket.as_str())
            .key(destination.key.as_str())
            .upload_id(&upload.0);
        self.send("AbortMultipartUpload", destination, abort.send())
            .await
            .map(drop)
    }

    pub(super) async fn delete_object(&self, request: DeleteRequest<'_>) -> StoreResult<()> {
        let delete = self.client.delete_object();
        let (object, delete) = match request {
            DeleteRequest::IfMatch { object, etag } => {
                (object, delete.if_match(ETag::to_header(etag)))
            }
            DeleteRequest::Version { object, version } => {
                (object, delete.version_id(version.as_str()))
            }
            DeleteRequest::Unconditional { object } => (object, delete),
        };
        let delete = delete
            .bucket(object.bucket.as_str())
            .key(object.key.as_str());
        self.send("DeleteObject", object, delete.send())
            .await
            .map(drop)
    }

    pub(super) async fn put_object(
        &self,
        object: &ObjectUri,
        body: &[u8],
        attributes: &Attributes,
    ) -> StoreResult<CopyReceipt> {
        let put = self
            .client
            .put_object()
            .bucket(object.bucket.as_str())
            .key(object.key.as_str())
            .body(body.to_vec().into());
        let put = set_unkept!(set_described!(put, attributes), attributes);
        let answer = self.send("PutObject", object, put.send()).await?;
        Ok(CopyReceipt {
            etag: required_etag("PutObject", object, answer.e_tag())?,
            version: convert::written_version(object, answer.version_id())?,
            modified: None,
            checksums: crate::store::object::Checksums::default(),
            encryption: Encryption::Unstated,
            expiration: None,
        })
    }
}
