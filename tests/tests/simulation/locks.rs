//! Object Lock with all of its parts: carried, compared, kept.

use rebucket_protocol::{Outcome, Reason};
use rebucket_simulator::clock::Millis;
use rebucket_simulator::s3::{DefaultRetention, HoldPeriod, RetentionMode};
use rebucket_tests::simulation::cloud::EPOCH;
use rebucket_tests::simulation::deaths::enact;
use rebucket_tests::simulation::scenarios::Scenario;
use std::time::Duration;

use crate::hidden::{all_locks, event_held, held, locked, retained};
use crate::told::{STEPS, copied, played};

/// The auditor compares each part of the lock.
fn assert_carried(scenario: &Scenario) {
    let enacted = enact(scenario, &[], &[], false);
    assert_eq!(enacted.played.violations, Vec::<String>::new());
    let renamed = Some((Outcome::Renamed, None));
    assert_eq!(enacted.played.ended.outcomes, [renamed]);
}

#[test]
fn every_part_of_a_lock_is_carried() {
    for name in [
        "single",
        "single_elsewhere",
        "multipart",
        "multipart_elsewhere",
    ] {
        for lock in [retained(), held(), event_held(), all_locks()] {
            assert_carried(&locked(name, lock));
        }
    }
}

/// The retention of before the hold is over; its mode is that of the one to
/// come.
#[test]
fn an_event_hold_outlasts_a_retention() {
    for name in ["single", "multipart"] {
        let mut lock = all_locks();
        lock.retention.as_mut().unwrap().until = Millis(EPOCH.0 - 1_000);
        lock.legal_hold = None;
        let mut purged = locked("purge", lock.clone());
        purged.scene.jobs[0].pins.version = true;
        let told = played(&purged);
        told.assert_refused(Reason::Locked);
        assert_eq!(told.steps(&STEPS[..5]), [""; 0], "{told:?}");
        let told = played(&locked(name, lock));
        assert_eq!(told.outcome, Outcome::Renamed, "{told:?}");
    }
}

#[test]
fn what_was_found_without_the_event_hold_is_not_our_copy() {
    for period in [None, Some(HoldPeriod::Years(90))] {
        let mut scenario = locked("single", event_held());
        let mut found = copied(&scenario);
        found.age /= 2;
        found.made.new.event_hold = period.map(rebucket_simulator::s3::EventHold::on);
        scenario.scene.objects.push(found);
        played(&scenario).assert_refused(Reason::DestinationExists);
    }
}

/// The destination's bucket locks what the source's does not: no difference.
#[test]
fn a_bucket_s_default_lock_is_no_difference() {
    for lock in [held(), event_held()] {
        let mut scenario = locked("single_elsewhere", lock.clone());
        scenario.scene.new.default_retention = Some(DefaultRetention {
            mode: RetentionMode::Governance,
            period: Duration::from_hours(24),
        });
        if lock.event_hold.is_none() {
            scenario.scene.new.default_event_hold = Some(HoldPeriod::Days(5));
        }
        assert_carried(&scenario);
    }
}
