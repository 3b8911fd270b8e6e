//! Shows that a copy which was not created by this attempt is another object
//! than its source ([`super::distinct`]), or ends the rename.

use std::time::Duration;

use rebucket_protocol::Reason;

use super::copy::Target;
use super::distinct::{Apart, Distinct, Sighting, tell_apart};
use super::{Attempt, Copy, Origin, RenameError, Source};
use crate::error::{ErrorClass, ServiceError};
use crate::store::object::{ObjectHead, PinnedSource};
use crate::store::{CopyReceipt, HeadScope, Replaces};

/// Dates of objects have whole seconds, and the service's clock is known to
/// the second: after this long, what is written has a later date.
const NEXT_SECOND: Duration = Duration::from_secs(2);

/// Why two objects that are alike may be one.
const ONE_DATE: &str = "they have one date, or none";

impl Attempt<'_> {
    /// Ends a task whose destination is its source, as far as two looks can
    /// tell, and holds nothing that this task can have made.
    pub(crate) fn refuse_what_may_be_the_source(
        &self,
        source: &Source,
        head: &ObjectHead,
    ) -> Result<(), RenameError> {
        match tell_apart(&source.sighting(), &Sighting::of(head)) {
            Apart::Shown(_) => Ok(()),
            // With other headers it is no copy, as the comparison will find.
            Apart::Unknown if source.head != *head || self.may_have_made(head) => Ok(()),
            Apart::Unknown => Err(self.not_told_apart(ONE_DATE)),
            Apart::One => Err(self.not_told_apart("they have one version")),
        }
    }

    /// The object at the destination, which has all that a copy of ours has,
    /// as that copy. Where it may be the source itself, the copy is made once
    /// more over it: if that moves the source's date, it is.
    pub(crate) async fn take_for_ours(
        &self,
        source: &Source,
        head: &ObjectHead,
    ) -> Result<Copy, RenameError> {
        match tell_apart(&source.sighting(), &Sighting::of(head)) {
            Apart::Shown(distinct) => Ok(Copy::found(head, distinct)),
            Apart::One => Err(self.not_told_apart("they have one version")),
            Apart::Unknown if !self.may_have_made(head) || !self.replaces_conditionally() => {
                Err(self.not_told_apart(ONE_DATE))
            }
            // Copies in parts come without annotations, and a source that goes
            // away meanwhile could not give them once more.
            Apart::Unknown if source.annotations.as_ref().is_some_and(|a| !a.is_empty()) => {
                Err(self.not_told_apart(ONE_DATE))
            }
            Apart::Unknown if self.is_annotated(head).await? => Err(self.not_told_apart(ONE_DATE)),
            Apart::Unknown => self.copy_once_more(source, head).await,
        }
    }

    /// Whether the object at the destination has annotations, which a copy over
    /// it would drop: they may be somebody else's.
    async fn is_annotated(&self, head: &ObjectHead) -> Result<bool, RenameError> {
        let there = PinnedSource {
            object: self.task.destination().clone(),
            etag: head.etag.clone(),
            version: head.version.clone(),
        };
        Ok(!self.annotations(&there).await?.is_empty())
    }

    async fn copy_once_more(
        &self,
        source: &Source,
        head: &ObjectHead,
    ) -> Result<Copy, RenameError> {
        self.pass_second().await?;
        let target = Target {
            object: self.task.destination(),
            replaces: Replaces::Object(&head.etag),
        };
        let Some(receipt) = self.copy_to(source, target, source.plan).await? else {
            return Err(self.unsettled("it changed while it was looked at"));
        };
        // The source's date, should it have been the copy's.
        let seen = self.head(self.task.source(), self.source_scope()).await?;
        if seen.modified != source.head.modified {
            return Err(self.not_told_apart("what is written to one is at the other"));
        }
        let (again, distinct) = self.seen_after(source, &receipt).await?;
        Ok(Copy::found(&again, distinct))
    }

    /// Whether a copy that replaced `there` is another object than the source:
    /// known by the request alone where their bytes differed.
    pub(crate) async fn tell_replaced_apart(
        &self,
        source: &Source,
        there: &Sighting,
        receipt: &CopyReceipt,
    ) -> Result<Distinct, RenameError> {
        let by_request = Distinct::replaced(&source.sighting(), there);
        match by_request.filter(|_| self.replaces_conditionally()) {
            Some(distinct) => Ok(distinct),
            None => Ok(self.seen_after(source, receipt).await?.1),
        }
    }

    /// Looks at a copy that this attempt has made, and holds it against the
    /// source.
    async fn seen_after(
        &self,
        source: &Source,
        receipt: &CopyReceipt,
    ) -> Result<(ObjectHead, Distinct), RenameError> {
        let scope = HeadScope {
            version: receipt.version.as_ref(),
            part: None,
        };
        let head = self.head_if_there(self.task.destination(), scope).await?;
        let Some(head) = head.filter(|head| head.etag == receipt.etag) else {
            return Err(self.unsettled("the copy is not there any more"));
        };
        match tell_apart(&source.sighting(), &Sighting::of(&head)) {
            Apart::Shown(distinct) => Ok((head, distinct)),
            Apart::One | Apart::Unknown => {
                Err(self.not_told_apart("a copy of one has the other's date"))
            }
        }
    }

    /// Waits until what is written has another date than what was written
    /// before.
    pub(crate) async fn pass_second(&self) -> Result<(), RenameError> {
        tokio::select! {
            biased;
            () = self.delivery.stop.cancelled() => Err(RenameError::Interrupted),
            () = tokio::time::sleep(NEXT_SECOND) => Ok(()),
        }
    }

    fn not_told_apart(&self, why: &str) -> RenameError {
        let (source, destination) = (self.task.source(), self.task.destination());
        let reason = if source.bucket == destination.bucket {
            Reason::KeysFold
        } else {
            Reason::SameObject
        };
        let detail = format!(
            "{source} and {destination} hold the same bytes, and {why}: they are, or may be, one \
             object with two names, for this endpoint may take two keys, or two buckets' names, \
             for one; nothing was deleted. If they are two objects, delete the one that is not \
             needed"
        );
        RenameError::failed(reason, detail)
    }

    /// The destination is changing: another delivery looks at it afresh.
    pub(crate) fn unsettled(&self, why: &str) -> RenameError {
        let (object, class) = (self.task.destination(), ErrorClass::Transient);
        RenameError::Retry(ServiceError::local(
            "HeadObject",
            object,
            class,
            "Unsettled",
            why,
        ))
    }
}

impl Source {
    /// Which object the inspection saw.
    pub(crate) fn sighting(&self) -> Sighting {
        Sighting::of(&self.head)
    }
}

impl Copy {
    /// What lies at the destination, and was shown to be another object than
    /// the source, and its copy.
    fn found(head: &ObjectHead, distinct: Distinct) -> Self {
        Self {
            etag: head.etag.clone(),
            version: head.version.clone(),
            modified: head.modified,
            checksums: head.checksums.clone(),
            encryption: head.encryption.clone(),
            expiration: head.expiration.clone(),
            origin: Origin::Recognised,
            distinct,
        }
    }
}
