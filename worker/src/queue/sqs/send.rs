//! Sending tasks to the queue: what a submitter does.

use aws_sdk_sqs::types::{SendMessageBatchRequestEntry, SendMessageBatchResultEntry};

use super::wire::built;
use super::{EntryResult, REQUEST_LIMIT, SqsQueue};
use crate::error::ServiceError;
use crate::queue::Outgoing;

/// True for a queue that keeps messages in order: its name says so.
pub(super) fn is_fifo(url: &str) -> bool {
    url.rsplit_once('.')
        .is_some_and(|(_, ending)| ending == "fifo")
}

impl SqsQueue {
    /// True for a FIFO queue.
    #[must_use]
    pub fn is_fifo(&self) -> bool {
        is_fifo(&self.url)
    }

    /// Sends up to [`crate::queue::MAX_BATCH`] messages, whose bodies together
    /// fit into 1 MiB. One result an entry: a batch can fail in part.
    ///
    /// # Errors
    /// [`ServiceError`] when the batch as a whole had no success.
    pub async fn send_batch(
        &self,
        messages: &[Outgoing],
    ) -> Result<Vec<EntryResult>, ServiceError> {
        let entries = messages.iter().enumerate().map(|(index, message)| {
            let entry = SendMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .message_body(&message.body);
            match &message.order {
                Some(order) => entry
                    .message_group_id(order.group())
                    .message_deduplication_id(order.deduplication()),
                None => entry,
            }
            .build()
        });
        let entries = built("SendMessage", &self.url, entries)?;
        let request = self
            .client
            .send_message_batch()
            .queue_url(&self.url)
            .set_entries(Some(entries))
            .send();
        let answer = self
            .send("SendMessageBatch", REQUEST_LIMIT, request)
            .await?;
        let accepted = answer
            .successful()
            .iter()
            .map(SendMessageBatchResultEntry::id);
        Ok(self.entry_results("SendMessage", messages.len(), accepted, answer.failed()))
    }
}
