//! Rules that say which requests fail, and how.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::operation::{Operation, Service};

/// Whether a fault strikes before the request is applied, or after: then it
/// was carried out and its reply is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// The request is not applied.
    #[default]
    Before,
    /// The request is applied.
    After,
}

fn after() -> When {
    When::After
}

fn html() -> String {
    "text/html".to_owned()
}

fn page() -> String {
    "<html><body><h1>An answer from somewhere else</h1></body></html>".to_owned()
}

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// An error instead of the answer.
    Error {
        /// The HTTP status.
        status: u16,
        /// The service's error code.
        code: String,
        /// Before or after it is applied.
        #[serde(default)]
        when: When,
    },
    /// The connection is reset.
    Reset {
        /// Before or after it is applied.
        #[serde(default)]
        when: When,
    },
    /// `200 OK` with an `<Error>` in it, as S3 answers long copies.
    EmbeddedError {
        /// The error code.
        code: String,
        /// Before or after it is applied.
        #[serde(default)]
        when: When,
    },
    /// `200 OK` and no body.
    Empty {
        /// Before or after it is applied; after, if not said.
        #[serde(default = "after")]
        when: When,
    },
    /// An answer that the service did not give, but something before it: a proxy,
    /// a captive portal. No header says that it is the service's.
    Proxy {
        /// The HTTP status.
        status: u16,
        /// `Content-Type`.
        #[serde(default = "html")]
        content_type: String,
        /// The body, whatever it is.
        #[serde(default = "page")]
        body: String,
        /// Before or after the request is applied.
        #[serde(default)]
        when: When,
    },
    /// The right answer, but the end of its body is missing.
    Truncate {
        /// Bytes kept; half of them, if not said.
        #[serde(default)]
        keep: Option<usize>,
        /// The connection ends there, instead of the body being shorter.
        #[serde(default)]
        cut: bool,
    },
    /// Nothing happens for a while. Before: the request is applied late, even
    /// if the client has gone by then. After: its reply is late.
    Stall {
        /// Milliseconds.
        ms: u64,
        /// Before or after it is applied.
        #[serde(default)]
        when: When,
    },
    /// The body comes slowly.
    Slow {
        /// Bytes in a second.
        bytes_per_second: u64,
    },
    /// Entries of an SQS batch fail, the others do not.
    Entries {
        /// Which ones, counted from 0.
        positions: Vec<usize>,
        /// Their error code.
        code: String,
        /// Whether they are told that it was their own fault.
        #[serde(default)]
        sender_fault: bool,
        /// Before or after they are applied.
        #[serde(default)]
        when: When,
    },
}

impl Action {
    /// An error before the request is applied.
    #[must_use]
    pub fn error(status: u16, code: &str) -> Self {
        Self::Error {
            status,
            code: code.to_owned(),
            when: When::Before,
        }
    }

    /// A proxy's page, before the request is applied.
    #[must_use]
    pub fn proxy(status: u16) -> Self {
        Self::Proxy {
            status,
            content_type: html(),
            body: page(),
            when: When::Before,
        }
    }

    /// An error after the request was applied.
    #[must_use]
    pub fn lost_reply(status: u16, code: &str) -> Self {
        Self::Error {
            status,
            code: code.to_owned(),
            when: When::After,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error { status, code, when } => write!(f, "error {status} {code} {when}"),
            Self::Reset { when } => write!(f, "reset {when}"),
            Self::EmbeddedError { code, when } => write!(f, "embedded_error {code} {when}"),
            Self::Empty { when } => write!(f, "empty {when}"),
            Self::Proxy { status, when, .. } => write!(f, "proxy {status} {when}"),
            Self::Truncate { .. } => f.write_str("truncate"),
            Self::Stall { ms, when } => write!(f, "stall {ms} {when}"),
            Self::Slow { bytes_per_second } => write!(f, "slow {bytes_per_second}"),
            Self::Entries { code, when, .. } => write!(f, "entries {code} {when}"),
        }
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Before => "before",
            Self::After => "after",
        })
    }
}

/// Which requests a fault strikes. Every condition that is given must hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Only this service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
    /// Only these operations, by their names in the API.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<String>,
    /// Only this bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// Only keys that start like this; of a bulk delete, any of its keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Only copies and renames whose source, as `bucket/key`, starts like this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_prefix: Option<String>,
    /// Only this queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// How many matching requests pass first.
    #[serde(default)]
    pub skip: u64,
    /// How many are struck; nothing means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// The probability that a matching request is struck.
    #[serde(default = "certain")]
    pub probability: f64,
    /// Where its pseudo-random numbers start.
    #[serde(default)]
    pub seed: u64,
    /// Milliseconds from adding the rule until it begins.
    #[serde(default)]
    pub from_ms: u64,
    /// Milliseconds for which it lasts; nothing means for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_ms: Option<u64>,
    /// What happens to the requests struck.
    pub action: Action,
}

fn certain() -> f64 {
    1.0
}

impl Rule {
    /// A rule for every request.
    #[must_use]
    pub fn new(action: Action) -> Self {
        Self {
            service: None,
            operations: Vec::new(),
            bucket: None,
            prefix: None,
            source_prefix: None,
            queue: None,
            skip: 0,
            times: None,
            probability: 1.0,
            seed: 0,
            from_ms: 0,
            for_ms: None,
            action,
        }
    }

    /// A rule for one operation.
    #[must_use]
    pub fn on(operation: &str, action: Action) -> Self {
        let mut rule = Self::new(action);
        rule.operations.push(operation.to_owned());
        rule
    }

    /// Only keys that start like this.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = Some(prefix.to_owned());
        self
    }

    /// After so many matching requests have passed.
    #[must_use]
    pub fn skip(mut self, requests: u64) -> Self {
        self.skip = requests;
        self
    }

    /// So many times.
    #[must_use]
    pub fn times(mut self, requests: u64) -> Self {
        self.times = Some(requests);
        self
    }

    /// With a probability, and a seed for it.
    #[must_use]
    pub fn probability(mut self, probability: f64, seed: u64) -> Self {
        (self.probability, self.seed) = (probability, seed);
        self
    }

    /// For so long, from now on.
    #[must_use]
    pub fn lasting(mut self, time: Duration) -> Self {
        self.for_ms = Some(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        self
    }

    pub(super) fn matches(&self, operation: &Operation) -> bool {
        let is =
            |wanted: &Option<String>, found: &Option<String>| wanted.is_none() || wanted == found;
        let named = self.operations.is_empty() || self.operations.contains(&operation.name);
        let prefix = self.prefix.as_deref();
        let source = self.source_prefix.as_deref();
        named
            && self
                .service
                .is_none_or(|service| service == operation.service)
            && is(&self.bucket, &operation.bucket)
            && is(&self.queue, &operation.queue)
            && prefix.is_none_or(|p| operation.all_keys().any(|key| key.starts_with(p)))
            && source.is_none_or(|p| {
                operation
                    .source
                    .as_deref()
                    .is_some_and(|s| s.starts_with(p))
            })
    }
}

/// Reads one fault rule or a list of them.
///
/// # Errors
///
/// What is wrong with them, in words.
pub fn parse_rules(json: &[u8]) -> Result<Vec<Rule>, String> {
    let value: serde_json::Value =
        serde_json::from_slice(json).map_err(|error| error.to_string())?;
    // Not left to an untagged enum, which cannot say what is wrong.
    let rules = match value {
        serde_json::Value::Array(rules) => rules,
        one => vec![one],
    };
    let read = |rule| serde_json::from_value(rule).map_err(|error| error.to_string());
    rules.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn rules_are_read_strictly() {
        let rule = r#"{"operations":["CopyObject"],"times":3,
                       "action":{"kind":"error","status":503,"code":"SlowDown","when":"after"}}"#;
        let rule: Rule = serde_json::from_str(rule).unwrap();
        assert_eq!(rule.action, Action::lost_reply(503, "SlowDown"));
        let misspelt = r#"{"operation":"CopyObject","action":{"kind":"reset"}}"#;
        assert!(serde_json::from_str::<Rule>(misspelt).is_err());
    }
}
