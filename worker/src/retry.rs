//! The one retry layer: named policies, and the loop that applies them.
//!
//! The SDK's own retries are off. Its retry quota forgets permits when retries
//! overlap, so that a client that met a burst of 503s stops retrying for good
//! (facts 1.4), and two layers would multiply each other's attempts.
//!
//! The `backoff` crate computes the intervals. It is used nowhere else: it is
//! unmaintained, and this module is what would have to be replaced.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::{ErrorClass, ServiceError};
use crate::host::Host;
use crate::metrics::Metrics;

/// Requests in flight of a caller that is apart.
const APART_IN_FLIGHT: usize = 16;

/// How often and how long one kind of request is tried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// The first pause; each further one is twice as long.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// At most so many attempts.
    pub attempts: u32,
    /// No further attempt once so much time has passed since the first.
    pub elapsed: Duration,
    /// One attempt may take so long. It covers the body as well, unlike a
    /// read timeout (facts 1.3).
    pub attempt: Duration,
    /// Whether a 409 may be answered by the same request again.
    pub retry_conflict: bool,
}

impl Policy {
    /// Reads of a few kilobytes.
    pub const READ: Self = Self {
        first_pause: Duration::from_millis(50),
        longest_pause: Duration::from_secs(5),
        attempts: 20,
        elapsed: Duration::from_mins(1),
        attempt: Duration::from_secs(30),
        retry_conflict: true,
    };

    /// Deletes, creates and aborts: as quick as reads, and safe to repeat
    /// because each names what it acts on.
    pub const WRITE: Self = Self::READ;

    /// Creating an upload, which is not interrupted: short.
    pub const CREATE: Self = Self {
        attempts: 5,
        elapsed: Duration::from_secs(20),
        attempt: Duration::from_secs(15),
        ..Self::READ
    };

    /// Completing an upload: S3 may take minutes. After a 409 the same upload
    /// can no longer be completed (facts 1.7), so it is not sent again.
    pub const COMPLETE: Self = Self {
        attempt: Duration::from_mins(10),
        elapsed: Duration::from_mins(11),
        retry_conflict: false,
        ..Self::READ
    };

    /// Cleaning up on the way out: a few quick tries, then it is left to the
    /// bucket's lifecycle rule.
    pub const CLEAN_UP: Self = Self {
        attempts: 4,
        elapsed: Duration::from_secs(5),
        attempt: Duration::from_secs(5),
        ..Self::READ
    };

    /// The first contact with an endpoint: long enough for a container that
    /// starts beside us, short enough for a person who mistyped a URL.
    pub const START: Self = Self {
        attempts: 8,
        elapsed: Duration::from_secs(12),
        attempt: Duration::from_secs(10),
        ..Self::READ
    };

    /// Copying `bytes` in one request. A copy stream runs at 50 to 100 MB/s
    /// (facts, section 3); ten times slower is still alive.
    #[must_use]
    pub fn copy(bytes: u64) -> Self {
        let attempt = Duration::from_secs(60 + bytes / 5_000_000);
        Self {
            attempt,
            elapsed: attempt.saturating_add(Self::READ.elapsed),
            ..Self::READ
        }
    }

    /// What is good to know and can be done without: one more try.
    pub const OPTIONAL: Self = Self {
        attempts: 2,
        elapsed: Duration::from_secs(5),
        attempt: Duration::from_secs(5),
        ..Self::READ
    };

    /// The queue's answers to what must arrive: acknowledgements, parked
    /// messages. What is lost for good is delivered again.
    pub const QUEUE: Self = Self {
        first_pause: Duration::from_millis(100),
        attempts: 6,
        elapsed: Duration::from_secs(30),
        ..Self::READ
    };

    /// The same as long as nobody knows whether the endpoint is there at all.
    #[must_use]
    pub fn first_contact(self) -> Self {
        Self {
            attempts: Self::START.attempts,
            elapsed: Self::START.elapsed,
            ..self
        }
    }

    fn intervals(&self, jitter: bool) -> ExponentialBackoff {
        let spread = ExponentialBackoff::default().randomization_factor;
        ExponentialBackoff {
            randomization_factor: if jitter { spread } else { 0.0 },
            current_interval: self.first_pause,
            initial_interval: self.first_pause,
            multiplier: 2.0,
            max_interval: self.longest_pause,
            // The loop below counts elapsed time itself, on the runtime's
            // clock, which tests can turn.
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        }
    }
}

/// Why a request had no success.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// The rename was told to stop: shutdown, or its lease is gone. The
    /// request may have been carried out.
    #[error("interrupted")]
    Interrupted,
    /// Refused for good, or still failing when the policy ran out.
    #[error(transparent)]
    Failed(#[from] ServiceError),
}

/// Sends requests: within the cap on requests in flight, again when that may
/// help, and not beyond a stop.
#[derive(Debug, Clone)]
pub struct Caller {
    metrics: Option<Metrics>,
    in_flight: Arc<Semaphore>,
    stop: CancellationToken,
    jitter: bool,
}

impl Caller {
    /// A caller whose requests share `in_flight` with all others.
    #[must_use]
    pub fn new(metrics: Metrics, in_flight: Arc<Semaphore>, stop: CancellationToken) -> Self {
        Self {
            metrics: Some(metrics),
            in_flight,
            stop,
            jitter: true,
        }
    }

    /// A caller outside the counts and the cap of the renames: for the report,
    /// which must be written while everything else is being stopped.
    #[must_use]
    pub fn apart() -> Self {
        Self {
            metrics: None,
            in_flight: Arc::new(Semaphore::new(APART_IN_FLIGHT)),
            stop: CancellationToken::new(),
            jitter: true,
        }
    }

    /// The same caller on a host that may leave nothing to chance.
    #[must_use]
    pub fn on(self, host: &Host) -> Self {
        Self {
            jitter: host.has_chance(),
            ..self
        }
    }

    /// The same caller under another stop signal.
    #[must_use]
    pub fn with_stop(&self, stop: CancellationToken) -> Self {
        Self {
            stop,
            ..self.clone()
        }
    }

    /// Sends what `request` makes until it succeeds, fails for good, or the
    /// policy runs out.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn call<T, F>(
        &self,
        policy: Policy,
        mut request: impl FnMut() -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, ServiceError>>,
    {
        // Waiting for one's turn is not the endpoint's fault.
        let mut started: Option<Instant> = None;
        let mut intervals = policy.intervals(self.jitter);
        let mut attempt = 1;
        loop {
            let error = match self
                .attempt(policy.attempt, &mut started, request())
                .await?
            {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let class = error.class();
            let retryable =
                class.is_retryable() && (class != ErrorClass::Conflict || policy.retry_conflict);
            let pause = intervals.next_backoff().unwrap_or(policy.longest_pause);
            if !retryable
                || attempt >= policy.attempts
                || started.is_some_and(|at| at.elapsed().saturating_add(pause) > policy.elapsed)
            {
                return Err(error.into());
            }
            tracing::debug!(%error, attempt, ?pause, "request will be sent again");
            if let Some(metrics) = &self.metrics {
                metrics.s3_retry(error.operation, class);
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Err(CallError::Interrupted),
                () = tokio::time::sleep(pause) => {}
            }
            attempt += 1;
        }
    }

    async fn attempt<T>(
        &self,
        limit: Duration,
        started: &mut Option<Instant>,
        request: impl Future<Output = Result<T, ServiceError>>,
    ) -> Result<Result<T, ServiceError>, CallError> {
        let bounded = async {
            // Closed only when the process ends.
            let _permit = self
                .in_flight
                .acquire()
                .await
                .map_err(|_| CallError::Interrupted)?;
            started.get_or_insert_with(Instant::now);
            Ok(tokio::time::timeout(limit, request)
                .await
                .unwrap_or_else(|_| {
                    let message = format!("no answer within {} s", limit.as_secs());
                    let class = ErrorClass::Transient;
                    Err(ServiceError::local(
                        "Request",
                        "the endpoint",
                        class,
                        "TimedOut",
                        message,
                    ))
                }))
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(CallError::Interrupted),
            answer = bounded => answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn caller(stop: &CancellationToken) -> Caller {
        Caller::new(
            Metrics::new().unwrap(),
            Arc::new(Semaphore::new(1)),
            stop.clone(),
        )
    }

    fn error(class: ErrorClass) -> ServiceError {
        ServiceError::local("CopyObject", "s3://bkt/a", class, "Test", "")
    }

    #[tokio::test(start_paused = true)]
    async fn a_transient_error_is_retried_until_it_goes_away() {
        let calls = Cell::new(0);
        let answer = caller(&CancellationToken::new())
            .call(Policy::READ, || {
                calls.set(calls.get() + 1);
                let call = calls.get();
                async move {
                    if call < 5 {
                        Err(error(ErrorClass::Throttled))
                    } else {
                        Ok(call)
                    }
                }
            })
            .await;
        assert_eq!(answer.unwrap(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_policy_ends_by_attempts_and_by_time() {
        let calls = Cell::new(0);
        let count = || {
            calls.set(calls.get() + 1);
            async { Err::<(), _>(error(ErrorClass::Transient)) }
        };
        let stop = CancellationToken::new();
        caller(&stop).call(Policy::READ, count).await.unwrap_err();
        assert!(calls.get() > 5);

        let impatient = Policy {
            attempts: u32::MAX,
            ..Policy::READ
        };
        let began = Instant::now();
        caller(&stop).call(impatient, count).await.unwrap_err();
        assert!(
            began.elapsed() <= Policy::READ.elapsed,
            "{:?}",
            began.elapsed()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_permanent_error_is_not_retried() {
        for class in [
            ErrorClass::Denied,
            ErrorClass::Precondition,
            ErrorClass::NotFound,
        ] {
            let calls = Cell::new(0);
            let failed = caller(&CancellationToken::new())
                .call(Policy::READ, || {
                    calls.set(calls.get() + 1);
                    async move { Err::<(), _>(error(class)) }
                })
                .await;
            assert!(matches!(failed, Err(CallError::Failed(e)) if e.class() == class));
            assert_eq!(calls.get(), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_conflict_on_complete_is_not_sent_again() {
        let calls = Cell::new(0);
        caller(&CancellationToken::new())
            .call(Policy::COMPLETE, || {
                calls.set(calls.get() + 1);
                async { Err::<(), _>(error(ErrorClass::Conflict)) }
            })
            .await
            .unwrap_err();
        assert_eq!(calls.get(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_a_stalled_request_and_a_pause() {
        let stop = CancellationToken::new();
        let caller = caller(&stop);
        let stalled = caller.call(Policy::READ, std::future::pending::<Result<(), _>>);
        let stopper = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            stop.cancel();
        };
        let (answer, ()) = tokio::join!(stalled, stopper);
        assert!(matches!(answer, Err(CallError::Interrupted)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_stalls_is_given_up_and_repeated() {
        let calls = Cell::new(0);
        let answer = caller(&CancellationToken::new())
            .call(Policy::READ, || {
                calls.set(calls.get() + 1);
                let first = calls.get() == 1;
                async move {
                    if first {
                        std::future::pending::<()>().await;
                    }
                    Ok(())
                }
            })
            .await;
        assert!(answer.is_ok());
        assert_eq!(calls.get(), 2);
    }
}
