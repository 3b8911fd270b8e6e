//! Dead-letter queues: who uses them, and the way back.

use std::sync::Arc;

use super::queue::{Entry, Place};
use super::{Code, MessageId, Result, Sqs, SqsError};
use crate::clock::Millis;

/// How far a move task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoveStatus {
    /// Every message was moved. Moves take no time here.
    Completed,
    /// There was no queue to move to.
    Failed,
}

/// A move of messages out of a dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveTask {
    /// What the task is named by.
    pub handle: String,
    /// The dead-letter queue.
    pub source_arn: String,
    /// Where to; nothing means each to the queue that it came from.
    pub destination_arn: Option<String>,
    /// How far it is.
    pub status: MoveStatus,
    /// Messages moved.
    pub moved: u64,
    /// Receivable messages found.
    pub to_move: u64,
    /// When it started.
    pub started_at: Millis,
}

impl Sqs {
    /// The names of the queues whose dead-letter queue this is.
    ///
    /// # Errors
    ///
    /// `QueueDoesNotExist`.
    pub fn list_dead_letter_source_queues(&self, name: &str) -> Result<Vec<String>> {
        let arn = &*self.queue(name)?.arn;
        let uses = |queue: &super::queue::Queue| {
            let policy = queue.settings.redrive.as_ref();
            policy.is_some_and(|policy| policy.target_arn == arn)
        };
        let sources = self.queues.iter().filter(|(_, queue)| uses(queue));
        Ok(sources.map(|(name, _)| name.clone()).collect())
    }

    /// Moves the receivable messages of a dead-letter queue back where they came
    /// from, or to one queue. They are new messages there: new ids, new age,
    /// never received.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound` when a queue does not exist, `InvalidParameterValue`
    /// when the source is nobody's dead-letter queue.
    pub fn start_message_move_task(
        &mut self,
        source_arn: &str,
        destination_arn: Option<&str>,
        now: Millis,
    ) -> Result<MoveTask> {
        let source = self.name_of(source_arn).ok_or_else(no_such_resource)?;
        if self.list_dead_letter_source_queues(&source)?.is_empty() {
            return Err(SqsError::new(
                Code::InvalidParameterValue,
                "Source queue must be configured as a Dead Letter Queue.",
            ));
        }
        let destination = match destination_arn {
            Some(arn) => Some(self.name_of(arn).ok_or_else(no_such_resource)?),
            None => None,
        };
        let queue = self.queue_mut(&source)?;
        queue.settle(now);
        let ids: Vec<_> = queue.ready.iter().map(|(_, id)| *id).collect();
        let mut task = MoveTask {
            handle: format!("move-{}", self.moves.len() + 1),
            source_arn: source_arn.to_owned(),
            destination_arn: destination_arn.map(str::to_owned),
            status: MoveStatus::Completed,
            moved: 0,
            to_move: u64::try_from(ids.len()).unwrap_or(u64::MAX),
            started_at: now,
        };
        for id in ids {
            let target = destination.clone().or_else(|| self.origin(&source, id));
            if target.is_some_and(|target| self.move_one(&source, &target, id, now)) {
                task.moved += 1;
            } else {
                task.status = MoveStatus::Failed;
            }
        }
        self.moves.push(task.clone());
        Ok(task)
    }

    /// The move tasks of a dead-letter queue, the newest first.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound`.
    pub fn list_message_move_tasks(&self, source_arn: &str) -> Result<Vec<&MoveTask>> {
        self.name_of(source_arn).ok_or_else(no_such_resource)?;
        let tasks = self.moves.iter().rev();
        Ok(tasks.filter(|task| task.source_arn == source_arn).collect())
    }

    fn origin(&self, dead_letters: &str, id: MessageId) -> Option<String> {
        let entry = self.queues.get(dead_letters)?.entries.get(&id)?;
        self.name_of(entry.dead_letter_source.as_deref()?)
    }

    fn move_one(&mut self, source: &str, target: &str, id: MessageId, now: Millis) -> bool {
        if !self.exists(target) {
            return false;
        }
        let Some(queue) = self.queues.get_mut(source) else {
            return false;
        };
        let Some(entry) = queue.remove(id) else {
            return false;
        };
        queue.totals.moved_out += 1;
        self.messages += 1;
        let fresh = MessageId(self.messages);
        if let Some(queue) = self.queues.get_mut(target) {
            queue.totals.moved_in += 1;
            let sequence = queue.settings.fifo.then_some(fresh.0);
            queue.insert(
                fresh,
                Entry {
                    payload: Arc::clone(&entry.payload),
                    sent_at: now,
                    aged_from: now,
                    first_received_at: None,
                    lapsed: None,
                    receive_count: 0,
                    delivery: 0,
                    place: Place::Ready { since: now },
                    sequence,
                    dead_letter_source: None,
                    undeleted: false,
                    ..entry
                },
            );
        }
        true
    }
}

fn no_such_resource() -> SqsError {
    SqsError::new(
        Code::ResourceNotFound,
        "The resource that you specified for the SourceArn parameter doesn't exist.",
    )
}
