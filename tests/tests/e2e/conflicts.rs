//! Something is in the way, or not as it was: nobody's object is lost, and
//! the report says what happened.

use aws_sdk_s3::types::MetadataDirective;
use rebucket_protocol::{Outcome, Reason};
use rebucket_tests::bucket::{MIB, bytes};
use rebucket_tests::task::job_start;
use rebucket_tests::wait::next_second;
use rebucket_tests::{NewObject, Proxy, Rule, World};

#[tokio::test]
async fn a_missing_source_fails_and_leaves_the_destination_alone() {
    let world = World::new().await;
    world
        .bucket
        .put_plain("out/old", b"older than the job")
        .await;
    let before = world.bucket.object("out/old").await.unwrap();
    // Objects are dated in whole seconds: in the same one, nobody could tell
    // an older object from one that the task wrote.
    next_second().await;
    let tasks = [
        world.task(1, "in/nothing", "out/nothing"),
        world.task(2, "in/nothing2", "out/old"),
    ];
    world.carry_out(&tasks).await;
    for number in [1, 2] {
        world
            .report
            .assert_failed(number, Reason::SourceMissing)
            .await;
    }
    world.bucket.assert_kept("out/old", &before).await;
    assert_eq!(world.bucket.keys().await, ["out/old"]);
    let parked = world.queue.parked().await;
    assert!(
        parked
            .iter()
            .all(|parked| parked.reason == "source_missing")
    );
    assert_eq!(parked.len(), 2);
}

#[tokio::test]
async fn another_object_at_the_destination_is_replaced_only_when_asked_to() {
    let world = World::new().await;
    for choice in ["fail", "skip", "overwrite"] {
        world
            .bucket
            .put_plain(&format!("in/{choice}"), b"the new one")
            .await;
        world
            .bucket
            .put_plain(&format!("out/{choice}"), b"the older one")
            .await;
        // Of one size, so that only the bytes tell them apart.
        world
            .bucket
            .put_plain(&format!("in/{choice}2"), b"11111")
            .await;
        world
            .bucket
            .put_plain(&format!("out/{choice}2"), b"22222")
            .await;
    }
    let mut before = std::collections::BTreeMap::new();
    for key in world.bucket.keys().await {
        let object = world.bucket.object(&key).await.unwrap();
        before.insert(key, object);
    }
    let mut tasks = Vec::new();
    for (number, choice) in (0..).zip(["fail", "skip", "overwrite"]) {
        for (offset, suffix) in [(1, ""), (2, "2")] {
            let (from, to) = (
                format!("in/{choice}{suffix}"),
                format!("out/{choice}{suffix}"),
            );
            tasks.push(
                world
                    .task(2 * number + offset, &from, &to)
                    .if_exists(choice),
            );
        }
    }
    world.carry_out(&tasks).await;

    for number in [1, 2] {
        world
            .report
            .assert_failed(number, Reason::DestinationExists)
            .await;
    }
    for number in [3, 4] {
        let reason = Some(Reason::DestinationExists);
        world
            .report
            .assert_ended(number, Outcome::Skipped, reason)
            .await;
    }
    for number in [5, 6] {
        world
            .report
            .assert_ended(number, Outcome::Renamed, None)
            .await;
    }
    for key in ["fail", "fail2", "skip", "skip2"] {
        for side in ["in", "out"] {
            let key = format!("{side}/{key}");
            world.bucket.assert_kept(&key, &before[&key]).await;
        }
    }
    for key in ["overwrite", "overwrite2"] {
        let (from, to) = (format!("in/{key}"), format!("out/{key}"));
        world.bucket.assert_moved(&from, &to, &before[&from]).await;
    }
    assert_eq!(
        world.queue.parked().await.len(),
        2,
        "the failed ones, not the skipped"
    );
}

/// What a crash between copy and delete leaves.
#[tokio::test]
async fn a_destination_that_is_our_copy_already_completes_the_rename() {
    let world = World::new().await;
    for choice in ["fail", "skip", "overwrite"] {
        let put = world.bucket.put(&format!("in/{choice}"), choice.as_bytes());
        let put = put
            .content_type("text/x-own")
            .metadata("colour", "green")
            .tagging("a=b%20c");
        put.send().await.unwrap();
        // One of the same second could be the source itself, by another name.
        next_second().await;
        let source = format!("{}/in/{choice}", world.bucket.name);
        let copy = world.bucket.client.copy_object().bucket(&world.bucket.name);
        copy.key(format!("out/{choice}"))
            .copy_source(source)
            .send()
            .await
            .unwrap();
    }
    let before = world.bucket.object("in/fail").await.unwrap();
    let tasks: Vec<_> = (1..)
        .zip(["fail", "skip", "overwrite"])
        .map(|(n, choice)| {
            world
                .task(n, &format!("in/{choice}"), &format!("out/{choice}"))
                .if_exists(choice)
        })
        .collect();
    world.carry_out(&tasks).await;
    world.report.assert_all_renamed(3).await;
    world
        .bucket
        .assert_moved("in/fail", "out/fail", &before)
        .await;
    assert_eq!(
        world.bucket.keys().await,
        ["out/fail", "out/overwrite", "out/skip"]
    );
}

#[tokio::test]
async fn the_same_bytes_with_other_properties_are_a_conflict() {
    let world = World::new().await;
    let put = |key| world.bucket.put(key, b"the same bytes");
    put("in/type")
        .content_type("text/plain")
        .send()
        .await
        .unwrap();
    put("out/type")
        .content_type("text/html")
        .send()
        .await
        .unwrap();
    put("in/meta").metadata("a", "1").send().await.unwrap();
    put("out/meta").metadata("a", "2").send().await.unwrap();
    put("in/tags").tagging("a=1").send().await.unwrap();
    put("out/tags").send().await.unwrap();
    put("in/extra").send().await.unwrap();
    put("out/extra")
        .metadata("extra", "1")
        .send()
        .await
        .unwrap();
    let names = ["type", "meta", "tags", "extra"];
    let mut before = Vec::new();
    for name in names {
        for side in ["in", "out"] {
            let key = format!("{side}/{name}");
            before.push((key.clone(), world.bucket.object(&key).await.unwrap()));
        }
    }
    let tasks: Vec<_> = (1..)
        .zip(names)
        .map(|(n, name)| world.task(n, &format!("in/{name}"), &format!("out/{name}")))
        .collect();
    world.carry_out(&tasks).await;
    for number in 1..=4 {
        world
            .report
            .assert_failed(number, Reason::DestinationExists)
            .await;
    }
    for (key, object) in &before {
        world.bucket.assert_kept(key, object).await;
    }
}

/// Its ETag says nothing about a copy in one piece, so the copy that a crash
/// left must be proven to be one.
#[tokio::test]
async fn a_copy_that_cannot_be_compared_by_etag_is_proven_on_redelivery() {
    let world = World::new().await;
    let parts = vec![bytes(1, 5 * MIB), bytes(2, MIB)];
    for name in ["ours", "other"] {
        let object = NewObject {
            parts: parts.clone(),
            checksum: None,
        };
        world.bucket.upload(&format!("in/{name}"), object).await;
    }
    next_second().await;
    let source = format!("{}/in/ours", world.bucket.name);
    let copy = world.bucket.client.copy_object().bucket(&world.bucket.name);
    copy.key("out/ours")
        .copy_source(source)
        .send()
        .await
        .unwrap();
    // Of the same size, but other bytes.
    world
        .bucket
        .put_plain("out/other", &bytes(3, 6 * MIB))
        .await;
    let before = [
        world.bucket.object("in/ours").await.unwrap(),
        world.bucket.object("in/other").await.unwrap(),
        world.bucket.object("out/other").await.unwrap(),
    ];
    let tasks = [
        world.task(1, "in/ours", "out/ours"),
        world.task(2, "in/other", "out/other"),
    ];
    world.carry_out(&tasks).await;
    world.report.assert_ended(1, Outcome::Renamed, None).await;
    // SeaweedFS keeps the ETag of the parts on a copy in one piece, so there
    // the other object cannot even be compared.
    let refused = world.report.outcome(2).await.reason;
    let reasons = [Reason::DestinationExists, Reason::DestinationNotComparable];
    assert!(
        refused.is_some_and(|reason| reasons.contains(&reason)),
        "{refused:?}"
    );
    world
        .bucket
        .assert_moved("in/ours", "out/ours", &before[0])
        .await;
    world.bucket.assert_kept("in/other", &before[1]).await;
    world.bucket.assert_kept("out/other", &before[2]).await;
    world.bucket.assert_no_remains().await;
}

/// A world, a proxy in front of it, and an object `in/a` of `size` bytes.
async fn behind_proxy(size: usize) -> (World, Proxy) {
    let world = World::new().await;
    let proxy = Proxy::start(&world.servers).await;
    world.bucket.put_plain("in/a", &bytes(1, size)).await;
    (world, proxy)
}

const IN_PARTS: &str = "--multipart-threshold 5MiB --part-size 5MiB";

#[tokio::test]
async fn an_object_that_replaces_the_source_before_its_delete_survives() {
    for size in [100, 11 * MIB] {
        let (world, proxy) = behind_proxy(size).await;
        let delete = proxy.hold(Rule::on("DeleteObject").once().hold_request());
        world.queue.send(&[world.task(1, "in/a", "out/a")]).await;
        let worker = world.worker_behind(&proxy).flags(IN_PARTS).start();
        delete.reached().await;
        world.bucket.put_plain("in/a", b"a new object").await;
        let new = world.bucket.object("in/a").await.unwrap();
        delete.release();
        worker.drain(&world.queue).await;

        world.report.assert_failed(1, Reason::SourceChanged).await;
        world.bucket.assert_kept("in/a", &new).await;
        let copied = world.bucket.object("out/a").await.unwrap();
        assert_eq!(
            copied["size"],
            size.to_string(),
            "the copy of the first one stays"
        );
    }
}

#[tokio::test]
async fn a_source_replaced_while_it_is_copied_is_not_mixed_with_the_new_one() {
    let (world, proxy) = behind_proxy(11 * MIB).await;
    let part = proxy.hold(Rule::on("UploadPartCopy").nth(2).hold_request());
    world.queue.send(&[world.task(1, "in/a", "out/a")]).await;
    let worker = world.worker_behind(&proxy).flags(IN_PARTS).start();
    part.reached().await;
    world.bucket.put_plain("in/a", &bytes(2, 11 * MIB)).await;
    let new = world.bucket.object("in/a").await.unwrap();
    part.release();
    worker.drain(&world.queue).await;

    world.report.assert_failed(1, Reason::SourceChanged).await;
    world.bucket.assert_kept("in/a", &new).await;
    assert_eq!(world.bucket.keys().await, ["in/a"]);
    world.bucket.assert_no_remains().await;
}

/// The ETag is the same, so `If-Match` does not protect the new object.
#[tokio::test]
async fn a_source_rewritten_with_the_same_bytes_during_a_long_copy_survives() {
    let (world, proxy) = behind_proxy(11 * MIB).await;
    let complete = proxy.hold(Rule::on("CompleteMultipartUpload").once().hold_reply());
    world.queue.send(&[world.task(1, "in/a", "out/a")]).await;
    let worker = world.worker_behind(&proxy).flags(IN_PARTS).start();
    complete.reached().await;
    world.bucket.rewrite("in/a", &bytes(1, 11 * MIB)).await;
    complete.release();
    worker.drain(&world.queue).await;

    world.report.assert_failed(1, Reason::SourceChanged).await;
    assert_eq!(world.bucket.keys().await, ["in/a", "out/a"]);
}

#[tokio::test]
async fn a_destination_replaced_before_the_delete_keeps_the_source() {
    let (world, proxy) = behind_proxy(100).await;
    let before = world.bucket.object("in/a").await.unwrap();
    let copy = proxy.hold(Rule::on("CopyObject").once().hold_reply());
    world.queue.send(&[world.task(1, "in/a", "out/a")]).await;
    let worker = world.worker_behind(&proxy).start();
    copy.reached().await;
    world.bucket.put_plain("out/a", &bytes(2, 100)).await;
    let theirs = world.bucket.object("out/a").await.unwrap();
    copy.release();
    worker.drain(&world.queue).await;

    world
        .report
        .assert_failed(1, Reason::VerificationFailed)
        .await;
    world.bucket.assert_kept("in/a", &before).await;
    world.bucket.assert_kept("out/a", &theirs).await;
}

#[tokio::test]
async fn a_source_that_is_not_the_pinned_one_is_not_renamed() {
    let world = World::new().await;
    for n in 1..=8 {
        world.bucket.put_plain(&format!("in/{n}"), b"hello").await;
    }
    let (etag, modified) = world.bucket.pins("in/1").await;
    let task = |n: u32| world.task(n, &format!("in/{n}"), &format!("out/{n}"));
    let tasks = [
        task(1)
            .pinned("etag", etag.as_str())
            .pinned("size", 5)
            .pinned("modified", modified),
        task(2).pinned("etag", "\"5d41402abc4b2a76b9719d911017c593\""),
        task(3).pinned("size", 6),
        task(4).pinned("modified", "2020-01-01T00:00:00Z"),
        task(5).pinned("version", "1234"),
        task(6).pinned("etag", etag.as_str()).pinned("size", 6),
        task(7).pinned("etag", etag.trim_matches('"')),
        task(8),
    ];
    world.carry_out(&tasks).await;
    for number in [1, 7, 8] {
        world
            .report
            .assert_ended(number, Outcome::Renamed, None)
            .await;
    }
    for number in 2..=6 {
        world
            .report
            .assert_failed(number, Reason::SourceChanged)
            .await;
    }
    let keys = [
        "in/2", "in/3", "in/4", "in/5", "in/6", "out/1", "out/7", "out/8",
    ];
    assert_eq!(world.bucket.keys().await, keys);
}

#[tokio::test]
async fn a_message_delivered_twice_has_one_result() {
    let world = World::new().await;
    let mut tasks = Vec::new();
    for n in 1..=10 {
        world
            .bucket
            .put_plain(&format!("in/{n}"), format!("object {n}").as_bytes())
            .await;
    }
    let start = job_start().await;
    for n in 1..=10 {
        tasks.push(
            world
                .task(n, &format!("in/{n}"), &format!("out/{n}"))
                .submitted(start),
        );
    }
    let before = world.bucket.object("in/7").await.unwrap();
    // Once together, and once more when all is done.
    world.queue.send(&tasks).await;
    world.carry_out(&tasks).await;
    world.carry_out(&tasks).await;
    world.report.assert_all_renamed(10).await;
    world.bucket.assert_moved("in/7", "out/7", &before).await;
    assert_eq!(world.bucket.keys().await.len(), 10);
    world.queue.assert_nothing_parked().await;
}

#[tokio::test]
async fn a_message_on_two_workers_at_once_has_one_result() {
    let world = World::new().await;
    let copies = 12;
    let mut tasks = Vec::new();
    for n in 1..=copies {
        let size = if n == copies { 11 * MIB } else { 1000 };
        world
            .bucket
            .put_plain(&format!("in/{n}"), &bytes(n.into(), size))
            .await;
        tasks.push(world.task(n, &format!("in/{n}"), &format!("out/{n}")));
    }
    let (small, large) = (
        world.bucket.object("in/1").await.unwrap(),
        world.bucket.object(&format!("in/{copies}")).await.unwrap(),
    );
    let mut first = world.worker().flags(IN_PARTS).start();
    let mut second = world.worker().flags(IN_PARTS).start();
    first.until_working().await;
    second.until_working().await;
    // Each task twice, side by side: both workers take some of each.
    for task in &tasks {
        world.queue.send(&[task.clone(), task.clone()]).await;
    }
    world.queue.until_empty().await;
    first.terminate().await;
    second.terminate().await;

    world.report.assert_all_renamed(copies as usize).await;
    world.bucket.assert_moved("in/1", "out/1", &small).await;
    let (from, to) = (format!("in/{copies}"), format!("out/{copies}"));
    world.bucket.assert_moved(&from, &to, &large).await;
    world.bucket.assert_no_remains().await;
    world.queue.assert_nothing_parked().await;
}

/// A second client that changes an object all the time never loses a write.
#[tokio::test]
async fn a_client_that_rewrites_the_metadata_meanwhile_is_not_undone() {
    let (world, proxy) = behind_proxy(100).await;
    let head = proxy.hold(Rule::on("HeadObject").once().hold_reply());
    world.queue.send(&[world.task(1, "in/a", "out/a")]).await;
    let worker = world.worker_behind(&proxy).start();
    head.reached().await;
    // The same bytes, so the same ETag, but other metadata from here on.
    let copy = world.bucket.client.copy_object().bucket(&world.bucket.name);
    copy.key("in/a")
        .copy_source(format!("{}/in/a", world.bucket.name))
        .metadata_directive(MetadataDirective::Replace)
        .metadata("newer", "yes")
        .send()
        .await
        .unwrap();
    let changed = world.bucket.object("in/a").await.unwrap();
    head.release();
    worker.drain(&world.queue).await;
    // Either it moved with its new metadata, or it stayed.
    let arrived = world.bucket.object("out/a").await;
    let stayed = world.bucket.object("in/a").await;
    assert!(
        stayed.as_ref() == Some(&changed) || arrived.as_ref() == Some(&changed),
        "the new metadata is lost: at the old key {stayed:#?}, at the new one {arrived:#?}"
    );
}

/// What is left of a rename whose worker died after the delete.
#[tokio::test]
async fn a_rename_that_was_done_by_a_dead_worker_is_found_done() {
    let world = World::new().await;
    world.bucket.put_plain("in/pinned", b"hello").await;
    let (etag, _) = world.bucket.pins("in/pinned").await;
    let start = job_start().await;
    let tasks = [
        world.task(1, "in/plain", "out/plain").submitted(start),
        world
            .task(2, "in/pinned", "out/pinned")
            .pinned("etag", etag.as_str()),
    ];
    world.queue.send(&tasks).await;
    // A dead worker did this, after the tasks were sent.
    world.bucket.put_plain("out/plain", b"hello").await;
    world.bucket.put_plain("out/pinned", b"hello").await;
    let delete = world
        .bucket
        .client
        .delete_object()
        .bucket(&world.bucket.name);
    delete.key("in/pinned").send().await.unwrap();
    world.worker().start().drain(&world.queue).await;
    for number in [1, 2] {
        world
            .report
            .assert_ended(number, Outcome::AlreadyRenamed, None)
            .await;
    }
    assert_eq!(world.bucket.keys().await, ["out/pinned", "out/plain"]);
}
