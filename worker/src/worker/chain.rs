//! What waits for a rename in the same chain. Whoever completes a rename sends
//! the message for the next one, and only then acknowledges its own: a worker
//! that dies in between leaves the message, whose next delivery finds the
//! rename done and sends the next once more. What is sent twice is done once,
//! because the members of a chain are pinned.

use std::time::Duration;

use rebucket_protocol::{Leg, Outcome, OutcomeRecord, Reason, RenameTask, Timestamp, encode};

use super::process::Context;
use super::verdict::End;
use crate::error::{ErrorClass, ServiceError};
use crate::queue::Received;
use crate::rename::Delivery;
use crate::report::location::ReportError;

/// Where an object takes the place of one with the same bytes, a delete that
/// another delivery has sent for that one would remove it. So long after a
/// delete was sent, nobody waits for its answer any more.
pub const APART: Duration = Duration::from_mins(1);

impl Context {
    /// Sends what waited for a rename that is done.
    pub(super) async fn send_next(
        &self,
        task: &RenameTask,
        delivery: &Delivery,
    ) -> Result<(), ServiceError> {
        let renamer = &self.worker.shared.renamer;
        if let Some(next) = task.next() {
            // The first leg of a rename that splits a chain is done by
            // somebody else, who sends the second one if this comes first.
            // Where its destination, freed just now, is taken again, even the
            // second leg is done, and perhaps not recorded.
            let begun = next.leg() != Some(Leg::In)
                || renamer.is_there(next.source(), delivery).await?
                || renamer.is_there(next.destination(), delivery).await?;
            if begun {
                let alike = task.pins.etag == next.pins.etag && task.pins.size == next.pins.size;
                let delay = match (alike, delivery.redelivered) {
                    (false, _) => Duration::ZERO,
                    (true, false) => self.worker.shared.settings.apart,
                    (true, true) => APART,
                };
                self.send(&next, delay).await?;
            }
        }
        let elsewhere = |second: &RenameTask| {
            let mut then = task.then().iter();
            !then.any(|step| step.leg() == Some(Leg::In) && step.id() == second.id())
        };
        if let Some(second) = task.second_leg().filter(elsewhere) {
            let freed = !renamer.is_there(second.destination(), delivery).await?;
            if freed {
                self.send(&second, APART).await?;
            }
        }
        Ok(())
    }

    async fn send(&self, task: &RenameTask, delay: Duration) -> Result<(), ServiceError> {
        let body = encode(task).map_err(|error| {
            let (class, target) = (ErrorClass::Invalid, task.id());
            ServiceError::local("SendMessage", target, class, "Unfit", error.to_string())
        })?;
        self.worker.shared.queue.enqueue(&body, delay).await
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
                attempts: message.receive_count,
                started,
                ended: shared.settings.host.now(),
                worker: shared.settings.host.name().to_owned(),
            };
            shared.recorder.record(record).await?;
            shared.count(Outcome::Failed, Some(Reason::BlockedBy), 0);
        }
        Ok(())
    }
}
