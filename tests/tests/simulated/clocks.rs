//! Stores whose clock is not the machine's.

use std::process::Stdio;
use std::time::Duration;

use rebucket_simulator::clock::Clock;
use rebucket_simulator::http::{Action, Rule, When};
use rebucket_simulator::s3::{BucketSettings, NewObject, Object, SparseObject};

use crate::stage::{Stage, small};
use crate::team::Team;

/// How far the store's clock is ahead of the machine's, in seconds.
const APART: [i64; 2] = [-20, 240];

async fn stage(ahead: i64) -> Stage {
    Stage::by(Clock::system_ahead(ahead), BucketSettings::default()).await
}

fn object(seed: u64) -> SparseObject {
    SparseObject {
        seed,
        ..small(NewObject::default())
    }
}

fn origin(stage: &Stage, key: &str) -> Option<u64> {
    stage.object(key).map(|object: Object| object.origin)
}

/// The job is done, and its process is killed before it could say so. The same
/// command once more takes what somebody has put at the old key since for what
/// it is: it does not replace the only copy of the first object.
#[tokio::test]
async fn a_job_that_died_after_its_delete_does_not_replace_what_it_moved() {
    for ahead in APART {
        for (choice, pins) in [("fail", ""), ("overwrite", ""), ("overwrite", ",etag,size")] {
            let stage = stage(ahead).await;
            let first = stage.put("old", &object(1));
            let team = Team::new(&stage);
            let row = if pins.is_empty() {
                String::new()
            } else {
                format!(",{},{}", first.etag, first.content.size())
            };
            team.write(
                "m.csv",
                &format!(
                    "source,destination{pins}\n{}{row}\n",
                    team.row("old", "new")
                ),
            );
            let stall = Action::Stall {
                when: When::After,
                ms: 600_000,
            };
            let rule = stage
                .simulator
                .fault(Rule::on("DeleteObject", stall).prefix("old"));
            let run = format!("run m.csv --if-exists {choice}");
            let mut killed = team.command(&run);
            let mut killed = killed
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            while stage.object("old").is_some() {
                assert!(killed.try_wait().unwrap().is_none(), "{ahead} {choice}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            killed.kill().await.unwrap();
            assert!(stage.simulator.faults().remove(rule));
            // Somebody else's object, put now.
            let second = stage.put_now("old", &object(2));

            let ended = team.run(&run).await;
            let said = format!(
                "{ahead} {choice} {pins}: {:?} {} {}",
                ended.code, ended.out, ended.err
            );
            assert_eq!(origin(&stage, "new"), Some(first.origin), "{said}");
            assert_eq!(origin(&stage, "old"), Some(second.origin), "{said}");
            // With pins it is known to be done.
            let code = i32::from(pins.is_empty());
            assert_eq!(ended.code, Some(code), "{said}");
        }
    }
}

/// What is renamed is not what somebody wrote after the job began, however the
/// clocks are set, and what was there before is.
#[tokio::test]
async fn a_job_renames_what_was_there_before_it_began() {
    for ahead in APART {
        let stage = stage(ahead).await;
        let first = stage.put("old", &object(1));
        let team = Team::new(&stage);
        team.manifest("m.csv", &[("old", "new")]);
        team.ends("run m.csv", 0).await;
        assert_eq!(origin(&stage, "new"), Some(first.origin), "{ahead}");
    }
}

#[tokio::test]
async fn clocks_that_are_too_far_apart_are_refused_before_anything_is_written() {
    for ahead in [-400, 400] {
        let stage = stage(ahead).await;
        let first = stage.put("old", &object(1));
        let team = Team::new(&stage);
        team.manifest("m.csv", &[("old", "new")]);
        let ended = team.ends("run m.csv", 2).await;
        assert!(
            ended.err.contains("set the clock that is wrong"),
            "{}",
            ended.err
        );
        assert_eq!(origin(&stage, "old"), Some(first.origin));
    }
}
