//! Object Lock: retention and legal holds.

use super::{
    Bucket, DefaultRetention, ErrorCode, Object, ObjectRef, S3, S3Error, S3Result, VersionId,
};
use crate::clock::Millis;

/// How firmly a retention holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RetentionMode {
    /// Who may bypass it can delete.
    Governance,
    /// Nobody can.
    Compliance,
}

impl RetentionMode {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Governance => "GOVERNANCE",
            Self::Compliance => "COMPLIANCE",
        }
    }

    /// The mode of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Governance, Self::Compliance]
            .into_iter()
            .find(|m| m.as_str() == name)
    }
}

/// A version may not be deleted until then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// How firmly.
    pub mode: RetentionMode,
    /// Until when.
    pub until: Millis,
}

impl Object {
    /// Refuses a delete of this version while it is locked.
    pub(super) fn check_unlocked(&self, bypass: bool, now: Millis) -> S3Result<()> {
        let retained = self
            .retention
            .is_some_and(|r| r.until > now && !(bypass && r.mode == RetentionMode::Governance));
        if retained || self.legal_hold == Some(true) {
            return Err(S3Error::new(
                ErrorCode::AccessDenied,
                "Access Denied because object protected by object lock.",
            ));
        }
        Ok(())
    }
}

impl DefaultRetention {
    pub(super) fn from(self, now: Millis) -> Retention {
        Retention {
            mode: self.mode,
            until: now + self.period,
        }
    }
}

impl Bucket {
    fn check_lock(&self) -> S3Result<()> {
        if self.settings.object_lock {
            return Ok(());
        }
        Err(S3Error::request(
            "Bucket is missing Object Lock Configuration",
        ))
    }
}

fn nothing_set() -> S3Error {
    S3Error::new(
        ErrorCode::NoSuchObjectLockConfiguration,
        "The specified object does not have a ObjectLock configuration",
    )
}

impl S3 {
    /// `GetObjectRetention`.
    pub fn get_object_retention(&self, object: &ObjectRef, _now: Millis) -> S3Result<Retention> {
        let (bucket, found) = self.find(object)?;
        bucket.check_lock()?;
        found.object.retention.ok_or_else(nothing_set)
    }

    /// `PutObjectRetention`; `None` takes it away. Weakening one in force needs
    /// `bypass`, and one of COMPLIANCE cannot be weakened.
    pub fn put_object_retention(
        &mut self,
        object: &ObjectRef,
        retention: Option<Retention>,
        bypass: bool,
        now: Millis,
    ) -> S3Result<()> {
        let bucket = self.bucket_mut(&object.bucket)?;
        bucket.check_lock()?;
        if retention.is_some_and(|r| r.until <= now) {
            return Err(S3Error::argument(
                "The retain until date must be in the future!",
            ));
        }
        let version = bucket.locate(&object.key, object.version)?;
        let in_force = version
            .object
            .as_ref()
            .and_then(|o| o.retention)
            .filter(|r| r.until > now);
        if let Some(old) = in_force {
            let weaker = retention.is_none_or(|new| new.until < old.until || new.mode < old.mode);
            if weaker && !(bypass && old.mode == RetentionMode::Governance) {
                return Err(S3Error::new(
                    ErrorCode::AccessDenied,
                    "Access Denied because object protected by object lock.",
                ));
            }
        }
        bucket.change(object, |o| o.retention = retention)?;
        Ok(())
    }

    /// `GetObjectLegalHold`: whether it is on.
    pub fn get_object_legal_hold(&self, object: &ObjectRef, _now: Millis) -> S3Result<bool> {
        let (bucket, found) = self.find(object)?;
        bucket.check_lock()?;
        found.object.legal_hold.ok_or_else(nothing_set)
    }

    /// `PutObjectLegalHold`.
    pub fn put_object_legal_hold(
        &mut self,
        object: &ObjectRef,
        on: bool,
        _now: Millis,
    ) -> S3Result<Option<VersionId>> {
        let bucket = self.bucket_mut(&object.bucket)?;
        bucket.check_lock()?;
        bucket.change(object, |o| o.legal_hold = Some(on))
    }
}
