//! One bucket under two names: an access point's alias, a store's own. There
//! the same key under both is one object, and "moving" it would delete it.

use rebucket_simulator::http::{Action, Rule, Simulator};
use rebucket_simulator::s3::AliasKind;
use rebucket_tests::{Bucket, Servers};

use crate::support::{Bench, csv_text};

/// What the bucket is called as well.
const ALIAS: &str = "another-name";

/// A bucket with two names, one object in it, and a manifest that renames it
/// from the first name to the second.
async fn two_names(key: &str, to: &str) -> (Simulator, Bench) {
    let simulator = Simulator::builder().start().await.unwrap();
    // A store that takes a copy onto itself makes the trap as deep as it gets.
    simulator.s3().quirks.accept_self_copies = true;
    let servers = Servers::simulated(&simulator);
    let bucket = Bucket::create(servers.s3_client(&servers.s3)).await;
    let made = simulator
        .s3()
        .alias_bucket(ALIAS, &bucket.name, AliasKind::Plain);
    made.unwrap();
    let bench = Bench::around(servers, bucket);
    bench.bucket.put_plain(key, b"the only copy").await;
    let row = [bench.uri(key), format!("s3://{ALIAS}/{to}")];
    bench.write("m.csv", csv_text(&["source", "destination"], [row]));
    (simulator, bench)
}

#[tokio::test]
async fn the_same_key_under_two_names_is_refused_before_any_copy() {
    for flags in [
        "",
        "--if-exists skip",
        "--if-exists overwrite",
        "--assume plain",
        "--on-missing-precondition emulate",
    ] {
        let (simulator, bench) = two_names("only/copy", "only/copy").await;
        let ended = bench.run(&format!("run m.csv {flags}")).await.is(1);
        assert_eq!(
            bench.bucket.keys().await,
            ["only/copy"],
            "{flags}: {ended:?}"
        );
        let outcome = bench.outcome("m.report", "only/copy").await;
        assert_eq!(outcome["reason"], "same_object", "{flags}: {outcome}");
        let detail = outcome["detail"].as_str().unwrap();
        for name in [ALIAS, &bench.bucket.name, "two names of one bucket"] {
            assert!(detail.contains(name), "{flags}: {detail}");
        }
        let log = simulator.requests().log();
        let of_it = log
            .iter()
            .filter(|r| r.operation.key.as_deref() == Some("only/copy"));
        let asked: Vec<_> = of_it.map(|r| r.operation.name.as_str()).collect();
        assert_eq!(asked, ["PutObject"], "{flags}: only the test's own request");
    }
}

#[tokio::test]
async fn another_key_under_the_other_name_is_renamed() {
    let (_simulator, bench) = two_names("only/copy", "moved/copy").await;
    bench.run("run m.csv").await.is(0);
    assert_eq!(bench.bucket.keys().await, ["moved/copy"]);
}

#[tokio::test]
async fn where_nobody_may_look_equal_keys_are_refused_and_others_renamed() {
    let (simulator, bench) = two_names("only/copy", "only/copy").await;
    let more = [
        [bench.uri("only/copy"), format!("s3://{ALIAS}/only/copy")],
        [bench.uri("a"), format!("s3://{ALIAS}/b")],
    ];
    bench.bucket.put_plain("a", b"another").await;
    bench.write("m.csv", csv_text(&["source", "destination"], more));
    let denied = Rule::on("GetObject", Action::error(403, "AccessDenied"));
    simulator.fault(denied.prefix(".rebucket/names-"));
    bench.run("run m.csv").await.is(1);
    assert_eq!(bench.bucket.keys().await, ["b", "only/copy"]);
    let outcome = bench.outcome("m.report", "only/copy").await;
    assert_eq!(outcome["reason"], "same_object", "{outcome}");
    let detail = outcome["detail"].as_str().unwrap();
    for word in ["AccessDenied", "s3:GetObject", "may be two names"] {
        assert!(detail.contains(word), "{detail}");
    }
}

/// Two buckets that are two, in one job: nothing is in the way.
#[tokio::test]
async fn the_same_key_in_two_buckets_is_renamed() {
    let simulator = Simulator::builder().start().await.unwrap();
    let servers = Servers::simulated(&simulator);
    let bucket = Bucket::create(servers.s3_client(&servers.s3)).await;
    let other = Bucket::create(servers.s3_client(&servers.s3)).await;
    let bench = Bench::around(servers, bucket);
    bench.bucket.put_plain("a", b"moves").await;
    let row = [bench.uri("a"), format!("s3://{}/a", other.name)];
    bench.write("m.csv", csv_text(&["source", "destination"], [row]));
    bench.run("run m.csv").await.is(0);
    assert_eq!(bench.bucket.keys().await, [""; 0]);
    assert_eq!(other.keys().await, ["a"]);
}

#[tokio::test]
async fn names_of_what_is_no_bucket_are_refused_by_name() {
    let (_simulator, bench) = two_names("a", "b").await;
    for (name, named) in [
        ("app-1234--op-s3", "Outposts"),
        ("app-1234--ol-s3", "Object Lambda"),
        ("app-1234-ext-s3alias", "FSx"),
        ("mfzwi23gnjvgw.mrap", "Multi-Region"),
        ("arn:aws:s3:us-west-2:123456789012:accesspoint", "ARN"),
    ] {
        let row = [format!("s3://{name}/a"), bench.uri("b")];
        bench.write("m.csv", csv_text(&["source", "destination"], [row]));
        for command in [
            "plan m.csv",
            "run m.csv",
            "submit m.csv --queue-url http://127.0.0.1:1/1/q",
        ] {
            let ended = bench.run(command).await.is(2);
            assert!(ended.err.contains(named), "{command}, {name}: {ended:?}");
        }
    }
}
