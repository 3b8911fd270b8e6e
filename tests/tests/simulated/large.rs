//! Objects as large as S3 takes them, and the limits on the way there.

use std::sync::Arc;

use rebucket_protocol::Reason;
use rebucket_simulator::s3::limits::{GIB, MAX_OBJECT, MIB};
use rebucket_simulator::s3::{Encryption, Layout, Metadata, NewObject, SparseObject, StorageClass};

use crate::stage::Stage;

fn properties() -> NewObject {
    NewObject {
        metadata: Arc::new(Metadata {
            content_type: Some("application/x-disk".to_owned()),
            user: [("owner".to_owned(), "me".to_owned())].into(),
            ..Metadata::default()
        }),
        storage_class: Some(StorageClass::StandardIa),
        encryption: Some(Encryption::Aes256),
        tags: Arc::new([("project".to_owned(), "x y".to_owned())].into()),
        ..NewObject::default()
    }
}

#[tokio::test]
async fn an_object_of_50_tb_keeps_its_parts_and_its_etag() {
    const PARTS: usize = 10_000;
    let stage = Stage::new().await;
    let huge = SparseObject {
        seed: 50,
        size: 50_000_000_000_000,
        layout: Layout::Even(5_000_000_000),
        properties: properties(),
        ..SparseObject::default()
    };
    let before = stage.put("in/huge", &huge);
    assert!(before.etag.as_str().ends_with("-10000"), "{}", before.etag);
    let task = stage.world.task(1, "in/huge", "out/huge");
    stage.carry_out("--max-parts 64", &[task], vec![]).await;
    let after = stage.assert_moved("in/huge", "out/huge", &before);
    assert_eq!(after.etag, before.etag);
    assert!(after.parts == before.parts, "the parts have changed");
    assert_eq!(after.checksum(), before.checksum());
    let counts = stage.counts();
    assert_eq!(counts["UploadPartCopy"], PARTS);
    assert_eq!(counts["CreateMultipartUpload"], 1);
    assert_eq!(counts["CompleteMultipartUpload"], 1);
    assert!(!counts.contains_key("CopyObject"), "{counts:?}");
    assert!(!counts.contains_key("AbortMultipartUpload"), "{counts:?}");
    let others = counts.values().sum::<usize>() - PARTS;
    assert!(others <= 12, "{counts:?}");
    stage.assert_all_renamed(1).await;
}

/// How an object of this size was copied: `CopyObject` and `UploadPartCopy`.
async fn copies(flags: &str, sizes: &[u64]) -> Vec<(usize, usize)> {
    let stage = Stage::new().await;
    let mut objects = Vec::new();
    let mut tasks = Vec::new();
    for (number, size) in (1..).zip(sizes) {
        let (from, to) = (format!("in/{number}"), format!("out/{number}"));
        let object = SparseObject {
            seed: number.into(),
            size: *size,
            properties: properties(),
            ..SparseObject::default()
        };
        let before = stage.put(&from, &object);
        tasks.push(stage.world.task(number, &from, &to));
        objects.push((from, to, before));
    }
    stage.carry_out(flags, &tasks, vec![]).await;
    stage.assert_all_renamed(sizes.len()).await;
    let requests = stage.requests();
    let copies = objects.into_iter().map(|(from, to, before)| {
        stage.assert_moved(&from, &to, &before);
        let count = |operation: &str| {
            let asked = requests
                .iter()
                .filter(|(op, key)| op == operation && *key == to);
            asked.count()
        };
        (count("CopyObject"), count("UploadPartCopy"))
    });
    copies.collect()
}

#[tokio::test]
async fn the_default_threshold_is_the_last_size_in_one_copy() {
    let sizes = [GIB, GIB + 1, 10_000 * MIB + 1];
    // In parts of 128 MiB.
    assert_eq!(copies("", &sizes).await, [(1, 0), (0, 9), (0, 79)]);
}

#[tokio::test]
async fn nothing_over_5_gb_is_sent_as_one_copy() {
    let sizes = [
        5_000_000_000,
        5_000_000_001,
        5 * GIB,
        5 * GIB + 1,
        10 * GIB + 1,
    ];
    let expected = [(1, 0), (0, 1), (0, 1), (0, 2), (0, 3)];
    let flags = "--multipart-threshold 5GB --part-size 5GiB";
    assert_eq!(copies(flags, &sizes).await, expected);
}

#[tokio::test]
async fn what_10_000_parts_cannot_carry_is_refused_before_anything_is_copied() {
    let stage = Stage::new().await;
    let object = SparseObject {
        size: MAX_OBJECT,
        ..SparseObject::default()
    };
    let before = stage.put("in/a", &object);
    let task = stage.world.task(1, "in/a", "out/a");
    stage.carry_out("", &[task], vec![]).await;
    stage.world.report.assert_failed(1, Reason::TooLarge).await;
    assert_eq!(stage.object("in/a"), Some(before));
    assert_eq!(stage.keys(), ["in/a"]);
    assert_eq!(stage.counts().keys().collect::<Vec<_>>(), ["HeadObject"]);
}
