//! Object keys, and the one place where a copy source is encoded.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::{BucketName, VersionId};

/// The longest key: 1,024 bytes of UTF-8 (S3 limit, User Guide, "Naming
/// Amazon S3 objects").
pub const MAX_KEY_BYTES: usize = 1024;

/// Everything but `A-Za-z0-9-._~/` is encoded. A raw `+` may be read as a
/// space by the server, and a raw `?versionId=` inside a key would select a
/// version: both copy another object than the one that was named.
const COPY_SOURCE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// The key of an object: 1 to 1,024 bytes of UTF-8, taken literally.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectKey(String);

/// Why a string is not an object key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No key at all.
    #[error("the key is empty")]
    Empty,
    /// Over [`MAX_KEY_BYTES`].
    #[error("the key has {0} bytes of UTF-8, S3 allows 1,024")]
    TooLong(usize),
}

impl ObjectKey {
    /// Checks `key` and wraps it.
    ///
    /// # Errors
    /// [`KeyError`] when it is empty or over 1,024 bytes.
    pub fn new(key: impl Into<String>) -> Result<Self, KeyError> {
        let key = key.into();
        match key.len() {
            0 => Err(KeyError::Empty),
            1..=MAX_KEY_BYTES => Ok(Self(key)),
            len => Err(KeyError::TooLong(len)),
        }
    }

    /// The key as a string, not encoded.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl TryFrom<String> for ObjectKey {
    type Error = KeyError;

    fn try_from(key: String) -> Result<Self, Self::Error> {
        Self::new(key)
    }
}

impl From<ObjectKey> for String {
    fn from(key: ObjectKey) -> Self {
        key.0
    }
}

/// The value of `x-amz-copy-source`, encoded. The SDK sends this header as it
/// is given (facts 1.1), so no other string may be sent in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopySource(String);

impl CopySource {
    /// Encodes `bucket/key`, and the version when there is one to pin.
    #[must_use]
    pub fn new(bucket: &BucketName, key: &ObjectKey, version: Option<&VersionId>) -> Self {
        let key = utf8_percent_encode(key.as_str(), COPY_SOURCE);
        Self(match version {
            None => format!("{bucket}/{key}"),
            Some(version) => {
                let version = utf8_percent_encode(version.as_str(), COPY_SOURCE);
                format!("{bucket}/{key}?versionId={version}")
            }
        })
    }

    /// The header's value.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    use super::*;

    fn source(key: &str, version: Option<&str>) -> String {
        CopySource::new(
            &BucketName::new("bkt").unwrap(),
            &ObjectKey::new(key).unwrap(),
            version.map(|v| VersionId::new(v).unwrap()).as_ref(),
        )
        .as_str()
        .to_owned()
    }

    #[test]
    fn the_keys_that_lost_other_tools_their_data() {
        assert_eq!(source("c++", None), "bkt/c%2B%2B");
        assert_eq!(source("a b", None), "bkt/a%20b");
        assert_eq!(source("x?versionId=1", None), "bkt/x%3FversionId%3D1");
        assert_eq!(source("100%25", None), "bkt/100%2525");
        assert_eq!(source("é/😀", None), "bkt/%C3%A9/%F0%9F%98%80");
        assert_eq!(source("a", Some("v+1")), "bkt/a?versionId=v%2B1");
    }

    #[test]
    fn length_is_counted_in_bytes() {
        assert!(ObjectKey::new("é".repeat(512)).is_ok());
        assert_eq!(
            ObjectKey::new("é".repeat(513)),
            Err(KeyError::TooLong(1026))
        );
        assert_eq!(ObjectKey::new(""), Err(KeyError::Empty));
    }

    /// Any UTF-8 key of 1 to 1,024 bytes, weighted towards what breaks.
    fn any_key() -> impl Strategy<Value = String> {
        let nasty = prop::sample::select(vec![
            "+",
            " ",
            "%",
            "%2B",
            "?versionId=x",
            "#",
            "&",
            "/",
            "//",
            "./",
            "../",
            "\\",
            "\"",
            "'",
            "\n",
            "\u{1}",
            "\u{7f}",
            "é",
            "😀",
            "\u{202e}",
            "\u{fffe}",
            "~",
            "=",
            ":",
            "@",
            "*",
        ])
        .prop_map(str::to_owned);
        let any = any::<char>().prop_map(String::from);
        prop::collection::vec(prop_oneof![nasty, any], 1..400).prop_map(|pieces| {
            let mut key = pieces.concat();
            while key.len() > MAX_KEY_BYTES {
                key.pop();
            }
            key
        })
    }

    proptest! {
        #[test]
        fn encoding_is_lossless_and_only_safe_characters_remain(
            key in any_key(),
            version in prop::option::of("[A-Za-z0-9._+/=-]{1,64}"),
        ) {
            let encoded = source(&key, version.as_deref());
            let (path, query) = match encoded.split_once('?') {
                Some((path, query)) => (path, Some(query)),
                None => (encoded.as_str(), None),
            };
            let encoded_key = path.strip_prefix("bkt/").unwrap();
            prop_assert!(
                encoded_key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~/%".contains(&b)),
                "{encoded_key}"
            );
            prop_assert_eq!(percent_decode_str(encoded_key).decode_utf8().unwrap(), key.as_str());
            let sent = query.map(|q| q.strip_prefix("versionId=").unwrap());
            let decoded = sent.map(|v| percent_decode_str(v).decode_utf8().unwrap().into_owned());
            prop_assert_eq!(decoded, version);
        }
    }
}
