//! A stored version and its properties.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::{
    Acl, AclRequest, Annotation, Checksum, ChecksumKept, ChecksumType, Content, EventHold,
    Retention, Tags, checksum,
};
use crate::clock::Millis;

/// A version's id. On the wire opaque text, in buckets without versions absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VersionId {
    /// `null`: written while the bucket did not keep versions.
    Null,
    /// The id of a version that was written while it did.
    Id(u64),
}

impl VersionId {
    /// The id behind that text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == "null" {
            return Some(Self::Null);
        }
        let digits = text.strip_prefix("sim.")?;
        (digits.len() == 16)
            .then(|| u64::from_str_radix(digits, 16).ok())
            .flatten()
            .map(Self::Id)
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Id(n) => write!(f, "sim.{n:016x}"),
        }
    }
}

/// An entity tag: [`ETag::as_str`] is bare, `Display` adds the quotes that it
/// has on the wire.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ETag(Arc<str>);

impl ETag {
    /// Takes the text with or without its quotes.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(bare(text).into())
    }

    /// Without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

/// An entity tag without its quotes and weakness mark. One of the quotes may be
/// missing: S3 does not mind.
pub(super) fn bare(text: &str) -> &str {
    let text = text.trim();
    let text = text.strip_prefix("W/").unwrap_or(text);
    text.trim_matches('"')
}

/// The headers and user metadata that a COPY directive keeps together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// `Content-Type`; S3 answers `binary/octet-stream` when none was sent.
    pub content_type: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `Content-Encoding`.
    pub content_encoding: Option<String>,
    /// `Content-Language`.
    pub content_language: Option<String>,
    /// `Expires`, as the text that was sent: it need not be a date.
    pub expires: Option<String>,
    /// `x-amz-meta-*`, names in lower case.
    pub user: BTreeMap<String, String>,
}

/// Where the bytes lie and what reading them costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // The names are those of S3.
pub enum StorageClass {
    #[default]
    Standard,
    ReducedRedundancy,
    StandardIa,
    OnezoneIa,
    IntelligentTiering,
    Glacier,
    DeepArchive,
    GlacierIr,
    ExpressOnezone,
}

impl StorageClass {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Standard,
        Self::ReducedRedundancy,
        Self::StandardIa,
        Self::OnezoneIa,
        Self::IntelligentTiering,
        Self::Glacier,
        Self::DeepArchive,
        Self::GlacierIr,
        Self::ExpressOnezone,
    ];

    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD",
            Self::ReducedRedundancy => "REDUCED_REDUNDANCY",
            Self::StandardIa => "STANDARD_IA",
            Self::OnezoneIa => "ONEZONE_IA",
            Self::IntelligentTiering => "INTELLIGENT_TIERING",
            Self::Glacier => "GLACIER",
            Self::DeepArchive => "DEEP_ARCHIVE",
            Self::GlacierIr => "GLACIER_IR",
            Self::ExpressOnezone => "EXPRESS_ONEZONE",
        }
    }

    /// The class of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.as_str() == name)
    }

    /// Whether an object of this class must be restored before it is read.
    #[must_use]
    pub fn is_archive(self) -> bool {
        matches!(self, Self::Glacier | Self::DeepArchive)
    }
}

/// How an object is encrypted at rest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Encryption {
    /// `AES256`, with keys of S3.
    #[default]
    Aes256,
    /// `aws:kms` or `aws:kms:dsse`: the ETag is then no MD5.
    Kms {
        /// The key's id or ARN; `None` is the account's own key for S3.
        key: Option<String>,
        /// Whether the bucket's key stands in for the object's.
        bucket_key: bool,
        /// The base64 encryption context; never shown again.
        context: Option<String>,
        /// `aws:kms:dsse`.
        dual_layer: bool,
    },
    /// SSE-C, with a key that every reader must bring. The ETag is no MD5.
    Customer(CustomerKey),
}

impl Encryption {
    /// A KMS key with nothing else said.
    #[must_use]
    pub fn kms(key: &str) -> Self {
        Self::Kms {
            key: Some(key.to_owned()),
            bucket_key: false,
            context: None,
            dual_layer: false,
        }
    }

    pub(super) fn etag_is_md5(&self) -> bool {
        matches!(self, Self::Aes256)
    }
}

/// The base64 MD5 of a customer's key: all that S3 keeps of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerKey(pub String);

/// Everything that a put, a copy or a new multipart upload can say of the
/// object that it makes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewObject {
    /// Headers and user metadata.
    pub metadata: Arc<Metadata>,
    /// `None` is STANDARD.
    pub storage_class: Option<StorageClass>,
    /// `None` is the bucket's default.
    pub encryption: Option<Encryption>,
    /// The tags.
    pub tags: Tags,
    /// The ACL; the default is a private one.
    pub acl: AclRequest,
    /// `None` is the bucket's default retention, if it has one.
    pub retention: Option<Retention>,
    /// `None` is off.
    pub legal_hold: Option<bool>,
    /// `None` is the bucket's default event hold, if it has one.
    pub event_hold: Option<EventHold>,
    /// `x-amz-website-redirect-location`.
    pub redirect: Option<String>,
}

/// One part of an object that was uploaded in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectPart {
    /// 1 to 10,000.
    pub number: u32,
    /// Its bytes, and with them its size and digests.
    pub content: Content,
}

/// The copy of an archived object that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restore {
    /// From then on it can be read.
    pub completes_at: Millis,
    /// From then on it cannot.
    pub expires_at: Millis,
}

/// An Intelligent-Tiering tier that must be restored from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveTier {
    /// `ARCHIVE_ACCESS`.
    Archive,
    /// `DEEP_ARCHIVE_ACCESS`.
    DeepArchive,
}

impl ArchiveTier {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Archive => "ARCHIVE_ACCESS",
            Self::DeepArchive => "DEEP_ARCHIVE_ACCESS",
        }
    }
}

/// A version of an object as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// The bytes.
    pub content: Content,
    /// The entity tag.
    pub etag: ETag,
    /// The parts it was uploaded in; `None` when in one piece.
    pub parts: Option<Arc<[ObjectPart]>>,
    /// Which checksum is kept; `None` on a server that keeps none.
    pub checksum: Option<ChecksumKept>,
    /// Headers and user metadata.
    pub metadata: Arc<Metadata>,
    /// The storage class.
    pub storage_class: StorageClass,
    /// An archive tier, for an Intelligent-Tiering object that sank into one.
    pub archive_tier: Option<ArchiveTier>,
    /// The readable copy of an archived object, if one was asked for.
    pub restore: Option<Restore>,
    /// The encryption.
    pub encryption: Encryption,
    /// The tags.
    pub tags: Tags,
    /// Who may do what.
    pub acl: Arc<Acl>,
    /// Object Lock retention.
    pub retention: Option<Retention>,
    /// Object Lock legal hold; `None` when never set.
    pub legal_hold: Option<bool>,
    /// Object Lock event hold; `None` when never set.
    pub event_hold: Option<EventHold>,
    /// `x-amz-website-redirect-location`.
    pub redirect: Option<String>,
    /// The annotations by name.
    pub annotations: Arc<BTreeMap<String, Annotation>>,
    /// Where the bytes first came from: a fresh number for every upload of
    /// bytes, handed on by copies. Auditors read it; no client can.
    pub origin: u64,
}

impl Object {
    /// The checksum that the object shows, computed now.
    #[must_use]
    pub fn checksum(&self) -> Option<Checksum> {
        let ChecksumKept { algorithm, kind } = self.checksum?;
        let value = match (&self.parts, kind) {
            (Some(parts), ChecksumType::Composite) => {
                checksum::composite(algorithm, parts.iter().map(|p| &p.content))
            }
            _ => checksum::base64(self.content.digest(algorithm)),
        };
        Some(Checksum {
            algorithm,
            kind,
            value,
        })
    }

    /// Whether its bytes can be read at this time, restored or never archived.
    #[must_use]
    pub fn is_readable(&self, now: Millis) -> bool {
        !(self.storage_class.is_archive() || self.archive_tier.is_some())
            || self
                .restore
                .is_some_and(|r| r.completes_at <= now && now < r.expires_at)
    }
}

/// One entry in the history of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Its id, [`VersionId::Null`] in a bucket without versions.
    pub id: VersionId,
    /// When it was made; for a multipart object when its upload was started.
    pub modified: Millis,
    /// Ever growing over the whole model: the order in which versions appeared.
    pub sequence: u64,
    /// The object, or `None` for a delete marker.
    pub object: Option<Arc<Object>>,
}

impl Version {
    /// Whether it is a delete marker.
    #[must_use]
    pub fn is_marker(&self) -> bool {
        self.object.is_none()
    }
}
