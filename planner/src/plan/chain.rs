//! Segments of steps as tasks that carry one another.

use std::io::{Read, Seek};

use rebucket_protocol::key::KeyError;
use rebucket_protocol::places::{SCRATCH, in_transit, temporary_key};
use rebucket_protocol::{
    ChainError, Hop, IfExists, JobId, JobOptions, Leg, ObjectUri, RenameTask, S3Prefix, Step,
    SubmissionId, TaskId,
};

use super::{PlanError, PlanReader, PlannedStep, Submission};
use crate::chains::StepKind;

/// Why a segment makes no task.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// Its rows are not pinned, or are no chain.
    #[error("{0}; make the plan again with `rebucket plan`")]
    Chain(#[from] ChainError),
    /// The prefix for temporary keys leaves no room.
    #[error("there can be no temporary key: {0}; give a shorter --scratch")]
    Key(#[from] KeyError),
    /// A segment without steps, which no plan has.
    #[error("the plan has an empty segment; make it again")]
    Empty,
}

/// The steps of one segment, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedSegment(Vec<PlannedStep>);

impl PlannedSegment {
    /// The rows that end with one of its steps, and the lines that they are
    /// on.
    pub fn rows(&self) -> impl Iterator<Item = (u64, u64)> {
        let ends =
            |step: &&PlannedStep| matches!(step.kind, StepKind::Whole | StepKind::FromScratch);
        let ends = self.0.iter().filter(ends);
        ends.map(|step| (step.rename.row, step.rename.line))
    }

    /// The line of its first step's row.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.0.first().map_or(0, |step| step.rename.line)
    }

    /// What is left of it from the last step on whose row is done: that finds
    /// its object in its place, and sees to it that the next one follows.
    #[must_use]
    pub fn resumed(mut self, done: impl Fn(u64) -> bool) -> Self {
        let ended = |step: &PlannedStep| {
            let ends = matches!(step.kind, StepKind::Whole | StepKind::FromScratch);
            ends && done(step.rename.row)
        };
        if let Some(last) = self.0.iter().rposition(ended) {
            self.0.drain(..last);
        }
        self
    }

    /// The task for the queue, which carries all its steps. Temporary keys are
    /// in the bucket of their row's source, in a folder of their own: in its
    /// root, or beside the prefix that `scratch` has for the bucket.
    ///
    /// # Errors
    /// [`SegmentError`].
    pub fn into_task(
        self,
        job: &JobId,
        options: &JobOptions,
        default_if_exists: IfExists,
        submission: Submission,
        scratch: &[S3Prefix],
    ) -> Result<RenameTask, SegmentError> {
        let mut steps = Vec::with_capacity(self.0.len());
        let mut planned = self.0.into_iter().peekable();
        while let Some(PlannedStep { rename, kind, .. }) = planned.next() {
            let leg = match kind {
                StepKind::Whole => None,
                StepKind::ToScratch => Some(Leg::Out),
                StepKind::FromScratch => Some(Leg::In),
                // Of a step that has none.
                StepKind::Occupant => continue,
            };
            let occupant = planned.next_if(|next| next.kind == StepKind::Occupant);
            let id = TaskId::for_row(job, rename.row);
            let hop = match leg {
                Some(leg) => Some(Hop {
                    leg,
                    via: temporary(&rename.source, &id, submission.id, scratch)?,
                    occupant: occupant.map(|step| step.rename.pins),
                    arrived: None,
                }),
                None => None,
            };
            let step = Step::new(id, rename.source, rename.destination, hop);
            let mut step = step.map_err(ChainError::from)?;
            step.pins = rename.pins;
            step.if_exists = rename.if_exists.unwrap_or(default_if_exists);
            steps.push(step);
        }
        let mut steps = steps.into_iter();
        let first = steps.next().ok_or(SegmentError::Empty)?;
        let mut task = RenameTask::chain(job.clone(), first, steps.collect())?;
        (task.submission, task.submitted) = (submission.id, submission.at);
        task.options = options.clone();
        Ok(task)
    }
}

fn temporary(
    source: &ObjectUri,
    id: &TaskId,
    submission: Option<SubmissionId>,
    scratch: &[S3Prefix],
) -> Result<ObjectUri, KeyError> {
    let bucket = &source.bucket;
    let own = scratch.iter().find(|prefix| prefix.bucket == *bucket);
    let Some(submission) = submission else {
        // Where the build that began the job has put its objects. Another key
        // would strand them there.
        let default = || S3Prefix {
            bucket: bucket.clone(),
            prefix: SCRATCH.to_owned(),
        };
        let own = own.map_or_else(default, S3Prefix::as_folder);
        return own.object(&format!("hop/{id}"));
    };
    temporary_key(&in_transit(bucket, own), submission, id)
}

/// Reads the segments of a plan; see [`PlanReader::segments`].
#[derive(Debug)]
pub struct Segments<'p, R> {
    steps: super::Steps<'p, R>,
    next: Option<PlannedStep>,
}

impl<R: Read + Seek> PlanReader<R> {
    /// The segments of chains, swaps and cycles, from the first one on. The
    /// iteration over the other renames has to start again afterwards.
    ///
    /// # Errors
    /// [`PlanError`] when the plan cannot be read.
    pub fn segments(&mut self) -> Result<Segments<'_, R>, PlanError> {
        let mut steps = self.steps()?;
        let next = steps.next().transpose()?;
        Ok(Segments { steps, next })
    }
}

impl<R: Read + Seek> Iterator for Segments<'_, R> {
    type Item = Result<PlannedSegment, PlanError>;

    fn next(&mut self) -> Option<Self::Item> {
        let first = self.next.take()?;
        let number = first.segment;
        let mut segment = vec![first];
        for step in self.steps.by_ref() {
            match step {
                Ok(step) if step.segment == number => segment.push(step),
                Ok(step) => {
                    self.next = Some(step);
                    break;
                }
                Err(error) => return Some(Err(error)),
            }
        }
        Some(Ok(PlannedSegment(segment)))
    }
}
