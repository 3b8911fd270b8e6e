//! `rebucket run`: the same engine as the fleet's, behind a queue in memory.
//! The report is what makes it resumable.

use std::fs::File;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use rebucket_manifest::Exit;
use rebucket_manifest::args::RunArgs;
use rebucket_manifest::outcomes::{Report, RowEnd, RowEnds, Scratch};
use rebucket_planner::{PlanReader, Submission};
use rebucket_protocol::printable::grouped;
use rebucket_protocol::{
    BucketName, IfExists, JobId, JobOptions, S3Prefix, SubmissionId, Timestamp, encode,
};
use rebucket_worker::admission::Admission;
use rebucket_worker::clients::Clients;
use rebucket_worker::clock::refuse_apart;
use rebucket_worker::config::AllowList;
use rebucket_worker::host::Host;
use rebucket_worker::metrics::Metrics;
use rebucket_worker::queue::lease::LeaseSettings;
use rebucket_worker::queue::memory::MemoryQueue;
use rebucket_worker::report::location::ReportStore;
use rebucket_worker::report::{JobRecord, Recorder, ReportError, ReportLocation};
use rebucket_worker::setup::{self, Engine, StartError};
use rebucket_worker::shutdown::Shutdown;
use rebucket_worker::worker::{DrainCheck, Worker, WorkerSettings};
use tokio::sync::mpsc;

use super::CommandError;
use super::begun::{beginning, begun, new_submission};
use super::distinct::Files;
use super::messages::walk;
use super::pinned::{PinnedPlan, Place};
use super::plan::pins::Reach;
use super::progress::progress_bar;
use super::report::summary;
use super::say::{complain, print};
use super::source::{self, Source};
use super::start::StoreTime;

/// Deliveries of a task before a transient failure counts as a failure.
const DELIVERIES: u32 = 5;

/// A task in memory is lost with the process, and so needs no short lease.
const VISIBILITY: Duration = Duration::from_mins(5);

/// The queue in memory counts exactly, so one reading is enough.
const DRAINED: DrainCheck = DrainCheck {
    readings: 1,
    pause: Duration::ZERO,
    poll: Duration::from_millis(50),
};

/// Runs the command.
pub(crate) async fn run(args: RunArgs) -> Result<Exit, CommandError> {
    Files::of(&args.manifest).check()?;
    setup::start_logging(&args.log, "warn");
    let shutdown = Shutdown::new();
    tokio::spawn(shutdown.clone().on_signals(args.engine.grace));
    let mut source = tokio::select! {
        source = source::read(&args.manifest, args.engine.s3) => source?,
        () = shutdown.drain().cancelled() => return Ok(Exit::Interrupted),
    };
    let clients = Clients::from_env(args.engine.s3).await?;
    let store = ReportStore::new(location(&args)?, &clients.s3);
    let job = job_name(&args, &source.plan)?;
    let _lock = store.lock(&job).await?;
    let record = take_up(&args, &store, &job, &mut source).await?;
    let resumed = record.is_some();
    let scratch = Scratch::new(args.manifest.temp_dir.clone());
    let earlier = ends(&store, &job, &scratch, record.as_ref()).await?;
    let rows = source.plan.resolution().totals.rows;
    if resumed && is_complete(&earlier, rows, args.retry_failed) {
        complain(nothing_done(&store, &job, &earlier));
        let of = record.and_then(|record| record.submission);
        return conclude(&store, &job, of, &scratch, None).await;
    }

    let metrics = Metrics::new().map_err(StartError::from)?;
    let (host, places) = (Host::this_process(), places(&source.plan));
    let engine = setup::engine(
        &clients,
        &args.engine,
        &places,
        &metrics,
        &host,
        shutdown.drain(),
    );
    let Engine { renamer, again } = match engine.await {
        Err(_) if shutdown.drain().is_cancelled() => return Ok(Exit::Interrupted),
        other => other?,
    };
    refuse_apart(renamer.store_time(), "machine", Some(Timestamp::now()))
        .map_err(StartError::from)?;
    let bucket = places.first().map(|place| &place.bucket);
    let time = StoreTime::of(&clients, &metrics, bucket, args.engine.owner.bucket_owner);
    let (record, plan) = if let Some(record) = record {
        outlast_first_second(record.started, renamer.store_time()).await;
        (record, source.plan)
    } else {
        // As late as can be: what is pinned must not change any more.
        tokio::select! {
            begun = begin(&args, &store, &job, source, &time) => begun?,
            () = shutdown.drain().cancelled() => return Ok(Exit::Interrupted),
        }
    };
    let retried = meant_by_a_retry(&args, resumed, &time).await;

    store.announce(host.name()).await?;
    let (recorder, recording) = Recorder::start(store.clone(), host.name(), metrics.clone());
    let queue = Arc::new(MemoryQueue::new(DELIVERIES));
    queue.set_more_to_come(true);
    let settings = WorkerSettings {
        host,
        max_renames: usize::from(args.engine.max_renames),
        lease: LeaseSettings::new(VISIBILITY),
        exit_when_empty: Some(DRAINED),
        resumed,
    };
    let worker = Worker::new(
        Arc::clone(&queue) as _,
        renamer,
        Admission::new(places),
        recorder,
        settings,
        metrics,
    );
    let feeder = Feeder {
        job: job.clone(),
        submission: record.submission,
        options: plan.choices().job_options(),
        if_exists: plan.choices().if_exists.unwrap_or_default(),
        submitted: record.started,
        earlier,
        retried,
        scratch: AllowList::flatten(&args.engine.scratch),
    };
    let ahead = 4 * usize::from(args.engine.max_renames);
    let fed = tokio::spawn(feed(
        feeder,
        plan,
        Arc::clone(&queue),
        ahead,
        shutdown.clone(),
    ));
    let watch = again.watch(shutdown.clone());
    show_progress(&worker, &shutdown, rows).await;
    let unsafe_now = watch.end().await;
    let interrupted = shutdown.drain().is_cancelled();
    // The last clone of the recorder goes with the worker.
    drop(worker);
    recording.await?;
    fed.await??;
    unsafe_now.map_err(StartError::from)?;
    let how = interrupted.then(|| how_to_go_on(&args, &job));
    conclude(&store, &job, record.submission, &scratch, how).await
}

/// From when on what is there is meant by the rows that are tried again: they
/// are a new submission.
async fn meant_by_a_retry(
    args: &RunArgs,
    resumed: bool,
    time: &StoreTime<'_>,
) -> Option<Timestamp> {
    if resumed && args.retry_failed {
        Some(time.job_start(None).await.wait().await)
    } else {
        None
    }
}

/// Waits until a job that goes on has begun: a run before may have ended within
/// the second in which it began the job.
async fn outlast_first_second(started: Timestamp, now: Option<Timestamp>) {
    let early = started.seconds_since(now.unwrap_or(started)).clamp(0, 1);
    tokio::time::sleep(Duration::from_secs(early.unsigned_abs())).await;
}

/// How the rows have ended so far, of a job that goes on.
async fn ends(
    store: &ReportStore,
    job: &JobId,
    scratch: &Scratch,
    record: Option<&JobRecord>,
) -> Result<RowEnds, CommandError> {
    let Some(record) = record else {
        return Ok(RowEnds::default());
    };
    let report = Report::of_submission(store, job, record.submission, scratch).await?;
    let job = job.clone();
    Ok(tokio::task::spawn_blocking(move || report.row_ends(&job)).await??)
}

/// Whether an earlier run has left nothing to do. The report of a job is not
/// the job: that must be said, and not look like a run.
fn is_complete(earlier: &RowEnds, rows: u64, retry_failed: bool) -> bool {
    earlier.ended() >= rows && !(retry_failed && earlier.failed() > 0)
}

fn nothing_done(store: &ReportStore, job: &JobId, earlier: &RowEnds) -> String {
    let since = earlier
        .last()
        .map_or_else(String::new, |last| format!(" since {last}"));
    let failed = match earlier.failed() {
        0 => String::new(),
        failed => format!(
            "; --retry-failed tries the {} that failed once more",
            grouped(failed)
        ),
    };
    format!(
        "rebucket: nothing was done: the job {job} is complete{since}, as the report {} says, and what \
         follows is that report; to carry out the manifest once more, begin a new job with \
         --again{failed}",
        store.location()
    )
}

fn how_to_go_on(args: &RunArgs, job: &JobId) -> String {
    if args.again {
        format!("the same command with --job {job}, and without --again, goes on where it stopped")
    } else {
        "the same command goes on where it stopped".to_owned()
    }
}

/// Says what became of the job, and how it goes on if it was interrupted.
async fn conclude(
    store: &ReportStore,
    job: &JobId,
    submission: Option<SubmissionId>,
    scratch: &Scratch,
    interrupted: Option<String>,
) -> Result<Exit, CommandError> {
    complain(format_args!("report: {}", store.location()));
    let report = Report::of_submission(store, job, submission, scratch).await?;
    let sums = tokio::task::spawn_blocking(move || report.sums()).await??;
    let tally = sums.into_iter().next().unwrap_or_default().tally;
    print(&summary(job.as_str(), &tally))?;
    if let Some(how) = interrupted {
        complain(format_args!("rebucket: interrupted; {how}"));
        return Ok(Exit::Interrupted);
    }
    Ok(if tally.failed > 0 || tally.pending > 0 {
        Exit::SomeFailed
    } else {
        Exit::Done
    })
}

/// Works until the queue is drained or the worker is told to stop, with a bar
/// on a terminal.
async fn show_progress(worker: &Worker, shutdown: &Shutdown, rows: u64) {
    let bar = progress_bar(rows, "ended");
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    let work = worker.run(shutdown);
    tokio::pin!(work);
    loop {
        tokio::select! {
            () = &mut work => break,
            _ = tick.tick() => {
                let tally = worker.tally();
                bar.set_position(tally.ended());
                if tally.failed > 0 {
                    bar.set_prefix(format!("{} failed", grouped(tally.failed)));
                }
            }
        }
    }
    bar.finish_and_clear();
}

/// As given, or beside the manifest.
fn location(args: &RunArgs) -> Result<ReportLocation, CommandError> {
    let manifest = &args.manifest.manifest;
    args.report
        .clone()
        .or_else(|| source::report_beside(manifest).map(ReportLocation::Directory))
        .ok_or_else(|| {
            let message = format!("{manifest} has no folder for a report beside it; give --report");
            CommandError::Usage(message)
        })
}

/// As given, or after the manifest: the same for every run of it, unless a new
/// job is to begin.
fn job_name(args: &RunArgs, plan: &PlanReader<File>) -> Result<JobId, CommandError> {
    let manifest = &args.manifest.manifest;
    if args.again {
        let now = Timestamp::now().ceil_second();
        return source::job_named_anew(manifest, plan.choices().job.as_ref(), now);
    }
    plan.choices()
        .job
        .clone()
        .or_else(|| source::job_named_after(manifest))
        .ok_or_else(|| CommandError::Usage(format!("{manifest} gives the job no name; give --job")))
}

/// The job's record, if it was begun before. Then the chains are those that
/// were pinned at its beginning.
async fn take_up(
    args: &RunArgs,
    store: &ReportStore,
    job: &JobId,
    source: &mut Source,
) -> Result<Option<JobRecord>, CommandError> {
    let record = begun(store, &beginning(job, None, &source.plan)).await?;
    if let (Some(record), true) = (&record, source.unpinned.is_some()) {
        let pinned = record.pinned.as_deref();
        let place = Place::Report(store, job);
        source.plan = place.open(job, pinned, &args.manifest).await?;
    }
    Ok(record)
}

/// Records the job, with its chains pinned. From here on it has begun, and its
/// pins are never taken again.
async fn begin(
    args: &RunArgs,
    store: &ReportStore,
    job: &JobId,
    source: Source,
    time: &StoreTime<'_>,
) -> Result<(JobRecord, PlanReader<File>), CommandError> {
    let Source { mut plan, unpinned } = source;
    let mut record = beginning(job, Some(new_submission()?), &plan);
    if let Some(warnings) = unpinned {
        let reach = Reach {
            s3: args.engine.s3,
            owner: args.engine.owner,
        };
        let pinned = PinnedPlan::take(&args.manifest, reach, plan, warnings).await?;
        pinned.keep(&Place::Report(store, job)).await?;
        // Where nothing can be locked, another run may have begun meanwhile:
        // then we may have pinned what it had renamed already. If it has not
        // until now, all our pins are older than its first rename.
        if begun(store, &record).await?.is_some() {
            return Err(ReportError::InUse(store.location().to_string()).into());
        }
        record.pinned = Some(pinned.digest().to_owned());
        plan = pinned.into_plan(&args.manifest).await?;
    }
    let start = time.job_start(None).await;
    record.started = start.at;
    record.save(store).await?;
    // No task may start before the job does; see `RenameTask::submitted`.
    start.wait().await;
    Ok((record, plan))
}

/// Every bucket that the plan names, as a whole.
fn places(plan: &PlanReader<File>) -> Vec<S3Prefix> {
    let buckets = plan.resolution().totals.buckets.keys();
    let whole = |bucket: &BucketName| S3Prefix {
        bucket: bucket.clone(),
        prefix: String::new(),
    };
    buckets.map(whole).collect()
}

/// Turns rows into tasks, but for those that have ended.
struct Feeder {
    job: JobId,
    /// Also of what is tried once more: its object may be at a temporary key,
    /// which carries this id.
    submission: Option<SubmissionId>,
    options: JobOptions,
    if_exists: IfExists,
    submitted: Timestamp,
    earlier: RowEnds,
    /// When this run began, if it tries what failed once more: to a task that
    /// failed it is a new submission, of whatever is at the source now.
    retried: Option<Timestamp>,
    /// Beside which the temporary keys of chains go.
    scratch: Vec<S3Prefix>,
}

impl Feeder {
    /// When a row is submitted; `None` when it is over.
    fn submitted(&self, row: u64) -> Option<Timestamp> {
        match self.earlier.get(row) {
            None => Some(self.submitted),
            Some(RowEnd::Failed) => self.retried,
            Some(_) => None,
        }
    }

    fn is_done(&self, row: u64) -> bool {
        self.earlier.get(row) == Some(RowEnd::Done)
    }

    /// A chain goes on with the last rename of it that is done, which may have
    /// ended before the next one was sent.
    fn read(
        self,
        mut plan: PlanReader<File>,
        bodies: &mpsc::Sender<String>,
    ) -> Result<(), CommandError> {
        let (job, options, if_exists) = (&self.job, &self.options, self.if_exists);
        walk(&mut plan, 0, |_, planned| {
            let line = planned.line();
            let submitted = planned.find_row(|row| self.submitted(row));
            if submitted.is_none() {
                return Ok(ControlFlow::Continue(()));
            }
            let submission = Submission {
                id: self.submission,
                at: submitted,
            };
            let planned = planned.resumed(|row| self.is_done(row));
            let task = planned.into_task(job, options, if_exists, submission, &self.scratch)?;
            let body = encode(&task)
                .map_err(|error| CommandError::Usage(format!("line {line}: {error}")))?;
            // Nobody may listen any more.
            Ok(match bodies.blocking_send(body) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            })
        })
    }
}

/// Feeds the queue, at most `ahead` tasks of it at a time.
async fn feed(
    feeder: Feeder,
    plan: PlanReader<File>,
    queue: Arc<MemoryQueue>,
    ahead: usize,
    shutdown: Shutdown,
) -> Result<(), CommandError> {
    let (bodies, mut waiting) = mpsc::channel(256);
    let reader = tokio::task::spawn_blocking(move || feeder.read(plan, &bodies));
    let feeding = async {
        while let Some(body) = waiting.recv().await {
            queue.wait_below(ahead).await;
            queue.send(body);
        }
    };
    tokio::select! {
        () = feeding => {}
        () = shutdown.drain().cancelled() => {}
    }
    drop(waiting);
    let read = reader.await;
    queue.set_more_to_come(false);
    read?
}
