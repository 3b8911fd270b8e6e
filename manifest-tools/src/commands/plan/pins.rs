//! What is at the sources of chains, swaps and cycles before the first rename.
//! Their keys are used again, perhaps by an object with the same bytes, so
//! that nobody can find out later which object a row meant.

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rebucket_planner::{PinError, PlannedRename};
use rebucket_worker::clients::Clients;
use rebucket_worker::error::ErrorClass;
use rebucket_worker::metrics::Metrics;
use rebucket_worker::retry::{CallError, Caller, Policy};
use rebucket_worker::setup::StartError;
use rebucket_worker::store::s3::S3Store;
use rebucket_worker::store::{HeadScope, ObjectStore as _};
use tokio::runtime::Handle;

use super::super::CommandError;

/// Requests in flight.
const HEADS: usize = 64;

/// Objects show their dates in whole seconds. What a rename writes must not
/// have the date of what was at its key before.
pub(crate) const APART: Duration = Duration::from_secs(2);

/// Looks at sources. Connects when there is one to look at.
pub(crate) struct Pinner {
    manifest: String,
    path_style: bool,
    runtime: Handle,
    store: Option<(S3Store, Caller)>,
}

impl Pinner {
    /// For the rows of this manifest. To be used where blocking is allowed.
    pub(crate) fn new(manifest: &str, path_style: bool, runtime: Handle) -> Self {
        Self {
            manifest: manifest.to_owned(),
            path_style,
            runtime,
            store: None,
        }
    }

    /// Pins rows.
    pub(crate) fn pin(&mut self, rows: &mut [PlannedRename]) -> Result<(), PinError> {
        let runtime = self.runtime.clone();
        Ok(runtime.block_on(self.pin_all(rows))?)
    }

    async fn pin_all(&mut self, rows: &mut [PlannedRename]) -> Result<(), CommandError> {
        if self.store.is_none() {
            let metrics = Metrics::new().map_err(StartError::from)?;
            let clients = Clients::from_env(self.path_style).await;
            self.store = Some((S3Store::new(&clients.s3, metrics), Caller::apart()));
        }
        let Some((store, caller)) = &self.store else {
            return Ok(());
        };
        let manifest = &self.manifest;
        stream::iter(rows)
            .map(|row| pin(manifest, store, caller, row))
            .buffer_unordered(HEADS)
            .try_collect()
            .await
    }
}

async fn pin(
    manifest: &str,
    store: &S3Store,
    caller: &Caller,
    row: &mut PlannedRename,
) -> Result<(), CommandError> {
    let wrong = |what: String| {
        let (line, source) = (row.line, &row.source);
        CommandError::Usage(format!(
            "{manifest}:{line}: {source} {what}; it is part of a chain, whose objects must be \
             there, and as the manifest says, when its plan is made"
        ))
    };
    let head = || store.head(&row.source, HeadScope::default());
    let head = match caller.call(Policy::READ, head).await {
        Ok(head) => head,
        Err(CallError::Failed(error)) if error.class() == ErrorClass::NotFound => {
            return Err(wrong("is not there".to_owned()));
        }
        Err(CallError::Failed(error)) => return Err(error.into()),
        Err(CallError::Interrupted) => return Err(CommandError::Interrupted),
    };
    let pins = &row.pins;
    if pins.etag.as_ref().is_some_and(|etag| *etag != head.etag) {
        return Err(wrong(format!("has the ETag {}", head.etag)));
    }
    if pins.size.is_some_and(|size| size != head.size) {
        return Err(wrong(format!("has {} bytes", head.size)));
    }
    let version = pins.version.as_ref();
    if version.is_some_and(|version| Some(version) != head.version.as_ref()) {
        return Err(wrong("has another version".to_owned()));
    }
    if head.modified.is_none() {
        return Err(wrong("has no date on this endpoint".to_owned()));
    }
    row.pins.etag = Some(head.etag);
    row.pins.size = Some(head.size);
    row.pins.modified = head.modified;
    Ok(())
}
