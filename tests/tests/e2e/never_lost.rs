//! Ways in which a rename once lost an object, or could have: every byte that
//! anybody stored is still there afterwards.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;
use rebucket_protocol::{Outcome, Reason};
use rebucket_tests::bucket::{MIB, bytes};
use rebucket_tests::wait::next_second;
use rebucket_tests::{Bucket, Proxy, Rule, Servers, World, differences};

/// A lease that is soon over, for workers that die with a message in hand.
const SHORT_LEASE: &str = "--visibility-timeout 4s";
const CHOICES: [&str; 3] = ["fail", "skip", "overwrite"];

/// A world and a proxy in front of it.
async fn behind_proxy() -> (World, Proxy) {
    let world = World::new().await;
    let proxy = Proxy::start(&world.servers).await;
    (world, proxy)
}

/// A world whose bucket has versions, and a proxy in front of it.
async fn with_versions() -> (World, Proxy) {
    let servers = Servers::from_env();
    let bucket = Bucket::create_versioned(servers.s3_client(&servers.s3)).await;
    let world = World::around(servers, bucket).await;
    let proxy = Proxy::start(&world.servers).await;
    (world, proxy)
}

/// Puts an object and returns its version.
async fn put_version(bucket: &Bucket, key: &str, body: &[u8]) -> String {
    let put = bucket.put(key, body).send().await.unwrap();
    put.version_id.expect("a bucket with versions")
}

/// The key and the version of everything but markers, sorted.
async fn version_ids(bucket: &Bucket) -> Vec<(String, String)> {
    let request = bucket.client.list_object_versions().bucket(&bucket.name);
    let listed = request.send().await.unwrap();
    assert_eq!(listed.delete_markers(), [], "a purge leaves no marker");
    let pair = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let versions = listed.versions().iter();
    let mut all: Vec<_> = versions
        .map(|version| (pair(version.key()), pair(version.version_id())))
        .collect();
    all.retain(|(key, _)| !key.contains(".rebucket/"));
    all.sort();
    all
}

/// The copy would be the object itself, and the delete would take both.
#[tokio::test]
async fn an_object_is_not_renamed_to_another_spelling_of_its_own_key() {
    let world = World::new().await;
    let mut tasks = Vec::new();
    let mut before = Vec::new();
    for choice in CHOICES {
        for (name, fold) in [("x", "//"), ("y", "\\")] {
            let (from, to) = (
                format!("{choice}-{name}{fold}a"),
                format!("{choice}-{name}/a"),
            );
            world.bucket.put_plain(&from, from.as_bytes()).await;
            let object = world.bucket.object(&from).await.unwrap();
            let folded = world.bucket.object(&to).await;
            assert_eq!(folded.as_ref(), Some(&object), "the server folds {from:?}");
            let number = u32::try_from(tasks.len()).unwrap() + 1;
            tasks.push(world.task(number, &from, &to).if_exists(choice));
            before.push((from, to, object));
        }
    }
    world.carry_out(&tasks).await;
    for (number, (from, to, object)) in (1..).zip(&before) {
        world.bucket.assert_kept(from, object).await;
        world.bucket.assert_kept(to, object).await;
        world.report.assert_failed(number, Reason::KeysFold).await;
    }
    assert_eq!(world.bucket.keys().await.len(), before.len());
    world.bucket.assert_no_remains().await;
}

/// Delivered twice, it would rename the version before over the newest one.
#[tokio::test]
async fn a_purge_that_overwrites_is_refused_unless_it_names_the_version() {
    let (world, proxy) = with_versions().await;
    for (key, body) in [("in/a", "older"), ("in/a", "newer"), ("out/a", "taken")] {
        put_version(&world.bucket, key, body.as_bytes()).await;
    }
    let before = version_ids(&world.bucket).await;
    let task = world.task(1, "in/a", "out/a").if_exists("overwrite");
    world.queue.send(&[task.with("versioned", "purge")]).await;
    let worker = world.worker_behind(&proxy).start();
    worker.drain(&world.queue).await;

    assert_eq!(version_ids(&world.bucket).await, before);
    assert_eq!(proxy.count("CopyObject"), 0, "refused before the copy");
    assert_eq!(proxy.count("DeleteObject"), 0);
    world.report.assert_failed(1, Reason::VersionUnpinned).await;
}

#[tokio::test]
async fn a_purge_takes_the_named_version_and_leaves_the_one_before_it() {
    let (world, _) = with_versions().await;
    let mut tasks = Vec::new();
    let mut kept = Vec::new();
    for (number, choice) in (1..).zip(CHOICES) {
        let (from, to) = (format!("in/{choice}"), format!("out/{choice}"));
        let older = put_version(&world.bucket, &from, b"older").await;
        let newer = put_version(&world.bucket, &from, b"newer").await;
        kept.push((from.clone(), older));
        if choice == "overwrite" {
            let taken = put_version(&world.bucket, &to, b"taken").await;
            kept.push((to.clone(), taken));
        }
        let task = world.task(number, &from, &to).if_exists(choice);
        let task = task.with("versioned", "purge");
        tasks.push(task.pinned("version", newer));
    }
    let newest = world.bucket.object("in/fail").await.unwrap();
    world.carry_out(&tasks).await;

    world.report.assert_all_renamed(3).await;
    let mut after = version_ids(&world.bucket).await;
    for version in &kept {
        assert!(after.contains(version), "{version:?} is gone: {after:#?}");
    }
    after.retain(|version| !kept.contains(version));
    let keys: Vec<_> = after.iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["out/fail", "out/overwrite", "out/skip"]);
    for choice in CHOICES {
        let to = format!("out/{choice}");
        world.bucket.assert_kept(&to, &newest).await;
        let left = world.bucket.object(&format!("in/{choice}")).await.unwrap();
        let older = rebucket_tests::object::digest(b"older");
        assert_eq!(left["sha256 of the bytes"], older);
    }
}

/// The version before the purged one is the current one by then, and looks
/// like the object that the task names.
#[tokio::test]
async fn a_purge_whose_worker_died_does_not_take_the_version_before_on_redelivery() {
    for (older, reason) in [
        (b"older", Reason::DestinationExists),
        // Not told from the purged one by any comparison.
        (b"newer", Reason::VersionUnpinned),
    ] {
        let (world, proxy) = with_versions().await;
        let first = put_version(&world.bucket, "in/a", older).await;
        put_version(&world.bucket, "in/a", b"newer").await;
        let newest = world.bucket.object("in/a").await.unwrap();
        let task = world.task(1, "in/a", "out/a").with("versioned", "purge");
        world.queue.send(&[task]).await;
        let delete = proxy.hold(Rule::on("DeleteObject").once().hold_reply());
        let victim = world.worker_behind(&proxy).flags(SHORT_LEASE).start();
        delete.reached().await;
        victim.crash().await;
        let before = version_ids(&world.bucket).await;
        assert_eq!(before[0], ("in/a".to_owned(), first), "{before:?}");
        assert_eq!(before.len(), 2, "{before:?}");
        world.worker().start().drain(&world.queue).await;

        assert_eq!(version_ids(&world.bucket).await, before);
        world.bucket.assert_kept("out/a", &newest).await;
        world.report.assert_failed(1, reason).await;
    }
}

/// `If-Match` does not tell it from the one that the first attempt deleted.
#[tokio::test]
async fn an_object_put_after_a_delete_whose_reply_was_lost_survives_the_retry() {
    let (world, proxy) = behind_proxy().await;
    world.bucket.put_plain("in/a", b"the same bytes").await;
    let first = world.bucket.object("in/a").await.unwrap();
    next_second().await;
    // Whatever the worker asks of an object after its delete waits.
    let deleted = AtomicBool::new(false);
    let next = Rule::when(move |seen| {
        if seen.key.is_empty() || seen.is_scratch() {
            return false;
        }
        let is_delete = seen.operation == "DeleteObject";
        deleted.fetch_or(is_delete, Ordering::SeqCst)
    });
    let retry = proxy.hold(next.once().hold_request());
    proxy.rule(Rule::on("DeleteObject").once().lose_reply());
    world.queue.send(&[world.task(1, "in/a", "out/a")]).await;
    let worker = world.worker_behind(&proxy).start();
    retry.reached().await;
    assert!(world.bucket.object("in/a").await.is_none(), "carried out");
    world.bucket.put_plain("in/a", b"the same bytes").await;
    let pins = world.bucket.pins("in/a").await;
    retry.release();
    worker.drain(&world.queue).await;

    world.bucket.assert_kept("in/a", &first).await;
    assert_eq!(world.bucket.pins("in/a").await, pins);
    world.bucket.assert_kept("out/a", &first).await;
    world.report.assert_failed(1, Reason::SourceChanged).await;
}

#[tokio::test]
async fn an_object_put_after_the_delete_of_a_dead_worker_survives_the_redelivery() {
    for choice in CHOICES {
        let (world, proxy) = behind_proxy().await;
        world.bucket.put_plain("in/a", b"the same bytes").await;
        let first = world.bucket.object("in/a").await.unwrap();
        let task = world.task(1, "in/a", "out/a").if_exists(choice);
        world.queue.send(&[task]).await;
        let delete = proxy.hold(Rule::on("DeleteObject").once().hold_reply());
        let victim = world.worker_behind(&proxy).flags(SHORT_LEASE).start();
        delete.reached().await;
        victim.crash().await;
        next_second().await;
        world.bucket.put_plain("in/a", b"the same bytes").await;
        let pins = world.bucket.pins("in/a").await;
        world.worker().start().drain(&world.queue).await;

        world.bucket.assert_kept("in/a", &first).await;
        assert_eq!(world.bucket.pins("in/a").await, pins);
        world.bucket.assert_kept("out/a", &first).await;
        world.report.assert_failed(1, Reason::SourceRewritten).await;
    }
}

#[tokio::test]
async fn what_a_client_writes_over_the_copy_of_a_dead_worker_is_not_overwritten() {
    let (world, proxy) = behind_proxy().await;
    world.bucket.put_plain("out/a", b"to be replaced").await;
    world.bucket.put_plain("in/a", b"the source").await;
    let source = world.bucket.object("in/a").await.unwrap();
    let task = world.task(1, "in/a", "out/a").if_exists("overwrite");
    world.queue.send(&[task]).await;
    let delete = proxy.hold(Rule::on("DeleteObject").once().hold_request());
    let victim = world.worker_behind(&proxy).flags(SHORT_LEASE).start();
    delete.reached().await;
    victim.crash().await;
    world.bucket.assert_kept("out/a", &source).await;
    next_second().await;
    world.bucket.put_plain("out/a", b"a client's").await;
    let theirs = world.bucket.object("out/a").await.unwrap();
    world.worker().start().drain(&world.queue).await;

    world.bucket.assert_kept("out/a", &theirs).await;
    world.bucket.assert_kept("in/a", &source).await;
    let reason = Reason::DestinationExists;
    world.report.assert_failed(1, reason).await;
}

/// It may still be at work, and an endpoint that is told to abort meanwhile
/// takes away the parts of which it is making the object.
#[tokio::test]
async fn a_copy_in_parts_is_not_aborted_after_a_completion_that_nobody_answered() {
    // With no hand free, it has no receive under way: a server may give what
    // is handed back to a receive whose worker is gone.
    const ONE: &str = "--multipart-threshold 5MiB --part-size 5MiB --max-renames 1";
    for grace in ["0s", "1s"] {
        let (world, proxy) = behind_proxy().await;
        let body = bytes(1, 11 * MIB);
        world.bucket.put_plain("in/a", &body).await;
        let before = world.bucket.object("in/a").await.unwrap();
        world.queue.send(&[world.task(1, "in/a", "out/a")]).await;
        let complete = Rule::on("CompleteMultipartUpload").once().hold_reply();
        let complete = proxy.hold(complete);
        let worker = world.worker_behind(&proxy).flags(ONE);
        let worker = worker.flags("--grace").arg(grace).start();
        complete.reached().await;
        worker.signal(Signal::SIGTERM);
        let exit = worker.exit_within(Duration::from_secs(30)).await;
        assert_eq!(exit.code, Some(0), "{}", exit.log);
        assert_eq!(world.queue.depth().await, [1, 0, 0], "handed back");
        assert_eq!(proxy.count("AbortMultipartUpload"), 0, "--grace {grace}");
        world.bucket.assert_kept("in/a", &before).await;
        let copy = world.bucket.object("out/a").await;
        let copy = copy.expect("the completed copy");
        assert_eq!(differences(&before, &copy), "", "with --grace {grace}");

        let successor = world.worker().flags(ONE).start();
        successor.drain(&world.queue).await;
        let record = world.report.assert_ended(1, Outcome::Renamed, None).await;
        assert_eq!(record.bytes, body.len() as u64);
        world.bucket.assert_moved("in/a", "out/a", &before).await;
        world.bucket.assert_no_remains().await;
        world.queue.assert_nothing_parked().await;
    }
}
