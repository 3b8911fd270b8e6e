//! `rebucket report`: five forms of one truth.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write as _;

use rebucket_protocol::{JobId, TaskId, Timestamp};
use rebucket_tests::{Bucket, Proxy, Queue};
use serde_json::Value;

use crate::support::{Bench, counts_of, csv_text, report_line};

/// What the contract says that a line of outcomes has.
const FIELDS: [&str; 12] = [
    "task",
    "source",
    "destination",
    "outcome",
    "reason",
    "detail",
    "bytes",
    "etag",
    "attempts",
    "started",
    "ended",
    "worker",
];

/// A job with three renames, a skip and two failures.
async fn mixed_job(bench: &Bench, manifest: &str, report: &str) {
    let bucket = &bench.bucket;
    let rows = [
        ("a", "to/a", ""),
        ("b, \"<b>\" & co\nnext", "to/b, \"<b>\" & co", ""),
        ("c", "to/c", ""),
        ("taken", "to/taken", "skip"),
        ("conflict", "to/conflict", "fail"),
        ("<missing> & \"gone\"", "to/missing", ""),
    ];
    for (from, _, _) in &rows[..5] {
        bucket
            .put_plain(from, format!("bytes of {from}").as_bytes())
            .await;
    }
    bucket.put_plain("to/taken", b"another").await;
    bucket.put_plain("to/conflict", b"another").await;
    let header = ["source", "destination", "if_exists"];
    let rows = rows.map(|(from, to, choice)| [bench.uri(from), bench.uri(to), choice.to_owned()]);
    bench.write(manifest, csv_text(&header, rows));
    bench
        .run(&format!("run {manifest} --report {report}"))
        .await
        .is(1);
}

/// Every form says the same, and exits with 1.
async fn assert_forms_agree(bench: &Bench, report: &str) {
    let (json, code) = bench.summary(report).await;
    assert_eq!(code, 1);
    assert_eq!(counts_of(&json), [6, 3, 0, 1, 2, 0]);
    let reasons = serde_json::json!({"destination_exists": 2, "source_missing": 1});
    assert_eq!(json["by_reason"], reasons);

    let ended = bench
        .run(&format!("report {report} --format jsonl"))
        .await
        .is(1);
    let records: Vec<Value> = ended
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_records(bench, &records, &json);
    assert_csv(bench, report, &records).await;
    assert_html(bench, report).await;

    let text = bench.run(&format!("report {report}")).await.is(1).out;
    let squeezed: Vec<String> = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    for line in [
        "job moves: 6 submitted",
        "renamed 3",
        "skipped 1",
        "failed 2",
        "destination_exists 2",
        "source_missing 1",
    ] {
        assert!(
            squeezed.iter().any(|l| l == line),
            "{line} is not in\n{text}"
        );
    }
    assert_eq!(text.matches("failed: s3://").count(), 2, "{text}");
}

fn assert_records(bench: &Bench, records: &[Value], json: &Value) {
    let tasks: BTreeSet<&str> = records
        .iter()
        .map(|record| record["task"].as_str().unwrap())
        .collect();
    let expected: Vec<String> = (1..=6).map(|row| format!("moves/{row:012}")).collect();
    assert!(tasks.iter().eq(expected.iter()), "{tasks:?}");
    assert_eq!(records.len(), 6);
    for record in records {
        let fields: Vec<&str> = record
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        for field in FIELDS {
            assert!(fields.contains(&field), "{field} is not in {record}");
        }
        // As times: 06.4 s is before 06.44 s, whatever the letters say.
        let at = |name: &str| serde_json::from_value::<Timestamp>(record[name].clone()).unwrap();
        assert!(at("started") <= at("ended"), "{record}");
        assert_eq!(record["attempts"], 1, "{record}");
        assert!(!record["worker"].as_str().unwrap().is_empty());
        let renamed = record["outcome"] == "renamed";
        assert_eq!(record["etag"].is_string(), renamed, "{record}");
        assert_eq!(record["reason"].is_string(), !renamed, "{record}");
        assert_eq!(record["detail"].is_string(), !renamed, "{record}");
    }
    let count = |outcome: &str| records.iter().filter(|r| r["outcome"] == outcome).count();
    assert_eq!(
        [count("renamed"), count("skipped"), count("failed")],
        [3, 1, 2]
    );
    let renamed = records.iter().filter(|r| r["outcome"] == "renamed");
    let bytes: u64 = renamed.map(|r| r["bytes"].as_u64().unwrap()).sum();
    assert_eq!(json["bytes"], bytes);
    assert_eq!(
        records[1]["source"],
        bench.uri("b, \"<b>\" & co\nnext"),
        "a key is what it is"
    );
}

async fn assert_csv(bench: &Bench, report: &str, records: &[Value]) {
    let ended = bench.run(&format!("report {report} --format csv")).await;
    let text = ended.is(1).out;
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), records.len());
    for (row, record) in rows.iter().zip(records) {
        for field in FIELDS {
            let place = header.iter().position(|name| name == field);
            let place = place.unwrap_or_else(|| panic!("no column {field}: {header:?}"));
            let expected = match &record[field] {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            assert_eq!(&row[place], expected, "{field} of {record}");
        }
    }
}

async fn assert_html(bench: &Bench, report: &str) {
    let ended = bench.run(&format!("report {report} --format html")).await;
    let page = ended.is(1).out;
    assert!(page.starts_with("<!doctype html>"), "{page}");
    let counts: Vec<&str> = page
        .split("<td class=n>")
        .skip(1)
        .map(|rest| rest.split(['<', '\n']).next().unwrap())
        .collect();
    assert_eq!(counts[..6], ["6", "3", "0", "1", "2", "0"], "{page}");
    assert!(
        page.contains("&lt;missing&gt; &amp; &quot;gone&quot;"),
        "{page}"
    );
    assert!(!page.contains("<missing>"), "{page}");
}

#[tokio::test]
async fn every_form_of_a_report_says_the_same() {
    let bench = Bench::new().await;
    mixed_job(&bench, "moves.csv", "reports").await;
    assert_forms_agree(&bench, "reports").await;
    // One job's folder in it is a report as well.
    let (whole, _) = bench.summary("reports").await;
    let (folder, _) = bench.summary("reports/moves").await;
    assert_eq!(folder, whole);

    // A second job in the same place adds up, and can be asked for alone.
    bench.bucket.put_plain("d", b"d").await;
    bench.manifest("more.csv", &[("d", "to/d")]);
    bench.run("run more.csv --report reports").await.is(0);
    bench.assert_counts("reports", [7, 4, 0, 1, 2, 0]).await;
    let more = "report reports --job more --format json";
    let ended = bench.run(more).await.is(0);
    let json: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(counts_of(&json), [1, 1, 0, 0, 0, 0]);
    let text = bench.run("report reports").await.is(1).out;
    assert!(text.contains("job (all): 7 submitted"), "{text}");
    let none = bench.run("report reports --job none").await.is(2);
    none.says(&["reports", "none"]);
}

#[tokio::test]
async fn a_report_can_be_kept_on_s3() {
    let bench = Bench::new().await;
    let reports = Bucket::create(bench.bucket.client.clone()).await;
    let location = format!("s3://{}/a b/reports", reports.name);
    mixed_job(
        &bench,
        "moves.csv",
        &format!("s3://{}/reports", reports.name),
    )
    .await;
    assert_forms_agree(&bench, &format!("s3://{}/reports", reports.name)).await;
    let keys = reports.keys().await;
    assert!(
        keys.iter().all(|key| key.starts_with("reports/")),
        "{keys:?}"
    );

    // It makes the run resumable, as a folder does.
    let proxy = Proxy::start(&bench.servers).await;
    let again = format!("run moves.csv --report s3://{}/reports", reports.name);
    bench.rebucket(&again).behind(&proxy).end().await.is(1);
    for operation in ["HeadObject", "CopyObject", "DeleteObject"] {
        assert_eq!(proxy.count(operation), 0, "{operation}");
    }

    let missing = bench.rebucket("report").arg(&location).end().await;
    missing.is(2).says(&["there is no report at", &location]);
    let nowhere = bench.run("report s3://no-such-bucket-anywhere/x").await;
    nowhere.is(2).says(&["no-such-bucket-anywhere"]);
}

#[tokio::test]
async fn what_cannot_be_read_is_named() {
    let bench = Bench::new().await;
    bench.run("report nothing").await.is(2).says(&["nothing"]);
    bench.run("report").await.is(2);
    bench.run("report nothing --format xml").await.is(2);

    let pairs = bench.renames("moves.csv", 3).await;
    bench.run("run moves.csv").await.is(0);
    bench.assert_renamed(&pairs).await;
    let lines = jsonl_file(&bench, "moves.report/moves");
    let text = std::fs::read_to_string(&lines).unwrap();
    let mut file = OpenOptions::new().append(true).open(&lines).unwrap();
    file.write_all(b"{\"not\":\"an outcome\"}\n").unwrap();
    let broken = bench.run("report moves.report").await.is(2);
    broken.says(&[".jsonl, line 4"]);

    // A line that a crash cut off does not count: its task is asked for again,
    // and found to be done.
    let whole: usize = text.split_inclusive('\n').take(2).map(str::len).sum();
    std::fs::write(&lines, &text[..whole + 40]).unwrap();
    bench
        .assert_counts("moves.report", [3, 2, 0, 0, 0, 1])
        .await;
    bench.run("run moves.csv").await.is(0);
    bench
        .assert_counts("moves.report", [3, 2, 1, 0, 0, 0])
        .await;
    bench.assert_renamed(&pairs).await;
}

/// Writes a report of two jobs, as long as their outcomes are many: rows in no
/// order, each of them twice, and one failure in each job.
fn write_long_report(bench: &Bench, rows: u64) {
    for job in ["first", "second"] {
        let folder = bench.path("long").join(job);
        std::fs::create_dir_all(&folder).unwrap();
        let line = |row: u64, outcome: &str| {
            let mut line = report_line(job, row, outcome);
            line["bytes"] = 1_048_576.into();
            if outcome == "failed" {
                line["reason"] = "access_denied".into();
            }
            line.to_string() + "\n"
        };
        let rows = || (1..=rows).rev();
        let first: String = rows()
            .map(|row| line(row, if row == 2 { "failed" } else { "renamed" }))
            .collect();
        let again = rows()
            .filter(|row| *row != 2)
            .map(|row| line(row, "already_renamed"));
        std::fs::write(folder.join("w1.jsonl"), first).unwrap();
        std::fs::write(folder.join("w2.jsonl"), again.collect::<String>()).unwrap();
    }
}

#[tokio::test]
async fn sums_for_people_can_be_read_and_those_for_programs_are_plain() {
    let bench = Bench::new().await;
    write_long_report(&bench, 600);
    let (json, _) = bench.summary("long").await;
    assert_eq!(counts_of(&json), [1_200, 1_198, 0, 0, 2, 0]);
    assert_eq!(json["bytes"], 1_198 * 1_048_576_u64);
    let text = bench.run("report long").await.is(1).out;
    for line in [
        "job first: 600 submitted\n",
        "job (all): 1,200 submitted\n",
        "  renamed                 1,198\n",
        "  bytes            1,256,194,048 (1.1 GiB)\n",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
}

#[tokio::test]
async fn a_long_report_of_several_jobs_is_in_the_order_of_jobs_and_rows() {
    let bench = Bench::new().await;
    write_long_report(&bench, 300);
    let (json, code) = bench.summary("long").await;
    assert_eq!((counts_of(&json), code), ([600, 598, 0, 0, 2, 0], 1));
    let lines = bench.run("report long --format jsonl").await.is(1).out;
    let tasks = lines.lines().map(|line| {
        let record: Value = serde_json::from_str(line).unwrap();
        record["task"].as_str().unwrap().to_owned()
    });
    let named = |job: &'static str| {
        let job = JobId::new(job).unwrap();
        (1..=300).map(move |row| TaskId::for_row(&job, row).as_str().to_owned())
    };
    let expected = named("first").chain(named("second"));
    assert_eq!(tasks.collect::<Vec<_>>(), expected.collect::<Vec<_>>());

    let text = bench.run("report long --job second").await.is(1).out;
    assert!(
        text.contains("job second: 300 submitted") && !text.contains("first"),
        "{text}"
    );
    let undone = bench.run("undo long --job second --out -").await.is(0).out;
    assert_eq!(undone.lines().count(), 300);
    let row = |row: u64| format!("s3://bkt/second/new/{row},s3://bkt/second/old/{row},,,,");
    assert_eq!(undone.lines().nth(2), Some(row(3).as_str()));
}

#[tokio::test]
async fn a_reader_that_has_gone_away_has_all_that_it_wanted() {
    let bench = Bench::new().await;
    write_long_report(&bench, 300);
    for (command, code) in [
        ("report long --format csv", 1),
        ("report long --format jsonl", 1),
        ("report long --format html", 1),
        ("report long", 1),
        ("undo long --job first --out -", 0),
    ] {
        let ended = bench.rebucket(command).reader_gone().end().await.is(code);
        assert!(
            !ended.err.contains("cannot be written"),
            "{command}: {}",
            ended.err
        );
    }
}

/// The one file with outcomes in a job's folder.
fn jsonl_file(bench: &Bench, folder: &str) -> std::path::PathBuf {
    let entries = std::fs::read_dir(bench.path(folder)).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "jsonl"))
        .collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

#[tokio::test]
async fn a_report_of_a_running_job_tells_what_is_pending() {
    let bench = Bench::new().await;
    let pairs = bench.renames("moves.csv", 4).await;
    let proxy = Proxy::start(&bench.servers).await;
    let held = proxy.hold(rebucket_tests::Rule::on("CopyObject").nth(4).hold_request());
    let running = bench
        .rebucket("run moves.csv --max-renames 1")
        .behind(&proxy)
        .start();
    held.reached().await;
    // Three are done and recorded, or soon will be; one cannot be.
    rebucket_tests::until("three outcomes are in the report", || async {
        let (json, code) = bench.summary("moves.report").await;
        assert_eq!(code, 0);
        (counts_of(&json) == [4, 3, 0, 0, 0, 1]).then_some(())
    })
    .await;
    let text = bench.run("report moves.report").await.is(0).out;
    assert!(text.contains("pending"), "{text}");
    held.release();
    running.end().await.is(0);
    bench
        .assert_counts("moves.report", [4, 4, 0, 0, 0, 0])
        .await;
    bench.assert_renamed(&pairs).await;
}

#[tokio::test]
async fn submit_worker_and_report_agree() {
    let bench = Bench::new().await;
    let pairs = bench.renames("moves.csv", 25).await;
    let queue = Queue::create(&bench.servers, 5).await;
    let submit = format!(
        "submit moves.csv --report reports --job fleet --queue-url {}",
        queue.url
    );
    bench.run(&submit).await.is(0);
    bench.assert_counts("reports", [25, 0, 0, 0, 0, 25]).await;
    let reports = bench.path("reports");
    let worker = rebucket_tests::WorkerBuilder::new(&bench.servers)
        .flags("--exit-when-empty --visibility-timeout 10s --queue-url")
        .arg(&queue.url)
        .flags(&format!("--allow s3://{}/ --report", bench.bucket.name))
        .arg(reports.to_str().unwrap())
        .start();
    let exit = worker.exit().await;
    assert_eq!(exit.code, Some(0), "{}", exit.log);
    bench.assert_counts("reports", [25, 25, 0, 0, 0, 0]).await;
    bench.assert_renamed(&pairs).await;
}
