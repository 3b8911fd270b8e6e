//! The worker: receives tasks, has them renamed, records how each ended, and
//! only then acknowledges.
//!
//! Each message leaves by exactly one of three ways: *acknowledged* after its
//! outcome is recorded (failures after they are parked as well), *handed back*
//! to be delivered again, or *left* to whoever has it now when its lease is
//! lost.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rebucket_protocol::{ETag, Outcome, OutcomeRecord, Reason, RenameTask, Timestamp};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admission::{Admission, Refusal};
use crate::metrics::Metrics;
use crate::queue::ack::Acknowledger;
use crate::queue::lease::{Kept, Lease, LeaseKeeper, LeaseSettings};
use crate::queue::receiver::{Admitted, LONG_POLL, Receiver};
use crate::queue::{ParkReason, Queue, Received};
use crate::rename::{Delivery, Finished, RenameError, Renamer};
use crate::report::{Recorder, Tally};
use crate::shutdown::Shutdown;

/// Renames in flight that one receiving loop keeps busy.
const RENAMES_PER_RECEIVER: usize = 64;

/// After the grace period, handing back what is left may take so long.
const HAND_BACK_LIMIT: Duration = Duration::from_secs(10);

/// How often a message is tried to be parked or handed back in place.
const QUEUE_ATTEMPTS: u32 = 5;

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
    /// The worker's name in the report: unique to the process.
    pub name: String,
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

/// How the work on one message ended.
enum Verdict {
    Finished(Finished),
    Failed {
        reason: Reason,
        detail: String,
        bytes: u64,
    },
    Interrupted,
    Retry {
        detail: String,
    },
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
        let (acknowledger, acknowledging) = Acknowledger::start(Arc::clone(&shared.queue));
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

/// What each message's work needs.
#[derive(Clone)]
struct Context {
    worker: Worker,
    keeper: Arc<LeaseKeeper>,
    acknowledger: Acknowledger,
    renames: TaskTracker,
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
                    () = drained.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 2).min(Duration::from_secs(10));
            }
        }
    }
}

/// Counts a message as in flight until it is dropped.
struct InFlight<'a>(&'a Shared);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
        self.0.metrics.renames_in_flight.dec();
    }
}

impl Context {
    async fn process(&self, admitted: Admitted) {
        let shared = &*self.worker.shared;
        shared.metrics.renames_in_flight.inc();
        let _in_flight = InFlight(shared);
        let Admitted {
            message,
            permit: _permit,
        } = admitted;
        let kept = self.keeper.keep(&message);
        let (began, started) = (Instant::now(), Timestamp::now());
        let (task, verdict) = match shared.admission.admit(&message.body) {
            Ok(task) => {
                let verdict = self.rename(&task, &message, &kept).await;
                (Some(task), verdict)
            }
            Err(Refusal {
                reason,
                detail,
                task,
            }) => (
                task.map(|task| *task),
                Verdict::Failed {
                    reason,
                    detail,
                    bytes: 0,
                },
            ),
        };
        let most = shared.queue.max_receive_count();
        let verdict = exhausted(verdict, &message, kept.lease(), most);
        match verdict {
            Verdict::Interrupted => {
                shared.metrics.handed_back("interrupted");
                self.hand_back(&message, kept, Duration::ZERO).await;
            }
            Verdict::Retry { detail } => {
                let delay = redelivery_delay(message.receive_count);
                tracing::warn!(message = message.id, ?delay, detail, "handed back");
                shared.metrics.handed_back("transient");
                self.hand_back(&message, kept, delay).await;
            }
            Verdict::Finished(finished) => {
                let end = End::of(finished);
                self.end(task.as_ref(), &message, kept, end, started, began)
                    .await;
            }
            Verdict::Failed {
                reason,
                detail,
                bytes,
            } => {
                let outcome = Outcome::Failed;
                let (reason, detail) = (Some(reason), Some(detail));
                let end = End {
                    outcome,
                    reason,
                    detail,
                    bytes,
                    etag: None,
                };
                self.end(task.as_ref(), &message, kept, end, started, began)
                    .await;
            }
        }
    }

    async fn rename(&self, task: &RenameTask, message: &Received, kept: &Kept) -> Verdict {
        let shared = &*self.worker.shared;
        let delivery = Delivery {
            receive_count: message.receive_count,
            redelivered: message.receive_count > 1 || shared.settings.resumed,
            first_sent: message.sent,
            lease: kept.lease().clone(),
            stop: kept.lease().stop().clone(),
        };
        match shared.renamer.rename(task, &delivery).await {
            Ok(finished) => Verdict::Finished(finished),
            Err(RenameError::Interrupted) => Verdict::Interrupted,
            Err(RenameError::Retry(error)) => Verdict::Retry {
                detail: error.to_string(),
            },
            Err(RenameError::Failed {
                reason,
                detail,
                bytes,
            }) => Verdict::Failed {
                reason,
                detail,
                bytes,
            },
        }
    }

    /// Records, parks what failed, acknowledges: in this order, and nothing
    /// after a step that had no success.
    async fn end(
        &self,
        task: Option<&RenameTask>,
        message: &Received,
        kept: Kept,
        end: End,
        started: Timestamp,
        began: Instant,
    ) {
        let shared = &*self.worker.shared;
        if let Some(task) = task {
            let record = end.record(task, message, started, &shared.settings.name);
            if let Err(error) = shared.recorder.record(record).await {
                tracing::error!(%error, task = %task.id(), "not recorded; handed back");
                shared.metrics.handed_back("unrecorded");
                return self
                    .hand_back(message, kept, redelivery_delay(message.receive_count))
                    .await;
            }
        }
        if let (Outcome::Failed, Some(reason)) = (end.outcome, end.reason) {
            let detail = end.detail.clone().unwrap_or_default();
            if task.is_none() {
                tracing::error!(message = message.id, %reason, detail, "message parked");
            }
            if !self.park(message, &ParkReason { reason, detail }).await {
                // The queue's own redrive policy will move it in the end.
                return self
                    .hand_back(message, kept, redelivery_delay(message.receive_count))
                    .await;
            }
            shared.metrics.parked(reason);
        }
        {
            let mut tally = shared.tally.lock().unwrap_or_else(PoisonError::into_inner);
            tally.add(end.outcome, end.reason, end.bytes);
        }
        shared
            .metrics
            .ended(end.outcome, end.reason, end.bytes, began.elapsed());
        self.acknowledger.acknowledge(message.receipt.clone()).await;
    }

    async fn park(&self, message: &Received, reason: &ParkReason) -> bool {
        let mut pause = Duration::from_millis(200);
        for _ in 0..QUEUE_ATTEMPTS {
            match self.worker.shared.queue.park(message, reason).await {
                Ok(()) => return true,
                Err(error) => {
                    tracing::warn!(%error, message = message.id, "could not park a message");
                    if !error.class().is_retryable() {
                        return false;
                    }
                }
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        false
    }

    /// Returns a message that is still ours to the queue. If that fails, it
    /// returns by itself when its visibility timeout ends.
    async fn hand_back(&self, message: &Received, kept: Kept, delay: Duration) {
        let lost = kept.lease().is_lost();
        // An extension must not undo what follows.
        drop(kept);
        if lost {
            return;
        }
        let entry = [(message.receipt.clone(), delay)];
        let result = match self.worker.shared.queue.change_visibility(&entry).await {
            Ok(results) => results.into_iter().next().unwrap_or(Ok(())),
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            tracing::warn!(%error, message = message.id, "could not hand a message back; it returns when its visibility timeout ends");
        }
    }
}

/// How a task ended, in the terms of the report.
struct End {
    outcome: Outcome,
    reason: Option<Reason>,
    detail: Option<String>,
    bytes: u64,
    etag: Option<ETag>,
}

impl End {
    fn of(finished: Finished) -> Self {
        let done = |outcome, bytes, etag| Self {
            outcome,
            reason: None,
            detail: None,
            bytes,
            etag: Some(etag),
        };
        match finished {
            Finished::Renamed { bytes, etag } => done(Outcome::Renamed, bytes, etag),
            Finished::AlreadyRenamed { bytes, etag } => done(Outcome::AlreadyRenamed, bytes, etag),
            Finished::Skipped { bytes, detail } => Self {
                outcome: Outcome::Skipped,
                reason: Some(Reason::DestinationExists),
                detail: Some(detail),
                bytes,
                etag: None,
            },
        }
    }

    fn record(
        &self,
        task: &RenameTask,
        message: &Received,
        started: Timestamp,
        worker: &str,
    ) -> OutcomeRecord {
        OutcomeRecord {
            task: task.id().clone(),
            source: task.source().clone(),
            destination: task.destination().clone(),
            outcome: self.outcome,
            reason: self.reason,
            detail: self.detail.clone(),
            bytes: self.bytes,
            etag: self.etag.clone(),
            attempts: message.receive_count,
            started,
            ended: Timestamp::now(),
            worker: worker.to_owned(),
        }
    }
}

/// The last permitted delivery turns a transient failure into a permanent one:
/// the queue would move the message to the dead-letter queue without a word.
fn exhausted(
    verdict: Verdict,
    message: &Received,
    lease: &Lease,
    max_receive_count: u32,
) -> Verdict {
    match verdict {
        Verdict::Interrupted if message.receive_count >= max_receive_count && !lease.is_lost() => {
            let detail = "interrupted on the last delivery that the queue permits".to_owned();
            Verdict::Failed {
                reason: Reason::RetriesExhausted,
                detail,
                bytes: 0,
            }
        }
        Verdict::Retry { detail } if message.receive_count >= max_receive_count => {
            let detail = format!(
                "given up after {} deliveries: {detail}",
                message.receive_count
            );
            Verdict::Failed {
                reason: Reason::RetriesExhausted,
                detail,
                bytes: 0,
            }
        }
        other => other,
    }
}

/// How long a message that met a transient failure stays away: 5 s, doubled
/// with each delivery, at most 15 min.
fn redelivery_delay(receive_count: u32) -> Duration {
    let doublings = receive_count.saturating_sub(1).min(10);
    (Duration::from_secs(5) * 2_u32.pow(doublings)).min(Duration::from_mins(15))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redelivery_is_delayed_more_each_time() {
        let delays: Vec<_> = [1, 2, 3, 8, 9, 100]
            .map(|n| redelivery_delay(n).as_secs())
            .into();
        assert_eq!(delays, [5, 10, 20, 640, 900, 900]);
    }
}
