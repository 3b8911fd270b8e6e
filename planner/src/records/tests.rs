use std::io::{Cursor, Read};

use proptest::prelude::*;

use super::ahead::LOOK_AHEAD;
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
    let (rows, faults, _) = read_counting(text, step);
    (rows, faults)
}

/// Reads rows and faults; says also how many bytes were read twice.
fn read_counting(text: &[u8], step: usize) -> (Rows, Vec<Fault>, usize) {
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
    (rows, faults, reader.put_back)
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
}

/// The steps that are enough for text of megabytes.
const LARGE_STEPS: [usize; 3] = [4093, 64 * 1024, 256 * 1024];

/// As `lines`, for text of megabytes.
#[track_caller]
fn assert_lines(text: &str, expected: impl Iterator<Item = u64>, faults: &[Fault]) {
    let expected: Vec<u64> = expected.collect();
    for step in LARGE_STEPS {
        let (rows, found) = read(text.as_bytes(), step);
        assert_eq!(found, faults, "step {step}");
        let rows = rows.into_iter().map(|(line, _)| line);
        assert!(rows.eq(expected.iter().copied()), "step {step}");
    }
}

#[test]
fn a_row_that_is_too_long_is_one_fault_however_many_lines_it_has() {
    // A first field of 4 MB, and the end of its row with another of two lines.
    let long = "x\n".repeat(2_000_000);
    let text = format!("s,d\n\"s3://bkt/{long}\",\"n\nn\"\na,b\nc,\"d\ne,f\n");
    let [bad, later] = [
        fault(FaultKind::TooLong, 2, 0),
        fault(FaultKind::NeverClosed, 2_000_005, 1),
    ];
    assert_lines(&text, [1, 2_000_004, 2_000_006].into_iter(), &[bad, later]);
    // A last field that does not start on its row's first line, with escaped
    // quotes and commas in it, and CRLF.
    let long = "say \"\"x\"\", y, z\r\n\r\n".repeat(5_000);
    let bad = fault(FaultKind::TooLong, 2, 1);
    let text = format!("s,d\r\n\"a\r\n\",\"{long}\"\r\n\r\na,b\r\n");
    assert_lines(&text, [1, 10_005].into_iter(), &[bad]);
    // The quote after such a field is never closed: that is why the row is long.
    let text = format!("s,d\n\"{long}\",\"b\nf,g\n");
    let open = fault(FaultKind::NeverClosed, 10_002, 1);
    assert_lines(&text, [1, 10_003].into_iter(), &[open]);
    // It is closed by the last byte; it has its newline behind the limit.
    for long in ["x\n".repeat(RECORD_LIMIT), "x".repeat(RECORD_LIMIT) + "\n"] {
        let bad = fault(FaultKind::TooLong, 2, 1);
        assert_lines(&format!("s,d\na,\"{long}\""), [1].into_iter(), &[bad]);
    }
}

#[test]
fn a_closing_quote_is_looked_for_up_to_the_bound() {
    // Lines that are rows of one field, and the quote.
    let tail = format!("{}\n", "x".repeat(1023)).repeat(LOOK_AHEAD / 1024);
    let within = &tail[1..];
    let bad = fault(FaultKind::TooLong, 2, 1);
    let after = LOOK_AHEAD as u64 / 1024 + 3;
    let text = |tail: &str| format!("s,d\na,\"b\n{tail}\",y\nf,g\n");
    let (rows, faults, put_back) = read_counting(text(within).as_bytes(), 4093);
    assert_eq!((faults, put_back), (vec![bad], 0));
    assert!(rows.into_iter().map(|(line, _)| line).eq([1, after + 1]));
    // With a byte more the quote is given up, and there is another one.
    let bads = [(2, 1), (after, 0)].map(|(line, field)| fault(FaultKind::NeverClosed, line, field));
    let lines = (3..after).chain([after + 1]);
    assert_lines(&text(&tail), [1].into_iter().chain(lines), &bads);
}

#[test]
fn a_quote_far_away_that_belongs_to_other_rows_closes_nothing() {
    let rows = "f,g\n".repeat(RECORD_LIMIT);
    let last = RECORD_LIMIT as u64 + 3;
    let bad = |line, field| fault(FaultKind::NeverClosed, line, field);
    // The next quoted row, far away: its quote opens a field.
    let text = format!("s,d\na,\"b\n{rows}\"h\",\"i\"\nj,k\n");
    assert_lines(&text, [1].into_iter().chain(3..last + 2), &[bad(2, 1)]);
    // A surplus one that could close a field, but for the rows between them;
    // and again, as a file's last byte.
    for end in ["\"\n", "\",h\n", "\"\r\n", "\""] {
        let text = format!("s,d\na,\"b\n{rows}{end}");
        let bads = [bad(2, 1), bad(last, 0)];
        assert_lines(&text, [1].into_iter().chain(3..last), &bads);
    }
    // More than half of the lines have as many fields as the header.
    let text = |rows: usize| {
        let lines = "f,g\n".repeat(rows) + &"f\n".repeat(30_000);
        format!("s,d\ne,e,e\na,\"b\n{lines}h\",i\n")
    };
    let too_long = fault(FaultKind::TooLong, 3, 1);
    assert_lines(&text(30_000), [1, 2].into_iter(), &[too_long]);
    let surplus = fault(FaultKind::QuoteInField, 60_005, 0);
    assert_lines(
        &text(30_001),
        [1, 2].into_iter().chain(4..60_005),
        &[bad(3, 1), surplus],
    );
    // A field that is not too long may have such lines.
    assert_eq!(
        lines("s,d\na,\"b\nf,g\nh,i\nj\"\nk,l\n"),
        (vec![1, 2, 6], vec![])
    );
}

#[test]
fn what_is_looked_at_ahead_is_bounded() {
    let put_back = |text: &str| read_counting(text.as_bytes(), 64 * 1024).2;
    // A quote that is never closed in every row: up to the next one.
    assert_eq!(put_back(&"a,\"b\n".repeat(20_000)), 19_999 * 3);
    // Also where rows are quoted, or far apart.
    let text = format!("{}\"a,\"\"\n", "x,y\n".repeat(20_000)).repeat(5);
    assert!(put_back(&text) <= text.len());
    // No quote any more: up to the bound, and what was read with it.
    let rows = format!("{},y\n", "x".repeat(1021)).repeat(LOOK_AHEAD / 512);
    for start in ["a,\"b\n", "\"a\"b,\"c\n", "a,\"b\"c\"d,\"\n"] {
        let bytes = put_back(&format!("s,d\n{start}{rows}"));
        assert!(
            (LOOK_AHEAD..LOOK_AHEAD + 512 * 1024).contains(&bytes),
            "{bytes}"
        );
    }
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

    #[test]
    fn no_byte_is_put_back_twice(text in "([ab,\"\n]|\"\n|,\"){0,60}", step in 1_usize..9) {
        let (_, _, put_back) = read_counting(text.as_bytes(), step);
        prop_assert!(put_back <= text.len(), "{put_back} of {}", text.len());
    }
}
