//! Lifecycle rules that expire objects, as far as answers tell of them.

use super::{S3, S3Result};
use crate::clock::Millis;

const DAY: u64 = 86_400_000;

/// A rule of a bucket. Nothing is ever removed by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpiryRule {
    /// Its name.
    pub id: String,
    /// Of which keys.
    pub prefix: String,
    /// How many days after an object was made.
    pub days: u64,
}

/// When an object expires, and by which rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiration {
    /// A midnight.
    pub date: Millis,
    /// The rule's name.
    pub rule: String,
}

impl S3 {
    /// Gives a bucket these rules, and no others.
    pub fn expire(&mut self, bucket: &str, rules: Vec<ExpiryRule>) -> S3Result<()> {
        self.bucket_mut(bucket)?.expiry = rules;
        Ok(())
    }

    /// When an object made at this time expires, by the rule that comes first.
    #[must_use]
    pub fn expiration(&self, bucket: &str, key: &str, made: Millis) -> Option<Expiration> {
        let rules = self.bucket(bucket)?.expiry.iter();
        let rules = rules.filter(|rule| key.starts_with(&rule.prefix));
        // S3 adds the days, and rounds up to the next midnight (User Guide,
        // "Lifecycle configuration elements").
        let expirations = rules.map(|rule| Expiration {
            date: Millis((made.0 + rule.days * DAY).next_multiple_of(DAY)),
            rule: rule.id.clone(),
        });
        expirations.min_by_key(|expiration| expiration.date)
    }
}
