//! Deterministic simulation of whole workers.
//!
//! The real engine, receiver, leases, acknowledgements and report writer run
//! on one thread with virtual time, against the pure models of S3 and SQS.
//! What goes wrong is drawn from a seed: requests that fail, or succeed
//! without an answer; workers that die, freeze, and are told to stop;
//! duplicates; somebody else who writes to the same keys. An auditor, who sees
//! more than any client, checks every change and the end.
//!
//! - [`scene`] and [`draw`]: what is there, and what happens.
//! - [`twist`]: names, clocks and nodes that are not what they seem.
//! - [`fate`] and [`line`]: what becomes of each request of each process.
//! - [`store`], [`queue`], [`report`]: the worker's three doors to the world.
//! - [`audit`] and [`ending`]: what must hold.
//! - [`random`]: one seed, played. [`shrink`]: a failing one, cut down.
//! - [`scenarios`] and [`deaths`]: count, then kill.

pub mod audit;
pub mod chains;
pub mod cloud;
mod convert;
pub mod deaths;
pub mod draw;
pub mod ending;
pub mod events;
pub mod fate;
pub mod fleet;
pub mod hidden;
mod history;
pub mod line;
pub mod outsider;
mod permuted;
pub mod queue;
pub mod random;
pub mod report;
pub mod scenarios;
pub mod scene;
pub mod schedule;
pub mod shrink;
pub mod store;
pub mod twist;
mod unseen;
