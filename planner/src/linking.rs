//! Chains, swaps and cycles of a manifest into the plan.

mod lines;

use std::collections::BTreeMap;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use crate::chains::{Limits, Links, SEGMENT_BYTES, SEGMENT_ROWS};
use crate::plan::block::{BlockDecoder, BlockEncoder, LinkedRows, StepHead};
use crate::plan::{PlanError, PlanWriter, PlannedRename, Rows};
use crate::resolve::ManifestError;
use crate::spill::{Spill, SpillError};
use lines::Lines;

/// Memory that a linked row takes at most, in bytes: 8 to know where it is on
/// disk, 4 for its cost, 4 and 2 bits for its links.
const ROW_BYTES: usize = 17;

/// Memory for the rows of a page of lines that has linked rows, in bytes: which
/// lines, and which rows of its block.
const PAGE_BYTES: usize = Lines::PAGE_BYTES + 640;

/// A link on disk: the line of a row, and that of the one whose source is its
/// destination.
const LINK_BYTES: usize = 16;

/// Of rows and links on their way to disk, and back.
const BUFFER_BYTES: usize = 256 * 1024;

/// Links between rows, by their lines. They wait on disk.
pub(crate) struct Linking {
    folder: PathBuf,
    /// Made with the first link.
    spill: Option<Spill>,
    /// The last links, on their way to disk.
    buffer: Vec<u8>,
    links: u64,
    /// Of all linked rows.
    lines: Lines,
    /// In bytes.
    memory: usize,
}

impl Linking {
    /// Uses so many bytes of memory, and a file in `folder`.
    pub(crate) fn new(memory: usize, folder: PathBuf) -> Self {
        Self {
            folder,
            spill: None,
            buffer: Vec::new(),
            links: 0,
            lines: Lines::default(),
            memory,
        }
    }

    /// Adds a link: the destination of the row on `line` is the source of the
    /// one on `next`.
    pub(crate) fn push(&mut self, line: u64, next: u64) -> Result<(), ManifestError> {
        self.buffer.extend_from_slice(&line.to_le_bytes());
        self.buffer.extend_from_slice(&next.to_le_bytes());
        self.lines.insert(line);
        self.lines.insert(next);
        self.links += 1;
        // Rows have at least as many links as half of them.
        self.check(self.links)?;
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Whether so many rows have room in memory.
    fn check(&self, rows: u64) -> Result<(), ManifestError> {
        let pages = self.lines.pages().saturating_mul(PAGE_BYTES);
        let most = self.memory.saturating_sub(pages) / ROW_BYTES;
        if rows > most as u64 {
            return Err(ManifestError::TooManyLinks(rows));
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SpillError> {
        let spill = match &mut self.spill {
            Some(spill) => spill,
            none => none.insert(Spill::new(self.folder.clone())?),
        };
        spill.append(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// Says in the plan which rows are linked, and writes their steps.
    /// `blocks` is where each block of the plan starts, and its first line.
    pub(crate) fn write<W: Read + Write + Seek>(
        mut self,
        plan: &mut PlanWriter<W>,
        blocks: &[(u64, u64)],
    ) -> Result<(), ManifestError> {
        self.flush()?;
        let Some(spill) = self.spill.take().filter(|_| self.links > 0) else {
            return Ok(());
        };
        let rows = self.lines.number();
        let rows = rows.ok_or(ManifestError::TooManyLinks(u64::from(u32::MAX)))?;
        self.check(rows.into())?;
        let rows = rows as usize;
        let mut renames = LinkedRenames::new(spill, rows, self.links * LINK_BYTES as u64);
        let linked = read_rows(plan, blocks, &self.lines, &mut renames)?;
        let written = |error| ManifestError::Write(error);
        plan.inner()
            .seek(SeekFrom::End(0))
            .map_err(|error| written(error.into()))?;
        plan.write_linked(linked.iter().map(|(block, rows)| (*block, rows)))
            .map_err(written)?;
        // Each makes room for what comes next.
        drop(linked);
        let links = read_links(&renames.spill, self.links, &self.lines, rows)?;
        drop(self.lines);
        let limits = Limits {
            rows: SEGMENT_ROWS,
            bytes: SEGMENT_BYTES,
        };
        let costs = std::mem::take(&mut renames.costs);
        let cost = |row: u32| costs.get(row as usize).map_or(0, |cost| u64::from(*cost));
        let mut number = 0;
        links.resolve(limits, cost, |segment| {
            for step in &segment {
                let head = StepHead {
                    segment: number,
                    kind: step.kind,
                    after: step.after,
                };
                let rename = renames.get(step.row)?;
                plan.write_step(head, &rename).map_err(written)?;
            }
            number += 1;
            Ok::<(), ManifestError>(())
        })?;
        plan.end_steps().map_err(written)
    }
}

/// The links, back from disk, between rows instead of lines.
fn read_links(
    spill: &Spill,
    links: u64,
    lines: &Lines,
    rows: usize,
) -> Result<Links, ManifestError> {
    let altered = || ManifestError::Write(PlanError::Altered);
    let place = |line: &[u8]| {
        let line = line.try_into().map(u64::from_le_bytes).ok();
        line.and_then(|line| lines.place(line)).ok_or_else(altered)
    };
    let mut found = Links::new(rows);
    let (mut at, end) = (0, links * LINK_BYTES as u64);
    let mut bytes = vec![0; BUFFER_BYTES];
    while at < end {
        let rest = usize::try_from(end - at).unwrap_or(usize::MAX);
        bytes.truncate(rest);
        spill.read(&mut bytes, at)?;
        for link in bytes.chunks_exact(LINK_BYTES) {
            let (line, next) = link.split_at(LINK_BYTES / 2);
            found.link(place(line)?, place(next)?);
        }
        at += bytes.len() as u64;
    }
    Ok(found)
}

/// Linked rows on disk: segments want them in another order than the
/// manifest's.
struct LinkedRenames {
    spill: Spill,
    /// Where each starts, and where the last one ends.
    starts: Vec<u64>,
    /// What each takes in a message.
    costs: Vec<u32>,
    buffer: Vec<u8>,
    encoder: BlockEncoder,
    decoder: BlockDecoder,
}

impl LinkedRenames {
    /// Room for so many rows, at the end of `spill`, which is at `start`.
    fn new(spill: Spill, rows: usize, start: u64) -> Self {
        let mut starts = Vec::with_capacity(rows + 1);
        starts.push(start);
        Self {
            spill,
            starts,
            costs: Vec::with_capacity(rows),
            buffer: Vec::new(),
            encoder: BlockEncoder::default(),
            decoder: BlockDecoder::default(),
        }
    }

    fn push(&mut self, rename: &PlannedRename) -> Result<(), SpillError> {
        // Each stands for itself, to be read alone.
        self.encoder.clear();
        self.encoder.push(rename.into());
        let payload = self.encoder.payload();
        self.buffer.extend_from_slice(payload);
        let end = self.starts.last().map_or(0, |start| *start) + payload.len() as u64;
        self.starts.push(end);
        self.costs
            .push(u32::try_from(message_bytes(rename)).unwrap_or(u32::MAX));
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SpillError> {
        self.spill.append(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    fn get(&mut self, row: u32) -> Result<PlannedRename, ManifestError> {
        let row = row as usize;
        let altered = || ManifestError::Write(PlanError::Altered);
        let (Some(start), Some(end)) = (self.starts.get(row), self.starts.get(row + 1)) else {
            return Err(altered());
        };
        let length = usize::try_from(end - start).map_err(|_| altered())?;
        let spill = &self.spill;
        self.decoder.load(|payload| {
            payload.resize(length, 0);
            spill.read(payload, *start)
        })?;
        if !self.decoder.advance().map_err(|_| altered())? {
            return Err(altered());
        }
        self.decoder.rename().map_err(|_| altered())
    }
}

/// Reads the rows on these lines again from the plan. The answer is their
/// places in its blocks.
fn read_rows<W: Read + Write + Seek>(
    plan: &mut PlanWriter<W>,
    blocks: &[(u64, u64)],
    lines: &Lines,
    renames: &mut LinkedRenames,
) -> Result<BTreeMap<u64, LinkedRows>, ManifestError> {
    let written = |error| ManifestError::Write(error);
    let source = BufReader::with_capacity(BUFFER_BYTES, plan.inner());
    let mut rows = Rows::new(source).map_err(written)?;
    let mut linked: BTreeMap<u64, LinkedRows> = BTreeMap::new();
    let mut lines = lines.iter().peekable();
    for (number, (at, _)) in (0_u64..).zip(blocks) {
        let end = usize::try_from(number + 1)
            .ok()
            .and_then(|next| blocks.get(next))
            .map_or(u64::MAX, |(_, first)| *first);
        if lines.peek().is_none_or(|line| *line >= end) {
            continue;
        }
        rows.seek(*at).map_err(written)?;
        while let Some(line) = lines.next_if(|line| *line < end) {
            while rows.advance(0).map_err(written)? && rows.current().line() < line {}
            let rename = rows.current().rename().map_err(|bad| written(bad.into()))?;
            renames.push(&rename)?;
            linked.entry(number).or_default().insert(rows.place().1);
        }
    }
    renames.flush()?;
    Ok(linked)
}

/// What a row takes in a message, in bytes, rather too much than too little:
/// keys as JSON writes them, and all else that a task may have.
fn message_bytes(rename: &PlannedRename) -> u64 {
    let json = |text: &str| -> u64 {
        text.bytes()
            .map(|byte| match byte {
                // Control characters are escaped, and U+FFFE and U+FFFF, whose
                // UTF-8 starts with 0xef.
                0..=0x1f | 0x7f | 0xef => 6,
                b'"' | b'\\' => 2,
                _ => 1,
            })
            .sum()
    };
    let objects = [&rename.source, &rename.destination];
    let names: u64 = objects
        .iter()
        .map(|object| json(object.bucket.as_str()) + json(object.key.as_str()))
        .sum();
    let version = rename
        .pins
        .version
        .as_ref()
        .map_or(0, |version| json(version.as_str()));
    let etag = rename
        .pins
        .etag
        .as_ref()
        .map_or(0, |etag| json(&etag.to_header()));
    let class = rename.pins.storage_class.as_ref();
    let class = class.map_or(0, |class| class.as_str().len() as u64);
    names + version + etag + class + 400
}
