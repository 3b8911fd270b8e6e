//! The manifest: rows that a person, a spreadsheet or a script wrote.

use std::io::{Cursor, Read};

use proptest::prelude::*;
use proptest::sample::Index;
use rebucket_planner::{
    InvalidManifest, JobChoices, ManifestError, ManifestOptions, PlanReader, PlanWriter,
    PlannedRename, open_reader, resolve,
};
use rebucket_protocol::{ObjectKey, ObjectUri};

use crate::mutation::{Damage, damage};
use crate::samples::{bucket, key, newlines};

const CSV: &[&str] = &[
    "\"",
    "\"\"",
    ",",
    "\n",
    "\r\n",
    "\r",
    "s3://bkt/",
    "a",
    ",\"",
    "\",",
    "\"\n",
    "\n\"",
    " ",
    "\u{feff}",
    "source",
    "size",
];

/// Gives so many bytes a read, so that every state is met at a chunk's end.
struct Steps(Cursor<Vec<u8>>, usize);

impl Read for Steps {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let end = out.len().min(self.1);
        self.0.read(&mut out[..end])
    }
}

fn read(text: &[u8], step: usize) -> Result<Vec<PlannedRename>, InvalidManifest> {
    let input = open_reader("m", None, Steps(Cursor::new(text.to_vec()), step)).unwrap();
    let plan = PlanWriter::new(Cursor::new(Vec::new()), JobChoices::default()).unwrap();
    match resolve(input, &ManifestOptions::default(), plan) {
        Ok(resolved) => {
            let plan = PlanReader::open(resolved.plan).unwrap();
            Ok(plan.map(Result::unwrap).collect())
        }
        Err(ManifestError::Invalid(invalid)) => Err(invalid),
        Err(other) => panic!("{other}"),
    }
}

/// How one row is written.
#[derive(Debug, Clone)]
struct Row {
    fields: Vec<String>,
    /// Quote the field even where nothing asks for it.
    quoted: Vec<bool>,
    crlf: bool,
    /// Empty lines before it.
    empty: usize,
}

impl Row {
    /// RFC 4180, by its grammar.
    fn write(&self, out: &mut String) {
        let end = if self.crlf { "\r\n" } else { "\n" };
        out.push_str(&end.repeat(self.empty));
        for (index, (field, quoted)) in self.fields.iter().zip(&self.quoted).enumerate() {
            if index > 0 {
                out.push(',');
            }
            if *quoted || field.contains(['"', ',', '\r', '\n']) {
                out.push('"');
                out.push_str(&field.replace('"', "\"\""));
                out.push('"');
            } else {
                out.push_str(field);
            }
        }
        out.push_str(end);
    }
}

/// A pair of keys that no other row has: `number` makes them so.
fn row(number: usize) -> impl Strategy<Value = (ObjectUri, ObjectUri, Row)> {
    let style = (
        any::<[bool; 2]>(),
        any::<bool>(),
        prop_oneof![4 => Just(0), 1 => 1_usize..3],
    );
    (bucket(), key(), key(), style).prop_map(move |(bucket, old, new, (quoted, crlf, empty))| {
        let named = |name: &str, key: &ObjectKey| {
            let mut key = key.as_str().to_owned();
            while key.len() > 1000 {
                key.pop();
            }
            let key = ObjectKey::new(format!("{name}{number}/{key}")).unwrap();
            ObjectUri::new(bucket.clone(), key)
        };
        let (source, destination) = (named("a", &old), named("b", &new));
        let fields = vec![source.to_string(), destination.to_string()];
        let row = Row {
            fields,
            quoted: quoted.to_vec(),
            crlf,
            empty,
        };
        (source, destination, row)
    })
}

fn rows() -> impl Strategy<Value = Vec<(ObjectUri, ObjectUri, Row)>> {
    (1_usize..8).prop_flat_map(|count| (0..count).map(row).collect::<Vec<_>>())
}

/// The line on which each row starts, counted by the newlines before it.
fn written(rows: &[(ObjectUri, ObjectUri, Row)]) -> (String, Vec<u64>) {
    let mut text = "source,destination\n".to_owned();
    let mut lines = Vec::new();
    for (_, _, row) in rows {
        let newlines = newlines(text.as_bytes()) + row.empty;
        lines.push(newlines as u64 + 1);
        row.write(&mut text);
    }
    (text, lines)
}

proptest! {
    #[test]
    fn rows_of_every_style_are_read_with_their_lines(
        rows in rows(),
        step in 1_usize..9,
        ended in any::<bool>(),
        marked in any::<bool>(),
    ) {
        let (mut text, lines) = written(&rows);
        if !ended {
            // The last line need not end.
            text.truncate(text.trim_end_matches(['\r', '\n']).len());
        }
        if marked {
            text.insert(0, '\u{feff}');
        }
        let refused = |invalid| TestCaseError::fail(format!("{invalid}\n{text}"));
        let found = read(text.as_bytes(), step).map_err(refused)?;
        prop_assert_eq!(found.len(), rows.len());
        for (index, (rename, (source, destination, _))) in found.iter().zip(&rows).enumerate() {
            prop_assert_eq!(&rename.source, source);
            prop_assert_eq!(&rename.destination, destination);
            prop_assert_eq!(rename.row, index as u64 + 1);
            prop_assert_eq!(rename.line, lines[index]);
        }
    }

    #[test]
    fn the_csv_crate_reads_the_same(rows in rows(), step in 1_usize..9) {
        let (text, _) = written(&rows);
        let mut other = csv::Reader::from_reader(text.as_bytes());
        let expected: Vec<[String; 2]> = other
            .records()
            .map(|record| record.unwrap())
            .map(|record| [record[0].to_owned(), record[1].to_owned()])
            .collect();
        let found: Vec<[String; 2]> = read(text.as_bytes(), step)
            .map_err(|e| TestCaseError::fail(e.to_string()))?
            .iter()
            .map(|rename| [rename.source.to_string(), rename.destination.to_string()])
            .collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn what_is_wrong_is_found_on_its_line_and_nowhere_else(
        rows in rows(),
        at in any::<Index>(),
        wrong in prop::sample::select(vec![
            "s3://bkt/only-one", "s3://bkt/a,s3://bkt/b,s3://bkt/c", "bkt/a,s3://bkt/b",
            "s3://bkt/same,s3://bkt/same", "s3://bkt/x\"y,s3://bkt/z", "\"s3://bkt/x\"y,s3://bkt/z",
            "s3://bkt/,s3://bkt/z", "s3://b/x,s3://bkt/z", "s3://bkt/x\ry,s3://bkt/z",
        ]),
    ) {
        let at = at.index(rows.len());
        let (before, lines) = written(&rows[..at]);
        let line = newlines(before.as_bytes()) as u64 + 1;
        let (after, _) = written(&rows[at..]);
        let after = after.strip_prefix("source,destination\n").unwrap();
        let text = format!("{before}{wrong}\n{after}");
        prop_assert!(lines.len() == at);
        let Err(invalid) = read(text.as_bytes(), 7) else {
            return Err(TestCaseError::fail(format!("accepted: {text}")));
        };
        let found: Vec<u64> = invalid.problems.sorted().iter().map(|p| p.line).collect();
        prop_assert_eq!(found, vec![line], "{}\n{}", invalid, text);
    }

    #[test]
    fn damage_is_read_alike_in_chunks_of_any_size(
        rows in rows(),
        damage in prop::collection::vec(damage(CSV), 1..5),
        step in 1_usize..9,
    ) {
        let (text, _) = written(&rows);
        let text = Damage::apply_all(&damage, text.as_bytes());
        // Not what a decompressor makes of it.
        prop_assume!(!text.starts_with(&[0x1f, 0x8b]));
        prop_assume!(!text.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]));
        let told = |result: Result<Vec<PlannedRename>, InvalidManifest>| {
            result.map_err(|invalid| invalid.to_string())
        };
        let (whole, chunked) = (told(read(&text, 1 << 16)), told(read(&text, step)));
        prop_assert_eq!(&whole, &chunked);
        let lines = newlines(&text) as u64 + 1;
        for rename in whole.iter().flatten() {
            prop_assert!((2..=lines).contains(&rename.line));
            prop_assert!(rename.source != rename.destination);
        }
    }
}
