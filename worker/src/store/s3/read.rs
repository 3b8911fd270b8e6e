//! Requests that read: HEAD, tags, grants, annotations.

use aws_sdk_s3::types::{ChecksumMode, EventHoldDuration};
use rebucket_protocol::{ETag, ObjectUri, VersionId};

use super::S3Store;
use super::convert;
use crate::error::{ErrorClass, Fault, ServiceError};
use crate::store::classify::{OTHER_REGION, Service};
use crate::store::object::{Acl, ObjectHead, ObjectLock, PinnedSource, Tags};
use crate::store::paging::next_page;
use crate::store::{HeadScope, StoreResult};

impl S3Store {
    pub(super) async fn head_object(
        &self,
        object: &ObjectUri,
        scope: HeadScope<'_>,
    ) -> StoreResult<ObjectHead> {
        let request = self
            .client
            .head_object()
            .bucket(object.bucket.as_str())
            .key(object.key.as_str())
            .set_version_id(scope.version.map(|version| version.as_str().to_owned()))
            .set_part_number(scope.part.and_then(|part| i32::try_from(part).ok()))
            .checksum_mode(ChecksumMode::Enabled);
        match self.send("HeadObject", object, request.send()).await {
            Ok(answer) => convert::object_head(object, &answer),
            Err(error) => Err(self.explained(object, scope, error).await),
        }
    }

    /// What a failed HEAD means. Its answer has no body, and so no code (facts
    /// 8.5): where the status leaves open what it is, the same is asked for in
    /// a way whose answer has one.
    async fn explained(
        &self,
        object: &ObjectUri,
        scope: HeadScope<'_>,
        error: ServiceError,
    ) -> ServiceError {
        // HEAD of a delete marker's version.
        if error.class() == ErrorClass::Unsupported {
            let class = ErrorClass::NotFound;
            let fault = Fault {
                class,
                ..error.fault
            };
            return ServiceError { fault, ..error };
        }
        let unclear = matches!(error.fault.status, Some(301 | 307 | 400 | 401 | 403));
        let explained = [Service::S3.foreign(), OTHER_REGION].contains(&error.fault.code.as_str());
        if !unclear || explained {
            return error;
        }
        let request = self
            .client
            .get_object()
            .bucket(object.bucket.as_str())
            .key(object.key.as_str())
            .set_version_id(scope.version.map(|version| version.as_str().to_owned()))
            .range("bytes=0-0");
        match self.send("GetObject", object, request.send()).await {
            Err(told) if told.fault.status != Some(416) => ServiceError {
                fault: told.fault,
                ..error
            },
            // It may be read now, or is empty: whatever it was is over.
            _ => ServiceError {
                fault: Fault {
                    class: ErrorClass::Transient,
                    ..error.fault
                },
                ..error
            },
        }
    }

    pub(super) async fn get_tags(
        &self,
        object: &ObjectUri,
        version: Option<&VersionId>,
    ) -> StoreResult<Tags> {
        let request = self
            .client
            .get_object_tagging()
            .bucket(object.bucket.as_str())
            .key(object.key.as_str())
            .set_version_id(version.map(|version| version.as_str().to_owned()));
        let answer = self
            .send("GetObjectTagging", object, request.send())
            .await?;
        Ok(answer
            .tag_set()
            .iter()
            .map(|tag| (tag.key().to_owned(), tag.value().to_owned()))
            .collect())
    }

    pub(super) async fn get_acl(
        &self,
        object: &ObjectUri,
        version: Option<&VersionId>,
    ) -> StoreResult<Acl> {
        let request = self
            .client
            .get_object_acl()
            .bucket(object.bucket.as_str())
            .key(object.key.as_str())
            .set_version_id(version.map(|version| version.as_str().to_owned()));
        let answer = self.send("GetObjectAcl", object, request.send()).await?;
        convert::acl(answer.owner(), answer.grants()).ok_or_else(|| {
            let message = "a grant has no grantee or an unknown permission";
            ServiceError::local(
                "GetObjectAcl",
                object,
                ErrorClass::Invalid,
                "UnknownGrant",
                message,
            )
        })
    }

    pub(super) async fn get_retention(
        &self,
        object: &ObjectUri,
        version: Option<&VersionId>,
    ) -> StoreResult<ObjectLock> {
        let request = self
            .client
            .get_object_retention()
            .bucket(object.bucket.as_str())
            .key(object.key.as_str())
            .set_version_id(version.map(|version| version.as_str().to_owned()));
        let answer = self
            .send("GetObjectRetention", object, request.send())
            .await?;
        let retention = answer.retention();
        let period = retention.and_then(|r| r.event_hold_duration());
        Ok(ObjectLock {
            mode: retention
                .and_then(|r| r.mode())
                .map(|mode| mode.as_str().to_owned()),
            retain_until: retention
                .and_then(|r| r.retain_until_date())
                .and_then(convert::timestamp),
            legal_hold: false,
            event_hold: convert::event_hold(
                object,
                retention.and_then(|r| r.event_hold()),
                period.and_then(EventHoldDuration::days),
                period.and_then(EventHoldDuration::years),
            )?,
        })
    }

    pub(super) async fn get_legal_hold(
        &self,
        object: &ObjectUri,
        version: Option<&VersionId>,
    ) -> StoreResult<bool> {
        let request = self
            .client
            .get_object_legal_hold()
            .bucket(object.bucket.as_str())
            .key(object.key.as_str())
            .set_version_id(version.map(|version| version.as_str().to_owned()));
        let answer = self
            .send("GetObjectLegalHold", object, request.send())
            .await?;
        let status = answer.legal_hold().and_then(|hold| hold.status());
        Ok(convert::is_hold(status))
    }

    pub(super) async fn list_annotations(
        &self,
        object: &ObjectUri,
        version: Option<&VersionId>,
    ) -> StoreResult<Vec<String>> {
        let mut names = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let request = self
                .client
                .list_object_annotations()
                .bucket(object.bucket.as_str())
                .key(object.key.as_str())
                .set_version_id(version.map(|version| version.as_str().to_owned()))
                .set_continuation_token(token.clone());
            let answer = self
                .send("ListObjectAnnotations", object, request.send())
                .await?;
            names.extend(
                answer
                    .annotations()
                    .iter()
                    .map(|a| a.annotation_name().to_owned()),
            );
            let next = answer.next_continuation_token();
            token = next_page("ListObjectAnnotations", object, token.as_deref(), next)?;
            if token.is_none() {
                return Ok(names);
            }
        }
    }

    pub(super) async fn copy_annotation(
        &self,
        source: &PinnedSource,
        destination: &ObjectUri,
        destination_etag: &ETag,
        name: &str,
    ) -> StoreResult<()> {
        let get = self
            .client
            .get_object_annotation()
            .bucket(source.object.bucket.as_str())
            .key(source.object.key.as_str())
            .set_version_id(
                source
                    .version
                    .as_ref()
                    .map(|version| version.as_str().to_owned()),
            )
            .annotation_name(name);
        let answer = self
            .send("GetObjectAnnotation", &source.object, get.send())
            .await?;
        // At most 1 MiB (S3 limit, facts 1.8).
        let payload = answer.annotation_payload.collect().await.map_err(|error| {
            let class = ErrorClass::Transient;
            let message = error.to_string();
            ServiceError::local(
                "GetObjectAnnotation",
                &source.object,
                class,
                "BodyLost",
                message,
            )
        })?;
        let put = self
            .client
            .put_object_annotation()
            .bucket(destination.bucket.as_str())
            .key(destination.key.as_str())
            .annotation_name(name)
            .object_if_match(destination_etag.to_header())
            .annotation_payload(payload.into_bytes().into());
        self.send("PutObjectAnnotation", destination, put.send())
            .await
            .map(drop)
    }

    pub(super) async fn get_object(&self, object: &ObjectUri) -> StoreResult<Vec<u8>> {
        let request = self
            .client
            .get_object()
            .bucket(object.bucket.as_str())
            .key(object.key.as_str());
        let answer = self.send("GetObject", object, request.send()).await?;
        let body = answer.body.collect().await.map_err(|error| {
            let class = ErrorClass::Transient;
            ServiceError::local("GetObject", object, class, "BodyLost", error.to_string())
        })?;
        Ok(body.to_vec())
    }
}
