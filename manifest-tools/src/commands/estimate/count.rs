//! What a plan comes to: requests, bytes, and how long they keep a worker
//! busy. As the engine does it on AWS, when nothing goes wrong.

use std::collections::BTreeMap;
use std::fs::File;
use std::time::Duration;

use rebucket_manifest::args::estimate::{AssumeArgs, Assumption};
use rebucket_planner::{ManifestError, PlanReader, PlannedRename, StepKind};
use rebucket_protocol::{BucketName, ETag, IfExists, JobOptions, Pins, StorageClass, Waiver};
use rebucket_worker::rename::plan::{CopyPlan, PartSettings};
use rebucket_worker::rename::unseen::told;

use crate::commands::CommandError;

/// How long a small request takes, in seconds. Assumed.
const REQUEST: f64 = 0.04;

/// How fast S3 copies within one request, in bytes a second: 50 to 100 MB/s
/// were seen.
const STREAM: f64 = 75e6;

/// What is sent, by kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Request {
    HeadObject,
    GetObjectAcl,
    GetObjectTagging,
    ListObjectAnnotations,
    CopyObject,
    CreateMultipartUpload,
    UploadPartCopy,
    CompleteMultipartUpload,
    DeleteObject,
    Kms,
}

/// What a plan comes to.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Counts {
    /// The renames.
    pub(super) renames: u64,
    /// Those whose size is neither told nor assumed. Each is counted as one
    /// copy of no bytes.
    pub(super) of_unknown_size: u64,
    /// Those whose size is assumed.
    pub(super) of_assumed_size: u64,
    /// Those whose storage class is assumed.
    pub(super) of_assumed_class: u64,
    /// Those that no copy can carry: they will fail.
    pub(super) too_large: u64,
    /// By the storage class of the sources, told or assumed.
    pub(super) classes: BTreeMap<StorageClass, ClassCounts>,
    /// Writes and deletes by bucket: what S3 limits by partition.
    pub(super) writes: BTreeMap<BucketName, u64>,
    /// How long renames occupy their places, in seconds: all together, and the
    /// one that takes longest.
    pub(super) rename_seconds: f64,
    /// See there.
    pub(super) longest_seconds: f64,
    /// How long requests are under way, in seconds, all together.
    pub(super) request_seconds: f64,
}

/// What is done with the objects of a storage class.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ClassCounts {
    /// The objects.
    pub(super) objects: u64,
    /// Bytes that are copied out of it.
    pub(super) bytes: u64,
    /// Requests.
    pub(super) requests: BTreeMap<Request, u64>,
}

/// How an object is renamed.
#[derive(Debug, Clone, Copy)]
struct How {
    overwrite: bool,
    /// In a chain.
    linked: bool,
}

/// Counts for a job.
#[derive(Debug, Clone)]
pub(super) struct Counter {
    parts: PartSettings,
    parts_at_once: u64,
    assumed_size: Option<u64>,
    assumed_class: StorageClass,
    /// Without what is waived.
    assumed: Vec<Assumption>,
    annotations: bool,
    overwrite: bool,
    /// The class that was chosen for all copies.
    chosen: Option<StorageClass>,
}

impl Counter {
    /// For what is assumed, and what was chosen for the job.
    pub(super) fn new(assume: &AssumeArgs, options: &JobOptions, if_exists: IfExists) -> Self {
        let waived = |what: &Assumption| match what {
            Assumption::Acl => options.waive.contains(&Waiver::Acl),
            Assumption::Tags => options.waive.contains(&Waiver::Tags),
            Assumption::Kms | Assumption::Plain => false,
        };
        Self {
            parts: PartSettings {
                threshold: assume.multipart_threshold,
                part_size: assume.part_size,
            },
            parts_at_once: u64::from(assume.max_parts),
            assumed_size: assume.assume_size,
            assumed_class: assume.assume_storage_class.clone(),
            assumed: assume
                .assume
                .iter()
                .copied()
                .filter(|what| !waived(what))
                .collect(),
            annotations: !options.waive.contains(&Waiver::Annotations),
            overwrite: if_exists == IfExists::Overwrite,
            chosen: options.storage_class.clone(),
        }
    }

    /// Goes through the plan, where its rows differ, and leaves it at its
    /// start. Blocks.
    pub(super) fn count(&self, plan: &mut PlanReader<File>) -> Result<Counts, CommandError> {
        let totals = plan.resolution().totals.clone();
        let mut counts = Counts::default();
        if totals.sized_rows + totals.classed_rows == 0 && self.assumed_size.is_none() {
            // Nothing is known of any row that is not known of all.
            let (linked, unknown) = (totals.linked_rows, Pins::default());
            self.tell(&mut counts, totals.rows, &unknown);
            for (copies, linked) in [
                (totals.rows - linked, false),
                (linked + totals.extra_copies, true),
            ] {
                let how = How {
                    overwrite: self.overwrite,
                    linked,
                };
                self.add(&mut counts, copies, &unknown, how);
            }
            for (bucket, uses) in totals.buckets {
                counts
                    .writes
                    .insert(bucket, uses.sources + uses.destinations);
            }
            return Ok(counts);
        }
        for rename in &mut *plan {
            let rename = rename.map_err(ManifestError::Write)?;
            self.tell(&mut counts, 1, &rename.pins);
            self.add_rename(&mut counts, &rename, false);
        }
        for step in plan.steps().map_err(ManifestError::Write)? {
            let step = step.map_err(ManifestError::Write)?;
            match step.kind {
                StepKind::Whole | StepKind::FromScratch => {
                    self.tell(&mut counts, 1, &step.rename.pins);
                }
                // A row in two legs is copied and deleted twice.
                StepKind::ToScratch => {}
                StepKind::Occupant => continue,
            }
            self.add_rename(&mut counts, &step.rename, true);
        }
        plan.rewind().map_err(ManifestError::Write)?;
        Ok(counts)
    }

    fn add_rename(&self, counts: &mut Counts, rename: &PlannedRename, linked: bool) {
        let overwrite = rename
            .if_exists
            .map_or(self.overwrite, |choice| choice == IfExists::Overwrite);
        let how = How { overwrite, linked };
        let written = self.add(counts, 1, &rename.pins, how);
        let mut write = |bucket: &BucketName, by: u64| {
            if let Some(count) = counts.writes.get_mut(bucket) {
                *count += by;
            } else {
                counts.writes.insert(bucket.clone(), by);
            }
        };
        write(&rename.destination.bucket, written);
        write(&rename.source.bucket, written.min(1));
    }

    /// Adds so many objects, and what is known of them.
    fn tell(&self, counts: &mut Counts, objects: u64, pins: &Pins) {
        counts.renames += objects;
        match (pins.size, self.assumed_size) {
            (None, None) => counts.of_unknown_size += objects,
            (None, Some(_)) => counts.of_assumed_size += objects,
            (Some(_), _) => {}
        }
        if pins.storage_class.is_none() {
            counts.of_assumed_class += objects;
        }
        self.class(counts, pins, |class| class.objects += objects);
    }

    /// Clones the name once for each class, not for each object.
    fn class(&self, counts: &mut Counts, pins: &Pins, count: impl FnOnce(&mut ClassCounts)) {
        let name = pins.storage_class.as_ref().unwrap_or(&self.assumed_class);
        if let Some(class) = counts.classes.get_mut(name) {
            count(class);
        } else {
            count(counts.classes.entry(name.clone()).or_default());
        }
    }

    /// Adds so many copies of one kind, each with its delete. How many writes
    /// each is to the destination.
    fn add(&self, counts: &mut Counts, copies: u64, pins: &Pins, how: How) -> u64 {
        let own_parts = pins.etag.as_ref().and_then(ETag::part_count);
        let size = pins.size.or(self.assumed_size).unwrap_or(0);
        // An object that was uploaded in parts is copied in the same ones.
        let own = own_parts.map(|count| size.div_ceil(u64::from(count.max(1))));
        let parts = match CopyPlan::new(size, self.parts, own) {
            Ok(CopyPlan::Single) => 0,
            Ok(CopyPlan::Parts(plan)) => plan.count(),
            Err(_) => {
                counts.too_large += copies;
                self.class(counts, pins, |class| class.add(Request::HeadObject, copies));
                return 0;
            }
        };
        let kinds = if parts == 0 {
            self.single(pins, how)
        } else {
            self.in_parts(parts, own_parts.is_some())
        };
        let mut requests = 0;
        self.class(counts, pins, |class| {
            class.bytes = class.bytes.saturating_add(size.saturating_mul(copies));
            for (kind, count) in kinds {
                class.add(kind, count * copies);
                if kind != Request::Kms {
                    requests += count;
                }
            }
        });
        let (many, size) = (float(copies), float(size));
        let small = float(requests.saturating_sub(parts)) * REQUEST;
        let copying = match parts {
            0 => size / STREAM,
            parts => {
                let rounds = float(parts.div_ceil(self.parts_at_once));
                rounds * (REQUEST + size / float(parts) / STREAM)
            }
        };
        counts.rename_seconds += many * (small + copying);
        counts.longest_seconds = counts.longest_seconds.max(small + copying);
        counts.request_seconds += many * (float(requests) * REQUEST + size / STREAM);
        if parts == 0 { 1 } else { parts + 2 }
    }

    /// 1 for what is assumed, 0 for what is not.
    fn once(&self, what: Assumption) -> u64 {
        u64::from(self.assumed.contains(&what))
    }

    fn single(&self, pins: &Pins, how: How) -> Vec<(Request, u64)> {
        let looks = u64::from(!self.unseen(pins, how));
        vec![
            // The source; what is replaced; the source again before the delete,
            // where another object takes its place.
            (
                Request::HeadObject,
                looks + u64::from(how.overwrite) + u64::from(how.linked),
            ),
            (Request::GetObjectAcl, looks * self.once(Assumption::Acl)),
            (Request::CopyObject, 1),
            (Request::DeleteObject, 1),
            // The source is decrypted, and the copy gets a key.
            (Request::Kms, 2 * self.once(Assumption::Kms)),
        ]
    }

    /// Whether a worker renames the object without a look at it. The sample is
    /// not counted.
    fn unseen(&self, pins: &Pins, how: How) -> bool {
        self.assumed.contains(&Assumption::Plain)
            && !how.overwrite
            && !how.linked
            && told(pins, self.chosen.as_ref()).is_some()
    }

    fn in_parts(&self, parts: u64, uploaded_in_parts: bool) -> Vec<(Request, u64)> {
        vec![
            // The source, the destination before it, the source before the
            // delete; and the source's first part.
            (Request::HeadObject, 3 + u64::from(uploaded_in_parts)),
            (Request::GetObjectAcl, self.once(Assumption::Acl)),
            (Request::GetObjectTagging, self.once(Assumption::Tags)),
            (Request::ListObjectAnnotations, u64::from(self.annotations)),
            (Request::CreateMultipartUpload, 1),
            (Request::UploadPartCopy, parts),
            (Request::CompleteMultipartUpload, 1),
            (Request::DeleteObject, 1),
            (Request::Kms, (2 * parts + 2) * self.once(Assumption::Kms)),
        ]
    }
}

impl ClassCounts {
    fn add(&mut self, kind: Request, count: u64) {
        *self.requests.entry(kind).or_default() += count;
    }

    /// How many requests of a kind.
    pub(super) fn of(&self, kind: Request) -> u64 {
        self.requests.get(&kind).copied().unwrap_or(0)
    }
}

impl Counts {
    /// How many requests of a kind.
    pub(super) fn of(&self, kind: Request) -> u64 {
        self.classes.values().map(|class| class.of(kind)).sum()
    }

    /// Bytes of those that are not too large.
    pub(super) fn bytes(&self) -> u64 {
        let bytes = self.classes.values().map(|class| class.bytes);
        bytes.fold(0, u64::saturating_add)
    }

    /// The objects of each storage class.
    pub(super) fn objects_by_class(&self) -> BTreeMap<&str, u64> {
        let classes = self.classes.iter();
        classes
            .map(|(name, class)| (name.as_str(), class.objects))
            .collect()
    }

    /// How long so many workers take: what the slowest of its limits allows,
    /// and which limit that is.
    pub(super) fn time(&self, assume: &AssumeArgs) -> (Duration, &'static str) {
        let workers = f64::from(assume.workers);
        let limits = [
            (
                self.rename_seconds / (workers * f64::from(assume.max_renames)),
                "renames in flight (--max-renames)",
            ),
            (
                self.request_seconds / (workers * f64::from(assume.max_requests)),
                "requests in flight (--max-requests)",
            ),
            (self.longest_seconds, "the largest object"),
            (self.partition_seconds(assume), "S3's limit for a partition"),
        ];
        let slowest = limits.into_iter().max_by(|a, b| a.0.total_cmp(&b.0));
        let (seconds, limit) = slowest.unwrap_or((0.0, "nothing"));
        (duration(seconds), limit)
    }

    /// The least time that S3 allows, however many workers there are.
    pub(super) fn partition_time(&self, assume: &AssumeArgs) -> Duration {
        duration(self.partition_seconds(assume))
    }

    fn partition_seconds(&self, assume: &AssumeArgs) -> f64 {
        /// Writes and deletes a second (S3 User Guide, "Best practices design
        /// patterns").
        const WRITES: f64 = 3_500.0;
        let most = self.writes.values().max().copied().unwrap_or(0);
        float(most) / (WRITES * f64::from(assume.partitions))
    }
}

fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

/// Counts of requests and bytes have no need of their last digits here.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests;
