//! Gates and pins, each in a situation in which nothing else would do.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rebucket_protocol::{BucketName, Outcome, OutcomeRecord, Reason, decode};
use rebucket_simulator::clock::Millis;
use rebucket_simulator::s3::{Content, Quirks};
use rebucket_simulator::sqs::Outgoing;
use rebucket_tests::simulation::audit::Place;
use rebucket_tests::simulation::cloud::{EPOCH, State, timestamp};
use rebucket_tests::simulation::deaths::{Asked, enact};
use rebucket_tests::simulation::fate::{Fate, Moment, Script};
use rebucket_tests::simulation::fleet::{Fleet, PART, THRESHOLD};
use rebucket_tests::simulation::line::Process;
use rebucket_tests::simulation::outsider::{Act, Appointment};
use rebucket_tests::simulation::queue::QUEUE;
use rebucket_tests::simulation::scenarios::{Scenario, all};
use rebucket_tests::simulation::scene::SENT;
use rebucket_tests::simulation::store::{Blueprint, SimStore};
use rebucket_worker::error::{ErrorClass, ServiceError};
use rebucket_worker::host::Host;
use rebucket_worker::metrics::Metrics;
use rebucket_worker::queue::lease::{Kept, Lease, LeaseKeeper, LeaseSettings};
use rebucket_worker::queue::{
    Depth, EntryResult, MAX_INVISIBLE, ParkReason, Queue, ReceiptHandle, Received,
};
use rebucket_worker::rename::plan::PartSettings;
use rebucket_worker::rename::{Bucket, Delivery, RenameSettings, Renamer};
use rebucket_worker::store::endpoint::Precondition;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

fn scenario(name: &str) -> Scenario {
    all()
        .into_iter()
        .find(|scenario| scenario.name == name)
        .unwrap()
}

/// What became of a task, and of the objects.
#[derive(Debug)]
struct Told {
    outcome: Outcome,
    reason: Option<Reason>,
    asked: Vec<Asked>,
    /// Whether the source is the one that was there at first.
    source_stays: bool,
    /// Whether there is any object at the source's place.
    source_is_there: bool,
    /// Whether the destination is what was there at first, or nothing.
    destination_stays: bool,
}

impl Told {
    /// These requests, in their order.
    fn steps(&self, of: &[&str]) -> Vec<&'static str> {
        let operations = self.asked.iter().map(|(operation, _)| *operation);
        operations
            .filter(|operation| of.contains(operation))
            .collect()
    }

    /// What was asked for right before the first request of this operation.
    fn before(&self, operation: &str) -> (&'static str, &str) {
        let mut asked = self.asked.iter();
        let at = asked.position(|(asked, _)| *asked == operation).unwrap();
        let (operation, target) = &self.asked[at.checked_sub(1).unwrap()];
        (operation, target)
    }

    fn assert_refused(&self, reason: Reason) {
        assert_eq!(
            (self.outcome, self.reason),
            (Outcome::Failed, Some(reason)),
            "{self:?}"
        );
        assert!(self.source_stays && self.destination_stays, "{self:?}");
    }
}

fn origin(place: &Place, state: &State) -> Option<u64> {
    place.current(&state.s3).map(|object| object.origin)
}

/// Plays a scenario on one worker, in a world and with a message that are
/// changed before it starts.
fn play(
    scenario: &Scenario,
    change: impl FnOnce(&mut State, Millis),
    edit: impl FnOnce(&mut Value),
) -> Told {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let stage = scenario.scene.set(false);
        let cloud = &stage.cloud;
        let job = &scenario.scene.jobs[0];
        tokio::time::sleep_until(cloud.instant(SENT)).await;
        let mut message = serde_json::from_str(&stage.bodies[0]).unwrap();
        edit(&mut message);
        let there = cloud.with(|state, now| {
            let message = Outgoing::new(message.to_string());
            state.sqs.send(QUEUE, message, now).unwrap();
            change(state, now);
            (origin(&job.source, state), origin(&job.destination, state))
        });
        let director = Arc::new(Script::default());
        let process = Process::start(0, Arc::clone(cloud), director);
        process.write_down();
        let started = scenario.scene.fleet.start(&process);
        tokio::time::sleep(Duration::from_mins(10)).await;
        started.shutdown.drain().cancel();
        started.running.await.unwrap();
        let asked = process.asked.lock().unwrap().clone().unwrap();
        cloud.with(|state, _| {
            let line = state.report.values().next().expect("a line of the report");
            let line = line.split(|byte| *byte == b'\n').next().unwrap();
            let record: OutcomeRecord = serde_json::from_slice(line).unwrap();
            Told {
                outcome: record.outcome,
                reason: record.reason,
                asked,
                source_stays: origin(&job.source, state) == there.0,
                source_is_there: origin(&job.source, state).is_some(),
                destination_stays: origin(&job.destination, state) == there.1,
            }
        })
    })
}

fn played(scenario: &Scenario) -> Told {
    play(scenario, |_, _| {}, |_| {})
}

const STEPS: [&str; 8] = [
    "CreateMultipartUpload",
    "UploadPartCopy",
    "CopyObject",
    "CompleteMultipartUpload",
    "DeleteObject",
    "Record",
    "SendMessage",
    "DeleteMessage",
];

#[test]
fn a_rename_is_copied_deleted_recorded_and_acknowledged_in_this_order() {
    assert_eq!(
        played(&scenario("single")).steps(&STEPS),
        ["CopyObject", "DeleteObject", "Record", "DeleteMessage"]
    );
    assert_eq!(
        played(&scenario("multipart")).steps(&STEPS),
        [
            "CreateMultipartUpload",
            "UploadPartCopy",
            "UploadPartCopy",
            "UploadPartCopy",
            "CompleteMultipartUpload",
            "DeleteObject",
            "Record",
            "DeleteMessage"
        ]
    );
}

#[test]
fn a_failure_is_recorded_parked_and_acknowledged_in_this_order() {
    assert_eq!(
        played(&scenario("fail_taken")).steps(&STEPS),
        ["CopyObject", "Record", "SendMessage", "DeleteMessage"]
    );
}

#[test]
fn a_copy_whose_answer_has_another_tag_than_the_source_is_not_verified() {
    for name in ["single", "single_elsewhere"] {
        let quirks = Quirks {
            etag_is_not_md5: true,
            ..Quirks::default()
        };
        let told = play(&scenario(name), |state, _| state.s3.quirks = quirks, |_| {});
        assert_eq!(told.reason, Some(Reason::VerificationFailed), "{told:?}");
        assert!(told.source_stays, "{told:?}");
    }
}

#[test]
fn parts_that_are_stored_empty_do_not_cost_the_source() {
    for name in ["multipart", "multipart_elsewhere", "multipart_own_parts"] {
        let quirks = Quirks {
            empty_part_copies: true,
            no_checksums: true,
            ..Quirks::default()
        };
        let told = play(&scenario(name), |state, _| state.s3.quirks = quirks, |_| {});
        assert_eq!(told.outcome, Outcome::Failed, "{told:?}");
        assert!(told.source_stays, "{told:?}");
    }
}

#[test]
fn where_the_endpoint_ignores_a_condition_the_source_is_looked_at_before_the_delete() {
    for ignored in [Precondition::Delete, Precondition::CopySource] {
        let mut scenario = scenario("single");
        scenario.scene.fleet.abilities.ignored = vec![ignored];
        let told = played(&scenario);
        let source = format!("s3://{}", scenario.scene.jobs[0].source);
        assert_eq!(told.before("DeleteObject"), ("HeadObject", source.as_str()));
    }
}

#[test]
fn where_the_endpoint_ignores_a_copy_s_condition_a_look_stands_in_for_it() {
    let mut scenario = scenario("fail_taken");
    scenario.scene.fleet.abilities.ignored = vec![Precondition::CopyCreates];
    let quirks = Quirks {
        ignore_conditions_on_copy: true,
        ..Quirks::default()
    };
    let told = play(&scenario, |state, _| state.s3.quirks = quirks, |_| {});
    told.assert_refused(Reason::DestinationExists);
}

#[test]
fn where_the_endpoint_ignores_a_completion_s_condition_a_look_stands_in_for_it() {
    let mut scenario = scenario("multipart");
    scenario.scene.fleet.abilities.ignored = vec![Precondition::CompleteCreates];
    let job = scenario.scene.jobs[0].clone();
    let parts = last(&scenario, "UploadPartCopy");
    let theirs = Appointment {
        process: 0,
        request: parts,
        place: job.destination.clone(),
        act: Act::Put(Blueprint {
            content: Content::literal(b"the outsider's own".to_vec()),
            ..Blueprint::default()
        }),
    };
    let quirks = Quirks {
        ignore_conditions_on_complete: true,
        ..Quirks::default()
    };
    let told = play(
        &scenario,
        |state, _| {
            state.s3.quirks = quirks;
            state.appointments.push(theirs);
        },
        |_| {},
    );
    assert_eq!(told.reason, Some(Reason::DestinationExists), "{told:?}");
    assert!(told.source_stays, "{told:?}");
}

/// The last request of this operation, of a worker that nothing disturbs.
fn last(scenario: &Scenario, operation: &str) -> u32 {
    let asked = played(scenario).asked;
    let at = asked.iter().rposition(|(asked, _)| *asked == operation);
    u32::try_from(at.unwrap()).unwrap()
}

/// The source's own bytes once more, after this request.
fn written_again(scenario: &Scenario, request: u32) -> Appointment {
    let place = scenario.scene.jobs[0].source.clone();
    let mut puts = scenario.scene.objects.iter().rev();
    let same = puts.find(|put| put.place == place).unwrap();
    Appointment {
        process: 0,
        request,
        place,
        act: Act::Put(same.made.clone()),
    }
}

#[test]
fn a_delete_whose_answer_was_lost_is_not_repeated_on_what_came_after_it() {
    let scenario = scenario("single");
    let delete = last(&scenario, "DeleteObject");
    let again = written_again(&scenario, delete);
    let enacted = enact(&scenario, &[(0, delete, Fate::ReplyLost)], &[again], false);
    assert_eq!(enacted.played.violations, Vec::<String>::new());
    assert_eq!(
        enacted.played.ended.outcomes,
        [Some((Outcome::Failed, Some(Reason::SourceChanged)))]
    );
}

#[test]
fn another_version_with_the_same_bytes_and_the_same_date_is_another_object() {
    let versions = scenario("marker").scene.old;
    let mut scenario = scenario("multipart");
    scenario.scene.old = versions;
    let again = written_again(&scenario, last(&scenario, "UploadPartCopy"));
    let told = play(
        &scenario,
        |state, now| {
            state.outsider(&again.place, &again.act, now);
            state.appointments.push(again);
        },
        |_| {},
    );
    assert_eq!(told.reason, Some(Reason::SourceChanged), "{told:?}");
    assert!(told.source_is_there, "{told:?}");
}

#[test]
fn other_bytes_of_the_same_second_are_not_deleted_where_the_endpoint_would() {
    let mut scenario = scenario("single");
    scenario.scene.fleet.abilities.ignored = vec![Precondition::Delete];
    let quirks = Quirks {
        ignore_if_match_on_delete: true,
        ..Quirks::default()
    };
    let mut again = written_again(&scenario, last(&scenario, "CopyObject"));
    let first = again.act.clone();
    again.act = Act::Put(Blueprint {
        content: Content::literal(b"the outsider's own".to_vec()),
        ..Blueprint::default()
    });
    let told = play(
        &scenario,
        |state, now| {
            state.s3.quirks = quirks;
            state.outsider(&again.place, &first, now);
            state.appointments.push(again);
        },
        |_| {},
    );
    assert_eq!(told.reason, Some(Reason::SourceChanged), "{told:?}");
    assert!(told.source_is_there, "{told:?}");
}

#[test]
fn a_source_that_contradicts_any_single_pin_is_not_renamed() {
    let pins = [
        ("etag", json!("\"9b2cf535f27731c974343645a3985328\"")),
        ("size", json!(1)),
        ("version", json!("another")),
        ("modified", json!("2020-01-01T00:00:00Z")),
    ];
    for (pin, value) in pins {
        let told = play(
            &scenario("single"),
            |_, _| {},
            |message| message["src"][pin] = value,
        );
        told.assert_refused(Reason::SourceChanged);
        assert_eq!(
            told.steps(&STEPS),
            ["Record", "SendMessage", "DeleteMessage"]
        );
    }
}

#[test]
fn a_purge_that_names_no_version_is_not_carried_on_with_by_another_delivery() {
    let mut scenario = scenario("purge");
    scenario.scene.jobs[0].pins.version = false;
    let copy = last(&scenario, "CopyObject");
    let fates = [(0, copy, Fate::Death(Moment::Applied))];
    let enacted = enact(&scenario, &fates, &[], false);
    assert_eq!(enacted.played.violations, Vec::<String>::new());
    assert_eq!(
        enacted.played.ended.outcomes,
        [Some((Outcome::Failed, Some(Reason::VersionUnpinned)))]
    );
}

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
    async fn receive(
        &self,
        _: usize,
        _: Duration,
        _: Duration,
    ) -> Result<Vec<Received>, ServiceError> {
        Ok(Vec::new())
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

    async fn park(&self, _: &Received, _: &ParkReason) -> Result<(), ServiceError> {
        Ok(())
    }

    async fn depth(&self) -> Result<Depth, ServiceError> {
        Ok(Depth::default())
    }

    fn max_receive_count(&self) -> u32 {
        5
    }
}

/// How long a request of a [`Script`] takes to arrive.
const WAY: Duration = Duration::from_millis(2);

const VISIBILITY: Duration = Duration::from_secs(40);

fn received(deadline: Instant) -> Received {
    Received {
        id: "m".to_owned(),
        receipt: ReceiptHandle("r".to_owned()),
        body: String::new(),
        receive_count: 1,
        sent: None,
        deadline,
    }
}

/// A lease that was just received and is kept by a queue of this kind.
fn kept(takes: Duration, fails: Option<(ErrorClass, bool)>) -> (Arc<Extender>, Kept) {
    let queue = Arc::new(Extender {
        takes,
        fails,
        until: Mutex::default(),
        asked: AtomicU64::new(0),
    });
    let message = received(Instant::now() + VISIBILITY);
    let keeper = Arc::new(LeaseKeeper::new(
        Arc::clone(&queue) as Arc<dyn Queue>,
        LeaseSettings::new(VISIBILITY),
        Metrics::new().unwrap(),
        CancellationToken::new(),
    ));
    let kept = keeper.keep(&message);
    tokio::spawn(async move { keeper.run().await });
    (queue, kept)
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_not_held_any_more_within_its_margin() {
    let (_, kept) = kept(Duration::ZERO, Some((ErrorClass::Transient, true)));
    let margin = LeaseSettings::new(VISIBILITY).margin;
    assert!(margin >= Duration::from_secs(5));
    tokio::time::sleep(VISIBILITY - margin - Duration::from_secs(1)).await;
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

/// Requests that must not be sent without a lease.
const WRITES: [&str; 4] = [
    "CopyObject",
    "CreateMultipartUpload",
    "CompleteMultipartUpload",
    "DeleteObject",
];

/// The engine alone, as a worker would set it up.
fn engine(fleet: &Fleet, process: &Arc<Process>, host: Host) -> Renamer {
    let bucket = |name: &BucketName| Bucket {
        facts: fleet.facts,
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
        host,
    };
    Renamer::new(
        Arc::new(SimStore::new(Arc::clone(process), true)),
        buckets.map(|name| (name.clone(), bucket(name))).collect(),
        settings,
        Metrics::new().unwrap(),
        Arc::new(Semaphore::new(64)),
    )
}

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
        let renamer = engine(&scenario.scene.fleet, &process, host);
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
    for name in ["single", "single_elsewhere", "multipart", "overwrite"] {
        let scenario = scenario(name);
        let delete = last(&scenario, "DeleteObject") - 1;
        for fates in [vec![], vec![(0, delete, Fate::Throttled)]] {
            let mut interrupted = 0;
            for held in 1..200 {
                let held = Duration::from_millis(held);
                let (writes, finished) = writes(&scenario, held, &fates);
                interrupted += u32::from(!finished);
                for write in writes {
                    let sent = Duration::from_millis(write.at) - WAY;
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
