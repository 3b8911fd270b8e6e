//! The worker: receives tasks, has them renamed, records how each ended, and
//! only then acknowledges.
//!
//! Each message leaves by exactly one of three ways: *acknowledged* after its
//! outcome is recorded (failures after they are parked as well), *handed back*
//! to be delivered again, or *left* to whoever has it now when its lease is
//! lost.

mod chain;
mod process;
mod verdict;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rebucket_protocol::{Evidence, Outcome, Reason};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admission::Admission;
use crate::host::Host;
use crate::metrics::Metrics;
use crate::queue::Queue;
use crate::queue::ack::Acknowledger;
use crate::queue::lease::{LeaseKeeper, LeaseSettings};
use crate::queue::receiver::{LONG_POLL, Receiver};
use crate::rename::Renamer;
use crate::report::{Recorder, Tally};
use crate::retry::Caller;
use crate::shutdown::Shutdown;
use process::Context;

/// Renames in flight that one receiving loop keeps busy.
const RENAMES_PER_RECEIVER: usize = 64;

/// After the grace period, handing back what is left may take so long.
const HAND_BACK_LIMIT: Duration = Duration::from_secs(10);

/// When to end by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainCheck {
    /// So many readings in a row must find the queue empty. SQS only
    /// approximates, so one is not enough there.
    pub readings: u32,
    /// The pause between two readings.
    pub pause: Duration,
    /// How long one receive waits for messages: a worker that ends by itself
    /// must not sit out a long poll for it.
    pub poll: Duration,
}

/// Tunables of a worker.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// The machine. Its name is the worker's in the report.
    pub host: Host,
    /// Renames in flight.
    pub max_renames: usize,
    /// Leases.
    pub lease: LeaseSettings,
    /// End when the queue is drained; never by itself when absent.
    pub exit_when_empty: Option<DrainCheck>,
    /// True when any task may have been begun by an earlier process, whatever
    /// its receive count says.
    pub resumed: bool,
}

impl Shared {
    /// Sends what must arrive at the queue, also while all else is stopped.
    fn queue_caller(&self) -> Caller {
        Caller::apart().on(&self.settings.host)
    }

    fn count(
        &self,
        outcome: Outcome,
        evidence: Option<Evidence>,
        reason: Option<Reason>,
        bytes: u64,
    ) {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.add(outcome, evidence, reason, bytes);
    }
}

/// A worker. Clones share everything.
#[derive(Clone)]
pub struct Worker {
    shared: Arc<Shared>,
}

struct Shared {
    queue: Arc<dyn Queue>,
    renamer: Renamer,
    admission: Admission,
    recorder: Recorder,
    settings: WorkerSettings,
    metrics: Metrics,
    tally: Mutex<Tally>,
    in_flight: AtomicUsize,
}

impl Worker {
    /// A worker on `queue`.
    #[must_use]
    pub fn new(
        queue: Arc<dyn Queue>,
        renamer: Renamer,
        admission: Admission,
        recorder: Recorder,
        settings: WorkerSettings,
        metrics: Metrics,
    ) -> Self {
        let (tally, in_flight) = (Mutex::default(), AtomicUsize::new(0));
        Self {
            shared: Arc::new(Shared {
                queue,
                renamer,
                admission,
                recorder,
                settings,
                metrics,
                tally,
                in_flight,
            }),
        }
    }

    /// What this worker has done so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.shared
            .tally
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Works until it is told to stop or the queue is drained, and until all
    /// that was begun is finished or handed back.
    pub async fn run(&self, shutdown: &Shutdown) {
        let shared = &self.shared;
        let caller = shared.queue_caller();
        let (acknowledger, acknowledging) = Acknowledger::start(Arc::clone(&shared.queue), caller);
        let keeper = Arc::new(LeaseKeeper::new(
            Arc::clone(&shared.queue),
            shared.settings.lease,
            shared.metrics.clone(),
            shutdown.stop().clone(),
        ));
        let keeping = tokio::spawn({
            let keeper = Arc::clone(&keeper);
            async move { keeper.run().await }
        });
        let drained = shutdown.drain().child_token();
        let renames = TaskTracker::new();
        let context = Context {
            worker: self.clone(),
            keeper,
            acknowledger,
            renames,
        };
        let receivers = TaskTracker::new();
        let permits = Arc::new(Semaphore::new(shared.settings.max_renames.max(1)));
        for _ in 0..shared
            .settings
            .max_renames
            .div_ceil(RENAMES_PER_RECEIVER)
            .clamp(1, 8)
        {
            let receiver = self.receiver(&permits, &drained);
            receivers.spawn(receive_all(receiver, context.clone(), drained.clone()));
        }
        receivers.close();
        receivers.wait().await;
        context.renames.close();
        let finished = async {
            shutdown.stop().cancelled().await;
            tokio::time::sleep(HAND_BACK_LIMIT).await;
        };
        tokio::select! {
            biased;
            () = context.renames.wait() => {}
            () = finished => {
                let left = shared.in_flight.load(Ordering::SeqCst);
                tracing::warn!(left, "gave up handing back; the messages return by themselves");
                keeping.abort();
                acknowledging.abort();
                return;
            }
        }
        // The last clone of the acknowledger goes with the context.
        drop(context);
        if let Err(error) = acknowledging.await {
            tracing::error!(%error, "the acknowledging task failed");
        }
        keeping.abort();
    }

    fn receiver(&self, permits: &Arc<Semaphore>, stop: &CancellationToken) -> Receiver {
        let settings = &self.shared.settings;
        let poll = settings
            .exit_when_empty
            .map_or(LONG_POLL, |check| check.poll);
        let queue = Arc::clone(&self.shared.queue);
        Receiver::new(
            queue,
            Arc::clone(permits),
            settings.lease.visibility,
            poll,
            stop.clone(),
        )
    }

    /// True when nothing is in flight here and the queue is empty, in-flight
    /// messages of other workers included.
    async fn is_drained(&self, check: DrainCheck) -> bool {
        for _ in 0..check.readings {
            if self.shared.in_flight.load(Ordering::SeqCst) > 0 {
                return false;
            }
            match self.shared.queue.depth().await {
                Ok(depth) if depth.is_empty() => {}
                Ok(_) => return false,
                Err(error) => {
                    tracing::warn!(%error, "could not read how full the queue is");
                    return false;
                }
            }
            tokio::time::sleep(check.pause).await;
        }
        true
    }
}

async fn receive_all(receiver: Receiver, context: Context, drained: CancellationToken) {
    let mut pause = Duration::from_millis(200);
    loop {
        match receiver.next().await {
            Ok(None) => return,
            Ok(Some(messages)) => {
                pause = Duration::from_millis(200);
                if let (true, Some(check)) = (
                    messages.is_empty(),
                    context.worker.shared.settings.exit_when_empty,
                ) && context.worker.is_drained(check).await
                {
                    tracing::info!("the queue is drained");
                    drained.cancel();
                }
                if drained.is_cancelled() && !messages.is_empty() {
                    context.return_unopened(messages).await;
                    continue;
                }
                for message in messages {
                    let work = context.clone();
                    context
                        .worker
                        .shared
                        .in_flight
                        .fetch_add(1, Ordering::SeqCst);
                    context
                        .renames
                        .spawn(async move { work.process(message).await });
                }
            }
            Err(error) => {
                tracing::warn!(%error, ?pause, "could not receive");
                tokio::select! {
                    biased;
                    () = drained.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 2).min(Duration::from_secs(10));
            }
        }
    }
}
