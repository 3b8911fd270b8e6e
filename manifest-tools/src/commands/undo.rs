//! `rebucket undo`: the manifest that takes a job back, from its report.
//!
//! One row for each task that was carried out, from its new name to its old
//! one, pinned to the object that the report saw at the new name: what was
//! replaced since then stays where it is.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use rebucket_manifest::Exit;
use rebucket_manifest::args::undo::UndoArgs;
use rebucket_protocol::{JobId, Outcome, OutcomeRecord, Reason};
use rebucket_worker::clients::Clients;
use rebucket_worker::report::job::JOB_FILE;
use rebucket_worker::report::location::ReportStore;
use rebucket_worker::report::read::{JobReport, read_job, read_report};
use rebucket_worker::report::{ReportError, ReportLocation, Tally};

use super::beside::create_beside;
use super::{CommandError, complain, interrupted};

/// The columns of the manifest.
const COLUMNS: [&str; 4] = ["source", "destination", "etag", "size"];

/// Jobs that are named when there is a choice.
const JOBS_SHOWN: usize = 10;

/// Runs the command.
pub(crate) async fn run(args: UndoArgs) -> Result<Exit, CommandError> {
    let interrupted = interrupted();
    refuse_out(&args.out)?;
    let work = async {
        let clients = Clients::from_env(args.s3.s3_path_style).await;
        let store = ReportStore::new(args.report.clone(), &clients.s3);
        let report = find(&store, args.job.as_ref()).await?;
        let out = args.out.clone();
        tokio::task::spawn_blocking(move || {
            let rows = write_manifest(&report, &out)?;
            Ok::<_, CommandError>((report, rows))
        })
        .await?
    };
    let (report, rows) = tokio::select! {
        done = work => done?,
        () = interrupted => {
            complain("rebucket: interrupted; no manifest was written");
            return Ok(Exit::Interrupted);
        }
    };
    complain(summary(&report, rows, &args).trim_end());
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

/// The one job that is meant. The others are not read.
async fn find(store: &ReportStore, wanted: Option<&JobId>) -> Result<JobReport, CommandError> {
    let names = store.list().await?;
    let folders: BTreeSet<&str> = names.iter().filter_map(|name| folder(name)).collect();
    let missing = || {
        let what = wanted.map_or_else(String::new, |job| format!(" for the job {job}"));
        CommandError::from(ReportError::Missing(format!("{}{what}", store.location())))
    };
    if let Some(job) = wanted.filter(|job| folders.contains(job.as_str())) {
        return Ok(read_job(store, job).await?);
    }
    match (folders.first(), folders.len()) {
        (None, _) => Err(missing()),
        // The location is a job's own folder.
        (Some(&""), 1) => {
            let report = read_report(store).await?.remove("").ok_or_else(missing)?;
            match wanted {
                Some(job) if name_of(&report).as_deref() != Some(job.as_str()) => Err(missing()),
                _ => Ok(report),
            }
        }
        (Some(name), 1) if wanted.is_none() => {
            let job = JobId::new(*name).map_err(|_| missing())?;
            Ok(read_job(store, &job).await?)
        }
        _ if wanted.is_some() => Err(missing()),
        (Some(_), count) => {
            let shown: Vec<_> = folders.iter().copied().take(JOBS_SHOWN).collect();
            let more = if count > shown.len() { ", ..." } else { "" };
            Err(CommandError::Usage(format!(
                "the report {} has {count} jobs ({}{more}); name the one to take back with --job",
                store.location(),
                shown.join(", "),
            )))
        }
    }
}

/// The folder of a file that holds something of a job.
fn folder(name: &str) -> Option<&str> {
    let (folder, file) = name.rsplit_once('/').unwrap_or(("", name));
    let is_lines = Path::new(file)
        .extension()
        .is_some_and(|ending| ending == "jsonl");
    (file == JOB_FILE || is_lines).then_some(folder)
}

/// What a job calls itself.
fn name_of(report: &JobReport) -> Option<String> {
    if let Some(record) = &report.job {
        return Some(record.job.to_string());
    }
    let first = report.outcomes.sorted().into_iter().next()?;
    Some(first.task.job().to_owned())
}

/// Writes the manifest in one step, so that there is never half of one;
/// standard output as it comes. How many rows it has.
fn write_manifest(report: &JobReport, out: &Path) -> Result<u64, CommandError> {
    if out == Path::new("-") {
        return match write_rows(report, io::stdout().lock()) {
            Ok((_, rows)) => Ok(rows),
            // The reader has all that it wanted.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                Ok(undoable(report).count() as u64)
            }
            Err(error) => Err(CommandError::Stdout(error)),
        };
    }
    let written = || {
        let (file, unfinished) = create_beside(out)?;
        let (file, rows) = write_rows(report, file)?;
        unfinished.replace(&file)?;
        Ok(rows)
    };
    written().map_err(CommandError::writing(out))
}

/// Writes the header and a row for every task that was carried out.
fn write_rows<W: Write>(report: &JobReport, out: W) -> io::Result<(W, u64)> {
    let mut rows = 0;
    let mut csv = csv::Writer::from_writer(BufWriter::new(out));
    csv.write_record(COLUMNS)?;
    for record in undoable(report) {
        let (etag, size) = match &record.etag {
            Some(etag) => (etag.to_string(), record.bytes.to_string()),
            // Nobody saw the object, so its size is not known either.
            None => (String::new(), String::new()),
        };
        let (source, destination) = (record.destination.to_string(), record.source.to_string());
        csv.write_record([source, destination, etag, size])?;
        rows += 1;
    }
    let buffer = csv
        .into_inner()
        .map_err(|error| io::Error::from(error.error().kind()))?;
    let mut out = buffer
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    out.flush()?;
    Ok((out, rows))
}

/// What was carried out, in the order of the tasks.
fn undoable(report: &JobReport) -> impl Iterator<Item = &OutcomeRecord> {
    report
        .outcomes
        .sorted()
        .into_iter()
        .filter(|record| matches!(record.outcome, Outcome::Renamed | Outcome::AlreadyRenamed))
}

/// What the manifest has, and what it leaves out.
fn summary(report: &JobReport, rows: u64, args: &UndoArgs) -> String {
    let tally = report.tally();
    let job = name_of(report).map_or_else(|| "the job".to_owned(), |name| format!("job {name}"));
    let place = match args.out.to_str() {
        Some("-") => "standard output".to_owned(),
        _ => PathBuf::from(&args.out).display().to_string(),
    };
    let mut out = match rows {
        0 => format!("{job}: nothing to undo; {place} has a header only\n"),
        1 => format!("{job}: 1 rename to undo, in {place}\n"),
        _ => format!("{job}: {rows} renames to undo, in {place}\n"),
    };
    out.push_str(&left_out(report, &tally, &args.report));
    out
}

fn left_out(report: &JobReport, tally: &Tally, location: &ReportLocation) -> String {
    let mut out = String::new();
    let counts = [
        (tally.skipped, "skipped"),
        (tally.failed, "failed"),
        (tally.pending, "pending"),
    ];
    let parts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if !parts.is_empty() {
        writeln!(out, "  left out: {}", parts.join(", ")).ok();
    }
    if report.job.is_none() {
        out.push_str(
            "  how many are pending is not known: the job was submitted without --report\n",
        );
    }
    if tally.pending > 0 {
        writeln!(
            out,
            "  what is renamed from now on is not in it: let the job end, or stop its workers, and \
             make the manifest again from {location}"
        )
        .ok();
    }
    let unsure = tally
        .by_reason
        .get(Reason::RetriesExhausted.as_str())
        .copied()
        .unwrap_or(0);
    if unsure > 0 {
        writeln!(
            out,
            "  of the failed, {unsure} ended as {}, and may have been carried out: look at them, or \
             submit them again, before you rely on the manifest",
            Reason::RetriesExhausted
        )
        .ok();
    }
    out
}
