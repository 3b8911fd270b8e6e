//! The two ways in which S3 writes a date, both in whole seconds but for those
//! of Object Lock.

use time::OffsetDateTime;
use time::format_description::well_known::{Rfc2822, Rfc3339};

use crate::clock::Millis;

fn moment(at: Millis) -> OffsetDateTime {
    i64::try_from(at.seconds())
        .ok()
        .and_then(|s| OffsetDateTime::from_unix_timestamp(s).ok())
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn millis(date: OffsetDateTime) -> Option<Millis> {
    u64::try_from(date.unix_timestamp_nanos() / 1_000_000)
        .ok()
        .map(Millis)
}

/// `Wed, 21 Oct 2015 07:28:00 GMT`: in headers.
pub(in crate::http) fn http(at: Millis) -> String {
    let text = moment(at).format(&Rfc2822).unwrap_or_default();
    text.replace("+0000", "GMT")
}

/// `2015-10-21T07:28:00.000Z`: in bodies.
pub(in crate::http) fn iso(at: Millis) -> String {
    lock(Millis(at.seconds() * 1_000))
}

/// `2015-10-21T07:28:00.123Z`: of Object Lock, to the millisecond.
pub(in crate::http) fn lock(at: Millis) -> String {
    let text = moment(at).format(&Rfc3339).unwrap_or_default();
    text.replace('Z', &format!(".{:03}Z", at.0 % 1_000))
}

/// Either of them.
pub(in crate::http) fn parse(text: &str) -> Option<Millis> {
    OffsetDateTime::parse(text, &Rfc3339)
        .or_else(|_| OffsetDateTime::parse(text, &Rfc2822))
        .ok()
        .and_then(millis)
}
