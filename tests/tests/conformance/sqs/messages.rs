//! Messages one at a time: bodies, attributes, limits.

use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{MessageAttributeValue, MessageSystemAttributeName};
use std::time::{Duration, Instant};

use super::place::system;
use crate::answer::{Answer as _, Outcome, holds, same, there};
use crate::check::{Check, check};
use crate::sqs::Sqs;

pub(super) const CHECKS: &[Check<Sqs>] = &[
    check!(
        send_receive_delete,
        "A message comes back with its id, its body and the body's MD5; deleted, it is gone."
    ),
    check!(
        body_in_unicode,
        "A body is any text that XML 1.0 allows: tabs, newlines, quotes, letters beyond U+FFFF."
    ),
    check!(
        body_with_disallowed_characters,
        "A body with a control character or U+FFFE: 400 InvalidMessageContents."
    ),
    check!(body_empty, "An empty body: 400."),
    check!(body_of_one_mib, "A body of 1 MiB is taken."),
    check!(
        body_over_one_mib,
        "A body over 1 MiB: 400 InvalidParameterValue."
    ),
    check!(
        message_attributes,
        "Message attributes (text, number, bytes) come back when asked for, with their MD5."
    ),
    check!(
        message_attributes_unasked,
        "Message attributes do not come unless asked for."
    ),
    check!(
        system_attributes,
        "A message names when it was sent, when it was first received, and how often."
    ),
    check!(
        receive_at_most,
        "A receive gives at most as many as it asks for; more than ten: 400."
    ),
    check!(
        missing_queue,
        "A send to a missing queue, or its URL: 400 QueueDoesNotExist."
    ),
    check!(
        short_poll,
        "An empty receive that does not wait returns at once."
    ),
    check!(
        long_poll_ends,
        "An empty receive that waits a second returns after it, with nothing."
    ),
    check!(
        long_poll_wakes,
        "A receive that waits returns as soon as a message is sent."
    ),
    check!(
        long_poll_too_long,
        "A receive that waits over 20 s: 400 InvalidParameterValue."
    ),
    check!(
        group_on_a_standard_queue,
        "A standard queue takes a message group (fair queues), and gives it back."
    ),
];

async fn send_receive_delete(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    let sent = queue.send("123456789").send().await.done("send")?;
    let md5 = Some("25f9e794323b453885f5181f1b624d0b");
    same("MD5 of send", sent.md5_of_message_body(), md5)?;
    let (message, handle) = queue.take_one(30).await?;
    same("body", message.body(), Some("123456789"))?;
    same("MD5", message.md5_of_body(), md5)?;
    let id = there(sent.message_id, "message id")?;
    holds(message.message_id == Some(id), "another message id")?;
    queue.delete(&handle).send().await.done("delete")?;
    let counts = queue.counts().await?;
    same("left", counts, ["0", "0", "0"])
}

async fn body_in_unicode(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    let body = "tab\tnewline\nreturn\r\"quoted\" <&> grün 写真 😀 \u{fffd} \u{d7ff} \u{e000}";
    queue.put(body).await?;
    let (message, _) = queue.take_one(30).await?;
    same("body", message.body(), Some(body))
}

async fn body_with_disallowed_characters(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    for body in ["a\u{1}b", "a\u{fffe}b", "a\u{b}b", "a\u{ffff}"] {
        let send = queue.send(body).send().await;
        send.refused(&format!("{body:?}"), 400, &["InvalidMessageContents"])?;
    }
    same("messages", queue.counts().await?, ["0", "0", "0"])
}

async fn body_empty(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    queue.send("").send().await.refused("send", 400, &[])
}

async fn body_of_one_mib(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    queue.put(&"x".repeat(1 << 20)).await?;
    let (message, _) = queue.take_one(30).await?;
    same("length", message.body().map(str::len), Some(1 << 20))
}

async fn body_over_one_mib(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    let send = queue.send(&"x".repeat((1 << 20) + 1)).send().await;
    send.refused("send", 400, &["InvalidParameterValue"])
}

fn attribute(kind: &str) -> aws_sdk_sqs::types::builders::MessageAttributeValueBuilder {
    MessageAttributeValue::builder().data_type(kind)
}

async fn message_attributes(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    let built =
        |value: Result<_, aws_sdk_sqs::error::BuildError>| value.map_err(|error| error.to_string());
    let text = built(attribute("String").string_value("grün").build())?;
    let number = built(attribute("Number").string_value("17").build())?;
    let bytes = attribute("Binary").binary_value(Blob::new([0, 1])).build();
    let send = queue
        .send("body")
        .message_attributes("text", text.clone())
        .message_attributes("number", number.clone())
        .message_attributes("bytes", built(bytes)?);
    let sent = send.send().await.done("send")?;
    let md5 = Some("3e0e383645d671b2f46ba12fd1529fc4");
    same("MD5 of send", sent.md5_of_message_attributes(), md5)?;
    let receive = queue.receive().message_attribute_names("All");
    let receive = receive.wait_time_seconds(1).send().await;
    let received = receive.done("receive")?;
    let message = there(received.messages().first(), "message")?;
    same("MD5", message.md5_of_message_attributes(), md5)?;
    let all = there(message.message_attributes(), "attributes")?;
    same("text", all.get("text"), Some(&text))?;
    same("number", all.get("number"), Some(&number))?;
    let bytes = all.get("bytes").and_then(|value| value.binary_value());
    same("bytes", bytes, Some(&Blob::new([0, 1])))?;
    same("attributes", all.len(), 3)
}

async fn message_attributes_unasked(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    let text = attribute("String").string_value("x").build();
    let text = text.map_err(|error| error.to_string())?;
    let send = queue.send("body").message_attributes("text", text);
    send.send().await.done("send")?;
    let (message, _) = queue.take_one(30).await?;
    let count = message
        .message_attributes()
        .map_or(0, std::collections::HashMap::len);
    same("attributes", count, 0)
}

async fn system_attributes(sqs: Sqs) -> Outcome {
    use MessageSystemAttributeName as Name;
    let queue = sqs.queue().await?;
    let start = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let start = start.map_err(|error| error.to_string())?.as_millis();
    queue.put("body").await?;
    let (message, _) = queue.take_one(30).await?;
    same(
        "count",
        system(&message, &Name::ApproximateReceiveCount),
        Some("1"),
    )?;
    for name in [Name::SentTimestamp, Name::ApproximateFirstReceiveTimestamp] {
        let value = there(system(&message, &name), name.as_str())?;
        let value: u128 = value.parse().map_err(|_| format!("{name}: no number"))?;
        let in_time = value.abs_diff(start) < 60_000;
        holds(in_time, &format!("{name} is not now, in milliseconds"))?;
    }
    there(system(&message, &Name::SenderId), "SenderId").map(drop)
}

async fn receive_at_most(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    for body in ["1", "2", "3"] {
        queue.put(body).await?;
    }
    let receive = queue.receive().max_number_of_messages(2).send().await;
    let count = receive.done("receive")?.messages().len();
    holds((1..=2).contains(&count), "more than asked for, or nothing")?;
    let receive = queue.receive().max_number_of_messages(11).send().await;
    let codes = &["InvalidParameterValue", "ReadCountOutOfRange"];
    receive.refused("receive of 11", 400, codes)
}

async fn missing_queue(sqs: Sqs) -> Outcome {
    let mut queue = sqs.queue().await?;
    let codes = &["NonExistentQueue", "QueueDoesNotExist"];
    let name = format!("{}-not", queue.name);
    let get = sqs.client().get_queue_url().queue_name(&name).send().await;
    get.refused("GetQueueUrl", 400, codes)?;
    queue.url.push_str("-not");
    let send = queue.send("x").send().await;
    send.refused("send", 400, codes)?;
    let receive = queue.receive().send().await;
    receive.refused("receive", 400, codes)
}

async fn short_poll(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    let start = Instant::now();
    holds(queue.gives_nothing().await?, "an unknown message")?;
    holds(start.elapsed() < Duration::from_millis(900), "waits")
}

async fn long_poll_ends(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    let start = Instant::now();
    same("messages", queue.take(30).await?.len(), 0)?;
    holds(
        start.elapsed() > Duration::from_millis(900),
        "does not wait",
    )?;
    holds(start.elapsed() < Duration::from_secs(4), "waits too long")
}

async fn long_poll_wakes(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    let receive = queue.receive().wait_time_seconds(10).send();
    let receive = tokio::spawn(receive);
    // Long enough for the receive to be there first; when it is not, the
    // check is only weaker.
    tokio::time::sleep(Duration::from_millis(300)).await;
    holds(!receive.is_finished(), "does not wait")?;
    let start = Instant::now();
    queue.put("x").await?;
    let received = receive.await.map_err(|error| error.to_string())?;
    same("messages", received.done("receive")?.messages().len(), 1)?;
    holds(start.elapsed() < Duration::from_secs(3), "wakes late")
}

async fn long_poll_too_long(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    queue.put("x").await?;
    let receive = queue.receive().wait_time_seconds(21).send().await;
    receive.refused("receive", 400, &["InvalidParameterValue"])
}

async fn group_on_a_standard_queue(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    let send = queue.send("x").message_group_id("tenant-1").send().await;
    send.done("send")?;
    let (message, _) = queue.take_one(30).await?;
    let group = system(&message, &MessageSystemAttributeName::MessageGroupId);
    same("group", group, Some("tenant-1"))
}
