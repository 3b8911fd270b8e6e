//! What is wrong with a manifest, in the operator's words.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};
use std::fmt::{self, Write as _};

use rebucket_protocol::printable::Printable;

/// The kinds of problem. Tests and tools tell problems apart by them; the
/// words of the messages may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProblemKind {
    /// The first row names no column.
    MissingHeader,
    /// A column that no manifest has.
    UnknownColumn,
    /// A column named twice.
    DuplicateColumn,
    /// A column that must be there.
    MissingColumn,
    /// Columns, or a column and `--bucket`, that say the same thing twice.
    ConflictingColumns,
    /// Quotes that break RFC 4180, or a stray carriage return.
    BadQuoting,
    /// A row too long to be one.
    RowTooLong,
    /// Nothing in any field: a row that was deleted in a spreadsheet.
    EmptyRow,
    /// More or fewer fields than the header has columns.
    FieldCount,
    /// Bytes that are not UTF-8.
    InvalidUtf8,
    /// A `%` that is not followed by two hexadecimal digits.
    BadUrlEncoding,
    /// Not an `s3://bucket/key` URI.
    BadUri,
    /// Not a bucket's name.
    BadBucket,
    /// No key.
    EmptyKey,
    /// A key over 1,024 bytes.
    KeyTooLong,
    /// Source and destination are the same object.
    SelfRename,
    /// Not a version id.
    BadVersionId,
    /// Not an entity tag.
    BadEtag,
    /// Not a number of bytes.
    BadSize,
    /// Not a time.
    BadModified,
    /// Not a storage class's name.
    BadStorageClass,
    /// Not one of `fail`, `skip` and `overwrite`.
    BadIfExists,
    /// Two rows rename the same object.
    DuplicateSource,
    /// Two rows have the same new name.
    DuplicateDestination,
    /// A warning: a key that some endpoints take for another one.
    UnusualKey,
    /// A warning: white space at an end of a key.
    OuterSpace,
    /// A warning: a destination that some endpoints take for a key of another
    /// row.
    FoldedKeys,
    /// A warning: a source that is a temporary key of some job.
    InTransit,
    /// A warning: nothing is at a row's source.
    SourceNotThere,
    /// A warning: what is at a row's source is not what the row says.
    SourceDiffers,
    /// Nothing is at the source of a row that others wait for, or that waits.
    LinkedSourceNotThere,
    /// What is at the source of such a row is not what the row says, or cannot
    /// be pinned.
    LinkedSourceDiffers,
    /// The key of such a row would not be free for the next one: its source
    /// has an earlier version, which a purge shows.
    LinkedKeyNotFreed,
    /// A note: a destination that is another row's source.
    WaitsFor,
    /// A note: rows that wait for one another in a circle.
    Cycle,
}

/// What a problem means for the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It must be corrected before anything is renamed.
    Error,
    /// It may be wrong; the renames can be made.
    Warning,
    /// Nothing is wrong: it says how the renames will be made.
    Note,
}

impl ProblemKind {
    /// What a problem of this kind means for the manifest.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::UnusualKey
            | Self::OuterSpace
            | Self::FoldedKeys
            | Self::InTransit
            | Self::SourceNotThere
            | Self::SourceDiffers => Severity::Warning,
            Self::WaitsFor | Self::Cycle => Severity::Note,
            _ => Severity::Error,
        }
    }
}

/// A column of the manifest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Column {
    /// Which one, counted from 1.
    pub number: usize,
    /// What the header calls it.
    pub name: String,
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The physical line of the decompressed file on which the row starts (or
    /// the quote, when a quote is what is wrong), counted from 1.
    pub line: u64,
    /// The column, when it is one column that is wrong.
    pub column: Option<Column>,
    /// What kind of problem this is.
    pub kind: ProblemKind,
    /// What is wrong, what was expected and what to do.
    pub message: String,
}

impl Problem {
    /// The problem as one line for people: `file:line:column: message`.
    #[must_use]
    pub fn located<'a>(&'a self, file: &'a str) -> impl fmt::Display + 'a {
        fmt::from_fn(move |f| {
            let mut f = Printable(f);
            write!(f, "{file}:{}:", self.line)?;
            if let Some(column) = &self.column {
                write!(f, "{}:", column.number)?;
            }
            let label = match self.kind.severity() {
                Severity::Error => "",
                Severity::Warning => " warning:",
                Severity::Note => " note:",
            };
            write!(f, "{label} {}", self.message)
        })
    }

    fn place(&self) -> (u64, &Option<Column>, ProblemKind, &str) {
        (self.line, &self.column, self.kind, &self.message)
    }
}

impl Ord for Problem {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place())
    }
}

impl PartialOrd for Problem {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The problems of a manifest: all are counted, and of each kind the first, by
/// line, are kept to be shown. A manifest of a billion bad rows must not take
/// the memory of a billion messages, nor one kind hide the others.
#[derive(Debug, Clone)]
pub struct Problems {
    kinds: BTreeMap<ProblemKind, OfKind>,
    keep: usize,
}

#[derive(Debug, Clone, Default)]
struct OfKind {
    kept: BinaryHeap<Problem>,
    total: u64,
}

impl Problems {
    /// Keeps the first `keep` problems of each kind, or all of them when it is
    /// 0.
    #[must_use]
    pub fn keeping(keep: usize) -> Self {
        let keep = if keep == 0 { usize::MAX } else { keep };
        Self {
            kinds: BTreeMap::new(),
            keep,
        }
    }

    /// Adds one.
    pub fn push(&mut self, problem: Problem) {
        let of_kind = self.kinds.entry(problem.kind).or_default();
        of_kind.total += 1;
        of_kind.kept.push(problem);
        if of_kind.kept.len() > self.keep {
            of_kind.kept.pop();
        }
    }

    /// Counts so many of a kind that come after all that are kept of it.
    pub(crate) fn count(&mut self, kind: ProblemKind, more: u64) {
        if more > 0 {
            self.kinds.entry(kind).or_default().total += more;
        }
    }

    /// How many there are, kept or not.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.kinds.values().map(|of_kind| of_kind.total).sum()
    }

    /// How many there are of a kind, kept or not.
    #[must_use]
    pub fn total_of(&self, kind: ProblemKind) -> u64 {
        self.kinds.get(&kind).map_or(0, |of_kind| of_kind.total)
    }

    /// The most that are kept of a kind.
    #[must_use]
    pub fn kept_of_each(&self) -> usize {
        self.keep
    }

    /// The kept ones in the order of their lines.
    #[must_use]
    pub fn sorted(&self) -> Vec<&Problem> {
        let kept = self.kinds.values().flat_map(|of_kind| &of_kind.kept);
        let mut all: Vec<&Problem> = kept.collect();
        all.sort_unstable();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(line: u64) -> Problem {
        let message = format!("no {line}");
        Problem {
            line,
            column: None,
            kind: ProblemKind::BadUri,
            message,
        }
    }

    #[test]
    fn the_first_by_line_are_kept_and_all_are_counted() {
        let mut problems = Problems::keeping(2);
        for line in [9, 4, 7, 2] {
            problems.push(problem(line));
        }
        let lines: Vec<u64> = problems
            .sorted()
            .iter()
            .map(|problem| problem.line)
            .collect();
        assert_eq!((lines, problems.total()), (vec![2, 4], 4));
        // One kind does not take the room of another.
        let mut other = problem(99);
        other.kind = ProblemKind::BadSize;
        problems.push(other);
        let lines = problems.sorted().iter().map(|problem| problem.line).max();
        assert_eq!((lines, problems.total()), (Some(99), 5));
        let mut all = Problems::keeping(0);
        for line in (1..=500).rev() {
            all.push(problem(line));
        }
        assert_eq!(all.sorted().len(), 500);
    }

    #[test]
    fn a_problem_is_one_line() {
        let mut bad = problem(17);
        assert_eq!(bad.located("m.csv").to_string(), "m.csv:17: no 17");
        bad.column = Some(Column {
            number: 2,
            name: "destination".to_owned(),
        });
        assert_eq!(bad.located("m.csv").to_string(), "m.csv:17:2: no 17");
        bad.message = "an\u{1b}[0mother\n".to_owned();
        let line = bad.located("a\nb.csv").to_string();
        assert_eq!(line, "a\\nb.csv:17:2: an\\u{1b}[0mother\\n");
    }
}
