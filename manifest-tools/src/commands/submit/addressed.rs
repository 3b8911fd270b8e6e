//! Which store, or whose buckets, the messages say that they are for.

use std::fs::File;

use rebucket_manifest::args::SubmitArgs;
use rebucket_planner::PlanReader;
use rebucket_protocol::CreationDates;
use rebucket_worker::clients::Clients;
use rebucket_worker::metrics::Metrics;
use rebucket_worker::store::s3::S3Store;
use rebucket_worker::store_identity::creation_dates;
use tokio_util::sync::CancellationToken;

/// When the buckets of the plan were created, as far as their store says. On
/// AWS the account is what tells them from others, where it is named.
pub(super) async fn addressed(
    args: &SubmitArgs,
    clients: &Clients,
    metrics: &Metrics,
    plan: &PlanReader<File>,
    stop: &CancellationToken,
) -> CreationDates {
    let (endpoint, buckets) = (&clients.endpoint, &plan.resolution().totals.buckets);
    if endpoint.is_aws() && args.owner.bucket_owner.is_none() && !buckets.is_empty() {
        tracing::info!(
            "the messages name no account: workers rename in buckets of these names, whosever they \
             are; --bucket-owner ACCOUNT names the account that is meant"
        );
    }
    let store = S3Store::new(&clients.s3, metrics.clone());
    let buckets = buckets.keys().cloned().collect();
    creation_dates(&store, endpoint, metrics, buckets, stop).await
}
