//! What a request asks for, read off its head.

use hyper::body::Incoming;
use hyper::{Method, Request};
use percent_encoding::percent_decode_str;

/// One request as the proxy saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The API operation, such as `CopyObject` or `ReceiveMessage`.
    pub operation: &'static str,
    /// For S3, the object's key, decoded; empty for requests on a bucket.
    pub key: String,
    /// The query, as it was sent.
    pub query: String,
    /// The path, as it was sent.
    pub path: String,
    /// Who signed it, on what day, for which region and service:
    /// `KEY/20261130/eu-west-1/s3/aws4_request`.
    pub scope: String,
    /// Whether it says that the requester pays.
    pub pays: bool,
}

impl Seen {
    /// True for what the start-up probe asks of objects, and for the copies
    /// that prove something: not part of a rename.
    #[must_use]
    pub fn is_scratch(&self) -> bool {
        self.key.contains(".rebucket/")
    }

    pub(super) fn of(request: &Request<Incoming>) -> Self {
        let header = |name| request.headers().get(name).and_then(|v| v.to_str().ok());
        let credential = header("authorization").and_then(|v| v.split_once("Credential="));
        let scope = credential.and_then(|(_, rest)| rest.split(',').next());
        let scope = scope.unwrap_or_default().to_owned();
        let pays = header("x-amz-request-payer") == Some("requester");
        if let Some(target) = header("x-amz-target") {
            return Self {
                operation: sqs_operation(target),
                key: String::new(),
                query: String::new(),
                path: request.uri().path().to_owned(),
                scope,
                pays,
            };
        }
        let query = request.uri().query().unwrap_or_default();
        let path = request.uri().path().trim_start_matches('/');
        let key = path.split_once('/').map_or("", |(_, key)| key);
        Self {
            operation: s3_operation(
                request.method(),
                query,
                !key.is_empty(),
                header("x-amz-copy-source").is_some(),
            ),
            key: percent_decode_str(key).decode_utf8_lossy().into_owned(),
            query: query.to_owned(),
            path: request.uri().path().to_owned(),
            scope,
            pays,
        }
    }
}

const SQS_OPERATIONS: [&str; 7] = [
    "ReceiveMessage",
    "SendMessage",
    "SendMessageBatch",
    "DeleteMessageBatch",
    "ChangeMessageVisibilityBatch",
    "GetQueueAttributes",
    "GetQueueUrl",
];

fn sqs_operation(target: &str) -> &'static str {
    let name = target.rsplit('.').next().unwrap_or(target);
    let known = SQS_OPERATIONS.into_iter().find(|known| *known == name);
    known.unwrap_or("another SQS operation")
}

fn s3_operation(method: &Method, query: &str, on_object: bool, copies: bool) -> &'static str {
    let has = |name: &str| {
        query
            .split('&')
            .any(|pair| pair.split('=').next() == Some(name))
    };
    if !on_object {
        return "a bucket operation";
    }
    match method.as_str() {
        "HEAD" => "HeadObject",
        "GET" if has("tagging") => "GetObjectTagging",
        "GET" if has("acl") => "GetObjectAcl",
        "GET" if has("annotations") || has("annotation") => "ListObjectAnnotations",
        "GET" => "GetObject",
        "PUT" if has("partNumber") && copies => "UploadPartCopy",
        "PUT" if copies => "CopyObject",
        "PUT" => "PutObject",
        "POST" if has("uploads") => "CreateMultipartUpload",
        "POST" if has("uploadId") => "CompleteMultipartUpload",
        "DELETE" if has("uploadId") => "AbortMultipartUpload",
        "DELETE" => "DeleteObject",
        _ => "another S3 operation",
    }
}
