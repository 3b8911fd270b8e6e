//! Leases: the time for which a message is ours, and the task that extends it.
//!
//! A lease is lost when its deadline has passed or the queue says that the
//! receipt is stale. Losing it cancels the rename and blocks its delete above
//! all: by then another worker may have the message.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{MAX_BATCH, MAX_INVISIBLE, Queue, ReceiptHandle, Received};
use crate::error::ErrorClass;
use crate::metrics::Metrics;

/// Tunables of leases.
#[derive(Debug, Clone, Copy)]
pub struct LeaseSettings {
    /// The visibility timeout that is asked for at each extension.
    pub visibility: Duration,
    /// A lease is extended once less than this share of it is left.
    pub extend_below: f64,
    /// A lease counts as held only while at least this much of it is left: as
    /// long as the request that follows the check may take to be carried out.
    pub margin: Duration,
}

impl LeaseSettings {
    /// Settings for a visibility timeout: extended at half time, and a margin
    /// of a quarter, at most 5 s.
    #[must_use]
    pub fn new(visibility: Duration) -> Self {
        Self {
            visibility,
            extend_below: 0.5,
            margin: (visibility / 4).min(Duration::from_secs(5)),
        }
    }
}

#[derive(Debug)]
struct State {
    deadline: Instant,
    /// No extension reaches beyond this.
    last_possible: Instant,
}

#[derive(Debug)]
struct Shared {
    receipt: ReceiptHandle,
    state: Mutex<State>,
    lost: AtomicBool,
    stop: CancellationToken,
    margin: Duration,
}

/// One message's lease. Clones share it.
#[derive(Debug, Clone)]
pub struct Lease {
    shared: Arc<Shared>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that holds these locks can panic half-way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lease {
    /// A lease on a message that was just received. Its work stops when it is
    /// lost, and with `stop`.
    #[must_use]
    pub fn new(message: &Received, settings: LeaseSettings, stop: &CancellationToken) -> Self {
        let received = message.deadline.checked_sub(settings.visibility);
        Self {
            shared: Arc::new(Shared {
                receipt: message.receipt.clone(),
                state: Mutex::new(State {
                    deadline: message.deadline,
                    last_possible: received.unwrap_or(message.deadline) + MAX_INVISIBLE,
                }),
                lost: AtomicBool::new(false),
                stop: stop.child_token(),
                margin: settings.margin,
            }),
        }
    }

    /// True while the message is ours for at least the margin.
    #[must_use]
    pub fn is_held(&self) -> bool {
        !self.is_lost() && self.remaining() >= self.shared.margin
    }

    /// True once another worker may have the message.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.shared.lost.load(Ordering::SeqCst) || self.remaining().is_zero()
    }

    /// Cancelled when the work on the message must stop: the lease is lost,
    /// or the worker ends.
    #[must_use]
    pub fn stop(&self) -> &CancellationToken {
        &self.shared.stop
    }

    /// The time until the deadline, zero once it has passed.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        lock(&self.shared.state)
            .deadline
            .saturating_duration_since(Instant::now())
    }

    /// How long the message may be made invisible from now, at most `wanted`:
    /// SQS refuses what would exceed its total.
    fn extension(&self, wanted: Duration) -> Duration {
        let left = lock(&self.shared.state)
            .last_possible
            .saturating_duration_since(Instant::now());
        // A minute off, because the service counts from its own clock.
        wanted.min(left.saturating_sub(Duration::from_mins(1)))
    }

    /// The service counts from its last answer, be it longer or shorter than
    /// what was left.
    fn extended(&self, deadline: Instant) {
        lock(&self.shared.state).deadline = deadline;
    }
}

/// Keeps every lease of a worker alive, with batched requests.
pub struct LeaseKeeper {
    queue: Arc<dyn Queue>,
    settings: LeaseSettings,
    metrics: Metrics,
    leases: Mutex<BTreeMap<ReceiptHandle, Lease>>,
    added: Notify,
    stop: CancellationToken,
}

/// A lease that is kept alive as long as this value lives, so that no way out
/// of the work on a message, not even a panic, keeps it from others for good.
pub struct Kept {
    lease: Lease,
    keeper: Arc<LeaseKeeper>,
}

impl Kept {
    /// The lease.
    #[must_use]
    pub fn lease(&self) -> &Lease {
        &self.lease
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        lock(&self.keeper.leases).remove(&self.lease.shared.receipt);
    }
}

impl LeaseKeeper {
    /// A keeper of no leases yet. [`LeaseKeeper::run`] does the work. All
    /// work under its leases stops with `stop`.
    #[must_use]
    pub fn new(
        queue: Arc<dyn Queue>,
        settings: LeaseSettings,
        metrics: Metrics,
        stop: CancellationToken,
    ) -> Self {
        Self {
            queue,
            settings,
            metrics,
            leases: Mutex::default(),
            added: Notify::new(),
            stop,
        }
    }

    /// Takes over a received message's lease.
    #[must_use]
    pub fn keep(self: &Arc<Self>, message: &Received) -> Kept {
        let lease = Lease::new(message, self.settings, &self.stop);
        lock(&self.leases).insert(message.receipt.clone(), lease.clone());
        self.added.notify_one();
        Kept {
            lease,
            keeper: Arc::clone(self),
        }
    }

    /// Extends leases until the future is dropped.
    pub async fn run(&self) {
        let mut earliest = Instant::now();
        loop {
            // A moment, not a time to wait: leases that are added all the time
            // would put it off for good.
            let next = (Instant::now() + self.until_next()).max(earliest);
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(next) => {
                    self.extend_due().await;
                    // After a failed extension, not at once again.
                    earliest = Instant::now() + self.settings.visibility / 50;
                }
                () = self.added.notified() => {}
            }
        }
    }

    /// The moment of a lease's life at which it is extended.
    fn threshold(&self) -> Duration {
        self.settings.visibility.mul_f64(self.settings.extend_below)
    }

    fn until_next(&self) -> Duration {
        let threshold = self.threshold();
        let leases = lock(&self.leases);
        let next = leases
            .values()
            .map(|l| l.remaining().saturating_sub(threshold))
            .min();
        next.unwrap_or(self.settings.visibility)
    }

    async fn extend_due(&self) {
        let threshold = self.threshold();
        let due: Vec<Lease> = lock(&self.leases)
            .values()
            .filter(|lease| lease.remaining() <= threshold)
            .cloned()
            .collect();
        // Together: one slow answer must not let the other batches expire.
        let batches = due.chunks(MAX_BATCH).map(|batch| self.extend(batch));
        futures_util::future::join_all(batches).await;
    }

    async fn extend(&self, batch: &[Lease]) {
        let mut live = Vec::with_capacity(batch.len());
        for lease in batch {
            if lease.remaining().is_zero() {
                self.lose(lease, "its deadline passed");
                continue;
            }
            let extension = lease.extension(self.settings.visibility);
            if extension <= self.settings.margin {
                self.lose(lease, "it reached the 12 hours that SQS allows in total");
                continue;
            }
            live.push((lease, extension));
        }
        if live.is_empty() {
            return;
        }
        let entries: Vec<_> = live
            .iter()
            .map(|(lease, by)| (lease.shared.receipt.clone(), *by))
            .collect();
        // Stamped before the request is sent: the service counts from later.
        let sent = Instant::now();
        let request = self.queue.change_visibility(&entries);
        let answer = tokio::time::timeout(self.settings.visibility / 4, request).await;
        match answer {
            Ok(Ok(results)) => {
                for ((lease, by), result) in live.into_iter().zip(results) {
                    match result {
                        Ok(()) => {
                            lease.extended(sent + by);
                            self.metrics.lease_extensions.inc();
                        }
                        Err(error) if error.class() == ErrorClass::LeaseLost => {
                            self.lose(lease, "the queue no longer knows its receipt");
                        }
                        // Tried again while there is time left.
                        Err(error) => tracing::warn!(%error, "could not extend a lease"),
                    }
                }
            }
            Ok(Err(error)) => tracing::warn!(%error, "could not extend leases"),
            Err(_) => tracing::warn!("extending leases took too long"),
        }
    }

    fn lose(&self, lease: &Lease, why: &str) {
        // Not if it was released meanwhile: then the message is done with.
        if lock(&self.leases).remove(&lease.shared.receipt).is_some() {
            self.metrics.leases_lost.inc();
            tracing::warn!(
                why,
                "lost a lease; its rename stops and another worker goes on"
            );
            lease.shared.lost.store(true, Ordering::SeqCst);
            lease.shared.stop.cancel();
        }
    }
}
