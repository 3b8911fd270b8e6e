//! `--assume plain`: when the source is not looked at, and what comes of it.

use rebucket_protocol::{
    ETag, Hop, IfExists, JobId, Leg, Outcome, Reason, RenameTask, Step, TaskId, Timestamp,
    VersionId, Waiver,
};
use rebucket_simulator::s3::{Content, StorageClass};
use rebucket_tests::simulation::deaths::{Asked, enact};
use rebucket_tests::simulation::fate::Fate;
use rebucket_tests::simulation::fleet::THRESHOLD;
use rebucket_tests::simulation::outsider::Act;
use rebucket_tests::simulation::scenarios::Scenario;
use rebucket_tests::simulation::scene::{OLD, place};
use rebucket_tests::simulation::store::Blueprint;
use rebucket_worker::rename::unseen::{SAMPLED, is_sampled};
use rebucket_worker::rename::{Finished, VerifyMode};
use rebucket_worker::store::Versioning;
use rebucket_worker::store::endpoint::Precondition;

use crate::alone::{bench, class, reason};
use crate::told::{last, play, played, scenario, written_again};

/// The first request for a task of this scenario.
fn begins_with(
    scenario: &Scenario,
    edit: impl FnOnce(RenameTask) -> RenameTask,
    redelivered: bool,
) -> &'static str {
    bench(scenario, &[], async |bench| {
        let (_, asked) = bench.rename(&edit(bench.task(0)), redelivered).await;
        asked[0].0
    })
}

/// The same task under another id.
fn numbered(task: &RenameTask, row: u64) -> RenameTask {
    let (job, source, destination) = (task.job(), task.source(), task.destination());
    let id = TaskId::for_row(job, row);
    let (source, destination) = (source.clone(), destination.clone());
    let mut same = RenameTask::new(job.clone(), id, source, destination).unwrap();
    same.pins = task.pins.clone();
    same.submitted = task.submitted;
    same
}

fn a_sampled_row() -> u64 {
    let job = JobId::new("sim").unwrap();
    let sampled = |row: &u64| is_sampled(&TaskId::for_row(&job, *row));
    (1..SAMPLED * 100).find(sampled).unwrap()
}

fn hop(task: RenameTask, leg: Leg) -> RenameTask {
    let via = "s3://old-keys/.rebucket-in-transit/0/0".parse().unwrap();
    let occupant = (leg == Leg::Out).then(|| task.pins.clone());
    let hop = Hop {
        leg,
        via,
        occupant,
        arrived: None,
    };
    task.in_two_legs(hop).unwrap()
}

#[test]
fn a_rename_is_a_copy_and_a_delete() {
    for name in ["unseen", "unseen_encrypted", "unseen_in_parts"] {
        let told = played(&scenario(name));
        assert_eq!(told.outcome, Outcome::Renamed, "{told:?}");
        let expected = [
            "ReceiveMessage",
            "CopyObject",
            "DeleteObject",
            "Record",
            "DeleteMessage",
        ];
        let asked: Vec<_> = told.asked.iter().map(|(operation, _)| *operation).collect();
        assert_eq!(asked[..5], expected, "{name}");
    }
}

/// A task of which the source is looked at after all.
struct Exception {
    why: &'static str,
    scene: fn(&mut Scenario),
    task: fn(RenameTask) -> RenameTask,
    redelivered: bool,
}

impl Exception {
    fn scene(why: &'static str, scene: fn(&mut Scenario)) -> Self {
        Self {
            why,
            scene,
            task: |task| task,
            redelivered: false,
        }
    }

    fn task(why: &'static str, task: fn(RenameTask) -> RenameTask) -> Self {
        Self {
            why,
            scene: |_| {},
            task,
            redelivered: false,
        }
    }
}

/// Each of these alone.
fn exceptions() -> Vec<Exception> {
    /// The task with one field set otherwise.
    macro_rules! with {
        ($($field:ident).+ = $value:expr) => {
            |mut task: RenameTask| {
                task.$($field).+ = $value;
                task
            }
        };
    }
    vec![
        Exception::scene("nothing is stated", |it| {
            it.scene.fleet.assume_plain = false;
        }),
        Exception::scene("the bucket may have versions", |it| {
            it.scene.fleet.facts.versioning = Versioning::Enabled;
        }),
        Exception::scene("the copy may destroy an older version", |it| {
            it.scene.fleet.new_versioning = Some(Versioning::Suspended);
        }),
        Exception::scene("the destination's bucket does not say", |it| {
            it.scene.fleet.new_versioning = Some(Versioning::Unknown);
        }),
        Exception::task("the tag is not known", with!(pins.etag = None)),
        Exception::task(
            "a tag that would mean any object",
            with!(pins.etag = ETag::new("*").ok()),
        ),
        Exception::task("the size is not known", with!(pins.size = None)),
        Exception::task(
            "it is copied in parts",
            with!(pins.size = Some(THRESHOLD + 1)),
        ),
        Exception::task(
            "a date is to be checked",
            with!(pins.modified = Timestamp::from_unix(1_700_000_000, 0)),
        ),
        Exception::task(
            "a version is to be checked",
            with!(pins.version = VersionId::new("v").ok()),
        ),
        Exception::task("a first leg", |task| hop(task, Leg::Out)),
        Exception::task("a second leg", |task| hop(task, Leg::In)),
        Exception {
            redelivered: true,
            ..Exception::task("an earlier delivery may have begun", |task| task)
        },
        Exception::task(
            "an object may be replaced",
            with!(if_exists = IfExists::Overwrite),
        ),
        Exception::task("the class is not known", with!(pins.storage_class = None)),
        Exception::task(
            "it is in an archive",
            with!(pins.storage_class = class("GLACIER")),
        ),
        Exception::task("it is in an archive, to be taken out", |mut task| {
            task.pins.storage_class = class("DEEP_ARCHIVE");
            task.options.storage_class = class("STANDARD");
            task
        }),
        Exception::scene("copies are read back", |it| {
            it.scene.fleet.verify = Some(VerifyMode::Head);
        }),
        Exception::scene("copies must be comparable", |it| {
            it.scene.fleet.verify = Some(VerifyMode::Strict);
        }),
        Exception::scene("answers are not believed by themselves", |it| {
            it.scene.fleet.abilities.trusted = false;
        }),
        Exception::scene("copies lose tags", |it| {
            it.scene.fleet.abilities.copy_keeps_tags = false;
        }),
        Exception::task("it is one of the sample", |task| {
            numbered(&task, a_sampled_row())
        }),
    ]
}

#[test]
fn where_any_condition_does_not_hold_the_source_is_inspected() {
    for Exception {
        why,
        scene,
        task,
        redelivered,
    } in exceptions()
    {
        let mut scenario = scenario("unseen");
        scene(&mut scenario);
        assert_eq!(
            begins_with(&scenario, task, redelivered),
            "HeadObject",
            "{why}"
        );
    }
    for ignored in Precondition::ALL {
        let mut scenario = scenario("unseen");
        scenario.scene.fleet.abilities.ignored = vec![ignored];
        assert_eq!(
            begins_with(&scenario, |task| task, false),
            "HeadObject",
            "{ignored}"
        );
    }
}

/// A message can only carry a chain whose members have a date, or are legs.
#[test]
fn what_another_rename_waits_for_is_inspected() {
    let first = begins_with(
        &scenario("unseen"),
        |mut task| {
            task.pins.modified = Timestamp::from_unix(1_700_000_000, 0);
            let id = TaskId::for_row(task.job(), 2);
            let from = "s3://old-keys/before".parse().unwrap();
            let step = Step::new(id, from, task.source().clone(), None).unwrap();
            task.followed_by(vec![step]).unwrap()
        },
        false,
    );
    assert_eq!(first, "HeadObject");
}

#[test]
fn what_does_not_matter_spares_the_look_all_the_same() {
    type Change = fn(&mut Scenario);
    let scenarios: [(&str, Change); 4] = [
        ("a believed endpoint that is not AWS", |it| {
            it.scene.fleet.abilities.trusted = false;
            it.scene.fleet.verify = Some(VerifyMode::Response);
        }),
        ("keys that look alike on AWS", |it| {
            it.scene.jobs[0].destination = place(OLD, "K");
        }),
        ("a task that skips", |it| {
            it.scene.jobs[0].if_exists = IfExists::Skip;
        }),
        ("tags that are given up", |it| {
            it.scene.fleet.abilities.copy_keeps_tags = false;
        }),
    ];
    for (what, change) in scenarios {
        let mut scenario = scenario("unseen");
        change(&mut scenario);
        let edit = |mut task: RenameTask| {
            task.options.waive.insert(Waiver::Tags);
            task
        };
        assert_eq!(begins_with(&scenario, edit, false), "CopyObject", "{what}");
    }
    let chosen = |mut task: RenameTask| {
        task.pins.storage_class = None;
        task.options.storage_class = class("STANDARD_IA");
        task
    };
    let first = begins_with(&scenario("unseen"), chosen, false);
    assert_eq!(first, "CopyObject", "the job chooses the class");
}

#[test]
fn one_in_so_many_is_sampled() {
    let job = JobId::new("archive-2026").unwrap();
    let rows = 1..=SAMPLED * 500;
    let sampled = rows.filter(|row| is_sampled(&TaskId::for_row(&job, *row)));
    let sampled = sampled.count();
    assert!((400..600).contains(&sampled), "{sampled}");
}

#[test]
fn the_copy_has_the_storage_class_that_the_task_names() {
    let mut scenario = scenario("unseen");
    scenario.scene.objects[0].made.new.storage_class = Some(StorageClass::StandardIa);
    let enacted = enact(&scenario, &[], &[], false);
    assert_eq!(enacted.played.violations, Vec::<String>::new());
    let heads = |(operation, _): &&Asked| *operation == "HeadObject";
    assert_eq!(enacted.asked[0].iter().find(heads), None);
}

#[test]
fn a_source_that_is_gone_is_settled_by_the_inspection() {
    let scenario = scenario("unseen");
    let source = scenario.scene.jobs[0].source.clone();
    let told = play(
        &scenario,
        |state, now| state.outsider(&source, &Act::Delete, now),
        |_| {},
    );
    told.assert_refused(Reason::SourceMissing);
    let first = told.asked.iter().map(|(operation, _)| *operation);
    let first: Vec<_> = first.take(3).collect();
    assert_eq!(first, ["ReceiveMessage", "CopyObject", "HeadObject"]);
}

/// A copy that another delivery, or one of ours whose answer was lost, has
/// made is recognised as ever.
#[test]
fn a_copy_whose_answer_was_lost_is_found_by_the_inspection() {
    let told = scenario("unseen");
    bench(&told, &[(0, 0, Fate::ReplyLost)], async |bench| {
        let (ended, asked) = bench.rename(&bench.task(0), false).await;
        assert!(matches!(ended, Ok(Finished::Renamed { .. })), "{ended:?}");
        let asked: Vec<_> = asked.iter().map(|(operation, _)| *operation).collect();
        assert_eq!(asked[..3], ["CopyObject", "CopyObject", "HeadObject"]);
        assert_eq!(asked[asked.len() - 2..], ["HeadObject", "DeleteObject"]);
    });
}

#[test]
fn a_delete_that_is_repeated_finds_the_source_by_its_age() {
    let scenario = scenario("unseen");
    let delete = last(&scenario, "DeleteObject");
    let fates = [(0, delete, Fate::Throttled)];
    let enacted = enact(&scenario, &fates, &[], false);
    assert_eq!(enacted.played.violations, Vec::<String>::new());
    assert_eq!(
        enacted.played.ended.outcomes,
        [Some((Outcome::Renamed, None))]
    );
    let asked = enacted.asked[0].iter().map(|(operation, _)| *operation);
    let asked: Vec<_> = asked
        .filter(|operation| operation.ends_with("Object"))
        .collect();
    assert_eq!(
        asked,
        ["CopyObject", "DeleteObject", "HeadObject", "DeleteObject"]
    );
}

#[test]
fn a_delete_whose_answer_was_lost_is_not_repeated_on_what_came_after_it() {
    let scenario = scenario("unseen");
    let delete = last(&scenario, "DeleteObject");
    let same = written_again(&scenario, delete);
    let mut other = same.clone();
    other.act = Act::Put(Blueprint {
        content: Content::literal(b"the outsider's own".to_vec()),
        ..Blueprint::default()
    });
    for (after, reason) in [
        (same, Reason::SourceRewritten),
        (other, Reason::SourceChanged),
    ] {
        let fates = [(0, delete, Fate::ReplyLost)];
        let enacted = enact(&scenario, &fates, &[after], false);
        assert_eq!(enacted.played.violations, Vec::<String>::new());
        assert_eq!(
            enacted.played.ended.outcomes,
            [Some((Outcome::Failed, Some(reason)))]
        );
    }
}

#[test]
fn where_nobody_knows_when_the_task_was_sent_a_delete_is_not_repeated() {
    let scenario = scenario("unseen");
    bench(&scenario, &[(0, 1, Fate::Reset)], async |bench| {
        let mut task = bench.task(0);
        task.submitted = None;
        let (ended, asked) = bench.rename(&task, false).await;
        let asked: Vec<_> = asked.iter().map(|(operation, _)| *operation).collect();
        assert_eq!(asked, ["CopyObject", "DeleteObject", "HeadObject"]);
        assert_eq!(reason(ended), Reason::SourceRewritten);
    });
}
