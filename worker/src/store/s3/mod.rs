//! The object store over the AWS SDK. One method, one request.

mod answer;
mod bucket;
mod convert;
mod document;
mod owner;
mod read;
mod shape;
mod signs;
mod write;

use std::fmt::Display;
use std::future::Future;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use rebucket_protocol::{AccountId, ETag, ObjectUri, S3Prefix, Timestamp, VersionId};
use tokio::time::Instant;

use super::classify::classify;
use super::object::{Acl, Attributes, ObjectHead, ObjectLock, PinnedSource, Tags};
use super::{
    BucketFacts, CompleteRequest, CopyReceipt, CopyRequest, DeleteRequest, HeadScope, ObjectStore,
    PartRange, PartReceipt, StoreResult, UploadId,
};
use crate::clock::ServiceClock;
use crate::error::{ErrorClass, ServiceError};
use crate::metrics::Metrics;
pub(crate) use answer::AnswerCheck;
use owner::ExpectedOwner;
pub use owner::expecting_owner;
pub use signs::Signs;

/// S3, or a store that speaks its protocol.
#[derive(Debug, Clone)]
pub struct S3Store {
    client: Client,
    metrics: Metrics,
    clock: ServiceClock,
}

/// The same client, with every answer checked: one that S3 did not give, or
/// that stops early, is an error. By what the endpoint's answers are known
/// stays unknown, as far as the client does not check that itself.
#[must_use]
pub fn checked(client: &Client) -> Client {
    let check = AnswerCheck::new(Signs::default());
    let config = client.config().to_builder().interceptor(check);
    Client::from_conf(config.build())
}

/// The same client for buckets of this account, where it is known: every
/// request says so.
#[must_use]
pub fn expecting(client: &Client, owner: Option<AccountId>) -> Client {
    let config = client.config().to_builder();
    Client::from_conf(config.interceptor(ExpectedOwner(owner)).build())
}

impl S3Store {
    /// Wraps a client whose own retries are off ([`crate::clients`]), and has
    /// every answer checked.
    #[must_use]
    pub fn new(client: &Client, metrics: Metrics) -> Self {
        Self::of_owner(client, metrics, None)
    }

    /// The same for buckets that belong to this account, where that is known.
    #[must_use]
    pub fn of_owner(client: &Client, metrics: Metrics, owner: Option<AccountId>) -> Self {
        let clock = ServiceClock::default();
        let config = expecting(&checked(client), owner).config().to_builder();
        let config = config.interceptor(clock.clone()).build();
        Self {
            client: Client::from_conf(config),
            metrics,
            clock,
        }
    }

    /// Sends one request, counts it, and classifies its failure.
    async fn send<T, E>(
        &self,
        operation: &'static str,
        target: impl Display,
        request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> StoreResult<T>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let sent = Instant::now();
        let result = request.await.map_err(|error| ServiceError {
            operation,
            target: target.to_string(),
            fault: answer::refused(&error, error.raw_response())
                .unwrap_or_else(|| classify(&error)),
        });
        let class = result.as_ref().err().map(ServiceError::class);
        self.metrics.s3_request(operation, class, sent.elapsed());
        result
    }
}

/// The entity tag of a success. A 200 with an empty or truncated body reaches
/// us as a success without one (facts 1.6): nothing may be concluded from it,
/// and after a copy nobody knows what was made. But what HEAD says of an
/// object, it says again.
fn required_etag(
    operation: &'static str,
    target: &ObjectUri,
    etag: Option<&str>,
) -> StoreResult<ETag> {
    let refuse = |class, message: String| {
        ServiceError::local(operation, target, class, "IncompleteResponse", message)
    };
    let etag = etag.ok_or_else(|| {
        let message = "the success response has no ETag";
        refuse(ErrorClass::Transient, message.to_owned())
    })?;
    let lasting = match operation {
        "HeadObject" | "PutObject" => ErrorClass::Invalid,
        _ => ErrorClass::Transient,
    };
    if etag.starts_with("W/") {
        let message = format!(
            "the ETag {etag} is a weak one, which S3 never gives: something between us and the store \
             changes its answers, such as a proxy that compresses; go around it, or switch that off"
        );
        return Err(refuse(lasting, message));
    }
    ETag::new(etag).map_err(|error| refuse(lasting, error.to_string()))
}

#[async_trait]
impl ObjectStore for S3Store {
    fn now(&self) -> Option<Timestamp> {
        self.clock.now()
    }

    async fn head(&self, object: &ObjectUri, scope: HeadScope<'_>) -> StoreResult<ObjectHead> {
        self.head_object(object, scope).await
    }

    async fn tags(&self, object: &ObjectUri, version: Option<&VersionId>) -> StoreResult<Tags> {
        self.get_tags(object, version).await
    }

    async fn acl(&self, object: &ObjectUri, version: Option<&VersionId>) -> StoreResult<Acl> {
        self.get_acl(object, version).await
    }

    async fn retention(
        &self,
        object: &ObjectUri,
        version: Option<&VersionId>,
    ) -> StoreResult<ObjectLock> {
        self.get_retention(object, version).await
    }

    async fn legal_hold(
        &self,
        object: &ObjectUri,
        version: Option<&VersionId>,
    ) -> StoreResult<bool> {
        self.get_legal_hold(object, version).await
    }

    async fn bucket_facts(&self, place: &S3Prefix) -> StoreResult<BucketFacts> {
        self.get_bucket_facts(place).await
    }

    async fn copy(&self, request: CopyRequest<'_>) -> StoreResult<CopyReceipt> {
        self.copy_object(request).await
    }

    async fn create_upload(
        &self,
        destination: &ObjectUri,
        attributes: &Attributes,
    ) -> StoreResult<UploadId> {
        self.create_multipart_upload(destination, attributes).await
    }

    async fn copy_part(
        &self,
        source: &PinnedSource,
        destination: &ObjectUri,
        upload: &UploadId,
        range: PartRange,
    ) -> StoreResult<PartReceipt> {
        self.upload_part_copy(source, destination, upload, range)
            .await
    }

    async fn complete_upload(&self, request: CompleteRequest<'_>) -> StoreResult<CopyReceipt> {
        self.complete_multipart_upload(request).await
    }

    async fn abort_upload(&self, destination: &ObjectUri, upload: &UploadId) -> StoreResult<()> {
        self.abort_multipart_upload(destination, upload).await
    }

    async fn annotations(
        &self,
        object: &ObjectUri,
        version: Option<&VersionId>,
    ) -> StoreResult<Vec<String>> {
        self.list_annotations(object, version).await
    }

    async fn carry_annotation(
        &self,
        source: &PinnedSource,
        destination: &ObjectUri,
        destination_etag: &ETag,
        name: &str,
    ) -> StoreResult<()> {
        self.copy_annotation(source, destination, destination_etag, name)
            .await
    }

    async fn delete(&self, request: DeleteRequest<'_>) -> StoreResult<()> {
        self.delete_object(request).await
    }

    async fn put_scratch(
        &self,
        object: &ObjectUri,
        body: &[u8],
        attributes: &Attributes,
    ) -> StoreResult<CopyReceipt> {
        self.put_object(object, body, attributes).await
    }

    async fn purge_scratch(&self, folder: &S3Prefix) -> StoreResult<()> {
        self.delete_versions(folder).await
    }

    async fn get_scratch(&self, object: &ObjectUri) -> StoreResult<Vec<u8>> {
        self.get_object(object).await
    }
}
