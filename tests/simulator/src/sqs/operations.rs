//! Sending, deleting and keeping messages invisible, one or ten at a time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::deliver::check_visibility;
use super::message::Handle;
use super::queue::{Entry, Place, Queue};
use super::{
    Batch, Code, MAX_BATCH, MAX_BYTES, MAX_VISIBILITY, MessageId, Outgoing, Result, Sent, Sqs,
    SqsError, Stale,
};
use crate::clock::Millis;

/// How long FIFO queues recognise a duplicate.
const DEDUPLICATION: Duration = Duration::from_mins(5);

impl Sqs {
    /// Sends a message.
    ///
    /// # Errors
    ///
    /// `QueueDoesNotExist`, `InvalidMessageContents`, `MissingParameter`,
    /// `InvalidParameterValue`.
    pub fn send(&mut self, queue: &str, message: Outgoing, now: Millis) -> Result<Sent> {
        let fresh = MessageId(self.messages + 1);
        let queue = self.queue_mut(queue)?;
        queue.settle(now);
        let sent = queue.accept(message, fresh, now)?;
        if sent.message_id == fresh {
            self.messages = fresh.0;
        }
        Ok(sent)
    }

    /// Sends up to ten messages, each under the id of its batch entry.
    ///
    /// # Errors
    ///
    /// What is wrong with the batch as a whole: `EmptyBatchRequest`,
    /// `TooManyEntriesInBatchRequest`, `InvalidBatchEntryId`,
    /// `BatchEntryIdsNotDistinct`, `BatchRequestTooLong`, `QueueDoesNotExist`.
    pub fn send_batch(
        &mut self,
        queue: &str,
        entries: Vec<(String, Outgoing)>,
        now: Millis,
    ) -> Result<Batch<Sent>> {
        self.queue(queue)?;
        check_entries(&entries)?;
        let bytes: usize = entries.iter().map(|(_, m)| m.payload.size()).sum();
        if bytes > MAX_BYTES {
            return Err(SqsError::new(
                Code::BatchRequestTooLong,
                format!(
                    "Batch requests cannot be longer than {MAX_BYTES} bytes. You have sent {bytes} bytes."
                ),
            ));
        }
        Ok(entries
            .into_iter()
            .map(|(id, message)| (id, self.send(queue, message, now)))
            .collect())
    }

    /// Deletes a message. On a standard queue an old handle, or one of a message
    /// already deleted, is answered with success and deletes nothing.
    ///
    /// # Errors
    ///
    /// `QueueDoesNotExist`, `ReceiptHandleIsInvalid` when malformed or of
    /// another queue, `InvalidParameterValue` when it has expired (FIFO).
    pub fn delete(&mut self, queue: &str, receipt_handle: &str, now: Millis) -> Result<()> {
        let queue = self.queue_mut(queue)?;
        queue.settle(now);
        let handle = queue.parse(receipt_handle)?;
        let Some(entry) = queue.entries.get(&handle.message) else {
            return Ok(());
        };
        let owns = entry.delivery == handle.delivery;
        if queue.settings.fifo {
            if !owns || !matches!(entry.place, Place::InFlight { .. }) {
                let reason = "The receipt handle has expired.";
                return Err(SqsError::parameter("ReceiptHandle", receipt_handle, reason));
            }
        } else if !owns {
            match queue.stale.delete {
                Stale::Ignore => return Ok(()),
                Stale::Refuse => return Err(gone(receipt_handle)),
                Stale::Obey => {}
            }
        }
        let first = !entry.undeleted;
        queue.delete(handle.message);
        if first && queue.dice.as_mut().is_some_and(|d| d.chance(|d| d.undead)) {
            queue.undelete(handle.message, now);
        }
        Ok(())
    }

    /// Deletes up to ten messages: batch entry ids with receipt handles.
    ///
    /// # Errors
    ///
    /// What is wrong with the batch as a whole, as for [`Sqs::send_batch`].
    pub fn delete_batch(
        &mut self,
        queue: &str,
        entries: &[(String, String)],
        now: Millis,
    ) -> Result<Batch<()>> {
        self.queue(queue)?;
        check_entries(entries)?;
        Ok(entries
            .iter()
            .map(|(id, handle)| (id.clone(), self.delete(queue, handle, now)))
            .collect())
    }

    /// Makes a message that is in flight receivable `seconds` from now; 0 hands
    /// it back at once.
    ///
    /// # Errors
    ///
    /// `QueueDoesNotExist`; `ReceiptHandleIsInvalid` when malformed or of another
    /// queue; `MessageNotInflight` when it is receivable again;
    /// `InvalidParameterValue` when it was deleted, when somebody else has
    /// received it since, or when it would be in flight for more than 12 hours
    /// since it was received.
    pub fn change_visibility(
        &mut self,
        queue: &str,
        receipt_handle: &str,
        seconds: u32,
        now: Millis,
    ) -> Result<()> {
        check_visibility(seconds)?;
        let queue = self.queue_mut(queue)?;
        queue.settle(now);
        let handle = queue.parse(receipt_handle)?;
        let entry = queue.entries.get(&handle.message);
        let entry = entry.ok_or_else(|| gone(receipt_handle))?;
        if entry.delivery != handle.delivery {
            match queue.stale.extend {
                Stale::Ignore => return Ok(()),
                Stale::Refuse => return Err(gone(receipt_handle)),
                Stale::Obey => {}
            }
        }
        let since = match (entry.place, entry.lapsed) {
            (Place::InFlight { since, .. }, _) => since,
            // A standard queue takes it up again, as long as nobody else received it.
            (Place::Ready { .. }, Some(since)) if !queue.settings.fifo => since,
            _ => {
                return Err(SqsError::new(
                    Code::MessageNotInflight,
                    "The specified message isn't in flight.",
                ));
            }
        };
        let until = now + Duration::from_secs(seconds.into());
        if until > since + Duration::from_secs(MAX_VISIBILITY.into()) {
            let reason = format!(
                "Total VisibilityTimeout for the message is beyond the limit [{MAX_VISIBILITY} seconds]"
            );
            return Err(SqsError::parameter("VisibilityTimeout", seconds, &reason));
        }
        if let Some(entry) = queue.entries.get_mut(&handle.message) {
            // Handed back, it is nobody's.
            entry.lapsed = None;
        }
        let place = if seconds == 0 {
            Place::Ready { since: now }
        } else {
            Place::InFlight { since, until }
        };
        queue.place(handle.message, place);
        Ok(())
    }

    /// Changes up to ten visibilities: batch entry ids, each with a receipt
    /// handle and seconds.
    ///
    /// # Errors
    ///
    /// What is wrong with the batch as a whole, as for [`Sqs::send_batch`].
    pub fn change_visibility_batch(
        &mut self,
        queue: &str,
        entries: &[(String, (String, u32))],
        now: Millis,
    ) -> Result<Batch<()>> {
        self.queue(queue)?;
        check_entries(entries)?;
        Ok(entries
            .iter()
            .map(|(id, (handle, seconds))| {
                (
                    id.clone(),
                    self.change_visibility(queue, handle, *seconds, now),
                )
            })
            .collect())
    }

    /// When a receive may get something: now, later, or (nothing) not before the
    /// next send.
    ///
    /// # Errors
    ///
    /// `QueueDoesNotExist`.
    pub fn next_visible(&mut self, queue: &str, now: Millis) -> Result<Option<Millis>> {
        let queue = self.queue_mut(queue)?;
        queue.settle(now);
        Ok(queue.next_visible(now))
    }

    /// Lets the next receive deliver a message once more, though it is in flight
    /// or deleted. Answers whether the message is known.
    ///
    /// # Errors
    ///
    /// `QueueDoesNotExist`.
    pub fn deliver_again(&mut self, queue: &str, message: MessageId, now: Millis) -> Result<bool> {
        let queue = self.queue_mut(queue)?;
        queue.settle(now);
        match queue.entries.get(&message).map(|entry| entry.place) {
            Some(Place::InFlight { .. }) => {
                queue.repeats.insert(message);
                Ok(true)
            }
            Some(Place::Delayed { .. }) => {
                queue.place(message, Place::Ready { since: now });
                Ok(true)
            }
            Some(Place::Ready { .. }) => Ok(true),
            None => Ok(queue.undelete(message, now)),
        }
    }
}

fn gone(receipt_handle: &str) -> SqsError {
    SqsError::parameter(
        "ReceiptHandle",
        receipt_handle,
        "Message does not exist or is not available for visibility timeout change.",
    )
}

fn check_entries<T>(entries: &[(String, T)]) -> Result<()> {
    if entries.is_empty() {
        return Err(SqsError::new(
            Code::EmptyBatchRequest,
            "There should be at least one entry in the request.",
        ));
    }
    if entries.len() > MAX_BATCH {
        return Err(SqsError::new(
            Code::TooManyEntriesInBatchRequest,
            format!(
                "Maximum number of entries per request are {MAX_BATCH}. You have sent {}.",
                entries.len()
            ),
        ));
    }
    let mut ids = BTreeSet::new();
    for (id, _) in entries {
        let spelled = (1..=80).contains(&id.len())
            && id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if !spelled {
            return Err(SqsError::new(
                Code::InvalidBatchEntryId,
                "A batch entry id can only contain alphanumeric characters, hyphens and \
                 underscores. It can be at most 80 letters long.",
            ));
        }
        if !ids.insert(id) {
            return Err(SqsError::new(
                Code::BatchEntryIdsNotDistinct,
                format!("Id {id} repeated."),
            ));
        }
    }
    Ok(())
}

impl Queue {
    fn parse(&self, receipt_handle: &str) -> Result<Handle> {
        let handle = Handle::parse(receipt_handle).filter(|handle| handle.queue == self.serial);
        handle.ok_or_else(|| {
            SqsError::new(
                Code::ReceiptHandleIsInvalid,
                format!(
                    "The input receipt handle \"{receipt_handle}\" is not a valid receipt handle."
                ),
            )
        })
    }

    /// Takes a message in under the id `fresh`, unless it is a duplicate.
    fn accept(&mut self, message: Outgoing, fresh: MessageId, now: Millis) -> Result<Sent> {
        message.payload.validate(self.settings.max_bytes)?;
        if message.delay.is_some_and(|delay| delay > 900) {
            let reason = "DelaySeconds must be >= 0 and <= 900.";
            let delay = message.delay.unwrap_or_default();
            return Err(SqsError::parameter("DelaySeconds", delay, reason));
        }
        let deduplication = self.deduplication(&message)?;
        let payload = Arc::new(message.payload);
        let group: Option<Arc<str>> = message.group.map(Into::into);
        if let Some(id) = &deduplication {
            let scope = group
                .clone()
                .filter(|_| self.settings.deduplication_per_group);
            let key = (scope.unwrap_or_default(), Arc::clone(id));
            self.recent
                .retain(|_, (sent, _)| *sent + DEDUPLICATION > now);
            if let Some((_, known)) = self.recent.get(&key) {
                return Ok(Sent {
                    message_id: *known,
                    sequence: Some(known.0),
                    payload,
                });
            }
            self.recent.insert(key, (now, fresh));
        }
        let delay = message.delay.unwrap_or(self.settings.delay);
        let place = if delay == 0 {
            Place::Ready { since: now }
        } else {
            let until = now + Duration::from_secs(delay.into());
            Place::Delayed { until }
        };
        let sequence = self.settings.fifo.then_some(fresh.0);
        self.totals.sent += 1;
        let entry = Entry {
            payload: Arc::clone(&payload),
            sent_at: now,
            aged_from: now,
            first_received_at: None,
            lapsed: None,
            receive_count: 0,
            delivery: 0,
            place,
            group,
            deduplication,
            sequence,
            dead_letter_source: None,
            trace: message.trace.map(Into::into),
            undeleted: false,
        };
        self.insert(fresh, entry);
        Ok(Sent {
            message_id: fresh,
            sequence,
            payload,
        })
    }

    /// The deduplication id in effect, and whether the FIFO rules are kept.
    fn deduplication(&self, message: &Outgoing) -> Result<Option<Arc<str>>> {
        let refused = |text: &str| Err(SqsError::new(Code::InvalidParameterValue, text));
        if !self.settings.fifo {
            if let Some(id) = &message.deduplication {
                let reason =
                    "The request includes a parameter that is not valid for this queue type.";
                return Err(SqsError::parameter("MessageDeduplicationId", id, reason));
            }
            return Ok(None);
        }
        if message.group.is_none() {
            return Err(SqsError::missing("MessageGroupId"));
        }
        if let Some(delay) = message.delay.filter(|delay| *delay > 0) {
            let reason = "The request include parameter that is not valid for this queue type.";
            return Err(SqsError::parameter("DelaySeconds", delay, reason));
        }
        match &message.deduplication {
            Some(id) => Ok(Some(id.as_str().into())),
            None if self.settings.content_deduplication => {
                // AWS uses SHA-256; nobody can tell.
                Ok(Some(message.payload.md5_of_body().into()))
            }
            None => refused(
                "The queue should either have ContentBasedDeduplication enabled or \
                 MessageDeduplicationId provided explicitly",
            ),
        }
    }
}
