//! Reading a report back.

use std::collections::BTreeMap;

use rebucket_protocol::{JobId, OutcomeRecord};

use super::job::{JOB_FILE, JobRecord};
use super::location::{ReportError, ReportStore};
use super::tally::{Outcomes, Tally};

/// How the names of files with outcomes end.
const LINES: &str = ".jsonl";

/// One job of a report.
#[derive(Debug, Default)]
pub struct JobReport {
    /// What was recorded at its submission, if anything.
    pub job: Option<JobRecord>,
    /// How its tasks ended.
    pub outcomes: Outcomes,
}

impl JobReport {
    async fn read_file(&mut self, store: &ReportStore, name: &str) -> Result<(), ReportError> {
        let Some(text) = store.read(name).await? else {
            return Ok(());
        };
        if has_lines(name) {
            for record in parse(name, &text)? {
                self.outcomes.add(record);
            }
        } else {
            self.job = Some(serde_json::from_slice(&text).map_err(|error| {
                let file = name.to_owned();
                ReportError::Malformed {
                    file,
                    line: 1,
                    error,
                }
            })?);
        }
        Ok(())
    }

    /// The sums.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.outcomes
            .tally(self.job.as_ref().and_then(|job| job.submitted))
    }
}

/// Reads every job of a report; the location may be the report's own, or one
/// job's folder in it.
///
/// # Errors
/// [`ReportError`], among them [`ReportError::Missing`].
pub async fn read_report(store: &ReportStore) -> Result<BTreeMap<String, JobReport>, ReportError> {
    let mut jobs: BTreeMap<String, JobReport> = BTreeMap::new();
    for name in store.list().await? {
        let (job, file) = name.rsplit_once('/').unwrap_or(("", &name));
        if is_report_file(file) {
            let report = jobs.entry(job.to_owned()).or_default();
            report.read_file(store, &name).await?;
        }
    }
    if jobs.is_empty() {
        return Err(ReportError::Missing(store.location().to_string()));
    }
    Ok(jobs)
}

/// Reads one job of a report; empty when nothing was recorded of it.
///
/// # Errors
/// [`ReportError`].
pub async fn read_job(store: &ReportStore, job: &JobId) -> Result<JobReport, ReportError> {
    let names = match store.list().await {
        Ok(names) => names,
        Err(ReportError::Missing(_)) => Vec::new(),
        Err(other) => return Err(other),
    };
    let mut report = JobReport::default();
    for name in names {
        if let Some((folder, file)) = name.rsplit_once('/')
            && folder == job.as_str()
            && is_report_file(file)
        {
            report.read_file(store, &name).await?;
        }
    }
    Ok(report)
}

fn has_lines(file: &str) -> bool {
    file.strip_suffix(LINES).is_some()
}

fn is_report_file(file: &str) -> bool {
    file == JOB_FILE || has_lines(file)
}

/// The outcomes in one file. A last line without its end was cut off by a
/// crash: it was never confirmed, so its task was handed out again.
fn parse(file: &str, text: &[u8]) -> Result<Vec<OutcomeRecord>, ReportError> {
    let mut records = Vec::new();
    for (index, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        if !line.ends_with(b"\n") {
            tracing::warn!(
                file,
                "the last line was cut off by a crash; it does not count"
            );
            break;
        }
        let malformed = |error| ReportError::Malformed {
            file: file.to_owned(),
            line: index + 1,
            error,
        };
        records.push(serde_json::from_slice(line).map_err(malformed)?);
    }
    Ok(records)
}
