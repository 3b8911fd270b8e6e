//! `rebucket-worker`: consumes renames from a queue and carries them out.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use rebucket_protocol::{CreationDates, S3Prefix, printable};
use rebucket_worker::admission::Admission;
use rebucket_worker::clients::{Clients, is_aws_queue};
use rebucket_worker::clock::refuse_apart;
use rebucket_worker::config::{AllowList, WorkerArgs};
use rebucket_worker::host::Host;
use rebucket_worker::http::{self, Readiness};
use rebucket_worker::metrics::Metrics;
use rebucket_worker::queue::Queue as _;
use rebucket_worker::queue::lease::LeaseSettings;
use rebucket_worker::queue::sqs::SqsQueue;
use rebucket_worker::report::Recorder;
use rebucket_worker::report::location::ReportStore;
use rebucket_worker::setup::{self, Engine, StartError};
use rebucket_worker::shutdown::Shutdown;
use rebucket_worker::store::s3::S3Store;
use rebucket_worker::store_identity::creation_dates;
use rebucket_worker::worker::{DrainCheck, Worker, WorkerSettings};
use tokio_util::sync::CancellationToken;

/// SQS only approximates how full a queue is: this many readings must agree.
const DRAINED: DrainCheck = DrainCheck {
    readings: 3,
    pause: Duration::from_secs(1),
    poll: Duration::from_secs(1),
};

/// On AWS the numbers lag by up to a minute (API reference of
/// `GetQueueAttributes`).
const DRAINED_ON_AWS: DrainCheck = DrainCheck {
    readings: 7,
    pause: Duration::from_secs(10),
    poll: Duration::from_secs(10),
};

/// How long the last outcomes may take to be written.
const RECORDING_LIMIT: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> ExitCode {
    let args = WorkerArgs::parse();
    setup::start_logging(&args.log, "info,aws=warn,hyper=warn");
    match run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", printable(format_args!("rebucket-worker: {error}")));
            ExitCode::from(error.exit_code())
        }
    }
}

async fn run(args: WorkerArgs) -> Result<(), StartError> {
    let shutdown = Shutdown::new();
    tokio::spawn(shutdown.clone().on_signals(args.engine.grace));
    let metrics = Metrics::new()?;
    let host = Host::this_process();
    let readiness = Readiness::default();
    if let Some(address) = args.metrics_addr {
        let bound = http::serve(address, metrics.clone(), readiness.clone())
            .await
            .map_err(|error| StartError::Listen { address, error })?;
        tracing::info!(address = %bound, "serving /healthz, /readyz and /metrics");
    }
    let clients = Clients::from_env(args.engine.s3).await?;
    let allow = AllowList::flatten(&args.allow);
    let sqs = clients.sqs(&args.queue_url);
    let open = SqsQueue::open(sqs, &args.queue_url, metrics.clone(), shutdown.drain());
    let queue = match open.await {
        // Told to stop before there was anything to stop.
        Err(_) if shutdown.drain().is_cancelled() => return Ok(()),
        other => other?,
    };
    let survey = setup::engine(
        &clients,
        &args.engine,
        &allow,
        &metrics,
        &host,
        shutdown.drain(),
    );
    let Engine { renamer, again } = match survey.await {
        // Told to stop before there was anything to stop.
        Err(_) if shutdown.drain().is_cancelled() => return Ok(()),
        other => other?,
    };
    refuse_apart(renamer.store_time(), "queue", queue.now())?;
    let created = created(&args, &clients, &allow, &metrics, shutdown.drain()).await;

    let (recorder, recording) = match args.report {
        None => (Recorder::log_only(), None),
        Some(location) => {
            let store = ReportStore::new(location, &clients.s3);
            store.announce(host.name()).await?;
            let (recorder, task) = Recorder::start(store, host.name(), metrics.clone());
            (recorder, Some(task))
        }
    };
    let drained = if is_aws_queue(&args.queue_url) {
        DRAINED_ON_AWS
    } else {
        DRAINED
    };
    let settings = WorkerSettings {
        host: host.clone(),
        max_renames: usize::from(args.engine.max_renames),
        lease: LeaseSettings::new(args.visibility_timeout),
        exit_when_empty: args.exit_when_empty.then_some(drained),
        resumed: false,
    };
    let admission = Admission::new(allow)
        .for_owner(args.engine.owner.bucket_owner)
        .at_store(created);
    let worker = Worker::new(
        Arc::new(queue),
        renamer,
        admission,
        recorder,
        settings,
        metrics.clone(),
    );
    readiness.set(true);
    tracing::info!(worker = host.name(), queue = args.queue_url, "working");
    let stopping = {
        let (readiness, drain) = (readiness.clone(), shutdown.drain().clone());
        tokio::spawn(async move {
            drain.cancelled().await;
            readiness.set(false);
        })
    };
    let watch = again.watch(shutdown.clone());
    worker.run(&shutdown).await;
    let unsafe_now = watch.end().await;
    stopping.abort();
    let tally = worker.tally();
    // The last clone of the recorder goes with the worker.
    drop(worker);
    if let Some(recording) = recording
        // Bounded: a rename that was given up may still hold the recorder.
        && let Err(error) = tokio::time::timeout(RECORDING_LIMIT, recording).await
    {
        tracing::error!(%error, "the report was not written to its end");
    }
    tracing::info!(
        renamed = tally.renamed,
        already_renamed = tally.already_renamed,
        already_renamed_by_date = tally.already_renamed_by_date,
        skipped = tally.skipped,
        failed = tally.failed,
        bytes = tally.bytes,
        "stopped"
    );
    Ok(unsafe_now?)
}

/// When the buckets of `--allow` were created, if messages are to be held
/// against that, and the store says it.
async fn created(
    args: &WorkerArgs,
    clients: &Clients,
    allow: &[S3Prefix],
    metrics: &Metrics,
    stop: &CancellationToken,
) -> CreationDates {
    if args.any_store {
        tracing::info!("--any-store: messages are taken for whichever store they were meant");
        return CreationDates::default();
    }
    let store = S3Store::new(&clients.s3, metrics.clone());
    let buckets = allow.iter().map(|prefix| prefix.bucket.clone()).collect();
    let dates = creation_dates(&store, &clients.endpoint, metrics, buckets, stop).await;
    for (bucket, created) in dates.iter() {
        tracing::info!(
            %bucket, %created,
            "messages that name another date of creation are refused; those that name none are taken"
        );
    }
    dates
}
