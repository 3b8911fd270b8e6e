//! Which messages a receive gets.

use std::collections::BTreeSet;
use std::time::Duration;

use super::queue::{Entry, Place, Queue};
use super::{MAX_BATCH, MAX_VISIBILITY, MessageId, Received, Result, Sqs, SqsError};
use crate::clock::Millis;

/// A message that a receive could deliver: see [`Sqs::receive_with`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// The message.
    pub message_id: MessageId,
    /// Deliveries so far.
    pub receive_count: u32,
    /// Set when it is in flight: delivering it now would be a duplicate.
    pub in_flight_until: Option<Millis>,
}

/// The dead-letter queue that takes what was received too often.
struct GiveUp {
    target: String,
    max_receive_count: u32,
}

impl Sqs {
    /// Receives up to `max` messages (1 to 10) and hides them for `visibility`
    /// seconds, the queue's own timeout when not given. Never waits: nothing
    /// there is an empty answer.
    ///
    /// # Errors
    ///
    /// `QueueDoesNotExist`, `InvalidParameterValue`, and `OverLimit` when too
    /// many messages are in flight.
    pub fn receive(
        &mut self,
        queue: &str,
        max: usize,
        visibility: Option<u32>,
        now: Millis,
    ) -> Result<Vec<Received>> {
        self.receive_chosen(queue, max, visibility, now, |queue| {
            if queue.settings.fifo {
                return queue.in_order(max);
            }
            match queue.dice {
                Some(_) => queue.in_disorder(max, now),
                None => queue.oldest(max),
            }
        })
    }

    /// As [`Sqs::receive`], but `pick` chooses: it is shown every message that
    /// could be delivered, the receivable ones first, then those in flight, and
    /// answers with their positions in the order of delivery. Leaving one out
    /// delivers it late; taking one that is in flight is a duplicate.
    ///
    /// # Errors
    ///
    /// As [`Sqs::receive`].
    pub fn receive_with(
        &mut self,
        queue: &str,
        max: usize,
        visibility: Option<u32>,
        now: Millis,
        pick: &mut dyn FnMut(&[Candidate]) -> Vec<usize>,
    ) -> Result<Vec<Received>> {
        self.receive_chosen(queue, max, visibility, now, |queue| {
            let candidates = queue.candidates();
            let mut seen = BTreeSet::new();
            pick(&candidates)
                .into_iter()
                .filter_map(|position| candidates.get(position))
                .map(|candidate| candidate.message_id)
                .filter(|id| seen.insert(*id))
                .take(max)
                .collect()
        })
    }

    fn receive_chosen(
        &mut self,
        name: &str,
        max: usize,
        visibility: Option<u32>,
        now: Millis,
        choose: impl FnOnce(&mut Queue) -> Vec<MessageId>,
    ) -> Result<Vec<Received>> {
        if !(1..=MAX_BATCH).contains(&max) {
            return Err(SqsError::parameter(
                "MaxNumberOfMessages",
                max,
                "Must be between 1 and 10, if provided.",
            ));
        }
        let give_up = self.give_up(name)?;
        let mut next_delivery = self.deliveries;
        let queue = self.queue_mut(name)?;
        queue.settle(now);
        let visibility = visibility.unwrap_or(queue.settings.visibility);
        check_visibility(visibility)?;
        if queue.in_flight() >= queue.in_flight_limit {
            return Err(SqsError::new(
                super::Code::OverLimit,
                format!("Too many messages in flight ({}).", queue.in_flight()),
            ));
        }
        let room = queue.in_flight_limit - queue.in_flight();
        let visibility = Duration::from_secs(visibility.into());
        let mut received = Vec::new();
        let mut given_up = Vec::new();
        for id in choose(queue).into_iter().take(room) {
            let count = queue.entries.get(&id).map_or(0, |e| e.receive_count);
            if give_up
                .as_ref()
                .is_some_and(|g| count >= g.max_receive_count)
            {
                if let Some(entry) = queue.remove(id) {
                    queue.totals.moved_out += 1;
                    given_up.push((id, entry));
                }
                continue;
            }
            next_delivery += 1;
            // A repeat is not repeated in its turn.
            let duplicate = !queue.repeats.contains(&id)
                && queue
                    .dice
                    .as_mut()
                    .is_some_and(|dice| dice.chance(|d| d.duplicate));
            received.extend(queue.deliver(id, next_delivery, visibility, now));
            if duplicate && !visibility.is_zero() {
                queue.repeats.insert(id);
            }
        }
        let source = queue.arn.clone();
        self.deliveries = next_delivery;
        if let Some(give_up) = give_up {
            self.bury(&give_up.target, given_up, &source, now);
        }
        Ok(received)
    }

    /// The redrive policy, if its dead-letter queue exists.
    fn give_up(&self, name: &str) -> Result<Option<GiveUp>> {
        let Some(policy) = &self.queue(name)?.settings.redrive else {
            return Ok(None);
        };
        let target = self.name_of(&policy.target_arn);
        Ok(target.map(|target| GiveUp {
            target,
            max_receive_count: policy.max_receive_count,
        }))
    }

    fn bury(
        &mut self,
        target: &str,
        given_up: Vec<(MessageId, Entry)>,
        source: &std::sync::Arc<str>,
        now: Millis,
    ) {
        let Some(queue) = self.queues.get_mut(target) else {
            return;
        };
        for (id, mut entry) in given_up {
            entry.place = Place::Ready { since: now };
            entry.dead_letter_source = Some(std::sync::Arc::clone(source));
            // Standard queues keep counting the age from the first sending.
            if queue.settings.fifo {
                entry.aged_from = now;
            }
            queue.totals.moved_in += 1;
            queue.insert(id, entry);
        }
    }
}

pub(super) fn check_visibility(seconds: u32) -> Result<()> {
    if seconds <= MAX_VISIBILITY {
        return Ok(());
    }
    Err(SqsError::parameter(
        "VisibilityTimeout",
        seconds,
        "VisibilityTimeout must be an integer between 0 and 43200.",
    ))
}

impl Queue {
    fn candidates(&self) -> Vec<Candidate> {
        let view = |id: MessageId, in_flight_until| {
            let receive_count = self.entries.get(&id).map_or(0, |e| e.receive_count);
            Candidate {
                message_id: id,
                receive_count,
                in_flight_until,
            }
        };
        let ready = self.ready.iter().map(|(_, id)| view(*id, None));
        let in_flight = self
            .entries
            .iter()
            .filter_map(|(id, entry)| match entry.place {
                Place::InFlight { until, .. } => Some(view(*id, Some(until))),
                _ => None,
            });
        ready.chain(in_flight).collect()
    }

    /// Repeats first, then those that waited longest.
    fn oldest(&self, max: usize) -> Vec<MessageId> {
        let ready = self.ready.iter().map(|(_, id)| *id);
        self.repeats
            .iter()
            .copied()
            .chain(ready)
            .take(max)
            .collect()
    }

    /// As [`Queue::oldest`], spoilt by the dice.
    fn in_disorder(&mut self, max: usize, now: Millis) -> Vec<MessageId> {
        let Some(mut dice) = self.dice.take() else {
            return Vec::new();
        };
        let mut chosen: Vec<_> = self.repeats.iter().copied().take(max).collect();
        let mut skip = if dice.chance(|d| d.reorder) {
            // Far enough to matter; a long queue must stay quick.
            dice.below(self.ready.len().min(1_000))
        } else {
            0
        };
        while chosen.len() < max {
            let next = self.ready.iter().nth(skip).or_else(|| {
                skip = 0;
                self.ready.first()
            });
            let Some(&(since, id)) = next.filter(|(_, id)| !chosen.contains(id)) else {
                break;
            };
            if dice.chance(|d| d.late) && !dice.disorder.late_by.is_zero() {
                let until = now + dice.disorder.late_by;
                self.place(id, Place::Delayed { until });
                continue;
            }
            chosen.push(id);
            skip = self.ready.range(..=(since, id)).count();
        }
        self.dice = Some(dice);
        chosen
    }

    /// The messages of a FIFO queue that may go now: a group stands still while
    /// one of its messages is delayed or in flight; as many as possible of one
    /// group come together.
    fn in_order(&self, max: usize) -> Vec<MessageId> {
        let mut blocked = BTreeSet::new();
        let mut groups: Vec<(&str, Vec<MessageId>)> = Vec::new();
        for (id, entry) in &self.entries {
            let group = entry.group.as_deref().unwrap_or_default();
            if blocked.contains(group) {
                continue;
            }
            if !matches!(entry.place, Place::Ready { .. }) && !self.repeats.contains(id) {
                blocked.insert(group);
                continue;
            }
            match groups.iter_mut().find(|(known, _)| *known == group) {
                Some((_, ids)) => ids.push(*id),
                None => groups.push((group, vec![*id])),
            }
            if groups.first().is_some_and(|(_, ids)| ids.len() >= max) {
                break;
            }
        }
        // A message in flight behind a receivable one blocks its group, too.
        let in_flight = |group: &str| {
            self.entries.iter().any(|(id, entry)| {
                matches!(entry.place, Place::InFlight { .. })
                    && !self.repeats.contains(id)
                    && entry.group.as_deref().unwrap_or_default() == group
            })
        };
        groups
            .into_iter()
            .filter(|(group, _)| !in_flight(group))
            .flat_map(|(_, ids)| ids)
            .take(max)
            .collect()
    }
}
