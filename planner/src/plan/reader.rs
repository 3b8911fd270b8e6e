//! Reading a plan, twice: to see that it is whole, and to use it.

mod blocks;

use std::io::{BufReader, Read, Seek, SeekFrom};

use rebucket_protocol::VersionPolicy;

use super::block::{BadBlock, BlockDecoder, LinkedRows};
use super::frame::{self, BlockHead, BlockKind, Opener, Part, Sums};
use super::{PlanError, PlannedRename, PlannedStep, Resolution, WireHeader, WireTrailer};
use crate::choices::JobChoices;

pub use blocks::SourceRow;

const BUFFER_BYTES: usize = 256 * 1024;

/// Reads the renames of a plan that was found whole and unaltered.
#[derive(Debug)]
pub struct PlanReader<R> {
    rows: Rows<BufReader<R>>,
    choices: JobChoices,
    for_purge: bool,
    resolution: Resolution,
    blocks: Vec<Block>,
    /// Where the first step is; `None` when there are none.
    steps: Option<u64>,
    /// Renames that are not linked.
    unlinked: u64,
    read: u64,
    failed: bool,
}

/// A block of renames.
#[derive(Debug)]
struct Block {
    at: u64,
    /// Renames in blocks before it, without the linked ones.
    before: u64,
    rows: u32,
    linked: Option<Box<LinkedRows>>,
}

impl<R: Read + Seek> PlanReader<R> {
    /// Reads the whole plan once, from its start, and makes sure that not one
    /// byte of it is missing or altered. In memory: 16 bytes for each 4,096
    /// renames, and a few MiB.
    ///
    /// # Errors
    /// [`PlanError`] when it is no plan, or not all of it.
    pub fn open(source: R) -> Result<Self, PlanError> {
        let mut source = BufReader::with_capacity(BUFFER_BYTES, source);
        source.rewind()?;
        let (header, json) = frame::read_header(&mut source)?;
        let choices: WireHeader = serde_json::from_slice(&json).map_err(PlanError::Malformed)?;
        let mut sums = Sums::default();
        sums.header(&header);
        let (mut blocks, mut before): (Vec<Block>, u64) = (Vec::new(), 0);
        let (mut steps, mut linked) = (None, Linked::new()?);
        let mut compressed = Vec::new();
        let (json, trailer) = loop {
            let at = source.stream_position()?;
            match frame::read_part(&mut source, &mut compressed, before)? {
                Part::Block(head, checksum) => {
                    sums.block(&head, checksum);
                    match head.kind {
                        BlockKind::Renames => {
                            blocks.push(Block {
                                at,
                                before: 0,
                                rows: head.rows,
                                linked: None,
                            });
                            before += u64::from(head.rows);
                        }
                        BlockKind::Linked => linked.read(&head, &compressed, &mut blocks)?,
                        BlockKind::Steps => {
                            steps.get_or_insert(at);
                        }
                    }
                }
                Part::Trailer(json, bytes) => break (json, bytes),
            }
        };
        let digest = sums.digest();
        if sums.trailer(&json)? != trailer || source.read(&mut [0])? > 0 {
            return Err(PlanError::Altered);
        }
        let sums: WireTrailer = serde_json::from_slice(&json).map_err(PlanError::Malformed)?;
        if sums.totals.rows != before || sums.digest != digest {
            return Err(PlanError::Altered);
        }
        let mut unlinked = 0;
        for block in &mut blocks {
            block.before = unlinked;
            let linked = block.linked.as_ref().map_or(0, |linked| linked.len());
            unlinked += u64::from(block.rows).saturating_sub(linked);
        }
        if sums.totals.linked_rows != before - unlinked {
            return Err(PlanError::Altered);
        }
        let resolution = Resolution {
            totals: sums.totals,
            digest,
        };
        let mut plan = Self {
            rows: Rows::new(source)?,
            for_purge: choices.versioned == Some(VersionPolicy::Purge),
            choices: choices.into(),
            resolution,
            blocks,
            steps,
            unlinked,
            read: 0,
            failed: false,
        };
        plan.rewind()?;
        Ok(plan)
    }

    /// What was chosen for the job.
    #[must_use]
    pub fn choices(&self) -> &JobChoices {
        &self.choices
    }

    /// Whether its chains were made to be purged: then it was looked at whether
    /// that frees their keys.
    #[must_use]
    pub fn is_for_purge(&self) -> bool {
        self.for_purge
    }

    /// Chooses what is given, and what the plan says where nothing is given.
    #[must_use]
    pub fn with_choices(mut self, given: JobChoices) -> Self {
        self.choices = given.or(self.choices);
        self
    }

    /// What the plan comes to.
    #[must_use]
    pub fn resolution(&self) -> &Resolution {
        &self.resolution
    }

    /// Goes back to the first rename.
    ///
    /// # Errors
    /// [`PlanError::Io`] when the file cannot be read.
    pub fn rewind(&mut self) -> Result<(), PlanError> {
        self.start_after(0)
    }

    /// Goes to the rename after the first `renames`, without reading these;
    /// behind the last one when there are not so many. Linked ones do not
    /// count here.
    ///
    /// # Errors
    /// [`PlanError`] when the block with this rename cannot be read.
    pub fn start_after(&mut self, renames: u64) -> Result<(), PlanError> {
        (self.read, self.failed) = (renames.min(self.unlinked), false);
        if self.read == self.unlinked {
            return Ok(());
        }
        let block = self
            .blocks
            .partition_point(|block| block.before <= self.read)
            .saturating_sub(1);
        let Some(Block { at, before, .. }) = self.blocks.get(block) else {
            return Err(PlanError::Altered);
        };
        let skip = self.read - before;
        self.rows.seek(*at)?;
        self.rows.block = block as u64;
        for _ in 0..skip {
            self.advance()?;
        }
        Ok(())
    }

    /// The steps of chains, swaps and cycles, from the first one on. The
    /// iteration over the other renames has to start again afterwards.
    ///
    /// # Errors
    /// [`PlanError::Io`] when the file cannot be read.
    pub fn steps(&mut self) -> Result<Steps<'_, R>, PlanError> {
        if let Some(at) = self.steps {
            self.rows.seek(at)?;
        }
        Ok(Steps {
            done: self.steps.is_none(),
            plan: self,
        })
    }

    /// Goes on to the next row that is not linked.
    fn advance(&mut self) -> Result<(), PlanError> {
        loop {
            if !self.rows.advance(self.read)? {
                return Err(PlanError::CutShort(self.read));
            }
            let (block, row) = self.rows.place();
            let block = usize::try_from(block)
                .ok()
                .and_then(|at| self.blocks.get(at));
            let linked = block.and_then(|block| block.linked.as_ref());
            if !linked.is_some_and(|linked| linked.contains(row)) {
                return Ok(());
            }
        }
    }

    fn next_rename(&mut self) -> Result<Option<PlannedRename>, PlanError> {
        if self.read == self.unlinked {
            return Ok(None);
        }
        self.advance()?;
        self.read += 1;
        Ok(Some(self.rows.current().rename()?))
    }
}

/// Reads which rows are linked.
struct Linked {
    opener: Opener,
    decoder: BlockDecoder,
    block: u64,
}

impl Linked {
    fn new() -> Result<Self, PlanError> {
        Ok(Self {
            opener: Opener::new()?,
            decoder: BlockDecoder::default(),
            block: 0,
        })
    }

    fn read(
        &mut self,
        head: &BlockHead,
        compressed: &[u8],
        blocks: &mut [Block],
    ) -> Result<(), PlanError> {
        let opener = &mut self.opener;
        self.decoder
            .load(|payload| opener.open(head, compressed, payload))?;
        while let Some((skipped, rows)) = self.decoder.linked()? {
            self.block = self.block.wrapping_add(skipped);
            let block = usize::try_from(self.block)
                .ok()
                .and_then(|at| blocks.get_mut(at));
            block.ok_or(PlanError::Altered)?.linked = Some(Box::new(rows));
        }
        Ok(())
    }
}

/// Reads the steps of a plan; see [`PlanReader::steps`].
#[derive(Debug)]
pub struct Steps<'p, R> {
    plan: &'p mut PlanReader<R>,
    done: bool,
}

impl<R: Read + Seek> Iterator for Steps<'_, R> {
    type Item = Result<PlannedStep, PlanError>;

    /// The next step. An error ends the iteration.
    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let next = self.plan.rows.next_step();
        self.done = !matches!(next, Ok(Some(_)));
        next.transpose()
    }
}

impl<R: Read + Seek> Iterator for PlanReader<R> {
    type Item = Result<PlannedRename, PlanError>;

    /// The next rename. An error is one that came up after the plan was
    /// opened, and ends the iteration.
    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.next_rename();
        self.failed = next.is_err();
        next.transpose()
    }
}

/// The rows of consecutive blocks.
#[derive(Debug)]
pub(crate) struct Rows<R> {
    source: R,
    compressed: Vec<u8>,
    opener: Opener,
    decoder: BlockDecoder,
    /// The block that comes next, and the rows read of the one before it.
    block: u64,
    row: usize,
}

impl<R: Read + Seek> Rows<R> {
    /// Reads nothing before [`seek`](Self::seek).
    pub(crate) fn new(source: R) -> Result<Self, PlanError> {
        Ok(Self {
            source,
            compressed: Vec::new(),
            opener: Opener::new()?,
            decoder: BlockDecoder::default(),
            block: 0,
            row: 0,
        })
    }

    /// Goes to the block that starts at `at`, which then counts as block 0.
    pub(crate) fn seek(&mut self, at: u64) -> Result<(), PlanError> {
        self.source.seek(SeekFrom::Start(at))?;
        (self.block, self.row) = (0, 0);
        self.decoder.load(|_| Ok(()))
    }

    /// Goes on to the next row; false behind the last block of renames.
    /// `before` is for the error: how many rows there were.
    pub(crate) fn advance(&mut self, before: u64) -> Result<bool, PlanError> {
        while !self.decoder.advance()? {
            if !self.load(BlockKind::Renames, before)? {
                return Ok(false);
            }
        }
        self.row += 1;
        Ok(true)
    }

    fn next_step(&mut self) -> Result<Option<PlannedStep>, PlanError> {
        loop {
            if let Some(step) = self.decoder.advance_step()? {
                return Ok(Some(PlannedStep {
                    rename: self.decoder.rename()?,
                    segment: step.segment,
                    kind: step.kind,
                    after: step.after,
                }));
            }
            if !self.load(BlockKind::Steps, 0)? {
                return Ok(None);
            }
        }
    }

    fn load(&mut self, kind: BlockKind, before: u64) -> Result<bool, PlanError> {
        match frame::read_part(&mut self.source, &mut self.compressed, before)? {
            Part::Block(head, _) if head.kind == kind => {
                let (opener, compressed) = (&mut self.opener, &self.compressed);
                self.decoder
                    .load(|payload| opener.open(&head, compressed, payload))?;
                (self.block, self.row) = (self.block + 1, 0);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// The number of the current row's block, and of the row in it, both from
    /// 0.
    pub(crate) fn place(&self) -> (u64, usize) {
        (self.block.saturating_sub(1), self.row.saturating_sub(1))
    }

    /// The row that [`advance`](Self::advance) went to.
    pub(crate) fn current(&mut self) -> &mut BlockDecoder {
        &mut self.decoder
    }
}

impl From<BadBlock> for PlanError {
    /// The checksum is right, so this is not what our writer made.
    fn from(_: BadBlock) -> Self {
        Self::Altered
    }
}
