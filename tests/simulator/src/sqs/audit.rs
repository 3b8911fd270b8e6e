//! What an auditor may read. Nothing here changes a queue.

use std::sync::Arc;

use super::queue::{Entry, Place};
use super::{MessageId, Payload, Result, Sqs};
use crate::clock::Millis;

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Receivable, since then.
    Visible {
        /// Since when.
        since: Millis,
    },
    /// Delayed, not yet receivable.
    Delayed {
        /// Until when.
        until: Millis,
    },
    /// Received; somebody's for a while.
    InFlight {
        /// Until when, unless it is deleted or extended.
        until: Millis,
    },
    /// Deleted by a receiver.
    Deleted,
}

/// A message as an auditor sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageView {
    /// Its id.
    pub message_id: MessageId,
    /// Body and attributes.
    pub payload: Arc<Payload>,
    /// Where it stands.
    pub state: State,
    /// Deliveries so far.
    pub receive_count: u32,
    /// When it was sent.
    pub sent_at: Millis,
    /// The ARN of the queue that gave it up, in a dead-letter queue.
    pub dead_letter_source: Option<Arc<str>>,
}

/// What happened to the messages of a queue, in messages.
///
/// Always: `sent + moved_in + undeleted` is what is in the queue plus
/// `deleted + expired + moved_out + purged`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Sent and accepted; FIFO duplicates are not.
    pub sent: u64,
    /// Deliveries, each redelivery counted again.
    pub delivered: u64,
    /// Deleted by a receiver.
    pub deleted: u64,
    /// Deleted messages that came back: see [`super::Disorder::undead`].
    pub undeleted: u64,
    /// Dropped for their age.
    pub expired: u64,
    /// Come from another queue.
    pub moved_in: u64,
    /// Gone to another queue.
    pub moved_out: u64,
    /// Purged.
    pub purged: u64,
}

impl Sqs {
    /// Every message of a queue in the order of sending, with the deleted ones
    /// that it still remembers (the last 100,000, see
    /// [`Sqs::set_remembered`]).
    ///
    /// # Errors
    ///
    /// `QueueDoesNotExist`.
    pub fn messages(&self, queue: &str, now: Millis) -> Result<Vec<MessageView>> {
        let queue = self.queue(queue)?;
        let oldest = |entry: &Entry| entry.aged_from + queue.settings.retention() > now;
        let present = queue.entries.iter().filter(|(_, entry)| oldest(entry));
        let present = present.map(|(id, entry)| view(*id, entry, state(entry.place, now)));
        let deleted = queue.deleted.iter();
        let deleted = deleted.map(|(id, entry)| view(*id, entry, State::Deleted));
        let mut all: Vec<_> = present.chain(deleted).collect();
        all.sort_by_key(|message| message.message_id);
        Ok(all)
    }

    /// What happened to the messages of a queue so far.
    ///
    /// # Errors
    ///
    /// `QueueDoesNotExist`.
    pub fn totals(&self, queue: &str) -> Result<Totals> {
        Ok(self.queue(queue)?.totals)
    }

    /// Changes how many deleted messages a queue remembers from now on.
    ///
    /// # Errors
    ///
    /// `QueueDoesNotExist`.
    pub fn set_remembered(&mut self, queue: &str, messages: usize) -> Result<()> {
        self.queue_mut(queue)?.remembered = messages;
        Ok(())
    }
}

fn state(place: Place, now: Millis) -> State {
    match place {
        Place::Ready { since } => State::Visible { since },
        Place::Delayed { until } | Place::InFlight { until, .. } if until <= now => {
            State::Visible { since: until }
        }
        Place::Delayed { until } => State::Delayed { until },
        Place::InFlight { until, .. } => State::InFlight { until },
    }
}

fn view(message_id: MessageId, entry: &Entry, state: State) -> MessageView {
    MessageView {
        message_id,
        payload: Arc::clone(&entry.payload),
        state,
        receive_count: entry.receive_count,
        sent_at: entry.sent_at,
        dead_letter_source: entry.dead_letter_source.clone(),
    }
}
