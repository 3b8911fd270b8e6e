//! Gates and pins, each in a situation in which nothing else would do.

use std::time::Duration;

use rebucket_protocol::{Outcome, Reason};
use rebucket_simulator::s3::{Content, Quirks};
use rebucket_tests::simulation::deaths::{Asked, enact};
use rebucket_tests::simulation::fate::{Fate, Moment};
use rebucket_tests::simulation::outsider::{Act, Appointment};
use rebucket_tests::simulation::store::Blueprint;
use rebucket_worker::store::endpoint::Precondition;
use serde_json::json;

use crate::told::{STEPS, last, play, played, scenario, written_again, written_when_it_was_sent};

#[test]
fn a_rename_is_copied_deleted_recorded_and_acknowledged_in_this_order() {
    assert_eq!(
        played(&scenario("single")).steps(&STEPS),
        ["CopyObject", "DeleteObject", "Record", "DeleteMessage"]
    );
    assert_eq!(
        played(&scenario("multipart")).steps(&STEPS),
        [
            "CreateMultipartUpload",
            "UploadPartCopy",
            "UploadPartCopy",
            "UploadPartCopy",
            "CompleteMultipartUpload",
            "DeleteObject",
            "Record",
            "DeleteMessage"
        ]
    );
}

#[test]
fn a_failure_is_recorded_parked_and_acknowledged_in_this_order() {
    assert_eq!(
        played(&scenario("fail_taken")).steps(&STEPS),
        ["CopyObject", "Record", "SendMessage", "DeleteMessage"]
    );
}

#[test]
fn a_copy_whose_answer_has_another_tag_than_the_source_is_not_verified() {
    for name in ["single", "single_elsewhere"] {
        let quirks = Quirks {
            etag_is_not_md5: true,
            ..Quirks::default()
        };
        let told = play(&scenario(name), |state, _| state.s3.quirks = quirks, |_| {});
        assert_eq!(told.reason, Some(Reason::VerificationFailed), "{told:?}");
        assert!(told.source_stays, "{told:?}");
    }
}

#[test]
fn what_took_the_copy_s_place_before_it_is_read_back_is_not_the_copy() {
    let mut scenario = scenario("encrypted");
    scenario.scene.fleet.abilities.trusted = false;
    scenario.scene.fleet.abilities.replaces_conditionally = false;
    let job = scenario.scene.jobs[0].clone();
    let same = scenario.scene.objects[0].made.clone();
    let theirs = Appointment {
        process: 0,
        request: last(&scenario, "CopyObject"),
        place: job.destination,
        act: Act::Put(Blueprint {
            content: Content::literal(b"same bytes".to_vec()),
            ..same.clone()
        }),
    };
    // Nothing but the tag tells the two apart: no digest, no size.
    let quirks = Quirks {
        no_checksums: true,
        ..Quirks::default()
    };
    let told = play(
        &scenario,
        |state, now| {
            state.s3.quirks = quirks;
            state.outsider(&job.source, &Act::Put(same), now);
            state.appointments.push(theirs);
        },
        written_when_it_was_sent,
    );
    assert_eq!(told.reason, Some(Reason::VerificationFailed), "{told:?}");
    assert!(told.source_stays, "{told:?}");
}

#[test]
fn a_copy_that_lacks_a_property_does_not_cost_the_source() {
    let quirks = Quirks {
        drop_tags_on_create: true,
        ..Quirks::default()
    };
    let scenario = scenario("multipart_elsewhere");
    let told = play(&scenario, |state, _| state.s3.quirks = quirks, |_| {});
    assert_eq!(told.reason, Some(Reason::NotPreserved), "{told:?}");
    assert!(told.source_stays, "{told:?}");
    let detail = told.record.detail.unwrap();
    for words in [
        "did not carry over tags: the tag \"",
        "\" and is not there",
        "--waive tags",
    ] {
        assert!(detail.contains(words), "{detail}");
    }
}

#[test]
fn parts_that_are_stored_empty_do_not_cost_the_source() {
    for name in ["multipart", "multipart_elsewhere", "multipart_own_parts"] {
        let quirks = Quirks {
            empty_part_copies: true,
            no_checksums: true,
            ..Quirks::default()
        };
        let told = play(&scenario(name), |state, _| state.s3.quirks = quirks, |_| {});
        assert_eq!(told.outcome, Outcome::Failed, "{told:?}");
        assert!(told.source_stays, "{told:?}");
    }
}

#[test]
fn where_the_endpoint_ignores_a_condition_the_source_is_looked_at_before_the_delete() {
    for ignored in [Precondition::Delete, Precondition::CopySource] {
        let mut scenario = scenario("single");
        scenario.scene.fleet.abilities.ignored = vec![ignored];
        let told = played(&scenario);
        let source = format!("s3://{}", scenario.scene.jobs[0].source);
        assert_eq!(told.before("DeleteObject"), ("HeadObject", source.as_str()));
    }
}

#[test]
fn where_the_endpoint_ignores_a_copy_s_condition_a_look_stands_in_for_it() {
    let mut scenario = scenario("fail_taken");
    scenario.scene.fleet.abilities.ignored = vec![Precondition::CopyCreates];
    let quirks = Quirks {
        ignore_conditions_on_copy: true,
        ..Quirks::default()
    };
    let told = play(&scenario, |state, _| state.s3.quirks = quirks, |_| {});
    told.assert_refused(Reason::DestinationExists);
}

#[test]
fn where_the_endpoint_ignores_a_completion_s_condition_a_look_stands_in_for_it() {
    let mut scenario = scenario("multipart");
    scenario.scene.fleet.abilities.ignored = vec![Precondition::CompleteCreates];
    let job = scenario.scene.jobs[0].clone();
    let parts = last(&scenario, "UploadPartCopy");
    let theirs = Appointment {
        process: 0,
        request: parts,
        place: job.destination.clone(),
        act: Act::Put(Blueprint {
            content: Content::literal(b"the outsider's own".to_vec()),
            ..Blueprint::default()
        }),
    };
    let quirks = Quirks {
        ignore_conditions_on_complete: true,
        ..Quirks::default()
    };
    let told = play(
        &scenario,
        |state, _| {
            state.s3.quirks = quirks;
            state.appointments.push(theirs);
        },
        |_| {},
    );
    assert_eq!(told.reason, Some(Reason::DestinationExists), "{told:?}");
    assert!(told.source_stays, "{told:?}");
}

#[test]
fn a_delete_whose_answer_was_lost_is_not_repeated_on_what_came_after_it() {
    let scenario = scenario("single");
    let delete = last(&scenario, "DeleteObject");
    let again = written_again(&scenario, delete);
    let enacted = enact(&scenario, &[(0, delete, Fate::ReplyLost)], &[again], false);
    assert_eq!(enacted.played.violations, Vec::<String>::new());
    assert_eq!(
        enacted.played.ended.outcomes,
        [Some((Outcome::Failed, Some(Reason::SourceChanged)))]
    );
}

#[test]
fn another_version_with_the_same_bytes_and_the_same_date_is_another_object() {
    let versions = scenario("marker").scene.old;
    let mut scenario = scenario("multipart");
    scenario.scene.old = versions;
    let again = written_again(&scenario, last(&scenario, "UploadPartCopy"));
    let told = play(
        &scenario,
        |state, now| {
            state.outsider(&again.place, &again.act, now);
            state.appointments.push(again);
        },
        written_when_it_was_sent,
    );
    assert_eq!(told.reason, Some(Reason::SourceChanged), "{told:?}");
    assert!(told.source_is_there, "{told:?}");
}

#[test]
fn other_bytes_of_the_same_second_are_not_deleted_where_the_endpoint_would() {
    let mut scenario = scenario("single");
    scenario.scene.fleet.abilities.ignored = vec![Precondition::Delete];
    let quirks = Quirks {
        ignore_if_match_on_delete: true,
        ..Quirks::default()
    };
    let mut again = written_again(&scenario, last(&scenario, "CopyObject"));
    let first = again.act.clone();
    again.act = Act::Put(Blueprint {
        content: Content::literal(b"the outsider's own".to_vec()),
        ..Blueprint::default()
    });
    let told = play(
        &scenario,
        |state, now| {
            state.s3.quirks = quirks;
            state.outsider(&again.place, &first, now);
            state.appointments.push(again);
        },
        written_when_it_was_sent,
    );
    assert_eq!(told.reason, Some(Reason::SourceChanged), "{told:?}");
    assert!(told.source_is_there, "{told:?}");
}

#[test]
fn a_source_that_contradicts_any_single_pin_is_not_renamed() {
    let pins = [
        ("etag", json!("\"9b2cf535f27731c974343645a3985328\"")),
        ("size", json!(1)),
        ("version", json!("another")),
        ("modified", json!("2020-01-01T00:00:00Z")),
    ];
    for (pin, value) in pins {
        let told = play(
            &scenario("single"),
            |_, _| {},
            |message| message["src"][pin] = value,
        );
        told.assert_refused(Reason::SourceChanged);
        assert_eq!(
            told.steps(&STEPS),
            ["Record", "SendMessage", "DeleteMessage"]
        );
    }
}

#[test]
fn a_purge_that_names_no_version_is_not_carried_on_with_by_another_delivery() {
    let mut scenario = scenario("purge");
    scenario.scene.jobs[0].pins.version = false;
    let copy = last(&scenario, "CopyObject");
    let fates = [(0, copy, Fate::Death(Moment::Applied))];
    let enacted = enact(&scenario, &fates, &[], false);
    assert_eq!(enacted.played.violations, Vec::<String>::new());
    assert_eq!(
        enacted.played.ended.outcomes,
        [Some((Outcome::Failed, Some(Reason::VersionUnpinned)))]
    );
}

#[test]
fn a_failure_that_cannot_be_parked_is_not_acknowledged() {
    let scenario = scenario("fail_taken");
    let park = last(&scenario, "SendMessage");
    // As often as it is tried in one delivery.
    let fates: Vec<_> = (park..park + 5).map(|n| (0, n, Fate::Reset)).collect();
    let enacted = enact(&scenario, &fates, &[], false);
    assert_eq!(enacted.played.violations, Vec::<String>::new());
    let operations = enacted.asked[0].iter().map(|(operation, _)| *operation);
    let parks = operations.filter(|operation| *operation == "SendMessage");
    assert_eq!(parks.count(), 6, "{:?}", enacted.asked);
}

#[test]
fn a_message_whose_lease_is_lost_is_not_handed_back() {
    let scenario = scenario("single");
    let copy = last(&scenario, "CopyObject");
    // The copy is not answered, and no extension gets through.
    let mut fates = vec![(0, copy, Fate::Silence { applied: true })];
    fates.extend((copy + 1..copy + 40).map(|n| (0, n, Fate::Reset)));
    let enacted = enact(&scenario, &fates, &[], false);
    assert_eq!(enacted.played.violations, Vec::<String>::new());
    let zero = format!("{:?})", Duration::ZERO);
    let handed_back = |(operation, target): &&Asked| {
        *operation == "ChangeMessageVisibility" && target.contains(&zero)
    };
    assert_eq!(enacted.asked[0].iter().find(handed_back), None);
}

#[test]
fn what_may_work_later_is_parked_at_the_last_delivery() {
    let mut scenario = scenario("fail_taken");
    scenario.scene.fleet.max_receive_count = 1;
    let away = Appointment {
        process: 0,
        request: last(&scenario, "CopyObject"),
        place: scenario.scene.jobs[0].destination.clone(),
        act: Act::Delete,
    };
    let enacted = enact(&scenario, &[], &[away], false);
    assert_eq!(
        enacted.played.ended.outcomes,
        [Some((Outcome::Failed, Some(Reason::RetriesExhausted)))]
    );
}

#[test]
fn what_is_interrupted_is_parked_at_the_last_delivery() {
    let mut scenario = scenario("hand_over");
    scenario.scene.fleet.max_receive_count = 1;
    let enacted = enact(&scenario, &[], &[], false);
    assert_eq!(
        enacted.played.ended.outcomes,
        [Some((Outcome::Failed, Some(Reason::RetriesExhausted)))]
    );
}

/// A comparison is worth nothing once the copy is another object.
#[test]
fn a_found_copy_that_is_replaced_after_the_comparison_keeps_its_source() {
    for name in ["redelivery", "redelivery_multipart"] {
        let scenario = scenario(name);
        let died = [scenario
            .trouble
            .map(|(operation, fate)| (0, last(&scenario, operation), fate))
            .unwrap()];
        let plain = enact(&scenario, &died, &[], false);
        let asked = &plain.asked[1];
        let delete = asked
            .iter()
            .position(|(of, _)| *of == "DeleteObject")
            .unwrap();
        let job = &scenario.scene.jobs[0];
        let looks =
            |(of, at): &Asked| *of == "HeadObject" && at.ends_with(&job.destination.to_string());
        let look = asked[..delete].iter().rposition(looks).unwrap();
        let appointment = Appointment {
            process: 1,
            request: u32::try_from(look).unwrap() - 1,
            place: job.destination.clone(),
            act: Act::Put(Blueprint {
                content: Content::literal(b"the outsider's own".to_vec()),
                ..Blueprint::default()
            }),
        };
        let enacted = enact(&scenario, &died, &[appointment], false);
        assert_eq!(enacted.played.violations, Vec::<String>::new(), "{name}");
        let taken = (Outcome::Failed, Some(Reason::DestinationExists));
        assert_eq!(enacted.played.ended.outcomes, [Some(taken)], "{name}");
    }
}
