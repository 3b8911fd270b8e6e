//! One message: from its delivery to its acknowledgement.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt as _;
use rebucket_protocol::{Outcome, RenameTask, Timestamp};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::verdict::{End, Verdict, exhausted, redelivery_delay};
use super::{Shared, Worker};
use crate::admission::Refusal;
use crate::clock::translated;
use crate::queue::ack::Acknowledger;
use crate::queue::lease::{Kept, LeaseKeeper};
use crate::queue::receiver::Admitted;
use crate::queue::{ParkReason, Received};
use crate::rename::{Delivery, RenameError};
use crate::report::location::ReportError;
use crate::retry::Policy;
use crate::store::s3::expecting_owner;

/// What each message's work needs.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) worker: Worker,
    pub(super) keeper: Arc<LeaseKeeper>,
    pub(super) acknowledger: Acknowledger,
    pub(super) renames: TaskTracker,
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
    pub(super) async fn process(&self, admitted: Admitted) {
        let shared = &*self.worker.shared;
        shared.metrics.renames_in_flight.inc();
        let _in_flight = InFlight(shared);
        let Admitted {
            message,
            permit: _permit,
        } = admitted;
        let kept = self.keeper.keep(&message);
        if kept.lease().is_lost() {
            // Frozen while it was on its way: another worker may have it.
            shared.metrics.leases_lost.inc();
            tracing::warn!(
                message = message.id,
                "the lease ended before the message was looked at; left to its next delivery"
            );
            return;
        }
        let (began, started) = (Instant::now(), shared.settings.host.now());
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
        let verdict = exhausted(verdict, &message, most);
        match verdict {
            Verdict::Interrupted => {
                shared.metrics.handed_back("interrupted");
                self.hand_back(&message, kept, Duration::ZERO).await;
            }
            Verdict::Retry { detail } => {
                let delay = redelivery_delay(message.deliveries());
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
                let end = End::failed(reason, detail, bytes);
                self.end(task.as_ref(), &message, kept, end, started, began)
                    .await;
            }
        }
    }

    fn delivery(&self, message: &Received, kept: &Kept) -> Delivery {
        let shared = &*self.worker.shared;
        let (queue, store) = (shared.queue.now(), shared.renamer.store_time());
        Delivery {
            receive_count: message.deliveries(),
            redelivered: message.receive_count != Some(1) || shared.settings.resumed,
            first_sent: message.sent.map(|sent| translated(sent, queue, store)),
            lease: kept.lease().clone(),
            stop: kept.lease().stop().clone(),
        }
    }

    /// A rename that panics ends like one that met a transient failure. What
    /// it held is gone with its future, and nothing that it shares with others
    /// is left half-written: so unwinding is safe, and no request follows.
    async fn rename(&self, task: &RenameTask, message: &Received, kept: &Kept) -> Verdict {
        let shared = &*self.worker.shared;
        let delivery = self.delivery(message, kept);
        let renaming = shared.renamer.rename(task, &delivery);
        let renaming = AssertUnwindSafe(expecting_owner(task.options.owner, renaming));
        let renamed = match renaming.catch_unwind().await {
            Ok(renamed) => renamed,
            Err(panic) => {
                let panic = words(&*panic);
                tracing::error!(panic, task = %task.id(), "a rename panicked");
                let detail = format!("the worker met a bug of its own; please report it: {panic}");
                return Verdict::Retry { detail };
            }
        };
        match renamed {
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

    /// Records, sends what waits for it, parks what failed, acknowledges: in
    /// this order, and nothing after a step that had no success.
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
        if end.outcome == Outcome::Failed && kept.lease().is_lost() {
            // Whoever has the message now sees further, and may have done it.
            shared.metrics.handed_back("lease_lost");
            return;
        }
        if let Some(task) = task {
            let delivery = self.delivery(message, &kept);
            let gone_on = self.has_gone_on(task, &end, &delivery);
            let gone_on = !end.is_done() && expecting_owner(task.options.owner, gone_on).await;
            let recorded = self.record(task, message, &end, gone_on, started);
            if let Err(error) = recorded.await {
                tracing::error!(%error, task = %task.id(), "not recorded; handed back");
                shared.metrics.handed_back("unrecorded");
                return self
                    .hand_back(message, kept, redelivery_delay(message.deliveries()))
                    .await;
            }
            if end.is_done()
                && let Err(error) =
                    expecting_owner(task.options.owner, self.send_next(task, &end, &delivery)).await
            {
                tracing::warn!(%error, task = %task.id(), "could not send what waits for it");
                shared.metrics.handed_back("unsent");
                return self
                    .hand_back(message, kept, redelivery_delay(message.deliveries()))
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
                    .hand_back(message, kept, redelivery_delay(message.deliveries()))
                    .await;
            }
            shared.metrics.parked(reason);
        }
        if !task.is_some_and(|task| end.is_half(task)) {
            shared.count(end.outcome, end.evidence, end.reason, end.bytes);
        }
        shared
            .metrics
            .ended(end.outcome, end.reason, end.bytes, began.elapsed());
        self.acknowledger.acknowledge(message.receipt.clone()).await;
    }

    /// Records how the row ended, and those that wait for it in vain. A row
    /// of which only the first leg is done has not ended.
    async fn record(
        &self,
        task: &RenameTask,
        message: &Received,
        end: &End,
        gone_on: bool,
        started: Timestamp,
    ) -> Result<(), ReportError> {
        let shared = &*self.worker.shared;
        if !end.is_half(task) {
            let record = end.record(task, message, started, &shared.settings.host);
            shared.recorder.record(record).await?;
        }
        if end.is_done() || gone_on {
            return Ok(());
        }
        self.record_blocked(task, message, end, started).await
    }

    async fn park(&self, message: &Received, reason: &ParkReason) -> bool {
        let shared = &*self.worker.shared;
        let park = || shared.queue.park(message, reason);
        let parked = shared.queue_caller().call(Policy::QUEUE, park).await;
        if let Err(error) = &parked {
            tracing::warn!(%error, message = message.id, "could not park a message");
        }
        parked.is_ok()
    }

    /// Returns messages to the queue that arrived when the worker was told to
    /// stop: nobody has looked into them.
    pub(super) async fn return_unopened(&self, messages: Vec<Admitted>) {
        let entries: Vec<_> = messages
            .iter()
            .map(|admitted| (admitted.message.receipt.clone(), Duration::ZERO))
            .collect();
        self.worker.shared.metrics.handed_back("stopping");
        if let Err(error) = self.worker.shared.queue.change_visibility(&entries).await {
            tracing::warn!(%error, "could not hand messages back; they return by themselves");
        }
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

/// The words of a panic, as far as it has some.
fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without words")
}
