//! What waits for a rename in the same chain. Whoever completes a rename sends
//! the message for the next one, and only then acknowledges its own: a worker
//! that dies in between leaves the message, whose next delivery finds the
//! rename done and sends the next once more. What is sent twice is done once,
//! because the members of a chain are pinned.

use rebucket_protocol::{Leg, Outcome, OutcomeRecord, Reason, RenameTask, Timestamp, encode};

use super::process::Context;
use super::verdict::End;
use crate::error::{ErrorClass, ServiceError};
use crate::queue::{FifoOrder, Outgoing, Received};
use crate::rename::look::told_to_stop;
use crate::rename::same_bytes::{have_same_bytes, is_followed_by_same_bytes, outlast_requests};
use crate::rename::{Delivery, Others};
use crate::report::location::ReportError;

impl Context {
    /// Sends what waited for a rename that is done, and that others may have
    /// been at as well.
    pub(super) async fn send_next(
        &self,
        task: &RenameTask,
        end: &End,
        delivery: &Delivery,
    ) -> Result<(), ServiceError> {
        let arrived = end.landed.as_ref().and_then(|landed| landed.modified);
        let told = (task.leg() == Some(Leg::Out)).then(|| task.has_arrived(arrived));
        let task = told.as_ref().unwrap_or(task);
        let renamer = &self.worker.shared.renamer;
        if let Some(next) = task.next()
            && (next.leg() != Some(Leg::In) || self.is_out(&next, delivery).await?)
        {
            if end.others == Others::Perhaps && is_followed_by_same_bytes(task) {
                let_pass(&next, delivery).await?;
            }
            self.send(&next).await?;
        }
        if let (Some(second), Some(occupant)) = (task.second_leg(), task.occupant()) {
            let place = second.destination();
            if !renamer.is_still(place, occupant, delivery).await? {
                // Who freed it is not known here, nor who else was at it.
                if have_same_bytes(occupant, &task.pins) {
                    let_pass(&second, delivery).await?;
                }
                self.send(&second).await?;
            }
        }
        Ok(())
    }

    /// Whether the first leg of a rename that splits a chain is over. It is
    /// done by somebody else, who sends the second one if this comes first.
    async fn is_out(&self, second: &RenameTask, delivery: &Delivery) -> Result<bool, ServiceError> {
        let renamer = &self.worker.shared.renamer;
        // Until the source is gone, the temporary key must stay taken: that
        // it can be taken only once tells deliveries of the first leg apart.
        let source = (second.row_source(), &second.pins);
        if renamer.is_still(source.0, source.1, delivery).await? {
            return Ok(false);
        }
        // Nobody looks for the object at the temporary key. If it is there, the
        // second leg takes it on. If not, that is done, and perhaps not
        // recorded; or an outsider has removed it. The second leg finds out
        // which, and without it the row would never have an outcome.
        Ok(true)
    }

    async fn send(&self, task: &RenameTask) -> Result<(), ServiceError> {
        let body = encode(task).map_err(|error| {
            let (class, target) = (ErrorClass::Invalid, task.id());
            ServiceError::local("SendMessage", target, class, "Unfit", error.to_string())
        })?;
        let order = Some(FifoOrder::of_chain(task));
        let message = Outgoing { body, order };
        self.worker.shared.queue.enqueue(message).await
    }

    /// Whether what waited for a failed rename waits no more: an earlier delivery
    /// had done the rename and sent the next one, and what has failed is to find
    /// its object afterwards. Then the next message accounts for the rest.
    pub(super) async fn has_gone_on(
        &self,
        task: &RenameTask,
        end: &End,
        delivery: &Delivery,
    ) -> bool {
        let Some(next) = task.next().filter(|_| {
            matches!(
                end.reason,
                Some(
                    Reason::SourceMissing
                        | Reason::SourceChanged
                        | Reason::SourceRewritten
                        | Reason::TemporaryObjectGone
                )
            )
        }) else {
            return false;
        };
        let renamer = &self.worker.shared.renamer;
        let still = async |object| renamer.is_still(object, &next.pins, delivery).await;
        let waits = match next.leg() {
            // The first leg may not have been carried out yet, or it was.
            Some(Leg::In) => match still(next.row_source()).await {
                Ok(false) => renamer.is_there(next.source(), delivery).await,
                other => other,
            },
            _ => still(next.source()).await,
        };
        // What cannot be looked at is said to wait, rather than left without an
        // outcome.
        matches!(waits, Ok(false))
    }

    /// Records that what waited for a rename will not be done. Each row once,
    /// however many of its legs are left.
    pub(super) async fn record_blocked(
        &self,
        task: &RenameTask,
        message: &Received,
        end: &End,
        started: Timestamp,
    ) -> Result<(), ReportError> {
        let shared = &self.worker.shared;
        let mut said = vec![task.id()];
        for step in task.then() {
            if said.contains(&step.id()) {
                continue;
            }
            said.push(step.id());
            let place = match step.leg() {
                Some(Leg::In) => format!("at {} or {}", step.from(), step.source()),
                _ => format!("at {}", step.source()),
            };
            let why = end.reason.map_or("skipped", Reason::as_str);
            let record = OutcomeRecord {
                task: step.id().clone(),
                submission: task.submission,
                source: step.source().clone(),
                destination: step.destination().clone(),
                outcome: Outcome::Failed,
                reason: Some(Reason::BlockedBy),
                detail: Some(format!(
                    "it waits for {}, which was not carried out ({why}); its object is still {place}",
                    task.id()
                )),
                bytes: 0,
                etag: None,
                version: None,
                modified: None,
                evidence: None,
                attempts: message.deliveries(),
                started,
                ended: shared.settings.host.now(),
                worker: shared.settings.host.name().to_owned(),
            };
            shared.recorder.record(record).await?;
            shared.count(Outcome::Failed, None, Some(Reason::BlockedBy), 0);
        }
        Ok(())
    }
}

/// Waits until no delete of what was at the destination is under way.
async fn let_pass(next: &RenameTask, delivery: &Delivery) -> Result<(), ServiceError> {
    if outlast_requests(&delivery.stop).await {
        Ok(())
    } else {
        Err(told_to_stop("SendMessage", next.destination()))
    }
}
