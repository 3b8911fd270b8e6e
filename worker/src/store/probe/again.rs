//! The probe once more, while the worker runs. A probe speaks for one node:
//! behind a load balancer another one may be of another version, and a node
//! may be replaced at any time. What a success answer can show by itself is
//! checked on each request; what cannot be seen there is tried again here.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rebucket_protocol::{BucketName, ETag, ObjectUri, S3Prefix};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::scratch::{plain, remove, unique};
use super::{ProbeError, WRONG_ETAG, refused};
use crate::error::ErrorClass;
use crate::retry::{CallError, Caller, Policy};
use crate::shutdown::Shutdown;
use crate::store::endpoint::Precondition;
use crate::store::object::PinnedSource;
use crate::store::{CopyRequest, DeleteRequest, HeadScope, ObjectStore, Replaces, StoreResult};

/// At the end, a round that is under way may take so long to clean up.
const END_LIMIT: Duration = Duration::from_secs(5);

/// A bucket, and what its endpoint was seen to honour.
#[derive(Debug, Clone)]
pub struct Probed {
    /// The bucket.
    pub bucket: BucketName,
    /// Where scratch objects go.
    pub scratch: S3Prefix,
    /// The conditions that were honoured at the start. The others are emulated.
    pub honoured: Vec<Precondition>,
}

/// What is to be probed again. Nothing on AWS.
pub struct Again {
    store: Arc<dyn ObjectStore>,
    caller: Caller,
    buckets: Vec<Probed>,
    every: Duration,
}

/// The repeated probe at work.
#[derive(Debug)]
pub struct Watch {
    task: JoinHandle<()>,
    done: CancellationToken,
    found: Arc<OnceLock<ProbeError>>,
}

impl Again {
    /// Probes these buckets again, each `every` so often.
    #[must_use]
    pub fn new(
        store: Arc<dyn ObjectStore>,
        caller: &Caller,
        buckets: Vec<Probed>,
        every: Duration,
    ) -> Self {
        // A round that was begun ends by itself, so that it cleans up.
        let caller = caller.with_stop(CancellationToken::new());
        Self {
            store,
            caller,
            buckets,
            every,
        }
    }

    /// Probes until [`Watch::end`]. An endpoint that does not honour a
    /// condition any more stops the worker: no new task is taken, and what is
    /// under way sends no further request, so it deletes nothing.
    #[must_use]
    pub fn watch(self, shutdown: Shutdown) -> Watch {
        let (done, found) = (CancellationToken::new(), Arc::<OnceLock<_>>::default());
        let (ended, unsafe_now) = (done.clone(), Arc::clone(&found));
        let task = tokio::spawn(async move {
            while !self.buckets.is_empty() {
                tokio::select! {
                    biased;
                    () = ended.cancelled() => return,
                    () = tokio::time::sleep(self.every) => {}
                }
                if let Err(error) = self.round().await {
                    tracing::error!(%error, "stopping: no more renames on this endpoint");
                    drop(unsafe_now.set(error));
                    shutdown.now();
                    return;
                }
            }
        });
        Watch { task, done, found }
    }

    /// # Errors
    /// [`ProbeError::NoLonger`]. That a bucket cannot be asked is an outage,
    /// and none.
    async fn round(&self) -> Result<(), ProbeError> {
        for probed in &self.buckets {
            match self.probe(probed).await {
                Ok(()) => {}
                Err(error @ ProbeError::NoLonger { .. }) => return Err(error),
                Err(error) => tracing::warn!(%error, "the endpoint could not be probed again"),
            }
        }
        Ok(())
    }

    async fn probe(&self, probed: &Probed) -> Result<(), ProbeError> {
        let folder = S3Prefix {
            bucket: probed.bucket.clone(),
            prefix: format!("{}{}", probed.scratch.prefix, unique("again")),
        };
        let keys = ["source", "taken", "wrong"].map(|name| folder.object(name));
        let [Ok(source), Ok(taken), Ok(wrong)] = keys else {
            return Ok(());
        };
        let ignored = Mutex::default();
        let round = Round {
            again: self,
            probed,
            ignored: &ignored,
        };
        let tried = round.try_all(&source, &taken, &wrong).await;
        for key in [&source, &taken, &wrong] {
            remove(&*self.store, &self.caller, key).await;
        }
        let purge = || self.store.purge_scratch(&folder);
        if let Err(error) = self.caller.call(Policy::CLEAN_UP, purge).await {
            tracing::debug!(%error, "could not remove the versions of scratch objects");
        }
        let ignored = ignored.into_inner().unwrap_or_else(PoisonError::into_inner);
        if ignored.is_empty() {
            return tried;
        }
        Err(ProbeError::NoLonger {
            bucket: probed.bucket.clone(),
            ignored,
        })
    }
}

impl Watch {
    /// Ends the probing, and says why the worker was stopped, if that was for
    /// its endpoint.
    ///
    /// # Errors
    /// [`ProbeError::NoLonger`].
    pub async fn end(mut self) -> Result<(), ProbeError> {
        self.done.cancel();
        if tokio::time::timeout(END_LIMIT, &mut self.task)
            .await
            .is_err()
        {
            self.task.abort();
        }
        match self.found.get() {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }
}

/// One bucket, once.
struct Round<'a> {
    again: &'a Again,
    probed: &'a Probed,
    ignored: &'a Mutex<Vec<Precondition>>,
}

impl Round<'_> {
    async fn try_all(
        &self,
        source: &ObjectUri,
        taken: &ObjectUri,
        wrong: &ObjectUri,
    ) -> Result<(), ProbeError> {
        let etag = self.put(source, b"rebucket probes again\n").await?;
        self.put(taken, b"rebucket probes again: taken\n").await?;
        let no_such = ETag::new(WRONG_ETAG).map_err(|_| ProbeError::Untrustworthy {
            bucket: self.probed.bucket.clone(),
            lie: "an ETag of the probe is malformed",
        })?;
        let pinned = |etag: &ETag| PinnedSource {
            object: source.clone(),
            etag: etag.clone(),
            version: None,
        };
        let (right, mispinned, attributes) = (pinned(&etag), pinned(&no_such), plain(false));
        let copy = |source, destination| {
            let request = CopyRequest {
                source,
                destination,
                replaces: Replaces::Nothing,
                attributes: &attributes,
                keep_tags: true,
            };
            move || self.again.store.copy(request)
        };
        self.must_fail(Precondition::CopySource, copy(&mispinned, wrong))
            .await?;
        self.must_fail(Precondition::CopyCreates, copy(&right, taken))
            .await?;
        let delete = DeleteRequest::IfMatch {
            object: source,
            etag: &no_such,
        };
        self.must_fail(Precondition::Delete, || self.again.store.delete(delete))
            .await?;
        let there = || self.again.store.head(source, HeadScope::default());
        match self.again.caller.call(Policy::READ, there).await {
            Err(CallError::Failed(error)) if error.class() == ErrorClass::NotFound => {
                self.note(Precondition::Delete);
                Ok(())
            }
            Err(error) => Err(self.unasked(error)),
            Ok(_) => Ok(()),
        }
    }

    async fn put(&self, object: &ObjectUri, body: &[u8]) -> Result<ETag, ProbeError> {
        let attributes = plain(false);
        let put = || self.again.store.put_scratch(object, body, &attributes);
        let put = self.again.caller.call(Policy::READ, put).await;
        Ok(put.map_err(|error| self.unasked(error))?.etag)
    }

    /// Sends what its condition must keep from being carried out.
    async fn must_fail<T, F>(
        &self,
        condition: Precondition,
        request: impl FnMut() -> F,
    ) -> Result<(), ProbeError>
    where
        F: Future<Output = StoreResult<T>>,
    {
        if !self.probed.honoured.contains(&condition) {
            return Ok(());
        }
        match self.again.caller.call(Policy::CLEAN_UP, request).await {
            Ok(_) => {
                self.note(condition);
                Ok(())
            }
            Err(CallError::Failed(error)) if error.class() == ErrorClass::Precondition => Ok(()),
            // Gone by a request whose answer was lost: the look afterwards tells.
            Err(CallError::Failed(error))
                if error.class() == ErrorClass::NotFound && condition == Precondition::Delete =>
            {
                Ok(())
            }
            Err(error) => Err(self.unasked(error)),
        }
    }

    fn note(&self, condition: Precondition) {
        let mut ignored = self.ignored.lock().unwrap_or_else(PoisonError::into_inner);
        if !ignored.contains(&condition) {
            ignored.push(condition);
        }
    }

    fn unasked(&self, error: CallError) -> ProbeError {
        refused("probing again", &self.probed.bucket, error)
    }
}
