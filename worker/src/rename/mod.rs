//! The rename engine: **inspect, copy, verify, delete**, in that order and
//! never another. Each step takes what only the step before it can make:
//!
//! [`Source`] (inspect) -> [`Copy`] (copy or recognise) -> [`verify::Verified`]
//! (verify) -> the delete, behind the gates in [`delete`].
//!
//! Where the operator says what HEAD would, the first step may be left out
//! ([`unseen`]).
//!
//! Recording and acknowledging follow in [`crate::worker`].

pub mod attributes;
pub mod compare;
pub mod copy;
pub mod delete;
pub(crate) mod differing;
pub mod distinct;
pub mod ended;
pub mod history;
pub mod inspect;
pub(crate) mod look;
pub mod multipart;
pub mod plan;
pub mod proof;
pub mod recognise;
mod refused;
pub mod same_bytes;
pub mod settle;
pub mod states;
mod tell_apart;
pub mod unseen;
pub mod verify;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rebucket_protocol::{
    BucketName, IfExists, Leg, ObjectUri, Reason, RenameTask, S3Prefix, Timestamp,
};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::{ErrorClass, ServiceError};
use crate::host::Host;
use crate::metrics::Metrics;
use crate::queue::lease::Lease;
use crate::retry::Caller;
use crate::store::endpoint::{Abilities, Precondition};
use crate::store::probe::names::{BucketNames, Relation};
use crate::store::{BucketFacts, ObjectStore};
pub use ended::{Finished, Landed, Others, RenameError};
use plan::PartSettings;
use recognise::Recognised;
use refused::Refusals;
pub use states::{Copy, Origin, Original, Source, TagsKnown, Written};
use unseen::Statement;

/// How far a copy is checked before its source is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifyMode {
    /// Believe the success response: ETag and checksums that it carries.
    Response,
    /// HEAD the destination as well: size and every property.
    Head,
    /// As `Head`, and a comparison that is not possible is a failure.
    Strict,
}

/// What the worker knows of a bucket before the first rename in it.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// What the bucket settles for its objects.
    pub facts: BucketFacts,
    /// What its endpoint does.
    pub abilities: Abilities,
    /// Where scratch objects go.
    pub scratch: S3Prefix,
}

/// Tunables of the engine.
#[derive(Debug, Clone)]
pub struct RenameSettings {
    /// When to copy in parts, and in which size.
    pub parts: PartSettings,
    /// Part copies of one object in flight.
    pub parts_in_flight: usize,
    /// How far to verify; by default `Response` on AWS and `Head` elsewhere.
    pub verify: Option<VerifyMode>,
    /// Whether the operator states that objects have nothing which a copy by
    /// ETag, size and storage class would lose (`--assume plain`).
    pub assume_plain: bool,
    /// The machine.
    pub host: Host,
}

/// The engine. One for all renames of a worker; it holds nothing of any
/// object.
pub struct Renamer {
    store: Arc<dyn ObjectStore>,
    buckets: HashMap<BucketName, Bucket>,
    names: BucketNames,
    statements: HashMap<BucketName, Statement>,
    settings: RenameSettings,
    metrics: Metrics,
    requests: Arc<Semaphore>,
}

/// One delivery of a task.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// How often the task was delivered, this time included.
    pub receive_count: u32,
    /// True when an earlier delivery is known to have begun: the receive count
    /// says so, or does not say, or the job was started before. It shows what
    /// may be spared, never which object is meant: a message that was moved
    /// back or sent again looks like a first delivery.
    pub redelivered: bool,
    /// When the message was sent, by the store's clock, as well as that is
    /// known.
    pub first_sent: Option<Timestamp>,
    /// The message's lease.
    pub lease: Lease,
    /// Cancelled when the rename must stop: its lease is lost, or the
    /// shutdown's grace is over.
    pub stop: CancellationToken,
}

/// One delivery being worked on. Lives as long as the call to
/// [`Renamer::rename`]; nothing of it outlasts the object.
pub(crate) struct Attempt<'a> {
    pub(crate) store: &'a dyn ObjectStore,
    pub(crate) settings: &'a RenameSettings,
    pub(crate) task: &'a RenameTask,
    pub(crate) delivery: &'a Delivery,
    pub(crate) caller: Caller,
    pub(crate) metrics: &'a Metrics,
    pub(crate) began: Instant,
    /// True once a write of this attempt was not answered.
    pub(crate) unanswered: AtomicBool,
    pub(crate) source_bucket: &'a Bucket,
    pub(crate) destination_bucket: &'a Bucket,
    /// What the operator states of the source's bucket.
    pub(crate) statement: Option<&'a Statement>,
}

impl Renamer {
    /// An engine over `store` for the `buckets` that were surveyed.
    #[must_use]
    pub fn new(
        store: Arc<dyn ObjectStore>,
        buckets: HashMap<BucketName, Bucket>,
        settings: RenameSettings,
        metrics: Metrics,
        requests: Arc<Semaphore>,
    ) -> Self {
        let statements = if settings.assume_plain {
            unseen::statements(&buckets, &metrics)
        } else {
            HashMap::new()
        };
        Self {
            store,
            buckets,
            names: BucketNames::default(),
            statements,
            settings,
            metrics,
            requests,
        }
    }

    /// The same engine, which knows which names are names of one bucket.
    #[must_use]
    pub fn knowing(self, names: BucketNames) -> Self {
        Self { names, ..self }
    }

    /// Carries out one rename, or finds out that it was carried out.
    ///
    /// # Errors
    /// [`RenameError`]; in every case both objects, or the source alone, are
    /// as they were.
    pub async fn rename(
        &self,
        task: &RenameTask,
        delivery: &Delivery,
    ) -> Result<Finished, RenameError> {
        let caller = self.caller(delivery);
        // What a row says of its destination is not meant for a temporary key.
        let first_leg = (task.leg() == Some(Leg::Out)).then(|| {
            let mut leg = task.clone();
            leg.if_exists = IfExists::Fail;
            leg
        });
        let task = first_leg.as_ref().unwrap_or(task);
        self.refuse_one_object(task)?;
        let attempt = Attempt {
            store: &*self.store,
            settings: &self.settings,
            task,
            delivery,
            caller,
            metrics: &self.metrics,
            began: Instant::now(),
            unanswered: AtomicBool::new(false),
            source_bucket: self.bucket(task.source())?,
            destination_bucket: self.bucket(task.destination())?,
            statement: self.statements.get(&task.source().bucket),
        };
        attempt.run().await
    }

    /// The store's own time, or a little earlier, if that is known.
    #[must_use]
    pub fn store_time(&self) -> Option<Timestamp> {
        self.store.now()
    }

    /// Ends what the names of buckets alone show not to be a rename.
    ///
    /// One key under two names of one bucket is one object: its copy would be
    /// found to be there, and deleting the source would delete it. No request
    /// is made for such a task, whatever the operator states of his objects.
    fn refuse_one_object(&self, task: &RenameTask) -> Result<(), RenameError> {
        let (source, destination) = (task.source(), task.destination());
        if task.if_exists == IfExists::Overwrite
            && let Some(other) = self.names.other_name(&destination.bucket)
        {
            let detail = format!(
                "{} and {other} are two names of one bucket: what a row replaces under one of them,                  another row may be meant to rename under the other. Use one of the names, or do                  without overwrite",
                destination.bucket
            );
            return Err(RenameError::failed(Reason::SameObject, detail));
        }
        if source.key != destination.key {
            return Ok(());
        }
        let (a, b) = (&source.bucket, &destination.bucket);
        let detail = match self.names.relation(a, b) {
            Relation::Two => return Ok(()),
            Relation::One => format!(
                "source and destination are one object: {a} and {b} are two names of one bucket"
            ),
            Relation::Unknown(why) => format!(
                "{a} and {b} may be two names of one bucket, and source and destination one \
                 object; looking was not possible: {why}. Permit s3:PutObject, s3:GetObject and \
                 s3:DeleteObject under the scratch prefix in both, or choose another key"
            ),
        };
        Err(RenameError::failed(Reason::SameObject, detail))
    }

    fn caller(&self, delivery: &Delivery) -> Caller {
        Caller::new(
            self.metrics.clone(),
            Arc::clone(&self.requests),
            delivery.stop.clone(),
        )
        .on(&self.settings.host)
    }

    fn bucket(&self, object: &ObjectUri) -> Result<&Bucket, RenameError> {
        self.buckets.get(&object.bucket).ok_or_else(|| {
            let detail = format!(
                "the bucket {} is not on the worker's --allow list",
                object.bucket
            );
            RenameError::failed(Reason::NotAllowed, detail)
        })
    }
}

impl Attempt<'_> {
    /// The source may go away at any step after it was inspected, perhaps
    /// because another worker has finished the rename. Whichever request finds
    /// that out, the destination decides what it means.
    async fn run(&self) -> Result<Finished, RenameError> {
        if let Some(verified) = self.copy_unseen().await? {
            let size = verified.original().size;
            let deleted = self.delete_source(verified).await;
            return deleted.map_err(|error| error.of_size(size));
        }
        let source = match self.inspect().await {
            Ok(inspect::Inspected::Found(source)) => *source,
            Ok(inspect::Inspected::Absent(absence)) => return self.settle(absence, None).await,
            Err(error) => return self.settle_if_missing(error, None).await,
        };
        let (size, seen) = (source.head.size, source.clone());
        let ended = match self.carry(source).await {
            Err(error) if !self.task.then().is_empty() => self.settle_if_taken(error, &seen).await,
            Err(error) => self.settle_if_missing(error, Some(&seen)).await,
            finished => finished,
        };
        ended.map_err(|error| error.of_size(size))
    }

    async fn settle_if_missing(
        &self,
        error: RenameError,
        seen: Option<&Source>,
    ) -> Result<Finished, RenameError> {
        match error {
            RenameError::Failed {
                reason: reason @ Reason::SourceMissing,
                detail,
                ..
            } => {
                let source = self.task.source();
                let scope = self.source_scope();
                if self.head_if_there(source, scope).await?.is_none() {
                    return self
                        .settle(inspect::Absence::new(reason, detail), seen)
                        .await;
                }
                // It was something else that was missing, and may not be soon.
                let class = ErrorClass::Transient;
                let error = ServiceError::local("Rename", source, class, "Unsettled", detail);
                Err(RenameError::Retry(error))
            }
            other => Err(other),
        }
    }

    /// What waits for the source's place takes it as soon as another delivery
    /// has freed it, and may be what this one has failed on.
    async fn settle_if_taken(
        &self,
        error: RenameError,
        seen: &Source,
    ) -> Result<Finished, RenameError> {
        match error {
            RenameError::Failed { .. } => match self.recheck(&seen.original()).await? {
                Some(absence) => self.settle(absence, Some(seen)).await,
                None => self.settle_if_missing(error, Some(seen)).await,
            },
            other => Err(other),
        }
    }

    async fn carry(&self, source: Source) -> Result<Finished, RenameError> {
        let mut refusals = Refusals::default();
        let copy = loop {
            if let Some(copy) = self.copy(&source).await? {
                break copy;
            }
            match self.recognise(&source).await? {
                Recognised::Ours(copy) => break copy,
                Recognised::Settled(finished) => return Ok(finished),
                Recognised::Unexplained => {
                    self.again_as_if_taken(&source, &mut refusals).await?;
                }
            }
        };
        self.carry_annotations(&source, &copy).await?;
        let verified = self.verify(source, copy).await?;
        self.delete_source(verified).await
    }

    /// The time by the clock that objects are dated with, rather too early
    /// than too late.
    pub(crate) fn now(&self) -> Timestamp {
        let own = self.settings.host.now();
        self.store.now().unwrap_or(own)
    }

    /// True when either endpoint ignores this condition.
    pub(crate) fn lacks(&self, condition: Precondition) -> bool {
        !self.source_bucket.abilities.honours(condition)
            || !self.destination_bucket.abilities.honours(condition)
    }

    /// Whether success responses may be believed by themselves.
    pub(crate) fn verify_mode(&self) -> VerifyMode {
        let trusted = self.destination_bucket.abilities.trusted;
        let default = if trusted {
            VerifyMode::Response
        } else {
            VerifyMode::Head
        };
        self.settings.verify.unwrap_or(default)
    }

    /// How much earlier than the job's start something may be dated that the
    /// job did: nothing, or what clocks may differ by when an earlier delivery
    /// is known to have begun.
    pub(crate) fn clock_tolerance(&self) -> Duration {
        if self.delivery.redelivered {
            Duration::from_mins(5)
        } else {
            Duration::ZERO
        }
    }

    /// When the task was first sent: what the job says, or the queue.
    pub(crate) fn first_sent(&self) -> Option<Timestamp> {
        self.task.submitted.or(self.delivery.first_sent)
    }

    /// The earliest time at which the task can have been sent. Where an object
    /// is at stake, two clocks are asked and the more careful one is believed.
    pub(crate) fn earliest_sent(&self) -> Option<Timestamp> {
        match (self.task.submitted, self.delivery.first_sent) {
            (Some(said), Some(stamped)) => Some(said.min(stamped)),
            (said, stamped) => said.or(stamped),
        }
    }
}
