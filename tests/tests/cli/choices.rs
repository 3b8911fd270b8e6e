//! What is chosen for a whole job, and reaches the engine.

use aws_sdk_s3::types::StorageClass;
use rebucket_tests::{Bucket, Proxy, Reply, Rule, Servers};

use crate::support::Bench;

/// An object `a` with an older version `a`.
async fn twice(bench: &Bench) {
    bench.bucket.put_plain("a", b"older").await;
    bench.bucket.put_plain("a", b"current").await;
    bench.manifest("moves.csv", &[("a", "b")]);
}

#[tokio::test]
async fn a_version_stays_behind_a_delete_marker() {
    for flag in ["", "--versioned marker"] {
        let bench = Bench::versioned().await;
        twice(&bench).await;
        let was = bench.object("a").await;
        bench.run(&format!("run moves.csv {flag}")).await.is(0);
        bench.bucket.assert_moved("a", "b", &was).await;
        let versions = bench.versions().await;
        assert_eq!(versions, ["a", "a", "a (marker)", "b"]);
    }
}

#[tokio::test]
async fn purge_removes_exactly_the_version_that_was_renamed() {
    let bench = Bench::versioned().await;
    twice(&bench).await;
    let was = bench.object("a").await;
    bench.run("run moves.csv --versioned purge").await.is(0);
    assert_eq!(bench.versions().await, ["a", "b"]);
    assert_eq!(bench.object("b").await, was);
    // The older one is current again: it was not part of the rename.
    assert_eq!(bench.object("a").await["size"], "5");
}

#[tokio::test]
async fn nothing_is_left_of_the_probe_not_even_a_version() {
    let bench = Bench::versioned().await;
    twice(&bench).await;
    bench.run("run moves.csv").await.is(0);
    let mut versions = bench.bucket.versions().await;
    versions.retain(|version| version.starts_with(".rebucket/"));
    assert_eq!(versions, [""; 0]);
}

/// A bucket on moto, which has classes but ignores conditions.
async fn on_moto() -> Bench {
    let servers = Servers::from_env();
    let bucket = Bucket::create(servers.s3_client(&servers.moto)).await;
    let servers = Servers {
        s3: servers.moto.clone(),
        ..servers
    };
    Bench::around(servers, bucket)
}

#[tokio::test]
async fn a_storage_class_can_be_chosen_for_all_copies() {
    let bench = on_moto().await;
    for key in ["a", "b"] {
        let put = bench.bucket.put(key, key.as_bytes());
        let put = put.storage_class(StorageClass::OnezoneIa);
        put.send().await.unwrap();
    }
    let emulated = "--on-missing-precondition emulate";
    bench.manifest("kept.csv", &[("a", "to/a")]);
    bench.run(&format!("run kept.csv {emulated}")).await.is(0);
    assert_eq!(bench.object("to/a").await["storage class"], "ONEZONE_IA");
    bench.manifest("chosen.csv", &[("b", "to/b")]);
    let chosen = format!("run chosen.csv {emulated} --storage-class STANDARD_IA");
    bench.run(&chosen).await.is(0);
    assert_eq!(bench.object("to/b").await["storage class"], "STANDARD_IA");
    bench.run("run chosen.csv --storage-class cold").await.is(2);
}

#[tokio::test]
async fn a_property_is_lost_only_when_it_is_waived_by_name() {
    let bench = Bench::new().await;
    let put = bench.bucket.put("a", b"tagged").tagging("k=v");
    put.send().await.unwrap();
    let was = bench.object("a").await;
    bench.manifest("moves.csv", &[("a", "b")]);
    let proxy = Proxy::start(&bench.servers).await;
    let denied = Reply::error(403, "AccessDenied");
    proxy.rule(Rule::on("GetObjectTagging").answer(denied));
    let run = |report: &str, flags: &str| {
        let command = format!("run moves.csv --report {report} {flags}");
        bench.rebucket(&command).behind(&proxy).end()
    };
    for (report, flags) in [("none", ""), ("other", "--waive acl,redirect")] {
        run(report, flags).await.is(1);
        let record = bench.outcome(report, "a").await;
        assert_eq!(record["reason"], "tags_denied", "{record}");
        let detail = record["detail"].as_str().unwrap();
        assert!(detail.contains("--waive tags"), "{detail}");
        bench.bucket.assert_kept("a", &was).await;
        assert_eq!(bench.bucket.keys().await, ["a"]);
    }
    run("waived", "--waive acl,tags").await.is(0);
    assert_eq!(bench.bucket.keys().await, ["b"]);
    run("waived", "--waive everything").await.is(2);
}

#[tokio::test]
async fn every_flag_has_a_variable() {
    let bench = Bench::new().await;
    for key in ["a", "b"] {
        bench.bucket.put_plain(key, key.as_bytes()).await;
    }
    bench.bucket.put_plain("to/b", b"in the way").await;
    bench.write("moves.csv", "source,destination\na,to/a\nb,to/b\n");
    let call = bench.rebucket("run moves.csv");
    let ended = call
        .env("REBUCKET_BUCKET", &bench.bucket.name)
        .env("REBUCKET_IF_EXISTS", "skip")
        .env("REBUCKET_JOB", "by-variable")
        .env("REBUCKET_REPORT", "reports")
        .env("REBUCKET_MAX_RENAMES", "1")
        .env("REBUCKET_MAX_REQUESTS", "1")
        .env("REBUCKET_GRACE", "5s")
        .env("REBUCKET_SCRATCH", &bench.uri("scratch/"))
        .env("REBUCKET_VERIFY", "strict")
        .end()
        .await
        .is(0);
    assert!(ended.out.starts_with("job by-variable: 2 submitted\n"));
    let report = bench.rebucket("report reports/by-variable");
    let report = report.env("REBUCKET_FORMAT", "json").end().await.is(0);
    let json = serde_json::from_str(&report.out).unwrap();
    assert_eq!(crate::support::counts_of(&json), [2, 1, 0, 1, 0, 0]);
}

#[tokio::test]
async fn what_is_stated_of_all_objects_is_not_looked_up_for_each() {
    let bench = Bench::new().await;
    let put = bench.bucket.put("a", b"plain").metadata("k", "v");
    put.tagging("t=1").send().await.unwrap();
    let was = bench.object("a").await;
    let (etag, _) = bench.bucket.pins("a").await;
    let (from, to) = (bench.uri("a"), bench.uri("b"));
    let row = format!("{from},{to},{},5", etag.trim_matches('"'));
    bench.write(
        "moves.csv",
        format!("source,destination,etag,size\n{row}\n"),
    );
    let flags = "--assume plain --storage-class STANDARD --verify response";
    let proxy = Proxy::start(&bench.servers).await;
    let run = bench.rebucket(&format!("run moves.csv {flags}"));
    run.behind(&proxy).end().await.is(0);
    bench.bucket.assert_moved("a", "b", &was).await;
    let mut asked = proxy.log();
    asked.retain(|seen| ["a", "b"].contains(&seen.key.as_str()));
    let asked: Vec<_> = asked.iter().map(|seen| seen.operation).collect();
    assert_eq!(asked, ["CopyObject", "DeleteObject"]);
}

/// The version before would show at a key that the other row needs.
#[tokio::test]
async fn a_swap_that_purges_is_refused_where_it_would_not_free_a_key() {
    let bench = Bench::versioned().await;
    for (key, bytes) in [
        ("a", "earlier"),
        ("a", "a"),
        ("b", "b"),
        ("c", "c"),
        ("d", "d"),
    ] {
        bench.bucket.put_plain(key, bytes.as_bytes()).await;
    }
    bench.manifest("swap.csv", &[("a", "b"), ("b", "a")]);
    for command in [
        "run swap.csv",
        "plan swap.csv --out swap.plan",
        "plan swap.csv --pin list",
    ] {
        let ended = bench.run(&format!("{command} --versioned purge")).await;
        ended
            .is(2)
            .says(&["swap.csv:2", "an earlier version", "--versioned marker"]);
    }
    // A plan that was not made for it may not be purged either.
    bench.run("plan swap.csv --out swap.plan").await.is(0);
    let ended = bench.run("run swap.plan --versioned purge").await;
    ended
        .is(2)
        .says(&["make the plan again with --versioned purge"]);
    assert_eq!(bench.bytes("a").await, b"a");

    bench.manifest("free.csv", &[("c", "d"), ("d", "c")]);
    bench.run("run free.csv --versioned purge").await.is(0);
    assert_eq!(bench.bytes("c").await, b"d");
    assert_eq!(bench.bytes("d").await, b"c");
}
