//! Writing a plan, in one pass.

use std::io::Write;

use super::block::BlockEncoder;
use super::frame::{self, Sealed, Sealer, Sums};
use super::{PlanError, PlannedRename, Resolution, Totals, WireHeader, WireTrailer};
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

    fn end_block(&mut self) -> Result<(), PlanError> {
        if self.encoder.rows() > 0 {
            self.sealer.seal(
                self.encoder.payload(),
                self.encoder.rows(),
                &mut self.sealed,
            )?;
            self.encoder.clear();
            let sealed = std::mem::take(&mut self.sealed);
            self.append(&sealed)?;
            self.sealed = sealed;
        }
        Ok(())
    }

    /// Adds a block that was made elsewhere; says where it starts. Its rows are
    /// for [`count`](Self::count).
    pub(crate) fn append(&mut self, block: &Sealed) -> Result<u64, PlanError> {
        let at = self.at;
        self.out.write_all(block.bytes())?;
        self.at += block.bytes().len() as u64;
        self.sums.sealed(block);
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
