//! Renames that fail or are skipped, and what is left of them.

use rebucket_tests::Bucket;

use crate::support::{Bench, csv_text};

impl Bench {
    /// Asserts how the rename of a key ended.
    async fn assert_ended(&self, report: &str, key: &str, outcome: &str, reason: Option<&str>) {
        let record = self.outcome(report, key).await;
        assert_eq!(record["outcome"], outcome, "{record}");
        assert_eq!(record["reason"].as_str(), reason, "{record}");
    }

    /// Asserts that the rename of a key failed, and that the words say why.
    async fn assert_failed(&self, report: &str, key: &str, reason: &str, words: &[&str]) {
        self.assert_ended(report, key, "failed", Some(reason)).await;
        let record = self.outcome(report, key).await;
        let detail = record["detail"].as_str().unwrap();
        for word in words {
            assert!(detail.contains(word), "{word:?} is not in {detail:?}");
        }
    }
}

#[tokio::test]
async fn a_missing_source_fails_alone() {
    let bench = Bench::new().await;
    bench.bucket.put_plain("there", b"there").await;
    bench.manifest(
        "moves.csv",
        &[("missing", "to/missing"), ("there", "to/there")],
    );
    let ended = bench.run("run moves.csv").await.is(1);
    assert!(ended.out.contains("source_missing"), "{}", ended.out);
    let source = bench.uri("missing");
    bench
        .assert_failed("moves.report", "missing", "source_missing", &[&source])
        .await;
    bench
        .assert_ended("moves.report", "there", "renamed", None)
        .await;
    assert_eq!(bench.bucket.keys().await, ["to/there"]);
}

/// A destination that holds other bytes, and what becomes of the two objects
/// under the choice of the flag and that of the column.
async fn with_conflict(flag: &str, column: &str, outcome: &str) {
    let bench = Bench::new().await;
    let put = bench.bucket.put("a", b"mine").metadata("whose", "mine");
    put.send().await.unwrap();
    bench.bucket.put_plain("b", b"another's").await;
    let (mine, anothers) = (bench.object("a").await, bench.object("b").await);
    let header = ["source", "destination", "if_exists"];
    let row = [bench.uri("a"), bench.uri("b"), column.to_owned()];
    bench.write("moves.csv", csv_text(&header, [row]));
    let flag = if flag.is_empty() {
        String::new()
    } else {
        format!("--if-exists {flag}")
    };
    let code = i32::from(outcome == "failed");
    bench.run(&format!("run moves.csv {flag}")).await.is(code);
    let reason = (outcome != "renamed").then_some("destination_exists");
    bench
        .assert_ended("moves.report", "a", outcome, reason)
        .await;
    if outcome == "renamed" {
        bench.bucket.assert_moved("a", "b", &mine).await;
    } else {
        bench.bucket.assert_kept("a", &mine).await;
        bench.bucket.assert_kept("b", &anothers).await;
    }
    bench.bucket.assert_no_remains().await;
}

#[tokio::test]
async fn a_taken_destination_is_left_unless_it_is_to_be_overwritten() {
    for (flag, outcome) in [
        ("", "failed"),
        ("fail", "failed"),
        ("skip", "skipped"),
        ("overwrite", "renamed"),
    ] {
        with_conflict(flag, "", outcome).await;
    }
}

#[tokio::test]
async fn the_column_if_exists_overrides_the_flag() {
    for (flag, column, outcome) in [
        ("", "skip", "skipped"),
        ("overwrite", "fail", "failed"),
        ("fail", "overwrite", "renamed"),
    ] {
        with_conflict(flag, column, outcome).await;
    }
}

#[tokio::test]
async fn a_source_that_is_not_the_pinned_one_stays() {
    let bench = Bench::new().await;
    let keys = ["etag", "size", "both", "good"];
    for key in keys {
        bench
            .bucket
            .put_plain(key, format!("the {key}").as_bytes())
            .await;
    }
    let etag = bench.bucket.pins("good").await.0;
    let wrong = "\"00000000000000000000000000000000\"";
    let row = |key: &str, etag: &str, size: &str| {
        let to = bench.uri(&format!("to/{key}"));
        [bench.uri(key), to, etag.to_owned(), size.to_owned()]
    };
    let rows = [
        row("etag", wrong, ""),
        row("size", "", "9"),
        row("both", wrong, "8"),
        row("good", &etag, "8"),
    ];
    let header = ["source", "destination", "etag", "size"];
    bench.write("moves.csv", csv_text(&header, rows));
    bench.run("run moves.csv").await.is(1);
    for (key, words) in [
        ("etag", ["ETag", wrong]),
        ("size", ["size is 8", "names 9"]),
        ("both", ["ETag", wrong]),
    ] {
        bench
            .assert_failed("moves.report", key, "source_changed", &words)
            .await;
    }
    bench
        .assert_ended("moves.report", "good", "renamed", None)
        .await;
    let mut left = bench.bucket.keys().await;
    left.sort();
    assert_eq!(left, ["both", "etag", "size", "to/good"]);
}

/// The version of the object that is current at a key.
async fn version(bucket: &Bucket, key: &str) -> String {
    let head = bucket.client.head_object().bucket(&bucket.name).key(key);
    let head = head.send().await.unwrap();
    head.version_id().unwrap().to_owned()
}

#[tokio::test]
async fn a_version_that_is_not_current_any_more_is_not_renamed() {
    let bench = Bench::versioned().await;
    let bucket = &bench.bucket;
    bucket.put_plain("a", b"first").await;
    bucket.put_plain("b", b"only").await;
    let (first, only) = (version(bucket, "a").await, version(bucket, "b").await);
    bucket.put_plain("a", b"second").await;
    let row =
        |from: &str, to: &str, version: &str| [bench.uri(from), bench.uri(to), version.to_owned()];
    let rows = [row("a", "to/a", &first), row("b", "to/b", &only)];
    let header = ["source", "destination", "version_id"];
    bench.write("moves.csv", csv_text(&header, rows));
    bench.run("run moves.csv").await.is(1);
    let words = ["version", first.as_str()];
    bench
        .assert_failed("moves.report", "a", "source_changed", &words)
        .await;
    bench
        .assert_ended("moves.report", "b", "renamed", None)
        .await;
    assert_eq!(
        bench.versions().await,
        ["a", "a", "b", "b (marker)", "to/b"]
    );
}

#[tokio::test]
async fn what_failed_can_be_tried_again_when_the_way_is_free() {
    let bench = Bench::new().await;
    for key in ["a", "b", "c"] {
        bench.bucket.put_plain(key, key.as_bytes()).await;
    }
    bench.bucket.put_plain("to/b", b"in the way").await;
    bench.bucket.put_plain("to/c", b"in the way").await;
    bench.manifest("moves.csv", &[("a", "to/a"), ("b", "to/b"), ("c", "to/c")]);
    bench.run("run moves.csv").await.is(1);
    bench
        .assert_counts("moves.report", [3, 1, 0, 0, 2, 0])
        .await;
    let remove = bench.bucket.client.delete_object();
    let remove = remove.bucket(&bench.bucket.name).key("to/b");
    remove.send().await.unwrap();

    // Only when it is asked for.
    bench.run("run moves.csv").await.is(1);
    bench
        .assert_counts("moves.report", [3, 1, 0, 0, 2, 0])
        .await;
    bench.run("run moves.csv --retry-failed").await.is(1);
    bench
        .assert_counts("moves.report", [3, 2, 0, 0, 1, 0])
        .await;
    // A choice of the job may change from run to run.
    let last = "run moves.csv --retry-failed --if-exists overwrite";
    bench.run(last).await.is(0);
    bench
        .assert_counts("moves.report", [3, 3, 0, 0, 0, 0])
        .await;
    for key in ["a", "b", "c"] {
        let object = bench.object(&format!("to/{key}")).await;
        assert_eq!(object["size"], "1", "{key}");
    }
    assert_eq!(bench.bucket.keys().await, ["to/a", "to/b", "to/c"]);
}

#[tokio::test]
async fn a_source_that_was_missing_can_be_renamed_once_it_is_there() {
    let bench = Bench::new().await;
    bench.manifest("moves.csv", &[("late", "to/late")]);
    bench.run("run moves.csv").await.is(1);
    bench.bucket.put_plain("late", b"late").await;
    bench.run("run moves.csv --retry-failed").await.is(0);
    bench
        .assert_counts("moves.report", [1, 1, 0, 0, 0, 0])
        .await;
    assert_eq!(bench.bucket.keys().await, ["to/late"]);
}
