//! A file that is read, or written for something else, is not overwritten.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::bench::rebucket;

const MANIFEST: &str = "source,destination\ns3://bkt/a,s3://new/a\n";
const KEYS: &str = "a\nb\n";

/// Of a file that is refused for its checksum, if it is read.
const INVENTORY: &str = r#"{"sourceBucket": "photos", "destinationBucket": "arn:aws:s3:::inv",
    "version": "2016-11-30", "creationTimestamp": "1479686400000", "fileFormat": "CSV",
    "fileSchema": "Bucket, Key", "files": [{"key": "data/one.csv.gz", "size": 14,
    "MD5checksum": "00000000000000000000000000000000"}]}"#;

/// A folder with a file of each kind, and other names for some of them.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("m.csv"), MANIFEST).unwrap();
    fs::write(at("keys.txt"), KEYS).unwrap();
    fs::write(at("prices.toml"), "region = 1\n").unwrap();
    fs::create_dir(at("sub")).unwrap();
    fs::create_dir_all(at("2016-11-21T00-00Z/data")).unwrap();
    fs::write(at("2016-11-21T00-00Z/manifest.json"), INVENTORY).unwrap();
    fs::write(at("2016-11-21T00-00Z/data/one.csv.gz"), "what is listed").unwrap();
    fs::create_dir_all(at("hive/dt=2016-11-21-00-00")).unwrap();
    fs::write(
        at("hive/dt=2016-11-21-00-00/symlink.txt"),
        "s3://inv/data/one.csv.gz\n",
    )
    .unwrap();
    fs::write(at("sub/plan"), "an older plan").unwrap();
    symlink("sub/plan", at("to-plan")).unwrap();
    symlink("sub/none", at("to-none")).unwrap();
    symlink("/proc/self/fd/1", at("to-stdout")).unwrap();
    symlink("/proc/self/fd/2", at("to-stderr")).unwrap();
    fs::create_dir_all(at("r.report/j")).unwrap();
    fs::write(at("r.report/j/job.json"), "{}").unwrap();
    symlink("m.csv", at("link.csv")).unwrap();
    symlink("sub/../zz", at("to-zz")).unwrap();
    fs::hard_link(at("m.csv"), at("hard.csv")).unwrap();
    folder
}

fn command(folder: &Path, args: &str) -> Command {
    let mut command = rebucket(folder, args.split(' '));
    command.env("REBUCKET_QUEUE_URL", "http://127.0.0.1:9/q");
    command
}

/// All files but links, and what is in them.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            let bytes = fs::read(&path).unwrap_or_default();
            found.push((path.display().to_string(), bytes));
        }
    }
    found.sort();
    found
}

/// Commands, and the two arguments that name one file.
const CASES: &[[&str; 3]] = &[
    [
        "plan m.csv --problems m.csv",
        "MANIFEST m.csv",
        "--problems m.csv",
    ],
    [
        "plan m.csv --out ./m.csv",
        "MANIFEST m.csv",
        "--out ./m.csv",
    ],
    [
        "plan m.csv --out sub/../m.csv",
        "MANIFEST m.csv",
        "--out sub/../m.csv",
    ],
    [
        "plan link.csv --out m.csv",
        "MANIFEST link.csv",
        "--out m.csv",
    ],
    [
        "plan m.csv --problems hard.csv",
        "MANIFEST m.csv",
        "--problems hard.csv",
    ],
    [
        "plan m.csv --problems zz --out ./zz",
        "--problems zz",
        "--out ./zz",
    ],
    [
        "plan m.csv --problems to-zz --out zz",
        "--problems to-zz",
        "--out zz",
    ],
    [
        "plan - --problems m.csv",
        "MANIFEST <stdin>",
        "--problems m.csv",
    ],
    [
        "estimate m.csv --problems m.csv",
        "MANIFEST m.csv",
        "--problems m.csv",
    ],
    [
        "estimate m.csv --problems prices.toml --prices prices.toml",
        "--problems prices.toml",
        "--prices prices.toml",
    ],
    [
        "run m.csv --problems m.csv",
        "MANIFEST m.csv",
        "--problems m.csv",
    ],
    [
        "submit m.csv --problems m.csv",
        "MANIFEST m.csv",
        "--problems m.csv",
    ],
    [
        "submit m.csv --again --checkpoint m.csv",
        "MANIFEST m.csv",
        "--checkpoint m.csv",
    ],
    [
        "submit m.csv --problems m.csv.checkpoint",
        "--problems m.csv.checkpoint",
        "--checkpoint m.csv.checkpoint",
    ],
    [
        "submit m.csv --checkpoint c --problems c.pinned",
        "--problems c.pinned",
        "the pinned plan of --checkpoint c.pinned",
    ],
    [
        "map keys.txt --bucket bkt --to s3://new --out keys.txt",
        "SOURCE keys.txt",
        "--out keys.txt",
    ],
    [
        "map 2016-11-21T00-00Z/manifest.json --to s3://new --out 2016-11-21T00-00Z/data/one.csv.gz",
        "the data of SOURCE ",
        "--out 2016-11-21T00-00Z/data/one.csv.gz",
    ],
    [
        "map 2016-11-21T00-00Z/manifest.json --to s3://new --out 2016-11-21T00-00Z/manifest.checksum",
        "the checksum of SOURCE ",
        "--out 2016-11-21T00-00Z/manifest.checksum",
    ],
    [
        "map 2016-11-21T00-00Z/manifest.json --to s3://new --out hive/dt=2016-11-21-00-00/symlink.txt",
        "the list of SOURCE ",
        "--out hive/dt=2016-11-21-00-00/symlink.txt",
    ],
    [
        "undo r.report --out r.report/j/job.json",
        "a file of the report LOC r.report",
        "--out r.report/j/job.json",
    ],
];

#[test]
fn one_file_for_two_things_is_refused_before_anything_is_written() {
    let folder = folder();
    let before = contents(folder.path());
    for [args, first, second] in CASES {
        let mut command = command(folder.path(), args);
        if args.contains(" - ") {
            command.stdin(File::open(folder.path().join("m.csv")).unwrap());
        }
        let ended = command.output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(2), "{args}: {said}");
        assert!(
            said.starts_with(&format!("rebucket: {first}")),
            "{args}: {said}"
        );
        let end = format!(" and {second} are one file, ");
        assert!(said.contains(&end), "{args}: {said}");
        assert_eq!(contents(folder.path()), before, "{args}");
    }
}

#[test]
fn what_is_no_file_can_be_used_more_than_once() {
    let folder = folder();
    let bad = "source,destination\nx,s3://new/a\n";
    fs::write(folder.path().join("bad.csv"), bad).unwrap();
    for problems in ["/dev/stdout", "/dev/null", "/dev/stderr"] {
        let args = format!("plan bad.csv --problems {problems}");
        let ended = command(folder.path(), &args).output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(2), "{said}");
        assert!(said.contains("bad.csv:2:1: source is no URI"), "{said}");
        assert_eq!(ended.stdout.is_empty(), problems != "/dev/stdout", "{said}");
    }
    // One device is read, and written twice.
    let args = "submit /dev/null --problems /dev/null --checkpoint /dev/null";
    let ended = command(folder.path(), args).output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(
        said.starts_with("/dev/null:1: the manifest is empty"),
        "{said}"
    );
    let args = "plan m.csv --problems all.txt --out m.plan";
    let ended = command(folder.path(), args).output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
}

#[test]
fn a_file_that_is_no_regular_one_is_not_replaced() {
    let folder = folder();
    let pipe = folder.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    for args in [
        "plan m.csv --out pipe",
        "map keys.txt --bucket bkt --to s3://new --out pipe",
    ] {
        let ended = command(folder.path(), args).output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(2), "{said}");
        let start = "rebucket: pipe cannot be written: it is no regular file";
        assert!(said.starts_with(start), "{said}");
        assert!(!fs::metadata(&pipe).unwrap().is_file());
    }
}

/// Where what is printed goes into a file, that is one of the files written. The
/// links are our own: to break those in `/dev` would break the machine.
#[test]
fn what_is_printed_is_not_written_over() {
    for (args, file) in [
        ("plan m.csv --problems printed", "--problems printed"),
        ("plan m.csv --problems to-stdout", "--problems to-stdout"),
        ("plan m.csv --out to-stdout", "--out to-stdout"),
        (
            "map keys.txt --bucket bkt --to s3://new --out to-stdout",
            "--out to-stdout",
        ),
        ("undo r.report --out printed", "--out printed"),
        ("estimate printed", "MANIFEST printed"),
    ] {
        for (stream, name) in [("stdout", "standard output"), ("stderr", "standard error")] {
            let folder = folder();
            let printed = File::create(folder.path().join("printed")).unwrap();
            let mut command = command(folder.path(), &args.replace("stdout", stream));
            if stream == "stdout" {
                command.stdout(printed);
            } else {
                command.stderr(printed);
            }
            let ended = command.output().unwrap();
            assert_eq!(ended.status.code(), Some(2), "{args}");
            let kept = fs::read_to_string(folder.path().join("printed")).unwrap();
            let said = match stream {
                "stdout" => {
                    assert_eq!(kept, "", "{args}");
                    String::from_utf8(ended.stderr).unwrap()
                }
                _ => kept,
            };
            let start = format!("rebucket: {file} and {name} are one file, ");
            let start = start.replace("stdout", stream);
            assert!(said.starts_with(&start), "{args}: {said}");
        }
    }
}

/// What lies in the folder of a report is not always a part of it.
#[test]
fn a_manifest_is_made_again_where_it_was_made_before() {
    let folder = folder();
    let report = folder.path().join("none.report/j");
    fs::create_dir_all(&report).unwrap();
    fs::write(report.join("worker.jsonl"), "").unwrap();
    for out in [
        "none.report/back",
        "none.report/back",
        "none.report/j/back.txt",
    ] {
        let args = format!("undo none.report --out {out}");
        let ended = command(folder.path(), &args).output().unwrap();
        assert!(ended.status.success(), "{ended:?}");
    }
    let args = "undo none.report --out none.report/j/worker.jsonl";
    let ended = command(folder.path(), args).output().unwrap();
    assert_eq!(ended.status.code(), Some(2), "{ended:?}");
}

#[test]
fn a_link_stays_one_and_what_it_leads_to_is_replaced() {
    let folder = folder();
    for (args, link, target) in [
        ("plan m.csv --out to-plan", "to-plan", "sub/plan"),
        ("plan m.csv --out to-none", "to-none", "sub/none"),
        (
            "map keys.txt --bucket bkt --to s3://new --out to-plan",
            "to-plan",
            "sub/plan",
        ),
    ] {
        let at = |name: &str| folder.path().join(name);
        let before = fs::read(at(target)).unwrap_or_default();
        let ended = command(folder.path(), args).output().unwrap();
        assert!(ended.status.success(), "{ended:?}");
        assert!(fs::symlink_metadata(at(link)).unwrap().is_symlink());
        assert!(fs::symlink_metadata(at(target)).unwrap().is_file());
        assert_ne!(fs::read(at(target)).unwrap(), before, "{args}");
    }
    let names = fs::read_dir(folder.path().join("sub")).unwrap();
    assert_eq!(names.count(), 2, "something is left over");
}
