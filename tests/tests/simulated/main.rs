//! The worker against Amazon's S3 and SQS as the simulator plays them: the real
//! program over HTTP, what no local server has, and faults by rule.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "in a test a failed unwrap is a failed test, helpers included"
)]

mod accounting;
mod clocks;
mod endpoints;
mod expiring;
mod faults;
mod fleet;
mod foldings;
mod large;
mod messages;
mod properties;
mod stage;
mod submissions;
mod team;
mod unseen;
mod versions;
mod which_store;
