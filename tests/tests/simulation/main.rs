//! Deterministic simulation: random schedules, and every death.

mod counting;
mod deaths;
mod random;
mod regressions;
mod table;
mod wire;
