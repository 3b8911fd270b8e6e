//! Cuts a failing schedule down to what it needs to fail.

use std::collections::BTreeSet;

use super::draw::{EVENTS, TASKS, rough_requests};
use super::random::play;
use super::schedule::{Decision, Schedule};

/// Requests of one worker that are looked at.
const REQUESTS: u32 = 2_000;

/// The schedule with nothing but what it needs to fail. It can be played
/// again under the name that it has.
#[must_use]
pub fn shrink(schedule: &Schedule) -> Schedule {
    let played = play(schedule, false);
    if played.violations.is_empty() {
        return schedule.clone();
    }
    let requests = rough_requests(schedule, played.workers, REQUESTS);
    let everything = (0..TASKS)
        .map(Decision::Task)
        .chain((0..EVENTS).map(Decision::Event))
        .chain([Decision::World])
        .chain(requests)
        .filter(|decision| schedule.has(*decision));
    let mut needed: BTreeSet<_> = everything.collect();
    // Leaving something out can make something else needless.
    loop {
        let before = needed.len();
        let all: Vec<_> = needed.iter().copied().collect();
        leave_out(schedule.seed, &mut needed, &all);
        if needed.len() == before {
            break;
        }
    }
    Schedule {
        seed: schedule.seed,
        only: Some(needed),
    }
}

/// Leaves out as much of a group as it can: all, or halves, down to one.
fn leave_out(seed: u64, needed: &mut BTreeSet<Decision>, group: &[Decision]) {
    if group.is_empty() {
        return;
    }
    let mut fewer = needed.clone();
    for decision in group {
        fewer.remove(decision);
    }
    let without = Schedule {
        seed,
        only: Some(fewer.clone()),
    };
    if !play(&without, false).violations.is_empty() {
        *needed = fewer;
    } else if group.len() > 1 {
        let (one, other) = group.split_at(group.len() / 2);
        leave_out(seed, needed, one);
        leave_out(seed, needed, other);
    }
}
