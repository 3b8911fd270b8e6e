//! From a plan to batches of messages, in the reader's own thread.

use std::fs::File;
use std::ops::ControlFlow;

use rebucket_planner::{JobChoices, PlanReader, Submission};
use rebucket_protocol::{
    IfExists, JobId, JobOptions, MAX_MESSAGE_BYTES, RenameTask, S3Prefix, encode,
};
use rebucket_worker::queue::sqs::QueueAttributes;
use rebucket_worker::queue::{FifoOrder, MAX_BATCH, Outgoing};
use tokio::sync::mpsc;

use super::confirmed::Confirmed;
use crate::commands::CommandError;
use crate::commands::messages::{Planned, walk};

/// Messages that lie next to each other in the plan: at most 10, and 1 MiB.
#[derive(Debug)]
pub(super) struct Batch {
    /// The position of the first one in the plan, from 0.
    pub(super) first: u64,
    /// The messages.
    pub(super) messages: Vec<Outgoing>,
}

impl Batch {
    fn at(first: u64) -> Self {
        Self {
            first,
            messages: Vec::with_capacity(MAX_BATCH),
        }
    }
}

/// What the messages of a job have in common.
#[derive(Debug, Clone)]
pub(super) struct Letterhead {
    /// The job.
    pub(super) job: JobId,
    /// The submission, and the time, that each message names.
    pub(super) submission: Submission,
    /// What was chosen for the job.
    pub(super) options: JobOptions,
    /// What to do at a taken destination, where a row does not say it.
    pub(super) if_exists: IfExists,
    /// Beside which the temporary keys of chains go.
    pub(super) scratch: Vec<S3Prefix>,
    /// The queue is a FIFO queue.
    pub(super) fifo: bool,
    /// The largest body that the queue takes, in bytes.
    pub(super) largest: usize,
}

impl Letterhead {
    /// For a job that is sent to a queue with these attributes.
    pub(super) fn new(
        job: JobId,
        submission: Submission,
        choices: &JobChoices,
        scratch: Vec<S3Prefix>,
        queue: &QueueAttributes,
    ) -> Self {
        let largest = queue
            .largest_message
            .and_then(|bytes| usize::try_from(bytes).ok());
        Self {
            job,
            submission,
            options: choices.job_options(),
            if_exists: choices.if_exists.unwrap_or_default(),
            scratch,
            fifo: queue.fifo,
            largest: largest.map_or(MAX_MESSAGE_BYTES, |bytes| bytes.min(MAX_MESSAGE_BYTES)),
        }
    }
}

/// Sends batches of what has not arrived yet. Ends early when nobody listens.
pub(super) fn read_batches(
    mut plan: PlanReader<File>,
    letterhead: &Letterhead,
    arrived: &Confirmed,
    batches: &mpsc::Sender<Batch>,
) -> Result<(), CommandError> {
    let mut batch = Batch::at(0);
    let mut bytes = 0;
    walk(&mut plan, arrived.prefix(), |position, planned| {
        if arrived.has(position) {
            return Ok(ControlFlow::Continue(()));
        }
        let message = write(planned, letterhead)?;
        let size = message.body.len();
        let follows = position == batch.first + batch.messages.len() as u64;
        if !follows || batch.messages.len() == MAX_BATCH || bytes + size > MAX_MESSAGE_BYTES {
            bytes = 0;
            let full = std::mem::replace(&mut batch, Batch::at(position));
            if !full.messages.is_empty() && batches.blocking_send(full).is_err() {
                return Ok(ControlFlow::Break(()));
            }
        }
        bytes += size;
        batch.messages.push(message);
        Ok(ControlFlow::Continue(()))
    })?;
    if !batch.messages.is_empty() && batches.blocking_send(batch).is_err() {
        // The senders ended first, and say why themselves.
    }
    Ok(())
}

/// Looks for a task that is too large for the queue, before anything is sent.
///
/// # Errors
/// [`CommandError::Usage`] for the first one, or when the plan cannot be read.
pub(super) fn find_oversized(
    plan: &mut PlanReader<File>,
    letterhead: &Letterhead,
) -> Result<(), CommandError> {
    walk(plan, 0, |_, planned| {
        write(planned, letterhead).map(|_| ControlFlow::Continue(()))
    })
}

fn write(planned: Planned, letterhead: &Letterhead) -> Result<Outgoing, CommandError> {
    let line = planned.line();
    let (job, submission) = (&letterhead.job, letterhead.submission);
    let (options, if_exists) = (&letterhead.options, letterhead.if_exists);
    let task = planned.into_task(job, options, if_exists, submission, &letterhead.scratch)?;
    address(&task, line, letterhead)
}

fn address(
    task: &RenameTask,
    line: u64,
    letterhead: &Letterhead,
) -> Result<Outgoing, CommandError> {
    let unfit = |why: String| CommandError::Usage(format!("line {line}: {why}"));
    let body = encode(task).map_err(|error| unfit(error.to_string()))?;
    if body.len() > letterhead.largest {
        return Err(unfit(format!(
            "its message has {} bytes, and the queue takes {} at most; set the queue's \
             MaximumMessageSize higher (up to {MAX_MESSAGE_BYTES})",
            body.len(),
            letterhead.largest
        )));
    }
    let order = letterhead.fifo.then(|| FifoOrder::of(task));
    Ok(Outgoing { body, order })
}
