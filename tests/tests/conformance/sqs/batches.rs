//! Batches: ten at most, 1 MiB in all, and partial failure inside a 200.

use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
};

use super::place::entry;
use crate::answer::{Answer as _, Outcome, holds, same, there};
use crate::check::{Check, check};
use crate::sqs::Sqs;

pub(super) const CHECKS: &[Check<Sqs>] = &[
    check!(
        batch_send,
        "A batch of ten is answered entry by entry, with message id and MD5."
    ),
    check!(
        batch_partial_failure,
        "A batch with one disallowed body: 200, that entry failed as the sender's fault, the others are sent."
    ),
    check!(batch_of_one_mib, "A batch of 1 MiB in all is taken."),
    check!(
        batch_over_one_mib,
        "A batch over 1 MiB in all: 400 BatchRequestTooLong, nothing is sent."
    ),
    check!(
        batch_duplicate_ids,
        "Two entries with one id: 400 BatchEntryIdsNotDistinct, nothing is sent."
    ),
    check!(
        batch_invalid_id,
        "An entry's id with a space: 400 InvalidBatchEntryId."
    ),
    check!(
        batch_empty,
        "A batch without entries: 400 EmptyBatchRequest."
    ),
    check!(
        batch_of_eleven,
        "A batch of eleven: 400 TooManyEntriesInBatchRequest, nothing is sent."
    ),
    check!(
        batch_delete,
        "A delete of a batch with one malformed handle: that entry failed, the others are deleted."
    ),
    check!(
        batch_change_visibility,
        "A change of a batch to 0 hands all back; a malformed handle fails alone."
    ),
];

async fn batch_send(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    let bodies = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "123456789"];
    let sent = queue.batch(&bodies)?.send().await.done("send")?;
    same("failed", sent.failed().len(), 0)?;
    let mut ids: Vec<_> = sent
        .successful()
        .iter()
        .map(aws_sdk_sqs::types::SendMessageBatchResultEntry::id)
        .collect();
    ids.sort_unstable();
    same(
        "sent",
        ids,
        ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    )?;
    let last = sent.successful().iter().find(|one| one.id() == "9");
    let md5 = last.map(aws_sdk_sqs::types::SendMessageBatchResultEntry::md5_of_message_body);
    same("MD5", md5, Some("25f9e794323b453885f5181f1b624d0b"))?;
    let mut seen = queue.drain().await?;
    seen.sort();
    let mut wanted = bodies;
    wanted.sort_unstable();
    same("received", seen, wanted)
}

async fn batch_partial_failure(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    let batch = queue.batch(&["good", "b\u{1}ad", "also good"])?;
    let sent = batch.send().await.done("send")?;
    let mut ids: Vec<_> = sent
        .successful()
        .iter()
        .map(aws_sdk_sqs::types::SendMessageBatchResultEntry::id)
        .collect();
    ids.sort_unstable();
    same("sent", ids, ["0", "2"])?;
    let [failed] = sent.failed() else {
        return Err("not one failed entry".to_owned());
    };
    same("failed", failed.id(), "1")?;
    same("code", failed.code(), "InvalidMessageContents")?;
    same("sender's fault", failed.sender_fault(), true)?;
    let mut seen = queue.drain().await?;
    seen.sort();
    same("received", seen, ["also good", "good"])
}

async fn batch_of_one_mib(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    let half = "x".repeat(1 << 19);
    let sent = queue.batch(&[&half, &half])?.send().await.done("send")?;
    same("sent", sent.successful().len(), 2)
}

async fn batch_over_one_mib(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    let half = "x".repeat(1 << 19);
    let send = queue.batch(&[&half, &half, "x"])?.send().await;
    send.refused("send", 400, &["BatchRequestTooLong"])?;
    holds(queue.gives_nothing().await?, "refused, and sent")
}

async fn batch_duplicate_ids(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    let entries = vec![entry("a", "1")?, entry("a", "2")?];
    let batch = queue.batch(&[])?.set_entries(Some(entries)).send().await;
    batch.refused("send", 400, &["BatchEntryIdsNotDistinct"])?;
    holds(queue.gives_nothing().await?, "refused, and sent")
}

async fn batch_invalid_id(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    let entries = vec![entry("a b", "1")?];
    let batch = queue.batch(&[])?.set_entries(Some(entries)).send().await;
    batch.refused("send", 400, &["InvalidBatchEntryId"])
}

async fn batch_empty(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    let send = queue.batch(&[])?.send().await;
    send.refused("send", 400, &["EmptyBatchRequest"])
}

async fn batch_of_eleven(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    let send = queue.batch(&["x"; 11])?.send().await;
    send.refused("send", 400, &["TooManyEntriesInBatchRequest"])?;
    holds(queue.gives_nothing().await?, "refused, and sent")
}

/// Two messages in flight, and their handles behind a malformed one.
async fn handles(queue: &super::place::Queue) -> Result<Vec<String>, String> {
    queue.put("1").await?;
    queue.put("2").await?;
    let mut handles = vec!["malformed".to_owned()];
    while handles.len() < 3 {
        let messages = queue.take(60).await?;
        holds(!messages.is_empty(), "a message is missing")?;
        for message in messages {
            handles.push(there(message.receipt_handle, "receipt handle")?);
        }
    }
    Ok(handles)
}

async fn batch_delete(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    let entries = handles(&queue).await?.into_iter().enumerate();
    let entries = entries.map(|(index, handle)| {
        let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string());
        entry
            .receipt_handle(handle)
            .build()
            .map_err(|error| error.to_string())
    });
    let request = queue.client.delete_message_batch().queue_url(&queue.url);
    let request = request.set_entries(Some(entries.collect::<Result<_, _>>()?));
    let answer = request.send().await.done("delete")?;
    same("deleted", answer.successful().len(), 2)?;
    let failed: Vec<_> = answer
        .failed()
        .iter()
        .map(|one| (one.id(), one.code()))
        .collect();
    same("failed", failed, [("0", "ReceiptHandleIsInvalid")])?;
    same("left", queue.counts().await?, ["0", "0", "0"])
}

async fn batch_change_visibility(sqs: Sqs) -> Outcome {
    let queue = sqs.queue().await?;
    let entries = handles(&queue).await?.into_iter().enumerate();
    let entries = entries.map(|(index, handle)| {
        let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(index.to_string());
        let entry = entry.receipt_handle(handle).visibility_timeout(0);
        entry.build().map_err(|error| error.to_string())
    });
    let request = queue.client.change_message_visibility_batch();
    let request = request.queue_url(&queue.url);
    let request = request.set_entries(Some(entries.collect::<Result<_, _>>()?));
    let answer = request.send().await.done("change")?;
    same("changed", answer.successful().len(), 2)?;
    let failed: Vec<_> = answer
        .failed()
        .iter()
        .map(|one| (one.id(), one.code()))
        .collect();
    same("failed", failed, [("0", "ReceiptHandleIsInvalid")])?;
    let mut seen = queue.drain().await?;
    seen.sort();
    same("received again", seen, ["1", "2"])
}
