//! The manifest as rows with named columns.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use rebucket_protocol::BucketName;

use crate::input::{Input, InputError};
use crate::problem::{Column, Problem, ProblemKind, shown};
use crate::records::{Batch, FaultKind, RECORD_LIMIT, Record, RecordReader, RecordRef};

const EXPECTED: &str = "source,destination or \
     source_bucket,source_key,destination_bucket,destination_key, \
     and optionally version_id, etag, size, storage_class, if_exists";

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

/// The columns that a manifest may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnName {
    Source,
    Destination,
    SourceBucket,
    SourceKey,
    DestinationBucket,
    DestinationKey,
    VersionId,
    Etag,
    Size,
    StorageClass,
    IfExists,
}

use ColumnName as Name;

const PAIR: [Name; 2] = [Name::Source, Name::Destination];
const SPLIT: [Name; 4] = [
    Name::SourceBucket,
    Name::SourceKey,
    Name::DestinationBucket,
    Name::DestinationKey,
];
const OPTIONAL: [Name; 5] = [
    Name::VersionId,
    Name::Etag,
    Name::Size,
    Name::StorageClass,
    Name::IfExists,
];

impl ColumnName {
    const COUNT: usize = PAIR.len() + SPLIT.len() + OPTIONAL.len();

    /// What the header calls it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Destination => "destination",
            Self::SourceBucket => "source_bucket",
            Self::SourceKey => "source_key",
            Self::DestinationBucket => "destination_bucket",
            Self::DestinationKey => "destination_key",
            Self::VersionId => "version_id",
            Self::Etag => "etag",
            Self::Size => "size",
            Self::StorageClass => "storage_class",
            Self::IfExists => "if_exists",
        }
    }

    fn find(name: &[u8]) -> Option<Self> {
        let mut all = PAIR.into_iter().chain(SPLIT).chain(OPTIONAL);
        all.find(|column| column.as_str().as_bytes() == name)
    }
}

/// Which of the two objects of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Source,
    Destination,
}

/// The header row: which column stands where.
pub(crate) struct Header {
    columns: Vec<Option<ColumnName>>,
    /// Where each stands. Every row asks for all of them.
    at: [Option<usize>; ColumnName::COUNT],
    split: bool,
}

impl Header {
    /// The column that names a side's bucket, when buckets have columns.
    pub(crate) fn bucket_column(&self, side: Side) -> Option<ColumnName> {
        let column = match side {
            Side::Source => Name::SourceBucket,
            Side::Destination => Name::DestinationBucket,
        };
        self.split.then_some(column)
    }

    /// The column that names a side's key, and in URIs its bucket too.
    pub(crate) fn key_column(&self, side: Side) -> ColumnName {
        match (side, self.split) {
            (Side::Source, false) => Name::Source,
            (Side::Source, true) => Name::SourceKey,
            (Side::Destination, false) => Name::Destination,
            (Side::Destination, true) => Name::DestinationKey,
        }
    }

    /// Where a column stands, for a problem in it.
    pub(crate) fn column(&self, name: ColumnName) -> Option<Column> {
        let index = self.position(name)?;
        Some(Column {
            number: index + 1,
            name: name.as_str().to_owned(),
        })
    }

    fn position(&self, name: ColumnName) -> Option<usize> {
        self.at[name as usize]
    }

    fn has(&self, name: ColumnName) -> bool {
        self.position(name).is_some()
    }

    fn column_at(&self, index: usize) -> Option<Column> {
        let name = (*self.columns.get(index)?)?;
        Some(Column {
            number: index + 1,
            name: name.as_str().to_owned(),
        })
    }

    /// Reads the header row. Says all that is wrong with it; `None` when the
    /// rows below cannot be understood by it.
    fn parse(
        record: RecordRef<'_>,
        options: &ManifestOptions,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let mut report = |column: Option<Column>, kind, message| {
            problems.push(Problem {
                line: record.line(),
                column,
                kind,
                message,
            });
        };
        let fields = || (0..record.len()).map(|index| record.field(index));
        let columns: Vec<Option<Name>> = fields().map(Name::find).collect();
        if columns.iter().all(Option::is_none) {
            let found = fields()
                .map(String::from_utf8_lossy)
                .collect::<Vec<_>>()
                .join(",");
            let message = format!(
                "the header row is missing: the first row must name the columns, {EXPECTED}; \
                 in small letters and with commas between them; found {}",
                shown(&found)
            );
            report(None, ProblemKind::MissingHeader, message);
            return None;
        }
        for (index, (field, name)) in fields().zip(&columns).enumerate() {
            let text = shown(&String::from_utf8_lossy(field));
            let column = || {
                Some(Column {
                    number: index + 1,
                    name: text.clone(),
                })
            };
            match name {
                None if std::str::from_utf8(field).is_err() => {
                    let message = format!("the column's name is not UTF-8; expected {EXPECTED}");
                    report(column(), ProblemKind::InvalidUtf8, message);
                }
                None => {
                    let message = format!("unknown column \"{text}\"; expected {EXPECTED}");
                    report(column(), ProblemKind::UnknownColumn, message);
                }
                Some(_) if columns[..index].contains(name) => {
                    let message = format!("the column {text} is there twice; leave one out");
                    report(column(), ProblemKind::DuplicateColumn, message);
                }
                Some(_) => {}
            }
        }
        let has_any = |names: &[Name]| columns.iter().flatten().any(|name| names.contains(name));
        let split = has_any(&SPLIT);
        let mut at = [None; Name::COUNT];
        for (index, name) in columns.iter().enumerate().rev() {
            if let Some(name) = name {
                at[*name as usize] = Some(index);
            }
        }
        let header = Self { columns, at, split };
        if split && PAIR.iter().any(|name| header.has(*name)) {
            let message =
                format!("URI columns and bucket and key columns are mixed; use {EXPECTED}");
            report(None, ProblemKind::ConflictingColumns, message);
            return None;
        }
        if split && options.bucket.is_some() {
            let message = "--bucket is given, but the manifest has bucket columns of its own; \
                 leave out --bucket, or use the columns source,destination";
            report(None, ProblemKind::ConflictingColumns, message.to_owned());
            return None;
        }
        let mut complete = true;
        let required = if split { &SPLIT[..] } else { &PAIR[..] };
        for name in required.iter().filter(|name| !header.has(**name)) {
            complete = false;
            let message = format!(
                "the column {} is missing; expected {EXPECTED}; no row below was checked",
                name.as_str()
            );
            report(None, ProblemKind::MissingColumn, message);
        }
        complete.then_some(header)
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
                shown(&String::from_utf8_lossy(field))
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
        let expected = header.map_or(record.len(), |header| header.columns.len());
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
