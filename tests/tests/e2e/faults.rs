//! Networks and services that fail, through a proxy that makes them.

use std::time::Duration;

use rebucket_protocol::{Outcome, Reason};
use rebucket_tests::bucket::{MIB, bytes};
use rebucket_tests::{Properties, Proxy, Queue, Reply, Rule, World};

const IN_PARTS: &str = "--multipart-threshold 5MiB --part-size 5MiB";

/// Two objects, one to copy in one piece and one in parts, and a worker whose
/// requests go through a proxy.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) proxy: Proxy,
    pub(crate) before: [Properties; 2],
}

impl Scene {
    pub(crate) async fn new() -> Self {
        let world = World::new().await;
        let proxy = Proxy::start(&world.servers).await;
        for (key, size) in [("in/small", 1000), ("in/large", 11 * MIB)] {
            let put = world.bucket.put(key, &bytes(size as u64, size));
            put.metadata("a", "b").tagging("c=d").send().await.unwrap();
        }
        let before = [
            world.bucket.object("in/small").await.unwrap(),
            world.bucket.object("in/large").await.unwrap(),
        ];
        Self {
            world,
            proxy,
            before,
        }
    }

    pub(crate) async fn carry_out(&self) {
        self.carry_out_with("").await;
    }

    async fn carry_out_with(&self, flags: &str) {
        let tasks = [
            self.world.task(1, "in/small", "out/small"),
            self.world.task(2, "in/large", "out/large"),
        ];
        self.world.queue.send(&tasks).await;
        let worker = self
            .world
            .worker_behind(&self.proxy)
            .flags(IN_PARTS)
            .flags(flags);
        worker.start().drain(&self.world.queue).await;
    }

    /// Both objects arrived whole and once, and nothing is left behind.
    pub(crate) async fn assert_all_is_well(&self) {
        let world = &self.world;
        world.report.assert_all_renamed(2).await;
        for (key, before) in ["small", "large"].into_iter().zip(&self.before) {
            let (from, to) = (format!("in/{key}"), format!("out/{key}"));
            world.bucket.assert_moved(&from, &to, before).await;
        }
        world.bucket.assert_no_remains().await;
        world.queue.assert_nothing_parked().await;
        assert!(world.queue.is_empty().await);
    }
}

/// Carries out both renames under these rules; all must end well.
async fn survives(rules: Vec<Rule>) -> Scene {
    survives_with("", rules).await
}

async fn survives_with(flags: &str, rules: Vec<Rule>) -> Scene {
    let scene = Scene::new().await;
    for rule in rules {
        scene.proxy.rule(rule);
    }
    scene.carry_out_with(flags).await;
    scene.assert_all_is_well().await;
    scene
}

const COPIES: [&str; 3] = ["CopyObject", "UploadPartCopy", "CompleteMultipartUpload"];
const OF_A_RENAME: [&str; 7] = [
    "HeadObject",
    "GetObjectTagging",
    "CopyObject",
    "CreateMultipartUpload",
    "UploadPartCopy",
    "CompleteMultipartUpload",
    "DeleteObject",
];

#[tokio::test]
async fn an_outage_of_20_s_in_the_middle_is_sat_out() {
    let world = World::new().await;
    let proxy = Proxy::start(&world.servers).await;
    let mut tasks = Vec::new();
    for n in 1..=40 {
        world
            .bucket
            .put_plain(&format!("in/{n}"), &bytes(n.into(), 100))
            .await;
        tasks.push(world.task(n, &format!("in/{n}"), &format!("out/{n}")));
    }
    let before = world.bucket.object("in/40").await.unwrap();
    world.queue.send(&tasks).await;
    // A few are done, and one stands in the middle of its work.
    let copy = proxy.hold(Rule::on("CopyObject").nth(10).hold_reply());
    let worker = world.worker_behind(&proxy).flags("--max-renames 4").start();
    copy.reached().await;
    proxy.set_down(true);
    copy.release();
    // The one wait for time itself: so long is the outage.
    tokio::time::sleep(Duration::from_secs(20)).await;
    proxy.set_down(false);
    worker.drain(&world.queue).await;
    world.report.assert_all_renamed(40).await;
    world.bucket.assert_moved("in/40", "out/40", &before).await;
    assert_eq!(world.bucket.keys().await.len(), 40);
    world.bucket.assert_no_remains().await;
    world.queue.assert_nothing_parked().await;
}

#[tokio::test]
async fn bursts_of_slow_down_and_internal_errors_are_retried() {
    let mut rules = Vec::new();
    for operation in OF_A_RENAME {
        rules.push(Rule::on(operation).times(3).answer(Reply::slow_down()));
        rules.push(
            Rule::on(operation)
                .times(2)
                .answer(Reply::error(500, "InternalError")),
        );
    }
    survives(rules).await;
}

#[tokio::test]
async fn an_error_inside_a_200_is_an_error() {
    let mut rules = Vec::new();
    for operation in COPIES {
        for code in ["InternalError", "SlowDown", "ServiceUnavailable"] {
            rules.push(Rule::on(operation).once().answer(Reply::error(200, code)));
        }
    }
    survives(rules).await;
}

/// Nothing was done, and the answer does not say so.
#[tokio::test]
async fn a_200_that_says_nothing_is_no_success() {
    let mut rules = Vec::new();
    for operation in COPIES {
        for body in [
            "",
            "<?xml version=\"1.0\"?><CopyObjectResult><ETag>\"5d41402abc",
            "{}",
        ] {
            rules.push(Rule::on(operation).once().answer(Reply::new(200, body)));
        }
        let no_etag = "<CopyObjectResult><LastModified>2026-11-22T00:00:00Z</LastModified></CopyObjectResult>";
        rules.push(Rule::on(operation).once().answer(Reply::new(200, no_etag)));
    }
    survives(rules).await;
}

/// All was done, and the answer does not say so.
#[tokio::test]
async fn a_success_that_is_reported_as_an_error_is_recognised() {
    for reply in [
        Reply::new(200, ""),
        Reply::error(200, "InternalError"),
        Reply::error(500, "InternalError"),
        Reply::slow_down(),
    ] {
        let rules =
            COPIES.map(|operation| Rule::on(operation).once().forward_but_answer(reply.clone()));
        survives(rules.into()).await;
    }
}

#[tokio::test]
async fn a_lost_reply_to_any_request_is_recovered_from() {
    for operation in OF_A_RENAME {
        if operation != "CreateMultipartUpload" {
            survives(vec![Rule::on(operation).times(2).lose_reply()]).await;
        }
    }
}

/// The upload whose creation nobody heard of cannot be found again by its
/// creator; but nothing else may go wrong.
#[tokio::test]
async fn a_lost_reply_to_the_creation_of_an_upload_costs_only_that_upload() {
    let scene = Scene::new().await;
    scene
        .proxy
        .rule(Rule::on("CreateMultipartUpload").once().lose_reply());
    scene.carry_out().await;
    scene.world.report.assert_all_renamed(2).await;
    let [_, large] = &scene.before;
    scene
        .world
        .bucket
        .assert_moved("in/large", "out/large", large)
        .await;
    assert!(scene.world.bucket.open_uploads().await.len() <= 1);
}

/// After a 409 the upload can no longer be completed: S3 wants a new one.
#[tokio::test]
async fn a_conflict_on_complete_begins_a_new_upload_and_leaves_none() {
    let conflict = Reply::error(409, "ConditionalRequestConflict");
    let scene = survives(vec![
        Rule::on("CompleteMultipartUpload").once().answer(conflict),
    ])
    .await;
    assert_eq!(scene.proxy.count("CreateMultipartUpload"), 2);
    assert_eq!(scene.proxy.count("AbortMultipartUpload"), 1);
}

#[tokio::test]
async fn a_conflict_on_other_requests_is_retried() {
    let rules = ["CopyObject", "DeleteObject"].map(|operation| {
        Rule::on(operation)
            .once()
            .answer(Reply::error(409, "OperationAborted"))
    });
    survives(rules.into()).await;
}

#[tokio::test]
async fn a_queue_that_stutters_is_survived() {
    let mut rules = Vec::new();
    for operation in [
        "ReceiveMessage",
        "DeleteMessageBatch",
        "ChangeMessageVisibilityBatch",
    ] {
        let broken = Reply::new(500, "{\"__type\":\"InternalFailure\"}");
        rules.push(Rule::on(operation).times(2).answer(broken));
    }
    survives(rules).await;
}

/// The message comes back when its visibility timeout ends, and finds the
/// rename done.
#[tokio::test]
async fn a_lost_reply_to_the_acknowledgement_changes_nothing() {
    let short_lease = "--visibility-timeout 8s";
    for operation in ["DeleteMessageBatch", "ReceiveMessage"] {
        survives_with(short_lease, vec![Rule::on(operation).once().lose_reply()]).await;
    }
}

#[tokio::test]
async fn denied_tags_are_refused_before_anything_is_copied() {
    let scene = Scene::new().await;
    let denied = Reply::error(403, "AccessDenied");
    scene
        .proxy
        .rule(Rule::on("GetObjectTagging").answer(denied));
    scene.carry_out().await;
    for number in [1, 2] {
        let record = scene
            .world
            .report
            .assert_failed(number, Reason::TagsDenied)
            .await;
        let detail = record.detail.unwrap_or_default();
        assert!(detail.contains("GetObjectTagging"), "{detail}");
    }
    assert_eq!(scene.world.bucket.keys().await, ["in/large", "in/small"]);
    assert_eq!(scene.proxy.count("CopyObject"), 0);
    assert_eq!(scene.proxy.count("CreateMultipartUpload"), 0);
    let parked = scene.world.queue.parked().await;
    assert!(
        parked.iter().all(|parked| parked.reason == "tags_denied"),
        "{parked:?}"
    );
    assert_eq!(parked.len(), 2);
    scene.world.bucket.assert_no_remains().await;
}

#[tokio::test]
async fn a_denied_delete_fails_and_both_objects_are_there() {
    let scene = Scene::new().await;
    let denied = Reply::error(403, "AccessDenied");
    scene.proxy.rule(Rule::on("DeleteObject").answer(denied));
    scene.carry_out().await;
    for (number, key) in [(1, "small"), (2, "large")] {
        let report = &scene.world.report;
        let record = report.assert_failed(number, Reason::AccessDenied).await;
        let detail = record.detail.unwrap();
        let copy = format!(
            "its copy stays at s3://{}/out/{key}: ",
            scene.world.bucket.name
        );
        assert!(detail.contains(&copy), "{detail}");
        assert!(detail.contains("grant s3:DeleteObject and try"), "{detail}");
    }
    for (key, before) in ["small", "large"].into_iter().zip(&scene.before) {
        for side in ["in", "out"] {
            scene
                .world
                .bucket
                .assert_kept(&format!("{side}/{key}"), before)
                .await;
        }
    }
    scene.world.bucket.assert_no_remains().await;
}

#[tokio::test]
async fn a_denied_copy_fails_and_nothing_changed() {
    let scene = Scene::new().await;
    let denied = Reply::error(403, "AccessDenied");
    scene
        .proxy
        .rule(Rule::on("CopyObject").answer(denied.clone()));
    scene
        .proxy
        .rule(Rule::on("UploadPartCopy").nth(2).answer(denied));
    scene.carry_out().await;
    for number in [1, 2] {
        scene
            .world
            .report
            .assert_failed(number, Reason::AccessDenied)
            .await;
    }
    assert_eq!(scene.world.bucket.keys().await, ["in/large", "in/small"]);
    scene.world.bucket.assert_no_remains().await;
}

/// A queue that delivers once: the first transient failure is the last one.
#[tokio::test]
async fn a_fault_that_does_not_pass_is_parked_at_the_last_delivery() {
    let scene = Scene::new().await;
    let queue = Queue::create(&scene.world.servers, 1).await;
    let world = World {
        queue,
        ..scene.world
    };
    // A 409 on every Complete is retried with new uploads, three in all.
    let conflict = Reply::error(409, "ConditionalRequestConflict");
    scene
        .proxy
        .rule(Rule::on("CompleteMultipartUpload").answer(conflict));
    let task = world.task(1, "in/large", "out/large");
    world.queue.send(std::slice::from_ref(&task)).await;
    let worker = world.worker_behind(&scene.proxy).flags(IN_PARTS);
    worker.start().drain(&world.queue).await;
    let parked = world.queue.parked().await;
    assert_eq!(parked.len(), 1, "{parked:?}");
    assert_eq!(parked[0].reason, "retries_exhausted");
    assert_eq!(parked[0].body, task.body());
    assert!(
        parked[0].detail.contains("ConditionalRequestConflict"),
        "{parked:?}"
    );
    let record = world.report.outcome(1).await;
    assert_eq!(record.outcome, Outcome::Failed);
    assert_eq!(record.reason, Some(Reason::RetriesExhausted));
    world.bucket.assert_kept("in/large", &scene.before[1]).await;
    assert!(world.bucket.object("out/large").await.is_none());
    world.bucket.assert_no_remains().await;
}
