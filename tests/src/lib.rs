//! The harness of the end-to-end suites: real servers, the real program, and
//! a proxy between them that misbehaves on demand.
//!
//! A test makes a [`World`]: a bucket and a queue of its own. It puts objects,
//! sends tasks, starts workers, and compares what is there afterwards with
//! what was there before. Every wait is for a condition, with a deadline.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a harness that fails is a failed test"
)]

pub mod bucket;
pub mod object;
pub mod proxy;
pub mod queue;
pub mod report;
pub mod servers;
pub mod simulation;
pub mod task;
pub mod wait;
pub mod worker;
pub mod world;

pub use bucket::{Bucket, NewObject};
pub use object::{Properties, differences};
pub use proxy::{Proxy, Reply, Rule};
pub use queue::{Parked, Queue};
pub use report::Report;
pub use servers::Servers;
pub use task::Task;
pub use wait::until;
pub use worker::{Exit, Worker, WorkerBuilder};
pub use world::World;
