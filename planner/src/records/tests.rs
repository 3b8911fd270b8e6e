use std::io::{Cursor, Read};

use proptest::prelude::*;

use super::*;
use crate::input::open_reader;

/// Gives `step` bytes a read, so that every state is met at a chunk's end.
struct Steps(Cursor<Vec<u8>>, usize);

impl Read for Steps {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let end = out.len().min(self.1);
        self.0.read(&mut out[..end])
    }
}

type Rows = Vec<(u64, Vec<Vec<u8>>)>;

fn read(text: &[u8], step: usize) -> (Rows, Vec<Fault>) {
    let input = open_reader("m", None, Steps(Cursor::new(text.to_vec()), step)).unwrap();
    let mut reader = RecordReader::new(input).unwrap();
    let (mut record, mut rows, mut faults) = (Record::default(), Vec::new(), Vec::new());
    while reader.read(&mut record).unwrap() {
        let record = record.as_ref();
        if let Some(fault) = record.fault() {
            faults.push(fault);
        } else {
            let fields = (0..record.len()).map(|index| record.field(index).to_vec());
            rows.push((record.line(), fields.collect()));
        }
    }
    (rows, faults)
}

fn lines(text: &str) -> (Vec<u64>, Vec<Fault>) {
    let (rows, faults) = read(text.as_bytes(), 64 * 1024);
    for step in 1..5 {
        assert_eq!(
            read(text.as_bytes(), step),
            (rows.clone(), faults.clone()),
            "step {step}"
        );
    }
    (rows.into_iter().map(|(line, _)| line).collect(), faults)
}

fn fault(kind: FaultKind, line: u64, field: usize) -> Fault {
    Fault { kind, line, field }
}

#[test]
fn fields_and_lines_of_every_line_ending() {
    let row = |line, fields: &[&str]| {
        (
            line,
            fields
                .iter()
                .map(|field| field.as_bytes().to_vec())
                .collect::<Vec<_>>(),
        )
    };
    let text = b"\xef\xbb\xbf\"a\",b\r\n\r\n\n,\r\n\"x\r\ny\",\"say \"\"hi\"\"\"\r\n\"\"\nlast,";
    let expected = vec![
        row(1, &["a", "b"]),
        row(4, &["", ""]),
        row(5, &["x\r\ny", "say \"hi\""]),
        row(7, &[""]),
        row(8, &["last", ""]),
    ];
    for step in [1, 2, 3, 4096] {
        assert_eq!(read(text, step), (expected.clone(), vec![]), "step {step}");
    }
    assert_eq!(read(b"", 1), (vec![], vec![]));
    assert_eq!(read(b"\xef\xbb\xbf", 1), (vec![], vec![]));
}

#[test]
fn text_after_a_closing_quote_is_a_fault_of_its_row_only() {
    let bad = fault(FaultKind::TextAfterQuote, 2, 1);
    assert_eq!(lines("a,b\nc,\"d\"e\nf,g\n"), (vec![1, 3], vec![bad]));
    assert_eq!(lines("a,b\nc,\"d\" ,x\nf,g\n"), (vec![1, 3], vec![bad]));
}

#[test]
fn a_quote_in_a_field_and_a_stray_return_are_faults_of_their_rows_only() {
    let bad = fault(FaultKind::QuoteInField, 2, 0);
    assert_eq!(lines("a,b\nc\"x\",d\nf,g\n"), (vec![1, 3], vec![bad]));
    let bad = fault(FaultKind::StrayReturn, 1, 1);
    assert_eq!(lines("a,b\rc\nf,g\n"), (vec![2], vec![bad]));
    assert_eq!(lines("a,b\r"), (vec![], vec![bad]));
}

#[test]
fn rows_behind_a_quote_that_is_never_closed_are_read_nonetheless() {
    let bad = fault(FaultKind::NeverClosed, 2, 1);
    assert_eq!(lines("a,b\nc,\"d\nf,g\nh,i\n"), (vec![1, 3, 4], vec![bad]));
    assert_eq!(lines("a,b\nc,\"d"), (vec![1], vec![bad]));
    assert_eq!(lines("a,b\nc,\"d\n"), (vec![1], vec![bad]));
    // The next quote opens a field, and does not close this one.
    assert_eq!(
        lines("a,b\nc,\"d\n\"f\",\"g\"\nh,i\n"),
        (vec![1, 3, 4], vec![bad])
    );
    // An escaped quote does not close it either.
    assert_eq!(
        lines("a,b\nc,\"d\n\"\",g\nh,i\n"),
        (vec![1, 3, 4], vec![bad])
    );
    let more = fault(FaultKind::NeverClosed, 4, 0);
    assert_eq!(
        lines("a,b\nc,\"d\ne,f\n\"g,h\ni,j"),
        (vec![1, 3, 5], vec![bad, more])
    );
    // A quote opened in the second line of a row has that line's number.
    let second = fault(FaultKind::NeverClosed, 3, 1);
    assert_eq!(
        lines("a,b\n\"c\nc\",\"d\ne,f\n"),
        (vec![1, 4], vec![second])
    );
}

#[test]
fn memory_is_bounded_by_the_longest_record() {
    let long = "x".repeat(RECORD_LIMIT + 1);
    let bad = fault(FaultKind::TooLong, 2, 0);
    assert_eq!(
        lines(&format!("a,b\n{long},y\nf,g\n")),
        (vec![1, 3], vec![bad])
    );
    assert_eq!(
        lines(&format!("a,b\n\"{long}\",y\nf,g\n")),
        (vec![1, 3], vec![bad])
    );
    let commas = fault(FaultKind::TooLong, 1, RECORD_LIMIT);
    assert_eq!(
        lines(&format!("{}\nf,g\n", ",".repeat(70_000))),
        (vec![2], vec![commas])
    );
    // An open quote is given up at the limit, and not closed by one far away.
    let rows = "f,g\n".repeat(RECORD_LIMIT);
    let (found, faults) = read(format!("a,\"b\n{rows}\"\n").as_bytes(), 4096);
    let last = RECORD_LIMIT as u64 + 2;
    let opened =
        [(1, 1), (last, 0)].map(|(line, field)| fault(FaultKind::NeverClosed, line, field));
    assert_eq!(faults, opened);
    assert!(found.into_iter().map(|(line, _)| line).eq(2..last));
}

proptest! {
    #[test]
    fn whatever_the_csv_crate_writes_is_read_back(
        rows in prop::collection::vec(
            prop::collection::vec("(\\PC|[,\"\r\n ]){0,6}", 1..4), 0..6),
        crlf in any::<bool>(),
        step in 1_usize..9,
    ) {
        let terminator =
            if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut writer =
            csv::WriterBuilder::new().flexible(true).terminator(terminator).from_writer(vec![]);
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let (found, faults) = read(&writer.into_inner().unwrap(), step);
        prop_assert_eq!(faults, vec![]);
        let found: Vec<Vec<Vec<u8>>> = found.into_iter().map(|(_, fields)| fields).collect();
        let written: Vec<Vec<Vec<u8>>> = rows
            .iter()
            .map(|row| row.iter().map(|field| field.as_bytes().to_vec()).collect())
            .collect();
        prop_assert_eq!(found, written);
    }

    #[test]
    fn what_has_no_fault_reads_as_in_the_csv_crate(
        text in "[ab,\"\n]{0,30}",
        step in 1_usize..9,
    ) {
        let (found, faults) = read(text.as_bytes(), step);
        // Text with a fault the csv crate takes as it comes.
        if faults.is_empty() {
            let mut reader = csv::ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .from_reader(text.as_bytes());
            let expected = reader.byte_records().map(|record| record.unwrap());
            let expected: Vec<Vec<Vec<u8>>> =
                expected.map(|record| record.iter().map(<[u8]>::to_vec).collect()).collect();
            let found: Vec<Vec<Vec<u8>>> = found.into_iter().map(|(_, fields)| fields).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
