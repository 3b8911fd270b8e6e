//! Writing a plan, in one pass.

use std::io::Write;

use super::block::{BLOCK_TEXT, BlockEncoder, LinkedRows, StepHead};
use super::frame::{self, BlockKind, Sealed, Sealer, Sums};
use super::{PlanError, PlannedRename, Resolution, Totals, WireHeader, WireTrailer};
use crate::chains::StepKind;
use crate::choices::JobChoices;

/// Writes a plan. Without [`finish`](Self::finish) what was written is not a
/// plan, and is refused by the reader.
pub struct PlanWriter<W: Write> {
    out: W,
    encoder: BlockEncoder,
    sealer: Sealer,
    sealed: Sealed,
    sums: Sums,
    totals: Totals,
    /// The bytes so far.
    at: u64,
}

impl<W: Write> PlanWriter<W> {
    /// Starts a plan.
    ///
    /// # Errors
    /// [`PlanError::Io`] when the header cannot be written.
    pub fn new(mut out: W, choices: JobChoices) -> Result<Self, PlanError> {
        let json = serde_json::to_vec(&WireHeader::from(choices)).map_err(std::io::Error::from)?;
        let header = frame::header(&json)?;
        out.write_all(&header)?;
        let mut sums = Sums::default();
        sums.header(&header);
        Ok(Self {
            out,
            encoder: BlockEncoder::default(),
            sealer: Sealer::new()?,
            sealed: Sealed::default(),
            sums,
            totals: Totals::default(),
            at: header.len() as u64,
        })
    }

    /// Adds a rename.
    ///
    /// # Errors
    /// [`PlanError::Io`] when it cannot be written.
    pub fn write(&mut self, rename: &PlannedRename) -> Result<(), PlanError> {
        self.encoder.push(rename.into());
        self.totals.add(rename);
        if self.encoder.is_full() {
            self.end_block()?;
        }
        Ok(())
    }

    /// Adds renames as one block: those of one block of another plan.
    pub(crate) fn write_block<'r>(
        &mut self,
        renames: impl IntoIterator<Item = &'r PlannedRename>,
    ) -> Result<(), PlanError> {
        self.end_block()?;
        for rename in renames {
            self.encoder.push(rename.into());
            self.totals.add(rename);
        }
        self.end_block()
    }

    fn end_block(&mut self) -> Result<(), PlanError> {
        if self.encoder.rows() > 0 {
            self.seal(BlockKind::Renames)?;
        }
        Ok(())
    }

    fn seal(&mut self, kind: BlockKind) -> Result<(), PlanError> {
        let (payload, rows) = (self.encoder.payload(), self.encoder.rows());
        self.sealer.seal(kind, payload, rows, &mut self.sealed)?;
        self.encoder.clear();
        let sealed = std::mem::take(&mut self.sealed);
        self.append(&sealed)?;
        self.sealed = sealed;
        Ok(())
    }

    /// Says which rows of the blocks so far are linked; they must come as
    /// steps. Blocks are numbered from 0, and come in their order.
    pub(crate) fn write_linked<'a>(
        &mut self,
        blocks: impl IntoIterator<Item = (u64, &'a LinkedRows)>,
    ) -> Result<(), PlanError> {
        self.end_block()?;
        let (mut payload, mut rows, mut last) = (Vec::new(), 0_u64, 0);
        let mut blocks = blocks.into_iter().peekable();
        while let Some((block, linked)) = blocks.next() {
            linked.write(&mut payload, block - last);
            last = block;
            rows += linked.len();
            if payload.len() >= BLOCK_TEXT || blocks.peek().is_none() {
                // A payload so short does not have more rows.
                let count = u32::try_from(rows).unwrap_or(u32::MAX);
                let mut sealed = Sealed::default();
                self.sealer
                    .seal(BlockKind::Linked, &payload, count, &mut sealed)?;
                self.append(&sealed)?;
                payload.clear();
                rows = 0;
            }
        }
        Ok(())
    }

    /// Adds a step. All steps come after all that is not linked.
    pub(crate) fn write_step(
        &mut self,
        step: StepHead,
        rename: &PlannedRename,
    ) -> Result<(), PlanError> {
        self.encoder.push_step(step, rename.into());
        self.totals.segments = step.segment + 1;
        self.totals.extra_copies += u64::from(step.kind == StepKind::ToScratch);
        if self.encoder.is_full() {
            self.seal(BlockKind::Steps)?;
        }
        Ok(())
    }

    /// Ends the last block of steps.
    pub(crate) fn end_steps(&mut self) -> Result<(), PlanError> {
        if self.encoder.rows() > 0 {
            self.seal(BlockKind::Steps)?;
        }
        Ok(())
    }

    /// Adds a block that was made elsewhere; says where it starts. Its renames
    /// are for [`count`](Self::count).
    pub(crate) fn append(&mut self, block: &Sealed) -> Result<u64, PlanError> {
        let at = self.at;
        self.out.write_all(block.bytes())?;
        self.at += block.bytes().len() as u64;
        self.sums.sealed(block);
        if block.kind() == BlockKind::Linked {
            self.totals.linked_rows += u64::from(block.rows());
        }
        Ok(at)
    }

    /// Counts the renames of blocks that were made elsewhere.
    pub(crate) fn count(&mut self, totals: &Totals) {
        self.totals.merge(totals);
    }

    /// Where it is written to.
    pub(crate) fn inner(&mut self) -> &mut W {
        &mut self.out
    }

    /// Ends the plan and hands the writer back, flushed.
    ///
    /// # Errors
    /// [`PlanError::Io`] when the rest cannot be written.
    pub fn finish(mut self) -> Result<(W, Resolution), PlanError> {
        self.end_block()?;
        let trailer = WireTrailer {
            totals: self.totals,
            digest: self.sums.digest(),
        };
        let json = serde_json::to_vec(&trailer).map_err(std::io::Error::from)?;
        self.out.write_all(&self.sums.trailer(&json)?)?;
        self.out.flush()?;
        let WireTrailer { totals, digest } = trailer;
        Ok((self.out, Resolution { totals, digest }))
    }
}
