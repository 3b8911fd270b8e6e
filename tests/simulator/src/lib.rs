//! S3 and SQS in memory.
//!
//! Two pure models, [`s3`] and [`sqs`]: no threads, no clock, no sockets. The
//! same calls in the same order give the same answers, so that a deterministic
//! simulation can drive them directly. [`http`] serves both to real clients,
//! with faults, latency and a count of every request.

pub mod clock;
pub mod http;
pub mod random;
pub mod s3;
pub mod sqs;
