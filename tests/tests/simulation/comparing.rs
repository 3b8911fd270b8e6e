//! Is it a copy, and is it ours? What is compared, and what is not believed.

use std::time::Duration;

use rebucket_protocol::{Outcome, Reason};
use rebucket_simulator::s3::{AclRequest, CannedAcl, Content, NewObject, Quirks};
use rebucket_tests::simulation::outsider::{Act, Appointment};
use rebucket_tests::simulation::scenarios::Scenario;
use rebucket_tests::simulation::store::Blueprint;
use rebucket_worker::rename::VerifyMode;

use crate::told::{Told, copied, last, play, played, scenario, written_when_it_was_sent};

/// Plays a scenario on an endpoint with these quirks, where the source was
/// written too.
fn play_on(quirks: Quirks, scenario: &Scenario) -> Told {
    let source = scenario.scene.objects.last().unwrap().clone();
    play(
        scenario,
        |state, now| {
            state.s3.quirks = quirks;
            state.outsider(&source.place, &Act::Put(source.made), now);
        },
        written_when_it_was_sent,
    )
}

fn assert_conflict(told: &Told) {
    assert_eq!(told.outcome, Outcome::Failed, "{told:?}");
    assert!(told.source_stays && told.destination_stays, "{told:?}");
}

#[test]
fn a_copy_that_is_empty_when_it_is_read_back_is_not_verified() {
    let mut scenario = scenario("single_elsewhere");
    scenario.scene.fleet.abilities.etag_is_md5 = false;
    let quirks = Quirks {
        empty_copies: true,
        etag_is_not_md5: true,
        no_checksums: true,
        ..Quirks::default()
    };
    let told = play_on(quirks, &scenario);
    assert_eq!(told.reason, Some(Reason::VerificationFailed), "{told:?}");
    assert!(told.source_stays, "{told:?}");
}

#[test]
fn tags_that_are_no_digests_are_not_compared() {
    let mut scenario = scenario("single_elsewhere");
    scenario.scene.fleet.abilities.etag_is_md5 = false;
    let quirks = Quirks {
        etag_is_not_md5: true,
        no_checksums: true,
        ..Quirks::default()
    };
    let told = play_on(quirks, &scenario);
    assert_eq!(told.outcome, Outcome::Renamed, "{told:?}");
}

#[test]
fn what_cannot_be_compared_is_not_enough_to_be_strict() {
    let mut scenario = scenario("composite");
    assert_eq!(played(&scenario).outcome, Outcome::Renamed);
    scenario.scene.fleet.verify = Some(VerifyMode::Strict);
    let told = played(&scenario);
    assert_eq!(told.reason, Some(Reason::VerificationFailed), "{told:?}");
    assert!(told.source_stays, "{told:?}");
}

#[test]
fn what_was_found_with_grants_that_the_source_has_not_is_not_its_copy() {
    let mut scenario = scenario("single_bare");
    let mut public = copied(&scenario);
    public.age = Duration::ZERO;
    public.made.new = NewObject {
        acl: AclRequest::Canned(CannedAcl::PublicRead),
        ..NewObject::default()
    };
    scenario.scene.objects.push(public);
    let told = played(&scenario);
    assert_conflict(&told);
    assert_eq!(told.reason, Some(Reason::DestinationExists), "{told:?}");
}

#[test]
fn what_was_found_and_is_older_than_the_source_is_not_its_copy() {
    let mut scenario = scenario("single");
    let mut older = copied(&scenario);
    older.age *= 2;
    scenario.scene.objects.insert(0, older);
    let told = played(&scenario);
    assert_conflict(&told);
    assert_eq!(told.reason, Some(Reason::SourceRewritten), "{told:?}");
}

/// Other bytes of the same size, which nothing that both have tells apart.
#[test]
fn what_was_found_and_cannot_be_compared_is_not_our_copy_unless_that_is_proven() {
    let mut scenario = scenario("redelivery_proof");
    scenario.trouble = None;
    let mut other = copied(&scenario);
    let size = other.made.content.size();
    other.age = Duration::ZERO;
    other.made.content = Content::sparse(8, size);
    other.made.parts = Some(rebucket_tests::simulation::fleet::PART);
    scenario.scene.objects.push(other);
    let told = played(&scenario);
    let proved = |(asked, target): &(&str, String)| {
        *asked == "CompleteMultipartUpload" && target.contains(".rebucket/")
    };
    assert!(told.asked.iter().any(proved), "{told:?}");
    assert_conflict(&told);
}

#[test]
fn tags_that_head_does_not_count_are_read_where_the_copy_would_lose_them() {
    let mut scenario = scenario("multipart");
    scenario.scene.fleet.tags_uncounted = true;
    assert_eq!(
        played(&scenario).steps(&["GetObjectTagging", "CreateMultipartUpload"]),
        ["GetObjectTagging", "CreateMultipartUpload"]
    );
}

#[test]
fn fewer_tags_than_head_counts_are_not_all_tags() {
    let scenario = scenario("multipart");
    let source = scenario.scene.jobs[0].source.clone();
    let tagged = scenario.scene.objects[0].made.clone();
    let bare = Appointment {
        process: 0,
        request: last(&scenario, "GetObjectTagging") - 1,
        place: source.clone(),
        act: Act::Put(Blueprint {
            new: NewObject::default(),
            ..tagged.clone()
        }),
    };
    let told = play(
        &scenario,
        |state, now| {
            // All within a second, so that the date does not tell.
            state.outsider(&source, &Act::Put(tagged), now);
            state.appointments.push(bare);
        },
        |_| {},
    );
    assert_eq!(told.outcome, Outcome::Failed, "{told:?}");
    assert_eq!(told.steps(&["CreateMultipartUpload"]), [""; 0]);
}
