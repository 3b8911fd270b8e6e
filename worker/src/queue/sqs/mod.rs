//! The queue over Amazon SQS, or a service that speaks its protocol.

mod answer;
mod attributes;
mod open;
mod send;
mod wire;

use std::collections::HashMap;
use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry,
    ChangeMessageVisibilityBatchResultEntry, DeleteMessageBatchRequestEntry,
    DeleteMessageBatchResultEntry, MessageAttributeValue, MessageSystemAttributeName,
    QueueAttributeName,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use rebucket_protocol::Timestamp;
use tokio::time::Instant;

use super::{Depth, EntryResult, FifoOrder, Outgoing, ParkReason, Queue, ReceiptHandle, Received};
use crate::clock::ServiceClock;
use crate::error::{ErrorClass, Fault, ServiceError};
use crate::metrics::Metrics;
use crate::store::classify::classify;
pub(crate) use answer::SqsAnswerCheck;
pub use attributes::QueueAttributes;
pub use open::OpenError;
use send::is_fifo;
use wire::{attribute_text, built, names_to_counts, received, seconds};

/// How long a request other than a long poll may take.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);

/// A queue with the dead-letter queue that its redrive policy names.
#[derive(Debug, Clone)]
pub struct SqsQueue {
    client: Client,
    metrics: Metrics,
    url: String,
    dead_letter_url: String,
    max_receive_count: u32,
    clock: ServiceClock,
}

/// Sends one request within `limit` and classifies its failure.
async fn send<T, E>(
    metrics: &Metrics,
    operation: &'static str,
    target: impl Display,
    limit: Duration,
    request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
) -> Result<T, ServiceError>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let result = match tokio::time::timeout(limit, request).await {
        Ok(answer) => answer.map_err(|error| ServiceError {
            operation,
            target: target.to_string(),
            fault: classify(&error),
        }),
        Err(_) => Err(ServiceError::local(
            operation,
            target,
            ErrorClass::Transient,
            "TimedOut",
            format!("no answer within {} s", limit.as_secs()),
        )),
    };
    metrics.sqs_request(operation, result.as_ref().err().map(ServiceError::class));
    result
}

impl SqsQueue {
    async fn send<T, E>(
        &self,
        operation: &'static str,
        limit: Duration,
        request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, ServiceError>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        send(&self.metrics, operation, &self.url, limit, request).await
    }

    /// One result an entry, whose ids are their indices. An entry that the
    /// answer does not name as accepted was not, as far as we know.
    fn entry_results<'a>(
        &self,
        operation: &'static str,
        entries: usize,
        accepted: impl Iterator<Item = &'a str>,
        failed: &[BatchResultErrorEntry],
    ) -> Vec<EntryResult> {
        let unnamed = || {
            let (class, code) = (ErrorClass::Transient, "IncompleteResponse");
            let message = "the answer does not name this entry";
            Err(ServiceError::local(
                operation, &self.url, class, code, message,
            ))
        };
        let mut results: Vec<EntryResult> = (0..entries).map(|_| unnamed()).collect();
        for id in accepted {
            let slot = id
                .parse()
                .ok()
                .and_then(|index: usize| results.get_mut(index));
            if let Some(slot) = slot {
                *slot = Ok(());
            }
        }
        for failure in failed {
            let slot = failure
                .id()
                .parse()
                .ok()
                .and_then(|index: usize| results.get_mut(index));
            let Some(slot) = slot else { continue };
            let class = match failure.code() {
                code if code.contains("ReceiptHandleIsInvalid")
                    || code.contains("MessageNotInflight")
                    || code.contains("InvalidParameterValue") && operation != "SendMessage" =>
                {
                    ErrorClass::LeaseLost
                }
                _ if failure.sender_fault() => ErrorClass::Invalid,
                _ => ErrorClass::Transient,
            };
            *slot = Err(ServiceError {
                operation,
                target: self.url.clone(),
                fault: Fault::new(class, failure.code(), failure.message().unwrap_or_default()),
            });
        }
        results
    }
}

/// What leads to this message is removed from the queue next: be sure that it
/// is kept.
fn kept(target: &str, message_id: Option<&str>) -> Result<(), ServiceError> {
    if message_id.is_none_or(str::is_empty) {
        let (class, code) = (ErrorClass::Transient, "IncompleteResponse");
        let message = "the answer has no message id";
        return Err(ServiceError::local(
            "SendMessage",
            target,
            class,
            code,
            message,
        ));
    }
    Ok(())
}

#[async_trait]
impl Queue for SqsQueue {
    async fn receive(
        &self,
        max: usize,
        visibility: Duration,
        wait: Duration,
    ) -> Result<Vec<Received>, ServiceError> {
        // Before the request is sent: the service counts from later.
        let deadline = Instant::now() + visibility;
        let request = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(i32::try_from(max).unwrap_or(10).clamp(1, 10))
            .visibility_timeout(seconds(visibility))
            .wait_time_seconds(i32::try_from(wait.as_secs()).unwrap_or(20).clamp(0, 20))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .send();
        let answer = self
            .send("ReceiveMessage", wait + REQUEST_LIMIT, request)
            .await?;
        let messages = answer.messages.unwrap_or_default();
        Ok(messages
            .into_iter()
            .filter_map(|message| received(message, deadline))
            .collect())
    }

    async fn change_visibility(
        &self,
        entries: &[(ReceiptHandle, Duration)],
    ) -> Result<Vec<EntryResult>, ServiceError> {
        let batch = entries.iter().enumerate().map(|(index, (receipt, by))| {
            ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(&receipt.0)
                .visibility_timeout(seconds(*by))
                .build()
        });
        let batch = built("ChangeMessageVisibility", &self.url, batch)?;
        let request = self
            .client
            .change_message_visibility_batch()
            .queue_url(&self.url)
            .set_entries(Some(batch))
            .send();
        let answer = self
            .send("ChangeMessageVisibilityBatch", REQUEST_LIMIT, request)
            .await?;
        let accepted = answer
            .successful()
            .iter()
            .map(ChangeMessageVisibilityBatchResultEntry::id);
        Ok(self.entry_results(
            "ChangeMessageVisibility",
            entries.len(),
            accepted,
            answer.failed(),
        ))
    }

    async fn acknowledge(
        &self,
        entries: &[ReceiptHandle],
    ) -> Result<Vec<EntryResult>, ServiceError> {
        let batch = entries.iter().enumerate().map(|(index, receipt)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(&receipt.0)
                .build()
        });
        let batch = built("DeleteMessage", &self.url, batch)?;
        let request = self
            .client
            .delete_message_batch()
            .queue_url(&self.url)
            .set_entries(Some(batch))
            .send();
        let answer = self
            .send("DeleteMessageBatch", REQUEST_LIMIT, request)
            .await?;
        let accepted = answer
            .successful()
            .iter()
            .map(DeleteMessageBatchResultEntry::id);
        Ok(self.entry_results("DeleteMessage", entries.len(), accepted, answer.failed()))
    }

    async fn enqueue(&self, message: Outgoing) -> Result<(), ServiceError> {
        let order = message.order.filter(|_| self.is_fifo());
        let (group, deduplication) = order.map(FifoOrder::into_parts).unzip();
        let request = self
            .client
            .send_message()
            .queue_url(&self.url)
            .message_body(message.body)
            .set_message_group_id(group)
            .set_message_deduplication_id(deduplication)
            .send();
        let answer = self.send("SendMessage", REQUEST_LIMIT, request).await?;
        kept(&self.url, answer.message_id())
    }

    async fn park(&self, message: &Received, reason: &ParkReason) -> Result<(), ServiceError> {
        let mut attributes = HashMap::new();
        for (name, text) in [
            ("rebucket.reason", reason.reason.as_str()),
            ("rebucket.detail", &reason.detail),
        ] {
            let value = MessageAttributeValue::builder()
                .data_type("String")
                .string_value(attribute_text(text))
                .build();
            let value = built("SendMessage", &self.dead_letter_url, std::iter::once(value))?;
            attributes.extend(value.into_iter().map(|value| (name.to_owned(), value)));
        }
        let fifo = is_fifo(&self.dead_letter_url).then(|| message.id.clone());
        let request = self
            .client
            .send_message()
            .queue_url(&self.dead_letter_url)
            .message_body(&message.body)
            .set_message_attributes(Some(attributes))
            // A FIFO queue's dead-letter queue is one too. Each message is a
            // group of its own there, and is parked once.
            .set_message_group_id(fifo.clone())
            .set_message_deduplication_id(fifo)
            .send();
        let target = &self.dead_letter_url;
        let answer = send(&self.metrics, "SendMessage", target, REQUEST_LIMIT, request).await?;
        kept(target, answer.message_id())
    }

    async fn depth(&self) -> Result<Depth, ServiceError> {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let request = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .set_attribute_names(Some(names.to_vec()))
            .send();
        let answer = self
            .send("GetQueueAttributes", REQUEST_LIMIT, request)
            .await?;
        let count = |name| {
            let text = answer.attributes().and_then(|map| map.get(&name));
            text.and_then(|text| text.parse::<u64>().ok())
        };
        let [visible, in_flight, delayed] = names_to_counts(names, count);
        // A queue that does not say how full it is must not look empty.
        match (visible, in_flight) {
            (Some(visible), Some(in_flight)) => Ok(Depth {
                visible,
                in_flight,
                delayed: delayed.unwrap_or(0),
            }),
            _ => Err(ServiceError::local(
                "GetQueueAttributes",
                &self.url,
                ErrorClass::Transient,
                "IncompleteResponse",
                "the answer has no message counts",
            )),
        }
    }

    fn max_receive_count(&self) -> u32 {
        self.max_receive_count
    }

    fn now(&self) -> Option<Timestamp> {
        self.clock.now()
    }
}
