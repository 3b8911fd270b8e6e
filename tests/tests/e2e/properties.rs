//! What was there is there after: every property, in one piece and in parts.

use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumType, ObjectLockLegalHoldStatus, ObjectLockMode,
    ServerSideEncryption, StorageClass,
};
use rebucket_protocol::{Outcome, Reason};
use rebucket_tests::bucket::{MIB, bytes};
use rebucket_tests::{Bucket, NewObject, Properties, Servers, World, differences};

const IN_PARTS: &str = "--multipart-threshold 5MiB --part-size 5MiB";

/// One property, or a few that belong together, set on an upload.
type Setter = fn(PutObjectFluentBuilder) -> PutObjectFluentBuilder;

/// An `Expires` that is no date is kept and served as it is.
fn expires_as_text(put: PutObjectFluentBuilder, text: &'static str) -> PutObjectFluentBuilder {
    // Through metadata of the SDK's own making it could not be sent.
    put.expires(DateTime::from_str(text, DateTimeFormat::HttpDate).unwrap())
}

const SETTERS: [(&str, Setter); 14] = [
    ("nothing", |put| put),
    ("content type", |put| {
        put.content_type("text/x-test; charset=utf-8")
    }),
    ("cache control", |put| {
        put.cache_control("max-age=60, public")
    }),
    ("disposition", |put| {
        put.content_disposition("attachment; filename=\"a b.txt\"; filename*=UTF-8''%C3%A9.txt")
    }),
    ("encoding", |put| put.content_encoding("gzip")),
    ("language", |put| put.content_language("de-CH, en")),
    ("expires", |put| {
        expires_as_text(put, "Wed, 21 Oct 2026 07:28:00 GMT")
    }),
    ("metadata", |put| {
        put.metadata("colour", "green and blue")
            .metadata("with-dash", "a=b&c;d, \"quoted\"")
            .metadata("x", "1")
    }),
    ("encoded metadata", |put| {
        put.metadata("name", "=?UTF-8?B?w6nDvMOf?=")
    }),
    ("tags", |put| {
        put.tagging("project=x&space=a%20b&plus=a%2Bb&empty=&eq=a%3Db")
    }),
    ("unicode tags", |put| {
        put.tagging("stra%C3%9Fe=gr%C3%BCn&%E5%86%99%E7%9C%9F=%E7%BB%BF")
    }),
    ("storage class", |put| {
        put.storage_class(StorageClass::StandardIa)
    }),
    ("encryption", |put| {
        put.server_side_encryption(ServerSideEncryption::Aes256)
    }),
    ("everything", |put| {
        put.content_type("application/json")
            .cache_control("no-store")
            .content_disposition("inline")
            .content_encoding("br")
            .content_language("fr")
            .metadata("all", "of it")
            .tagging("all=of%20it")
            .storage_class(StorageClass::StandardIa)
            .server_side_encryption(ServerSideEncryption::Aes256)
    }),
];

/// Renames one object for each setter, bare ones in between, and compares.
async fn every_property_arrives(size: usize, flags: &str, log_of_requests: &str) {
    let world = World::new().await;
    let mut before: Vec<(String, Properties)> = Vec::new();
    let mut tasks = Vec::new();
    for (index, (name, set)) in SETTERS.into_iter().enumerate() {
        for bare in [false, true] {
            let key = format!("{name}{}", if bare { " (bare)" } else { "" });
            let from = format!("in/{key}");
            let put = world.bucket.put(&from, &bytes(index as u64, size));
            let put = if bare { put } else { set(put) };
            put.send().await.unwrap_or_else(|e| panic!("{name}: {e:?}"));
            let number = u32::try_from(tasks.len()).unwrap() + 1;
            tasks.push(world.task(number, &from, &format!("out/{key}")));
            before.push((key, world.bucket.object(&from).await.unwrap()));
        }
    }
    world.queue.send(&tasks).await;
    // One at a time and in one process: what leaks, leaks onto the next.
    let worker = world.worker().flags(flags).flags("--max-renames 1");
    worker.start().drain(&world.queue).await;
    world.report.assert_all_renamed(tasks.len()).await;
    for (key, object) in &before {
        let (from, to) = (format!("in/{key}"), format!("out/{key}"));
        world.bucket.assert_moved(&from, &to, object).await;
    }
    // The server took what was asked of it, or nothing was compared.
    let set = |key: &str| before.iter().find(|(k, _)| k == key).unwrap().1.clone();
    for (key, property) in [
        ("content type", "Content-Type"),
        ("expires", "Expires"),
        ("metadata", "metadata colour"),
        ("unicode tags", "tag 写真"),
        ("storage class", "storage class"),
        ("encryption", "encryption"),
    ] {
        assert!(
            set(key).contains_key(property),
            "{log_of_requests}: {property} is not tested"
        );
    }
    world.bucket.assert_no_remains().await;
}

#[tokio::test]
async fn every_property_arrives_with_a_copy_in_one_piece() {
    every_property_arrives(1000, "", "one piece").await;
}

#[tokio::test]
async fn every_property_arrives_with_a_copy_in_parts() {
    every_property_arrives(5 * MIB + 1, IN_PARTS, "parts").await;
}

/// Sends an `Expires` that the SDK can neither parse nor build.
macro_rules! with_expires {
    ($put:expr, $text:literal) => {
        $put.customize().mutate_request(|http| {
            http.headers_mut().insert("expires", $text);
        })
    };
}

/// Raw UTF-8 in a metadata header, as some clients send it.
#[tokio::test]
async fn metadata_in_utf8_arrives_as_it_is() {
    let world = World::new().await;
    for (n, size) in [(1, 100), (2, 6 * MIB)] {
        let put = world.bucket.put(&format!("in/{n}"), &bytes(n, size));
        let put = put.metadata("name", "Grüße 写真");
        put.send().await.unwrap();
    }
    let before = [
        world.bucket.object("in/1").await.unwrap(),
        world.bucket.object("in/2").await.unwrap(),
    ];
    let tasks = [
        world.task(1, "in/1", "out/1"),
        world.task(2, "in/2", "out/2"),
    ];
    world.queue.send(&tasks).await;
    world
        .worker()
        .flags(IN_PARTS)
        .start()
        .drain(&world.queue)
        .await;
    world.report.assert_all_renamed(2).await;
    world.bucket.assert_moved("in/1", "out/1", &before[0]).await;
    world.bucket.assert_moved("in/2", "out/2", &before[1]).await;
}

#[tokio::test]
async fn checksums_of_every_kind_arrive_or_are_computed_anew() {
    use ChecksumAlgorithm as Algorithm;
    let world = World::new().await;
    for (name, algorithm) in [
        ("crc32", Algorithm::Crc32),
        ("crc32c", Algorithm::Crc32C),
        ("crc64", Algorithm::Crc64Nvme),
        ("sha1", Algorithm::Sha1),
        ("sha256", Algorithm::Sha256),
    ] {
        let put = world.bucket.put(&format!("in/{name}"), name.as_bytes());
        put.checksum_algorithm(algorithm).send().await.unwrap();
    }
    for (name, algorithm, kind) in [
        (
            "parts-crc64",
            Algorithm::Crc64Nvme,
            ChecksumType::FullObject,
        ),
        ("parts-crc32", Algorithm::Crc32, ChecksumType::FullObject),
    ] {
        let parts = vec![bytes(1, 6 * MIB), bytes(2, 6 * MIB), bytes(3, MIB)];
        let checksum = Some((algorithm, kind));
        world
            .bucket
            .upload(&format!("in/{name}"), NewObject { parts, checksum })
            .await;
    }
    let sources = world.bucket.keys().await;
    let before = world.bucket.objects(&sources).await;
    assert!(
        before["in/parts-crc64"]
            .as_ref()
            .unwrap()
            .contains_key("CRC64NVME")
    );
    let tasks: Vec<_> = (1..)
        .zip(&sources)
        .map(|(n, from)| world.task(n, from, &from.replace("in/", "out/")))
        .collect();
    world.queue.send(&tasks).await;
    world
        .worker()
        .flags(IN_PARTS)
        .start()
        .drain(&world.queue)
        .await;
    world.report.assert_all_renamed(sources.len()).await;
    for (from, was) in &before {
        let to = from.replace("in/", "out/");
        world
            .bucket
            .assert_moved(from, &to, was.as_ref().unwrap())
            .await;
    }
    world.bucket.assert_no_remains().await;
}

/// A locked object cannot be destroyed, so its bucket has versions: the old
/// key gets a delete marker, and the locked version stays behind it.
#[tokio::test]
async fn object_lock_arrives_and_the_locked_version_stays() {
    let servers = Servers::from_env();
    let bucket = Bucket::create_lockable(servers.s3_client(&servers.s3)).await;
    let world = World::around(servers, bucket).await;
    let until = DateTime::from_str("2027-12-24T12:00:00Z", DateTimeFormat::DateTime).unwrap();
    let locks: [(&str, Setter); 3] = [
        ("retention", |put| {
            put.object_lock_mode(ObjectLockMode::Governance)
        }),
        ("hold", |put| {
            put.object_lock_legal_hold_status(ObjectLockLegalHoldStatus::On)
        }),
        ("free", |put| put),
    ];
    let mut before = Vec::new();
    let mut tasks = Vec::new();
    for (name, lock) in locks {
        for (kind, size) in [("one", 10), ("parts", 6 * MIB)] {
            let key = format!("{name}-{kind}");
            let from = format!("in/{key}");
            let mut put = lock(world.bucket.put(&from, &bytes(size as u64, size)));
            if name == "retention" {
                put = put.object_lock_retain_until_date(until);
            }
            put.send().await.unwrap();
            let number = u32::try_from(tasks.len()).unwrap() + 1;
            tasks.push(world.task(number, &from, &format!("out/{key}")));
            before.push((key, world.bucket.object(&from).await.unwrap()));
        }
    }
    assert_eq!(before[0].1["lock mode"], "GOVERNANCE");
    assert_eq!(before[2].1["legal hold"], "ON");
    world.queue.send(&tasks).await;
    let worker = world.worker().flags(IN_PARTS).flags("--max-renames 1");
    worker.start().drain(&world.queue).await;
    world.report.assert_all_renamed(tasks.len()).await;
    let mut versions = Vec::new();
    for (key, object) in &before {
        let (from, to) = (format!("in/{key}"), format!("out/{key}"));
        world.bucket.assert_moved(&from, &to, object).await;
        versions.extend([format!("{from} (marker)"), from, to]);
    }
    versions.sort();
    // Scratch objects of the probe are gone for good too, markers included.
    assert_eq!(world.bucket.versions().await, versions);
}

/// moto keeps what SeaweedFS has not. It ignores conditions, so the worker
/// must be told to go on.
#[tokio::test]
async fn grants_keys_redirects_and_archives_are_treated_as_on_aws() {
    const EMULATE: &str = "--on-missing-precondition emulate";
    let world = World::on_moto().await;
    let everyone = "uri=\"http://acs.amazonaws.com/groups/global/AllUsers\"";
    let sets: [(&str, Setter); 6] = [
        ("plain", |put| put),
        ("grants", |put| {
            put.grant_read("uri=\"http://acs.amazonaws.com/groups/global/AllUsers\"")
        }),
        ("kms", |put| {
            put.server_side_encryption(ServerSideEncryption::AwsKms)
                .ssekms_key_id("arn:aws:kms:us-east-1:123456789012:key/1234")
                .bucket_key_enabled(true)
        }),
        ("redirect", |put| {
            put.website_redirect_location("https://example.net/new place")
        }),
        ("class", |put| put.storage_class(StorageClass::OnezoneIa)),
        ("archived", |put| put.storage_class(StorageClass::Glacier)),
    ];
    let mut tasks = Vec::new();
    let mut before = std::collections::BTreeMap::new();
    with_expires!(world.bucket.put("in/expires", b"x"), "some day")
        .send()
        .await
        .unwrap();
    before.insert("expires", world.bucket.object("in/expires").await.unwrap());
    tasks.push(world.task(8, "in/expires", "out/expires"));
    for (number, (name, set)) in (1..).zip(sets) {
        let from = format!("in/{name}");
        set(world.bucket.put(&from, name.as_bytes()))
            .send()
            .await
            .unwrap();
        tasks.push(world.task(number, &from, &format!("out/{name}")));
        if name != "archived" {
            before.insert(name, world.bucket.object(&from).await.unwrap());
        }
    }
    let put = world.bucket.put("in/large", &bytes(1, 6 * MIB));
    let put = put
        .grant_read(everyone)
        .storage_class(StorageClass::OnezoneIa);
    let put = put.metadata("a", "b").tagging("c=d");
    // SeaweedFS takes only dates there, but any text is legal.
    with_expires!(put, "in a fortnight").send().await.unwrap();
    before.insert("large", world.bucket.object("in/large").await.unwrap());
    tasks.push(world.task(7, "in/large", "out/large"));
    world.queue.send(&tasks).await;
    let worker = world.worker().flags(EMULATE).flags(IN_PARTS);
    worker.start().drain(&world.queue).await;

    for number in [1, 2, 3, 4, 5, 7, 8] {
        world
            .report
            .assert_ended(number, Outcome::Renamed, None)
            .await;
    }
    world.report.assert_failed(6, Reason::Archived).await;
    for (name, was) in &before {
        let is = world.bucket.object(&format!("out/{name}")).await.unwrap();
        assert_eq!(differences(was, &is), "", "{name}");
    }
    for (name, public) in [("plain", false), ("grants", true), ("large", true)] {
        let request = world
            .bucket
            .client
            .get_object_acl()
            .bucket(&world.bucket.name);
        let acl = request.key(format!("out/{name}")).send().await.unwrap();
        let shared = acl.grants().iter().any(|grant| {
            let uri = grant.grantee().and_then(|grantee| grantee.uri());
            uri.is_some_and(|uri| uri.ends_with("AllUsers"))
        });
        assert_eq!(shared, public, "{name}: {:?}", acl.grants());
    }
    let left = world.bucket.keys().await;
    let left: Vec<_> = left.iter().filter(|key| !key.starts_with("out/")).collect();
    assert_eq!(left, ["in/archived"]);
}
