use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{Seek as _, Write as _};

use clap::Parser;
use rebucket_planner::input::Compression;
use rebucket_planner::{JobChoices, ManifestOptions, open_reader, prepare};

use super::*;

const GIB: u64 = 1 << 30;

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    assume: AssumeArgs,
}

fn assume(flags: &str) -> AssumeArgs {
    let flags = std::iter::once("estimate").chain(flags.split_whitespace());
    Flags::try_parse_from(flags).unwrap().assume
}

/// A plan of rows `destination bucket,etag,size,if_exists` out of the bucket
/// `from`.
fn plan(rows: &[&str]) -> PlanReader<File> {
    let mut text = "source,destination,etag,size,if_exists\n".to_owned();
    for (index, row) in rows.iter().enumerate() {
        let (bucket, rest) = row.split_once(',').unwrap();
        writeln!(text, "s3://from/a{index},s3://{bucket}/b{index},{rest}").unwrap();
    }
    plan_of(&text)
}

fn plan_of(manifest: &str) -> PlanReader<File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(manifest.as_bytes()).unwrap();
    file.rewind().unwrap();
    let input = open_reader("test", Compression::of_name("test"), file).unwrap();
    let spool = tempfile::tempfile().unwrap();
    prepare(
        input,
        &ManifestOptions::default(),
        JobChoices::default(),
        spool,
    )
    .unwrap()
    .0
}

fn count(flags: &str, rows: &[&str]) -> Counts {
    let mut plan = plan(rows);
    let counter = Counter::new(&assume(flags), &JobOptions::default(), IfExists::Fail);
    let counts = counter.count(&mut plan).unwrap();
    assert_eq!(plan.count(), rows.len(), "the plan is at its start again");
    counts
}

fn requests(counts: &Counts) -> Vec<(Request, u64)> {
    let classes = counts.classes.values();
    let kinds: BTreeSet<Request> = classes
        .flat_map(|class| class.requests.keys())
        .copied()
        .collect();
    kinds
        .into_iter()
        .map(|kind| (kind, counts.of(kind)))
        .filter(|(_, count)| *count > 0)
        .collect()
}

use Request as R;

#[test]
fn a_small_rename_is_three_requests() {
    let counts = count("", &["from,,10,", "into,,0,"]);
    let expected = [(R::HeadObject, 2), (R::CopyObject, 2), (R::DeleteObject, 2)];
    assert_eq!(requests(&counts), expected);
    let writes: Vec<u64> = counts.writes.values().copied().collect();
    // Two deletes and one copy in the one, one copy in the other.
    assert_eq!(
        (writes, counts.bytes(), counts.of_unknown_size),
        (vec![3, 1], 10, 0)
    );
}

#[test]
fn rows_of_which_nothing_is_known_are_counted_without_being_read() {
    let rows = ["from,,,", "into,,,", "into,,,"];
    let quick = count("", &rows);
    let slow = count("--assume-size 0B", &rows);
    assert_eq!((quick.of_unknown_size, slow.of_assumed_size), (3, 3));
    assert_eq!(requests(&quick), requests(&slow));
    assert_eq!(quick.writes, slow.writes);
    assert!((quick.rename_seconds - slow.rename_seconds).abs() < 1e-9);
}

#[test]
fn a_large_rename_is_counted_in_the_parts_that_the_engine_makes() {
    let rows = [
        &format!("into,,{},", GIB + 1) as &str,
        &format!("into,,{GIB},"),
    ];
    let counts = count("--assume tags,kms,acl", &rows);
    let expected = [
        (R::HeadObject, 3 + 1),
        (R::GetObjectAcl, 2),
        (R::GetObjectTagging, 1),
        (R::ListObjectAnnotations, 1),
        (R::CopyObject, 1),
        (R::CreateMultipartUpload, 1),
        (R::UploadPartCopy, 9),
        (R::CompleteMultipartUpload, 1),
        (R::DeleteObject, 2),
        (R::Kms, 2 * 9 + 2 + 2),
    ];
    assert_eq!(requests(&counts), expected);
    let writes: Vec<u64> = counts.writes.values().copied().collect();
    assert_eq!(writes, [2, 9 + 2 + 1]);
    let counts = count("--multipart-threshold 100MiB --part-size 50MiB", &rows[1..]);
    assert_eq!(counts.of(R::UploadPartCopy), 21);
    // Uploaded in 100 parts: copied in them, and the first is looked at.
    let own = format!("into,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-100,{},", GIB + 1);
    let counts = count("", &[&own]);
    assert_eq!(
        (counts.of(R::UploadPartCopy), counts.of(R::HeadObject)),
        (100, 4)
    );
    let fifty_tb = count("", &["into,,50000000000000,"]);
    assert!(fifty_tb.of(R::UploadPartCopy) <= 10_000);
    let impossible = count("", &["into,,60000000000000,", "into,,1,"]);
    assert_eq!((impossible.too_large, impossible.bytes()), (1, 1));
    assert_eq!(impossible.of(R::CopyObject), 1);
}

#[test]
fn an_overwrite_looks_at_the_destination_first() {
    let counts = count("", &["into,,1,overwrite", "into,,1,", "into,,1,skip"]);
    assert_eq!(counts.of(R::HeadObject), 4);
}

#[test]
fn sizes_are_assumed_only_where_none_is_told() {
    let counts = count("--assume-size 2GiB", &["into,,,", "into,,5,"]);
    assert_eq!((counts.of_assumed_size, counts.of_unknown_size), (1, 0));
    assert_eq!(counts.bytes(), 2 * GIB + 5);
    assert_eq!(counts.of(R::UploadPartCopy), 16);
    let counts = count("", &["into,,,", "into,,5,"]);
    assert_eq!((counts.of_assumed_size, counts.of_unknown_size), (0, 1));
}

/// Objects, bytes and copies of each class.
fn classes(counts: &Counts) -> Vec<(&str, u64, u64, u64)> {
    let classes = counts.classes.iter();
    classes
        .map(|(name, class)| {
            (
                name.as_str(),
                class.objects,
                class.bytes,
                class.of(R::CopyObject),
            )
        })
        .collect()
}

#[test]
fn objects_are_counted_by_the_class_that_is_told_or_assumed() {
    let mut plan = plan_of(
        "source,destination,storage_class,size\n\
         s3://from/a,s3://into/a,STANDARD_IA,3\n\
         s3://from/b,s3://into/b,GLACIER,5\n\
         s3://from/c,s3://into/c,,7\n\
         s3://from/d,s3://into/d,STANDARD_IA,11\n",
    );
    let mut count = |flags: &str| {
        let counter = Counter::new(&assume(flags), &JobOptions::default(), IfExists::Fail);
        counter.count(&mut plan).unwrap()
    };
    let counts = count("");
    let told = [("GLACIER", 1, 5, 1), ("STANDARD_IA", 2, 14, 2)];
    assert_eq!(classes(&counts), [told[0], ("STANDARD", 1, 7, 1), told[1]]);
    assert_eq!((counts.of_assumed_class, counts.bytes()), (1, 26));
    // One of those that are told, or another.
    let same = count("--assume-storage-class GLACIER");
    assert_eq!(classes(&same), [("GLACIER", 2, 12, 2), told[1]]);
    let other = count("--assume-storage-class X");
    assert_eq!(classes(&other), [told[0], told[1], ("X", 1, 7, 1)]);
    assert_eq!((same.of_assumed_class, other.of_assumed_class), (1, 1));
}

/// As worker/src/rename/unseen.rs has it.
#[test]
fn plain_objects_are_not_looked_at_but_where_the_workers_do() {
    let md5 = "0123456789abcdef0123456789abcdef";
    let heads = |flags: &str, options: &JobOptions, row: &str| {
        let header = "source,destination,etag,size,storage_class,if_exists,version_id";
        let counter = Counter::new(&assume(flags), options, IfExists::Fail);
        let mut plan = plan_of(&format!("{header}\ns3://from/a,s3://into/a,{row}\n"));
        let counts = counter.count(&mut plan).unwrap();
        assert_eq!(
            (counts.of(R::CopyObject), counts.of(R::DeleteObject)),
            (1, 1)
        );
        (counts.of(R::HeadObject), counts.of(R::GetObjectAcl))
    };
    let as_told = JobOptions::default();
    let into_ia = JobOptions {
        storage_class: StorageClass::new("STANDARD_IA").ok(),
        ..JobOptions::default()
    };
    let plain = format!("{md5},5,STANDARD,,");
    assert_eq!(heads("--assume plain,acl", &as_told, &plain), (0, 0));
    assert_eq!(heads("--assume acl", &as_told, &plain), (1, 1));
    let unclassed = format!("{md5},5,,,");
    assert_eq!(heads("--assume plain", &into_ia, &unclassed), (0, 0));
    for (row, looks) in [
        (unclassed, 1),
        (format!("{md5},,STANDARD,,"), 1),
        (",5,STANDARD,,".to_owned(), 1),
        ("other,5,STANDARD,,".to_owned(), 1),
        (format!("{md5},5,GLACIER,,"), 1),
        (format!("{md5},5,STANDARD,,v1"), 1),
        (format!("{md5},5,STANDARD,overwrite,"), 2),
    ] {
        assert_eq!(heads("--assume plain", &as_told, &row), (looks, 0), "{row}");
    }
}

#[test]
fn a_class_is_counted_where_no_row_has_a_size() {
    let text = "source,destination,storage_class\n\
                s3://from/a,s3://into/a,DEEP_ARCHIVE\ns3://from/b,s3://into/b,\n";
    let counter = Counter::new(&assume(""), &JobOptions::default(), IfExists::Fail);
    let counts = counter.count(&mut plan_of(text)).unwrap();
    assert_eq!(
        classes(&counts),
        [("DEEP_ARCHIVE", 1, 0, 1), ("STANDARD", 1, 0, 1)]
    );
    assert_eq!((counts.of_unknown_size, counts.of_assumed_class), (2, 1));
}

/// A cycle of more than a message can carry is opened and cut.
#[test]
fn a_row_in_two_legs_is_one_object_that_is_copied_twice() {
    let rows = 1_500;
    let cycle = |class: &str| {
        let mut text = "source,destination,storage_class\n".to_owned();
        for n in 0..rows {
            let next = (n + 1) % rows;
            writeln!(text, "s3://from/{n},s3://from/{next},{class}").unwrap();
        }
        plan_of(&text)
    };
    let mut told = cycle("STANDARD");
    let legs = told.resolution().totals.extra_copies;
    assert!(legs > 1, "{legs}");
    let counter = Counter::new(&assume(""), &JobOptions::default(), IfExists::Fail);
    let counts = counter.count(&mut told).unwrap();
    assert_eq!(classes(&counts), [("STANDARD", rows, 0, rows + legs)]);
    assert_eq!((counts.renames, counts.of_unknown_size), (rows, rows));
    // The source is looked at again before its place is taken.
    assert_eq!(counts.of(R::HeadObject), 2 * (rows + legs));
    // As many as are counted without a look at any row.
    let quick = counter.count(&mut cycle("")).unwrap();
    assert_eq!(requests(&quick), requests(&counts));
}

#[test]
fn more_workers_help_until_s3_is_the_limit() {
    let mut counts = Counts::default();
    let counter = Counter::new(&assume(""), &JobOptions::default(), IfExists::Fail);
    let rows = 35_000_000;
    let how = How {
        overwrite: false,
        linked: false,
    };
    counter.add(&mut counts, rows, &Pins::default(), how);
    let bucket = BucketName::new("both").unwrap();
    counts.writes.insert(bucket, 2 * rows);
    let (one, limit) = counts.time(&assume("--workers 1"));
    assert!(limit.contains("--max-renames"), "{limit}");
    let (two, _) = counts.time(&assume("--workers 2"));
    assert_eq!(one, two * 2);
    // 1,750 renames a second where both keys are in one partition.
    let least = Duration::from_secs(rows / 1_750);
    let (many, limit) = counts.time(&assume("--workers 1000"));
    assert_eq!((many, limit), (least, "S3's limit for a partition"));
    let (split, _) = counts.time(&assume("--workers 1000 --partitions 4"));
    assert_eq!(split, least / 4);
    assert_eq!(counts.partition_time(&assume("")), least);
}

#[test]
fn one_large_object_takes_as_long_with_any_number_of_workers() {
    let counts = count("", &["into,,5000000000000,"]);
    let (one, limit) = counts.time(&assume("--workers 1"));
    assert_eq!(limit, "the largest object");
    assert_eq!(counts.time(&assume("--workers 100")), (one, limit));
}
