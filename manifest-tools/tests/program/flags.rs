//! Flags and their variables; help.

use crate::bench::{Bench, Ended};

#[test]
fn flags_and_their_variables() {
    let bench = Bench::new("source,destination\na%20b,c+d\n");
    let args = [
        "plan",
        "m.csv",
        "--bucket",
        "bkt",
        "--url-encoded",
        "--out",
        "flags.plan",
        "--job",
        "j-1",
        "--if-exists",
        "skip",
        "--storage-class",
        "STANDARD_IA",
        "--waive",
        "tags,acl",
        "--waive",
        "lock",
        "--versioned",
        "purge",
    ];
    bench.run(&args).is_good(1);
    let mut command = bench.command(&["plan", "m.csv"]);
    command.envs([
        ("REBUCKET_BUCKET", "bkt"),
        ("REBUCKET_URL_ENCODED", "1"),
        ("REBUCKET_OUT", "env.plan"),
        ("REBUCKET_JOB", "j-1"),
        ("REBUCKET_IF_EXISTS", "skip"),
        ("REBUCKET_STORAGE_CLASS", "STANDARD_IA"),
        ("REBUCKET_WAIVE", "acl,tags,lock"),
        ("REBUCKET_VERSIONED", "purge"),
        ("REBUCKET_MAX_PROBLEMS", "1"),
        ("REBUCKET_PROBLEMS", "problems.txt"),
        ("REBUCKET_MEMORY", "100MiB"),
        ("REBUCKET_TEMP_DIR", "."),
    ]);
    Ended::of(command.output().unwrap()).is_good(1);
    assert_eq!(bench.read("flags.plan"), bench.read("env.plan"));
    assert_eq!(bench.read("problems.txt"), b"");
    let plan = bench.read("env.plan");
    let choices = b"{\"job\":\"j-1\",\"if_exists\":\"skip\",\
        \"storage_class\":\"STANDARD_IA\",\"waive\":[\"acl\",\"tags\",\"lock\"],\
        \"versioned\":\"purge\"}";
    let found = plan.windows(choices.len()).any(|bytes| bytes == choices);
    assert!(found, "{}", plan.escape_ascii());

    let mut command = bench.command(&["plan", "m.csv", "--bucket", "bkt"]);
    command.env("REBUCKET_URL_ENCODED", "off");
    Ended::of(command.output().unwrap()).is_good(1);
    for wrong in [
        &["--bucket", "a/b"],
        &["--job", ".hidden"],
        &["--if-exists", "maybe"],
        &["--waive", "everything"],
        &["--versioned", "all"],
        &["--storage-class", "cold"],
        &["--max-problems", "-1"],
        &["--memory", "63MiB"],
        &["--memory", "much"],
        &["--colour", "x"],
    ] {
        let ended = bench.run(&[&["plan", "m.csv"], &wrong[..]].concat());
        assert!(ended.is_bad()[0].starts_with("error: "), "{}", ended.err);
    }
}

#[test]
fn help_and_version() {
    let bench = Bench::new("");
    let version = bench.run(&["--version"]);
    assert_eq!(
        version.out,
        format!("rebucket {}\n", env!("CARGO_PKG_VERSION"))
    );
    let help = bench.run(&["--help"]);
    assert_eq!(help.code, Some(0));
    assert!(help.out.contains("Exit codes:"), "{}", help.out);
    let help = bench.run(&["plan", "--help"]);
    assert_eq!(help.code, Some(0));
    for word in [
        "rebucket plan renames.csv --out",
        "REBUCKET_URL_ENCODED",
        "version_id",
    ] {
        assert!(help.out.contains(word), "{word} is not in {}", help.out);
    }
    assert!(!help.out.contains("or a plan"), "{}", help.out);
    for (command, words) in [
        ("plan", "or s3://bucket/key. A .gz or .zst is decompressed"),
        ("run", "s3://bucket/key, or a plan, which"),
        ("submit", "s3://bucket/key, or a plan, which"),
        ("estimate", "s3://bucket/key, or a plan, which"),
        ("submit", "It begins with 16, "),
        ("plan", "about 50 bytes for each row"),
    ] {
        let help = bench.run(&[command, "--help"]).out;
        let text: Vec<&str> = help.split_whitespace().collect();
        assert!(text.join(" ").contains(words), "{help}");
    }
    assert_eq!(bench.run(&[]).code, Some(2));
}
