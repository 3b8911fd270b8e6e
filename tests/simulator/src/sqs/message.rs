//! What is sent and what is received.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use md5::{Digest, Md5};

use super::{Code, Result, SqsError};
use crate::clock::Millis;

/// A message's id: numbered in the order of sending, shown as a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(pub u64);

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (high, low) = (self.0 >> 48, self.0 & 0xffff_ffff_ffff);
        write!(f, "00000000-0000-4000-{:04x}-{low:012x}", 0x8000 | high)
    }
}

/// The value of a message attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeValue {
    /// `String`, `Number` or `Binary`, perhaps with a custom `.label`.
    pub data_type: String,
    /// The bytes; UTF-8 unless the type is `Binary`.
    pub value: Vec<u8>,
}

impl AttributeValue {
    /// A `String`.
    #[must_use]
    pub fn string(value: &str) -> Self {
        Self {
            data_type: "String".to_owned(),
            value: value.as_bytes().to_vec(),
        }
    }

    /// Whether the value travels as bytes rather than as text.
    #[must_use]
    pub fn is_binary(&self) -> bool {
        self.data_type.starts_with("Binary")
    }

    /// The value as text; empty when it is not text.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.value).unwrap_or_default()
    }
}

/// Body and attributes: what every delivery of a message shares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Payload {
    /// The body.
    pub body: String,
    /// The message attributes by name.
    pub attributes: BTreeMap<String, AttributeValue>,
}

impl Payload {
    /// What counts against the size limits, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        let attribute =
            |(name, v): (&String, &AttributeValue)| name.len() + v.data_type.len() + v.value.len();
        self.body.len() + self.attributes.iter().map(attribute).sum::<usize>()
    }

    /// The MD5 of the body, as SDKs check it.
    #[must_use]
    pub fn md5_of_body(&self) -> String {
        hex_md5(self.body.as_bytes())
    }

    /// The MD5 of all attributes; nothing when there are none.
    #[must_use]
    pub fn md5_of_attributes(&self) -> Option<String> {
        self.md5_of_some(|_| true)
    }

    /// The MD5 of the attributes that `wanted` picks: a receiver that asks for
    /// some of them is told the MD5 of those.
    pub fn md5_of_some(&self, wanted: impl Fn(&str) -> bool) -> Option<String> {
        let mut encoded = Vec::new();
        for (name, value) in self.attributes.iter().filter(|(name, _)| wanted(name)) {
            let mut field = |bytes: &[u8]| {
                let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                encoded.extend_from_slice(&length.to_be_bytes());
                encoded.extend_from_slice(bytes);
            };
            field(name.as_bytes());
            field(value.data_type.as_bytes());
            encoded.push(if value.is_binary() { 2 } else { 1 });
            let length = u32::try_from(value.value.len()).unwrap_or(u32::MAX);
            encoded.extend_from_slice(&length.to_be_bytes());
            encoded.extend_from_slice(&value.value);
        }
        (!encoded.is_empty()).then(|| hex_md5(&encoded))
    }

    pub(super) fn validate(&self, limit: usize) -> Result<()> {
        if self.body.is_empty() {
            return Err(SqsError::missing("MessageBody"));
        }
        let texts = self.attributes.values().filter(|v| !v.is_binary());
        if !is_allowed(&self.body) || texts.clone().any(|v| !is_allowed(v.text())) {
            return Err(SqsError::new(
                Code::InvalidMessageContents,
                "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | \
                 #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF",
            ));
        }
        if self.attributes.len() > 10 {
            return Err(invalid(
                "Number of message attributes exceeds the allowed maximum [10].",
            ));
        }
        for (name, value) in &self.attributes {
            validate_attribute(name, value)?;
        }
        if self.size() > limit {
            return Err(invalid(&format!(
                "One or more parameters are invalid. Reason: Message must be shorter than {limit} bytes."
            )));
        }
        Ok(())
    }
}

fn validate_attribute(name: &str, value: &AttributeValue) -> Result<()> {
    let lower = name.to_ascii_lowercase();
    let named_well = (1..=256).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !name.contains("..")
        && !lower.starts_with("aws.")
        && !lower.starts_with("amazon.");
    if !named_well {
        return Err(invalid(&format!(
            "The message attribute name '{name}' is invalid."
        )));
    }
    let kind = value.data_type.split('.').next().unwrap_or_default();
    if !matches!(kind, "String" | "Number" | "Binary") || value.data_type.len() > 256 {
        return Err(invalid(&format!(
            "The message attribute '{name}' has an invalid message attribute type, the set of \
             supported type prefixes is Binary, Number, and String."
        )));
    }
    if value.value.is_empty() {
        return Err(invalid(&format!(
            "Message (user) attribute '{name}' must contain a non-empty value of type '{kind}'."
        )));
    }
    if kind == "Number" && !value.text().parse::<f64>().is_ok_and(f64::is_finite) {
        return Err(invalid(&format!(
            "Can't cast the value of message (user) attribute '{name}' to a number."
        )));
    }
    Ok(())
}

fn invalid(message: &str) -> SqsError {
    SqsError::new(Code::InvalidParameterValue, message)
}

fn is_allowed(text: &str) -> bool {
    text.chars().all(|c| {
        matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
    })
}

/// The MD5 of `bytes` in lower-case hexadecimal.
#[must_use]
pub fn hex_md5(bytes: &[u8]) -> String {
    hex::encode(Md5::digest(bytes))
}

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outgoing {
    /// Body and attributes.
    pub payload: Payload,
    /// Seconds until it can be received; nothing means the queue's own delay.
    pub delay: Option<u32>,
    /// `MessageGroupId`: required by FIFO queues.
    pub group: Option<String>,
    /// `MessageDeduplicationId`: FIFO queues only.
    pub deduplication: Option<String>,
    /// The `AWSTraceHeader` system attribute.
    pub trace: Option<String>,
}

impl Outgoing {
    /// A message with a body and nothing else.
    pub fn new(body: impl Into<String>) -> Self {
        let payload = Payload {
            body: body.into(),
            ..Payload::default()
        };
        Self {
            payload,
            ..Self::default()
        }
    }

    /// With one more attribute.
    #[must_use]
    pub fn attribute(mut self, name: &str, value: AttributeValue) -> Self {
        self.payload.attributes.insert(name.to_owned(), value);
        self
    }

    /// Not to be received before so many seconds have passed.
    #[must_use]
    pub fn delayed(mut self, seconds: u32) -> Self {
        self.delay = Some(seconds);
        self
    }

    /// In a message group.
    #[must_use]
    pub fn group(mut self, group: &str) -> Self {
        self.group = Some(group.to_owned());
        self
    }

    /// With a deduplication id.
    #[must_use]
    pub fn deduplication(mut self, id: &str) -> Self {
        self.deduplication = Some(id.to_owned());
        self
    }
}

/// The answer to a send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The message's id; that of the first one when this was its duplicate in a
    /// FIFO queue.
    pub message_id: MessageId,
    /// FIFO queues only.
    pub sequence: Option<u64>,
    /// What was stored.
    pub payload: Arc<Payload>,
}

/// One delivery of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The message's id: the same at every delivery.
    pub message_id: MessageId,
    /// What this delivery is deleted or extended with.
    pub receipt_handle: String,
    /// Body and attributes.
    pub payload: Arc<Payload>,
    /// Deliveries so far, this one included.
    pub receive_count: u32,
    /// When it was sent: to the first queue, if it was moved since.
    pub sent_at: Millis,
    /// When it was first received.
    pub first_received_at: Millis,
    /// When this delivery's lease ends.
    pub in_flight_until: Millis,
    /// `MessageGroupId`.
    pub group: Option<Arc<str>>,
    /// `MessageDeduplicationId`.
    pub deduplication: Option<Arc<str>>,
    /// FIFO queues only.
    pub sequence: Option<u64>,
    /// The ARN of the queue that gave it up, in a dead-letter queue.
    pub dead_letter_source: Option<Arc<str>>,
    /// The `AWSTraceHeader` system attribute.
    pub trace: Option<Arc<str>>,
}

impl Received {
    /// The body.
    #[must_use]
    pub fn body(&self) -> &str {
        &self.payload.body
    }
}

/// What a receipt handle says, opaque to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Handle {
    /// The queue's serial number: handles do not work on another queue.
    pub(super) queue: u32,
    pub(super) message: MessageId,
    /// Which delivery; the latest one owns the message.
    pub(super) delivery: u64,
}

impl Handle {
    pub(super) fn render(self) -> String {
        let (queue, message, delivery) = (self.queue, self.message.0, self.delivery);
        format!("AQEB{queue:08x}{message:016x}{delivery:016x}")
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("AQEB").filter(|d| d.len() == 40)?;
        let number = |range| u64::from_str_radix(digits.get(range)?, 16).ok();
        Some(Self {
            queue: u32::try_from(number(0..8)?).ok()?,
            message: MessageId(number(8..24)?),
            delivery: number(24..40)?,
        })
    }
}
