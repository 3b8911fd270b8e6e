//! Which objects are looked at: globs, sizes, dates.

use rebucket_protocol::Timestamp;

use crate::entry::Entry;
use crate::glob::Glob;

/// What the operator wants to see renamed. All of it must hold.
#[derive(Debug, Clone, Default)]
pub struct Filters {
    /// The key matches one of these, if there are any.
    pub include: Vec<Glob>,
    /// The key matches none of these.
    pub exclude: Vec<Glob>,
    /// The least size in bytes.
    pub min_size: Option<u64>,
    /// The greatest size in bytes, itself included.
    pub max_size: Option<u64>,
    /// Written at this time or later.
    pub since: Option<Timestamp>,
    /// Written before this time.
    pub before: Option<Timestamp>,
}

/// What a filter asks about and the source of keys does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// The size.
    Size,
    /// The date.
    Date,
}

impl Filters {
    /// Whether an object is let through.
    ///
    /// # Errors
    /// [`Unknown`] when there is a range for something that is not known of
    /// this object.
    pub fn admits(&self, entry: &Entry) -> Result<bool, Unknown> {
        let key = entry.key.as_str();
        let included = self.include.is_empty() || self.include.iter().any(|glob| glob.matches(key));
        if !included || self.exclude.iter().any(|glob| glob.matches(key)) {
            return Ok(false);
        }
        if self.min_size.is_some() || self.max_size.is_some() {
            let size = entry.size.ok_or(Unknown::Size)?;
            let too_small = self.min_size.is_some_and(|least| size < least);
            if too_small || self.max_size.is_some_and(|most| size > most) {
                return Ok(false);
            }
        }
        if self.since.is_some() || self.before.is_some() {
            let modified = entry.modified.ok_or(Unknown::Date)?;
            let too_old = self.since.is_some_and(|since| modified < since);
            if too_old || self.before.is_some_and(|before| modified >= before) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Reads a date (`2026-11-22`, the start of that day in UTC) or a time
/// (`2026-11-22T10:00:00Z`).
///
/// # Errors
/// What was expected, in the operator's words.
pub fn time(text: &str) -> Result<Timestamp, String> {
    let full = if text.len() == 10 {
        format!("{text}T00:00:00Z")
    } else {
        text.to_owned()
    };
    Timestamp::try_from(full).map_err(|_| {
        format!("expected a date such as 2026-11-22 or a time such as 2026-11-22T10:00:00Z, found {text:?}")
    })
}

#[cfg(test)]
mod tests {
    use rebucket_protocol::{BucketName, ObjectKey};

    use super::*;

    fn entry(key: &str) -> Entry {
        Entry {
            size: Some(10),
            modified: Some(time("2026-11-22T10:00:00Z").unwrap()),
            ..Entry::new(
                BucketName::new("bkt").unwrap(),
                ObjectKey::new(key).unwrap(),
            )
        }
    }

    #[test]
    fn every_condition_counts() {
        let globs = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let admits = |filters: &Filters, key| filters.admits(&entry(key)).unwrap();
        let filters = Filters {
            include: globs(&["a/*", "b/*"]),
            exclude: globs(&["*.tmp", "a/x*"]),
            ..Filters::default()
        };
        assert!(admits(&filters, "a/1") && admits(&filters, "b/1"));
        for key in ["c/1", "a/1.tmp", "a/x1"] {
            assert!(!admits(&filters, key), "{key}");
        }
        let sizes = |min_size, max_size| Filters {
            min_size,
            max_size,
            ..Filters::default()
        };
        assert!(admits(&sizes(Some(10), Some(10)), "k"));
        assert!(!admits(&sizes(Some(11), None), "k"));
        assert!(!admits(&sizes(None, Some(9)), "k"));
        let dates = |since: &str, before: &str| Filters {
            since: Some(time(since).unwrap()),
            before: Some(time(before).unwrap()),
            ..Filters::default()
        };
        assert!(admits(&dates("2026-11-22T10:00:00Z", "2026-11-23"), "k"));
        assert!(!admits(&dates("2026-11-23", "2026-11-24"), "k"));
        assert!(!admits(&dates("2026-11-01", "2026-11-22T10:00:00Z"), "k"));
    }

    #[test]
    fn a_range_needs_something_to_compare() {
        let bare = Entry::new(
            BucketName::new("bkt").unwrap(),
            ObjectKey::new("k").unwrap(),
        );
        let sized = Filters {
            min_size: Some(1),
            ..Filters::default()
        };
        assert_eq!(sized.admits(&bare), Err(Unknown::Size));
        let dated = Filters {
            before: Some(time("2026-11-22").unwrap()),
            ..Filters::default()
        };
        assert_eq!(dated.admits(&bare), Err(Unknown::Date));
        assert!(time("yesterday").is_err() && time("2026-13-01").is_err());
    }
}
