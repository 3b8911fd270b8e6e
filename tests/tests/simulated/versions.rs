//! Buckets that keep versions: what stays, and what goes.

use rebucket_protocol::{Outcome, Reason};
use rebucket_simulator::http::{Action, Rule, When};
use rebucket_simulator::s3::{
    BucketSettings, DeleteObjectRequest, NewObject, Retention, RetentionMode, Versioning,
};

use crate::stage::{IN_PARTS, Stage, in_parts, small};

async fn versioned() -> Stage {
    Stage::with(BucketSettings {
        versioning: Versioning::Enabled,
        ..BucketSettings::default()
    })
    .await
}

/// The origins of a key's versions, oldest first; nothing for a marker.
fn history(stage: &Stage, key: &str) -> Vec<Option<u64>> {
    let s3 = stage.simulator.s3();
    let bucket = s3.bucket(&stage.world.bucket.name).unwrap();
    let versions = bucket.versions(key).iter();
    versions
        .map(|v| v.object.as_ref().map(|o| o.origin))
        .collect()
}

#[tokio::test]
async fn a_marker_hides_the_old_key_and_keeps_its_versions() {
    let stage = versioned().await;
    for (number, make) in (1..).zip([small, in_parts]) {
        let from = format!("in/{number}");
        stage.put(&from, &make(NewObject::default()));
        stage.put(&from, &make(NewObject::default()));
    }
    let tasks = [
        stage.world.task(1, "in/1", "out/1"),
        stage.world.task(2, "in/2", "out/2"),
    ];
    let before = ["in/1", "in/2"].map(|key| history(&stage, key));
    stage.carry_out(IN_PARTS, &tasks, vec![]).await;
    stage.assert_all_renamed(2).await;
    for (number, mut versions) in (1..).zip(before) {
        assert_eq!(history(&stage, &format!("out/{number}")), versions[1..]);
        versions.push(None);
        assert_eq!(history(&stage, &format!("in/{number}")), versions);
    }
}

/// One marker and one copy each, whatever the answers were.
#[tokio::test]
async fn lost_answers_add_no_second_marker_or_version() {
    let stage = versioned().await;
    let mut tasks = Vec::new();
    let mut faults = Vec::new();
    let operations = ["CopyObject", "DeleteObject", "CompleteMultipartUpload"];
    for (number, operation) in (1..).zip(operations) {
        let (from, to) = (format!("{number}/a"), format!("{number}/b"));
        let object = match operation {
            "CompleteMultipartUpload" => in_parts(NewObject::default()),
            _ => small(NewObject::default()),
        };
        stage.put(&from, &object);
        tasks.push(stage.world.task(number, &from, &to));
        let lost = Rule::on(operation, Action::Reset { when: When::After });
        faults.push(lost.prefix(&format!("{number}/")).times(1));
    }
    stage.carry_out(IN_PARTS, &tasks, faults).await;
    stage.assert_all_renamed(3).await;
    for number in 1..=3 {
        let [old, new] = ["a", "b"].map(|key| history(&stage, &format!("{number}/{key}")));
        assert_eq!(old, [new[0], None], "{number}");
        assert_eq!(new.len(), 1, "{number}");
    }
}

#[tokio::test]
async fn a_purge_removes_the_named_version_and_no_other() {
    let stage = versioned().await;
    let mut tasks = Vec::new();
    let mut before = Vec::new();
    for (number, make) in (1..).zip([small, in_parts]) {
        let (from, to) = (format!("in/{number}"), format!("out/{number}"));
        stage.put(&from, &make(NewObject::default()));
        stage.put(&from, &make(NewObject::default()));
        let versions = history(&stage, &from);
        let version = {
            let s3 = stage.simulator.s3();
            let bucket = s3.bucket(&stage.world.bucket.name).unwrap();
            bucket.versions(&from).last().unwrap().id.to_string()
        };
        let task = stage.world.task(number, &from, &to);
        tasks.push(task.with("versioned", "purge").pinned("version", version));
        before.push(versions);
    }
    // Its answer is lost: asked again, it must not take the version before.
    let lost = Rule::on("DeleteObject", Action::Reset { when: When::After });
    let faults = vec![lost.times(2)];
    stage.carry_out(IN_PARTS, &tasks, faults).await;
    stage.assert_all_renamed(2).await;
    for (number, versions) in (1..).zip(before) {
        assert_eq!(history(&stage, &format!("out/{number}")), versions[1..]);
        assert_eq!(history(&stage, &format!("in/{number}")), versions[..1]);
    }
}

#[tokio::test]
async fn a_locked_version_is_not_purged() {
    let stage = Stage::with(BucketSettings {
        object_lock: true,
        ..BucketSettings::default()
    })
    .await;
    let now = stage.simulator.clock().now();
    let before = stage.put(
        "in/a",
        &small(NewObject {
            retention: Some(Retention {
                mode: RetentionMode::Governance,
                until: now + std::time::Duration::from_hours(24),
            }),
            ..NewObject::default()
        }),
    );
    let task = stage
        .world
        .task(1, "in/a", "out/a")
        .with("versioned", "purge");
    stage.carry_out("", &[task], vec![]).await;
    stage.world.report.assert_failed(1, Reason::Locked).await;
    assert_eq!(stage.object("in/a"), Some(before));
    assert_eq!(history(&stage, "in/a").len(), 1);
}

/// One object behind another one or a marker, in a suspended bucket; the same
/// at both ends of a rename.
#[tokio::test]
async fn a_version_null_behind_another_is_destroyed_only_if_the_job_says_so() {
    let stage = Stage::new().await;
    let bucket = stage.world.bucket.name.clone();
    let set = |versioning| {
        let mut s3 = stage.simulator.s3();
        let now = stage.simulator.clock().now();
        s3.put_bucket_versioning(&bucket, versioning, now).unwrap();
    };
    for key in ["in/1", "out/2", "in/4", "out/5"] {
        stage.put(key, &small(NewObject::default()));
    }
    set(Versioning::Enabled);
    stage.put("in/1", &small(NewObject::default()));
    stage.put("in/4", &small(NewObject::default()));
    for key in ["out/2", "out/5"] {
        let delete = DeleteObjectRequest::new(&bucket, key);
        let now = stage.simulator.clock().now();
        stage.simulator.s3().delete_object(&delete, now).unwrap();
    }
    set(Versioning::Suspended);
    for key in ["in/2", "in/3", "in/5"] {
        stage.put(key, &small(NewObject::default()));
    }
    let keys = ["in/1", "in/2", "out/1", "out/2"];
    let before = keys.map(|key| history(&stage, key));
    let task = |number: u32| {
        let (from, to) = (format!("in/{number}"), format!("out/{number}"));
        stage.world.task(number, &from, &to)
    };
    let waived = |number| task(number).with("waive", vec!["history"]);
    let tasks = [task(1), task(2), task(3), waived(4), waived(5)];
    let worker = stage.start("").await;
    stage.world.queue.send(&tasks).await;
    let log = worker.drain(&stage.world.queue).await;
    assert!(log.contains("versioning is suspended"), "{log}");
    let report = &stage.world.report;
    for number in [1, 2] {
        report.assert_failed(number, Reason::HistoryAtRisk).await;
    }
    assert_eq!(keys.map(|key| history(&stage, key)), before);
    for number in [3, 4, 5] {
        report.assert_ended(number, Outcome::Renamed, None).await;
    }
}

/// Locks that may not be seen are said at start, and refused for each object.
#[tokio::test]
async fn a_missing_permission_to_see_locks_is_said_at_start() {
    let stage = Stage::with(BucketSettings {
        object_lock: true,
        ..BucketSettings::default()
    })
    .await;
    stage.put("in/a", &small(NewObject::default()));
    let denied = Rule::on("GetObjectRetention", Action::error(403, "AccessDenied"));
    stage.simulator.fault(denied);
    let task = stage.world.task(1, "in/a", "out/a");
    let worker = stage.start("").await;
    stage.world.queue.send(&[task]).await;
    let log = worker.drain(&stage.world.queue).await;
    for said in ["s3:GetObjectRetention", &stage.world.bucket.name] {
        let warned = |line: &str| line.contains("WARN") && line.contains(said);
        assert!(log.lines().any(warned), "{said}: {log}");
    }
    assert!(!log.contains("permission=\"s3:GetObjectLegalHold"), "{log}");
    let report = &stage.world.report;
    report.assert_failed(1, Reason::AccessDenied).await;
    assert!(stage.object("in/a").is_some() && stage.object("out/a").is_none());
}
