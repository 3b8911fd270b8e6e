//! The plan: a manifest that was checked, as one compact file.
//!
//! A header with the job's choices, the renames in compressed blocks, and a
//! trailer with their sums; docs/PLAN.md has the format byte by byte. Every
//! part has a checksum, and the trailer's is over all of them.
//!
//! The same manifest and choices make the same bytes: no times, no paths. So
//! it can be written in one pass, is never half a plan, and its digest tells
//! whether a job that is taken up again has the manifest that it began with.

pub(crate) mod block;
mod chain;
mod frame;
mod reader;
mod writer;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;

use rebucket_protocol::{
    BucketName, IfExists, JobId, JobOptions, ObjectUri, Pins, RenameTask, SelfRename, StorageClass,
    SubmissionId, TaskId, Timestamp, VersionPolicy, Waiver,
};
use serde::{Deserialize, Serialize};

use crate::chains::StepKind;
use crate::choices::JobChoices;

pub use chain::{PlannedSegment, SegmentError, Segments};
pub use reader::{PlanReader, SourceRow, Steps};
pub use writer::PlanWriter;

pub(crate) use frame::{BlockKind, HEAD_BYTES, Sealed, Sealer, begins_a_plan};
pub(crate) use reader::Rows;

const PLAN_VERSION: u32 = 3;

/// Why a plan cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Something else than a plan.
    #[error("not a plan; a plan is what `rebucket plan --out` writes")]
    NotAPlan,
    /// Written by a newer build, or a much older one.
    #[error(
        "the plan has version {0}, this build reads version {PLAN_VERSION}; make the plan again"
    )]
    Version(u32),
    /// The end is missing.
    #[error("the plan is cut short after {0} renames; make it again")]
    CutShort(u64),
    /// Not what was written.
    #[error("the plan was altered or damaged: its checksum does not match; make it again")]
    Altered,
    /// Choices or sums that this build does not know.
    #[error("the plan has choices that this build does not understand: {0}; make the plan again")]
    Malformed(serde_json::Error),
    /// The file cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Which submission the tasks of a plan are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Submission {
    /// Its id. `None` for a job that was begun by a build before there were
    /// any: its temporary keys stay where that build has put them.
    pub id: Option<SubmissionId>,
    /// When it began: [`RenameTask::submitted`].
    pub at: Option<Timestamp>,
}

/// One rename of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedRename {
    /// The manifest's row, counted from 1 without the header.
    pub row: u64,
    /// The manifest's line on which the row starts.
    pub line: u64,
    /// The object to rename.
    pub source: ObjectUri,
    /// Its new name.
    pub destination: ObjectUri,
    /// What the manifest says of the source.
    pub pins: Pins,
    /// What to do with another object at the destination; `None` for what the
    /// job says.
    pub if_exists: Option<IfExists>,
}

impl PlannedRename {
    /// The task for the queue.
    ///
    /// # Errors
    /// [`SelfRename`] when source and destination are the same object, which
    /// no plan of ours has.
    pub fn into_task(
        self,
        job: &JobId,
        options: &JobOptions,
        default_if_exists: IfExists,
        submission: Submission,
    ) -> Result<RenameTask, SelfRename> {
        let id = TaskId::for_row(job, self.row);
        let mut task = RenameTask::new(job.clone(), id, self.source, self.destination)?;
        task.pins = self.pins;
        task.if_exists = self.if_exists.unwrap_or(default_if_exists);
        (task.submission, task.submitted) = (submission.id, submission.at);
        task.options = options.clone();
        Ok(task)
    }
}

/// A step of a chain, a swap or a cycle. The steps of one segment are done one
/// after the other, those of others at the same time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedStep {
    /// The row.
    pub rename: PlannedRename,
    /// The segment, numbered from 0.
    pub segment: u64,
    /// What the step does with the row's object.
    pub kind: StepKind,
    /// The segment whose first step must be done before: it puts the object
    /// at the temporary key that this step takes it from.
    pub after: Option<u64>,
}

/// What a plan comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// What its renames add up to.
    pub totals: Totals,
    /// Identifies the renames, whatever was chosen for the job.
    pub digest: PlanDigest,
}

/// Sums over the renames of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// The renames.
    pub rows: u64,
    /// Those whose size the manifest tells.
    pub sized_rows: u64,
    /// The bytes of these.
    pub known_bytes: u64,
    /// Those whose storage class the manifest tells.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub classed_rows: u64,
    /// The renames that have to do with each other: of chains, swaps and
    /// cycles. They come as steps of segments.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub linked_rows: u64,
    /// The segments.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub segments: u64,
    /// Copies to temporary keys.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub extra_copies: u64,
    /// The buckets that must be there, and what for.
    pub buckets: BTreeMap<BucketName, BucketUse>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What a plan needs a bucket for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BucketUse {
    /// Renames out of the bucket.
    pub sources: u64,
    /// Renames into the bucket.
    pub destinations: u64,
}

impl Totals {
    /// The messages that carry them: one for each rename, and one for each
    /// segment of chains.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.rows.saturating_sub(self.linked_rows) + self.segments
    }

    fn add(&mut self, rename: &PlannedRename) {
        self.add_row(&rename.pins);
        self.add_source(&rename.source.bucket, 1);
        self.add_destination(&rename.destination.bucket, 1);
    }

    /// Counts a row, but not its buckets.
    pub(crate) fn add_row(&mut self, pins: &Pins) {
        self.rows += 1;
        self.classed_rows += u64::from(pins.storage_class.is_some());
        if let Some(size) = pins.size {
            self.sized_rows += 1;
            self.known_bytes = self.known_bytes.saturating_add(size);
        }
    }

    pub(crate) fn add_source(&mut self, name: &BucketName, count: u64) {
        self.bucket(name, |bucket| bucket.sources += count);
    }

    pub(crate) fn add_destination(&mut self, name: &BucketName, count: u64) {
        self.bucket(name, |bucket| bucket.destinations += count);
    }

    /// Clones the name once for each bucket, not for each rename.
    fn bucket(&mut self, name: &BucketName, count: impl FnOnce(&mut BucketUse)) {
        if let Some(bucket) = self.buckets.get_mut(name) {
            count(bucket);
        } else {
            let mut bucket = BucketUse::default();
            count(&mut bucket);
            self.buckets.insert(name.clone(), bucket);
        }
    }

    /// Adds the sums over other rows.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.sized_rows += other.sized_rows;
        self.known_bytes = self.known_bytes.saturating_add(other.known_bytes);
        self.classed_rows += other.classed_rows;
        for (name, uses) in &other.buckets {
            self.bucket(name, |bucket| {
                bucket.sources += uses.sources;
                bucket.destinations += uses.destinations;
            });
        }
    }
}

/// The SHA-256 of a plan's renames, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlanDigest(String);

impl PlanDigest {
    /// The digest as a string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PlanDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireHeader {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    job: Option<JobId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    if_exists: Option<IfExists>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    storage_class: Option<StorageClass>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    waive: BTreeSet<Waiver>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    versioned: Option<VersionPolicy>,
}

impl From<JobChoices> for WireHeader {
    fn from(choices: JobChoices) -> Self {
        let JobChoices {
            job,
            if_exists,
            storage_class,
            waive,
            versioned,
        } = choices;
        Self {
            job,
            if_exists,
            storage_class,
            waive,
            versioned,
        }
    }
}

impl From<WireHeader> for JobChoices {
    fn from(header: WireHeader) -> Self {
        let WireHeader {
            job,
            if_exists,
            storage_class,
            waive,
            versioned,
        } = header;
        Self {
            job,
            if_exists,
            storage_class,
            waive,
            versioned,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireTrailer {
    totals: Totals,
    digest: PlanDigest,
}

#[cfg(test)]
mod tests;
