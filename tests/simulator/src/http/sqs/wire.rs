//! Requests and messages in JSON.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Refusal;
use crate::sqs::{AttributeValue, Outgoing, Payload, Received, Sent, hex_md5};

/// A message attribute on the wire.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Attribute {
    data_type: String,
    string_value: Option<String>,
    binary_value: Option<String>,
}

/// The fields of a send, alone or in a batch.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(clippy::struct_field_names)] // The API's own.
pub(super) struct Message {
    pub(super) id: String,
    message_body: Option<String>,
    delay_seconds: Option<i64>,
    message_attributes: BTreeMap<String, Attribute>,
    message_system_attributes: BTreeMap<String, Attribute>,
    message_group_id: Option<String>,
    message_deduplication_id: Option<String>,
}

impl Message {
    pub(super) fn into_outgoing(self) -> Result<Outgoing, Refusal> {
        let attributes = self.message_attributes.into_iter();
        let attributes = attributes.map(|(name, attribute)| Ok((name, attribute.into_value()?)));
        let mut system = self.message_system_attributes;
        let trace = system.remove("AWSTraceHeader");
        Ok(Outgoing {
            payload: Payload {
                body: self.message_body.unwrap_or_default(),
                attributes: attributes.collect::<Result<_, Refusal>>()?,
            },
            // What is below 0 is as wrong as what is above the limit.
            delay: self
                .delay_seconds
                .map(|delay| u32::try_from(delay).unwrap_or(u32::MAX)),
            group: self.message_group_id,
            deduplication: self.message_deduplication_id,
            trace: trace.and_then(|attribute| attribute.string_value),
        })
    }
}

impl Attribute {
    fn into_value(self) -> Result<AttributeValue, Refusal> {
        let value = match (self.string_value, self.binary_value) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(encoded)) => base64_simd::STANDARD
                .decode_to_vec(encoded)
                .map_err(|_| Refusal::made_up(400, "SerializationException"))?,
            _ => Vec::new(),
        };
        Ok(AttributeValue {
            data_type: self.data_type,
            value,
        })
    }
}

/// The answer to a send.
pub(super) fn sent(sent: &Sent, trace: Option<&str>) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut set = |name: &str, value: Option<String>| {
        fields.extend(value.map(|value| (name.to_owned(), Value::from(value))));
    };
    set("MessageId", Some(sent.message_id.to_string()));
    set("MD5OfMessageBody", Some(sent.payload.md5_of_body()));
    set("MD5OfMessageAttributes", sent.payload.md5_of_attributes());
    set("MD5OfMessageSystemAttributes", trace.map(trace_digest));
    set("SequenceNumber", sent.sequence.map(|n| format!("{n:020}")));
    fields
}

fn trace_digest(trace: &str) -> String {
    let attributes = [("AWSTraceHeader".to_owned(), AttributeValue::string(trace))];
    let payload = Payload {
        body: String::new(),
        attributes: attributes.into(),
    };
    payload.md5_of_attributes().unwrap_or_else(|| hex_md5(b""))
}

/// Which attributes a receiver asked for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(clippy::struct_field_names)] // The API's own.
pub(super) struct Wanted {
    attribute_names: Vec<String>,
    message_system_attribute_names: Vec<String>,
    message_attribute_names: Vec<String>,
}

impl Wanted {
    fn system(&self, name: &str) -> bool {
        let names = self
            .attribute_names
            .iter()
            .chain(&self.message_system_attribute_names);
        names
            .into_iter()
            .any(|wanted| wanted == "All" || wanted == name)
    }

    fn custom(&self, name: &str) -> bool {
        self.message_attribute_names.iter().any(|wanted| {
            let prefix = wanted.strip_suffix(".*");
            wanted == "All" || wanted == name || prefix.is_some_and(|p| name.starts_with(p))
        })
    }
}

/// A delivery, with what was asked for.
pub(super) fn received(message: &Received, wanted: &Wanted) -> Value {
    let payload = &message.payload;
    let mut shown = json!({
        "MessageId": message.message_id.to_string(),
        "ReceiptHandle": message.receipt_handle,
        "MD5OfBody": payload.md5_of_body(),
        "Body": payload.body,
    });
    let system: Map<_, _> = system_attributes(message)
        .into_iter()
        .filter(|(name, _)| wanted.system(name))
        .map(|(name, value)| (name.to_owned(), Value::from(value)))
        .collect();
    if !system.is_empty() {
        shown["Attributes"] = Value::from(system);
    }
    let custom = payload
        .attributes
        .iter()
        .filter(|(name, _)| wanted.custom(name));
    let custom: Map<_, _> = custom
        .map(|(name, value)| (name.clone(), attribute(value)))
        .collect();
    if !custom.is_empty() {
        shown["MessageAttributes"] = Value::from(custom);
        shown["MD5OfMessageAttributes"] = payload.md5_of_some(|name| wanted.custom(name)).into();
    }
    shown
}

fn attribute(value: &AttributeValue) -> Value {
    if value.is_binary() {
        let encoded = base64_simd::STANDARD.encode_to_string(&value.value);
        return json!({ "DataType": value.data_type, "BinaryValue": encoded });
    }
    json!({ "DataType": value.data_type, "StringValue": value.text() })
}

fn system_attributes(message: &Received) -> Vec<(&'static str, String)> {
    let text = |text: &Option<std::sync::Arc<str>>| text.as_deref().map(str::to_owned);
    let always = [
        ("ApproximateReceiveCount", message.receive_count.to_string()),
        ("SentTimestamp", message.sent_at.0.to_string()),
        (
            "ApproximateFirstReceiveTimestamp",
            message.first_received_at.0.to_string(),
        ),
        ("SenderId", "simulator".to_owned()),
    ];
    let sometimes = [
        ("AWSTraceHeader", text(&message.trace)),
        ("MessageGroupId", text(&message.group)),
        ("MessageDeduplicationId", text(&message.deduplication)),
        (
            "SequenceNumber",
            message.sequence.map(|n| format!("{n:020}")),
        ),
        (
            "DeadLetterQueueSourceArn",
            text(&message.dead_letter_source),
        ),
    ];
    let sometimes = sometimes
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    always.into_iter().chain(sometimes).collect()
}
