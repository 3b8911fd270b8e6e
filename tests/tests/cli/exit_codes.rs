//! Exit codes 2 and 3: what is refused before anything is renamed.

use rebucket_tests::{Bucket, Proxy, Servers};

use crate::support::Bench;

/// A bucket with an object and a manifest that renames it.
async fn one_rename() -> Bench {
    let bench = Bench::new().await;
    bench.bucket.put_plain("a", b"a").await;
    bench.manifest("moves.csv", &[("a", "b")]);
    bench
}

#[tokio::test]
async fn an_endpoint_that_is_down_is_told_from_a_failure() {
    let bench = one_rename().await;
    // Port 1 is nobody's.
    let call = bench.rebucket("run moves.csv");
    let ended = call.env("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1");
    let ended = ended.end().await.is(3);
    ended.says(&["rebucket: ", &bench.bucket.name]);
    // It goes on when the endpoint is back.
    bench.run("run moves.csv").await.is(0);
    assert_eq!(bench.bucket.keys().await, ["b"]);

    let call = bench.rebucket("report s3://bucket/reports");
    let call = call.env("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1");
    call.end().await.is(3);
}

#[tokio::test]
async fn credentials_that_are_not_known_are_refused() {
    let bench = one_rename().await;
    let (key, secret) = (&bench.servers.access_key, &bench.servers.secret_key);
    for (access_key, secret_key) in [
        (key.as_str(), "a-secret-that-is-wrong"),
        ("nobody", secret.as_str()),
    ] {
        let call = bench.rebucket("run moves.csv");
        let ended = call.credentials(access_key, secret_key).end().await.is(3);
        ended.says(&[&bench.bucket.name]);
    }
    // None at all.
    let call = bench.rebucket("run moves.csv").without_credentials();
    let ended = call.env("HOME", "/nonexistent").end().await.is(3);
    ended.says(&["credentials"]);
    assert_eq!(bench.bucket.keys().await, ["a"]);
}

#[tokio::test]
async fn nothing_is_renamed_when_one_bucket_is_missing() {
    let bench = one_rename().await;
    let text = format!(
        "source,destination\n{},{}\n{},s3://no-such-bucket-anywhere/c\n",
        bench.uri("a"),
        bench.uri("b"),
        bench.uri("c")
    );
    bench.write("moves.csv", text);
    let proxy = Proxy::start(&bench.servers).await;
    let call = bench.rebucket("run moves.csv").behind(&proxy);
    let ended = call.end().await.is(3);
    ended.says(&["no-such-bucket-anywhere"]);
    assert_eq!(proxy.count("CopyObject"), 0);
    assert_eq!(bench.bucket.keys().await, ["a"]);
}

#[tokio::test]
async fn an_endpoint_that_ignores_conditions_is_refused_by_default() {
    let servers = Servers::from_env();
    let bucket = Bucket::create(servers.s3_client(&servers.moto)).await;
    let servers = Servers {
        s3: servers.moto.clone(),
        ..servers
    };
    let bench = Bench::around(servers, bucket);
    bench.bucket.put_plain("a", b"a").await;
    bench.manifest("moves.csv", &[("a", "b")]);
    for flags in ["", "--on-missing-precondition refuse"] {
        let ended = bench.run(&format!("run moves.csv {flags}")).await.is(2);
        ended.says(&[
            &bench.bucket.name,
            "copy-source-if-match on CopyObject",
            "If-None-Match on CopyObject",
            "--on-missing-precondition emulate",
        ]);
        assert_eq!(bench.bucket.keys().await, ["a"]);
    }
    let emulated = "run moves.csv --on-missing-precondition emulate";
    let ended = bench.run(emulated).await.is(0);
    ended.says(&["If-None-Match on CopyObject", "window"]);
    assert_eq!(bench.bucket.keys().await, ["b"]);
}

#[tokio::test]
async fn renames_of_or_to_the_same_name_are_refused_with_both_lines() {
    let bench = one_rename().await;
    let queue = rebucket_tests::Queue::create(&bench.servers, 5).await;
    for (pairs, word) in [
        ([("a", "b"), ("a", "c")], "duplicate source"),
        ([("a", "c"), ("b", "c")], "duplicate destination"),
    ] {
        bench.manifest("moves.csv", &pairs);
        let submit = format!("submit moves.csv --queue-url {}", queue.url);
        for command in ["run moves.csv", &submit, "plan moves.csv"] {
            let ended = bench.run(command).await.is(2);
            let ended = ended.says(&["moves.csv:3:", word, "line 2", "nothing was renamed"]);
            assert_eq!(ended.out, "");
        }
    }
    bench.manifest("moves.csv", &[("a", "a")]);
    let ended = bench.run("run moves.csv").await.is(2);
    ended.says(&["moves.csv:2", "renamed to itself"]);
    assert_eq!(bench.bucket.keys().await, ["a"]);
    assert!(queue.is_empty().await);
    assert!(!bench.path("moves.report").exists());
}

#[tokio::test]
async fn bad_usage_is_refused_before_anything_is_read() {
    let bench = one_rename().await;
    for command in [
        "",
        "rename moves.csv",
        "run",
        "run moves.csv extra.csv",
        "run moves.csv --colour",
        "run moves.csv --part-size 4MiB",
        "run moves.csv --part-size huge",
        "run moves.csv --multipart-threshold 6GB",
        "run moves.csv --max-renames 0",
        "run moves.csv --grace soon",
        "run moves.csv --verify maybe",
        "run moves.csv --if-exists maybe",
        "run moves.csv --on-missing-precondition ignore",
        "run moves.csv --scratch not-a-prefix",
        "run moves.csv --report s3://",
        "run moves.csv --job a/b",
        "run none.csv",
        "run .",
    ] {
        let ended = bench.run(command).await.is(2);
        assert_ne!(ended.err, "", "{command}");
    }
    // A report that cannot be: a file is where its folder would be.
    let ended = bench.run("run moves.csv --report moves.csv").await.is(2);
    ended.says(&["moves.csv"]);
    let nowhere = "run moves.csv --report s3://no-such-bucket-anywhere/r";
    bench.run(nowhere).await.is(2).says(&["no-such-bucket"]);
    assert_eq!(bench.bucket.keys().await, ["a"]);
}

#[tokio::test]
async fn help_is_given_for_every_command() {
    let bench = one_rename().await;
    for command in ["run", "submit", "report", "plan", "estimate", "undo"] {
        let ended = bench.run(&format!("{command} --help")).await.is(0);
        assert!(ended.out.contains("REBUCKET_"), "{}", ended.out);
    }
    let ended = bench.run("--help").await.is(0);
    assert!(ended.out.contains("Exit codes:"), "{}", ended.out);
    assert!(
        bench
            .run("--version")
            .await
            .is(0)
            .out
            .starts_with("rebucket ")
    );
}
