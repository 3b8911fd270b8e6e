//! Entity tags: the pin that every copy and delete carries.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An entity tag, kept without its quotes.
///
/// Some servers leave the quotes out of a copy's result and put them into the
/// HEAD's answer, so comparison is by the tag inside. Never empty: a response
/// without a tag proves nothing, and must not become a value of this type.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ETag(String);

/// Why a string is not an entity tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ETagError {
    /// Nothing between the quotes, or nothing at all.
    #[error("the ETag is empty")]
    Empty,
    /// A quote inside the tag, or a character that a header cannot carry.
    #[error("the ETag {0:?} has a character that no ETag has")]
    Characters(String),
}

impl ETag {
    /// Takes a tag with or without its surrounding quotes.
    ///
    /// # Errors
    /// [`ETagError`] when the tag is empty or could not be sent in a header.
    pub fn new(raw: &str) -> Result<Self, ETagError> {
        let trimmed = raw.trim();
        let inner = trimmed
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .unwrap_or(trimmed);
        if inner.is_empty() {
            return Err(ETagError::Empty);
        }
        if !inner.chars().all(|c| c.is_ascii_graphic() && c != '"') {
            return Err(ETagError::Characters(raw.to_owned()));
        }
        Ok(Self(inner.to_owned()))
    }

    /// The tag as `If-Match` and its kin want it: quoted.
    #[must_use]
    pub fn to_header(&self) -> String {
        format!("\"{}\"", self.0)
    }

    /// The number of parts that the tag names (`...-12`), for an object made
    /// by a multipart upload. `None` for an object written in one piece.
    #[must_use]
    pub fn part_count(&self) -> Option<u32> {
        let (digest, parts) = self.0.rsplit_once('-')?;
        if digest.is_empty() {
            None
        } else {
            parts.parse().ok().filter(|n| *n > 0)
        }
    }

    /// True when the tag has the shape of an MD5 digest: 32 hexadecimal
    /// digits, with or without a part count. Only such tags can be compared
    /// across two objects; SSE-KMS and SSE-C tags look alike too, so the
    /// encryption decides as well.
    #[must_use]
    pub fn looks_like_md5(&self) -> bool {
        let digest = self
            .0
            .rsplit_once('-')
            .map_or(self.0.as_str(), |(digest, _)| digest);
        digest.len() == 32 && digest.bytes().all(|b| b.is_ascii_hexdigit())
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

impl fmt::Debug for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for ETag {
    type Error = ETagError;

    fn try_from(raw: String) -> Result<Self, Self::Error> {
        Self::new(&raw)
    }
}

impl From<ETag> for String {
    fn from(etag: ETag) -> Self {
        etag.to_header()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_do_not_matter() {
        let quoted = ETag::new("\"5d41402abc4b2a76b9719d911017c592\"").unwrap();
        let bare = ETag::new("5d41402abc4b2a76b9719d911017c592").unwrap();
        assert_eq!(quoted, bare);
        assert_eq!(bare.to_header(), "\"5d41402abc4b2a76b9719d911017c592\"");
    }

    #[test]
    fn an_empty_tag_cannot_exist() {
        for raw in ["", "\"\"", "  "] {
            assert_eq!(ETag::new(raw), Err(ETagError::Empty));
        }
        assert!(ETag::new("a\nb").is_err());
        assert!(ETag::new("a\"b").is_err());
    }

    #[test]
    fn part_count_is_read_from_the_suffix() {
        assert_eq!(
            ETag::new("d316408c159ea701ab954894bd3a92c2-2")
                .unwrap()
                .part_count(),
            Some(2)
        );
        assert_eq!(
            ETag::new("d316408c159ea701ab954894bd3a92c2")
                .unwrap()
                .part_count(),
            None
        );
        assert_eq!(ETag::new("x-0").unwrap().part_count(), None);
    }
}
