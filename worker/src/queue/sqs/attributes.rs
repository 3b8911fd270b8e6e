//! How a queue is set up, for those who look before they send.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName as Name;

use super::{REQUEST_LIMIT, SqsQueue, send};
use crate::error::ServiceError;

/// The attributes of a queue that matter to a job. `None` is what the service
/// does not say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueueAttributes {
    /// True for a FIFO queue.
    pub fifo: bool,
    /// True for a FIFO queue whose limit is counted for each message group.
    pub high_throughput: bool,
    /// How long a received message stays invisible, unless the receiver says
    /// otherwise, as workers do.
    pub visibility: Option<Duration>,
    /// After how long a message is thrown away.
    pub retention: Option<Duration>,
    /// The same of the dead-letter queue.
    pub dead_letter_retention: Option<Duration>,
    /// The largest body, in bytes.
    pub largest_message: Option<u64>,
    /// How often a message is delivered before it goes to the dead-letter
    /// queue.
    pub max_receive_count: u32,
}

impl SqsQueue {
    /// Asks for the attributes of the queue and of its dead-letter queue.
    ///
    /// # Errors
    /// [`ServiceError`] when the queue does not answer. What its dead-letter
    /// queue does not tell is left out.
    pub async fn attributes(&self) -> Result<QueueAttributes, ServiceError> {
        let queue = self.all_attributes(&self.url).await?;
        let dead_letters = self.all_attributes(&self.dead_letter_url).await;
        let seconds = |attributes: &HashMap<Name, String>, name| {
            number(attributes, &name).map(Duration::from_secs)
        };
        Ok(QueueAttributes {
            fifo: self.is_fifo(),
            high_throughput: queue
                .get(&Name::FifoThroughputLimit)
                .is_some_and(|limit| limit == "perMessageGroupId"),
            visibility: seconds(&queue, Name::VisibilityTimeout),
            retention: seconds(&queue, Name::MessageRetentionPeriod),
            dead_letter_retention: dead_letters
                .ok()
                .and_then(|attributes| seconds(&attributes, Name::MessageRetentionPeriod)),
            largest_message: number(&queue, &Name::MaximumMessageSize),
            max_receive_count: self.max_receive_count,
        })
    }

    async fn all_attributes(&self, url: &str) -> Result<HashMap<Name, String>, ServiceError> {
        let request = self
            .client
            .get_queue_attributes()
            .queue_url(url)
            .attribute_names(Name::All)
            .send();
        let operation = "GetQueueAttributes";
        let answer = send(&self.metrics, operation, url, REQUEST_LIMIT, request).await?;
        Ok(answer.attributes.unwrap_or_default())
    }
}

fn number(attributes: &HashMap<Name, String>, name: &Name) -> Option<u64> {
    attributes.get(name)?.parse().ok()
}
