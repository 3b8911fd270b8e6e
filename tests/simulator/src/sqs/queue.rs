//! One queue: its messages and the indexes that say which come next.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::audit::Totals;
use super::disorder::{Dice, StaleHandles};
use super::message::Handle;
use super::{MAX_IN_FLIGHT, MessageId, Payload, Received, Settings};
use crate::clock::Millis;

/// How many deleted messages a queue remembers for its auditors.
const REMEMBERED: usize = 100_000;

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Ready { since: Millis },
    Delayed { until: Millis },
    InFlight { since: Millis, until: Millis },
}

/// A message in a queue.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) payload: Arc<Payload>,
    pub(super) sent_at: Millis,
    /// What retention counts from: `sent_at`, but in a FIFO dead-letter queue
    /// the time of the move.
    pub(super) aged_from: Millis,
    pub(super) first_received_at: Option<Millis>,
    pub(super) receive_count: u32,
    /// The newest delivery, the one whose handle owns the message.
    pub(super) delivery: u64,
    pub(super) place: Place,
    pub(super) group: Option<Arc<str>>,
    pub(super) deduplication: Option<Arc<str>>,
    pub(super) sequence: Option<u64>,
    pub(super) dead_letter_source: Option<Arc<str>>,
    pub(super) trace: Option<Arc<str>>,
    /// Came back after it was deleted.
    pub(super) undeleted: bool,
    /// Of a message whose visibility ran out, when that receive was.
    pub(super) lapsed: Option<Millis>,
}

/// A queue. Every message of `entries` is in exactly one of `ready` and
/// `hidden`, and in `ages`.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    pub(super) serial: u32,
    pub(super) arn: Arc<str>,
    pub(super) settings: Settings,
    pub(super) created_at: Millis,
    pub(super) modified_at: Millis,
    pub(super) purged_at: Option<Millis>,
    pub(super) entries: BTreeMap<MessageId, Entry>,
    /// Receivable, those waiting longest first.
    pub(super) ready: BTreeSet<(Millis, MessageId)>,
    /// Delayed or in flight, by the time they become receivable.
    hidden: BTreeSet<(Millis, MessageId)>,
    ages: BTreeSet<(Millis, MessageId)>,
    in_flight: usize,
    /// In flight, but due to be delivered once more all the same.
    pub(super) repeats: BTreeSet<MessageId>,
    /// Deduplication scope and id, with when and as what it was sent.
    pub(super) recent: BTreeMap<(Arc<str>, Arc<str>), (Millis, MessageId)>,
    pub(super) deleted: BTreeMap<MessageId, Entry>,
    deleted_order: VecDeque<MessageId>,
    pub(super) remembered: usize,
    pub(super) in_flight_limit: usize,
    pub(super) dice: Option<Dice>,
    pub(super) stale: StaleHandles,
    pub(super) totals: Totals,
}

impl Queue {
    pub(super) fn new(serial: u32, arn: String, settings: Settings, now: Millis) -> Self {
        Self {
            serial,
            arn: arn.into(),
            settings,
            created_at: now,
            modified_at: now,
            purged_at: None,
            entries: BTreeMap::new(),
            ready: BTreeSet::new(),
            hidden: BTreeSet::new(),
            ages: BTreeSet::new(),
            in_flight: 0,
            repeats: BTreeSet::new(),
            recent: BTreeMap::new(),
            deleted: BTreeMap::new(),
            deleted_order: VecDeque::new(),
            remembered: REMEMBERED,
            in_flight_limit: MAX_IN_FLIGHT,
            dice: None,
            stale: StaleHandles::default(),
            totals: Totals::default(),
        }
    }

    /// Lets the time pass: what is due becomes receivable, what is too old goes.
    pub(super) fn settle(&mut self, now: Millis) {
        while let Some(&(due, id)) = self.hidden.first() {
            if due > now {
                break;
            }
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.lapsed = match entry.place {
                    Place::InFlight { since, .. } => Some(since),
                    Place::Ready { .. } | Place::Delayed { .. } => None,
                };
            }
            self.place(id, Place::Ready { since: due });
        }
        let retention = self.settings.retention();
        while let Some(&(from, id)) = self.ages.first() {
            if from + retention > now {
                break;
            }
            self.remove(id);
            self.totals.expired += 1;
        }
    }

    pub(super) fn insert(&mut self, id: MessageId, entry: Entry) {
        self.ages.insert((entry.aged_from, id));
        let place = entry.place;
        self.entries.insert(id, entry);
        self.index(id, place);
    }

    pub(super) fn remove(&mut self, id: MessageId) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        self.unindex(id, entry.place);
        self.ages.remove(&(entry.aged_from, id));
        self.repeats.remove(&id);
        Some(entry)
    }

    pub(super) fn place(&mut self, id: MessageId, place: Place) {
        if let Some(entry) = self.entries.get_mut(&id) {
            let before = std::mem::replace(&mut entry.place, place);
            self.unindex(id, before);
            self.index(id, place);
        }
    }

    fn index(&mut self, id: MessageId, place: Place) {
        match place {
            Place::Ready { since } => {
                self.ready.insert((since, id));
                self.repeats.remove(&id);
            }
            Place::Delayed { until } => {
                self.hidden.insert((until, id));
            }
            Place::InFlight { until, .. } => {
                self.in_flight += 1;
                self.hidden.insert((until, id));
            }
        }
    }

    fn unindex(&mut self, id: MessageId, place: Place) {
        match place {
            Place::Ready { since } => {
                self.ready.remove(&(since, id));
            }
            Place::Delayed { until } => {
                self.hidden.remove(&(until, id));
            }
            Place::InFlight { until, .. } => {
                self.in_flight -= 1;
                self.hidden.remove(&(until, id));
            }
        }
    }

    /// Marks a delivery and says what the receiver gets.
    pub(super) fn deliver(
        &mut self,
        id: MessageId,
        delivery: u64,
        visibility: std::time::Duration,
        now: Millis,
    ) -> Option<Received> {
        self.repeats.remove(&id);
        let until = now + visibility;
        let place = if visibility.is_zero() {
            Place::Ready { since: now }
        } else {
            Place::InFlight { since: now, until }
        };
        self.place(id, place);
        let serial = self.serial;
        let entry = self.entries.get_mut(&id)?;
        entry.receive_count += 1;
        entry.delivery = delivery;
        let first = *entry.first_received_at.get_or_insert(now);
        self.totals.delivered += 1;
        let handle = Handle {
            queue: serial,
            message: id,
            delivery,
        };
        Some(Received {
            message_id: id,
            receipt_handle: handle.render(),
            payload: Arc::clone(&entry.payload),
            receive_count: entry.receive_count,
            sent_at: entry.sent_at,
            first_received_at: first,
            in_flight_until: until,
            group: entry.group.clone(),
            deduplication: entry.deduplication.clone(),
            sequence: entry.sequence,
            dead_letter_source: entry.dead_letter_source.clone(),
            trace: entry.trace.clone(),
        })
    }

    /// Deletes a message, and remembers it.
    pub(super) fn delete(&mut self, id: MessageId) {
        let Some(entry) = self.remove(id) else {
            return;
        };
        self.totals.deleted += 1;
        if self.deleted.insert(id, entry).is_none() {
            self.deleted_order.push_back(id);
        }
        while self.deleted_order.len() > self.remembered {
            if let Some(oldest) = self.deleted_order.pop_front() {
                self.deleted.remove(&oldest);
            }
        }
    }

    /// Brings a deleted message back, as a replica that missed the delete would.
    pub(super) fn undelete(&mut self, id: MessageId, now: Millis) -> bool {
        let Some(mut entry) = self.deleted.remove(&id) else {
            return false;
        };
        self.deleted_order.retain(|known| *known != id);
        entry.place = Place::Ready { since: now };
        entry.undeleted = true;
        self.insert(id, entry);
        self.totals.undeleted += 1;
        true
    }

    /// When something may be received next.
    pub(super) fn next_visible(&self, now: Millis) -> Option<Millis> {
        if !self.ready.is_empty() || !self.repeats.is_empty() {
            return Some(now);
        }
        self.hidden.first().map(|(due, _)| (*due).max(now))
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    pub(super) fn delayed(&self) -> usize {
        self.hidden.len() - self.in_flight
    }
}
