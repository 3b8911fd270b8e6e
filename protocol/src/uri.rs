//! `s3://bucket/key` URIs, taken literally: nothing in them is decoded.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::bucket::BucketNameError;
use crate::key::KeyError;
use crate::{BucketName, CopySource, ObjectKey, VersionId};

const SCHEME: &str = "s3://";

/// One object: a bucket and a key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectUri {
    /// The bucket that holds the object.
    pub bucket: BucketName,
    /// The key inside the bucket.
    pub key: ObjectKey,
}

/// Why a string is not an `s3://` URI.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// Does not start with `s3://`.
    #[error("expected s3://bucket/key, found {0:?}")]
    Scheme(String),
    /// The part before the first slash is no bucket name.
    #[error(transparent)]
    Bucket(#[from] BucketNameError),
    /// The part after the first slash is no key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A prefix over 1,024 bytes matches no key.
    #[error("the prefix has {0} bytes of UTF-8, S3 allows 1,024")]
    PrefixTooLong(usize),
}

impl ObjectUri {
    /// Joins a bucket and a key.
    #[must_use]
    pub fn new(bucket: BucketName, key: ObjectKey) -> Self {
        Self { bucket, key }
    }

    /// This object as the source of a copy, at `version` when there is one.
    #[must_use]
    pub fn copy_source(&self, version: Option<&VersionId>) -> CopySource {
        CopySource::new(&self.bucket, &self.key, version)
    }
}

impl FromStr for ObjectUri {
    type Err = UriError;

    fn from_str(uri: &str) -> Result<Self, Self::Err> {
        let rest = uri
            .strip_prefix(SCHEME)
            .ok_or_else(|| UriError::Scheme(shorten(uri)))?;
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        Ok(Self::new(BucketName::new(bucket)?, ObjectKey::new(key)?))
    }
}

impl TryFrom<String> for ObjectUri {
    type Error = UriError;

    fn try_from(uri: String) -> Result<Self, Self::Error> {
        uri.parse()
    }
}

impl From<ObjectUri> for String {
    fn from(uri: ObjectUri) -> Self {
        uri.to_string()
    }
}

impl fmt::Display for ObjectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.bucket, self.key)
    }
}

impl fmt::Debug for ObjectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A bucket and a literal key prefix, perhaps empty: what `--allow`,
/// `--scratch` and a report location name.
///
/// The prefix is compared byte for byte, like S3's own: `s3://b/logs` covers
/// `logs2/x` too, `s3://b/logs/` does not.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct S3Prefix {
    /// The bucket.
    pub bucket: BucketName,
    /// What every covered key starts with; empty for the whole bucket.
    pub prefix: String,
}

impl S3Prefix {
    /// True when `object` lies under this prefix.
    #[must_use]
    pub fn covers(&self, object: &ObjectUri) -> bool {
        self.bucket == object.bucket && object.key.as_str().starts_with(&self.prefix)
    }

    /// The object at this prefix followed by `suffix`.
    ///
    /// # Errors
    /// [`KeyError`] when the joined key is empty or too long.
    pub fn object(&self, suffix: &str) -> Result<ObjectUri, KeyError> {
        let key = ObjectKey::new(format!("{}{suffix}", self.prefix))?;
        Ok(ObjectUri::new(self.bucket.clone(), key))
    }

    /// The same prefix, ended by a slash unless it is empty or has one.
    #[must_use]
    pub fn as_folder(&self) -> Self {
        let mut folder = self.clone();
        if !folder.prefix.is_empty() && !folder.prefix.ends_with('/') {
            folder.prefix.push('/');
        }
        folder
    }
}

impl FromStr for S3Prefix {
    type Err = UriError;

    fn from_str(uri: &str) -> Result<Self, Self::Err> {
        let rest = uri
            .strip_prefix(SCHEME)
            .ok_or_else(|| UriError::Scheme(shorten(uri)))?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if prefix.len() > crate::key::MAX_KEY_BYTES {
            return Err(UriError::PrefixTooLong(prefix.len()));
        }
        Ok(Self {
            bucket: BucketName::new(bucket)?,
            prefix: prefix.to_owned(),
        })
    }
}

impl fmt::Display for S3Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.bucket, self.prefix)
    }
}

impl fmt::Debug for S3Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The first 80 characters, so that a message about a 4 MB field stays short.
fn shorten(text: &str) -> String {
    match text.char_indices().nth(80) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_is_taken_literally() {
        for key in [
            "a",
            "a b+c%20d",
            "/leading",
            "a//b",
            "q?x#y&z",
            "é/😀",
            "tail/",
        ] {
            let uri: ObjectUri = format!("s3://bkt/{key}").parse().unwrap();
            assert_eq!((uri.bucket.as_str(), uri.key.as_str()), ("bkt", key));
            assert_eq!(uri.to_string(), format!("s3://bkt/{key}"));
        }
    }

    #[test]
    fn what_is_not_an_object_is_refused() {
        for uri in [
            "",
            "bkt/a",
            "s3:/bkt/a",
            "s3://bkt",
            "s3://bkt/",
            "s3:///a",
            "S3://bkt/a",
        ] {
            assert!(uri.parse::<ObjectUri>().is_err(), "{uri} was accepted");
        }
    }

    #[test]
    fn a_prefix_covers_by_bytes_and_by_bucket() {
        let allow: S3Prefix = "s3://bkt/logs/".parse().unwrap();
        let covers = |uri: &str| allow.covers(&uri.parse().unwrap());
        assert!(covers("s3://bkt/logs/x"));
        assert!(!covers("s3://bkt/logs2/x"));
        assert!(!covers("s3://other/logs/x"));
        let whole: S3Prefix = "s3://bkt".parse().unwrap();
        assert!(whole.covers(&"s3://bkt/anything".parse().unwrap()));
    }
}
