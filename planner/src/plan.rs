//! The plan: a manifest that was checked, as a file of JSON lines.
//!
//! A header with the job's choices, a line for each rename, and a trailer with
//! the number of renames and a checksum over everything else:
//!
//! ```text
//! {"rebucket_plan":1,"job":"archive-2026"}
//! {"row":1,"line":2,"source":"s3://b/old","destination":"s3://b/new"}
//! {"rows":1,"sha256":"..."}
//! ```
//!
//! The same manifest and choices make the same bytes: no times, no paths. So
//! it can be written in one pass, is never half a plan, and its digest tells
//! whether a job that is taken up again has the manifest that it began with.

mod reader;
mod writer;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;

use rebucket_protocol::{
    BucketName, ETag, IfExists, JobId, JobOptions, ObjectUri, Pins, RenameTask, SelfRename,
    StorageClass, TaskId, Timestamp, VersionId, VersionPolicy, Waiver,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::choices::JobChoices;

pub use reader::PlanReader;
pub use writer::PlanWriter;

/// What every plan starts with, and no CSV manifest.
pub(crate) const MAGIC: &[u8] = b"{\"rebucket_plan\":";

const PLAN_VERSION: u64 = 1;

/// Why a plan cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Something else than a plan.
    #[error("not a plan; a plan is what `rebucket plan --out` writes")]
    NotAPlan,
    /// Written by a newer build.
    #[error("the plan has version {0}, this build reads version 1; make the plan again")]
    Version(u64),
    /// The end is missing.
    #[error("the plan is cut short after {0} renames; make it again")]
    CutShort(u64),
    /// Not what was written.
    #[error("the plan was altered or damaged: its checksum does not match; make it again")]
    Altered,
    /// A line that cannot be read.
    #[error("line {line} of the plan was altered or damaged: {source}; make the plan again")]
    Malformed {
        /// The plan's line.
        line: u64,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The file cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
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
        submitted: Option<Timestamp>,
    ) -> Result<RenameTask, SelfRename> {
        let id = TaskId::for_row(job, self.row);
        let mut task = RenameTask::new(job.clone(), id, self.source, self.destination)?;
        task.pins = self.pins;
        task.if_exists = self.if_exists.unwrap_or(default_if_exists);
        task.submitted = submitted;
        task.options = options.clone();
        Ok(task)
    }
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
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals {
    /// The renames.
    pub rows: u64,
    /// Those whose size the manifest tells.
    pub sized_rows: u64,
    /// The bytes of these.
    pub known_bytes: u64,
    /// The buckets that must be there, and what for.
    pub buckets: BTreeMap<BucketName, BucketUse>,
}

/// What a plan needs a bucket for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BucketUse {
    /// Renames out of the bucket.
    pub sources: u64,
    /// Renames into the bucket.
    pub destinations: u64,
}

impl Totals {
    fn add(&mut self, rename: &PlannedRename) {
        self.rows += 1;
        if let Some(size) = rename.pins.size {
            self.sized_rows += 1;
            self.known_bytes = self.known_bytes.saturating_add(size);
        }
        self.count(&rename.source.bucket, |bucket| bucket.sources += 1);
        self.count(&rename.destination.bucket, |bucket| {
            bucket.destinations += 1;
        });
    }

    /// Clones the name once for each bucket, not for each rename.
    fn count(&mut self, name: &BucketName, count: impl FnOnce(&mut BucketUse)) {
        if let Some(bucket) = self.buckets.get_mut(name) {
            count(bucket);
        } else {
            let mut bucket = BucketUse::default();
            count(&mut bucket);
            self.buckets.insert(name.clone(), bucket);
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

/// The running checksum of a plan.
#[derive(Default)]
struct Checksum(Sha256);

impl Checksum {
    fn rename(&mut self, line: &[u8]) {
        self.0.update(line);
    }

    /// The digest of the renames, and the trailer, whose checksum covers the
    /// header as well.
    fn finish(mut self, header: &[u8], rows: u64) -> (PlanDigest, Vec<u8>) {
        let digest = PlanDigest(hex(&self.0.clone().finalize()));
        self.0.update(header);
        let trailer = format!(
            "{TRAILER}{rows},\"sha256\":\"{}\"}}\n",
            hex(&self.0.finalize())
        );
        (digest, trailer.into_bytes())
    }
}

/// What the trailer starts with, and no rename.
const TRAILER: &str = "{\"rows\":";

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

/// Read before the whole header, so that a newer plan is reported as newer.
#[derive(Deserialize)]
struct WireVersion {
    rebucket_plan: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireHeader {
    rebucket_plan: u64,
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
            rebucket_plan: PLAN_VERSION,
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
            ..
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
struct WireRename<'a> {
    row: u64,
    line: u64,
    source: Cow<'a, ObjectUri>,
    destination: Cow<'a, ObjectUri>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<Cow<'a, VersionId>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    etag: Option<Cow<'a, ETag>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    modified: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    if_exists: Option<IfExists>,
}

impl<'a> From<&'a PlannedRename> for WireRename<'a> {
    fn from(rename: &'a PlannedRename) -> Self {
        Self {
            row: rename.row,
            line: rename.line,
            source: Cow::Borrowed(&rename.source),
            destination: Cow::Borrowed(&rename.destination),
            version: rename.pins.version.as_ref().map(Cow::Borrowed),
            etag: rename.pins.etag.as_ref().map(Cow::Borrowed),
            size: rename.pins.size,
            modified: rename.pins.modified,
            if_exists: rename.if_exists,
        }
    }
}

impl From<WireRename<'_>> for PlannedRename {
    fn from(wire: WireRename<'_>) -> Self {
        Self {
            row: wire.row,
            line: wire.line,
            source: wire.source.into_owned(),
            destination: wire.destination.into_owned(),
            pins: Pins {
                version: wire.version.map(Cow::into_owned),
                etag: wire.etag.map(Cow::into_owned),
                size: wire.size,
                modified: wire.modified,
            },
            if_exists: wire.if_exists,
        }
    }
}

#[cfg(test)]
mod tests;
