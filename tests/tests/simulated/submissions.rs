//! Two jobs of one name at once: nothing of the one is taken for the other's.

use std::collections::{BTreeMap, BTreeSet};

use rebucket_simulator::http::{Action, Rule};
use rebucket_simulator::s3::{NewObject, Object, SparseObject};
use serde_json::Value;

use crate::stage::{Stage, small};
use crate::team::Team;

/// Two teams, each with two keys in a folder of its own. The first objects of
/// both have the same bytes, and so have the second ones.
const KEYS: [&str; 4] = ["A/a", "A/b", "B/a", "B/b"];

fn put(stage: &Stage) -> BTreeMap<&'static str, Object> {
    let put = |key: &'static str| {
        let seed = u64::from(key.ends_with('a'));
        let object = SparseObject {
            seed,
            ..small(NewObject::default())
        };
        (key, stage.put(key, &object))
    };
    KEYS.into_iter().map(put).collect()
}

/// The keys are where they were, and at each is the object that was at the key
/// that stands there, and nothing else is left.
fn assert_there(stage: &Stage, before: &BTreeMap<&str, Object>, from: fn(&str) -> &'static str) {
    let keys: BTreeSet<String> = stage.keys().into_iter().collect();
    assert_eq!(keys, KEYS.map(str::to_owned).into());
    for key in KEYS {
        let there = stage.object(key).unwrap();
        assert_eq!(there.origin, before[from(key)].origin, "at {key}");
    }
}

fn other(key: &str) -> &'static str {
    match key {
        "A/a" => "A/b",
        "A/b" => "A/a",
        "B/a" => "B/b",
        _ => "B/a",
    }
}

fn itself(key: &str) -> &'static str {
    other(other(key))
}

/// One team's job stops while an object of it is at its temporary key. The
/// other team's job of the same name, with an object of the same bytes, neither
/// takes that one for its own copy, nor takes it away.
#[tokio::test]
async fn two_teams_swap_equal_objects_under_one_name_and_take_that_back() {
    let stage = Stage::new().await;
    let before = put(&stage);
    let (one, two) = (Team::new(&stage), Team::new(&stage));
    one.manifest("swap.csv", &[("A/a", "A/b"), ("A/b", "A/a")]);
    two.manifest("swap.csv", &[("B/a", "B/b"), ("B/b", "B/a")]);
    // What is opened comes back to where the other one may not be copied to.
    for (job, stops_at) in [("swap", "A/b"), ("back", "A/a")] {
        let denied = Rule::on("CopyObject", Action::error(403, "AccessDenied"));
        let rule = stage.simulator.fault(denied.prefix(stops_at));
        one.ends(&format!("run {job}.csv"), 1).await;
        let parked: Vec<_> = stage
            .keys()
            .into_iter()
            .filter(|key| key.starts_with(".rebucket-in-transit/"))
            .collect();
        assert_eq!(parked.len(), 1, "{parked:?}");
        two.ends(&format!("run {job}.csv"), 0).await;
        assert!(stage.object(&parked[0]).is_some());
        nobody_maps(&two, &parked[0]).await;
        assert!(stage.simulator.faults().remove(rule));
        one.ends(&format!("run {job}.csv --retry-failed"), 0).await;
        let from = if job == "swap" { other } else { itself };
        assert_there(&stage, &before, from);
        for team in [&one, &two] {
            let command = format!("report {job}.report --format json");
            let sums = team.ends(&command, 0);
            let sums: Value = serde_json::from_str(&sums.await.out).unwrap();
            assert_eq!(
                (&sums["submitted"], &sums["failed"]),
                (&2.into(), &0.into())
            );
            if job == "swap" {
                team.ends("undo swap.report --out back.csv", 0).await;
            }
        }
    }
}

/// No manifest of a whole bucket carries another job's object away.
async fn nobody_maps(team: &Team<'_>, parked: &str) {
    let bucket = &team.stage.world.bucket.name;
    let map = format!("map s3://{bucket}/ --to s3://{bucket}/archive/ --out all.csv");
    let ended = team.ends(&map, 0).await;
    let note = "note: left out: 1 objects in .rebucket-in-transit/";
    assert!(ended.err.contains(note), "{}", ended.err);
    let manifest = std::fs::read_to_string(team.path().join("all.csv")).unwrap();
    assert!(!manifest.contains(parked), "{manifest}");
    assert_eq!(manifest.lines().count(), 4, "{manifest}");
    // Who writes such a row himself is told what it is.
    team.manifest("rescue.csv", &[(parked, "rescued")]);
    let ended = team.ends("plan rescue.csv", 0).await;
    assert!(ended.err.contains("is a temporary key"), "{}", ended.err);
}

/// Else rows of the one are outcomes of the other, and the report has 3 of 5.
#[tokio::test]
async fn two_submissions_of_one_name_are_counted_and_taken_back_apart() {
    let stage = Stage::new().await;
    for number in 1..=5 {
        let mut object = small(NewObject::default());
        object.seed = number;
        stage.put(&format!("in/{number}"), &object);
    }
    let (one, two) = (Team::new(&stage), Team::new(&stage));
    one.manifest("m.csv", &[("in/1", "out/1"), ("in/2", "out/2")]);
    two.manifest(
        "m.csv",
        &[("in/3", "out/3"), ("in/4", "out/4"), ("in/5", "out/5")],
    );
    let submit = format!(
        "submit m.csv --job moves --queue-url {}",
        stage.world.queue.url
    );
    one.ends(&submit, 0).await;
    two.ends(&submit, 0).await;
    let worker = stage.start("").await;
    worker.drain(&stage.world.queue).await;

    let report = stage.world.report.path().display().to_string();
    let text = one.ends(&format!("report {report} --job moves"), 0).await;
    for what in [": 2 submitted", ": 3 submitted", "(all): 5 submitted"] {
        assert!(text.out.contains(what), "{}", text.out);
    }
    assert!(text.err.contains("2 submissions have the job name moves"));
    let lines = one
        .ends(&format!("report {report} --format jsonl"), 0)
        .await;
    let mut sizes: BTreeMap<String, usize> = BTreeMap::new();
    for line in lines.out.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let submission = record["submission"].as_str().unwrap().to_owned();
        *sizes.entry(submission).or_default() += 1;
    }
    assert_eq!(
        sizes.values().copied().collect::<BTreeSet<_>>(),
        [2, 3].into()
    );

    let undo = format!("undo {report} --job moves --out -");
    let refused = one.ends(&undo, 2).await;
    for (submission, size) in &sizes {
        let named = format!("{submission} of ");
        assert!(refused.err.contains(&named), "{}", refused.err);
        let back = one
            .ends(&format!("{undo} --submission {submission}"), 0)
            .await;
        assert_eq!(back.out.lines().count(), size + 1, "{}", back.out);
    }
    let none = format!("report {report} --submission {}", "0".repeat(32));
    one.ends(&none, 2).await;
    // The same submission once more, as its checkpoint has it: nothing new.
    one.ends(&submit, 0).await;
    assert_eq!(stage.totals().sent, 5);
}
