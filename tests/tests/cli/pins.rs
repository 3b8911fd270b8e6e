//! `rebucket plan --pin`: what is at the sources, by listings and by HEAD.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rebucket_planner::{PlanReader, PlannedRename};
use rebucket_protocol::{Pins, StorageClass};
use rebucket_simulator::http::Simulator;
use rebucket_tests::bucket::{NewObject, bytes};
use rebucket_tests::{Bucket, Proxy, Servers};

use crate::support::{Bench, csv_text};

/// Keys that are trouble to a URL, to XML, or to an order.
const KEYS: [&str; 16] = [
    "in/plain",
    "in/two words, a+b, 100% %2F",
    "in/say \"cheese\" & <tag>?versionId=null#1",
    "in/gr\u{fc}\u{df}e/\u{5199}\u{771f}",
    "in/e\u{301}",
    "in/\u{1f980}/\u{1f468}\u{200d}\u{1f469}",
    "in/tab\there",
    "in/bell\u{7}",
    "in/line\nbreak",
    "in/\u{1}start",
    "in/delete\u{7f}",
    "in/\u{fffd}",
    "in-1",
    "in/0",
    "in0",
    "in/a/b",
];

impl Bench {
    /// Every row of a plan, those of chains among them, by the source's key.
    fn planned(&self, plan: &str) -> BTreeMap<String, PlannedRename> {
        let file = File::open(self.path(plan)).unwrap();
        let mut plan = PlanReader::open(file).unwrap();
        let steps = plan.steps().unwrap().map(|step| step.unwrap().rename);
        let mut renames: Vec<_> = steps.collect();
        plan.rewind().unwrap();
        renames.extend(plan.map(Result::unwrap));
        renames
            .into_iter()
            .map(|rename| (rename.source.key.as_str().to_owned(), rename))
            .collect()
    }

    /// Makes the plan by listings and by HEAD, which must be the same.
    async fn plan_both_ways(&self, manifest: &str, flags: &str) -> BTreeMap<String, PlannedRename> {
        for how in ["list", "head"] {
            let plan = format!("plan {manifest} --pin {how} --out {how}.plan {flags}");
            self.run(&plan).await.is(0);
        }
        let [list, head] = ["list", "head"].map(|how| fs::read(self.path(&format!("{how}.plan"))));
        assert!(list.unwrap() == head.unwrap(), "the plans differ");
        self.planned("list.plan")
    }

    /// Asserts that a row is pinned to what HEAD shows of its source.
    async fn assert_pinned(&self, bucket: &Bucket, key: &str, pins: &Pins, size: u64) {
        let (etag, modified) = bucket.pins(key).await;
        let shown = pins.modified.map(|at| at.to_string());
        let tag = pins.etag.as_ref().map(ToString::to_string);
        assert_eq!(
            tag,
            Some(format!("\"{}\"", etag.trim_matches('"'))),
            "{key:?}"
        );
        assert_eq!((shown, pins.size), (Some(modified), Some(size)), "{key:?}");
        assert_eq!(pins.version, None, "{key:?}");
    }
}

#[tokio::test]
async fn listings_and_heads_pin_every_kind_of_key_in_every_bucket_alike() {
    let bench = Bench::new().await;
    let other = Bucket::create(bench.bucket.client.clone()).await;
    let mut text = "source,destination\n".to_owned();
    let encoded = |key: &str| utf8_percent_encode(key, NON_ALPHANUMERIC).to_string();
    let buckets = [&bench.bucket, &other];
    for (row, key) in KEYS.iter().enumerate() {
        let bucket = buckets[row % 2];
        bucket.put_plain(key, key.as_bytes()).await;
        // One that looks like it, in the other bucket.
        buckets[1 - row % 2].put_plain(key, b"another").await;
        let (name, key) = (&bucket.name, encoded(key));
        writeln!(text, "s3://{name}/{key},s3://{name}/out/{row}").unwrap();
    }
    let parts = vec![bytes(1, 5 << 20), bytes(2, 100)];
    let object = NewObject {
        parts,
        checksum: None,
    };
    other.upload("in/parts", object).await;
    writeln!(text, "s3://{0}/in/parts,s3://{0}/out/parts", other.name).unwrap();
    bench.write("moves.csv", text);
    let rows = bench.plan_both_ways("moves.csv", "--url-encoded").await;
    assert_eq!(rows.len(), KEYS.len() + 1);
    for (row, key) in KEYS.iter().enumerate() {
        let size = key.len() as u64;
        bench
            .assert_pinned(buckets[row % 2], key, &rows[*key].pins, size)
            .await;
    }
    let pins = &rows["in/parts"].pins;
    bench
        .assert_pinned(&other, "in/parts", pins, (5 << 20) + 100)
        .await;
    assert_eq!(pins.etag.as_ref().unwrap().part_count(), Some(2));
    let ended = bench
        .run("plan moves.csv --url-encoded --pin list")
        .await
        .is(0);
    assert!(
        ended
            .out
            .contains("  pins  17 rows pinned, 0 sources not there\n"),
        "{ended:?}"
    );
    // What is pinned is renamed.
    bench.run("run list.plan --report report").await.is(0);
    bench.assert_counts("report", [17, 17, 0, 0, 0, 0]).await;
}

#[tokio::test]
async fn what_is_not_there_and_what_differs_is_a_warning_and_fails_later() {
    let bench = Bench::new().await;
    let keys = ["a", "b", "c", "d", "e"];
    for key in ["b", "c", "e"] {
        bench.bucket.put_plain(key, key.as_bytes()).await;
    }
    let says = [
        ("", ""),
        ("", ""),
        ("0123456789abcdef0123456789abcdef", ""),
        ("", ""),
        ("", "9"),
    ];
    let rows = keys.iter().zip(says).map(|(key, (etag, size))| {
        let to = bench.uri(&format!("new/{key}"));
        [bench.uri(key), to, etag.to_owned(), size.to_owned()]
    });
    bench.write(
        "moves.csv",
        csv_text(&["source", "destination", "etag", "size"], rows),
    );
    for how in ["list", "head"] {
        let command = format!("plan moves.csv --pin {how}");
        let flags = "--out moves.plan --max-problems 1 --problems problems";
        let ended = bench.run(&format!("{command} {flags}")).await.is(0);
        let counts = "  pins  1 row pinned, 2 sources not there, 2 not as the manifest says\n";
        assert!(ended.out.contains(counts), "{ended:?}");
        let [a, c, d, e] = ["a", "c", "d", "e"].map(|key| bench.uri(key));
        let warnings = [
            format!("moves.csv:2: warning: source {a} is not there"),
            format!("moves.csv:4: warning: source {c} has the ETag"),
            format!("moves.csv:5: warning: source {d} is not there"),
            format!("moves.csv:6: warning: source {e} has 1 bytes, and the row says 9"),
        ];
        let all = fs::read_to_string(bench.path("problems")).unwrap();
        assert_eq!(all.lines().count(), 4, "{all}");
        for (line, expected) in all.lines().zip(&warnings) {
            assert!(line.starts_with(expected), "{line}");
        }
        // The first of each kind.
        let first: Vec<&str> = warnings[..2].iter().map(String::as_str).collect();
        let ended = ended
            .says(&first)
            .says(&["4 warnings", "all are in problems"]);
        let shown = |warning: &&String| ended.err.contains(*warning);
        assert_eq!(warnings.iter().filter(shown).count(), 2, "{ended:?}");
        // The same without a plan to keep.
        let ended = bench.run(&command).await.is(0);
        assert!(ended.out.contains(counts), "{ended:?}");
    }
    let rows = bench.planned("moves.plan");
    bench
        .assert_pinned(&bench.bucket, "b", &rows["b"].pins, 1)
        .await;
    assert_eq!(rows["a"].pins, Pins::default());
    assert_eq!(
        (rows["e"].pins.size, rows["e"].pins.modified),
        (Some(9), None)
    );
    bench.run("run moves.plan").await.is(1);
    bench
        .assert_counts("moves.report", [5, 1, 0, 0, 4, 0])
        .await;
    for (key, reason) in [("a", "source_missing"), ("c", "source_changed")] {
        assert_eq!(bench.outcome("moves.report", key).await["reason"], reason);
    }
}

#[tokio::test]
async fn an_object_that_was_written_after_the_plan_is_not_renamed() {
    let bench = Bench::new().await;
    bench.renames("moves.csv", 2).await;
    bench
        .run("plan moves.csv --pin list --out moves.plan")
        .await
        .is(0);
    bench.bucket.rewrite("old/0001", b"old/0001").await;
    bench.run("run moves.plan").await.is(1);
    bench
        .assert_counts("moves.report", [2, 1, 0, 0, 1, 0])
        .await;
    let outcome = bench.outcome("moves.report", "old/0001").await;
    assert_eq!(outcome["reason"], "source_changed", "{outcome}");
}

#[tokio::test]
async fn chains_are_pinned_by_a_listing_alone_and_must_be_there() {
    let bench = Bench::new().await;
    let pairs: Vec<(String, String)> = (0..40)
        .map(|n| (format!("k/{n:02}"), format!("k/{:02}", (n + 1) % 40)))
        .chain([("alone".to_owned(), "moved".to_owned())])
        .collect();
    for (key, _) in &pairs {
        bench.bucket.put_plain(key, key.as_bytes()).await;
    }
    bench.manifest("moves.csv", &pairs);
    let rows = bench.plan_both_ways("moves.csv", "").await;
    for (key, _) in &pairs {
        let size = key.len() as u64;
        bench
            .assert_pinned(&bench.bucket, key, &rows[key].pins, size)
            .await;
    }
    // Chains are pinned the same way without the flag; other rows are not.
    bench.run("plan moves.csv --out none.plan").await.is(0);
    let unpinned = bench.planned("none.plan");
    assert_eq!(unpinned["k/07"], rows["k/07"]);
    assert_eq!(unpinned["alone"].pins, Pins::default());
    for (how, heads) in [("list", 0), ("head", pairs.len())] {
        let proxy = Proxy::start(&bench.servers).await;
        let plan = bench.rebucket(&format!("plan moves.csv --pin {how}"));
        plan.behind(&proxy).end().await.is(0);
        assert_eq!(proxy.count("HeadObject"), heads, "--pin {how}");
    }
    bench.run("run list.plan --report report").await.is(0);
    for (from, to) in &pairs {
        let object = bench.object(to).await;
        assert_eq!(
            object["sha256 of the bytes"],
            crate::support::digest(from.as_bytes())
        );
    }
    // One is gone.
    bench.bucket.remove("k/07").await;
    for how in ["list", "head"] {
        for out in ["", "--out gone.plan"] {
            let plan = format!("plan moves.csv --pin {how} {out}");
            bench
                .run(&plan)
                .await
                .is(2)
                .says(&["moves.csv:9", "k/07", "is not there"]);
        }
    }
    assert!(!bench.path("gone.plan").exists());
}

/// This server lists folder by folder, and by a thousand keys a page.
#[tokio::test]
async fn many_pages_are_listed_and_the_rest_of_the_bucket_is_not() {
    let bench = Bench::new().await;
    let mut keys: Vec<String> = (0..2400).map(|n| format!("a/{n:04}")).collect();
    keys.extend((0..1000).map(|n| format!("a-{n:04}")));
    keys.extend((0..300).map(|n| format!("b/{n:04}")));
    for some in keys.chunks(32) {
        let puts = some
            .iter()
            .map(|key| bench.bucket.put_plain(key, key.as_bytes()));
        futures_util::future::join_all(puts).await;
    }
    let sources: Vec<_> = keys.iter().filter(|key| key.starts_with('a')).collect();
    let pairs: Vec<_> = sources
        .iter()
        .map(|key| ((*key).clone(), format!("new/{key}")))
        .collect();
    bench.manifest("moves.csv", &pairs);
    let proxy = Proxy::start(&bench.servers).await;
    let plan = bench.rebucket("plan moves.csv --pin list --out moves.plan --memory 64MiB");
    let ended = plan.behind(&proxy).end().await.is(0);
    assert!(
        ended
            .out
            .contains("  pins  3,400 rows pinned, 0 sources not there\n"),
        "{ended:?}"
    );
    assert!(ended.out.contains("  size  20,400 bytes\n"), "{ended:?}");
    let listings: Vec<String> = proxy.log().into_iter().map(|seen| seen.query).collect();
    assert!(
        listings.iter().all(|query| query.contains("prefix=a")),
        "{listings:?}"
    );
    let rows = bench.planned("moves.plan");
    assert!(rows.values().all(|row| row.pins.modified.is_some()));
}

#[tokio::test]
async fn a_row_that_names_a_version_is_looked_at_by_head_only() {
    let bench = Bench::versioned().await;
    let put = |body: &'static [u8]| async {
        let put = bench.bucket.put("a", body).send().await.unwrap();
        put.version_id().unwrap().to_owned()
    };
    let (old, _) = (put(b"old").await, put(b"newer").await);
    bench.bucket.put_plain("b", b"b").await;
    let rows = [
        [bench.uri("a"), bench.uri("new/a"), old],
        [bench.uri("b"), bench.uri("new/b"), String::new()],
    ];
    bench.write(
        "moves.csv",
        csv_text(&["source", "destination", "version_id"], rows),
    );
    let ended = bench
        .run("plan moves.csv --pin list --out list.plan")
        .await
        .is(0);
    let left = "  pins  1 row pinned, 0 sources not there, 1 row of a version not looked for\n";
    assert!(ended.out.contains(left), "{ended:?}");
    let listed = bench.planned("list.plan");
    assert_eq!(
        (&listed["a"].pins.etag, listed["a"].pins.size),
        (&None, None)
    );
    // The current version is a pin of nobody's choice.
    bench
        .assert_pinned(&bench.bucket, "b", &listed["b"].pins, 1)
        .await;
    let ended = bench
        .run("plan moves.csv --pin head --out head.plan")
        .await
        .is(0);
    assert!(
        ended
            .out
            .contains("  pins  2 rows pinned, 0 sources not there\n"),
        "{ended:?}"
    );
    let looked = bench.planned("head.plan");
    assert_eq!(
        (looked["a"].pins.size, looked["b"].pins.size),
        (Some(3), Some(1))
    );
    assert_eq!(listed["b"], looked["b"]);
    assert!(looked["a"].pins.version.is_some());
    bench
        .run("run head.plan --versioned purge --report report")
        .await
        .is(0);
    assert_eq!(
        bench.object("new/a").await["sha256 of the bytes"],
        crate::support::digest(b"old")
    );
}

#[tokio::test]
async fn other_servers_list_what_their_heads_show() {
    let simulator = Simulator::builder().start().await.unwrap();
    let simulated = Servers::simulated(&simulator);
    let moto = Servers::from_env();
    let moto = Servers {
        s3: moto.moto.clone(),
        ..moto
    };
    for servers in [simulated, moto] {
        let bucket = Bucket::create(servers.s3_client(&servers.s3)).await;
        let bench = Bench::around(servers, bucket);
        let pairs = bench.renames("moves.csv", 30).await;
        let parts = vec![bytes(1, 5 << 20), bytes(2, 100)];
        let object = NewObject {
            parts,
            checksum: None,
        };
        bench.bucket.upload("old/0007", object).await;
        let rows = bench.plan_both_ways("moves.csv", "").await;
        assert_eq!(rows.len(), pairs.len());
        bench
            .assert_pinned(&bench.bucket, "old/0029", &rows["old/0029"].pins, 8)
            .await;
    }
}

/// A lifecycle rule changes it without writing the object.
#[tokio::test]
async fn another_class_than_the_row_says_is_no_other_object() {
    let simulator = Simulator::builder().start().await.unwrap();
    let moto = Servers::from_env();
    let moto = Servers {
        s3: moto.moto.clone(),
        ..moto
    };
    for servers in [Servers::simulated(&simulator), moto, Servers::from_env()] {
        let bucket = Bucket::create(servers.s3_client(&servers.s3)).await;
        let bench = Bench::around(servers, bucket);
        // Two that are linked, and two that are not.
        let objects = [
            ("a", "b", "ONEZONE_IA"),
            ("b", "c", "STANDARD"),
            ("d", "e", "GLACIER_IR"),
            ("f", "g", "STANDARD"),
        ];
        for (key, _, class) in objects {
            let put = bench.bucket.put(key, key.as_bytes());
            put.storage_class(class.into()).send().await.unwrap();
        }
        let rows = objects.map(|(from, to, _)| {
            let said = if from == "f" { "" } else { "STANDARD_IA" };
            [bench.uri(from), bench.uri(to), said.to_owned()]
        });
        bench.write(
            "moves.csv",
            csv_text(&["source", "destination", "storage_class"], rows),
        );
        let rows = bench.plan_both_ways("moves.csv", "").await;
        for (key, _, class) in objects {
            let found = rows[key].pins.storage_class.as_ref();
            assert_eq!(found.map(StorageClass::as_str), Some(class), "{key}");
        }
        let ended = bench.run("plan moves.csv --pin list").await.is(0);
        let counts = "  pins  4 rows pinned, 0 sources not there\n";
        assert!(ended.out.contains(counts), "{ended:?}");
        // Of a plan that is kept, linked rows are looked at, and no others.
        bench.run("plan moves.csv --out none.plan").await.is(0);
        let none = bench.planned("none.plan");
        assert_eq!(none["a"], rows["a"]);
        assert_eq!(none["d"].pins.storage_class, "STANDARD_IA".parse().ok());
        // moto ignores conditions.
        let run = "run none.plan --report report --on-missing-precondition emulate";
        bench.run(run).await.is(0);
        bench.assert_counts("report", [4, 4, 0, 0, 0, 0]).await;
    }
}

#[tokio::test]
async fn a_bucket_that_cannot_be_listed_ends_it() {
    let bench = Bench::new().await;
    bench.write(
        "moves.csv",
        "source,destination\ns3://not-here-at-all/a,s3://not-here-at-all/b\n",
    );
    let plan = "plan moves.csv --pin list --out moves.plan";
    bench
        .run(plan)
        .await
        .is(2)
        .says(&["not-here-at-all", "NoSuchBucket"]);
    bench.write(
        "moves.csv",
        "source,destination\ns3://b--x--x-s3/a,s3://b--x--x-s3/b\n",
    );
    bench.run(plan).await.is(2).says(&["directory bucket"]);
    assert!(!bench.path("moves.plan").exists());
    let odd = bench.rebucket("plan moves.csv").env("REBUCKET_PIN", "some");
    odd.end().await.is(2).says(&["none", "list", "head"]);
}
