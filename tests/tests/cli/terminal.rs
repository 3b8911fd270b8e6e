//! What a terminal gets to see of text from elsewhere: lines, and nothing that
//! drives it or shows one key as another.

use std::fs;

use rebucket_tests::{Proxy, Reply, Rule};
use serde_json::json;

use crate::support::{Bench, report_line};

/// Forges a line of a log, clears the screen, and turns text around.
const KEYS: [&str; 3] = [
    "li/b\n2026-11-29T10:00:00.000000Z  INFO rebucket_worker: stopped renamed=999",
    "li/a\u{1b}[2J\u{1b}[31m\r\u{9b}5m\u{7}",
    "li/x\u{202e}gpj.exe\u{2066}\u{2028}\u{200f}\u{61c}",
];

/// The same as they are to be shown.
const SHOWN: [&str; 3] = [
    "li/b\\n2026-11-29T10:00:00.000000Z  INFO rebucket_worker: stopped renamed=999",
    "li/a\\u{1b}[2J\\u{1b}[31m\\r\\u{9b}5m\\u{7}",
    "li/x\\u{202e}gpj.exe\\u{2066}\\u{2028}\\u{200f}\\u{61c}",
];

/// Lines of characters that can be printed, with each key in them, or the one
/// that is named.
#[track_caller]
fn assert_printable(text: &str, shown: &[&str]) {
    let deceives = |c: char| {
        c.is_control() && c != '\n'
            || matches!(c, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}')
    };
    assert!(!text.contains(deceives), "{text:?}");
    assert!(!text.contains("\n2026-11-29T10"), "{text}");
    for key in shown {
        assert!(text.contains(key), "{key} is not in\n{text}");
    }
}

#[tokio::test]
async fn keys_are_printed_as_lines_that_drive_no_terminal() {
    let bench = Bench::new().await;
    let pairs = KEYS.map(|key| (format!("from/{key}"), format!("to/{key}")));
    bench.manifest("moves.csv", &pairs);
    // Nothing is there, so that all of it fails, and is logged.
    let ended = bench
        .rebucket("run moves.csv")
        .logging("rebucket_worker=debug")
        .end()
        .await
        .is(1);
    let logged = SHOWN.map(|key| format!("source=s3://{}/from/{key} ", bench.bucket.name));
    assert_printable(&ended.err, &logged.each_ref().map(String::as_str));
    let text = bench.run("report moves.report").await.is(1);
    assert_printable(&text.out, &SHOWN);
    // What machines read stays exact.
    for (from, _) in &pairs {
        let record = bench.outcome("moves.report", from).await;
        assert_eq!(record["reason"], "source_missing");
    }

    // A key, a folder and a message of a report that somebody else has written.
    let folder = bench.path("odd/j\u{1b}[2Jb");
    fs::create_dir_all(&folder).unwrap();
    let mut line = report_line("job", 1, "failed");
    line["reason"] = json!("invalid_request");
    line["detail"] = json!("no\u{1b}[2J\nway");
    fs::write(folder.join("w.jsonl"), format!("{line}\n{{bad\n")).unwrap();
    let ended = bench.run("report odd").await;
    assert_printable(&ended.err, &["j\\u{1b}[2Jb"]);
    fs::write(folder.join("w.jsonl"), format!("{line}\n")).unwrap();
    let ended = bench.run("report odd").await.is(1);
    assert_printable(
        &ended.out,
        &["job j\\u{1b}[2Jb: ", ": no\\u{1b}[2J\\nway\n"],
    );

    let (keys, flags) = (
        pairs.map(|(from, _)| format!("\"{from}\"")),
        "--bucket bkt --dry-run",
    );
    bench.write("keys.csv", format!("key\n{}\n", keys.join("\n")));
    let map = bench.rebucket(&format!("map keys.csv {flags} --rewrite"));
    let ended = map.arg("s|^from/|new/|").end().await.is(0);
    assert_printable(&ended.out, &SHOWN);
}

#[tokio::test]
async fn what_a_service_says_is_printed_as_a_line() {
    let bench = Bench::new().await;
    let proxy = Proxy::start(&bench.servers).await;
    let message = "no&#10;2026-11-29T10:00:00Z  INFO all is well&#x202e;&#x9b;2J";
    let body = format!("<Error><Code>InvalidArgument</Code><Message>{message}</Message></Error>");
    proxy.rule(Rule::when(|_| true).answer(Reply::new(400, &body)));
    let from = bench.uri("");
    let map = bench.rebucket("map --rewrite s|^a|b|").arg(&from);
    let ended = map.behind(&proxy).end().await;
    let told = "no\\n2026-11-29T10:00:00Z  INFO all is well\\u{202e}\\u{9b}2J";
    assert_printable(&ended.err, &[told]);
}
