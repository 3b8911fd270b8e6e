//! Reading a plan, twice: to see that it is whole, and to use it.

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};

use super::{
    Checksum, MAGIC, PLAN_VERSION, PlanError, PlannedRename, Resolution, TRAILER, Totals,
    WireHeader, WireRename, WireVersion,
};
use crate::choices::JobChoices;

/// Reads the renames of a plan that was found whole and unaltered.
#[derive(Debug)]
pub struct PlanReader<R> {
    source: BufReader<R>,
    choices: JobChoices,
    resolution: Resolution,
    /// Where the first rename starts.
    renames_at: u64,
    line: Vec<u8>,
    read: u64,
    failed: bool,
}

impl<R: Read + Seek> PlanReader<R> {
    /// Reads the whole plan once, from its start, and makes sure that not one
    /// byte of it is missing or altered.
    ///
    /// # Errors
    /// [`PlanError`] when it is no plan, or not all of it.
    pub fn open(source: R) -> Result<Self, PlanError> {
        let mut source = BufReader::with_capacity(64 * 1024, source);
        source.rewind()?;
        let mut header = Vec::new();
        source.read_until(b'\n', &mut header)?;
        let choices = parse_header(&header)?;
        let (mut checksum, mut totals) = (Checksum::default(), Totals::default());
        let mut line = Vec::new();
        loop {
            line.clear();
            if source.read_until(b'\n', &mut line)? == 0 {
                return Err(PlanError::CutShort(totals.rows));
            }
            if line.starts_with(TRAILER.as_bytes()) {
                break;
            }
            totals.add(&parse_rename(&line, totals.rows)?);
            checksum.rename(&line);
        }
        let (digest, trailer) = checksum.finish(&header, totals.rows);
        if trailer.starts_with(&line) && trailer != line {
            return Err(PlanError::CutShort(totals.rows));
        }
        if trailer != line || !source.fill_buf()?.is_empty() {
            return Err(PlanError::Altered);
        }
        let mut plan = Self {
            source,
            choices,
            resolution: Resolution { totals, digest },
            renames_at: header.len() as u64,
            line,
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
        self.source.seek(SeekFrom::Start(self.renames_at))?;
        (self.read, self.failed) = (0, false);
        Ok(())
    }

    fn next_rename(&mut self) -> Result<Option<PlannedRename>, PlanError> {
        if self.read == self.resolution.totals.rows {
            return Ok(None);
        }
        self.line.clear();
        if self.source.read_until(b'\n', &mut self.line)? == 0 {
            return Err(PlanError::CutShort(self.read));
        }
        let rename = parse_rename(&self.line, self.read)?;
        self.read += 1;
        Ok(Some(rename))
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

fn parse_header(line: &[u8]) -> Result<JobChoices, PlanError> {
    if !line.starts_with(MAGIC) {
        let short = line.len() < MAGIC.len() && MAGIC.starts_with(line) && !line.is_empty();
        return Err(if short {
            PlanError::CutShort(0)
        } else {
            PlanError::NotAPlan
        });
    }
    if !line.ends_with(b"\n") {
        return Err(PlanError::CutShort(0));
    }
    let malformed = |source| PlanError::Malformed { line: 1, source };
    let version: WireVersion = serde_json::from_slice(line).map_err(malformed)?;
    if version.rebucket_plan != PLAN_VERSION {
        return Err(PlanError::Version(version.rebucket_plan));
    }
    let header: WireHeader = serde_json::from_slice(line).map_err(malformed)?;
    Ok(header.into())
}

/// Reads the line of the rename after `before` others.
fn parse_rename(line: &[u8], before: u64) -> Result<PlannedRename, PlanError> {
    if !line.ends_with(b"\n") {
        return Err(PlanError::CutShort(before));
    }
    let wire: WireRename<'_> =
        serde_json::from_slice(line).map_err(|source| PlanError::Malformed {
            line: before + 2,
            source,
        })?;
    Ok(wire.into())
}
