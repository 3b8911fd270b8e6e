//! Suspended versioning on a real server: what a rename must not destroy.

use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use rebucket_protocol::{Outcome, Reason};
use rebucket_tests::{Bucket, World};

async fn set(bucket: &Bucket, status: BucketVersioningStatus) {
    let versioning = VersioningConfiguration::builder().status(status).build();
    let request = bucket.client.put_bucket_versioning().bucket(&bucket.name);
    let request = request.versioning_configuration(versioning);
    request.send().await.unwrap();
}

/// The bytes of the version `null` of a key.
async fn null(bucket: &Bucket, key: &str) -> Option<Vec<u8>> {
    let get = bucket.client.get_object().bucket(&bucket.name);
    let got = get.key(key).version_id("null").send().await.ok()?;
    Some(got.body.collect().await.unwrap().to_vec())
}

#[tokio::test]
async fn a_version_null_behind_another_one_is_kept() {
    let world = World::new().await;
    let bucket = &world.bucket;
    for key in ["in/1", "out/2"] {
        bucket.put_plain(key, b"the first").await;
    }
    set(bucket, BucketVersioningStatus::Enabled).await;
    bucket.put_plain("in/1", b"the second").await;
    bucket.remove("out/2").await;
    set(bucket, BucketVersioningStatus::Suspended).await;
    for key in ["in/2", "in/3"] {
        bucket.put_plain(key, b"an object").await;
    }
    let before = bucket.object("in/3").await.unwrap();
    let task = |number: u32| {
        let (from, to) = (format!("in/{number}"), format!("out/{number}"));
        world.task(number, &from, &to)
    };
    world.queue.send(&[task(1), task(2), task(3)]).await;
    let worker = world.worker().start();
    worker.drain(&world.queue).await;
    for number in [1, 2] {
        let report = &world.report;
        report.assert_failed(number, Reason::HistoryAtRisk).await;
    }
    for key in ["in/1", "out/2"] {
        let kept = null(bucket, key).await;
        assert_eq!(kept.as_deref(), Some(&b"the first"[..]), "{key}");
    }
    let report = &world.report;
    report.assert_ended(3, Outcome::Renamed, None).await;
    bucket.assert_moved("in/3", "out/3", &before).await;
}
