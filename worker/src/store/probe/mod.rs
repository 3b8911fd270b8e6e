//! The start-up probe: the whole rename on scratch keys, bytes included,
//! because on an endpoint that is not AWS a 2xx proves nothing (facts,
//! section 7).

pub mod again;
mod exercise;
pub mod names;
mod replacing;
mod scratch;
mod warnings;

use rebucket_protocol::{BucketName, S3Prefix};

use super::ObjectStore;
use super::endpoint::{Abilities, Precondition};
use crate::error::ServiceError;
use crate::rename::Bucket;
use crate::retry::{CallError, Caller, Policy};
use exercise::Probe;

/// A tag that no object has.
const WRONG_ETAG: &str = "00000000000000000000000000000000";

/// What to do when an endpoint ignores a condition that safety needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnMissingPrecondition {
    /// Rename nothing on it.
    Refuse,
    /// Make up for it with further HEAD requests, which leaves a window.
    Emulate,
}

/// Why a bucket cannot be worked in.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProbeError {
    /// The bucket could not be asked, or the scratch keys not written.
    #[error("{doing} in the bucket {bucket}: {error}")]
    Service {
        /// What the probe was at.
        doing: &'static str,
        /// The bucket.
        bucket: BucketName,
        /// The endpoint's answer.
        #[source]
        error: ServiceError,
    },
    /// The probe was told to stop.
    #[error("interrupted")]
    Interrupted,
    /// Conditions are ignored, and the operator did not say to go on.
    #[error(
        "the endpoint of bucket {bucket} ignores {}: objects could be overwritten or lost; \
         rebucket does not rename on it. --on-missing-precondition emulate goes on with further \
         HEAD requests in their place, which leaves a window between check and act",
        .ignored.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    )]
    Unsafe {
        /// The bucket.
        bucket: BucketName,
        /// The conditions.
        ignored: Vec<Precondition>,
    },
    /// Conditions are refused, and the operator did not say to go on, or
    /// nothing can stand in for them.
    #[error(
        "the endpoint of bucket {bucket} takes no request with {}: nothing would tell which object is \
         meant; rebucket does not rename on it. {remedy}",
        .refused.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    )]
    Refused {
        /// The bucket.
        bucket: BucketName,
        /// The conditions.
        refused: Vec<Precondition>,
        /// What the operator can do.
        remedy: &'static str,
    },
    /// Conditions that were honoured at the start are ignored now.
    #[error(
        "the endpoint of bucket {bucket} no longer honours {}, which it did at the start: objects \
         could be overwritten or lost, so everything was stopped. Behind a load balancer, look for \
         nodes of another version; and look at what was renamed since the start",
        .ignored.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    )]
    NoLonger {
        /// The bucket.
        bucket: BucketName,
        /// The conditions.
        ignored: Vec<Precondition>,
    },
    /// The endpoint says that it did what it did not do. Nothing makes up for
    /// that.
    #[error("the endpoint of bucket {bucket} cannot be trusted: {lie}")]
    Untrustworthy {
        /// The bucket.
        bucket: BucketName,
        /// What it claimed.
        lie: &'static str,
    },
}

impl ProbeError {
    /// True when the endpoint could not be reached or denied us, as opposed
    /// to being unfit.
    #[must_use]
    pub fn is_access(&self) -> bool {
        matches!(self, Self::Service { .. })
    }
}

/// Everything about a bucket that is asked once and not per object.
///
/// # Errors
/// [`ProbeError`].
pub async fn survey(
    store: &dyn ObjectStore,
    caller: &Caller,
    bucket: &BucketName,
    scratch: &S3Prefix,
    is_aws: bool,
    on_missing: OnMissingPrecondition,
) -> Result<Bucket, ProbeError> {
    let facts = caller
        .call(Policy::START, || store.bucket_facts(scratch))
        .await
        .map_err(|error| refused("listing", bucket, error))?;
    warnings::warn(store, caller, scratch, facts).await;
    let (abilities, ended) = if is_aws {
        (Abilities::aws(), Ok(()))
    } else {
        Probe::new(store, caller, bucket, scratch).run().await
    };
    // An endpoint that is unsafe is refused for that, whatever else it lacks.
    if !abilities.refused.is_empty() {
        let refused = abilities.refused.clone();
        // A delete can do without: it is looked at right before.
        let emulated = refused == [Precondition::Delete];
        if !emulated || on_missing == OnMissingPrecondition::Refuse {
            return Err(ProbeError::Refused {
                bucket: bucket.clone(),
                refused,
                remedy: if emulated {
                    "--on-missing-precondition emulate leaves it out, with a HEAD request right \
                     before each delete, which leaves a window between check and act"
                } else {
                    "Nothing stands in for that"
                },
            });
        }
        let condition = Precondition::Delete;
        tracing::warn!(%bucket, %condition, "refused by the endpoint; left out, with a HEAD request right before, which leaves a window");
    }
    if !abilities.ignored.is_empty() {
        let ignored = abilities.ignored.clone();
        match on_missing {
            OnMissingPrecondition::Refuse => {
                return Err(ProbeError::Unsafe {
                    bucket: bucket.clone(),
                    ignored,
                });
            }
            OnMissingPrecondition::Emulate => {
                for condition in ignored {
                    tracing::warn!(%bucket, %condition, "ignored by the endpoint; emulated with HEAD requests, which leaves a window");
                }
            }
        }
    }
    ended?;
    Ok(Bucket {
        facts,
        abilities,
        scratch: scratch.clone(),
    })
}

fn refused(doing: &'static str, bucket: &BucketName, error: CallError) -> ProbeError {
    match error {
        CallError::Interrupted => ProbeError::Interrupted,
        CallError::Failed(error) => ProbeError::Service {
            doing,
            bucket: bucket.clone(),
            error,
        },
    }
}
