//! Deterministic simulation: random schedules, and every death.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "in a test a failed unwrap is a failed test, helpers included"
)]

mod acknowledging;
mod alone;
mod answers;
mod bucket_dates;
mod chains;
mod comparing;
mod counting;
mod deaths;
mod gates;
mod hidden;
mod history;
mod leases;
mod locks;
mod names;
mod queue_wire;
mod random;
mod refusals;
mod refused;
mod regressions;
mod settling;
mod statement;
mod table;
mod tapped;
mod temporary;
mod told;
mod unseen;
mod wire;
