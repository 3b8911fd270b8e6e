//! `rebucket report`: what became of a job, read from what its workers wrote.

use std::io::{self, Write};

use rebucket_manifest::Exit;
use rebucket_manifest::args::{ReportArgs, ReportFormat};
use rebucket_manifest::outcomes::{Report, Scratch};
use rebucket_protocol::printable::grouped;
use rebucket_protocol::{Outcome, OutcomeRecord};
use rebucket_worker::clients::Clients;
use rebucket_worker::report::location::ReportStore;
use rebucket_worker::report::{ReportError, ReportLocation, Tally, read};
use tokio::task::spawn_blocking;

use super::say::{Lines, WriteError, complain, print_with};
use super::words::scaled;
use super::{CommandError, submissions};

/// Failures that the text format lists one by one.
const FAILURES_SHOWN: u64 = 20;

const COLUMNS: [&str; 17] = [
    "task",
    "source",
    "destination",
    "outcome",
    "reason",
    "detail",
    "bytes",
    "etag",
    "attempts",
    "started",
    "ended",
    "worker",
    "job",
    "version",
    "modified",
    "evidence",
    "submission",
];

/// Runs the command.
pub(crate) async fn run(args: ReportArgs) -> Result<Exit, CommandError> {
    let clients = Clients::from_env(args.s3).await?;
    let store = ReportStore::new(args.report.clone(), &clients.s3);
    let mut jobs = read::jobs(&store).await?;
    if let Some(job) = &args.job {
        jobs.retain(|folder, _| folder == job.as_str());
        if jobs.is_empty() {
            return Err(ReportError::Missing(format!("{} for the job {job}", args.report)).into());
        }
    }
    let scratch = Scratch::new(args.temp_dir.clone());
    let mut report = Report::read(&store, jobs, &scratch).await?;
    submissions::select(&mut report, args.submission, &args.report)?;
    if let Some(note) = submissions::note(&report) {
        complain(note);
    }
    spawn_blocking(move || print_report(&report, &args)).await?
}

fn print_report(report: &Report, args: &ReportArgs) -> Result<Exit, CommandError> {
    let sums = report.sums()?;
    let mut total = Tally::default();
    for sums in &sums {
        total.absorb(&sums.tally);
    }
    let names = submissions::names(report, &sums).into_iter();
    let jobs: Jobs = names.zip(sums.iter().map(|sums| &sums.tally)).collect();
    print_with(|out| match args.format {
        ReportFormat::Text => {
            let text = text(report, &jobs, &total, &args.report)?;
            Ok(write!(out, "{text}")?)
        }
        ReportFormat::Json => json_line(&total, out),
        ReportFormat::Jsonl => jsonl(report, out),
        ReportFormat::Csv => csv(report, out),
        ReportFormat::Html => html(report, &jobs, &total, out),
    })?;
    Ok(if total.failed > 0 {
        Exit::SomeFailed
    } else {
        Exit::Done
    })
}

/// The sums of each submission, and how it is called.
type Jobs<'a> = Vec<(String, &'a Tally)>;

/// One job's sums, for people.
pub(crate) fn summary(name: &str, tally: &Tally) -> Lines {
    let mut out = Lines::default();
    let submitted = grouped(tally.submitted);
    out.add(format_args!("job {name}: {submitted} submitted"));
    let rows = [
        ("renamed", tally.renamed),
        ("already renamed", tally.already_renamed),
        ("  by date alone", tally.already_renamed_by_date),
        ("skipped", tally.skipped),
        ("failed", tally.failed),
        ("pending", tally.pending),
    ];
    for (label, count) in rows {
        if count > 0 || matches!(label, "renamed" | "failed") {
            out.add(format_args!("  {label:<16} {:>12}", grouped(count)));
        }
    }
    let (bytes, about) = (grouped(tally.bytes), scaled(tally.bytes));
    out.add(format_args!("  {:<16} {bytes:>12}{about}", "bytes"));
    if !tally.by_reason.is_empty() {
        let which = match (tally.skipped, tally.failed) {
            (_, 0) => "why skipped",
            (0, _) => "why failed",
            _ => "why skipped or failed",
        };
        out.add(format_args!("  {which}"));
    }
    for (reason, count) in &tally.by_reason {
        out.add(format_args!("    {reason:<24} {}", grouped(*count)));
    }
    out
}

/// Hands over the first so many failures.
fn failures(
    report: &Report,
    count: u64,
    mut show: impl FnMut(OutcomeRecord) -> io::Result<()>,
) -> Result<(), WriteError> {
    let mut left = count;
    for outcome in report.outcomes()? {
        // Without reading on.
        if left == 0 {
            break;
        }
        let outcome = outcome?;
        if outcome.outcome == Outcome::Failed {
            show(outcome)?;
            left -= 1;
        }
    }
    Ok(())
}

fn text(
    report: &Report,
    jobs: &Jobs<'_>,
    total: &Tally,
    location: &ReportLocation,
) -> Result<Lines, WriteError> {
    let mut out = Lines::default();
    for (name, tally) in jobs {
        out.append(&summary(name, tally));
    }
    if jobs.len() > 1 {
        out.append(&summary("(all)", total));
    }
    failures(report, total.failed.min(FAILURES_SHOWN), |record| {
        let reason = record.reason.map_or("", |reason| reason.as_str());
        let detail = record.detail.as_deref().unwrap_or_default();
        out.add(format_args!(
            "failed: {} -> {}: {reason}: {detail}",
            record.source, record.destination
        ));
        Ok(())
    })?;
    if total.failed > FAILURES_SHOWN {
        out.add(format_args!(
            "and {} more; all: rebucket report {location} --format jsonl",
            grouped(total.failed - FAILURES_SHOWN)
        ));
    }
    Ok(out)
}

fn json_line(value: &impl serde::Serialize, out: &mut impl Write) -> Result<(), WriteError> {
    serde_json::to_writer(&mut *out, value).map_err(io::Error::from)?;
    Ok(writeln!(out)?)
}

fn jsonl(report: &Report, out: &mut impl Write) -> Result<(), WriteError> {
    report
        .outcomes()?
        .try_for_each(|record| json_line(&record?, out))
}

fn csv(report: &Report, out: &mut impl Write) -> Result<(), WriteError> {
    let mut rows = csv::Writer::from_writer(out);
    rows.write_record(COLUMNS)?;
    for record in report.outcomes()? {
        let record = record?;
        let or_nothing = |value: Option<String>| value.unwrap_or_default();
        let submission = record.submission.as_ref().map(ToString::to_string);
        let row = [
            record.task.to_string(),
            record.source.to_string(),
            record.destination.to_string(),
            record.outcome.to_string(),
            or_nothing(record.reason.map(|reason| reason.to_string())),
            or_nothing(record.detail),
            record.bytes.to_string(),
            or_nothing(record.etag.map(|etag| etag.to_string())),
            record.attempts.to_string(),
            record.started.to_string(),
            record.ended.to_string(),
            record.worker,
            record.task.job().to_owned(),
            or_nothing(record.version.map(String::from)),
            or_nothing(record.modified.map(|modified| modified.to_string())),
            or_nothing(record.evidence.map(|evidence| evidence.to_string())),
            submission.unwrap_or_default(),
        ];
        rows.write_record(&row)?;
    }
    Ok(rows.flush()?)
}

fn html(
    report: &Report,
    jobs: &Jobs<'_>,
    total: &Tally,
    out: &mut impl Write,
) -> Result<(), WriteError> {
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>rebucket report</title>\n\
         <style>body{{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem}}\
         table{{border-collapse:collapse;margin:1rem 0}}td,th{{border:1px solid #8886;padding:.3rem .7rem;\
         text-align:left;overflow-wrap:anywhere}}td.n{{text-align:right}}</style>\n<h1>rebucket report</h1>\n\
         <table>\n<tr><th>job<th>submitted<th>renamed<th>already renamed<th>skipped<th>failed<th>pending<th>bytes\
         <th>already renamed by date alone\n",
    )?;
    let all = (jobs.len() > 1).then(|| ("all".to_owned(), total));
    for (name, tally) in jobs.iter().chain(&all) {
        write!(out, "<tr><td>{}", escape(name))?;
        let counts = [
            tally.submitted,
            tally.renamed,
            tally.already_renamed,
            tally.skipped,
            tally.failed,
            tally.pending,
            tally.bytes,
            tally.already_renamed_by_date,
        ];
        for count in counts {
            write!(out, "<td class=n>{count}")?;
        }
        writeln!(out)?;
    }
    writeln!(out, "</table>")?;
    if total.failed > 0 {
        writeln!(
            out,
            "<h2>Failed</h2>\n<table>\n<tr><th>source<th>destination<th>reason<th>detail"
        )?;
        failures(report, total.failed, |record| {
            writeln!(
                out,
                "<tr><td>{}<td>{}<td>{}<td>{}",
                escape(&record.source.to_string()),
                escape(&record.destination.to_string()),
                record.reason.map_or("", |reason| reason.as_str()),
                escape(record.detail.as_deref().unwrap_or_default()),
            )
        })?;
        writeln!(out, "</table>")?;
    }
    Ok(())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
