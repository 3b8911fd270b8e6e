//! Chains, swaps and cycles of a manifest into the plan.

use std::collections::BTreeMap;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use crate::chains::{Limits, Links, SEGMENT_BYTES, SEGMENT_ROWS};
use crate::plan::block::{BlockDecoder, BlockEncoder, LinkedRows, StepHead};
use crate::plan::{PlanError, PlanWriter, PlannedRename, Rows};
use crate::resolve::{ManifestError, Pin};
use crate::spill::{Spill, SpillError};

/// Memory that a linked row takes at most, in bytes.
const LINKED_ROW_BYTES: usize = 100;

/// Of rows on their way to disk.
const BUFFER_BYTES: usize = 256 * 1024;

/// Links between rows, by their lines.
pub(crate) struct Linking {
    /// The destination of the first is the source of the second.
    links: Vec<(u64, u64)>,
    /// As many as memory has room for.
    limit: usize,
}

impl Linking {
    /// Keeps them in so many bytes of memory.
    pub(crate) fn new(memory: usize) -> Self {
        Self {
            links: Vec::new(),
            limit: memory / LINKED_ROW_BYTES,
        }
    }

    /// Adds a link.
    pub(crate) fn push(&mut self, line: u64, next: u64) -> Result<(), ManifestError> {
        if self.links.len() >= self.limit {
            return Err(ManifestError::TooManyLinks(self.links.len()));
        }
        self.links.push((line, next));
        Ok(())
    }

    /// Says in the plan which rows are linked, and writes their steps.
    /// `blocks` is where each block of the plan starts, and its first line;
    /// the rows are kept in `folder` until they are written.
    pub(crate) fn write<W: Read + Write + Seek>(
        self,
        plan: &mut PlanWriter<W>,
        blocks: &[(u64, u64)],
        folder: PathBuf,
        pin: Pin<'_>,
    ) -> Result<(), ManifestError> {
        if self.links.is_empty() {
            return Ok(());
        }
        let mut lines: Vec<u64> = self.links.iter().flat_map(|(a, b)| [*a, *b]).collect();
        lines.sort_unstable();
        lines.dedup();
        let (mut rows, linked) = read_rows(plan, blocks, &lines, folder)?;
        let written = |error| ManifestError::Write(error);
        // There are fewer than 2^32: the links are in memory.
        let row = |line: u64| {
            let at = lines.binary_search(&line).ok();
            at.and_then(|at| u32::try_from(at).ok())
                .ok_or(ManifestError::Write(PlanError::Altered))
        };
        let links: Vec<(u32, u32)> = self
            .links
            .iter()
            .map(|(line, next)| Ok((row(*line)?, row(*next)?)))
            .collect::<Result<_, ManifestError>>()?;
        plan.inner()
            .seek(SeekFrom::End(0))
            .map_err(|error| written(error.into()))?;
        plan.write_linked(linked.iter().map(|(block, rows)| (*block, rows)))
            .map_err(written)?;
        let limits = Limits {
            rows: SEGMENT_ROWS,
            bytes: SEGMENT_BYTES,
        };
        let costs = std::mem::take(&mut rows.costs);
        let cost = |row: u32| costs.get(row as usize).map_or(0, |cost| u64::from(*cost));
        let mut number = 0;
        Links::new(lines.len(), links).resolve(limits, cost, |segment| {
            let renames = segment.iter().map(|step| rows.get(step.row));
            let mut renames = renames.collect::<Result<Vec<_>, _>>()?;
            pin(&mut renames).map_err(ManifestError::Pin)?;
            for (step, rename) in segment.iter().zip(&renames) {
                let head = StepHead {
                    segment: number,
                    kind: step.kind,
                    after: step.after,
                };
                plan.write_step(head, rename).map_err(written)?;
            }
            number += 1;
            Ok::<(), ManifestError>(())
        })?;
        plan.end_steps().map_err(written)
    }
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

/// The rows on these lines, read again from the plan, and their places in its
/// blocks.
fn read_rows<W: Read + Write + Seek>(
    plan: &mut PlanWriter<W>,
    blocks: &[(u64, u64)],
    lines: &[u64],
    folder: PathBuf,
) -> Result<(LinkedRenames, BTreeMap<u64, LinkedRows>), ManifestError> {
    let written = |error| ManifestError::Write(error);
    let source = BufReader::with_capacity(BUFFER_BYTES, plan.inner());
    let mut rows = Rows::new(source).map_err(written)?;
    let mut starts = Vec::with_capacity(lines.len() + 1);
    starts.push(0);
    let mut renames = LinkedRenames {
        spill: Spill::new(folder)?,
        starts,
        costs: Vec::with_capacity(lines.len()),
        buffer: Vec::new(),
        encoder: BlockEncoder::default(),
        decoder: BlockDecoder::default(),
    };
    let mut linked: BTreeMap<u64, LinkedRows> = BTreeMap::new();
    let mut lines = lines.iter().copied().peekable();
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
    Ok((renames, linked))
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
    names + version + etag + 400
}
