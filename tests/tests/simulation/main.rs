//! Deterministic simulation: random schedules, and every death.

mod deaths;
mod random;
mod regressions;
