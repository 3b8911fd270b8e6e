//! Chains, swaps and cycles, from a plan or straight from the manifest. What is
//! kept of a manifest's pins is in `chain_manifests`.

use std::collections::BTreeMap;

use rebucket_tests::{Properties, Queue, WorkerBuilder};

use crate::support::{Bench, counts_of};

/// A path, a swap, a cycle, and a key that nothing waits for.
pub(crate) const ROWS: [(&str, &str); 10] = [
    ("p1", "p2"),
    ("p2", "p3"),
    ("p3", "p4"),
    ("p4", "end, of \"path\""),
    ("s1", "s2"),
    ("s2", "s1"),
    ("c1", "c2"),
    ("c2", "c3"),
    ("c3", "c1"),
    ("alone", "moved"),
];

/// A bench with these objects, each of its own kind, and their manifest.
pub(crate) async fn bench() -> (Bench, BTreeMap<&'static str, Properties>) {
    let bench = Bench::new().await;
    for (key, _) in ROWS {
        let put = bench.bucket.put(key, key.as_bytes());
        let put = put.metadata("born", key).content_type("text/x-own");
        put.tagging(format!("born={key}")).send().await.unwrap();
    }
    let mut before = BTreeMap::new();
    for (key, _) in ROWS {
        before.insert(key, bench.object(key).await);
    }
    bench.manifest("moves.csv", &ROWS);
    (bench, before)
}

pub(crate) async fn assert_permuted(bench: &Bench, before: &BTreeMap<&'static str, Properties>) {
    for (from, to) in ROWS {
        bench.bucket.assert_kept(to, &before[from]).await;
    }
    let mut keys: Vec<_> = ROWS.iter().map(|(_, to)| *to).collect();
    keys.sort_unstable();
    // A process that was killed may have left what it probed the endpoint with,
    // but no temporary key.
    let mut there = bench.bucket.keys().await;
    there.retain(|key| !key.starts_with(".rebucket/probe-"));
    assert_eq!(there, keys);
}

async fn plan(bench: &Bench) {
    let ended = bench.run("plan moves.csv --out moves.plan").await.is(0);
    let chains = "9 renames wait for one another, 2 cycles among them, in 3 segments; 2 extra copies are needed";
    assert!(ended.out.contains(chains), "{}", ended.out);
}

#[tokio::test]
async fn a_run_carries_out_paths_swaps_and_cycles() {
    let (bench, before) = bench().await;
    plan(&bench).await;
    bench.run("run moves.plan").await.is(0);
    assert_permuted(&bench, &before).await;
    let rows = ROWS.len() as u64;
    bench
        .assert_counts("moves.report", [rows, rows, 0, 0, 0, 0])
        .await;
    bench.run("run moves.plan").await.is(0);
    assert_permuted(&bench, &before).await;
}

#[tokio::test]
async fn a_run_of_chains_that_is_killed_again_and_again_loses_nothing() {
    let (bench, before) = bench().await;
    // Each time one request later: every request is the last one of a process.
    for request in (20..200).step_by(9) {
        let proxy = rebucket_tests::Proxy::start(&bench.servers).await;
        let mut running = bench.rebucket("run moves.csv").behind(&proxy).start();
        let rule = rebucket_tests::Rule::when(|_| true).nth(request);
        let held = proxy.hold(if request % 2 == 0 {
            rule.hold_request()
        } else {
            rule.hold_reply()
        });
        tokio::select! {
            () = held.reached() => {
                running.crash().await;
            }
            () = running.ended() => {
                running.end().await.is(0);
                break;
            }
        }
    }
    bench.run("run moves.csv").await.is(0);
    assert_permuted(&bench, &before).await;
    assert_all_renamed(&bench, "moves.report").await;
}

/// Asserts one good outcome a row.
pub(crate) async fn assert_all_renamed(bench: &Bench, report: &str) {
    let (json, _) = bench.summary(report).await;
    let [submitted, renamed, already, others @ ..] = counts_of(&json);
    assert_eq!(submitted, ROWS.len() as u64);
    assert_eq!(
        (renamed + already, others),
        (submitted, [0, 0, 0]),
        "{json}"
    );
}

#[tokio::test]
async fn workers_carry_out_chains_from_the_queue() {
    let (bench, before) = bench().await;
    let queue = Queue::create(&bench.servers, 5).await;
    carry_out_from(&queue, &bench, &before).await;
}

#[tokio::test]
async fn workers_carry_out_chains_from_a_fifo_queue() {
    let (bench, before) = bench().await;
    let queue = Queue::create_fifo(&bench.servers, 5).await;
    carry_out_from(&queue, &bench, &before).await;
}

async fn carry_out_from(queue: &Queue, bench: &Bench, before: &BTreeMap<&'static str, Properties>) {
    plan(bench).await;
    let report = bench.path("report").display().to_string();
    let submit = format!(
        "submit moves.plan --job moves --queue-url {} --report {report}",
        queue.url
    );
    let ended = bench.run(&submit).await.is(0);
    assert_eq!(ended.out, "job moves: 4 of 4 messages submitted\n");
    let worker = || {
        WorkerBuilder::new(&bench.servers)
            .flags(&format!("--queue-url {} --report {report}", queue.url))
            .flags(&format!("--allow s3://{}/", bench.bucket.name))
            .start()
    };
    let (one, other) = (worker(), worker());
    one.drain(queue).await;
    other.terminate().await;
    assert_permuted(bench, before).await;
    queue.assert_nothing_parked().await;
    let rows = ROWS.len() as u64;
    let (json, code) = bench.summary("report").await;
    assert_eq!(counts_of(&json)[..2], [rows, rows], "{json}");
    assert_eq!(code, 0);
}

#[tokio::test]
async fn what_waits_for_a_rename_that_failed_is_named() {
    let (bench, before) = bench().await;
    plan(&bench).await;
    bench
        .bucket
        .put_plain("end, of \"path\"", b"in the way")
        .await;
    bench.run("run moves.plan").await.is(1);
    let rows = ROWS.len() as u64;
    bench
        .assert_counts("moves.report", [rows, rows - 4, 0, 0, 4, 0])
        .await;
    let (json, _) = bench.summary("moves.report").await;
    assert_eq!(json["by_reason"]["blocked_by"], 3, "{json}");
    for key in ["p1", "p2", "p3", "p4"] {
        bench.bucket.assert_kept(key, &before[key]).await;
    }
    let blocked = bench.outcome("moves.report", "p2").await;
    let detail = blocked["detail"].as_str().unwrap();
    assert!(detail.contains("moves/000000000004"), "{detail}");
    // Out of the way, they are done.
    bench.bucket.remove("end, of \"path\"").await;
    bench.run("run moves.plan --retry-failed").await.is(0);
    assert_permuted(&bench, &before).await;
}

/// What failed half-way is at a temporary key, which no report names a row for.
#[tokio::test]
async fn who_takes_back_half_a_chain_is_told_of_temporary_keys() {
    let (bench, _) = bench().await;
    plan(&bench).await;
    // Somebody else's by now: its rename fails, and what waits for it.
    bench.bucket.put_plain("s1", b"another").await;
    bench.run("run moves.plan").await.is(1);
    let keys = bench.bucket.keys().await;
    assert!(
        keys.iter()
            .any(|key| key.starts_with(".rebucket-in-transit/")),
        "{keys:?}"
    );
    let ended = bench.run("undo moves.report --out back.csv").await.is(0);
    ended.says(&[
        "of the 2 that failed or are pending",
        "temporary keys",
        "--retry-failed",
    ]);
}

#[tokio::test]
async fn chains_want_objects_that_are_there() {
    let (bench, _) = bench().await;
    bench.bucket.remove("c2").await;
    bench.bucket.remove("p1").await;
    for command in ["plan moves.csv --out moves.plan", "run moves.csv"] {
        let ended = bench.run(&format!("{command} --problems all")).await.is(2);
        // Each of them, in the order of their lines.
        let all = std::fs::read_to_string(bench.path("all")).unwrap();
        let (notes, missing): (Vec<_>, Vec<_>) =
            all.lines().partition(|line| line.contains("note:"));
        assert_eq!(notes.len(), 10, "{all}");
        for (line, (start, key)) in missing
            .iter()
            .zip([("moves.csv:2:", "p1"), ("moves.csv:9:", "c2")])
        {
            let what = format!("{start} source {} is not there; ", bench.uri(key));
            assert!(line.starts_with(&what), "{line}, not {what}");
        }
        assert_eq!(missing.len(), 2, "{all}");
        ended.says(&[
            missing[0],
            missing[1],
            "moves.csv: 2 problems; all are in all; ",
        ]);
    }
    assert!(!bench.path("moves.plan").exists());
    assert!(!bench.path("moves.report/moves/job.json").exists());
    // Without a plan to keep, nothing is asked of S3.
    bench.run("plan moves.csv").await.is(0);
    let ended = bench.run("estimate moves.csv").await.is(0);
    assert!(ended.out.contains("10 renames"), "{}", ended.out);
}

#[tokio::test]
async fn missing_objects_come_beside_what_was_found_before() {
    let (bench, _) = bench().await;
    let pairs = [("p1", "x//y"), ("gone", "away"), ("away", "far")];
    let text = pairs.map(|(from, to)| format!("{},{}\n", bench.uri(from), bench.uri(to)));
    bench.write("odd.csv", format!("source,destination\n{}", text.concat()));
    let warning = "odd.csv:2:2: warning: destination ";
    let ended = bench.run("plan odd.csv --out odd.plan").await.is(2);
    ended.says(&[
        warning,
        "odd.csv:3: source ",
        "odd.csv:4: source ",
        "odd.csv: 2 problems and 1 warning",
    ]);
    // Where it was said already, it is not said again.
    let text = std::fs::read(bench.path("odd.csv")).unwrap();
    let call = bench.rebucket("run - --report odd.report --job odd --problems all");
    let ended = call.stdin(&text).end().await.is(2);
    let ended = ended.says(&["<stdin>:3: source ", "<stdin>: 2 problems; all are in all"]);
    assert_eq!(ended.err.matches("warning: ").count(), 1, "{}", ended.err);
    let all = std::fs::read_to_string(bench.path("all")).unwrap();
    let lines: Vec<_> = all.lines().map(|line| line.split(':').nth(1)).collect();
    assert_eq!(lines, ["2", "3", "3", "4"].map(Some), "{all}");
}
