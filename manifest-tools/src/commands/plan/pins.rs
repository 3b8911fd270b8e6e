//! What is at the sources before the first rename, by HEAD.
//!
//! Chains, swaps and cycles cannot do without: their keys are used again,
//! perhaps by an object with the same bytes, so that nobody can find out later
//! which object a row meant.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::types::EncodingType;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rebucket_mapper::decode::url_decoded;
use rebucket_planner::pinning::{Found, Insisted, Sight, SourceRow};
use rebucket_planner::{PinError, PlannedRename};
use rebucket_protocol::{ObjectUri, VersionPolicy};
use rebucket_worker::clients::Clients;
use rebucket_worker::config::{OwnerArgs, S3Args};
use rebucket_worker::error::{ErrorClass, ServiceError};
use rebucket_worker::metrics::Metrics;
use rebucket_worker::retry::{CallError, Caller, Policy};
use rebucket_worker::setup::StartError;
use rebucket_worker::store::classify::classify;
use rebucket_worker::store::object::ObjectHead;
use rebucket_worker::store::s3::{S3Store, checked, expecting};
use rebucket_worker::store::{HeadScope, ObjectStore as _};
use tokio::runtime::Handle;
use tokio::sync::{OnceCell, Semaphore};
use tokio_util::sync::CancellationToken;

use super::super::CommandError;

/// Requests in flight.
const HEADS: usize = 64;

/// Objects show their dates in whole seconds. What a rename writes must not
/// have the date of what was at its key before.
pub(crate) const APART: Duration = Duration::from_secs(2);

/// How the buckets of a job are reached. What else is on S3, a manifest or a
/// report, may belong to another account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reach {
    /// How S3 is addressed.
    pub(crate) s3: S3Args,
    /// Whose buckets they are.
    pub(crate) owner: OwnerArgs,
}

/// Looks at sources. Connects when there is one to look at.
pub(crate) struct Pinner {
    reach: Reach,
    purge: bool,
    runtime: Handle,
    store: OnceCell<Store>,
}

struct Store {
    client: aws_sdk_s3::Client,
    objects: S3Store,
    caller: Caller,
}

impl Pinner {
    /// To be used where blocking is allowed. `versioned` is how the sources
    /// will be deleted.
    pub(crate) fn new(reach: Reach, versioned: VersionPolicy, runtime: Handle) -> Self {
        Self {
            reach,
            purge: versioned == VersionPolicy::Purge,
            runtime,
            store: OnceCell::new(),
        }
    }

    /// Pins rows, as far as their objects are there, and as the rows say.
    pub(crate) fn pin(&self, rows: &mut [PlannedRename]) -> Result<Vec<Insisted>, PinError> {
        let pinning = async {
            let store = self.connected().await?;
            let pins = stream::iter(rows.iter_mut().map(|row| store.pin(row, self.purge)));
            pins.buffered(HEADS).try_collect::<Vec<_>>().await
        };
        let insisted: Result<_, CommandError> = self.runtime.block_on(pinning);
        Ok(insisted?)
    }

    /// Looks at sources, but for those of linked rows, which have to be pinned.
    pub(super) fn look(&self, rows: &[SourceRow]) -> Result<Vec<Sight>, PinError> {
        let looking = async {
            let store = self.connected().await?;
            let sights = rows.iter().map(|row| async {
                if row.linked {
                    return Ok(Sight::Unseen);
                }
                let rename = &row.rename;
                let scope = HeadScope {
                    version: rename.pins.version.as_ref(),
                    part: None,
                };
                let head = store.head(rename, scope).await?;
                Ok(head.map_or(Sight::Nothing, |head| Sight::There(found(head))))
            });
            let sights = stream::iter(sights).buffered(HEADS);
            sights.try_collect::<Vec<_>>().await
        };
        let sights: Result<_, CommandError> = self.runtime.block_on(looking);
        Ok(sights?)
    }

    async fn connected(&self) -> Result<&Store, CommandError> {
        let connect = || async {
            let metrics = Metrics::new().map_err(StartError::from)?;
            let clients = Clients::from_env(self.reach.s3).await?;
            let owner = self.reach.owner.bucket_owner;
            let in_flight = Arc::new(Semaphore::new(HEADS));
            Ok(Store {
                client: expecting(&checked(&clients.s3), owner),
                objects: S3Store::of_owner(&clients.s3, metrics.clone(), owner),
                caller: Caller::new(metrics, in_flight, CancellationToken::new()),
            })
        };
        self.store.get_or_try_init(connect).await
    }
}

impl Store {
    async fn head(
        &self,
        row: &PlannedRename,
        scope: HeadScope<'_>,
    ) -> Result<Option<ObjectHead>, CommandError> {
        let head = || self.objects.head(&row.source, scope);
        match self.caller.call(Policy::READ, head).await {
            Ok(head) => Ok(Some(head)),
            Err(CallError::Failed(error)) if error.class() == ErrorClass::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether an earlier version would show if the current one was removed.
    async fn has_earlier_version(&self, object: &ObjectUri) -> Result<bool, CommandError> {
        let list = || async {
            // The versions of a key come before those of longer ones, the
            // newest first (API reference of ListObjectVersions).
            let request = self.client.list_object_versions();
            let request = request.encoding_type(EncodingType::Url).max_keys(2);
            let request = request.bucket(object.bucket.as_str());
            let listed = request.prefix(object.key.as_str()).send().await;
            listed.map_err(|error| ServiceError {
                operation: "ListObjectVersions",
                target: object.to_string(),
                fault: classify(&error),
            })
        };
        let listed = self.caller.call(Policy::READ, list).await?;
        let encoded = listed.encoding_type() == Some(&EncodingType::Url);
        let is_its = |key: &str| match url_decoded(key) {
            Ok(decoded) if encoded => decoded == object.key.as_str(),
            _ => key == object.key.as_str(),
        };
        let versions = listed.versions().iter().filter_map(|version| version.key());
        Ok(versions.filter(|key| is_its(key)).count() > 1)
    }

    async fn pin(&self, row: &mut PlannedRename, purge: bool) -> Result<Insisted, CommandError> {
        let Some(head) = self.head(row, HeadScope::default()).await? else {
            return Ok(Insisted::Nothing);
        };
        let different = |what: String| Ok(Insisted::Different(what));
        let version = row.pins.version.as_ref();
        let is_another = version.is_some_and(|version| Some(version) != head.version.as_ref());
        // The version `null` is not removed but hidden.
        let is_removed = head.version.as_ref().is_some_and(|v| v.as_str() != "null");
        let found = found(head);
        if let Some(what) = found.difference(&row.pins) {
            return different(what);
        }
        if is_another {
            return different("has another version than the row says".to_owned());
        }
        if found.modified.is_none() {
            return different("has no date on this endpoint".to_owned());
        }
        if purge && is_removed && self.has_earlier_version(&row.source).await? {
            return Ok(Insisted::NotFreed);
        }
        row.pins.etag = found.etag;
        row.pins.size = found.size;
        row.pins.modified = found.modified;
        row.pins.storage_class = found.storage_class;
        Ok(Insisted::Pinned)
    }
}

fn found(head: ObjectHead) -> Found {
    Found {
        etag: Some(head.etag),
        size: Some(head.size),
        modified: head.modified,
        storage_class: Some(head.storage_class),
    }
}
