//! What was there is there after: the properties that only Amazon has.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rebucket_protocol::Reason;
use rebucket_simulator::clock::Millis;
use rebucket_simulator::s3::{
    ALL_USERS, AclRequest, BucketSettings, ChecksumAlgorithm, ChecksumKept, ChecksumType,
    Encryption, EventHold, Grant, Grantee, HoldPeriod, Layout, Metadata, NewObject, OWNER, Object,
    ObjectRef, Ownership, Permission, PutAnnotationRequest, RestoreRequest, Retention,
    RetentionMode, SparseObject, StorageClass, limits::MIB,
};

use crate::stage::{IN_PARTS, Stage, in_parts, small};

const DAY: Duration = Duration::from_hours(24);

/// Puts an object with these properties in one piece and one in parts, lets
/// both be renamed, and returns what arrived.
async fn carry(stage: &Stage, properties: &NewObject) -> [Object; 2] {
    carry_objects(
        stage,
        [small, in_parts].map(|make| make(properties.clone())),
    )
    .await
}

async fn carry_objects<const N: usize>(stage: &Stage, objects: [SparseObject; N]) -> [Object; N] {
    let mut before = Vec::new();
    for (number, object) in objects.iter().enumerate() {
        let key = format!("in/{number}");
        let put = stage.put(&key, object);
        before.push((key, format!("out/{number}"), put));
    }
    renamed(stage, before).await.try_into().unwrap()
}

async fn renamed(stage: &Stage, before: Vec<(String, String, Object)>) -> Vec<Object> {
    let tasks: Vec<_> = (1..)
        .zip(&before)
        .map(|(number, (from, to, _))| stage.world.task(number, from, to))
        .collect();
    stage.carry_out(IN_PARTS, &tasks, vec![]).await;
    stage.assert_all_renamed(before.len()).await;
    let moved = before.iter();
    moved
        .map(|(from, to, object)| stage.assert_moved(from, to, object))
        .collect()
}

fn kms(bucket_key: bool, dual_layer: bool) -> Encryption {
    Encryption::Kms {
        key: Some("arn:aws:kms:us-east-1:111122223333:key/abc".to_owned()),
        bucket_key,
        context: None,
        dual_layer,
    }
}

#[tokio::test]
async fn kms_keys_of_their_own() {
    let stage = Stage::new().await;
    let mut objects = Vec::new();
    for encryption in [kms(false, false), kms(true, false), kms(false, true)] {
        let encryption = Some(encryption);
        for make in [small, in_parts] {
            objects.push(make(NewObject {
                encryption: encryption.clone(),
                ..NewObject::default()
            }));
        }
    }
    let objects: [SparseObject; 6] = objects.try_into().unwrap();
    for object in carry_objects(&stage, objects).await {
        assert!(matches!(object.encryption, Encryption::Kms { .. }));
    }
}

/// An object with S3's own keys in a bucket whose default is a KMS key.
#[tokio::test]
async fn the_encryption_is_the_source_s_and_not_the_bucket_s() {
    let stage = Stage::with(BucketSettings {
        encryption: kms(true, false),
        ..BucketSettings::default()
    })
    .await;
    let own = NewObject {
        encryption: Some(Encryption::Aes256),
        ..NewObject::default()
    };
    for object in carry(&stage, &own).await {
        assert_eq!(object.encryption, Encryption::Aes256);
    }
}

#[tokio::test]
async fn annotations_of_every_size() {
    let stage = Stage::new().await;
    let mut before = Vec::new();
    for (number, make) in [small, in_parts].into_iter().enumerate() {
        let key = format!("in/{number}");
        stage.put(&key, &make(NewObject::default()));
        for (name, text) in [
            ("review", "good".to_owned()),
            ("söme näme/with a space", "ünïcode 写真 \0 \r\n".to_owned()),
            ("large", "x".repeat(1 << 20)),
        ] {
            let put = PutAnnotationRequest {
                object: ObjectRef::new(&stage.world.bucket.name, &key),
                name: name.to_owned(),
                payload: text.into(),
                ..PutAnnotationRequest::default()
            };
            let now = stage.simulator.clock().now();
            stage
                .simulator
                .s3()
                .put_object_annotation(put, now)
                .unwrap();
        }
        let object = stage.object(&key).unwrap();
        before.push((key, format!("out/{number}"), object));
    }
    for object in renamed(&stage, before).await {
        assert_eq!(object.annotations.len(), 3);
    }
    // One copy takes them along by itself; a copy in parts puts them again.
    let counts = stage.counts();
    assert_eq!(counts["GetObjectAnnotation"], 3);
    assert_eq!(counts["PutObjectAnnotation"], 3);
}

#[tokio::test]
async fn grants_headers_and_a_redirect() {
    let stage = Stage::with(BucketSettings {
        ownership: Ownership::ObjectWriter,
        ..BucketSettings::default()
    })
    .await;
    let grant = |grantee, permission| Grant {
        grantee,
        permission,
    };
    let account = |id: &str| Grantee::Account(id.to_owned());
    let grants = vec![
        grant(account(OWNER), Permission::FullControl),
        grant(account(&"f".repeat(64)), Permission::ReadAcp),
        grant(Grantee::Group(ALL_USERS.to_owned()), Permission::Read),
    ];
    let user = [("a", "b"), ("with-dash", "=?UTF-8?B?w6nDvMOf?=")];
    let properties = NewObject {
        metadata: Arc::new(Metadata {
            content_type: Some("text/x-test; charset=utf-8".to_owned()),
            cache_control: Some("max-age=60, public".to_owned()),
            content_disposition: Some("attachment; filename=\"a b\"".to_owned()),
            content_encoding: Some("gzip".to_owned()),
            content_language: Some("de-CH, en".to_owned()),
            expires: Some("never, I hope".to_owned()),
            user: user.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        }),
        tags: Arc::new([("stra\u{df}e".to_owned(), "a=b @ c+d".to_owned())].into()),
        acl: AclRequest::Grants(grants.clone()),
        redirect: Some("/somewhere/else?a=b".to_owned()),
        ..NewObject::default()
    };
    for object in carry(&stage, &properties).await {
        assert_eq!(object.acl.grants.len(), grants.len());
        assert_eq!(object.redirect, properties.redirect);
    }
}

#[tokio::test]
async fn storage_classes() {
    let stage = Stage::new().await;
    let readable = StorageClass::ALL
        .into_iter()
        .filter(|class| !class.is_archive() && *class != StorageClass::ExpressOnezone);
    let objects: Vec<_> = readable
        .flat_map(|class| {
            let properties = NewObject {
                storage_class: Some(class),
                ..NewObject::default()
            };
            [small, in_parts].map(|make| make(properties.clone()))
        })
        .collect();
    let objects: [SparseObject; 12] = objects.try_into().unwrap();
    carry_objects(&stage, objects).await;
}

#[tokio::test]
async fn an_archived_object_waits_for_its_restore() {
    for class in [StorageClass::Glacier, StorageClass::DeepArchive] {
        let stage = Stage::new().await;
        let properties = NewObject {
            storage_class: Some(class),
            ..NewObject::default()
        };
        let before = stage.put("in/a", &small(properties));
        let task = stage.world.task(1, "in/a", "out/a");
        stage.carry_out("", &[task], vec![]).await;
        stage.world.report.assert_failed(1, Reason::Archived).await;
        assert_eq!(stage.object("in/a"), Some(before.clone()));
        assert_eq!(stage.keys(), ["in/a"]);
        assert_eq!(stage.counts().keys().collect::<Vec<_>>(), ["HeadObject"]);
        assert_eq!(stage.world.queue.parked().await[0].reason, "archived");

        let now = stage.simulator.clock().now();
        let restore = RestoreRequest {
            object: ObjectRef::new(&stage.world.bucket.name, "in/a"),
            days: 1,
            completes_at: Some(now),
        };
        stage.simulator.s3().restore_object(&restore, now).unwrap();
        let task = stage.world.task(2, "in/a", "out/a");
        stage.carry_out("", &[task], vec![]).await;
        let outcome = stage.world.report.outcome(2).await;
        assert_eq!(outcome.outcome.as_str(), "renamed", "{outcome:?}");
        let after = stage.assert_moved("in/a", "out/a", &before);
        assert_eq!(after.storage_class, class);
    }
}

#[tokio::test]
async fn checksums_of_every_kind() {
    use ChecksumAlgorithm as A;
    let mut objects = Vec::new();
    for algorithm in [A::Crc32, A::Crc32c, A::Crc64Nvme, A::Sha1, A::Sha256] {
        for kind in [ChecksumType::FullObject, ChecksumType::Composite] {
            if algorithm.allows(kind) {
                let mut object = in_parts(NewObject::default());
                object.checksum = Some(ChecksumKept { algorithm, kind });
                objects.push(object);
            }
        }
        let mut object = small(NewObject::default());
        object.checksum = Some(ChecksumKept {
            algorithm,
            kind: ChecksumType::FullObject,
        });
        objects.push(object);
    }
    let objects: [SparseObject; 12] = objects.try_into().unwrap();
    let stage = Stage::new().await;
    let expected: BTreeMap<_, _> = objects
        .iter()
        .enumerate()
        .map(|(number, object)| {
            let put = stage.put(&format!("other/{number}"), object);
            (number, (put.checksum(), put.etag))
        })
        .collect();
    let moved = carry_objects(&stage, objects).await;
    for (number, object) in moved.iter().enumerate() {
        let (checksum, etag) = &expected[&number];
        assert_eq!(&object.checksum(), checksum);
        assert_eq!(&object.etag, etag);
    }
}

/// The parts of a SHA-256 are no more than a list: of an object of one piece
/// that is copied in parts, only a list can be kept.
#[tokio::test]
async fn the_sha256_of_an_object_in_one_piece_that_is_copied_in_parts() {
    let stage = Stage::new().await;
    let object = SparseObject {
        size: 11 * MIB,
        layout: Layout::Whole,
        checksum: Some(ChecksumKept {
            algorithm: ChecksumAlgorithm::Sha256,
            kind: ChecksumType::FullObject,
        }),
        ..SparseObject::default()
    };
    let [after] = carry_objects(&stage, [object]).await;
    let checksum = after.checksum.unwrap();
    assert_eq!(checksum.algorithm, ChecksumAlgorithm::Sha256);
    assert_eq!(checksum.kind, ChecksumType::Composite);
}

#[tokio::test]
async fn retention_and_legal_hold() {
    let stage = Stage::with(BucketSettings {
        object_lock: true,
        ..BucketSettings::default()
    })
    .await;
    let now = stage.simulator.clock().now();
    // Not in whole seconds: a retention that was cut would be shorter.
    let until = Millis(now.seconds() * 1000 + 123) + DAY;
    let mut objects = Vec::new();
    for mode in [RetentionMode::Governance, RetentionMode::Compliance] {
        for hold in [None, Some(true), Some(false)] {
            for make in [small, in_parts] {
                objects.push(make(NewObject {
                    retention: Some(Retention { mode, until }),
                    legal_hold: hold,
                    ..NewObject::default()
                }));
            }
        }
    }
    let objects: [SparseObject; 12] = objects.try_into().unwrap();
    carry_objects(&stage, objects).await;
    // The locked versions are still there, behind their markers.
    let s3 = stage.simulator.s3();
    let bucket = s3.bucket(&stage.world.bucket.name).unwrap();
    for number in 0..12 {
        let versions = bucket.versions(&format!("in/{number}"));
        assert_eq!(versions.len(), 2);
        assert!(versions[0].object.as_ref().unwrap().retention.is_some());
    }
}

#[tokio::test]
async fn event_holds() {
    let stage = Stage::with(BucketSettings {
        object_lock: true,
        ..BucketSettings::default()
    })
    .await;
    let now = stage.simulator.clock().now();
    let retention = Some(Retention {
        mode: RetentionMode::Governance,
        until: Millis(now.seconds() * 1000) + DAY,
    });
    let mut objects = Vec::new();
    for period in [HoldPeriod::Days(36_500), HoldPeriod::Years(7)] {
        for retention in [None, retention] {
            for make in [small, in_parts] {
                objects.push(make(NewObject {
                    retention,
                    event_hold: Some(EventHold::on(period)),
                    ..NewObject::default()
                }));
            }
        }
    }
    let objects: [SparseObject; 8] = objects.try_into().unwrap();
    for moved in carry_objects(&stage, objects).await {
        assert!(moved.event_hold.is_some_and(|hold| hold.on));
    }
}
