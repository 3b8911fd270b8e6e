//! The source is gone, or another object by now: was the rename done?

use rebucket_protocol::{Evidence, Outcome, Reason};
use rebucket_simulator::s3::Content;
use rebucket_tests::simulation::outsider::{Act, Appointment};
use rebucket_tests::simulation::scenarios::Scenario;
use rebucket_tests::simulation::store::Blueprint;
use serde_json::json;

use crate::told::{Told, copied, last, play, scenario};

fn other() -> Act {
    Act::Put(Blueprint {
        content: Content::literal(b"the outsider's own".to_vec()),
        ..Blueprint::default()
    })
}

/// Plays a scenario in which source and destination are changed between the
/// inspection and the copy.
fn changed(scenario: &Scenario, source: Act, destination: Option<Act>) -> Told {
    let request = last(scenario, "CopyObject") - 1;
    let job = &scenario.scene.jobs[0];
    let at = |place: &_, act| Appointment {
        process: 0,
        request,
        place: Clone::clone(place),
        act,
    };
    let mut kept = vec![at(&job.source, source)];
    kept.extend(destination.map(|act| at(&job.destination, act)));
    play(scenario, |state, _| state.appointments.extend(kept), |_| {})
}

#[test]
fn a_copy_that_is_refused_for_its_source_is_settled_at_once() {
    let told = changed(&scenario("single"), other(), None);
    assert_eq!(told.reason, Some(Reason::SourceChanged), "{told:?}");
    assert_eq!(told.steps(&["ChangeMessageVisibility"]), [""; 0]);
}

#[test]
fn a_rename_that_another_worker_finishes_meanwhile_is_settled_at_once() {
    let scenario = scenario("single");
    let copy = Act::Put(copied(&scenario).made);
    let told = changed(&scenario, Act::Delete, Some(copy));
    assert_eq!(told.outcome, Outcome::AlreadyRenamed, "{told:?}");
    assert_eq!(told.steps(&["ChangeMessageVisibility"]), [""; 0]);
}

#[test]
fn another_object_at_the_source_is_not_settled_by_what_was_there_before() {
    let scenario = scenario("single");
    let copy = Act::Put(copied(&scenario).made);
    let told = changed(&scenario, other(), Some(copy));
    assert_eq!(
        (told.outcome, told.reason),
        (Outcome::Failed, Some(Reason::SourceChanged)),
        "{told:?}"
    );
}

#[test]
fn what_contradicts_the_pins_is_not_the_finished_rename() {
    let scenario = scenario("pinned");
    let job = scenario.scene.jobs[0].clone();
    let told = play(
        &scenario,
        |state, now| {
            state.outsider(&job.source, &Act::Delete, now);
            state.outsider(&job.destination, &other(), now);
        },
        |_| {},
    );
    assert_eq!(
        (told.outcome, told.reason),
        (Outcome::Failed, Some(Reason::SourceMissing)),
        "{told:?}"
    );
}

#[test]
fn an_equal_object_that_is_older_than_the_source_was_not_copied_from_it() {
    let mut scenario = scenario("overwrite");
    scenario.scene.fleet.resumed = true;
    let mut older = copied(&scenario);
    older.age *= 2;
    scenario.scene.objects[0] = older;
    let told = play(&scenario, |_, _| {}, |_| {});
    assert_eq!(
        told.steps(&["CopyObject", "DeleteObject"]),
        ["CopyObject", "DeleteObject"]
    );
    assert_eq!(told.outcome, Outcome::Renamed, "{told:?}");
}

#[test]
fn what_was_there_before_the_job_is_not_the_finished_rename() {
    let mut scenario = scenario("single");
    scenario.scene.objects = vec![copied(&scenario)];
    let told = play(&scenario, |_, _| {}, |_| {});
    assert_eq!(told.reason, Some(Reason::SourceMissing), "{told:?}");
}

#[test]
fn what_has_another_size_than_the_task_names_is_not_the_finished_rename() {
    let mut scenario = scenario("single");
    scenario.scene.objects.clear();
    let destination = scenario.scene.jobs[0].destination.clone();
    let told = play(
        &scenario,
        |state, now| state.outsider(&destination, &other(), now),
        |message| message["src"]["size"] = json!(1),
    );
    assert_eq!(told.reason, Some(Reason::SourceMissing), "{told:?}");
}

#[test]
fn what_counts_as_done_by_its_date_alone_says_so() {
    let mut scenario = scenario("single");
    scenario.scene.objects.clear();
    let destination = scenario.scene.jobs[0].destination.clone();
    let told = play(
        &scenario,
        |state, now| state.outsider(&destination, &other(), now),
        |_| {},
    );
    assert_eq!(told.outcome, Outcome::AlreadyRenamed, "{told:?}");
    assert_eq!(told.record.evidence, Some(Evidence::Date), "{told:?}");
    assert!(told.record.modified.is_some(), "{told:?}");
}

#[test]
fn what_counts_as_done_by_its_pins_does_not_speak_of_dates() {
    let scenario = scenario("pinned");
    let copy = Act::Put(copied(&scenario).made);
    let told = changed(&scenario, Act::Delete, Some(copy));
    assert_eq!(told.outcome, Outcome::AlreadyRenamed, "{told:?}");
    assert_eq!(told.record.evidence, None, "{told:?}");
}

#[test]
fn the_report_names_the_version_at_the_new_name() {
    let scenario = scenario("marker");
    let told = play(&scenario, |_, _| {}, |_| {});
    assert_eq!(told.outcome, Outcome::Renamed, "{told:?}");
    assert!(told.record.version.is_some(), "{told:?}");
}

#[test]
fn by_its_pins_a_rename_is_known_to_be_done_whatever_is_at_the_source_now() {
    let scenario = scenario("pinned");
    let copy = Act::Put(copied(&scenario).made);
    let told = changed(&scenario, other(), Some(copy));
    assert_eq!(told.outcome, Outcome::AlreadyRenamed, "{told:?}");
    assert!(told.source_is_there, "{told:?}");
    assert_eq!(told.steps(&["ChangeMessageVisibility"]), [""; 0]);
}
