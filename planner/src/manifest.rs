//! The manifest as rows with named columns.

mod header;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use rebucket_protocol::BucketName;
use rebucket_protocol::printable::shortened;

use self::header::EXPECTED;
pub(crate) use self::header::{ColumnName, Header, Side};
use crate::input::{Input, InputError};
use crate::problem::{Column, Problem, ProblemKind};
use crate::records::{Batch, FaultKind, RECORD_LIMIT, Record, RecordReader, RecordRef};

/// How the operator says a manifest is to be read.
#[derive(Debug, Clone)]
pub struct ManifestOptions {
    /// `source` and `destination` are keys in this bucket, not URIs.
    pub bucket: Option<BucketName>,
    /// Keys are percent-encoded, with `+` for a space, as in S3 Inventory.
    pub url_encoded: bool,
    /// How many problems to keep for showing; 0 for all.
    pub max_problems: usize,
    /// Where to write all problems and warnings, one a line.
    pub problems: Option<PathBuf>,
    /// What planning may use of memory, in bytes; at least
    /// [`MIN_MEMORY`](Self::MIN_MEMORY). The process as a whole stays below
    /// it.
    pub memory: u64,
    /// Where temporary files are kept; `None` for the system's folder.
    pub temp_dir: Option<PathBuf>,
    /// Threads that check rows; `None` for one a core. The plan is the same
    /// whatever their number.
    pub threads: Option<NonZeroUsize>,
}

impl ManifestOptions {
    /// The default of `memory`: 512 MiB.
    pub const DEFAULT_MEMORY: u64 = 512 * 1024 * 1024;

    /// The least that planning makes do with: 64 MiB.
    pub const MIN_MEMORY: u64 = 64 * 1024 * 1024;
}

impl Default for ManifestOptions {
    fn default() -> Self {
        Self {
            bucket: None,
            url_encoded: false,
            max_problems: 0,
            problems: None,
            memory: Self::DEFAULT_MEMORY,
            temp_dir: None,
            threads: None,
        }
    }
}

/// Reads a manifest batch by batch.
pub(crate) struct ManifestReader {
    records: RecordReader,
    rows: u64,
}

/// One row of the right form; what its fields say is not checked yet.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    /// Counted from 1, without the header and empty lines.
    pub(crate) number: u64,
    pub(crate) header: &'a Header,
    record: RecordRef<'a>,
}

impl ManifestReader {
    /// Reads the header row; `None` when the manifest cannot be read by it,
    /// which `problems` then says.
    pub(crate) fn open(
        mut input: Input,
        options: &ManifestOptions,
        problems: &mut Vec<Problem>,
    ) -> Result<Option<(Header, Self)>, InputError> {
        if is_utf16(input.peek(2)?) {
            problems.push(Problem {
                line: 1,
                column: None,
                kind: ProblemKind::InvalidUtf8,
                message: "the manifest is in UTF-16; save it as UTF-8".to_owned(),
            });
            return Ok(None);
        }
        let mut records = RecordReader::new(input)?;
        let mut record = Record::default();
        if !records.read(&mut record)? {
            let message =
                format!("the manifest is empty; the first row must name the columns, {EXPECTED}");
            let kind = ProblemKind::MissingHeader;
            problems.push(Problem {
                line: 1,
                column: None,
                kind,
                message,
            });
            return Ok(None);
        }
        let record = record.as_ref();
        if let Some(problem) = form_problem(record, None) {
            problems.push(problem);
            return Ok(None);
        }
        let header = Header::parse(record, options, problems);
        Ok(header.map(|header| (header, Self { records, rows: 0 })))
    }

    /// Replaces `batch` with the next rows, and says how many came before
    /// them; `None` at the end.
    pub(crate) fn fill(&mut self, batch: &mut Batch) -> Result<Option<u64>, InputError> {
        if !self.records.fill(batch)? {
            return Ok(None);
        }
        let before = self.rows;
        self.rows += batch.len() as u64;
        Ok(Some(before))
    }
}

impl<'a> Row<'a> {
    /// A row of the right form.
    ///
    /// # Errors
    /// What is wrong with its form.
    pub(crate) fn new(
        number: u64,
        header: &'a Header,
        record: RecordRef<'a>,
    ) -> Result<Self, Problem> {
        match form_problem(record, Some(header)) {
            None => Ok(Self {
                number,
                header,
                record,
            }),
            Some(problem) => Err(problem),
        }
    }

    /// The physical line on which the row starts.
    pub(crate) fn line(&self) -> u64 {
        self.record.line()
    }

    /// A column's text; empty when the manifest has no such column.
    pub(crate) fn text(&self, name: ColumnName) -> Result<&'a str, Problem> {
        let Some(at) = self.header.position(name) else {
            return Ok("");
        };
        let field = self.record.field(at);
        std::str::from_utf8(field).map_err(|error| {
            let message = format!(
                "{} is not UTF-8 from its byte {} on: {}; save the manifest as UTF-8",
                name.as_str(),
                error.valid_up_to() + 1,
                shortened(&String::from_utf8_lossy(field))
            );
            self.problem(name, ProblemKind::InvalidUtf8, message)
        })
    }

    /// Something wrong in a column of this row.
    pub(crate) fn problem(&self, name: ColumnName, kind: ProblemKind, message: String) -> Problem {
        Problem {
            line: self.line(),
            column: self.header.column(name),
            kind,
            message,
        }
    }
}

/// Spreadsheets save "Unicode text" so, with a byte-order mark or without one.
fn is_utf16(head: &[u8]) -> bool {
    let &[first, second, ..] = head else {
        return false;
    };
    matches!((first, second), (0xff, 0xfe) | (0xfe, 0xff))
        || (first == 0) != (second == 0) && (first | second).is_ascii()
}

/// What is wrong with a row's form: its quoting, length or number of fields.
fn form_problem(record: RecordRef<'_>, header: Option<&Header>) -> Option<Problem> {
    let Some(fault) = record.fault() else {
        if header.is_some() && (0..record.len()).all(|at| record.field(at).is_empty()) {
            return Some(Problem {
                line: record.line(),
                column: None,
                kind: ProblemKind::EmptyRow,
                message: "the row is empty; remove it".to_owned(),
            });
        }
        let expected = header.map_or(record.len(), Header::width);
        let message = match record.len() {
            found if found == expected => return None,
            1 => format!("expected {expected} fields, as the header has columns, found 1"),
            found => format!(
                "expected {expected} fields, as the header has columns, found {found}; \
                 a field with a comma in it must stand in double quotes"
            ),
        };
        let kind = ProblemKind::FieldCount;
        return Some(Problem {
            line: record.line(),
            column: None,
            kind,
            message,
        });
    };
    let message = match fault.kind {
        FaultKind::NeverClosed => {
            "the double quote opened here is never closed; close it, and write a quote that \
             belongs to the field twice"
                .to_owned()
        }
        FaultKind::TextAfterQuote => {
            "text follows the closing double quote; write a quote that belongs to the field twice"
                .to_owned()
        }
        FaultKind::QuoteInField => {
            "a double quote in a field that does not start with one; put the whole field in double \
             quotes and write the quote in it twice"
                .to_owned()
        }
        FaultKind::StrayReturn => {
            "a carriage return without a line feed; end lines with LF or CRLF, and put a field \
             with a carriage return in it in double quotes"
                .to_owned()
        }
        FaultKind::TooLong => {
            format!("the row is longer than {RECORD_LIMIT} bytes; is this a manifest?")
        }
    };
    let kind = match fault.kind {
        FaultKind::TooLong => ProblemKind::RowTooLong,
        _ => ProblemKind::BadQuoting,
    };
    let column = match (kind, header) {
        (ProblemKind::RowTooLong, _) => None,
        (_, Some(header)) => header.column_at(fault.field),
        (_, None) => Some(Column {
            number: fault.field + 1,
            name: String::new(),
        }),
    };
    Some(Problem {
        line: fault.line,
        column,
        kind,
        message,
    })
}
