//! Properties of everything that reads what others wrote: messages, manifests,
//! names, reports, and the answers of S3 and SQS.
//!
//! `PROPTEST_CASES` says how often each is tried (256 times by default);
//! `make fuzz` tries longer. No server is needed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "in a test a failed unwrap is a failed test, helpers included"
)]

mod csv_rows;
mod engine;
mod listener;
mod messages;
mod mutation;
mod names;
mod panics;
mod reports;
mod s3_answers;
mod s3_calls;
mod s3_losses;
mod samples;
mod sqs_answers;
mod words;
