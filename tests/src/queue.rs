//! A queue with a dead-letter queue, as a test sees it.

use std::collections::HashMap;

use aws_sdk_sqs::types::{QueueAttributeName, SendMessageBatchRequestEntry};

use crate::servers::{Servers, unique};
use crate::task::Task;
use crate::wait::until;

/// A message in the dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// The body, as it was sent.
    pub body: String,
    /// `rebucket.reason`; empty when the queue itself moved the message.
    pub reason: String,
    /// `rebucket.detail`.
    pub detail: String,
}

/// A queue and its dead-letter queue.
#[derive(Debug, Clone)]
pub struct Queue {
    client: aws_sdk_sqs::Client,
    /// The queue's URL.
    pub url: String,
    dead_letters: String,
}

impl Queue {
    /// Makes both. A message is delivered `max_receives` times at most.
    pub async fn create(servers: &Servers, max_receives: u32) -> Self {
        Self::create_named(servers, max_receives, "").await
    }

    /// Makes both as FIFO queues.
    pub async fn create_fifo(servers: &Servers, max_receives: u32) -> Self {
        Self::create_named(servers, max_receives, ".fifo").await
    }

    async fn create_named(servers: &Servers, max_receives: u32, ending: &str) -> Self {
        use QueueAttributeName as Name;
        let client = servers.sqs_client();
        let name = unique("renames");
        let create = |name: String| {
            let request = client.create_queue().queue_name(name + ending);
            if ending.is_empty() {
                request
            } else {
                request.attributes(Name::FifoQueue, "true")
            }
        };
        let dead = create(format!("{name}-dead"));
        // Longer than the queue's own: what is moved late must not be lost.
        let dead = dead.attributes(Name::MessageRetentionPeriod, "1209600");
        let dead_letters = dead.send().await.expect("a dead-letter queue");
        let dead_letters = dead_letters.queue_url().expect("its URL").to_owned();
        let attributes = client
            .get_queue_attributes()
            .queue_url(&dead_letters)
            .attribute_names(Name::QueueArn)
            .send()
            .await
            .expect("its attributes");
        let arn = &attributes.attributes().expect("attributes")[&Name::QueueArn];
        let policy = serde_json::json!({
            "deadLetterTargetArn": arn, "maxReceiveCount": max_receives,
        });
        let queue = create(name).attributes(Name::RedrivePolicy, policy.to_string());
        let queue = queue.send().await.expect("a queue");
        let url = queue.queue_url().expect("its URL").to_owned();
        Self {
            client,
            url,
            dead_letters,
        }
    }

    /// Deletes the dead-letter queue.
    pub async fn delete_dead_letters(&self) {
        let delete = self.client.delete_queue().queue_url(&self.dead_letters);
        delete.send().await.expect("deleted");
    }

    /// The queue's name for others.
    pub async fn arn(&self) -> String {
        let name = QueueAttributeName::QueueArn;
        let get = self.client.get_queue_attributes().queue_url(&self.url);
        let answer = get.attribute_names(name.clone()).send().await;
        answer
            .expect("its attributes")
            .attributes()
            .expect("attributes")[&name]
            .clone()
    }

    /// Names another dead-letter queue.
    pub async fn name_dead_letters(&self, arn: &str) {
        let policy = serde_json::json!({"deadLetterTargetArn": arn, "maxReceiveCount": 5});
        let name = QueueAttributeName::RedrivePolicy;
        self.set(name, &policy.to_string()).await;
    }

    /// Sets an attribute of the queue.
    pub async fn set(&self, name: QueueAttributeName, value: &str) {
        let set = self.client.set_queue_attributes().queue_url(&self.url);
        let done = set.attributes(name, value).send().await;
        done.expect("the attribute");
    }

    /// Takes every message out of the queue: its group, its deduplication id
    /// and its body.
    pub async fn take_in_order(&self) -> Vec<[String; 3]> {
        use aws_sdk_sqs::types::MessageSystemAttributeName as Name;
        let mut all = Vec::new();
        loop {
            let receive = self.client.receive_message().queue_url(&self.url);
            let receive = receive.max_number_of_messages(10);
            let receive = receive.message_system_attribute_names(Name::All);
            let answer = receive.send().await.expect("messages");
            if answer.messages().is_empty() {
                return all;
            }
            for message in answer.messages() {
                let delete = self.client.delete_message().queue_url(&self.url);
                let delete = delete.receipt_handle(message.receipt_handle().expect("a receipt"));
                delete.send().await.expect("deleted");
                let attribute = |name| {
                    let value = message.attributes().and_then(|all| all.get(&name));
                    value.cloned().unwrap_or_default()
                };
                all.push([
                    attribute(Name::MessageGroupId),
                    attribute(Name::MessageDeduplicationId),
                    message.body().unwrap_or_default().to_owned(),
                ]);
            }
        }
    }

    /// Makes a queue without a dead-letter queue, and returns its URL.
    pub async fn create_without_redrive(servers: &Servers) -> String {
        let request = servers.sqs_client().create_queue();
        let made = request.queue_name(unique("plain")).send().await;
        made.expect("a queue")
            .queue_url()
            .expect("its URL")
            .to_owned()
    }

    /// Sends tasks.
    pub async fn send(&self, tasks: &[Task]) {
        for batch in tasks.chunks(10) {
            let entries = batch.iter().enumerate().map(|(index, task)| {
                SendMessageBatchRequestEntry::builder()
                    .id(index.to_string())
                    .message_body(task.body())
                    .build()
                    .expect("an entry")
            });
            let request = self.client.send_message_batch().queue_url(&self.url);
            let sent = request
                .set_entries(Some(entries.collect()))
                .send()
                .await
                .expect("sent");
            assert!(sent.failed().is_empty(), "not sent: {:?}", sent.failed());
        }
    }

    /// Sends one body as it is. False when the server refuses it.
    pub async fn send_raw(&self, body: &str) -> bool {
        let request = self.client.send_message().queue_url(&self.url);
        request.message_body(body).send().await.is_ok()
    }

    /// How many messages the queue holds: visible, in flight, delayed.
    pub async fn depth(&self) -> [usize; 3] {
        use QueueAttributeName as Name;
        let names = [
            Name::ApproximateNumberOfMessages,
            Name::ApproximateNumberOfMessagesNotVisible,
            Name::ApproximateNumberOfMessagesDelayed,
        ];
        let request = self.client.get_queue_attributes().queue_url(&self.url);
        let answer = request.set_attribute_names(Some(names.to_vec())).send();
        let answer = answer.await.expect("the queue's attributes");
        let counts = answer.attributes().expect("attributes");
        names.map(|name| {
            counts
                .get(&name)
                .map_or(0, |count| count.parse().expect("a count"))
        })
    }

    /// True when nothing is left, in flight or not.
    pub async fn is_empty(&self) -> bool {
        self.depth().await == [0, 0, 0]
    }

    /// Waits until nothing is left.
    pub async fn until_empty(&self) {
        until("the queue is empty", || async {
            self.is_empty().await.then_some(())
        })
        .await;
    }

    /// Waits until a worker holds `count` messages.
    pub async fn until_in_flight(&self, count: usize) {
        until("messages are in flight", || async {
            (self.depth().await[1] == count).then_some(())
        })
        .await;
    }

    /// Takes every message out of the dead-letter queue.
    pub async fn parked(&self) -> Vec<Parked> {
        let mut all = Vec::new();
        loop {
            let answer = self
                .client
                .receive_message()
                .queue_url(&self.dead_letters)
                .max_number_of_messages(10)
                .visibility_timeout(600)
                .message_attribute_names("All")
                .send()
                .await
                .expect("the dead-letter queue");
            let messages = answer.messages();
            if messages.is_empty() {
                return all;
            }
            all.extend(messages.iter().map(|message| {
                let attributes: HashMap<_, _> = message
                    .message_attributes()
                    .into_iter()
                    .flatten()
                    .map(|(name, value)| (name.as_str(), value.string_value().unwrap_or_default()))
                    .collect();
                let text = |name| (*attributes.get(name).unwrap_or(&"")).to_owned();
                Parked {
                    body: message.body().unwrap_or_default().to_owned(),
                    reason: text("rebucket.reason"),
                    detail: text("rebucket.detail"),
                }
            }));
        }
    }

    /// Asserts that nothing was parked.
    pub async fn assert_nothing_parked(&self) {
        let parked = self.parked().await;
        assert!(parked.is_empty(), "parked: {parked:#?}");
    }
}
