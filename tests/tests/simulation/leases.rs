//! Leases: how long a message is ours, and that nothing is written without.

use async_trait::async_trait;
use rebucket_protocol::decode;
use rebucket_tests::simulation::cloud::{EPOCH, timestamp};
use rebucket_tests::simulation::fate::{Fate, Script};
use rebucket_tests::simulation::line::Process;
use rebucket_tests::simulation::scenarios::Scenario;
use rebucket_tests::simulation::scene::SENT;
use rebucket_worker::error::{ErrorClass, ServiceError};
use rebucket_worker::host::Host;
use rebucket_worker::metrics::Metrics;
use rebucket_worker::queue::lease::{Kept, Lease, LeaseKeeper, LeaseSettings};
use rebucket_worker::queue::receiver::{LONG_POLL, Receiver};
use rebucket_worker::queue::{
    Depth, EntryResult, MAX_INVISIBLE, Outgoing, ParkReason, Queue, ReceiptHandle, Received,
};
use rebucket_worker::rename::Delivery;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::alone::{engine, received};
use crate::told::{last, scenario};

/// A queue that does nothing but extend leases, as it is told to.
struct Extender {
    /// How long an answer takes.
    takes: Duration,
    /// The failure of the request, or of its entries.
    fails: Option<(ErrorClass, bool)>,
    /// Until when the message was made invisible.
    until: Mutex<Option<Instant>>,
    asked: AtomicU64,
}

fn failed(class: ErrorClass) -> ServiceError {
    ServiceError::local("ChangeMessageVisibility", "queue", class, "Test", "")
}

#[async_trait]
impl Queue for Extender {
    /// A message comes at the end of each poll.
    async fn receive(
        &self,
        _: usize,
        visibility: Duration,
        wait: Duration,
    ) -> Result<Vec<Received>, ServiceError> {
        let deadline = Instant::now() + visibility;
        tokio::time::sleep(wait).await;
        Ok(vec![received(deadline)])
    }

    async fn change_visibility(
        &self,
        entries: &[(ReceiptHandle, Duration)],
    ) -> Result<Vec<EntryResult>, ServiceError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(self.takes).await;
        match self.fails {
            Some((class, true)) => Err(failed(class)),
            Some((class, false)) => Ok(entries.iter().map(|_| Err(failed(class))).collect()),
            None => {
                *self.until.lock().unwrap() = Some(Instant::now() + entries[0].1);
                Ok(entries.iter().map(|_| Ok(())).collect())
            }
        }
    }

    async fn acknowledge(&self, _: &[ReceiptHandle]) -> Result<Vec<EntryResult>, ServiceError> {
        Ok(Vec::new())
    }

    async fn enqueue(&self, _: Outgoing) -> Result<(), ServiceError> {
        Ok(())
    }

    async fn park(&self, _: &Received, _: &ParkReason) -> Result<(), ServiceError> {
        Ok(())
    }

    async fn depth(&self) -> Result<Depth, ServiceError> {
        Ok(Depth::default())
    }

    fn max_receive_count(&self) -> u32 {
        5
    }

    fn now(&self) -> Option<rebucket_protocol::Timestamp> {
        None
    }
}

/// How long a request of a [`Script`] takes to arrive.
const WAY: Duration = Duration::from_millis(2);

const VISIBILITY: Duration = Duration::from_secs(40);

/// A lease that was just received and is kept by a queue of this kind.
fn kept(takes: Duration, fails: Option<(ErrorClass, bool)>) -> (Arc<Extender>, Kept) {
    let (queue, keeper) = keeper(takes, fails);
    let kept = keeper.keep(&received(Instant::now() + VISIBILITY));
    (queue, kept)
}

/// What keeps leases, by a queue of this kind.
fn keeper(takes: Duration, fails: Option<(ErrorClass, bool)>) -> (Arc<Extender>, Arc<LeaseKeeper>) {
    let queue = Arc::new(Extender {
        takes,
        fails,
        until: Mutex::default(),
        asked: AtomicU64::new(0),
    });
    let keeper = Arc::new(LeaseKeeper::new(
        Arc::clone(&queue) as Arc<dyn Queue>,
        LeaseSettings::new(VISIBILITY),
        Metrics::new().unwrap(),
        CancellationToken::new(),
    ));
    let running = Arc::clone(&keeper);
    tokio::spawn(async move { running.run().await });
    (queue, keeper)
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_at_the_end_of_a_poll_can_still_be_worked_on() {
    for seconds in [2, 3, 5, 8, 15, 20, 30, 120, 43_200] {
        let visibility = Duration::from_secs(seconds);
        let (queue, _) = keeper(Duration::ZERO, None);
        let stop = CancellationToken::new();
        let permits = Arc::new(Semaphore::new(1));
        let receiver = Receiver::new(queue, permits, visibility, LONG_POLL, stop.clone());
        let began = Instant::now();
        let admitted = receiver.next().await.unwrap().unwrap();
        assert!(
            began.elapsed() >= Duration::from_secs(1),
            "a busy poll with {visibility:?}"
        );
        let lease = Lease::new(&admitted[0].message, LeaseSettings::new(visibility), &stop);
        assert!(lease.is_held(), "not with {visibility:?}");
        assert!(
            lease.remaining() >= visibility / 2,
            "little is left of {visibility:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_not_held_any_more_within_its_margin() {
    let (_, kept) = kept(Duration::ZERO, Some((ErrorClass::Transient, true)));
    let margin = LeaseSettings::new(VISIBILITY).margin;
    assert!(margin >= Duration::from_secs(5));
    tokio::time::sleep(VISIBILITY.saturating_sub(margin + Duration::from_secs(1))).await;
    assert!(kept.lease().is_held());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!kept.lease().is_held() && !kept.lease().is_lost());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_cannot_be_extended_is_lost_at_its_deadline_and_ends_its_work() {
    for whole in [true, false] {
        let (queue, kept) = kept(Duration::ZERO, Some((ErrorClass::Transient, whole)));
        tokio::time::sleep(VISIBILITY).await;
        assert!(kept.lease().is_lost() && !kept.lease().is_held());
        assert!(queue.asked.load(Ordering::SeqCst) > 1, "tried again");
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(kept.lease().stop().is_cancelled());
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_the_queue_gave_to_another_is_lost_at_once() {
    let (_, kept) = kept(Duration::ZERO, Some((ErrorClass::LeaseLost, false)));
    tokio::time::sleep(VISIBILITY / 2 + Duration::from_secs(2)).await;
    assert!(kept.lease().is_lost() && kept.lease().stop().is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn an_extension_counts_from_before_its_request() {
    let takes = Duration::from_secs(5);
    let (queue, kept) = kept(takes, None);
    tokio::time::sleep(VISIBILITY / 2 + takes + Duration::from_secs(1)).await;
    let until = queue.until.lock().unwrap().unwrap();
    let there = until.duration_since(Instant::now());
    let here = kept.lease().remaining();
    assert!(here > VISIBILITY / 2, "it was extended");
    assert!(here + takes <= there, "{here:?} of {there:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_kept_for_hours_and_given_up_before_sqs_refuses_to_extend_it() {
    let began = Instant::now();
    let (queue, kept) = kept(Duration::ZERO, None);
    tokio::time::sleep(Duration::from_hours(11)).await;
    assert!(kept.lease().is_held() && !kept.lease().stop().is_cancelled());
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert!(kept.lease().is_lost() && kept.lease().stop().is_cancelled());
    let until = queue.until.lock().unwrap().unwrap();
    assert!(until <= began + MAX_INVISIBLE);
}

/// As where a large object is copied while many small ones come and go.
#[tokio::test(start_paused = true)]
async fn messages_that_come_and_go_do_not_keep_a_lease_from_being_extended() {
    let (queue, keeper) = keeper(Duration::ZERO, None);
    let long = keeper.keep(&received(Instant::now() + VISIBILITY));
    for number in 0..300 {
        let message = Received {
            receipt: ReceiptHandle(format!("short-{number}")),
            ..received(Instant::now() + VISIBILITY)
        };
        let short = keeper.keep(&message);
        tokio::time::sleep(VISIBILITY / 100).await;
        drop(short);
        assert!(long.lease().is_held(), "after {number} messages");
    }
    let asked = queue.asked.load(Ordering::SeqCst);
    assert!(
        (5..10).contains(&asked),
        "extended {asked} times in three timeouts"
    );
}

/// Requests that must not be sent without a lease.
const WRITES: [&str; 4] = [
    "CopyObject",
    "CreateMultipartUpload",
    "CompleteMultipartUpload",
    "DeleteObject",
];

/// Renames under a lease that is held for so long, and that nobody ends: when
/// each write was sent, since the start, and whether the rename was finished.
fn writes(scenario: &Scenario, held: Duration, fates: &[(u16, u32, Fate)]) -> (Vec<Write>, bool) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let stage = scenario.scene.set(true);
        let cloud = &stage.cloud;
        tokio::time::sleep_until(cloud.instant(SENT)).await;
        let task = decode(&stage.bodies[0]).unwrap();
        let director = Arc::new(Script {
            fates: fates.to_vec(),
        });
        let process = Process::start(0, Arc::clone(cloud), director);
        let host = Host::simulated("w0".to_owned(), timestamp(SENT));
        let renamer = engine(
            &scenario.scene.fleet,
            &process,
            host,
            &Metrics::new().unwrap(),
        );
        let settings = LeaseSettings::new(VISIBILITY);
        let message = received(Instant::now() + held + settings.margin);
        let lease = Lease::new(&message, settings, &CancellationToken::new());
        let delivery = Delivery {
            receive_count: 1,
            redelivered: false,
            first_sent: None,
            stop: lease.stop().clone(),
            lease,
        };
        let finished = renamer.rename(&task, &delivery).await.is_ok();
        let log = cloud.with(|state, _| state.log.take().unwrap());
        let writes = log.iter().filter_map(|line| Write::of(line));
        (writes.collect(), finished)
    })
}

/// A write: when it arrived, in milliseconds since the start.
#[derive(Debug)]
struct Write {
    at: u64,
    line: String,
}

impl Write {
    /// Reads a line of the log: time, worker, request, operation.
    fn of(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let (seconds, millis) = words.next()?.split_once('.')?;
        let at = seconds.parse::<u64>().ok()? * 1_000 + millis.parse::<u64>().ok()?;
        let operation = words.nth(2)?;
        WRITES.contains(&operation).then(|| Self {
            at: EPOCH.0 + at - SENT.0,
            line: line.to_owned(),
        })
    }
}

#[test]
fn no_write_is_sent_once_the_lease_is_not_held_with_margin() {
    let scenarios = [
        "single",
        "single_elsewhere",
        "multipart",
        "overwrite",
        "overwrite_elsewhere",
        "overwrite_multipart_elsewhere",
    ];
    for name in scenarios {
        let scenario = scenario(name);
        let delete = last(&scenario, "DeleteObject") - 1;
        for fates in [vec![], vec![(0, delete, Fate::Throttled)]] {
            let mut interrupted = 0;
            for held in 1..200 {
                let held = Duration::from_millis(held);
                let (writes, finished) = writes(&scenario, held, &fates);
                interrupted += u32::from(!finished);
                for write in writes {
                    let sent = Duration::from_millis(write.at).saturating_sub(WAY);
                    assert!(sent <= held, "{name}, held for {held:?}: {}", write.line);
                }
                if finished {
                    break;
                }
            }
            assert!(interrupted > 5, "{name}: {interrupted}");
            assert!(interrupted < 190, "{name}: {interrupted}");
        }
    }
}
