//! Versions that a rename would destroy. While versioning is suspended, a write
//! and a plain delete take the place of the version `null`, wherever that is in
//! the key's history, and it is gone for good. `If-None-Match: *` does not stop
//! a write onto a delete marker (facts 8.3).
//!
//! So where versioning is suspended, or nobody says, the version `null` is
//! looked for before anything is written. The one that is carried, and the
//! current object that the task's `if_exists` decides about, are no history.
//! A `null` that somebody writes after the look is the current object, which
//! the conditions of copy and delete protect.

use rebucket_protocol::{IfExists, ObjectUri, Reason, VersionId, VersionPolicy, Waiver};

use super::{Attempt, RenameError};
use crate::error::{ErrorClass, ServiceError};
use crate::retry::{CallError, Policy};
use crate::store::object::ObjectHead;
use crate::store::{HeadScope, Versioning};

/// The version that writes make while versioning is off or suspended.
const NULL: &str = "null";

fn is_null(head: &ObjectHead) -> bool {
    head.version
        .as_ref()
        .is_some_and(|version| version.as_str() == NULL)
}

/// Whether the current object is the version `null`. Some endpoints show no
/// version of it.
fn is_current(null: &ObjectHead, current: &ObjectHead) -> bool {
    let same = || current.etag == null.etag && current.modified == null.modified;
    is_null(current) || (current.version.is_none() && same())
}

impl Attempt<'_> {
    /// Refuses a rename that would destroy an older version of its source or
    /// of its destination, unless the operator waived that by name.
    pub(crate) async fn refuse_loss_of_history(
        &self,
        head: &ObjectHead,
    ) -> Result<(), RenameError> {
        if self.deletes_over_history(head)
            && let Some(null) = self.null_version(self.task.source()).await?
            && !is_current(&null, head)
        {
            return Err(at_risk(self.task.source(), "the delete"));
        }
        if self.writes_over_history() && !self.never_had_versions(head) {
            return self.refuse_loss_at_destination().await;
        }
        Ok(())
    }

    async fn refuse_loss_at_destination(&self) -> Result<(), RenameError> {
        let destination = self.task.destination();
        let Some(null) = self.null_version(destination).await? else {
            return Ok(());
        };
        let current = self.head_if_there(destination, HeadScope::default());
        let at_stake = match current.await? {
            // Behind a delete marker.
            None => true,
            Some(current) if is_current(&null, &current) => false,
            // Another version is there, and only `overwrite` writes over it.
            Some(_) => self.task.if_exists == IfExists::Overwrite,
        };
        if at_stake {
            return Err(at_risk(destination, "the copy"));
        }
        Ok(())
    }

    /// Whether the copy may destroy a version behind the current one.
    pub(crate) fn writes_over_history(&self) -> bool {
        let versioning = self.destination_bucket.facts.versioning;
        versioning.may_destroy_history() && !self.task.options.waives(Waiver::History)
    }

    /// Whether the delete of this source may destroy a version behind it.
    fn deletes_over_history(&self, head: &ObjectHead) -> bool {
        let bucket = self.source_bucket;
        if !bucket.facts.versioning.may_destroy_history()
            || self.task.options.waives(Waiver::History)
        {
            return false;
        }
        // The delete of the version `null` takes what was copied, and a purge
        // of any other takes no other one.
        let purge = self.task.options.versioned == VersionPolicy::Purge;
        match &head.version {
            Some(_) => !is_null(head) && !purge,
            None => !bucket.abilities.trusted,
        }
    }

    /// Whether the source shows that its bucket, where that is the
    /// destination's as well, never had versioning: AWS names the version of
    /// every object in a bucket that had, `null` included.
    fn never_had_versions(&self, head: &ObjectHead) -> bool {
        self.destination_bucket.facts.versioning == Versioning::Unknown
            && self.task.source().bucket == self.task.destination().bucket
            && self.source_bucket.abilities.trusted
            && head.version.is_none()
    }

    /// Whether an endpoint that neither says whether it keeps versions nor knows
    /// the version `null` has answered so. The operator was warned at start.
    fn cannot_say(&self, object: &ObjectUri, error: &ServiceError) -> bool {
        let bucket = if object.bucket == self.task.source().bucket {
            self.source_bucket
        } else {
            self.destination_bucket
        };
        let unknown = bucket.facts.versioning == Versioning::Unknown;
        unknown && !bucket.abilities.trusted && error.fault.status == Some(400)
    }

    /// The object that is the version `null` of a key. A delete marker is
    /// none.
    async fn null_version(&self, object: &ObjectUri) -> Result<Option<ObjectHead>, RenameError> {
        let null = VersionId::new(NULL)
            .map_err(|error| RenameError::failed(Reason::HistoryAtRisk, error.to_string()))?;
        let scope = HeadScope {
            version: Some(&null),
            part: None,
        };
        let looked = self.caller.call(Policy::READ, || async {
            match self.store.head(object, scope).await {
                Ok(head) => Ok(Some(head)),
                Err(error) if error.class() == ErrorClass::NotFound => Ok(None),
                Err(error) if self.cannot_say(object, &error) => Ok(None),
                Err(error) => Err(error),
            }
        });
        match looked.await {
            Err(CallError::Failed(error)) if error.class() == ErrorClass::Denied => {
                let detail = format!(
                    "{error}; nobody knows whether an older version would be destroyed: grant \
                     s3:GetObjectVersion and s3:GetBucketVersioning, or give such versions up with \
                     --waive history"
                );
                Err(RenameError::failed(Reason::AccessDenied, detail))
            }
            looked => Ok(looked?),
        }
    }
}

fn at_risk(object: &ObjectUri, what: &str) -> RenameError {
    let detail = format!(
        "versioning of the bucket {} is suspended, or nobody says, and {what} would destroy the \
         version `null` of {object}, which is not the current one; enable versioning, or give such \
         versions up with --waive history",
        object.bucket
    );
    RenameError::failed(Reason::HistoryAtRisk, detail)
}
