//! What a worker takes from the machine it runs on: its name, the time, and
//! chance. Everything else of it follows from the answers of store and queue,
//! so that a simulation that sets these three repeats a run exactly.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rebucket_protocol::Timestamp;
use tokio::time::Instant;

/// The machine, as a worker sees it. Clones share it.
#[derive(Debug, Clone)]
pub struct Host {
    name: String,
    /// How many unique numbers were given out.
    given: Arc<AtomicU64>,
    simulated: Option<(Timestamp, Instant)>,
}

impl Host {
    /// This machine, under a name that no other process has: host, process
    /// id, and start.
    #[must_use]
    pub fn this_process() -> Self {
        let host = std::env::var("HOSTNAME").ok().or_else(|| {
            std::fs::read_to_string("/etc/hostname")
                .ok()
                .map(|name| name.trim().to_owned())
        });
        let mut host = host
            .filter(|host| !host.is_empty())
            .unwrap_or_else(|| "worker".to_owned());
        host.retain(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
        let started = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let started = started.map_or(0, |since| since.as_millis());
        Self {
            name: format!("{host}-{}-{started:x}", std::process::id()),
            given: Arc::default(),
            simulated: None,
        }
    }

    /// A host whose clock shows `now` and goes on with the runtime's, and
    /// where nothing is left to chance.
    #[must_use]
    pub fn simulated(name: String, now: Timestamp) -> Self {
        Self {
            name,
            given: Arc::default(),
            simulated: Some((now, Instant::now())),
        }
    }

    /// The process's name, in the report and in the keys of scratch objects.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A number that this process gives out once.
    #[must_use]
    pub fn unique(&self) -> u64 {
        self.given.fetch_add(1, Ordering::Relaxed)
    }

    /// The time by this machine's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self.simulated {
            None => Timestamp::now(),
            Some((start, since)) => start.saturating_add(since.elapsed()),
        }
    }

    /// Whether pauses between attempts are spread by chance, so that many
    /// workers do not come back at the same moment.
    #[must_use]
    pub fn has_chance(&self) -> bool {
        self.simulated.is_none()
    }
}
