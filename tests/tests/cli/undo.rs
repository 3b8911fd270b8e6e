//! `rebucket undo`: what was renamed goes back, as it was.

use nix::sys::signal::Signal;
use rebucket_tests::bucket::{MIB, bytes};
use rebucket_tests::{NewObject, Proxy, Rule};

use crate::support::{Bench, counts_of, csv_text};

/// Keys that are trouble to CSV.
const KEYS: [&str; 9] = [
    "plain",
    "a, b",
    "\"",
    "it's \"quoted\", twice",
    "line\nbreak",
    "return\r\n and blank ",
    "gr\u{fc}\u{df}e \u{1f980} \u{5199}",
    "%2F+%20",
    "source,destination",
];

#[tokio::test]
async fn a_job_is_taken_back_with_every_property() {
    let bench = Bench::new().await;
    let bucket = &bench.bucket;
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (index, key) in KEYS.iter().enumerate() {
        let other = KEYS[(index + 4) % KEYS.len()];
        pairs.push((format!("in/{key}"), format!("out/{index} {other}")));
        let put = bucket.put(&pairs[index].0, key.as_bytes());
        let put = put
            .content_type("text/x-own")
            .metadata("number", index.to_string());
        put.tagging(format!("n={index}")).send().await.unwrap();
    }
    pairs.push(("in/empty".to_owned(), "out/empty".to_owned()));
    bucket.put_plain("in/empty", b"").await;
    pairs.push(("in/large".to_owned(), "out/large".to_owned()));
    let parts = vec![bytes(1, 5 * MIB), bytes(2, MIB)];
    let checksum = None;
    bucket
        .upload("in/large", NewObject { parts, checksum })
        .await;
    let keys: Vec<String> = pairs.iter().map(|(from, _)| from.clone()).collect();
    let before = bucket.objects(&keys).await;
    bench.manifest("moves.csv", &pairs);
    let flags = "--multipart-threshold 5MiB --part-size 5MiB";
    bench.run(&format!("run moves.csv {flags}")).await.is(0);

    let ended = bench.run("undo moves.report --out back.csv").await.is(0);
    let message = format!("job moves: {} renames to undo, in back.csv\n", pairs.len());
    assert_eq!((ended.out.as_str(), ended.err), ("", message));
    bench.run("plan back.csv").await.is(0);
    bench.run(&format!("run back.csv {flags}")).await.is(0);
    for (from, to) in &pairs {
        bucket
            .assert_moved(to, from, before[from].as_ref().unwrap())
            .await;
    }
    assert_eq!(bucket.keys().await.len(), pairs.len());
}

#[tokio::test]
async fn only_what_was_carried_out_is_taken_back() {
    let bench = Bench::new().await;
    let bucket = &bench.bucket;
    for key in ["a", "b", "kept", "conflict", "to/kept", "to/conflict"] {
        bucket.put_plain(key, key.as_bytes()).await;
    }
    let rows = [
        ("a", "to/a", ""),
        ("b", "to/b", ""),
        ("kept", "to/kept", "skip"),
        ("conflict", "to/conflict", "fail"),
        ("missing", "to/missing", "fail"),
    ];
    let rows = rows.map(|(from, to, choice)| [bench.uri(from), bench.uri(to), choice.to_owned()]);
    let header = ["source", "destination", "if_exists"];
    bench.write("moves.csv", csv_text(&header, rows));
    bench.run("run moves.csv").await.is(1);
    let ended = bench.run("undo moves.report --out back.csv").await.is(0);
    assert_eq!(
        ended.err,
        "job moves: 2 renames to undo, in back.csv\n  left out: 1 skipped, 2 failed\n"
    );
    // Written anew since: it is not what the job put there.
    bucket.put_plain("to/b", b"somebody else's").await;
    bench.run("run back.csv").await.is(1);
    bench.assert_counts("back.report", [2, 1, 0, 0, 1, 0]).await;
    let refused = bench.outcome("back.report", "to/b").await;
    assert_eq!(refused["reason"], "source_changed", "{refused}");
    let keys = ["a", "conflict", "kept", "to/b", "to/conflict", "to/kept"];
    assert_eq!(bucket.keys().await, keys);
}

#[tokio::test]
async fn the_manifest_goes_to_standard_output_with_pins() {
    let bench = Bench::new().await;
    bench.renames("moves.csv", 1).await;
    bench.run("run moves.csv").await.is(0);
    let ended = bench.run("undo moves.report --out -").await.is(0);
    let mut rows = csv::Reader::from_reader(ended.out.as_bytes());
    let header = ["source", "destination", "etag", "size"];
    assert_eq!(
        rows.headers().unwrap(),
        &csv::StringRecord::from(&header[..])
    );
    let rows: Vec<_> = rows.records().map(Result::unwrap).collect();
    let (etag, _) = bench.bucket.pins("new/0000").await;
    let row = [
        bench.uri("new/0000"),
        bench.uri("old/0000"),
        etag,
        "8".to_owned(),
    ];
    assert_eq!(rows, [csv::StringRecord::from(&row[..])]);
    assert_eq!(
        ended.err,
        "job moves: 1 rename to undo, in standard output\n"
    );
}

#[tokio::test]
async fn a_half_finished_job_is_taken_back_as_far_as_it_went() {
    let bench = Bench::new().await;
    let pairs = bench.renames("moves.csv", 60).await;
    let proxy = Proxy::start(&bench.servers).await;
    let held = proxy.hold(Rule::on("CopyObject").nth(30).hold_request());
    let call = bench.rebucket("run moves.csv --max-renames 1");
    let running = call.behind(&proxy).start();
    held.reached().await;
    running.signal(Signal::SIGINT);
    held.release();
    running.end().await.is(130);
    let (json, _) = bench.summary("moves.report").await;
    let [submitted, renamed, already, skipped, failed, pending] = counts_of(&json);
    assert_eq!((submitted, skipped, failed), (60, 0, 0), "{json}");
    assert!(renamed > 0 && pending > 0, "{json}");

    let ended = bench.run("undo moves.report --out back.csv").await.is(0);
    ended.says(&[
        &format!("job moves: {} renames to undo", renamed + already),
        &format!("left out: {pending} pending"),
        "make the manifest again",
    ]);
    bench.run("run back.csv").await.is(0);
    let mut keys = bench.bucket.keys().await;
    keys.retain(|key| !key.starts_with(".rebucket/"));
    let old: Vec<String> = pairs.into_iter().map(|(from, _)| from).collect();
    assert_eq!(keys, old);
}

#[tokio::test]
async fn a_bucket_with_versions_gets_its_keys_back_and_keeps_its_history() {
    let bench = Bench::versioned().await;
    let pairs = bench.renames("moves.csv", 2).await;
    bench.run("run moves.csv").await.is(0);
    bench.run("undo moves.report --out back.csv").await.is(0);
    bench.run("run back.csv").await.is(0);
    for (from, _) in &pairs {
        let object = bench.object(from).await;
        assert_eq!(object["size"], from.len().to_string());
    }
    let expected = [
        "new/0000",
        "new/0000 (marker)",
        "new/0001",
        "new/0001 (marker)",
        "old/0000",
        "old/0000",
        "old/0000 (marker)",
        "old/0001",
        "old/0001",
        "old/0001 (marker)",
    ];
    assert_eq!(bench.versions().await, expected);
}

#[tokio::test]
async fn purged_versions_are_taken_back_too() {
    let bench = Bench::versioned().await;
    bench.renames("moves.csv", 1).await;
    bench.run("run moves.csv --versioned purge").await.is(0);
    bench.run("undo moves.report --out back.csv").await.is(0);
    bench.run("run back.csv --versioned purge").await.is(0);
    assert_eq!(bench.versions().await, ["old/0000"]);
}

#[tokio::test]
async fn one_of_several_jobs_is_named() {
    let bench = Bench::new().await;
    for job in ["first", "second"] {
        bench.bucket.put_plain(job, b"x").await;
        bench.manifest(
            &format!("{job}.csv"),
            &[(job, format!("to/{job}").as_str())],
        );
        let report = bench.uri("reports");
        let command = format!("run {job}.csv --report {report}");
        bench.run(&command).await.is(0);
    }
    let report = bench.uri("reports");
    let ended = bench.run(&format!("undo {report} --out back.csv")).await;
    ended.is(2).says(&["2 jobs (first, second)", "--job"]);
    assert!(!bench.path("back.csv").exists());
    for flags in [
        format!("{report} --job second"),
        format!("{report}/second"),
        format!("{report}/second --job second"),
    ] {
        let ended = bench.run(&format!("undo {flags} --out -")).await.is(0);
        let row = format!("\n{},{},", bench.uri("to/second"), bench.uri("second"));
        assert!(ended.out.contains(&row), "{flags}: {}", ended.out);
        assert!(!ended.out.contains("first"), "{flags}: {}", ended.out);
    }
    for flags in [
        format!("{report} --job third"),
        format!("{report}/second --job first"),
        format!("{report}/third"),
    ] {
        let ended = bench.run(&format!("undo {flags} --out -")).await;
        ended.is(2).says(&["there is no report"]);
    }
}

#[tokio::test]
async fn nothing_to_undo_is_said() {
    let bench = Bench::new().await;
    bench.manifest("moves.csv", &[("missing", "to/missing")]);
    bench.run("run moves.csv").await.is(1);
    let ended = bench.run("undo moves.report --out back.csv").await.is(0);
    ended.says(&["job moves: nothing to undo", "left out: 1 failed"]);
    let text = std::fs::read_to_string(bench.path("back.csv")).unwrap();
    assert_eq!(text, "source,destination,etag,size\n");
    for (out, why) in [
        ("s3://bkt/back.csv", "on S3"),
        ("back.csv.gz", "compressed"),
        (".", "cannot be written"),
        ("nowhere/back.csv", "cannot be written"),
    ] {
        let ended = bench.run(&format!("undo moves.report --out {out}")).await;
        ended.is(2).says(&[why]);
    }
    bench.run("undo nowhere --out back2.csv").await.is(2);
    assert!(!bench.path("back2.csv").exists());
}
