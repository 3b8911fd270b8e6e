//! Objects between the two legs of their renames, and outsiders who get at
//! them.

use std::time::Duration;

use rebucket_protocol::message::decode;
use rebucket_protocol::places::IN_TRANSIT;
use rebucket_protocol::{Leg, Outcome, Reason};
use rebucket_simulator::s3::Content;
use rebucket_tests::simulation::audit::Place;
use rebucket_tests::simulation::chains::all;
use rebucket_tests::simulation::deaths::{Enacted, enact};
use rebucket_tests::simulation::fate::{Fate, Moment};
use rebucket_tests::simulation::outsider::{Act, Appointment};
use rebucket_tests::simulation::queue::QUEUE;
use rebucket_tests::simulation::scenarios::Scenario;
use rebucket_tests::simulation::store::Blueprint;

use crate::counting::count;

/// The rows of a scenario that have two legs, each with its temporary key.
fn hops(scenario: &Scenario) -> Vec<(usize, Place)> {
    let bodies = scenario.scene.set(false).bodies;
    let mut hops = Vec::new();
    for body in bodies {
        let mut due = Some(decode(&body).unwrap());
        while let Some(task) = due {
            if task.leg() == Some(Leg::Out) {
                let row = task.id().row().unwrap() - 1;
                let via = Place::of(task.destination());
                hops.push((usize::try_from(row).unwrap(), via));
            }
            due = task.next();
        }
    }
    hops
}

fn at(request: u32, place: &Place, act: Act) -> Appointment {
    Appointment {
        process: 0,
        request,
        place: place.clone(),
        act,
    }
}

/// Else the second leg is sent by nobody, the message of the first is gone, and
/// the row is pending for ever with both queues empty.
#[test]
fn a_row_whose_object_is_removed_between_its_legs_has_an_outcome_that_says_so() {
    let mut gone = 0;
    for scenario in all() {
        for (row, via) in hops(&scenario) {
            for request in 0..count(&scenario).len() {
                let acts = [at(request, &via, Act::Delete)];
                let enacted = enact(&scenario, &[], &acts, false);
                let outcomes = &enacted.played.ended.outcomes;
                let named = outcomes[row] == Some(failed(Reason::TemporaryObjectGone));
                let others = outcomes.iter().enumerate().filter(|(at, _)| *at != row);
                let done = |outcome: &Option<(Outcome, Option<Reason>)>| {
                    *outcome == Some((Outcome::Renamed, None))
                        || *outcome == Some((Outcome::AlreadyRenamed, None))
                };
                let good = (named || done(&outcomes[row]))
                    && others.into_iter().all(|(_, outcome)| done(outcome))
                    && enacted.played.violations.is_empty();
                if !good {
                    let again = enact(&scenario, &[], &acts, true);
                    let log = again.played.log.join("\n");
                    let wrong = &enacted.played.violations;
                    panic!("{}, {acts:?}: {outcomes:?} {wrong:?}\n{log}", scenario.name);
                }
                gone += u32::from(named);
            }
        }
    }
    println!("{gone} objects gone");
    assert!(gone > 50, "{gone}");
}

fn failed(reason: Reason) -> (Outcome, Option<Reason>) {
    (Outcome::Failed, Some(reason))
}

/// A swap of which an outsider replaces the first object at its temporary key,
/// so long after it came there.
fn replaced_by(made: impl FnOnce(&Scenario) -> Blueprint, later: Duration) -> Enacted {
    let mut all = all().into_iter();
    let scenario = all.find(|scenario| scenario.name == "swap").unwrap();
    let asked = count(&scenario).asked;
    let (_, via) = hops(&scenario).remove(0);
    let task = decode(&scenario.scene.set(false).bodies[0]).unwrap();
    let source = Place::of(task.row_source());
    let out = asked.iter().position(|(operation, target)| {
        *operation == "DeleteObject" && target.ends_with(&source.key)
    });
    let act = Act::Put(made(&scenario));
    let request = u32::try_from(out.unwrap()).unwrap();
    let fates = [(0, request, Fate::Late(later))];
    enact(&scenario, &fates, &[at(request, &via, act)], false)
}

fn assert_left_there(enacted: &Enacted) {
    let outcomes = &enacted.played.ended.outcomes;
    let changed = Some(failed(Reason::SourceChanged));
    assert_eq!(outcomes[0], changed, "{outcomes:?}");
    assert_eq!(outcomes[1], Some((Outcome::Renamed, None)));
    // What the outsider put there stays there.
    let took = enacted
        .asked
        .iter()
        .flatten()
        .filter(|(operation, target)| *operation == "DeleteObject" && target.contains(IN_TRANSIT));
    assert_eq!(took.count(), 0);
}

#[test]
fn a_second_leg_takes_nothing_that_its_first_leg_did_not_put_there() {
    // As large as the row's own object, and not.
    for content in [&b"OBJECT 0"[..], b"of somebody else"] {
        let made = |_: &Scenario| Blueprint {
            content: Content::literal(content.to_vec()),
            ..Blueprint::default()
        };
        assert_left_there(&replaced_by(made, Duration::ZERO));
    }
}

/// The row's own object, put there again, has another date.
#[test]
fn a_second_leg_knows_its_object_by_the_date_as_well() {
    let same = |scenario: &Scenario| scenario.scene.objects[0].made.clone();
    assert_left_there(&replaced_by(same, Duration::from_secs(3)));
}

/// A worker dies after it has sent the next message, and an outsider removes
/// the row's object: the next delivery of the row fails. The rows that have
/// gone on do not wait for it, and are not said to.
#[test]
fn rows_that_have_gone_on_are_not_said_to_wait_for_one_that_failed_later() {
    let mut all = all().into_iter();
    let scenario = all.find(|scenario| scenario.name == "split").unwrap();
    let (row, via) = hops(&scenario).remove(0);
    let asked = count(&scenario).asked;
    let sends = |(operation, at): &(&str, String)| *operation == "SendMessage" && at == QUEUE;
    let sent = u32::try_from(asked.iter().position(sends).unwrap()).unwrap();
    // The next worker is slow: the other message's rows are done before.
    let fates = [(0, sent, Fate::Death(Moment::Applied))];
    let enacted = enact(&scenario, &fates, &[at(sent, &via, Act::Delete)], true);
    assert_eq!(enacted.played.violations, Vec::<String>::new());
    // A line a row; one more of the row that failed in both legs, and one of the
    // other message's first row, which the next worker finds done.
    let asked = enacted.asked.iter().flatten();
    let records = asked
        .filter(|(operation, _)| *operation == "Record")
        .count();
    assert_eq!(records, scenario.scene.jobs.len() + 2);
    let outcomes = &enacted.played.ended.outcomes;
    for (number, outcome) in outcomes.iter().enumerate() {
        let (ended, reason) = outcome.unwrap();
        if number == row {
            assert_eq!(ended, Outcome::Failed, "{outcomes:?}");
        } else {
            assert_ne!(reason, Some(Reason::BlockedBy), "{outcomes:?}");
        }
    }
}
