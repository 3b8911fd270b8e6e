//! The simulated world: both services, the report, the auditor, and the log
//! of what happened, all under one lock and one clock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rebucket_protocol::Timestamp;
use rebucket_simulator::clock::Millis;
use rebucket_simulator::s3::S3;
use rebucket_simulator::sqs::Sqs;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::audit::Audit;
use super::outsider::{Ambush, Appointment};
use super::twist::Twist;

/// When every simulation begins: 2026-01-01 00:00:00 UTC.
pub const EPOCH: Millis = Millis(1_767_225_600_000);

/// A change that a request makes when it arrives.
type Change = Box<dyn FnOnce(&mut State, Millis) + Send>;

/// What the lock is around.
pub struct State {
    /// The object store.
    pub s3: S3,
    /// The queues.
    pub sqs: Sqs,
    /// The report's files.
    pub report: BTreeMap<String, Vec<u8>>,
    /// Watches every change.
    pub audit: Audit,
    /// What an outsider does in answer to a worker.
    pub ambushes: Vec<Ambush>,
    /// What an outsider does right after a request: of which process, and
    /// its how manieth.
    pub appointments: Vec<Appointment>,
    /// What happened, if it is wanted.
    pub log: Option<Vec<String>>,
    /// Requests that nobody waits for any more and that still arrive.
    late: Vec<(Millis, Change)>,
    /// Requests that reached a service.
    pub requests: u64,
}

/// The world. Everything in it happens at the runtime's virtual time.
pub struct Cloud {
    state: Mutex<State>,
    began: Instant,
    /// Woken when a message may have become visible out of turn.
    pub sent: Notify,
    /// What is unusual about it.
    pub twist: Twist,
}

impl Cloud {
    /// A world that begins now, at [`EPOCH`].
    #[must_use]
    pub fn new(s3: S3, sqs: Sqs, audit: Audit, log: bool, twist: Twist) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                s3,
                sqs,
                report: BTreeMap::new(),
                audit,
                ambushes: Vec::new(),
                appointments: Vec::new(),
                log: log.then(Vec::new),
                late: Vec::new(),
                requests: 0,
            }),
            began: Instant::now(),
            sent: Notify::new(),
            twist,
        })
    }

    /// The services' clock.
    #[must_use]
    pub fn now(&self) -> Millis {
        EPOCH + self.began.elapsed()
    }

    /// When a time of the services' clock comes.
    #[must_use]
    pub fn instant(&self, at: Millis) -> Instant {
        self.began + Duration::from_millis(at.0.saturating_sub(EPOCH.0))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something in the world, after what was due before.
    pub fn with<T>(&self, act: impl FnOnce(&mut State, Millis) -> T) -> T {
        let now = self.now();
        let mut state = self.lock();
        while let Some(due) = state.late.iter().position(|(at, _)| *at <= now) {
            let (at, change) = state.late.remove(due);
            change(&mut state, at);
        }
        act(&mut state, now)
    }

    /// Lets a request arrive later, with nobody waiting for its answer.
    pub fn later(&self, after: Duration, change: Change) {
        let at = self.now() + after;
        let mut state = self.lock();
        let place = state.late.partition_point(|(due, _)| *due <= at);
        state.late.insert(place, (at, change));
    }

    /// True if what happens is logged.
    #[must_use]
    pub fn is_logged(&self) -> bool {
        self.lock().log.is_some()
    }

    /// Writes a line to the log, if there is one.
    pub fn note(&self, line: impl FnOnce() -> String) {
        let now = self.now();
        self.lock().note(now, line);
    }
}

impl State {
    /// Writes a line to the log, if there is one.
    pub fn note(&mut self, now: Millis, line: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            let since = now.0.saturating_sub(EPOCH.0);
            log.push(format!(
                "{:>6}.{:03} {}",
                since / 1_000,
                since % 1_000,
                line()
            ));
        }
    }
}

/// A time of the services as the protocol writes it.
#[must_use]
pub fn timestamp(at: Millis) -> Timestamp {
    i64::try_from(at.0)
        .ok()
        .and_then(Timestamp::from_unix_millis)
        .expect("a time within the years that can be written")
}

/// The same in whole seconds, as S3 shows it.
#[must_use]
pub fn timestamp_seconds(at: Millis) -> Timestamp {
    timestamp(Millis(at.seconds() * 1_000))
}
