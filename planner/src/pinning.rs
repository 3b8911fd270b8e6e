//! A plan with pins: what was at each source when the plan was made.
//!
//! A plan is checked and resolved first, and then written once more with what
//! is found at its sources: by HEAD of each, or in listings of the buckets,
//! which [`SourceIndex`] joins to the rows.

mod index;
mod packed;
mod steps;

use std::io::{Read, Seek, Write};

use rebucket_protocol::printable::shortened;
use rebucket_protocol::{ETag, Pins, StorageClass, Timestamp};

use crate::findings::LateFindings;
use crate::manifest::ManifestOptions;
use crate::plan::block::StepHead;
use crate::plan::{PlanReader, PlanWriter, PlannedRename, Resolution};
use crate::problem::{Problem, ProblemKind};
use crate::resolve::{ManifestError, PinError, Warnings};
use crate::spill::{self, Spill};

pub use crate::plan::SourceRow;
pub use index::{Listing, Sights, SourceIndex};
use steps::StepPins;

/// What is known of the object at a source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// Its entity tag.
    pub etag: Option<ETag>,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// When it was last written. Of its fraction of a second nothing is kept:
    /// not every answer shows it.
    pub modified: Option<Timestamp>,
    /// Its storage class. An object whose class is another than its row says is
    /// no other object.
    pub storage_class: Option<StorageClass>,
}

impl Found {
    /// In what this is another object than the one that a row is pinned to:
    /// "has ...".
    #[must_use]
    pub fn difference(&self, pins: &Pins) -> Option<String> {
        if let (Some(said), Some(is)) = (&pins.etag, &self.etag)
            && said != is
        {
            return Some(format!("has the ETag {is}, and the row says {said}"));
        }
        if let (Some(said), Some(is)) = (pins.modified, self.modified)
            && whole_second(said) != whole_second(is)
        {
            return Some(format!("was written at {is}, and the row says {said}"));
        }
        match (pins.size, self.size) {
            (Some(said), Some(is)) if said != is => {
                Some(format!("has {is} bytes, and the row says {said}"))
            }
            _ => None,
        }
    }
}

/// What a look at a source has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// Nobody looked.
    Unseen,
    /// Nothing is there.
    Nothing,
    /// This is there.
    There(Found),
}

/// Looks at the sources of a block of rows, in their order.
pub type Look<'a> = &'a mut dyn FnMut(&[SourceRow]) -> Result<Vec<Sight>, PinError>;

/// Adds to linked rows what is at their sources now. Called for all of a
/// block's at once, and answers for each.
pub type Pin<'a> = &'a mut dyn FnMut(&mut [PlannedRename]) -> Result<Vec<Insisted>, PinError>;

/// What became of a linked row that had to be pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Insisted {
    /// It is pinned.
    Pinned,
    /// Nothing is at its source.
    Nothing,
    /// What is there is not what the row says, or cannot be pinned: "has ...".
    Different(String),
    /// Its object would be purged, and an earlier version would show in the
    /// place that another row may need.
    NotFreed,
}

/// What became of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PinCounts {
    /// Rows that are pinned to what was found.
    pub pinned: u64,
    /// Rows whose source is not there.
    pub missing: u64,
    /// Rows that say something else than what was found.
    pub different: u64,
    /// Rows that nobody looked for.
    pub unseen: u64,
}

/// A plan with pins.
#[derive(Debug)]
pub struct PinnedPlan<W> {
    /// What it was written to.
    pub plan: W,
    /// What it comes to.
    pub resolution: Resolution,
    /// What became of its rows.
    pub counts: PinCounts,
}

/// Writes a plan once more, with what `look` finds at its sources.
///
/// Where nothing is found, or something else than the row says, there is a
/// warning, and the row stays as it is. Not so linked rows: they cannot do
/// without pins, so that those which `look` does not settle are left to `pin`,
/// and what that does not settle is a problem.
///
/// # Errors
/// [`ManifestError::Invalid`] with every linked row that cannot be pinned, when
/// all were looked at; the other kinds when something cannot be read or
/// written, and [`ManifestError::Pin`] as `look` and `pin` say.
pub fn pin_plan<R: Read + Seek, W: Write>(
    plan: &mut PlanReader<R>,
    out: PlanWriter<W>,
    options: &ManifestOptions,
    warnings: &mut Warnings,
    look: Look<'_>,
    pin: Pin<'_>,
) -> Result<PinnedPlan<W>, ManifestError> {
    let folder = spill::folder(options.temp_dir.as_ref());
    let steps = StepPins::new(plan, &Spill::new(folder.clone())?, index::memory(options))?;
    let late = LateFindings::new(warnings, &folder)?;
    pin_rows(plan, out, steps, late, look, pin)
}

/// Writes a plan once more, with its linked rows pinned and the others as they
/// are.
///
/// # Errors
/// As [`pin_plan`].
pub fn pin_linked<R: Read + Seek, W: Write>(
    plan: &mut PlanReader<R>,
    out: PlanWriter<W>,
    options: &ManifestOptions,
    warnings: &mut Warnings,
    pin: Pin<'_>,
) -> Result<PinnedPlan<W>, ManifestError> {
    let look = &mut |rows: &[SourceRow]| Ok(vec![Sight::Unseen; rows.len()]);
    pin_plan(plan, out, options, warnings, look, pin)
}

fn pin_rows<R: Read + Seek, W: Write>(
    plan: &mut PlanReader<R>,
    mut out: PlanWriter<W>,
    mut steps: StepPins,
    mut late: LateFindings<'_>,
    look: Look<'_>,
    pin: Pin<'_>,
) -> Result<PinnedPlan<W>, ManifestError> {
    let mut counts = PinCounts::default();
    for block in plan.blocks().map_err(ManifestError::Write)? {
        let mut rows = block.map_err(ManifestError::Write)?;
        let sights = look(&rows).map_err(ManifestError::Pin)?;
        let mut unsettled = Vec::new();
        for (at, (row, sight)) in rows.iter_mut().zip(sights).enumerate() {
            let settled = settle(row, sight);
            match settled {
                Settled::Pinned => counts.pinned += 1,
                _ if row.linked => unsettled.push(at),
                Settled::Unseen => counts.unseen += 1,
                Settled::Nothing => {
                    counts.missing += 1;
                    late.push(not_there(&row.rename))?;
                }
                Settled::Different(what) => {
                    counts.different += 1;
                    late.push(different(&row.rename, &what))?;
                }
            }
        }
        for problem in insist(&mut rows, &unsettled, pin)? {
            late.push(problem)?;
        }
        counts.pinned += unsettled.len() as u64;
        for row in rows.iter().filter(|row| row.linked) {
            steps.give(&row.rename)?;
        }
        out.write_block(rows.iter().map(|row| &row.rename))
            .map_err(ManifestError::Write)?;
    }
    late.finish()?;
    out.write_linked(plan.linked_blocks())
        .map_err(ManifestError::Write)?;
    let mut pins = steps.finish()?;
    for step in plan.steps().map_err(ManifestError::Write)? {
        let mut step = step.map_err(ManifestError::Write)?;
        pins.take(&mut step.rename.pins)?;
        let head = StepHead {
            segment: step.segment,
            kind: step.kind,
            after: step.after,
        };
        out.write_step(head, &step.rename)
            .map_err(ManifestError::Write)?;
    }
    out.end_steps().map_err(ManifestError::Write)?;
    let (plan, resolution) = out.finish().map_err(ManifestError::Write)?;
    Ok(PinnedPlan {
        plan,
        resolution,
        counts,
    })
}

/// Pins linked rows for which nothing else will do. The answer is what is wrong
/// with those that cannot be pinned.
fn insist(
    rows: &mut [SourceRow],
    which: &[usize],
    pin: Pin<'_>,
) -> Result<Vec<Problem>, ManifestError> {
    if which.is_empty() {
        return Ok(Vec::new());
    }
    let mut renames: Vec<_> = which.iter().map(|at| rows[*at].rename.clone()).collect();
    let insisted = pin(&mut renames).map_err(ManifestError::Pin)?;
    let wrong = renames.iter().zip(insisted);
    let wrong = wrong.filter_map(|(rename, insisted)| unpinned(rename, insisted));
    let wrong = wrong.collect();
    for (at, rename) in which.iter().zip(renames) {
        rows[*at].rename = rename;
    }
    Ok(wrong)
}

fn unpinned(rename: &PlannedRename, insisted: Insisted) -> Option<Problem> {
    let (kind, what) = match insisted {
        Insisted::NotFreed => {
            let what = "has an earlier version: --versioned purge would show it where the next object \
                        of the chain has to go, which then could not arrive; rename with --versioned \
                        marker, or remove the earlier versions first";
            return Some(about(rename, ProblemKind::LinkedKeyNotFreed, what));
        }
        Insisted::Pinned => return None,
        Insisted::Nothing => (ProblemKind::LinkedSourceNotThere, "is not there".to_owned()),
        Insisted::Different(what) => (ProblemKind::LinkedSourceDiffers, what),
    };
    let what = format!(
        "{what}; it is part of a chain, whose objects must be there, and as the manifest says, \
         when its plan is made"
    );
    Some(about(rename, kind, &what))
}

/// What a look means for a row.
enum Settled {
    Pinned,
    Unseen,
    Nothing,
    Different(String),
}

fn settle(row: &mut SourceRow, sight: Sight) -> Settled {
    let found = match sight {
        Sight::Unseen => return Settled::Unseen,
        Sight::Nothing => return Settled::Nothing,
        Sight::There(found) => found,
    };
    let pins = &mut row.rename.pins;
    if let Some(what) = found.difference(pins) {
        return Settled::Different(what);
    }
    let complete = found.etag.is_some() && found.size.is_some() && found.modified.is_some();
    if row.linked && !complete {
        return Settled::Unseen;
    }
    pins.etag = found.etag.or_else(|| pins.etag.take());
    pins.size = found.size.or(pins.size);
    pins.modified = found.modified.map(whole_second).or(pins.modified);
    pins.storage_class = found.storage_class.or_else(|| pins.storage_class.take());
    Settled::Pinned
}

/// What HEAD shows of a date.
fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_unix(at.unix_seconds(), 0).unwrap_or(at)
}

fn about(rename: &PlannedRename, kind: ProblemKind, what: &str) -> Problem {
    let source = &rename.source;
    let uri = shortened(&format!("s3://{}/{}", source.bucket, source.key));
    Problem {
        line: rename.line,
        column: None,
        kind,
        message: format!("source {uri} {what}"),
    }
}

fn not_there(rename: &PlannedRename) -> Problem {
    let what = match &rename.pins.version {
        None => "is not there: there is nothing to rename".to_owned(),
        Some(version) => format!("has no version {version}: there is nothing to rename"),
    };
    about(rename, ProblemKind::SourceNotThere, &what)
}

fn different(rename: &PlannedRename, what: &str) -> Problem {
    let what = format!("{what}: another object is not renamed");
    about(rename, ProblemKind::SourceDiffers, &what)
}

#[cfg(test)]
mod tests;
