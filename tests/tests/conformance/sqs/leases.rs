//! Visibility: who holds a message, for how long, and with which handle.

use std::time::Duration;

use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};

use super::place::system;
use crate::answer::{Answer as _, Outcome, holds, same};
use crate::check::{Check, check};
use crate::sqs::Sqs;

pub(super) const CHECKS: &[Check<Sqs>] = &[
    check!(
        visibility_hides,
        "A received message is hidden, and comes back when its time is over."
    ),
    check!(
        visibility_of_the_queue,
        "Without a time of its own a receive hides for the queue's visibility timeout."
    ),
    check!(
        visibility_to_zero,
        "A change to 0 hands the message back at once."
    ),
    check!(
        visibility_extended,
        "A change counts from now: extended, a message stays hidden past its first time."
    ),
    check!(
        visibility_over_12_hours,
        "A time over 12 h: 400 InvalidParameterValue."
    ),
    check!(
        visibility_total_over_12_hours,
        "A change that goes past 12 h from the receive: 400 InvalidParameterValue; the lease stays as it is."
    ),
    check!(
        visibility_of_a_returned_message,
        "A change for a message that is not in flight: 400 MessageNotInflight."
    ),
    check!(
        visibility_of_a_deleted_message,
        "A change for a message that was deleted: 400."
    ),
    check!(
        receive_count,
        "The receive count grows with each receive, by one."
    ),
    check!(
        handle_of_each_receive,
        "Each receive gives another handle; the newest deletes."
    ),
    check!(
        delete_with_stale_handle,
        "A delete with the handle of an earlier receive: 200; the message may stay, and the newest handle deletes it."
    ),
    check!(
        delete_after_expiry,
        "A delete after the time is over, before another receive: 200, and the message is gone."
    ),
    check!(delete_twice, "A second delete with one handle: 200."),
    check!(
        malformed_handle,
        "A malformed handle, to delete or to change: 400 ReceiptHandleIsInvalid (or 404)."
    ),
    check!(
        delay_of_a_message,
        "A delayed message is hidden and counted as delayed, and comes when its time is over."
    ),
    check!(
        delay_of_the_queue,
        "A queue's delay holds for messages without one of their own."
    ),
];

const SECOND: Duration = Duration::from_millis(1200);
const INVALID: &[&str] = &["InvalidParameterValue"];

async fn visibility_hides(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    queue.put("x").await?;
    queue.take_one(1).await?;
    holds(queue.gives_nothing().await?, "not hidden")?;
    same("counts", queue.counts().await?, ["0", "1", "0"])?;
    tokio::time::sleep(SECOND).await;
    let (message, _) = queue.take_one(30).await?;
    same("body", message.body(), Some("x"))
}

async fn visibility_of_the_queue(sqs: Sqs) -> Outcome {
    let attributes = [(QueueAttributeName::VisibilityTimeout, "1")];
    let queue = sqs.queue_with("visibility", &attributes).await?;
    queue.put("x").await?;
    let receive = queue.receive().wait_time_seconds(1).send().await;
    same("messages", receive.done("receive")?.messages().len(), 1)?;
    holds(queue.gives_nothing().await?, "not hidden")?;
    tokio::time::sleep(SECOND).await;
    queue.take_one(30).await.map(drop)
}

async fn visibility_to_zero(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    queue.put("x").await?;
    let (_, handle) = queue.take_one(600).await?;
    queue.change(&handle, 0).send().await.done("change")?;
    queue.take_one(30).await.map(drop)
}

async fn visibility_extended(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    queue.put("x").await?;
    let (_, handle) = queue.take_one(1).await?;
    queue.change(&handle, 30).send().await.done("change")?;
    tokio::time::sleep(SECOND).await;
    holds(queue.gives_nothing().await?, "back after the first time")?;
    same("counts", queue.counts().await?, ["0", "1", "0"])?;
    queue.delete(&handle).send().await.done("delete").map(drop)
}

async fn visibility_over_12_hours(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    queue.put("x").await?;
    let receive = queue.receive().visibility_timeout(43201).send().await;
    receive.refused("receive", 400, INVALID)?;
    let (_, handle) = queue.take_one(30).await?;
    let change = queue.change(&handle, 43201).send().await;
    change.refused("change", 400, INVALID)
}

async fn visibility_total_over_12_hours(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    queue.put("x").await?;
    let (_, handle) = queue.take_one(30).await?;
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let change = queue.change(&handle, 43200).send().await;
    change.refused("change", 400, INVALID)?;
    let change = queue.change(&handle, 43000).send().await;
    change.done("change within the limit").map(drop)
}

async fn visibility_of_a_returned_message(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    queue.put("x").await?;
    let (_, handle) = queue.take_one(30).await?;
    queue.change(&handle, 0).send().await.done("change")?;
    let change = queue.change(&handle, 30).send().await;
    change.refused("second change", 400, &["MessageNotInflight"])
}

async fn visibility_of_a_deleted_message(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    queue.put("x").await?;
    let (_, handle) = queue.take_one(30).await?;
    queue.delete(&handle).send().await.done("delete")?;
    let change = queue.change(&handle, 30).send().await;
    change.refused("change", 400, &[])
}

async fn receive_count(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    queue.put("x").await?;
    for count in ["1", "2", "3"] {
        let (message, handle) = queue.take_one(30).await?;
        let name = MessageSystemAttributeName::ApproximateReceiveCount;
        same("count", system(&message, &name), Some(count))?;
        queue.change(&handle, 0).send().await.done("change")?;
    }
    Ok(())
}

async fn handle_of_each_receive(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    queue.put("x").await?;
    let (_, first) = queue.take_one(30).await?;
    queue.change(&first, 0).send().await.done("change")?;
    let (_, second) = queue.take_one(30).await?;
    holds(first != second, "the same handle twice")?;
    queue.delete(&second).send().await.done("delete")?;
    same("left", queue.counts().await?, ["0", "0", "0"])
}

async fn delete_with_stale_handle(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    queue.put("x").await?;
    let (_, first) = queue.take_one(30).await?;
    queue.change(&first, 0).send().await.done("change")?;
    let (_, second) = queue.take_one(30).await?;
    let delete = queue.delete(&first).send().await;
    delete.done("delete with the older handle")?;
    let delete = queue.delete(&second).send().await;
    delete.done("delete with the newest")?;
    same("left", queue.counts().await?, ["0", "0", "0"])
}

async fn delete_after_expiry(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    queue.put("x").await?;
    let (_, handle) = queue.take_one(1).await?;
    tokio::time::sleep(SECOND).await;
    queue.delete(&handle).send().await.done("delete")?;
    same("left", queue.counts().await?, ["0", "0", "0"])
}

async fn delete_twice(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    queue.put("x").await?;
    let (_, handle) = queue.take_one(30).await?;
    queue.delete(&handle).send().await.done("delete")?;
    let again = queue.delete(&handle).send().await;
    again.done("second delete").map(drop)
}

async fn malformed_handle(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    let codes = &["ReceiptHandleIsInvalid"];
    let delete = queue.delete("malformed").send().await;
    match delete.as_ref().err().and_then(|error| error.raw_response()) {
        Some(raw) if raw.status().as_u16() == 404 => delete.refused("delete", 404, codes)?,
        _ => delete.refused("delete", 400, codes)?,
    }
    let change = queue.change("malformed", 30).send().await;
    match change.as_ref().err().and_then(|error| error.raw_response()) {
        Some(raw) if raw.status().as_u16() == 404 => change.refused("change", 404, codes),
        _ => change.refused("change", 400, codes),
    }
}

async fn delay_of_a_message(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    // Longer than a busy machine takes to ask for the counts.
    let send = queue.send("x").delay_seconds(3).send().await;
    send.done("send")?;
    holds(queue.gives_nothing().await?, "not hidden")?;
    same("counts", queue.counts().await?, ["0", "0", "1"])?;
    tokio::time::sleep(3 * SECOND).await;
    queue.take_one(30).await.map(drop)
}

async fn delay_of_the_queue(sqs: Sqs) -> Outcome {
    let attributes = [(QueueAttributeName::DelaySeconds, "1")];
    let queue = sqs.queue_with("delay", &attributes).await?;
    queue.put("delayed").await?;
    let send = queue.send("at once").delay_seconds(0).send().await;
    send.done("send")?;
    let (message, _) = queue.take_one(30).await?;
    same("first", message.body(), Some("at once"))?;
    tokio::time::sleep(SECOND).await;
    let (message, _) = queue.take_one(30).await?;
    same("second", message.body(), Some("delayed"))
}
