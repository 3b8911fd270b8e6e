//! The report: one line for each task that ended, durable before the task's
//! message is acknowledged.
//!
//! A location is a directory or an `s3://bucket/prefix`. Each job has a folder
//! in it, and in that folder each worker process writes files of its own, so
//! that nothing is ever written by two.

mod files;
pub mod job;
mod large;
pub mod location;
pub mod read;
pub mod tally;
pub mod writer;

pub use job::JobRecord;
pub use location::{ReportError, ReportLocation};
pub use tally::Tally;
pub use writer::{Recorder, Sink};
