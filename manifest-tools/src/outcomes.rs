//! The outcomes of a job, read from its report: one for each task, in the order
//! of the tasks, and of however many. Lines of a report come in any order, and
//! a task may have several; so they are sorted, on disk where they are many.

mod rows;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::vec;

use futures_util::stream::{self, StreamExt as _};
use rebucket_planner::SpillError;
use rebucket_planner::sorted_bytes::{ByteSorter, SortedBytes, SortedReader};
use rebucket_protocol::{JobId, OutcomeRecord, TaskId};
use rebucket_worker::report::location::ReportStore;
use rebucket_worker::report::read::{self, JobFiles};
use rebucket_worker::report::tally::Outcomes;
use rebucket_worker::report::{JobRecord, ReportError, Tally};
use tokio::task::{JoinError, spawn_blocking};

pub use rows::{RowEnd, RowEnds};

/// How much of a task's name, without its job, lines are sorted by, in bytes:
/// all of it for rows of a manifest.
const KEY_BYTES: usize = 16;

/// Memory for the lines of all jobs, in bytes.
const MEMORY: usize = 64 << 20;

/// Memory for the lines of each job, at least, in bytes.
const LEAST_MEMORY: usize = 64 << 10;

/// Files that are opened, or objects that are got, before they are due. On S3
/// a report has many, and they are small.
const READ_AHEAD: usize = 16;

/// Where lines are sorted.
#[derive(Debug, Clone)]
pub struct Scratch {
    /// The folder of temporary files, if not the system's.
    pub folder: Option<PathBuf>,
    /// How many bytes of lines are held in memory.
    pub memory: usize,
}

impl Scratch {
    /// Temporary files are in `folder`, or where the system has them.
    #[must_use]
    pub fn new(folder: Option<PathBuf>) -> Self {
        let memory = MEMORY;
        Self { folder, memory }
    }
}

/// Why outcomes cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum OutcomesError {
    /// The report.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// What has no room in memory.
    #[error(transparent)]
    Spill(#[from] SpillError),
    /// A line in a temporary file is not what was written there.
    #[error("a temporary file was altered: {0}")]
    Altered(#[source] serde_json::Error),
    /// A defect of ours.
    #[error("stopped by a defect of rebucket, please report it: {0}")]
    Defect(#[from] JoinError),
}

/// A job as its report has it.
pub struct JobReport {
    record: Option<JobRecord>,
    lines: SortedBytes<KEY_BYTES>,
    tally: Tally,
}

/// Reads every job of a report; the location may be the report's own, or one
/// job's folder in it, which is called "" then.
///
/// # Errors
/// [`OutcomesError`], among them [`ReportError::Missing`].
pub async fn read_report(
    store: &ReportStore,
    scratch: &Scratch,
) -> Result<BTreeMap<String, JobReport>, OutcomesError> {
    let jobs = read::jobs(store).await?;
    let scratch = Scratch {
        memory: (scratch.memory / jobs.len()).max(LEAST_MEMORY),
        folder: scratch.folder.clone(),
    };
    let mut reports = BTreeMap::new();
    for (name, files) in jobs {
        reports.insert(name, JobReport::read(store, &files, &scratch).await?);
    }
    Ok(reports)
}

/// Reads one job of a report; empty when nothing was recorded of it.
///
/// # Errors
/// [`OutcomesError`].
pub async fn read_job(
    store: &ReportStore,
    job: &JobId,
    scratch: &Scratch,
) -> Result<JobReport, OutcomesError> {
    let files = read::job(store, job).await?;
    JobReport::read(store, &files, scratch).await
}

impl JobReport {
    /// Reads the files of a job.
    ///
    /// # Errors
    /// [`OutcomesError`].
    pub async fn read(
        store: &ReportStore,
        files: &JobFiles,
        scratch: &Scratch,
    ) -> Result<Self, OutcomesError> {
        let record = files.record(store).await?;
        let mut sorter = ByteSorter::new(scratch.folder.as_ref(), scratch.memory);
        let names = stream::iter(files.outcomes.clone());
        let texts = names.map(|name| async move { (store.open(&name).await, name) });
        let mut texts = texts.buffered(READ_AHEAD);
        while let Some((text, name)) = texts.next().await {
            let Some(text) = text? else {
                continue;
            };
            sorter = spawn_blocking(move || {
                read::read_outcomes(&name, text, |outcome, line| {
                    Ok::<_, OutcomesError>(sorter.push(key(&outcome.task), line)?)
                })?;
                Ok::<_, OutcomesError>(sorter)
            })
            .await??;
        }
        spawn_blocking(move || Self::sorted(record, sorter.finish()?)).await?
    }

    fn sorted(
        record: Option<JobRecord>,
        lines: SortedBytes<KEY_BYTES>,
    ) -> Result<Self, OutcomesError> {
        let mut report = Self {
            record,
            lines,
            tally: Tally::default(),
        };
        for outcome in report.outcomes()? {
            let outcome = outcome?;
            let (bytes, reason) = (outcome.bytes, outcome.reason);
            report.tally.add(outcome.outcome, reason, bytes);
        }
        let submitted = report.record.as_ref().and_then(|record| record.submitted);
        report.tally.settle(submitted);
        Ok(report)
    }

    /// What was recorded at its submission, if anything.
    #[must_use]
    pub fn record(&self) -> Option<&JobRecord> {
        self.record.as_ref()
    }

    /// The sums.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The outcome of every task, by task.
    ///
    /// # Errors
    /// [`OutcomesError`].
    pub fn outcomes(&self) -> Result<OutcomesReader, OutcomesError> {
        let mut lines = self.lines.read()?;
        Ok(OutcomesReader {
            next: next(&mut lines)?,
            lines,
            same: Vec::new().into_iter(),
        })
    }

    /// What the job calls itself.
    ///
    /// # Errors
    /// [`OutcomesError`].
    pub fn job(&self) -> Result<Option<String>, OutcomesError> {
        if let Some(record) = &self.record {
            return Ok(Some(record.job.to_string()));
        }
        let first = self.outcomes()?.next().transpose()?;
        Ok(first.map(|outcome| outcome.task.job().to_owned()))
    }
}

/// What the lines of a task are sorted by. The order of rows, which have as
/// many digits each, is that of their tasks' names.
fn key(task: &TaskId) -> [u8; KEY_BYTES] {
    // Without the slash.
    let (_, name) = task.as_str().split_at(task.job().len() + 1);
    let mut key = [0; KEY_BYTES];
    for (to, from) in key.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    key
}

type Line = ([u8; KEY_BYTES], OutcomeRecord);

fn next(lines: &mut SortedReader<KEY_BYTES>) -> Result<Option<Line>, OutcomesError> {
    let Some((key, line)) = lines.next()? else {
        return Ok(None);
    };
    let outcome = serde_json::from_slice(line).map_err(OutcomesError::Altered)?;
    Ok(Some((key, outcome)))
}

/// Reads one outcome a task, in the order of the tasks.
pub struct OutcomesReader {
    lines: SortedReader<KEY_BYTES>,
    /// The first line of the next task.
    next: Option<Line>,
    /// Outcomes of tasks whose names begin alike.
    same: vec::IntoIter<OutcomeRecord>,
}

impl OutcomesReader {
    /// Reads on to the next task, and those whose names begin like its name.
    fn read(&mut self) -> Result<(), OutcomesError> {
        let Some((key, first)) = self.next.take() else {
            return Ok(());
        };
        let mut outcomes = Outcomes::default();
        outcomes.add(first);
        while let Some((other, outcome)) = next(&mut self.lines)? {
            if other != key {
                self.next = Some((other, outcome));
                break;
            }
            outcomes.add(outcome);
        }
        self.same = outcomes.into_sorted().into_iter();
        Ok(())
    }
}

impl Iterator for OutcomesReader {
    type Item = Result<OutcomeRecord, OutcomesError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.same.len() == 0
            && let Err(error) = self.read()
        {
            return Some(Err(error));
        }
        self.same.next().map(Ok)
    }
}
