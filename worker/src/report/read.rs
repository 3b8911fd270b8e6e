//! Reading a report back.

use std::collections::BTreeMap;

use rebucket_protocol::OutcomeRecord;

use super::job::{JOB_FILE, JobRecord};
use super::location::{ReportError, ReportStore};
use super::tally::{Outcomes, Tally};

/// One job of a report.
#[derive(Debug, Default)]
pub struct JobReport {
    /// What was recorded at its submission, if anything.
    pub job: Option<JobRecord>,
    /// How its tasks ended.
    pub outcomes: Outcomes,
}

impl JobReport {
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
        let is_lines = file.ends_with(".jsonl");
        if !is_lines && file != JOB_FILE {
            continue;
        }
        let Some(text) = store.read(&name).await? else {
            continue;
        };
        let report = jobs.entry(job.to_owned()).or_default();
        if is_lines {
            for record in parse(&name, &text)? {
                report.outcomes.add(record);
            }
        } else {
            let malformed = |error| ReportError::Malformed {
                file: name.clone(),
                line: 1,
                error,
            };
            report.job = Some(serde_json::from_slice(&text).map_err(malformed)?);
        }
    }
    if jobs.is_empty() {
        return Err(ReportError::Missing(store.location().to_string()));
    }
    Ok(jobs)
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
