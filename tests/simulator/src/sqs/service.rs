//! The service: queues by name, and what can be done to a whole queue.

use std::collections::BTreeMap;

use super::disorder::Dice;
use super::queue::Queue;
use super::redrive::MoveTask;
use super::{Code, Disorder, Result, Settings, SqsError, StaleHandles};
use crate::clock::Millis;

/// How long a purge takes and a deleted name stays taken.
const MINUTE: std::time::Duration = std::time::Duration::from_mins(1);

/// An SQS endpoint with its queues.
#[derive(Debug, Clone)]
pub struct Sqs {
    region: String,
    account: String,
    pub(super) queues: BTreeMap<String, Queue>,
    deleted_names: BTreeMap<String, Millis>,
    serials: u32,
    /// Messages and deliveries so far: where ids and handles come from.
    pub(super) messages: u64,
    pub(super) deliveries: u64,
    pub(super) moves: Vec<MoveTask>,
}

impl Default for Sqs {
    fn default() -> Self {
        Self::new()
    }
}

impl Sqs {
    /// An endpoint without queues, of account `000000000000` in `us-east-1`.
    #[must_use]
    pub fn new() -> Self {
        Self::with_identity("us-east-1", "000000000000")
    }

    /// An endpoint whose ARNs name this region and account.
    #[must_use]
    pub fn with_identity(region: &str, account: &str) -> Self {
        Self {
            region: region.to_owned(),
            account: account.to_owned(),
            queues: BTreeMap::new(),
            deleted_names: BTreeMap::new(),
            serials: 0,
            messages: 0,
            deliveries: 0,
            moves: Vec::new(),
        }
    }

    /// The account: the first part of a queue URL's path.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The ARN of a queue of this name, whether it exists or not.
    #[must_use]
    pub fn arn(&self, queue: &str) -> String {
        format!("arn:aws:sqs:{}:{}:{queue}", self.region, self.account)
    }

    /// The name of the existing queue with this ARN.
    #[must_use]
    pub fn name_of(&self, arn: &str) -> Option<String> {
        let name = arn.rsplit(':').next()?;
        let queue = self.queues.get(name)?;
        (*queue.arn == *arn).then(|| name.to_owned())
    }

    /// Whether there is a queue of this name.
    #[must_use]
    pub fn exists(&self, queue: &str) -> bool {
        self.queues.contains_key(queue)
    }

    /// Creates a queue; one that exists with the same attributes is left alone.
    ///
    /// # Errors
    ///
    /// `InvalidParameterValue` for its name, `QueueNameExists` when it exists
    /// with other attributes, `QueueDeletedRecently` within 60 s of its
    /// deletion, and what is wrong with an attribute.
    pub fn create_queue(
        &mut self,
        name: &str,
        attributes: &[(&str, &str)],
        now: Millis,
    ) -> Result<()> {
        let fifo = name.strip_suffix(".fifo");
        let stem = fifo.unwrap_or(name);
        let spelled = !stem.is_empty()
            && name.len() <= 80
            && stem
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if !spelled {
            return Err(SqsError::new(
                Code::InvalidParameterValue,
                "Can only include alphanumeric characters, hyphens, or underscores. \
                 1 to 80 in length",
            ));
        }
        if let Some(queue) = self.queues.get(name) {
            let mut wanted = queue.settings.clone();
            for (attribute, value) in attributes {
                wanted.set(attribute, value)?;
            }
            if wanted == queue.settings {
                return Ok(());
            }
            return Err(SqsError::new(
                Code::QueueNameExists,
                "A queue already exists with the same name and a different value for an attribute.",
            ));
        }
        let mut settings = Settings::default();
        for (attribute, value) in attributes {
            settings.set(attribute, value)?;
        }
        if settings.fifo != fifo.is_some() {
            return Err(SqsError::new(
                Code::InvalidParameterValue,
                "The name of a FIFO queue can only include alphanumeric characters, hyphens, or \
                 underscores, must end with .fifo suffix and be 1 to 80 in length.",
            ));
        }
        self.check_redrive(&settings)?;
        if self
            .deleted_names
            .get(name)
            .is_some_and(|at| *at + MINUTE > now)
        {
            return Err(SqsError::new(
                Code::QueueDeletedRecently,
                "You must wait 60 seconds after deleting a queue before you can create another \
                 with the same name.",
            ));
        }
        self.serials += 1;
        let queue = Queue::new(self.serials, self.arn(name), settings, now);
        self.queues.insert(name.to_owned(), queue);
        Ok(())
    }

    /// Deletes a queue with everything in it.
    ///
    /// # Errors
    ///
    /// `QueueDoesNotExist`.
    pub fn delete_queue(&mut self, name: &str, now: Millis) -> Result<()> {
        self.queue(name)?;
        self.queues.remove(name);
        self.deleted_names.insert(name.to_owned(), now);
        Ok(())
    }

    /// Deletes every message of a queue, those in flight included.
    ///
    /// # Errors
    ///
    /// `QueueDoesNotExist`, `PurgeQueueInProgress` within 60 s of the last one.
    pub fn purge(&mut self, name: &str, now: Millis) -> Result<()> {
        let queue = self.queue_mut(name)?;
        queue.settle(now);
        if queue.purged_at.is_some_and(|at| at + MINUTE > now) {
            return Err(SqsError::new(
                Code::PurgeQueueInProgress,
                format!("Only one PurgeQueue operation on {name} is allowed every 60 seconds."),
            ));
        }
        queue.purged_at = Some(now);
        let ids: Vec<_> = queue.entries.keys().copied().collect();
        queue.totals.purged += u64::try_from(ids.len()).unwrap_or(u64::MAX);
        for id in ids {
            queue.remove(id);
        }
        Ok(())
    }

    /// The names of the queues that start with `prefix`, sorted.
    #[must_use]
    pub fn list_queues(&self, prefix: &str) -> Vec<String> {
        let names = self.queues.keys().filter(|name| name.starts_with(prefix));
        names.cloned().collect()
    }

    /// A queue's settings.
    ///
    /// # Errors
    ///
    /// `QueueDoesNotExist`.
    pub fn settings(&self, name: &str) -> Result<&Settings> {
        Ok(&self.queue(name)?.settings)
    }

    /// Every attribute of a queue, counts included, by name.
    ///
    /// # Errors
    ///
    /// `QueueDoesNotExist`.
    pub fn attributes(&mut self, name: &str, now: Millis) -> Result<BTreeMap<String, String>> {
        let queue = self.queue_mut(name)?;
        queue.settle(now);
        let counts = [
            ("", queue.ready.len()),
            ("Delayed", queue.delayed()),
            ("NotVisible", queue.in_flight()),
        ];
        let counts =
            counts.map(|(which, n)| (format!("ApproximateNumberOfMessages{which}"), n.to_string()));
        let more = [
            ("QueueArn", queue.arn.to_string()),
            ("CreatedTimestamp", queue.created_at.seconds().to_string()),
            (
                "LastModifiedTimestamp",
                queue.modified_at.seconds().to_string(),
            ),
        ];
        let more = more.map(|(name, value)| (name.to_owned(), value));
        Ok(counts
            .into_iter()
            .chain(more)
            .chain(queue.settings.shown())
            .collect())
    }

    /// Changes attributes of a queue: all of them or none.
    ///
    /// # Errors
    ///
    /// `QueueDoesNotExist`, and what is wrong with an attribute.
    pub fn set_attributes(
        &mut self,
        name: &str,
        attributes: &[(&str, &str)],
        now: Millis,
    ) -> Result<()> {
        let mut settings = self.queue(name)?.settings.clone();
        for (attribute, value) in attributes {
            if *attribute == "FifoQueue" {
                return Err(SqsError::new(
                    Code::InvalidAttributeName,
                    "FifoQueue can only be set when a queue is created.",
                ));
            }
            settings.set(attribute, value)?;
        }
        self.check_redrive(&settings)?;
        let queue = self.queue_mut(name)?;
        queue.settings = settings;
        queue.modified_at = now;
        Ok(())
    }

    /// Makes a standard queue misbehave as it may; `None` ends that.
    ///
    /// # Errors
    ///
    /// `QueueDoesNotExist`.
    pub fn set_disorder(&mut self, name: &str, disorder: Option<Disorder>) -> Result<()> {
        self.queue_mut(name)?.dice = disorder.map(Dice::new);
        Ok(())
    }

    /// Says what old receipt handles do on a standard queue.
    ///
    /// # Errors
    ///
    /// `QueueDoesNotExist`.
    pub fn set_stale_handles(&mut self, name: &str, stale: StaleHandles) -> Result<()> {
        self.queue_mut(name)?.stale = stale;
        Ok(())
    }

    /// Changes how many messages may be in flight.
    ///
    /// # Errors
    ///
    /// `QueueDoesNotExist`.
    pub fn set_in_flight_limit(&mut self, name: &str, messages: usize) -> Result<()> {
        self.queue_mut(name)?.in_flight_limit = messages;
        Ok(())
    }

    /// A redrive policy must name a queue that exists and is of the same kind.
    fn check_redrive(&self, settings: &Settings) -> Result<()> {
        let Some(policy) = &settings.redrive else {
            return Ok(());
        };
        let target = self
            .name_of(&policy.target_arn)
            .and_then(|name| self.queues.get(&name));
        let reason = match target {
            None => "Dead letter target does not exist.",
            Some(target) if target.settings.fifo != settings.fifo => {
                "Dead-letter queue must be same type of queue as the source."
            }
            Some(_) => return Ok(()),
        };
        Err(SqsError::parameter("RedrivePolicy", &policy.text, reason))
    }

    pub(super) fn queue(&self, name: &str) -> Result<&Queue> {
        self.queues.get(name).ok_or_else(no_such_queue)
    }

    pub(super) fn queue_mut(&mut self, name: &str) -> Result<&mut Queue> {
        self.queues.get_mut(name).ok_or_else(no_such_queue)
    }
}

fn no_such_queue() -> SqsError {
    SqsError::new(
        Code::QueueDoesNotExist,
        "The specified queue does not exist.",
    )
}
