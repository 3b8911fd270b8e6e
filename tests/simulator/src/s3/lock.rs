//! Object Lock: retention and legal holds.

use std::time::Duration;

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

/// How long a version is retained after its event hold was released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldPeriod {
    /// Days, 1 to 36,500.
    Days(u32),
    /// Years, 1 to 100.
    Years(u32),
}

impl HoldPeriod {
    /// The period in milliseconds. A year has 365 days here.
    #[must_use]
    pub fn length(self) -> Duration {
        let days = match self {
            Self::Days(days) => u64::from(days),
            Self::Years(years) => u64::from(years) * 365,
        };
        Duration::from_secs(days * 86_400)
    }
}

/// An event hold: nobody deletes the version while it is on. Modelled after the
/// documentation of its headers alone; what AWS does with a hold that has no
/// mode is not recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventHold {
    /// Whether it is on.
    pub on: bool,
    /// How long the version is retained after the release.
    pub then: Option<HoldPeriod>,
}

impl EventHold {
    /// One that is on.
    #[must_use]
    pub fn on(then: HoldPeriod) -> Self {
        Self {
            on: true,
            then: Some(then),
        }
    }
}

/// What `GetObjectRetention` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionAnswer {
    /// Mode and date, if there are any.
    pub retention: Option<Retention>,
    /// The event hold, if one was ever set.
    pub event_hold: Option<EventHold>,
}

impl Object {
    /// Refuses a delete of this version while it is locked.
    pub(super) fn check_unlocked(&self, bypass: bool, now: Millis) -> S3Result<()> {
        let retained = self
            .retention
            .is_some_and(|r| r.until > now && !(bypass && r.mode == RetentionMode::Governance));
        let held = self.event_hold.is_some_and(|hold| hold.on);
        if retained || held || self.legal_hold == Some(true) {
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
    pub fn get_object_retention(
        &self,
        object: &ObjectRef,
        _now: Millis,
    ) -> S3Result<RetentionAnswer> {
        let (bucket, found) = self.find(object)?;
        bucket.check_lock()?;
        let (retention, event_hold) = (found.object.retention, found.object.event_hold);
        if retention.is_none() && event_hold.is_none() {
            return Err(nothing_set());
        }
        Ok(RetentionAnswer {
            retention,
            event_hold,
        })
    }

    /// `PutObjectRetention` of an event hold. Its release begins the period
    /// that it names, where the object has a mode.
    pub fn put_object_event_hold(
        &mut self,
        object: &ObjectRef,
        hold: EventHold,
        now: Millis,
    ) -> S3Result<()> {
        let bucket = self.bucket_mut(&object.bucket)?;
        bucket.check_lock()?;
        bucket.change(object, |o| {
            let released = o.event_hold.filter(|was| was.on && !hold.on);
            if let (Some(retention), Some(period)) =
                (&mut o.retention, released.and_then(|was| was.then))
            {
                retention.until = retention.until.max(now + period.length());
            }
            o.event_hold = Some(hold);
        })?;
        Ok(())
    }

    /// `PutObjectRetention`; `None` takes it away. One in force can be prolonged.
    /// Anything else needs `bypass`, another mode too, and is not possible with
    /// COMPLIANCE.
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
            let prolonged =
                retention.is_some_and(|new| new.until >= old.until && new.mode == old.mode);
            let bypassed = bypass && old.mode == RetentionMode::Governance;
            if !prolonged && !bypassed {
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
