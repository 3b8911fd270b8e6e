//! The rename engine of rebucket, and the worker that feeds it from a queue.
//!
//! Where to find what:
//! - [`rename`]: one rename, step by step. The gates in front of the delete
//!   are in [`rename::delete`].
//! - [`worker`]: from a received message to its acknowledgement.
//! - [`queue`]: SQS, the queue in memory, leases, acknowledgements.
//! - [`store`]: S3, the probe, what an endpoint can be relied on to do.
//! - [`store_identity`]: which store an endpoint leads to.
//! - [`retry`]: the one retry layer.
//! - [`report`]: how each task ended.

pub mod admission;
pub mod clients;
pub mod clock;
pub mod config;
pub mod error;
pub mod host;
pub mod http;
pub mod metrics;
pub mod queue;
pub mod rename;
pub mod report;
pub mod retry;
pub mod setup;
pub mod shutdown;
pub mod store;
pub mod store_identity;
pub mod worker;
