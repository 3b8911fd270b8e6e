//! Writing outcomes, in groups: what arrives while one write is under way goes
//! out together with the next, so that one sync serves many tasks.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use rebucket_protocol::{OutcomeRecord, TaskId};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::location::ReportError;
use crate::metrics::Metrics;

/// At most so many outcomes in one write.
const GROUP: usize = 1_000;

/// A report on S3 is written at most once in so long, to keep its objects few.
const S3_LINGER: Duration = Duration::from_millis(500);

struct Entry {
    record: OutcomeRecord,
    done: oneshot::Sender<Result<(), String>>,
}

/// Where outcomes are written. Files are named relative to the report, with
/// slashes: `job/file`.
#[async_trait]
pub trait Sink: Send + Sync + 'static {
    /// True when files can grow. An object cannot: each append needs a name of
    /// its own.
    fn can_append(&self) -> bool;

    /// Appends to a file, or writes an object. Durable when it returns.
    ///
    /// # Errors
    /// [`ReportError`].
    async fn append(&self, name: &str, text: Vec<u8>) -> Result<(), ReportError>;
}

/// Records outcomes from any task. A message may be acknowledged only after
/// [`Recorder::record`] has returned `Ok`.
#[derive(Debug, Clone)]
pub struct Recorder {
    entries: Option<mpsc::Sender<Entry>>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry")
            .field("task", &self.record.task)
            .finish_non_exhaustive()
    }
}

impl Recorder {
    /// Without a report, outcomes are only logged.
    #[must_use]
    pub fn log_only() -> Self {
        Self { entries: None }
    }

    /// Starts the task that writes to `sink`, into files named after
    /// `worker`, which must be unique to this process. It ends when every
    /// clone is dropped; join the handle then.
    #[must_use]
    pub fn start(sink: impl Sink, worker: &str, metrics: Metrics) -> (Self, JoinHandle<()>) {
        let (entries, waiting) = mpsc::channel(4 * GROUP);
        let writer = Writer {
            sink,
            worker: worker.to_owned(),
            writes: 0,
            metrics,
        };
        (
            Self {
                entries: Some(entries),
            },
            tokio::spawn(writer.run(waiting)),
        )
    }

    /// Returns when the outcome is durable.
    ///
    /// # Errors
    /// [`ReportError::Closed`] when it could not be written; the task must be
    /// handed back then.
    pub async fn record(&self, record: OutcomeRecord) -> Result<(), ReportError> {
        tracing::info!(
            task = %record.task,
            outcome = record.outcome.as_str(),
            reason = record.reason.map(rebucket_protocol::Reason::as_str),
            detail = record.detail.as_deref(),
            bytes = record.bytes,
            source = %record.source,
            destination = %record.destination,
            "task ended"
        );
        let Some(entries) = &self.entries else {
            return Ok(());
        };
        let (done, written) = oneshot::channel();
        let closed = || ReportError::Closed("the writing task is gone".to_owned());
        entries
            .send(Entry { record, done })
            .await
            .map_err(|_| closed())?;
        written
            .await
            .map_err(|_| closed())?
            .map_err(ReportError::Closed)
    }
}

struct Writer<S> {
    sink: S,
    worker: String,
    writes: u64,
    metrics: Metrics,
}

impl<S: Sink> Writer<S> {
    async fn run(mut self, mut waiting: mpsc::Receiver<Entry>) {
        let mut group = Vec::new();
        while waiting.recv_many(&mut group, GROUP).await > 0 {
            if !self.sink.can_append() {
                tokio::time::sleep(S3_LINGER).await;
                while group.len() < GROUP
                    && let Ok(entry) = waiting.try_recv()
                {
                    group.push(entry);
                }
            }
            let mut jobs: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
            for entry in group.drain(..) {
                jobs.entry(job_of(&entry.record.task))
                    .or_default()
                    .push(entry);
            }
            for (job, entries) in jobs {
                self.commit(&job, entries).await;
            }
        }
    }

    async fn commit(&mut self, job: &str, entries: Vec<Entry>) {
        self.writes += 1;
        let name = if self.sink.can_append() {
            format!("{job}/{}.jsonl", self.worker)
        } else {
            format!("{job}/{}-{:08}.jsonl", self.worker, self.writes)
        };
        let result = match lines(&entries) {
            Ok(text) => self
                .sink
                .append(&name, text)
                .await
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        self.metrics.report_commits.inc();
        if let Err(error) = &result {
            tracing::error!(
                error,
                "could not write the report; its tasks will be handed back"
            );
        }
        for entry in entries {
            // The task may have been cancelled meanwhile; its line stays.
            drop(entry.done.send(result.clone()));
        }
    }
}

fn job_of(task: &TaskId) -> String {
    task.job().to_owned()
}

fn lines(entries: &[Entry]) -> Result<Vec<u8>, serde_json::Error> {
    let mut text = Vec::with_capacity(entries.len() * 512);
    for entry in entries {
        serde_json::to_writer(&mut text, &entry.record)?;
        text.push(b'\n');
    }
    Ok(text)
}
