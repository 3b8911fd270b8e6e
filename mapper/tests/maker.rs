//! From objects to a manifest that `rebucket plan` reads: rows, counts,
//! collisions.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "in a test a failed unwrap is a failed test, helpers included"
)]

use std::io::{Cursor, Read as _};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use proptest::prelude::*;
use rebucket_mapper::mapping::{Change, Mapping};
use rebucket_mapper::output::Packing;
use rebucket_mapper::{Counts, Entry, Filters, Listed, Made, Maker};
use rebucket_planner::{JobChoices, ManifestOptions, PlannedRename, open_reader, prepare};
use rebucket_protocol::{BucketName, ETag, ObjectKey, StorageClass, VersionId};

fn bucket() -> BucketName {
    BucketName::new("bkt").unwrap()
}

fn object(key: &str) -> Entry {
    Entry::new(bucket(), ObjectKey::new(key).unwrap())
}

fn rules(rules: &[&str]) -> Mapping {
    Mapping {
        filters: Filters::default(),
        change: Change::Rewrite(rules.iter().map(|rule| rule.parse().unwrap()).collect()),
        to: None,
    }
}

fn make(mapping: Mapping, entries: impl IntoIterator<Item = Entry>) -> Made {
    let mut maker = Maker::new(mapping, 20, 3).unwrap();
    for entry in entries {
        maker.add(Listed::Current(entry)).unwrap();
    }
    maker.finish().unwrap()
}

fn text(made: &mut Made) -> String {
    let mut text = String::new();
    made.manifest
        .read()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    text
}

/// The renames that the planner finds in a manifest.
fn planned(text: String) -> Vec<PlannedRename> {
    let input = open_reader("manifest", None, Cursor::new(text)).unwrap();
    let spool = tempfile::tempfile().unwrap();
    let plan = prepare(
        input,
        &ManifestOptions::default(),
        JobChoices::default(),
        spool,
    );
    let (plan, _) = plan.unwrap();
    let mut renames: Vec<PlannedRename> = plan.map(Result::unwrap).collect();
    renames.sort_by_key(|rename| rename.row);
    renames
}

#[test]
fn rows_carry_what_is_known() {
    let pinned = Entry {
        etag: Some(ETag::new("\"d41d8cd98f00b204e9800998ecf8427e-3\"").unwrap()),
        size: Some(1 << 40),
        version: Some(VersionId::new("v.1").unwrap()),
        storage_class: StorageClass::new("COLD_STORE").ok(),
        ..object("a, \"b\"")
    };
    let mut made = make(rules(&["s|^|x/|"]), [pinned, object("c"), object("0")]);
    let expected = "source,destination,etag,size,version_id,storage_class\n\
         \"s3://bkt/a, \"\"b\"\"\",\"s3://bkt/x/a, \"\"b\"\"\",\
         d41d8cd98f00b204e9800998ecf8427e-3,1099511627776,v.1,COLD_STORE\n\
         s3://bkt/c,s3://bkt/x/c,,,,\n\
         s3://bkt/0,s3://bkt/x/0,,,,\n";
    assert_eq!(text(&mut made), expected);
}

/// `null` is whatever was written last while versions were off, and where a
/// bucket never had any no HEAD tells it.
#[test]
fn the_version_null_is_no_pin() {
    let version = |key: &str, id: &str| Entry {
        etag: Some(ETag::new("d41d8cd98f00b204e9800998ecf8427e").unwrap()),
        size: Some(7),
        version: Some(VersionId::new(id).unwrap()),
        storage_class: StorageClass::new("STANDARD").ok(),
        ..object(key)
    };
    let among = [
        version("a", "v1"),
        version("b", "null"),
        version("c", "v.2"),
    ];
    let mut made = make(rules(&["s|^|x/|"]), among);
    let rows = "s3://bkt/a,s3://bkt/x/a,d41d8cd98f00b204e9800998ecf8427e,7,v1,STANDARD\n\
         s3://bkt/b,s3://bkt/x/b,d41d8cd98f00b204e9800998ecf8427e,7,,STANDARD\n\
         s3://bkt/c,s3://bkt/x/c,d41d8cd98f00b204e9800998ecf8427e,7,v.2,STANDARD\n";
    let text = text(&mut made);
    assert_eq!(text.split_once('\n').unwrap().1, rows);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_planner_reads_back_every_key(
        keys in prop::collection::btree_set("[a\",\r\n é🦀'\u{1}=+%-]{1,12}", 1..30),
    ) {
        let entries: Vec<Entry> = keys.iter().enumerate().map(|(n, key)| Entry {
            etag: (n % 2 == 0).then(|| ETag::new(&format!("{n:032x}")).unwrap()),
            size: (n % 3 == 0).then_some(n as u64),
            version: (n % 5 == 0).then(|| VersionId::new("v.1").unwrap()),
            storage_class: (n % 7 < 3).then(|| StorageClass::new("STANDARD_IA").unwrap()),
            ..object(key)
        }).collect();
        let mut made = make(rules(&["s|^|new/|"]), entries.clone());
        let renames = planned(text(&mut made));
        prop_assert_eq!(renames.len(), entries.len());
        for (rename, entry) in renames.iter().zip(&entries) {
            prop_assert_eq!(&rename.source.key, &entry.key);
            prop_assert_eq!(rename.destination.key.as_str(), format!("new/{}", entry.key));
            prop_assert_eq!(&rename.pins.etag, &entry.etag);
            prop_assert_eq!(rename.pins.size, entry.size);
            prop_assert_eq!(&rename.pins.version, &entry.version);
            prop_assert_eq!(&rename.pins.storage_class, &entry.storage_class);
        }
    }
}

#[test]
fn everything_is_counted_once() {
    let mut mapping = rules(&["s|^logs/|old/|", "s|^same$|same|"]);
    mapping.filters.exclude = vec!["*.tmp".parse().unwrap()];
    let mut maker = Maker::new(mapping, 1, 10).unwrap();
    for key in ["logs/1", "logs/2", "same", "other", "a.tmp", "logs/3.tmp"] {
        maker.add(Listed::Current(object(key))).unwrap();
    }
    maker.add(Listed::DeleteMarker).unwrap();
    maker.add(Listed::Noncurrent).unwrap();
    maker.add(Listed::Noncurrent).unwrap();
    let mut made = maker.finish().unwrap();
    let expected = Counts {
        seen: 6,
        matched: 3,
        changed: 2,
        unchanged: 2,
        filtered_out: 2,
        delete_markers: 1,
        noncurrent: 2,
        ..Counts::default()
    };
    assert_eq!(made.counts, expected);
    let examples: Vec<_> = made
        .examples
        .iter()
        .map(|(from, to)| format!("{from} {to}"))
        .collect();
    assert_eq!(examples, ["s3://bkt/logs/1 s3://bkt/old/1"]);
    assert_eq!(planned(text(&mut made)).len(), 2);
}

/// A manifest of them would take the only copies of another job's objects away.
#[test]
fn what_is_on_its_way_in_another_job_is_left_out() {
    let keys = [
        "a",
        ".rebucket-in-transit/0123456789abcdef0123456789abcdef/000000000001",
        "logs/.rebucket-in-transit/0123456789abcdef0123456789abcdef/000000000002",
        ".rebucket/probe-1-2/a",
        ".rebucket/hop/swap/000000000001",
        "my.rebucket/x",
        ".rebucket-in-transit.txt",
    ];
    let mut made = make(rules(&["s|^|new/|"]), keys.map(object));
    let expected = Counts {
        seen: 3,
        matched: 3,
        changed: 3,
        in_transit: 2,
        scratch: 2,
        ..Counts::default()
    };
    assert_eq!(made.counts, expected);
    let planned = planned(text(&mut made));
    let sources: Vec<_> = planned.iter().map(|row| row.source.key.as_str()).collect();
    assert_eq!(sources, ["a", "my.rebucket/x", ".rebucket-in-transit.txt"]);
}

#[test]
fn collisions_are_counted_and_named() {
    let keys = [
        "a/1", "b/1", "c/1", "a/2", "b/2", "a/3", "a/4", "b/4", "a/5", "b/5",
    ];
    let made = make(rules(&["s|^[a-c]/|all/|"]), keys.map(object));
    assert_eq!((made.counts.changed, made.counts.collisions), (10, 9));
    // So many are kept.
    assert_eq!(made.collisions.len(), 3);
    let mut maker = Maker::new(rules(&["s|^[a-c]/|all/|"]), 0, 0).unwrap();
    for key in keys {
        maker.add(Listed::Current(object(key))).unwrap();
    }
    let made = maker.finish().unwrap();
    let said: Vec<String> = made.collisions.iter().map(ToString::to_string).collect();
    let expected = [
        "\"s3://bkt/all/1\" would get 3 objects: \"s3://bkt/a/1\", \"s3://bkt/b/1\", \
         \"s3://bkt/c/1\"",
        "\"s3://bkt/all/2\" would get 2 objects: \"s3://bkt/a/2\", \"s3://bkt/b/2\"",
        "\"s3://bkt/all/4\" would get 2 objects: \"s3://bkt/a/4\", \"s3://bkt/b/4\"",
        "\"s3://bkt/all/5\" would get 2 objects: \"s3://bkt/a/5\", \"s3://bkt/b/5\"",
    ];
    assert_eq!(said, expected);
    let twice = make(rules(&["s|^|x/|"]), [object("a"), object("a")]);
    assert_eq!(twice.counts.collisions, 2);
    assert_eq!(
        twice.collisions[0].to_string(),
        "\"s3://bkt/a\" is listed 2 times"
    );
}

#[test]
fn a_destination_that_is_taken_is_said_and_one_that_moves_away_is_not() {
    let made = make(
        rules(&["s|^b$|c|", "s|^a$|b|", "s|^x$|y|"]),
        ["a", "b", "x", "y"].map(object),
    );
    assert_eq!((made.counts.collisions, made.counts.occupied), (0, 1));
    let said = made.occupied[0].to_string();
    assert!(
        said.contains("\"s3://bkt/x\" would go to \"s3://bkt/y\""),
        "{said}"
    );
}

#[test]
fn keys_that_cannot_be_mapped_are_named() {
    let long = "k".repeat(1024);
    let keys = ["gone", &long, "fine", "gone2", "gone3"];
    let made = make(rules(&["s|^gone.*||", "s|^|x|"]), keys.map(object));
    // An empty key between two rules is no result yet.
    assert_eq!((made.counts.problems, made.counts.changed), (1, 4));
    let made = make(rules(&["s|^gone.*||"]), keys.map(object));
    assert_eq!((made.counts.problems, made.problems.len()), (3, 3));
    let said = made.problems[0].to_string();
    assert_eq!(
        said,
        "\"s3://bkt/gone\": the new key cannot be used: the key is empty"
    );
}

#[test]
fn a_manifest_is_packed_as_the_name_of_its_file_says() {
    let mut made = make(rules(&["s|^|x/|"]), ["a", "b"].map(object));
    let expected = text(&mut made);
    for name in ["m.csv", "m.csv.gz", "m.csv.zst"] {
        let mut packed = Vec::new();
        let packing = Packing::of_name(Path::new(name));
        let stop = AtomicBool::new(false);
        made.manifest
            .write_packed(packing, &mut packed, &stop)
            .unwrap();
        let plain = match packing {
            Packing::Gzip => {
                let mut plain = Vec::new();
                let mut decoder = flate2::read::GzDecoder::new(&packed[..]);
                decoder.read_to_end(&mut plain).unwrap();
                plain
            }
            Packing::Zstandard => zstd::decode_all(&packed[..]).unwrap(),
            Packing::Plain => packed,
        };
        assert_eq!(String::from_utf8(plain).unwrap(), expected, "{name}");
        let stop = AtomicBool::new(true);
        let stopped = made.manifest.write_packed(packing, Vec::new(), &stop);
        assert!(stopped.unwrap_err().to_string().contains("interrupted"));
    }
}
