//! What a lifecycle rule will do to an object, as the answers about it say.

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use rebucket_protocol::Timestamp;

/// When a lifecycle rule expires an object (`x-amz-expiration`, API reference
/// of `HeadObject`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiration {
    /// The midnight after which it may be gone.
    pub date: Timestamp,
    /// The rule's id, with what no header can carry as `%XX`.
    pub rule: String,
}

impl Expiration {
    /// Reads `expiry-date="Fri, 21 Dec 2012 00:00:00 GMT", rule-id="a%20rule"`.
    /// `None` for anything that has no date: it tells nothing.
    #[must_use]
    pub fn parse(header: &str) -> Option<Self> {
        let value = |name: &str| {
            let (_, rest) = header.split_once(&format!("{name}=\""))?;
            Some(rest.split_once('"')?.0)
        };
        let date = DateTime::from_str(value("expiry-date")?, Format::HttpDate).ok()?;
        Some(Self {
            date: Timestamp::from_unix(date.secs(), 0)?,
            rule: value("rule-id").unwrap_or_default().to_owned(),
        })
    }

    /// True for an object that expires before another one does, which may be
    /// never.
    #[must_use]
    pub fn comes_before(&self, other: Option<&Self>) -> bool {
        other.is_none_or(|other| self.date < other.date)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_header_is_read() {
        let header = r#"expiry-date="Fri, 21 Dec 2012 00:00:00 GMT", rule-id="a%20rule""#;
        let read = Expiration::parse(header).unwrap();
        assert_eq!(read.date.to_string(), "2012-12-21T00:00:00Z");
        assert_eq!(read.rule, "a%20rule");
        let swapped = r#"rule-id="x", expiry-date="Fri, 21 Dec 2012 00:00:00 GMT""#;
        assert_eq!(Expiration::parse(swapped).unwrap().rule, "x");
        for none in ["", "NotImplemented", r#"expiry-date="soon", rule-id="x""#] {
            assert_eq!(Expiration::parse(none), None, "{none}");
        }
    }

    #[test]
    fn an_object_that_expires_does_so_before_one_that_never_does() {
        let on = |day: i64| Expiration {
            date: Timestamp::from_unix(day * 86_400, 0).unwrap(),
            rule: "x".to_owned(),
        };
        assert!(on(9).comes_before(None));
        assert!(on(9).comes_before(Some(&on(10))));
        assert!(!on(9).comes_before(Some(&on(9))));
        assert!(!on(9).comes_before(Some(&on(8))));
    }
}
