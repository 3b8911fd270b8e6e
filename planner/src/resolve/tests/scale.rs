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
        max_problems: 2,
        problems: Some(file.clone()),
        ..ManifestOptions::default()
    };
    let Err(ManifestError::Invalid(manifest)) = resolved(&text, &options) else {
        panic!()
    };
    assert_eq!(manifest.problems.sorted().len(), 2);
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
