//! Suspended versioning: a rename must not destroy the version `null` that lies
//! behind what it writes or deletes.

use rebucket_protocol::{IfExists, Outcome, Reason, VersionPolicy};
use rebucket_simulator::clock::Millis;
use rebucket_simulator::s3::{Content, Versioning};
use rebucket_tests::simulation::audit::Place;
use rebucket_tests::simulation::cloud::{EPOCH, State};
use rebucket_tests::simulation::deaths::enact;
use rebucket_tests::simulation::fate::{Fate, Moment};
use rebucket_tests::simulation::scenarios::Scenario;
use rebucket_tests::simulation::scene::{NEW, OLD, place};
use rebucket_tests::simulation::store::{Blueprint, put, remove};
use rebucket_worker::store::Versioning as Known;
use serde_json::json;

use crate::told::{STEPS, Told, last, play, scenario};

/// How a key came to what is there, in the order in which it happened.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// An object is put.
    Put(&'static str),
    /// What is there is deleted.
    Delete,
    /// Versioning is set.
    Set(Versioning),
}

const ON: Step = Step::Set(Versioning::Enabled);
const SUSPEND: Step = Step::Set(Versioning::Suspended);

fn history(state: &mut State, at: &Place, steps: &[Step]) {
    for (number, step) in (0..).zip(steps) {
        let when = Millis(EPOCH.0 - 3_600_000 + number * 60_000);
        match *step {
            Step::Put(text) => {
                let made = Blueprint {
                    content: Content::literal(text.as_bytes().to_vec()),
                    ..Blueprint::default()
                };
                put(&mut state.s3, at, &made, when);
            }
            Step::Delete => remove(&mut state.s3, at, when),
            Step::Set(versioning) => state
                .s3
                .put_bucket_versioning(&at.bucket, versioning, when)
                .unwrap(),
        }
    }
}

/// A rename between buckets with this history, by who was told this of them.
struct Case {
    scenario: Scenario,
    source: &'static [Step],
    destination: &'static [Step],
}

impl Case {
    fn new(source: &'static [Step], destination: &'static [Step]) -> Self {
        let mut scenario = scenario("single");
        scenario.scene.objects.clear();
        scenario.scene.fleet.facts.versioning = Known::Suspended;
        Self {
            scenario,
            source,
            destination,
        }
    }

    fn told(&self, waive: &[&str]) -> Told {
        let job = self.scenario.scene.jobs[0].clone();
        play(
            &self.scenario,
            |state, _| {
                history(state, &job.source, self.source);
                history(state, &job.destination, self.destination);
            },
            |message| {
                if !waive.is_empty() {
                    message["waive"] = json!(waive);
                }
            },
        )
    }

    fn assert_at_risk(&self) {
        let told = self.told(&[]);
        told.assert_refused(Reason::HistoryAtRisk);
        assert_eq!(told.steps(&STEPS[..5]), [""; 0], "{told:?}");
        // Whoever says so by name may.
        let told = self.told(&["history"]);
        assert_eq!(told.outcome, Outcome::Renamed, "{told:?}");
    }

    fn assert_renamed(&self) {
        let told = self.told(&[]);
        assert_eq!(told.outcome, Outcome::Renamed, "{told:?}");
    }
}

const PLAIN: &[Step] = &[SUSPEND, Step::Put("new")];

#[test]
fn a_null_version_behind_the_source_is_not_destroyed() {
    let behind = &[Step::Put("A"), ON, Step::Put("B"), SUSPEND];
    Case::new(behind, &[]).assert_at_risk();
    let deep = &[
        Step::Put("A"),
        ON,
        Step::Put("B"),
        Step::Delete,
        Step::Put("C"),
        SUSPEND,
    ];
    Case::new(deep, &[]).assert_at_risk();
}

#[test]
fn a_null_version_behind_a_delete_marker_at_the_destination_is_not_destroyed() {
    let behind = &[Step::Put("A"), ON, Step::Delete, SUSPEND];
    Case::new(PLAIN, behind).assert_at_risk();
    let mut in_parts = Case::new(&[], behind);
    let whole = scenario("multipart");
    in_parts.scenario.scene.objects = whole.scene.objects;
    in_parts.assert_at_risk();
}

#[test]
fn what_is_overwritten_is_the_current_version_only() {
    let behind = &[Step::Put("A"), ON, Step::Put("B"), SUSPEND];
    let mut case = Case::new(PLAIN, behind);
    case.scenario.scene.jobs[0].if_exists = IfExists::Overwrite;
    case.assert_at_risk();
    // Without `overwrite` nothing is written there.
    let told = Case::new(PLAIN, behind).told(&[]);
    told.assert_refused(Reason::DestinationExists);
    // The current one is what the job says to replace.
    let mut case = Case::new(PLAIN, &[ON, Step::Put("A"), SUSPEND, Step::Put("B")]);
    case.scenario.scene.jobs[0].if_exists = IfExists::Overwrite;
    case.assert_renamed();
}

#[test]
fn where_no_version_is_at_stake_a_suspended_bucket_is_renamed_in() {
    // The source is the version `null` itself.
    Case::new(PLAIN, &[]).assert_renamed();
    Case::new(&[ON, Step::Put("A"), SUSPEND, Step::Put("B")], &[]).assert_renamed();
    // There is no version `null`.
    Case::new(&[ON, Step::Put("A"), Step::Put("B"), SUSPEND], &[]).assert_renamed();
    Case::new(PLAIN, &[ON, Step::Put("A"), Step::Delete, SUSPEND]).assert_renamed();
    // It is a delete marker.
    Case::new(PLAIN, &[ON, Step::Put("A"), SUSPEND, Step::Delete]).assert_renamed();
}

#[test]
fn a_purge_takes_the_named_version_only() {
    let behind = &[Step::Put("A"), ON, Step::Put("B"), SUSPEND];
    let mut case = Case::new(behind, &[]);
    case.scenario.scene.jobs[0].versioned = VersionPolicy::Purge;
    let told = case.told(&[]);
    assert_eq!(told.outcome, Outcome::Renamed, "{told:?}");
    // `null` is current again.
    assert!(told.source_is_there, "{told:?}");
}

#[test]
fn where_nobody_says_a_bucket_may_be_suspended() {
    for (source, destination) in [
        (&[Step::Put("A"), ON, Step::Put("B"), SUSPEND][..], &[][..]),
        (PLAIN, &[Step::Put("A"), ON, Step::Delete, SUSPEND][..]),
    ] {
        let mut case = Case::new(source, destination);
        case.scenario.scene.fleet.facts.versioning = Known::Unknown;
        case.assert_at_risk();
    }
}

/// On AWS an object without a version is in a bucket that never had any.
#[test]
fn a_bucket_that_shows_to_have_no_versions_is_not_asked_again() {
    let mut case = Case::new(&[Step::Put("A")], &[]);
    case.scenario.scene.fleet.facts.versioning = Known::Unknown;
    case.scenario.scene.jobs[0].destination = place(OLD, "elsewhere");
    let told = case.told(&[]);
    assert_eq!(told.outcome, Outcome::Renamed, "{told:?}");
    assert_eq!(told.steps(&["HeadObject"]).len(), 1, "{told:?}");
    // Of another bucket that says nothing.
    case.scenario.scene.jobs[0].destination = place(NEW, "elsewhere");
    let told = case.told(&[]);
    assert_eq!(told.outcome, Outcome::Renamed, "{told:?}");
    assert_eq!(told.steps(&["HeadObject"]).len(), 2, "{told:?}");
}

#[test]
fn enabled_versions_cost_no_request() {
    let mut case = Case::new(&[ON, Step::Put("A"), Step::Put("B")], &[ON]);
    case.scenario.scene.fleet.facts.versioning = Known::Enabled;
    let told = case.told(&[]);
    assert_eq!(told.outcome, Outcome::Renamed, "{told:?}");
    assert_eq!(told.steps(&["HeadObject"]).len(), 1, "{told:?}");
}

/// The copy of a delivery that died is the version `null` at the destination.
#[test]
fn our_own_copy_is_no_history() {
    let mut scenario = scenario("single");
    for bucket in [&mut scenario.scene.old, &mut scenario.scene.new] {
        bucket.versioning = Versioning::Suspended;
    }
    scenario.scene.fleet.facts.versioning = Known::Suspended;
    for (operation, expected) in [
        ("CopyObject", Outcome::Renamed),
        ("DeleteObject", Outcome::AlreadyRenamed),
    ] {
        let fates = [(0, last(&scenario, operation), Fate::Death(Moment::Applied))];
        let enacted = enact(&scenario, &fates, &[], false);
        assert_eq!(enacted.played.violations, Vec::<String>::new());
        assert_eq!(enacted.played.ended.outcomes, [Some((expected, None))]);
    }
}
