//! `rebucket map`: manifests from listings, inventories and files of keys, and
//! what it refuses.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::time::Duration;

use nix::sys::signal::Signal;
use rebucket_simulator::clock::Millis;
use rebucket_simulator::http::{Action, Rule, Simulator};
use rebucket_simulator::s3::{BucketSettings, SparseObject};
use rebucket_tests::servers::unique;
use rebucket_tests::{Bucket, Servers};
use serde_json::json;

use crate::command::{Call, Ended};
use crate::support::Bench;

/// A row of a manifest by its columns.
type Row = BTreeMap<String, String>;

fn rows(manifest: &str) -> Vec<Row> {
    let mut reader = csv::Reader::from_reader(manifest.as_bytes());
    reader.deserialize().map(Result::unwrap).collect()
}

impl Bench {
    /// `rebucket map SOURCE`, with one rule.
    fn map(&self, source: &str, rule: &str) -> Call {
        self.rebucket("map --rewrite").arg(rule).arg(source)
    }

    /// The keys that a manifest's sources have, each once.
    fn sources(&self, manifest: &str) -> BTreeSet<String> {
        let rows = rows(manifest);
        let keys: BTreeSet<String> = rows
            .iter()
            .map(|row| {
                row["source"]
                    .strip_prefix(&self.uri(""))
                    .unwrap()
                    .to_owned()
            })
            .collect();
        assert_eq!(keys.len(), rows.len(), "a key is there twice");
        keys
    }

    async fn put_all(&self, keys: &[String]) {
        for some in keys.chunks(32) {
            let puts = some.iter().map(|key| self.bucket.put_plain(key, b"x"));
            futures_util::future::join_all(puts).await;
        }
    }
}

/// A bucket with small objects on a simulator.
async fn simulated(keys: &[String]) -> (Simulator, Bench) {
    let simulator = Simulator::builder().start().await.unwrap();
    let servers = Servers::simulated(&simulator);
    let name = unique("listed");
    {
        let now = simulator.clock().now();
        let mut s3 = simulator.s3();
        s3.create_bucket(&name, BucketSettings::default(), now)
            .unwrap();
        let object = SparseObject {
            seed: 1,
            size: 10,
            ..SparseObject::default()
        };
        for key in keys {
            s3.put_sparse(&name, key, &object, Millis(1_700_000_000_000))
                .unwrap();
        }
    }
    let client = servers.s3_client(&servers.s3);
    (simulator, Bench::around(servers, Bucket { client, name }))
}

/// Keys of every kind: folders deep and tiny, and none.
fn many_keys(count: usize) -> Vec<String> {
    (0..count)
        .map(|n| match n % 4 {
            0 => format!("IMG_{n:06}.jpg"),
            1 => format!(
                "logs/{}/{:02}/{:02}/{n}.gz",
                2000 + n / 2000,
                n / 160 % 12,
                n % 28
            ),
            2 => format!("users/u-{n:06}/profile"),
            _ => format!("{:016x}", (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        })
        .collect()
}

#[tokio::test]
async fn a_listing_becomes_a_manifest_that_runs() {
    let bench = Bench::new().await;
    let keys = [
        "logs/2026-11-22 a+b%20.gz",
        "logs/2026-11, \"x\" é\u{1f980}",
        "readme",
    ];
    let keys = keys.map(str::to_owned);
    bench.put_all(&keys).await;
    let rule = r"s|^logs/(\d{4})-(\d\d)|logs/$1/$2|";
    let call = bench
        .map(&bench.uri(""), rule)
        .arg("--out")
        .arg("moves.csv.gz");
    let ended = call.end().await.is(0);
    let counts = "seen 3, matched 2, changed 2, unchanged 1, filtered out 0, collisions 0\n";
    assert!(ended.out.starts_with(counts), "{}", ended.out);
    let piped = bench.map(&bench.uri(""), rule).end().await.is(0);
    for row in rows(&piped.out) {
        let key = row["source"].strip_prefix(&bench.uri("")).unwrap();
        let (etag, _) = bench.bucket.pins(key).await;
        assert_eq!(row["etag"], etag.trim_matches('"'));
        assert_eq!(
            (row["size"].as_str(), row["version_id"].as_str()),
            ("1", "")
        );
    }
    bench.run("plan moves.csv.gz").await.is(0);
    bench.run("run moves.csv.gz").await.is(0);
    let mut keys = bench.bucket.keys().await;
    keys.sort();
    let expected = [
        "logs/2026/11, \"x\" é\u{1f980}",
        "logs/2026/11-22 a+b%20.gz",
        "readme",
    ];
    assert_eq!(keys, expected);
}

/// This server sorts folder by folder, which is not the order of bytes.
#[tokio::test]
async fn every_key_is_listed_once_in_whatever_order_they_come() {
    let bench = Bench::new().await;
    let mut keys = many_keys(2500);
    keys.extend((0..1200).map(|n| format!("a/{n:04}")));
    keys.extend((0..1200).map(|n| format!("a-{n:04}")));
    bench.put_all(&keys).await;
    let keys: BTreeSet<String> = keys.into_iter().collect();
    for concurrency in ["16", "1"] {
        let call = bench.map(&bench.uri(""), "s|^|new/|");
        let ended = call
            .arg("--list-concurrency")
            .arg(concurrency)
            .end()
            .await
            .is(0);
        assert_eq!(bench.sources(&ended.out), keys);
    }
    let under = bench.map(&bench.uri("a-"), "s|^|new/|").end().await.is(0);
    assert_eq!(bench.sources(&under.out).len(), 1200);
}

#[tokio::test]
async fn many_listers_share_a_large_bucket_under_faults() {
    let keys = many_keys(30_000);
    let (simulator, bench) = simulated(&keys).await;
    let alone = bench
        .map(&bench.uri(""), "s|^|new/|")
        .arg("--list-concurrency");
    alone.arg("1").end().await.is(0);
    assert_eq!(simulator.requests().count("ListObjectsV2"), 30);
    simulator.requests().reset();
    simulator.fault(Rule::on("ListObjectsV2", Action::error(503, "SlowDown")).probability(0.2, 7));
    let ended = bench.map(&bench.uri(""), "s|^|new/|").end().await.is(0);
    assert_eq!(bench.sources(&ended.out), keys.into_iter().collect());
    assert!(!ended.err.contains("begun again"), "{}", ended.err);
    let requests = simulator.requests().count("ListObjectsV2");
    assert!(
        requests > 40,
        "{requests} requests: nobody took anything over"
    );
}

#[tokio::test]
async fn the_current_versions_are_pinned() {
    let bench = Bench::versioned().await;
    for key in ["a", "b", "gone"] {
        bench.bucket.put_plain(key, b"old").await;
    }
    bench.bucket.put_plain("a", b"newer").await;
    let delete = bench
        .bucket
        .client
        .delete_object()
        .bucket(&bench.bucket.name);
    delete.key("gone").send().await.unwrap();
    let call = bench
        .map(&bench.uri(""), "s|^|new/|")
        .arg("--versions")
        .arg("latest");
    let ended = call.end().await.is(0);
    assert!(
        ended
            .err
            .contains("left out: 1 delete markers, 2 versions that are not current"),
        "{}",
        ended.err
    );
    assert_eq!(bench.sources(&ended.out).len(), 2);
    for row in rows(&ended.out) {
        let key = row["source"].strip_prefix(&bench.uri("")).unwrap();
        let head = bench
            .bucket
            .client
            .head_object()
            .bucket(&bench.bucket.name)
            .key(key);
        let head = head.send().await.unwrap();
        assert_eq!(Some(row["version_id"].as_str()), head.version_id());
        assert_eq!(row["storage_class"], "STANDARD");
        assert_eq!(row["size"], head.content_length().unwrap().to_string());
    }
}

/// All versions there are called `null`, and no HEAD tells them.
#[tokio::test]
async fn versions_of_a_bucket_without_any_keep_no_rename_back() {
    let bench = Bench::new().await;
    bench.bucket.put_plain("a", b"a").await;
    let call = bench.map(&bench.uri(""), "s|^|new/|").arg("--versions");
    let ended = call.arg("latest").end().await.is(0);
    let row = &rows(&ended.out)[0];
    assert_eq!(
        (row["version_id"].as_str(), row["size"].as_str()),
        ("", "1")
    );
    assert_eq!(row["etag"], md5(b"a"));
    bench.write("moves.csv", &ended.out);
    bench.run("run moves.csv").await.is(0);
    assert_eq!(bench.bucket.keys().await, ["new/a"]);
}

fn md5(bytes: &[u8]) -> String {
    use md5::{Digest as _, Md5};
    hex::encode(Md5::digest(bytes))
}

/// An inventory of the bucket, written to the same bucket: key and bytes of
/// each of its files.
fn inventory(bench: &Bench, text: &str) -> BTreeMap<&'static str, Vec<u8>> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.replace("BUCKET", &bench.bucket.name).as_bytes())
        .unwrap();
    let data = gzip.finish().unwrap();
    let manifest = json!({
        "sourceBucket": bench.bucket.name,
        "destinationBucket": format!("arn:aws:s3:::{}", bench.bucket.name),
        "version": "2016-11-30",
        "creationTimestamp": "1763778000000",
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, \
                       StorageClass",
        "files": [{"key": "inv/b/daily/data/1.csv.gz", "size": data.len(), "MD5checksum": md5(&data)}],
    });
    let manifest = manifest.to_string().into_bytes();
    let symlink = format!("s3://{}/inv/b/daily/data/1.csv.gz\n", bench.bucket.name);
    [
        ("inv/b/daily/data/1.csv.gz", data),
        (
            "inv/b/daily/2026-11-22T01-00Z/manifest.checksum",
            md5(&manifest).into_bytes(),
        ),
        ("inv/b/daily/2026-11-22T01-00Z/manifest.json", manifest),
        (
            "inv/b/daily/hive/dt=2026-11-22-01-00/symlink.txt",
            symlink.into_bytes(),
        ),
    ]
    .into()
}

const INVENTORY: &str = "BUCKET,a+b%2C,v1,true,false,5,2026-01-02T03:04:05Z,0cc175b9c0f1b6a831c399e269772661,STANDARD_IA\n\
                         BUCKET,old,v0,false,false,5,2026-01-02T03:04:05Z,0cc175b9c0f1b6a831c399e269772661,GLACIER\n";

#[tokio::test]
async fn an_inventory_is_read_on_disk_and_on_s3_once_its_checksums_are_right() {
    let bench = Bench::new().await;
    let right = inventory(&bench, INVENTORY);
    let altered = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut files = right.clone();
        change(files.get_mut(name).unwrap());
        files
    };
    let names: Vec<&'static str> = right.keys().copied().collect();
    let [checksum, manifest, data, symlink] = names[..] else {
        panic!("{names:?}");
    };
    let without = |name: &str| {
        let mut files = right.clone();
        files.remove(name);
        files
    };
    let flip = |bytes: &mut Vec<u8>| bytes[10] ^= 1;
    let cases = [
        (right.clone(), None),
        (without(checksum), None),
        (without(symlink), None),
        (altered(data, &flip), Some("expected MD5")),
        (
            altered(data, &|bytes| bytes.truncate(20)),
            Some("found 20 bytes"),
        ),
        (without(data), Some("inv/b/daily/data/1.csv.gz is missing")),
        (altered(checksum, &flip), Some("is not what")),
        (
            altered(manifest, &|bytes| bytes.push(b' ')),
            Some("is not what"),
        ),
        (altered(symlink, &flip), Some("do not name the same files")),
    ];
    for (files, words) in cases {
        let folder = tempfile::tempdir_in(bench.path("")).unwrap();
        for name in &names {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let delete = bench
                .bucket
                .client
                .delete_object()
                .bucket(&bench.bucket.name);
            delete.key(*name).send().await.unwrap();
            if let Some(bytes) = files.get(name) {
                std::fs::write(path, bytes).unwrap();
                bench.bucket.put_plain(name, bytes).await;
            }
        }
        let local = folder.path().join(manifest);
        for source in [local.to_str().unwrap(), &bench.uri(manifest)] {
            let call = bench
                .rebucket("map --template {date:year}/{key}")
                .arg(source);
            let ended = call.end().await;
            let Some(words) = words else {
                let ended = ended.is(0);
                let expected = format!(
                    "source,destination,etag,size,version_id,storage_class\n\
                     \"{}\",\"{}\",0cc175b9c0f1b6a831c399e269772661,5,v1,STANDARD_IA\n",
                    bench.uri("a b,"),
                    bench.uri("2026/a b,")
                );
                assert_eq!(ended.out, expected);
                continue;
            };
            let ended = ended.is(2).says(&[words]);
            assert_eq!(ended.out, "", "{source}");
        }
    }
}

/// S3 lists the files of a prefix that ends with a slash under keys with one
/// slash fewer.
#[tokio::test]
async fn an_inventory_whose_files_are_not_where_it_says_is_found_beside_its_list() {
    let (_simulator, bench) = simulated(&[]).await;
    for (name, bytes) in inventory(&bench, INVENTORY) {
        let place = name.replacen("inv/", "inv//", 1);
        bench.bucket.put_plain(&place, &bytes).await;
    }
    let manifest = bench.uri("inv//b/daily/2026-11-22T01-00Z/manifest.json");
    let ended = bench.map(&manifest, "s|^|new/|").end().await.is(0);
    assert_eq!(bench.sources(&ended.out), ["a b,".to_owned()].into());
}

#[tokio::test]
async fn a_file_of_keys_brings_its_own_columns() {
    let bench = Bench::new().await;
    let csv = "key,name,size,storage_class\nid/1.jpg,\"The, cat\",7,COLD\nid/2,dog,,\n";
    let flags = "map - --template {folder}{column:name}{suffix} --bucket photos";
    let ended = bench
        .rebucket(flags)
        .stdin(csv.as_bytes())
        .end()
        .await
        .is(0);
    let expected = "source,destination,etag,size,version_id,storage_class\n\
                    s3://photos/id/1.jpg,\"s3://photos/id/The, cat.jpg\",,7,,COLD\n\
                    s3://photos/id/2,s3://photos/id/dog,,,,\n";
    assert_eq!(ended.out, expected);
    bench.write("keys.txt", "a\nb\n");
    let call = bench
        .rebucket("map keys.txt --to s3://archive/old")
        .env("REBUCKET_BUCKET", "photos");
    let ended = call.end().await.is(0);
    let row = &rows(&ended.out)[1];
    assert_eq!(
        (row["source"].as_str(), row["destination"].as_str()),
        ("s3://photos/b", "s3://archive/old/b")
    );
}

/// A file of keys, mapped by a rule; with what there is to be seen afterwards.
async fn map_keys(bench: &Bench, keys: &str, rule: &str, flags: &str) -> Ended {
    bench.write("keys.txt", keys);
    let call = bench.rebucket(&format!("map keys.txt --bucket photos {flags} --rewrite"));
    call.arg(rule).end().await
}

#[tokio::test]
async fn new_keys_that_would_be_mapped_again_are_told() {
    let keys = ["ov/1".to_owned(), "ov/2".to_owned()];
    let (_simulator, bench) = simulated(&keys).await;
    let from = bench.uri("ov/");
    let ended = bench.map(&from, "s|^ov/|ov/archive/|").end().await.is(0);
    let [one, two, three] = ["ov/1", "ov/archive/1", "ov/archive/archive/1"].map(|k| bench.uri(k));
    let ended = ended.says(&[
        &format!("note: new keys are among those that this lists: {one} goes to {two}, "),
        &format!("would take it to {three}; --exclude leaves out"),
    ]);
    assert_eq!(bench.sources(&ended.out).len(), 2);
    // Not so where nothing is mapped twice, or what is new is not listed.
    for (from, rule, flags) in [
        ("", "s|^ov/|new/|", ""),
        ("ov/", "s|^ov/|ov2/ov/|", ""),
        ("ov/", "s|^ov/|ov/archive/|", "--exclude ov/archive/*"),
    ] {
        let call = bench.rebucket(&format!("map --rewrite {rule} {flags}"));
        let ended = call.arg(&bench.uri(from)).end().await.is(0);
        assert!(!ended.err.contains("note: new keys"), "{ended:?}");
    }
}

#[tokio::test]
async fn a_dry_run_shows_examples_and_counts_and_writes_nothing() {
    let bench = Bench::new().await;
    let keys: Vec<String> = (0..30).map(|n| format!("k/{n}\n")).collect();
    let keys = keys.concat();
    let flags = "--dry-run --out m.csv --exclude k/29";
    let ended = map_keys(&bench, &(keys.clone() + "x\n"), "s|^k/|n/|", flags)
        .await
        .is(0);
    assert_eq!(ended.out.matches(" -> ").count(), 20);
    assert!(
        ended
            .out
            .starts_with("s3://photos/k/0 -> s3://photos/n/0\n"),
        "{}",
        ended.out
    );
    let end = "and 9 more\n\
               seen 31, matched 29, changed 29, unchanged 1, filtered out 1, collisions 0\n";
    assert!(ended.out.ends_with(end), "{}", ended.out);
    assert!(!bench.path("m.csv").exists());
    let ended = map_keys(&bench, &keys, "s|^k/.*|n|", "--dry-run --examples 1")
        .await
        .is(2);
    assert!(ended.out.contains("collisions 30"), "{}", ended.out);
}

#[tokio::test]
async fn a_manifest_with_collisions_or_bad_keys_is_not_written() {
    let bench = Bench::new().await;
    bench.write("m.csv", "what was there");
    let collide = map_keys(&bench, "a/1\nb/1\na/2\n", "s|^[ab]/|c/|", "--out m.csv").await;
    let words = [
        "collision: \"s3://photos/c/1\" would get 2 objects: \"s3://photos/a/1\", \"s3://photos/b/1\"",
        "collisions 2",
        "no manifest was written",
    ];
    collide.is(2).says(&words);
    assert_eq!(
        std::fs::read_to_string(bench.path("m.csv")).unwrap(),
        "what was there"
    );
    let empty = map_keys(&bench, "a\nb\n", "s|^a$||", "").await.is(2);
    let empty = empty.says(&["\"s3://photos/a\": the new key cannot be used: the key is empty"]);
    assert_eq!(empty.out, "");
    let taken = map_keys(&bench, "a\nb\n", "s|^a$|b|", "").await.is(0);
    taken.says(&["warning: \"s3://photos/a\" would go to \"s3://photos/b\""]);
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_with_its_place() {
    let bench = Bench::new().await;
    bench.write("keys.txt", "a\n");
    bench.write("symlink.txt", "");
    for (arguments, words) in [
        ("keys.txt --rewrite s|(|x|", "character 3: unclosed group"),
        ("keys.txt --template {yeer}", "character 2: unknown field"),
        (
            "keys.txt --template {match:1} --match (",
            "character 1: unclosed group",
        ),
        (
            "keys.txt --template x{key} --rewrite s|a|b|",
            "cannot be used with",
        ),
        (
            "keys.txt --to s3://bkt --include [a",
            "character 1: [ is not closed",
        ),
        ("keys.txt --to s3://bkt --min-size big", "expected a size"),
        (
            "keys.txt --to s3://bkt --modified-since monday",
            "expected a date",
        ),
        ("keys.txt", "give --rewrite, --template or --to"),
        (
            "keys.txt --to s3://bkt",
            "keys.txt:1: expected s3://bucket/key",
        ),
        (
            "keys.txt --to s3://bkt --bucket b-1 --min-size 1",
            "its size is not known",
        ),
        ("gone.txt --to s3://bkt", "gone.txt cannot be read"),
        ("gone.json --to s3://bkt", "gone.json cannot be read"),
        (". --to s3://bkt", "is a directory"),
        ("symlink.txt --to s3://bkt", "give its manifest.json"),
        (
            "s3://fast--use1-az4--x-s3/ --to s3://bkt",
            "directory bucket",
        ),
        (
            "s3://bkt/ --template {column:x}",
            "only a file of keys has columns",
        ),
    ] {
        let ended = bench.run(&format!("map {arguments}")).await.is(2);
        assert_eq!(ended.says(&[words]).out, "", "{arguments}");
    }
    let missing = bench
        .run("map s3://there-is-no-such-bucket/ --to s3://bkt")
        .await;
    missing.is(2).says(&["NoSuchBucket"]);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_interrupted_map_leaves_nothing() {
    let bench = Bench::new().await;
    let flags = "map - --bucket photos --to s3://archive --out m.csv";
    let running = bench.rebucket(flags).start_with_open_stdin();
    let status = format!("/proc/{}/status", running.id());
    let interrupt = 1_u64 << (Signal::SIGINT as u64 - 1);
    rebucket_tests::until("the process catches SIGINT", || async {
        let status = std::fs::read_to_string(&status).ok()?;
        let mut lines = status.lines();
        let caught = lines.find_map(|line| line.strip_prefix("SigCgt:"))?;
        let caught = u64::from_str_radix(caught.trim(), 16).unwrap();
        (caught & interrupt != 0).then_some(())
    })
    .await;
    running.signal(Signal::SIGINT);
    let ended = running.end_within(Duration::from_secs(15)).await.is(130);
    assert!(ended.out.is_empty());
    assert!(!bench.path("m.csv").exists());
}
