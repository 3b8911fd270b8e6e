//! Uploads in progress, and the requests about them.

use std::collections::BTreeMap;

use super::put::FULL_CRC64;
use super::{
    Bucket, ChecksumAlgorithm, ChecksumKept, ChecksumRequest, ChecksumType, Content, CopySource,
    CustomerKey, ETag, Encryption, NewObject, S3Error, S3Result, StorageClass, WriteConditions,
};
use crate::clock::Millis;

/// Where the bytes of a part came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartSource {
    /// From a client.
    Upload,
    /// From a version of an object.
    Copy {
        /// Its [`super::Version::sequence`].
        sequence: u64,
        /// Its [`super::Object::origin`].
        origin: u64,
    },
}

/// A part of an upload in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its bytes.
    pub content: Content,
    /// Its entity tag.
    pub etag: ETag,
    /// When it was uploaded.
    pub modified: Millis,
    /// Where its bytes came from.
    pub source: PartSource,
}

/// An upload in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The key of the object that it will make.
    pub key: String,
    /// When it was started; the object will bear this time.
    pub initiated: Millis,
    /// What was said of the object.
    pub properties: NewObject,
    /// The checksum that was asked for; `None` is CRC64NVME of the full object.
    pub checksum: Option<ChecksumKept>,
    /// The parts by number. Uploading a number again replaces it.
    pub parts: BTreeMap<u32, Part>,
    /// Whether the key was written or deleted since. Then no Complete with a
    /// condition can succeed any more.
    pub overtaken: bool,
}

impl Upload {
    pub(super) fn kept(&self) -> ChecksumKept {
        self.checksum.unwrap_or(FULL_CRC64)
    }

    /// The checksum that the object will have: under a customer's key none but
    /// one that was asked for.
    pub(super) fn stored(&self) -> Option<ChecksumKept> {
        let customers = matches!(self.properties.encryption, Some(Encryption::Customer(_)));
        self.checksum.or((!customers).then_some(FULL_CRC64))
    }

    /// The origin of the object that these parts make: that of their source
    /// when they all are of one version, else none yet.
    pub(super) fn origin(&self, numbers: impl Iterator<Item = u32>) -> Option<u64> {
        let mut sources = numbers.filter_map(|n| self.parts.get(&n)).map(|p| p.source);
        let first = sources.next()?;
        let PartSource::Copy { origin, .. } = first else {
            return None;
        };
        sources.all(|s| s == first).then_some(origin)
    }

    pub(super) fn check_key(&self, key: Option<&CustomerKey>) -> S3Result<()> {
        match &self.properties.encryption {
            Some(Encryption::Customer(own)) if Some(own) != key => Err(S3Error::request(
                "The multipart upload initiate requested encryption. Subsequent part requests \
                 must include the appropriate encryption parameters.",
            )),
            Some(Encryption::Customer(_)) => Ok(()),
            _ if key.is_some() => Err(S3Error::request(
                "The multipart upload initiate did not request encryption with a customer's key.",
            )),
            _ => Ok(()),
        }
    }
}

/// `CreateMultipartUpload`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreateUploadRequest {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// Everything about the object but its bytes.
    pub properties: NewObject,
    /// The checksum that the parts will have.
    pub checksum_algorithm: Option<ChecksumAlgorithm>,
    /// What it covers; `None` is the algorithm's default.
    pub checksum_type: Option<ChecksumType>,
}

/// An upload that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateUploadResponse {
    /// Its id.
    pub upload_id: String,
    /// The checksum that was asked for.
    pub checksum: Option<ChecksumKept>,
    /// The encryption that the object will have.
    pub encryption: Encryption,
}

/// `UploadPart`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UploadPartRequest {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The upload.
    pub upload_id: String,
    /// 1 to 10,000.
    pub number: u32,
    /// The bytes.
    pub content: Content,
    /// What their checksum must be.
    pub checksum: ChecksumRequest,
    /// The key of an SSE-C upload.
    pub customer_key: Option<CustomerKey>,
}

/// `UploadPartCopy`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UploadPartCopyRequest {
    /// What to copy from.
    pub source: CopySource,
    /// Which of its bytes, first to last, both included; `None` is all.
    pub range: Option<(u64, u64)>,
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The upload.
    pub upload_id: String,
    /// 1 to 10,000.
    pub number: u32,
    /// The key of an SSE-C upload.
    pub customer_key: Option<CustomerKey>,
}

/// A part as `CompleteMultipartUpload` names it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CompletePart {
    /// 1 to 10,000.
    pub number: u32,
    /// The ETag that the part was answered with.
    pub etag: String,
    /// Its checksum, which a composite checksum needs.
    pub checksum: Option<(ChecksumAlgorithm, String)>,
}

/// `CompleteMultipartUpload`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CompleteUploadRequest {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The upload.
    pub upload_id: String,
    /// The parts, by ascending number.
    pub parts: Vec<CompletePart>,
    /// Conditions on what is under the key.
    pub conditions: WriteConditions,
    /// The checksum that the object must have.
    pub checksum: Option<(ChecksumAlgorithm, String)>,
    /// The type that the checksum must have.
    pub checksum_type: Option<ChecksumType>,
    /// The size in bytes that the object must have.
    pub object_size: Option<u64>,
}

/// `ListParts`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListPartsRequest {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The upload.
    pub upload_id: String,
    /// Only parts after this number.
    pub after: u32,
    /// At most this many, and at most 1,000.
    pub max: Option<usize>,
}

/// Parts of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPartsResponse {
    /// Number and part, ascending.
    pub parts: Vec<(u32, Part)>,
    /// The number to go on after, when there are more.
    pub next: Option<u32>,
    /// The checksum that was asked for.
    pub checksum: Option<ChecksumKept>,
    /// The storage class that the object will have.
    pub storage_class: StorageClass,
}

impl Bucket {
    pub(super) fn upload(&self, key: &str, id: &str) -> S3Result<&Upload> {
        self.uploads
            .get(id)
            .filter(|upload| upload.key == *self.keys.fold(key))
            .ok_or_else(|| S3Error::no_such_upload(id))
    }

    /// The encryption of an object that asks for this.
    pub(super) fn encryption_for(&self, asked: Option<&Encryption>) -> Encryption {
        asked.unwrap_or(&self.settings.encryption).clone()
    }
}
