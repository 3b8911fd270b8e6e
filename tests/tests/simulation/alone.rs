//! The engine alone, without a worker around it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rebucket_protocol::{BucketName, Reason, RenameTask, StorageClass, decode};
use rebucket_tests::simulation::cloud::timestamp;
use rebucket_tests::simulation::deaths::Asked;
use rebucket_tests::simulation::fate::{Fate, Script};
use rebucket_tests::simulation::fleet::{Fleet, PART, THRESHOLD};
use rebucket_tests::simulation::line::Process;
use rebucket_tests::simulation::scenarios::Scenario;
use rebucket_tests::simulation::scene::{SENT, Stage};
use rebucket_tests::simulation::store::SimStore;
use rebucket_worker::host::Host;
use rebucket_worker::metrics::Metrics;
use rebucket_worker::queue::lease::{Lease, LeaseSettings};
use rebucket_worker::queue::{ReceiptHandle, Received};
use rebucket_worker::rename::plan::PartSettings;
use rebucket_worker::rename::{Bucket, Delivery, Finished, RenameError, RenameSettings, Renamer};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The engine as a worker would set it up.
pub(crate) fn engine(
    fleet: &Fleet,
    process: &Arc<Process>,
    host: Host,
    metrics: &Metrics,
) -> Renamer {
    let bucket = |name: &BucketName| Bucket {
        facts: fleet.facts_of(name),
        abilities: fleet.abilities.clone(),
        scratch: format!("s3://{name}/.rebucket/").parse().unwrap(),
    };
    let buckets = fleet.buckets.iter();
    let settings = RenameSettings {
        parts: PartSettings {
            threshold: THRESHOLD,
            part_size: PART,
        },
        parts_in_flight: 3,
        verify: fleet.verify,
        assume_plain: fleet.assume_plain,
        host,
    };
    Renamer::new(
        Arc::new(SimStore::new(
            Arc::clone(process),
            true,
            fleet.hidden.clone(),
        )),
        buckets.map(|name| (name.clone(), bucket(name))).collect(),
        settings,
        metrics.clone(),
        Arc::new(Semaphore::new(64)),
    )
}

/// A message that is invisible until then.
pub(crate) fn received(deadline: Instant) -> Received {
    Received {
        id: "m".to_owned(),
        receipt: ReceiptHandle("r".to_owned()),
        body: String::new(),
        receive_count: Some(1),
        sent: None,
        deadline,
    }
}

const VISIBILITY: Duration = Duration::from_mins(5);

/// An engine in a world, and the tasks that were set for it.
pub(crate) struct Bench {
    stage: Stage,
    process: Arc<Process>,
    renamer: Renamer,
    /// What the engine counts.
    pub(crate) metrics: Metrics,
}

pub(crate) type Ended = Result<Finished, RenameError>;

impl Bench {
    async fn new(scenario: &Scenario, fates: &[(u16, u32, Fate)]) -> Self {
        let stage = scenario.scene.set(false);
        let cloud = &stage.cloud;
        tokio::time::sleep_until(cloud.instant(SENT)).await;
        let fates = fates.to_vec();
        let process = Process::start(0, Arc::clone(cloud), Arc::new(Script { fates }));
        process.write_down();
        let host = Host::simulated("w0".to_owned(), timestamp(SENT));
        let metrics = Metrics::new().unwrap();
        let renamer = engine(&scenario.scene.fleet, &process, host, &metrics);
        Self {
            stage,
            process,
            renamer,
            metrics,
        }
    }

    pub(crate) fn task(&self, number: usize) -> RenameTask {
        decode(&self.stage.bodies[number]).unwrap()
    }

    /// Renames, and tells what was asked for.
    pub(crate) async fn rename(&self, task: &RenameTask, redelivered: bool) -> (Ended, Vec<Asked>) {
        let settings = LeaseSettings::new(VISIBILITY);
        let stop = CancellationToken::new();
        let lease = Lease::new(&received(Instant::now() + VISIBILITY), settings, &stop);
        let delivery = Delivery {
            receive_count: 1,
            redelivered,
            first_sent: None,
            stop: lease.stop().clone(),
            lease,
        };
        let asked = |asked: &Mutex<Option<Vec<Asked>>>| asked.lock().unwrap().clone().unwrap();
        let before = asked(&self.process.asked).len();
        let ended = self.renamer.rename(task, &delivery).await;
        (ended, asked(&self.process.asked).split_off(before))
    }
}

/// Plays in a world of its own.
pub(crate) fn bench<T>(
    scenario: &Scenario,
    fates: &[(u16, u32, Fate)],
    play: impl AsyncFnOnce(Bench) -> T,
) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async { play(Bench::new(scenario, fates).await).await })
}

/// Why a rename failed.
pub(crate) fn reason(ended: Ended) -> Reason {
    match ended {
        Err(RenameError::Failed { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

/// A storage class by its name.
pub(crate) fn class(name: &str) -> Option<StorageClass> {
    StorageClass::new(name).ok()
}
