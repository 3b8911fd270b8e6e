//! What an endpoint can be relied on to do.

use std::fmt;

use super::object::ChecksumKind;

/// A condition on a request that safety rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Precondition {
    /// `x-amz-copy-source-if-match` on `CopyObject`: copy the object that was
    /// inspected or none.
    CopySource,
    /// The same on `UploadPartCopy`.
    PartSource,
    /// `If-None-Match: *` on `CopyObject`: never replace an object.
    CopyCreates,
    /// The same on `CompleteMultipartUpload`.
    CompleteCreates,
    /// `If-Match` on `DeleteObject`: delete the object that was copied or none.
    Delete,
}

impl Precondition {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::CopySource,
        Self::PartSource,
        Self::CopyCreates,
        Self::CompleteCreates,
        Self::Delete,
    ];
}

impl fmt::Display for Precondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CopySource => "copy-source-if-match on CopyObject",
            Self::PartSource => "copy-source-if-match on UploadPartCopy",
            Self::CopyCreates => "If-None-Match on CopyObject",
            Self::CompleteCreates => "If-None-Match on CompleteMultipartUpload",
            Self::Delete => "If-Match on DeleteObject",
        })
    }
}

/// What one bucket's endpoint does, as known or as probed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent findings, not a state machine"
)]
pub struct Abilities {
    /// Conditions that the endpoint ignores. Empty on AWS; never acted on
    /// unless the operator said `emulate`.
    pub ignored: Vec<Precondition>,
    /// Conditions that it refuses a request for, whatever they say (501). The
    /// same holds for them.
    pub refused: Vec<Precondition>,
    /// Whether `If-Match` on a copy and on the completion of an upload keeps
    /// them from replacing another object (API references of `CopyObject` and
    /// `CompleteMultipartUpload`). Where it does not, a HEAD right before
    /// stands in for it.
    pub replaces_conditionally: bool,
    /// Whether success responses may be believed without a HEAD.
    pub trusted: bool,
    /// Whether the ETag of an unencrypted object is the MD5 of its bytes, and
    /// that of a multipart upload the MD5 of its parts' digests.
    pub etag_is_md5: bool,
    /// Whether HEAD counts the tags.
    pub counts_tags: bool,
    /// Whether `CopyObject` keeps the tags.
    pub copy_keeps_tags: bool,
    /// Whether `CreateMultipartUpload` takes tags.
    pub upload_takes_tags: bool,
    /// Whether objects can have tags at all.
    pub has_tags: bool,
    /// Whether objects can have annotations.
    pub has_annotations: bool,
    /// The best kind of checksum that a multipart upload can have: of all its
    /// bytes, where it is also held to the one that it is completed with.
    pub upload_checksum: Option<ChecksumKind>,
}

impl Abilities {
    /// AWS S3 (facts, sections 1 to 3).
    #[must_use]
    pub fn aws() -> Self {
        Self {
            ignored: Vec::new(),
            refused: Vec::new(),
            replaces_conditionally: true,
            trusted: true,
            etag_is_md5: true,
            counts_tags: true,
            copy_keeps_tags: true,
            upload_takes_tags: true,
            has_tags: true,
            has_annotations: true,
            upload_checksum: Some(ChecksumKind::FullObject),
        }
    }

    /// True when the endpoint honours this condition.
    #[must_use]
    pub fn honours(&self, condition: Precondition) -> bool {
        !self.ignored.contains(&condition) && !self.refuses(condition)
    }

    /// True when the endpoint refuses every request with this condition.
    #[must_use]
    pub fn refuses(&self, condition: Precondition) -> bool {
        self.refused.contains(&condition)
    }
}
