//! Reading a plan, twice: to see that it is whole, and to use it.

use std::io::{BufReader, Read, Seek, SeekFrom};

use super::block::{BadBlock, BlockDecoder};
use super::frame::{self, Opener, Part, Sums};
use super::{PlanError, PlannedRename, Resolution, WireHeader, WireTrailer};
use crate::choices::JobChoices;

const BUFFER_BYTES: usize = 256 * 1024;

/// Reads the renames of a plan that was found whole and unaltered.
#[derive(Debug)]
pub struct PlanReader<R> {
    rows: Rows<BufReader<R>>,
    choices: JobChoices,
    resolution: Resolution,
    /// Where each block starts, and the renames before it.
    blocks: Vec<(u64, u64)>,
    read: u64,
    failed: bool,
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
        let (mut blocks, mut before) = (Vec::new(), 0);
        let mut compressed = Vec::new();
        let (json, trailer) = loop {
            let at = source.stream_position()?;
            match frame::read_part(&mut source, &mut compressed, before)? {
                Part::Block(head, checksum) => {
                    blocks.push((at, before));
                    before += u64::from(head.rows);
                    sums.block(&head, checksum);
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
        let resolution = Resolution {
            totals: sums.totals,
            digest,
        };
        let mut plan = Self {
            rows: Rows::new(source)?,
            choices: choices.into(),
            resolution,
            blocks,
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
    /// behind the last one when there are not so many.
    ///
    /// # Errors
    /// [`PlanError`] when the block with this rename cannot be read.
    pub fn start_after(&mut self, renames: u64) -> Result<(), PlanError> {
        let rows = self.resolution.totals.rows;
        (self.read, self.failed) = (renames.min(rows), false);
        if self.read == rows {
            return Ok(());
        }
        let block = self
            .blocks
            .partition_point(|(_, before)| *before <= self.read)
            .saturating_sub(1);
        let Some((at, before)) = self.blocks.get(block).copied() else {
            return Err(PlanError::Altered);
        };
        self.rows.seek(at)?;
        for _ in before..self.read {
            self.rows.advance(self.read)?;
        }
        Ok(())
    }

    fn next_rename(&mut self) -> Result<Option<PlannedRename>, PlanError> {
        if self.read == self.resolution.totals.rows {
            return Ok(None);
        }
        if !self.rows.advance(self.read)? {
            return Err(PlanError::CutShort(self.read));
        }
        self.read += 1;
        Ok(Some(self.rows.current().rename()?))
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
}

impl<R: Read + Seek> Rows<R> {
    /// Reads nothing before [`seek`](Self::seek).
    pub(crate) fn new(source: R) -> Result<Self, PlanError> {
        Ok(Self {
            source,
            compressed: Vec::new(),
            opener: Opener::new()?,
            decoder: BlockDecoder::default(),
        })
    }

    /// Goes to the block that starts at `at`.
    pub(crate) fn seek(&mut self, at: u64) -> Result<(), PlanError> {
        self.source.seek(SeekFrom::Start(at))?;
        self.decoder.load(|_| Ok(()))
    }

    /// Goes on to the next row; false behind the last block. `before` is for
    /// the error: how many rows there were.
    pub(crate) fn advance(&mut self, before: u64) -> Result<bool, PlanError> {
        while !self.decoder.advance()? {
            match frame::read_part(&mut self.source, &mut self.compressed, before)? {
                Part::Trailer(..) => return Ok(false),
                Part::Block(head, _) => {
                    let (opener, compressed) = (&mut self.opener, &self.compressed);
                    self.decoder
                        .load(|payload| opener.open(&head, compressed, payload))?;
                }
            }
        }
        Ok(true)
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
