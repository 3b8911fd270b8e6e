//! An endpoint of several nodes, of which the start-up probe asked one.

use rebucket_simulator::http::{Action, Rule, Simulator};
use rebucket_simulator::s3::Quirks;
use rebucket_tests::{Bucket, Servers, until};

use crate::support::Bench;

/// A bench on a simulator of whose nodes this is all the same yet.
async fn simulated() -> (Simulator, Bench) {
    let simulator = Simulator::builder().start().await.unwrap();
    let servers = Servers::simulated(&simulator);
    let bucket = Bucket::create(servers.s3_client(&servers.s3)).await;
    (simulator, Bench::around(servers, bucket))
}

/// How a node turns lax.
type Turn = fn(&mut Quirks);

/// The endpoint turns while a rename is under way: that one ends without its
/// delete, no other begins, and the exit code is that of an unsafe endpoint.
#[tokio::test]
async fn a_condition_that_is_ignored_from_now_on_stops_the_run() {
    let turns: [(&str, Turn); 3] = [
        ("If-None-Match on CopyObject", |quirks| {
            quirks.ignore_conditions_on_copy = true;
        }),
        ("copy-source-if-match on CopyObject", |quirks| {
            quirks.ignore_copy_source_conditions = true;
        }),
        ("If-Match on DeleteObject", |quirks| {
            quirks.ignore_if_match_on_delete = true;
        }),
    ];
    for (condition, turn) in turns {
        let (simulator, bench) = simulated().await;
        let pairs = bench.renames("m.csv", 3).await;
        // Until long after the probe has been repeated.
        let stall = Action::Stall {
            ms: 60_000,
            when: rebucket_simulator::http::When::After,
        };
        simulator.fault(Rule::on("CopyObject", stall).prefix("new/"));
        let run = bench
            .rebucket("run m.csv --probe-interval 1s --max-renames 2")
            .start();
        until("a rename is under way", || async {
            let log = simulator.requests().log();
            let copies = |name: &str| name == "CopyObject";
            let mut new = log.iter().filter(|r| copies(&r.operation.name));
            new.any(|r| {
                r.operation
                    .key
                    .as_deref()
                    .is_some_and(|key| key.starts_with("new/"))
            })
            .then_some(())
        })
        .await;
        turn(&mut simulator.s3().quirks);
        let ended = run.end().await.is(2);
        assert!(ended.err.contains(condition), "{condition}: {ended:?}");
        assert!(
            ended.err.contains("no longer honours"),
            "{condition}: {ended:?}"
        );
        let keys = bench.bucket.keys().await;
        for (from, _) in &pairs {
            assert!(keys.contains(from), "{condition}: {from} is gone: {keys:?}");
        }
        let scratch: Vec<_> = keys
            .iter()
            .filter(|key| key.contains(".rebucket/"))
            .collect();
        assert!(scratch.is_empty(), "{condition}: left behind: {scratch:?}");
        bench.assert_counts("m.report", [3, 0, 0, 0, 0, 3]).await;
    }
}

/// An endpoint that keeps its word is left alone, and so is one that is down
/// while it is asked.
#[tokio::test]
async fn an_outage_while_it_is_probed_again_stops_nothing() {
    let (simulator, bench) = simulated().await;
    let pairs = bench.renames("m.csv", 3).await;
    let stall = Action::Stall {
        ms: 4_000,
        when: rebucket_simulator::http::When::Before,
    };
    simulator.fault(Rule::on("CopyObject", stall).prefix("new/").times(3));
    let outage = Rule::on("PutObject", Action::error(503, "SlowDown"));
    simulator.fault(outage.prefix(".rebucket/again-").times(2));
    bench.run("run m.csv --probe-interval 1s").await.is(0);
    let log = simulator.requests().log();
    let again = |key: &str| key.starts_with(".rebucket/again-");
    let asked = log
        .iter()
        .filter(|r| r.operation.key.as_deref().is_some_and(again));
    assert!(asked.count() > 5, "the probe was not repeated");
    bench.assert_renamed(&pairs).await;
}
