//! Manifests of many batches, and what they need of memory and disk.

use std::io::Cursor;

use super::*;

/// A manifest of many batches, some of whose rows need the slow way to be
/// read, with these rows in between.
fn long_manifest(rows: usize, extra: &[(usize, &[u8])]) -> Vec<u8> {
    let mut text = b"source,destination\n".to_vec();
    for row in 0..rows {
        for (_, bytes) in extra.iter().filter(|(before, _)| *before == row) {
            text.extend_from_slice(bytes);
        }
        let line = if row % 7 == 0 {
            format!("\"s3://bkt/old/{row}\",\"s3://bkt/new\n/{row}\"\r\n")
        } else {
            format!("s3://bkt/old/{row},s3://other/new/{row}\n")
        };
        text.extend_from_slice(line.as_bytes());
    }
    text
}

/// The line of the row before which an extra one was put.
fn line_of(row: usize) -> u64 {
    2 + row as u64 + row.div_ceil(7) as u64
}

#[test]
fn the_plan_is_the_same_whatever_the_memory_and_the_threads() {
    let text = long_manifest(60_000, &[]);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&text).unwrap();
    let packed = packed.finish().unwrap();
    let first = resolved(&text, &ManifestOptions::default()).unwrap();
    for (memory, threads, text) in [(0, 1, &text), (0, 5, &packed), (1 << 30, 2, &packed)] {
        let options = ManifestOptions {
            memory,
            threads: NonZeroUsize::new(threads),
            ..ManifestOptions::default()
        };
        let bytes = resolved(text, &options).unwrap();
        assert!(bytes == first, "{memory} bytes, {threads} threads");
    }
    let plan = PlanReader::open(Cursor::new(first)).unwrap();
    let found: Vec<_> = plan.map(Result::unwrap).collect();
    assert_eq!(found.len(), 60_000);
    for (index, rename) in found.iter().enumerate() {
        assert_eq!(
            (rename.row, rename.line),
            (index as u64 + 1, line_of(index))
        );
        assert_eq!(rename.source.key.as_str(), format!("old/{index}"));
    }
}

#[test]
fn bad_rows_far_down_have_their_lines_and_names() {
    let huge = [&b"s3://bkt/"[..], &b"k".repeat(4 << 20), b",s3://bkt/h\n"].concat();
    let extra: &[(usize, &[u8])] = &[
        (9_000, &huge),
        (20_000, b"s3://bkt/u,s3://bkt/\xff\n"),
        (30_000, b"s3://bkt/old/29,s3://bkt/w\n"),
        (30_001, b"nothing,s3://other/new/39999\n"),
    ];
    let text = long_manifest(40_000, extra);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("problems");
    let options = ManifestOptions {
        max_problems: 1,
        problems: Some(file.clone()),
        ..ManifestOptions::default()
    };
    let Err(ManifestError::Invalid(manifest)) = resolved(&text, &options) else {
        panic!()
    };
    // One of each kind.
    assert_eq!(manifest.problems.sorted().len(), 5);
    let after = |row: usize, earlier: u64| line_of(row) + earlier;
    let expected = [
        format!("m.csv:{}: the row is longer than", after(9_000, 0)),
        format!("m.csv:{}:2: destination is not UTF-8", after(20_000, 1)),
        format!(
            "m.csv:{}:1: duplicate source s3://bkt/old/29: line {} has it too",
            after(30_000, 2),
            line_of(29)
        ),
        format!("m.csv:{}:1: source is no URI", after(30_001, 3)),
        format!(
            "m.csv:{}:2: duplicate destination s3://other/new/39999: line {} has it too",
            after(39_999, 4),
            after(30_001, 3)
        ),
    ];
    let all = std::fs::read_to_string(file).unwrap();
    assert_eq!(all.lines().count(), expected.len(), "{all}");
    for (line, start) in all.lines().zip(&expected) {
        assert!(line.starts_with(start), "{line}\nis not\n{start}");
    }
}

#[test]
fn a_folder_that_cannot_hold_temporary_files_is_named() {
    let options = ManifestOptions {
        temp_dir: Some("/no such folder".into()),
        ..ManifestOptions::default()
    };
    let Err(error) = resolved(b"source,destination\n", &options) else {
        panic!()
    };
    assert!(matches!(error, ManifestError::Spill(_)));
    let message = error.to_string();
    assert!(message.contains("/no such folder: "), "{message}");
    assert!(message.contains("--temp-dir"), "{message}");
}

#[test]
fn unusual_keys_are_warnings() {
    let text = b"source,destination\ns3://bkt/a,s3://bkt/x/\ns3://bkt/b//,s3://bkt/x\n";
    let plan = PlanWriter::new(Cursor::new(Vec::new()), JobChoices::default()).unwrap();
    let resolved = resolve(input(text), &ManifestOptions::default(), plan).unwrap();
    let found: Vec<_> = resolved.warnings.warnings.sorted();
    let found: Vec<_> = found.iter().map(|p| (p.line, p.kind)).collect();
    assert_eq!(found, [(2, Kind::UnusualKey), (2, Kind::FoldedKeys)]);
    let message = resolved.warnings.to_string();
    assert!(message.ends_with("m.csv: 2 warnings"), "{message}");
    assert_eq!(resolved.resolution.totals.rows, 2);
}

/// Destinations that are sources, swaps and circles are no mistakes, but may be
/// where nobody meant them.
#[test]
fn what_waits_for_what_is_noted_with_both_lines() {
    let text = "source,destination\n\
                s3://bkt/c1,s3://bkt/c2\ns3://bkt/x,s3://bkt/y\ns3://bkt/c2,s3://bkt/c3\n\
                s3://bkt/p,s3://bkt/q\ns3://bkt/y,s3://bkt/x\ns3://bkt/q,s3://bkt/r\n\
                s3://bkt/r,s3://bkt/p\ns3://bkt/alone,s3://bkt/else//where\n";
    let noted = |max_problems: usize, problems: Option<&std::path::Path>| {
        let options = ManifestOptions {
            max_problems,
            problems: problems.map(Into::into),
            ..ManifestOptions::default()
        };
        let plan = PlanWriter::new(Cursor::new(Vec::new()), JobChoices::default()).unwrap();
        let resolved = resolve(input(text.as_bytes()), &options, plan).unwrap();
        (resolved.warnings, resolved.resolution)
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("problems");
    let (warnings, resolution) = noted(100, Some(&file));
    assert_eq!(resolution.totals.extra_copies, 2);
    assert_eq!(warnings.notes.total_of(Kind::Cycle), 2);
    let link = |line, key, other| {
        format!(
            "m.csv:{line}:2: note: destination s3://bkt/{key} is the source of line {other}, \
             whose object makes room first"
        )
    };
    let circle = |line, which| {
        format!(
            "m.csv:{line}: note: lines {which}: the object of one goes through a temporary key, \
             which takes one copy more"
        )
    };
    let expected = [
        link(2, "c2", 4),
        circle(3, "3 and 6 change places"),
        link(3, "y", 6),
        circle(5, "5, 8, 7 form a circle"),
        link(5, "q", 7),
        link(6, "x", 3),
        link(7, "r", 8),
        link(8, "p", 5),
    ];
    let all = std::fs::read_to_string(&file).unwrap();
    let (warned, notes): (Vec<_>, Vec<_>) = all.lines().partition(|line| line.contains("warning"));
    assert_eq!(notes, expected);
    assert_eq!(warned.len(), 1, "{all}");
    let told = warnings.with_notes().to_string();
    assert!(expected.iter().all(|note| told.contains(note)), "{told}");
    assert!(
        told.contains("m.csv: 1 warning and 8 notes; all are in"),
        "{told}"
    );
    assert!(!warnings.to_string().contains("note"), "{warnings}");

    let (warnings, _) = noted(1, None);
    let told = warnings.with_notes().to_string();
    let expected = [link(2, "c2", 4), circle(3, "3 and 6 change places")];
    let notes: Vec<_> = told
        .lines()
        .filter(|line| line.contains(": note: "))
        .collect();
    assert_eq!(notes, expected);
    assert!(
        told.contains("1 warning and 8 notes, of which 3 are shown, the first 1 of"),
        "{told}"
    );
}

#[test]
fn warnings_are_shown_beside_problems() {
    let text = b"source,destination\ns3://bkt/1,s3://bkt/x\ns3://bkt/2,s3://bkt/x\n\
                 s3://bkt/3,s3://bkt/x/\n";
    let Err(error) = resolved(text, &ManifestOptions::default()) else {
        panic!("a plan was made");
    };
    let told = error.to_string();
    assert!(told.contains("m.csv:3:2: duplicate destination"), "{told}");
    assert!(told.contains("m.csv:4:2: warning: "), "{told}");
    assert!(
        told.contains("m.csv: 1 problem and 2 warnings; nothing"),
        "{told}"
    );
}
