//! `rebucket run` on objects of every kind.

use rebucket_tests::bucket::{MIB, bytes};
use rebucket_tests::{Bucket, NewObject, Proxy};

use crate::support::Bench;

/// Keys that are trouble to CSV, to URLs, to headers or to XML.
const KEYS: [&str; 14] = [
    "plain",
    "two words",
    " blanks around ",
    "a+b",
    "100% %2F %C3%A9",
    "what?uploads#1&x=y",
    "it's \"quoted\", with a comma",
    "\"",
    "<tag>&amp;;:@=",
    "gr\u{fc}\u{df}e e\u{301} \u{5199}\u{771f}",
    "\u{1f980}\u{1f468}\u{200d}\u{1f469}",
    "line\nbreak\tand tab",
    "[a]{b}(c)$~!*^|`",
    "..dots...",
];

#[tokio::test]
async fn a_mixed_manifest_ends_with_everything_under_the_new_keys() {
    let bench = Bench::new().await;
    let bucket = &bench.bucket;
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (index, key) in KEYS.iter().enumerate() {
        let other = KEYS[(index + 5) % KEYS.len()];
        pairs.push((format!("in/{key}"), format!("out/{other}/{index} {key}")));
        bucket
            .put_plain(&pairs[index].0, format!("{index} {key}").as_bytes())
            .await;
    }
    let mut add = |name: &str| {
        pairs.push((format!("in/{name}"), format!("out/kinds/{name}")));
        pairs.last().unwrap().0.clone()
    };
    bucket.put_plain(&add("empty"), b"").await;
    let headers = bucket
        .put(&add("headers"), b"headers")
        .content_type("image/svg+xml; charset=utf-8")
        .cache_control("max-age=60, private")
        .content_disposition("attachment; filename=\"a b.svg\"")
        .content_encoding("x-own")
        .content_language("de, fr");
    headers.send().await.unwrap();
    let metadata = bucket
        .put(&add("metadata"), b"metadata")
        .metadata("owner", "a team, with a comma")
        .metadata("empty-ish", "-")
        .tagging("project=re%20bucket&stage=a%2Bb");
    metadata.send().await.unwrap();
    let parts = vec![bytes(1, 5 * MIB), bytes(2, 5 * MIB), bytes(3, MIB)];
    let large = NewObject {
        parts,
        checksum: None,
    };
    bucket.upload(&add("large"), large).await;

    let keys: Vec<String> = pairs.iter().map(|(from, _)| from.clone()).collect();
    let before = bucket.objects(&keys).await;
    bench.manifest("moves.csv", &pairs);
    let proxy = Proxy::start(&bench.servers).await;
    let command = "run moves.csv --multipart-threshold 5MiB --part-size 5MiB";
    let ended = bench.rebucket(command).behind(&proxy).end().await.is(0);
    assert!(
        ended
            .out
            .starts_with(&format!("job moves: {} submitted\n", pairs.len())),
        "{}",
        ended.out
    );
    let (warnings, rest) = ended.err.split_once("moves.csv: 1 warning\n").unwrap();
    assert!(
        warnings.contains(" has white space (U+0020) at an end"),
        "{warnings}"
    );
    assert_eq!(rest, "report: moves.report\n");

    for (from, to) in &pairs {
        let was = before[from].as_ref().unwrap();
        bucket.assert_moved(from, to, was).await;
    }
    assert_eq!(bucket.keys().await.len(), pairs.len());
    bucket.assert_no_remains().await;
    assert_eq!(proxy.count("UploadPartCopy"), 3);
    assert_eq!(proxy.count("CompleteMultipartUpload"), 1);

    let rows = u64::try_from(pairs.len()).unwrap();
    bench
        .assert_counts("moves.report", [rows, rows, 0, 0, 0, 0])
        .await;
    let (json, code) = bench.summary("moves.report").await;
    let size = |key: &String| {
        before[key].as_ref().unwrap()["size"]
            .parse::<u64>()
            .unwrap()
    };
    assert_eq!(json["bytes"], keys.iter().map(size).sum::<u64>(), "{json}");
    assert_eq!(code, 0);
    assert!(bench.path("moves.report/moves/job.json").is_file());
}

#[tokio::test]
async fn objects_move_between_buckets() {
    let bench = Bench::new().await;
    let other = Bucket::create(bench.bucket.client.clone()).await;
    let put = bench
        .bucket
        .put("a", b"between")
        .metadata("k", "v")
        .tagging("t=1");
    put.send().await.unwrap();
    let was = bench.object("a").await;
    let text = format!(
        "source,destination\n{},s3://{}/b\n",
        bench.uri("a"),
        other.name
    );
    bench.write("moves.csv", text);
    bench.run("run moves.csv").await.is(0);
    assert_eq!(other.object("b").await, Some(was));
    assert!(bench.bucket.keys().await.is_empty());
    other.assert_no_remains().await;
}

#[tokio::test]
async fn a_manifest_without_rows_is_a_job_without_tasks() {
    let bench = Bench::new().await;
    bench.manifest::<&str>("moves.csv", &[]);
    let ended = bench.run("run moves.csv").await.is(0);
    assert!(ended.out.starts_with("job moves: 0 submitted\n"));
    bench
        .assert_counts("moves.report", [0, 0, 0, 0, 0, 0])
        .await;
    bench.run("run moves.csv").await.is(0);
}

#[tokio::test]
async fn credentials_stay_secret_however_much_is_logged() {
    let bench = Bench::new().await;
    for format in ["text", "json"] {
        let name = format!("{format}.csv");
        bench.bucket.put_plain(&format!("{format}/a"), b"a").await;
        bench.manifest(&name, &[(format!("{format}/a"), format!("{format}/b"))]);
        let call = bench.rebucket(&format!("run {name} --log-format {format}"));
        // The check is made on whatever any command says; here it says a lot.
        let ended = call.logging("debug").end().await.is(0);
        assert!(ended.err.lines().count() > 20, "{}", ended.err);
        if format == "json" {
            let logged = ended.err.lines().filter(|line| line.starts_with('{'));
            for line in logged {
                serde_json::from_str::<serde_json::Value>(line).unwrap();
            }
        }
    }
}
