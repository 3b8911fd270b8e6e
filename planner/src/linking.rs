//! Chains, swaps and cycles of a manifest into the plan.

mod cycles;
mod lines;
mod ranks;
mod rows;

use std::collections::BTreeMap;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use crate::chains::{self, Limits, SEGMENT_BYTES, SEGMENT_ROWS};
use crate::plan::block::{LinkedRows, StepHead};
use crate::plan::{PlanError, PlanWriter, PlannedRename, Rows};
use crate::resolve::ManifestError;
use crate::spill::{Spill, SpillError};
pub(crate) use cycles::Cycle;
use cycles::Watched;
use lines::Lines;
use ranks::{MAX_ROWS, Place, Ranks, ranks};
use rows::{RowSorter, Unreadable};

/// Memory for a page of lines that has linked rows, in bytes: which lines, and
/// which rows of its block.
const PAGE_BYTES: usize = Lines::PAGE_BYTES + 640;

/// What is left for all else at least, in bytes.
const LEAST_BYTES: usize = 4 * 1024 * 1024;

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
    /// one on `next`. Links come in the order of their first lines.
    pub(crate) fn push(&mut self, line: u64, next: u64) -> Result<(), ManifestError> {
        self.buffer.extend_from_slice(&line.to_le_bytes());
        self.buffer.extend_from_slice(&next.to_le_bytes());
        self.lines.insert(line);
        self.lines.insert(next);
        self.links += 1;
        self.rest()?;
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Memory besides the lines, in bytes.
    fn rest(&self) -> Result<usize, ManifestError> {
        let pages = self.lines.pages().saturating_mul(PAGE_BYTES);
        let rest = self.memory.saturating_sub(pages);
        if rest < LEAST_BYTES {
            return Err(ManifestError::LinksNeedMemory(self.links));
        }
        Ok(rest)
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

    /// Says in the plan which rows are linked, and writes their steps; tells of
    /// each cycle, in the order of their lowest lines. `blocks` is where each
    /// block of the plan starts, and its first line.
    pub(crate) fn write<W: Read + Write + Seek>(
        mut self,
        plan: &mut PlanWriter<W>,
        blocks: &[(u64, u64)],
        tell: impl FnMut(&Cycle) -> Result<(), ManifestError>,
    ) -> Result<(), ManifestError> {
        self.flush()?;
        let Some(spill) = self.spill.take().filter(|_| self.links > 0) else {
            return Ok(());
        };
        let memory = self.rest()?;
        let rows = self.lines.number().filter(|rows| *rows <= MAX_ROWS);
        let rows = rows.ok_or(ManifestError::TooManyLinks(MAX_ROWS))?;
        let links = links(&spill, self.links, &self.lines);
        let places = ranks(links, rows, memory, &spill)?;
        let mut sorter = RowSorter::new(&spill, memory);
        let linked = read_rows(plan, blocks, &self.lines, places, &mut sorter)?;
        drop(self.lines);
        let written = |error| ManifestError::Write(error);
        plan.inner()
            .seek(SeekFrom::End(0))
            .map_err(|error| written(error.into()))?;
        plan.write_linked(linked.iter().map(|(block, rows)| (*block, rows)))
            .map_err(written)?;
        drop(linked);
        let rows = sorter.finish()?.map(|row| {
            let (key, row) = row.map_err(unreadable)?;
            Ok((Place::chain(key), row))
        });
        let limits = Limits {
            rows: SEGMENT_ROWS,
            bytes: SEGMENT_BYTES,
        };
        let mut number = 0;
        let rows = Watched::new(rows, tell);
        chains::resolve(rows, limits, message_bytes, |segment| {
            for step in &segment {
                let head = StepHead {
                    segment: number,
                    kind: step.kind,
                    after: step.after,
                };
                plan.write_step(head, &step.row).map_err(written)?;
            }
            number += 1;
            Ok::<(), ManifestError>(())
        })?;
        plan.end_steps().map_err(written)
    }
}

fn unreadable(error: Unreadable) -> ManifestError {
    match error {
        Unreadable::Spill(error) => error.into(),
        Unreadable::Altered(_) => ManifestError::Write(PlanError::Altered),
    }
}

/// The links, back from disk, between rows instead of lines.
fn links<'a>(
    spill: &'a Spill,
    links: u64,
    lines: &'a Lines,
) -> impl Iterator<Item = Result<(u32, u32), ManifestError>> + 'a {
    let place = |line: &[u8]| {
        let line = line.try_into().map(u64::from_le_bytes).ok();
        let place = line.and_then(|line| lines.place(line));
        place.ok_or(ManifestError::Write(PlanError::Altered))
    };
    let end = links * LINK_BYTES as u64;
    let pieces = (0..end).step_by(BUFFER_BYTES);
    pieces.flat_map(move |at| {
        let rest = usize::try_from(end - at).unwrap_or(usize::MAX);
        let mut bytes = vec![0; rest.min(BUFFER_BYTES)];
        let read = spill.read(&mut bytes, at);
        let pairs = bytes.chunks_exact(LINK_BYTES).map(|link| {
            let (line, next) = link.split_at(LINK_BYTES / 2);
            Ok((place(line)?, place(next)?))
        });
        let pairs: Vec<_> = match read {
            Ok(()) => pairs.collect(),
            Err(error) => vec![Err(error.into())],
        };
        pairs
    })
}

/// Reads the rows on these lines again from the plan, and sorts them by their
/// places. The answer is where they are in its blocks.
fn read_rows<W: Read + Write + Seek>(
    plan: &mut PlanWriter<W>,
    blocks: &[(u64, u64)],
    lines: &Lines,
    mut places: Ranks,
    sorter: &mut RowSorter,
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
            let place = places.next().ok_or(written(PlanError::Altered))??;
            sorter.push(place.key(), &rename)?;
            linked.entry(number).or_default().insert(rows.place().1);
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_need_memory_for_the_lines_that_they_are_on() {
        let memory = LEAST_BYTES + 3 * PAGE_BYTES;
        let mut linking = Linking::new(memory, std::env::temp_dir());
        // On two pages of lines, however many.
        for line in 2..8000 {
            linking.push(line, line + 1).unwrap();
        }
        linking.push(1_000_000_000, 1).unwrap();
        let error = linking.push(2_000_000_000, 2).unwrap_err();
        assert!(
            matches!(error, ManifestError::LinksNeedMemory(8000)),
            "{error}"
        );
        assert!(error.to_string().contains("--memory"), "{error}");
    }
}
