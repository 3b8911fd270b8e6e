//! `--assume plain` by the real program: exactly which requests are spared.

use rebucket_protocol::{JobId, TaskId};
use rebucket_simulator::http::{Action, Rule};
use rebucket_simulator::s3::{BucketSettings, NewObject, Object, StorageClass, Versioning};
use rebucket_tests::Task;
use rebucket_worker::rename::unseen::is_sampled;

use crate::stage::{Stage, small};

/// The simulator is not AWS: there its answers have to be believed.
const PLAIN: &str = "--assume plain --verify response --max-renames 1";

/// The numbers of tasks that are in the sample, or that are not.
fn rows(sampled: bool) -> impl Iterator<Item = u32> {
    let job = JobId::new(rebucket_tests::task::JOB).unwrap();
    (1..).filter(move |row| is_sampled(&TaskId::for_row(&job, u64::from(*row))) == sampled)
}

/// Puts `in/NUMBER`; the task that renames it, with the pins of a listing.
fn listed(stage: &Stage, number: u32, properties: NewObject) -> (Task, Object) {
    let (from, to) = (format!("in/{number}"), format!("out/{number}"));
    let before = stage.put(&from, &small(properties));
    let task = stage.world.task(number, &from, &to);
    let task = task
        .pinned("etag", before.etag.to_string())
        .pinned("size", before.content.size())
        .pinned("storage_class", before.storage_class.as_str());
    (task, before)
}

/// So many of these requests and no others were made.
fn assert_counted(stage: &Stage, heads: usize, copies: usize, deletes: usize) {
    let expected = [
        ("HeadObject", heads),
        ("CopyObject", copies),
        ("DeleteObject", deletes),
    ];
    let made = expected.into_iter().filter(|(_, count)| *count > 0);
    let made = made.map(|(name, count)| (name.to_owned(), count)).collect();
    assert_eq!(stage.counts(), made);
}

#[tokio::test]
async fn a_rename_is_two_requests_and_one_of_the_sample_three() {
    let stage = Stage::new().await;
    let tagged = || NewObject {
        tags: std::sync::Arc::new([("team".to_owned(), "blue".to_owned())].into()),
        storage_class: Some(StorageClass::StandardIa),
        ..NewObject::default()
    };
    let numbers = rows(false).take(20).chain(rows(true).take(1));
    let listed = numbers.map(|number| (number, listed(&stage, number, tagged())));
    let listed: Vec<_> = listed.collect();
    let tasks: Vec<Task> = listed.iter().map(|(_, (task, _))| task.clone()).collect();
    stage.carry_out(PLAIN, &tasks, vec![]).await;
    for (number, (_, before)) in &listed {
        stage.assert_moved(&format!("in/{number}"), &format!("out/{number}"), before);
    }
    stage.assert_all_renamed(21).await;
    assert_counted(&stage, 1, 21, 21);
}

#[tokio::test]
async fn in_a_bucket_with_versions_it_spares_nothing() {
    // Suspended, the destination is looked at for a version `null`, too.
    for (versioning, heads) in [(Versioning::Enabled, 1), (Versioning::Suspended, 2)] {
        let settings = BucketSettings {
            versioning,
            ..BucketSettings::default()
        };
        let stage = Stage::with(settings).await;
        let number = rows(false).next().unwrap();
        let (task, _) = listed(&stage, number, NewObject::default());
        stage.carry_out(PLAIN, &[task], vec![]).await;
        stage.assert_all_renamed(1).await;
        assert_counted(&stage, heads, 1, 1);
    }
}

#[tokio::test]
async fn a_denied_copy_is_tried_again_after_a_look() {
    let stage = Stage::new().await;
    let number = rows(false).next().unwrap();
    let (task, before) = listed(&stage, number, NewObject::default());
    let denied = Rule::on("CopyObject", Action::error(403, "AccessDenied")).times(1);
    stage.carry_out(PLAIN, &[task], vec![denied]).await;
    stage.assert_moved(&format!("in/{number}"), &format!("out/{number}"), &before);
    stage.assert_all_renamed(1).await;
    assert_counted(&stage, 1, 2, 1);
}

#[tokio::test]
async fn a_sampled_object_that_contradicts_the_statement_ends_the_shortcut_and_is_named() {
    let stage = Stage::new().await;
    let redirected = NewObject {
        redirect: Some("/elsewhere".to_owned()),
        ..NewObject::default()
    };
    let (sampled, other) = (rows(true).next().unwrap(), rows(false).next().unwrap());
    let (first, before) = listed(&stage, sampled, redirected);
    let (second, _) = listed(&stage, other, NewObject::default());
    let worker = stage.start(PLAIN).await;
    stage.world.queue.send(&[first]).await;
    stage.world.queue.until_empty().await;
    stage.world.queue.send(&[second]).await;
    let log = worker.drain(&stage.world.queue).await;
    stage.assert_moved(&format!("in/{sampled}"), &format!("out/{sampled}"), &before);
    stage.assert_all_renamed(2).await;
    assert_counted(&stage, 2, 2, 2);
    let warned = |line: &&str| line.contains("WARN") && line.contains("--assume plain");
    let warning = log.lines().find(warned).unwrap_or_else(|| panic!("{log}"));
    assert!(
        warning.contains(&format!("in/{sampled}")) && warning.contains("redirect"),
        "{warning}"
    );
}
