//! The command `rebucket`, end to end: the real program, its command line, its
//! exit codes and its reports, on real servers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "in a test a failed unwrap is a failed test"
)]

mod bucket_names;
mod chain_manifests;
mod chains;
mod choices;
mod classes;
mod command;
mod estimate;
mod exit_codes;
mod failures;
mod manifests;
mod map;
mod nodes;
mod pins;
mod renames;
mod reports;
mod resume;
mod setups;
mod submit;
mod submit_again;
mod submit_queues;
mod support;
mod terminal;
mod undo;
