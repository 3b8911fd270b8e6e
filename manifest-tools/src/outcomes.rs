//! The outcomes of jobs, read from their report: one for each task, in the order
//! of the tasks, and of however many. Two jobs may have one name, and so one
//! folder: each submission is counted by itself. Lines of a report come in any order, and
//! a task may have several; so they are sorted, on disk where they are many.
//! Only tasks whose names begin alike are held together: no two rows of a
//! manifest are, but what others have named may be.

mod rows;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::vec;

use futures_util::stream::{self, StreamExt as _};
use rebucket_planner::SpillError;
use rebucket_planner::sorted_bytes::{ByteSorter, SortedBytes, SortedReader};
use rebucket_protocol::{JobId, OutcomeRecord, SubmissionId, TaskId, Timestamp};
use rebucket_worker::report::location::ReportStore;
use rebucket_worker::report::read::{self, JobFiles};
use rebucket_worker::report::tally::Outcomes;
use rebucket_worker::report::{JobRecord, ReportError, Tally};
use tokio::task::{JoinError, spawn_blocking};

pub use rows::{RowEnd, RowEnds};

/// The bytes that lines are sorted by: the number of the submission, and so
/// much of the task's name in it. Of a manifest's row, that is all of it.
const KEY_BYTES: usize = NUMBER_BYTES + 16;

const NUMBER_BYTES: usize = size_of::<u64>();

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

/// Submissions of a report.
pub struct Report {
    jobs: Vec<Job>,
    /// Where each number that lines are sorted by is in `jobs`; `None` where it
    /// was left out.
    places: Vec<Option<usize>>,
    lines: SortedBytes<KEY_BYTES>,
}

/// One submission of a job.
#[derive(Debug)]
pub struct Job {
    /// The job's folder; "" where the report's location is a job's own folder.
    pub folder: String,
    /// Which submission. `None` for tasks whose messages did not say: of all
    /// that were made by hand, or by a build before submissions had ids.
    pub submission: Option<SubmissionId>,
    /// What was recorded when it began, if anything.
    pub record: Option<JobRecord>,
}

/// What becomes of a submission.
#[derive(Debug, Clone, Default)]
pub struct Sums {
    /// What its job calls itself, if it says.
    pub name: Option<String>,
    /// When it began, or the first of its tasks did, if that is known.
    pub began: Option<Timestamp>,
    /// How many of its tasks ended in which way.
    pub tally: Tally,
}

/// Lines on their way to be sorted, by submission.
struct Reading {
    jobs: Vec<Job>,
    sorter: ByteSorter<KEY_BYTES>,
    /// Of the folder that is read: the numbers of its submissions.
    numbers: HashMap<Option<SubmissionId>, u64>,
}

impl Reading {
    fn add(&mut self, folder: &str, of: Option<SubmissionId>, record: Option<JobRecord>) -> u64 {
        let number = self.jobs.len() as u64;
        self.jobs.push(Job {
            folder: folder.to_owned(),
            submission: of,
            record,
        });
        self.numbers.insert(of, number);
        number
    }

    /// The next folder.
    fn begin(&mut self, folder: &str, record: Option<JobRecord>) {
        self.numbers.clear();
        if let Some(record) = record {
            self.add(folder, record.submission, Some(record));
        }
    }

    fn line(
        &mut self,
        folder: &str,
        outcome: &OutcomeRecord,
        line: &[u8],
    ) -> Result<(), SpillError> {
        let of = outcome.submission;
        let known = self.numbers.get(&of).copied();
        let number = known.unwrap_or_else(|| self.add(folder, of, None));
        self.sorter.push(key(number, &outcome.task), line)
    }

    /// A folder in which nothing was found is a job, too.
    fn end(&mut self, folder: &str) {
        if self.numbers.is_empty() {
            self.add(folder, None, None);
        }
    }
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
        let mut reading = Reading {
            jobs: Vec::with_capacity(jobs.len()),
            sorter: ByteSorter::new(scratch.folder.as_ref(), scratch.memory),
            numbers: HashMap::new(),
        };
        for (folder, files) in jobs {
            reading.begin(&folder, files.record(store).await?);
            let names = stream::iter(files.outcomes);
            let texts = names.map(|name| async move { (store.open(&name).await, name) });
            let mut texts = texts.buffered(READ_AHEAD);
            while let Some((text, name)) = texts.next().await {
                let Some(text) = text? else {
                    continue;
                };
                let folder = folder.clone();
                reading = spawn_blocking(move || {
                    read::read_outcomes(&name, text, |outcome, line| {
                        Ok::<_, OutcomesError>(reading.line(&folder, &outcome, line)?)
                    })?;
                    Ok::<_, OutcomesError>(reading)
                })
                .await??;
            }
            reading.end(&folder);
        }
        let Reading { jobs, sorter, .. } = reading;
        let lines = spawn_blocking(move || sorter.finish()).await??;
        Ok(Self {
            places: (0..jobs.len()).map(Some).collect(),
            jobs,
            lines,
        })
    }

    /// Reads one job, all of its submissions; empty when nothing was recorded
    /// of it.
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

    /// Reads one submission of a job.
    ///
    /// # Errors
    /// [`OutcomesError`].
    pub async fn of_submission(
        store: &ReportStore,
        job: &JobId,
        submission: Option<SubmissionId>,
        scratch: &Scratch,
    ) -> Result<Self, OutcomesError> {
        let mut report = Self::of_job(store, job, scratch).await?;
        report.retain(|job| job.submission == submission);
        Ok(report)
    }

    /// The submissions: by their jobs' folders, and in each first the one that
    /// was recorded there.
    #[must_use]
    pub fn jobs(&self) -> &[Job] {
        &self.jobs
    }

    /// Leaves out the others, with their outcomes.
    pub fn retain(&mut self, keep: impl Fn(&Job) -> bool) {
        let mut kept = Vec::new();
        let mut moved = vec![None; self.jobs.len()];
        for (job, place) in self.jobs.drain(..).zip(&mut moved) {
            if keep(&job) {
                *place = Some(kept.len());
                kept.push(job);
            }
        }
        self.jobs = kept;
        for place in &mut self.places {
            *place = place.and_then(|before| moved[before]);
        }
    }

    /// The sums of each submission.
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
            let began = sums.began.unwrap_or(outcome.started);
            sums.began = Some(began.min(outcome.started));
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
                sums.began = Some(record.started);
            }
        }
        Ok(sums)
    }

    /// The outcome of every task, by submission and task.
    ///
    /// # Errors
    /// [`OutcomesError`].
    pub fn outcomes(&self) -> Result<OutcomesReader, OutcomesError> {
        let mut lines = self.lines.read()?;
        Ok(OutcomesReader {
            next: next(&mut lines)?,
            lines,
            places: self.places.clone(),
            number: 0,
            same: Vec::new().into_iter(),
        })
    }
}

/// What the lines of a task are sorted by. The order of rows, which have as
/// many digits each, is that of their tasks' names.
fn key(number: u64, task: &TaskId) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    let bytes = number.to_be_bytes().into_iter().chain(task.name().bytes());
    for (to, from) in key.iter_mut().zip(bytes) {
        *to = from;
    }
    key
}

/// The number of the submission that a line is of.
fn number_of(key: [u8; KEY_BYTES]) -> u64 {
    let mut number = [0; NUMBER_BYTES];
    number.copy_from_slice(&key[..NUMBER_BYTES]);
    u64::from_be_bytes(number)
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
    /// As in [`Report`].
    places: Vec<Option<usize>>,
    /// The number of the submission that is read.
    number: u64,
    /// Outcomes of tasks whose names begin alike.
    same: vec::IntoIter<OutcomeRecord>,
}

impl OutcomesReader {
    /// Reads on to the next task, and those whose names begin like its name.
    fn read(&mut self) -> Result<(), OutcomesError> {
        let Some((key, first)) = self.next.take() else {
            return Ok(());
        };
        self.number = number_of(key);
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

    /// The next outcome, and the place of its submission in the report.
    fn next_of_job(&mut self) -> Result<Option<(usize, OutcomeRecord)>, OutcomesError> {
        loop {
            if self.same.len() == 0 {
                self.read()?;
            }
            let Some(outcome) = self.same.next() else {
                return Ok(None);
            };
            let number = usize::try_from(self.number).ok();
            let place = number.and_then(|number| self.places.get(number));
            if let Some(Some(place)) = place {
                return Ok(Some((*place, outcome)));
            }
        }
    }
}

impl Iterator for OutcomesReader {
    type Item = Result<OutcomeRecord, OutcomesError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_of_job().transpose()?;
        Some(next.map(|(_, outcome)| outcome))
    }
}
