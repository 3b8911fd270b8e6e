//! The queue, as narrow as a worker needs it, and what a message goes through:
//! received ([`Received`]), leased ([`lease::Lease`]), then acknowledged,
//! parked or handed back, exactly one of the three.
//!
//! Obligations of every implementation, checked by the same tests:
//! - A received message stays invisible until its deadline; then it comes back
//!   with a higher receive count, unless it was acknowledged.
//! - Batches succeed or fail entry by entry.
//! - `park` has sent the message to the dead-letter queue when it returns; it
//!   does not remove it from the queue.

pub mod ack;
pub mod lease;
pub mod memory;
pub mod outgoing;
pub mod receiver;
pub mod sqs;

use std::time::Duration;

use async_trait::async_trait;
use rebucket_protocol::{Reason, Timestamp};
use tokio::time::Instant;

use crate::error::ServiceError;
pub use outgoing::{FifoOrder, Outgoing};

/// At most so many messages in one request (SQS limit).
pub const MAX_BATCH: usize = 10;

/// A message can be invisible for so long in total, counted from its receipt
/// (SQS limit, API reference of `ChangeMessageVisibility`).
pub const MAX_INVISIBLE: Duration = Duration::from_hours(12);

/// What a receipt is good for: changing or deleting this delivery of a message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReceiptHandle(pub String);

/// A message as it was delivered, not yet looked into.
#[derive(Debug, Clone)]
pub struct Received {
    /// The queue's id of the message, for logs.
    pub id: String,
    /// The receipt of this delivery.
    pub receipt: ReceiptHandle,
    /// The body.
    pub body: String,
    /// How often it was delivered, this time included; `None` where the queue
    /// does not say.
    pub receive_count: Option<u32>,
    /// When it was first sent, by the queue's clock. A message that was moved
    /// back from a dead-letter queue was sent anew.
    pub sent: Option<Timestamp>,
    /// When it becomes visible again. Stamped before the request that
    /// received it was sent, so it errs on the early side.
    pub deadline: Instant,
}

impl Received {
    /// How often it was delivered, as far as that is known: once at least.
    #[must_use]
    pub fn deliveries(&self) -> u32 {
        self.receive_count.unwrap_or(1)
    }
}

/// How a single entry of a batch ended.
pub type EntryResult = Result<(), ServiceError>;

/// How many messages a queue holds. SQS only approximates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depth {
    /// Can be received now.
    pub visible: u64,
    /// Were received and are still invisible.
    pub in_flight: u64,
    /// Become visible for the first time later.
    pub delayed: u64,
}

impl Depth {
    /// True when nothing is left, in-flight messages included.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Why a message is parked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkReason {
    /// The stable code.
    pub reason: Reason,
    /// The reason in words.
    pub detail: String,
}

/// A queue of tasks.
#[async_trait]
pub trait Queue: Send + Sync + 'static {
    /// Receives up to `max` messages (1 to [`MAX_BATCH`]), which stay
    /// invisible for `visibility`. Waits for the first one for at most `wait`
    /// (up to 20 s).
    async fn receive(
        &self,
        max: usize,
        visibility: Duration,
        wait: Duration,
    ) -> Result<Vec<Received>, ServiceError>;

    /// Makes each message invisible for so long from now; zero hands it back.
    /// At most [`MAX_BATCH`] entries. `LeaseLost` says that the delivery is
    /// no longer ours.
    async fn change_visibility(
        &self,
        entries: &[(ReceiptHandle, Duration)],
    ) -> Result<Vec<EntryResult>, ServiceError>;

    /// Removes messages for good. At most [`MAX_BATCH`] entries.
    async fn acknowledge(
        &self,
        entries: &[ReceiptHandle],
    ) -> Result<Vec<EntryResult>, ServiceError>;

    /// Sends a message. A queue that keeps no order has no use for its
    /// [`FifoOrder`].
    async fn enqueue(&self, message: Outgoing) -> Result<(), ServiceError>;

    /// Sends a message to the dead-letter queue.
    async fn park(&self, message: &Received, reason: &ParkReason) -> Result<(), ServiceError>;

    /// How many messages are left.
    async fn depth(&self) -> Result<Depth, ServiceError>;

    /// How often a message is delivered before the queue itself moves it to
    /// the dead-letter queue.
    fn max_receive_count(&self) -> u32;

    /// The time by the clock that stamps [`Received::sent`], or a little
    /// earlier; `None` while it is not known. Sends nothing.
    fn now(&self) -> Option<Timestamp>;
}
