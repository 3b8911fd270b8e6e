//! Conditional requests.

use super::object::bare;
use super::{ETag, ErrorCode, Object, S3Error, S3Result, Version};
use crate::clock::Millis;

/// The conditions of a read, or of the source of a copy. ETags may be quoted or
/// not, lists with commas, or `*`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadConditions {
    /// Only if the ETag is one of these.
    pub if_match: Option<String>,
    /// Only if it is none of these.
    pub if_none_match: Option<String>,
    /// Only if written after this second.
    pub if_modified_since: Option<Millis>,
    /// Only if not written after this second.
    pub if_unmodified_since: Option<Millis>,
}

/// The conditions of a write, on what is current under its key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteConditions {
    /// Only over an object of this ETag.
    pub if_match: Option<String>,
    /// `*`: only where no object is. S3 takes nothing else.
    pub if_none_match: Option<String>,
}

impl WriteConditions {
    /// `If-None-Match: *`.
    #[must_use]
    pub fn absent() -> Self {
        Self {
            if_none_match: Some("*".to_owned()),
            ..Self::default()
        }
    }
}

pub(super) fn etag_matches(condition: &str, etag: &ETag) -> bool {
    condition
        .split(',')
        .map(bare)
        .any(|c| c == "*" || c == etag.as_str())
}

impl ReadConditions {
    /// Evaluates them in the order of RFC 7232: an ETag, where one was sent,
    /// decides alone and its date is not looked at. A date of `If-Modified-Since`
    /// that is still to come is ignored.
    fn first_broken(&self, object: &Object, modified: Millis, now: Millis) -> Option<Broken> {
        match (&self.if_match, self.if_unmodified_since) {
            (Some(etags), _) => {
                if !etag_matches(etags, &object.etag) {
                    return Some(Broken::Failed("If-Match"));
                }
            }
            (None, Some(since)) if modified.seconds() > since.seconds() => {
                return Some(Broken::Failed("If-Unmodified-Since"));
            }
            (None, _) => {}
        }
        match (&self.if_none_match, self.if_modified_since) {
            (Some(etags), _) => {
                etag_matches(etags, &object.etag).then_some(Broken::Unchanged("If-None-Match"))
            }
            (None, Some(since)) if since.seconds() > now.seconds() => None,
            (None, Some(since)) => (modified.seconds() <= since.seconds())
                .then_some(Broken::Unchanged("If-Modified-Since")),
            (None, None) => None,
        }
    }

    /// For a read: what has not changed is 304.
    pub(super) fn check_read(
        &self,
        object: &Object,
        modified: Millis,
        now: Millis,
    ) -> S3Result<()> {
        match self.first_broken(object, modified, now) {
            None => Ok(()),
            Some(Broken::Failed(which)) => Err(S3Error::precondition(which)),
            Some(Broken::Unchanged(_)) => {
                let unchanged = S3Error::new(ErrorCode::NotModified, "Not Modified");
                Err(unchanged.with("ETag", &object.etag))
            }
        }
    }

    /// For the source of a copy or a rename: every broken condition is 412.
    /// `prefix` is that of its headers.
    pub(super) fn check_source(
        &self,
        prefix: &str,
        object: &Object,
        modified: Millis,
        now: Millis,
    ) -> S3Result<()> {
        match self.first_broken(object, modified, now) {
            None => Ok(()),
            Some(Broken::Failed(which) | Broken::Unchanged(which)) => {
                Err(S3Error::precondition(format_args!("{prefix}{which}")))
            }
        }
    }
}

enum Broken {
    Failed(&'static str),
    Unchanged(&'static str),
}

impl WriteConditions {
    /// Refuses what S3 takes of no write, whatever is there.
    pub(super) fn check_form(&self) -> S3Result<()> {
        match (&self.if_match, &self.if_none_match) {
            (Some(_), Some(_)) => Err(S3Error::not_implemented("If-Match,If-None-Match")),
            (Some(etag), None) if etag.trim() == "*" => Err(S3Error::not_implemented("If-Match")),
            (None, Some(etag)) if etag.trim() != "*" => {
                Err(S3Error::not_implemented("If-None-Match"))
            }
            _ => Ok(()),
        }
    }

    /// The header that was sent, once [`Self::check_form`] has passed.
    pub(super) fn header(&self) -> Option<&'static str> {
        match (&self.if_match, &self.if_none_match) {
            (Some(_), _) => Some("If-Match"),
            (None, Some(_)) => Some("If-None-Match"),
            (None, None) => None,
        }
    }

    /// Checks them against what is current under the key. A delete marker counts
    /// as nothing.
    pub(super) fn check(&self, key: &str, current: Option<&Version>) -> S3Result<()> {
        self.check_form()?;
        let object = current.and_then(|v| v.object.as_deref());
        if self.if_none_match.is_some() && object.is_some() {
            return Err(S3Error::precondition("If-None-Match"));
        }
        match (&self.if_match, object) {
            (Some(_), None) => Err(S3Error::no_such_key(key)),
            (Some(etag), Some(object)) if !etag_matches(etag, &object.etag) => {
                Err(S3Error::precondition("If-Match"))
            }
            _ => Ok(()),
        }
    }
}
