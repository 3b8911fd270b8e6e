//! The attributes of a queue, typed and checked.

use std::time::Duration;

use super::{Code, MAX_BYTES, MAX_VISIBILITY, Result, SqsError};

/// Every attribute that can be asked for.
pub const ATTRIBUTES: [&str; 19] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "ContentBasedDeduplication",
    "CreatedTimestamp",
    "DeduplicationScope",
    "DelaySeconds",
    "FifoQueue",
    "FifoThroughputLimit",
    "KmsMasterKeyId",
    "LastModifiedTimestamp",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "Policy",
    "QueueArn",
    "ReceiveMessageWaitTimeSeconds",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "VisibilityTimeout",
];

/// What happens to messages received too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Redrive {
    pub(super) target_arn: String,
    pub(super) max_receive_count: u32,
    /// As it was set: it is shown again word for word.
    pub(super) text: String,
}

/// The settings of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Seconds that a received message stays invisible, unless told otherwise.
    pub visibility: u32,
    /// Seconds after which a message is dropped.
    pub retention: u32,
    /// Seconds before a new message can be received.
    pub delay: u32,
    /// Seconds that a receive waits, unless told otherwise.
    pub wait: u32,
    /// Most bytes in a message.
    pub max_bytes: usize,
    /// Whether order is kept within each group.
    pub fifo: bool,
    /// Whether the body's hash stands for a missing deduplication id.
    pub content_deduplication: bool,
    /// Whether deduplication ids are compared within a group only.
    pub deduplication_per_group: bool,
    pub(super) redrive: Option<Redrive>,
    /// Kept and shown, without a meaning here.
    pub(super) others: Vec<(String, String)>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            visibility: 30,
            retention: 345_600,
            delay: 0,
            wait: 0,
            max_bytes: MAX_BYTES,
            fifo: false,
            content_deduplication: false,
            deduplication_per_group: false,
            redrive: None,
            others: Vec::new(),
        }
    }
}

impl Settings {
    /// The time after which a message is dropped.
    #[must_use]
    pub fn retention(&self) -> Duration {
        Duration::from_secs(self.retention.into())
    }

    /// Applies one attribute.
    ///
    /// # Errors
    ///
    /// `InvalidAttributeName` or `InvalidAttributeValue`.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        match name {
            "VisibilityTimeout" => self.visibility = number(name, value, 0, MAX_VISIBILITY)?,
            "MessageRetentionPeriod" => self.retention = number(name, value, 60, 1_209_600)?,
            "DelaySeconds" => self.delay = number(name, value, 0, 900)?,
            "ReceiveMessageWaitTimeSeconds" => self.wait = number(name, value, 0, 20)?,
            "MaximumMessageSize" => {
                let most = u32::try_from(MAX_BYTES).unwrap_or(u32::MAX);
                let bytes = number(name, value, 1_024, most)?;
                self.max_bytes = usize::try_from(bytes).unwrap_or(MAX_BYTES);
            }
            "FifoQueue" => self.fifo = boolean(name, value)?,
            "ContentBasedDeduplication" => self.content_deduplication = boolean(name, value)?,
            "DeduplicationScope" => {
                self.deduplication_per_group = match value {
                    "queue" => false,
                    "messageGroup" => true,
                    _ => return Err(bad_value(name, value)),
                }
            }
            "RedrivePolicy" if value.is_empty() => self.redrive = None,
            "RedrivePolicy" => self.redrive = Some(redrive(value)?),
            "Policy"
            | "KmsMasterKeyId"
            | "RedriveAllowPolicy"
            | "FifoThroughputLimit"
            | "KmsDataKeyReusePeriodSeconds"
            | "SqsManagedSseEnabled" => {
                self.others.retain(|(known, _)| known != name);
                if !value.is_empty() {
                    self.others.push((name.to_owned(), value.to_owned()));
                    self.others.sort();
                }
            }
            _ => {
                return Err(SqsError::new(
                    Code::InvalidAttributeName,
                    format!("Unknown Attribute {name}."),
                ));
            }
        }
        Ok(())
    }

    /// The attributes as they are shown.
    pub(super) fn shown(&self) -> Vec<(String, String)> {
        let mut shown = vec![
            ("VisibilityTimeout".to_owned(), self.visibility.to_string()),
            (
                "MessageRetentionPeriod".to_owned(),
                self.retention.to_string(),
            ),
            ("DelaySeconds".to_owned(), self.delay.to_string()),
            (
                "ReceiveMessageWaitTimeSeconds".to_owned(),
                self.wait.to_string(),
            ),
            ("MaximumMessageSize".to_owned(), self.max_bytes.to_string()),
        ];
        if self.fifo {
            let scope = if self.deduplication_per_group {
                "messageGroup"
            } else {
                "queue"
            };
            shown.push(("FifoQueue".to_owned(), "true".to_owned()));
            shown.push((
                "ContentBasedDeduplication".to_owned(),
                self.content_deduplication.to_string(),
            ));
            shown.push(("DeduplicationScope".to_owned(), scope.to_owned()));
        }
        if let Some(redrive) = &self.redrive {
            shown.push(("RedrivePolicy".to_owned(), redrive.text.clone()));
        }
        shown.extend(self.others.iter().cloned());
        shown
    }
}

fn number(name: &str, value: &str, least: u32, most: u32) -> Result<u32> {
    let parsed = value.parse().ok();
    parsed
        .filter(|n| (least..=most).contains(n))
        .ok_or_else(|| bad_value(name, value))
}

fn boolean(name: &str, value: &str) -> Result<bool> {
    value.parse().map_err(|_| bad_value(name, value))
}

fn redrive(text: &str) -> Result<Redrive> {
    let bad = || bad_value("RedrivePolicy", text);
    let parsed: serde_json::Value = serde_json::from_str(text).map_err(|_| bad())?;
    let target = parsed["deadLetterTargetArn"].as_str().ok_or_else(bad)?;
    let count = &parsed["maxReceiveCount"];
    let count = count.as_u64().or_else(|| count.as_str()?.parse().ok());
    let count = count.filter(|n| (1..=1_000).contains(n)).ok_or_else(bad)?;
    Ok(Redrive {
        target_arn: target.to_owned(),
        max_receive_count: u32::try_from(count).map_err(|_| bad())?,
        text: text.to_owned(),
    })
}

fn bad_value(name: &str, value: &str) -> SqsError {
    SqsError::new(
        Code::InvalidAttributeValue,
        format!("Invalid value for the parameter {name}: {value}."),
    )
}
