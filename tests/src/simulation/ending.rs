//! What must hold at the end, when nothing is under way any more.

use std::collections::{BTreeMap, BTreeSet};

use rebucket_protocol::message::decode;
use rebucket_protocol::{IfExists, Outcome, OutcomeRecord, Reason, VersionPolicy};
use rebucket_simulator::clock::Millis;
use rebucket_simulator::sqs;
use rebucket_worker::report::tally::Outcomes;

use super::audit::{Claim, Place, SCRATCH, difference};
use super::cloud::State;
use super::queue::{DEAD, QUEUE};
use super::scene::SENT;

/// How the tasks of a simulation ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ended {
    /// Tasks that were renamed, at once or as a later delivery found.
    pub done: u64,
    /// Tasks that were skipped or failed.
    pub left: u64,
    /// Tasks without an outcome: their worker died on the last delivery.
    pub unsaid: u64,
    /// Each task's outcome, and the reason for it.
    pub outcomes: Vec<Option<(Outcome, Option<Reason>)>>,
}

/// Checks the end of a simulation, and adds to the auditor's violations.
pub fn check(state: &mut State, now: Millis) -> Ended {
    let mut wrong = Vec::new();
    objects(state, &mut wrong);
    left_behind(state, &mut wrong);
    let ended = tasks(state, now, &mut wrong);
    for what in wrong {
        state.audit.violation(what);
    }
    ended
}

/// Every object is where it was or where its task takes it, and complete. An
/// equal one that was at the destination before is as good.
fn objects(state: &State, wrong: &mut Vec<String>) {
    for (origin, birth) in state.audit.protected() {
        let homes = state.audit.homes(birth);
        let copies = homes
            .iter()
            .filter_map(|place| place.current(&state.s3))
            .filter(|there| there.origin == origin || birth.at < SENT);
        let lacks: Vec<_> = copies
            .map(|there| difference(&birth.object, there))
            .collect();
        if !lacks.contains(&None) {
            wrong.push(format!(
                "the object that was written at {} is nowhere complete: {} copies, which lack \
                 {lacks:?}",
                birth.place,
                lacks.len()
            ));
        }
    }
}

/// No upload and no scratch object is left, but by processes that may.
fn left_behind(state: &State, wrong: &mut Vec<String>) {
    for entry in state.s3.list_buckets(Millis(0)) {
        let Some(bucket) = state.s3.bucket(&entry.name) else {
            continue;
        };
        for (upload, _) in bucket.uploads() {
            let by = state.audit.uploads.get(upload);
            if by.is_none_or(|process| !state.audit.excused.contains(process)) {
                wrong.push(format!("the upload {upload} was left behind by {by:?}"));
            }
        }
        for (key, ..) in bucket.current_objects() {
            if key.contains(SCRATCH) && state.audit.excused.is_empty() {
                wrong.push(format!("{}/{key} was left behind", entry.name));
            }
        }
    }
}

fn tasks(state: &State, now: Millis, wrong: &mut Vec<String>) -> Ended {
    let mut outcomes: BTreeMap<_, Outcomes> = BTreeMap::new();
    for text in state.report.values() {
        for line in text.split(|byte| *byte == b'\n').filter(|l| !l.is_empty()) {
            match serde_json::from_slice::<OutcomeRecord>(line) {
                Ok(record) => {
                    outcomes.entry(record.submission).or_default().add(record);
                }
                Err(error) => wrong.push(format!("a line of the report: {error}")),
            }
        }
    }
    let present = |queue: &str| -> Vec<sqs::MessageView> {
        let all = state.sqs.messages(queue, now).unwrap_or_default();
        all.into_iter()
            .filter(|message| message.state != sqs::State::Deleted)
            .collect()
    };
    for message in present(QUEUE) {
        wrong.push(format!("still in the queue: {}", message.payload.body));
    }
    let parked: BTreeSet<_> = present(DEAD)
        .iter()
        .filter_map(|message| decode(&message.payload.body).ok())
        .flat_map(|task| {
            let then = task.then().iter().map(|step| step.id().clone());
            let all = [task.id().clone()].into_iter().chain(then);
            all.map(|id| (task.submission, id)).collect::<Vec<_>>()
        })
        .collect();
    let mut ended = Ended::default();
    for claim in state.audit.claims() {
        let id = claim.task.id();
        let own = (claim.task.submission, id.clone());
        let outcome = outcomes.get(&own.0).and_then(|all| all.get(id));
        ended
            .outcomes
            .push(outcome.map(|record| (record.outcome, record.reason)));
        match outcome.map(|record| record.outcome) {
            Some(Outcome::Renamed | Outcome::AlreadyRenamed) => ended.done += 1,
            Some(Outcome::Skipped) => ended.left += 1,
            Some(Outcome::Failed) => {
                ended.left += 1;
                if !parked.contains(&own) {
                    wrong.push(format!("{id} failed and is not in the dead-letter queue"));
                }
            }
            None if parked.contains(&own) => ended.unsaid += 1,
            None => wrong.push(format!("{id} has no outcome and is in neither queue")),
        }
        if let Some(record) = outcome {
            told_the_truth(state, claim, record, wrong);
        }
    }
    ended
}

/// Source and destination are one object: it stays, and nothing was renamed.
fn said_of_one_object(
    state: &State,
    claim: &Claim,
    record: &OutcomeRecord,
    wrong: &mut Vec<String>,
) {
    let id = claim.task.id();
    if matches!(record.outcome, Outcome::Renamed | Outcome::AlreadyRenamed) {
        wrong.push(format!(
            "{id} is said to be renamed, from one name of an object to another"
        ));
    }
    let mut protected = state.audit.protected();
    let was_there = protected.any(|(_, birth)| birth.place == claim.source);
    if was_there && claim.source.current(&state.s3).is_none() {
        wrong.push(format!("{id}: the only copy is gone"));
    }
}

/// What the report says of a task is what is there, unless an outsider was.
fn told_the_truth(state: &State, claim: &Claim, record: &OutcomeRecord, wrong: &mut Vec<String>) {
    let untouched = |place: &Place| !state.audit.was_touched(place);
    if !untouched(&claim.source) || !untouched(&claim.destination) {
        return;
    }
    let mut first = state.audit.protected();
    if claim.source == claim.destination {
        return said_of_one_object(state, claim, record, wrong);
    }
    let Some((origin, birth)) = first.find(|(_, birth)| birth.place == claim.source) else {
        return;
    };
    let at = |place: &Place| {
        let there = place.current(&state.s3);
        there.is_some_and(|object| difference(&birth.object, object).is_none())
    };
    let still_there = claim
        .source
        .current(&state.s3)
        .is_some_and(|object| object.origin == origin);
    let destination = claim.destination.current(&state.s3);
    let id = claim.task.id();
    match record.outcome {
        Outcome::Renamed | Outcome::AlreadyRenamed => {
            // A second copy of it, by way of another row's temporary key.
            let copied = at(&claim.destination) && state.audit.was_taken_away();
            if (still_there && !copied) || !at(&claim.destination) {
                wrong.push(format!("{id} is said to be renamed, and is not"));
            }
        }
        // Given up without knowing how far an earlier delivery came.
        Outcome::Failed if record.reason == Some(Reason::RetriesExhausted) => {}
        // Two workers translated the queue's time to the store's clock, and the
        // date of the source lay between; the other one did it, and died on the
        // last delivery before it could say so.
        Outcome::Failed
            if record.reason == Some(Reason::SourceRewritten) && state.audit.clocks_differ() => {}
        // Its chain had gone on when an outsider removed the object of the row
        // that it had waited for, so that one failed; and who did this one died
        // on the last delivery, before it could say so.
        Outcome::Failed
            if record.reason == Some(Reason::BlockedBy)
                && state
                    .audit
                    .claims()
                    .iter()
                    .any(|claim| !untouched(&claim.via)) => {}
        // Of two deliveries at once, one did it and could not record it, and
        // the other one saw too little of it.
        Outcome::Failed | Outcome::Skipped if state.audit.is_doubled(claim) => {}
        // Nobody can tell any more which version it was: the one before it may
        // look like another object, or like a new one.
        Outcome::Failed | Outcome::Skipped
            if claim.task.options.versioned == VersionPolicy::Purge
                && claim.task.pins.version.is_none() => {}
        // An equal object was at the destination before the job, and took the
        // copy's place: without pins that can be compared with it, a later
        // delivery cannot know that.
        Outcome::Failed
            if record.reason == Some(Reason::SourceMissing)
                && destination.is_some_and(|there| {
                    there.origin != origin
                        && (claim.task.pins.etag.is_none() || there.etag != birth.object.etag)
                }) => {}
        Outcome::Failed | Outcome::Skipped => {
            let homes = state.audit.homes(birth).into_iter();
            let mut undone = homes.filter(|place| *place != claim.destination);
            let kept = |place: Place| {
                let there = place.current(&state.s3);
                there.is_some_and(|object| object.origin == origin)
            };
            if !undone.any(kept) {
                let what = record.outcome.as_str();
                let why = record.reason;
                wrong.push(format!(
                    "{id} is said to be {what} ({why:?}), and its source is gone"
                ));
            }
            if claim.task.if_exists == IfExists::Fail && record.outcome == Outcome::Skipped {
                wrong.push(format!("{id} was skipped and should have failed"));
            }
        }
    }
}
