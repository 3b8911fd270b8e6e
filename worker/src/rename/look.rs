//! Looks at keys besides the one that is renamed: is something there?

use rebucket_protocol::{ObjectUri, Pins};

use super::inspect::contradiction;
use super::{Delivery, Renamer};
use crate::error::{ErrorClass, ServiceError};
use crate::retry::{CallError, Policy};
use crate::store::HeadScope;
use crate::store::object::ObjectHead;

impl Renamer {
    /// Whether there is an object.
    ///
    /// # Errors
    /// [`ServiceError`] when that cannot be told, or not before the delivery
    /// is told to stop.
    pub async fn is_there(
        &self,
        object: &ObjectUri,
        delivery: &Delivery,
    ) -> Result<bool, ServiceError> {
        Ok(self.look(object, delivery).await?.is_some())
    }

    /// Whether there is still the object that the pins describe.
    ///
    /// # Errors
    /// As [`Self::is_there`].
    pub async fn is_still(
        &self,
        object: &ObjectUri,
        pins: &Pins,
        delivery: &Delivery,
    ) -> Result<bool, ServiceError> {
        let head = self.look(object, delivery).await?;
        Ok(head.is_some_and(|head| contradiction(pins, &head).is_none()))
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

/// What was to be done is left to another delivery.
pub(crate) fn told_to_stop(operation: &'static str, object: &ObjectUri) -> ServiceError {
    let (class, message) = (ErrorClass::Transient, "told to stop");
    ServiceError::local(operation, object, class, "Interrupted", message)
}
