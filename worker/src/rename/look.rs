//! Looks at keys besides the one that is renamed, is something there? And at
//! temporary keys, between the two legs of a rename.

use rebucket_protocol::{Leg, ObjectUri, Pins, Reason, Waiver};

use super::compare::{Comparison, compare_etags};
use super::distinct::Sighting;
use super::inspect::{Absence, contradiction};
use super::{Attempt, Delivery, RenameError, Renamer};
use crate::error::{ErrorClass, ServiceError};
use crate::retry::{CallError, Policy};
use crate::store::HeadScope;
use crate::store::object::ObjectHead;

impl Renamer {
    /// Whether there is still the object that the pins describe.
    ///
    /// # Errors
    /// [`ServiceError`] when that cannot be told, or not before the delivery
    /// is told to stop.
    pub async fn is_still(
        &self,
        object: &ObjectUri,
        pins: &Pins,
        delivery: &Delivery,
    ) -> Result<bool, ServiceError> {
        let head = self.look(object, delivery).await?;
        Ok(head.is_some_and(|head| contradiction(pins, &head).is_none()))
    }

    /// Whether there is any object.
    ///
    /// # Errors
    /// As of [`Renamer::is_still`].
    pub async fn is_there(
        &self,
        object: &ObjectUri,
        delivery: &Delivery,
    ) -> Result<bool, ServiceError> {
        Ok(self.look(object, delivery).await?.is_some())
    }

    async fn look(
        &self,
        object: &ObjectUri,
        delivery: &Delivery,
    ) -> Result<Option<ObjectHead>, ServiceError> {
        let head = || self.store.head(object, HeadScope::default());
        match self.caller(delivery).call(Policy::READ, head).await {
            Ok(head) => Ok(Some(head)),
            Err(CallError::Failed(error)) if error.class() == ErrorClass::NotFound => Ok(None),
            Err(CallError::Failed(error)) => Err(error),
            Err(CallError::Interrupted) => Err(told_to_stop("HeadObject", object)),
        }
    }
}

impl Attempt<'_> {
    /// Of a second leg: why the object at the temporary key is not what the
    /// first leg put there, if it is not.
    ///
    /// The key has the submission's id in it, so nobody else writes there but
    /// on purpose, and the first leg was the one to create the object there. A
    /// mark on the object itself would be a property that its source did not
    /// have. So what marks it is its date, which the first leg has passed on,
    /// where it was told; and its size and ETag. The ETag does not where the
    /// copy may be under another key than its source: then one of the two is no
    /// digest.
    pub(super) fn not_put_there(&self, head: &ObjectHead) -> Option<Absence> {
        let (via, pins) = (self.task.source(), &self.task.pins);
        let changed = |what: &str, is: &dyn std::fmt::Display, was: &dyn std::fmt::Display| {
            let source = self.task.row_source();
            Some(Absence {
                instead: Some(Sighting::of(head)),
                reason: Reason::SourceChanged,
                detail: format!(
                    "the object at the temporary key {via} has the {what} {is}, and that of {source}, \
                     which the first leg put there, {was}: somebody has replaced it"
                ),
            })
        };
        if let Some(size) = pins.size.filter(|size| *size != head.size) {
            return changed("size", &head.size, &size);
        }
        // The answer of a copy and that of a HEAD may round one date differently.
        if let (Some(arrived), Some(is)) = (self.task.arrived(), head.modified)
            && is.seconds_since(arrived).unsigned_abs() > 1
        {
            return changed("date", &is, &arrived);
        }
        let digests = self.source_bucket.abilities.etag_is_md5
            && !self.task.options.waive.contains(&Waiver::Encryption);
        let etag = pins.etag.as_ref().filter(|_| digests)?;
        match compare_etags(etag, &head.etag, &[&head.encryption]) {
            Comparison::Mismatch(_) => changed("ETag", &head.etag, etag),
            Comparison::Match | Comparison::NotComparable => None,
        }
    }

    /// Why there is nothing to rename, where the object was on its way. The
    /// temporary key is where it was last, so only then somebody else has
    /// removed it for sure.
    pub(super) fn on_its_way(&self, absence: Absence) -> Absence {
        if self.task.leg() != Some(Leg::In) || absence.reason != Reason::SourceMissing {
            return absence;
        }
        let (detail, source) = (absence.detail, self.task.row_source());
        Absence {
            instead: absence.instead,
            reason: Reason::TemporaryObjectGone,
            detail: format!(
                "{detail}, the temporary key to which the first leg took the object of {source}: \
                 somebody has removed it, or a lifecycle rule has; bring it back to that key from an \
                 older version or a backup, and try the row again"
            ),
        }
    }

    /// The failure of a rename whose object is neither here nor there.
    pub(super) fn nowhere(&self, absence: Absence) -> RenameError {
        let Absence { reason, detail, .. } = self.on_its_way(absence);
        if self.task.leg() == Some(Leg::Out) {
            let via = self.task.destination();
            let detail = format!("{detail}; nor is it at its temporary key {via}");
            return RenameError::failed(reason, detail);
        }
        RenameError::failed(reason, detail)
    }
}

/// What was to be done is left to another delivery.
pub(crate) fn told_to_stop(operation: &'static str, object: &ObjectUri) -> ServiceError {
    let (class, message) = (ErrorClass::Transient, "told to stop");
    ServiceError::local(operation, object, class, "Interrupted", message)
}
