//! A block of renames, before it is compressed: each row as what is new in it
//! against the row before.

use std::ops::Range;

use rebucket_protocol::{
    BucketName, ETag, IfExists, ObjectKey, ObjectUri, Pins, Timestamp, VersionId,
};

use super::PlannedRename;
use crate::chains::StepKind;

/// Rows of a block, unless their text makes it end sooner.
pub(crate) const BLOCK_ROWS: usize = 4096;

/// A block ends when its rows have this many bytes of text.
pub(crate) const BLOCK_TEXT: usize = 2 * 1024 * 1024;

const HAS_VERSION: u8 = 1;
const HAS_ETAG: u8 = 1 << 1;
const HAS_SIZE: u8 = 1 << 2;
const HAS_MODIFIED: u8 = 1 << 3;
const IF_EXISTS_SHIFT: u8 = 4;
/// The buckets are those of the row before.
const SAME_BUCKETS: u8 = 1 << 6;
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
        let same_buckets =
            self.buckets[0] == source_bucket && self.buckets[1] == destination_bucket;
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
                | flag(same_buckets, SAME_BUCKETS)
                | flag(next_line, NEXT_LINE),
        );
        if !next_line {
            // Rows and lines do not go back, but the format does not rest on it.
            varint(out, row.row.wrapping_sub(self.row));
            varint(out, row.line.wrapping_sub(self.line));
        }
        (self.row, self.line) = (row.row, row.line);
        if !same_buckets {
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
        self.keys.iter_mut().for_each(String::clear);
    }
}

/// Not what an encoder writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadBlock;

/// Reads the rows of a block.
#[derive(Debug, Default)]
pub(crate) struct BlockDecoder {
    payload: Vec<u8>,
    at: usize,
    row: u64,
    line: u64,
    segment: u64,
    flags: u8,
    buckets: [Vec<u8>; 2],
    keys: [Vec<u8>; 2],
    pins_at: usize,
}

impl BlockDecoder {
    /// Starts another block, whose payload `fill` makes.
    pub(crate) fn load<E>(
        &mut self,
        fill: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        (self.at, self.row, self.line, self.segment) = (0, 0, 0, 0);
        for text in self.buckets.iter_mut().chain(&mut self.keys) {
            text.clear();
        }
        self.payload.clear();
        fill(&mut self.payload)
    }

    /// Goes on to the next step; `None` at the end.
    pub(crate) fn advance_step(&mut self) -> Result<Option<StepHead>, BadBlock> {
        if self.at == self.payload.len() {
            return Ok(None);
        }
        self.segment = self.segment.wrapping_add(self.varint()?);
        let code = self.varint()?;
        let after = if code & STEP_AFTER == 0 {
            None
        } else {
            Some(self.varint()?)
        };
        let kind = match code & !STEP_AFTER {
            0 => StepKind::Whole,
            1 => StepKind::ToScratch,
            2 => StepKind::FromScratch,
            _ => return Err(BadBlock),
        };
        if !self.advance()? {
            return Err(BadBlock);
        }
        Ok(Some(StepHead {
            segment: self.segment,
            kind,
            after,
        }))
    }

    /// Goes on to the next row; false at the end.
    pub(crate) fn advance(&mut self) -> Result<bool, BadBlock> {
        let Some(&flags) = self.payload.get(self.at) else {
            return Ok(false);
        };
        self.at += 1;
        self.flags = flags;
        let (rows, lines) = if flags & NEXT_LINE == 0 {
            (self.varint()?, self.varint()?)
        } else {
            (1, 1)
        };
        self.row = self.row.wrapping_add(rows);
        self.line = self.line.wrapping_add(lines);
        if flags & SAME_BUCKETS == 0 {
            for side in 0..2 {
                let range = self.text()?;
                self.buckets[side].clear();
                self.buckets[side].extend_from_slice(&self.payload[range]);
            }
        }
        let shared = self.length()?;
        let rest = self.text()?;
        let source = &mut self.keys[0];
        if shared > source.len() {
            return Err(BadBlock);
        }
        source.truncate(shared);
        source.extend_from_slice(&self.payload[rest]);
        let (shared, ending) = (self.length()?, self.length()?);
        let rest = self.text()?;
        let [source, destination] = &mut self.keys;
        if shared > destination.len() || ending > source.len() {
            return Err(BadBlock);
        }
        destination.truncate(shared);
        destination.extend_from_slice(&self.payload[rest]);
        destination.extend_from_slice(&source[source.len() - ending..]);
        self.pins_at = self.at;
        self.skip_pins()?;
        Ok(true)
    }

    /// The line of the row that [`advance`](Self::advance) went to.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// The names of source and destination, `bucket/key`, as they are.
    pub(crate) fn name(&self, side: usize) -> Vec<u8> {
        [&self.buckets[side][..], b"/", &self.keys[side]].concat()
    }

    /// The row as a rename.
    pub(crate) fn rename(&mut self) -> Result<PlannedRename, BadBlock> {
        let end = std::mem::replace(&mut self.at, self.pins_at);
        let mut pins = Pins::default();
        if self.flags & HAS_VERSION != 0 {
            let text = self.text()?;
            let text = std::str::from_utf8(&self.payload[text]).map_err(|_| BadBlock)?;
            pins.version = Some(VersionId::new(text).map_err(|_| BadBlock)?);
        }
        if self.flags & HAS_ETAG != 0 {
            let text = self.text()?;
            let text = std::str::from_utf8(&self.payload[text]).map_err(|_| BadBlock)?;
            pins.etag = Some(ETag::new(text).map_err(|_| BadBlock)?);
        }
        if self.flags & HAS_SIZE != 0 {
            pins.size = Some(self.varint()?);
        }
        if self.flags & HAS_MODIFIED != 0 {
            let (seconds, nanos) = self.modified()?;
            pins.modified = Some(Timestamp::from_unix(seconds, nanos).ok_or(BadBlock)?);
        }
        self.at = end;
        let object = |side: usize| -> Result<ObjectUri, BadBlock> {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| BadBlock);
            let bucket = BucketName::new(text(&self.buckets[side])?).map_err(|_| BadBlock)?;
            let key = ObjectKey::new(text(&self.keys[side])?).map_err(|_| BadBlock)?;
            Ok(ObjectUri::new(bucket, key))
        };
        Ok(PlannedRename {
            row: self.row,
            line: self.line,
            source: object(0)?,
            destination: object(1)?,
            pins,
            if_exists: match self.flags >> IF_EXISTS_SHIFT & 3 {
                0 => None,
                1 => Some(IfExists::Fail),
                2 => Some(IfExists::Skip),
                _ => Some(IfExists::Overwrite),
            },
        })
    }

    fn skip_pins(&mut self) -> Result<(), BadBlock> {
        for flag in [HAS_VERSION, HAS_ETAG] {
            if self.flags & flag != 0 {
                self.text()?;
            }
        }
        if self.flags & HAS_SIZE != 0 {
            self.varint()?;
        }
        if self.flags & HAS_MODIFIED != 0 {
            self.modified()?;
        }
        Ok(())
    }

    fn modified(&mut self) -> Result<(i64, u32), BadBlock> {
        let seconds = self.payload.get(self.at..self.at + 8).ok_or(BadBlock)?;
        let seconds = i64::from_le_bytes(seconds.try_into().map_err(|_| BadBlock)?);
        self.at += 8;
        let nanos = u32::try_from(self.varint()?).map_err(|_| BadBlock)?;
        Ok((seconds, nanos))
    }

    fn varint(&mut self) -> Result<u64, BadBlock> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.payload.get(self.at).ok_or(BadBlock)?;
            self.at += 1;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(BadBlock)
    }

    fn length(&mut self) -> Result<usize, BadBlock> {
        let length = usize::try_from(self.varint()?).map_err(|_| BadBlock)?;
        if length > self.payload.len() {
            return Err(BadBlock);
        }
        Ok(length)
    }

    fn text(&mut self) -> Result<Range<usize>, BadBlock> {
        let length = self.length()?;
        let range = self.at..self.at + length;
        if range.end > self.payload.len() {
            return Err(BadBlock);
        }
        self.at = range.end;
        Ok(range)
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

impl BlockDecoder {
    /// The next block with linked rows, as [`LinkedRows::write`] wrote it.
    pub(crate) fn linked(&mut self) -> Result<Option<(u64, LinkedRows)>, BadBlock> {
        if self.at == self.payload.len() {
            return Ok(None);
        }
        let blocks = self.varint()?;
        let range = self.text()?;
        Ok(Some((blocks, LinkedRows(self.payload[range].to_vec()))))
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
