//! Queues: attributes, counts, dead letters, FIFO.

use aws_sdk_sqs::types::{MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName};

use super::place::{Queue, system};
use crate::answer::{Answer as _, Outcome, holds, same, there};
use crate::check::{Check, check};
use crate::sqs::Sqs;

pub(super) const CHECKS: &[Check<Sqs>] = &[
    check!(
        queue_attributes,
        "A new queue hides for 30 s, keeps for 4 days, does not delay, does not wait, and takes 1 MiB."
    ),
    check!(
        queue_attributes_set,
        "Attributes that are set are read back."
    ),
    check!(
        queue_made_twice,
        "A queue that is made again has the same URL; with other attributes: 400 QueueNameExists."
    ),
    check!(queue_url, "GetQueueUrl finds a queue by its name."),
    check!(
        approximate_counts,
        "The counts tell visible, in flight and delayed messages apart."
    ),
    check!(
        purge,
        "PurgeQueue deletes every message, in flight too (AWS: within 60 s; elsewhere: at once)."
    ),
    check!(
        redrive,
        "A message that was received maxReceiveCount times goes to the dead-letter queue at the next receive."
    ),
    check!(
        redrive_keeps_attributes,
        "In the dead-letter queue a message has its body, its id and its attributes, and the source's ARN."
    ),
    check!(
        redrive_not_by_handing_back,
        "Up to maxReceiveCount receives a message that is handed back comes again."
    ),
    check!(
        fifo_order,
        "In a FIFO queue a group's messages come in the order of their sending."
    ),
    check!(
        fifo_group_waits,
        "While one of a group is in flight the group waits, and other groups do not."
    ),
    check!(
        fifo_deduplication,
        "A second message with the same deduplication id is taken, and not delivered."
    ),
    check!(
        fifo_content_deduplication,
        "With ContentBasedDeduplication the same body is delivered once."
    ),
    check!(
        fifo_without_group,
        "A message to a FIFO queue without a group: 400 MissingParameter."
    ),
    check!(
        fifo_without_deduplication,
        "A message to a FIFO queue without a deduplication id: 400 InvalidParameterValue."
    ),
    check!(
        fifo_delete_after_expiry,
        "A delete in a FIFO queue after the time is over: 400 InvalidParameterValue."
    ),
];

async fn queue_attributes(sqs: Sqs) -> Outcome {
    use QueueAttributeName as Name;
    let queue = sqs.queue().await?;
    for (name, wanted) in [
        (Name::VisibilityTimeout, "30"),
        (Name::MessageRetentionPeriod, "345600"),
        (Name::DelaySeconds, "0"),
        (Name::ReceiveMessageWaitTimeSeconds, "0"),
        (Name::MaximumMessageSize, "1048576"),
    ] {
        same(name.as_str(), queue.attribute(name.clone()).await?, wanted)?;
    }
    let arn = queue.attribute(Name::QueueArn).await?;
    holds(
        arn.starts_with("arn:aws:sqs:us-east-1:") && arn.ends_with(&queue.name),
        "another ARN",
    )
}

async fn queue_attributes_set(sqs: Sqs) -> Outcome {
    use QueueAttributeName as Name;
    let queue = sqs.queue().await?;
    let set = queue.client.set_queue_attributes().queue_url(&queue.url);
    let set = set
        .attributes(Name::VisibilityTimeout, "77")
        .attributes(Name::MessageRetentionPeriod, "1209600");
    set.send().await.done("SetQueueAttributes")?;
    let seen = queue.attribute(Name::VisibilityTimeout).await?;
    same("VisibilityTimeout", seen, "77")?;
    let seen = queue.attribute(Name::MessageRetentionPeriod).await?;
    same("MessageRetentionPeriod", seen, "1209600")
}

async fn queue_made_twice(sqs: Sqs) -> Outcome {
    let attributes = [(QueueAttributeName::VisibilityTimeout, "60")];
    let queue = sqs.queue_with("twice", &attributes).await?;
    let create = |seconds| {
        let create = queue.client.create_queue().queue_name(&queue.name);
        create.attributes(QueueAttributeName::VisibilityTimeout, seconds)
    };
    let again = create("60").send().await.done("create again")?;
    holds(again.queue_url() == Some(&queue.url), "another URL")?;
    let other = create("61").send().await;
    let codes = &["QueueNameExists", "QueueAlreadyExists"];
    other.refused("create with another attribute", 400, codes)
}

async fn queue_url(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    let get = queue.client.get_queue_url().queue_name(&queue.name);
    let url = get.send().await.done("GetQueueUrl")?.queue_url;
    holds(url.as_ref() == Some(&queue.url), "another URL")
}

async fn approximate_counts(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    same("empty", queue.counts().await?, ["0", "0", "0"])?;
    queue.put("in flight").await?;
    queue.take_one(60).await?;
    queue.put("visible").await?;
    queue.put("visible").await?;
    for _ in 0..3 {
        let send = queue.send("delayed").delay_seconds(60).send().await;
        send.done("send")?;
    }
    same("counts", queue.counts().await?, ["2", "1", "3"])
}

async fn purge(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    queue.put("in flight").await?;
    queue.take_one(60).await?;
    queue.put("visible").await?;
    let purge = queue.client.purge_queue().queue_url(&queue.url);
    purge.send().await.done("purge")?;
    same("left", queue.counts().await?, ["0", "0", "0"])?;
    holds(queue.gives_nothing().await?, "a message is left")
}

/// A queue whose messages go to another after so many receives.
async fn with_dead_letters(sqs: &Sqs, receives: u32) -> Result<(Queue, Queue), String> {
    let dead = sqs.queue_with("dead", &[]).await?;
    let arn = dead.attribute(QueueAttributeName::QueueArn).await?;
    let policy = format!("{{\"deadLetterTargetArn\":\"{arn}\",\"maxReceiveCount\":{receives}}}");
    let attributes = [(QueueAttributeName::RedrivePolicy, policy.as_str())];
    Ok((sqs.queue_with("source", &attributes).await?, dead))
}

async fn receive_and_hand_back(queue: &Queue) -> Outcome {
    let (_, handle) = queue.take_one(30).await?;
    queue
        .change(&handle, 0)
        .send()
        .await
        .done("change")
        .map(drop)
}

async fn redrive(sqs: Sqs) -> Outcome {
    let (queue, dead) = with_dead_letters(&sqs, 2).await?;
    queue.put("x").await?;
    receive_and_hand_back(&queue).await?;
    receive_and_hand_back(&queue).await?;
    holds(queue.gives_nothing().await?, "a third receive gives it")?;
    same("left", queue.counts().await?, ["0", "0", "0"])?;
    let (message, _) = dead.take_one(30).await?;
    same("body", message.body(), Some("x"))
}

async fn redrive_keeps_attributes(sqs: Sqs) -> Outcome {
    let (queue, dead) = with_dead_letters(&sqs, 1).await?;
    let text = MessageAttributeValue::builder().data_type("String");
    let text = text.string_value("kept").build();
    let text = text.map_err(|error| error.to_string())?;
    let send = queue.send("x").message_attributes("text", text.clone());
    let sent = send.send().await.done("send")?;
    receive_and_hand_back(&queue).await?;
    holds(queue.gives_nothing().await?, "a second receive gives it")?;
    let receive = dead.receive().message_attribute_names("All");
    let receive = receive.wait_time_seconds(1).send().await;
    let received = receive.done("receive")?;
    let message = there(received.messages().first(), "message")?;
    same("body", message.body(), Some("x"))?;
    holds(message.message_id == sent.message_id, "another message id")?;
    let seen = message.message_attributes().and_then(|all| all.get("text"));
    same("attribute", seen, Some(&text))?;
    let source = system(
        message,
        &MessageSystemAttributeName::DeadLetterQueueSourceArn,
    );
    let arn = queue.attribute(QueueAttributeName::QueueArn).await?;
    holds(
        source == Some(&arn),
        "DeadLetterQueueSourceArn is not the source's",
    )
}

async fn redrive_not_by_handing_back(sqs: Sqs) -> Outcome {
    let (queue, dead) = with_dead_letters(&sqs, 3).await?;
    queue.put("x").await?;
    receive_and_hand_back(&queue).await?;
    receive_and_hand_back(&queue).await?;
    let (_, handle) = queue.take_one(30).await?;
    queue.delete(&handle).send().await.done("delete")?;
    same("dead letters", dead.counts().await?, ["0", "0", "0"])
}

async fn send(queue: &Queue, group: &str, body: &str) -> Outcome {
    let send = queue.send(body).message_group_id(group);
    let send = send.message_deduplication_id(format!("{group}-{body}"));
    send.send().await.done("send").map(drop)
}

async fn fifo_order(sqs: Sqs) -> Outcome {
    let queue = sqs.fifo().await?;
    for body in ["1", "2", "3", "4", "5"] {
        send(&queue, "g", body).await?;
    }
    same("order", queue.drain().await?, ["1", "2", "3", "4", "5"])
}

async fn fifo_group_waits(sqs: Sqs) -> Outcome {
    let queue = sqs.fifo().await?;
    send(&queue, "g", "1").await?;
    send(&queue, "g", "2").await?;
    let receive = queue.receive().max_number_of_messages(1).send().await;
    let received = receive.done("receive")?.messages.unwrap_or_default();
    let first = there(received.first(), "message")?;
    same("first", first.body(), Some("1"))?;
    holds(queue.gives_nothing().await?, "the group does not wait")?;
    send(&queue, "h", "3").await?;
    let (other, _) = queue.take_one(30).await?;
    same("of the other group", other.body(), Some("3"))?;
    let handle = there(first.receipt_handle(), "receipt handle")?;
    queue.delete(handle).send().await.done("delete")?;
    let (next, _) = queue.take_one(30).await?;
    same("next", next.body(), Some("2"))
}

async fn fifo_deduplication(sqs: Sqs) -> Outcome {
    let queue = sqs.fifo().await?;
    send(&queue, "g", "x").await?;
    send(&queue, "g", "x").await?;
    same("received", queue.drain().await?, ["x"])
}

async fn fifo_content_deduplication(sqs: Sqs) -> Outcome {
    let attributes = [
        (QueueAttributeName::FifoQueue, "true"),
        (QueueAttributeName::ContentBasedDeduplication, "true"),
    ];
    let queue = sqs.queue_with("content", &attributes).await?;
    for body in ["x", "x", "y"] {
        let send = queue.send(body).message_group_id("g").send().await;
        send.done("send")?;
    }
    same("received", queue.drain().await?, ["x", "y"])
}

async fn fifo_without_group(sqs: Sqs) -> Outcome {
    let queue = sqs.fifo().await?;
    let send = queue.send("x").message_deduplication_id("x").send().await;
    send.refused("send", 400, &["MissingParameter"])
}

async fn fifo_without_deduplication(sqs: Sqs) -> Outcome {
    let queue = sqs.fifo().await?;
    let send = queue.send("x").message_group_id("g").send().await;
    send.refused("send", 400, &["InvalidParameterValue"])
}

async fn fifo_delete_after_expiry(sqs: Sqs) -> Outcome {
    let queue = sqs.fifo().await?;
    send(&queue, "g", "x").await?;
    let (_, handle) = queue.take_one(1).await?;
    tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
    let delete = queue.delete(&handle).send().await;
    delete.refused("delete", 400, &["InvalidParameterValue"])
}
