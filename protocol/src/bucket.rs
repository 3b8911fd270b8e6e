//! Bucket names.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of an S3 bucket.
///
/// Three to 255 characters of letters, digits, `.`, `-` and `_`, with a letter
/// or digit at both ends. That is wider than today's rule for new buckets (63
/// lower-case characters), because old buckets and other stores have names
/// from before it. Aliases that S3 gives to other things than buckets are none.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BucketName(String);

/// Why a string is not a bucket name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BucketNameError {
    /// Shorter than 3 or longer than 255 characters.
    #[error("a bucket name has 3 to 255 characters, this one has {0}")]
    Length(usize),
    /// A character that no bucket name has, or a `.`, `-` or `_` at an end.
    #[error(
        "a bucket name has only letters, digits, '.', '-' and '_', and starts and ends \
         with a letter or digit, unlike {0:?}"
    )]
    Characters(String),
    /// An ARN, as of an access point.
    #[error("{0:?} is an ARN; give the bucket's own name")]
    Arn(String),
    /// The alias of something that answers S3's requests in its own way.
    #[error(
        "{name} is the alias of {kind}, in which rebucket does not rename; give the name of a bucket"
    )]
    Alias {
        /// The name.
        name: String,
        /// What it is the alias of.
        kind: &'static str,
    },
}

/// The ends of names that S3 keeps for what is no bucket (S3 user guide,
/// "General purpose bucket naming rules", "Access point aliases"). An alias that
/// ends in `-s3alias` alone is another name of a bucket.
const ALIASES: [(&str, &str); 6] = [
    ("--op-s3", "an access point on Outposts"),
    ("--ol-s3", "an Object Lambda access point"),
    ("--xa-s3", "an access point of a directory bucket"),
    ("--table-s3", "a table bucket"),
    ("-ext-s3alias", "an access point of a file system (FSx)"),
    (".mrap", "a Multi-Region Access Point"),
];

impl BucketName {
    /// Checks `name` and wraps it.
    ///
    /// # Errors
    /// [`BucketNameError`] when the name breaks the rules above.
    pub fn new(name: impl Into<String>) -> Result<Self, BucketNameError> {
        let name = name.into();
        if name.starts_with("arn:") {
            return Err(BucketNameError::Arn(name));
        }
        if !(3..=255).contains(&name.len()) {
            return Err(BucketNameError::Length(name.chars().count()));
        }
        let ends_well = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if !name.chars().all(legal)
            || !ends_well(name.chars().next())
            || !ends_well(name.chars().next_back())
        {
            return Err(BucketNameError::Characters(name));
        }
        match ALIASES.iter().find(|(end, _)| name.ends_with(end)) {
            Some((_, kind)) => Err(BucketNameError::Alias { name, kind }),
            None => Ok(Self(name)),
        }
    }

    /// The name as a string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for BucketName {
    type Error = BucketNameError;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(name)
    }
}

impl From<BucketName> for String {
    fn from(name: BucketName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_s3_and_its_kin_allow() {
        for name in ["abc", "my-bucket.2026", "Legacy_Bucket", &"a".repeat(255)] {
            assert_eq!(BucketName::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn refuses_what_could_change_the_request() {
        for name in [
            "",
            "ab",
            "a/b",
            "a b",
            "-ab",
            "ab.",
            "buck\u{e9}t",
            "a?b",
            &"a".repeat(256),
        ] {
            assert!(BucketName::new(name).is_err(), "{name:?} was accepted");
        }
    }

    #[test]
    fn refuses_aliases_of_what_is_no_bucket_and_arns() {
        for (name, named) in [
            ("app-1234abcd--op-s3", "Outposts"),
            ("app-1234abcd--ol-s3", "Object Lambda"),
            ("app-1234abcd-ext-s3alias", "FSx"),
            ("mfzwi23gnjvgw.mrap", "Multi-Region"),
            ("arn:aws:s3:us-west-2:123456789012:accesspoint", "ARN"),
        ] {
            let error = BucketName::new(name).unwrap_err().to_string();
            assert!(
                error.contains(named) && error.contains("give the"),
                "{error}"
            );
        }
        for name in ["app-1234abcd-s3alias", "dir--use1-az4--x-s3", "mrap"] {
            assert!(BucketName::new(name).is_ok(), "{name}");
        }
    }
}
