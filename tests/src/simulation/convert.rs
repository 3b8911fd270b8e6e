//! Between the worker's words for an object and the model's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rebucket_protocol::{ETag, ObjectUri, StorageClass, Timestamp, VersionId};
use rebucket_simulator::clock::Millis;
use rebucket_simulator::s3;
use rebucket_worker::store::object::{
    Acl, Attributes, ChecksumAlgorithm, ChecksumKind, Checksums, ContentHeaders, Encryption,
    EventHold, Grantee, HoldPeriod, ObjectHead, ObjectLock, Permission,
};

use super::cloud::{timestamp, timestamp_seconds};

pub(super) fn object_ref(object: &ObjectUri, version: Option<&VersionId>) -> s3::ObjectRef {
    let found = s3::ObjectRef::new(object.bucket.as_str(), object.key.as_str());
    // A version that was never given out is as good as none that exists.
    let unknown = s3::VersionId::Id(u64::MAX);
    match version {
        None => found,
        Some(id) => found.version(s3::VersionId::parse(id.as_str()).unwrap_or(unknown)),
    }
}

pub(super) fn etag(tag: &s3::ETag) -> ETag {
    ETag::new(&tag.to_string()).expect("the model's tags are tags")
}

pub(super) fn version(id: Option<s3::VersionId>) -> Option<VersionId> {
    id.map(|id| VersionId::new(id.to_string()).expect("the model's versions are versions"))
}

fn millis(at: Timestamp) -> Millis {
    let whole = u64::try_from(at.unix_seconds()).unwrap_or_default() * 1_000;
    Millis(whole + u64::from(at.subsec_nanos() / 1_000_000))
}

/// Both sides have these under these names.
const ALGORITHMS: [(ChecksumAlgorithm, s3::ChecksumAlgorithm); 5] = [
    (ChecksumAlgorithm::Crc32, s3::ChecksumAlgorithm::Crc32),
    (ChecksumAlgorithm::Crc32C, s3::ChecksumAlgorithm::Crc32c),
    (
        ChecksumAlgorithm::Crc64Nvme,
        s3::ChecksumAlgorithm::Crc64Nvme,
    ),
    (ChecksumAlgorithm::Sha1, s3::ChecksumAlgorithm::Sha1),
    (ChecksumAlgorithm::Sha256, s3::ChecksumAlgorithm::Sha256),
];

pub(super) fn to_algorithm(algorithm: ChecksumAlgorithm) -> Option<s3::ChecksumAlgorithm> {
    let known = ALGORITHMS.iter().find(|(ours, _)| *ours == algorithm);
    known.map(|(_, theirs)| *theirs)
}

pub(super) fn to_kind(kind: ChecksumKind) -> s3::ChecksumType {
    match kind {
        ChecksumKind::FullObject => s3::ChecksumType::FullObject,
        ChecksumKind::Composite => s3::ChecksumType::Composite,
    }
}

pub(super) fn checksums(checksum: Option<&s3::Checksum>) -> Checksums {
    let Some(checksum) = checksum else {
        return Checksums::default();
    };
    let known = ALGORITHMS
        .iter()
        .find(|(_, theirs)| *theirs == checksum.algorithm);
    let mut found = Checksums {
        values: BTreeMap::new(),
        kind: Some(match checksum.kind {
            s3::ChecksumType::FullObject => ChecksumKind::FullObject,
            s3::ChecksumType::Composite => ChecksumKind::Composite,
        }),
    };
    if let Some((ours, _)) = known {
        found.insert(*ours, &checksum.value);
    }
    found
}

pub(super) fn encryption(encryption: &s3::Encryption) -> Encryption {
    match encryption {
        s3::Encryption::Aes256 => Encryption::Managed,
        s3::Encryption::Kms {
            key,
            bucket_key,
            dual_layer,
            ..
        } => Encryption::Kms {
            algorithm: if *dual_layer {
                "aws:kms:dsse".to_owned()
            } else {
                "aws:kms".to_owned()
            },
            key: key.clone(),
            bucket_key: *bucket_key,
        },
        s3::Encryption::Customer(_) => Encryption::CustomerKey,
    }
}

fn to_encryption(encryption: &Encryption) -> Option<s3::Encryption> {
    match encryption {
        Encryption::Managed => Some(s3::Encryption::Aes256),
        Encryption::Kms {
            algorithm,
            key,
            bucket_key,
        } => Some(s3::Encryption::Kms {
            key: key.clone(),
            bucket_key: *bucket_key,
            context: None,
            dual_layer: algorithm == "aws:kms:dsse",
        }),
        Encryption::Unstated | Encryption::CustomerKey | Encryption::Other(_) => None,
    }
}

pub(super) fn lock(
    retention: Option<s3::Retention>,
    legal_hold: Option<bool>,
    event_hold: Option<s3::EventHold>,
) -> ObjectLock {
    let period = |period| match period {
        s3::HoldPeriod::Days(days) => HoldPeriod::Days(i32::try_from(days).expect("a period")),
        s3::HoldPeriod::Years(years) => HoldPeriod::Years(i32::try_from(years).expect("a period")),
    };
    let on = event_hold.filter(|hold| hold.on);
    ObjectLock {
        mode: retention.map(|r| r.mode.as_str().to_owned()),
        retain_until: retention.map(|r| timestamp(r.until)),
        legal_hold: legal_hold.unwrap_or(false),
        event_hold: on.map(|hold| EventHold {
            then: hold.then.map(period),
        }),
    }
}

fn to_event_hold(lock: &ObjectLock) -> Option<s3::EventHold> {
    let positive = |number| u32::try_from(number).expect("a period");
    let period = |period| match period {
        HoldPeriod::Days(days) => s3::HoldPeriod::Days(positive(days)),
        HoldPeriod::Years(years) => s3::HoldPeriod::Years(positive(years)),
    };
    lock.event_hold.map(|hold| s3::EventHold {
        on: true,
        then: hold.then.map(period),
    })
}

fn to_retention(lock: &ObjectLock) -> Option<s3::Retention> {
    let mode = s3::RetentionMode::parse(lock.mode.as_deref()?)?;
    let until = millis(lock.retain_until?);
    Some(s3::Retention { mode, until })
}

const PERMISSIONS: [(Permission, s3::Permission); 5] = [
    (Permission::FullControl, s3::Permission::FullControl),
    (Permission::Read, s3::Permission::Read),
    (Permission::ReadAcp, s3::Permission::ReadAcp),
    (Permission::WriteAcp, s3::Permission::WriteAcp),
    (Permission::Write, s3::Permission::Write),
];

pub(super) fn acl(acl: &s3::Acl) -> Acl {
    let grants = acl.grants.iter().filter_map(|grant| {
        let (permission, _) = PERMISSIONS.iter().find(|(_, p)| *p == grant.permission)?;
        let grantee = match &grant.grantee {
            s3::Grantee::Account(id) => Grantee::Canonical(id.clone()),
            s3::Grantee::Email(address) => Grantee::Email(address.clone()),
            s3::Grantee::Group(uri) => Grantee::Group(uri.clone()),
        };
        Some((*permission, grantee))
    });
    Acl {
        owner: Some(acl.owner.clone()),
        grants: grants.collect::<BTreeSet<_>>(),
    }
}

fn to_acl(acl: Option<&Acl>) -> s3::AclRequest {
    let Some(acl) = acl else {
        return s3::AclRequest::Unset;
    };
    let grants = acl.grants.iter().filter_map(|(permission, grantee)| {
        let (_, permission) = PERMISSIONS.iter().find(|(p, _)| p == permission)?;
        let grantee = match grantee {
            Grantee::Canonical(id) => s3::Grantee::Account(id.clone()),
            Grantee::Email(address) => s3::Grantee::Email(address.clone()),
            Grantee::Group(uri) => s3::Grantee::Group(uri.clone()),
        };
        Some(s3::Grant {
            grantee,
            permission: *permission,
        })
    });
    s3::AclRequest::Grants(grants.collect())
}

/// What a request says of the object that it makes.
pub(super) fn to_new_object(attributes: &Attributes) -> s3::NewObject {
    let headers = &attributes.headers;
    s3::NewObject {
        metadata: Arc::new(s3::Metadata {
            content_type: headers.content_type.clone(),
            cache_control: headers.cache_control.clone(),
            content_disposition: headers.content_disposition.clone(),
            content_encoding: headers.content_encoding.clone(),
            content_language: headers.content_language.clone(),
            expires: headers.expires.clone(),
            user: attributes.metadata.clone(),
        }),
        storage_class: s3::StorageClass::parse(attributes.storage_class.as_str()),
        encryption: to_encryption(&attributes.encryption),
        tags: Arc::new(attributes.tags.clone()),
        acl: to_acl(attributes.acl.as_ref()),
        retention: to_retention(&attributes.lock),
        legal_hold: attributes.lock.legal_hold.then_some(true),
        event_hold: to_event_hold(&attributes.lock),
        redirect: attributes.redirect.clone(),
    }
}

/// What HEAD says, in the worker's words.
pub(super) fn head(head: &s3::ObjectHead, part_asked: bool, counts_tags: bool) -> ObjectHead {
    let restored = matches!(head.restore, Some(s3::RestoreStatus::Restored(_)));
    let archive = head.storage_class.is_archive() || head.archive_tier.is_some();
    let metadata = &head.metadata;
    let count = u32::try_from(head.tag_count).unwrap_or(u32::MAX);
    ObjectHead {
        etag: etag(&head.etag),
        size: if part_asked {
            head.content_length
        } else {
            head.size
        },
        version: version(head.version_id),
        modified: Some(timestamp_seconds(head.modified)),
        headers: ContentHeaders {
            content_type: metadata.content_type.clone(),
            cache_control: metadata.cache_control.clone(),
            content_disposition: metadata.content_disposition.clone(),
            content_encoding: metadata.content_encoding.clone(),
            content_language: metadata.content_language.clone(),
            expires: metadata.expires.clone(),
        },
        metadata: metadata.user.clone(),
        missing_metadata: 0,
        storage_class: StorageClass::new(head.storage_class.as_str())
            .expect("the model's classes are classes"),
        archived: archive && !restored,
        encryption: encryption(&head.encryption),
        lock: lock(head.retention, head.legal_hold, head.event_hold),
        redirect: head.redirect.clone(),
        checksums: checksums(head.checksum.as_ref()),
        tag_count: (counts_tags && count > 0).then_some(count),
        parts: head
            .parts_count
            .map(|parts| u32::try_from(parts).unwrap_or(u32::MAX)),
        expiration: None,
    }
}
