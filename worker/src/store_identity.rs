//! Which store an endpoint leads to. Its address does not say: one store may
//! have many, and the same address may lead to another store tomorrow. So the
//! buckets are known by the time at which they were created.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rebucket_protocol::{BucketName, CreationDates};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::clients::S3Endpoint;
use crate::metrics::Metrics;
use crate::retry::{CallError, Caller, Policy};
use crate::store::s3::S3Store;

/// How long the dates are waited for. Everything works without them.
const ASKED_FOR: Duration = Duration::from_secs(5);

/// When these buckets were created, as far as their store says. One that does
/// not say is no failure, and the log has a line about it.
///
/// The request is about no bucket: give a store that names no owner of one.
///
/// AWS is not asked: there the date may change with the bucket's policy (API
/// reference of `ListBuckets`), and the account is what buckets are known by.
pub async fn creation_dates(
    store: &S3Store,
    endpoint: &S3Endpoint,
    metrics: &Metrics,
    buckets: BTreeSet<BucketName>,
    stop: &CancellationToken,
) -> CreationDates {
    if endpoint.is_aws() || buckets.is_empty() {
        return CreationDates::default();
    }
    let one = Arc::new(Semaphore::new(1));
    let caller = Caller::new(metrics.clone(), one, stop.clone());
    let ask = caller.call(Policy::OPTIONAL, || store.creation_dates(&buckets));
    let why = match tokio::time::timeout(ASKED_FOR, ask).await {
        Ok(Ok(dates)) => {
            for bucket in buckets.iter().filter(|name| dates.get(name).is_none()) {
                tracing::info!(
                    %bucket,
                    "the store does not list this bucket with a date of creation: another store \
                     with a bucket of this name is not told from it"
                );
            }
            return dates;
        }
        Ok(Err(CallError::Interrupted)) => return CreationDates::default(),
        Ok(Err(CallError::Failed(error))) => error.to_string(),
        Err(_) => format!("no answer within {} s", ASKED_FOR.as_secs()),
    };
    tracing::info!(
        why,
        "the store does not list its buckets: another store with buckets of the same names is not \
         told from it"
    );
    CreationDates::default()
}
