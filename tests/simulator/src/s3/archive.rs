//! Archived objects and their restoring.

use std::time::Duration;

use super::{ArchiveTier, ErrorCode, ObjectRef, Restore, S3, S3Error, S3Result, StorageClass};
use crate::clock::Millis;

/// `RestoreObject`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestoreRequest {
    /// What.
    pub object: ObjectRef,
    /// How long the copy stays once it is there, in days.
    pub days: u32,
    /// When it is there; `None` is after [`S3::restore_takes`].
    pub completes_at: Option<Millis>,
}

/// What a restore did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreOutcome {
    /// It began: status 202.
    Started,
    /// It was there already and now stays longer: status 200.
    Extended,
}

impl S3 {
    /// `RestoreObject`.
    pub fn restore_object(
        &mut self,
        request: &RestoreRequest,
        now: Millis,
    ) -> S3Result<RestoreOutcome> {
        let takes = self.restore_takes;
        let (_, found) = self.find(&request.object)?;
        let object = found.object;
        if !object.storage_class.is_archive() && object.archive_tier.is_none() {
            return Err(S3Error::new(
                ErrorCode::InvalidObjectState,
                "Restore is not allowed for the object's current storage class",
            ));
        }
        let old = object.restore.filter(|r| now < r.expires_at);
        if old.is_some_and(|r| now < r.completes_at) {
            return Err(S3Error::new(
                ErrorCode::RestoreAlreadyInProgress,
                "Object restore is already in progress",
            ));
        }
        let stays = Duration::from_secs(u64::from(request.days.max(1)) * 86_400);
        let outcome = if old.is_some() {
            RestoreOutcome::Extended
        } else {
            RestoreOutcome::Started
        };
        let completes_at = request.completes_at.unwrap_or(now + takes);
        let restore = Restore {
            completes_at: old.map_or(completes_at, |r| r.completes_at),
            expires_at: old.map_or(completes_at, |_| now) + stays,
        };
        self.bucket_mut(&request.object.bucket)?
            .change(&request.object, |o| o.restore = Some(restore))?;
        Ok(outcome)
    }

    /// Moves an object to another storage class in place, as a lifecycle rule
    /// does.
    pub fn transition(&mut self, object: &ObjectRef, to: StorageClass) -> S3Result<()> {
        self.bucket_mut(&object.bucket)?.change(object, |o| {
            o.storage_class = to;
            o.archive_tier = None;
            o.restore = None;
        })?;
        Ok(())
    }

    /// Lets an object sink into a tier of Intelligent-Tiering that must be
    /// restored from.
    pub fn sink(&mut self, object: &ObjectRef, tier: ArchiveTier) -> S3Result<()> {
        self.bucket_mut(&object.bucket)?.change(object, |o| {
            o.storage_class = StorageClass::IntelligentTiering;
            o.archive_tier = Some(tier);
            o.restore = None;
        })?;
        Ok(())
    }
}
