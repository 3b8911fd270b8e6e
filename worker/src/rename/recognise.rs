//! A copy was refused: is what lies at the destination our own copy, from an
//! attempt that died or whose answer was lost (facts 1.5)? "The object exists"
//! is no proof that we wrote it.

use rebucket_protocol::{IfExists, Reason};

use super::verify::{Comparison, Fingerprint};
use super::{Attempt, Copy, Finished, Origin, RenameError, Source};
use crate::error::{ErrorClass, ServiceError};
use crate::retry::CallError;
use crate::store::HeadScope;
use crate::store::object::ObjectHead;

/// What a refused copy means.
pub(crate) enum Recognised {
    /// The destination is a complete copy of the pinned source.
    Ours(Copy),
    /// The task ends here, and nothing is deleted.
    Settled(Finished),
}

impl Attempt<'_> {
    /// Finds out why a condition of the copy did not hold.
    pub(crate) async fn recognise(&self, source: &Source) -> Result<Recognised, RenameError> {
        if let Some(settled) = self.settle_if_changed(source).await? {
            return Ok(Recognised::Settled(settled));
        }
        let head = match self
            .head(self.task.destination(), HeadScope::default())
            .await
        {
            Ok(head) => head,
            Err(CallError::Failed(error)) if error.class() == ErrorClass::NotFound => {
                // Refused, but nothing is in the way: it was a moment ago.
                return Err(RenameError::Retry(self.in_the_way("it is gone again")));
            }
            Err(other) => return Err(other.into()),
        };
        let copy = Copy {
            etag: head.etag.clone(),
            version: head.version.clone(),
            checksums: head.checksums.clone(),
            origin: Origin::Recognised,
        };
        match self.compare(Fingerprint::of(&source.head), Fingerprint::of(&head)) {
            Comparison::Match => {}
            Comparison::Mismatch(what) => {
                return self.conflict(source, &head, &format!("its {what} differs"));
            }
            Comparison::NotComparable => match self.prove(source, &head).await? {
                Comparison::Match => {}
                Comparison::Mismatch(what) => {
                    return self.conflict(source, &head, &format!("its {what} differs"));
                }
                Comparison::NotComparable => return self.not_comparable(source),
            },
        }
        let missing = self.missing_properties(source, &copy, &head).await?;
        if !missing.is_empty() {
            let why = format!("it has the same bytes, but other properties: {missing}");
            return self.conflict(source, &head, &why);
        }
        // The same bytes are not the same object: if the source was written
        // since the task was sent, somebody may have put it where an earlier
        // delivery took ours away. It is not ours to delete.
        if let Some(absence) = self.rewritten(&source.head) {
            return Err(RenameError::failed(absence.reason, absence.detail));
        }
        Ok(Recognised::Ours(copy))
    }

    /// A copy is refused as well when the source is no longer the one that
    /// was inspected: another worker finished the rename, or somebody
    /// replaced the object.
    async fn settle_if_changed(&self, source: &Source) -> Result<Option<Finished>, RenameError> {
        let Some(absence) = self.recheck(source).await? else {
            return Ok(None);
        };
        self.settle(absence).await.map(Some)
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
            _ => Err(RenameError::failed(
                Reason::DestinationNotComparable,
                detail,
            )),
        }
    }

    fn in_the_way(&self, why: &str) -> ServiceError {
        let message = format!("the copy was refused because of the object there, but {why}");
        let (object, class) = (self.task.destination(), ErrorClass::Transient);
        ServiceError::local("CopyObject", object, class, "PreconditionFailed", message)
    }
}
