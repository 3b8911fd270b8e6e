//! Stopping, in two steps: *drain* (begin nothing new), and after the grace
//! period *stop* (interrupt what is under way and hand it back).

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// The two signals. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    drain: CancellationToken,
    stop: CancellationToken,
}

impl Shutdown {
    /// Neither step taken.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when nothing new is to be begun.
    #[must_use]
    pub fn drain(&self) -> &CancellationToken {
        &self.drain
    }

    /// Cancelled when what is under way is to be interrupted.
    #[must_use]
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Takes both steps now.
    pub fn now(&self) {
        self.drain.cancel();
        self.stop.cancel();
    }

    /// Takes the first step now and the second after `grace`.
    pub async fn within(&self, grace: Duration) {
        self.drain.cancel();
        tokio::time::sleep(grace).await;
        self.stop.cancel();
    }

    /// Takes over SIGTERM and SIGINT at once. The future then waits for one of
    /// them and shuts down within `grace`; a second signal takes the second
    /// step at once. It never ends; spawn it.
    pub fn on_signals(self, grace: Duration) -> impl Future<Output = Infallible> + Send {
        let mut signals = Signals::take_over();
        async move {
            signals.next().await;
            tracing::info!(
                ?grace,
                "stopping: no new tasks; what is under way may finish"
            );
            tokio::select! {
                biased;
                () = self.within(grace) => {}
                () = signals.next() => self.stop.cancel(),
            }
            tracing::info!("stopping: what is left is handed back");
            std::future::pending().await
        }
    }
}

#[cfg(unix)]
struct Signals {
    kinds: Vec<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    fn take_over() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let take = |kind: SignalKind| match signal(kind) {
            Ok(signal) => Some(signal),
            Err(error) => {
                tracing::error!(%error, ?kind, "cannot listen for a signal");
                None
            }
        };
        let kinds = [SignalKind::terminate(), SignalKind::interrupt()];
        Self {
            kinds: kinds.into_iter().filter_map(take).collect(),
        }
    }

    async fn next(&mut self) {
        if self.kinds.is_empty() {
            std::future::pending::<()>().await;
        }
        let any = self.kinds.iter_mut().map(|kind| Box::pin(kind.recv()));
        futures_util::future::select_all(any).await;
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn take_over() -> Self {
        Self
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
