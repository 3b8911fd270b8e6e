//! How the work on a message ended, and what follows from it.

use std::time::Duration;

use rebucket_protocol::{Evidence, Leg, Outcome, OutcomeRecord, Reason, RenameTask, Timestamp};

use crate::host::Host;
use crate::queue::Received;
use crate::rename::{Finished, Landed, Others};

/// How the work on one message ended.
pub(super) enum Verdict {
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

/// How a task ended, in the terms of the report.
pub(super) struct End {
    pub(super) outcome: Outcome,
    pub(super) reason: Option<Reason>,
    pub(super) detail: Option<String>,
    pub(super) bytes: u64,
    /// What is at the new name, if it is done.
    pub(super) landed: Option<Landed>,
    /// Why it counts as done, where that is less than a comparison.
    pub(super) evidence: Option<Evidence>,
    /// Who else may have been at it, if it is done.
    pub(super) others: Others,
}

impl End {
    pub(super) fn of(finished: Finished) -> Self {
        let done = |outcome, landed: Landed, evidence, others| Self {
            outcome,
            reason: None,
            detail: None,
            bytes: landed.bytes,
            landed: Some(landed),
            evidence,
            others,
        };
        match finished {
            Finished::Renamed { landed, others } => done(Outcome::Renamed, landed, None, others),
            Finished::AlreadyRenamed { landed, evidence } => {
                done(Outcome::AlreadyRenamed, landed, evidence, Others::Perhaps)
            }
            Finished::Skipped { bytes, detail } => Self {
                outcome: Outcome::Skipped,
                reason: Some(Reason::DestinationExists),
                detail: Some(detail),
                bytes,
                landed: None,
                evidence: None,
                others: Others::Perhaps,
            },
        }
    }

    /// Nothing was done, for this reason.
    pub(super) fn failed(reason: Reason, detail: String, bytes: u64) -> Self {
        Self {
            outcome: Outcome::Failed,
            reason: Some(reason),
            detail: Some(detail),
            bytes,
            landed: None,
            evidence: None,
            others: Others::Perhaps,
        }
    }

    /// Whether the object is where this leg of the rename takes it.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.outcome, Outcome::Renamed | Outcome::AlreadyRenamed)
    }

    /// Whether only the first of two legs is done.
    pub(super) fn is_half(&self, task: &RenameTask) -> bool {
        self.is_done() && task.leg() == Some(Leg::Out)
    }

    pub(super) fn record(
        &self,
        task: &RenameTask,
        message: &Received,
        started: Timestamp,
        host: &Host,
    ) -> OutcomeRecord {
        let landed = self.landed.as_ref();
        OutcomeRecord {
            task: task.id().clone(),
            submission: task.submission,
            source: task.row_source().clone(),
            destination: task.row_destination().clone(),
            outcome: self.outcome,
            reason: self.reason,
            detail: self.detail.clone(),
            bytes: self.bytes,
            etag: landed.map(|landed| landed.etag.clone()),
            version: landed.and_then(|landed| landed.version.clone()),
            modified: landed.and_then(|landed| landed.modified),
            evidence: self.evidence,
            attempts: message.deliveries(),
            started,
            ended: host.now(),
            worker: host.name().to_owned(),
        }
    }
}

/// The last permitted delivery turns a transient failure into a permanent one:
/// the queue would move the message to the dead-letter queue without a word.
pub(super) fn exhausted(verdict: Verdict, message: &Received, max_receive_count: u32) -> Verdict {
    match verdict {
        Verdict::Interrupted if message.deliveries() >= max_receive_count => {
            let detail = "interrupted on the last delivery that the queue permits".to_owned();
            Verdict::Failed {
                reason: Reason::RetriesExhausted,
                detail,
                bytes: 0,
            }
        }
        Verdict::Retry { detail } if message.deliveries() >= max_receive_count => {
            let detail = format!(
                "given up after {} deliveries: {detail}",
                message.deliveries()
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
pub(super) fn redelivery_delay(receive_count: u32) -> Duration {
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
