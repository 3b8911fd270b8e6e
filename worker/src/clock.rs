//! Clocks of services, as the `Date` of their answers shows them.
//!
//! Dates of objects are by the store's clock. So what is compared with them is
//! by that clock, too: when a job began, when a message was sent, whether a
//! retention is over. The clock of this machine decides nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::DateTime;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::date_time::Format;
use rebucket_protocol::Timestamp;
use tokio::time::Instant;

/// A `Date` has whole seconds, so two clocks that agree show times up to this
/// far apart, in seconds.
const READING_ERROR: i64 = 1;

/// Clocks of two services that are further apart than this are not worked
/// with. S3 itself refuses requests that are 15 minutes off
/// (`RequestTimeTooSkewed`, S3 API reference, "Error responses").
pub const MOST_APART: Duration = Duration::from_mins(5);

/// The clock of one service. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct ServiceClock(Arc<Mutex<Option<(Timestamp, Instant)>>>);

impl ServiceClock {
    /// An answer that has just come was dated so.
    pub fn heard(&self, date: Timestamp) {
        let mut reading = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *reading = Some((date, Instant::now()));
    }

    /// The service's time, or up to a second and an answer's way earlier;
    /// `None` before any answer had a date.
    #[must_use]
    pub fn now(&self) -> Option<Timestamp> {
        let reading = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reading.map(|(date, since)| date.saturating_add(since.elapsed()))
    }
}

impl Intercept for ServiceClock {
    fn name(&self) -> &'static str {
        "ServiceClock"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|text| DateTime::from_str(text, Format::HttpDate).ok());
        if let Some(date) = date.and_then(|at| Timestamp::from_unix(at.secs(), 0)) {
            self.heard(date);
        }
        Ok(())
    }
}

/// The clocks of two services are too far apart to compare their times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the store's clock shows {store} where the {other}'s shows {theirs}: what was written before \
     and after the job began could not be told apart; set the clock that is wrong"
)]
pub struct ClocksApart {
    store: Timestamp,
    other: &'static str,
    theirs: Timestamp,
}

/// Refuses clocks that are further apart than [`MOST_APART`]. A service that
/// does not date its answers has none to compare.
///
/// # Errors
/// [`ClocksApart`].
pub fn refuse_apart(
    store: Option<Timestamp>,
    other: &'static str,
    theirs: Option<Timestamp>,
) -> Result<(), ClocksApart> {
    let (Some(store), Some(theirs)) = (store, theirs) else {
        return Ok(());
    };
    if store.seconds_since(theirs).unsigned_abs() > MOST_APART.as_secs() {
        return Err(ClocksApart {
            store,
            other,
            theirs,
        });
    }
    Ok(())
}

/// A time by one clock as another clock would have shown it, given what both
/// show now. Where they differ, rather too early than too late: what was
/// written at a doubtful time is then taken for new, which deletes nothing.
#[must_use]
pub fn translated(at: Timestamp, from: Option<Timestamp>, to: Option<Timestamp>) -> Timestamp {
    let (Some(from), Some(to)) = (from, to) else {
        return at;
    };
    let apart = to.seconds_since(from);
    if apart.abs() <= READING_ERROR {
        return at;
    }
    let by = |seconds: i64| Duration::from_secs(seconds.unsigned_abs());
    match apart - READING_ERROR {
        later if later >= 0 => at.saturating_add(by(later)),
        earlier => at.saturating_sub(by(earlier)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(1_790_000_000 + seconds, 0).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_goes_on_from_the_last_answer() {
        let clock = ServiceClock::default();
        assert_eq!(clock.now(), None);
        clock.heard(at(0));
        tokio::time::advance(Duration::from_secs(7)).await;
        assert_eq!(clock.now(), Some(at(7)));
        clock.heard(at(3));
        assert_eq!(clock.now(), Some(at(3)));
    }

    #[test]
    fn clocks_that_agree_leave_a_time_as_it_is() {
        for to in [-1, 0, 1] {
            assert_eq!(translated(at(5), Some(at(0)), Some(at(to))), at(5));
        }
        assert_eq!(translated(at(5), None, Some(at(60))), at(5));
        assert_eq!(translated(at(5), Some(at(60)), None), at(5));
    }

    #[test]
    fn a_time_is_translated_rather_too_early_than_too_late() {
        assert_eq!(translated(at(5), Some(at(0)), Some(at(60))), at(64));
        assert_eq!(translated(at(5), Some(at(60)), Some(at(0))), at(-56));
    }

    #[test]
    fn clocks_more_than_five_minutes_apart_are_refused() {
        assert_eq!(refuse_apart(Some(at(0)), "queue", Some(at(300))), Ok(()));
        assert_eq!(refuse_apart(None, "queue", Some(at(9_999))), Ok(()));
        for theirs in [301, -301] {
            assert!(refuse_apart(Some(at(0)), "queue", Some(at(theirs))).is_err());
        }
    }
}
