//! The account that the buckets are expected to belong to. S3 refuses a
//! request that expects another one (403, User Guide, "Verifying bucket
//! ownership with bucket owner condition"): so nothing is read or renamed in
//! a bucket of the same name that is somebody else's.

use std::future::Future;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use rebucket_protocol::AccountId;

tokio::task_local! {
    /// The owner that the task at hand names.
    static NAMED: AccountId;
}

/// Does some work whose requests expect this owner, if one is named.
pub async fn expecting_owner<T>(owner: Option<AccountId>, work: impl Future<Output = T>) -> T {
    match owner {
        Some(owner) => NAMED.scope(owner, work).await,
        None => work.await,
    }
}

/// Adds the expected owner to every request, before it is signed: in one
/// place, so that none can be forgotten.
#[derive(Debug)]
pub(super) struct ExpectedOwner(pub(super) Option<AccountId>);

impl Intercept for ExpectedOwner {
    fn name(&self) -> &'static str {
        "ExpectedOwner"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // What the process was told holds for all; messages that say
        // otherwise were refused.
        let Some(owner) = self.0.or_else(|| NAMED.try_with(|named| *named).ok()) else {
            return Ok(());
        };
        let headers = context.request_mut().headers_mut();
        headers.try_insert("x-amz-expected-bucket-owner", owner.to_string())?;
        if headers.contains_key("x-amz-copy-source") {
            headers.try_insert("x-amz-source-expected-bucket-owner", owner.to_string())?;
        }
        Ok(())
    }
}
