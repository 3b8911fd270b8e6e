//! When buckets were created: by that, two stores with buckets of the same
//! names are told apart. Addresses tell nothing, for one store may have many.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{BucketName, Timestamp};

/// Some stores cut dates to whole seconds, in one answer or in all.
const PRECISION: Duration = Duration::from_secs(1);

/// The creation dates of buckets, as far as their store tells them. Clones
/// share them: every message of a job has the same ones to choose from.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(
    from = "BTreeMap<BucketName, Timestamp>",
    into = "BTreeMap<BucketName, Timestamp>"
)]
pub struct CreationDates(Arc<BTreeMap<BucketName, Timestamp>>);

/// A bucket that was created at two times: there are two, in two stores, or
/// one was deleted and made anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherBucket {
    /// The name of both.
    pub bucket: BucketName,
    /// When the one was created that is meant.
    pub meant: Timestamp,
    /// When the one was created that is there.
    pub found: Timestamp,
}

impl CreationDates {
    /// True when no date is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The date of one bucket, if it is known.
    #[must_use]
    pub fn get(&self, bucket: &BucketName) -> Option<Timestamp> {
        self.0.get(bucket).copied()
    }

    /// The buckets with their dates, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&BucketName, Timestamp)> {
        self.0.iter().map(|(bucket, date)| (bucket, *date))
    }

    /// These dates, and those of `others` for all further buckets.
    #[must_use]
    pub fn or(&self, others: &Self) -> Self {
        others.iter().chain(self.iter()).collect()
    }

    /// The first bucket that was created at another time according to `found`.
    /// One that either does not know is no difference.
    #[must_use]
    pub fn difference(&self, found: &Self) -> Option<OtherBucket> {
        self.iter().find_map(|(bucket, meant)| {
            let found = found.get(bucket)?;
            let other = !meant.is_within(PRECISION, found);
            other.then(|| OtherBucket {
                bucket: bucket.clone(),
                meant,
                found,
            })
        })
    }
}

impl<'a> FromIterator<(&'a BucketName, Timestamp)> for CreationDates {
    fn from_iter<I: IntoIterator<Item = (&'a BucketName, Timestamp)>>(dates: I) -> Self {
        let dates = dates.into_iter();
        Self::from(
            dates
                .map(|(bucket, date)| (bucket.clone(), date))
                .collect::<BTreeMap<_, _>>(),
        )
    }
}

impl From<BTreeMap<BucketName, Timestamp>> for CreationDates {
    fn from(dates: BTreeMap<BucketName, Timestamp>) -> Self {
        Self(Arc::new(dates))
    }
}

impl From<CreationDates> for BTreeMap<BucketName, Timestamp> {
    fn from(dates: CreationDates) -> Self {
        Arc::unwrap_or_clone(dates.0)
    }
}

impl fmt::Debug for CreationDates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dates(all: &[(&str, i64)]) -> CreationDates {
        let dates = all.iter().map(|(bucket, millis)| {
            let bucket = BucketName::new(*bucket).unwrap();
            (bucket, Timestamp::from_unix_millis(*millis).unwrap())
        });
        CreationDates::from(dates.collect::<BTreeMap<_, _>>())
    }

    #[test]
    fn a_bucket_is_another_one_when_it_was_created_a_second_earlier_or_later() {
        let meant = dates(&[("aaa", 5_900), ("bbb", 10_000)]);
        for same in [5_900, 5_000, 6_899, 4_901] {
            assert_eq!(meant.difference(&dates(&[("aaa", same)])), None, "{same}");
        }
        for other in [4_900, 6_900, 86_405_900] {
            let found = dates(&[("aaa", other)]);
            let difference = meant.difference(&found).unwrap();
            assert_eq!(difference.bucket.as_str(), "aaa");
            assert_eq!(Some(difference.found), found.get(&difference.bucket));
            assert_eq!(Some(difference.meant), meant.get(&difference.bucket));
        }
    }

    #[test]
    fn what_one_of_two_does_not_know_is_no_difference() {
        let meant = dates(&[("aaa", 5_000)]);
        assert_eq!(meant.difference(&dates(&[("bbb", 9_000)])), None);
        assert_eq!(meant.difference(&CreationDates::default()), None);
        assert_eq!(CreationDates::default().difference(&meant), None);
    }

    #[test]
    fn known_dates_stay_when_others_are_added() {
        let both = dates(&[("aaa", 1_000)]).or(&dates(&[("aaa", 2_000), ("bbb", 3_000)]));
        assert_eq!(both, dates(&[("aaa", 1_000), ("bbb", 3_000)]));
    }
}
