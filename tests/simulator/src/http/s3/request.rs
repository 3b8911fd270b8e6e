//! A request, read into the terms of the model.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use hyper::{HeaderMap, Method};
use percent_encoding::percent_decode_str;
use s3s::{Body, S3ErrorCode, S3Request};

use super::dates;
use crate::clock::Millis;
use crate::http::identity::RequestId;
use crate::s3::{
    AclRequest, CannedAcl, ChecksumAlgorithm, ChecksumRequest, CopySource, Encryption, ErrorCode,
    EventHold, Grant, Grantee, HoldPeriod, Metadata, NewObject, ObjectRef, Permission,
    ReadConditions, Retention, RetentionMode, S3Error, S3Result, StorageClass, VersionId,
    WriteConditions,
};

/// A request whose signature was checked and whose body was read.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    /// Empty where the request is about the account.
    pub(super) bucket: String,
    /// Empty where the request is about the bucket.
    pub(super) key: String,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    trailers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) now: Millis,
    /// What the answer names it by.
    pub(super) id: RequestId,
}

impl Call {
    pub(super) async fn read(
        mut request: S3Request<Body>,
        id: RequestId,
        now: Millis,
    ) -> s3s::S3Result<Self> {
        let body = request
            .input
            .store_all_limited(usize::MAX)
            .await
            .map_err(|e| match e.downcast::<s3s::S3Error>() {
                Ok(error) => *error,
                Err(e) if e.to_string().contains("Mismatch") => {
                    let code = S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into());
                    s3s::S3Error::with_message(code, e.to_string())
                }
                Err(e) => s3s::s3_error!(IncompleteBody, "{e}"),
            })?;
        let trailers = request
            .trailing_headers
            .as_ref()
            .and_then(s3s::TrailingHeaders::take)
            .unwrap_or_default();
        let host = request.headers.get("host").and_then(|h| h.to_str().ok());
        let path = request.uri.path();
        let (bucket, key) = if let Some(bucket) = host.and_then(bucket_of_host) {
            // Only the slash that begins every path is not of the key.
            let key = path.strip_prefix('/').unwrap_or(path);
            (bucket.to_owned(), decode(key))
        } else {
            let path = path.trim_start_matches('/');
            let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
            (decode(bucket), decode(key))
        };
        let query = request.uri.query().unwrap_or_default();
        let query = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decode_form(name), decode_form(value))
            })
            .collect();
        Ok(Self {
            method: request.method,
            bucket,
            key,
            query,
            headers: request.headers,
            trailers,
            body,
            now,
            id,
        })
    }

    pub(super) fn query(&self, name: &str) -> Option<&str> {
        let pair = self.query.iter().find(|(n, _)| n == name)?;
        Some(&pair.1)
    }

    /// How many things the query says, but for the name of the operation that
    /// some clients put there.
    pub(super) fn queries(&self) -> usize {
        self.query.iter().filter(|(name, _)| name != "x-id").count()
    }

    /// A number in the query.
    pub(super) fn number<T: std::str::FromStr>(&self, name: &str) -> S3Result<Option<T>> {
        self.query(name)
            .filter(|text| !text.is_empty())
            .map(|text| {
                text.parse().map_err(|_| {
                    S3Error::argument(format!("Provided {name} not an integer or within range"))
                })
            })
            .transpose()
    }

    /// A header that is there and not empty.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let value = self.headers.get(name)?;
        std::str::from_utf8(value.as_bytes())
            .ok()
            .filter(|text| !text.is_empty())
    }

    /// All the words of a header, which may come in several lines.
    pub(super) fn listed(&self, name: &str) -> impl Iterator<Item = &str> {
        let lines = self.headers.get_all(name).into_iter();
        lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(','))
            .map(str::trim)
    }

    fn owned(&self, name: &str) -> Option<String> {
        self.header(name).map(str::to_owned)
    }

    /// A header with one of a few values.
    pub(super) fn choice<T>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> S3Result<Option<T>> {
        self.header(name)
            .map(|text| {
                parse(text).ok_or_else(|| {
                    S3Error::argument(format!("the value of {name} is not one that S3 knows"))
                })
            })
            .transpose()
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.header(name)
            .is_some_and(|v| v.eq_ignore_ascii_case("true"))
    }

    /// The object that the request is about.
    pub(super) fn object(&self) -> S3Result<ObjectRef> {
        Ok(ObjectRef {
            bucket: self.bucket.clone(),
            key: self.key.clone(),
            version: self
                .query("versionId")
                .filter(|v| !v.is_empty())
                .map(version)
                .transpose()?,
        })
    }

    /// `prefix` is empty, or that of the source of a copy or a rename.
    pub(super) fn read_conditions(&self, prefix: &str) -> ReadConditions {
        let header = |name: &str| self.owned(&format!("{prefix}{name}"));
        let date = |name: &str| header(name).and_then(|text| dates::parse(&text));
        ReadConditions {
            if_match: header("if-match"),
            if_none_match: header("if-none-match"),
            if_modified_since: date("if-modified-since"),
            if_unmodified_since: date("if-unmodified-since"),
        }
    }

    pub(super) fn write_conditions(&self) -> WriteConditions {
        WriteConditions {
            if_match: self.owned("if-match"),
            if_none_match: self.owned("if-none-match"),
        }
    }

    fn encryption(&self) -> S3Result<Option<Encryption>> {
        let name = "x-amz-server-side-encryption";
        if let Some(key) = self.new_customer_key()? {
            return Ok(Some(Encryption::Customer(key)));
        }
        let kms = |dual_layer| Encryption::Kms {
            key: self.owned("x-amz-server-side-encryption-aws-kms-key-id"),
            bucket_key: self.flag("x-amz-server-side-encryption-bucket-key-enabled"),
            context: self.owned("x-amz-server-side-encryption-context"),
            dual_layer,
        };
        self.choice(name, |name| match name {
            "AES256" => Some(Encryption::Aes256),
            "aws:kms" => Some(kms(false)),
            "aws:kms:dsse" => Some(kms(true)),
            _ => None,
        })
    }

    /// Everything that headers say of a new object.
    pub(super) fn new_object(&self) -> S3Result<NewObject> {
        Ok(NewObject {
            metadata: Arc::new(self.metadata()),
            storage_class: self
                .choice("x-amz-storage-class", StorageClass::parse)
                .map_err(|_| {
                    let message = "The storage class you specified is not valid";
                    S3Error::new(ErrorCode::InvalidStorageClass, message)
                })?,
            encryption: self.encryption()?,
            tags: Arc::new(self.tags()?),
            acl: self.acl()?,
            retention: self.retention()?,
            legal_hold: self.choice("x-amz-object-lock-legal-hold", on_off)?,
            event_hold: self.event_hold()?,
            redirect: self.owned("x-amz-website-redirect-location"),
        })
    }

    fn metadata(&self) -> Metadata {
        let user = self.headers.iter().filter_map(|(name, value)| {
            let name = name.as_str().strip_prefix("x-amz-meta-")?;
            let value = String::from_utf8_lossy(value.as_bytes());
            Some((name.to_owned(), value.into_owned()))
        });
        Metadata {
            content_type: self.owned("content-type"),
            cache_control: self.owned("cache-control"),
            content_disposition: self.owned("content-disposition"),
            content_encoding: self.content_encoding(),
            content_language: self.owned("content-language"),
            expires: self.owned("expires"),
            user: user.collect(),
        }
    }

    /// Without `aws-chunked`, which is of the transfer and not of the object.
    fn content_encoding(&self) -> Option<String> {
        let codings = self.header("content-encoding")?.split(',').map(str::trim);
        let kept: Vec<_> = codings.filter(|c| *c != "aws-chunked").collect();
        (!kept.is_empty()).then(|| kept.join(","))
    }

    fn retention(&self) -> S3Result<Option<Retention>> {
        let mode = self.choice("x-amz-object-lock-mode", RetentionMode::parse)?;
        let until = self.choice("x-amz-object-lock-retain-until-date", dates::parse)?;
        match (mode, until) {
            (None, None) => Ok(None),
            (Some(mode), Some(until)) => Ok(Some(Retention { mode, until })),
            _ => Err(S3Error::argument(
                "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be \
                 supplied",
            )),
        }
    }

    /// The tags in a header. One key twice, and what is not encoded, is refused.
    fn tags(&self) -> S3Result<BTreeMap<String, String>> {
        let name = "x-amz-tagging";
        let text = self.header(name).unwrap_or_default();
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).count();
        let tags = tags(text);
        if tags.len() == pairs && !text.contains(',') {
            return Ok(tags);
        }
        Err(S3Error::argument_of(
            name,
            text,
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query \
             parameters without tag name duplicates.",
        ))
    }

    fn event_hold(&self) -> S3Result<Option<EventHold>> {
        let header = |name: &str| format!("x-amz-object-lock-event-hold{name}");
        let number = |name: &str| self.choice(&header(name), |n| n.parse().ok());
        let then = match (number("-duration-days")?, number("-duration-years")?) {
            (None, None) => None,
            (Some(days), None) => Some(HoldPeriod::Days(days)),
            (None, Some(years)) => Some(HoldPeriod::Years(years)),
            (Some(_), Some(_)) => {
                return Err(S3Error::argument("an event hold lasts days or years"));
            }
        };
        let on = self.choice(&header(""), on_off)?;
        Ok(on.map(|on| EventHold { on, then }))
    }

    /// The ACL that headers ask for.
    pub(super) fn acl(&self) -> S3Result<AclRequest> {
        let canned = self.choice("x-amz-acl", CannedAcl::parse)?;
        let mut grants = Vec::new();
        for (header, permission) in [
            ("x-amz-grant-full-control", Permission::FullControl),
            ("x-amz-grant-read", Permission::Read),
            ("x-amz-grant-write", Permission::Write),
            ("x-amz-grant-read-acp", Permission::ReadAcp),
            ("x-amz-grant-write-acp", Permission::WriteAcp),
        ] {
            for one in self.header(header).into_iter().flat_map(|v| v.split(',')) {
                let grantee = grantee(one)
                    .ok_or_else(|| S3Error::argument(format!("{header} has no grantee")))?;
                grants.push(Grant {
                    grantee,
                    permission,
                });
            }
        }
        match (canned, grants.is_empty()) {
            (Some(canned), true) => Ok(AclRequest::Canned(canned)),
            (None, false) => Ok(AclRequest::Grants(grants)),
            (None, true) => Ok(AclRequest::Unset),
            (Some(_), false) => Err(S3Error::request(
                "Specifying both Canned ACLs and Header Grants is not allowed",
            )),
        }
    }

    /// The algorithm that a header names.
    pub(super) fn algorithm(&self, name: &str) -> S3Result<Option<ChecksumAlgorithm>> {
        self.choice(name, ChecksumAlgorithm::parse).map_err(|_| {
            S3Error::request(
                "Checksum algorithm provided is unsupported. Please try again with any of the \
                 valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
            )
        })
    }

    /// The checksum in headers or trailers.
    pub(super) fn checksum_value(&self) -> Option<(ChecksumAlgorithm, String)> {
        ChecksumAlgorithm::ALL.into_iter().find_map(|algorithm| {
            let name = checksum_header(algorithm);
            let value = self
                .headers
                .get(&name)
                .or_else(|| self.trailers.get(&name))?;
            Some((algorithm, value.to_str().ok()?.to_owned()))
        })
    }

    pub(super) fn checksum(&self) -> S3Result<ChecksumRequest> {
        Ok(ChecksumRequest {
            algorithm: self.algorithm("x-amz-sdk-checksum-algorithm")?,
            expected: self.checksum_value(),
            content_md5: self.owned("content-md5"),
        })
    }

    /// `x-amz-copy-source`. Decoded as a form: a `+` that was meant has to be
    /// sent as `%2B`, and a `?` begins the version.
    pub(super) fn copy_source(&self) -> S3Result<CopySource> {
        let text = self.header("x-amz-copy-source").unwrap_or_default();
        let (path, query) = text
            .split_once('?')
            .map_or((text, None), |(path, query)| (path, Some(query)));
        let wrong = || {
            S3Error::argument_of(
                "x-amz-copy-source",
                "x-amz-copy-source",
                "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
            )
        };
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = decode_form(path);
        let (bucket, key) = path.split_once('/').ok_or_else(wrong)?;
        if bucket.is_empty() || key.is_empty() {
            return Err(wrong());
        }
        let version = query
            .map(|q| q.strip_prefix("versionId=").ok_or_else(wrong))
            .transpose()?
            .map(version)
            .transpose()?;
        Ok(CopySource {
            object: ObjectRef {
                bucket: bucket.to_owned(),
                key: key.to_owned(),
                version,
            },
            conditions: self.read_conditions("x-amz-copy-source-"),
            customer_key: self.customer_key("x-amz-copy-source-")?,
        })
    }
}

/// `x-amz-checksum-crc32` and its like.
pub(super) fn checksum_header(algorithm: ChecksumAlgorithm) -> String {
    format!("x-amz-checksum-{}", algorithm.as_str().to_lowercase())
}

pub(super) fn version(text: &str) -> S3Result<VersionId> {
    VersionId::parse(text)
        .ok_or_else(|| S3Error::argument_of("versionId", text, "Invalid version id specified"))
}

pub(super) fn on_off(text: &str) -> Option<bool> {
    match text {
        "ON" => Some(true),
        "OFF" => Some(false),
        _ => None,
    }
}

/// Tags in a header: `a=b&c=d`, encoded as a form.
fn tags(text: &str) -> BTreeMap<String, String> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode_form(key), decode_form(value))
        })
        .collect()
}

fn grantee(text: &str) -> Option<Grantee> {
    let (kind, value) = text.trim().split_once('=')?;
    let value = value.trim_matches('"').to_owned();
    match kind {
        "id" => Some(Grantee::Account(value)),
        "uri" => Some(Grantee::Group(value)),
        "emailAddress" => Some(Grantee::Email(value)),
        _ => None,
    }
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

pub(super) fn decode_form(text: &str) -> String {
    decode(&text.replace('+', " "))
}

fn bucket_of_host(host: &str) -> Option<&str> {
    let name = host.split(':').next()?;
    name.strip_suffix(".localhost")
}
