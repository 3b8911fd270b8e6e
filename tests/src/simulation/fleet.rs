//! Real workers on simulated lines.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rebucket_protocol::{BucketName, S3Prefix};
use rebucket_worker::admission::Admission;
use rebucket_worker::host::Host;
use rebucket_worker::metrics::Metrics;
use rebucket_worker::queue::lease::LeaseSettings;
use rebucket_worker::rename::plan::PartSettings;
use rebucket_worker::rename::{Bucket, RenameSettings, Renamer, VerifyMode};
use rebucket_worker::report::Recorder;
use rebucket_worker::shutdown::Shutdown;
use rebucket_worker::store::endpoint::Abilities;
use rebucket_worker::store::probe::names::BucketNames;
use rebucket_worker::store::{BucketFacts, Versioning};
use rebucket_worker::worker::{Worker, WorkerSettings};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::audit::SCRATCH;
use super::cloud::timestamp;
use super::hidden::Hidden;
use super::line::Process;
use super::queue::SimQueue;
use super::report::SimReport;
use super::scene::{NEW, OLD};
use super::store::SimStore;

/// Objects larger than this are copied in parts, in bytes.
pub const THRESHOLD: u64 = 32 << 20;

/// The size of these parts, in bytes: more than the simulated store computes
/// real digests for.
pub const PART: u64 = 20 << 20;

/// How workers are set up.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// The visibility timeout.
    pub visibility: Duration,
    /// Deliveries before the queue gives a message up.
    pub max_receive_count: u32,
    /// Renames in flight in one worker.
    pub max_renames: usize,
    /// How far copies are checked.
    pub verify: Option<VerifyMode>,
    /// Whether workers are told that objects are plain.
    pub assume_plain: bool,
    /// What the endpoint is relied on to do.
    pub abilities: Abilities,
    /// What both buckets settle for their objects.
    pub facts: BucketFacts,
    /// Whether the bucket `new` keeps versions, if not as `facts` says.
    pub new_versioning: Option<Versioning>,
    /// The buckets.
    pub buckets: Vec<BucketName>,
    /// How far each worker's clock is ahead of the services', in
    /// milliseconds, in turns; or behind, if negative.
    pub skews: Vec<i64>,
    /// True when workers start after a part of the job was done.
    pub resumed: bool,
    /// True when HEAD counts no tags for these workers, whatever the endpoint
    /// can do: they lack the permission to read them.
    pub tags_uncounted: bool,
    /// What these workers may not read.
    pub hidden: Hidden,
}

/// A worker that was started.
pub struct Started {
    /// Its process.
    pub process: Arc<Process>,
    /// Tells it to stop.
    pub shutdown: Shutdown,
    /// Ends when it has stopped; never, if it dies.
    pub running: JoinHandle<()>,
}

/// One set of metrics for all: making them takes longer than a simulation.
fn metrics() -> Metrics {
    static METRICS: OnceLock<Metrics> = OnceLock::new();
    METRICS
        .get_or_init(|| Metrics::new().expect("metrics do not contradict each other"))
        .clone()
}

impl Fleet {
    /// What one bucket settles for its objects.
    #[must_use]
    pub fn facts_of(&self, bucket: &BucketName) -> BucketFacts {
        let other = self.new_versioning.filter(|_| bucket.as_str() == NEW);
        BucketFacts {
            versioning: other.unwrap_or(self.facts.versioning),
            ..self.facts
        }
    }

    fn host(&self, process: &Process) -> Host {
        let now = process.cloud().now();
        let number = usize::from(process.number);
        let skew = self
            .skews
            .get(number % self.skews.len().max(1))
            .copied()
            .unwrap_or(0);
        let shown = rebucket_simulator::clock::Millis(now.0.saturating_add_signed(skew));
        Host::simulated(format!("w{number}"), timestamp(shown))
    }

    /// Which names workers know to be names of one bucket: AWS tells that.
    fn names(&self, process: &Process) -> BucketNames {
        let mut names = BucketNames::default();
        if self.abilities.trusted && process.cloud().twist.names.alias {
            let [a, b] = [OLD, NEW].map(|name| BucketName::new(name).expect("a bucket's name"));
            names.add_one(&a, &b);
        }
        names
    }

    /// Starts the worker that is this process.
    #[must_use]
    pub fn start(&self, process: &Arc<Process>) -> Started {
        let host = self.host(process);
        let prefixes: Vec<S3Prefix> = self
            .buckets
            .iter()
            .map(|bucket| format!("s3://{bucket}").parse().expect("a bucket's URI"))
            .collect();
        let buckets: HashMap<BucketName, Bucket> = prefixes
            .iter()
            .map(|prefix| {
                let mut scratch = prefix.clone();
                SCRATCH.clone_into(&mut scratch.prefix);
                let bucket = Bucket {
                    facts: self.facts_of(&prefix.bucket),
                    abilities: self.abilities.clone(),
                    scratch,
                };
                (prefix.bucket.clone(), bucket)
            })
            .collect();
        let settings = RenameSettings {
            parts: PartSettings {
                threshold: THRESHOLD,
                part_size: PART,
            },
            parts_in_flight: 3,
            verify: self.verify,
            assume_plain: self.assume_plain,
            host: host.clone(),
        };
        let store = Arc::new(SimStore::new(
            Arc::clone(process),
            self.abilities.counts_tags && !self.tags_uncounted,
            self.hidden.clone(),
        ));
        let requests = Arc::new(Semaphore::new(64));
        let renamer = Renamer::new(store, buckets, settings, metrics(), requests);
        let renamer = renamer.knowing(self.names(process));
        let report = SimReport::new(Arc::clone(process));
        let (recorder, _recording) = Recorder::start(report, host.name(), metrics());
        let queue = Arc::new(SimQueue::new(Arc::clone(process), self.max_receive_count));
        let worker = Worker::new(
            queue,
            renamer,
            Admission::new(prefixes),
            recorder,
            WorkerSettings {
                host,
                max_renames: self.max_renames,
                lease: LeaseSettings::new(self.visibility),
                exit_when_empty: None,
                resumed: self.resumed,
            },
            metrics(),
        );
        let shutdown = Shutdown::new();
        let running = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { worker.run(&shutdown).await }
        });
        Started {
            process: Arc::clone(process),
            shutdown,
            running,
        }
    }
}
