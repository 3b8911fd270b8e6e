//! What the simulation found, each as a test of its own.

use std::sync::Arc;
use std::time::Duration;

use rebucket_protocol::{Outcome, Reason};
use rebucket_simulator::s3::{Content, Versioning};
use rebucket_tests::simulation::deaths::{Enacted, enact};
use rebucket_tests::simulation::fate::{Fate, Moment};
use rebucket_tests::simulation::outsider::{Act, Appointment};
use rebucket_tests::simulation::scenarios::Scenario;
use rebucket_tests::simulation::store::Blueprint;
use rebucket_worker::store::Versioning as Known;

use crate::told::scenario;

/// The first request of this operation of the first worker.
fn first(scenario: &Scenario, operation: &str) -> u32 {
    let plain = enact(scenario, &[], &[], false);
    let mut asked = plain.asked[0].iter();
    let at = asked.position(|(asked, _)| *asked == operation);
    u32::try_from(at.unwrap()).unwrap()
}

fn outcome(enacted: &Enacted) -> (Outcome, Option<Reason>) {
    assert_eq!(enacted.played.violations, Vec::<String>::new());
    enacted.played.ended.outcomes[0].unwrap()
}

#[test]
fn a_duplicate_that_looks_new_does_not_overwrite_what_came_after_its_copy() {
    let scenario = scenario("sent_twice_overwrite");
    let copy = first(&scenario, "CopyObject");
    let theirs = scenario.outsider_acts().into_iter().find(|(place, act)| {
        *place == scenario.scene.jobs[0].destination && matches!(act, Act::Put(_))
    });
    let (place, act) = theirs.unwrap();
    let appointment = Appointment {
        process: 0,
        request: copy,
        place,
        act,
    };
    let fates = [(0, copy, Fate::Death(Moment::Applied))];
    let enacted = enact(&scenario, &fates, &[appointment], false);
    assert_eq!(
        outcome(&enacted),
        (Outcome::Failed, Some(Reason::DestinationExists))
    );
}

#[test]
fn a_purge_whose_answer_was_lost_is_done_although_an_older_version_shows() {
    let scenario = scenario("purge");
    let delete = first(&scenario, "DeleteObject");
    let enacted = enact(&scenario, &[(0, delete, Fate::ReplyLost)], &[], false);
    assert_eq!(outcome(&enacted), (Outcome::Renamed, None));
}

#[test]
fn a_proof_with_another_checksum_than_the_source_s_is_not_refused() {
    let scenario = scenario("foreign_proof");
    let enacted = enact(&scenario, &[], &[], false);
    assert_eq!(
        outcome(&enacted),
        (Outcome::Failed, Some(Reason::DestinationExists))
    );
    let proved = enacted.asked[0].iter().any(|(asked, target)| {
        *asked == "CompleteMultipartUpload" && target.contains(".rebucket/")
    });
    assert!(proved, "{:?}", enacted.asked);
}

#[test]
fn what_replaced_the_version_null_is_not_purged_in_its_place() {
    let mut scenario = scenario("purge");
    scenario.scene.old.versioning = Versioning::Suspended;
    scenario.scene.jobs[0].pins.version = false;
    scenario.scene.objects.remove(0);
    let copy = first(&scenario, "CopyObject");
    let place = scenario.scene.jobs[0].source.clone();
    let act = Act::Put(Blueprint {
        content: Content::literal(b"the outsider's own".to_vec()),
        ..Blueprint::default()
    });
    let appointment = Appointment {
        process: 0,
        request: copy,
        place,
        act,
    };
    let enacted = enact(&scenario, &[], &[appointment], false);
    assert_eq!(
        outcome(&enacted),
        (Outcome::Failed, Some(Reason::SourceChanged))
    );
}

/// Removing the current version shows the version `null` before it, with the
/// same bytes: another delivery took it for its source, and removed it for good.
#[test]
fn the_version_null_behind_a_purged_one_is_not_purged_as_well() {
    let mut scenario = scenario("purge");
    scenario.scene.twist.suspended = true;
    scenario.scene.fleet.facts.versioning = Known::Suspended;
    scenario.scene.jobs[0].pins.version = false;
    let mut older = scenario.scene.objects[1].clone();
    older.age = Duration::from_hours(2);
    scenario.scene.objects[0] = older;
    let delete = first(&scenario, "DeleteObject");
    let fates = [(0, delete, Fate::Death(Moment::Applied))];
    let enacted = enact(&scenario, &fates, &[], false);
    assert_eq!(
        outcome(&enacted),
        (Outcome::Failed, Some(Reason::VersionUnpinned))
    );
}

/// Somebody writes to the destination during an upload, and deletes that again:
/// it cannot be completed any more, another one is begun, and the first is not
/// left behind.
#[test]
fn an_upload_that_a_conflict_has_ended_is_aborted() {
    let scenario = scenario("multipart");
    let request = first(&scenario, "CreateMultipartUpload");
    let place = &scenario.scene.jobs[0].destination;
    let theirs = Blueprint {
        content: Content::literal(b"the outsider's own".to_vec()),
        ..Blueprint::default()
    };
    let acts = [Act::Put(theirs), Act::Delete].map(|act| Appointment {
        process: 0,
        request,
        place: place.clone(),
        act,
    });
    let enacted = enact(&scenario, &[], &acts, false);
    assert_eq!(outcome(&enacted), (Outcome::Renamed, None));
    let asked = |wanted| {
        let all = enacted.asked[0].iter();
        all.filter(|(asked, _)| *asked == wanted).count()
    };
    assert_eq!(asked("CreateMultipartUpload"), 2);
    assert_eq!(asked("AbortMultipartUpload"), 1);
}

/// The same of a task that overwrites: what was written since has the bytes of
/// what was there, but is not what the task was to replace.
#[test]
fn what_was_written_during_an_upload_is_not_replaced() {
    let scenario = scenario("overwrite_multipart");
    let place = scenario.scene.jobs[0].destination.clone();
    let mut objects = scenario.scene.objects.iter();
    let there = objects.rfind(|object| object.place == place);
    let mut theirs = there.unwrap().made.clone();
    theirs.new.metadata = Arc::default();
    let appointment = Appointment {
        process: 0,
        request: first(&scenario, "CreateMultipartUpload"),
        place,
        act: Act::Put(theirs),
    };
    let enacted = enact(&scenario, &[], &[appointment], false);
    assert_eq!(
        outcome(&enacted),
        (Outcome::Failed, Some(Reason::DestinationExists))
    );
    let asked = enacted.asked.iter().flatten();
    let begun = asked.filter(|(asked, _)| *asked == "CreateMultipartUpload");
    assert_eq!(begun.count(), 1);
}

/// A store that knows a completed upload no more answers the second request as
/// if there had been no first one: the copy is found, and recognised.
#[test]
fn a_completion_that_the_store_has_forgotten_is_recognised() {
    let mut scenario = scenario("retry_after_412_multipart");
    scenario.scene.twist.forgets_uploads = true;
    let complete = first(&scenario, "CompleteMultipartUpload");
    let enacted = enact(&scenario, &[(0, complete, Fate::ReplyLost)], &[], false);
    assert_eq!(outcome(&enacted), (Outcome::Renamed, None));
    let asked = enacted.asked.iter().flatten();
    let begun = asked.filter(|(asked, _)| *asked == "CreateMultipartUpload");
    assert_eq!(begun.count(), 1);
}
