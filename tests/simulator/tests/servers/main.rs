//! The servers as clients see them: faults, accounts, SQS and administration.
#![allow(clippy::unwrap_used)]

mod accounting;
mod admin;
mod client;
mod faults;
mod identity;
mod sqs;
