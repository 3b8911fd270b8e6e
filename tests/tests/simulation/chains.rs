//! Chains, swaps and cycles, with every request made to go wrong.

use std::time::Duration;

use rebucket_protocol::{Outcome, Reason};
use rebucket_simulator::s3::Content;
use rebucket_tests::simulation::chains::all;
use rebucket_tests::simulation::deaths::{Asked, enact};
use rebucket_tests::simulation::fate::{Fate, Moment};
use rebucket_tests::simulation::outsider::{Act, Appointment};
use rebucket_tests::simulation::queue::DEAD;
use rebucket_tests::simulation::scenarios::Scenario;
use rebucket_tests::simulation::scene::{OLD, place};
use rebucket_worker::rename::same_bytes::LONGEST_REQUEST;

use crate::counting::{Fates, check, count, play_mishaps};

#[test]
fn one_mishap_at_any_request_of_any_chain() {
    let played = play_mishaps(&all());
    assert!(played > 2_000, "{played}");
}

#[test]
fn a_chain_that_is_sent_twice() {
    let mut played = 0;
    for mut scenario in all() {
        scenario.messages = 2;
        for together in [1, 4] {
            scenario.scene.fleet.max_renames = together;
            let counted = count(&scenario);
            for request in 0..counted.len() {
                for moment in Moment::ALL {
                    let fates = counted.and(request, Fate::Death(moment));
                    check(&scenario, &enact(&scenario, &fates, &[], false), &fates);
                    played += 1;
                }
            }
        }
    }
    println!("{played} deaths");
    assert!(played > 1_000, "{played}");
}

/// Somebody else puts an object at any key of a chain, or deletes what is
/// there, after any request.
#[test]
fn whatever_an_outsider_does_every_row_has_an_outcome_and_no_other_object_is_lost() {
    let mut played = 0;
    for scenario in all() {
        let counted = count(&scenario);
        let keys = scenario.scene.jobs.iter().map(|job| &job.destination);
        let places: Vec<_> = keys.cloned().collect();
        // The same bytes put in passing are a known limit.
        let mut other = scenario.scene.objects[0].made.clone();
        other.content = Content::literal(b"of an outsider".to_vec());
        let put = Act::Put(other);
        for request in 0..counted.len() {
            for (place, act) in places
                .iter()
                .flat_map(|place| [put.clone(), Act::Delete].map(|act| (place, act)))
            {
                let appointment = Appointment {
                    process: counted.process,
                    request,
                    place: place.clone(),
                    act,
                };
                let appointments = [appointment];
                let enacted = enact(&scenario, &[], &appointments, false);
                let of_use = |wrong: &&String| !wrong.ends_with("was left behind");
                let wrong: Vec<_> = enacted.played.violations.iter().filter(of_use).collect();
                let outcomes = &enacted.played.ended.outcomes;
                if !wrong.is_empty() || outcomes.iter().any(Option::is_none) {
                    let again = enact(&scenario, &[], &appointments, true);
                    let log = again.played.log.join("\n");
                    let name = scenario.name;
                    panic!("{name}, {appointments:?}: {outcomes:?} {wrong:?}\n{log}");
                }
                played += 1;
            }
        }
    }
    println!("{played} acts");
    assert!(played > 2_000, "{played}");
}

fn chain(name: &str) -> Scenario {
    let mut all = all().into_iter();
    all.find(|scenario| scenario.name == name).unwrap()
}

/// What was asked for, in one undisturbed worker, of these operations.
fn asked(scenario: &Scenario, of: &[&str]) -> Vec<(&'static str, String)> {
    let asked = count(scenario).asked.into_iter();
    asked
        .filter(|(operation, _)| of.contains(operation))
        .collect()
}

#[test]
fn the_rows_that_wait_for_one_that_failed_are_named_and_left_where_they_are() {
    let mut scenario = chain("path");
    let mut taken = scenario.scene.objects[0].clone();
    taken.place = place(OLD, "k3");
    scenario.scene.objects.push(taken);
    let enacted = enact(&scenario, &[], &[], false);
    assert_eq!(enacted.played.violations, Vec::<String>::new());
    let failed = |reason| Some((Outcome::Failed, Some(reason)));
    assert_eq!(
        enacted.played.ended.outcomes,
        [
            failed(Reason::BlockedBy),
            failed(Reason::BlockedBy),
            failed(Reason::DestinationExists)
        ]
    );
    let deletes = |(operation, _): &&(&str, String)| *operation == "DeleteObject";
    assert_eq!(enacted.asked[0].iter().filter(deletes).count(), 0);
}

#[test]
fn a_key_that_is_used_again_is_looked_at_right_before_its_object_is_deleted() {
    let steps = asked(
        &chain("path"),
        &["HeadObject", "CopyObject", "DeleteObject"],
    );
    for key in ["s3://old-keys/k1", "s3://old-keys/k2"] {
        let at = |step: &(&str, String)| step.0 == "DeleteObject" && step.1 == key;
        let delete = steps.iter().position(at).unwrap();
        assert_eq!(steps[delete - 1], ("HeadObject", key.to_owned()));
    }
}

/// Long enough to be overtaken by all of a chain, and still waited for.
const LATE: Fate = Fate::Late(Duration::from_secs(25));

#[test]
fn a_delete_that_comes_late_does_not_hit_what_has_the_same_bytes() {
    let mut played = 0;
    let same = |scenario: &Scenario| scenario.name.ends_with("_same");
    for mut scenario in all().into_iter().filter(same) {
        scenario.messages = 2;
        scenario.scene.fleet.max_renames = 4;
        let counted = count(&scenario);
        for (request, (operation, _)) in (0..).zip(&counted.asked) {
            if !["CopyObject", "DeleteObject"].contains(operation) {
                continue;
            }
            let fates = counted.and(request, LATE);
            check(&scenario, &enact(&scenario, &fates, &[], false), &fates);
            for other in 0..counted.len() {
                let mut fates = fates.clone();
                fates.push((counted.process, other, Fate::Death(Moment::Applied)));
                check(&scenario, &enact(&scenario, &fates, &[], false), &fates);
                played += 1;
            }
        }
    }
    println!("{played} deaths");
    assert!(played > 1_000, "{played}");
}

/// One delivery makes the copy, and another one finds it and is slow.
#[test]
fn a_delete_by_another_delivery_does_not_hit_what_has_the_same_bytes() {
    let mut played = 0;
    for name in ["path_same", "swap_same"] {
        let mut scenario = chain(name);
        scenario.messages = 2;
        scenario.scene.fleet.max_renames = 4;
        let counted = count(&scenario);
        for (request, (operation, _)) in (0..).zip(&counted.asked) {
            if *operation != "DeleteObject" {
                continue;
            }
            // So that the other delivery still sees the source.
            let fates = counted.and(request, Fate::Late(Duration::from_millis(200)));
            for other in request + 1..request + 60 {
                let mut fates = fates.clone();
                fates.push((counted.process, other, LATE));
                let enacted = enact(&scenario, &fates, &[], false);
                check(&scenario, &enacted, &fates);
                // It sees the next object in the source's place, and has not
                // failed for that.
                let mut asked = enacted.asked.iter().flatten();
                let parks = |(of, at): &Asked| *of == "SendMessage" && at == DEAD;
                assert!(!asked.any(parks), "{name}: {fates:?}");
                played += 1;
            }
        }
    }
    println!("{played} late requests");
    assert!(played > 300, "{played}");
}

#[test]
fn an_object_takes_the_place_of_one_with_the_same_bytes_at_once_if_nobody_else_is_at_it() {
    for name in ["path", "path_same", "swap_same", "cycle_same"] {
        let enacted = enact(&chain(name), &[], &[], false);
        assert!(enacted.took < Duration::from_secs(30), "{name}");
    }
}

#[test]
fn it_waits_where_a_delete_may_be_under_way() {
    let scenario = chain("path_same");
    let counted = count(&scenario);
    let first_delete = |asked: &[Asked]| {
        let mut asked = asked.iter().map(|(operation, _)| *operation);
        u32::try_from(asked.position(|of| of == "DeleteObject").unwrap()).unwrap()
    };
    let delete = first_delete(&counted.asked);
    let late = |seconds| Fate::Late(Duration::from_secs(seconds));
    let waits = |fates: &Fates| enact(&scenario, fates, &[], false).took >= LONGEST_REQUEST;
    for fate in [Fate::Answered, Fate::Throttled, late(29)] {
        assert!(!waits(&counted.and(delete, fate)), "{fate:?}");
    }
    for fate in [Fate::Reset, Fate::ReplyLost] {
        assert!(waits(&counted.and(delete, fate)), "{fate:?}");
    }
    // Whoever finds the copy may be at it, so long after it was made. The two
    // are late by less than a request may take, and other requests come in
    // between.
    let mut fates = counted.and(1, late(20));
    assert!(!waits(&fates));
    let asked = &enact(&scenario, &fates, &[], false).asked[0];
    fates.push((counted.process, first_delete(asked), late(15)));
    assert!(waits(&fates));
}

/// A delete at the destination of a second leg is given up and carried out
/// later, after another one. The first leg ends in between.
#[test]
fn a_second_leg_does_not_come_under_a_delete_that_is_under_way() {
    let scenario = chain("split_first_same");
    let number = |fates: &Fates, wanted: (&str, &str)| {
        let asked = &enact(&scenario, fates, &[], false).asked[0];
        let is_it = |(of, at): &Asked| *of == wanted.0 && at.ends_with(wanted.1);
        u32::try_from(asked.iter().position(is_it).unwrap()).unwrap()
    };
    let mut fates = Fates::new();
    for (asked, seconds) in [
        (("HeadObject", "/k0"), 20),
        (("DeleteObject", "/k1"), 35),
        (("CopyObject", "/000000000001"), 15),
    ] {
        let late = Fate::Late(Duration::from_secs(seconds));
        fates.push((0, number(&fates, asked), late));
    }
    check(&scenario, &enact(&scenario, &fates, &[], false), &fates);
}

#[test]
fn a_second_leg_is_sent_once_and_by_whoever_comes_last() {
    for name in ["split", "split_late"] {
        let scenario = chain(name);
        let records = asked(&scenario, &["Record"]);
        assert_eq!(
            records.len(),
            scenario.scene.jobs.len(),
            "{name}: {records:?}"
        );
    }
}

/// The first copy is not answered, and meanwhile another delivery carries the
/// whole chain out: what is at the source by then has the same bytes.
#[test]
fn a_copy_that_is_tried_again_takes_nothing_that_came_to_the_source_since() {
    let mut scenario = chain("swap_same");
    scenario.messages = 2;
    scenario.scene.fleet.max_renames = 4;
    let asked = &enact(&scenario, &[], &[], false).asked[0];
    let copy = asked
        .iter()
        .position(|(of, _)| *of == "CopyObject")
        .unwrap();
    let copy = u32::try_from(copy).unwrap();
    let via = asked[copy as usize].1.clone();
    let fates = [(0, copy, Fate::Silence { applied: false })];
    let enacted = enact(&scenario, &fates, &[], false);
    check(&scenario, &enacted, &fates.to_vec());
    let asked = enacted.asked.iter().flatten();
    let copied = asked.filter(|(of, at)| *of == "CopyObject" && *at == via);
    // The one that was not answered, and the other delivery's.
    assert_eq!(copied.count(), 2);
}
