//! Stopping, freezing, ending: what a worker owes to others when it goes.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use rebucket_protocol::Outcome;
use rebucket_tests::bucket::{MIB, bytes};
use rebucket_tests::{Proxy, Rule, World};

const IN_PARTS: &str = "--multipart-threshold 5MiB --part-size 5MiB";
/// A lease so long that only a message handed back comes back in a test.
const LONG_LEASE: &str = "--visibility-timeout 10m";

#[tokio::test]
async fn a_worker_told_to_stop_finishes_what_it_can_within_its_grace() {
    let world = World::new().await;
    let proxy = Proxy::start(&world.servers).await;
    world.bucket.put_plain("in/a", b"hello").await;
    world.queue.send(&[world.task(1, "in/a", "out/a")]).await;
    let copy = proxy.hold(Rule::on("CopyObject").once().hold_reply());
    // With no hand free, it has no receive under way.
    let worker = world.worker_behind(&proxy).flags(LONG_LEASE);
    let mut worker = worker.flags("--grace 30s --max-renames 1").start();
    copy.reached().await;
    worker.signal(Signal::SIGTERM);
    worker.until_logged("stopping").await;
    // Sent after the signal: it is for others.
    world.bucket.put_plain("in/b", b"hello").await;
    world.queue.send(&[world.task(2, "in/b", "out/b")]).await;
    copy.release();
    let exit = worker.exit().await;
    assert_eq!(exit.code, Some(0), "{}", exit.log);
    world.report.assert_all_renamed(1).await;
    assert_eq!(world.bucket.keys().await, ["in/b", "out/a"]);
    assert_eq!(world.queue.depth().await, [1, 0, 0]);
    world.queue.assert_nothing_parked().await;
}

#[tokio::test]
async fn what_a_stopping_worker_cannot_finish_is_handed_back_at_once() {
    let world = World::new().await;
    let proxy = Proxy::start(&world.servers).await;
    for (key, size) in [("in/small", 100), ("in/large", 11 * MIB)] {
        world.bucket.put_plain(key, &bytes(size as u64, size)).await;
    }
    let before = world.bucket.object("in/large").await.unwrap();
    let tasks = [
        world.task(1, "in/small", "out/small"),
        world.task(2, "in/large", "out/large"),
    ];
    world.queue.send(&tasks).await;
    let copy = proxy.hold(Rule::on("CopyObject").once().hold_request());
    let part = proxy.hold(Rule::on("UploadPartCopy").nth(2).hold_request());
    let worker = world
        .worker_behind(&proxy)
        .flags(IN_PARTS)
        .flags(LONG_LEASE);
    let worker = worker.flags("--grace 1s --max-renames 2").start();
    copy.reached().await;
    part.reached().await;
    let stopped = Instant::now();
    worker.terminate().await;
    assert!(
        stopped.elapsed() < Duration::from_secs(15),
        "{:?}",
        stopped.elapsed()
    );
    // Visibility 0: at once, not in ten minutes. No upload stays open.
    assert_eq!(world.queue.depth().await, [2, 0, 0]);
    world.bucket.assert_no_remains().await;
    assert_eq!(world.bucket.keys().await, ["in/large", "in/small"]);

    world
        .worker()
        .flags(IN_PARTS)
        .start()
        .drain(&world.queue)
        .await;
    world.report.assert_all_renamed(2).await;
    world
        .bucket
        .assert_moved("in/large", "out/large", &before)
        .await;
    world.queue.assert_nothing_parked().await;
}

#[tokio::test]
async fn a_worker_told_to_stop_while_it_starts_exits_well() {
    let world = World::new().await;
    for operation in ["GetQueueAttributes", "PutObject"] {
        let proxy = Proxy::start(&world.servers).await;
        let start = proxy.hold(
            Rule::when(move |seen| seen.operation == operation)
                .once()
                .hold_request(),
        );
        let worker = world.worker_behind(&proxy).start();
        start.reached().await;
        worker.terminate().await;
    }
}

/// The queue gave them away already: nobody else sees them until their lease
/// has run out, unless they are handed back.
#[tokio::test]
async fn messages_that_arrive_while_a_worker_stops_are_handed_back() {
    let world = World::new().await;
    let proxy = Proxy::start(&world.servers).await;
    world.bucket.put_plain("in/a", b"hello").await;
    world.queue.send(&[world.task(1, "in/a", "out/a")]).await;
    let receive = proxy.hold(Rule::on("ReceiveMessage").once().hold_reply());
    let mut worker = world.worker_behind(&proxy).flags(LONG_LEASE).start();
    receive.reached().await;
    worker.signal(Signal::SIGTERM);
    worker.until_logged("stopping").await;
    receive.release();
    let exit = worker.exit().await;
    assert_eq!(exit.code, Some(0), "{}", exit.log);
    // Done or handed back, but not out of sight for ten minutes.
    assert_eq!(world.queue.depth().await[1], 0, "in flight at nobody");
}

/// A worker that slept through its lease wakes up with a copy in its hands,
/// long after another one finished the rename and somebody put a new object
/// at the old key.
#[tokio::test]
async fn a_worker_frozen_beyond_its_lease_deletes_nothing_when_it_wakes() {
    for (size, same_bytes) in [
        (100, false),
        (100, true),
        (11 * MIB, false),
        (11 * MIB, true),
    ] {
        let world = World::new().await;
        let proxy = Proxy::start(&world.servers).await;
        let body = bytes(1, size);
        world.bucket.put_plain("in/a", &body).await;
        let first = world.bucket.object("in/a").await.unwrap();
        world.queue.send(&[world.task(1, "in/a", "out/a")]).await;
        let last_of_copy = if size > MIB {
            "CompleteMultipartUpload"
        } else {
            "CopyObject"
        };
        let copied = proxy.hold(Rule::on(last_of_copy).once().hold_reply());
        let zombie = world.worker_behind(&proxy).flags(IN_PARTS);
        let zombie = zombie.flags("--visibility-timeout 4s").start();
        copied.reached().await;
        zombie.freeze().await;
        copied.release();
        // The lease runs out, and the second worker finishes the rename.
        world
            .worker()
            .flags(IN_PARTS)
            .start()
            .drain(&world.queue)
            .await;
        world.report.assert_all_renamed(1).await;
        world.bucket.assert_moved("in/a", "out/a", &first).await;
        if same_bytes {
            world.bucket.put_plain("in/a", &body).await;
        } else {
            world.bucket.put_plain("in/a", b"a new object").await;
        }
        let new = world.bucket.object("in/a").await.unwrap();
        zombie.signal(Signal::SIGCONT);
        zombie.terminate().await;

        world.bucket.assert_kept("in/a", &new).await;
        let moved = world.bucket.object("out/a").await;
        assert_eq!(moved.as_ref(), Some(&first), "{size} bytes");
        let record = world.report.outcome(1).await;
        assert!(
            matches!(record.outcome, Outcome::Renamed | Outcome::AlreadyRenamed),
            "{record:?}"
        );
        world.queue.assert_nothing_parked().await;
        world.bucket.assert_no_remains().await;
    }
}

/// A copy that takes longer than the visibility timeout keeps its message.
#[tokio::test]
async fn a_long_copy_keeps_its_lease() {
    let world = World::new().await;
    let proxy = Proxy::start(&world.servers).await;
    world.bucket.put_plain("in/a", b"hello").await;
    world.queue.send(&[world.task(1, "in/a", "out/a")]).await;
    let copy = proxy.hold(Rule::on("CopyObject").once().hold_reply());
    let worker = world
        .worker_behind(&proxy)
        .flags("--visibility-timeout 4s")
        .start();
    copy.reached().await;
    // Three lives of the lease.
    rebucket_tests::until("the lease is extended six times", || async {
        (proxy.count("ChangeMessageVisibilityBatch") >= 6).then_some(())
    })
    .await;
    assert_eq!(world.queue.depth().await, [0, 1, 0]);
    copy.release();
    worker.drain(&world.queue).await;
    let record = world.report.assert_ended(1, Outcome::Renamed, None).await;
    assert_eq!(record.attempts, 1);
}

#[tokio::test]
async fn exit_when_empty_waits_for_what_others_hold() {
    let world = World::new().await;
    let proxy = Proxy::start(&world.servers).await;
    world.bucket.put_plain("in/a", b"hello").await;
    let before = world.bucket.object("in/a").await.unwrap();
    world.queue.send(&[world.task(1, "in/a", "out/a")]).await;
    let copy = proxy.hold(Rule::on("CopyObject").once().hold_request());
    let victim = world
        .worker_behind(&proxy)
        .flags("--visibility-timeout 8s")
        .start();
    copy.reached().await;
    let ending = world.worker().flags("--exit-when-empty").start();
    victim.crash().await;
    let exit = ending.exit().await;
    assert_eq!(exit.code, Some(0), "{}", exit.log);
    world.report.assert_all_renamed(1).await;
    world.bucket.assert_moved("in/a", "out/a", &before).await;
    assert!(world.queue.is_empty().await);
}

#[tokio::test]
async fn exit_when_empty_ends_a_worker_without_work_and_after_work() {
    let world = World::new().await;
    let idle = world.worker().flags("--exit-when-empty").start().exit();
    assert_eq!(idle.await.code, Some(0));
    let mut tasks = Vec::new();
    for n in 1..=25 {
        world.bucket.put_plain(&format!("in/{n}"), b"hello").await;
        tasks.push(world.task(n, &format!("in/{n}"), &format!("out/{n}")));
    }
    // A failed one is no reason for another code: the report has it.
    tasks.push(world.task(26, "in/nothing", "out/nothing"));
    world.queue.send(&tasks).await;
    let exit = world
        .worker()
        .flags("--exit-when-empty")
        .start()
        .exit()
        .await;
    assert_eq!(exit.code, Some(0), "{}", exit.log);
    assert_eq!(world.report.outcomes().await.len(), 26);
    assert_eq!(world.queue.parked().await.len(), 1);
    assert!(world.queue.is_empty().await);
}
