//! What an object has beside its bytes: tags, ACL, lock, attributes, restore.

use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde::Deserialize;

use super::objects::checksum_elements;
use super::reply::Reply;
use super::request::{Call, on_off};
use super::{dates, unknown, xml};
use crate::s3::{
    AclRequest, Checksum, ChecksumType, Content, ErrorCode, EventHold, Grant, Grantee, HoldPeriod,
    ObjectAttributes, Permission, RestoreOutcome, RestoreRequest, Retention, RetentionMode, S3,
    S3Error, S3Result, Tags, base64,
};

/// Reads a body, and checks the checksum that came with it.
pub(super) fn body<T: serde::de::DeserializeOwned>(call: &Call) -> S3Result<T> {
    call.checksum()?
        .verify(&Content::literal(call.body.clone()))?;
    xml::parse(&call.body)
}

fn malformed(message: &'static str) -> S3Error {
    S3Error::new(ErrorCode::MalformedXml, message)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tagging {
    #[serde(default)]
    tag_set: TagSet,
}

#[derive(Deserialize, Default)]
struct TagSet {
    #[serde(rename = "Tag", default)]
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    key: String,
    #[serde(default)]
    value: String,
}

/// The tags in a body, of an object or of a bucket.
pub(super) fn sent_tags(call: &Call) -> S3Result<Tags> {
    let mut tags = std::collections::BTreeMap::new();
    for Tag { key, value } in body::<Tagging>(call)?.tag_set.tags {
        if tags.insert(key.clone(), value).is_some() {
            return Err(S3Error::new(
                ErrorCode::InvalidTag,
                "Cannot provide multiple Tags with the same key",
            )
            .with("TagKey", key));
        }
    }
    Ok(Arc::new(tags))
}

pub(super) fn shown_tags(tags: &Tags) -> Reply {
    Reply::xml("Tagging", |xml| {
        xml.element("TagSet", |xml| {
            for (key, value) in tags.iter() {
                xml.element("Tag", |xml| {
                    xml.text("Key", key);
                    xml.text("Value", value);
                });
            }
        });
    })
}

pub(super) fn tagging(s3: &mut S3, call: &Call) -> S3Result<Reply> {
    let object = call.object()?;
    match call.method {
        Method::GET => {
            let (tags, version) = s3.get_object_tagging(&object, call.now)?;
            Ok(shown_tags(&tags).version(version))
        }
        Method::PUT => {
            let version = s3.put_object_tagging(&object, sent_tags(call)?, call.now)?;
            Ok(Reply::ok().version(version))
        }
        Method::DELETE => {
            let version = s3.delete_object_tagging(&object, call.now)?;
            Ok(Reply::no_content().version(version))
        }
        _ => Err(unknown()),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AccessControlPolicy {
    #[serde(default)]
    access_control_list: AccessControlList,
}

#[derive(Deserialize, Default)]
struct AccessControlList {
    #[serde(rename = "Grant", default)]
    grants: Vec<WireGrant>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireGrant {
    grantee: WireGrantee,
    permission: String,
}

#[derive(Deserialize)]
struct WireGrantee {
    #[serde(rename = "ID")]
    id: Option<String>,
    #[serde(rename = "URI")]
    uri: Option<String>,
    #[serde(rename = "EmailAddress")]
    email: Option<String>,
}

impl WireGrant {
    fn grant(self) -> S3Result<Grant> {
        let grantee = match (self.grantee.id, self.grantee.uri, self.grantee.email) {
            (Some(id), _, _) => Grantee::Account(id),
            (None, Some(uri), _) => Grantee::Group(uri),
            (None, None, Some(email)) => Grantee::Email(email),
            (None, None, None) => return Err(malformed("a grant has no grantee")),
        };
        Ok(Grant {
            grantee,
            permission: Permission::parse(&self.permission)
                .ok_or_else(|| malformed("a grant has no such permission"))?,
        })
    }
}

pub(super) fn acl(s3: &mut S3, call: &Call) -> S3Result<Reply> {
    let object = call.object()?;
    match call.method {
        Method::GET => {
            let acl = s3.get_object_acl(&object, call.now)?;
            Ok(Reply::xml("AccessControlPolicy", |xml| {
                xml.element("Owner", |xml| xml.text("ID", &acl.owner));
                xml.element("AccessControlList", |xml| {
                    for grant in &acl.grants {
                        xml.element("Grant", |xml| grant_element(xml, grant));
                    }
                });
            }))
        }
        Method::PUT => {
            let acl = match call.acl()? {
                AclRequest::Unset => {
                    let policy: AccessControlPolicy = body(call)?;
                    let grants = policy.access_control_list.grants;
                    AclRequest::Grants(
                        grants
                            .into_iter()
                            .map(WireGrant::grant)
                            .collect::<S3Result<_>>()?,
                    )
                }
                asked => asked,
            };
            let version = s3.put_object_acl(&object, &acl, call.now)?;
            Ok(Reply::ok().version(version))
        }
        _ => Err(unknown()),
    }
}

fn grant_element(xml: &mut xml::Xml, grant: &Grant) {
    let (kind, name, value) = match &grant.grantee {
        Grantee::Account(id) => ("CanonicalUser", "ID", id),
        Grantee::Group(uri) => ("Group", "URI", uri),
        Grantee::Email(email) => ("AmazonCustomerByEmail", "EmailAddress", email),
    };
    let start = format!(
        "Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"{kind}\""
    );
    xml.element(&start, |xml| xml.text(name, value));
    xml.text("Permission", grant.permission.as_str());
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireRetention {
    mode: Option<String>,
    retain_until_date: Option<String>,
    event_hold: Option<String>,
    event_hold_duration: Option<WireHoldPeriod>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireHoldPeriod {
    days: Option<u32>,
    years: Option<u32>,
}

impl WireHoldPeriod {
    pub(super) fn period(&self) -> S3Result<HoldPeriod> {
        match (self.days, self.years) {
            (Some(days), None) => Ok(HoldPeriod::Days(days)),
            (None, Some(years)) => Ok(HoldPeriod::Years(years)),
            _ => Err(malformed("an event hold lasts days or years")),
        }
    }
}

pub(super) fn hold_period(xml: &mut xml::Xml, period: HoldPeriod) {
    match period {
        HoldPeriod::Days(days) => xml.text("Days", days),
        HoldPeriod::Years(years) => xml.text("Years", years),
    }
}

fn event_hold_elements(xml: &mut xml::Xml, hold: EventHold) {
    xml.text("EventHold", if hold.on { "ON" } else { "OFF" });
    if let Some(period) = hold.then.filter(|_| hold.on) {
        xml.element("EventHoldDuration", |xml| hold_period(xml, period));
    }
}

pub(super) fn retention(s3: &mut S3, call: &Call) -> S3Result<Reply> {
    let object = call.object()?;
    match call.method {
        Method::GET => {
            let answer = s3.get_object_retention(&object, call.now)?;
            Ok(Reply::xml("Retention", |xml| {
                if let Some(retention) = answer.retention {
                    xml.text("Mode", retention.mode.as_str());
                    xml.text("RetainUntilDate", dates::lock(retention.until));
                }
                if let Some(hold) = answer.event_hold {
                    event_hold_elements(xml, hold);
                }
            }))
        }
        Method::PUT => {
            let sent: WireRetention = body(call)?;
            if let Some(status) = &sent.event_hold {
                let period = sent.event_hold_duration.as_ref();
                let hold = EventHold {
                    on: on_off(status).ok_or_else(|| malformed("a hold is ON or OFF"))?,
                    then: period.map(WireHoldPeriod::period).transpose()?,
                };
                s3.put_object_event_hold(&object, hold, call.now)?;
                if sent.mode.is_none() && sent.retain_until_date.is_none() {
                    return Ok(Reply::ok());
                }
            }
            let mode = sent.mode.as_deref().and_then(RetentionMode::parse);
            let until = sent.retain_until_date.as_deref().and_then(dates::parse);
            let retention = match (mode, until) {
                (Some(mode), Some(until)) => Some(Retention { mode, until }),
                _ if sent.mode.is_none() && sent.retain_until_date.is_none() => None,
                _ => return Err(malformed("a retention has a mode and a date")),
            };
            let bypass = call.flag("x-amz-bypass-governance-retention");
            s3.put_object_retention(&object, retention, bypass, call.now)?;
            Ok(Reply::ok())
        }
        _ => Err(unknown()),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LegalHold {
    status: String,
}

pub(super) fn legal_hold(s3: &mut S3, call: &Call) -> S3Result<Reply> {
    let object = call.object()?;
    match call.method {
        Method::GET => {
            let on = s3.get_object_legal_hold(&object, call.now)?;
            Ok(Reply::xml("LegalHold", |xml| {
                xml.text("Status", if on { "ON" } else { "OFF" });
            }))
        }
        Method::PUT => {
            let sent: LegalHold = body(call)?;
            let on = on_off(&sent.status).ok_or_else(|| malformed("a hold is ON or OFF"))?;
            s3.put_object_legal_hold(&object, on, call.now)?;
            Ok(Reply::ok())
        }
        _ => Err(unknown()),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireRestore {
    days: Option<u32>,
}

pub(super) fn restore(s3: &mut S3, call: &Call) -> S3Result<Reply> {
    let sent: WireRestore = body(call)?;
    let request = RestoreRequest {
        object: call.object()?,
        days: sent.days.unwrap_or(1),
        completes_at: None,
    };
    Ok(match s3.restore_object(&request, call.now)? {
        RestoreOutcome::Started => Reply::ok().status(StatusCode::ACCEPTED),
        RestoreOutcome::Extended => Reply::ok(),
    })
}

pub(super) fn attributes(s3: &mut S3, call: &Call) -> S3Result<Reply> {
    let asked = |name: &str| call.listed("x-amz-object-attributes").any(|a| a == name);
    let key = call.customer_key("x-amz-")?;
    let found = s3.get_object_attributes(&call.object()?, key.as_ref(), call.now)?;
    let after: u32 = call
        .header("x-amz-part-number-marker")
        .and_then(|n| n.parse().ok())
        .unwrap_or_default();
    let max = call
        .header("x-amz-max-parts")
        .and_then(|n| n.parse().ok())
        .unwrap_or(1_000)
        .min(1_000);
    Ok(Reply::xml("GetObjectAttributesResponse", |xml| {
        if asked("ETag") {
            xml.text("ETag", found.etag.as_str());
        }
        if asked("Checksum") && found.checksum.is_some() {
            xml.element("Checksum", |xml| {
                // Without the number of parts that ends it elsewhere.
                let bare = found.checksum.clone().map(|c| Checksum {
                    value: c.value.split('-').next().unwrap_or_default().to_owned(),
                    ..c
                });
                checksum_elements(xml, bare.as_ref(), true);
            });
        }
        if asked("ObjectParts") && found.parts.is_some() {
            xml.element("ObjectParts", |xml| parts(xml, &found, after, max));
        }
        if asked("StorageClass") {
            xml.text("StorageClass", found.storage_class.as_str());
        }
        if asked("ObjectSize") {
            xml.text("ObjectSize", found.size);
        }
    })
    .header("last-modified", dates::http(found.modified))
    .version(found.version_id))
}

/// How many parts there are. S3 lists them one by one only where each has a
/// checksum of its own.
fn parts(xml: &mut xml::Xml, found: &ObjectAttributes, after: u32, max: usize) {
    let all = found.parts.as_deref().unwrap_or_default();
    xml.text("PartsCount", all.len());
    let Some(composite) = &found.checksum else {
        return;
    };
    if composite.kind != ChecksumType::Composite {
        return;
    }
    let mut rest = all.iter().filter(|p| p.number > after);
    let page: Vec<_> = rest.by_ref().take(max).collect();
    xml.text("PartNumberMarker", after);
    xml.text("MaxParts", max);
    xml.text("IsTruncated", rest.next().is_some());
    xml.maybe("NextPartNumberMarker", page.last().map(|p| p.number));
    for part in page {
        xml.element("Part", |xml| {
            xml.text("PartNumber", part.number);
            xml.text("Size", part.content.size());
            let checksum = Checksum {
                value: base64(part.content.digest(composite.algorithm)),
                ..composite.clone()
            };
            checksum_elements(xml, Some(&checksum), false);
        });
    }
}
