//! `rebucket undo`: what was renamed goes back, as it was.

use nix::sys::signal::Signal;
use rebucket_protocol::Timestamp;
use rebucket_tests::bucket::{MIB, bytes};
use rebucket_tests::{NewObject, Proxy, Rule};

use crate::support::{Bench, counts_of, csv_text, report_line};

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

/// The columns of the manifest.
const HEADER: &str = "source,destination,etag,size,modified,version_id\n";

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
    let header = HEADER.trim_end().split(',').collect::<Vec<_>>();
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
    assert_eq!(rows.len(), 1);
    assert!(rows[0].iter().take(4).eq(row), "{rows:?}");
    assert_eq!(&rows[0][5], "", "the bucket has no versions");
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

/// Purging shows the version before, which is in the way of the way back.
#[tokio::test]
async fn purged_versions_of_keys_that_had_earlier_ones_are_taken_back_as_undo_says() {
    let bench = Bench::versioned().await;
    bench.bucket.put_plain("old/0000", b"earlier").await;
    bench.renames("moves.csv", 2).await;
    bench.run("run moves.csv --versioned purge").await.is(0);
    let ended = bench.run("undo moves.report --out back.csv").await.is(0);
    let flags = "--versioned purge --if-exists overwrite";
    ended.says(&["earlier one", flags]);
    let without = "run back.csv --versioned purge --report without";
    bench.run(without).await.is(1);
    bench.assert_counts("without", [2, 1, 0, 0, 1, 0]).await;
    bench
        .run(&format!("run back.csv {flags} --report with"))
        .await;
    let row = bench.outcome("with", "new/0000").await;
    assert_eq!(row["outcome"], "renamed", "{row}");
    assert_eq!(bench.bytes("old/0000").await, b"old/0000");
    let versions = ["old/0000", "old/0000", "old/0001"];
    assert_eq!(bench.versions().await, versions);
}

#[tokio::test]
async fn what_counts_as_done_by_its_date_alone_is_left_out_unless_it_is_asked_for() {
    let bench = Bench::new().await;
    let line = |row: u64, evidence: Option<&str>| {
        let mut line = report_line("moves", row, "already_renamed");
        if let Some(evidence) = evidence {
            line["evidence"] = evidence.into();
        }
        line.to_string() + "\n"
    };
    let lines = [line(1, None), line(2, Some("date")), line(3, None)].concat();
    std::fs::create_dir_all(bench.path("report/moves")).unwrap();
    bench.write("report/moves/w.jsonl", lines);
    let (json, _) = bench.summary("report").await;
    assert_eq!(counts_of(&json), [3, 0, 3, 0, 0, 0]);
    assert_eq!(json["already_renamed_by_date"], 1);
    let text = bench.run("report report").await.is(0).out;
    assert!(text.contains("by date alone"), "{text}");

    let rows = |text: &str| -> Vec<String> {
        let rows = text.lines().skip(1);
        rows.map(|row| row.split(',').next().unwrap().to_owned())
            .collect()
    };
    let new = |row: u64| format!("s3://bkt/moves/new/{row}");
    let ended = bench.run("undo report --out -").await.is(0);
    assert_eq!(rows(&ended.out), [new(1), new(3)]);
    ended.says(&["2 renames to undo", "left out: 1", "--include-by-date"]);
    let ended = bench.run("undo report --out - --include-by-date").await;
    let ended = ended.is(0);
    assert!(!ended.err.contains("left out"), "{}", ended.err);
    assert_eq!(rows(&ended.out), [new(1), new(2), new(3)]);
    ended.says(&["3 renames to undo"]);
}

/// The same bytes, put there anew, are somebody else's.
#[tokio::test]
async fn what_was_put_anew_with_the_same_bytes_is_not_taken_back() {
    let bench = Bench::new().await;
    let mut lines = String::new();
    for (row, age) in [(1, 0), (2, 3600)] {
        let key = format!("new/{row}");
        bench.bucket.put_plain(&key, b"").await;
        let head = bench.bucket.client.head_object();
        let head = head.bucket(&bench.bucket.name).key(&key).send().await;
        let head = head.unwrap();
        let written = head.last_modified().unwrap().secs() - age;
        let mut line = report_line("moves", row, "renamed");
        line["source"] = bench.uri(&format!("old/{row}")).into();
        line["destination"] = bench.uri(&key).into();
        line["bytes"] = 0.into();
        line["etag"] = head.e_tag().unwrap().into();
        line["modified"] = Timestamp::from_unix(written, 0).unwrap().to_string().into();
        lines += &(line.to_string() + "\n");
    }
    std::fs::create_dir_all(bench.path("report/moves")).unwrap();
    bench.write("report/moves/w.jsonl", lines);
    bench.run("undo report --out back.csv").await.is(0);
    bench.run("run back.csv").await.is(1);
    let refused = bench.outcome("back.report", "new/2").await;
    assert_eq!(refused["reason"], "source_changed", "{refused}");
    assert_eq!(bench.bucket.keys().await, ["new/2", "old/1"]);
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
    assert_eq!(text, HEADER);
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
