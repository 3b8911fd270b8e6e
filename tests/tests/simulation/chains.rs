//! Chains, swaps and cycles, with every request made to go wrong.

use rebucket_protocol::{Outcome, Reason};
use rebucket_tests::simulation::chains::all;
use rebucket_tests::simulation::deaths::enact;
use rebucket_tests::simulation::fate::{Fate, Moment};
use rebucket_tests::simulation::scenarios::Scenario;
use rebucket_tests::simulation::scene::{OLD, place};

use crate::counting::{check, count, play_mishaps};

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

#[test]
fn an_object_takes_the_place_of_one_with_the_same_bytes_only_after_a_pause() {
    for (name, pause) in [("path", "0ns"), ("path_same", "60s"), ("swap_same", "60s")] {
        let sent = asked(&chain(name), &["SendMessage"]);
        assert_eq!(sent.len(), 2, "{sent:?}");
        for (_, target) in sent {
            assert_eq!(target, format!("tasks in {pause}"), "{name}");
        }
    }
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
