//! The second step: make the copy, pinned to the source that was inspected.

use std::sync::atomic::{AtomicBool, Ordering};

use rebucket_protocol::{IfExists, ObjectUri, Reason, Waiver};

use super::distinct::Distinct;
use super::plan::CopyPlan;
use super::recognise::Overwritten;
use super::refused::Refusals;
use super::{Attempt, Copy, Original, RenameError, Source, VerifyMode};
use crate::error::{ErrorClass, ServiceError};
use crate::retry::{CallError, Policy};
use crate::store::endpoint::Precondition;
use crate::store::object::Attributes;
use crate::store::{CopyReceipt, CopyRequest, HeadScope, Replaces, StoreResult};

/// Where a copy goes, and whether it may replace what is there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) object: &'a ObjectUri,
    pub(crate) replaces: Replaces<'a>,
}

/// Sends a request, and sets the flag if it is not answered.
pub(crate) async fn answered<T>(
    unanswered: &AtomicBool,
    request: impl Future<Output = StoreResult<T>>,
) -> StoreResult<T> {
    // Before it is sent, because an attempt that takes too long is dropped.
    let before = unanswered.swap(true, Ordering::SeqCst);
    let answer = request.await;
    if !matches!(&answer, Err(error) if error.class() == ErrorClass::Transient) {
        unanswered.store(before, Ordering::SeqCst);
    }
    answer
}

impl Attempt<'_> {
    /// Copies the source to the destination. `None` when a condition did not
    /// hold: the source changed, or an object is at the destination, perhaps
    /// our own from an attempt whose answer was lost.
    pub(crate) async fn copy(&self, source: &Source) -> Result<Option<Copy>, RenameError> {
        let replaced = match self.task.if_exists {
            IfExists::Fail | IfExists::Skip => None,
            IfExists::Overwrite => match self.before_overwrite(source).await? {
                Overwritten::Already(copy) => return Ok(Some(*copy)),
                Overwritten::NotYet(there) => there,
            },
        };
        let target = Target {
            object: self.task.destination(),
            replaces: replaced
                .as_ref()
                .map_or(Replaces::Nothing, |there| Replaces::Object(&there.etag)),
        };
        // Copying all parts only to hear at the end that the key is taken
        // would be a waste.
        let parts = matches!(source.plan, CopyPlan::Parts(_));
        let overwrites = self.task.if_exists == IfExists::Overwrite;
        if !overwrites && parts && self.is_taken(target.object).await? {
            return Ok(None);
        }
        if replaced
            .as_ref()
            .is_some_and(|there| there.etag == source.head.etag)
        {
            self.pass_second().await?;
        }
        let Some(mut receipt) = self.copy_to(source, target, source.plan).await? else {
            return Ok(None);
        };
        // It becomes a pin of an undo: only the date that HEAD shows will do,
        // and not every endpoint answers a copy with that.
        if !self.destination_bucket.abilities.trusted {
            receipt.modified = None;
        }
        let distinct = match (Distinct::created(target.replaces), &replaced) {
            (Some(created), _) => created,
            (None, Some(there)) => self.tell_replaced_apart(source, there, &receipt).await?,
            (None, None) => return Err(self.unsettled("the copy may have replaced any object")),
        };
        let asked = &source.attributes.encryption;
        Ok(Some(Copy::answered(receipt, asked, distinct)))
    }

    /// Copies the source anywhere, by a plan.
    pub(crate) async fn copy_to(
        &self,
        source: &Source,
        target: Target<'_>,
        plan: CopyPlan,
    ) -> Result<Option<CopyReceipt>, RenameError> {
        match plan {
            CopyPlan::Single => self.copy_single(source, target).await,
            CopyPlan::Parts(parts) => self.copy_in_parts(source, target, parts).await,
        }
    }

    async fn copy_single(
        &self,
        source: &Source,
        target: Target<'_>,
    ) -> Result<Option<CopyReceipt>, RenameError> {
        let (original, attributes) = (source.original(), &source.attributes);
        let mut refusals = Refusals::default();
        loop {
            match self.copy_object(&original, attributes, target).await {
                Ok(receipt) => return Ok(receipt),
                Err(CallError::Failed(error))
                    if error.class() == ErrorClass::Denied
                        && source.head.tag_count.unwrap_or(0) > 0 =>
                {
                    let detail = format!(
                        "{error}; the object has tags: s3:GetObjectTagging and \
                         s3:PutObjectTagging may be missing, or give the tags up with --waive tags"
                    );
                    return Err(RenameError::failed(Reason::AccessDenied, detail));
                }
                Err(CallError::Failed(error)) if error.class() == ErrorClass::NotFound => {
                    self.again_as_if_missing(source, error, &mut refusals)
                        .await?;
                }
                Err(other) => return Err(other.into()),
            }
        }
    }

    /// One `CopyObject`. `None` when a condition did not hold.
    pub(crate) async fn copy_object(
        &self,
        original: &Original,
        attributes: &Attributes,
        target: Target<'_>,
    ) -> Result<Option<CopyReceipt>, CallError> {
        let request = CopyRequest {
            source: &original.pinned,
            destination: target.object,
            replaces: self.condition(target),
            attributes,
            keep_tags: !self.task.options.waives(Waiver::Tags),
        };
        let sent = AtomicBool::new(false);
        let copied = self
            .caller
            .call(Policy::copy(original.size), || async {
                if sent.swap(true, Ordering::SeqCst) && !self.task.then().is_empty() {
                    self.is_still_its_source(original).await?;
                }
                self.not_taken("CopyObject", target, Precondition::CopyCreates)
                    .await?;
                // After every wait: the worker may have been frozen in it.
                self.held_lease("CopyObject", target.object)?;
                self.write(self.store.copy(request)).await
            })
            .await;
        match copied {
            Ok(receipt) => Ok(Some(receipt)),
            Err(CallError::Failed(error)) if error.class() == ErrorClass::Precondition => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Before a copy is tried again: in a chain, what has taken the source's place
    /// since may have its tag, which is all that the request names.
    async fn is_still_its_source(&self, original: &Original) -> StoreResult<()> {
        let Some(absence) = self.look_again(original).await? else {
            return Ok(());
        };
        let (object, class) = (&original.pinned.object, ErrorClass::Precondition);
        let code = absence.reason.as_str();
        Err(ServiceError::local(
            "CopyObject",
            object,
            class,
            code,
            absence.detail,
        ))
    }

    /// Sends a write, and takes note if it is not answered: it may have been
    /// carried out.
    pub(crate) async fn write<T>(
        &self,
        request: impl Future<Output = StoreResult<T>>,
    ) -> StoreResult<T> {
        answered(&self.unanswered, request).await
    }

    /// Refuses to send a writing request once the lease is no longer held
    /// with margin: a worker that was frozen must not wake up and write.
    pub(crate) fn held_lease(
        &self,
        operation: &'static str,
        object: &ObjectUri,
    ) -> StoreResult<()> {
        if self.delivery.lease.is_held() {
            return Ok(());
        }
        let (class, message) = (
            ErrorClass::LeaseLost,
            "the message's lease is no longer held",
        );
        Err(ServiceError::local(
            operation,
            object,
            class,
            "LeaseLost",
            message,
        ))
    }

    /// The condition that a write to the target is sent with.
    pub(crate) fn condition<'t>(&self, target: Target<'t>) -> Replaces<'t> {
        match target.replaces {
            Replaces::Object(_) if !self.replaces_conditionally() => Replaces::Anything,
            other => other,
        }
    }

    pub(crate) fn replaces_conditionally(&self) -> bool {
        self.destination_bucket.abilities.replaces_conditionally
    }

    /// Looks at the target right before each attempt where the endpoint may
    /// ignore the condition that keeps a request from replacing an object.
    /// Where its answers are not believed, that is so for every request: a
    /// probe speaks for the node that answered it, and on some stores a copy
    /// wins a race in spite of the condition.
    pub(crate) async fn not_taken(
        &self,
        operation: &'static str,
        target: Target<'_>,
        condition: Precondition,
    ) -> StoreResult<()> {
        let expected = match target.replaces {
            Replaces::Nothing if self.looks_before_writes() || self.lacks(condition) => None,
            Replaces::Object(etag) if !self.replaces_conditionally() => Some(etag),
            _ => return Ok(()),
        };
        let object = target.object;
        let found = match self.store.head(object, HeadScope::default()).await {
            Ok(head) => Some(head.etag),
            Err(error) if error.class() == ErrorClass::NotFound => None,
            Err(other) => return Err(other),
        };
        if found.as_ref() == expected {
            return Ok(());
        }
        let (class, message) = (ErrorClass::Precondition, "another object is there");
        Err(ServiceError::local(
            operation, object, class, "Taken", message,
        ))
    }

    fn looks_before_writes(&self) -> bool {
        self.verify_mode() != VerifyMode::Response && !self.destination_bucket.abilities.trusted
    }

    async fn is_taken(&self, object: &ObjectUri) -> Result<bool, RenameError> {
        let head = self.head_if_there(object, HeadScope::default());
        Ok(head.await?.is_some())
    }
}
