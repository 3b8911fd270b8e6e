//! Before the first message: the queue, whether it can take the tasks, and the
//! job's record.

use std::fs::File;
use std::sync::Arc;

use rebucket_planner::PlanReader;
use rebucket_worker::clients::Clients;
use rebucket_worker::metrics::Metrics;
use rebucket_worker::queue::FifoOrder;
use rebucket_worker::queue::sqs::{QueueAttributes, SqsQueue};
use rebucket_worker::report::JobRecord;
use rebucket_worker::report::location::ReportStore;
use rebucket_worker::retry::{CallError, Caller, Policy};
use rebucket_worker::setup::StartError;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::batches::{Letterhead, find_oversized};
use crate::commands::CommandError;
use crate::commands::begun::begun;

/// A queue that takes this much takes every task; below it, each is measured
/// before the first one is sent. In bytes.
const AMPLE: u64 = 256 << 10;

/// Records the job in its report, or finds it there: a manifest that is
/// submitted again is the same job and the same submission, begun when it was
/// begun first. Its chains must be pinned as they were then.
pub(super) async fn record(
    store: &ReportStore,
    record: &JobRecord,
) -> Result<JobRecord, CommandError> {
    match begun(store, record).await? {
        Some(known) if known.pinned == record.pinned => Ok(known),
        Some(_) => Err(begun_elsewhere(store, record)),
        None => {
            record.save(store).await?;
            Ok(record.clone())
        }
    }
}

/// Refuses a job with chains that somebody has begun: what is at their keys
/// now may be what that one put there.
pub(super) async fn refuse_begun(
    store: &ReportStore,
    record: &JobRecord,
) -> Result<(), CommandError> {
    match begun(store, record).await? {
        Some(_) => Err(begun_elsewhere(store, record)),
        None => Ok(()),
    }
}

fn begun_elsewhere(store: &ReportStore, record: &JobRecord) -> CommandError {
    CommandError::BegunElsewhere {
        report: store.location().to_string(),
        job: record.job.clone(),
    }
}

pub(super) async fn open_queue(
    clients: &Clients,
    url: &str,
    metrics: &Metrics,
    stop: &CancellationToken,
) -> Result<SqsQueue, CommandError> {
    let open = SqsQueue::open(clients.sqs(url), url, metrics.clone(), stop);
    Ok(open.await.map_err(StartError::from)?)
}

pub(super) async fn look_at(
    queue: &SqsQueue,
    metrics: &Metrics,
    stop: &CancellationToken,
) -> Result<QueueAttributes, CommandError> {
    let one = Arc::new(Semaphore::new(1));
    let caller = Caller::new(metrics.clone(), one, stop.clone());
    let looked = caller.call(Policy::START, || queue.attributes()).await;
    looked.map_err(|error| match error {
        CallError::Interrupted => CommandError::Interrupted,
        CallError::Failed(error) => error.into(),
    })
}

/// The plan, if the queue can take each of its tasks.
pub(super) async fn fitting(
    mut plan: PlanReader<File>,
    letterhead: &Letterhead,
    attributes: &QueueAttributes,
) -> Result<PlanReader<File>, CommandError> {
    let job = letterhead.job.as_str();
    if attributes.fifo && job.len() > FifoOrder::LONGEST_JOB {
        return Err(CommandError::Usage(format!(
            "the job's name {job} has {} characters; for a FIFO queue it has {} at most: give a \
             shorter --job",
            job.len(),
            FifoOrder::LONGEST_JOB
        )));
    }
    if attributes
        .largest_message
        .is_none_or(|bytes| bytes >= AMPLE)
    {
        return Ok(plan);
    }
    let letterhead = letterhead.clone();
    tokio::task::spawn_blocking(move || {
        find_oversized(&mut plan, &letterhead)?;
        Ok(plan)
    })
    .await?
}
