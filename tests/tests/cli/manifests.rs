//! One manifest in all its forms is one job.

use std::io::Write as _;

use rebucket_tests::Queue;

use crate::submit::receive;
use crate::support::{Bench, csv_text};

const PAIRS: [(&str, &str); 5] = [
    ("in/plain", "out/plain"),
    ("in/a b+c", "out/100%"),
    ("in/\u{e9}, \"q\"", "out/%20"),
    ("in/x?y#z&", "out/x=y;z"),
    // Last, for a row has its line in the plan.
    ("in/line\nbreak", "out/\u{1f980}"),
];

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// As S3 Inventory writes keys.
fn url_encoded(key: &str) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for byte in key.bytes() {
        match byte {
            b' ' => text.push('+'),
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => {
                text.push(char::from(byte));
            }
            _ => write!(text, "%{byte:02X}").unwrap(),
        }
    }
    text
}

/// Writes the manifest in every form; returns the arguments that name each.
async fn forms(bench: &Bench) -> Vec<String> {
    let bucket = &bench.bucket.name;
    bench.manifest("moves.csv", &PAIRS);
    let plain = std::fs::read(bench.path("moves.csv")).unwrap();
    bench.write("moves.csv.gz", gzip(&plain));
    let zst = zstd::encode_all(plain.as_slice(), 1).unwrap();
    bench.write("moves.csv.zst", zst);
    let keys = PAIRS.map(|(from, to)| [from, to]);
    let pair = ["source", "destination"];
    bench.write("keys.csv", csv_text(&pair, keys));
    let encoded = PAIRS.map(|(from, to)| [url_encoded(from), url_encoded(to)]);
    bench.write("encoded.csv", csv_text(&pair, encoded));
    let columns = [
        "source_bucket",
        "source_key",
        "destination_bucket",
        "destination_key",
    ];
    let rows = PAIRS.map(|(from, to)| [bucket, from, bucket, to]);
    bench.write("columns.csv", csv_text(&columns, rows));
    bench.bucket.put_plain("m/moves.csv", &plain).await;
    bench
        .bucket
        .put_plain("m/moves.csv.gz", &gzip(&plain))
        .await;
    bench.run("plan moves.csv --out moves.plan").await.is(0);
    let plan = std::fs::read(bench.path("moves.plan")).unwrap();
    bench.write("moves.plan.gz", gzip(&plan));
    vec![
        "moves.csv".to_owned(),
        "moves.csv.gz".to_owned(),
        "moves.csv.zst".to_owned(),
        "moves.plan".to_owned(),
        "moves.plan.gz".to_owned(),
        "columns.csv".to_owned(),
        format!("keys.csv --bucket {bucket}"),
        format!("encoded.csv --url-encoded --bucket {bucket}"),
        bench.uri("m/moves.csv"),
        bench.uri("m/moves.csv.gz"),
        "-".to_owned(),
    ]
}

#[tokio::test]
async fn every_form_of_a_manifest_submits_the_same_tasks() {
    let bench = Bench::new().await;
    let queue = Queue::create(&bench.servers, 5).await;
    let stdin = |name: &str| std::fs::read(bench.path(name)).unwrap();
    let mut first = None;
    for form in forms(&bench).await {
        let inputs: &[&str] = if form == "-" {
            &["moves.csv", "moves.csv.gz", "moves.csv.zst", "moves.plan"]
        } else {
            &["moves.csv"]
        };
        for input in inputs {
            let command = format!("submit {form} --job j --queue-url {}", queue.url);
            let call = bench.rebucket(&command).stdin(&stdin(input));
            let ended = call.end().await.is(0);
            assert_eq!(ended.out, "job j: 5 of 5 renames submitted\n");
            let mut tasks = receive(&bench, &queue, 5).await;
            for task in &mut tasks {
                (task.submitted, task.submission) = (None, None);
            }
            let first = first.get_or_insert_with(|| tasks.clone());
            assert_eq!(tasks, *first, "{form} of {input}");
        }
    }
    let tasks = first.unwrap();
    for (task, (from, to)) in tasks.iter().zip(PAIRS) {
        assert_eq!(task.source().to_string(), bench.uri(from));
        assert_eq!(task.destination().to_string(), bench.uri(to));
    }
}

#[tokio::test]
async fn every_form_of_a_manifest_runs_as_the_same_job() {
    let bench = Bench::new().await;
    let forms = forms(&bench).await;
    let plain = std::fs::read(bench.path("moves.csv")).unwrap();
    for (round, form) in forms.iter().enumerate() {
        for (key, _) in PAIRS {
            bench.bucket.put_plain(key, key.as_bytes()).await;
        }
        let report = format!("reports-{round}");
        let command = |form: &str| format!("run {form} --job j --report {report}");
        let call = bench.rebucket(&command(form)).stdin(&plain);
        call.end().await.is(0);
        for (from, to) in PAIRS {
            assert_eq!(bench.bucket.object(from).await, None, "{form}: {from:?}");
            let size = bench.object(to).await["size"].parse::<usize>();
            assert_eq!(size.unwrap(), from.len(), "{form}: {to:?}");
            let delete = bench.bucket.client.delete_object();
            let delete = delete.bucket(&bench.bucket.name).key(to);
            delete.send().await.unwrap();
        }
        bench.assert_counts(&report, [5, 5, 0, 0, 0, 0]).await;
        // The next form is the same job: all of it is done.
        let next = &forms[(round + 1) % forms.len()];
        let again = bench.rebucket(&command(next)).stdin(&plain);
        again.end().await.is(0);
        bench.assert_counts(&report, [5, 5, 0, 0, 0, 0]).await;
    }
}

#[tokio::test]
async fn a_plan_carries_its_choices_and_the_command_line_wins() {
    let bench = Bench::new().await;
    for key in ["a", "b"] {
        bench.bucket.put_plain(key, key.as_bytes()).await;
        bench.bucket.put_plain(&format!("to/{key}"), b"taken").await;
    }
    bench.manifest("moves.csv", &[("a", "to/a"), ("b", "to/b")]);
    let plan = "plan moves.csv --out moves.plan --if-exists skip --job planned";
    bench.run(plan).await.is(0);
    let ended = bench.run("run moves.plan").await.is(0);
    assert!(ended.out.starts_with("job planned: 2 submitted\n"));
    bench
        .assert_counts("moves.report/planned", [2, 0, 0, 2, 0, 0])
        .await;
    let other = "run moves.plan --job other --if-exists overwrite";
    bench.run(other).await.is(0);
    bench
        .assert_counts("moves.report/other", [2, 2, 0, 0, 0, 0])
        .await;

    let plan = std::fs::read(bench.path("moves.plan")).unwrap();
    let mut altered = plan.clone();
    altered[plan.len() / 2] ^= 1;
    bench.write("altered.plan", altered);
    let ended = bench.run("run altered.plan").await.is(2);
    ended.says(&["altered.plan", "altered or damaged"]);
    bench.write("short.plan", &plan[..plan.len() - 30]);
    bench.run("run short.plan").await.is(2).says(&["cut short"]);
}

#[tokio::test]
async fn without_a_name_the_job_and_the_report_must_be_named() {
    let bench = Bench::new().await;
    bench.bucket.put_plain("a", b"a").await;
    bench.manifest("moves.csv", &[("a", "b")]);
    let plain = std::fs::read(bench.path("moves.csv")).unwrap();
    for (flags, missing) in [("", "--report"), ("--report r", "--job")] {
        let call = bench.rebucket(&format!("run - {flags}")).stdin(&plain);
        call.end().await.is(2).says(&[missing]);
    }
    bench.bucket.put_plain("m.csv", &plain).await;
    let on_s3 = format!("run {}", bench.uri("m.csv"));
    bench.run(&on_s3).await.is(2).says(&["--report"]);
    let ended = bench.run(&format!("{on_s3} --report r")).await.is(0);
    assert!(ended.out.starts_with("job m: 1 submitted\n"));
    let missing = format!("run {} --report r", bench.uri("none.csv"));
    bench.run(&missing).await.is(2).says(&["none.csv"]);
}
