//! Where a check of SQS is tried: a server, and queues of the check's own.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use aws_sdk_sqs::operation::change_message_visibility::builders::ChangeMessageVisibilityFluentBuilder;
use aws_sdk_sqs::operation::delete_message::builders::DeleteMessageFluentBuilder;
use aws_sdk_sqs::operation::receive_message::builders::ReceiveMessageFluentBuilder;
use aws_sdk_sqs::operation::send_message::builders::SendMessageFluentBuilder;
use aws_sdk_sqs::operation::send_message_batch::builders::SendMessageBatchFluentBuilder;
use aws_sdk_sqs::types::{
    Message, MessageSystemAttributeName, QueueAttributeName, SendMessageBatchRequestEntry,
};
use rebucket_tests::servers::{REGION, unique};

use crate::answer::{Answer as _, there};

/// One SQS server.
#[derive(Clone)]
pub(crate) struct Sqs {
    client: Arc<Client>,
}

impl Sqs {
    pub(crate) fn new(endpoint: &str, access_key: &str, secret_key: &str) -> Self {
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .credentials_provider(Credentials::new(access_key, secret_key, None, None, "test"))
            .endpoint_url(endpoint)
            .retry_config(RetryConfig::disabled())
            .build();
        Self {
            client: Arc::new(Client::from_conf(config)),
        }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// A queue as it is without any attribute.
    pub(crate) async fn queue(&self) -> Result<Queue, String> {
        self.queue_with("conformance", &[]).await
    }

    /// A FIFO queue.
    pub(crate) async fn fifo(&self) -> Result<Queue, String> {
        self.queue_with("conformance", &[(QueueAttributeName::FifoQueue, "true")])
            .await
    }

    pub(crate) async fn queue_with(
        &self,
        name: &str,
        attributes: &[(QueueAttributeName, &str)],
    ) -> Result<Queue, String> {
        let fifo = attributes
            .iter()
            .any(|(name, _)| *name == QueueAttributeName::FifoQueue);
        let name = unique(name) + if fifo { ".fifo" } else { "" };
        let attributes: HashMap<_, _> = attributes
            .iter()
            .map(|(name, value)| (name.clone(), (*value).to_owned()))
            .collect();
        let request = self.client.create_queue().queue_name(&name);
        let request = request.set_attributes((!attributes.is_empty()).then_some(attributes));
        let made = request.send().await.done("a queue")?;
        Ok(Queue {
            client: self.client.clone(),
            name,
            url: there(made.queue_url, "queue URL")?,
        })
    }
}

/// A queue of a check's own.
#[derive(Clone)]
pub(crate) struct Queue {
    pub(crate) client: Arc<Client>,
    pub(crate) name: String,
    pub(crate) url: String,
}

impl Queue {
    pub(crate) fn send(&self, body: &str) -> SendMessageFluentBuilder {
        let request = self.client.send_message().queue_url(&self.url);
        request.message_body(body)
    }

    pub(crate) async fn put(&self, body: &str) -> Result<(), String> {
        self.send(body).send().await.done("send").map(drop)
    }

    /// A batch with `0`, `1`... as ids.
    pub(crate) fn batch(&self, bodies: &[&str]) -> Result<SendMessageBatchFluentBuilder, String> {
        let entries = bodies
            .iter()
            .enumerate()
            .map(|(index, body)| entry(&index.to_string(), body));
        let entries = entries.collect::<Result<_, _>>()?;
        let request = self.client.send_message_batch().queue_url(&self.url);
        Ok(request.set_entries(Some(entries)))
    }

    pub(crate) fn receive(&self) -> ReceiveMessageFluentBuilder {
        let request = self.client.receive_message().queue_url(&self.url);
        request.message_system_attribute_names(MessageSystemAttributeName::All)
    }

    /// What one receive of up to ten gives; it waits a second for the first.
    pub(crate) async fn take(&self, visibility: i32) -> Result<Vec<Message>, String> {
        let request = self.receive().max_number_of_messages(10);
        let request = request.visibility_timeout(visibility).wait_time_seconds(1);
        let answer = request.send().await.done("receive")?;
        Ok(answer.messages.unwrap_or_default())
    }

    /// Exactly one message, held for so many seconds, and its handle.
    pub(crate) async fn take_one(&self, visibility: i32) -> Result<(Message, String), String> {
        let mut all = self.take(visibility).await?;
        let one = all.pop().ok_or("receive: no message")?;
        if !all.is_empty() {
            return Err("receive: more than one message".to_owned());
        }
        let handle = there(one.receipt_handle.clone(), "receipt handle")?;
        Ok((one, handle))
    }

    /// True when a receive that does not wait gives nothing.
    pub(crate) async fn gives_nothing(&self) -> Result<bool, String> {
        let answer = self.receive().wait_time_seconds(0).visibility_timeout(0);
        let answer = answer.max_number_of_messages(10).send().await;
        Ok(answer.done("receive")?.messages().is_empty())
    }

    /// Takes messages until none comes, for good, and returns their bodies in
    /// the order of their coming.
    pub(crate) async fn drain(&self) -> Result<Vec<String>, String> {
        let mut all = Vec::new();
        loop {
            let messages = self.receive().max_number_of_messages(10).send().await;
            let messages = messages.done("receive")?.messages.unwrap_or_default();
            if messages.is_empty() {
                return Ok(all);
            }
            for message in messages {
                let handle = there(message.receipt_handle, "receipt handle")?;
                self.delete(&handle).send().await.done("delete")?;
                all.push(message.body.unwrap_or_default());
            }
        }
    }

    pub(crate) fn delete(&self, handle: &str) -> DeleteMessageFluentBuilder {
        let request = self.client.delete_message().queue_url(&self.url);
        request.receipt_handle(handle)
    }

    pub(crate) fn change(
        &self,
        handle: &str,
        visibility: i32,
    ) -> ChangeMessageVisibilityFluentBuilder {
        let request = self.client.change_message_visibility();
        let request = request.queue_url(&self.url).receipt_handle(handle);
        request.visibility_timeout(visibility)
    }

    pub(crate) async fn attribute(&self, name: QueueAttributeName) -> Result<String, String> {
        let request = self.client.get_queue_attributes().queue_url(&self.url);
        let answer = request.attribute_names(name.clone()).send().await;
        let answer = answer.done("GetQueueAttributes")?.attributes;
        let value = answer.and_then(|mut all| all.remove(&name));
        there(value, name.as_str())
    }

    /// How many are visible, in flight, delayed.
    pub(crate) async fn counts(&self) -> Result<[String; 3], String> {
        use QueueAttributeName as Name;
        Ok([
            self.attribute(Name::ApproximateNumberOfMessages).await?,
            self.attribute(Name::ApproximateNumberOfMessagesNotVisible)
                .await?,
            self.attribute(Name::ApproximateNumberOfMessagesDelayed)
                .await?,
        ])
    }
}

pub(crate) fn entry(id: &str, body: &str) -> Result<SendMessageBatchRequestEntry, String> {
    let entry = SendMessageBatchRequestEntry::builder().id(id);
    let entry = entry.message_body(body).build();
    entry.map_err(|error| error.to_string())
}

/// One of a message's own attributes.
pub(crate) fn system<'a>(
    message: &'a Message,
    name: &MessageSystemAttributeName,
) -> Option<&'a str> {
    message
        .attributes()
        .and_then(|all| all.get(name))
        .map(String::as_str)
}
