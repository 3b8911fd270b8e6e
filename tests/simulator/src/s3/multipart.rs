//! Multipart uploads.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::checksum::{bad_digest, composite};
use super::copy::too_large_a_source;
use super::limits::{MAX_OBJECT, MAX_PAGE, MAX_PART, MAX_PARTS, MIN_PART, check_key};
use super::put::{Draft, FULL_CRC64, check_properties, opaque};
use super::{
    Bucket, ChecksumAlgorithm, ChecksumKept, ChecksumRequest, ChecksumType, Content, CopySource,
    CustomerKey, ETag, Encryption, ErrorCode, NewObject, ObjectPart, S3, S3Error, S3Result,
    VersionId, WriteConditions, WriteResponse, checksum,
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
}

impl Upload {
    fn kept(&self) -> ChecksumKept {
        self.checksum.unwrap_or(FULL_CRC64)
    }

    /// The origin of the object that these parts make: that of their source
    /// when they all are of one version, else none yet.
    fn origin(&self, numbers: impl Iterator<Item = u32>) -> Option<u64> {
        let mut sources = numbers.filter_map(|n| self.parts.get(&n)).map(|p| p.source);
        let first = sources.next()?;
        let PartSource::Copy { origin, .. } = first else {
            return None;
        };
        sources.all(|s| s == first).then_some(origin)
    }

    fn check_key(&self, key: Option<&CustomerKey>) -> S3Result<()> {
        match &self.properties.encryption {
            Some(Encryption::Customer(own)) if Some(own) != key => Err(S3Error::request(
                "The multipart upload initiate requested encryption. Subsequent part requests \
                 must include the appropriate encryption parameters.",
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
    pub storage_class: super::StorageClass,
}

impl Bucket {
    pub(super) fn upload(&self, key: &str, id: &str) -> S3Result<&Upload> {
        self.uploads
            .get(id)
            .filter(|upload| upload.key == key)
            .ok_or_else(S3Error::no_such_upload)
    }

    /// The encryption of an object that asks for this.
    fn encryption_for(&self, asked: Option<&Encryption>) -> Encryption {
        asked.unwrap_or(&self.settings.encryption).clone()
    }
}

fn check_number(number: u32) -> S3Result<()> {
    if (1..=MAX_PARTS).contains(&number) {
        return Ok(());
    }
    Err(S3Error::argument(
        "Part number must be an integer between 1 and 10000, inclusive",
    ))
}

impl S3 {
    /// `CreateMultipartUpload`.
    pub fn create_multipart_upload(
        &mut self,
        mut request: CreateUploadRequest,
        now: Millis,
    ) -> S3Result<CreateUploadResponse> {
        check_key(&request.key)?;
        check_properties(&request.properties)?;
        let quirks = self.quirks;
        let checksum = match (request.checksum_algorithm, request.checksum_type) {
            (None, None) => None,
            (None, Some(_)) => {
                return Err(S3Error::request(
                    "The x-amz-checksum-type header can only be used with the \
                     x-amz-checksum-algorithm header.",
                ));
            }
            (Some(algorithm), kind) => {
                let kind = kind.unwrap_or(algorithm.default_type());
                if !algorithm.allows(kind) {
                    return Err(S3Error::request(format!(
                        "The {} checksum type cannot be used with the {} checksum algorithm.",
                        kind.as_str(),
                        algorithm.as_str()
                    )));
                }
                Some(ChecksumKept { algorithm, kind })
            }
        };
        let bucket = self.bucket_or_err(&request.bucket)?;
        bucket.check_new(&request.properties)?;
        bucket.acl_for(&request.properties.acl)?;
        let encryption = bucket.encryption_for(request.properties.encryption.as_ref());
        request.properties.encryption = Some(encryption.clone());
        if quirks.drop_tags_on_create {
            request.properties.tags = super::Tags::default();
        }
        self.uploads += 1;
        let upload_id = format!("upload-{:08}", self.uploads);
        let checksum = checksum.filter(|_| !quirks.no_checksums);
        self.bucket_mut(&request.bucket)?.uploads.insert(
            upload_id.clone(),
            Upload {
                key: request.key,
                initiated: now,
                properties: request.properties,
                checksum,
                parts: BTreeMap::new(),
            },
        );
        Ok(CreateUploadResponse {
            upload_id,
            checksum,
            encryption,
        })
    }

    /// `UploadPart`.
    pub fn upload_part(&mut self, request: UploadPartRequest, now: Millis) -> S3Result<Part> {
        check_number(request.number)?;
        let quirks = self.quirks;
        let upload = self
            .bucket_or_err(&request.bucket)?
            .upload(&request.key, &request.upload_id)?;
        upload.check_key(request.customer_key.as_ref())?;
        if request.content.size() > MAX_PART {
            return Err(S3Error::new(
                ErrorCode::EntityTooLarge,
                "Your proposed upload exceeds the maximum allowed size",
            ));
        }
        if !quirks.no_checksums {
            let sent = request.checksum.check(&request.content)?;
            if let Some(kept) = upload.checksum
                && sent != Some(kept.algorithm)
                && (sent.is_some() || kept.kind == ChecksumType::Composite)
            {
                return Err(S3Error::request(format!(
                    "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum \
                     Type: {}",
                    kept.algorithm.as_str().to_lowercase(),
                    sent.map_or_else(|| "null".to_owned(), |a| a.as_str().to_lowercase()),
                )));
            }
        }
        let part = self.part(
            &request.bucket,
            &request.upload_id,
            request.content,
            PartSource::Upload,
            now,
        )?;
        self.keep_part(&request.bucket, &request.upload_id, request.number, part)
    }

    /// `UploadPartCopy`. The part is answered with the version it was made of.
    pub fn upload_part_copy(
        &mut self,
        request: &UploadPartCopyRequest,
        now: Millis,
    ) -> S3Result<(Part, Option<VersionId>)> {
        check_number(request.number)?;
        let upload = self
            .bucket_or_err(&request.bucket)?
            .upload(&request.key, &request.upload_id)?;
        upload.check_key(request.customer_key.as_ref())?;
        let (version, found) = self.source(&request.source, now)?;
        let whole = &found.object.content;
        let range: Range<u64> = match request.range {
            None => 0..whole.size(),
            Some((first, last)) if first <= last && last < whole.size() => first..last + 1,
            Some(_) => {
                return Err(S3Error::argument(format!(
                    "Range specified is not valid for source object of size: {}",
                    whole.size()
                )));
            }
        };
        if range.end - range.start > MAX_PART {
            return Err(too_large_a_source());
        }
        let source = PartSource::Copy {
            sequence: found.sequence,
            origin: found.object.origin,
        };
        let content = if self.quirks.empty_part_copies {
            Content::default()
        } else {
            whole.slice(range)
        };
        let part = self.part(&request.bucket, &request.upload_id, content, source, now)?;
        let part = self.keep_part(&request.bucket, &request.upload_id, request.number, part)?;
        Ok((part, version))
    }

    fn part(
        &mut self,
        bucket: &str,
        upload_id: &str,
        content: Content,
        source: PartSource,
        modified: Millis,
    ) -> S3Result<Part> {
        let unique = self.next_sequence();
        let quirk = self.quirks.etag_is_not_md5;
        let bucket = self.bucket_or_err(bucket)?;
        let upload = bucket.uploads.get(upload_id);
        let encryption = upload.and_then(|u| u.properties.encryption.as_ref());
        let real = !quirk
            && !bucket.settings.directory
            && encryption.is_none_or(Encryption::etag_is_md5);
        let md5 = if real { content.md5() } else { opaque(unique) };
        Ok(Part {
            etag: ETag::new(&hex::encode(&md5)),
            content,
            modified,
            source,
        })
    }

    fn keep_part(
        &mut self,
        bucket: &str,
        upload_id: &str,
        number: u32,
        part: Part,
    ) -> S3Result<Part> {
        let uploads = &mut self.bucket_mut(bucket)?.uploads;
        let upload = uploads
            .get_mut(upload_id)
            .ok_or_else(S3Error::no_such_upload)?;
        upload.parts.insert(number, part.clone());
        Ok(part)
    }

    /// `CompleteMultipartUpload`. When refused, the upload stays.
    pub fn complete_multipart_upload(
        &mut self,
        request: &CompleteUploadRequest,
        now: Millis,
    ) -> S3Result<WriteResponse> {
        let quirks = self.quirks;
        let bucket = self.bucket_or_err(&request.bucket)?;
        let upload = match bucket.upload(&request.key, &request.upload_id) {
            Ok(upload) => upload,
            Err(gone) => {
                return match self.completed.get(&request.upload_id) {
                    Some(done) if quirks.repeated_complete_ok => Ok(done.clone()),
                    _ => Err(gone),
                };
            }
        };
        let parts = chosen_parts(upload, &request.parts)?;
        let content = Content::concat(parts.iter().map(|p| &p.content));
        if content.size() > MAX_OBJECT {
            return Err(S3Error::new(
                ErrorCode::EntityTooLarge,
                "Your proposed upload exceeds the maximum allowed object size.",
            ));
        }
        if let Some(expected) = request.object_size
            && expected != content.size()
        {
            return Err(S3Error::request(format!(
                "The provided 'x-amz-mp-object-size' header value {expected} does not match what \
                 was computed: {}",
                content.size()
            )));
        }
        if !quirks.no_checksums {
            check_checksums(upload, request, &parts, &content)?;
        }
        if !quirks.ignore_conditions_on_complete {
            request.conditions.check(bucket.latest(&request.key))?;
        }

        let properties = upload.properties.clone();
        let draft = Draft {
            parts: Some(parts),
            checksum: Some(upload.kept()),
            origin: upload.origin(request.parts.iter().map(|p| p.number)),
            ..Draft::new(&properties, content, upload.initiated)
        };
        let written = self.write(&request.bucket, &request.key, draft, now)?;
        self.bucket_mut(&request.bucket)?
            .uploads
            .remove(&request.upload_id);
        if quirks.repeated_complete_ok {
            self.completed
                .insert(request.upload_id.clone(), written.clone());
        }
        Ok(written)
    }

    /// `AbortMultipartUpload`.
    pub fn abort_multipart_upload(
        &mut self,
        bucket: &str,
        key: &str,
        upload_id: &str,
        _now: Millis,
    ) -> S3Result<()> {
        let bucket = self.bucket_mut(bucket)?;
        bucket.upload(key, upload_id)?;
        bucket.uploads.remove(upload_id);
        Ok(())
    }

    /// `ListParts`.
    pub fn list_parts(
        &self,
        request: &ListPartsRequest,
        _now: Millis,
    ) -> S3Result<ListPartsResponse> {
        let upload = self
            .bucket_or_err(&request.bucket)?
            .upload(&request.key, &request.upload_id)?;
        let max = request.max.unwrap_or(MAX_PAGE).min(MAX_PAGE);
        let mut rest = upload
            .parts
            .range(request.after.saturating_add(1)..)
            .map(|(number, part)| (*number, part.clone()));
        let parts: Vec<_> = rest.by_ref().take(max).collect();
        let more = rest.next().is_some();
        Ok(ListPartsResponse {
            next: parts.last().map(|(n, _)| *n).filter(|_| more),
            parts,
            checksum: upload.checksum,
            storage_class: upload.properties.storage_class.unwrap_or_default(),
        })
    }
}

/// The parts that the object is made of, each there, of the right ETag, in
/// order, and none but the last too small.
fn chosen_parts(upload: &Upload, wanted: &[CompletePart]) -> S3Result<Arc<[ObjectPart]>> {
    if wanted.is_empty() {
        return Err(S3Error::new(
            ErrorCode::MalformedXml,
            "You must specify at least one part",
        ));
    }
    if wanted.windows(2).any(|w| w[0].number >= w[1].number) {
        return Err(S3Error::new(
            ErrorCode::InvalidPartOrder,
            "The list of parts was not in ascending order. The parts list must be specified in \
             order by part number.",
        ));
    }
    let mut parts = Vec::with_capacity(wanted.len());
    for part in wanted {
        let stored = upload
            .parts
            .get(&part.number)
            .filter(|stored| ETag::new(&part.etag) == stored.etag)
            .ok_or_else(|| {
                S3Error::new(
                    ErrorCode::InvalidPart,
                    "One or more of the specified parts could not be found. The part may not have \
                     been uploaded, or the specified entity tag may not match the part's entity \
                     tag.",
                )
            })?;
        parts.push(ObjectPart {
            number: part.number,
            content: stored.content.clone(),
        });
    }
    let but_last = &parts[..parts.len() - 1];
    if but_last.iter().any(|p| p.content.size() < MIN_PART) {
        return Err(S3Error::new(
            ErrorCode::EntityTooSmall,
            "Your proposed upload is smaller than the minimum allowed size",
        ));
    }
    Ok(parts.into())
}

fn check_checksums(
    upload: &Upload,
    request: &CompleteUploadRequest,
    parts: &[ObjectPart],
    content: &Content,
) -> S3Result<()> {
    let kept = upload.kept();
    for (wanted, part) in request.parts.iter().zip(parts) {
        match &wanted.checksum {
            Some((algorithm, value)) => {
                if *algorithm != kept.algorithm
                    || *value != checksum::base64(part.content.digest(*algorithm))
                {
                    return Err(S3Error::new(
                        ErrorCode::InvalidPart,
                        "One or more of the specified parts could not be found. The part may not \
                         have been uploaded, or the specified checksum may not match the part's \
                         checksum.",
                    ));
                }
            }
            None if kept.kind == ChecksumType::Composite => {
                return Err(S3Error::request(format!(
                    "The upload was created using a {} checksum. The complete request must \
                     include the checksum for each part. It was missing for part {} in the \
                     request.",
                    kept.algorithm.as_str().to_lowercase(),
                    wanted.number
                )));
            }
            None => {}
        }
    }
    if kept.kind == ChecksumType::Composite && !(1..).zip(parts).all(|(n, p)| n == p.number) {
        return Err(S3Error::new(
            ErrorCode::InternalError,
            "We encountered an internal error. Please try again.",
        ));
    }
    if request.checksum_type.is_some_and(|kind| kind != kept.kind) {
        return Err(S3Error::request(
            "The checksum type of the request is not that of the upload.",
        ));
    }
    if let Some((algorithm, value)) = &request.checksum {
        if *algorithm != kept.algorithm {
            return Err(bad_digest(algorithm.as_str()));
        }
        let computed = match kept.kind {
            ChecksumType::FullObject => checksum::base64(content.digest(*algorithm)),
            ChecksumType::Composite => composite(*algorithm, parts.iter().map(|p| &p.content)),
        };
        if *value != computed {
            return Err(bad_digest(algorithm.as_str()));
        }
    }
    Ok(())
}
