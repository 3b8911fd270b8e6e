//! Waiting for a condition.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

/// How long a condition that must come true may take. Generous: it is only
/// ever reached by a test that fails.
pub const PATIENCE: Duration = Duration::from_mins(3);

const POLL: Duration = Duration::from_millis(50);

/// Polls until `condition` gives a value.
///
/// # Panics
/// When [`PATIENCE`] is over.
pub async fn until<T, F>(what: &str, mut condition: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(
            Instant::now() < deadline,
            "waited {PATIENCE:?} in vain until {what}"
        );
        tokio::time::sleep(POLL).await;
    }
}

/// Returns when the clock has reached its next whole second.
pub async fn next_second() {
    let second = || {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |since| since.as_secs())
    };
    let began = second();
    until("the clock has moved on", || async {
        (second() > began).then_some(())
    })
    .await;
}
