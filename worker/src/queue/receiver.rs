//! Receiving: never more messages than there are hands for them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::{MAX_BATCH, Queue, Received};
use crate::error::ServiceError;

/// A long poll waits for so long (SQS limit).
pub const LONG_POLL: Duration = Duration::from_secs(20);

/// The shortest poll that is none of the busy kind: SQS counts whole seconds.
const SHORTEST_POLL: Duration = Duration::from_secs(1);

/// When told to stop, a poll that is under way may go on for so long.
const LAST_WORD: Duration = Duration::from_secs(1);

/// A message with the permit to work on it. The permit was taken before the
/// message was received, so that its lease never runs down in a waiting line.
pub struct Admitted {
    /// The message.
    pub message: Received,
    /// Held until the message is done with.
    pub permit: OwnedSemaphorePermit,
}

/// Receives messages for as many renames as may be in flight.
#[derive(Clone)]
pub struct Receiver {
    queue: Arc<dyn Queue>,
    permits: Arc<Semaphore>,
    visibility: Duration,
    long_poll: Duration,
    stop: CancellationToken,
}

impl Receiver {
    /// A receiver that takes from `permits` and ends with `stop`.
    ///
    /// It polls for `long_poll`, but for no more than a quarter of the
    /// visibility timeout: leases count from the beginning of the poll, and a
    /// message may come at its end.
    #[must_use]
    pub fn new(
        queue: Arc<dyn Queue>,
        permits: Arc<Semaphore>,
        visibility: Duration,
        long_poll: Duration,
        stop: CancellationToken,
    ) -> Self {
        Self {
            queue,
            permits,
            visibility,
            long_poll: long_poll.min((visibility / 4).max(SHORTEST_POLL)),
            stop,
        }
    }

    /// The next messages, at least one unless the poll ran out. `None` once
    /// the worker is told to stop.
    ///
    /// # Errors
    /// The queue's error, for the caller to pause on.
    pub async fn next(&self) -> Result<Option<Vec<Admitted>>, ServiceError> {
        let Some(mut permits) = self.take_permits().await else {
            return Ok(None);
        };
        let receive = self
            .queue
            .receive(permits.len(), self.visibility, self.long_poll);
        tokio::pin!(receive);
        let messages = tokio::select! {
            biased;
            received = &mut receive => received?,
            // What is on its way already would stay invisible for a whole
            // visibility timeout: the poll is given a moment to deliver it.
            () = self.stop.cancelled() => {
                match tokio::time::timeout(LAST_WORD, receive).await {
                    Ok(received) => received?,
                    Err(_) => return Ok(None),
                }
            }
        };
        // More messages than permits cannot be; fewer leave permits, which
        // are dropped here and so are free again.
        Ok(Some(
            messages
                .into_iter()
                .zip(permits.drain(..))
                .map(|(message, permit)| Admitted { message, permit })
                .collect(),
        ))
    }

    /// Waits for one permit, and takes up to nine more that are free.
    async fn take_permits(&self) -> Option<Vec<OwnedSemaphorePermit>> {
        let first = tokio::select! {
            biased;
            () = self.stop.cancelled() => return None,
            permit = Arc::clone(&self.permits).acquire_owned() => permit.ok()?,
        };
        let more = std::iter::from_fn(|| Arc::clone(&self.permits).try_acquire_owned().ok());
        Some(
            std::iter::once(first)
                .chain(more.take(MAX_BATCH - 1))
                .collect(),
        )
    }
}
