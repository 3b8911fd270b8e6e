//! Buckets and their settings.

use std::time::Duration;

use hyper::StatusCode;
use serde::Deserialize;

use super::listings::last_of_page;
use super::properties::{WireHoldPeriod, body, hold_period};
use super::reply::Reply;
use super::request::Call;
use super::{dates, unknown};
use crate::s3::{
    BucketSettings, DefaultRetention, Encryption, ErrorCode, OWNER, Ownership, RetentionMode, S3,
    S3Error, S3Result, Versioning,
};

const DAY: u64 = 86_400;

/// A page of the buckets. The token is the last name of the page before.
pub(super) fn list(s3: &S3, call: &Call) -> S3Result<Reply> {
    let prefix = call.query("prefix").unwrap_or_default();
    let max = call.number("max-buckets")?.unwrap_or(10_000);
    let token = call
        .query("continuation-token")
        .filter(|token| !token.is_empty());
    let after = token.map(last_of_page).transpose()?;
    let mut rest = s3
        .list_buckets(call.now)
        .into_iter()
        .filter(|bucket| bucket.name.starts_with(prefix))
        .filter(|bucket| after.as_ref().is_none_or(|after| bucket.name > *after));
    let page: Vec<_> = rest.by_ref().take(max).collect();
    let next = rest.next().and(page.last()).map(|last| &last.name);
    Ok(Reply::xml("ListAllMyBucketsResult", |xml| {
        xml.element("Owner", |xml| xml.text("ID", OWNER));
        xml.element("Buckets", |xml| {
            for bucket in &page {
                xml.element("Bucket", |xml| {
                    xml.text("Name", &bucket.name);
                    xml.text("CreationDate", dates::iso(bucket.created));
                });
            }
        });
        xml.maybe("ContinuationToken", next.map(hex::encode));
        xml.maybe("Prefix", call.query("prefix"));
    }))
}

pub(super) fn head(s3: &mut S3, call: &Call) -> S3Result<Reply> {
    let alias = s3.is_access_point_alias(&call.bucket);
    let settings = s3.head_bucket(&call.bucket, call.now)?;
    Ok(Reply::ok()
        .header("x-amz-bucket-region", &settings.region)
        .header("x-amz-access-point-alias", alias))
}

pub(super) fn delete(s3: &mut S3, call: &Call) -> S3Result<Reply> {
    if ["policy", "lifecycle", "cors", "website"]
        .iter()
        .any(|name| call.query(name).is_some())
    {
        return Err(unknown());
    }
    s3.delete_bucket(&call.bucket, call.now)?;
    Ok(Reply::no_content())
}

/// The setting that a GET asks for; `None` where it asks for a listing.
pub(super) fn get_setting(s3: &mut S3, call: &Call) -> Option<S3Result<Reply>> {
    const NOT_SIMULATED: [&str; 13] = [
        "accelerate",
        "acl",
        "analytics",
        "cors",
        "intelligent-tiering",
        "inventory",
        "lifecycle",
        "logging",
        "metrics",
        "notification",
        "policy",
        "replication",
        "website",
    ];
    let has = |name: &str| call.query(name).is_some();
    let settings = match s3.head_bucket(&call.bucket, call.now) {
        Ok(settings) => settings,
        Err(error) => return Some(Err(error)),
    };
    let reply = if has("location") {
        // The first region of all has no name here.
        let region = Some(settings.region.as_str()).filter(|r| *r != "us-east-1");
        Reply::xml("LocationConstraint", |xml| {
            xml.escaped(region.unwrap_or_default());
        })
    } else if has("versioning") {
        versioning(settings)
    } else if has("ownershipControls") {
        Reply::xml("OwnershipControls", |xml| {
            xml.element("Rule", |xml| {
                xml.text("ObjectOwnership", settings.ownership.as_str());
            });
        })
    } else if has("encryption") {
        encryption(&settings.encryption)
    } else if has("object-lock") {
        return Some(object_lock(&call.bucket, settings));
    } else if NOT_SIMULATED.iter().any(|name| has(name)) {
        return Some(Err(unknown()));
    } else {
        return None;
    };
    Some(Ok(reply))
}

fn versioning(settings: &BucketSettings) -> Reply {
    Reply::xml("VersioningConfiguration", |xml| match settings.versioning {
        Versioning::Off => {}
        Versioning::Enabled => xml.text("Status", "Enabled"),
        Versioning::Suspended => xml.text("Status", "Suspended"),
    })
}

fn encryption(default: &Encryption) -> Reply {
    Reply::xml("ServerSideEncryptionConfiguration", |xml| {
        xml.element("Rule", |xml| {
            let (name, key, bucket_key) = match default {
                Encryption::Kms {
                    key,
                    bucket_key,
                    dual_layer,
                    ..
                } => {
                    let name = if *dual_layer {
                        "aws:kms:dsse"
                    } else {
                        "aws:kms"
                    };
                    (name, key.as_deref(), *bucket_key)
                }
                Encryption::Aes256 | Encryption::Customer(_) => ("AES256", None, false),
            };
            xml.element("ApplyServerSideEncryptionByDefault", |xml| {
                xml.text("SSEAlgorithm", name);
                xml.maybe("KMSMasterKeyID", key);
            });
            xml.text("BucketKeyEnabled", bucket_key);
        });
    })
}

fn object_lock(bucket: &str, settings: &BucketSettings) -> S3Result<Reply> {
    if !settings.object_lock {
        return Err(S3Error::new(
            ErrorCode::ObjectLockConfigurationNotFound,
            "Object Lock configuration does not exist for this bucket",
        )
        .with("BucketName", bucket));
    }
    Ok(Reply::xml("ObjectLockConfiguration", |xml| {
        xml.text("ObjectLockEnabled", "Enabled");
        let (retention, hold) = (settings.default_retention, settings.default_event_hold);
        if retention.is_some() || hold.is_some() {
            xml.element("Rule", |xml| {
                xml.element("DefaultRetention", |xml| {
                    if let Some(default) = retention {
                        xml.text("Mode", default.mode.as_str());
                        xml.text("Days", default.period.as_secs().div_ceil(DAY));
                    }
                    if let Some(period) = hold {
                        xml.element("DefaultEventHold", |xml| hold_period(xml, period));
                    }
                });
            });
        }
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Versions {
    status: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OwnershipControls {
    rule: OwnershipRule,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OwnershipRule {
    object_ownership: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EncryptionConfiguration {
    rule: EncryptionRule,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EncryptionRule {
    apply_server_side_encryption_by_default: EncryptionDefault,
    #[serde(default)]
    bucket_key_enabled: bool,
}

#[derive(Deserialize)]
struct EncryptionDefault {
    #[serde(rename = "SSEAlgorithm")]
    algorithm: String,
    #[serde(rename = "KMSMasterKeyID")]
    key: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LockConfiguration {
    object_lock_enabled: Option<String>,
    rule: Option<LockRule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LockRule {
    default_retention: LockDefault,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LockDefault {
    mode: Option<String>,
    days: Option<i64>,
    years: Option<i64>,
    default_event_hold: Option<WireHoldPeriod>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateConfiguration {
    location_constraint: Option<String>,
}

fn malformed() -> S3Error {
    S3Error::new(
        ErrorCode::MalformedXml,
        "The XML you provided was not well-formed or did not validate against our published schema",
    )
}

/// A new bucket, or a setting of one.
pub(super) fn put(s3: &mut S3, call: &Call) -> S3Result<Reply> {
    let has = |name: &str| call.query(name).is_some();
    let bucket = &call.bucket;
    if has("versioning") {
        let versioning = match body::<Versions>(call)?.status.as_str() {
            "Enabled" => Versioning::Enabled,
            "Suspended" => Versioning::Suspended,
            _ => return Err(malformed()),
        };
        s3.put_bucket_versioning(bucket, versioning, call.now)?;
    } else if has("ownershipControls") {
        let controls: OwnershipControls = body(call)?;
        let ownership = Ownership::parse(&controls.rule.object_ownership).ok_or_else(malformed)?;
        s3.put_bucket_ownership_controls(bucket, ownership, call.now)?;
    } else if has("encryption") {
        let rule = body::<EncryptionConfiguration>(call)?.rule;
        let default = rule.apply_server_side_encryption_by_default;
        let encryption = match default.algorithm.as_str() {
            "AES256" => Encryption::Aes256,
            "aws:kms" | "aws:kms:dsse" => Encryption::Kms {
                key: default.key,
                bucket_key: rule.bucket_key_enabled,
                context: None,
                dual_layer: default.algorithm.ends_with("dsse"),
            },
            _ => return Err(malformed()),
        };
        s3.put_bucket_encryption(bucket, encryption, call.now)?;
    } else if has("object-lock") {
        let configuration: LockConfiguration = body(call)?;
        // The element has one value. Object Lock is never switched off.
        if configuration.object_lock_enabled.as_deref() != Some("Enabled") {
            return Err(malformed());
        }
        let default = configuration.rule.map(|rule| rule.default_retention);
        let hold = default.as_ref().and_then(|d| d.default_event_hold.as_ref());
        let hold = hold.map(WireHoldPeriod::period).transpose()?;
        let retention = default.as_ref().map(LockDefault::retention).transpose()?;
        s3.put_object_lock_configuration(bucket, retention.flatten(), hold, call.now)?;
    } else if call.queries() == 0 {
        return create(s3, call);
    } else {
        return Err(unknown());
    }
    Ok(Reply::ok())
}

impl LockDefault {
    /// `None` where only an event hold is set.
    fn retention(&self) -> S3Result<Option<DefaultRetention>> {
        let (unit, count, days) = match (&self.mode, self.days, self.years) {
            (None, None, None) if self.default_event_hold.is_some() => return Ok(None),
            (Some(_), Some(count), None) => ("Days", count, 1),
            (Some(_), None, Some(count)) => ("Years", count, 365),
            _ => return Err(malformed()),
        };
        let count = u64::try_from(count).ok().filter(|count| *count > 0);
        let seconds = count
            .and_then(|count| count.checked_mul(days * DAY))
            .ok_or_else(|| {
                S3Error::argument("Default retention period must be a positive integer value.")
                    .with("ArgumentName", unit)
            })?;
        let mode = self.mode.as_deref().and_then(RetentionMode::parse);
        Ok(Some(DefaultRetention {
            mode: mode.ok_or_else(malformed)?,
            period: Duration::from_secs(seconds),
        }))
    }
}

/// A name that ends as the directory buckets' do makes one of those.
fn create(s3: &mut S3, call: &Call) -> S3Result<Reply> {
    let asked = if call.body.is_empty() {
        None
    } else {
        body::<CreateConfiguration>(call)?.location_constraint
    };
    let mut settings = BucketSettings {
        object_lock: call.flag("x-amz-bucket-object-lock-enabled"),
        directory: call.bucket.ends_with("--x-s3"),
        ..BucketSettings::default()
    };
    if let Some(region) = asked.filter(|r| !r.is_empty()) {
        settings.region = region;
    }
    if let Some(ownership) = call.choice("x-amz-object-ownership", Ownership::parse)? {
        settings.ownership = ownership;
    }
    if !is_there_already(s3, call, &settings) {
        s3.create_bucket(&call.bucket, settings, call.now)?;
    }
    Ok(Reply::ok()
        .status(StatusCode::OK)
        .header("location", format!("/{}", call.bucket)))
}

/// In the first region of all, and there alone, a bucket that the caller has
/// already is made again with success, and stays as it is.
fn is_there_already(s3: &S3, call: &Call, asked: &BucketSettings) -> bool {
    let first = |settings: &BucketSettings| settings.region == "us-east-1" && !settings.directory;
    first(asked)
        && s3
            .bucket(&call.bucket)
            .is_some_and(|bucket| first(&bucket.settings))
}
