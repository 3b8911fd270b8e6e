//! `rebucket submit`: one message for each rename, in batches.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use rebucket_manifest::Exit;
use rebucket_manifest::args::SubmitArgs;
use rebucket_planner::{ManifestError, PlanReader};
use rebucket_protocol::{JobId, MAX_MESSAGE_BYTES, Timestamp, encode};
use rebucket_worker::clients::Clients;
use rebucket_worker::metrics::Metrics;
use rebucket_worker::queue::MAX_BATCH;
use rebucket_worker::queue::sqs::SqsQueue;
use rebucket_worker::report::JobRecord;
use rebucket_worker::report::location::ReportStore;
use rebucket_worker::retry::{CallError, Caller, Policy};
use rebucket_worker::setup::StartError;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::progress::progress_bar;
use super::{CommandError, complain, interrupted, print, source};

/// When interrupted, batches in flight are waited for so long.
const IN_FLIGHT_LIMIT: Duration = Duration::from_secs(10);

/// Batches that wait for a place among those in flight.
const BATCHES_AHEAD: usize = 32;

/// Runs the command.
pub(crate) async fn run(args: SubmitArgs) -> Result<Exit, CommandError> {
    let interrupted = interrupted();
    let stop = CancellationToken::new();
    let work = submit(&args, stop.clone());
    tokio::pin!(work);
    tokio::select! {
        done = &mut work => return done,
        () = interrupted => stop.cancel(),
    }
    work.await
}

async fn submit(args: &SubmitArgs, stop: CancellationToken) -> Result<Exit, CommandError> {
    let plan = tokio::select! {
        plan = source::plan(&args.manifest, args.s3.s3_path_style) => plan?,
        () = stop.cancelled() => return Ok(Exit::Interrupted),
    };
    let metrics = Metrics::new().map_err(StartError::from)?;
    let clients = Clients::from_env(args.s3.s3_path_style).await;
    let queue = open_queue(&clients, &args.queue_url, &metrics, &stop).await?;
    let now = Timestamp::now().ceil_second();
    let job = match &plan.choices().job {
        Some(job) => job.clone(),
        None => default_job(&args.manifest.manifest, now)?,
    };
    let rows = plan.resolution().totals.rows;
    let submitted = match &args.report {
        None => now,
        Some(location) => {
            let store = ReportStore::new(location.clone(), &clients.s3);
            begin(&store, &job, &plan, now).await?
        }
    };
    // No task may start before the time that its message names: it tells what
    // this job wrote from what was there before.
    tokio::time::sleep(submitted.until()).await;

    let sender = Sender {
        queue,
        caller: Caller::new(
            metrics,
            Arc::new(Semaphore::new(usize::from(args.max_sends))),
            // What is being sent is waited for, so that the counts are true.
            CancellationToken::new(),
        ),
        sent: AtomicU64::new(0),
        bar: progress_bar(rows, "submitted"),
    };
    let concurrent = usize::from(args.max_sends);
    let ended = sender
        .send_plan(plan, &job, submitted, concurrent, &stop)
        .await;
    sender.bar.finish_and_clear();
    let sent = sender.sent.load(Ordering::SeqCst);
    let summary = format!("job {job}: {sent} of {rows} renames submitted\n");
    match ended {
        Ok(()) => {
            print(&summary)?;
            Ok(Exit::Done)
        }
        Err(error) => {
            complain(&format!(
                "rebucket: {}; submit the same manifest again with --job {job}: what was submitted \
                 twice counts once in the report",
                summary.trim_end()
            ));
            match error {
                CommandError::Interrupted => Ok(Exit::Interrupted),
                other => Err(other),
            }
        }
    }
}

/// Records the job in its report, or finds it there: a manifest that is
/// submitted again is the same job, begun when it was begun first.
async fn begin(
    store: &ReportStore,
    job: &JobId,
    plan: &PlanReader<File>,
    now: Timestamp,
) -> Result<Timestamp, CommandError> {
    let digest = plan.resolution().digest.as_str();
    if let Some(record) = JobRecord::load(store, job).await? {
        return if record.plan.as_deref() == Some(digest) {
            Ok(record.started)
        } else {
            Err(CommandError::OtherManifest {
                report: store.location().to_string(),
                job: job.clone(),
            })
        };
    }
    let record = JobRecord {
        job: job.clone(),
        started: now,
        submitted: Some(plan.resolution().totals.rows),
        plan: Some(digest.to_owned()),
    };
    record.save(store).await?;
    Ok(now)
}

async fn open_queue(
    clients: &Clients,
    url: &str,
    metrics: &Metrics,
    stop: &CancellationToken,
) -> Result<SqsQueue, CommandError> {
    let open = SqsQueue::open(clients.sqs(url), url, metrics.clone(), stop);
    Ok(open.await.map_err(StartError::from)?)
}

fn default_job(manifest: &str, submitted: Timestamp) -> Result<JobId, CommandError> {
    let stem = source::job_named_after(manifest);
    let stem = stem.as_ref().map_or("job", JobId::as_str);
    let stamp: String = submitted
        .to_string()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    JobId::new(format!("{stem}-{stamp}")).map_err(|error| CommandError::Usage(error.to_string()))
}

struct Sender {
    queue: SqsQueue,
    caller: Caller,
    sent: AtomicU64,
    bar: indicatif::ProgressBar,
}

impl Sender {
    async fn send_plan(
        &self,
        plan: PlanReader<File>,
        job: &JobId,
        submitted: Timestamp,
        concurrent: usize,
        stop: &CancellationToken,
    ) -> Result<(), CommandError> {
        let (batches, waiting) = mpsc::channel(BATCHES_AHEAD);
        let reader = {
            let job = job.clone();
            tokio::task::spawn_blocking(move || read_batches(plan, &job, submitted, &batches))
        };
        let batches = futures_util::stream::unfold(waiting, |mut waiting| async {
            waiting.recv().await.map(|batch| (batch, waiting))
        });
        let sending = batches
            .take_until(stop.cancelled())
            .map(Ok)
            .try_for_each_concurrent(concurrent, |batch| self.send(batch));
        // What is in flight is waited for, so that the counts are true.
        let too_late = async {
            stop.cancelled().await;
            tokio::time::sleep(IN_FLIGHT_LIMIT).await;
        };
        let sent = tokio::select! {
            sent = sending => sent,
            () = too_late => Err(CommandError::Interrupted),
        };
        // A reader that nobody listens to any more ends by itself.
        let read = reader.await?;
        sent?;
        if stop.is_cancelled() {
            return Err(CommandError::Interrupted);
        }
        read
    }

    /// Sends one batch until every entry of it is accepted.
    async fn send(&self, mut batch: Vec<String>) -> Result<(), CommandError> {
        let mut rounds = 0;
        while !batch.is_empty() {
            let send = || self.queue.send_batch(&batch);
            let results = self.caller.call(Policy::READ, send).await.map_err(ended)?;
            let mut again = Vec::new();
            let mut transient = None;
            let mut permanent = None;
            for (body, result) in batch.into_iter().zip(results) {
                match result {
                    Ok(()) => {
                        self.sent.fetch_add(1, Ordering::SeqCst);
                        self.bar.inc(1);
                    }
                    Err(error) if error.class().is_retryable() => {
                        again.push(body);
                        transient = Some(error);
                    }
                    Err(error) => permanent = Some(error),
                }
            }
            if let Some(error) = permanent {
                return Err(error.into());
            }
            batch = again;
            rounds += 1;
            if let Some(error) = transient {
                if rounds >= Policy::READ.attempts {
                    return Err(error.into());
                }
                tokio::time::sleep(Duration::from_millis(100) * rounds).await;
            }
        }
        Ok(())
    }
}

fn ended(error: CallError) -> CommandError {
    match error {
        CallError::Interrupted => CommandError::Interrupted,
        CallError::Failed(error) => error.into(),
    }
}

/// Turns the plan into batches of at most 10 messages and 1 MiB.
fn read_batches(
    plan: PlanReader<File>,
    job: &JobId,
    submitted: Timestamp,
    batches: &mpsc::Sender<Vec<String>>,
) -> Result<(), CommandError> {
    let choices = plan.choices().clone();
    let options = choices.job_options();
    let if_exists = choices.if_exists.unwrap_or_default();
    let mut batch: Vec<String> = Vec::with_capacity(MAX_BATCH);
    let mut bytes = 0;
    for rename in plan {
        let rename = rename.map_err(ManifestError::Write)?;
        let line = rename.line;
        let unfit = |why: String| CommandError::Usage(format!("line {line}: {why}"));
        let task = rename
            .into_task(job, &options, if_exists, Some(submitted))
            .map_err(|error| unfit(error.to_string()))?;
        let body = encode(&task).map_err(|error| unfit(error.to_string()))?;
        if batch.len() == MAX_BATCH || bytes + body.len() > MAX_MESSAGE_BYTES {
            bytes = 0;
            if batches.blocking_send(std::mem::take(&mut batch)).is_err() {
                return Ok(());
            }
        }
        bytes += body.len();
        batch.push(body);
    }
    if !batch.is_empty() && batches.blocking_send(batch).is_err() {
        // The senders ended first, and say why themselves.
    }
    Ok(())
}
