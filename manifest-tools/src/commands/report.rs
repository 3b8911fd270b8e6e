//! `rebucket report`: what became of a job, read from what its workers wrote.

use std::fmt::Write as _;
use std::io::{self, Write};

use rebucket_manifest::Exit;
use rebucket_manifest::args::{ReportArgs, ReportFormat};
use rebucket_manifest::outcomes::{JobReport, OutcomesError, Scratch, read_report};
use rebucket_protocol::{Outcome, OutcomeRecord};
use rebucket_worker::clients::Clients;
use rebucket_worker::report::location::ReportStore;
use rebucket_worker::report::{ReportError, ReportLocation, Tally};

use super::{CommandError, WriteError, print_with};

/// Failures that the text format lists one by one.
const FAILURES_SHOWN: u64 = 20;

const COLUMNS: [&str; 13] = [
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
];

/// The jobs that are reported, by name.
type Jobs = Vec<(String, JobReport)>;

/// Runs the command.
pub(crate) async fn run(args: ReportArgs) -> Result<Exit, CommandError> {
    let clients = Clients::from_env(args.s3.s3_path_style).await;
    let store = ReportStore::new(args.report.clone(), &clients.s3);
    let scratch = Scratch::new(args.temp_dir.clone());
    let mut jobs: Jobs = read_report(&store, &scratch).await?.into_iter().collect();
    if let Some(job) = &args.job {
        jobs.retain(|(name, _)| name == job.as_str());
        if jobs.is_empty() {
            return Err(ReportError::Missing(format!("{} for the job {job}", args.report)).into());
        }
    }
    let total = total(&jobs);
    let exit = if total.failed > 0 {
        Exit::SomeFailed
    } else {
        Exit::Done
    };
    tokio::task::spawn_blocking(move || {
        print_with(|out| match args.format {
            ReportFormat::Text => text(&jobs, &total, &args.report, out),
            ReportFormat::Json => json_line(&total, out),
            ReportFormat::Jsonl => jsonl(&jobs, out),
            ReportFormat::Csv => csv(&jobs, out),
            ReportFormat::Html => html(&jobs, &total, out),
        })
    })
    .await??;
    Ok(exit)
}

fn total(jobs: &Jobs) -> Tally {
    let mut total = Tally::default();
    for (_, job) in jobs {
        total.absorb(job.tally());
    }
    total
}

/// One job's sums, for people.
pub(crate) fn summary(name: &str, tally: &Tally) -> String {
    let mut out = format!("job {name}: {} submitted\n", tally.submitted);
    let rows = [
        ("renamed", tally.renamed),
        ("already renamed", tally.already_renamed),
        ("skipped", tally.skipped),
        ("failed", tally.failed),
        ("pending", tally.pending),
    ];
    for (label, count) in rows {
        if count > 0 || matches!(label, "renamed" | "failed") {
            writeln!(out, "  {label:<16} {count:>12}").ok();
        }
    }
    writeln!(out, "  {:<16} {:>12}", "bytes", tally.bytes).ok();
    for (reason, count) in &tally.by_reason {
        writeln!(out, "    {reason:<24} {count}").ok();
    }
    out
}

/// The outcome of every task.
fn outcomes(jobs: &Jobs) -> impl Iterator<Item = Result<OutcomeRecord, OutcomesError>> {
    jobs.iter().flat_map(|(_, job)| {
        let (reader, error) = match job.outcomes() {
            Ok(reader) => (Some(reader), None),
            Err(error) => (None, Some(Err(error))),
        };
        reader.into_iter().flatten().chain(error)
    })
}

/// The first so many failures.
fn failures(jobs: &Jobs, count: u64) -> impl Iterator<Item = Result<OutcomeRecord, OutcomesError>> {
    let failed = |outcome: &Result<OutcomeRecord, _>| {
        outcome
            .as_ref()
            .map_or(true, |record| record.outcome == Outcome::Failed)
    };
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    outcomes(jobs).filter(failed).take(count)
}

fn text(
    jobs: &Jobs,
    total: &Tally,
    location: &ReportLocation,
    out: &mut impl Write,
) -> Result<(), WriteError> {
    for (name, job) in jobs {
        let name = if name.is_empty() {
            "(this folder)"
        } else {
            name
        };
        write!(out, "{}", summary(name, job.tally()))?;
    }
    if jobs.len() > 1 {
        write!(out, "{}", summary("(all)", total))?;
    }
    for record in failures(jobs, total.failed.min(FAILURES_SHOWN)) {
        let record = record?;
        let reason = record.reason.map_or("", |reason| reason.as_str());
        let detail = record.detail.as_deref().unwrap_or_default();
        writeln!(
            out,
            "failed: {} -> {}: {reason}: {detail}",
            record.source, record.destination
        )?;
    }
    if total.failed > FAILURES_SHOWN {
        writeln!(
            out,
            "and {} more; all: rebucket report {location} --format jsonl",
            total.failed - FAILURES_SHOWN
        )?;
    }
    Ok(())
}

fn json_line(value: &impl serde::Serialize, out: &mut impl Write) -> Result<(), WriteError> {
    serde_json::to_writer(&mut *out, value).map_err(io::Error::from)?;
    Ok(writeln!(out)?)
}

fn jsonl(jobs: &Jobs, out: &mut impl Write) -> Result<(), WriteError> {
    outcomes(jobs).try_for_each(|record| json_line(&record?, out))
}

fn csv(jobs: &Jobs, out: &mut impl Write) -> Result<(), WriteError> {
    let mut rows = csv::Writer::from_writer(out);
    rows.write_record(COLUMNS).map_err(io::Error::from)?;
    for record in outcomes(jobs) {
        let record = record?;
        let etag = record.etag.as_ref().map(ToString::to_string);
        let row = [
            record.task.to_string(),
            record.source.to_string(),
            record.destination.to_string(),
            record.outcome.to_string(),
            record
                .reason
                .map(|reason| reason.to_string())
                .unwrap_or_default(),
            record.detail.unwrap_or_default(),
            record.bytes.to_string(),
            etag.unwrap_or_default(),
            record.attempts.to_string(),
            record.started.to_string(),
            record.ended.to_string(),
            record.worker,
            record.task.job().to_owned(),
        ];
        rows.write_record(&row).map_err(io::Error::from)?;
    }
    Ok(rows.flush()?)
}

fn html(jobs: &Jobs, total: &Tally, out: &mut impl Write) -> Result<(), WriteError> {
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>rebucket report</title>\n\
         <style>body{{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem}}\
         table{{border-collapse:collapse;margin:1rem 0}}td,th{{border:1px solid #8886;padding:.3rem .7rem;\
         text-align:left;overflow-wrap:anywhere}}td.n{{text-align:right}}</style>\n<h1>rebucket report</h1>\n\
         <table>\n<tr><th>job<th>submitted<th>renamed<th>already renamed<th>skipped<th>failed<th>pending<th>bytes\n",
    )?;
    let all = (jobs.len() > 1).then_some(("all", total));
    let rows = jobs.iter().map(|(name, job)| (name.as_str(), job.tally()));
    for (name, tally) in rows.chain(all) {
        write!(out, "<tr><td>{}", escape(name))?;
        let counts = [
            tally.submitted,
            tally.renamed,
            tally.already_renamed,
            tally.skipped,
            tally.failed,
            tally.pending,
            tally.bytes,
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
        for record in failures(jobs, total.failed) {
            let record = record?;
            writeln!(
                out,
                "<tr><td>{}<td>{}<td>{}<td>{}",
                escape(&record.source.to_string()),
                escape(&record.destination.to_string()),
                record.reason.map_or("", |reason| reason.as_str()),
                escape(record.detail.as_deref().unwrap_or_default()),
            )?;
        }
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
