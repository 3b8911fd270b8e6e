//! Writing a plan, in one pass.

use std::io::{BufWriter, Write};

use super::{Checksum, PlanError, PlannedRename, Resolution, Totals, WireHeader, WireRename};
use crate::choices::JobChoices;

/// Writes a plan. Without [`finish`](Self::finish) what was written is not a
/// plan, and is refused by the reader.
pub struct PlanWriter<W: Write> {
    out: BufWriter<W>,
    header: Vec<u8>,
    line: Vec<u8>,
    checksum: Checksum,
    totals: Totals,
}

impl<W: Write> PlanWriter<W> {
    /// Starts a plan.
    ///
    /// # Errors
    /// [`PlanError::Io`] when the header cannot be written.
    pub fn new(out: W, choices: JobChoices) -> Result<Self, PlanError> {
        let mut header = Vec::new();
        json_line(&mut header, &WireHeader::from(choices))?;
        let mut out = BufWriter::with_capacity(64 * 1024, out);
        out.write_all(&header)?;
        let (checksum, totals) = (Checksum::default(), Totals::default());
        Ok(Self {
            out,
            header,
            line: Vec::new(),
            checksum,
            totals,
        })
    }

    /// Adds a rename.
    ///
    /// # Errors
    /// [`PlanError::Io`] when it cannot be written.
    pub fn write(&mut self, rename: &PlannedRename) -> Result<(), PlanError> {
        self.line.clear();
        json_line(&mut self.line, &WireRename::from(rename))?;
        self.checksum.rename(&self.line);
        self.totals.add(rename);
        self.out.write_all(&self.line)?;
        Ok(())
    }

    /// Ends the plan and hands the writer back, flushed.
    ///
    /// # Errors
    /// [`PlanError::Io`] when the rest cannot be written.
    pub fn finish(mut self) -> Result<(W, Resolution), PlanError> {
        let (digest, trailer) = self.checksum.finish(&self.header, self.totals.rows);
        self.out.write_all(&trailer)?;
        let out = self
            .out
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error)?;
        Ok((
            out,
            Resolution {
                totals: self.totals,
                digest,
            },
        ))
    }
}

fn json_line(line: &mut Vec<u8>, value: &impl serde::Serialize) -> Result<(), PlanError> {
    serde_json::to_writer(&mut *line, value).map_err(std::io::Error::from)?;
    line.push(b'\n');
    Ok(())
}
