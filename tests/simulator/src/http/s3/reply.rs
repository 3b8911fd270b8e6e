//! A reply, and the headers that describe an object.

use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, StatusCode};
use s3s::{Body, S3Response};

use super::body::ContentBody;
use super::request::{Call, checksum_header};
use super::{dates, xml::Xml};
use crate::s3::{
    ArchiveTier, Checksum, Content, Encryption, ErrorCode, EventHold, Expiration, HoldPeriod,
    ObjectHead, RestoreStatus, S3Error, VersionId, WriteResponse,
};

#[derive(Debug)]
enum Payload {
    Nothing,
    Xml(String),
    Content(Content),
}

/// A reply about to be sent.
#[derive(Debug)]
pub(super) struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    payload: Payload,
}

impl Reply {
    /// 200 without a body.
    pub(super) fn ok() -> Self {
        Self {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            payload: Payload::Nothing,
        }
    }

    /// 204.
    pub(super) fn no_content() -> Self {
        Self::ok().status(StatusCode::NO_CONTENT)
    }

    /// 200 with a document of that root.
    pub(super) fn xml(root: &str, content: impl FnOnce(&mut Xml)) -> Self {
        Self {
            payload: Payload::Xml(Xml::document(root, content)),
            ..Self::ok()
        }
        .header("content-type", "application/xml")
    }

    /// 200 with the bytes of an object.
    pub(super) fn content(content: Content) -> Self {
        Self {
            payload: Payload::Content(content),
            ..Self::ok()
        }
    }

    pub(super) fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    #[allow(clippy::needless_pass_by_value)] // For texts and numbers alike.
    pub(super) fn header(mut self, name: &str, value: impl ToString) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes());
        let value = HeaderValue::from_bytes(value.to_string().as_bytes());
        // What cannot stand in a header came in none: nothing is lost here.
        if let (Ok(name), Ok(value)) = (name, value) {
            self.headers.insert(name, value);
        }
        self
    }

    pub(super) fn maybe(self, name: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.header(name, value),
            None => self,
        }
    }

    pub(super) fn version(self, version: Option<VersionId>) -> Self {
        self.maybe("x-amz-version-id", version)
    }

    /// The period only of a hold that is on, as the documentation of HEAD says.
    fn event_hold(self, hold: Option<EventHold>) -> Self {
        let period = hold.filter(|hold| hold.on).and_then(|hold| hold.then);
        let reply = self.maybe(
            "x-amz-object-lock-event-hold",
            hold.map(|hold| if hold.on { "ON" } else { "OFF" }),
        );
        match period {
            Some(HoldPeriod::Days(days)) => {
                reply.header("x-amz-object-lock-event-hold-duration-days", days)
            }
            Some(HoldPeriod::Years(years)) => {
                reply.header("x-amz-object-lock-event-hold-duration-years", years)
            }
            None => reply,
        }
    }

    pub(super) fn encryption(self, encryption: &Encryption) -> Self {
        match encryption {
            Encryption::Aes256 => self.header("x-amz-server-side-encryption", "AES256"),
            Encryption::Kms {
                key,
                bucket_key,
                dual_layer,
                ..
            } => {
                let algorithm = if *dual_layer {
                    "aws:kms:dsse"
                } else {
                    "aws:kms"
                };
                let key = key.as_deref().unwrap_or(DEFAULT_KMS_KEY);
                self.header("x-amz-server-side-encryption", algorithm)
                    .header("x-amz-server-side-encryption-aws-kms-key-id", key)
                    .maybe(
                        "x-amz-server-side-encryption-bucket-key-enabled",
                        bucket_key.then_some("true"),
                    )
            }
            Encryption::Customer(key) => self
                .header("x-amz-server-side-encryption-customer-algorithm", "AES256")
                .header("x-amz-server-side-encryption-customer-key-md5", &key.0),
        }
    }

    pub(super) fn checksum(self, checksum: Option<&Checksum>) -> Self {
        match checksum {
            Some(c) => self
                .header(&checksum_header(c.algorithm), &c.value)
                .header("x-amz-checksum-type", c.kind.as_str()),
            None => self,
        }
    }

    /// When a lifecycle rule expires the object.
    pub(super) fn expiration(self, expiration: Option<Expiration>) -> Self {
        let told = expiration.map(|told| {
            let date = dates::http(told.date);
            format!("expiry-date=\"{date}\", rule-id=\"{}\"", told.rule)
        });
        self.maybe("x-amz-expiration", told)
    }

    /// What `PutObject` tells of what it made.
    pub(super) fn written(self, written: &WriteResponse) -> Self {
        self.header("etag", written.etag())
            .version(written.version_id)
            .encryption(&written.object.encryption)
    }

    /// The headers of an object.
    pub(super) fn head(self, head: &ObjectHead) -> Self {
        let meta = &*head.metadata;
        let mut reply = self
            .header("accept-ranges", "bytes")
            .header("content-length", head.content_length)
            .header("etag", &head.etag)
            .header("last-modified", dates::http(head.modified))
            .header(
                "content-type",
                meta.content_type
                    .as_deref()
                    .unwrap_or("binary/octet-stream"),
            )
            .maybe("cache-control", meta.cache_control.as_ref())
            .maybe("content-disposition", meta.content_disposition.as_ref())
            .maybe("content-encoding", meta.content_encoding.as_ref())
            .maybe("content-language", meta.content_language.as_ref())
            .maybe("expires", meta.expires.as_ref())
            .version(head.version_id)
            .encryption(&head.encryption)
            .maybe(
                "x-amz-storage-class",
                // S3 does not name the standard one.
                Some(head.storage_class.as_str()).filter(|c| *c != "STANDARD"),
            )
            .maybe(
                "x-amz-archive-status",
                head.archive_tier.map(ArchiveTier::as_str),
            )
            .maybe("x-amz-restore", head.restore.map(restore))
            .maybe(
                "x-amz-tagging-count",
                Some(head.tag_count).filter(|n| *n > 0),
            )
            .maybe(
                "x-amz-object-lock-mode",
                head.retention.map(|r| r.mode.as_str()),
            )
            .maybe(
                "x-amz-object-lock-retain-until-date",
                head.retention.map(|r| dates::lock(r.until)),
            )
            .maybe(
                "x-amz-object-lock-legal-hold",
                head.legal_hold.map(|on| if on { "ON" } else { "OFF" }),
            )
            .event_hold(head.event_hold)
            .maybe("x-amz-website-redirect-location", head.redirect.as_ref())
            .maybe("x-amz-mp-parts-count", head.parts_count)
            .checksum(head.checksum.as_ref());
        for (name, value) in &meta.user {
            reply = reply.header(&format!("x-amz-meta-{name}"), value);
        }
        match &head.range {
            None => reply,
            Some(range) => reply.status(StatusCode::PARTIAL_CONTENT).maybe(
                "content-range",
                // An empty part has no bytes to name.
                (!range.is_empty())
                    .then(|| format!("bytes {}-{}/{}", range.start, range.end - 1, head.size)),
            ),
        }
    }

    pub(super) fn into_response(self, call: &Call) -> S3Response<Body> {
        let body = match self.payload {
            Payload::Content(content) if call.method != Method::HEAD => {
                Body::http_body(ContentBody::new(&content))
            }
            Payload::Xml(text) => Body::from(text),
            Payload::Nothing | Payload::Content(_) => Body::empty(),
        };
        S3Response {
            output: body,
            status: Some(self.status),
            headers: self.headers,
            extensions: hyper::http::Extensions::new(),
        }
    }
}

const DEFAULT_KMS_KEY: &str =
    "arn:aws:kms:us-east-1:111122223333:key/00000000-0000-0000-0000-000000000000";

fn restore(status: RestoreStatus) -> String {
    match status {
        RestoreStatus::Ongoing => "ongoing-request=\"true\"".to_owned(),
        RestoreStatus::Restored(until) => format!(
            "ongoing-request=\"false\", expiry-date=\"{}\"",
            dates::http(until)
        ),
    }
}

/// The model's error. To a HEAD it has no body, and so no code.
pub(super) fn refusal(error: &S3Error, call: &Call) -> Reply {
    let xml = Xml::bare("Error", |xml| {
        xml.text("Code", error.code.as_str());
        xml.text("Message", &error.message);
        if error.code == ErrorCode::MethodNotAllowed {
            xml.text("Method", &call.method);
        }
        for (name, text) in &error.details {
            xml.text(name, text);
        }
        xml.text("RequestId", call.id.s3());
        xml.text("HostId", call.id.host());
    });
    let has_body = call.method != Method::HEAD && error.status != 304;
    let mut reply = Reply {
        payload: if has_body {
            Payload::Xml(xml)
        } else {
            Payload::Nothing
        },
        ..Reply::ok()
    };
    if let Ok(status) = StatusCode::from_u16(error.status) {
        reply = reply.status(status);
    }
    if let Some(marker) = error.delete_marker {
        reply = reply
            .header("x-amz-delete-marker", "true")
            .header("x-amz-version-id", marker);
        if error.status == 405 {
            // The only thing that can be done with it.
            reply = reply.header("allow", "DELETE");
        }
    }
    if error.status == 304 {
        // HTTP wants the header of every 304 (RFC 9110, 15.4.5).
        return reply.maybe("etag", error.detail("ETag"));
    }
    reply.header("content-type", "application/xml")
}
