//! A flag that says nothing about the input that was given is refused; a
//! variable is not.

use std::fs;

use tempfile::TempDir;

use crate::bench::rebucket;

fn run(folder: &TempDir, args: &str, variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let ended = rebucket(folder.path(), args.split(' '))
        .env("REBUCKET_QUEUE_URL", "http://127.0.0.1:9/q")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    (
        ended.status.code(),
        String::from_utf8(ended.stderr).unwrap(),
    )
}

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let rows = "source,destination\na,b\n";
    fs::write(folder.path().join("m.csv"), rows).unwrap();
    fs::write(folder.path().join("keys.txt"), "s3://bkt/a\n").unwrap();
    let (code, said) = run(&folder, "plan m.csv --bucket bkt --out m.plan", &[]);
    assert_eq!(code, Some(0), "{said}");
    folder
}

#[test]
fn a_flag_that_says_nothing_about_the_input_is_refused() {
    let folder = folder();
    for (args, flag) in [
        ("estimate m.plan --bucket bkt", "--bucket"),
        ("estimate m.plan --url-encoded", "--url-encoded"),
        ("run m.plan --url-encoded", "--url-encoded"),
        ("submit m.plan --bucket bkt", "--bucket"),
        ("map keys.txt --to s3://new --versions latest", "--versions"),
        (
            "map keys.txt --to s3://new --list-concurrency 4",
            "--list-concurrency",
        ),
        (
            "map keys.txt --to s3://new --inventory-data .",
            "--inventory-data",
        ),
        (
            "map s3://live/ --to s3://new --url-encoded",
            "--url-encoded",
        ),
        ("map s3://live/ --to s3://new --bucket bkt", "--bucket"),
        (
            "map s3://live/ --to s3://new --inventory-data .",
            "--inventory-data",
        ),
        (
            "map none/manifest.json --to s3://new --bucket bkt",
            "--bucket",
        ),
        (
            "map none/manifest.json --to s3://new --versions latest",
            "--versions",
        ),
        (
            "map s3://live/manifest.json --to s3://new --inventory-data .",
            "--inventory-data",
        ),
    ] {
        let (code, said) = run(&folder, args, &[]);
        assert_eq!(code, Some(2), "{args}: {said}");
        let start = format!("rebucket: {flag} is for ");
        assert!(
            said.starts_with(&start) && said.contains("leave it out"),
            "{args}: {said}"
        );
    }
    let files = fs::read_dir(&folder).unwrap().count();
    assert_eq!(files, 3, "something was written");
}

#[test]
fn variables_may_say_nothing_about_the_input() {
    let folder = folder();
    let variables = [
        ("REBUCKET_BUCKET", "bkt"),
        ("REBUCKET_URL_ENCODED", "1"),
        ("REBUCKET_VERSIONS", "latest"),
        ("REBUCKET_LIST_CONCURRENCY", "4"),
        ("REBUCKET_INVENTORY_DATA", "."),
    ];
    for args in [
        "estimate m.plan",
        "map keys.txt --to s3://new",
        "map keys.txt --to s3://new --versions none",
        "map keys.txt --to s3://new --bucket bkt --url-encoded",
        "estimate m.csv --bucket bkt --url-encoded",
    ] {
        let (code, said) = run(&folder, args, &variables);
        assert_eq!(code, Some(0), "{args}: {said}");
    }
}
