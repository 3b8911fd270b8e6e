//! What `plan` says about a manifest that is not as it should be.

use std::fmt::Write as _;
use std::process::Command;

use crate::bench::{Bench, gzip};

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
    assert_starts(&lines, &expected);
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
fn assert_starts(lines: &[&str], expected: &[&str]) {
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
    assert_starts(&ended.is_bad(), &expected);
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
    assert_starts(&ended.is_bad(), &expected);
    let ended = Bench::new(format!("{text}s3://bkt/b\",x\n")).run(&["plan", "m.csv"]);
    let expected = [
        opened,
        "m.csv:20003:1: a double quote in a field that does not start with one; ",
        "m.csv: 2 problems; ",
    ];
    assert_starts(&ended.is_bad(), &expected);
}

#[test]
fn an_open_quote_in_the_header_is_named() {
    let mut text = "\"source,destination\n".to_owned();
    for row in 0..20_000 {
        writeln!(text, "s3://bkt/{row},s3://new/{row}").unwrap();
    }
    text.push_str("s3://bkt/b\",s3://new/b\n");
    let ended = Bench::new(text).run(&["plan", "m.csv"]);
    let opened = "m.csv:1:1: the double quote opened here is never closed; ";
    assert_starts(&ended.is_bad(), &[opened, "m.csv: 1 problem; "]);
}

/// A pipe that is opened a second time has nobody at its other end.
#[cfg(unix)]
#[test]
fn what_is_found_late_comes_out_of_the_same_pipe() {
    let swap = "source,destination\ns3://bkt/a,s3://bkt/b\ns3://bkt/b,s3://bkt/a\n";
    let bench = Bench::new(swap);
    let pipe = bench.0.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let reader = std::thread::spawn(move || std::fs::read_to_string(pipe).unwrap());
    let ended = bench.run(&["plan", "m.csv", "--problems", "pipe"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let found = reader.join().unwrap();
    let lines: Vec<&str> = found.lines().collect();
    assert_eq!(lines.len(), 3, "{found}");
    assert!(
        lines[2].contains("cycle") || lines[2].contains("places"),
        "{found}"
    );
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
    assert_starts(&lines, &expected);
    assert_eq!(bench.files(), ["all.txt", "m.csv", "m.plan"]);
    let all = String::from_utf8(bench.read("all.txt")).unwrap();
    assert!(all.lines().eq(lines[..2].iter().copied()), "{all}");
}

#[test]
fn white_space_at_the_ends_of_a_new_key_is_told() {
    let rows = [
        "source,destination",
        "s3://bkt/1 ,s3://new/1",
        "s3://bkt/2,s3://new/2\u{a0}",
        "s3://bkt/3,s3://new/ 3",
        "s3://bkt/4,s3://new/4\t",
        "s3://bkt/5,s3://new/a b\u{a0}c",
    ];
    let bench = Bench::new(rows.join("\n"));
    let ended = bench.run(&["plan", "m.csv", "--out", "m.plan"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let lines: Vec<&str> = ended.err.lines().collect();
    let expected = [
        "m.csv:3:2: warning: destination s3://new/2\u{a0} has white space (U+00A0) at an end",
        "m.csv:4:2: warning: destination s3://new/ 3 has white space (U+0020) at an end",
        "m.csv:5:2: warning: destination s3://new/4\\t has white space (U+0009) at an end",
        "m.csv: 3 warnings",
    ];
    assert_starts(&lines, &expected);
}

#[test]
fn a_row_of_commas_is_empty_and_nothing_else_is_said_of_it() {
    let bench = Bench::new("source,destination\ns3://bkt/a,s3://new/a\n,\n\"\",\n,,,\n");
    let ended = bench.run(&["plan", "m.csv"]);
    let expected = [
        "m.csv:3: the row is empty; remove it",
        "m.csv:4: the row is empty; remove it",
        "m.csv:5: the row is empty; remove it",
        "m.csv: 3 problems; nothing was renamed",
    ];
    assert_starts(&ended.is_bad(), &expected);
    bench.write("m.csv", "source,destination\na,b\n,\n\"\",\n,,,\n");
    let keys = bench.run(&["plan", "m.csv", "--bucket", "bkt"]);
    assert_starts(&keys.is_bad(), &expected);
}

#[test]
fn names_of_files_drive_no_terminal() {
    let bench = Bench::new("");
    bench.write(
        "m\u{1b}[2J\n.csv",
        "source,destination\ns3://bkt/a,s3://new/\u{202e}a\u{9b}//\n",
    );
    let name = "m\\u{1b}[2J\\n.csv";
    let args = ["plan", "m\u{1b}[2J\n.csv", "--problems", "all\u{7}.txt"];
    let ended = bench.run(&args);
    let warned = format!("{name}:2:2: warning: destination s3://new/\\u{{202e}}a\\u{{9b}}// has ");
    let lines: Vec<&str> = ended.err.lines().collect();
    let told = format!("{name}: 1 warning; all are in all\\u{{7}}.txt");
    assert_starts(&lines, &[&warned, &told]);
    assert!(
        ended
            .out
            .starts_with(&format!("{name}: 1 rename, no problems\n"))
    );
    let all = String::from_utf8(bench.read("all\u{7}.txt")).unwrap();
    assert_eq!(all, format!("{}\n", lines[0]));
    let missing = bench.run(&["report", "no\u{1b}such"]);
    assert!(!missing.err.contains('\u{1b}') && missing.err.contains("no\\u{1b}such"));
}

#[test]
fn large_numbers_can_be_read() {
    let mut text = "source,destination,size\n".to_owned();
    for n in 0..1_200 {
        writeln!(text, "s3://bkt/{n},s3://new/{n},1048576").unwrap();
    }
    let bench = Bench::new(text);
    let ended = bench.run(&["plan", "m.csv"]);
    let expected = "m.csv: 1,200 renames, no problems\n  from  s3://bkt (1,200)\n  to    s3://new (1,200)\n  \
                    size  1,258,291,200 bytes (1.1 GiB)\n";
    assert_eq!(ended.out, expected);
    let estimate = bench.run(&["estimate", "m.csv"]).out;
    assert!(
        estimate.contains("  1,258,291,200 (1.1 GiB)\n"),
        "{estimate}"
    );
    bench.write(
        "bad.csv",
        format!("source,destination\n{}", ",\n".repeat(1_200)),
    );
    let problems = bench.run(&["plan", "bad.csv"]).err;
    let told = "bad.csv: 1,200 problems, of which 100 are shown";
    assert!(problems.contains(told), "{problems}");
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
