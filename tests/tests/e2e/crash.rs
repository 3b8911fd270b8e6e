//! Count, then kill: a first run counts the requests of a rename; then one
//! worker dies before, and one after, each of them. Whoever comes next must
//! find its way, and nobody who looks at the result can tell.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{StreamExt as _, stream};
use rebucket_protocol::{Outcome, OutcomeRecord};
use rebucket_tests::bucket::{MIB, bytes};
use rebucket_tests::proxy::Seen;
use rebucket_tests::{
    Bucket, Properties, Proxy, Queue, Report, Rule, Servers, Task, Worker, WorkerBuilder,
    differences,
};

/// So many kills of a scenario run side by side.
const SIDE_BY_SIDE: usize = 4;

/// One kind of rename.
#[derive(Clone, Copy)]
struct Scenario {
    name: &'static str,
    size: usize,
    if_exists: &'static str,
    /// Another object is at the destination.
    taken: bool,
    versioned: bool,
}

/// When a worker dies, relative to one of its requests.
#[derive(Clone, Copy, Debug)]
enum Moment {
    BeforeRequest,
    BeforeReply,
}

/// One rename of a scenario, under a prefix, with a queue, a report and a
/// proxy of its own.
struct Stage {
    scenario: Scenario,
    servers: Servers,
    bucket: Bucket,
    prefix: String,
    queue: Queue,
    report: Report,
    proxy: Proxy,
    source: Properties,
    taken: Option<Properties>,
}

/// True for a request of the rename itself. Of receives only the first: the
/// message is sent before the worker starts, so it is the one that delivers.
fn is_step(seen: &Seen, receives: &AtomicUsize) -> bool {
    match seen.operation {
        "DeleteMessageBatch" | "SendMessage" => true,
        "ReceiveMessage" => receives.fetch_add(1, Ordering::SeqCst) == 0,
        _ => !seen.key.is_empty() && !seen.is_scratch(),
    }
}

impl Stage {
    async fn set(scenario: Scenario, servers: &Servers, bucket: &Bucket, take: &str) -> Self {
        let prefix = format!("{}-{take}/", scenario.name);
        let (source, destination) = (format!("{prefix}a"), format!("{prefix}b"));
        if scenario.taken {
            bucket.put_plain(&destination, b"in the way").await;
        }
        let put = bucket.put(&source, &bytes(7, scenario.size));
        let put = put.content_type("text/x-kill").metadata("m", "1");
        put.tagging("t=%C3%A9").send().await.unwrap();
        let found = bucket.object(&source).await.unwrap();
        let taken = bucket.object(&destination).await;
        let queue = Queue::create(servers, 5).await;
        let task = Task::new(1, &bucket.name, &source, &destination);
        queue.send(&[task.if_exists(scenario.if_exists)]).await;
        Self {
            scenario,
            servers: servers.clone(),
            bucket: bucket.clone(),
            prefix,
            queue,
            report: Report::new(bucket.client.clone()),
            proxy: Proxy::start(servers).await,
            source: found,
            taken,
        }
    }

    /// One rename and one part at a time, so that the requests have an order.
    fn worker(&self) -> WorkerBuilder {
        WorkerBuilder::new(&self.servers)
            .flags("--multipart-threshold 5MiB --part-size 5MiB --max-parts 1 --max-renames 1")
            .flags("--queue-url")
            .arg(&self.queue.url)
            .arg("--allow")
            .arg(&format!("s3://{}/{}", self.bucket.name, self.prefix))
            .arg("--report")
            .arg(self.report.path().to_str().unwrap())
    }

    /// With a short lease: what it held is soon delivered again.
    fn worker_behind_proxy(&self) -> Worker {
        let worker = self.worker().flags("--visibility-timeout 4s");
        let worker = worker.env("AWS_ENDPOINT_URL_S3", &self.proxy.s3);
        worker.env("AWS_ENDPOINT_URL_SQS", &self.proxy.sqs).start()
    }

    /// Runs the rename undisturbed, and returns its requests.
    async fn count(&self) -> Vec<&'static str> {
        let worker = self.worker_behind_proxy();
        worker.drain(&self.queue).await;
        self.assert_done("undisturbed").await;
        let receives = AtomicUsize::new(0);
        let steps = self
            .proxy
            .log()
            .into_iter()
            .filter(|seen| is_step(seen, &receives));
        steps.map(|seen| seen.operation).collect()
    }

    /// Kills a worker at one request, and lets another one take over.
    async fn kill_at(&self, step: usize, moment: Moment, what: &str) {
        let receives = Arc::new(AtomicUsize::new(0));
        let at = Rule::when(move |seen| is_step(seen, &receives)).nth(step);
        let hold = self.proxy.hold(match moment {
            Moment::BeforeRequest => at.hold_request(),
            Moment::BeforeReply => at.hold_reply(),
        });
        let victim = self.worker_behind_proxy();
        hold.reached().await;
        victim.crash().await;
        let successor = self.worker().start();
        successor.drain(&self.queue).await;
        self.assert_done(what).await;
    }

    async fn assert_done(&self, what: &str) {
        let what = format!("{}, {what}", self.scenario.name);
        let (old, new) = (format!("{}a", self.prefix), format!("{}b", self.prefix));
        let outcomes = self.report.outcomes().await;
        let [
            OutcomeRecord {
                outcome, detail, ..
            },
        ] = &outcomes[..]
        else {
            panic!("{what}: not one outcome but {outcomes:#?}");
        };
        let skips = self.scenario.if_exists == "skip" && self.scenario.taken;
        let is_right = match outcome {
            Outcome::Skipped => skips,
            Outcome::Renamed | Outcome::AlreadyRenamed => !skips,
            Outcome::Failed => false,
        };
        assert!(is_right, "{what}: {outcome} {detail:?}");
        let (at_old, at_new) = (
            self.bucket.object(&old).await,
            self.bucket.object(&new).await,
        );
        let at_new = at_new.unwrap_or_else(|| panic!("{what}: nothing at the new key"));
        if skips {
            let at_old = at_old.unwrap_or_else(|| panic!("{what}: the source is gone"));
            assert_eq!(differences(&self.source, &at_old), "", "{what}");
            assert_eq!(
                differences(self.taken.as_ref().unwrap(), &at_new),
                "",
                "{what}"
            );
        } else {
            assert!(at_old.is_none(), "{what}: the source is still there");
            assert_eq!(differences(&self.source, &at_new), "", "{what}");
        }
        assert!(
            self.queue.is_empty().await,
            "{what}: the queue is not empty"
        );
        let parked = self.queue.parked().await;
        assert!(parked.is_empty(), "{what}: parked {parked:?}");
    }
}

async fn count_then_kill(scenario: Scenario, needed: &[&str]) {
    let servers = Servers::from_env();
    let client = servers.s3_client(&servers.s3);
    let bucket = if scenario.versioned {
        Bucket::create_versioned(client).await
    } else {
        Bucket::create(client).await
    };
    let steps = Stage::set(scenario, &servers, &bucket, "count")
        .await
        .count()
        .await;
    for operation in needed {
        assert!(steps.contains(operation), "no {operation} among {steps:?}");
    }
    let kills = (1..).zip(&steps).flat_map(|(step, operation)| {
        let moments = [Moment::BeforeRequest, Moment::BeforeReply];
        moments.map(|moment| (step, operation, moment))
    });
    let runs = kills.map(|(step, operation, moment)| {
        let (servers, bucket) = (&servers, &bucket);
        async move {
            let stage = Stage::set(scenario, servers, bucket, &format!("{step}-{moment:?}")).await;
            let what = format!("killed at request {step}, {operation}, {moment:?}");
            stage.kill_at(step, moment, &what).await;
        }
    });
    stream::iter(runs)
        .buffer_unordered(SIDE_BY_SIDE)
        .collect::<()>()
        .await;
    if scenario.versioned {
        assert_one_version_each(&bucket, steps.len() * 2 + 1).await;
    }
}

/// The old key has its version behind a marker, the new key exactly one:
/// no kill leads to a second copy on top of the first.
async fn assert_one_version_each(bucket: &Bucket, renames: usize) {
    let mut versions = bucket.versions().await;
    versions.retain(|version| !version.contains(".rebucket/"));
    let ending = |end: &str| versions.iter().filter(|name| name.ends_with(end)).count();
    assert_eq!(ending("/b"), renames, "{versions:#?}");
    assert_eq!(ending("/a"), renames, "{versions:#?}");
    assert_eq!(ending("/a (marker)"), renames, "{versions:#?}");
}

const PLAIN: Scenario = Scenario {
    name: "single",
    size: 1000,
    if_exists: "fail",
    taken: false,
    versioned: false,
};

#[tokio::test]
async fn a_worker_killed_anywhere_in_a_single_copy_is_made_up_for() {
    count_then_kill(
        PLAIN,
        &[
            "ReceiveMessage",
            "CopyObject",
            "DeleteObject",
            "DeleteMessageBatch",
        ],
    )
    .await;
}

#[tokio::test]
async fn a_worker_killed_anywhere_in_a_copy_in_parts_is_made_up_for() {
    let scenario = Scenario {
        name: "parts",
        size: 6 * MIB,
        ..PLAIN
    };
    count_then_kill(
        scenario,
        &["UploadPartCopy", "CompleteMultipartUpload", "DeleteObject"],
    )
    .await;
}

#[tokio::test]
async fn a_worker_killed_anywhere_while_it_overwrites_is_made_up_for() {
    let scenario = Scenario {
        name: "overwrite",
        if_exists: "overwrite",
        taken: true,
        ..PLAIN
    };
    count_then_kill(scenario, &["CopyObject", "DeleteObject"]).await;
}

#[tokio::test]
async fn a_worker_killed_anywhere_while_it_skips_is_made_up_for() {
    let scenario = Scenario {
        name: "skip",
        if_exists: "skip",
        taken: true,
        ..PLAIN
    };
    // A look before the copy says that the key is taken.
    count_then_kill(scenario, &["HeadObject", "DeleteMessageBatch"]).await;
}

#[tokio::test]
async fn a_worker_killed_anywhere_in_a_bucket_with_versions_is_made_up_for() {
    let scenario = Scenario {
        name: "versioned",
        versioned: true,
        ..PLAIN
    };
    count_then_kill(scenario, &["CopyObject", "DeleteObject"]).await;
}
