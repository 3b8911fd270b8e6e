//! `rebucket undo`: the manifest that takes a job back, from its report.
//!
//! One row for each task that was carried out, from its new name to its old
//! one, pinned to the object that the report saw at the new name: what was
//! replaced since then stays where it is. What counts as carried out by a date
//! alone may be somebody else's, and is left out unless it is asked for.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use rebucket_manifest::Exit;
use rebucket_manifest::args::undo::UndoArgs;
use rebucket_manifest::outcomes::{OutcomesError, Report, Scratch, Sums};
use rebucket_protocol::printable::grouped;
use rebucket_protocol::{
    Evidence, JobId, Outcome, OutcomeRecord, Reason, VersionId, VersionPolicy,
};
use rebucket_worker::clients::Clients;
use rebucket_worker::report::location::ReportStore;
use rebucket_worker::report::read::{self, JobFiles};
use rebucket_worker::report::{ReportError, ReportLocation, Tally};
use tokio::task::spawn_blocking;

use super::beside::create_beside;
use super::distinct::{Files, refuse_part_of};
use super::say::{Lines, WriteError, complain, complain_all, print_with};
use super::words::plural;
use super::{CommandError, interrupted, submissions};

/// The columns of the manifest.
const COLUMNS: [&str; 6] = [
    "source",
    "destination",
    "etag",
    "size",
    "modified",
    "version_id",
];

/// Jobs that are named when there is a choice.
const JOBS_SHOWN: usize = 10;

/// Runs the command.
pub(crate) async fn run(args: UndoArgs) -> Result<Exit, CommandError> {
    let interrupted = interrupted();
    refuse_out(&args.out)?;
    let out = (args.out != Path::new("-")).then_some(&*args.out);
    Files::default().writes("--out", out).check()?;
    if let ReportLocation::Directory(report) = &args.report {
        refuse_part_of(report, &args.out)?;
    }
    let work = async {
        let clients = Clients::from_env(args.s3).await?;
        let store = ReportStore::new(args.report.clone(), &clients.s3);
        let files = find(&store, args.job.as_ref()).await?;
        let scratch = Scratch::new(args.temp_dir.clone());
        let mut report = Report::read(&store, files, &scratch).await?;
        submissions::select(&mut report, args.submission, &args.report)?;
        let (report, mut sums) = spawn_blocking(move || {
            let sums = report.sums()?;
            Ok::<_, OutcomesError>((report, sums))
        })
        .await??;
        if sums.len() > 1 {
            return Err(submissions::several(&report, &sums));
        }
        let sums = sums.pop().unwrap_or_default();
        if let Some(job) = args.job.as_ref().filter(|job| !is_job(&report, &sums, job)) {
            return Err(missing(&store, Some(job)));
        }
        let summary = summary(&report, &sums, &args);
        write_manifest(report, &args).await?;
        Ok::<_, CommandError>(summary)
    };
    let summary = tokio::select! {
        done = work => done?,
        () = interrupted => {
            complain("rebucket: interrupted; no manifest was written");
            return Ok(Exit::Interrupted);
        }
    };
    complain_all(&summary);
    Ok(Exit::Done)
}

/// What would not be the file that its name says.
fn refuse_out(out: &Path) -> Result<(), CommandError> {
    let name = out.to_string_lossy();
    let why = if name.starts_with("s3://") {
        "is on S3"
    } else if name.ends_with(".gz") || name.ends_with(".zst") {
        "would have to be compressed"
    } else {
        return Ok(());
    };
    Err(CommandError::Usage(format!(
        "--out {name} {why}; give a local file, or - for standard output"
    )))
}

/// The one job that is meant, by its folder. The others are not read.
async fn find(
    store: &ReportStore,
    wanted: Option<&JobId>,
) -> Result<BTreeMap<String, JobFiles>, CommandError> {
    let mut jobs = read::jobs(store).await?;
    match wanted {
        Some(job) if jobs.contains_key(job.as_str()) => {
            jobs.retain(|folder, _| folder == job.as_str());
            Ok(jobs)
        }
        // The location is a job's own folder.
        Some(_) if jobs.len() == 1 && jobs.contains_key("") => Ok(jobs),
        Some(_) => Err(missing(store, wanted)),
        None if jobs.len() > 1 => Err(several(store, jobs.keys())),
        None => Ok(jobs),
    }
}

/// Whether it is this job's folder.
fn is_job(report: &Report, sums: &Sums, job: &JobId) -> bool {
    let folder = report.jobs().first().map(|job| job.folder.as_str());
    folder == Some(job.as_str()) || sums.name.as_deref() == Some(job.as_str())
}

fn missing(store: &ReportStore, wanted: Option<&JobId>) -> CommandError {
    let what = wanted.map_or_else(String::new, |job| format!(" for the job {job}"));
    ReportError::Missing(format!("{}{what}", store.location())).into()
}

fn several<'a>(
    store: &ReportStore,
    names: impl ExactSizeIterator<Item = &'a String>,
) -> CommandError {
    let (count, location) = (names.len(), store.location());
    let shown: Vec<_> = names.take(JOBS_SHOWN).map(String::as_str).collect();
    let more = if count > shown.len() { ", ..." } else { "" };
    CommandError::Usage(format!(
        "the report {location} has {count} jobs ({}{more}); name the one to take back with --job",
        shown.join(", "),
    ))
}

/// Writes the manifest in one step, so that there is never half of one, and
/// what is unfinished is removed; standard output as it comes.
async fn write_manifest(report: Report, args: &UndoArgs) -> Result<(), CommandError> {
    let (out, by_date) = (&*args.out, args.include_by_date);
    if out == Path::new("-") {
        let print = move || print_with(|out| write_rows(&report, by_date, out));
        return spawn_blocking(print).await?;
    }
    let writing = |error| CommandError::writing(out)(error);
    let (file, unfinished) = create_beside(out).map_err(writing)?;
    let written = spawn_blocking(move || {
        write_rows(&report, by_date, BufWriter::new(&file))?;
        Ok(file.sync_all().map(|()| file)?)
    });
    let file = written.await?.map_err(|error| match error {
        WriteError::Output(error) => writing(error),
        WriteError::Outcomes(error) => error.into(),
    })?;
    unfinished.replace(&file).map_err(writing)
}

/// Writes the header and a row for every task that was carried out, in the
/// order of the tasks.
fn write_rows(report: &Report, by_date: bool, out: impl Write) -> Result<(), WriteError> {
    let mut rows = csv::Writer::from_writer(out);
    rows.write_record(COLUMNS)?;
    for outcome in report.outcomes()? {
        let outcome = outcome?;
        if !matches!(outcome.outcome, Outcome::Renamed | Outcome::AlreadyRenamed) {
            continue;
        }
        if outcome.evidence == Some(Evidence::Date) && !by_date {
            continue;
        }
        rows.write_record(row(&outcome))?;
    }
    Ok(rows.flush()?)
}

/// The way back, pinned to all that is known of the object at the new name.
fn row(outcome: &OutcomeRecord) -> [String; COLUMNS.len()] {
    let (etag, size) = match &outcome.etag {
        Some(etag) => (etag.to_string(), outcome.bytes.to_string()),
        // Nobody saw the object, so its size is not known either.
        None => (String::new(), String::new()),
    };
    // `null` is whatever was written last while versioning was off.
    let version = outcome.version.as_ref().map(VersionId::as_str);
    let version = version.filter(|version| *version != "null");
    [
        outcome.destination.to_string(),
        outcome.source.to_string(),
        etag,
        size,
        outcome.modified.map_or_else(String::new, String::from),
        version.unwrap_or_default().to_owned(),
    ]
}

/// What the manifest has, and what it leaves out.
fn summary(report: &Report, sums: &Sums, args: &UndoArgs) -> Lines {
    let Sums { name, tally, .. } = sums;
    let done = tally.renamed + tally.already_renamed;
    let by_date = if args.include_by_date {
        0
    } else {
        tally.already_renamed_by_date
    };
    let rows = done - by_date;
    let job = name
        .as_ref()
        .map_or_else(|| "the job".to_owned(), |name| format!("job {name}"));
    let place = match args.out.to_str() {
        Some("-") => "standard output".to_owned(),
        _ => PathBuf::from(&args.out).display().to_string(),
    };
    let mut out = Lines::default();
    match rows {
        0 => out.add(format_args!(
            "{job}: nothing to undo; {place} has a header only"
        )),
        _ => out.add(format_args!(
            "{job}: {} to undo, in {place}",
            plural(rows, "rename")
        )),
    }
    let record = || report.jobs().iter().filter_map(|job| job.record.as_ref());
    left_out(&mut out, tally, record().next().is_some(), &args.report);
    if by_date > 0 {
        out.add(format_args!(
            "  left out: {} that count as renamed by their date alone, so that somebody else may \
             have put those objects there; look at them (evidence in `rebucket report {} --format \
             csv`), and give --include-by-date to take them back as well",
            grouped(by_date),
            args.report
        ));
    }
    if rows > 0 && record().any(|record| record.versioned == VersionPolicy::Purge) {
        out.add(PURGED);
    }
    if record().any(|record| record.linked) && tally.failed + tally.pending > 0 {
        out.add(under_way(tally, &args.report));
    }
    out
}

/// What becomes of keys that had an earlier version.
const PURGED: &str = "  the job removed versions for good (--versioned purge): where a key had an earlier \
     one, that is at the old name again, and its row fails as destination_exists; run or submit the \
     manifest with --versioned purge --if-exists overwrite to put the objects over them, as versions \
     of their own. That covers what somebody put there since, too, and in a bucket without versions \
     replaces it for good";

/// What is not done in a job whose objects may be at temporary keys.
fn under_way(tally: &Tally, location: &ReportLocation) -> String {
    format!(
        "  the job has chains or cycles: of the {} that failed or are pending, some may have their \
         objects at temporary keys, where this manifest leaves them; let the job end first, with \
         --retry-failed or a redrive for what failed, and make the manifest again from {location}",
        grouped(tally.failed + tally.pending)
    )
}

fn left_out(out: &mut Lines, tally: &Tally, recorded: bool, location: &ReportLocation) {
    let counts = [
        (tally.skipped, "skipped"),
        (tally.failed, "failed"),
        (tally.pending, "pending"),
    ];
    let parts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", grouped(*count)))
        .collect();
    if !parts.is_empty() {
        out.add(format_args!("  left out: {}", parts.join(", ")));
    }
    if !recorded {
        out.add("  how many are pending is not known: the job was submitted without --report");
    }
    if tally.pending > 0 {
        out.add(format_args!(
            "  what is renamed from now on is not in it: let the job end, or stop its workers, and \
             make the manifest again from {location}"
        ));
    }
    let unsure = tally
        .by_reason
        .get(Reason::RetriesExhausted.as_str())
        .copied()
        .unwrap_or(0);
    if unsure > 0 {
        out.add(format_args!(
            "  of the failed, {} ended as {}, and may have been carried out: look at them, or \
             submit them again, before you rely on the manifest",
            grouped(unsure),
            Reason::RetriesExhausted
        ));
    }
}
