//! The region that each bucket is in. S3 tells where a bucket is when it is
//! asked in the wrong region (facts 8.12); from then on requests for that bucket
//! go there, and a copy goes to the region of its destination.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use aws_sdk_s3::config::endpoint::{DefaultResolver, EndpointFuture, Params, ResolveEndpoint};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::endpoint::EndpointResolverParams;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

use super::hosts::is_region;

const REGION: &str = "x-amz-bucket-region";

/// Refusals that name another region: a redirect, or a signature for the wrong
/// one (S3 API reference, "List of error codes").
const REFUSALS: [u16; 4] = [301, 307, 400, 403];

/// A bucket is in another region than the one that was asked. The next request
/// goes there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the bucket {bucket} is in the region {region}, not in {asked}; it is asked there from now on"
)]
pub struct Moved {
    bucket: String,
    region: String,
    asked: String,
}

/// The regions of buckets that are not in the client's own. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Regions(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    of_buckets: RwLock<HashMap<String, String>>,
    rules: DefaultResolver,
}

impl Regions {
    fn of(&self, bucket: &str) -> Option<String> {
        let known = self.0.of_buckets.read();
        known
            .unwrap_or_else(PoisonError::into_inner)
            .get(bucket)
            .cloned()
    }

    /// Notes where a bucket is; `None` if it was asked there.
    fn learn(&self, bucket: &str, own: &str, region: &str) -> Option<Moved> {
        let asked = self.of(bucket).unwrap_or_else(|| own.to_owned());
        if asked == region || !is_region(region) {
            return None;
        }
        let known = self.0.of_buckets.write();
        known
            .unwrap_or_else(PoisonError::into_inner)
            .insert(bucket.to_owned(), region.to_owned());
        let moved = Moved {
            bucket: bucket.to_owned(),
            region: region.to_owned(),
            asked,
        };
        tracing::info!(
            bucket,
            region,
            "found in another region, and asked there from now on"
        );
        Some(moved)
    }
}

impl ResolveEndpoint for Regions {
    fn resolve_endpoint<'a>(&'a self, params: &'a Params) -> EndpointFuture<'a> {
        let Some(region) = params.bucket().and_then(|bucket| self.of(bucket)) else {
            return self.0.rules.resolve_endpoint(params);
        };
        EndpointFuture::new(async move {
            let there = within(params, region)?;
            self.0.rules.resolve_endpoint(&there).await
        })
    }
}

/// The same parameters in another region.
fn within(params: &Params, region: String) -> Result<Params, BoxError> {
    let text = |value: Option<&str>| value.map(str::to_owned);
    Ok(Params::builder()
        .region(region)
        .set_bucket(text(params.bucket()))
        .set_key(text(params.key()))
        .set_prefix(text(params.prefix()))
        .set_copy_source(text(params.copy_source()))
        .set_endpoint(text(params.endpoint()))
        .set_use_fips(params.use_fips())
        .set_use_dual_stack(params.use_dual_stack())
        .set_force_path_style(params.force_path_style())
        .set_accelerate(params.accelerate())
        .set_use_global_endpoint(params.use_global_endpoint())
        .set_use_object_lambda_endpoint(params.use_object_lambda_endpoint())
        .set_disable_access_points(params.disable_access_points())
        .set_disable_multi_region_access_points(params.disable_multi_region_access_points())
        .set_use_arn_region(params.use_arn_region())
        .set_use_s3_express_control_endpoint(params.use_s3_express_control_endpoint())
        .set_disable_s3_express_session_auth(params.disable_s3_express_session_auth())
        .build()?)
}

impl Intercept for Regions {
    fn name(&self) -> &'static str {
        "Regions"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        if !REFUSALS.contains(&response.status().as_u16()) {
            return Ok(());
        }
        let Some(region) = response.headers().get(REGION) else {
            return Ok(());
        };
        let params = config.load::<EndpointResolverParams>();
        let params = params.and_then(EndpointResolverParams::get::<Params>);
        let asked = params.and_then(|params| params.bucket().zip(params.region()));
        match asked.and_then(|(bucket, own)| self.learn(bucket, own, region)) {
            Some(moved) => Err(moved.into()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(bucket: &str) -> Params {
        Params::builder()
            .bucket(bucket)
            .key("k")
            .region("us-east-1")
            .use_fips(false)
            .use_dual_stack(false)
            .accelerate(false)
            .build()
            .unwrap()
    }

    #[tokio::test]
    async fn a_bucket_is_asked_where_it_was_said_to_be() {
        let regions = Regions::default();
        assert!(regions.learn("there", "us-east-1", "eu-west-1").is_some());
        assert_eq!(regions.learn("there", "us-east-1", "eu-west-1"), None);
        assert_eq!(regions.learn("here", "us-east-1", "us-east-1"), None);
        for (bucket, host) in [
            ("there", "https://there.s3.eu-west-1.amazonaws.com"),
            ("here", "https://here.s3.us-east-1.amazonaws.com"),
        ] {
            let params = params(bucket);
            let endpoint = regions.resolve_endpoint(&params).await.unwrap();
            assert_eq!(endpoint.url(), host);
        }
    }

    #[test]
    fn what_is_no_region_is_not_believed() {
        let regions = Regions::default();
        for name in ["", "eu-west-1.example.net", "evil/", "EU", "a b"] {
            assert_eq!(regions.learn("b", "us-east-1", name), None, "{name}");
        }
        assert_eq!(regions.of("b"), None);
    }
}
