//! `rebucket plan` as operators and scripts see it: the real binary.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const GOOD: &str = "source,destination\ns3://bkt/a,s3://new/a\ns3://bkt/b,s3://new/b\n";

/// A folder with a manifest in it, and the command run there.
struct Bench(TempDir);

impl Bench {
    fn new(manifest: impl AsRef<[u8]>) -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        bench.write("m.csv", manifest);
        bench
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.0.path().join(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.path().join(name)).unwrap()
    }

    /// The names of the files in the folder, sorted.
    fn files(&self) -> Vec<String> {
        files(self.0.path())
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rebucket"));
        command
            .args(args)
            .current_dir(&self.0)
            .env_clear()
            .stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Ended {
        Ended::of(self.command(args).output().unwrap())
    }

    fn run_with_stdin(&self, args: &[&str], input: &[u8]) -> Ended {
        let mut command = self.command(args);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        Ended::of(child.wait_with_output().unwrap())
    }
}

fn files(folder: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string();
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| name(entry).unwrap())
        .collect();
    names.sort();
    names
}

#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ended {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    fn is_good(&self, renames: u64) {
        assert_eq!(
            (self.code, self.err.as_str()),
            (Some(0), ""),
            "{}",
            self.out
        );
        let start = format!(
            ": {renames} rename{}, no problems\n",
            if renames == 1 { "" } else { "s" }
        );
        assert!(self.out.contains(&start), "{}", self.out);
    }

    /// Exit code 2 with nothing on stdout; returns the lines on stderr.
    #[track_caller]
    fn is_bad(&self) -> Vec<&str> {
        assert_eq!(
            (self.code, self.out.as_str()),
            (Some(2), ""),
            "{}",
            self.err
        );
        self.err.lines().collect()
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

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

#[test]
fn every_problem_is_printed_in_one_run_and_no_plan_is_left() {
    let rows: &[&[u8]] = &[
        b"source,destination,size,if_exists",
        b"\"s3://bkt/two\nlines\",s3://new/1,,",
        b"s3://bkt/1,s3://new/1,,",
        b"http://bkt/x,s3://new/2,,",
        b"s3://bkt/3,s3://new/,,",
        b"s3://bkt/4,\"s3://new/4\"x,,",
        b"s3://bkt/5,s3://new/\xff,,",
        b"s3://bkt/6,s3://bkt/6,,",
        b"s3://bkt/7,s3://new/7",
        b"s3://bkt/8,s3://new/8,many,never",
        b"s3://bkt/1,s3://new/9,,",
        b"s3://new/7,s3://new/10,,",
        b"s3://bkt/11,s3://new/7,,",
        b"s3://b,\"s3://new/11,,",
    ];
    let bench = Bench::new(rows.join(&b'\n'));
    let ended = bench.run(&["plan", "m.csv", "--out", "m.plan"]);
    let expected = [
        "m.csv:4:2: duplicate destination s3://new/1: line 2 has it too; ",
        "m.csv:5:1: source is no URI: expected s3://bucket/key, found \"http://bkt/x\"; ",
        "m.csv:6:2: destination: the key is empty: s3://new/",
        "m.csv:7:2: text follows the closing double quote; ",
        "m.csv:8:2: destination is not UTF-8 from its byte 10 on: s3://new/\u{fffd}; ",
        "m.csv:9:2: s3://bkt/6 would be renamed to itself; ",
        "m.csv:10: expected 4 fields, as the header has columns, found 2; ",
        "m.csv:11:3: size: expected a number of bytes such as 1048576, found \"many\"",
        "m.csv:11:4: if_exists: expected one of fail, skip, overwrite, found \"never\"",
        "m.csv:12:1: duplicate source s3://bkt/1: line 4 has it too; ",
        "m.csv:15:2: the double quote opened here is never closed; ",
        "m.csv: 11 problems; nothing was renamed",
    ];
    let lines = ended.is_bad();
    for (line, start) in lines.iter().zip(expected) {
        assert!(line.starts_with(start), "{line}\nis not\n{start}");
    }
    assert_eq!(lines.len(), expected.len(), "{}", ended.err);
    assert_eq!(bench.files(), ["m.csv"]);

    // Of each kind; two rows have wrong quotes.
    let few = bench.run(&["plan", "m.csv", "--max-problems", "1"]);
    let few = few.is_bad();
    assert_eq!(few.len(), 11);
    let counted = "m.csv: 11 problems, of which 10 are shown, the first 1 of each kind; ";
    let told = few[10].strip_prefix(counted);
    assert!(
        told.is_some_and(|told| told.starts_with("--problems FILE writes all ")),
        "{few:?}"
    );
    let few = bench.run(&[
        "plan",
        "m.csv",
        "--max-problems",
        "1",
        "--problems",
        "all.txt",
    ]);
    let few = few.is_bad();
    let told = few[10].strip_prefix(counted);
    assert!(
        told.is_some_and(|told| told.starts_with("all are in all.txt; ")),
        "{few:?}"
    );
    let all = String::from_utf8(bench.read("all.txt")).unwrap();
    let (notes, mut all): (Vec<_>, Vec<_>) = all.lines().partition(|line| line.contains("note:"));
    assert_eq!(
        notes,
        [
            "m.csv:14:2: note: destination s3://new/7 is the source of line 13, whose object makes \
          room first"
        ]
    );
    let mut printed = lines;
    assert_eq!(all.len(), 11, "{all:?}");
    printed.pop();
    all.sort_unstable();
    printed.sort_unstable();
    assert_eq!(all, printed);
}

#[track_caller]
fn assert_starts(ended: &Ended, expected: &[&str]) {
    let lines = ended.is_bad();
    assert_eq!(lines.len(), expected.len(), "{lines:?}");
    for (line, start) in lines.iter().zip(expected) {
        assert!(line.starts_with(start), "{line}\nis not\n{start}");
    }
}

/// A key of 4 MB, every other byte of it a newline: not a problem for each of
/// its lines, before all others.
#[test]
fn a_row_that_is_too_long_is_one_problem_however_many_lines_it_has() {
    let long = "x\n".repeat(2_000_000);
    let rows = "s3://bkt/b,s3://new/b\nx,s3://new/c\n";
    let bench = Bench::new(format!(
        "source,destination\n\"s3://bkt/{long}\",s3://new/a\n{rows}"
    ));
    let ended = bench.run(&["plan", "m.csv", "--memory", "64MiB"]);
    let expected = [
        "m.csv:2: the row is longer than 65536 bytes; ",
        "m.csv:2000004:1: source is no URI: expected s3://bucket/key, found \"x\"; ",
        "m.csv: 2 problems; nothing was renamed",
    ];
    assert_starts(&ended, &expected);
    let piped = bench.run_with_stdin(&["plan", "-"], &gzip(&bench.read("m.csv")));
    assert_eq!(piped.err, ended.err.replace("m.csv", "<stdin>"));
}

#[test]
fn rows_between_an_open_quote_and_another_far_away_are_checked() {
    let mut text = "source,destination\ns3://bkt/a,\"s3://new/a\n".to_owned();
    for row in 0..20_000 {
        writeln!(text, "s3://bkt/{row},s3://new/{row}").unwrap();
    }
    let opened = "m.csv:2:2: the double quote opened here is never closed; ";
    // A quoted row, and one with a surplus quote.
    let ended = Bench::new(format!("{text}\"s3://bkt/b\",\"x\"\n")).run(&["plan", "m.csv"]);
    let expected = [
        opened,
        "m.csv:20003:2: destination is no URI: ",
        "m.csv: 2 problems; ",
    ];
    assert_starts(&ended, &expected);
    let ended = Bench::new(format!("{text}s3://bkt/b\",x\n")).run(&["plan", "m.csv"]);
    let expected = [
        opened,
        "m.csv:20003:1: a double quote in a field that does not start with one; ",
        "m.csv: 2 problems; ",
    ];
    assert_starts(&ended, &expected);
}

#[test]
fn warnings_are_told_and_keep_nothing_back() {
    let bench =
        Bench::new("source,destination\ns3://bkt/a,s3://new/x//y\ns3://bkt/b,s3://new/x/y\n");
    let args = ["plan", "m.csv", "--out", "m.plan", "--problems", "all.txt"];
    let ended = bench.run(&args);
    assert_eq!(ended.code, Some(0));
    let lines: Vec<&str> = ended.err.lines().collect();
    let expected = [
        "m.csv:2:2: warning: destination s3://new/x//y has an empty segment, ",
        "m.csv:2:2: warning: destination s3://new/x//y and the destination on line 3 are one key ",
        "m.csv: 2 warnings; all are in all.txt",
    ];
    assert_eq!(lines.len(), 3, "{lines:?}");
    for (line, start) in lines.iter().zip(expected) {
        assert!(line.starts_with(start), "{line}\nis not\n{start}");
    }
    assert_eq!(bench.files(), ["all.txt", "m.csv", "m.plan"]);
    let all = String::from_utf8(bench.read("all.txt")).unwrap();
    assert!(all.lines().eq(lines[..2].iter().copied()), "{all}");
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
fn line_endings_marks_and_newlines_in_keys_do_not_shift_lines() {
    let text = "\u{feff}source,destination\r\n\"s3://bkt/a\r\nb\",s3://new/a\r\n\r\nx,s3://new/b";
    let ended = Bench::new(text).run(&["plan", "m.csv"]);
    assert!(
        ended.is_bad()[0].starts_with("m.csv:5:1: source is no URI"),
        "{}",
        ended.err
    );
    Bench::new(text.replace("\r\nx", "\r\ns3://bkt/x"))
        .run(&["plan", "m.csv"])
        .is_good(2);
    Bench::new("source,destination\n")
        .run(&["plan", "m.csv"])
        .is_good(0);
    let ended = Bench::new("").run(&["plan", "m.csv"]);
    assert!(
        ended.is_bad()[0].starts_with("m.csv:1: the manifest is empty"),
        "{}",
        ended.err
    );
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
