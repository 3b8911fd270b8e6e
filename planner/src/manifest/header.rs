//! The header row of a manifest: which columns there are, and where.

use rebucket_protocol::printable::shortened;

use super::ManifestOptions;
use crate::problem::{Column, Problem, ProblemKind};
use crate::records::RecordRef;

/// What a header may say, for messages.
pub(super) const EXPECTED: &str = "source,destination or \
     source_bucket,source_key,destination_bucket,destination_key, \
     and optionally version_id, etag, size, modified, storage_class, if_exists";

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
    Modified,
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
const OPTIONAL: [Name; 6] = [
    Name::VersionId,
    Name::Etag,
    Name::Size,
    Name::Modified,
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
            Self::Modified => "modified",
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

    /// The place of a column in every row.
    pub(super) fn position(&self, name: ColumnName) -> Option<usize> {
        self.at[name as usize]
    }

    /// How many columns the header has, and every row with it.
    pub(super) fn width(&self) -> usize {
        self.columns.len()
    }

    fn has(&self, name: ColumnName) -> bool {
        self.position(name).is_some()
    }

    /// The column at a place, for a problem in its form.
    pub(super) fn column_at(&self, index: usize) -> Option<Column> {
        let name = (*self.columns.get(index)?)?;
        Some(Column {
            number: index + 1,
            name: name.as_str().to_owned(),
        })
    }

    /// Reads the header row. Says all that is wrong with it; `None` when the
    /// rows below cannot be understood by it.
    pub(super) fn parse(
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
                shortened(&found)
            );
            report(None, ProblemKind::MissingHeader, message);
            return None;
        }
        for (index, (field, name)) in fields().zip(&columns).enumerate() {
            let text = shortened(&String::from_utf8_lossy(field));
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
