//! `HeadObject` and `GetObject`.

use std::ops::Range;
use std::sync::Arc;

use super::{
    ArchiveTier, Checksum, ChecksumType, Content, CustomerKey, ETag, Encryption, ErrorCode,
    EventHold, Metadata, Object, ObjectRef, ReadConditions, Retention, S3, S3Error, S3Result,
    StorageClass, VersionId, checksum,
};
use crate::clock::Millis;

/// The bytes that a reader asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteRange {
    /// From the first to the last, both included; the last may lie past the end.
    Between(u64, u64),
    /// From there to the end.
    From(u64),
    /// That many at the end.
    Last(u64),
}

impl ByteRange {
    fn of(self, size: u64) -> S3Result<Range<u64>> {
        let range = match self {
            Self::Between(first, last) => first..last.saturating_add(1).min(size),
            Self::From(first) => first..size,
            Self::Last(n) => size - n.min(size)..size,
        };
        if range.is_empty() {
            return Err(S3Error::new(
                ErrorCode::InvalidRange,
                "The requested range is not satisfiable",
            )
            .with("ActualObjectSize", size));
        }
        Ok(range)
    }
}

/// `GetObject` and `HeadObject`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GetObjectRequest {
    /// What.
    pub object: ObjectRef,
    /// Only these bytes.
    pub range: Option<ByteRange>,
    /// Only this part.
    pub part_number: Option<u32>,
    /// Only under these conditions.
    pub conditions: ReadConditions,
    /// Whether the reply shows the checksum.
    pub checksum_mode: bool,
    /// The key of an SSE-C object.
    pub customer_key: Option<CustomerKey>,
}

impl GetObjectRequest {
    /// The whole of the current version.
    #[must_use]
    pub fn new(bucket: &str, key: &str) -> Self {
        Self {
            object: ObjectRef::new(bucket, key),
            ..Self::default()
        }
    }
}

/// How far a restore is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreStatus {
    /// Not there yet.
    Ongoing,
    /// There, until then.
    Restored(Millis),
}

/// The headers of a reply to `HeadObject` and `GetObject`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectHead {
    /// Bytes in this reply: of the object, the range or the part.
    pub content_length: u64,
    /// Bytes in the object.
    pub size: u64,
    /// Which bytes are in this reply, when not all were asked for: status 206.
    pub range: Option<Range<u64>>,
    /// The entity tag of the whole object.
    pub etag: ETag,
    /// The version, in a bucket that has any.
    pub version_id: Option<VersionId>,
    /// When it was made; shown in whole seconds.
    pub modified: Millis,
    /// Headers and user metadata.
    pub metadata: Arc<Metadata>,
    /// The storage class.
    pub storage_class: StorageClass,
    /// The archive tier, of an Intelligent-Tiering object that is in one.
    pub archive_tier: Option<ArchiveTier>,
    /// How far a restore is.
    pub restore: Option<RestoreStatus>,
    /// The encryption; never its context.
    pub encryption: Encryption,
    /// How many tags it has (shown by `GetObject`, and by `HeadObject` too).
    pub tag_count: usize,
    /// Object Lock retention.
    pub retention: Option<Retention>,
    /// Object Lock legal hold.
    pub legal_hold: Option<bool>,
    /// Object Lock event hold.
    pub event_hold: Option<EventHold>,
    /// `x-amz-website-redirect-location`.
    pub redirect: Option<String>,
    /// How many parts it has; only for a request with a part number.
    pub parts_count: Option<usize>,
    /// The checksum, if asked for and all bytes (or one whole part of a
    /// composite one) are in the reply.
    pub checksum: Option<Checksum>,
}

/// A reply to `GetObject`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetObjectResponse {
    /// The headers.
    pub head: ObjectHead,
    /// The bytes.
    pub content: Content,
}

impl Object {
    /// SSE-C: the reader must bring the key, and only for such an object.
    pub(super) fn check_key(&self, key: Option<&CustomerKey>) -> S3Result<()> {
        match (&self.encryption, key) {
            (Encryption::Customer(own), Some(key)) if own == key => Ok(()),
            (Encryption::Customer(_), Some(_)) => Err(S3Error::new(
                ErrorCode::AccessDenied,
                "Requests specifying Server Side Encryption with Customer provided keys must \
                 provide the correct secret key.",
            )),
            (Encryption::Customer(_), None) => Err(S3Error::request(
                "The object was stored using a form of Server Side Encryption. The correct \
                 parameters must be provided to retrieve the object.",
            )),
            (_, Some(_)) => Err(S3Error::request(
                "The encryption parameters are not applicable to this object.",
            )),
            (_, None) => Ok(()),
        }
    }

    /// Where a part lies in the object, and its checksum if it has one of its own.
    fn part(&self, number: u32) -> S3Result<(Range<u64>, Option<Checksum>)> {
        let Some(parts) = &self.parts else {
            // An object in one piece is its own first part.
            return if number == 1 {
                Ok((0..self.content.size(), self.checksum()))
            } else {
                Err(no_such_part(1, number))
            };
        };
        let mut start = 0;
        for part in parts.iter() {
            let end = start + part.content.size();
            if part.number == number {
                let checksum = self
                    .checksum
                    .filter(|kept| kept.kind == ChecksumType::Composite)
                    .map(|kept| Checksum {
                        algorithm: kept.algorithm,
                        kind: kept.kind,
                        value: checksum::base64(part.content.digest(kept.algorithm)),
                    });
                return Ok((start..end, checksum));
            }
            start = end;
        }
        Err(no_such_part(parts.len(), number))
    }
}

fn no_such_part(count: usize, asked: u32) -> S3Error {
    S3Error::new(
        ErrorCode::InvalidPartNumber,
        "The requested partnumber is not satisfiable",
    )
    .with("ActualPartCount", count)
    .with("PartNumberRequested", asked)
}

impl S3 {
    /// `HeadObject`. Works on archived objects too.
    pub fn head_object(&self, request: &GetObjectRequest, now: Millis) -> S3Result<ObjectHead> {
        let (bucket, found) = self.find(&request.object)?;
        let object = found.object;
        if !self.quirks.head_needs_no_key {
            object.check_key(request.customer_key.as_ref())?;
        }
        request.conditions.check_read(object, found.modified, now)?;

        let size = object.content.size();
        let (range, checksum) = match (request.range, request.part_number) {
            (Some(_), Some(_)) => {
                return Err(S3Error::request(
                    "Cannot specify both Range header and partNumber query parameter",
                ));
            }
            (Some(range), None) => {
                let range = range.of(size)?;
                let whole = request.checksum_mode && range == (0..size);
                (Some(range), whole.then(|| object.checksum()).flatten())
            }
            (None, Some(number)) => {
                let (range, checksum) = object.part(number)?;
                let whole = (range == (0..size)).then(|| object.checksum()).flatten();
                let shown = checksum.or(whole).filter(|_| request.checksum_mode);
                (Some(range), shown)
            }
            (None, None) if request.checksum_mode => (None, object.checksum()),
            (None, None) => (None, None),
        };
        Ok(ObjectHead {
            content_length: range.as_ref().map_or(size, |r| r.end - r.start),
            size,
            range,
            etag: object.etag.clone(),
            version_id: bucket.shown(found.id),
            modified: found.modified,
            metadata: object.metadata.clone(),
            storage_class: object.storage_class,
            archive_tier: object.archive_tier,
            restore: object.restore.and_then(|r| {
                if now < r.completes_at {
                    Some(RestoreStatus::Ongoing)
                } else {
                    (now < r.expires_at).then_some(RestoreStatus::Restored(r.expires_at))
                }
            }),
            encryption: match &object.encryption {
                Encryption::Kms {
                    key,
                    bucket_key,
                    dual_layer,
                    ..
                } => Encryption::Kms {
                    key: key.clone(),
                    bucket_key: *bucket_key,
                    context: None,
                    dual_layer: *dual_layer,
                },
                other => other.clone(),
            },
            tag_count: object.tags.len(),
            retention: object.retention,
            legal_hold: object.legal_hold,
            event_hold: object.event_hold,
            redirect: object.redirect.clone(),
            parts_count: request
                .part_number
                .and(object.parts.as_ref())
                .map(|parts| parts.len()),
            checksum,
        })
    }

    /// `GetObject`.
    pub fn get_object(
        &self,
        request: &GetObjectRequest,
        now: Millis,
    ) -> S3Result<GetObjectResponse> {
        let head = self.head_object(request, now)?;
        let (_, found) = self.find(&request.object)?;
        if !found.object.is_readable(now) {
            return Err(S3Error::new(
                ErrorCode::InvalidObjectState,
                "The operation is not valid for the object's storage class",
            )
            .with("StorageClass", found.object.storage_class.as_str()));
        }
        let content = match &head.range {
            Some(range) => found.object.content.slice(range.clone()),
            None => found.object.content.clone(),
        };
        Ok(GetObjectResponse { head, content })
    }
}
