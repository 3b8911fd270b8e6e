//! Between the SDK's types and ours.

use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types as sdk;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use rebucket_protocol::version::VersionIdError;
use rebucket_protocol::{StorageClass, Timestamp, VersionId};

use super::super::object::{
    Acl, ChecksumAlgorithm, ChecksumKind, Checksums, ContentHeaders, Encryption, EventHold,
    Grantee, HoldPeriod, ObjectHead, ObjectLock, Permission,
};
use super::required_etag;
use crate::error::{ErrorClass, ServiceError};
use crate::store::StoreResult;
use crate::store::expiration::Expiration;
use rebucket_protocol::ObjectUri;

/// Reads every checksum of an answer: all of the SDK's outputs that have them
/// name the fields alike, but share no trait.
macro_rules! checksums {
    ($from:expr) => {{
        let mut read = $crate::store::object::Checksums::default();
        let fields = [
            (
                $crate::store::object::ChecksumAlgorithm::Crc32,
                $from.checksum_crc32(),
            ),
            (
                $crate::store::object::ChecksumAlgorithm::Crc32C,
                $from.checksum_crc32_c(),
            ),
            (
                $crate::store::object::ChecksumAlgorithm::Crc64Nvme,
                $from.checksum_crc64_nvme(),
            ),
            (
                $crate::store::object::ChecksumAlgorithm::Sha1,
                $from.checksum_sha1(),
            ),
            (
                $crate::store::object::ChecksumAlgorithm::Sha256,
                $from.checksum_sha256(),
            ),
            (
                $crate::store::object::ChecksumAlgorithm::Sha512,
                $from.checksum_sha512(),
            ),
            (
                $crate::store::object::ChecksumAlgorithm::Md5,
                $from.checksum_md5(),
            ),
            (
                $crate::store::object::ChecksumAlgorithm::Xxhash64,
                $from.checksum_xxhash64(),
            ),
            (
                $crate::store::object::ChecksumAlgorithm::Xxhash3,
                $from.checksum_xxhash3(),
            ),
            (
                $crate::store::object::ChecksumAlgorithm::Xxhash128,
                $from.checksum_xxhash128(),
            ),
        ];
        for (algorithm, value) in fields {
            if let Some(value) = value {
                read.insert(algorithm, value);
            }
        }
        read
    }};
}

/// Writes every checksum that is there into a request or a part.
macro_rules! set_checksums {
    ($into:expr, $checksums:expr) => {{
        let value = |algorithm| $checksums.values.get(&algorithm).cloned();
        $into
            .set_checksum_crc32(value($crate::store::object::ChecksumAlgorithm::Crc32))
            .set_checksum_crc32_c(value($crate::store::object::ChecksumAlgorithm::Crc32C))
            .set_checksum_crc64_nvme(value($crate::store::object::ChecksumAlgorithm::Crc64Nvme))
            .set_checksum_sha1(value($crate::store::object::ChecksumAlgorithm::Sha1))
            .set_checksum_sha256(value($crate::store::object::ChecksumAlgorithm::Sha256))
            .set_checksum_sha512(value($crate::store::object::ChecksumAlgorithm::Sha512))
            .set_checksum_md5(value($crate::store::object::ChecksumAlgorithm::Md5))
            .set_checksum_xxhash64(value($crate::store::object::ChecksumAlgorithm::Xxhash64))
            .set_checksum_xxhash3(value($crate::store::object::ChecksumAlgorithm::Xxhash3))
            .set_checksum_xxhash128(value($crate::store::object::ChecksumAlgorithm::Xxhash128))
    }};
}

pub(super) use {checksums, set_checksums};

pub(super) fn checksum_kind(kind: Option<&sdk::ChecksumType>) -> Option<ChecksumKind> {
    match kind? {
        sdk::ChecksumType::FullObject => Some(ChecksumKind::FullObject),
        sdk::ChecksumType::Composite => Some(ChecksumKind::Composite),
        _ => None,
    }
}

pub(super) fn sdk_checksum_kind(kind: ChecksumKind) -> sdk::ChecksumType {
    match kind {
        ChecksumKind::FullObject => sdk::ChecksumType::FullObject,
        ChecksumKind::Composite => sdk::ChecksumType::Composite,
    }
}

pub(super) fn sdk_algorithm(algorithm: ChecksumAlgorithm) -> sdk::ChecksumAlgorithm {
    match algorithm {
        ChecksumAlgorithm::Crc32 => sdk::ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32C => sdk::ChecksumAlgorithm::Crc32C,
        ChecksumAlgorithm::Crc64Nvme => sdk::ChecksumAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1 => sdk::ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256 => sdk::ChecksumAlgorithm::Sha256,
        ChecksumAlgorithm::Sha512 => sdk::ChecksumAlgorithm::Sha512,
        ChecksumAlgorithm::Md5 => sdk::ChecksumAlgorithm::Md5,
        ChecksumAlgorithm::Xxhash64 => sdk::ChecksumAlgorithm::Xxhash64,
        ChecksumAlgorithm::Xxhash3 => sdk::ChecksumAlgorithm::Xxhash3,
        ChecksumAlgorithm::Xxhash128 => sdk::ChecksumAlgorithm::Xxhash128,
    }
}

/// A status that nobody knows is a hold: it must not go unseen.
pub(super) fn is_hold(status: Option<&sdk::ObjectLockLegalHoldStatus>) -> bool {
    status.is_some_and(|status| !matches!(status.as_str(), "OFF" | ""))
}

/// The event hold, if one is on; of a status that nobody knows, too. A period
/// that says two things cannot be sent again, so it is an error.
pub(super) fn event_hold(
    object: &ObjectUri,
    status: Option<&sdk::ObjectLockEventHold>,
    days: Option<i32>,
    years: Option<i32>,
) -> StoreResult<Option<EventHold>> {
    let on = status.is_some_and(|status| !matches!(status.as_str(), "OFF" | ""));
    if !on {
        return Ok(None);
    }
    let then = match (days, years) {
        (None, None) => None,
        (Some(days), None) => Some(HoldPeriod::Days(days)),
        (None, Some(years)) => Some(HoldPeriod::Years(years)),
        (Some(_), Some(_)) => {
            return Err(unreadable(
                object,
                "an event hold lasts both days and years",
            ));
        }
    };
    Ok(Some(EventHold { then }))
}

pub(super) fn timestamp(at: &DateTime) -> Option<Timestamp> {
    Timestamp::from_unix(at.secs(), at.subsec_nanos())
}

pub(super) fn sdk_time(at: Timestamp) -> DateTime {
    DateTime::from_secs_and_nanos(at.unix_seconds(), at.subsec_nanos())
}

/// HEAD says of an object what none has. It stays so.
fn unreadable(object: &ObjectUri, what: &str) -> ServiceError {
    let (class, code) = (ErrorClass::Invalid, "UnreadableResponse");
    ServiceError::local("HeadObject", object, class, code, what)
}

/// An answer says too little, or what no answer does. What the store did, or
/// has, is unknown.
fn unknown(object: &ObjectUri, what: &str) -> ServiceError {
    let (class, code) = (ErrorClass::Transient, "IncompleteResponse");
    ServiceError::local("HeadObject", object, class, code, what)
}

pub(super) fn object_head(object: &ObjectUri, out: &HeadObjectOutput) -> StoreResult<ObjectHead> {
    let size = out
        .content_length()
        .and_then(|size| u64::try_from(size).ok())
        .ok_or_else(|| unknown(object, "the answer has no size"))?;
    let storage_class = match out.storage_class() {
        None => StorageClass::standard(),
        Some(class) => StorageClass::new(class.as_str())
            .map_err(|error| unreadable(object, &error.to_string()))?,
    };
    let version = version_id(out.version_id()).map_err(|e| unreadable(object, &e.to_string()))?;
    let checksums = Checksums {
        kind: checksum_kind(out.checksum_type()),
        ..checksums!(out)
    };
    Ok(ObjectHead {
        etag: required_etag("HeadObject", object, out.e_tag())?,
        size,
        version,
        modified: out.last_modified().and_then(timestamp),
        headers: ContentHeaders {
            content_type: owned(out.content_type()),
            cache_control: owned(out.cache_control()),
            content_disposition: owned(out.content_disposition()),
            content_encoding: owned(out.content_encoding()),
            content_language: owned(out.content_language()),
            expires: expires(out),
        },
        metadata: out
            .metadata()
            .into_iter()
            .flatten()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect(),
        missing_metadata: out
            .missing_meta()
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or(0),
        archived: is_archived(out, &storage_class),
        storage_class,
        encryption: if out.sse_customer_algorithm().is_some() {
            Encryption::CustomerKey
        } else {
            encryption(
                out.server_side_encryption(),
                out.ssekms_key_id(),
                out.bucket_key_enabled(),
            )
        },
        lock: ObjectLock {
            mode: out.object_lock_mode().map(|mode| mode.as_str().to_owned()),
            retain_until: out.object_lock_retain_until_date().and_then(timestamp),
            legal_hold: is_hold(out.object_lock_legal_hold_status()),
            event_hold: event_hold(
                object,
                out.object_lock_event_hold(),
                out.object_lock_event_hold_duration_days(),
                out.object_lock_event_hold_duration_years(),
            )?,
        },
        redirect: owned(out.website_redirect_location()),
        checksums,
        tag_count: out.tag_count().and_then(|n| u32::try_from(n).ok()),
        parts: out.parts_count().and_then(|n| u32::try_from(n).ok()),
        expiration: out.expiration().and_then(Expiration::parse),
    })
}

fn version_id(version: Option<&str>) -> Result<Option<VersionId>, VersionIdError> {
    let version = version.filter(|version| !version.is_empty());
    version.map(VersionId::new).transpose()
}

/// The version that a write made. `null` is what it makes while versioning is
/// off or suspended: no pin, since the next write replaces it; some servers
/// also answer it where a HEAD with it fails.
pub(super) fn written_version(
    object: &ObjectUri,
    version: Option<&str>,
) -> StoreResult<Option<VersionId>> {
    let version = version.filter(|version| *version != "null");
    version_id(version).map_err(|error| unknown(object, &error.to_string()))
}

fn owned(text: Option<&str>) -> Option<String> {
    text.map(str::to_owned)
}

/// As it was sent, when the SDK kept that; it need not be a date.
fn expires(out: &HeadObjectOutput) -> Option<String> {
    #[allow(deprecated, reason = "the fallback for answers without the raw text")]
    let parsed = || out.expires().and_then(|at| at.fmt(Format::HttpDate).ok());
    owned(out.expires_string()).or_else(parsed)
}

/// Glacier classes are readable only after a restore, which leaves the class
/// as it is and shows in `x-amz-restore` (facts, section 2). The archive tiers
/// of Intelligent-Tiering show in `x-amz-archive-status`.
fn is_archived(out: &HeadObjectOutput, class: &StorageClass) -> bool {
    let restored = out
        .restore()
        .is_some_and(|restore| restore.contains("ongoing-request=\"false\""));
    (class.is_archived() || out.archive_status().is_some()) && !restored
}

/// The encryption that an answer names.
pub(super) fn encryption(
    algorithm: Option<&sdk::ServerSideEncryption>,
    key: Option<&str>,
    bucket_key: Option<bool>,
) -> Encryption {
    match algorithm {
        None => Encryption::Unstated,
        Some(sdk::ServerSideEncryption::Aes256) => Encryption::Managed,
        Some(kms) if kms.as_str().starts_with("aws:kms") => Encryption::Kms {
            algorithm: kms.as_str().to_owned(),
            key: owned(key),
            bucket_key: bucket_key.unwrap_or(false),
        },
        Some(other) => Encryption::Other(other.as_str().to_owned()),
    }
}

pub(super) fn acl(owner: Option<&sdk::Owner>, grants: &[sdk::Grant]) -> Option<Acl> {
    let mut read = Acl {
        owner: owner.and_then(|o| owned(o.id())),
        grants: std::collections::BTreeSet::default(),
    };
    for grant in grants {
        let grantee = grant.grantee()?;
        let grantee = if let Some(id) = grantee.id() {
            Grantee::Canonical(id.to_owned())
        } else if let Some(uri) = grantee.uri() {
            Grantee::Group(uri.to_owned())
        } else {
            Grantee::Email(grantee.email_address()?.to_owned())
        };
        let permission = match grant.permission()? {
            sdk::Permission::FullControl => Permission::FullControl,
            sdk::Permission::Read => Permission::Read,
            sdk::Permission::ReadAcp => Permission::ReadAcp,
            sdk::Permission::Write => Permission::Write,
            sdk::Permission::WriteAcp => Permission::WriteAcp,
            _ => return None,
        };
        read.grants.insert((permission, grantee));
    }
    Some(read)
}

/// The value of one `x-amz-grant-*` header, or `None` without such grants.
pub(super) fn grant_header(acl: Option<&Acl>, permission: Permission) -> Option<String> {
    let of_kind = acl?
        .grants
        .iter()
        .filter(|(granted, _)| *granted == permission);
    let grantees: Vec<String> = of_kind
        .map(|(_, grantee)| match grantee {
            Grantee::Canonical(id) => format!("id=\"{id}\""),
            Grantee::Email(address) => format!("emailAddress=\"{address}\""),
            Grantee::Group(uri) => format!("uri=\"{uri}\""),
        })
        .collect();
    (!grantees.is_empty()).then(|| grantees.join(", "))
}
