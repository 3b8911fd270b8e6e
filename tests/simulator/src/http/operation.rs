//! Which operation a request is, and what it is about: the one place that
//! reads it off method, path, query, headers and, where it must, the body.

use hyper::Method;
use hyper::http::request::Parts;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

/// The service that a request was sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// Amazon S3.
    S3,
    /// Amazon SQS.
    Sqs,
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Operation {
    /// Where it was sent.
    pub service: Service,
    /// The operation's name in the API: `CopyObject`, `ReceiveMessage`, ...
    pub name: String,
    /// The bucket, decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// The key, decoded; in a copy, the destination's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The keys of a `DeleteObjects`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// The source of a copy or a rename, decoded: `bucket/key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The queue's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
}

/// How SQS requests name their queue.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(clippy::struct_field_names)] // The API's own.
struct About {
    queue_url: Option<String>,
    queue_name: Option<String>,
    source_arn: Option<String>,
}

impl Operation {
    /// The operation of an S3 request: by path, or to `BUCKET.localhost`.
    #[must_use]
    pub fn s3(parts: &Parts) -> Self {
        let path = parts.uri.path();
        let path = path.strip_prefix('/').unwrap_or(path);
        let (bucket, key) = match bucket_of_host(parts) {
            Some(bucket) => (bucket, path),
            None => path.split_once('/').unwrap_or((path, "")),
        };
        let query: Vec<_> = parts
            .uri
            .query()
            .unwrap_or_default()
            .split('&')
            .map(|pair| pair.split('=').next().unwrap_or_default())
            .collect();
        let copies = parts.headers.contains_key("x-amz-copy-source");
        let name = match (bucket.is_empty(), key.is_empty()) {
            (true, _) => "ListBuckets".to_owned(),
            (false, true) => on_bucket(&parts.method, &query),
            (false, false) => on_object(&parts.method, &query, copies).to_owned(),
        };
        let source = ["x-amz-copy-source", "x-amz-rename-source"]
            .iter()
            .find_map(|header| parts.headers.get(*header)?.to_str().ok())
            .map(|source| source.split('?').next().unwrap_or_default())
            .map(|source| decode(&source.trim_start_matches('/').replace('+', " ")));
        Self {
            service: Service::S3,
            name,
            bucket: some(decode(bucket)),
            key: some(decode(key)),
            keys: Vec::new(),
            source,
            queue: None,
        }
    }

    /// The operation of an SQS request in the JSON protocol.
    #[must_use]
    pub fn sqs(parts: &Parts, body: &[u8]) -> Self {
        let target = parts.headers.get("x-amz-target");
        let target = target.and_then(|value| value.to_str().ok());
        let name = target.and_then(|target| target.strip_prefix("AmazonSQS."));
        let about: About = serde_json::from_slice(body).unwrap_or_default();
        let queue = about.queue_url.or(about.queue_name).or(about.source_arn);
        let queue = queue
            .as_deref()
            .and_then(|named| named.rsplit(['/', ':']).next());
        Self {
            service: Service::Sqs,
            name: name.unwrap_or("Unknown").to_owned(),
            bucket: None,
            key: None,
            keys: Vec::new(),
            source: None,
            queue: queue.map(str::to_owned),
        }
    }

    /// Whether the keys are in the body: see [`Operation::with_deleted`].
    #[must_use]
    pub fn names_keys_in_body(&self) -> bool {
        self.name == "DeleteObjects"
    }

    /// With the keys that the body of a `DeleteObjects` names.
    #[must_use]
    pub fn with_deleted(mut self, body: &[u8]) -> Self {
        let body = String::from_utf8_lossy(body);
        let keys = body.split("<Key>").skip(1);
        self.keys = keys
            .filter_map(|rest| rest.split("</Key>").next())
            .map(unescape)
            .collect();
        self
    }

    /// Every key that the request is about, but a copy's source.
    pub fn all_keys(&self) -> impl Iterator<Item = &str> {
        let one = self.key.as_deref().into_iter();
        one.chain(self.keys.iter().map(String::as_str))
    }
}

/// Sub-resources of a bucket, as the query and the API name them.
const SUBRESOURCES: [(&str, &str); 21] = [
    ("accelerate", "BucketAccelerateConfiguration"),
    ("acl", "BucketAcl"),
    ("analytics", "BucketAnalyticsConfiguration"),
    ("cors", "BucketCors"),
    ("encryption", "BucketEncryption"),
    (
        "intelligent-tiering",
        "BucketIntelligentTieringConfiguration",
    ),
    ("inventory", "BucketInventoryConfiguration"),
    ("lifecycle", "BucketLifecycleConfiguration"),
    ("location", "BucketLocation"),
    ("logging", "BucketLogging"),
    ("metrics", "BucketMetricsConfiguration"),
    ("notification", "BucketNotificationConfiguration"),
    ("object-lock", "ObjectLockConfiguration"),
    ("ownershipControls", "BucketOwnershipControls"),
    ("policy", "BucketPolicy"),
    ("publicAccessBlock", "PublicAccessBlock"),
    ("replication", "BucketReplication"),
    ("requestPayment", "BucketRequestPayment"),
    ("tagging", "BucketTagging"),
    ("versioning", "BucketVersioning"),
    ("website", "BucketWebsite"),
];

fn on_bucket(method: &Method, query: &[&str]) -> String {
    let has = |name: &str| query.contains(&name);
    let verb = match *method {
        Method::GET => "Get",
        Method::PUT => "Put",
        Method::DELETE => "Delete",
        Method::HEAD => return "HeadBucket".to_owned(),
        _ if has("delete") => return "DeleteObjects".to_owned(),
        _ => return "PostObject".to_owned(),
    };
    if let Some((_, resource)) = SUBRESOURCES.iter().find(|(name, _)| has(name)) {
        return format!("{verb}{resource}");
    }
    let name = match *method {
        Method::PUT => "CreateBucket",
        Method::DELETE => "DeleteBucket",
        _ if has("uploads") => "ListMultipartUploads",
        _ if has("versions") => "ListObjectVersions",
        _ if has("session") => "CreateSession",
        _ if has("list-type") => "ListObjectsV2",
        _ => "ListObjects",
    };
    name.to_owned()
}

fn on_object(method: &Method, query: &[&str], copies: bool) -> &'static str {
    let has = |name: &str| query.contains(&name);
    match *method {
        Method::HEAD => "HeadObject",
        Method::GET => match () {
            () if has("uploadId") => "ListParts",
            () if has("acl") => "GetObjectAcl",
            () if has("annotationName") => "GetObjectAnnotation",
            () if has("annotation") => "ListObjectAnnotations",
            () if has("attributes") => "GetObjectAttributes",
            () if has("legal-hold") => "GetObjectLegalHold",
            () if has("retention") => "GetObjectRetention",
            () if has("tagging") => "GetObjectTagging",
            () if has("torrent") => "GetObjectTorrent",
            () => "GetObject",
        },
        Method::PUT => match () {
            () if has("uploadId") && copies => "UploadPartCopy",
            () if has("uploadId") => "UploadPart",
            () if has("acl") => "PutObjectAcl",
            () if has("annotation") => "PutObjectAnnotation",
            () if has("encryption") => "UpdateObjectEncryption",
            () if has("legal-hold") => "PutObjectLegalHold",
            () if has("renameObject") => "RenameObject",
            () if has("retention") => "PutObjectRetention",
            () if has("tagging") => "PutObjectTagging",
            () if copies => "CopyObject",
            () => "PutObject",
        },
        Method::DELETE => match () {
            () if has("uploadId") => "AbortMultipartUpload",
            () if has("annotation") => "DeleteObjectAnnotation",
            () if has("tagging") => "DeleteObjectTagging",
            () => "DeleteObject",
        },
        _ => match () {
            () if has("uploads") => "CreateMultipartUpload",
            () if has("uploadId") => "CompleteMultipartUpload",
            () if has("restore") => "RestoreObject",
            () if has("select") => "SelectObjectContent",
            () => "PostObject",
        },
    }
}

fn bucket_of_host(parts: &Parts) -> Option<&str> {
    let host = parts.headers.get("host")?.to_str().ok()?;
    host.split(':').next()?.strip_suffix(".localhost")
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// The text of an XML element.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let Some((entity, after)) = after.split_once(';') else {
            plain.push('&');
            rest = after;
            continue;
        };
        let number = match entity.strip_prefix("#x") {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => entity
                .strip_prefix('#')
                .and_then(|digits| digits.parse().ok()),
        };
        match entity {
            "amp" => plain.push('&'),
            "lt" => plain.push('<'),
            "gt" => plain.push('>'),
            "quot" => plain.push('"'),
            "apos" => plain.push('\''),
            _ => plain.extend(number.and_then(char::from_u32)),
        }
        rest = after;
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn operation(method: &str, uri: &str, headers: &[(&str, &str)]) -> Operation {
        let mut request = hyper::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Operation::s3(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn operations_are_told_apart() {
        let copy = [("x-amz-copy-source", "/b/old%2Bkey?versionId=7")];
        for (method, uri, headers, expected) in [
            ("GET", "/", &[][..], "ListBuckets"),
            ("GET", "/b?list-type=2&prefix=acl", &[], "ListObjectsV2"),
            ("GET", "/b/?location", &[], "GetBucketLocation"),
            ("GET", "/b?uploads", &[], "ListMultipartUploads"),
            ("POST", "/b?delete", &[], "DeleteObjects"),
            ("PUT", "/b", &[], "CreateBucket"),
            ("PUT", "/b?versioning", &[], "PutBucketVersioning"),
            ("PUT", "/b/k", &[], "PutObject"),
            ("PUT", "/b/k", &copy, "CopyObject"),
            (
                "PUT",
                "/b/k?partNumber=1&uploadId=u",
                &copy,
                "UploadPartCopy",
            ),
            ("PUT", "/b/k?partNumber=1&uploadId=u", &[], "UploadPart"),
            ("POST", "/b/k?uploads", &[], "CreateMultipartUpload"),
            ("POST", "/b/k?uploadId=u", &[], "CompleteMultipartUpload"),
            ("DELETE", "/b/k?uploadId=u", &[], "AbortMultipartUpload"),
            ("DELETE", "/b/k?versionId=u", &[], "DeleteObject"),
            (
                "GET",
                "/b/k?annotation&annotationName=n",
                &[],
                "GetObjectAnnotation",
            ),
            ("HEAD", "/b/k?partNumber=1", &[], "HeadObject"),
        ] {
            assert_eq!(
                operation(method, uri, headers).name,
                expected,
                "{method} {uri}"
            );
        }
        let copied = operation("PUT", "/b/new/%C3%A9+1", &copy);
        assert_eq!(copied.key.as_deref(), Some("new/é+1"));
        assert_eq!(copied.source.as_deref(), Some("b/old+key"));
        let by_host = operation("PUT", "/k//l", &[("host", "b.localhost:9000")]);
        assert_eq!(by_host.bucket.as_deref(), Some("b"));
        assert_eq!(by_host.key.as_deref(), Some("k//l"));
    }

    #[test]
    fn the_keys_of_a_bulk_delete_are_read_from_its_body() {
        let body = b"<Delete><Object><Key>a&amp;b</Key></Object><Object><Key>&#x63;</Key></Object></Delete>";
        let deletes = operation("POST", "/b?delete", &[]).with_deleted(body);
        assert_eq!(deletes.all_keys().collect::<Vec<_>>(), ["a&b", "c"]);
    }
}
