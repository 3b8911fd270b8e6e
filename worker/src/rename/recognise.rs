//! A copy was refused: is what lies at the destination our own copy, from an
//! attempt that died or whose answer was lost (facts 1.5)? "The object exists"
//! is no proof that we wrote it.

use rebucket_protocol::{IfExists, Reason};

use super::compare::{Comparison, Fingerprint};
use super::distinct::Sighting;
use super::inspect::Absence;
use super::{Attempt, Copy, Finished, Origin, RenameError, Source};
use crate::error::{ErrorClass, ServiceError};
use crate::store::HeadScope;
use crate::store::object::ObjectHead;

/// What is at the destination of a task that overwrites.
pub(crate) enum Overwritten {
    /// The copy, by an earlier delivery.
    Already(Box<Copy>),
    /// What is to be replaced, if anything is there.
    NotYet(Option<Sighting>),
}

/// What a refused copy means.
pub(crate) enum Recognised {
    /// The destination is a complete copy of the pinned source.
    Ours(Copy),
    /// The task ends here, and nothing is deleted.
    Settled(Finished),
    /// The source is as it was, and nothing is in the way.
    Unexplained,
}

impl Attempt<'_> {
    /// Finds out why a condition of the copy did not hold.
    pub(crate) async fn recognise(&self, source: &Source) -> Result<Recognised, RenameError> {
        if let Some(settled) = self.settle_if_changed(source).await? {
            return Ok(Recognised::Settled(settled));
        }
        let head = self.head_if_there(self.task.destination(), HeadScope::default());
        let Some(head) = head.await? else {
            // Refused, but nothing is in the way: it was a moment ago.
            return Ok(Recognised::Unexplained);
        };
        self.refuse_what_may_be_the_source(source, &head)?;
        match self.compare(Fingerprint::of(&source.head), Fingerprint::of(&head)) {
            Comparison::Match => {}
            Comparison::Mismatch(what) => {
                return self.conflict(source, &head, &format!("its {what} differs"));
            }
            // What is in the way of a task that overwrites is replaced anyway.
            Comparison::NotComparable if self.task.if_exists == IfExists::Overwrite => {
                return self.not_comparable(source);
            }
            Comparison::NotComparable => match self.prove(source, &head).await? {
                Some(Comparison::Match) => {}
                Some(Comparison::Mismatch(what)) => {
                    return self.conflict(source, &head, &format!("its {what} differs"));
                }
                Some(Comparison::NotComparable) => return self.not_comparable(source),
                None => {
                    return match self.settle_if_changed(source).await? {
                        Some(settled) => Ok(Recognised::Settled(settled)),
                        None => Err(RenameError::Retry(self.in_the_way("it is unsettled"))),
                    };
                }
            },
        }
        let missing = self
            .missing_properties(source, Origin::Recognised, &head)
            .await?;
        if !missing.is_empty() {
            let missing = missing.in_words();
            let why = format!("it has the same bytes, but other properties, {missing}");
            return self.conflict(source, &head, &why);
        }
        // The same bytes are not the same object: if the source was written
        // since the task was sent, somebody may have put it where an earlier
        // delivery took ours away. It is not ours to delete.
        let newer = self.newer_than_its_copy(&source.head, &head);
        match (self.rewritten(&source.head).or(newer), self.task.if_exists) {
            (None, _) => {
                let copy = self.take_for_ours(source, &head).await?;
                Ok(Recognised::Ours(copy))
            }
            (Some(absence), IfExists::Skip) => Ok(Recognised::Settled(Finished::Skipped {
                bytes: source.head.size,
                detail: absence.detail,
            })),
            (Some(absence), _) => Err(RenameError::failed(absence.reason, absence.detail)),
        }
    }

    /// A source written after what would be its copy was not copied to it. No
    /// clock but the endpoint's own is asked.
    fn newer_than_its_copy(&self, source: &ObjectHead, copy: &ObjectHead) -> Option<Absence> {
        if self.task.pins.modified.is_some() {
            return None;
        }
        let (written, copied) = (source.modified?, copy.modified?);
        (written > copied).then(|| Absence {
            instead: Some(Sighting::of(source)),
            reason: Reason::SourceRewritten,
            detail: format!(
                "the source was written at {written}, after the object with the same bytes at the \
                 destination, at {copied}, so that is not its copy"
            ),
        })
    }

    /// What a task that overwrites is to replace, unless an earlier delivery
    /// has made the copy already: it must not be made again over what came
    /// after it.
    pub(crate) async fn before_overwrite(
        &self,
        source: &Source,
    ) -> Result<Overwritten, RenameError> {
        let destination = self.task.destination();
        let head = self.head_if_there(destination, HeadScope::default());
        let Some(head) = head.await? else {
            return Ok(Overwritten::NotYet(None));
        };
        // Dated before the task was sent, it is what the task is to replace;
        // what follows tells the exceptions. A duplicate of a message need not
        // look like a redelivery, so a later date is always looked into.
        let since = self.earliest_sent().zip(head.modified);
        let later = since.filter(|(sent, at)| at >= sent);
        self.refuse_what_may_be_the_source(source, &head)?;
        if later.is_none() && !self.delivery.redelivered {
            return Ok(Overwritten::NotYet(Some(Sighting::of(&head))));
        }
        let same = match self.compare(Fingerprint::of(&source.head), Fingerprint::of(&head)) {
            Comparison::NotComparable => match self.prove(source, &head).await? {
                Some(proven) => proven,
                None => return Err(RenameError::Retry(self.in_the_way("it is unsettled"))),
            },
            decided => decided,
        };
        let ours = same == Comparison::Match
            && self.newer_than_its_copy(&source.head, &head).is_none()
            && self
                .missing_properties(source, Origin::Recognised, &head)
                .await?
                .is_empty();
        if ours {
            let copy = self.take_for_ours(source, &head).await?;
            return Ok(Overwritten::Already(Box::new(copy)));
        }
        match later {
            None => Ok(Overwritten::NotYet(Some(Sighting::of(&head)))),
            Some((sent, at)) => {
                let detail = format!(
                    "{destination} was written at {at}, after the task was first sent at {sent}, \
                     and is not replaced by a task that may have written it before"
                );
                Err(RenameError::failed(Reason::DestinationExists, detail))
            }
        }
    }

    /// A copy is refused as well when the source is no longer the one that
    /// was inspected: another worker finished the rename, or somebody
    /// replaced the object.
    async fn settle_if_changed(&self, source: &Source) -> Result<Option<Finished>, RenameError> {
        let Some(absence) = self.recheck(&source.original()).await? else {
            return Ok(None);
        };
        self.settle(absence, Some(source)).await.map(Some)
    }

    /// Another object is at the destination. The task's choice decides.
    fn conflict(
        &self,
        source: &Source,
        head: &ObjectHead,
        why: &str,
    ) -> Result<Recognised, RenameError> {
        let destination = self.task.destination();
        let detail = format!(
            "{destination} holds another object ({} bytes, ETag {}): {why}",
            head.size, head.etag
        );
        match self.task.if_exists {
            IfExists::Skip => Ok(Recognised::Settled(Finished::Skipped {
                bytes: source.head.size,
                detail,
            })),
            IfExists::Fail => Err(RenameError::failed(Reason::DestinationExists, detail)),
            // The copy had no condition on the destination, so this is the
            // remains of a race; the next attempt replaces the object.
            IfExists::Overwrite => Err(RenameError::Retry(self.in_the_way(why))),
        }
    }

    fn not_comparable(&self, source: &Source) -> Result<Recognised, RenameError> {
        let detail = format!(
            "{} holds an object that could not be compared with the source",
            self.task.destination()
        );
        match self.task.if_exists {
            IfExists::Skip => Ok(Recognised::Settled(Finished::Skipped {
                bytes: source.head.size,
                detail,
            })),
            IfExists::Fail => Err(RenameError::failed(
                Reason::DestinationNotComparable,
                detail,
            )),
            IfExists::Overwrite => Err(RenameError::Retry(self.in_the_way("it is replaced"))),
        }
    }

    pub(super) fn in_the_way(&self, why: &str) -> ServiceError {
        let message = format!("the copy was refused as if for an object there: {why}");
        let (object, class) = (self.task.destination(), ErrorClass::Transient);
        ServiceError::local("CopyObject", object, class, "PreconditionFailed", message)
    }
}
