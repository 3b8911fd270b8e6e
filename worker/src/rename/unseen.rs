//! A source that nobody looks at (`--assume plain`). The operator says what
//! HEAD would have said, the task's pins say which object is meant, and a
//! rename is two requests: `CopyObject` and `DeleteObject`.
//!
//! Only the plain course of things is here: one copy, pinned and creating, that
//! was answered, and whose answer does not contradict the pins. Whatever else
//! happens, the rename begins with the inspection after all, and nothing that
//! was done before has to be undone: a copy that was made is found there.
//!
//! What is inspected all the same (a sample, redeliveries, whatever fell back)
//! is held to the statement. One object that contradicts it ends the shortcut
//! for its bucket, in this process.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicBool, Ordering};

use rebucket_protocol::{BucketName, ETag, IfExists, Pins, StorageClass, TaskId, Waiver};

use super::copy::Target;
use super::distinct::Distinct;
use super::plan::CopyPlan;
use super::verify::Verified;
use super::{Attempt, Bucket, Copy, Original, RenameError, VerifyMode, Written};
use crate::metrics::Metrics;
use crate::store::Replaces;
use crate::store::endpoint::Precondition;
use crate::store::object::{
    Attributes, ContentHeaders, Encryption, ObjectHead, ObjectLock, PinnedSource, Tags,
};

/// One in so many sources is inspected whatever is stated of it.
pub const SAMPLED: u64 = 200;

/// What the operator states of all objects of one bucket: none has an ACL of
/// its own, a lock, a redirect, or another encryption than a copy gets by
/// default; and its storage class is the pinned one.
#[derive(Debug)]
pub(crate) struct Statement {
    contradicted: AtomicBool,
    metrics: Metrics,
}

/// The statements to begin with. A version that is to be copied and deleted is
/// known by its id, which only HEAD shows: there is none of a bucket that has
/// versions.
pub(crate) fn statements(
    buckets: &HashMap<BucketName, Bucket>,
    metrics: &Metrics,
) -> HashMap<BucketName, Statement> {
    let unversioned = buckets
        .iter()
        .filter(|(_, bucket)| !bucket.facts.versioning.may_have_versions());
    let statement = || Statement {
        contradicted: AtomicBool::new(false),
        metrics: metrics.clone(),
    };
    unversioned
        .map(|(name, _)| (name.clone(), statement()))
        .collect()
}

/// Whether a task's source is one of the sample: by a hash of the task's id.
/// Ids number the rows of a manifest and say nothing of the objects, and who
/// numbers them has nothing to gain by what is inspected.
#[must_use]
pub fn is_sampled(task: &TaskId) -> bool {
    let mut hasher = DefaultHasher::new();
    task.hash(&mut hasher);
    hasher.finish().is_multiple_of(SAMPLED)
}

/// What pins tell of a source, where that is enough for its copy and delete.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// The entity tag.
    pub etag: &'a ETag,
    /// The size in bytes.
    pub size: u64,
    /// The class that the copy gets.
    pub storage_class: &'a StorageClass,
}

/// What pins tell of a source that nobody is to look at; `chosen` is the class
/// that all copies of the job get. `None` where something is missing, or only
/// HEAD could check it. Each line has to hold.
#[must_use]
pub fn told<'a>(pins: &'a Pins, chosen: Option<&'a StorageClass>) -> Option<Told<'a>> {
    // The pinned tag is all that ties copy and delete to one object. In S3's
    // own form it names bytes; `*` or a list of tags would name any.
    let etag = pins.etag.as_ref().filter(|etag| etag.looks_like_md5())?;
    let size = pins.size?;
    // Only HEAD shows a date and a version.
    let by_tag_alone = pins.modified.is_none() && pins.version.is_none();
    // Without it, the copy would be STANDARD.
    let storage_class = chosen.or(pins.storage_class.as_ref())?;
    // The inspection says what to do about an object in an archive.
    let archived = pins.storage_class.as_ref();
    let readable = !archived.is_some_and(StorageClass::is_archived);
    (by_tag_alone && readable).then_some(Told {
        etag,
        size,
        storage_class,
    })
}

/// A source as the task and the operator describe it.
struct Unseen {
    original: Original,
    attributes: Attributes,
}

impl Attempt<'_> {
    /// Copies a source that nobody looked at. `None` where that may not be, or
    /// had no plain success: then the rename begins with the inspection.
    ///
    /// # Errors
    /// [`RenameError::Retry`] and [`RenameError::Interrupted`] only.
    pub(crate) async fn copy_unseen(&self) -> Result<Option<Verified>, RenameError> {
        let Some(Unseen {
            original,
            attributes,
        }) = self.unseen()
        else {
            return Ok(None);
        };
        let target = Target {
            object: self.task.destination(),
            replaces: Replaces::Nothing,
        };
        let copied = self.copy_object(&original, &attributes, target).await;
        let verified = match copied.map_err(RenameError::from) {
            // Not the pinned object, or one is there: perhaps our own copy, of
            // which the answer was lost.
            Ok(None) => return Ok(None),
            Ok(Some(receipt)) => match Distinct::created(target.replaces) {
                Some(created) => {
                    let copy = Copy::answered(receipt, &attributes.encryption, created);
                    self.verify_unseen(original, copy)
                }
                None => return Ok(None),
            },
            Err(error) => Err(error),
        };
        match verified {
            Ok(verified) => Ok(Some(verified)),
            Err(error @ RenameError::Failed { .. }) => {
                let source = self.task.source();
                tracing::debug!(%error, %source, "not renamed unseen; the source is inspected");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The source, if nobody has to look at it. Each line has to hold.
    fn unseen(&self) -> Option<Unseen> {
        let (task, pins) = (self.task, &self.task.pins);
        let Told {
            etag,
            size,
            storage_class,
        } = told(pins, task.options.storage_class.as_ref())?;

        // The operator vouches for the bucket, which has no versions, and
        // nothing contradicts that so far.
        let stated = self.statement.is_some_and(Statement::stands);
        // In parts, a copy has only the properties that were read.
        let single = CopyPlan::new(size, self.settings.parts, None) == Ok(CopyPlan::Single);
        // Keys of chains are used again, by objects that may have the same tag.
        let alone = task.leg().is_none() && task.then().is_empty();
        // What an earlier delivery did is known by what HEAD shows.
        let first = !self.delivery.redelivered;
        // So is what may be replaced.
        let creates = task.if_exists != IfExists::Overwrite;
        // To compare properties, one has to know them.
        let believed = self.verify_mode() == VerifyMode::Response;
        // What the endpoint ignores, further looks at the source make up for.
        let conditional = !Precondition::ALL.into_iter().any(|c| self.lacks(c));
        // What copies lose can only be refused where it is seen.
        let keeps_tags =
            self.destination_bucket.abilities.copy_keeps_tags || task.options.waives(Waiver::Tags);
        // So is an older version that the copy would destroy.
        let keeps_history = !self.writes_over_history();
        // Whether the statement is true, somebody has to see.
        let sampled = is_sampled(task.id());

        let spared = stated
            && single
            && alone
            && first
            && creates
            && believed
            && conditional
            && keeps_tags
            && keeps_history
            && !sampled;
        spared.then(|| self.described(etag, size, storage_class))
    }

    fn described(&self, etag: &ETag, size: u64, storage_class: &StorageClass) -> Unseen {
        Unseen {
            original: Original {
                pinned: PinnedSource {
                    object: self.task.source().clone(),
                    etag: etag.clone(),
                    version: None,
                },
                size,
                plan: CopyPlan::Single,
                written: Written::Unseen,
            },
            // The service keeps headers, metadata, tags and checksums itself,
            // and the rest is stated to be none.
            attributes: Attributes {
                headers: ContentHeaders::default(),
                metadata: BTreeMap::new(),
                tags: Tags::new(),
                acl: None,
                storage_class: storage_class.clone(),
                encryption: Encryption::Unstated,
                lock: ObjectLock::default(),
                redirect: None,
                checksum: None,
            },
        }
    }

    /// Compares what HEAD shows of the source with the statement.
    pub(crate) fn hold_to_statement(&self, head: &ObjectHead) {
        let default = matches!(head.encryption, Encryption::Unstated | Encryption::Managed);
        let chosen = self.task.options.storage_class.is_some();
        let class = self.task.pins.storage_class.as_ref().filter(|_| !chosen);
        let found = [
            (Waiver::Lock, !head.lock.is_none()),
            (Waiver::Redirect, head.redirect.is_some()),
            (Waiver::Encryption, !default),
            (
                Waiver::StorageClass,
                class.is_some_and(|class| *class != head.storage_class),
            ),
        ];
        for (property, _) in found.into_iter().filter(|(_, found)| *found) {
            self.contradicted(property);
        }
    }

    /// The source has a property that is stated to be none. What the job gives
    /// up anyway would not have been lost.
    pub(crate) fn contradicted(&self, property: Waiver) {
        let Some(statement) = self.statement else {
            return;
        };
        if self.task.options.waives(property) {
            return;
        }
        statement.metrics.assumption_contradicted(property);
        if statement.stands() {
            statement.contradicted.store(true, Ordering::Relaxed);
            let source = self.task.source();
            tracing::warn!(
                %source, %property,
                "contradicts --assume plain; in its bucket every source is inspected from now on, \
                 and what was renamed before may have lost this property"
            );
        }
    }
}

impl Statement {
    fn stands(&self) -> bool {
        !self.contradicted.load(Ordering::Relaxed)
    }
}
