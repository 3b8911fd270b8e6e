//! From an object to its new place.

use rebucket_protocol::key::KeyError;
use rebucket_protocol::{ObjectKey, ObjectUri, S3Prefix};
use regex::Regex;

use crate::entry::Entry;
use crate::filter::{Filters, Unknown};
use crate::rewrite::Rule;
use crate::template::{MissingField, Template};

/// How keys are changed.
#[derive(Debug, Clone)]
pub enum Change {
    /// They are not; only their place is.
    Keep,
    /// By rules, each applied to what the one before it made.
    Rewrite(Vec<Rule>),
    /// By a template, where the pattern matches if there is one.
    Template {
        /// The template.
        template: Template,
        /// What a key must match, and whose groups the template uses.
        pattern: Option<Regex>,
    },
}

/// Which objects are renamed, and to what.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// Which objects are looked at.
    pub filters: Filters,
    /// How their keys are changed.
    pub change: Change,
    /// The bucket and folder that the new keys lie in, instead of the object's
    /// own bucket.
    pub to: Option<S3Prefix>,
}

/// What becomes of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mapped {
    /// It was filtered out.
    FilteredOut,
    /// No rule matches it: it stays.
    Unmatched,
    /// It is where it would go.
    Unchanged,
    /// It goes here.
    Changed(ObjectUri),
}

/// An object that cannot be mapped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowProblem {
    /// A range of sizes, and no size.
    #[error(
        "its size is not known; leave out --min-size and --max-size, or give a source with sizes"
    )]
    NoSize,
    /// A range of dates, and no date.
    #[error(
        "its date is not known; leave out --modified-since and --modified-before, or give a source with dates"
    )]
    NoDate,
    /// The template asks for something that it does not have.
    #[error(transparent)]
    Missing(#[from] MissingField),
    /// The new key is none.
    #[error("the new key cannot be used: {0}")]
    Key(#[from] KeyError),
}

impl Mapping {
    /// Where an object goes.
    ///
    /// # Errors
    /// [`RowProblem`] when that cannot be said, or is no key.
    pub fn map(&self, entry: &Entry) -> Result<Mapped, RowProblem> {
        let admitted = self
            .filters
            .admits(entry)
            .map_err(|unknown| match unknown {
                Unknown::Size => RowProblem::NoSize,
                Unknown::Date => RowProblem::NoDate,
            })?;
        if !admitted {
            return Ok(Mapped::FilteredOut);
        }
        let Some(key) = self.change.apply(entry)? else {
            return Ok(Mapped::Unmatched);
        };
        let destination = match &self.to {
            // An empty result is no name in a folder either.
            Some(_) if key.is_empty() => return Err(KeyError::Empty.into()),
            Some(to) => to.as_folder().object(&key)?,
            None => ObjectUri::new(entry.bucket.clone(), ObjectKey::new(key)?),
        };
        if destination.bucket == entry.bucket && destination.key == entry.key {
            return Ok(Mapped::Unchanged);
        }
        Ok(Mapped::Changed(destination))
    }
}

impl Change {
    /// The new key; `None` when nothing matches.
    fn apply(&self, entry: &Entry) -> Result<Option<String>, MissingField> {
        let key = entry.key.as_str();
        match self {
            Self::Keep => Ok(Some(key.to_owned())),
            Self::Rewrite(rules) => Ok(rules.iter().fold(None, |made: Option<String>, rule| {
                rule.apply(made.as_deref().unwrap_or(key)).or(made)
            })),
            Self::Template { template, pattern } => {
                let captures = match pattern {
                    None => None,
                    Some(pattern) => match pattern.captures(key) {
                        None => return Ok(None),
                        captures => captures,
                    },
                };
                template.render(entry, captures.as_ref()).map(Some)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rebucket_protocol::BucketName;

    use super::*;

    fn entry(key: &str) -> Entry {
        Entry::new(
            BucketName::new("bkt").unwrap(),
            ObjectKey::new(key).unwrap(),
        )
    }

    fn mapping(change: Change, to: Option<&str>) -> Mapping {
        Mapping {
            filters: Filters::default(),
            change,
            to: to.map(|to| to.parse().unwrap()),
        }
    }

    fn rules(rules: &[&str]) -> Change {
        Change::Rewrite(rules.iter().map(|rule| rule.parse().unwrap()).collect())
    }

    fn goes_to(mapping: &Mapping, key: &str) -> String {
        match mapping.map(&entry(key)) {
            Ok(Mapped::Changed(to)) => to.to_string(),
            Ok(other) => format!("{other:?}"),
            Err(problem) => problem.to_string(),
        }
    }

    #[test]
    fn rules_are_applied_in_order_and_what_none_changes_stays() {
        let mapping = mapping(
            rules(&["s|^a/|b/|", "s|^b/|c/|", "s|^z$|y|", "s|^y$|z|"]),
            None,
        );
        assert_eq!(goes_to(&mapping, "a/1"), "s3://bkt/c/1");
        assert_eq!(goes_to(&mapping, "b/1"), "s3://bkt/c/1");
        assert_eq!(goes_to(&mapping, "x"), "Unmatched");
        assert_eq!(goes_to(&mapping, "z"), "Unchanged");
    }

    #[test]
    fn results_can_go_elsewhere() {
        let keep = |to| mapping(Change::Keep, Some(to));
        assert_eq!(goes_to(&keep("s3://other"), "a/1"), "s3://other/a/1");
        assert_eq!(goes_to(&keep("s3://other/p"), "a/1"), "s3://other/p/a/1");
        assert_eq!(goes_to(&keep("s3://other/p/"), "a/1"), "s3://other/p/a/1");
        assert_eq!(goes_to(&keep("s3://bkt"), "a/1"), "Unchanged");
    }

    #[test]
    fn a_result_that_is_no_key_is_refused() {
        let empty = rules(&["s|^.*$||"]);
        for to in [None, Some("s3://other/p")] {
            let made = mapping(empty.clone(), to).map(&entry("a"));
            assert_eq!(made, Err(RowProblem::Key(KeyError::Empty)));
        }
        let long = mapping(rules(&["s|^|xxxx|"]), None);
        let fits = mapping(rules(&["s|^|x|"]), None);
        let key = "é".repeat(511) + "a";
        assert!(matches!(fits.map(&entry(&key)), Ok(Mapped::Changed(_))));
        assert_eq!(
            long.map(&entry(&key)),
            Err(RowProblem::Key(KeyError::TooLong(1027)))
        );
    }
}
