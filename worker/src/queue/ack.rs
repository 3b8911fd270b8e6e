//! Acknowledgements, grouped: whatever waits while one request is under way
//! goes out together with the next.

use std::sync::Arc;

use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

use super::{MAX_BATCH, Queue, ReceiptHandle};
use crate::error::ErrorClass;
use crate::retry::{Caller, Policy};

/// Acknowledges messages from any task.
#[derive(Debug, Clone)]
pub struct Acknowledger {
    entries: mpsc::Sender<ReceiptHandle>,
}

impl Acknowledger {
    /// Starts the task that sends. It ends when every clone is dropped and
    /// all that waits was sent; join the handle then.
    #[must_use]
    pub fn start(queue: Arc<dyn Queue>, caller: Caller) -> (Self, JoinHandle<()>) {
        let (entries, waiting) = mpsc::channel(8 * MAX_BATCH);
        let sending = tokio::spawn(send_all(queue, caller, waiting));
        (Self { entries }, sending)
    }

    /// Takes an acknowledgement to send. Call it only when the outcome is
    /// recorded: it is the last step of a rename.
    pub async fn acknowledge(&self, receipt: ReceiptHandle) {
        if self.entries.send(receipt).await.is_err() {
            tracing::error!("the acknowledging task is gone; the message will be redelivered");
        }
    }
}

async fn send_all(
    queue: Arc<dyn Queue>,
    caller: Caller,
    mut waiting: mpsc::Receiver<ReceiptHandle>,
) {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    while waiting.recv_many(&mut batch, MAX_BATCH).await > 0 {
        acknowledge(&*queue, &caller, std::mem::take(&mut batch)).await;
    }
}

/// Sends a batch until every entry is accepted, or the policy runs out.
async fn acknowledge(queue: &dyn Queue, caller: &Caller, batch: Vec<ReceiptHandle>) {
    let left = Mutex::new(batch);
    let sent = caller.call(Policy::QUEUE, || async {
        let mut left = left.lock().await;
        let results = queue.acknowledge(&left).await?;
        let (mut unsent, mut failed) = (Vec::new(), None);
        for (receipt, result) in left.drain(..).zip(results) {
            match result {
                Ok(()) => {}
                Err(error) if error.class() == ErrorClass::LeaseLost => {
                    tracing::warn!(
                        "a message came too late to be acknowledged; it will be delivered again"
                    );
                }
                Err(error) => {
                    unsent.push(receipt);
                    failed = Some(error);
                }
            }
        }
        *left = unsent;
        failed.map_or(Ok(()), Err)
    });
    if let Err(error) = sent.await {
        tracing::warn!(
            %error,
            messages = left.into_inner().len(),
            "could not acknowledge; the messages will be delivered again and found done"
        );
    }
}
