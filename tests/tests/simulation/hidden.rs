//! Credentials that may read half of what an object has: the other half is
//! asked for by name, and refused by name.

use rebucket_protocol::{Outcome, Reason};
use rebucket_simulator::clock::Millis;
use rebucket_simulator::s3::{
    EventHold, HoldPeriod, NewObject, Retention, RetentionMode, Versioning,
};
use rebucket_tests::simulation::cloud::EPOCH;
use rebucket_tests::simulation::hidden::{Hidden, Property};
use rebucket_tests::simulation::scenarios::Scenario;
use rebucket_tests::simulation::scene::{NEW, OLD};
use serde_json::json;

use crate::told::{STEPS, Told, copied, play, played, scenario};

/// A source with a lock, in buckets with Object Lock.
#[allow(clippy::needless_pass_by_value, reason = "most are made for the call")]
pub(crate) fn locked(name: &str, lock: NewObject) -> Scenario {
    let mut scenario = scenario(name);
    for bucket in [&mut scenario.scene.old, &mut scenario.scene.new] {
        bucket.versioning = Versioning::Enabled;
        bucket.object_lock = true;
    }
    scenario.scene.fleet.facts.has_lock = true;
    let new = &mut scenario.scene.objects.last_mut().unwrap().made.new;
    new.retention = lock.retention;
    new.legal_hold = lock.legal_hold;
    new.event_hold = lock.event_hold;
    scenario
}

pub(crate) fn retained() -> NewObject {
    NewObject {
        retention: Some(Retention {
            mode: RetentionMode::Governance,
            until: Millis(EPOCH.0 + 30 * 86_400_000),
        }),
        ..NewObject::default()
    }
}

pub(crate) fn held() -> NewObject {
    NewObject {
        legal_hold: Some(true),
        ..NewObject::default()
    }
}

pub(crate) fn event_held() -> NewObject {
    NewObject {
        event_hold: Some(EventHold::on(HoldPeriod::Days(90))),
        ..NewObject::default()
    }
}

/// Retention, legal hold and event hold.
pub(crate) fn all_locks() -> NewObject {
    NewObject {
        legal_hold: held().legal_hold,
        event_hold: event_held().event_hold,
        ..retained()
    }
}

fn hide(scenario: &mut Scenario, property: Property, bucket: &str) {
    scenario.scene.fleet.hidden = Hidden::property(property, bucket);
}

fn assert_nothing_written(told: &Told, reason: Reason) {
    told.assert_refused(reason);
    assert_eq!(told.steps(&STEPS[..5]), [""; 0], "{told:?}");
}

#[test]
fn half_of_a_lock_is_asked_for_and_refused() {
    for name in ["single", "single_elsewhere", "multipart"] {
        for property in [Property::Retention, Property::LegalHold] {
            for lock in [all_locks(), event_held(), NewObject::default()] {
                let mut scenario = locked(name, lock);
                hide(&mut scenario, property, OLD);
                assert_nothing_written(&played(&scenario), Reason::AccessDenied);
            }
        }
    }
}

#[test]
fn who_gives_locks_up_need_not_see_them() {
    for property in [Property::Retention, Property::LegalHold] {
        let mut scenario = locked("single", all_locks());
        hide(&mut scenario, property, OLD);
        let told = play(
            &scenario,
            |_, _| {},
            |message| message["waive"] = json!(["lock"]),
        );
        assert_eq!(told.outcome, Outcome::Renamed, "{told:?}");
    }
}

/// It is not the endpoint that loses it: nobody can see whether it is there.
#[test]
fn half_of_the_copy_s_lock_is_asked_for_and_refused() {
    for name in ["single_elsewhere", "multipart_elsewhere"] {
        for property in [Property::Retention, Property::LegalHold] {
            let mut scenario = locked(name, all_locks());
            hide(&mut scenario, property, NEW);
            let told = played(&scenario);
            let ended = (told.outcome, told.reason);
            let denied = (Outcome::Failed, Some(Reason::AccessDenied));
            assert_eq!(ended, denied, "{name} {property:?} {told:?}");
            assert!(told.source_stays, "{told:?}");
        }
    }
}

/// What the source has not, nobody asks the copy for.
#[test]
fn a_half_that_the_source_has_not_may_be_hidden_of_the_copy() {
    for (lock, property) in [
        (held(), Property::Retention),
        (retained(), Property::LegalHold),
    ] {
        let mut scenario = locked("single_elsewhere", lock);
        hide(&mut scenario, property, NEW);
        let told = played(&scenario);
        assert_eq!(told.outcome, Outcome::Renamed, "{told:?}");
    }
}

/// HEAD is silent about tags that may not be read, so its silence does not make
/// an object that was found ours.
#[test]
fn what_was_found_is_not_ours_because_head_counts_no_tags() {
    for name in ["single", "single_elsewhere"] {
        let mut scenario = scenario(name);
        let mut found = copied(&scenario);
        found.age /= 2;
        found.made.new.tags = NewObject::default().tags;
        scenario.scene.objects.push(found);
        scenario.scene.fleet.tags_uncounted = true;
        assert!(scenario.scene.fleet.abilities.counts_tags);
        played(&scenario).assert_refused(Reason::DestinationExists);
    }
}

#[test]
fn tags_of_what_was_found_that_may_not_be_read_are_refused() {
    let mut scenario = scenario("single");
    let mut found = copied(&scenario);
    found.age /= 2;
    scenario.scene.objects.push(found);
    hide(&mut scenario, Property::Tags, NEW);
    played(&scenario).assert_refused(Reason::TagsDenied);
}

#[test]
fn tags_of_the_copy_that_may_not_be_read_are_refused() {
    let mut scenario = scenario("single_elsewhere");
    hide(&mut scenario, Property::Tags, NEW);
    let told = played(&scenario);
    let ended = (told.outcome, told.reason);
    let denied = (Outcome::Failed, Some(Reason::TagsDenied));
    assert_eq!(ended, denied, "{told:?}");
    assert!(told.source_stays, "{told:?}");
}

#[test]
fn what_may_not_be_read_of_the_source_is_refused_before_the_copy() {
    for (name, property, reason) in [
        ("single", Property::Acl, Reason::AccessDenied),
        ("multipart", Property::Acl, Reason::AccessDenied),
        ("multipart", Property::Tags, Reason::TagsDenied),
        ("multipart", Property::Annotations, Reason::AccessDenied),
    ] {
        let mut scenario = scenario(name);
        hide(&mut scenario, property, OLD);
        assert_nothing_written(&played(&scenario), reason);
    }
    // The service refuses to copy tags that may not be read.
    for name in ["single", "single_elsewhere"] {
        let mut scenario = scenario(name);
        hide(&mut scenario, Property::Tags, OLD);
        played(&scenario).assert_refused(Reason::AccessDenied);
    }
}

/// A rename of three requests stays one: a bucket without Object Lock hides no
/// lock, one without ACLs no grants, and the service carries tags itself.
#[test]
fn nothing_is_asked_where_nothing_can_be_hidden() {
    let mut scenario = scenario("single_bare");
    scenario.scene.fleet.facts.has_acls = false;
    let asked: Vec<_> = played(&scenario).asked.iter().map(|(a, _)| *a).collect();
    assert_eq!(
        asked[1..4],
        ["HeadObject", "CopyObject", "DeleteObject"],
        "{asked:?}"
    );
}
