//! The outcomes of jobs, read from their report: one for each task, in the order
//! of the tasks, and of however many. Lines of a report come in any order, and
//! a task may have several; so they are sorted, on disk where they are many.
//! Only tasks whose names begin alike are held together: no two rows of a
//! manifest are, but what others have named may be.

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

/// The bytes that lines are sorted by: the number of the job, and so much of
/// the task's name in it. Of a manifest's row, that is all of it.
const KEY_BYTES: usize = JOB_BYTES + 16;

const JOB_BYTES: usize = size_of::<u32>();

/// Memory for lines, in bytes.
const MEMORY: usize = 64 << 20;

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

/// Jobs of a report.
pub struct Report {
    jobs: Vec<Job>,
    lines: SortedBytes<KEY_BYTES>,
}

/// One of them.
#[derive(Debug)]
pub struct Job {
    /// Its folder; "" where the report's location is a job's own folder.
    pub folder: String,
    /// What was recorded at its submission, if anything.
    pub record: Option<JobRecord>,
}

/// What becomes of a job.
#[derive(Debug, Clone, Default)]
pub struct Sums {
    /// What it calls itself, if it says.
    pub name: Option<String>,
    /// How many of its tasks ended in which way.
    pub tally: Tally,
}

impl Report {
    /// Reads the files of jobs, by their folders.
    ///
    /// # Errors
    /// [`OutcomesError`].
    pub async fn read(
        store: &ReportStore,
        jobs: BTreeMap<String, JobFiles>,
        scratch: &Scratch,
    ) -> Result<Self, OutcomesError> {
        let mut sorter = ByteSorter::new(scratch.folder.as_ref(), scratch.memory);
        let mut read = Vec::with_capacity(jobs.len());
        for ((folder, files), number) in jobs.into_iter().zip(0..) {
            let record = files.record(store).await?;
            read.push(Job { folder, record });
            let names = stream::iter(files.outcomes);
            let texts = names.map(|name| async move { (store.open(&name).await, name) });
            let mut texts = texts.buffered(READ_AHEAD);
            while let Some((text, name)) = texts.next().await {
                let Some(text) = text? else {
                    continue;
                };
                sorter = spawn_blocking(move || {
                    read::read_outcomes(&name, text, |outcome, line| {
                        Ok::<_, OutcomesError>(sorter.push(key(number, &outcome.task), line)?)
                    })?;
                    Ok::<_, OutcomesError>(sorter)
                })
                .await??;
            }
        }
        let lines = spawn_blocking(move || sorter.finish()).await??;
        Ok(Self { jobs: read, lines })
    }

    /// Reads one job; empty when nothing was recorded of it.
    ///
    /// # Errors
    /// [`OutcomesError`].
    pub async fn of_job(
        store: &ReportStore,
        job: &JobId,
        scratch: &Scratch,
    ) -> Result<Self, OutcomesError> {
        let files = read::job(store, job).await?;
        let jobs = BTreeMap::from([(job.to_string(), files)]);
        Self::read(store, jobs, scratch).await
    }

    /// The jobs, by their folders.
    #[must_use]
    pub fn jobs(&self) -> &[Job] {
        &self.jobs
    }

    /// The sums of each job.
    ///
    /// # Errors
    /// [`OutcomesError`].
    pub fn sums(&self) -> Result<Vec<Sums>, OutcomesError> {
        let mut sums = vec![Sums::default(); self.jobs.len()];
        let mut outcomes = self.outcomes()?;
        while let Some((job, outcome)) = outcomes.next_of_job()? {
            let Some(sums) = sums.get_mut(job) else {
                continue;
            };
            let (ended, evidence) = (outcome.outcome, outcome.evidence);
            sums.tally
                .add(ended, evidence, outcome.reason, outcome.bytes);
            if sums.name.is_none() {
                sums.name = Some(outcome.task.job().to_owned());
            }
        }
        for (sums, job) in sums.iter_mut().zip(&self.jobs) {
            let record = job.record.as_ref();
            sums.tally
                .settle(record.and_then(|record| record.submitted));
            if let Some(record) = record {
                sums.name = Some(record.job.to_string());
            }
        }
        Ok(sums)
    }

    /// The outcome of every task, by job and task.
    ///
    /// # Errors
    /// [`OutcomesError`].
    pub fn outcomes(&self) -> Result<OutcomesReader, OutcomesError> {
        let mut lines = self.lines.read()?;
        Ok(OutcomesReader {
            next: next(&mut lines)?,
            lines,
            job: 0,
            same: Vec::new().into_iter(),
        })
    }
}

/// What the lines of a task are sorted by. The order of rows, which have as
/// many digits each, is that of their tasks' names.
fn key(job: u32, task: &TaskId) -> [u8; KEY_BYTES] {
    // Without the slash.
    let (_, name) = task.as_str().split_at(task.job().len() + 1);
    let mut key = [0; KEY_BYTES];
    let bytes = job.to_be_bytes().into_iter().chain(name.bytes());
    for (to, from) in key.iter_mut().zip(bytes) {
        *to = from;
    }
    key
}

/// The number of the job that a line is of.
fn job_of(key: [u8; KEY_BYTES]) -> usize {
    let mut job = [0; JOB_BYTES];
    job.copy_from_slice(&key[..JOB_BYTES]);
    u32::from_be_bytes(job) as usize
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
    /// The number of the job that is read.
    job: usize,
    /// Outcomes of tasks whose names begin alike.
    same: vec::IntoIter<OutcomeRecord>,
}

impl OutcomesReader {
    /// Reads on to the next task, and those whose names begin like its name.
    fn read(&mut self) -> Result<(), OutcomesError> {
        let Some((key, first)) = self.next.take() else {
            return Ok(());
        };
        self.job = job_of(key);
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

    /// The next outcome, and the number of its job.
    fn next_of_job(&mut self) -> Result<Option<(usize, OutcomeRecord)>, OutcomesError> {
        if self.same.len() == 0 {
            self.read()?;
        }
        Ok(self.same.next().map(|outcome| (self.job, outcome)))
    }
}

impl Iterator for OutcomesReader {
    type Item = Result<OutcomeRecord, OutcomesError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_of_job().transpose()?;
        Some(next.map(|(_, outcome)| outcome))
    }
}
