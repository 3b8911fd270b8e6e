//! What follows from an answer: of the copy, of the delete, of an upload.

use std::time::Duration;

use rebucket_protocol::{Outcome, Reason};
use rebucket_simulator::s3::Content;
use rebucket_tests::simulation::deaths::{Asked, enact};
use rebucket_tests::simulation::fate::Fate;
use rebucket_tests::simulation::outsider::{Act, Appointment};
use rebucket_tests::simulation::store::Blueprint;

use crate::told::{last, play, scenario, written_again};

fn theirs() -> Act {
    Act::Put(Blueprint {
        content: Content::literal(b"the outsider's own".to_vec()),
        ..Blueprint::default()
    })
}

fn count(asked: &[Asked], of: &str) -> usize {
    asked.iter().filter(|(asked, _)| *asked == of).count()
}

#[test]
fn a_source_that_is_gone_when_it_is_to_be_deleted_was_renamed() {
    let scenario = scenario("single");
    let gone = Appointment {
        process: 0,
        request: last(&scenario, "CopyObject"),
        place: scenario.scene.jobs[0].source.clone(),
        act: Act::Delete,
    };
    let told = play(&scenario, |state, _| state.appointments.push(gone), |_| {});
    assert_eq!(told.outcome, Outcome::Renamed, "{told:?}");
}

#[test]
fn a_delete_that_is_refused_though_the_source_looks_the_same_is_not_done() {
    let scenario = scenario("single");
    let copy = last(&scenario, "CopyObject");
    let back = written_again(&scenario, copy + 1);
    let mut away = back.clone();
    (away.request, away.act) = (copy, theirs());
    let first = back.act.clone();
    let told = play(
        &scenario,
        |state, now| {
            // All within a second, so that the date does not tell.
            state.outsider(&back.place, &first, now);
            state.appointments.extend([away, back]);
        },
        |_| {},
    );
    assert_eq!(
        (told.outcome, told.reason),
        (Outcome::Failed, Some(Reason::SourceRewritten)),
        "{told:?}"
    );
    assert!(told.source_is_there, "{told:?}");
}

#[test]
fn what_came_to_the_destination_after_it_was_looked_at_is_not_overwritten() {
    for (name, write) in [
        ("overwrite", "CopyObject"),
        ("overwrite_multipart", "CompleteMultipartUpload"),
    ] {
        let scenario = scenario(name);
        let came = Appointment {
            process: 0,
            request: last(&scenario, write) - 1,
            place: scenario.scene.jobs[0].destination.clone(),
            act: theirs(),
        };
        let told = play(&scenario, |state, _| state.appointments.push(came), |_| {});
        assert_eq!(told.reason, Some(Reason::DestinationExists), "{told:?}");
        assert!(told.source_stays && !told.destination_stays, "{told:?}");
    }
}

#[test]
fn an_upload_is_begun_anew_after_a_conflict_of_its_completion() {
    let scenario = scenario("multipart");
    let complete = last(&scenario, "CompleteMultipartUpload");
    let enacted = enact(&scenario, &[(0, complete, Fate::Conflict)], &[], false);
    assert_eq!(enacted.played.violations, Vec::<String>::new());
    assert_eq!(
        enacted.played.ended.outcomes,
        [Some((Outcome::Renamed, None))]
    );
    let asked = &enacted.asked[0];
    assert_eq!(count(asked, "CreateMultipartUpload"), 2, "{asked:?}");
    assert_eq!(count(asked, "CompleteMultipartUpload"), 2, "{asked:?}");
    assert_eq!(count(asked, "AbortMultipartUpload"), 1, "{asked:?}");
    assert_eq!(count(asked, "ChangeMessageVisibility"), 0, "{asked:?}");
}

/// S3 never completes an upload that a write or a delete of its key came before,
/// however often it is asked (here it is the model that says so).
#[test]
fn an_upload_that_others_have_overtaken_is_begun_anew_and_not_completed_again() {
    let scenario = scenario("multipart");
    let parts = last(&scenario, "UploadPartCopy");
    let acts = [theirs(), Act::Delete].map(|act| Appointment {
        process: 0,
        request: parts,
        place: scenario.scene.jobs[0].destination.clone(),
        act,
    });
    let enacted = enact(&scenario, &[], &acts, false);
    assert_eq!(enacted.played.violations, Vec::<String>::new());
    assert_eq!(
        enacted.played.ended.outcomes,
        [Some((Outcome::Renamed, None))]
    );
    let upload = ["CreateMultipartUpload", "CompleteMultipartUpload"];
    let steps = enacted.asked[0].iter().map(|(asked, _)| *asked);
    let steps: Vec<_> = steps.filter(|asked| upload.contains(asked)).collect();
    assert_eq!(steps, [upload, upload].concat());
    assert_eq!(count(&enacted.asked[0], "AbortMultipartUpload"), 1);
}

#[test]
fn a_worker_that_is_told_to_stop_ends_the_upload_that_it_began() {
    let mut scenario = scenario("multipart");
    let mut stopped = 0;
    for millis in 1..80 {
        scenario.stop_after = Some(Duration::from_millis(millis));
        let enacted = enact(&scenario, &[], &[], false);
        assert_eq!(enacted.played.violations, Vec::<String>::new());
        let asked = &enacted.asked[0];
        let begun = count(asked, "CreateMultipartUpload");
        let completed = count(asked, "CompleteMultipartUpload");
        let aborted = count(asked, "AbortMultipartUpload");
        // Not both: some endpoints would abort what they are putting together.
        assert_eq!(
            completed + aborted,
            begun,
            "stopped after {millis} ms: {asked:?}"
        );
        stopped += aborted;
    }
    assert!(stopped > 5, "{stopped}");
}

#[test]
fn a_worker_that_slept_through_its_lease_does_not_report_a_failure() {
    let scenario = scenario("missing");
    let head = last(&scenario, "HeadObject");
    let long = scenario.scene.fleet.visibility * 3;
    let enacted = enact(&scenario, &[(0, head, Fate::Asleep(long))], &[], false);
    assert_eq!(enacted.played.violations, Vec::<String>::new());
    let asked = &enacted.asked[0];
    // Whoever has the message now sees further. Here it is the same worker.
    assert_eq!(asked[head as usize + 1].0, "ReceiveMessage", "{asked:?}");
    assert_eq!(count(asked, "Record"), 1, "{asked:?}");
}

#[test]
fn a_rename_that_panics_is_handed_back_and_the_worker_goes_on() {
    let scenario = scenario("single");
    let copy = last(&scenario, "CopyObject");
    let enacted = enact(&scenario, &[(0, copy, Fate::Panic)], &[], false);
    assert_eq!(enacted.played.violations, Vec::<String>::new());
    assert_eq!(
        enacted.played.ended.outcomes,
        [Some((Outcome::Renamed, None))]
    );
    let asked = &enacted.asked[0];
    let after = asked[copy as usize + 1..].iter().map(|(asked, _)| *asked);
    let first = after.clone().find(|asked| *asked != "ReceiveMessage");
    assert_eq!(first, Some("ChangeMessageVisibility"), "{asked:?}");
}

#[test]
fn the_last_delivery_of_a_task_whose_lease_is_lost_is_not_parked() {
    let mut scenario = scenario("single");
    scenario.scene.fleet.max_receive_count = 1;
    let copy = last(&scenario, "CopyObject");
    // The copy is not answered, and no extension gets through.
    let mut fates = vec![(0, copy, Fate::Silence { applied: false })];
    fates.extend((copy + 1..copy + 40).map(|n| (0, n, Fate::Reset)));
    let enacted = enact(&scenario, &fates, &[], false);
    assert_eq!(enacted.played.violations, Vec::<String>::new());
    assert_eq!(count(&enacted.asked[0], "SendMessage"), 0);
    assert_eq!(enacted.played.ended.unsaid, 1);
}

#[test]
fn a_message_whose_lease_ended_before_it_was_opened_is_not_opened() {
    let scenario = scenario("single");
    let long = scenario.scene.fleet.visibility * 3;
    let enacted = enact(&scenario, &[(0, 0, Fate::Asleep(long))], &[], false);
    assert_eq!(enacted.played.violations, Vec::<String>::new());
    // Once, and not for the delivery that came too late.
    let asked = &enacted.asked[0];
    assert_eq!(count(asked, "HeadObject"), 1, "{asked:?}");
}

#[test]
fn a_message_that_is_handed_back_is_not_extended_meanwhile() {
    let scenario = scenario("single");
    let copy = last(&scenario, "CopyObject");
    let fates = [
        (0, copy, Fate::Panic),
        (0, copy + 1, Fate::Silence { applied: false }),
    ];
    let enacted = enact(&scenario, &fates, &[], false);
    assert_eq!(enacted.played.violations, Vec::<String>::new());
    let whole = format!("{:?})", scenario.scene.fleet.visibility);
    let mut asked = enacted.asked[0].iter();
    let extended = asked.find(|(operation, target)| {
        *operation == "ChangeMessageVisibility" && target.contains(&whole)
    });
    assert_eq!(extended, None);
}

#[test]
fn an_acknowledgement_that_fails_is_repeated_and_the_rename_is_not() {
    let scenario = scenario("single");
    let acknowledged = last(&scenario, "DeleteMessage");
    for fate in [Fate::Reset, Fate::Throttled, Fate::ReplyLost] {
        let enacted = enact(&scenario, &[(0, acknowledged, fate)], &[], false);
        assert_eq!(enacted.played.violations, Vec::<String>::new());
        let asked = &enacted.asked[0];
        assert_eq!(count(asked, "DeleteMessage"), 2, "{asked:?}");
        assert_eq!(count(asked, "HeadObject"), 1, "{asked:?}");
    }
}
