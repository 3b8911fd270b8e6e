//! Reading a block's rows and steps back.

use std::ops::Range;

use rebucket_protocol::{
    BucketName, ETag, IfExists, ObjectKey, ObjectUri, Pins, StorageClass, Timestamp, VersionId,
};

use super::{
    HAS_ETAG, HAS_MODIFIED, HAS_SIZE, HAS_VERSION, IF_EXISTS_SHIFT, LinkedRows, NEXT_LINE,
    SAME_PLACES, STEP_AFTER, StepHead,
};
use crate::chains::StepKind;
use crate::plan::PlannedRename;

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
    class: Option<StorageClass>,
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
        self.class = None;
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
            3 => StepKind::Occupant,
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
        if flags & SAME_PLACES == 0 {
            let mut source = self.text()?;
            if source.is_empty() {
                let class = self.text()?;
                self.class = self.storage_class(class)?;
                source = self.text()?;
            }
            let destination = self.text()?;
            for (bucket, range) in self.buckets.iter_mut().zip([source, destination]) {
                bucket.clear();
                bucket.extend_from_slice(&self.payload[range]);
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
        pins.storage_class.clone_from(&self.class);
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

    /// A storage class; empty where it is not known.
    fn storage_class(&self, range: Range<usize>) -> Result<Option<StorageClass>, BadBlock> {
        if range.is_empty() {
            return Ok(None);
        }
        let name = str::from_utf8(&self.payload[range]).map_err(|_| BadBlock)?;
        StorageClass::new(name).map(Some).map_err(|_| BadBlock)
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
