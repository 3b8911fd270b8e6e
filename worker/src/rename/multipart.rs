//! Copying in parts. Whoever creates an upload here also ends it: it is
//! completed, or aborted on every other way out but the death of the process.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rebucket_protocol::{Reason, Waiver};
use tokio_util::sync::CancellationToken;

use super::copy::{Target, answered};
use super::plan::{CopyPlan, PartPlan};
use super::{Attempt, Copy, Origin, RenameError, Source};
use crate::error::{ErrorClass, ServiceError};
use crate::retry::{CallError, Policy};
use crate::store::endpoint::Precondition;
use crate::store::object::{ChecksumKind, Checksums, PinnedSource};
use crate::store::{
    CompleteRequest, CopyReceipt, HeadScope, PartReceipt, Replaces, StoreResult, UploadId,
};

/// After a 409 the upload cannot be completed any more (facts 1.7), and a new
/// one is begun; so often before the message is handed back.
const UPLOADS: u32 = 3;

impl Attempt<'_> {
    /// Copies the source in parts. `None` when a condition did not hold, or
    /// when the upload is gone although we did not abort it: perhaps an
    /// earlier, unanswered request of ours completed it.
    pub(crate) async fn copy_in_parts(
        &self,
        source: &Source,
        target: Target<'_>,
        plan: PartPlan,
    ) -> Result<Option<CopyReceipt>, RenameError> {
        let mut uploads = 1;
        loop {
            match self.upload(source, target, plan).await {
                Ok(receipt) => return Ok(Some(receipt)),
                Err(CallError::Failed(error)) => match error.class() {
                    ErrorClass::Precondition | ErrorClass::UploadMissing | ErrorClass::NotFound => {
                        return Ok(None);
                    }
                    // Of an object that is to be replaced, another delivery has
                    // to find out first what was written there.
                    ErrorClass::Conflict
                        if uploads < UPLOADS && target.replaces == Replaces::Nothing =>
                    {
                        uploads += 1;
                    }
                    _ => return Err(CallError::Failed(error).into()),
                },
                Err(interrupted) => return Err(interrupted.into()),
            }
        }
    }

    /// One upload from its creation to its end.
    async fn upload(
        &self,
        source: &Source,
        target: Target<'_>,
        plan: PartPlan,
    ) -> Result<CopyReceipt, CallError> {
        // Not dropped half-way when told to stop: an upload that was created
        // and not learnt of could not be aborted.
        let upload = self
            .caller
            .with_stop(CancellationToken::new())
            .call(Policy::CREATE, || async {
                self.held_lease("CreateMultipartUpload", target.object)?;
                self.store
                    .create_upload(target.object, &source.attributes)
                    .await
            })
            .await?;
        // Whether a request to complete it was sent and not answered.
        let completing = AtomicBool::new(false);
        let result = self
            .fill_and_complete(source, target, plan, &upload, &completing)
            .await;
        if let Err(error) = &result {
            let retryable = match error {
                CallError::Interrupted => true,
                CallError::Failed(error) => error.class().is_retryable(),
            };
            if completing.load(Ordering::SeqCst) && retryable && self.may_be_there(target).await {
                // The request to complete it may still be at work, and some
                // endpoints would then abort what it is putting together.
                tracing::warn!(
                    destination = %target.object,
                    upload = upload.0,
                    "an upload was being completed when the answer was lost; it is left as it is"
                );
            } else {
                self.abort(target, &upload).await;
            }
        }
        result
    }

    /// Whether an object is at the target, as far as that can be told.
    async fn may_be_there(&self, target: Target<'_>) -> bool {
        let caller = self.caller.with_stop(CancellationToken::new());
        let head = || self.store.head(target.object, HeadScope::default());
        match caller.call(Policy::CLEAN_UP, head).await {
            Ok(_) | Err(CallError::Interrupted) => true,
            Err(CallError::Failed(error)) => error.class() != ErrorClass::NotFound,
        }
    }

    async fn fill_and_complete(
        &self,
        source: &Source,
        target: Target<'_>,
        plan: PartPlan,
        upload: &UploadId,
        completing: &AtomicBool,
    ) -> Result<CopyReceipt, CallError> {
        let copies = plan.parts().map(|range| async move {
            self.caller
                .call(Policy::copy(range.len), || {
                    self.store
                        .copy_part(&source.pinned, target.object, upload, range)
                })
                .await
        });
        let mut parts: Vec<PartReceipt> = stream::iter(copies)
            .buffer_unordered(self.settings.parts_in_flight.max(1))
            .try_collect()
            .await?;
        parts.sort_unstable_by_key(|part| part.number);
        let expected = self.expected_checksum(source);
        let request = CompleteRequest {
            destination: target.object,
            upload,
            parts: &parts,
            replaces: self.condition(target),
            size: source.head.size,
            expected: &expected,
        };
        self.caller
            .call(Policy::COMPLETE, || async {
                let operation = "CompleteMultipartUpload";
                let again = completing.load(Ordering::SeqCst);
                self.not_taken(operation, target, Precondition::CompleteCreates)
                    .await?;
                // After every wait: the worker may have been frozen in it.
                self.held_lease(operation, target.object)?;
                let complete = self.write(self.store.complete_upload(request));
                let receipt = answered(completing, complete).await?;
                if again {
                    self.is_what_was_completed(target, &receipt).await?;
                }
                Ok(receipt)
            })
            .await
    }

    /// A request that is repeated after its own success is answered with that
    /// success, whatever is at the key by now (facts 8.7).
    async fn is_what_was_completed(
        &self,
        target: Target<'_>,
        receipt: &CopyReceipt,
    ) -> StoreResult<()> {
        let scope = HeadScope {
            version: receipt.version.as_ref(),
            part: None,
        };
        let head = self.store.head(target.object, scope).await?;
        if head.etag == receipt.etag {
            return Ok(());
        }
        let (operation, class) = ("CompleteMultipartUpload", ErrorClass::Precondition);
        let message = "another object is there since it was completed";
        Err(ServiceError::local(
            operation,
            target.object,
            class,
            "Taken",
            message,
        ))
    }

    /// Ends an upload that will not be completed, also after an interruption:
    /// what it holds would be paid for until somebody finds it.
    async fn abort(&self, target: Target<'_>, upload: &UploadId) {
        let caller = self.caller.with_stop(CancellationToken::new());
        let aborted = caller
            .call(Policy::CLEAN_UP, || {
                self.store.abort_upload(target.object, upload)
            })
            .await;
        match aborted {
            Ok(()) => {}
            Err(CallError::Failed(error))
                if matches!(
                    error.class(),
                    ErrorClass::UploadMissing | ErrorClass::NotFound
                ) => {}
            Err(error) => tracing::warn!(
                %error,
                destination = %target.object,
                upload = upload.0,
                "could not abort an upload; a lifecycle rule for incomplete uploads ends it"
            ),
        }
    }

    /// Carries the annotations over to a copy in parts, and to one that was
    /// found: whoever made it may have died before, or not have known of them.
    pub(crate) async fn carry_annotations(
        &self,
        source: &Source,
        copy: &Copy,
    ) -> Result<(), RenameError> {
        // A copy that was found may have been made in parts, or by somebody
        // else: nothing is known of its annotations.
        if source.plan == CopyPlan::Single && copy.origin == Origin::ThisAttempt {
            return Ok(());
        }
        let names = match &source.annotations {
            Some(names) => names.clone(),
            None => self.annotations(&source.pinned).await?,
        };
        let destination = self.task.destination();
        for name in names {
            let carry = || {
                self.store
                    .carry_annotation(&source.pinned, destination, &copy.etag, &name)
            };
            self.caller.call(Policy::WRITE, carry).await?;
        }
        Ok(())
    }

    /// The names of the source's annotations, which a multipart copy drops
    /// unless we carry them (facts 1.8).
    pub(crate) async fn annotations(
        &self,
        source: &PinnedSource,
    ) -> Result<Vec<String>, RenameError> {
        let waived = self.task.options.waives(Waiver::Annotations);
        if waived || !self.source_bucket.abilities.has_annotations {
            return Ok(Vec::new());
        }
        let (object, version) = (&source.object, source.version.as_ref());
        let listed = self
            .caller
            .call(Policy::READ, || self.store.annotations(object, version))
            .await;
        match listed {
            Ok(names) => Ok(names),
            Err(CallError::Failed(error)) => match error.class() {
                ErrorClass::Unsupported => Ok(Vec::new()),
                ErrorClass::Denied => {
                    let detail = format!(
                        "{error}; grant s3:ListObjectAnnotations, or give the annotations up \
                         with --waive annotations"
                    );
                    Err(RenameError::failed(Reason::AccessDenied, detail))
                }
                _ => Err(CallError::Failed(error).into()),
            },
            Err(interrupted) => Err(interrupted.into()),
        }
    }

    /// The checksum of all bytes that the service is to check the whole
    /// against: the source's own, where the service can compute it from the
    /// parts.
    fn expected_checksum(&self, source: &Source) -> Checksums {
        let own = &source.head.checksums;
        let able = self.destination_bucket.abilities.upload_checksum;
        // A proof copies with the destination's algorithm, not the source's.
        let stored = source.attributes.checksum;
        let full = able == Some(ChecksumKind::FullObject)
            && stored.is_some_and(|(stored, kind)| {
                Some(stored) == own.algorithm() && kind != Some(ChecksumKind::Composite)
            })
            && super::compare::covers_all_bytes(own, &source.head.etag);
        match own.algorithm() {
            Some(algorithm) if full && algorithm.supports_full_object_multipart() => Checksums {
                values: own.values.clone(),
                kind: Some(ChecksumKind::FullObject),
            },
            _ => Checksums::default(),
        }
    }
}
