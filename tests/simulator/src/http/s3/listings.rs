//! Listings of objects, versions and uploads.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::dates;
use super::reply::Reply;
use super::request::{Call, version};
use super::xml::Xml;
use crate::s3::{
    ListObjectsRequest, ListUploadsRequest, ListVersionsRequest, ListedObject, OWNER, S3, S3Error,
    S3Result,
};

/// What `encoding-type=url` leaves as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/');

/// How keys are written: as they are, or percent-encoded because XML cannot
/// carry all of them.
#[derive(Clone, Copy)]
struct Encoding(bool);

impl Encoding {
    fn of(call: &Call) -> Self {
        Self(call.query("encoding-type") == Some("url"))
    }

    fn text(self, xml: &mut Xml, name: &str, key: &str) {
        if self.0 {
            xml.text(name, utf8_percent_encode(key, PLAIN));
        } else {
            xml.text(name, key);
        }
    }

    fn maybe(self, xml: &mut Xml, name: &str, key: Option<&str>) {
        if let Some(key) = key {
            self.text(xml, name, key);
        }
    }

    fn common_prefixes(self, xml: &mut Xml, prefixes: &[String]) {
        for prefix in prefixes {
            xml.element("CommonPrefixes", |xml| self.text(xml, "Prefix", prefix));
        }
        xml.maybe("EncodingType", self.0.then_some("url"));
    }
}

fn owned(call: &Call, name: &str) -> Option<String> {
    call.query(name)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

fn object(xml: &mut Xml, object: &ListedObject) {
    xml.text("LastModified", dates::iso(object.modified));
    xml.text("ETag", &object.etag);
    if let Some(kept) = object.checksum {
        xml.text("ChecksumAlgorithm", kept.algorithm.as_str());
        xml.text("ChecksumType", kept.kind.as_str());
    }
    xml.text("Size", object.size);
    xml.text("StorageClass", object.storage_class.as_str());
}

fn owner(xml: &mut Xml) {
    xml.element("Owner", |xml| xml.text("ID", OWNER));
}

/// What a continuation token stands for: the last name of the page before.
pub(super) fn last_of_page(token: &str) -> S3Result<String> {
    let bytes = hex::decode(token).ok().filter(|bytes| !bytes.is_empty());
    let name = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    name.ok_or_else(|| {
        S3Error::argument("The continuation token provided is incorrect")
            .with("ArgumentName", "continuation-token")
    })
}

/// `ListObjectsV2` and its elder, which goes on by the last key and not by a
/// token.
pub(super) fn objects(s3: &mut S3, call: &Call) -> S3Result<Reply> {
    let v2 = call.query("list-type") == Some("2");
    // An empty one is no token of ours either.
    let token = call.query("continuation-token").filter(|_| v2);
    let continuation = token.map(last_of_page).transpose()?;
    let after = if v2 { "start-after" } else { "marker" };
    let request = ListObjectsRequest {
        bucket: call.bucket.clone(),
        prefix: owned(call, "prefix").unwrap_or_default(),
        delimiter: owned(call, "delimiter"),
        start_after: owned(call, after),
        continuation,
        max_keys: call.number("max-keys")?,
    };
    let page = s3.list_objects_v2(&request, call.now)?;
    let encoding = Encoding::of(call);
    let with_owner = !v2 || call.query("fetch-owner") == Some("true");
    Ok(Reply::xml("ListBucketResult", |xml| {
        xml.text("Name", &request.bucket);
        encoding.text(xml, "Prefix", &request.prefix);
        encoding.maybe(xml, "Delimiter", request.delimiter.as_deref());
        xml.text("MaxKeys", request.max_keys.unwrap_or(1_000));
        xml.text("IsTruncated", page.next.is_some());
        if v2 {
            let count = page.objects.len() + page.common_prefixes.len();
            xml.text("KeyCount", count);
            encoding.maybe(xml, "StartAfter", request.start_after.as_deref());
            xml.maybe("ContinuationToken", token);
            xml.maybe("NextContinuationToken", page.next.map(hex::encode));
        } else {
            let marker = request.start_after.as_deref().unwrap_or_default();
            encoding.text(xml, "Marker", marker);
            encoding.maybe(xml, "NextMarker", page.next.as_deref());
        }
        for listed in &page.objects {
            xml.element("Contents", |xml| {
                encoding.text(xml, "Key", &listed.key);
                object(xml, listed);
                if with_owner {
                    owner(xml);
                }
            });
        }
        encoding.common_prefixes(xml, &page.common_prefixes);
    }))
}

pub(super) fn versions(s3: &mut S3, call: &Call) -> S3Result<Reply> {
    let request = ListVersionsRequest {
        bucket: call.bucket.clone(),
        prefix: owned(call, "prefix").unwrap_or_default(),
        delimiter: owned(call, "delimiter"),
        key_marker: owned(call, "key-marker"),
        version_marker: owned(call, "version-id-marker")
            .as_deref()
            .map(version)
            .transpose()?,
        max_keys: call.number("max-keys")?,
    };
    let page = s3.list_object_versions(&request, call.now)?;
    let encoding = Encoding::of(call);
    Ok(Reply::xml("ListVersionsResult", |xml| {
        xml.text("Name", &request.bucket);
        encoding.text(xml, "Prefix", &request.prefix);
        encoding.maybe(xml, "Delimiter", request.delimiter.as_deref());
        let marker = request.key_marker.as_deref().unwrap_or_default();
        encoding.text(xml, "KeyMarker", marker);
        xml.maybe("VersionIdMarker", request.version_marker);
        xml.text("MaxKeys", request.max_keys.unwrap_or(1_000));
        xml.text("IsTruncated", page.next.is_some());
        if let Some((key, version)) = &page.next {
            encoding.text(xml, "NextKeyMarker", key);
            xml.maybe("NextVersionIdMarker", *version);
        }
        for listed in &page.versions {
            let name = if listed.object.is_some() {
                "Version"
            } else {
                "DeleteMarker"
            };
            xml.element(name, |xml| {
                encoding.text(xml, "Key", &listed.key);
                xml.text("VersionId", listed.version_id);
                xml.text("IsLatest", listed.is_latest);
                match &listed.object {
                    Some(listed) => object(xml, listed),
                    None => xml.text("LastModified", dates::iso(listed.modified)),
                }
                owner(xml);
            });
        }
        encoding.common_prefixes(xml, &page.common_prefixes);
    }))
}

pub(super) fn uploads(s3: &mut S3, call: &Call) -> S3Result<Reply> {
    let request = ListUploadsRequest {
        bucket: call.bucket.clone(),
        prefix: owned(call, "prefix").unwrap_or_default(),
        delimiter: owned(call, "delimiter"),
        key_marker: owned(call, "key-marker"),
        upload_id_marker: owned(call, "upload-id-marker"),
        max_uploads: call.number("max-uploads")?,
    };
    let page = s3.list_multipart_uploads(&request, call.now)?;
    let encoding = Encoding::of(call);
    Ok(Reply::xml("ListMultipartUploadsResult", |xml| {
        xml.text("Bucket", &request.bucket);
        let marker = request.key_marker.as_deref().unwrap_or_default();
        encoding.text(xml, "KeyMarker", marker);
        xml.maybe("UploadIdMarker", request.upload_id_marker.as_deref());
        encoding.text(xml, "Prefix", &request.prefix);
        encoding.maybe(xml, "Delimiter", request.delimiter.as_deref());
        xml.text("MaxUploads", request.max_uploads.unwrap_or(1_000));
        xml.text("IsTruncated", page.next.is_some());
        if let Some((key, upload)) = &page.next {
            encoding.text(xml, "NextKeyMarker", key);
            xml.text("NextUploadIdMarker", upload);
        }
        for upload in &page.uploads {
            xml.element("Upload", |xml| {
                encoding.text(xml, "Key", &upload.key);
                xml.text("UploadId", &upload.upload_id);
                xml.element("Initiator", |xml| xml.text("ID", OWNER));
                owner(xml);
                xml.text("StorageClass", upload.storage_class.as_str());
                xml.text("Initiated", dates::iso(upload.initiated));
                if let Some(kept) = upload.checksum {
                    xml.text("ChecksumAlgorithm", kept.algorithm.as_str());
                    xml.text("ChecksumType", kept.kind.as_str());
                }
            });
        }
        encoding.common_prefixes(xml, &page.common_prefixes);
    }))
}
