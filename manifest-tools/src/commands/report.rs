//! `rebucket report`: what became of a job, read from what its workers wrote.

use std::fmt::Write as _;

use rebucket_manifest::Exit;
use rebucket_manifest::args::{ReportArgs, ReportFormat};
use rebucket_protocol::OutcomeRecord;
use rebucket_worker::clients::Clients;
use rebucket_worker::report::location::ReportStore;
use rebucket_worker::report::read::{JobReport, read_report};
use rebucket_worker::report::{ReportError, ReportLocation, Tally};

use super::{CommandError, print};

/// Failures that the text format lists one by one.
const FAILURES_SHOWN: usize = 20;

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

/// Runs the command.
pub(crate) async fn run(args: ReportArgs) -> Result<Exit, CommandError> {
    let clients = Clients::from_env(args.s3.s3_path_style).await;
    let store = ReportStore::new(args.report.clone(), &clients.s3);
    let mut jobs: Vec<(String, JobReport)> = read_report(&store).await?.into_iter().collect();
    if let Some(job) = &args.job {
        jobs.retain(|(name, _)| name == job.as_str());
        if jobs.is_empty() {
            return Err(ReportError::Missing(format!("{} for the job {job}", args.report)).into());
        }
    }
    let total = total(&jobs);
    let text = match args.format {
        ReportFormat::Text => text(&jobs, &total, &args.report),
        ReportFormat::Json => as_json(&total)? + "\n",
        ReportFormat::Jsonl => jsonl(&jobs)?,
        ReportFormat::Csv => csv(&jobs)?,
        ReportFormat::Html => html(&jobs, &total),
    };
    print(&text)?;
    Ok(if total.failed > 0 {
        Exit::SomeFailed
    } else {
        Exit::Done
    })
}

fn total(jobs: &[(String, JobReport)]) -> Tally {
    let mut total = Tally::default();
    for (_, job) in jobs {
        total.absorb(&job.tally());
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

fn failures(jobs: &[(String, JobReport)]) -> Vec<&OutcomeRecord> {
    let all = jobs.iter().flat_map(|(_, job)| job.outcomes.sorted());
    all.filter(|record| record.outcome == rebucket_protocol::Outcome::Failed)
        .collect()
}

fn text(jobs: &[(String, JobReport)], total: &Tally, location: &ReportLocation) -> String {
    let mut out = String::new();
    for (name, job) in jobs {
        let name = if name.is_empty() {
            "(this folder)"
        } else {
            name
        };
        out.push_str(&summary(name, &job.tally()));
    }
    if jobs.len() > 1 {
        out.push_str(&summary("(all)", total));
    }
    let failed = failures(jobs);
    for record in failed.iter().take(FAILURES_SHOWN) {
        let reason = record.reason.map_or("", |reason| reason.as_str());
        let detail = record.detail.as_deref().unwrap_or_default();
        writeln!(
            out,
            "failed: {} -> {}: {reason}: {detail}",
            record.source, record.destination
        )
        .ok();
    }
    if failed.len() > FAILURES_SHOWN {
        writeln!(
            out,
            "and {} more; all: rebucket report {location} --format jsonl",
            failed.len() - FAILURES_SHOWN
        )
        .ok();
    }
    out
}

fn as_json(value: &impl serde::Serialize) -> Result<String, CommandError> {
    serde_json::to_string(value).map_err(|error| CommandError::Usage(error.to_string()))
}

fn jsonl(jobs: &[(String, JobReport)]) -> Result<String, CommandError> {
    let mut out = String::new();
    for record in jobs.iter().flat_map(|(_, job)| job.outcomes.sorted()) {
        out.push_str(&as_json(record)?);
        out.push('\n');
    }
    Ok(out)
}

fn csv(jobs: &[(String, JobReport)]) -> Result<String, CommandError> {
    let failed = |error: &dyn std::fmt::Display| CommandError::Usage(error.to_string());
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(COLUMNS).map_err(|error| failed(&error))?;
    for record in jobs.iter().flat_map(|(_, job)| job.outcomes.sorted()) {
        let row = [
            record.task.to_string(),
            record.source.to_string(),
            record.destination.to_string(),
            record.outcome.to_string(),
            record
                .reason
                .map(|reason| reason.to_string())
                .unwrap_or_default(),
            record.detail.clone().unwrap_or_default(),
            record.bytes.to_string(),
            record
                .etag
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            record.attempts.to_string(),
            record.started.to_string(),
            record.ended.to_string(),
            record.worker.clone(),
            record.task.job().to_owned(),
        ];
        out.write_record(&row).map_err(|error| failed(&error))?;
    }
    let bytes = out.into_inner().map_err(|error| failed(&error))?;
    String::from_utf8(bytes).map_err(|error| failed(&error))
}

fn html(jobs: &[(String, JobReport)], total: &Tally) -> String {
    let mut out = String::from(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>rebucket report</title>\n\
         <style>body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem}\
         table{border-collapse:collapse;margin:1rem 0}td,th{border:1px solid #8886;padding:.3rem .7rem;\
         text-align:left;overflow-wrap:anywhere}td.n{text-align:right}</style>\n<h1>rebucket report</h1>\n\
         <table>\n<tr><th>job<th>submitted<th>renamed<th>already renamed<th>skipped<th>failed<th>pending<th>bytes\n",
    );
    let all = (jobs.len() > 1).then(|| ("all".to_owned(), total.clone()));
    let rows = jobs
        .iter()
        .map(|(name, job)| (name.clone(), job.tally()))
        .chain(all);
    for (name, tally) in rows {
        write!(out, "<tr><td>{}", escape(&name)).ok();
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
            write!(out, "<td class=n>{count}").ok();
        }
        out.push('\n');
    }
    out.push_str("</table>\n");
    let failed = failures(jobs);
    if !failed.is_empty() {
        out.push_str(
            "<h2>Failed</h2>\n<table>\n<tr><th>source<th>destination<th>reason<th>detail\n",
        );
        for record in failed {
            writeln!(
                out,
                "<tr><td>{}<td>{}<td>{}<td>{}",
                escape(&record.source.to_string()),
                escape(&record.destination.to_string()),
                record.reason.map_or("", |reason| reason.as_str()),
                escape(record.detail.as_deref().unwrap_or_default()),
            )
            .ok();
        }
        out.push_str("</table>\n");
    }
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
