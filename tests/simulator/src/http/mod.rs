//! Both models over HTTP, on the loopback interface.
//!
//! ```
//! use rebucket_simulator::http::{Action, Rule, Simulator};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let simulator = Simulator::builder().start().await?;
//! simulator.fault(Rule::on("CopyObject", Action::error(503, "SlowDown")).times(2));
//! println!("AWS_ENDPOINT_URL_S3={}", simulator.s3_url());
//! println!("AWS_ENDPOINT_URL_SQS={}", simulator.sqs_url());
//! // ... what is to be tested ...
//! assert_eq!(simulator.requests().count("CopyObject"), 0);
//! simulator.stop().await;
//! # Ok(())
//! # }
//! ```

mod accounting;
mod admin;
mod body;
mod builder;
mod faults;
mod faults_in_force;
mod identity;
mod latency;
mod listen;
mod operation;
mod reply;
pub mod s3;
mod server;
mod sqs;
mod unsigned;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

pub use accounting::{Counts, Record, Requests};
pub use builder::{Builder, StartError};
pub use faults::{Action, Rule, When, parse_rules};
pub use faults_in_force::{Faults, Standing};
pub use latency::{Delay, Latency};
pub use operation::{Operation, Service};

use crate::clock::Clock;
use crate::s3::S3;
use crate::sqs::Sqs;

/// The one key pair that is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The access key id.
    pub access_key: String,
    /// The secret access key. S3 signatures are checked with it; of SQS
    /// requests only the access key id is.
    pub secret_key: String,
}

/// Running servers. They stop when this is dropped: no new connections, and
/// those that there are end with the request under way.
#[derive(Debug)]
pub struct Simulator {
    s3_url: String,
    sqs_url: String,
    admin_url: Option<String>,
    s3: Arc<Mutex<S3>>,
    sqs: Arc<Mutex<Sqs>>,
    clock: Clock,
    faults: Faults,
    requests: Requests,
    latency: Latency,
    /// Every listener and connection holds a receiver.
    stop: watch::Sender<bool>,
}

impl Simulator {
    /// What to start, and how.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Where S3 is: `http://127.0.0.1:port`.
    #[must_use]
    pub fn s3_url(&self) -> &str {
        &self.s3_url
    }

    /// Where SQS is: `http://127.0.0.1:port`.
    #[must_use]
    pub fn sqs_url(&self) -> &str {
        &self.sqs_url
    }

    /// Where the administration is, if it was asked for.
    #[must_use]
    pub fn admin_url(&self) -> Option<&str> {
        self.admin_url.as_deref()
    }

    /// The URL of a queue of this name.
    #[must_use]
    pub fn queue_url(&self, name: &str) -> String {
        format!("{}/{}/{name}", self.sqs_url, self.sqs().account())
    }

    /// The S3 model, locked: no request is served while this is held.
    pub fn s3(&self) -> MutexGuard<'_, S3> {
        self.s3.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The SQS model, locked: no request is served while this is held.
    pub fn sqs(&self) -> MutexGuard<'_, Sqs> {
        self.sqs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Both models, to keep.
    #[must_use]
    pub fn models(&self) -> (Arc<Mutex<S3>>, Arc<Mutex<Sqs>>) {
        (Arc::clone(&self.s3), Arc::clone(&self.sqs))
    }

    /// The clock that both services go by.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The faults in force.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Adds a fault, from now on. The answer is its id.
    #[allow(clippy::must_use_candidate)]
    pub fn fault(&self, rule: Rule) -> u64 {
        self.faults.add(rule, self.clock.now())
    }

    /// The requests so far.
    #[must_use]
    pub fn requests(&self) -> &Requests {
        &self.requests
    }

    /// How long requests take.
    #[must_use]
    pub fn latency(&self) -> &Latency {
        &self.latency
    }

    /// Stops, and returns when the last request has been answered, or after ten
    /// seconds.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        // Whoever still waits then is in a long poll or a stall.
        tokio::time::timeout(Duration::from_secs(10), self.stop.closed())
            .await
            .ok();
    }
}
