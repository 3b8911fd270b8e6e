//! Object annotations.

use hyper::Method;

use super::reply::Reply;
use super::request::Call;
use super::{dates, unknown};
use crate::s3::{
    Annotation, Checksum, ChecksumAlgorithm, ChecksumType, ListAnnotationsRequest,
    PutAnnotationRequest, S3, S3Error, S3Result, VersionId, base64,
};

pub(super) fn answer(s3: &mut S3, call: &Call) -> S3Result<Reply> {
    let name = call.query("annotationName").unwrap_or_default();
    match call.method {
        Method::GET if name.is_empty() => list(s3, call),
        Method::GET => {
            let (annotation, version) =
                s3.get_object_annotation(&call.object()?, name, call.now)?;
            let shown = call.header("x-amz-checksum-mode").is_some();
            let length = annotation.payload.size();
            let reply = Reply::content(annotation.payload.clone())
                .header("content-length", length)
                .header("last-modified", dates::http(annotation.modified));
            Ok(described(reply, &annotation, version, shown))
        }
        Method::PUT => {
            let (annotation, version) = s3.put_object_annotation(
                PutAnnotationRequest {
                    object: call.object()?,
                    name: name.to_owned(),
                    payload: call.body.clone(),
                    object_if_match: object_if_match(call),
                    checksum: call.checksum()?,
                },
                call.now,
            )?;
            let reply = Reply::xml("PutObjectAnnotationOutput", |xml| {
                xml.text("Key", &call.key);
                xml.text("AnnotationName", name);
            });
            Ok(described(reply, &annotation, version, true))
        }
        Method::DELETE => {
            let condition = object_if_match(call);
            let version =
                s3.delete_object_annotation(&call.object()?, name, condition.as_deref(), call.now)?;
            Ok(Reply::no_content().maybe("x-amz-object-version-id", version))
        }
        _ => Err(unknown()),
    }
}

fn object_if_match(call: &Call) -> Option<String> {
    call.header("x-amz-object-if-match").map(str::to_owned)
}

fn described(
    reply: Reply,
    annotation: &Annotation,
    version: Option<VersionId>,
    checksum: bool,
) -> Reply {
    let checksum = checksum.then(|| {
        let algorithm = ChecksumAlgorithm::Crc64Nvme;
        Checksum {
            algorithm,
            kind: ChecksumType::FullObject,
            value: base64(annotation.payload.digest(algorithm)),
        }
    });
    reply
        .header("etag", &annotation.etag)
        .maybe("x-amz-object-version-id", version)
        .checksum(checksum.as_ref())
}

fn list(s3: &mut S3, call: &Call) -> S3Result<Reply> {
    let token = call.query("continuation-token").filter(|t| !t.is_empty());
    let continuation = token
        .map(|token| {
            let bytes = hex::decode(token).ok();
            bytes
                .and_then(|b| String::from_utf8(b).ok())
                .ok_or_else(|| S3Error::argument("The continuation token provided is incorrect"))
        })
        .transpose()?;
    let request = ListAnnotationsRequest {
        object: call.object()?,
        prefix: call
            .query("annotation-prefix")
            .unwrap_or_default()
            .to_owned(),
        continuation,
        max: call.number("max-annotation-results")?,
    };
    let page = s3.list_object_annotations(&request, call.now)?;
    Ok(Reply::xml("ListObjectAnnotationsOutput", |xml| {
        xml.element("Annotations", |xml| {
            for entry in &page.annotations {
                xml.element("AnnotationEntry", |xml| {
                    xml.text("AnnotationName", &entry.name);
                    xml.text("LastModified", dates::iso(entry.modified));
                    xml.text("ETag", &entry.etag);
                    xml.text("Size", entry.size);
                });
            }
        });
        xml.text("Bucket", &call.bucket);
        xml.text("Key", &call.key);
        xml.text("AnnotationPrefix", &request.prefix);
        xml.text("MaxAnnotationResults", request.max.unwrap_or(1_000));
        xml.text("AnnotationCount", page.annotations.len());
        xml.maybe("ContinuationToken", token);
        xml.maybe("NextContinuationToken", page.next.as_ref().map(hex::encode));
    })
    .maybe("x-amz-object-version-id", page.version_id))
}
