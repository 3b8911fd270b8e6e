//! One scenario, played by one worker and told.

use std::sync::Arc;
use std::time::Duration;

use rebucket_protocol::{Outcome, OutcomeRecord, Reason};
use rebucket_simulator::clock::Millis;
use rebucket_simulator::sqs::Outgoing;
use rebucket_tests::simulation::audit::Place;
use rebucket_tests::simulation::cloud::State;
use rebucket_tests::simulation::cloud::timestamp_seconds;
use rebucket_tests::simulation::deaths::Asked;
use rebucket_tests::simulation::fate::Script;
use rebucket_tests::simulation::line::Process;
use rebucket_tests::simulation::outsider::{Act, Appointment};
use rebucket_tests::simulation::queue::QUEUE;
use rebucket_tests::simulation::scenarios::{Scenario, all};
use rebucket_tests::simulation::scene::{Put, SENT};
use serde_json::Value;

pub(crate) fn scenario(name: &str) -> Scenario {
    all()
        .into_iter()
        .find(|scenario| scenario.name == name)
        .unwrap()
}

/// What became of a task, and of the objects.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) outcome: Outcome,
    pub(crate) reason: Option<Reason>,
    /// The line of the report.
    pub(crate) record: OutcomeRecord,
    pub(crate) asked: Vec<Asked>,
    /// Whether the source is the one that was there at first.
    pub(crate) source_stays: bool,
    /// Whether there is any object at the source's place.
    pub(crate) source_is_there: bool,
    /// Whether the destination is what was there at first, or nothing.
    pub(crate) destination_stays: bool,
}

impl Told {
    /// These requests, in their order.
    pub(crate) fn steps(&self, of: &[&str]) -> Vec<&'static str> {
        let operations = self.asked.iter().map(|(operation, _)| *operation);
        operations
            .filter(|operation| of.contains(operation))
            .collect()
    }

    /// What was asked for right before the first request of this operation.
    pub(crate) fn before(&self, operation: &str) -> (&'static str, &str) {
        let mut asked = self.asked.iter();
        let at = asked.position(|(asked, _)| *asked == operation).unwrap();
        let (operation, target) = &self.asked[at.checked_sub(1).unwrap()];
        (operation, target)
    }

    pub(crate) fn assert_refused(&self, reason: Reason) {
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
pub(crate) fn play(
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
                record,
                asked,
                source_stays: origin(&job.source, state) == there.0,
                source_is_there: origin(&job.source, state).is_some(),
                destination_stays: origin(&job.destination, state) == there.1,
            }
        })
    })
}

pub(crate) fn played(scenario: &Scenario) -> Told {
    play(scenario, |_, _| {}, |_| {})
}

pub(crate) const STEPS: [&str; 8] = [
    "CreateMultipartUpload",
    "UploadPartCopy",
    "CopyObject",
    "CompleteMultipartUpload",
    "DeleteObject",
    "Record",
    "SendMessage",
    "DeleteMessage",
];

/// The last request of this operation, of a worker that nothing disturbs.
pub(crate) fn last(scenario: &Scenario, operation: &str) -> u32 {
    let asked = played(scenario).asked;
    let at = asked.iter().rposition(|(asked, _)| *asked == operation);
    u32::try_from(at.unwrap()).unwrap()
}

/// The source's own bytes once more, after this request.
pub(crate) fn written_again(scenario: &Scenario, request: u32) -> Appointment {
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

/// The first task's source as it would be at the destination.
pub(crate) fn copied(scenario: &Scenario) -> Put {
    let mut put = scenario.scene.objects.last().unwrap().clone();
    put.place = scenario.scene.jobs[0].destination.clone();
    put
}

/// Says that the source was written in the very second in which its task was
/// sent: a test that puts it there itself cannot put it there earlier.
pub(crate) fn written_when_it_was_sent(message: &mut Value) {
    message["src"]["modified"] = Value::from(timestamp_seconds(SENT).to_string());
}
