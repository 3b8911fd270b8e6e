//! Amazon SQS as a pure value.
//!
//! [`Sqs`] holds queues and messages. It reads no clock (every operation is
//! told the time), starts no thread and draws no unseeded random number: the
//! same calls in the same order give the same answers, message ids and receipt
//! handles included. It never waits either; a caller that polls asks
//! [`Sqs::next_visible`] how long it may sleep.
//!
//! Queues are named by their name, not their URL. Times are
//! [`Millis`](crate::clock::Millis); delays and visibility timeouts are whole
//! seconds, as on the wire.
//!
//! ```
//! use rebucket_simulator::clock::Millis;
//! use rebucket_simulator::sqs::{Outgoing, Sqs};
//!
//! let mut sqs = Sqs::new();
//! let now = Millis(1_000);
//! sqs.create_queue("jobs", &[("VisibilityTimeout", "30")], now)?;
//! sqs.send("jobs", Outgoing::new("hello"), now)?;
//!
//! let received = sqs.receive("jobs", 10, None, now)?;
//! assert_eq!(received[0].body(), "hello");
//! assert!(sqs.receive("jobs", 10, None, now)?.is_empty());
//!
//! sqs.delete("jobs", &received[0].receipt_handle, now)?;
//! assert_eq!(sqs.totals("jobs")?.deleted, 1);
//! # Ok::<(), rebucket_simulator::sqs::SqsError>(())
//! ```

mod audit;
mod deliver;
mod disorder;
mod error;
mod message;
mod operations;
mod queue;
mod redrive;
mod service;
mod settings;

#[cfg(test)]
mod tests;

pub use audit::{MessageView, State, Totals};
pub use deliver::Candidate;
pub use disorder::{Disorder, Stale, StaleHandles};
pub use error::{Code, SqsError};
pub use message::{AttributeValue, MessageId, Outgoing, Payload, Received, Sent, hex_md5};
pub use redrive::{MoveStatus, MoveTask};
pub use service::Sqs;
pub use settings::{ATTRIBUTES, Settings};

/// The result of one operation.
pub type Result<T> = std::result::Result<T, SqsError>;

/// The result of a batch: each entry's id with its own result, in the order of
/// the request.
pub type Batch<T> = Vec<(String, Result<T>)>;

/// Most messages in a batch or a receive.
pub const MAX_BATCH: usize = 10;
/// Most bytes in a message, and in all messages of a batch together.
pub const MAX_BYTES: usize = 1_048_576;
/// Longest visibility timeout, and longest time in flight in total, in seconds.
pub const MAX_VISIBILITY: u32 = 43_200;
/// Most messages of one queue in flight.
pub const MAX_IN_FLIGHT: usize = 120_000;
