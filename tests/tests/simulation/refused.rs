//! An endpoint that refuses a copy for a reason that it contradicts itself: as if
//! there were no source, which it shows, or as if the destination were taken,
//! where it shows nothing.

use rebucket_protocol::{Outcome, Reason};
use rebucket_simulator::s3::{Content, Quirks};
use rebucket_tests::simulation::outsider::{Act, Appointment};
use rebucket_tests::simulation::scenarios::Scenario;
use rebucket_tests::simulation::store::Blueprint;

use crate::told::{Told, last, play, scenario};

/// The two kinds of refusal, so many times.
fn refusals(times: u32) -> [Quirks; 2] {
    let (no_source, taken) = (Quirks::default(), Quirks::default());
    [
        Quirks {
            copies_find_no_source: times,
            ..no_source
        },
        Quirks {
            copies_find_taken: times,
            ..taken
        },
    ]
}

fn on(trusted: bool) -> Scenario {
    let mut scenario = scenario("single");
    scenario.scene.fleet.abilities.trusted = trusted;
    scenario
}

fn refused(quirks: Quirks, trusted: bool) -> Told {
    play(&on(trusted), |state, _| state.s3.quirks = quirks, |_| {})
}

#[test]
fn what_is_refused_again_and_again_ends_at_once_and_nothing_changes() {
    for quirks in refusals(u32::MAX) {
        let told = refused(quirks, false);
        told.assert_refused(Reason::KeyUnsupported);
        assert_eq!(told.record.attempts, 1, "{told:?}");
        assert_eq!(
            told.steps(&["CopyObject", "DeleteObject"]),
            ["CopyObject"; 3]
        );
        let detail = told.record.detail.unwrap();
        assert!(detail.contains("this endpoint does not "), "{detail}");
        assert!(detail.contains("Nothing was changed"), "{detail}");
    }
}

#[test]
fn what_is_refused_once_or_twice_was_a_race() {
    for quirks in [1, 2].map(refusals).concat() {
        let told = refused(quirks, false);
        assert_eq!(told.outcome, Outcome::Renamed, "{told:?}");
        assert_eq!(told.record.attempts, 1, "{told:?}");
    }
}

#[test]
fn aws_is_never_taken_for_such_an_endpoint() {
    for quirks in refusals(3) {
        let told = refused(quirks, true);
        assert_eq!(told.outcome, Outcome::Renamed, "{told:?}");
        assert_eq!(told.record.attempts, 4, "a delivery for each: {told:?}");
    }
}

/// The last refusal is explained by what came to the source.
#[test]
fn an_object_that_was_replaced_meanwhile_is_no_contradiction() {
    let scenario = on(false);
    let first = last(&scenario, "CopyObject");
    let [no_source, _] = refusals(u32::MAX);
    // Between two copies, the source and the destination are looked at.
    let came = Appointment {
        process: 0,
        request: first + 6,
        place: scenario.scene.jobs[0].source.clone(),
        act: Act::Put(Blueprint {
            content: Content::literal(b"the outsider's own".to_vec()),
            ..Blueprint::default()
        }),
    };
    let told = play(
        &scenario,
        |state, _| {
            state.s3.quirks = no_source;
            state.appointments.push(came);
        },
        |_| {},
    );
    assert_eq!(told.reason, Some(Reason::SourceRewritten), "{told:?}");
    assert!(told.source_is_there, "{told:?}");
}
