//! Endpoints that are more, or less, than one would think: two names of one
//! bucket, and nodes of which one forgets its conditions.

use rebucket_protocol::{Outcome, Reason};
use rebucket_simulator::http::{Action, Rule, When};
use rebucket_simulator::s3::{AliasKind, NewObject};
use rebucket_tests::until;

use crate::stage::{Stage, small};

/// What the bucket is called as well.
const ALIAS: &str = "another-name";

#[tokio::test]
async fn the_same_key_under_two_names_of_a_bucket_stays() {
    let looks = [
        None,
        Some(Rule::on("GetObject", Action::error(403, "AccessDenied"))),
    ];
    for look in looks {
        let stage = Stage::new().await;
        let (world, denied) = (&stage.world, look.is_some());
        let bucket = world.bucket.name.clone();
        let made = stage
            .simulator
            .s3()
            .alias_bucket(ALIAS, &bucket, AliasKind::AccessPoint);
        made.unwrap();
        if let Some(rule) = look {
            stage.simulator.fault(rule.prefix(".rebucket/names-"));
        }
        let before = stage.put("only/copy", &small(NewObject::default()));
        let mut worker = world
            .worker()
            .arg("--allow")
            .arg(&format!("s3://{ALIAS}/"))
            .start();
        worker.until_working().await;
        let to = serde_json::json!({"bucket": ALIAS, "key": "only/copy"});
        let task = world.task(1, "only/copy", "x").with("dst", to);
        world.queue.send(&[task]).await;
        let log = worker.drain(&world.queue).await;
        assert_eq!(stage.object("only/copy").as_ref(), Some(&before), "{log}");
        let record = world.report.outcomes().await.pop().unwrap();
        assert_eq!(record.outcome, Outcome::Failed);
        assert_eq!(record.reason, Some(Reason::SameObject), "{record:?}");
        let named = if denied {
            "AccessDenied"
        } else {
            "two names of one bucket"
        };
        assert!(record.detail.unwrap().contains(named));
    }
}

/// The endpoint turns while a rename is under way. That one ends without its
/// delete, and its task goes back to the queue.
#[tokio::test]
async fn a_node_that_forgets_its_conditions_ends_the_worker() {
    let stage = Stage::new().await;
    let before = stage.put("a", &small(NewObject::default()));
    let worker = stage.start("--probe-interval 1s").await;
    // Until long after the probe has been repeated.
    let (ms, when) = (60_000, When::After);
    stage
        .simulator
        .fault(Rule::on("CopyObject", Action::Stall { ms, when }).prefix("b"));
    stage
        .world
        .queue
        .send(&[stage.world.task(1, "a", "b")])
        .await;
    until("the rename is under way", || async {
        let copies = stage
            .requests()
            .contains(&("CopyObject".to_owned(), "b".to_owned()));
        copies.then_some(())
    })
    .await;
    stage.simulator.s3().quirks.ignore_if_match_on_delete = true;
    let exit = worker.exit().await;
    assert_eq!(exit.code, Some(2), "{}", exit.log);
    let last = exit.log.lines().last().unwrap();
    for words in ["If-Match on DeleteObject", "no longer honours"] {
        assert!(last.contains(words), "{}", exit.log);
    }
    assert_eq!(stage.object("a").as_ref(), Some(&before), "{}", exit.log);
    assert_eq!(stage.keys(), ["a", "b"]);
    assert!(stage.world.report.outcomes().await.is_empty());
    assert_eq!(stage.world.queue.depth().await, [1, 0, 0]);
}
