//! The first step: what is the source, and may it be renamed?

use rebucket_protocol::{IfExists, Leg, ObjectUri, Pins, Reason, VersionId, VersionPolicy, Waiver};

use super::attributes::{Need, carried};
use super::distinct::Sighting;
use super::plan::{CopyPlan, PlanError};
use super::{Attempt, RenameError, Source, VerifyMode};
use crate::error::ErrorClass;
use crate::retry::{CallError, Policy};
use crate::store::HeadScope;
use crate::store::object::{ChecksumKind, Encryption, ObjectHead, ObjectLock, PinnedSource};

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
    /// What is there instead, if anything is.
    pub(crate) instead: Option<Sighting>,
}

impl Absence {
    pub(crate) fn new(reason: Reason, detail: String) -> Self {
        Self {
            reason,
            detail,
            instead: None,
        }
    }
}

impl Attempt<'_> {
    /// Looks at the source, checks the task's pins, and reads what HEAD does
    /// not show. Refuses what cannot be carried over: nothing is copied yet.
    pub(crate) async fn inspect(&self) -> Result<Inspected, RenameError> {
        let object = self.task.source();
        let Some(head) = self.head_if_there(object, self.source_scope()).await? else {
            let detail = format!("there is no object at {object}");
            let absence = Absence::new(Reason::SourceMissing, detail);
            return Ok(Inspected::Absent(absence));
        };
        if let Some(absence) = self.contradiction(&head) {
            return Ok(Inspected::Absent(absence));
        }
        self.hold_to_statement(&head);
        let of_size = |error: RenameError| error.of_size(head.size);
        self.refuse(&head).map_err(of_size)?;
        self.refuse_loss_of_history(&head).await.map_err(of_size)?;
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

    /// What HEAD of the source looks at: the current object, or, where exactly
    /// the pinned version will be removed, that version.
    pub(crate) fn source_scope(&self) -> HeadScope<'_> {
        let purge = self.task.options.versioned == VersionPolicy::Purge;
        HeadScope {
            version: self.task.pins.version.as_ref().filter(|_| purge),
            part: None,
        }
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

    /// HEAD of any object; `None` when there is none.
    pub(crate) async fn head_if_there(
        &self,
        object: &ObjectUri,
        scope: HeadScope<'_>,
    ) -> Result<Option<ObjectHead>, CallError> {
        match self.head(object, scope).await {
            Ok(head) => Ok(Some(head)),
            Err(CallError::Failed(error)) if error.class() == ErrorClass::NotFound => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Why the object under the source's key is not the one to rename.
    fn contradiction(&self, head: &ObjectHead) -> Option<Absence> {
        if self.task.leg() == Some(Leg::In) {
            // The copy at the temporary key has a date, and perhaps a tag, of
            // its own.
            return self.not_put_there(head);
        }
        if let Some(absence) = contradiction(&self.task.pins, head) {
            return Some(absence);
        }
        // Every delivery may be a second one: what was moved back from the
        // dead-letter queue, or sent again, looks like the first.
        self.rewritten(head)
    }

    /// Written since the task was first sent, it may be another object that
    /// somebody put where an earlier delivery took ours away.
    pub(crate) fn rewritten(&self, head: &ObjectHead) -> Option<Absence> {
        if self.task.pins.modified.is_some() {
            return None;
        }
        let (sent, modified) = (self.earliest_sent()?, head.modified?);
        (modified >= sent).then(|| Absence {
            instead: Some(Sighting::of(head)),
            reason: Reason::SourceRewritten,
            detail: format!(
                "the source was written at {modified}, after the task was sent at {sent}, so it \
                 may not be the object that the task names; rename it with a new job, or \
                 with `rebucket run --retry-failed`"
            ),
        })
    }

    /// Refuses what HEAD alone shows to be impossible or unsafe.
    fn refuse(&self, head: &ObjectHead) -> Result<(), RenameError> {
        let refuse = |reason, detail: String| Err(RenameError::failed(reason, detail));
        if head.archived {
            let class = &head.storage_class;
            let detail = format!("the object is archived ({class}); restore it first");
            return refuse(Reason::Archived, detail);
        }
        if head.encryption == Encryption::CustomerKey {
            let detail = "the object is encrypted with a key that only the customer has (SSE-C)";
            return refuse(Reason::CustomerKey, detail.to_owned());
        }
        if self.task.options.versioned == VersionPolicy::Purge && head.version.is_some() {
            if self.task.if_exists == IfExists::Overwrite && self.task.pins.version.is_none() {
                let detail = "to purge and to overwrite, the task must name the version: another \
                              delivery would rename the version before it over this one";
                return refuse(Reason::VersionUnpinned, detail.to_owned());
            }
            let null = |version: &VersionId| version.as_str() == "null";
            if self.task.pins.version.as_ref().is_some_and(null) {
                let detail = "the version `null` is whatever was written last while versioning was \
                              off, and cannot be purged by name";
                return refuse(Reason::VersionUnpinned, detail.to_owned());
            }
        }
        self.refuse_locked(&head.lock, head)
    }

    /// Refuses to purge a version that is locked. S3 refuses that, too, but
    /// only after the copy was made.
    fn refuse_locked(&self, lock: &ObjectLock, head: &ObjectHead) -> Result<(), RenameError> {
        let purged = self.task.options.versioned == VersionPolicy::Purge && head.version.is_some();
        if purged && lock.holds_at(self.now()) {
            let detail = "Object Lock keeps the version that would be purged";
            return Err(RenameError::failed(Reason::Locked, detail));
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
        let too_large = |error: PlanError| RenameError::failed(Reason::TooLarge, error.to_string());
        let parts = self.settings.parts;
        let plan = match CopyPlan::new(head.size, parts, None).map_err(too_large)? {
            CopyPlan::Single => CopyPlan::Single,
            CopyPlan::Parts(_) => {
                let own = self.own_part_size(&pinned, head).await?;
                CopyPlan::new(head.size, parts, own).map_err(too_large)?
            }
        };
        let by_itself = plan == CopyPlan::Single && self.verify_mode() == VerifyMode::Response;
        let need = match plan {
            CopyPlan::Single if by_itself => Need::UNKEPT,
            CopyPlan::Single => Need::EVERYTHING,
            CopyPlan::Parts(_) => Need::BY_NAME,
        };
        let annotations = match plan {
            CopyPlan::Single => None,
            CopyPlan::Parts(_) => Some(self.annotations(&pinned).await?),
        };
        let read = self.read_attributes(&pinned, head, need).await?;
        // By name now: HEAD may have hidden it.
        self.refuse_locked(&read.lock, head)?;
        if head.lock.is_none() && !read.lock.is_none() {
            self.contradicted(Waiver::Lock);
        }
        if read.acl.is_some() {
            self.contradicted(Waiver::Acl);
        }
        let mut attributes = carried(read, &self.task.options, self.now());
        let able = self.destination_bucket.abilities.upload_checksum;
        if let (CopyPlan::Parts(_), Some((_, kind))) = (plan, &mut attributes.checksum)
            && able != Some(ChecksumKind::FullObject)
        {
            *kind = able;
        }
        self.refuse_unpreservable(head, &attributes, plan)?;
        Ok(Source {
            pinned,
            head: head.clone(),
            attributes,
            tags_known: need.tags_known(head),
            plan,
            annotations,
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

/// What the object is, where it is not what the pins say.
pub(super) fn contradiction(pins: &Pins, head: &ObjectHead) -> Option<Absence> {
    let changed = |what: &str, expected: &dyn std::fmt::Display, found: String| Absence {
        instead: Some(Sighting::of(head)),
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
        return (!same).then(|| changed("date", at, text(head.modified.as_ref().map(|m| m as _))));
    }
    None
}
