//! The operations of SQS, from the words of a script to the SDK's requests.

use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
    MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName,
    SendMessageBatchRequestEntry,
};

use crate::client::{Client, Sent};
use crate::step::Arguments;

const OPERATIONS: [&str; 14] = [
    "ChangeMessageVisibility",
    "ChangeMessageVisibilityBatch",
    "CreateQueue",
    "DeleteMessage",
    "DeleteMessageBatch",
    "DeleteQueue",
    "GetQueueAttributes",
    "GetQueueUrl",
    "PurgeQueue",
    "ReceiveMessage",
    "SendMessage",
    "SendMessageBatch",
    "SetQueueAttributes",
    "StartMessageMoveTask",
];

pub(crate) fn knows(operation: &str) -> bool {
    OPERATIONS.contains(&operation)
}

/// Sends the request, with nothing left over, and keeps the error's code.
macro_rules! send {
    ($call:expr, $a:ident) => {{
        let call = $call;
        $a.headers()?;
        let sent = call.send().await;
        Ok(sent.map(|_| None).map_err(|error| {
            let service = error.as_service_error();
            service.and_then(|e| e.code().map(str::to_owned))
        }))
    }};
}

/// `Name=value;Name=value`.
fn attributes(text: Option<String>) -> impl Iterator<Item = (QueueAttributeName, String)> {
    let text = text.unwrap_or_default();
    let pairs: Vec<_> = text
        .split(';')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.into(), value.to_owned()))
        .collect();
    pairs.into_iter()
}

/// `5*x` is that letter so many times; anything else is itself.
fn message(text: String) -> String {
    let repeated = text
        .split_once('*')
        .and_then(|(count, letter)| Some(letter.repeat(count.parse().ok()?)));
    repeated.unwrap_or(text)
}

pub(crate) async fn send(client: &Client, operation: &str, a: &mut Arguments) -> Sent {
    let sqs = &client.sqs;
    match operation {
        "CreateQueue" => {
            let mut call = sqs.create_queue().queue_name(a.needed("QueueName")?);
            for (name, value) in attributes(a.take("Attributes")) {
                call = call.attributes(name, value);
            }
            // The only attribute that is JSON.
            if let Some(target) = a.take("DeadLetters") {
                let (arn, count) = target.rsplit_once('/').ok_or("DeadLetters=ARN/COUNT")?;
                let policy = serde_json::json!({
                    "deadLetterTargetArn": arn, "maxReceiveCount": count,
                });
                call = call.attributes(QueueAttributeName::RedrivePolicy, policy.to_string());
            }
            send!(call, a)
        }
        "GetQueueUrl" => send!(sqs.get_queue_url().queue_name(a.needed("QueueName")?), a),
        "StartMessageMoveTask" => {
            send!(
                sqs.start_message_move_task()
                    .source_arn(a.needed("SourceArn")?),
                a
            )
        }
        _ => to_queue(client, operation, a).await,
    }
}

async fn to_queue(client: &Client, operation: &str, a: &mut Arguments) -> Sent {
    let sqs = &client.sqs;
    let url = a.needed("QueueUrl")?;
    match operation {
        "SendMessage" => {
            let mut call = sqs.send_message().queue_url(url);
            call = call
                .message_body(message(a.needed("MessageBody")?))
                .set_delay_seconds(a.parsed("DelaySeconds")?)
                .set_message_group_id(a.take("MessageGroupId"))
                .set_message_deduplication_id(a.take("MessageDeduplicationId"));
            if let Some(value) = a.take("Attribute") {
                let value = MessageAttributeValue::builder()
                    .data_type("String")
                    .string_value(value);
                call = call.message_attributes("attr", value.build().map_err(|e| e.to_string())?);
            }
            send!(call, a)
        }
        "ReceiveMessage" => {
            let call = sqs
                .receive_message()
                .queue_url(url)
                .message_system_attribute_names(MessageSystemAttributeName::All)
                .set_visibility_timeout(a.parsed("VisibilityTimeout")?)
                .set_max_number_of_messages(a.parsed("MaxNumberOfMessages")?)
                .set_wait_time_seconds(a.parsed("WaitTimeSeconds")?);
            send!(call, a)
        }
        "DeleteMessage" => {
            let handle = a.needed("ReceiptHandle")?;
            send!(
                sqs.delete_message().queue_url(url).receipt_handle(handle),
                a
            )
        }
        "ChangeMessageVisibility" => {
            let call = sqs
                .change_message_visibility()
                .queue_url(url)
                .receipt_handle(a.needed("ReceiptHandle")?)
                .set_visibility_timeout(a.parsed("VisibilityTimeout")?);
            send!(call, a)
        }
        "PurgeQueue" => send!(sqs.purge_queue().queue_url(url), a),
        "DeleteQueue" => send!(sqs.delete_queue().queue_url(url), a),
        "GetQueueAttributes" => {
            let call = sqs.get_queue_attributes().queue_url(url);
            send!(call.attribute_names(QueueAttributeName::All), a)
        }
        "SetQueueAttributes" => {
            let mut call = sqs.set_queue_attributes().queue_url(url);
            for (name, value) in attributes(a.take("Attributes")) {
                call = call.attributes(name, value);
            }
            send!(call, a)
        }
        _ => batch(client, operation, url, a).await,
    }
}

/// Entries are `id:value`, with commas between them; `11*x:value` are as many of
/// them with ids of their own.
async fn batch(client: &Client, operation: &str, url: String, a: &mut Arguments) -> Sent {
    let sqs = &client.sqs;
    let mut entries = Vec::new();
    for one in a.take("Entries").unwrap_or_default().split(',') {
        let Some((id, value)) = one.split_once(':') else {
            continue;
        };
        match id.split_once('*') {
            Some((count, id)) => {
                let count: usize = count.parse().map_err(|_| one.to_owned())?;
                entries.extend((0..count).map(|n| (format!("{id}{n}"), value.to_owned())));
            }
            None => entries.push((id.to_owned(), value.to_owned())),
        }
    }
    match operation {
        "SendMessageBatch" => {
            let mut call = sqs
                .send_message_batch()
                .queue_url(url)
                .set_entries(Some(Vec::new()));
            for (id, body) in entries {
                let entry = SendMessageBatchRequestEntry::builder().id(id);
                let entry = entry.message_body(message(body)).build();
                call = call.entries(entry.map_err(|e| e.to_string())?);
            }
            send!(call, a)
        }
        "DeleteMessageBatch" => {
            let mut call = sqs
                .delete_message_batch()
                .queue_url(url)
                .set_entries(Some(Vec::new()));
            for (id, handle) in entries {
                let entry = DeleteMessageBatchRequestEntry::builder().id(id);
                let entry = entry.receipt_handle(handle).build();
                call = call.entries(entry.map_err(|e| e.to_string())?);
            }
            send!(call, a)
        }
        _ => {
            let seconds = a.parsed("VisibilityTimeout")?;
            let mut call = sqs
                .change_message_visibility_batch()
                .queue_url(url)
                .set_entries(Some(Vec::new()));
            for (id, handle) in entries {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(id);
                let entry = entry.receipt_handle(handle).set_visibility_timeout(seconds);
                call = call.entries(entry.build().map_err(|e| e.to_string())?);
            }
            send!(call, a)
        }
    }
}
