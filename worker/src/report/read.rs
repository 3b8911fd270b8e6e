//! Reading a report back, file by file: whole, it may be larger than memory.

use std::collections::BTreeMap;
use std::io::BufRead;

use rebucket_protocol::{JobId, OutcomeRecord};

use super::job::{JOB_FILE, JobRecord};
use super::location::{ReportError, ReportStore};

/// How the names of files with outcomes end.
const LINES: &str = ".jsonl";

/// The files of one job.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobFiles {
    /// What was recorded at its submission, if anything.
    pub record: Option<String>,
    /// How its tasks ended: what each process wrote.
    pub outcomes: Vec<String>,
}

impl JobFiles {
    /// The job's record.
    ///
    /// # Errors
    /// [`ReportError`].
    pub async fn record(&self, store: &ReportStore) -> Result<Option<JobRecord>, ReportError> {
        match &self.record {
            Some(name) => JobRecord::read(store, name).await,
            None => Ok(None),
        }
    }
}

/// The jobs of a report, each by its folder; the location may be the report's
/// own, or one job's folder in it, which is called "" then.
///
/// # Errors
/// [`ReportError`], among them [`ReportError::Missing`].
pub async fn jobs(store: &ReportStore) -> Result<BTreeMap<String, JobFiles>, ReportError> {
    let mut jobs: BTreeMap<String, JobFiles> = BTreeMap::new();
    for name in store.list().await? {
        let (job, file) = name.rsplit_once('/').unwrap_or(("", &name));
        let (is_record, job) = (file == JOB_FILE, job.to_owned());
        if is_record {
            jobs.entry(job).or_default().record = Some(name);
        } else if file.strip_suffix(LINES).is_some() {
            jobs.entry(job).or_default().outcomes.push(name);
        }
    }
    if jobs.is_empty() {
        return Err(ReportError::Missing(store.location().to_string()));
    }
    Ok(jobs)
}

/// The files of one job of a report; none when nothing was recorded of it.
///
/// # Errors
/// [`ReportError`].
pub async fn job(store: &ReportStore, job: &JobId) -> Result<JobFiles, ReportError> {
    match jobs(store).await {
        Ok(mut jobs) => Ok(jobs.remove(job.as_str()).unwrap_or_default()),
        Err(ReportError::Missing(_)) => Ok(JobFiles::default()),
        Err(other) => Err(other),
    }
}

/// Takes every outcome in a file, with its line. A last line without its end
/// was cut off by a crash: it was never confirmed, so its task was handed out
/// again.
///
/// # Errors
/// [`ReportError`], and whatever `take` returns.
pub fn read_outcomes<E: From<ReportError>>(
    file: &str,
    mut text: impl BufRead,
    mut take: impl FnMut(OutcomeRecord, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let read = text.read_until(b'\n', &mut line);
        read.map_err(|error| ReportError::file(file.as_ref())(error))?;
        if line.is_empty() {
            break;
        }
        if !line.ends_with(b"\n") {
            tracing::warn!(
                file,
                "the last line was cut off by a crash; it does not count"
            );
            break;
        }
        let malformed = |error| ReportError::Malformed {
            file: file.to_owned(),
            line: number,
            error,
        };
        take(serde_json::from_slice(&line).map_err(malformed)?, &line)?;
    }
    Ok(())
}
