//! The first step: what is the source, and may it be renamed?

use rebucket_protocol::{ObjectUri, Reason, VersionPolicy};

use super::attributes::{Need, carried};
use super::plan::CopyPlan;
use super::{Attempt, RenameError, Source, VerifyMode};
use crate::error::ErrorClass;
use crate::retry::{CallError, Policy};
use crate::store::HeadScope;
use crate::store::object::{Encryption, ObjectHead, PinnedSource};

/// What the source turned out to be.
pub(crate) enum Inspected {
    /// There, and the one that the task names.
    Found(Box<Source>),
    /// Not there, or another one.
    Absent(Absence),
}

/// Why there is nothing to rename under the source's key.
pub(crate) struct Absence {
    /// The reason, should the destination not turn out to be our copy.
    pub(crate) reason: Reason,
    /// The same in words.
    pub(crate) detail: String,
}

impl Attempt<'_> {
    /// Looks at the source, checks the task's pins, and reads what HEAD does
    /// not show. Refuses what cannot be carried over: nothing is copied yet.
    pub(crate) async fn inspect(&self) -> Result<Inspected, RenameError> {
        let object = self.task.source();
        let head = match self.head_source().await {
            Ok(head) => head,
            Err(CallError::Failed(error)) if error.class() == ErrorClass::NotFound => {
                let detail = format!("there is no object at {object}");
                return Ok(Inspected::Absent(Absence {
                    reason: Reason::SourceMissing,
                    detail,
                }));
            }
            // Without s3:ListBucket a missing key answers 403 (facts, section
            // 3), so our own earlier delete may look like this.
            Err(CallError::Failed(error)) if error.class() == ErrorClass::Denied => {
                let detail = format!("{error}; without s3:ListBucket a missing key looks the same");
                return Ok(Inspected::Absent(Absence {
                    reason: Reason::AccessDenied,
                    detail,
                }));
            }
            Err(other) => return Err(other.into()),
        };
        if let Some(absence) = self.contradiction(&head) {
            return Ok(Inspected::Absent(absence));
        }
        Self::refuse_unreadable(&head).map_err(|error| error.of_size(head.size))?;
        let pinned = PinnedSource {
            object: object.clone(),
            etag: head.etag.clone(),
            version: head.version.clone(),
        };
        let source = self.describe(pinned, &head).await;
        source
            .map(|source| Inspected::Found(Box::new(source)))
            .map_err(|e| e.of_size(head.size))
    }

    /// HEAD of the source: the current object, or, where exactly the pinned
    /// version will be removed, that version.
    pub(crate) async fn head_source(&self) -> Result<ObjectHead, CallError> {
        let purge = self.task.options.versioned == VersionPolicy::Purge;
        let version = self.task.pins.version.as_ref().filter(|_| purge);
        let scope = HeadScope {
            version,
            part: None,
        };
        self.caller
            .call(Policy::READ, || self.store.head(self.task.source(), scope))
            .await
    }

    /// HEAD of any object.
    pub(crate) async fn head(
        &self,
        object: &ObjectUri,
        scope: HeadScope<'_>,
    ) -> Result<ObjectHead, CallError> {
        self.caller
            .call(Policy::READ, || self.store.head(object, scope))
            .await
    }

    /// Why the object under the source's key is not the one to rename.
    fn contradiction(&self, head: &ObjectHead) -> Option<Absence> {
        let pins = &self.task.pins;
        let changed = |what: &str, expected: &dyn std::fmt::Display, found: String| Absence {
            reason: Reason::SourceChanged,
            detail: format!("the source's {what} is {found}, the task names {expected}"),
        };
        let text = |value: Option<&dyn std::fmt::Display>| {
            value.map_or_else(|| "unknown".to_owned(), ToString::to_string)
        };
        if let Some(etag) = pins.etag.as_ref().filter(|etag| **etag != head.etag) {
            return Some(changed("ETag", etag, head.etag.to_string()));
        }
        if let Some(size) = pins.size.as_ref().filter(|size| **size != head.size) {
            return Some(changed("size", size, head.size.to_string()));
        }
        if let Some(version) = pins
            .version
            .as_ref()
            .filter(|v| Some(*v) != head.version.as_ref())
        {
            return Some(changed(
                "version",
                version,
                text(head.version.as_ref().map(|v| v as _)),
            ));
        }
        if let Some(at) = pins.modified.as_ref() {
            let same = head
                .modified
                .is_some_and(|m| m.unix_seconds() == at.unix_seconds());
            return (!same)
                .then(|| changed("date", at, text(head.modified.as_ref().map(|m| m as _))));
        }
        if self.delivery.redelivered {
            self.rewritten(head)
        } else {
            None
        }
    }

    /// Written since the task was first sent: on a redelivery, or where the
    /// destination holds the same bytes already, it may be another object
    /// that somebody put where an earlier delivery took ours away.
    pub(crate) fn rewritten(&self, head: &ObjectHead) -> Option<Absence> {
        if self.task.pins.modified.is_some() {
            return None;
        }
        let (sent, modified) = (self.first_sent()?, head.modified?);
        (modified >= sent).then(|| Absence {
            reason: Reason::SourceRewritten,
            detail: format!(
                "the source was written at {modified}, after the task was sent at {sent}, so it \
                 may not be the object that the task names; submit it again to rename it"
            ),
        })
    }

    fn refuse_unreadable(head: &ObjectHead) -> Result<(), RenameError> {
        if head.archived {
            let class = &head.storage_class;
            let detail = format!("the object is archived ({class}); restore it first");
            return Err(RenameError::failed(Reason::Archived, detail));
        }
        if head.encryption == Encryption::CustomerKey {
            let detail = "the object is encrypted with a key that only the customer has (SSE-C)";
            return Err(RenameError::failed(Reason::CustomerKey, detail));
        }
        Ok(())
    }

    /// Reads the properties that HEAD does not show, as far as the copy needs
    /// them, and refuses what the destination cannot hold.
    async fn describe(
        &self,
        pinned: PinnedSource,
        head: &ObjectHead,
    ) -> Result<Source, RenameError> {
        let plan = CopyPlan::new(head.size, self.settings.parts, None)
            .map_err(|error| RenameError::failed(Reason::TooLarge, error.to_string()))?;
        let by_itself = plan == CopyPlan::Single && self.verify_mode() == VerifyMode::Response;
        let need = if by_itself {
            Need::UNKEPT
        } else {
            Need::EVERYTHING
        };
        let part_size = match plan {
            CopyPlan::Single => None,
            CopyPlan::Parts(_) => self.own_part_size(&pinned, head).await?,
        };
        let read = self.read_attributes(&pinned, head, need).await?;
        let attributes = carried(read, &self.task.options);
        self.refuse_unpreservable(head, &attributes, plan)?;
        Ok(Source {
            pinned,
            head: head.clone(),
            attributes,
            tags_known: !by_itself,
            part_size,
        })
    }

    /// The size of the source's parts, if it was uploaded in equal ones.
    pub(crate) async fn own_part_size(
        &self,
        pinned: &PinnedSource,
        head: &ObjectHead,
    ) -> Result<Option<u64>, RenameError> {
        let Some(count) = head.etag.part_count() else {
            return Ok(None);
        };
        let scope = HeadScope {
            version: pinned.version.as_ref(),
            part: Some(1),
        };
        let first = match self.head(&pinned.object, scope).await {
            Ok(first) => first,
            // It is only for comparing: an endpoint without it goes on.
            Err(CallError::Failed(error)) if !error.class().is_retryable() => return Ok(None),
            Err(other) => return Err(other.into()),
        };
        let equal = first.size > 0 && head.size.div_ceil(first.size) == u64::from(count);
        Ok(equal.then_some(first.size))
    }
}
