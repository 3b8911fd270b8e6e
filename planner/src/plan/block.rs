//! A block of renames, before it is compressed: each row as what is new in it
//! against the row before.

mod decode;

use rebucket_protocol::{IfExists, ObjectUri, Pins, StorageClass};

use super::PlannedRename;
use crate::chains::StepKind;

pub(crate) use decode::{BadBlock, BlockDecoder};

/// Rows of a block, unless their text makes it end sooner.
pub(crate) const BLOCK_ROWS: usize = 4096;

/// A block ends when its rows have this many bytes of text.
pub(crate) const BLOCK_TEXT: usize = 2 * 1024 * 1024;

const HAS_VERSION: u8 = 1;
const HAS_ETAG: u8 = 1 << 1;
const HAS_SIZE: u8 = 1 << 2;
const HAS_MODIFIED: u8 = 1 << 3;
const IF_EXISTS_SHIFT: u8 = 4;
/// Buckets and storage class are those of the row before.
const SAME_PLACES: u8 = 1 << 6;
/// Row and line are one more than those of the row before.
const NEXT_LINE: u8 = 1 << 7;

/// A row as it is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowRef<'a> {
    pub(crate) row: u64,
    pub(crate) line: u64,
    /// Bucket and key. A row that is wrong, of which only the other side can
    /// be told, has an empty key here; no plan has one.
    pub(crate) source: (&'a str, &'a str),
    pub(crate) destination: (&'a str, &'a str),
    pub(crate) pins: &'a Pins,
    pub(crate) if_exists: Option<IfExists>,
}

impl<'a> From<&'a PlannedRename> for RowRef<'a> {
    fn from(rename: &'a PlannedRename) -> Self {
        fn parts(object: &ObjectUri) -> (&str, &str) {
            (object.bucket.as_str(), object.key.as_str())
        }
        Self {
            row: rename.row,
            line: rename.line,
            source: parts(&rename.source),
            destination: parts(&rename.destination),
            pins: &rename.pins,
            if_exists: rename.if_exists,
        }
    }
}

/// What a step adds to its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StepHead {
    pub(crate) segment: u64,
    pub(crate) kind: StepKind,
    pub(crate) after: Option<u64>,
}

const STEP_AFTER: u64 = 1 << 2;

/// Writes the rows of a block.
#[derive(Debug, Default)]
pub(crate) struct BlockEncoder {
    payload: Vec<u8>,
    rows: u32,
    first_line: u64,
    text: usize,
    row: u64,
    line: u64,
    segment: u64,
    buckets: [String; 2],
    /// Empty where it is not known.
    class: String,
    keys: [String; 2],
}

impl BlockEncoder {
    /// Adds a step. Segments come in the order of their numbers.
    pub(crate) fn push_step(&mut self, step: StepHead, row: RowRef<'_>) {
        let out = &mut self.payload;
        varint(out, step.segment.wrapping_sub(self.segment));
        self.segment = step.segment;
        let kind = match step.kind {
            StepKind::Whole => 0,
            StepKind::ToScratch => 1,
            StepKind::FromScratch => 2,
            StepKind::Occupant => 3,
        };
        match step.after {
            None => varint(out, kind),
            Some(after) => {
                varint(out, kind | STEP_AFTER);
                varint(out, after);
            }
        }
        self.push(row);
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: RowRef<'_>) {
        if self.rows == 0 {
            self.first_line = row.line;
        }
        self.rows += 1;
        let [source_bucket, destination_bucket] = [row.source.0, row.destination.0];
        let [source, destination] = [row.source.1, row.destination.1];
        self.text += source.len() + destination.len();
        let next_line = row.row == self.row + 1 && row.line == self.line + 1;
        let class = row.pins.storage_class.as_ref();
        let class = class.map_or("", StorageClass::as_str);
        let same_class = self.class == class;
        let same_places =
            same_class && self.buckets[0] == source_bucket && self.buckets[1] == destination_bucket;
        let if_exists: u8 = match row.if_exists {
            None => 0,
            Some(IfExists::Fail) => 1,
            Some(IfExists::Skip) => 2,
            Some(IfExists::Overwrite) => 3,
        };
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        let out = &mut self.payload;
        out.push(
            flag(row.pins.version.is_some(), HAS_VERSION)
                | flag(row.pins.etag.is_some(), HAS_ETAG)
                | flag(row.pins.size.is_some(), HAS_SIZE)
                | flag(row.pins.modified.is_some(), HAS_MODIFIED)
                | if_exists << IF_EXISTS_SHIFT
                | flag(same_places, SAME_PLACES)
                | flag(next_line, NEXT_LINE),
        );
        if !next_line {
            // In blocks of steps rows and lines go back too.
            varint(out, row.row.wrapping_sub(self.row));
            varint(out, row.line.wrapping_sub(self.line));
        }
        (self.row, self.line) = (row.row, row.line);
        if !same_places {
            // No bucket's name is empty, but for rows that are wrong.
            if !same_class || source_bucket.is_empty() {
                text(out, b"");
                text(out, class.as_bytes());
                class.clone_into(&mut self.class);
            }
            for (last, bucket) in self
                .buckets
                .iter_mut()
                .zip([source_bucket, destination_bucket])
            {
                text(out, bucket.as_bytes());
                bucket.clone_into(last);
            }
        }
        // A source is much like the one before; a destination too, and it
        // often ends like its source.
        let shared = common_prefix(self.keys[0].as_bytes(), source.as_bytes());
        varint(out, shared as u64);
        text(out, &source.as_bytes()[shared..]);
        let shared = common_prefix(self.keys[1].as_bytes(), destination.as_bytes());
        let rest = &destination.as_bytes()[shared..];
        let ending = common_suffix(source.as_bytes(), rest);
        varint(out, shared as u64);
        varint(out, ending as u64);
        text(out, &rest[..rest.len() - ending]);
        source.clone_into(&mut self.keys[0]);
        destination.clone_into(&mut self.keys[1]);
        if let Some(version) = &row.pins.version {
            text(out, version.as_str().as_bytes());
        }
        if let Some(etag) = &row.pins.etag {
            let quoted = etag.to_header();
            text(out, quoted.trim_matches('"').as_bytes());
        }
        if let Some(size) = row.pins.size {
            varint(out, size);
        }
        if let Some(modified) = row.pins.modified {
            out.extend_from_slice(&modified.unix_seconds().to_le_bytes());
            varint(out, u64::from(modified.subsec_nanos()));
        }
    }

    /// True when the block is to end here.
    pub(crate) fn is_full(&self) -> bool {
        self.rows as usize >= BLOCK_ROWS || self.text >= BLOCK_TEXT
    }

    /// The rows so far.
    pub(crate) fn rows(&self) -> u32 {
        self.rows
    }

    /// The line of the first row.
    pub(crate) fn first_line(&self) -> u64 {
        self.first_line
    }

    /// The rows as bytes.
    pub(crate) fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Starts the next block, which does not rest on this one.
    pub(crate) fn clear(&mut self) {
        self.payload.clear();
        (self.rows, self.first_line, self.text) = (0, 0, 0);
        (self.row, self.line, self.segment) = (0, 0, 0);
        self.buckets.iter_mut().for_each(String::clear);
        self.class.clear();
        self.keys.iter_mut().for_each(String::clear);
    }
}

/// Which rows of a block are linked: a bit for each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct LinkedRows(Vec<u8>);

impl LinkedRows {
    pub(crate) fn insert(&mut self, row: usize) {
        if self.0.len() <= row / 8 {
            self.0.resize(row / 8 + 1, 0);
        }
        self.0[row / 8] |= 1 << (row % 8);
    }

    pub(crate) fn contains(&self, row: usize) -> bool {
        self.0
            .get(row / 8)
            .is_some_and(|bits| bits >> (row % 8) & 1 == 1)
    }

    /// How many they are.
    pub(crate) fn len(&self) -> u64 {
        self.0.iter().map(|bits| u64::from(bits.count_ones())).sum()
    }

    /// Appends them to a payload, with the number of blocks since the last
    /// ones.
    pub(crate) fn write(&self, out: &mut Vec<u8>, blocks: u64) {
        varint(out, blocks);
        text(out, &self.0);
    }
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

fn text(out: &mut Vec<u8>, text: &[u8]) {
    varint(out, text.len() as u64);
    out.extend_from_slice(text);
}

fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    // Eight bytes at a time, then the rest one by one.
    let words = a
        .chunks_exact(8)
        .zip(b.chunks_exact(8))
        .take_while(|(a, b)| a == b);
    let start = words.count() * 8;
    let rest = a[start..].iter().zip(&b[start..]);
    start + rest.take_while(|(a, b)| a == b).count()
}

fn common_suffix(a: &[u8], b: &[u8]) -> usize {
    let words = a
        .rchunks_exact(8)
        .zip(b.rchunks_exact(8))
        .take_while(|(a, b)| a == b);
    let end = words.count() * 8;
    let rest = a[..a.len() - end]
        .iter()
        .rev()
        .zip(b[..b.len() - end].iter().rev());
    end + rest.take_while(|(a, b)| a == b).count()
}
