//! Choices that a job makes for all its renames, and one that each makes.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{AccountId, CreationDates};

/// What to do when the destination holds an object that is not our copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IfExists {
    /// The rename fails and both objects stay.
    #[default]
    Fail,
    /// The rename is skipped and both objects stay.
    Skip,
    /// The destination is replaced.
    Overwrite,
}

/// A property that the operator gives up by name, because it cannot be carried
/// over. Without a waiver the rename is refused before anything is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Waiver {
    /// Access control grants.
    Acl,
    /// Object tags.
    Tags,
    /// Object Lock mode, retention, legal hold and event hold.
    Lock,
    /// The storage class.
    StorageClass,
    /// The website redirect location.
    Redirect,
    /// Server-side encryption and its KMS key.
    Encryption,
    /// User metadata and headers that a request cannot carry.
    Metadata,
    /// The checksum's algorithm.
    Checksum,
    /// Object annotations.
    Annotations,
    /// A version `null` that a write or a delete destroys where versioning is
    /// suspended.
    History,
}

impl Waiver {
    /// Every waiver, in the order in which help texts list them.
    pub const ALL: [Self; 10] = [
        Self::Acl,
        Self::Tags,
        Self::Lock,
        Self::StorageClass,
        Self::Redirect,
        Self::Encryption,
        Self::Metadata,
        Self::Checksum,
        Self::Annotations,
        Self::History,
    ];

    /// The name on the command line and in a message.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Acl => "acl",
            Self::Tags => "tags",
            Self::Lock => "lock",
            Self::StorageClass => "storage_class",
            Self::Redirect => "redirect",
            Self::Encryption => "encryption",
            Self::Metadata => "metadata",
            Self::Checksum => "checksum",
            Self::Annotations => "annotations",
            Self::History => "history",
        }
    }
}

impl fmt::Display for Waiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no known choice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected one of {expected}, found {found:?}")]
pub struct UnknownChoice {
    expected: String,
    found: String,
}

impl FromStr for Waiver {
    type Err = UnknownChoice;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|waiver| waiver.as_str() == word)
            .ok_or_else(|| UnknownChoice {
                expected: Self::ALL.map(Self::as_str).join(", "),
                found: word.to_owned(),
            })
    }
}

impl FromStr for IfExists {
    type Err = UnknownChoice;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "fail" => Ok(Self::Fail),
            "skip" => Ok(Self::Skip),
            "overwrite" => Ok(Self::Overwrite),
            _ => Err(UnknownChoice {
                expected: "fail, skip, overwrite".to_owned(),
                found: word.to_owned(),
            }),
        }
    }
}

/// What deleting a source means in a versioned bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VersionPolicy {
    /// A delete marker hides the old key; the version itself stays.
    #[default]
    Marker,
    /// Exactly the version that was copied is removed for good. The version
    /// before it, if any, becomes current again at the old key.
    Purge,
}

impl VersionPolicy {
    /// True for the default.
    #[must_use]
    pub fn is_marker(&self) -> bool {
        *self == Self::Marker
    }
}

impl FromStr for VersionPolicy {
    type Err = UnknownChoice;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "marker" => Ok(Self::Marker),
            "purge" => Ok(Self::Purge),
            _ => Err(UnknownChoice {
                expected: "marker, purge".to_owned(),
                found: word.to_owned(),
            }),
        }
    }
}

/// A storage class by its S3 name (`STANDARD_IA`): upper-case letters, digits
/// and underscores, for classes that do not exist yet as well.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StorageClass(String);

/// Why a string is not a storage class.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a storage class such as STANDARD_IA, found {0:?}")]
pub struct StorageClassError(String);

impl StorageClass {
    /// Checks `name` and wraps it.
    ///
    /// # Errors
    /// [`StorageClassError`] for anything but `A-Z0-9_`, 1 to 64 characters.
    pub fn new(name: impl Into<String>) -> Result<Self, StorageClassError> {
        let name = name.into();
        let legal = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        if name.is_empty() || name.len() > 64 || !name.bytes().all(legal) {
            return Err(StorageClassError(name));
        }
        Ok(Self(name))
    }

    /// What an object without the header has.
    #[must_use]
    pub fn standard() -> Self {
        Self("STANDARD".to_owned())
    }

    /// The name as S3 writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for classes whose objects must be restored before they can be
    /// copied. `GLACIER_IR` is read at once, and is not among them.
    #[must_use]
    pub fn is_archived(&self) -> bool {
        matches!(self.as_str(), "GLACIER" | "DEEP_ARCHIVE")
    }
}

impl FromStr for StorageClass {
    type Err = StorageClassError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::new(name)
    }
}

impl fmt::Display for StorageClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StorageClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for StorageClass {
    type Error = StorageClassError;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(name)
    }
}

impl From<StorageClass> for String {
    fn from(class: StorageClass) -> Self {
        class.0
    }
}

/// The choices of a job. They travel in each message, when they are not the
/// defaults: a worker needs no state but its queue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobOptions {
    /// Store the copies in this class instead of the source's own.
    pub storage_class: Option<StorageClass>,
    /// Properties that may be lost.
    pub waive: BTreeSet<Waiver>,
    /// How a source in a versioned bucket is deleted.
    pub versioned: VersionPolicy,
    /// The account that owns the buckets, where the submitter knows it. No
    /// request is made to those of another one.
    pub owner: Option<AccountId>,
    /// When the buckets were created, as the submitter's store says. By that, a
    /// worker tells that store from another one with buckets of the same names.
    /// A message names those of its own buckets.
    pub created: CreationDates,
}

impl JobOptions {
    /// True when the operator gave this property up.
    #[must_use]
    pub fn waives(&self, waiver: Waiver) -> bool {
        self.waive.contains(&waiver)
    }
}
