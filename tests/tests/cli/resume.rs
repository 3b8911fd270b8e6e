//! `rebucket run` stopped, killed, and started again.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::signal::Signal;
use rebucket_tests::bucket::{MIB, bytes};
use rebucket_tests::proxy::Seen;
use rebucket_tests::{Proxy, Rule, differences};

use crate::command::Ended;
use crate::support::{Bench, counts_of};

/// Numbers for a test that takes its chances: the seed is printed, and shown
/// when the test fails.
struct Chance(u64);

impl Chance {
    fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let seed = u64::from(now.subsec_nanos()) | 1;
        eprintln!("seed {seed}");
        Self(seed)
    }

    fn below(&mut self, limit: u64) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit).unwrap()
    }
}

/// Asserts one outcome a row, all of them good.
async fn assert_one_outcome_a_row(bench: &Bench, report: &str, rows: usize) {
    let outcomes = bench.outcomes(report).await;
    let tasks: BTreeSet<String> = outcomes
        .iter()
        .map(|record| record["task"].to_string())
        .collect();
    assert_eq!((outcomes.len(), tasks.len()), (rows, rows));
    let (json, code) = bench.summary(report).await;
    assert_eq!(code, 0);
    let [submitted, renamed, already, skipped, failed, pending] = counts_of(&json);
    let rows = u64::try_from(rows).unwrap();
    assert_eq!((submitted, renamed + already), (rows, rows), "{json}");
    assert_eq!((skipped, failed, pending), (0, 0, 0), "{json}");
}

/// A report that is complete is not a run.
#[tokio::test]
async fn a_manifest_whose_job_is_complete_is_not_run_silently_and_can_be_run_again() {
    let bench = Bench::new().await;
    let pairs = bench.renames("moves.csv", 2).await;
    let old: Vec<String> = pairs.iter().map(|(from, _)| from.clone()).collect();
    bench.run("run moves.csv").await.is(0);
    bench.run("undo moves.report --out back.csv").await.is(0);
    bench.run("run back.csv").await.is(0);
    let proxy = Proxy::start(&bench.servers).await;
    let run = bench.rebucket("run moves.csv").behind(&proxy);
    let ended = run.end().await.is(0);
    ended.says(&["nothing was done", "is complete since", "--again"]);
    assert_eq!(proxy.count("HeadObject"), 0, "nothing is asked for");
    assert_eq!(bench.bucket.keys().await, old);

    bench.run("run moves.csv --again").await.is(0);
    bench.assert_renamed(&pairs).await;
    bench
        .assert_counts("moves.report", [4, 4, 0, 0, 0, 0])
        .await;
}

#[tokio::test]
async fn what_failed_can_be_tried_again_when_the_rest_is_complete() {
    let bench = Bench::new().await;
    bench.renames("moves.csv", 2).await;
    bench.bucket.put_plain("new/0001", b"in the way").await;
    bench.run("run moves.csv").await.is(1);
    let ended = bench.run("run moves.csv").await.is(1);
    ended.says(&["nothing was done", "--retry-failed tries the 1 that failed"]);
    let client = &bench.bucket.client;
    let delete = client.delete_object().bucket(&bench.bucket.name);
    delete.key("new/0001").send().await.unwrap();
    bench.run("run moves.csv --retry-failed").await.is(0);
}

#[tokio::test]
async fn a_run_killed_at_random_moments_loses_nothing() {
    let bench = Bench::new().await;
    let mut chance = Chance::new();
    let mut pairs = bench.renames("small.csv", 150).await;
    let large = bytes(7, 11 * MIB);
    bench.bucket.put_plain("old/large", &large).await;
    let was = bench.object("old/large").await;
    pairs.push(("old/large".to_owned(), "new/large".to_owned()));
    bench.manifest("moves.csv", &pairs);
    let proxy = Proxy::start(&bench.servers).await;
    let command =
        "run moves.csv --max-renames 16 --multipart-threshold 5MiB --part-size 5MiB --max-parts 2";

    let mut kills = 0;
    loop {
        let mut running = bench.rebucket(command).behind(&proxy).start();
        if kills == 8 {
            running.end().await.is(0);
            break;
        }
        // The request at which the process dies: not yet carried out, or
        // carried out and not heard of. The probe alone makes some 30.
        let rule = Rule::when(|_: &Seen| true).nth(5 + chance.below(250));
        let held = proxy.hold(if chance.below(2) == 0 {
            rule.hold_request()
        } else {
            rule.hold_reply()
        });
        tokio::select! {
            () = held.reached() => {}
            () = running.ended() => {
                running.end().await.is(0);
                break;
            }
        }
        running.crash().await;
        kills += 1;
        // What it sent may arrive late, while the next run is at work.
        if chance.below(2) == 0 {
            held.release();
        }
    }
    assert!(kills > 1, "only {kills} kills");

    assert_one_outcome_a_row(&bench, "moves.report", pairs.len()).await;
    let is = bench.object("new/large").await;
    assert_eq!(differences(&was, &is), "");
    bench
        .bucket
        .client
        .delete_object()
        .bucket(&bench.bucket.name)
        .key("new/large")
        .send()
        .await
        .unwrap();
    pairs.pop();
    bench.assert_renamed(&pairs).await;
}

#[tokio::test]
async fn a_run_killed_at_any_step_goes_on() {
    for operation in ["HeadObject", "CopyObject", "DeleteObject"] {
        for answered in [false, true] {
            let bench = Bench::new().await;
            let pairs = bench.renames("moves.csv", 6).await;
            let proxy = Proxy::start(&bench.servers).await;
            let rule = Rule::on(operation).nth(4);
            let held = proxy.hold(if answered {
                rule.hold_reply()
            } else {
                rule.hold_request()
            });
            let command = "run moves.csv --max-renames 2";
            let running = bench.rebucket(command).behind(&proxy).start();
            held.reached().await;
            assert_eq!(running.crash().await.code, None);
            bench.rebucket(command).behind(&proxy).end().await.is(0);
            // The dead one's request arrives after all is done.
            held.release();
            assert_one_outcome_a_row(&bench, "moves.report", 6).await;
            bench.assert_renamed(&pairs).await;
        }
    }
}

#[tokio::test]
async fn an_interrupted_run_ends_within_its_grace_and_goes_on() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let bench = Bench::new().await;
        let pairs = bench.renames("moves.csv", 20).await;
        let proxy = Proxy::start(&bench.servers).await;
        let held = proxy.hold(Rule::on("CopyObject").nth(3).hold_request());
        let command = "run moves.csv --max-renames 2 --grace 1s";
        let running = bench.rebucket(command).behind(&proxy).start();
        held.reached().await;
        running.signal(signal);
        // Far from the default of 25 s.
        let ended = running.end_within(Duration::from_secs(15)).await.is(130);
        let ended = ended.says(&["interrupted", "the same command goes on"]);
        assert!(ended.out.contains("pending"), "{}", ended.out);
        let (json, code) = bench.summary("moves.report").await;
        let [submitted, renamed, .., pending] = counts_of(&json);
        assert_eq!((submitted, renamed + pending, code), (20, 20, 0), "{json}");
        assert!(pending > 0, "{json}");
        let copies = proxy.count("CopyObject");
        assert!(copies < 20, "{copies}");

        bench.rebucket(command).behind(&proxy).end().await.is(0);
        held.release();
        assert_one_outcome_a_row(&bench, "moves.report", 20).await;
        bench.assert_renamed(&pairs).await;
    }
}

#[tokio::test]
async fn what_is_under_way_may_finish_within_the_grace() {
    let bench = Bench::new().await;
    bench.renames("moves.csv", 20).await;
    let proxy = Proxy::start(&bench.servers).await;
    let held = proxy.hold(Rule::on("CopyObject").nth(1).hold_request());
    let command = "run moves.csv --max-renames 1 --grace 50s";
    let call = bench.rebucket(command).env("RUST_LOG", "info");
    let mut running = call.behind(&proxy).start();
    held.reached().await;
    running.signal(Signal::SIGINT);
    running.until_says("no new tasks").await;
    held.release();
    // It ends with the rename, not with the grace.
    running.end_within(Duration::from_secs(30)).await.is(130);
    let (json, _) = bench.summary("moves.report").await;
    let [_, renamed, .., pending] = counts_of(&json);
    assert_eq!(renamed + pending, 20, "{json}");
    assert!((1..20).contains(&renamed), "{json}");

    // The second signal does not wait for the grace either.
    let held = proxy.hold(Rule::on("CopyObject").nth(1).hold_request());
    let call = bench.rebucket(command).env("RUST_LOG", "info");
    let mut running = call.behind(&proxy).start();
    held.reached().await;
    running.signal(Signal::SIGINT);
    running.until_says("no new tasks").await;
    running.signal(Signal::SIGINT);
    running.end_within(Duration::from_secs(30)).await.is(130);
}

/// Runs the command once more, and asserts that nothing is renamed.
async fn run_in_vain(bench: &Bench, command: &str) -> Ended {
    let proxy = Proxy::start(&bench.servers).await;
    let ended = bench.rebucket(command).behind(&proxy).end().await;
    for operation in ["HeadObject", "CopyObject", "DeleteObject"] {
        assert_eq!(proxy.count(operation), 0, "{operation}");
    }
    ended
}

#[tokio::test]
async fn a_finished_job_is_not_done_again() {
    let bench = Bench::new().await;
    let pairs = bench.renames("moves.csv", 12).await;
    let first = bench.run("run moves.csv").await.is(0);
    let outcomes = bench.outcomes("moves.report").await;
    let second = run_in_vain(&bench, "run moves.csv").await.is(0);
    assert_eq!(second.out, first.out);
    assert_eq!(bench.outcomes("moves.report").await, outcomes);
    bench.assert_renamed(&pairs).await;

    // Nor is one that failed, and its exit code stays.
    bench.manifest("bad.csv", &[("nothing", "here")]);
    let first = bench.run("run bad.csv").await.is(1);
    let outcomes = bench.outcomes("bad.report").await;
    let second = run_in_vain(&bench, "run bad.csv").await.is(1);
    assert_eq!(second.out, first.out);
    assert_eq!(bench.outcomes("bad.report").await, outcomes);
}

#[tokio::test]
async fn another_manifest_is_refused_under_the_same_name() {
    let bench = Bench::new().await;
    let pairs = bench.renames("moves.csv", 3).await;
    bench.run("run moves.csv").await.is(0);
    bench.bucket.put_plain("x", b"x").await;
    bench.manifest("moves.csv", &[("x", "y")]);
    let ended = run_in_vain(&bench, "run moves.csv").await.is(2);
    ended.says(&["moves.report", "--report", "--job", "manifest"]);
    assert_eq!(bench.object("x").await["size"], "1");

    // Each way out that the message names.
    bench.run("run moves.csv --job other").await.is(0);
    bench
        .assert_counts("moves.report", [4, 4, 0, 0, 0, 0])
        .await;
    bench.manifest("moves.csv", &[("y", "z")]);
    bench.run("run moves.csv --report elsewhere").await.is(0);
    bench.manifest("moves.csv", &pairs);
    run_in_vain(&bench, "run moves.csv").await.is(0);
    assert_eq!(bench.object("z").await["size"], "1");
}

#[tokio::test]
async fn two_runs_of_one_job_do_not_mix() {
    let bench = Bench::new().await;
    let pairs = bench.renames("moves.csv", 5).await;
    let proxy = Proxy::start(&bench.servers).await;
    let held = proxy.hold(Rule::on("CopyObject").nth(2).hold_request());
    let first = bench.rebucket("run moves.csv").behind(&proxy).start();
    held.reached().await;
    let second = run_in_vain(&bench, "run moves.csv").await.is(2);
    second.says(&["another run of this job", "moves.report"]);
    // Other jobs may share the place.
    bench.bucket.put_plain("x", b"x").await;
    bench.manifest("other.csv", &[("x", "new/x")]);
    bench.run("run other.csv --report moves.report").await.is(0);
    held.release();
    first.end().await.is(0);
    assert_one_outcome_a_row(&bench, "moves.report/moves", 5).await;
    let mut pairs = pairs;
    pairs.push(("x".to_owned(), "new/x".to_owned()));
    bench.assert_renamed(&pairs).await;
}

#[tokio::test]
async fn an_interrupted_start_renames_nothing() {
    let bench = Bench::new().await;
    let pairs = bench.renames("moves.csv", 2).await;
    let proxy = Proxy::start(&bench.servers).await;
    let survey = Rule::when(|seen: &Seen| seen.operation == "a bucket operation");
    let held = proxy.hold(survey.once().hold_request());
    let running = bench.rebucket("run moves.csv").behind(&proxy).start();
    held.reached().await;
    running.signal(Signal::SIGINT);
    running.end_within(Duration::from_secs(15)).await.is(130);
    assert_eq!(proxy.count("CopyObject"), 0);
    held.release();

    bench.run("run moves.csv").await.is(0);
    bench.assert_renamed(&pairs).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_manifest_that_never_comes_is_no_reason_to_stay() {
    let bench = Bench::new().await;
    let call = bench.rebucket("run - --job j --report r");
    let running = call.start_with_open_stdin();
    let status = format!("/proc/{}/status", running.id());
    let interrupt = 1_u64 << (Signal::SIGINT as u64 - 1);
    rebucket_tests::until("the process catches SIGINT", || async {
        let status = std::fs::read_to_string(&status).ok()?;
        let caught = status
            .lines()
            .find_map(|line| line.strip_prefix("SigCgt:"))?;
        let caught = u64::from_str_radix(caught.trim(), 16).unwrap();
        (caught & interrupt != 0).then_some(())
    })
    .await;
    running.signal(Signal::SIGINT);
    running.end_within(Duration::from_secs(15)).await.is(130);
}
