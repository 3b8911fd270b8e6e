//! The line from one worker process to the world. Requests on it take time,
//! fail, arrive without their answers, and end with the process.
//!
//! A process that is dead, or frozen, says and hears nothing: its requests do
//! not return. That is all there is to a death, because a worker touches the
//! world through its requests alone.

use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::poll_immediate;
use rebucket_simulator::clock::Millis;
use rebucket_worker::error::{ErrorClass, ServiceError};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::audit::SCRATCH;
use super::cloud::{Cloud, State};
use super::fate::{Course, Director, Fate, Moment};

/// How long the clients of queue and report wait for an answer.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(20);

/// One worker process.
pub struct Process {
    /// Its number; a restarted worker is another process.
    pub number: u16,
    cloud: Arc<Cloud>,
    director: Arc<dyn Director>,
    requests: AtomicU32,
    life: Mutex<Life>,
    /// Woken when it dies.
    pub died: Notify,
    /// What it asked for, in order, if that is wanted.
    pub asked: Mutex<Option<Vec<(&'static str, String)>>>,
}

#[derive(Debug, Default)]
struct Life {
    dead: bool,
    frozen_until: Option<Instant>,
}

/// A request on its way: if nobody waits for it any more, it may arrive all
/// the same.
struct OnItsWay<'a, F: FnOnce(&mut State, Millis) + Send + 'static> {
    cloud: &'a Cloud,
    apply: Option<F>,
    lingers: Option<Duration>,
}

impl<F: FnOnce(&mut State, Millis) + Send + 'static> Drop for OnItsWay<'_, F> {
    fn drop(&mut self) {
        if let (Some(apply), Some(after)) = (self.apply.take(), self.lingers) {
            self.cloud.later(after, Box::new(apply));
        }
    }
}

/// Somebody who waits for the answer to a request that leaves something behind.
/// A process
/// that went away before cannot know how it ended, and may leave it behind.
struct Waiting<'a> {
    process: &'a Process,
    heard: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.heard {
            let number = self.process.number;
            let cloud = &self.process.cloud;
            cloud.with(|state, _| state.audit.excused.insert(number));
        }
    }
}

impl Process {
    /// A process whose requests the director decides about.
    #[must_use]
    pub fn start(number: u16, cloud: Arc<Cloud>, director: Arc<dyn Director>) -> Arc<Self> {
        Arc::new(Self {
            number,
            cloud,
            director,
            requests: AtomicU32::new(0),
            life: Mutex::default(),
            died: Notify::new(),
            asked: Mutex::new(None),
        })
    }

    /// From now on, what it asks for is written down.
    pub fn write_down(&self) {
        if let Ok(mut asked) = self.asked.lock() {
            asked.get_or_insert_default();
        }
    }

    /// The world it is in.
    #[must_use]
    pub fn cloud(&self) -> &Arc<Cloud> {
        &self.cloud
    }

    /// How many requests it has begun.
    #[must_use]
    pub fn requests(&self) -> u32 {
        self.requests.load(Ordering::SeqCst)
    }

    fn life(&self) -> std::sync::MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True once it has died.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.life().dead
    }

    /// Ends it: nothing of it is ever heard again.
    pub fn kill(&self) {
        self.life().dead = true;
        self.cloud.note(|| format!("w{} dies", self.number));
        self.died.notify_one();
    }

    /// Freezes it for a while.
    pub fn freeze(&self, by: Duration) {
        let until = Instant::now() + by;
        let mut life = self.life();
        life.frozen_until = life.frozen_until.max(Some(until));
        drop(life);
        self.cloud
            .note(|| format!("w{} is frozen for {by:?}", self.number));
    }

    /// Ends a freeze.
    pub fn thaw(&self) {
        self.life().frozen_until = None;
    }

    /// Waits out a freeze, and for ever once dead. True if it was frozen.
    async fn awake(&self) -> bool {
        let mut was_frozen = false;
        loop {
            let frozen_until = {
                let mut life = self.life();
                if life
                    .frozen_until
                    .is_some_and(|until| until <= Instant::now())
                {
                    life.frozen_until = None;
                }
                if life.dead {
                    None
                } else if life.frozen_until.is_none() {
                    return was_frozen;
                } else {
                    life.frozen_until
                }
            };
            match frozen_until {
                Some(until) => {
                    was_frozen = true;
                    // In steps, because it may thaw earlier.
                    let step = Instant::now() + Duration::from_secs(1);
                    tokio::time::sleep_until(until.min(step)).await;
                }
                None => std::future::pending().await,
            }
        }
    }

    /// Sends a request whose caller does not watch the time: it is given up
    /// after a while, as the real clients do.
    pub(super) async fn bounded<T: Send + 'static>(
        &self,
        operation: &'static str,
        target: impl Fn() -> String + Send + Sync,
        apply: impl FnOnce(&mut State, Millis) -> Result<T, ServiceError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let request = self.request(operation, &target, apply);
        tokio::time::timeout(GIVEN_UP_AFTER, request)
            .await
            .unwrap_or_else(|_| Err(lost(operation, &target)))
    }

    /// Sends a request, which `apply` carries out when it arrives.
    pub(super) async fn request<T: Send + 'static>(
        &self,
        operation: &'static str,
        target: impl Fn() -> String + Send + Sync,
        apply: impl FnOnce(&mut State, Millis) -> Result<T, ServiceError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        if self.awake().await {
            // The code before this did not run while frozen; only its timers
            // did, here. What it would do after waking it does after this.
            return Err(lost(operation, &target));
        }
        let number = self.requests.fetch_add(1, Ordering::SeqCst);
        if let Ok(mut asked) = self.asked.lock()
            && let Some(asked) = asked.as_mut()
        {
            asked.push((operation, target()));
        }
        let course = self.director.course(self.number, number);
        // Requests that make something which somebody must remove again.
        let leaves_something = match operation {
            "CreateMultipartUpload"
            | "CompleteMultipartUpload"
            | "AbortMultipartUpload"
            | "HeadObject" => true,
            "CopyObject" | "DeleteObject" => target().contains(SCRATCH),
            _ => false,
        };
        let troubled = match course.fate {
            Fate::Answered => false,
            Fate::Death(_) | Fate::Frozen(_) => true,
            _ => leaves_something,
        };
        if troubled {
            let number = self.number;
            self.cloud
                .with(|state, _| state.audit.excused.insert(number));
        }
        let mut waiting = Waiting {
            process: self,
            heard: !leaves_something,
        };
        if course.fate == Fate::Death(Moment::Before) {
            self.name(number, operation, &target, "is never sent");
            self.kill();
            self.awake().await;
        }
        let answer = self
            .deliver(operation, &target, number, course, apply)
            .await;
        match course.fate {
            Fate::Death(Moment::Applied) => {
                self.kill();
                self.awake().await;
            }
            Fate::Frozen(by) => self.freeze(by),
            _ => {}
        }
        tokio::time::sleep(course.back).await;
        self.awake().await;
        waiting.heard = true;
        match course.fate {
            Fate::Death(_) => {
                self.kill();
                std::future::pending().await
            }
            Fate::Silence { .. } => std::future::pending().await,
            Fate::ReplyLost => Err(lost(operation, &target)),
            Fate::Impostor { .. } => Err(not_the_service(operation, &target)),
            Fate::Panic => panic!("a bug, as it was told to have one"),
            Fate::Asleep(by) => {
                // Polled once, it sets the clock; it would then let others run.
                let advance = pin!(tokio::time::advance(by));
                poll_immediate(advance).await;
                answer
            }
            _ => answer,
        }
    }

    /// The way there, and what the service does.
    async fn deliver<T: Send + 'static>(
        &self,
        operation: &'static str,
        target: &(impl Fn() -> String + Send + Sync),
        number: u32,
        course: Course,
        apply: impl FnOnce(&mut State, Millis) -> Result<T, ServiceError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let answer = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&answer);
        let worker = self.number;
        let named = self.cloud.is_logged().then(target);
        let arrives = move |state: &mut State, now: Millis| {
            state.requests += 1;
            let result = apply(state, now);
            state.note(now, || {
                let target = named.as_deref().unwrap_or_default();
                let request = format!("w{worker} r{worker}.{number} {operation} {target}");
                match (&result, course.fate) {
                    (Ok(_), Fate::Answered) => format!("{request} is done"),
                    (Ok(_), fate) => format!("{request} is done, but {fate:?}"),
                    (Err(error), _) => format!("{request} fails: {}", error.fault),
                }
            });
            state.keep_appointments(worker, number, now);
            if let Ok(mut slot) = slot.lock() {
                *slot = Some(result);
            }
        };
        let refused = matches!(
            course.fate,
            Fate::Throttled
                | Fate::Conflict
                | Fate::Reset
                | Fate::Silence { applied: false }
                | Fate::Impostor { applied: false }
        );
        let mut way = OnItsWay {
            cloud: &self.cloud,
            apply: Some(arrives),
            lingers: (course.lingers && !refused).then_some(course.there),
        };
        tokio::time::sleep(course.there).await;
        if self.is_dead() {
            // It died of another request; this one may have been sent.
            drop(way);
            self.awake().await;
            return Err(lost(operation, target));
        }
        let apply = way.apply.take();
        drop(way);
        if refused {
            self.name(number, operation, target, "is refused or lost on its way");
            if matches!(course.fate, Fate::Silence { .. }) {
                std::future::pending::<()>().await;
            }
            return Err(match course.fate {
                Fate::Throttled => ServiceError::local(
                    operation,
                    target(),
                    ErrorClass::Throttled,
                    "SlowDown",
                    "reduce your request rate",
                ),
                Fate::Conflict => ServiceError::local(
                    operation,
                    target(),
                    ErrorClass::Conflict,
                    "ConditionalRequestConflict",
                    "another request is at work on the key",
                ),
                _ => lost(operation, target),
            });
        }
        self.cloud.with(|state, now| {
            if let Some(apply) = apply {
                apply(state, now);
            }
        });
        let taken = answer.lock().ok().and_then(|mut slot| slot.take());
        taken.unwrap_or_else(|| Err(lost(operation, target)))
    }

    fn name(&self, number: u32, operation: &str, target: &dyn Fn() -> String, what: &str) {
        self.cloud.note(|| {
            let worker = self.number;
            format!(
                "w{worker} r{worker}.{number} {operation} {} {what}",
                target()
            )
        });
    }
}

/// What becomes of an answer that does not look like the service's
/// (`store/s3/answer.rs`): the operation may have been carried out, or not.
fn not_the_service(operation: &'static str, target: &dyn Fn() -> String) -> ServiceError {
    let (class, message) = (ErrorClass::Transient, "404 text/html");
    ServiceError::local(operation, target(), class, "NotFromS3", message)
}

fn lost(operation: &'static str, target: &dyn Fn() -> String) -> ServiceError {
    let (class, message) = (ErrorClass::Transient, "the connection broke");
    ServiceError::local(operation, target(), class, "ConnectionReset", message)
}
