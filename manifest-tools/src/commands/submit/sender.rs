//! Sending batches: as many side by side as the queue answers well, no faster
//! than told, and with account of what has arrived.

use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rebucket_worker::error::ServiceError;
use rebucket_worker::queue::sqs::SqsQueue;
use rebucket_worker::queue::{EntryResult, Outgoing};
use rebucket_worker::retry::{Caller, Policy};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::batches::Batch;
use super::checkpoint::{Checkpoint, CheckpointError};
use super::controller::Controller;
use super::pace::Pace;
use crate::commands::CommandError;

/// When stopped, batches in flight are waited for so long.
const IN_FLIGHT_LIMIT: Duration = Duration::from_secs(10);

/// What was confirmed is synced to the disk so often.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// What every batch in flight shares.
pub(super) struct Sender {
    queue: SqsQueue,
    caller: Caller,
    controller: Mutex<Controller>,
}

/// How a batch ended: which stretches of the plan have arrived, and why not
/// all of it.
struct Sent {
    arrived: Vec<(u64, u64)>,
    failed: Option<CommandError>,
}

/// The one who launches batches and keeps account.
pub(super) struct Dispatcher<'a> {
    pub(super) sender: Arc<Sender>,
    pub(super) pace: Pace,
    pub(super) checkpoint: &'a mut Checkpoint,
    pub(super) bar: &'a indicatif::ProgressBar,
}

impl Sender {
    /// At most `most` batches in flight.
    pub(super) fn new(queue: SqsQueue, caller: Caller, most: usize) -> Self {
        Self {
            queue,
            caller,
            controller: Mutex::new(Controller::new(most)),
        }
    }

    fn limit(&self) -> usize {
        self.controlled(|controller| controller.limit())
    }

    fn controlled<T>(&self, look: impl FnOnce(&mut Controller) -> T) -> T {
        look(
            &mut self
                .controller
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Sends one batch until every entry of it is accepted.
    async fn send(&self, batch: Batch) -> Sent {
        let positions = (batch.first..).take(batch.messages.len()).collect();
        let left = tokio::sync::Mutex::new(Left {
            positions,
            messages: batch.messages,
            arrived: Vec::new(),
        });
        let sent = self.caller.call(Policy::READ, || async {
            let mut left = left.lock().await;
            let results = self.attempt(&left.messages).await?;
            left.settle(results)
        });
        let failed = match sent.await {
            Ok(()) => None,
            Err(error) => Some(error.into()),
        };
        let arrived = left.into_inner().arrived;
        Sent { arrived, failed }
    }

    /// One request, and what its answer says of how many there may be.
    async fn attempt(&self, messages: &[Outgoing]) -> Result<Vec<EntryResult>, ServiceError> {
        let sent = Instant::now();
        let answer = self.queue.send_batch(messages).await;
        let troubled = match &answer {
            Ok(results) => results.iter().any(|result| {
                result
                    .as_ref()
                    .is_err_and(|error| error.class().is_retryable())
            }),
            Err(error) => error.class().is_retryable(),
        };
        self.controlled(|controller| {
            if troubled {
                controller.throttled(sent, Instant::now());
            } else {
                controller.answered(sent, Instant::now());
            }
        });
        answer
    }
}

/// What is left of a batch to be sent, and what arrived.
struct Left {
    positions: Vec<u64>,
    messages: Vec<Outgoing>,
    arrived: Vec<(u64, u64)>,
}

impl Left {
    /// Keeps what was not accepted and may be, and returns why not. An entry
    /// that is refused for good ends the batch.
    fn settle(&mut self, results: Vec<EntryResult>) -> Result<(), ServiceError> {
        let sent = self.positions.drain(..).zip(self.messages.drain(..));
        let (mut positions, mut messages) = (Vec::new(), Vec::new());
        let (mut transient, mut permanent) = (None, None);
        for ((position, message), result) in sent.zip(results) {
            match result {
                Ok(()) => append(&mut self.arrived, position),
                Err(error) if error.class().is_retryable() => {
                    positions.push(position);
                    messages.push(message);
                    transient = Some(error);
                }
                Err(error) => permanent = Some(error),
            }
        }
        (self.positions, self.messages) = (positions, messages);
        permanent.or(transient).map_or(Ok(()), Err)
    }
}

/// Adds a position to stretches of positions.
fn append(stretches: &mut Vec<(u64, u64)>, position: u64) {
    match stretches.last_mut() {
        Some((first, count)) if *first + *count == position => *count += 1,
        _ => stretches.push((position, 1)),
    }
}

impl Dispatcher<'_> {
    /// Sends all that comes until there is no more, something fails, or it is
    /// told to stop. What is in flight then is waited for, so that the account
    /// is true.
    pub(super) async fn run(
        &mut self,
        mut batches: mpsc::Receiver<Batch>,
        stop: &CancellationToken,
    ) -> Result<(), CommandError> {
        let mut flying: JoinSet<Sent> = JoinSet::new();
        let mut sync = Syncing::new();
        let mut more = true;
        let mut failed: Option<CommandError> = None;
        let mut give_up: Option<Instant> = None;
        while more || !flying.is_empty() {
            if give_up.is_none() && (failed.is_some() || stop.is_cancelled()) {
                // Nothing is launched any more; the reader hears of it.
                batches.close();
                more = false;
                give_up = Some(Instant::now() + IN_FLIGHT_LIMIT);
                continue;
            }
            let room = more && flying.len() < self.sender.limit();
            let due = self.pace.next() <= Instant::now();
            tokio::select! {
                Some(ended) = flying.join_next() => {
                    let sent = ended?;
                    if let Err(error) = self.account(sent.arrived, &mut sync) {
                        failed.get_or_insert(error);
                    }
                    if let Some(error) = sent.failed {
                        failed.get_or_insert(error);
                    }
                }
                batch = batches.recv(), if room && due => match batch {
                    Some(batch) => {
                        self.pace.spend(batch.messages.len(), Instant::now());
                        let sender = Arc::clone(&self.sender);
                        flying.spawn(async move { sender.send(batch).await });
                    }
                    None => more = false,
                },
                () = tokio::time::sleep_until(self.pace.next()), if room && !due => {}
                () = stop.cancelled(), if give_up.is_none() => {}
                () = until(give_up) => break,
            }
        }
        match failed {
            Some(error) => Err(error),
            None if stop.is_cancelled() => Err(CommandError::Interrupted),
            None => Ok(()),
        }
    }

    fn account(
        &mut self,
        arrived: Vec<(u64, u64)>,
        sync: &mut Syncing,
    ) -> Result<(), CommandError> {
        for (first, count) in arrived {
            self.checkpoint.confirm(first, count)?;
            self.bar.inc(count);
        }
        Ok(sync.keep_up(self.checkpoint)?)
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Syncs the checkpoint now and then, beside the sending.
struct Syncing {
    last: Instant,
    running: Option<JoinHandle<io::Result<()>>>,
}

impl Syncing {
    fn new() -> Self {
        Self {
            last: Instant::now(),
            running: None,
        }
    }

    /// Starts a sync when it is time for one and the last one has ended.
    fn keep_up(&mut self, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        let busy = self
            .running
            .as_ref()
            .is_some_and(|sync| !sync.is_finished());
        if busy || self.last.elapsed() < SYNC_EVERY {
            return Ok(());
        }
        self.last = Instant::now();
        // A sync that fails is no reason to stop: the checkpoint is only as
        // good as the disk, and a write that fails does stop it.
        self.running = checkpoint
            .handle()?
            .map(|file: File| tokio::task::spawn_blocking(move || file.sync_data()));
        Ok(())
    }
}
