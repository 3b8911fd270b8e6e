//! Exactly which requests a rename makes, elsewhere than on Amazon.

use rebucket_simulator::s3::{BucketSettings, NewObject, Ownership, Versioning};
use rebucket_tests::Task;

use crate::stage::{IN_PARTS, Stage, in_parts, small};

/// The requests of one rename of a small object from `in/a` to `out/a`.
async fn of_one_rename(settings: BucketSettings) -> Vec<(String, String)> {
    let stage = Stage::with(settings).await;
    let before = stage.put("in/a", &small(NewObject::default()));
    let task = stage.world.task(1, "in/a", "out/a");
    stage.carry_out("", &[task], vec![]).await;
    stage.assert_moved("in/a", "out/a", &before);
    stage.assert_all_renamed(1).await;
    stage.requests()
}

fn pairs<'a>(expected: &'a [(&'a str, &'a str)]) -> Vec<(String, String)> {
    let owned = |&(operation, key): &(&str, &str)| (operation.to_owned(), key.to_owned());
    expected.iter().map(owned).collect()
}

/// Two of the source's key, three of the destination's: is it free, the copy,
/// is it there as it should be.
#[tokio::test]
async fn a_plain_rename_is_five_requests() {
    let expected = [
        ("HeadObject", "in/a"),
        ("HeadObject", "out/a"),
        ("CopyObject", "out/a"),
        ("HeadObject", "out/a"),
        ("DeleteObject", "in/a"),
    ];
    let requests = of_one_rename(BucketSettings::default()).await;
    assert_eq!(requests, pairs(&expected));
}

/// Where ACLs count, the source's is read; a private one is what a copy has by
/// itself.
#[tokio::test]
async fn an_acl_that_says_nothing_costs_one_request_more() {
    let settings = BucketSettings {
        ownership: Ownership::BucketOwnerPreferred,
        ..BucketSettings::default()
    };
    let expected = [
        ("HeadObject", "in/a"),
        ("GetObjectAcl", "in/a"),
        ("HeadObject", "out/a"),
        ("CopyObject", "out/a"),
        ("HeadObject", "out/a"),
        ("DeleteObject", "in/a"),
    ];
    assert_eq!(of_one_rename(settings).await, pairs(&expected));
}

#[tokio::test]
async fn versions_cost_nothing_more() {
    let settings = BucketSettings {
        versioning: Versioning::Enabled,
        ..BucketSettings::default()
    };
    assert_eq!(of_one_rename(settings).await.len(), 5);
}

/// Whatever the first rename of a bucket asks, each further one costs the same.
#[tokio::test]
async fn twenty_renames_are_twenty_times_one() {
    const COUNT: usize = 20;
    let stage = Stage::new().await;
    let mut tasks: Vec<Task> = Vec::new();
    for number in 1..=20 {
        let (from, to) = (format!("in/{number}"), format!("out/{number}"));
        stage.put(&from, &small(NewObject::default()));
        tasks.push(stage.world.task(number, &from, &to));
    }
    stage.carry_out("", &tasks, vec![]).await;
    stage.assert_all_renamed(COUNT).await;
    let counts = stage.counts();
    let expected = [
        ("CopyObject", COUNT),
        ("DeleteObject", COUNT),
        ("HeadObject", 3 * COUNT),
    ];
    assert_eq!(
        counts,
        expected.map(|(name, n)| (name.to_owned(), n)).into()
    );
    // In batches of at most ten, and no message extended or handed back.
    let requests = stage.simulator.requests();
    assert!((2..=20).contains(&requests.count("DeleteMessageBatch")));
    assert_eq!(requests.count("ChangeMessageVisibilityBatch"), 0);
    assert_eq!(stage.totals().delivered, 20);
}

#[tokio::test]
async fn a_rename_in_parts_asks_for_each_thing_once() {
    let stage = Stage::new().await;
    let before = stage.put("in/a", &in_parts(NewObject::default()));
    let task = stage.world.task(1, "in/a", "out/a");
    stage.carry_out(IN_PARTS, &[task], vec![]).await;
    let after = stage.assert_moved("in/a", "out/a", &before);
    assert_eq!(after.etag, before.etag);
    stage.assert_all_renamed(1).await;
    let part = ("UploadPartCopy", "out/a");
    let expected = [
        ("HeadObject", "in/a"),
        ("HeadObject", "in/a"),
        ("ListObjectAnnotations", "in/a"),
        ("GetObjectTagging", "in/a"),
        ("HeadObject", "out/a"),
        ("CreateMultipartUpload", "out/a"),
        part,
        part,
        part,
        ("HeadObject", "out/a"),
        ("CompleteMultipartUpload", "out/a"),
        ("HeadObject", "out/a"),
        ("HeadObject", "in/a"),
        ("DeleteObject", "in/a"),
    ];
    assert_eq!(stage.requests(), pairs(&expected));
}
