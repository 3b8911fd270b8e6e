//! Stopping, in two steps: *drain* (begin nothing new), and after the grace
//! period *stop* (interrupt what is under way and hand it back).

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

    /// Takes the first step now and the second after `grace`.
    pub async fn within(&self, grace: Duration) {
        self.drain.cancel();
        tokio::time::sleep(grace).await;
        self.stop.cancel();
    }

    /// Waits for SIGTERM or SIGINT, then shuts down within `grace`; a second
    /// signal takes the second step at once. Never returns; spawn it.
    pub async fn on_signals(self, grace: Duration) -> std::convert::Infallible {
        wait_for_signal().await;
        tracing::info!(
            ?grace,
            "stopping: no new tasks; what is under way may finish"
        );
        tokio::select! {
            () = self.within(grace) => {}
            () = wait_for_signal() => self.stop.cancel(),
        }
        tracing::info!("stopping: what is left is handed back");
        std::future::pending().await
    }
}

#[cfg(unix)]
async fn wait_for_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = match signal(SignalKind::terminate()) {
        Ok(terminate) => terminate,
        Err(error) => {
            tracing::error!(%error, "cannot listen for SIGTERM");
            return std::future::pending().await;
        }
    };
    tokio::select! {
        _ = terminate.recv() => {}
        result = tokio::signal::ctrl_c() => if let Err(error) = result {
            tracing::error!(%error, "cannot listen for SIGINT");
            std::future::pending::<()>().await;
        },
    }
}

#[cfg(not(unix))]
async fn wait_for_signal() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
