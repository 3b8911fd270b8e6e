//! The last step: delete the source. **These are the gates in front of it.**
//!
//! 1. *Verified*: a [`Verified`] copy is the only thing this takes, so a copy
//!    was made in this attempt, or was proven to be ours, and verified.
//! 2. *Not cancelled*: neither shutdown nor a lost lease has stopped us. The
//!    caller sends nothing once it is told to stop (`retry.rs`).
//! 3. *Both unchanged*: where time passed, where an earlier answer to this
//!    very delete was lost, or where the endpoint ignores the condition of
//!    gate 5, the source is looked at once more. Where an object with the same
//!    bytes takes its place, that is after whoever made the copy has had the
//!    time to finish (`same_bytes.rs`).
//! 4. *Lease held, with margin*: checked right before each request, so that a
//!    worker that was frozen does not delete what is another's by now.
//! 5. *Condition on the request*: `If-Match` on the pinned ETag, or exactly
//!    the pinned version. The service itself refuses to delete another object.
//!    Where it refuses the condition, and the operator said `emulate`, gate 3
//!    is all there is.
//!
//! What remains is written down in docs/SEMANTICS.md: a process that is frozen
//! between gate 4 and the system call, while another worker finishes the
//! rename and somebody puts an object with the same bytes at the old key.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use rebucket_protocol::{Reason, VersionId, VersionPolicy};

use super::distinct::Sighting;
use super::inspect::Absence;
use super::plan::CopyPlan;
use super::verify::Verified;
use super::{Attempt, Copy, Finished, Landed, Origin, Original, Others, RenameError, Written};
use crate::error::{ErrorClass, ServiceError};
use crate::retry::{CallError, Policy};
use crate::store::endpoint::Precondition;
use crate::store::object::ObjectHead;
use crate::store::{DeleteRequest, HeadScope, StoreResult};

/// What became of one attempt to delete the source.
enum Attempted {
    /// It is deleted.
    Deleted,
    /// It is not there, or another object is: nothing was sent.
    Absent(Absence),
    /// The copy is not what was compared any more: nothing was sent.
    CopyChanged,
}

/// Whether an error says that the request was not carried out, and will not
/// be.
fn is_refusal(error: &ServiceError) -> bool {
    error.class() == ErrorClass::Throttled
}

impl Attempt<'_> {
    /// Deletes the source of a verified copy, and nothing else.
    pub(crate) async fn delete_source(&self, verified: Verified) -> Result<Finished, RenameError> {
        let (source, copy) = (verified.original(), verified.copy());
        let landed = Landed::copied(copy, source.size);
        let renamed = |others| Finished::Renamed {
            landed: landed.clone(),
            others,
        };
        self.let_others_finish(copy).await?;
        // A delete whose answer was lost may have been carried out, and the
        // key may hold another object by now: from the second attempt on,
        // gate 3 always looks.
        let look = AtomicBool::new(self.needs_recheck(source, copy));
        let unanswered = AtomicU32::new(0);
        let request = self.delete_request(source, copy)?;
        let deleted = self
            .caller
            .call(Policy::WRITE, || async {
                // Gate 2 is the caller's.
                // Gate 3: the copy first, so that its look lies between two
                // at the source, and the source's is the last before gate 4.
                if let Some(seen) = copy.distinct.sighting()
                    && !self.is_still_there(seen).await?
                {
                    return Ok(Attempted::CopyChanged);
                }
                if look.swap(true, Ordering::SeqCst)
                    && let Some(absence) = self.look_again(source).await?
                {
                    return Ok(Attempted::Absent(absence));
                }
                // Gate 4, for every attempt anew; gate 5 is in the request.
                self.held_lease("DeleteObject", &source.pinned.object)?;
                unanswered.fetch_add(1, Ordering::SeqCst);
                let deleted = self.store.delete(request).await;
                if deleted.as_ref().err().is_none_or(is_refusal) {
                    unanswered.fetch_sub(1, Ordering::SeqCst);
                }
                deleted.map(|()| Attempted::Deleted)
            })
            .await;
        let gone = || renamed(Others::Perhaps);
        match deleted {
            Ok(Attempted::Deleted) => {
                let unanswered = unanswered.into_inner() > 0;
                Ok(renamed(self.others(source, copy, unanswered)))
            }
            Ok(Attempted::Absent(absence)) => self.source_is_not_there(&absence, gone()),
            Ok(Attempted::CopyChanged) => {
                Err(self.unsettled("the copy was replaced or removed after it was compared"))
            }
            Err(CallError::Failed(error)) => match error.class() {
                // Gone: by an attempt of ours whose answer was lost, or by
                // another worker that recognised this copy.
                ErrorClass::NotFound => Ok(gone()),
                // Another object by now, or gone (some endpoints answer 412
                // for a missing key). It is not touched.
                ErrorClass::Precondition => match self.recheck(source).await? {
                    Some(absence) => self.source_is_not_there(&absence, gone()),
                    None => Err(RenameError::Retry(error)),
                },
                ErrorClass::Denied => Err(self.delete_denied(source, &error)),
                _ => Err(CallError::Failed(error).into()),
            },
            Err(interrupted) => Err(interrupted.into()),
        }
    }

    /// The copy is there and the source may not be deleted: two objects, one of
    /// which the operator did not ask for.
    fn delete_denied(&self, source: &Original, error: &ServiceError) -> RenameError {
        let permission = match self.purged_version(source) {
            Some(_) => "s3:DeleteObjectVersion",
            None => "s3:DeleteObject",
        };
        let detail = format!(
            "{error}; the source stays, and its copy stays at {}: grant {permission} and try the row \
             again, which recognises the copy and only deletes the source",
            self.task.destination()
        );
        RenameError::failed(Reason::AccessDenied, detail)
    }

    /// The request that can delete the pinned source only.
    fn delete_request<'a>(
        &self,
        source: &'a Original,
        copy: &Copy,
    ) -> Result<DeleteRequest<'a>, RenameError> {
        let (object, etag) = (&source.pinned.object, &source.pinned.etag);
        // Removing a version shows the one before it, be it `null`. Unless the
        // task names the version, only the attempt that made the copy knows
        // that the one it sees is not that one.
        let purge = self.task.options.versioned == VersionPolicy::Purge;
        let unnamed = purge && source.pinned.version.is_some() && self.task.pins.version.is_none();
        if !unnamed || copy.origin == Origin::ThisAttempt {
            return Ok(match self.purged_version(source) {
                Some(version) => DeleteRequest::Version { object, version },
                // Gate 3 looks before each attempt then.
                None if self.source_bucket.abilities.refuses(Precondition::Delete) => {
                    DeleteRequest::Unconditional { object }
                }
                None => DeleteRequest::IfMatch { object, etag },
            });
        }
        let detail = format!(
            "{object} may be the version before one that was purged already; name the version in \
             the manifest's column version_id"
        );
        Err(RenameError::failed(Reason::VersionUnpinned, detail))
    }

    /// The version that is removed by its name, where one is. `null` names
    /// whatever was written last while versioning was off, so it pins nothing.
    fn purged_version<'a>(&self, source: &'a Original) -> Option<&'a VersionId> {
        let purge = self.task.options.versioned == VersionPolicy::Purge;
        let version = source.pinned.version.as_ref();
        version.filter(|version| purge && version.as_str() != "null")
    }

    /// Whether gate 3 looks at the source before the first attempt. A single
    /// copy of this attempt is short, and its delete is conditional: there it
    /// would be a request that need not be made.
    fn needs_recheck(&self, source: &Original, copy: &Copy) -> bool {
        // Only if the source is unchanged still, a copy that was found is another
        // object.
        copy.distinct.sighting().is_some()
            // Another object takes this one's place as soon as it is gone, and
            // another worker may just have done so.
            || !self.task.then().is_empty()
            || source.plan != CopyPlan::Single
            || self.lacks(Precondition::Delete)
            || self.lacks(Precondition::CopySource)
            || self.lacks(Precondition::PartSource)
    }

    /// Looks at the source once more. `None` while it is the inspected one, to
    /// the date: the same bytes, written again, are another object.
    pub(crate) async fn recheck(&self, source: &Original) -> Result<Option<Absence>, RenameError> {
        let looked = self.caller.call(Policy::READ, || self.look_again(source));
        Ok(looked.await?)
    }

    /// What a look right before the delete looks at: a version that is to be
    /// removed by its name is not missed because another one is current.
    fn deleted_scope<'a>(&self, source: &'a Original) -> HeadScope<'a> {
        HeadScope {
            version: self.purged_version(source),
            part: None,
        }
    }

    /// Whether the copy that was found is still the object that was compared:
    /// if it is another one by now, the comparison is worth nothing.
    async fn is_still_there(&self, seen: &Sighting) -> StoreResult<bool> {
        let object = self.task.destination();
        match self.store.head(object, HeadScope::default()).await {
            Ok(head) => Ok(Sighting::of(&head) == *seen),
            Err(error) if error.class() == ErrorClass::NotFound => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// One request of [`Attempt::recheck`].
    pub(crate) async fn look_again(&self, source: &Original) -> StoreResult<Option<Absence>> {
        let object = &source.pinned.object;
        let absent = |reason, what: &str, instead: Option<&ObjectHead>| {
            let detail = format!("{object} was {what} while it was being renamed");
            Ok(Some(Absence {
                reason,
                detail,
                instead: instead.map(Sighting::of),
            }))
        };
        match self.store.head(object, self.deleted_scope(source)).await {
            Ok(head)
                if head.etag == source.pinned.etag && head.version == source.pinned.version =>
            {
                match source.written {
                    Written::Seen(at) if head.modified == at => Ok(None),
                    Written::Seen(_) => absent(Reason::SourceChanged, "replaced", Some(&head)),
                    Written::Unseen => Ok(self.perhaps_rewritten(&head)),
                }
            }
            Ok(head) => absent(Reason::SourceChanged, "replaced", Some(&head)),
            Err(error) if error.class() == ErrorClass::NotFound => {
                absent(Reason::SourceMissing, "deleted", None)
            }
            Err(other) => Err(other),
        }
    }

    /// Nobody saw the source's date before. An object with its tag is taken for
    /// it only if it is known to be older than the task.
    fn perhaps_rewritten(&self, head: &ObjectHead) -> Option<Absence> {
        if self.earliest_sent().is_some() && head.modified.is_some() {
            return self.rewritten(head);
        }
        let detail = format!(
            "nobody knows whether {} was written again since the task was sent",
            self.task.source()
        );
        Some(Absence::new(Reason::SourceRewritten, detail))
    }

    /// The copy is verified, but the object under the source's key is not its
    /// source any more. Gone is done; another object stays, and is reported.
    fn source_is_not_there(
        &self,
        absence: &Absence,
        renamed: Finished,
    ) -> Result<Finished, RenameError> {
        if absence.reason == Reason::SourceMissing {
            return Ok(renamed);
        }
        let detail = format!(
            "{}; the new object stays there, and the copy of the earlier one is at {}",
            absence.detail,
            self.task.destination()
        );
        Err(RenameError::failed(absence.reason, detail))
    }
}
