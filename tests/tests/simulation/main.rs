//! Deterministic simulation: random schedules, and every death.

mod counting;
mod deaths;
mod gates;
mod random;
mod regressions;
mod table;
mod wire;
