//! Between batches of SQS and ours.

use std::time::Duration;

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};
use rebucket_protocol::Timestamp;
use tokio::time::Instant;

use crate::error::{ErrorClass, ServiceError};
use crate::queue::{ReceiptHandle, Received};

/// Attribute values of a parked message are cut to so many bytes, so that
/// they and the body fit into one message.
const MAX_DETAIL_BYTES: usize = 2_000;

/// The entries of a batch; the SDK checks that each has its required fields.
pub(super) fn built<T, E: std::error::Error>(
    operation: &'static str,
    url: &str,
    entries: impl Iterator<Item = Result<T, E>>,
) -> Result<Vec<T>, ServiceError> {
    entries.collect::<Result<_, _>>().map_err(|error| {
        ServiceError::local(
            operation,
            url,
            ErrorClass::Invalid,
            "BadEntry",
            error.to_string(),
        )
    })
}

pub(super) fn received(message: Message, deadline: Instant) -> Option<Received> {
    let attributes = message.attributes.unwrap_or_default();
    let number = |name| {
        attributes
            .get(&name)
            .and_then(|text: &String| text.parse::<i64>().ok())
    };
    let receive_count = number(MessageSystemAttributeName::ApproximateReceiveCount);
    let sent = number(MessageSystemAttributeName::SentTimestamp);
    Some(Received {
        id: message.message_id.unwrap_or_default(),
        receipt: ReceiptHandle(message.receipt_handle?),
        body: message.body.unwrap_or_default(),
        receive_count: receive_count.and_then(|n| u32::try_from(n).ok()),
        sent: sent.and_then(Timestamp::from_unix_millis),
        deadline,
    })
}

/// Seconds for the service: rounded up, because asking for 0 gives the message
/// away at once.
pub(super) fn seconds(duration: Duration) -> i32 {
    let whole = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(whole).unwrap_or(i32::MAX).min(43_200)
}

/// Text that an attribute may hold: not empty, no control characters, short.
pub(super) fn attribute_text(text: &str) -> String {
    let mut clean: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if clean.len() > MAX_DETAIL_BYTES {
        let mut end = MAX_DETAIL_BYTES;
        while !clean.is_char_boundary(end) {
            end -= 1;
        }
        clean.truncate(end);
    }
    if clean.trim().is_empty() {
        "-".to_owned()
    } else {
        clean
    }
}

pub(super) fn names_to_counts(
    names: [QueueAttributeName; 3],
    count: impl Fn(QueueAttributeName) -> Option<u64>,
) -> [Option<u64>; 3] {
    names.map(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attribute_text_is_what_sqs_takes() {
        assert_eq!(attribute_text(""), "-");
        assert_eq!(attribute_text("a\nb"), "a b");
        let cut = attribute_text(&"é".repeat(2_000));
        assert!(cut.len() <= MAX_DETAIL_BYTES && cut.chars().all(|c| c == 'é'));
    }

    #[test]
    fn a_fraction_of_a_second_is_not_zero() {
        assert_eq!(seconds(Duration::from_millis(1)), 1);
        assert_eq!(seconds(Duration::ZERO), 0);
        assert_eq!(seconds(Duration::from_secs(100_000)), 43_200);
    }
}
