//! The worker, end to end: the real program, its command line, real servers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "in a test a failed unwrap is a failed test, helpers included"
)]

mod annotations;
mod bad_messages;
mod conflicts;
mod crash;
mod faults;
mod keys;
mod lifecycle;
mod never_lost;
mod properties;
mod startup;
mod suspended;
