//! One object under two names, where nobody knows that they are: keys that
//! the store folds, and a bucket's second name.

use std::time::Duration;

use rebucket_protocol::{IfExists, Outcome, Reason};
use rebucket_simulator::s3::Folding;
use rebucket_tests::simulation::deaths::{Enacted, enact};
use rebucket_tests::simulation::fate::{Fate, Moment};
use rebucket_tests::simulation::outsider::{Act, Appointment};
use rebucket_tests::simulation::scenarios::Scenario;
use rebucket_tests::simulation::scene::{NEW, OLD, place};
use rebucket_tests::simulation::twist::Names;

use crate::told::{played, scenario};

/// A rename of an object to another name of it, on an endpoint whose nature
/// nobody knows.
fn folded(name: &str) -> Scenario {
    let mut scenario = scenario(name);
    scenario.scene.twist.names = Names {
        folding: Some(Folding::Tilde),
        copies_onto_itself: true,
        ..Names::default()
    };
    let job = &mut scenario.scene.jobs[0];
    job.destination = place(OLD, &format!("{}~1", job.source.key));
    unknown(&mut scenario);
    scenario
}

/// The same of a bucket with two names.
fn aliased(name: &str) -> Scenario {
    let mut scenario = scenario(name);
    scenario.scene.twist.names = Names {
        alias: true,
        copies_onto_itself: true,
        ..Names::default()
    };
    unknown(&mut scenario);
    scenario
}

fn unknown(scenario: &mut Scenario) {
    scenario.scene.fleet.abilities.trusted = false;
    scenario.scene.fleet.abilities.replaces_conditionally = true;
}

fn ended(enacted: &Enacted) -> Option<(Outcome, Option<Reason>)> {
    assert_eq!(enacted.played.violations, Vec::<String>::new());
    enacted.played.ended.outcomes[0]
}

#[test]
fn an_object_is_not_renamed_to_itself() {
    for (scenario, reason) in [
        (folded("single_elsewhere"), Reason::KeysFold),
        (folded("multipart_elsewhere"), Reason::KeysFold),
        (folded("pinned"), Reason::KeysFold),
        (aliased("single_elsewhere"), Reason::SameObject),
        (aliased("multipart_elsewhere"), Reason::SameObject),
        (aliased("pinned"), Reason::SameObject),
    ] {
        for choice in [IfExists::Fail, IfExists::Skip, IfExists::Overwrite] {
            let mut scenario = scenario.clone();
            scenario.scene.jobs[0].if_exists = choice;
            let told = played(&scenario);
            let ended = (told.outcome, told.reason);
            assert_eq!(
                ended,
                (Outcome::Failed, Some(reason)),
                "{choice:?} {told:?}"
            );
            assert!(told.source_stays, "{told:?}");
        }
    }
}

/// To find that out, its copy was made over it: with another date, a second
/// message of the same task finds another object than the pinned one, whose
/// copy it seems to be.
#[test]
fn an_object_with_two_names_was_not_renamed_earlier() {
    let mut scenario = aliased("pinned");
    scenario.scene.jobs[0].pins.modified = true;
    let mut moved = scenario.scene.objects[0].clone();
    moved.age /= 2;
    // As if: its date is later than the pinned one.
    let source = scenario.scene.jobs[0].source.clone();
    let appointment = Appointment {
        process: 0,
        request: 0,
        place: source,
        act: Act::Put(moved.made),
    };
    let enacted = enact(&scenario, &[], &[appointment], false);
    let changed = (Outcome::Failed, Some(Reason::SourceChanged));
    assert_eq!(ended(&enacted), Some(changed));
}

/// A redelivery may find its own copy, written in the second in which its
/// source was. Copied once more, it is the source itself that is written.
#[test]
fn a_copy_that_is_made_once_more_shows_that_it_is_the_source() {
    for (mut scenario, reason) in [
        (folded("pinned"), Reason::KeysFold),
        (aliased("pinned"), Reason::SameObject),
    ] {
        scenario.scene.jobs[0].pins.modified = true;
        // Its date is no reason to refuse it, nor to take it for older.
        scenario.scene.objects[0].age = Duration::ZERO;
        scenario.scene.twist.submitted_behind = 10_000;
        let fates = [(0, 1, Fate::Death(Moment::Before))];
        let enacted = enact(&scenario, &fates, &[], false);
        assert_eq!(ended(&enacted), Some((Outcome::Failed, Some(reason))));
        let copied = enacted.asked[1]
            .iter()
            .filter(|(asked, _)| *asked == "CopyObject");
        assert_eq!(copied.count(), 1, "{:?}", enacted.asked);
    }
}

/// Under another name of its bucket, another row may be meant to rename what
/// this one would replace.
#[test]
fn nothing_is_replaced_in_a_bucket_with_two_names_in_use() {
    for (choice, expected) in [
        (IfExists::Fail, (Outcome::Renamed, None)),
        (IfExists::Skip, (Outcome::Renamed, None)),
        (
            IfExists::Overwrite,
            (Outcome::Failed, Some(Reason::SameObject)),
        ),
    ] {
        let mut scenario = aliased("single");
        // AWS says which names are names of one bucket.
        scenario.scene.fleet.abilities.trusted = true;
        let job = &mut scenario.scene.jobs[0];
        job.destination = place(NEW, "elsewhere");
        job.if_exists = choice;
        let told = played(&scenario);
        assert_eq!((told.outcome, told.reason), expected, "{told:?}");
    }
}
