//! What `plan` reads and writes: files, standard input, full disks, plans.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use crate::bench::{Bench, Ended, GOOD, files, gzip};

#[test]
fn a_good_manifest_is_summed_up_and_its_plan_written() {
    let bench =
        Bench::new("source,destination,size\ns3://bkt/a,s3://new/a,5\ns3://bkt/b,s3://new/b,\n");
    let ended = bench.run(&["plan", "m.csv", "--out", "m.plan"]);
    ended.is_good(2);
    let expected = "m.csv: 2 renames, no problems\n  from  s3://bkt (2)\n  to    s3://new (2)\n  \
                    size  5 bytes in 1 rows, unknown for the other 1\n  plan written to m.plan\n";
    assert_eq!(ended.out, expected);
    assert_eq!(bench.files(), ["m.csv", "m.plan"]);
    let plan = bench.read("m.plan");
    assert!(plan.starts_with(b"\x89rebucket-plan\r\n"));

    // Made again, elsewhere, it is the same, and it takes the old one's place.
    bench.write("again.plan", "an older plan");
    bench
        .run_with_stdin(&["plan", "-", "--out", "again.plan"], &bench.read("m.csv"))
        .is_good(2);
    assert_eq!(bench.read("again.plan"), plan);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |name| {
            fs::metadata(bench.0.path().join(name))
                .unwrap()
                .permissions()
                .mode()
        };
        assert_eq!(mode("m.plan"), mode("m.csv"));
    }
}

/// A limit on the size of files stands for a full disk: writing fails there
/// too, in the middle.
#[cfg(unix)]
#[test]
fn a_full_disk_is_named_and_nothing_is_left() {
    let mut text = "source,destination\n".to_owned();
    for row in 0..200_000 {
        writeln!(text, "s3://bkt/{row},s3://new/{row}").unwrap();
    }
    let bench = Bench::new(text);
    fs::create_dir(bench.0.path().join("spill")).unwrap();
    let command = |kib: u32, out: &[&str]| {
        let mut command = Command::new("sh");
        let script = format!("trap '' XFSZ; ulimit -f {kib}; exec \"$0\" \"$@\"");
        command
            .args(["-c", &script, env!("CARGO_BIN_EXE_rebucket")])
            .args(["plan", "m.csv", "--memory", "64MiB", "--temp-dir", "spill"])
            .args(out)
            .current_dir(&bench.0)
            .env_clear()
            .stdin(Stdio::null());
        Ended::of(command.output().unwrap())
    };
    // `sh` counts in blocks of 512 bytes, or of 1,024.
    let out = ["--out", "m.plan"];
    let ended = command(5000, &out);
    let lines = ended.is_bad();
    let start = "rebucket: temporary files cannot be kept in spill: ";
    assert!(lines[0].starts_with(start), "{lines:?}");
    assert!(lines[0].contains("--temp-dir"), "{lines:?}");
    assert_eq!(bench.files(), ["m.csv", "spill"]);
    let ended = command(2, &out);
    let line = ended.is_bad()[0];
    let start = "rebucket: the plan cannot be written to m.plan: File too large";
    assert!(line.starts_with(start) && line.contains("--out"), "{line}");
    assert_eq!(bench.files(), ["m.csv", "spill"]);
    let ended = command(2, &[]);
    let line = ended.is_bad()[0];
    let start = "rebucket: the plan cannot be kept in spill: File too large";
    let says = line.starts_with(start) && line.contains("--temp-dir");
    assert!(says && !line.contains("--out"), "{line}");
    assert_eq!(files(&bench.0.path().join("spill")), Vec::<String>::new());
    command(100_000, &out).is_good(200_000);
}

#[test]
fn a_folder_for_temporary_files_that_is_not_there_is_named() {
    let bench = Bench::new(GOOD);
    for command in [
        "plan m.csv --temp-dir none",
        "plan m.csv --out m.plan --temp-dir none",
        "run m.csv --temp-dir none",
        "estimate m.csv --temp-dir none",
        "submit m.csv --queue-url http://127.0.0.1:9/q --temp-dir none",
    ] {
        let ended = bench.run(&command.split(' ').collect::<Vec<_>>());
        let start = "rebucket: temporary files cannot be kept in none: No such file";
        let line = ended.is_bad()[0];
        assert!(line.starts_with(start), "{line}");
        assert!(line.contains("--temp-dir"), "{line}");
        assert_eq!(bench.files(), ["m.csv"]);
    }
    let args = ["map", "-", "--bucket", "bkt", "--to", "s3://new"];
    let mut command = bench.command(&args);
    let ended = Ended::of(command.env("TMPDIR", "none").output().unwrap());
    let start = "rebucket: temporary files cannot be kept in none: No such file";
    let line = ended.is_bad()[0];
    assert!(line.starts_with(start), "{line}");
    assert!(line.contains("TMPDIR"), "{line}");
}

#[test]
fn compressed_manifests_and_standard_input() {
    let bench = Bench::new(GOOD);
    let (head, rest) = GOOD.as_bytes().split_at(30);
    let members = [gzip(head), gzip(rest)].concat();
    let zst = zstd::encode_all(GOOD.as_bytes(), 1).unwrap();
    bench.write("m.csv.gz", &members);
    bench.write("m.csv.zst", &zst);
    bench.write("cut.csv.gz", &members[..members.len() - 3]);
    bench.write("cut.csv.zst", &zst[..zst.len() - 3]);
    bench.write("plain.csv.gz", GOOD);
    for name in ["m.csv", "m.csv.gz", "m.csv.zst"] {
        bench.run(&["plan", name]).is_good(2);
        let ended = bench.run_with_stdin(&["plan", "-"], &bench.read(name));
        ended.is_good(2);
        assert!(ended.out.starts_with("<stdin>: 2 renames"), "{}", ended.out);
    }
    for (name, format) in [
        ("cut.csv.gz", "gzip"),
        ("cut.csv.zst", "zstd"),
        ("plain.csv.gz", "gzip"),
    ] {
        let ended = bench.run(&["plan", name, "--out", "m.plan"]);
        let start = format!("rebucket: {name} is not {format} data, damaged or cut short: ");
        assert!(ended.is_bad()[0].starts_with(&start), "{}", ended.err);
    }
    let ended = bench.run_with_stdin(&["plan", "-"], &members[..members.len() - 3]);
    assert!(
        ended.is_bad()[0].starts_with("rebucket: <stdin> is not gzip"),
        "{}",
        ended.err
    );
    let ended = bench.run_with_stdin(&["plan", "-"], b"source,destination\nx\n");
    assert!(
        ended.is_bad()[0].starts_with("<stdin>:2: expected 2 fields"),
        "{}",
        ended.err
    );
    assert!(!bench.files().contains(&"m.plan".to_owned()));
}

#[test]
fn a_damaged_plan_is_refused_by_all_who_carry_plans_out() {
    let bench = Bench::new(GOOD);
    bench.run(&["plan", "m.csv", "--out", "m.plan"]).is_good(2);
    let plan = bench.read("m.plan");
    let flipped = |at: usize| {
        let mut bytes = plan.clone();
        bytes[at] ^= 4;
        bytes
    };
    let middle = plan.len() / 2;
    let cases = [
        (flipped(0), "the plan was altered or damaged"),
        (flipped(18), "the plan has version 7, this build reads "),
        (flipped(middle), "the plan was altered or damaged"),
        (flipped(plan.len() - 1), "the plan was altered or damaged"),
        (plan[..10].to_vec(), "the plan is cut short after 0 renames"),
        (plan[..middle].to_vec(), "the plan is cut short after "),
        (
            plan[..plan.len() - 1].to_vec(),
            "the plan is cut short after 2 renames",
        ),
    ];
    for (bytes, words) in cases {
        bench.write("bad.plan", bytes);
        for command in [
            &["run", "bad.plan"][..],
            &["estimate", "bad.plan"],
            &["submit", "bad.plan", "--queue-url", "http://127.0.0.1:9/q"],
        ] {
            let ended = bench.run(command);
            let start = format!("rebucket: bad.plan: {words}");
            assert!(ended.is_bad()[0].starts_with(&start), "{}", ended.err);
            assert!(ended.err.contains("make it again") || words.contains("version"));
        }
        assert_eq!(bench.files(), ["bad.plan", "m.csv", "m.plan"]);
    }
}

#[test]
fn what_cannot_be_read_or_written_is_named() {
    let bench = Bench::new(GOOD);
    let first = |args: &[&str]| bench.run(args).is_bad()[0].to_owned();
    assert!(first(&["plan", "none.csv"]).starts_with("rebucket: none.csv: no such file; "));
    assert!(first(&["plan", "."]).starts_with("rebucket: . is a directory; "));
    assert!(first(&["plan", "s3://bkt"]).starts_with("rebucket: s3://bkt: "));
    assert!(first(&["plan", "m.csv", "--out", "none/m.plan"]).contains("none/m.plan cannot be"));
    assert!(
        first(&["plan", "m.csv", "--out", "."]).contains(". cannot be written: is a directory")
    );
    bench.run(&["plan", "m.csv", "--out", "m.plan"]).is_good(2);
    assert!(first(&["plan", "m.plan"]).starts_with("rebucket: m.plan is a plan already; "));
    assert_eq!(bench.files(), ["m.csv", "m.plan"]);
}

#[test]
fn a_reader_that_went_away_is_no_error() {
    let bench = Bench::new(GOOD);
    let mut command = bench.command(&["plan", "m.csv"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut err = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut err)
        .unwrap();
    assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(0), ""));

    bench.write("m.csv", "source,destination\nx,y\n");
    let mut child = bench
        .command(&["plan", "m.csv"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(2));
}

#[cfg(unix)]
#[test]
fn an_interrupted_plan_leaves_nothing_behind() {
    for signal in ["-INT", "-TERM"] {
        let bench = Bench::new(GOOD);
        let mut command = bench.command(&["plan", "-", "--out", "m.plan"]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(GOOD.as_bytes()).unwrap();
        // The unfinished plan is made after the signals were taken over.
        while bench.files().len() < 2 {
            assert!(
                child.try_wait().unwrap().is_none(),
                "ended before it was interrupted"
            );
            std::thread::yield_now();
        }
        assert!(
            Command::new("kill")
                .args([signal, &child.id().to_string()])
                .status()
                .unwrap()
                .success()
        );
        let ended = Ended::of(child.wait_with_output().unwrap());
        assert_eq!(ended.code, Some(130), "{}", ended.err);
        assert_eq!(ended.err, "rebucket: interrupted; no plan was written\n");
        assert_eq!(bench.files(), ["m.csv"]);
        drop(stdin);
    }
}
