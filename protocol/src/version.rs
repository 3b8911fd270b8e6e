//! Version ids of objects in versioned buckets.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The id of one version of an object: 1 to 1,024 bytes (S3 limit, User Guide,
/// "How S3 Versioning works"). The id `null` is a real one: it names the
/// version written while versioning was off.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VersionId(String);

/// Why a string is not a version id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a version id has 1 to 1,024 printable characters, unlike {0:?}")]
pub struct VersionIdError(String);

impl VersionId {
    /// Checks `id` and wraps it.
    ///
    /// # Errors
    /// [`VersionIdError`] when it is empty, too long or not printable ASCII.
    pub fn new(id: impl Into<String>) -> Result<Self, VersionIdError> {
        let id = id.into();
        if id.is_empty() || id.len() > 1024 || !id.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(VersionIdError(id));
        }
        Ok(Self(id))
    }

    /// The id as a string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for VersionId {
    type Error = VersionIdError;

    fn try_from(id: String) -> Result<Self, Self::Error> {
        Self::new(id)
    }
}

impl From<VersionId> for String {
    fn from(id: VersionId) -> Self {
        id.0
    }
}
