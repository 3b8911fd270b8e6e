//! Proof by repetition: where source and destination have nothing that can be
//! compared, the pinned source is copied once more, to a scratch key and in
//! the destination's own layout. Equal layouts give comparable ETags, and
//! equal algorithms comparable checksums.

use rebucket_protocol::{ObjectUri, Reason};
use tokio_util::sync::CancellationToken;

use super::compare::{Comparison, Fingerprint};
use super::copy::Target;
use super::plan::{CopyPlan, MAX_SINGLE_COPY, PartPlan};
use super::{Attempt, RenameError, Source};
use crate::error::{ErrorClass, ServiceError};
use crate::retry::{CallError, Policy};
use crate::store::object::{Attributes, ObjectHead, ObjectLock, PinnedSource, Tags};
use crate::store::{CopyReceipt, DeleteRequest, HeadScope, Replaces};

/// A scratch copy is made at most as often as its policy permits attempts, and
/// its removal looks as often for what is left.
const MOST_COPIES: u32 = 20;

impl Attempt<'_> {
    /// Compares the source with the object at the destination by way of a
    /// scratch copy, which is removed again. `None` when that copy was refused:
    /// the source is not the inspected one any more.
    pub(crate) async fn prove(
        &self,
        source: &Source,
        head: &ObjectHead,
    ) -> Result<Option<Comparison>, RenameError> {
        let Some(plan) = self.layout_of(head).await? else {
            return Ok(Some(Comparison::NotComparable));
        };
        let scratch = self.scratch_key()?;
        let plain = Source {
            attributes: Attributes {
                tags: Tags::new(),
                acl: None,
                // A locked scratch object could not be removed.
                lock: ObjectLock::default(),
                redirect: None,
                encryption: head.encryption.clone(),
                checksum: head.checksums.algorithm().map(|a| (a, head.checksums.kind)),
                ..source.attributes.clone()
            },
            ..source.clone()
        };
        let target = Target {
            object: &scratch,
            replaces: Replaces::Anything,
        };
        let compared = match self.copy_to(&plain, target, plan).await {
            Ok(Some(receipt)) => self
                .compare_scratch(&scratch, &receipt, head)
                .await
                .map(Some),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        self.remove_scratch(&scratch).await;
        compared
    }

    async fn compare_scratch(
        &self,
        scratch: &ObjectUri,
        receipt: &CopyReceipt,
        head: &ObjectHead,
    ) -> Result<Comparison, RenameError> {
        let scope = HeadScope {
            version: receipt.version.as_ref(),
            part: None,
        };
        let Some(copied) = self.head_if_there(scratch, scope).await? else {
            let (class, message) = (ErrorClass::Transient, "somebody removed the scratch copy");
            let error = ServiceError::local("HeadObject", scratch, class, "Unsettled", message);
            return Err(RenameError::Retry(error));
        };
        Ok(self.compare(Fingerprint::of(&copied), Fingerprint::of(head)))
    }

    /// How the object at the destination was made, if that can be repeated.
    async fn layout_of(&self, head: &ObjectHead) -> Result<Option<CopyPlan>, RenameError> {
        if head.etag.part_count().is_none() {
            return Ok((head.size <= MAX_SINGLE_COPY).then_some(CopyPlan::Single));
        }
        let pinned = PinnedSource {
            object: self.task.destination().clone(),
            etag: head.etag.clone(),
            version: head.version.clone(),
        };
        let part = self.own_part_size(&pinned, head).await?;
        Ok(part
            .and_then(|part| PartPlan::new(head.size, part).ok())
            .map(CopyPlan::Parts))
    }

    /// A key of this task and this delivery only.
    fn scratch_key(&self) -> Result<ObjectUri, RenameError> {
        let id = self.task.id();
        let suffix = format!(
            "proof/{id}-{}-{}-{}",
            self.delivery.receive_count,
            self.settings.host.name(),
            self.settings.host.unique()
        );
        self.destination_bucket
            .scratch
            .object(&suffix)
            .map_err(|error| {
                RenameError::failed(Reason::DestinationNotComparable, error.to_string())
            })
    }

    /// Removes what is under the scratch key, which nobody else uses, also
    /// when the copy's answer was lost. In a bucket with versions each copy
    /// that was made has left one.
    async fn remove_scratch(&self, scratch: &ObjectUri) {
        let caller = self.caller.with_stop(CancellationToken::new());
        for _ in 0..MOST_COPIES {
            let head = || self.store.head(scratch, HeadScope::default());
            let head = match caller.call(Policy::CLEAN_UP, head).await {
                Ok(head) => head,
                Err(CallError::Failed(error)) if error.class() == ErrorClass::NotFound => return,
                Err(error) => {
                    tracing::warn!(%error, %scratch, "could not look for a scratch copy");
                    return;
                }
            };
            let request = match &head.version {
                Some(version) => DeleteRequest::Version {
                    object: scratch,
                    version,
                },
                None => DeleteRequest::Unconditional { object: scratch },
            };
            if let Err(error) = caller
                .call(Policy::CLEAN_UP, || self.store.delete(request))
                .await
            {
                tracing::warn!(%error, %scratch, "could not remove a scratch copy");
                return;
            }
            if head.version.is_none() {
                return;
            }
        }
    }
}
