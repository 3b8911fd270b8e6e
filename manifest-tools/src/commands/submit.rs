//! `rebucket submit`: one message for each rename, in batches.

mod addressed;
mod batches;
mod check;
mod checkpoint;
mod confirmed;
mod consent;
mod controller;
mod opening;
mod pace;
mod sender;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rebucket_manifest::Exit;
use rebucket_manifest::args::SubmitArgs;
use rebucket_manifest::args::estimate::AssumeArgs;
use rebucket_planner::{PlanReader, Warnings};
use rebucket_protocol::printable::grouped;
use rebucket_protocol::{CreationDates, Timestamp};
use rebucket_worker::clients::Clients;
use rebucket_worker::metrics::Metrics;
use rebucket_worker::queue::Queue as _;
use rebucket_worker::report::JobRecord;
use rebucket_worker::report::location::ReportStore;
use rebucket_worker::retry::Caller;
use rebucket_worker::setup::{StartError, chosen_scratch, start_logging};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::begun::{beginning, new_submission};
use super::distinct::Files;
use super::estimate::Estimate;
use super::pinned::{PinnedPlan, Place, path_beside};
use super::plan::pins::Reach;
use super::progress::progress_bar;
use super::say::{complain, print_line};
use super::source::{self, Source};
use super::start::StoreTime;
use super::{CommandError, interrupted};
use addressed::addressed;
use batches::{Letterhead, read_batches};
pub(crate) use checkpoint::CheckpointError;
use checkpoint::{Begun, Checkpoint, Found, Identity, Wanted};
use confirmed::Confirmed;
use consent::consent;
use opening::{fitting, look_at, open_queue, record, refuse_begun};
use pace::Pace;
use sender::{Dispatcher, Sender};

/// What is logged unless `RUST_LOG` says otherwise: what it is to know of a
/// submission, and what went wrong.
const LOGGED: &str = "warn,rebucket::commands::submit=info,rebucket_worker::store_identity=info";

/// Batches that wait for a place among those in flight.
const BATCHES_AHEAD: usize = 64;

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
    refuse_one_file(args)?;
    start_logging(&args.log, LOGGED);
    let Source { plan, unpinned } = tokio::select! {
        source = source::read(&args.manifest, args.s3) => source?,
        () = stop.cancelled() => return Ok(Exit::Interrupted),
    };
    let buckets = &plan.resolution().totals.buckets;
    // A variable may be that of all workers, and of other manifests' buckets.
    let is_for_all = args.manifest.given.first_of(&["scratch"]).is_none();
    chosen_scratch(&args.send.scratch, |bucket| {
        is_for_all || buckets.contains_key(bucket)
    })?;
    let wanted = wanted(args, &plan);
    let Some((mut checkpoint, mut begun)) = take_up(args, &wanted, unpinned.is_some())? else {
        return Ok(Exit::Done);
    };
    let metrics = Metrics::new().map_err(StartError::from)?;
    let clients = Clients::from_env(args.s3).await?;
    let queue = open_queue(&clients, &args.queue_url, &metrics, &stop).await?;
    let attributes = look_at(&queue, &metrics, &stop).await?;
    let asked = addressed(args, &clients, &metrics, &plan, &stop).await;
    checkpoint.same_store(&mut begun, &asked)?;
    let (plan, estimate) = estimated(plan, &args.assume, attributes.fifo).await?;
    for warning in check::warnings(&attributes, Some(estimate.time())) {
        warn_of_queue(args, &warning);
    }
    if !agreed(args, &begun, &estimate, &stop).await? {
        return Ok(Exit::Interrupted);
    }
    let report = args
        .report
        .clone()
        .map(|location| ReportStore::new(location, &clients.s3));
    let mut beginning = beginning(&begun.job, begun.submission, &plan);
    let plan = match (checkpoint.path(), unpinned) {
        (Some(path), Some(warnings)) => tokio::select! {
            plan = pinned(
                args, plan, warnings, path, report.as_ref(), &beginning, &mut begun
            ) => plan?,
            () = stop.cancelled() => return Ok(Exit::Interrupted),
        },
        _ => plan,
    };
    let bucket = plan.resolution().totals.buckets.keys().next();
    let time = StoreTime::of(&clients, &metrics, bucket, args.owner.bucket_owner);
    let start = time.job_start(queue.now()).await;
    if !begun.goes_on() {
        begun.submitted = start.at;
    }
    let mut letterhead = Letterhead::new(
        begun.job.clone(),
        begun.submission(),
        plan.choices(),
        args.send.scratch.clone(),
        &attributes,
    );
    letterhead.options.owner = args.owner.bucket_owner;
    letterhead.options.created = begun.created.clone();
    let plan = fitting(plan, &letterhead, &attributes).await?;
    // First the checkpoint, then the report: a job that is recorded must be
    // found again under its name.
    checkpoint.begin(&wanted, &begun)?;
    if let Some(store) = &report {
        (beginning.started, beginning.pinned) = (begun.submitted, begun.pinned.clone());
        let known = record(store, &beginning).await?;
        (begun.submitted, begun.submission) = (known.started, known.submission);
        if letterhead.submission != begun.submission() {
            letterhead.submission = begun.submission();
            checkpoint.begin(&wanted, &begun)?;
        }
    }
    // No task may start before the time that its message names: it tells what
    // this job wrote from what was there before.
    start.wait().await;
    let most = usize::from(args.send.max_sends);
    let caller = Caller::new(
        metrics,
        Arc::new(Semaphore::new(most)),
        // What is being sent is waited for, so that the counts are true.
        CancellationToken::new(),
    );
    let sender = Sender::new(queue, caller, most);
    let ended = send_plan(args, sender, plan, &letterhead, &mut checkpoint, &stop).await;
    let [sent, rows] = [checkpoint.confirmed().count(), wanted.rows].map(grouped);
    let (job, unit) = (&letterhead.job, wanted.unit);
    let summary = format!("job {job}: {sent} of {rows} {unit} submitted");
    match ended {
        Ok(()) => {
            checkpoint.finish()?;
            if let (Some(path), Some(_)) = (checkpoint.path(), &begun.pinned) {
                // All pins are in the queue. A plan that stays does no harm.
                std::fs::remove_file(path_beside(path)).ok();
            }
            print_line(&summary)?;
            Ok(Exit::Done)
        }
        Err(error) => {
            let how = how_to_go_on(args, &checkpoint, &begun);
            complain(format_args!("rebucket: {summary}; {how}"));
            match error {
                CommandError::Interrupted => Ok(Exit::Interrupted),
                other => Err(other),
            }
        }
    }
}

fn warn_of_queue(args: &SubmitArgs, warning: &str) {
    complain(format_args!(
        "warning: the queue {}: {warning}",
        args.queue_url
    ));
}

/// Whether the operator wants what it comes to. One that goes on was agreed to
/// when it began.
async fn agreed(
    args: &SubmitArgs,
    begun: &Begun,
    estimate: &Estimate,
    stop: &CancellationToken,
) -> Result<bool, CommandError> {
    if begun.goes_on() {
        return Ok(true);
    }
    complain(estimate.line());
    let agreed = consent(&args.consent, estimate.dollars(), stop).await?;
    if !agreed {
        complain("rebucket: nothing was sent");
    }
    Ok(agreed)
}

/// The plan with its chains pinned: as they were when the submission began,
/// or, when it begins now, as they are.
async fn pinned(
    args: &SubmitArgs,
    plan: PlanReader<File>,
    warnings: Warnings,
    checkpoint: &Path,
    report: Option<&ReportStore>,
    beginning: &JobRecord,
    begun: &mut Begun,
) -> Result<PlanReader<File>, CommandError> {
    let place = Place::Beside(checkpoint);
    if begun.goes_on() {
        let digest = begun.pinned.as_deref();
        return place.open(&begun.job, digest, &args.manifest).await;
    }
    if let Some(store) = report {
        refuse_begun(store, beginning).await?;
    }
    let reach = Reach {
        s3: args.s3,
        owner: args.owner,
    };
    let pinned = PinnedPlan::take(&args.manifest, reach, plan, warnings).await?;
    pinned.keep(&place).await?;
    begun.pinned = Some(pinned.digest().to_owned());
    pinned.into_plan(&args.manifest).await
}

/// Looks into the checkpoint. `None` when everything was sent before.
fn take_up(
    args: &SubmitArgs,
    wanted: &Wanted,
    unpinned: bool,
) -> Result<Option<(Checkpoint, Begun)>, CommandError> {
    let (rows, unit) = (grouped(wanted.rows), wanted.unit);
    let (checkpoint, found) = match checkpoint_path(args) {
        Some(path) => Checkpoint::open(&path, wanted)?,
        None if unpinned => return Err(no_place_for_pins(&args.manifest.manifest)),
        None => (Checkpoint::none(), Found::Nothing),
    };
    let begun = match found {
        Found::Done { job, submitted } => {
            print_line(format_args!(
                "job {job}: {rows} of {rows} {unit} were submitted at {submitted} already; nothing \
                 was sent (--again submits them once more)"
            ))?;
            return Ok(None);
        }
        Found::Begun(begun) => {
            complain(format_args!(
                "rebucket: going on with the job {}: {} of {rows} {unit} were submitted before",
                begun.job,
                grouped(begun.arrived.count())
            ));
            begun
        }
        Found::Nothing => {
            let now = Timestamp::now().ceil_second();
            // A plan's own name is that of the job which was submitted before.
            let is_taken = wanted.again && wanted.plan_has_name;
            let job = match &wanted.job {
                Some(job) if !is_taken => job.clone(),
                earlier => source::job_named_anew(&args.manifest.manifest, earlier.as_ref(), now)?,
            };
            Begun {
                job,
                named: wanted.job.clone().filter(|_| is_taken),
                submission: Some(new_submission()?),
                submitted: now,
                pinned: None,
                created: CreationDates::default(),
                arrived: Confirmed::default(),
            }
        }
    };
    Ok(Some((checkpoint, begun)))
}

/// The plan, from its start, and what it comes to.
async fn estimated(
    mut plan: PlanReader<File>,
    assume: &AssumeArgs,
    fifo: bool,
) -> Result<(PlanReader<File>, Estimate), CommandError> {
    let assume = assume.clone();
    tokio::task::spawn_blocking(move || {
        let estimate = Estimate::of(&mut plan, &assume, fifo)?;
        Ok((plan, estimate))
    })
    .await?
}

fn no_place_for_pins(manifest: &str) -> CommandError {
    CommandError::Usage(format!(
        "{manifest} has chains, swaps or cycles: what is at their keys must be kept until all of it \
         is sent, and there is no file beside it to keep it in; give --checkpoint FILE, or make a \
         plan of it with `rebucket plan --out PLAN` and submit that"
    ))
}

fn how_to_go_on(args: &SubmitArgs, checkpoint: &Checkpoint, begun: &Begun) -> String {
    let job = &begun.job;
    let same = if args.send.again {
        "the same command without --again"
    } else {
        "the same command"
    };
    if let (Some(path), Some(_)) = (checkpoint.path(), &begun.pinned) {
        return format!(
            "{same} goes on from here, by the checkpoint {} and the plan {}, which \
             nothing can replace",
            path.display(),
            path_beside(path).display()
        );
    }
    let again = format!("submit the same manifest with --job {job}");
    let twice = match &args.report {
        Some(report) => {
            format!("{again} and --report {report}: what was submitted twice counts once there")
        }
        None => format!(
            "{again}: what was submitted twice is renamed once, but counts in two submissions"
        ),
    };
    match checkpoint.path() {
        Some(path) => format!(
            "{same} goes on from here, by the checkpoint {}; without that, {twice}",
            path.display()
        ),
        None => twice,
    }
}

fn wanted(args: &SubmitArgs, plan: &PlanReader<File>) -> Wanted {
    let (resolution, choices) = (plan.resolution(), plan.choices());
    let report = args.report.as_ref().map(ToString::to_string);
    let digest = resolution.digest.to_string();
    Wanted {
        identity: Identity::new(digest, args.queue_url.clone(), report, choices)
            .of_owner(args.owner.bucket_owner),
        rows: resolution.totals.messages(),
        unit: match resolution.totals.linked_rows {
            0 => "renames",
            _ => "messages",
        },
        job: choices.job.clone(),
        plan_has_name: args.manifest.job.is_none(),
        again: args.send.again,
    }
}

fn refuse_one_file(args: &SubmitArgs) -> Result<(), CommandError> {
    let checkpoint = checkpoint_path(args);
    let pinned = checkpoint.as_deref().map(path_beside);
    Files::of(&args.manifest)
        .reads("--prices", args.assume.prices.as_deref())
        .writes("--checkpoint", checkpoint.as_deref())
        .writes("the pinned plan of --checkpoint", pinned.as_deref())
        .check()
}

/// As given, or beside the manifest: the same for every submission of it.
fn checkpoint_path(args: &SubmitArgs) -> Option<PathBuf> {
    let manifest = &args.manifest.manifest;
    if args.send.checkpoint.is_some() {
        return args.send.checkpoint.clone();
    }
    let is_file = manifest != "-" && !manifest.starts_with("s3://");
    is_file.then(|| PathBuf::from(format!("{manifest}.checkpoint")))
}

async fn send_plan(
    args: &SubmitArgs,
    sender: Sender,
    plan: PlanReader<File>,
    letterhead: &Letterhead,
    checkpoint: &mut Checkpoint,
    stop: &CancellationToken,
) -> Result<(), CommandError> {
    let arrived = checkpoint.confirmed().clone();
    let bar = progress_bar(plan.resolution().totals.messages(), "submitted");
    bar.inc(arrived.count());
    bar.reset_eta();
    let (batches, waiting) = mpsc::channel(BATCHES_AHEAD);
    let letterhead = letterhead.clone();
    let reader =
        tokio::task::spawn_blocking(move || read_batches(plan, &letterhead, &arrived, &batches));
    let mut dispatcher = Dispatcher {
        sender: Arc::new(sender),
        pace: Pace::new(args.send.rate, Instant::now()),
        checkpoint,
        bar: &bar,
    };
    let sent = dispatcher.run(waiting, stop).await;
    bar.finish_and_clear();
    // A reader that nobody listens to any more ends by itself.
    let read = reader.await?;
    sent.and(read)
}
