//! A message is for the buckets of one store, and for none of the same names in
//! another one.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rebucket_protocol::{Outcome, Reason};
use rebucket_simulator::clock::Millis;
use rebucket_simulator::http::{Action, Rule, Simulator};
use rebucket_simulator::s3::{BucketSettings, NewObject};
use rebucket_tests::task::JOB;
use rebucket_tests::{Report, Worker};
use serde_json::Value;
use tempfile::TempDir;

use crate::stage::{Stage, small};

/// A store with a bucket and a queue, and a job that was not submitted yet.
struct Job {
    stage: Stage,
    folder: TempDir,
}

impl Job {
    /// Three renames, from `a/` to `b/`.
    async fn new() -> Self {
        let stage = Stage::new().await;
        let folder = tempfile::tempdir().unwrap();
        let bucket = &stage.world.bucket.name;
        let mut manifest = "source,destination\n".to_owned();
        for key in KEYS {
            stage.put(&format!("a/{key}"), &small(NewObject::default()));
            writeln!(manifest, "s3://{bucket}/a/{key},s3://{bucket}/b/{key}").unwrap();
        }
        std::fs::write(folder.path().join("m.csv"), manifest).unwrap();
        Self { stage, folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// `rebucket` on the job's manifest, with this store. How it ended, and
    /// what it wrote.
    async fn rebucket(&self, arguments: &str, s3: &str) -> (Option<i32>, String) {
        let mut command = self.stage.world.servers.rebucket(self.path(), arguments);
        let command = command.env("AWS_ENDPOINT_URL_S3", s3).stdin(Stdio::null());
        let ended = command.kill_on_drop(true).output().await.unwrap();
        let text = String::from_utf8(ended.stderr).unwrap();
        (ended.status.code(), text)
    }

    /// Submits the job, and gives what was said.
    async fn submit(&self) -> String {
        let queue = &self.stage.world.queue.url;
        let submit = format!("submit m.csv --job {JOB} --queue-url {queue}");
        let (code, said) = self.rebucket(&submit, &self.stage.world.servers.s3).await;
        assert_eq!(code, Some(0), "{said}");
        said
    }

    /// What the messages say of when the bucket was created.
    fn named(&self) -> Option<String> {
        let queue = self.stage.world.queue.url.rsplit('/').next().unwrap();
        let sqs = self.stage.simulator.sqs();
        let now = self.stage.simulator.clock().now();
        let message = sqs.messages(queue, now).unwrap().pop().unwrap();
        let body: Value = serde_json::from_str(&message.payload.body).unwrap();
        let date = body["created"].get(&self.stage.world.bucket.name)?;
        Some(date.as_str().unwrap().to_owned())
    }

    /// Starts a worker of this job's queue at the S3 of this address.
    async fn worker(&self, s3: &str, flags: &str) -> Worker {
        let worker = self.stage.world.worker().env("AWS_ENDPOINT_URL_S3", s3);
        let mut worker = worker.flags(flags).start();
        worker.until_working().await;
        worker
    }

    /// Lets a worker at the S3 of this address end all tasks.
    async fn carry_out(&self, s3: &str, flags: &str) -> String {
        let worker = self.worker(s3, flags).await;
        worker.drain(&self.stage.world.queue).await
    }
}

const KEYS: [&str; 3] = ["1", "2", "3"];

/// Another store with a bucket of the same name, that was created so much
/// earlier, and objects under the same keys.
async fn staging(job: &Job, earlier: Duration) -> Simulator {
    let simulator = Simulator::builder().start().await.unwrap();
    let Millis(now) = simulator.clock().now();
    let then = Millis(now - u64::try_from(earlier.as_millis()).unwrap());
    let bucket = &job.stage.world.bucket.name;
    let mut s3 = simulator.s3();
    let settings = BucketSettings::default();
    s3.create_bucket(bucket, settings, then).unwrap();
    for key in KEYS {
        let object = small(NewObject::default());
        s3.put_sparse(bucket, &format!("a/{key}"), &object, then)
            .unwrap();
    }
    drop(s3);
    simulator
}

fn keys(simulator: &Simulator, bucket: &str) -> Vec<String> {
    let s3 = simulator.s3();
    let objects = s3.bucket(bucket).unwrap().current_objects();
    objects.map(|(key, _, _)| key.to_owned()).collect()
}

const BEFORE: [&str; 3] = ["a/1", "a/2", "a/3"];
const RENAMED: [&str; 3] = ["b/1", "b/2", "b/3"];
const HOUR: Duration = Duration::from_hours(1);

async fn assert_ended(report: &Report, outcome: Outcome, reason: Option<Reason>) {
    let records = report.outcomes().await;
    assert_eq!(records.len(), KEYS.len());
    for record in records {
        assert_eq!(
            (record.outcome, record.reason),
            (outcome, reason),
            "{record:?}"
        );
    }
}

#[tokio::test]
async fn a_worker_at_another_store_parks_what_was_meant_for_this_one() {
    let job = Job::new().await;
    let world = &job.stage.world;
    let staging = staging(&job, HOUR).await;
    job.submit().await;
    let meant = job.named().unwrap();
    let worker = job.worker(staging.s3_url(), "").await;
    staging.requests().reset();
    worker.drain(&world.queue).await;
    for there in [&staging, &job.stage.simulator] {
        assert_eq!(keys(there, &world.bucket.name), BEFORE);
    }
    assert_eq!(staging.requests().counts().total, 0);
    assert_ended(&world.report, Outcome::Failed, Some(Reason::WrongStore)).await;
    let record = world.report.outcomes().await.pop().unwrap();
    let detail = record.detail.unwrap();
    for words in [&world.bucket.name, &meant, "--any-store"] {
        assert!(detail.contains(words), "{detail}");
    }
    assert_eq!(world.queue.parked().await.len(), KEYS.len());
}

#[tokio::test]
async fn a_store_that_was_moved_is_worked_in_when_that_is_said() {
    let job = Job::new().await;
    let world = &job.stage.world;
    let moved = staging(&job, HOUR).await;
    job.submit().await;
    job.carry_out(moved.s3_url(), "--any-store").await;
    assert_eq!(keys(&moved, &world.bucket.name), RENAMED);
    assert_eq!(moved.requests().count("ListBuckets"), 0);
    assert_ended(&world.report, Outcome::Renamed, None).await;
}

#[tokio::test]
async fn one_store_has_many_addresses() {
    let job = Job::new().await;
    let s3 = &job.stage.world.servers.s3;
    let other = s3.replace("127.0.0.1", "localhost");
    assert_ne!(*s3, other);
    job.submit().await;
    assert!(job.named().is_some());
    let log = job.carry_out(&other, "").await;
    assert!(
        log.contains("another date of creation are refused"),
        "{log}"
    );
    assert_eq!(job.stage.keys(), RENAMED);
}

#[tokio::test]
async fn whoever_may_not_list_buckets_works_without() {
    let denied = || Rule::on("ListBuckets", Action::error(403, "AccessDenied"));
    let unlisted = "the store does not list its buckets";
    // The submitter may not, then the worker.
    let job = Job::new().await;
    let rule = job.stage.simulator.fault(denied());
    let said = job.submit().await;
    assert!(said.contains(unlisted) && said.contains("INFO"), "{said}");
    assert_eq!(job.named(), None);
    assert!(job.stage.simulator.faults().remove(rule));
    let log = job.carry_out(&job.stage.world.servers.s3, "").await;
    assert!(!log.contains(unlisted), "{log}");
    assert_eq!(job.stage.keys(), RENAMED);

    let job = Job::new().await;
    let said = job.submit().await;
    assert!(!said.contains("the store does not list"), "{said}");
    assert!(job.named().is_some());
    job.stage.simulator.fault(denied());
    let log = job.carry_out(&job.stage.world.servers.s3, "").await;
    assert_eq!(log.matches(unlisted).count(), 1, "{log}");
    assert_eq!(job.stage.keys(), RENAMED);
}

/// A submission that was interrupted is not finished at another store.
#[tokio::test]
async fn a_submission_does_not_go_on_at_another_store() {
    let job = Job::new().await;
    let staging = staging(&job, HOUR).await;
    let queue = &job.stage.world.queue.url;
    let submit = format!("submit m.csv --job {JOB} --queue-url {queue}");
    let s3 = &job.stage.world.servers.s3;
    let denied = Rule::on("SendMessageBatch", Action::error(400, "AccessDenied"));
    let rule = job.stage.simulator.fault(denied);
    let (code, said) = job.rebucket(&submit, s3).await;
    assert_eq!(code, Some(3), "{said}");
    assert!(job.stage.simulator.faults().remove(rule));
    let (code, said) = job.rebucket(&submit, staging.s3_url()).await;
    assert_eq!(code, Some(2), "{said}");
    let bucket = format!("the bucket {} ", job.stage.world.bucket.name);
    for words in [&bucket, "it is another one", "--again"] {
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(job.stage.totals().sent, 0);
    let (code, said) = job.rebucket(&submit, s3).await;
    assert_eq!(code, Some(0), "{said}");
    job.carry_out(s3, "").await;
    assert_eq!(job.stage.keys(), RENAMED);
}

/// Of the job's buckets every request says whose they are, and of a manifest,
/// which may be somebody else's, none does.
#[tokio::test]
async fn only_the_buckets_of_the_job_have_to_be_the_accounts() {
    let job = Job::new().await;
    let world = &job.stage.world;
    let s3 = &world.servers.s3;
    let bucket = &world.bucket.name;
    let manifest = std::fs::read(job.path().join("m.csv")).unwrap();
    let put = world.bucket.client.put_object().bucket(bucket).key("m.csv");
    put.body(manifest.into()).send().await.unwrap();
    let (ours, theirs) = ("000000000000", "111111111111");
    let plan = format!("plan s3://{bucket}/m.csv");
    for (command, of_another) in [
        (plan.clone(), 0),
        (format!("{plan} --pin head"), 3),
        (format!("{plan} --pin list"), 3),
        (format!("map s3://{bucket}/a/ --to s3://{bucket}/c/"), 3),
    ] {
        for (owner, expected) in [(ours, 0), (theirs, of_another)] {
            let command = format!("{command} --bucket-owner {owner}");
            let (code, said) = job.rebucket(&command, s3).await;
            assert_eq!(code, Some(expected), "{command}: {said}");
        }
    }
}
