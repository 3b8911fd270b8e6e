//! What is refused before anything is copied.

use rebucket_protocol::{IfExists, Outcome, Reason};
use rebucket_simulator::clock::Millis;
use rebucket_simulator::s3::{
    Content, CustomerKey, Encryption, EventHold, HoldPeriod, NewObject, Retention, RetentionMode,
    StorageClass, Versioning,
};
use rebucket_tests::simulation::cloud::{EPOCH, State};
use rebucket_tests::simulation::deaths::enact;
use rebucket_tests::simulation::fate::{Fate, Moment};
use rebucket_tests::simulation::outsider::{Act, Appointment};
use rebucket_tests::simulation::scenarios::Scenario;
use rebucket_tests::simulation::scene::{OLD, place};
use rebucket_tests::simulation::store::Blueprint;
use serde_json::{Value, json};

use crate::told::{last, play, scenario};

const WRITES: [&str; 3] = ["CopyObject", "CreateMultipartUpload", "DeleteObject"];

/// Plays a scenario that must be refused before the first write.
fn assert_refused(
    scenario: &Scenario,
    reason: Reason,
    change: impl FnOnce(&mut State, Millis),
    edit: impl FnOnce(&mut Value),
) {
    let told = play(scenario, change, edit);
    assert_eq!(told.reason, Some(reason), "{told:?}");
    assert!(told.source_is_there && told.destination_stays, "{told:?}");
    assert_eq!(told.steps(&WRITES), <[&str; 0]>::default());
}

#[test]
fn an_archived_object() {
    let mut scenario = scenario("single");
    scenario.scene.objects[0].made.new.storage_class = Some(StorageClass::Glacier);
    assert_refused(&scenario, Reason::Archived, |_, _| {}, |_| {});
}

#[test]
fn an_object_under_a_customer_s_key() {
    let mut scenario = scenario("single");
    let key = CustomerKey("a digest".to_owned());
    scenario.scene.objects[0].made.new.encryption = Some(Encryption::Customer(key));
    let shown = |state: &mut State, _| state.s3.quirks.head_needs_no_key = true;
    assert_refused(&scenario, Reason::CustomerKey, shown, |_| {});
}

#[test]
fn to_purge_and_to_overwrite_without_a_version() {
    let mut scenario = scenario("purge");
    scenario.scene.jobs[0].pins.version = false;
    scenario.scene.jobs[0].if_exists = IfExists::Overwrite;
    assert_refused(&scenario, Reason::VersionUnpinned, |_, _| {}, |_| {});
}

#[test]
fn to_purge_the_version_null() {
    let mut scenario = scenario("purge");
    scenario.scene.old.versioning = Versioning::Suspended;
    scenario.scene.objects.remove(0);
    let null = |message: &mut Value| message["src"]["version"] = json!("null");
    assert_refused(&scenario, Reason::VersionUnpinned, |_, _| {}, null);
}

#[test]
fn to_purge_a_locked_version() {
    let locked = [
        NewObject {
            legal_hold: Some(true),
            ..NewObject::default()
        },
        NewObject {
            retention: Some(Retention {
                mode: RetentionMode::Governance,
                until: Millis(EPOCH.0 + 3_600_000),
            }),
            ..NewObject::default()
        },
        NewObject {
            event_hold: Some(EventHold::on(HoldPeriod::Days(1))),
            ..NewObject::default()
        },
    ];
    for new in locked {
        let mut scenario = scenario("purge");
        scenario.scene.old.object_lock = true;
        scenario.scene.new.object_lock = true;
        scenario.scene.fleet.facts.has_lock = true;
        scenario.scene.objects[1].made.new = new;
        assert_refused(&scenario, Reason::Locked, |_, _| {}, |_| {});
    }
}

#[test]
fn two_keys_that_the_endpoint_takes_for_one() {
    let mut scenario = scenario("single_elsewhere");
    scenario.scene.jobs[0].destination = place(OLD, "K");
    // The model keeps them apart; to a client they look like one object.
    let mut folded = scenario.scene.objects[0].clone();
    folded.place = place(OLD, "K");
    scenario.scene.objects.push(folded);
    assert_refused(&scenario, Reason::KeysFold, |_, _| {}, |_| {});
}

#[test]
fn what_the_destination_cannot_hold() {
    for (name, what) in [
        ("single_elsewhere", "the tags of a copy"),
        ("multipart", "the tags of an upload"),
        ("multipart", "the checksum of an upload"),
    ] {
        let mut scenario = scenario(name);
        let abilities = &mut scenario.scene.fleet.abilities;
        match what {
            "the tags of a copy" => abilities.copy_keeps_tags = false,
            "the tags of an upload" => abilities.upload_takes_tags = false,
            _ => abilities.upload_checksum = None,
        }
        assert_refused(&scenario, Reason::NotPreservable, |_, _| {}, |_| {});
    }
}

/// Another object was put at the source after the task was sent.
fn rewritten(scenario: &Scenario) -> impl FnOnce(&mut State, Millis) + use<> {
    let source = scenario.scene.jobs[0].source.clone();
    move |state, now| {
        let other = Blueprint {
            content: Content::literal(b"the outsider's own".to_vec()),
            ..Blueprint::default()
        };
        state.outsider(&source, &Act::Put(other), now);
    }
}

/// Every delivery may be a second one: a message that was moved back from the
/// dead-letter queue, or sent again, looks like the first.
#[test]
fn a_source_that_was_written_after_the_task_was_sent_on_any_delivery() {
    for resumed in [false, true] {
        let mut scenario = scenario("single");
        scenario.scene.fleet.resumed = resumed;
        assert_refused(
            &scenario,
            Reason::SourceRewritten,
            rewritten(&scenario),
            |_| {},
        );
    }
}

/// The queue's time counts where the message has none, as the store's clock
/// would have shown it.
#[test]
fn the_same_where_the_queue_s_clock_is_ahead() {
    let mut scenario = scenario("single");
    scenario.scene.jobs[0].submitted = false;
    scenario.scene.twist.queue_ahead = 60_000;
    assert_refused(
        &scenario,
        Reason::SourceRewritten,
        rewritten(&scenario),
        |_| {},
    );
}

#[test]
fn the_same_by_whichever_clock_is_the_earlier_one() {
    let mut scenario = scenario("single");
    scenario.scene.fleet.resumed = true;
    let later = |message: &mut Value| message["submitted"] = json!("2026-01-01T02:00:00Z");
    assert_refused(
        &scenario,
        Reason::SourceRewritten,
        rewritten(&scenario),
        later,
    );
    // The source itself is older than the message, and newer than this.
    let earlier = |message: &mut Value| message["submitted"] = json!("2025-12-31T22:00:00Z");
    assert_refused(&scenario, Reason::SourceRewritten, |_, _| {}, earlier);
}

#[test]
fn a_source_that_was_written_while_a_worker_died() {
    let scenario = scenario("single");
    let head = last(&scenario, "HeadObject");
    let again = Appointment {
        process: 0,
        request: head,
        place: scenario.scene.jobs[0].source.clone(),
        act: Act::Put(Blueprint {
            content: Content::literal(b"the outsider's own".to_vec()),
            ..Blueprint::default()
        }),
    };
    let fates = [(0, head, Fate::Death(Moment::Applied))];
    let enacted = enact(&scenario, &fates, &[again], false);
    assert_eq!(enacted.played.violations, Vec::<String>::new());
    assert_eq!(
        enacted.played.ended.outcomes,
        [Some((Outcome::Failed, Some(Reason::SourceRewritten)))]
    );
}
