//! `PutObject`, and the storing that every write ends in.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::limits::{MAX_OBJECT, MAX_PARTS, MAX_SINGLE, MAX_USER_METADATA, check_key};
use super::{
    Annotation, ChecksumAlgorithm, ChecksumKept, ChecksumRequest, ChecksumType, Content, ETag,
    ErrorCode, EventHold, Metadata, NewObject, Object, ObjectPart, S3, S3Error, S3Result, Segment,
    Version, VersionId, Versioning, WriteConditions, content, tags,
};
use crate::clock::Millis;

/// `PutObject`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PutObjectRequest {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The bytes.
    pub content: Content,
    /// Everything else about the object.
    pub properties: NewObject,
    /// Only under these conditions.
    pub conditions: WriteConditions,
    /// What the bytes' checksum must be, and which to keep.
    pub checksum: ChecksumRequest,
}

impl PutObjectRequest {
    /// These bytes under that key, and nothing else said.
    #[must_use]
    pub fn new(bucket: &str, key: &str, content: impl Into<Content>) -> Self {
        Self {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            content: content.into(),
            ..Self::default()
        }
    }
}

/// What a write made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteResponse {
    /// The object as stored; [`Object::checksum`] is computed when it is called.
    pub object: Arc<Object>,
    /// The version, in a bucket that has any.
    pub version_id: Option<VersionId>,
    /// When it was made.
    pub modified: Millis,
}

impl WriteResponse {
    /// The entity tag.
    #[must_use]
    pub fn etag(&self) -> &ETag {
        &self.object.etag
    }
}

/// How an object that a test makes was uploaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Layout {
    /// By one `PutObject`.
    #[default]
    Whole,
    /// In parts of this many bytes, the last one shorter.
    Even(u64),
    /// In parts of these sizes in bytes; they must add up.
    Parts(Vec<u64>),
}

/// An object without bytes of its own, for tests: of any size at no cost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SparseObject {
    /// Which stream its bytes are of.
    pub seed: u64,
    /// Its size in bytes.
    pub size: u64,
    /// How it was uploaded; in parts it has an `-N` ETag.
    pub layout: Layout,
    /// The checksum to keep; `None` is CRC64NVME of the full object.
    pub checksum: Option<ChecksumKept>,
    /// Everything else about it.
    pub properties: NewObject,
}

impl SparseObject {
    fn parts(&self, whole: &Content) -> S3Result<Option<Arc<[ObjectPart]>>> {
        let sizes = match &self.layout {
            Layout::Whole => return Ok(None),
            Layout::Parts(sizes) => sizes.clone(),
            Layout::Even(size) => {
                let size = (*size).max(1);
                let count = self.size.div_ceil(size).max(1);
                if count > u64::from(MAX_PARTS) {
                    return Err(S3Error::argument("at most 10,000 parts"));
                }
                (0..count).map(|i| size.min(self.size - i * size)).collect()
            }
        };
        if sizes.iter().sum::<u64>() != self.size {
            return Err(S3Error::argument("the parts do not add up to the object"));
        }
        let mut at = 0;
        let parts = (1..)
            .zip(sizes)
            .map(|(number, size)| {
                let content = whole.slice(at..at + size);
                at += size;
                ObjectPart { number, content }
            })
            .collect();
        Ok(Some(parts))
    }
}

/// Everything that is known of an object about to be stored.
pub(super) struct Draft<'a> {
    pub(super) properties: &'a NewObject,
    pub(super) metadata: Arc<Metadata>,
    pub(super) tags: tags::Tags,
    pub(super) content: Content,
    pub(super) parts: Option<Arc<[ObjectPart]>>,
    pub(super) checksum: Option<ChecksumKept>,
    pub(super) annotations: Arc<BTreeMap<String, Annotation>>,
    /// `None` is a fresh one.
    pub(super) origin: Option<u64>,
    pub(super) modified: Millis,
}

impl<'a> Draft<'a> {
    pub(super) fn new(properties: &'a NewObject, content: Content, modified: Millis) -> Self {
        Self {
            properties,
            metadata: properties.metadata.clone(),
            tags: properties.tags.clone(),
            content,
            parts: None,
            checksum: Some(FULL_CRC64),
            annotations: Arc::default(),
            origin: None,
            modified,
        }
    }
}

/// What S3 keeps when nothing is asked.
pub(super) const FULL_CRC64: ChecksumKept = ChecksumKept {
    algorithm: ChecksumAlgorithm::Crc64Nvme,
    kind: ChecksumType::FullObject,
};

impl ChecksumKept {
    pub(super) fn full(algorithm: Option<ChecksumAlgorithm>) -> Self {
        Self {
            algorithm: algorithm.unwrap_or(FULL_CRC64.algorithm),
            kind: ChecksumType::FullObject,
        }
    }
}

/// Metadata and tags within their limits.
pub(super) fn check_properties(new: &NewObject) -> S3Result<()> {
    let user: usize = new
        .metadata
        .user
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if user > MAX_USER_METADATA {
        return Err(S3Error::new(
            ErrorCode::MetadataTooLarge,
            "Your metadata headers exceed the maximum allowed metadata size",
        ));
    }
    tags::check(&new.tags)
}

impl S3 {
    /// `PutObject`.
    pub fn put_object(
        &mut self,
        request: PutObjectRequest,
        now: Millis,
    ) -> S3Result<WriteResponse> {
        check_key(&request.key)?;
        check_properties(&request.properties)?;
        let quirks = self.quirks;
        let bucket = self.bucket_or_err(&request.bucket)?;
        if request.content.size() > MAX_SINGLE {
            return Err(S3Error::new(
                ErrorCode::EntityTooLarge,
                "Your proposed upload exceeds the maximum allowed size",
            ));
        }
        let algorithm = if quirks.no_checksums {
            None
        } else {
            request.checksum.check(&request.content)?
        };
        if !quirks.ignore_conditions_on_put {
            request
                .conditions
                .check(&request.key, bucket.latest(&request.key))?;
        }
        let draft = Draft {
            checksum: Some(ChecksumKept::full(algorithm)),
            ..Draft::new(&request.properties, request.content, now)
        };
        let written = self.write(&request.bucket, &request.key, draft, now)?;
        // Only copies show that what they wrote is the version `null`.
        Ok(WriteResponse {
            version_id: written.version_id.filter(|id| *id != VersionId::Null),
            ..written
        })
    }

    /// Puts an object that a test describes, past every limit but the
    /// largest size and the number of parts.
    pub fn put_sparse(
        &mut self,
        bucket: &str,
        key: &str,
        object: &SparseObject,
        now: Millis,
    ) -> S3Result<WriteResponse> {
        check_key(key)?;
        if object.size > MAX_OBJECT {
            return Err(S3Error::new(
                ErrorCode::EntityTooLarge,
                "objects end at 50 TB",
            ));
        }
        let content = Content::sparse(object.seed, object.size);
        let draft = Draft {
            parts: object.parts(&content)?,
            checksum: Some(object.checksum.unwrap_or(FULL_CRC64)),
            ..Draft::new(&object.properties, content, now)
        };
        self.write(bucket, key, draft, now)
    }

    /// Stores a draft as the current version of its key.
    pub(super) fn write(
        &mut self,
        bucket_name: &str,
        key: &str,
        draft: Draft<'_>,
        now: Millis,
    ) -> S3Result<WriteResponse> {
        let quirks = self.quirks;
        let bucket = self.bucket_or_err(bucket_name)?;
        let new = draft.properties;
        bucket.check_new(new)?;
        let acl = bucket.acl_for(&new.acl)?;
        let settings = &bucket.settings;
        let encryption = new
            .encryption
            .clone()
            .unwrap_or_else(|| settings.encryption.clone());
        let retention = new
            .retention
            .or_else(|| settings.default_retention.map(|r| r.from(now)));
        let default_hold = settings.default_event_hold.map(EventHold::on);
        let event_hold = new.event_hold.or(default_hold);
        let real = encryption.etag_is_md5() && !settings.directory && !quirks.etag_is_not_md5;
        let versioning = settings.versioning;

        let sequence = self.next_sequence();
        let origin = draft.origin.unwrap_or_else(|| self.next_origin());
        let object = Arc::new(Object {
            etag: etag(&draft.content, draft.parts.as_deref(), real, sequence),
            content: draft.content,
            parts: draft.parts,
            checksum: draft.checksum.filter(|_| !quirks.no_checksums),
            metadata: draft.metadata,
            storage_class: new.storage_class.unwrap_or_default(),
            archive_tier: None,
            restore: None,
            encryption,
            tags: draft.tags,
            acl,
            retention,
            legal_hold: new.legal_hold,
            event_hold,
            redirect: new.redirect.clone(),
            annotations: draft.annotations,
            origin,
        });
        let id = match versioning {
            Versioning::Enabled => VersionId::Id(sequence),
            Versioning::Off | Versioning::Suspended => VersionId::Null,
        };
        let bucket = self.bucket_mut(bucket_name)?;
        bucket.store(
            key,
            Version {
                id,
                modified: draft.modified,
                sequence,
                object: Some(object.clone()),
            },
        );
        Ok(WriteResponse {
            object,
            version_id: bucket.shown(id),
            modified: draft.modified,
        })
    }
}

/// The entity tag: the MD5, or the MD5 of the parts' MD5s and their number;
/// made up from `unique` where S3 does not show the MD5.
fn etag(content: &Content, parts: Option<&[ObjectPart]>, real: bool, unique: u64) -> ETag {
    let suffix = parts.map_or_else(String::new, |p| format!("-{}", p.len()));
    let digest = match parts {
        _ if !real => opaque(unique),
        None => content.md5(),
        Some(parts) => {
            let digests: Vec<u8> = parts.iter().flat_map(|p| p.content.md5()).collect();
            Content::literal(digests).md5()
        }
    };
    ETag::new(&format!("{}{suffix}", hex::encode(digest)))
}

/// Sixteen bytes that no content has as its MD5 but by chance.
pub(super) fn opaque(unique: u64) -> [u8; 16] {
    let mut out = [0; 16];
    content::fill(unique, 0, &mut out);
    out
}

impl From<Segment> for Content {
    fn from(segment: Segment) -> Self {
        Self::from_segments([segment])
    }
}
