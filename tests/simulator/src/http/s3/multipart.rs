//! Multipart uploads.

use serde::Deserialize;

use super::objects::checksum_elements;
use super::reply::Reply;
use super::request::Call;
use super::{dates, xml};
use crate::s3::{
    Checksum, ChecksumAlgorithm, ChecksumKept, ChecksumType, CompletePart, CompleteUploadRequest,
    Content, CreateUploadRequest, Encryption, ErrorCode, ListPartsRequest, OWNER, Part, S3,
    S3Error, S3Result, UploadPartCopyRequest, UploadPartRequest, base64,
};

fn upload_id(call: &Call) -> String {
    call.query("uploadId").unwrap_or_default().to_owned()
}

fn part_number(call: &Call) -> S3Result<u32> {
    let text = call.query("partNumber").unwrap_or_default();
    text.parse().map_err(|_| {
        S3Error::argument_of(
            "partNumber",
            text,
            "Part number must be an integer between 1 and 10000, inclusive",
        )
    })
}

pub(super) fn create(s3: &mut S3, call: &Call) -> S3Result<Reply> {
    let created = s3.create_multipart_upload(
        CreateUploadRequest {
            bucket: call.bucket.clone(),
            key: call.key.clone(),
            properties: call.new_object()?,
            checksum_algorithm: call.algorithm("x-amz-checksum-algorithm")?,
            checksum_type: call.choice("x-amz-checksum-type", ChecksumType::parse)?,
        },
        call.now,
    )?;
    let kept = created.checksum;
    Ok(Reply::xml("InitiateMultipartUploadResult", |xml| {
        xml.text("Bucket", &call.bucket);
        xml.text("Key", &call.key);
        xml.text("UploadId", &created.upload_id);
    })
    .encryption(&created.encryption)
    .maybe(
        "x-amz-checksum-algorithm",
        kept.map(|k| k.algorithm.as_str()),
    )
    .maybe("x-amz-checksum-type", kept.map(|k| k.kind.as_str())))
}

pub(super) fn upload_part(s3: &mut S3, call: &Call) -> S3Result<Reply> {
    let checksum = call.checksum()?;
    let sent = checksum.expected.as_ref().map(|(algorithm, _)| *algorithm);
    let sent = sent.or(checksum.algorithm);
    let id = upload_id(call);
    let part = s3.upload_part(
        UploadPartRequest {
            bucket: call.bucket.clone(),
            key: call.key.clone(),
            upload_id: id.clone(),
            number: part_number(call)?,
            content: Content::literal(call.body.clone()),
            checksum,
            customer_key: call.customer_key("x-amz-")?,
        },
        call.now,
    )?;
    let encryption = encryption_of(s3, call, &id).unwrap_or_default();
    let reply = Reply::ok()
        .header("etag", &part.etag)
        .encryption(&encryption);
    Ok(match sent {
        Some(algorithm) => reply.header(
            &super::request::checksum_header(algorithm),
            base64(part.content.digest(algorithm)),
        ),
        None => reply,
    })
}

/// The encryption that was asked for when an upload began.
fn encryption_of(s3: &S3, call: &Call, id: &str) -> Option<Encryption> {
    let mut uploads = s3.bucket(&call.bucket)?.uploads();
    let (_, upload) = uploads.find(|(known, _)| *known == id)?;
    upload.properties.encryption.clone()
}

const RANGE: &str = "x-amz-copy-source-range";

/// `bytes=first-last`, and nothing else that a range can be.
fn range(text: &str) -> Option<(u64, u64)> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let range = (first.parse().ok()?, last.parse().ok()?);
    (range.0 <= range.1).then_some(range)
}

fn bad_range(text: &str) -> S3Error {
    S3Error::argument_of(
        RANGE,
        text,
        "The x-amz-copy-source-range value must be of the form bytes=first-last where first and \
         last are the zero-based offsets of the first and last bytes to copy",
    )
}

pub(super) fn upload_part_copy(s3: &mut S3, call: &Call) -> S3Result<Reply> {
    let asked = call.header(RANGE);
    let range = asked.map(|text| range(text).ok_or_else(|| bad_range(text)));
    let range = range.transpose()?;
    let id = upload_id(call);
    let (part, source_version) = s3
        .upload_part_copy(
            &UploadPartCopyRequest {
                source: call.copy_source()?,
                range,
                bucket: call.bucket.clone(),
                key: call.key.clone(),
                upload_id: id.clone(),
                number: part_number(call)?,
                customer_key: call.customer_key("x-amz-")?,
            },
            call.now,
        )
        .map_err(|error| match (error.code, asked) {
            (ErrorCode::InvalidArgument, Some(text)) => error
                .with("ArgumentName", RANGE)
                .with("ArgumentValue", text),
            _ => error,
        })?;
    let upload = s3
        .bucket(&call.bucket)
        .and_then(|b| b.uploads().find(|(known, _)| *known == id))
        .map(|(_, upload)| upload);
    let kept = upload.and_then(|upload| upload.checksum);
    let encryption = encryption_of(s3, call, &id);
    Ok(Reply::xml("CopyPartResult", |xml| {
        xml.text("ETag", &part.etag);
        xml.text("LastModified", dates::iso(part.modified));
        checksum_elements(xml, of_part(&part, kept).as_ref(), false);
    })
    .encryption(&encryption.unwrap_or_default())
    .maybe("x-amz-copy-source-version-id", source_version))
}

/// The checksum that a part shows: only where one was asked for.
fn of_part(part: &Part, asked: Option<ChecksumKept>) -> Option<Checksum> {
    asked.map(|ChecksumKept { algorithm, kind }| Checksum {
        algorithm,
        kind,
        value: base64(part.content.digest(algorithm)),
    })
}

#[derive(Deserialize)]
struct Complete {
    #[serde(rename = "Part", default)]
    parts: Vec<Completed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Completed {
    part_number: u32,
    #[serde(rename = "ETag", default)]
    etag: String,
    #[serde(rename = "ChecksumCRC32")]
    crc32: Option<String>,
    #[serde(rename = "ChecksumCRC32C")]
    crc32c: Option<String>,
    #[serde(rename = "ChecksumCRC64NVME")]
    crc64nvme: Option<String>,
    #[serde(rename = "ChecksumSHA1")]
    sha1: Option<String>,
    #[serde(rename = "ChecksumSHA256")]
    sha256: Option<String>,
    #[serde(rename = "ChecksumSHA512")]
    sha512: Option<String>,
    #[serde(rename = "ChecksumMD5")]
    md5: Option<String>,
}

impl Completed {
    fn into_part(self) -> CompletePart {
        let checksum = [
            (ChecksumAlgorithm::Crc32, self.crc32),
            (ChecksumAlgorithm::Crc32c, self.crc32c),
            (ChecksumAlgorithm::Crc64Nvme, self.crc64nvme),
            (ChecksumAlgorithm::Sha1, self.sha1),
            (ChecksumAlgorithm::Sha256, self.sha256),
            (ChecksumAlgorithm::Sha512, self.sha512),
            (ChecksumAlgorithm::Md5, self.md5),
        ]
        .into_iter()
        .find_map(|(algorithm, value)| Some((algorithm, value?)));
        CompletePart {
            number: self.part_number,
            etag: self.etag,
            checksum,
        }
    }
}

pub(super) fn complete(s3: &mut S3, call: &Call) -> S3Result<Reply> {
    let request: Complete = xml::parse(&call.body)?;
    let size = call.choice("x-amz-mp-object-size", |text| text.parse().ok())?;
    let id = upload_id(call);
    let named = s3
        .bucket(&call.bucket)
        .and_then(|b| b.uploads().find(|(known, _)| *known == id))
        .is_some_and(|(_, upload)| upload.checksum.is_some());
    let written = s3.complete_multipart_upload(
        &CompleteUploadRequest {
            bucket: call.bucket.clone(),
            key: call.key.clone(),
            upload_id: id,
            parts: request
                .parts
                .into_iter()
                .map(Completed::into_part)
                .collect(),
            conditions: call.write_conditions(),
            checksum: call.checksum_value(),
            checksum_type: call.choice("x-amz-checksum-type", ChecksumType::parse)?,
            object_size: size,
        },
        call.now,
    )?;
    let encryption = &written.object.encryption;
    let reply = Reply::xml("CompleteMultipartUploadResult", |xml| {
        xml.text("Location", format!("/{}/{}", call.bucket, call.key));
        xml.text("Bucket", &call.bucket);
        xml.text("Key", &call.key);
        xml.text("ETag", written.etag());
        if named || *encryption == Encryption::Aes256 {
            checksum_elements(xml, written.object.checksum().as_ref(), true);
        }
    })
    .version(written.version_id)
    .expiration(s3.expiration(&call.bucket, &call.key, written.modified));
    // A customer's key is not named again.
    Ok(match encryption {
        Encryption::Customer(_) => reply,
        _ => reply.encryption(encryption),
    })
}

pub(super) fn abort(s3: &mut S3, call: &Call) -> S3Result<Reply> {
    s3.abort_multipart_upload(&call.bucket, &call.key, &upload_id(call), call.now)?;
    Ok(Reply::no_content())
}

pub(super) fn list_parts(s3: &mut S3, call: &Call) -> S3Result<Reply> {
    let request = ListPartsRequest {
        bucket: call.bucket.clone(),
        key: call.key.clone(),
        upload_id: upload_id(call),
        after: call.number("part-number-marker")?.unwrap_or_default(),
        max: call.number("max-parts")?,
    };
    let page = s3.list_parts(&request, call.now)?;
    Ok(Reply::xml("ListPartsResult", |xml| {
        xml.text("Bucket", &call.bucket);
        xml.text("Key", &call.key);
        xml.text("UploadId", &request.upload_id);
        xml.text("PartNumberMarker", request.after);
        // Also of the last page.
        let last = page.parts.last().map_or(0, |(number, _)| *number);
        xml.text("NextPartNumberMarker", last);
        xml.text("MaxParts", request.max.unwrap_or(1_000));
        xml.text("IsTruncated", page.next.is_some());
        for (number, part) in &page.parts {
            xml.element("Part", |xml| {
                xml.text("PartNumber", number);
                xml.text("LastModified", dates::iso(part.modified));
                xml.text("ETag", &part.etag);
                xml.text("Size", part.content.size());
                checksum_elements(xml, of_part(part, page.checksum).as_ref(), false);
            });
        }
        for role in ["Initiator", "Owner"] {
            xml.element(role, |xml| xml.text("ID", OWNER));
        }
        xml.text("StorageClass", page.storage_class.as_str());
        xml.maybe(
            "ChecksumAlgorithm",
            page.checksum.map(|kept| kept.algorithm.as_str()),
        );
        xml.maybe("ChecksumType", page.checksum.map(|kept| kept.kind.as_str()));
    }))
}
