//! Multipart uploads, up to their completion.

use std::collections::BTreeMap;
use std::ops::Range;

use super::copy::too_large_a_source;
use super::limits::{MAX_PAGE, MAX_PART, MAX_PARTS, check_key};
use super::put::{check_properties, opaque};
use super::{
    ChecksumKept, ChecksumType, Content, CreateUploadRequest, CreateUploadResponse, ETag,
    Encryption, ErrorCode, ListPartsRequest, ListPartsResponse, Part, PartSource, S3, S3Error,
    S3Result, Tags, Upload, UploadPartCopyRequest, UploadPartRequest, VersionId,
};
use crate::clock::Millis;

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
            request.properties.tags = Tags::default();
        }
        let key = bucket.keys.fold(&request.key).into_owned();
        self.uploads += 1;
        let upload_id = format!("upload-{:08}", self.uploads);
        let checksum = checksum.filter(|_| !quirks.no_checksums);
        self.bucket_mut(&request.bucket)?.uploads.insert(
            upload_id.clone(),
            Upload {
                key,
                initiated: now,
                properties: request.properties,
                checksum,
                parts: BTreeMap::new(),
                overtaken: false,
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
            Some((first, last)) if first <= last && first >= whole.size() => {
                return Err(S3Error::request(
                    "The specified copy range is invalid for the source object size",
                ));
            }
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
        let real =
            !quirk && !bucket.settings.directory && encryption.is_none_or(Encryption::etag_is_md5);
        let md5 = if real { content.md5() } else { opaque(unique) };
        Ok(Part {
            etag: ETag::new(&hex::encode(md5)),
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
            .ok_or_else(|| S3Error::no_such_upload(upload_id))?;
        upload.parts.insert(number, part.clone());
        Ok(part)
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
