//! Points in time, as RFC 3339 in UTC.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use time::format_description::well_known::Rfc3339;
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

/// A point in time, written as RFC 3339 in UTC (`2026-11-20T10:00:00Z`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(OffsetDateTime);

/// The first and the last time that RFC 3339 can write.
const EARLIEST: OffsetDateTime = in_utc(0, Month::January, 1, Time::MIDNIGHT);
const LATEST: OffsetDateTime = in_utc(9999, Month::December, 31, Time::MAX);

const fn in_utc(year: i32, month: Month, day: u8, time: Time) -> OffsetDateTime {
    match Date::from_calendar_date(year, month, day) {
        Ok(date) => PrimitiveDateTime::new(date, time).assume_utc(),
        Err(_) => OffsetDateTime::UNIX_EPOCH,
    }
}

/// Why a string is not a timestamp.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a time such as 2026-11-20T10:00:00Z, found {0:?}")]
pub struct TimestampError(String);

impl Timestamp {
    /// The current time of the machine's clock, to the millisecond.
    #[must_use]
    pub fn now() -> Self {
        let now = OffsetDateTime::from(SystemTime::now());
        Self(now.replace_millisecond(now.millisecond()).unwrap_or(now))
    }

    /// From seconds and nanoseconds since the Unix epoch; `None` outside the
    /// years that RFC 3339 can write.
    #[must_use]
    pub fn from_unix(seconds: i64, nanos: u32) -> Option<Self> {
        let at = OffsetDateTime::from_unix_timestamp(seconds).ok()?;
        let at = at.replace_nanosecond(nanos).ok()?;
        (0..=9999).contains(&at.year()).then_some(Self(at))
    }

    /// From milliseconds since the Unix epoch, as SQS's `SentTimestamp` is.
    #[must_use]
    pub fn from_unix_millis(millis: i64) -> Option<Self> {
        let nanos = u32::try_from(millis.rem_euclid(1000)).ok()? * 1_000_000;
        Self::from_unix(millis.div_euclid(1000), nanos)
    }

    /// Whole seconds since the Unix epoch, rounded down.
    #[must_use]
    pub fn unix_seconds(&self) -> i64 {
        self.0.unix_timestamp()
    }

    /// The fraction of the second, in nanoseconds.
    #[must_use]
    pub fn subsec_nanos(&self) -> u32 {
        self.0.nanosecond()
    }

    /// The next whole second, or this one when it is whole already.
    #[must_use]
    pub fn ceil_second(&self) -> Self {
        match self.subsec_nanos() {
            0 => *self,
            _ => Self::from_unix(self.unix_seconds() + 1, 0).unwrap_or(*self),
        }
    }

    /// This time less `by`, saturating at the earliest time that can be
    /// written.
    #[must_use]
    pub fn saturating_sub(&self, by: Duration) -> Self {
        let by = time::Duration::try_from(by).unwrap_or(time::Duration::MAX);
        Self(self.0.saturating_sub(by).max(EARLIEST))
    }

    /// This time and `by`, saturating at the latest time that can be written.
    #[must_use]
    pub fn saturating_add(&self, by: Duration) -> Self {
        let by = time::Duration::try_from(by).unwrap_or(time::Duration::MAX);
        Self(self.0.saturating_add(by).min(LATEST))
    }

    /// True when this time and another are less than `span` apart.
    #[must_use]
    pub fn is_within(&self, span: Duration, other: Self) -> bool {
        (self.0 - other.0).unsigned_abs() < span
    }

    /// How many seconds this time is after another, by whole seconds of both;
    /// negative when it is before.
    #[must_use]
    pub fn seconds_since(&self, earlier: Self) -> i64 {
        self.unix_seconds() - earlier.unix_seconds()
    }

    /// How long until this time, by the machine's clock; zero when it has
    /// passed.
    #[must_use]
    pub fn until(&self) -> Duration {
        Duration::try_from(self.0 - OffsetDateTime::from(SystemTime::now())).unwrap_or_default()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Infallible for the years the constructors admit; a name beats a panic.
        f.write_str(
            &self
                .0
                .format(&Rfc3339)
                .unwrap_or_else(|_| "unrepresentable".into()),
        )
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Timestamp {
    type Error = TimestampError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match OffsetDateTime::parse(&text, &Rfc3339) {
            // The ends of the calendar may not have an equal in UTC.
            Ok(at) => match at.checked_to_offset(time::UtcOffset::UTC) {
                Some(at) if (0..=9999).contains(&at.year()) => Ok(Self(at)),
                _ => Err(TimestampError(text)),
            },
            Err(_) => Err(TimestampError(text)),
        }
    }
}

impl From<Timestamp> for String {
    fn from(at: Timestamp) -> Self {
        at.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        let at = Timestamp::try_from("2026-11-20T12:00:00+02:00".to_owned()).unwrap();
        assert_eq!(at.to_string(), "2026-11-20T10:00:00Z");
        for text in [
            "yesterday",
            "9999-12-31T23:59:59-01:00",
            "0000-01-01T00:00:00+01:00",
        ] {
            assert!(Timestamp::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn every_time_that_is_computed_can_be_written() {
        let at = Timestamp::from_unix(0, 0).unwrap();
        let (first, last) = (
            at.saturating_sub(Duration::MAX),
            at.saturating_add(Duration::MAX),
        );
        assert_eq!(first.to_string(), "0000-01-01T00:00:00Z");
        assert_eq!(last.to_string(), "9999-12-31T23:59:59.999999999Z");
        assert_eq!(last.ceil_second(), last);
        for at in [first, last] {
            assert_eq!(Timestamp::try_from(at.to_string()), Ok(at));
        }
    }

    #[test]
    fn seconds_are_rounded_up_only_when_broken() {
        let whole = Timestamp::from_unix(1_700_000_000, 0).unwrap();
        assert_eq!(whole.ceil_second(), whole);
        let broken = Timestamp::from_unix_millis(1_700_000_000_001).unwrap();
        assert_eq!(
            broken.ceil_second(),
            Timestamp::from_unix(1_700_000_001, 0).unwrap()
        );
    }
}
