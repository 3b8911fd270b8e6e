//! Objects: put, get, head, copy, rename, delete.

use percent_encoding::percent_decode_str;
use serde::Deserialize;

use super::reply::Reply;
use super::request::{Call, version};
use super::{dates, xml};
use crate::s3::{
    AnnotationDirective, Bucket, ByteRange, Checksum, Content, CopyObjectRequest,
    DeleteObjectRequest, DeleteObjectsEntry, Directive, ErrorCode, GetObjectRequest,
    PutObjectRequest, RenameObjectRequest, S3, S3Error, S3Result,
};

pub(super) fn put(s3: &mut S3, call: &Call) -> S3Result<Reply> {
    let checksum = call.checksum()?;
    let has_digest = checksum.content_md5.is_some()
        || checksum.algorithm.is_some()
        || checksum.expected.is_some();
    if !has_digest && call.header("x-amz-object-lock-mode").is_some() {
        return Err(S3Error::request(
            "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with \
             Object Lock parameters",
        ));
    }
    let written = s3.put_object(
        PutObjectRequest {
            bucket: call.bucket.clone(),
            key: call.key.clone(),
            content: Content::literal(call.body.clone()),
            properties: call.new_object()?,
            conditions: call.write_conditions(),
            checksum: checksum.clone(),
        },
        call.now,
    )?;
    // The reply repeats a checksum that was asked for; computing the default
    // one for nobody would be slow.
    let asked = checksum.algorithm.is_some() || checksum.expected.is_some();
    let shown = asked.then(|| written.object.checksum()).flatten();
    Ok(Reply::ok().written(&written).checksum(shown.as_ref()))
}

fn get_request(call: &Call) -> S3Result<GetObjectRequest> {
    Ok(GetObjectRequest {
        object: call.object()?,
        range: call.header("range").and_then(range),
        part_number: call.number("partNumber")?,
        conditions: call.read_conditions(""),
        checksum_mode: call
            .header("x-amz-checksum-mode")
            .is_some_and(|mode| mode.eq_ignore_ascii_case("enabled")),
        customer_key: call.customer_key("x-amz-")?,
    })
}

pub(super) fn head(s3: &mut S3, call: &Call) -> S3Result<Reply> {
    let head = s3.head_object(&get_request(call)?, call.now);
    let head = head.map_err(|error| with_range(error, call))?;
    let expires = s3.expiration(&call.bucket, &call.key, head.modified);
    Ok(overridden(
        Reply::ok().head(&head).expiration(expires),
        call,
    ))
}

pub(super) fn get(s3: &mut S3, call: &Call) -> S3Result<Reply> {
    let got = s3.get_object(&get_request(call)?, call.now);
    let got = got.map_err(|error| with_range(error, call))?;
    Ok(overridden(
        Reply::content(got.content).head(&got.head),
        call,
    ))
}

/// Names the range that cannot be satisfied.
fn with_range(error: S3Error, call: &Call) -> S3Error {
    match (error.code, call.header("range")) {
        (ErrorCode::InvalidRange, Some(asked)) => error.with("RangeRequested", asked),
        _ => error,
    }
}

/// Refuses the header where it means nothing.
fn check_bypass(s3: &S3, call: &Call) -> S3Result<()> {
    let header = "x-amz-bypass-governance-retention";
    let lock = |bucket: &Bucket| bucket.settings.object_lock;
    if call.header(header).is_none() || s3.bucket(&call.bucket).is_none_or(lock) {
        return Ok(());
    }
    Err(S3Error::argument(
        "x-amz-bypass-governance-retention is only applicable to Object Lock enabled buckets.",
    )
    .with("ArgumentName", header))
}

/// Headers that the reader wants to see instead of the object's.
fn overridden(reply: Reply, call: &Call) -> Reply {
    [
        "content-type",
        "content-language",
        "expires",
        "cache-control",
        "content-disposition",
        "content-encoding",
    ]
    .into_iter()
    .fold(reply, |reply, name| {
        reply.maybe(name, call.query(&format!("response-{name}")))
    })
}

/// One range of bytes; several, or none that parses, are the whole object.
fn range(text: &str) -> Option<ByteRange> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    match (first.parse().ok(), last.parse().ok()) {
        (Some(first), Some(last)) if first <= last => Some(ByteRange::Between(first, last)),
        (Some(first), None) if last.is_empty() => Some(ByteRange::From(first)),
        (None, Some(n)) if first.is_empty() => Some(ByteRange::Last(n)),
        _ => None,
    }
}

pub(super) fn copy(s3: &mut S3, call: &Call) -> S3Result<Reply> {
    let directive = |name: &str| match call.header(name) {
        None | Some("COPY") => Ok(Directive::Copy),
        Some("REPLACE") => Ok(Directive::Replace),
        Some(_) => Err(S3Error::argument("Unknown directive.")),
    };
    let annotations = "x-amz-object-annotation-directive";
    let annotation_directive = match call.header(annotations).or(call.query(annotations)) {
        None | Some("COPY") => AnnotationDirective::Copy,
        Some("EXCLUDE") => AnnotationDirective::Exclude,
        Some(_) => return Err(S3Error::argument("Unknown annotation directive.")),
    };
    let copied = s3.copy_object(
        CopyObjectRequest {
            source: call.copy_source()?,
            bucket: call.bucket.clone(),
            key: call.key.clone(),
            properties: call.new_object()?,
            metadata_directive: directive("x-amz-metadata-directive")?,
            tagging_directive: directive("x-amz-tagging-directive")?,
            annotation_directive,
            conditions: call.write_conditions(),
            checksum_algorithm: call.algorithm("x-amz-checksum-algorithm")?,
        },
        call.now,
    )?;
    let written = &copied.written;
    let etag = if s3.quirks.bare_etag_on_copy {
        written.etag().as_str().to_owned()
    } else {
        written.etag().to_string()
    };
    Ok(Reply::xml("CopyObjectResult", |xml| {
        xml.text("ETag", &etag);
        xml.text("LastModified", dates::iso(written.modified));
        checksum_elements(xml, written.object.checksum().as_ref(), true);
    })
    .version(written.version_id)
    .encryption(&written.object.encryption)
    .expiration(s3.expiration(&call.bucket, &call.key, written.modified))
    .maybe("x-amz-copy-source-version-id", copied.source_version))
}

/// `ChecksumCRC32` and its like.
pub(super) fn checksum_elements(xml: &mut xml::Xml, checksum: Option<&Checksum>, kind: bool) {
    if let Some(c) = checksum {
        xml.text(&format!("Checksum{}", c.algorithm.as_str()), &c.value);
        if kind {
            xml.text("ChecksumType", c.kind.as_str());
        }
    }
}

pub(super) fn rename(s3: &mut S3, call: &Call) -> S3Result<Reply> {
    let source = call.header("x-amz-rename-source").unwrap_or_default();
    let source = percent_decode_str(source).decode_utf8_lossy();
    let source = source.strip_prefix('/').unwrap_or(&source);
    // The key alone, or with the bucket before it.
    let inside = source.strip_prefix(call.bucket.as_str());
    let key = inside.and_then(|s| s.strip_prefix('/')).unwrap_or(source);
    s3.rename_object(
        RenameObjectRequest {
            bucket: call.bucket.clone(),
            source: key.to_owned(),
            destination: call.key.clone(),
            source_conditions: call.read_conditions("x-amz-rename-source-"),
            conditions: call.write_conditions(),
            client_token: call.header("x-amz-client-token").map(str::to_owned),
        },
        call.now,
    )?;
    Ok(Reply::ok())
}

pub(super) fn delete(s3: &mut S3, call: &Call) -> S3Result<Reply> {
    for header in ["x-amz-if-match-last-modified-time", "x-amz-if-match-size"] {
        let directory = |b: &Bucket| b.settings.directory;
        if call.header(header).is_some() && !s3.bucket(&call.bucket).is_some_and(directory) {
            return Err(S3Error::not_implemented(header));
        }
    }
    check_bypass(s3, call)?;
    let deleted = s3.delete_object(
        &DeleteObjectRequest {
            object: call.object()?,
            if_match: call.header("if-match").map(str::to_owned),
            bypass_governance: call.flag("x-amz-bypass-governance-retention"),
        },
        call.now,
    )?;
    Ok(Reply::no_content().version(deleted.version_id).maybe(
        "x-amz-delete-marker",
        deleted.delete_marker.then_some("true"),
    ))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Delete {
    #[serde(rename = "Object", default)]
    objects: Vec<DeleteEntry>,
    #[serde(default)]
    quiet: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DeleteEntry {
    key: String,
    version_id: Option<String>,
    #[serde(rename = "ETag")]
    etag: Option<String>,
}

pub(super) fn delete_many(s3: &mut S3, call: &Call) -> S3Result<Reply> {
    if s3.quirks.delete_objects_needs_md5 && call.header("content-md5").is_none() {
        return Err(S3Error::request(
            "Missing required header for this request: Content-MD5",
        ));
    }
    call.checksum()?
        .verify(&Content::literal(call.body.clone()))?;
    let request: Delete = xml::parse(&call.body)?;
    // What is no version's id is the error of its own entry.
    let (mut entries, mut unknown) = (Vec::new(), Vec::new());
    for DeleteEntry {
        key,
        version_id,
        etag,
    } in request.objects
    {
        match version_id.as_deref().map(version).transpose() {
            Ok(version) => entries.push(DeleteObjectsEntry { key, version, etag }),
            Err(_) => unknown.push((key, version_id)),
        }
    }
    check_bypass(s3, call)?;
    let bypass = call.flag("x-amz-bypass-governance-retention");
    let results = if entries.is_empty() && !unknown.is_empty() {
        Vec::new()
    } else {
        s3.delete_objects(&call.bucket, entries, bypass, call.now)?
    };
    Ok(Reply::xml("DeleteResult", |xml| {
        for (key, version) in unknown {
            xml.element("Error", |xml| {
                xml.text("Key", key);
                xml.maybe("VersionId", version);
                xml.text("Code", "NoSuchVersion");
                xml.text("Message", "The specified version does not exist.");
            });
        }
        for (entry, result) in results {
            match result {
                Ok(_) if request.quiet => {}
                Ok(deleted) => xml.element("Deleted", |xml| {
                    xml.text("Key", &entry.key);
                    xml.maybe("VersionId", entry.version);
                    if deleted.delete_marker {
                        xml.text("DeleteMarker", true);
                        xml.maybe("DeleteMarkerVersionId", deleted.version_id);
                    }
                }),
                Err(error) => xml.element("Error", |xml| {
                    xml.text("Key", &entry.key);
                    xml.maybe("VersionId", entry.version);
                    xml.text("Code", error.code.as_str());
                    xml.text("Message", &error.message);
                }),
            }
        }
    }))
}
