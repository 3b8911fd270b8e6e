//! What an operator should know of a bucket before the first rename in it, and
//! what does not keep anybody from renaming.

use rebucket_protocol::S3Prefix;

use crate::error::ErrorClass;
use crate::retry::{CallError, Caller, Policy};
use crate::store::{BucketFacts, ObjectStore, Versioning};

/// Warns of suspended versioning, and of locks that may not be seen.
pub(super) async fn warn(
    store: &dyn ObjectStore,
    caller: &Caller,
    scratch: &S3Prefix,
    facts: BucketFacts,
) {
    let bucket = &scratch.bucket;
    match facts.versioning {
        Versioning::Suspended => tracing::warn!(
            %bucket,
            "versioning is suspended: the version `null` is looked for before each rename, and a \
             rename that would destroy one is refused (history_at_risk) unless the job says \
             --waive history"
        ),
        Versioning::Unknown => tracing::warn!(
            %bucket,
            "does not say whether versioning is on: grant s3:GetBucketVersioning, which spares \
             requests; a rename that could destroy an older version is refused (history_at_risk) \
             unless the job says --waive history, or the endpoint does not know the version `null`"
        ),
        Versioning::Never | Versioning::Enabled => {}
    }
    if facts.has_lock {
        warn_of_hidden_locks(store, caller, scratch).await;
    }
}

/// S3 looks at permissions before it looks for the object, so a key at which
/// nothing is shows whether they are there. Those of another prefix may
/// differ: each object is asked all the same.
async fn warn_of_hidden_locks(store: &dyn ObjectStore, caller: &Caller, scratch: &S3Prefix) {
    let Ok(nothing) = scratch.object("lock") else {
        return;
    };
    let once = Policy {
        attempts: 1,
        ..Policy::CLEAN_UP
    };
    let retention = caller.call(once, || store.retention(&nothing, None)).await;
    let hold = caller.call(once, || store.legal_hold(&nothing, None)).await;
    for (permission, answer) in [
        ("s3:GetObjectRetention", retention.map(drop)),
        ("s3:GetObjectLegalHold", hold.map(drop)),
    ] {
        if let Err(CallError::Failed(error)) = answer
            && error.class() == ErrorClass::Denied
        {
            tracing::warn!(
                bucket = %scratch.bucket, permission, %error,
                "this permission is missing, and the bucket has Object Lock, or does not say: HEAD \
                 hides locks without it, and objects fail with access_denied unless the job says \
                 --waive lock"
            );
        }
    }
}
