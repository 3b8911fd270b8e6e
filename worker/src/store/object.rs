//! What an object is, apart from its bytes: everything that a copy must carry.
//!
//! These are plain values, read from one object and written to one request.
//! No builder is ever kept between two objects, so that nothing of one can
//! leak onto the next.

use std::collections::{BTreeMap, BTreeSet};

use rebucket_protocol::{ETag, ObjectUri, StorageClass, Timestamp, VersionId};

use super::expiration::Expiration;

/// The source of a copy with its pins. Every copy request is made from one, so
/// none can be sent without `copy-source-if-match`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedSource {
    /// The object.
    pub object: ObjectUri,
    /// The entity tag that it had when it was inspected.
    pub etag: ETag,
    /// Its version, in a versioned bucket.
    pub version: Option<VersionId>,
}

/// What HEAD says of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectHead {
    /// The entity tag.
    pub etag: ETag,
    /// The size in bytes.
    pub size: u64,
    /// The version, in a versioned bucket.
    pub version: Option<VersionId>,
    /// When it was last written, in whole seconds.
    pub modified: Option<Timestamp>,
    /// Headers that describe the content.
    pub headers: ContentHeaders,
    /// User metadata, names in lower case without their prefix.
    pub metadata: BTreeMap<String, String>,
    /// How many metadata entries headers cannot carry, so that HEAD withheld
    /// them.
    pub missing_metadata: u32,
    /// The storage class; `STANDARD` when the header is absent.
    pub storage_class: StorageClass,
    /// True while the bytes are in an archive and not restored.
    pub archived: bool,
    /// Encryption at rest.
    pub encryption: Encryption,
    /// Object Lock.
    pub lock: ObjectLock,
    /// The website redirect location.
    pub redirect: Option<String>,
    /// Checksums that the service stored.
    pub checksums: Checksums,
    /// How many tags it has; `None` when the answer does not say, which on
    /// AWS means none.
    pub tag_count: Option<u32>,
    /// The number of parts, known only when a part was asked for.
    pub parts: Option<u32>,
    /// When a lifecycle rule expires it, if one does.
    pub expiration: Option<Expiration>,
}

/// Headers that describe the content; `COPY` keeps them, a multipart upload
/// must send them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContentHeaders {
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `Content-Encoding`.
    pub content_encoding: Option<String>,
    /// `Content-Language`.
    pub content_language: Option<String>,
    /// `Expires` as it was sent, since it need not be a valid date.
    pub expires: Option<String>,
}

/// Server-side encryption.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Encryption {
    /// None that the answer names.
    #[default]
    Unstated,
    /// `AES256`: keys of the service. The ETag is still an MD5.
    Managed,
    /// A KMS key. The ETag is not an MD5.
    Kms {
        /// `aws:kms` or `aws:kms:dsse`.
        algorithm: String,
        /// The key's ARN; `None` for the account's own.
        key: Option<String>,
        /// Whether an S3 Bucket Key is used.
        bucket_key: bool,
    },
    /// A key that only the customer has (SSE-C).
    CustomerKey,
    /// Another algorithm, by its name.
    Other(String),
}

/// Object Lock: what keeps a version from being deleted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObjectLock {
    /// `GOVERNANCE` or `COMPLIANCE`.
    pub mode: Option<String>,
    /// Until when.
    pub retain_until: Option<Timestamp>,
    /// True when a legal hold is on.
    pub legal_hold: bool,
    /// The event hold, if one is on.
    pub event_hold: Option<EventHold>,
}

/// An event hold that is on: nobody deletes the version before it is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventHold {
    /// How long the version is retained after the release, if that is set.
    pub then: Option<HoldPeriod>,
}

/// How long a version is retained after its event hold was released (API
/// reference of `EventHoldDuration`, 2026).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldPeriod {
    /// Days, 1 to 36,500.
    Days(i32),
    /// Years, 1 to 100.
    Years(i32),
}

impl HoldPeriod {
    /// The days, where it is counted in them.
    #[must_use]
    pub fn days(self) -> Option<i32> {
        match self {
            Self::Days(days) => Some(days),
            Self::Years(_) => None,
        }
    }

    /// The years, where it is counted in them.
    #[must_use]
    pub fn years(self) -> Option<i32> {
        match self {
            Self::Years(years) => Some(years),
            Self::Days(_) => None,
        }
    }
}

impl ObjectLock {
    /// True when nothing locks the object.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// True when it shows anything that only `s3:GetObjectRetention` shows:
    /// then nothing else that this permission shows was left out (API
    /// reference of `HeadObject`).
    #[must_use]
    pub fn shows_retention(&self) -> bool {
        self.mode.is_some() || self.retain_until.is_some() || self.event_hold.is_some()
    }

    /// True when the version cannot be deleted at this time.
    #[must_use]
    pub fn holds_at(&self, now: Timestamp) -> bool {
        let retained = self.retain_until.is_some_and(|until| until > now);
        retained || self.legal_hold || self.event_hold.is_some()
    }
}

/// The checksum algorithms of S3 (API reference of `HeadObject`, 2026).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChecksumAlgorithm {
    /// CRC-32.
    Crc32,
    /// CRC-32C.
    Crc32C,
    /// CRC-64/NVME, S3's default.
    Crc64Nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
    /// MD5.
    Md5,
    /// xxHash64.
    Xxhash64,
    /// XXH3.
    Xxhash3,
    /// XXH128.
    Xxhash128,
}

impl ChecksumAlgorithm {
    /// True for algorithms whose whole-object value can be computed from the
    /// parts', so that a multipart upload can have it.
    #[must_use]
    pub fn supports_full_object_multipart(self) -> bool {
        matches!(self, Self::Crc32 | Self::Crc32C | Self::Crc64Nvme)
    }

    /// The length of a digest, in bytes.
    #[must_use]
    pub fn digest_bytes(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32C => 4,
            Self::Crc64Nvme | Self::Xxhash64 | Self::Xxhash3 => 8,
            Self::Md5 | Self::Xxhash128 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// Whether a checksum is of the bytes or of the parts' checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChecksumKind {
    /// Of all bytes: comparable between any two objects.
    FullObject,
    /// Of the parts' checksums: depends on the part boundaries.
    Composite,
}

/// The checksums of one object or part, as the base64 text of the service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checksums {
    /// By algorithm. Values of a wrong length are left out when read: they
    /// are not what they say.
    pub values: BTreeMap<ChecksumAlgorithm, String>,
    /// As the answer says; some servers leave it out.
    pub kind: Option<ChecksumKind>,
}

impl Checksums {
    /// The algorithm that the object was stored with. S3 stores one.
    #[must_use]
    pub fn algorithm(&self) -> Option<ChecksumAlgorithm> {
        self.values.keys().next().copied()
    }

    /// Adds a value as the service sent it, unless its digest has a length
    /// that the algorithm cannot produce.
    pub fn insert(&mut self, algorithm: ChecksumAlgorithm, value: &str) {
        let digest = value.split_once('-').map_or(value, |(digest, _)| digest);
        if digest.len() == algorithm.digest_bytes().div_ceil(3) * 4 {
            self.values.insert(algorithm, value.to_owned());
        }
    }
}

/// Tags, by their key.
pub type Tags = BTreeMap<String, String>;

/// Who may do something to an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grantee {
    /// An account, by its canonical id.
    Canonical(String),
    /// An account, by its address.
    Email(String),
    /// A predefined group, by its URI.
    Group(String),
}

/// What a grantee may do to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Everything.
    FullControl,
    /// Read the object.
    Read,
    /// Read its access control list.
    ReadAcp,
    /// Write its access control list.
    WriteAcp,
    /// Means nothing on an object, and no copy request can carry it.
    Write,
}

/// An object's access control list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Acl {
    /// The canonical id of the owner.
    pub owner: Option<String>,
    /// The grants.
    pub grants: BTreeSet<(Permission, Grantee)>,
}

impl Acl {
    /// True for what every new object has: the owner's full control alone.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.grants.iter().all(|(permission, grantee)| {
            *permission == Permission::FullControl
                && matches!(grantee, Grantee::Canonical(id) if Some(id) == self.owner.as_ref())
        })
    }
}

/// Everything that a copy carries besides the bytes: complete, or the rename
/// is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// Headers that describe the content.
    pub headers: ContentHeaders,
    /// User metadata.
    pub metadata: BTreeMap<String, String>,
    /// Tags; empty when there are none.
    pub tags: Tags,
    /// Grants beyond the owner's own; `None` for a private object.
    pub acl: Option<Acl>,
    /// The storage class to store the copy in.
    pub storage_class: StorageClass,
    /// Encryption at rest.
    pub encryption: Encryption,
    /// Object Lock.
    pub lock: ObjectLock,
    /// The website redirect location.
    pub redirect: Option<String>,
    /// The checksum algorithm to store, and of what.
    pub checksum: Option<(ChecksumAlgorithm, Option<ChecksumKind>)>,
}

impl Attributes {
    /// The kind of checksum that a multipart upload is asked for:
    /// `FULL_OBJECT` wherever the algorithm permits and the source does not
    /// have the other kind, because it is the one that can be compared.
    #[must_use]
    pub fn multipart_checksum_kind(&self) -> Option<ChecksumKind> {
        let (algorithm, kind) = self.checksum?;
        Some(match kind {
            Some(ChecksumKind::Composite) => ChecksumKind::Composite,
            _ if algorithm.supports_full_object_multipart() => ChecksumKind::FullObject,
            _ => ChecksumKind::Composite,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_of_a_wrong_length_is_no_checksum() {
        let mut checksums = Checksums::default();
        checksums.insert(ChecksumAlgorithm::Crc64Nvme, "MA1hIQ==");
        assert_eq!(checksums.algorithm(), None);
        checksums.insert(ChecksumAlgorithm::Crc64Nvme, "UpX9kykq4BQ=");
        checksums.insert(ChecksumAlgorithm::Crc32, "9286hw==-2");
        assert_eq!(checksums.values.len(), 2);
    }

    #[test]
    fn only_the_owners_own_grant_is_private() {
        let owner = Grantee::Canonical("me".into());
        let mut acl = Acl {
            owner: Some("me".into()),
            grants: BTreeSet::from([(Permission::FullControl, owner)]),
        };
        assert!(acl.is_private());
        acl.grants
            .insert((Permission::Read, Grantee::Group("everyone".into())));
        assert!(!acl.is_private());
        acl.grants = BTreeSet::from([(Permission::FullControl, Grantee::Canonical("you".into()))]);
        assert!(!acl.is_private());
    }
}
