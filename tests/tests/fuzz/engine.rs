//! The rename engine over a client of S3, as a worker has it on AWS.

use std::collections::HashMap;
use std::sync::Arc;

use rebucket_protocol::S3Prefix;
use rebucket_worker::host::Host;
use rebucket_worker::metrics::Metrics;
use rebucket_worker::rename::plan::PartSettings;
use rebucket_worker::rename::{Bucket, RenameSettings, Renamer};
use rebucket_worker::store::endpoint::Abilities;
use rebucket_worker::store::s3::S3Store;
use rebucket_worker::store::{BucketFacts, Versioning};
use tokio::sync::Semaphore;

/// An engine that copies objects larger than `threshold` bytes in parts.
pub(crate) fn renamer(
    client: &aws_sdk_s3::Client,
    prefix: &S3Prefix,
    threshold: u64,
    requests: &Arc<Semaphore>,
) -> Renamer {
    let metrics = Metrics::new().unwrap();
    let bucket = Bucket {
        facts: BucketFacts {
            has_acls: false,
            has_lock: false,
            versioning: Versioning::Enabled,
        },
        abilities: Abilities::aws(),
        scratch: prefix.clone(),
    };
    let settings = RenameSettings {
        parts: PartSettings {
            threshold,
            part_size: 8 << 20,
        },
        parts_in_flight: 1,
        verify: None,
        assume_plain: false,
        host: Host::this_process(),
    };
    Renamer::new(
        Arc::new(S3Store::new(client, metrics.clone())),
        HashMap::from([(prefix.bucket.clone(), bucket)]),
        settings,
        metrics,
        Arc::clone(requests),
    )
}
