//! From a plan to the tasks of a job's messages.

use std::fs::File;
use std::ops::ControlFlow;

use rebucket_planner::{ManifestError, PlanReader, PlannedRename, PlannedSegment, Submission};
use rebucket_protocol::{IfExists, JobId, JobOptions, RenameTask, S3Prefix};

use super::CommandError;

/// What one message carries.
pub(crate) enum Planned {
    /// A rename that has to do with no other.
    Rename(PlannedRename),
    /// Renames of a chain, one after the other.
    Segment(PlannedSegment),
}

impl Planned {
    /// The manifest's line by which it is known.
    pub(crate) fn line(&self) -> u64 {
        match self {
            Self::Rename(rename) => rename.line,
            Self::Segment(segment) => segment.line(),
        }
    }

    /// The first answer of `look` for a row that ends with this message.
    pub(crate) fn find_row<T>(&self, mut look: impl FnMut(u64) -> Option<T>) -> Option<T> {
        match self {
            Self::Rename(rename) => look(rename.row),
            Self::Segment(segment) => segment.rows().find_map(|(row, _)| look(row)),
        }
    }

    /// What is left of it when these rows are done.
    pub(crate) fn resumed(self, done: impl Fn(u64) -> bool) -> Self {
        match self {
            Self::Segment(segment) => Self::Segment(segment.resumed(done)),
            rename @ Self::Rename(_) => rename,
        }
    }

    /// The task for the queue. Temporary keys of chains are in a folder beside
    /// the prefix that `scratch` has for their bucket.
    pub(crate) fn into_task(
        self,
        job: &JobId,
        options: &JobOptions,
        if_exists: IfExists,
        submission: Submission,
        scratch: &[S3Prefix],
    ) -> Result<RenameTask, CommandError> {
        let line = self.line();
        let unfit =
            |why: &dyn std::fmt::Display| CommandError::Usage(format!("line {line}: {why}"));
        match self {
            Self::Rename(rename) => rename
                .into_task(job, options, if_exists, submission)
                .map_err(|error| unfit(&error)),
            Self::Segment(segment) => segment
                .into_task(job, options, if_exists, submission, scratch)
                .map_err(|error| unfit(&error)),
        }
    }
}

/// Gives what comes after the first `after` messages to `take`, with its
/// position in the plan: first the single renames, then the chains. Ends when
/// `take` wants no more.
pub(crate) fn walk(
    plan: &mut PlanReader<File>,
    after: u64,
    mut take: impl FnMut(u64, Planned) -> Result<ControlFlow<()>, CommandError>,
) -> Result<(), CommandError> {
    let totals = &plan.resolution().totals;
    let single = totals.rows.saturating_sub(totals.linked_rows);
    plan.start_after(after).map_err(ManifestError::Write)?;
    for (position, rename) in (after..).zip(plan.by_ref()) {
        let rename = Planned::Rename(rename.map_err(ManifestError::Write)?);
        if take(position, rename)?.is_break() {
            return Ok(());
        }
    }
    let segments = plan.segments().map_err(ManifestError::Write)?;
    for (position, segment) in (single..).zip(segments) {
        let segment = Planned::Segment(segment.map_err(ManifestError::Write)?);
        if position >= after && take(position, segment)?.is_break() {
            return Ok(());
        }
    }
    Ok(())
}
