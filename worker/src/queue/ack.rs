//! Acknowledgements, grouped: whatever waits while one request is under way
//! goes out together with the next.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{MAX_BATCH, Queue, ReceiptHandle};
use crate::error::ErrorClass;

/// How often one acknowledgement is tried. One that is lost for good leads to
/// a redelivery, which finds the rename done.
const ATTEMPTS: u32 = 6;

/// Acknowledges messages from any task.
#[derive(Debug, Clone)]
pub struct Acknowledger {
    entries: mpsc::Sender<ReceiptHandle>,
}

impl Acknowledger {
    /// Starts the task that sends. It ends when every clone is dropped and
    /// all that waits was sent; join the handle then.
    #[must_use]
    pub fn start(queue: Arc<dyn Queue>) -> (Self, JoinHandle<()>) {
        let (entries, waiting) = mpsc::channel(8 * MAX_BATCH);
        (Self { entries }, tokio::spawn(send_all(queue, waiting)))
    }

    /// Takes an acknowledgement to send. Call it only when the outcome is
    /// recorded: it is the last step of a rename.
    pub async fn acknowledge(&self, receipt: ReceiptHandle) {
        if self.entries.send(receipt).await.is_err() {
            tracing::error!("the acknowledging task is gone; the message will be redelivered");
        }
    }
}

async fn send_all(queue: Arc<dyn Queue>, mut waiting: mpsc::Receiver<ReceiptHandle>) {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    while waiting.recv_many(&mut batch, MAX_BATCH).await > 0 {
        acknowledge(&*queue, std::mem::take(&mut batch)).await;
    }
}

async fn acknowledge(queue: &dyn Queue, mut batch: Vec<ReceiptHandle>) {
    let mut pause = Duration::from_millis(100);
    for attempt in 1..=ATTEMPTS {
        match queue.acknowledge(&batch).await {
            Ok(results) => {
                let mut unsent = Vec::new();
                for (receipt, result) in batch.into_iter().zip(results) {
                    match result {
                        Ok(()) => {}
                        Err(error) if error.class() == ErrorClass::LeaseLost => {
                            tracing::warn!(
                                "a message came too late to be acknowledged; it will be delivered again"
                            );
                        }
                        Err(error) => {
                            tracing::debug!(%error, attempt, "acknowledgement failed");
                            unsent.push(receipt);
                        }
                    }
                }
                batch = unsent;
            }
            Err(error) => tracing::debug!(%error, attempt, "acknowledgements failed"),
        }
        if batch.is_empty() {
            return;
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    tracing::warn!(
        messages = batch.len(),
        "could not acknowledge; the messages will be delivered again and found done"
    );
}
