//! Keys that are trouble to a URL, a header or an XML answer.

use rebucket_protocol::Reason;
use rebucket_tests::{World, differences};

/// One piece of each kind of trouble. Left out is what SeaweedFS itself does
/// not keep: `//`, `\`, `.` and `..` segments, and a slash at the end.
const PIECES: [&str; 34] = [
    "plain",
    "two words",
    " blanks around ",
    "a+b",
    "100%",
    "%2F %C3%A9 %25",
    "what?",
    "?versionId=null",
    "?uploads",
    "#1",
    "R&D=x&y",
    "it's",
    "say \"cheese\"",
    "comma, comma",
    "semi;colon:at@",
    "<tag>&amp;",
    "[a]{b}(c)",
    "$HOME `id` |",
    "~!*^",
    "..dots...",
    ".hidden",
    "gr\u{fc}\u{df}e",
    "e\u{301} in two code points",
    "\u{5199}\u{771f}",
    "\u{5e9}\u{5dc}\u{5d5}\u{5dd}",
    "\u{1f980}\u{1f389}",
    "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
    "tab\there",
    "\u{a0}no-break",
    "\u{202e}right to left",
    "bell\u{7}",
    "line\nbreak",
    "delete\u{7f}",
    "\u{fffd}\u{feff}",
];

fn keys() -> Vec<(String, String)> {
    let mut keys = Vec::new();
    for (index, first) in PIECES.iter().enumerate() {
        for step in 0..8 {
            let second = PIECES[(index + 5 * step + 1) % PIECES.len()];
            keys.push((
                format!("in/{first}/{second} {index}.{step}"),
                format!("out/{second}/{index}.{step} {first}"),
            ));
        }
    }
    // 1,024 bytes, and no part of the path over the 255 of a file name; once
    // of one byte a character and once of four.
    for (name, fill) in [("ascii", "x"), ("crabs", "\u{1f980}")] {
        let long = |prefix: &str| {
            let mut key = format!("{prefix}/{name}/");
            while key.len() + 241 < 1024 {
                key.push_str(&fill.repeat(240 / fill.len()));
                key.push('/');
            }
            let rest = 1024 - key.len();
            key.push_str(&"y".repeat(rest));
            assert_eq!(key.len(), 1024);
            key
        };
        keys.push((long("in"), long("out")));
    }
    keys
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_key_can_be_renamed_from_and_to() {
    let world = World::new().await;
    let pairs = keys();
    let (sources, destinations): (Vec<_>, Vec<_>) = pairs.iter().cloned().unzip();
    let puts = sources
        .iter()
        .map(|key| async { world.bucket.put_plain(key, key.as_bytes()).await });
    futures_util::future::join_all(puts).await;
    let before = world.bucket.objects(&sources).await;
    let tasks: Vec<_> = (1..)
        .zip(&pairs)
        .map(|(n, (from, to))| world.task(n, from, to))
        .collect();
    world.carry_out(&tasks).await;

    world.report.assert_all_renamed(pairs.len()).await;
    let arrived = world.bucket.objects(&destinations).await;
    let left = world.bucket.objects(&sources).await;
    for (from, to) in &pairs {
        let was = before[from].as_ref().unwrap();
        let is = arrived[to].as_ref();
        let is = is.unwrap_or_else(|| panic!("nothing arrived at {to:?}"));
        assert_eq!(differences(was, is), "", "{from:?} -> {to:?}");
        assert!(left[from].is_none(), "{from:?} is still there");
    }
    world.bucket.assert_no_remains().await;
}

#[tokio::test]
async fn keys_in_the_log_of_a_worker_forge_no_line_of_it() {
    let world = World::new().await;
    let (from, to) = (
        "in/a\n2026-11-29T10:00:00Z  INFO forged",
        "out/\u{1b}[2J\u{202e}",
    );
    world.bucket.put_plain(from, b"x").await;
    world.queue.send(&[world.task(1, from, to)]).await;
    let log = world.worker().start().drain(&world.queue).await;
    world.report.assert_all_renamed(1).await;
    let ended = log.lines().find(|line| line.contains("task ended"));
    let name = &world.bucket.name;
    let fields = format!(
        "source=s3://{name}/in/a\\n2026-11-29T10:00:00Z  INFO forged \
         destination=s3://{name}/out/\\u{{1b}}[2J\\u{{202e}}"
    );
    assert!(ended.is_some_and(|line| line.ends_with(&fields)), "{log}");
}

/// `SeaweedFS` keeps keys as files: it shows an object whose key ends in a
/// slash and does not copy it, and refuses a key that is a folder's name.
#[tokio::test]
async fn keys_that_the_endpoint_cannot_copy_are_told_at_the_first_delivery() {
    let world = World::new().await;
    for key in ["in/folder/", "in/a", "out/a/child"] {
        world.bucket.put_plain(key, key.as_bytes()).await;
    }
    world
        .carry_out(&[
            world.task(1, "in/folder/", "out/folder/"),
            world.task(2, "in/a", "out/a"),
        ])
        .await;
    for (number, words) in [
        (1, "does not copy keys that end in a slash"),
        (2, "It has a folder of that name"),
    ] {
        let report = &world.report;
        let record = report.assert_failed(number, Reason::KeyUnsupported).await;
        let detail = record.detail.unwrap();
        assert!(detail.contains(words), "{detail}");
        assert_eq!(record.attempts, 1, "{detail}");
    }
    let keys = world.bucket.keys().await;
    assert_eq!(keys, ["in/a", "in/folder/", "out/a/child"]);
}
