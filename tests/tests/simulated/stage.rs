//! A simulator, a bucket and a queue on it, and what an auditor sees of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rebucket_protocol::Outcome;
use rebucket_simulator::clock::{Clock, Millis};
use rebucket_simulator::http::{Rule, Service, Simulator};
use rebucket_simulator::s3::{
    Acl, Annotation, BucketSettings, ETag, Layout, Metadata, NewObject, Object, SparseObject,
    limits::MIB,
};
use rebucket_simulator::sqs::Totals;
use rebucket_tests::{Task, Worker, World};

/// Copies everything above 5 MiB in parts.
pub(crate) const IN_PARTS: &str = "--multipart-threshold 5MiB --part-size 5MiB";

/// How old objects are at the start: dates have whole seconds, and one that is
/// as late as its task would be a case of its own.
const AGE: Duration = Duration::from_hours(1);

pub(crate) struct Stage {
    pub(crate) simulator: Simulator,
    pub(crate) world: World,
}

/// A small object of an upload in one piece.
pub(crate) fn small(properties: NewObject) -> SparseObject {
    SparseObject {
        seed: 1,
        size: 1000,
        properties,
        ..SparseObject::default()
    }
}

/// An object of an upload in three parts.
pub(crate) fn in_parts(properties: NewObject) -> SparseObject {
    SparseObject {
        size: 11 * MIB,
        layout: Layout::Even(5 * MIB),
        ..small(properties)
    }
}

/// What a rename keeps however it copies: all but the ETag, the layout and the
/// checksum, which are those of the upload, and what belongs to the old key.
fn kept(object: &Object) -> Object {
    let annotations = object.annotations.iter().map(|(name, annotation)| {
        let modified = Millis::default();
        (
            name.clone(),
            Annotation {
                modified,
                ..annotation.clone()
            },
        )
    });
    // What S3 answers when none was sent cannot be told from one that was.
    let content_type = object.metadata.content_type.clone();
    let content_type = content_type.unwrap_or_else(|| "binary/octet-stream".to_owned());
    // The order of grants says nothing.
    let mut acl = Acl::clone(&object.acl);
    acl.grants.sort();
    Object {
        acl: Arc::new(acl),
        etag: ETag::new(""),
        parts: None,
        checksum: None,
        metadata: Arc::new(Metadata {
            content_type: Some(content_type),
            ..Metadata::clone(&object.metadata)
        }),
        restore: None,
        // A hold that is off is none.
        legal_hold: object.legal_hold.filter(|on| *on),
        annotations: Arc::new(annotations.collect()),
        ..object.clone()
    }
}

impl Stage {
    /// A bucket as Amazon makes it when nothing is said.
    pub(crate) async fn new() -> Self {
        Self::with(BucketSettings::default()).await
    }

    pub(crate) async fn with(settings: BucketSettings) -> Self {
        Self::by(Clock::system(), settings).await
    }

    /// The same by another clock than the machine's.
    pub(crate) async fn by(clock: Clock, settings: BucketSettings) -> Self {
        let simulator = Simulator::builder().clock(clock).start().await.unwrap();
        let world = World::simulated(&simulator, settings).await;
        Self { simulator, world }
    }

    /// Puts an object, an hour ago.
    pub(crate) fn put(&self, key: &str, object: &SparseObject) -> Object {
        let Millis(now) = self.simulator.clock().now();
        let then = Millis(now - u64::try_from(AGE.as_millis()).unwrap());
        self.put_at(key, object, then)
    }

    /// Puts an object now.
    pub(crate) fn put_now(&self, key: &str, object: &SparseObject) -> Object {
        self.put_at(key, object, self.simulator.clock().now())
    }

    fn put_at(&self, key: &str, object: &SparseObject, then: Millis) -> Object {
        let mut s3 = self.simulator.s3();
        let put = s3.put_sparse(&self.world.bucket.name, key, object, then);
        Object::clone(&put.unwrap().object)
    }

    /// The current object under a key.
    pub(crate) fn object(&self, key: &str) -> Option<Object> {
        let s3 = self.simulator.s3();
        s3.bucket(&self.world.bucket.name)?.current(key).cloned()
    }

    /// Every key with a current object, scratch ones included.
    pub(crate) fn keys(&self) -> Vec<String> {
        let s3 = self.simulator.s3();
        let bucket = s3.bucket(&self.world.bucket.name).unwrap();
        let objects = bucket.current_objects();
        objects.map(|(key, _, _)| key.to_owned()).collect()
    }

    /// The keys of the uploads that nobody ended.
    pub(crate) fn uploads(&self) -> Vec<String> {
        let s3 = self.simulator.s3();
        let bucket = s3.bucket(&self.world.bucket.name).unwrap();
        bucket.uploads().map(|(_, u)| u.key.clone()).collect()
    }

    /// Starts a worker, and forgets what it asked until it took tasks.
    pub(crate) async fn start(&self, flags: &str) -> Worker {
        let mut worker = self.world.worker().flags(flags).start();
        worker.until_working().await;
        self.simulator.requests().reset();
        worker
    }

    /// Lets one worker carry out these tasks under these faults.
    pub(crate) async fn carry_out(&self, flags: &str, tasks: &[Task], faults: Vec<Rule>) {
        let worker = self.start(flags).await;
        for rule in faults {
            self.simulator.fault(rule);
        }
        self.world.queue.send(tasks).await;
        worker.drain(&self.world.queue).await;
    }

    /// The S3 requests since the worker started: what was asked of which key,
    /// in the order of arrival.
    pub(crate) fn requests(&self) -> Vec<(String, String)> {
        let log = self.simulator.requests().log().into_iter();
        let s3 = log.filter(|record| record.operation.service == Service::S3);
        s3.map(|record| {
            let operation = record.operation;
            (operation.name, operation.key.unwrap_or_default())
        })
        .collect()
    }

    /// How often each S3 operation was asked for since the worker started.
    pub(crate) fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for (operation, _) in self.requests() {
            *counts.entry(operation).or_default() += 1;
        }
        counts
    }

    /// What became of the queue's messages.
    pub(crate) fn totals(&self) -> Totals {
        let name = self.world.queue.url.rsplit('/').next().unwrap();
        self.simulator.sqs().totals(name).unwrap()
    }

    /// The object is the one that it was, down to where its bytes first came
    /// from, at its new key only. Returns it.
    pub(crate) fn assert_moved(&self, from: &str, to: &str, before: &Object) -> Object {
        let after = self.object(to);
        let after = after.unwrap_or_else(|| panic!("nothing arrived at {to}"));
        assert_eq!(kept(&after), kept(before), "{from} -> {to}");
        assert!(self.object(from).is_none(), "{from} is still there");
        after
    }

    /// Tasks 1 to `count` and no others ended, once each and as `renamed`,
    /// every message was deleted, and no upload or scratch object is left.
    pub(crate) async fn assert_all_renamed(&self, count: usize) {
        self.assert_all_ended(count).await;
        assert!(self.uploads().is_empty(), "open: {:?}", self.uploads());
    }

    /// The same, whatever uploads are left.
    pub(crate) async fn assert_all_ended(&self, count: usize) {
        let outcomes = self.world.report.outcomes().await;
        for record in &outcomes {
            let task = (&record.task, record.source.key.as_str());
            let reason = (record.reason, record.detail.as_deref());
            assert_eq!(record.outcome, Outcome::Renamed, "{task:?}: {reason:?}");
        }
        assert_eq!(outcomes.len(), count, "tasks with an outcome");
        self.world.queue.assert_nothing_parked().await;
        let totals = self.totals();
        let gone = (totals.moved_in, totals.moved_out, totals.expired);
        assert_eq!(gone, (0, 0, 0), "{totals:?}");
        let count = u64::try_from(count).unwrap();
        assert_eq!(totals.sent, count, "{totals:?}");
        assert_eq!(totals.deleted, totals.sent + totals.undeleted, "{totals:?}");
        let mut scratch = self.keys();
        scratch.retain(|key| key.contains(".rebucket/"));
        assert!(scratch.is_empty(), "scratch objects: {scratch:?}");
    }
}
