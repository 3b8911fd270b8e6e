//! What is done to whole queues.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Call, Front, Refusal};
use crate::sqs::{ATTRIBUTES, Code, MoveStatus, MoveTask, SqsError};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Fields {
    queue_name: Option<String>,
    queue_name_prefix: String,
    attributes: BTreeMap<String, String>,
    attribute_names: Vec<String>,
    max_results: Option<usize>,
    next_token: Option<String>,
    source_arn: Option<String>,
    destination_arn: Option<String>,
}

impl Fields {
    fn name(&self) -> Result<&str, Refusal> {
        let name = self.queue_name.as_deref();
        name.ok_or_else(|| Refusal::missing("QueueName"))
    }

    fn source(&self) -> Result<&str, Refusal> {
        let source = self.source_arn.as_deref();
        source.ok_or_else(|| Refusal::missing("SourceArn"))
    }

    fn pairs(&self) -> Vec<(&str, &str)> {
        let pairs = self.attributes.iter();
        pairs
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    }

    /// One page of names, and where the next one starts.
    fn page(&self, names: Vec<String>) -> (Vec<String>, Option<String>) {
        let after = self.next_token.as_deref().unwrap_or_default();
        let mut rest: Vec<_> = names
            .into_iter()
            .filter(|name| name.as_str() > after)
            .collect();
        let size = self.max_results.unwrap_or(1_000);
        let more = rest.len() > size;
        rest.truncate(size);
        let token = rest.last().filter(|_| more).cloned();
        (rest, token)
    }
}

impl Front {
    pub(super) fn create_queue(&self, call: &Call) -> Answer {
        let fields: Fields = call.parse()?;
        let name = fields.name()?;
        self.model()
            .create_queue(name, &fields.pairs(), self.clock.now())?;
        Ok(json!({ "QueueUrl": call.url(name) }))
    }

    pub(super) fn delete_queue(&self, call: &Call) -> Answer {
        self.model()
            .delete_queue(&call.queue()?, self.clock.now())?;
        self.wake();
        Ok(json!({}))
    }

    pub(super) fn purge_queue(&self, call: &Call) -> Answer {
        self.model().purge(&call.queue()?, self.clock.now())?;
        Ok(json!({}))
    }

    pub(super) fn queue_url(&self, call: &Call) -> Answer {
        let fields: Fields = call.parse()?;
        let name = fields.name()?;
        self.model().settings(name)?;
        Ok(json!({ "QueueUrl": call.url(name) }))
    }

    pub(super) fn list_queues(&self, call: &Call) -> Answer {
        let fields: Fields = call.parse()?;
        let names = self.model().list_queues(&fields.queue_name_prefix);
        Ok(paged(call, &fields, names, "QueueUrls"))
    }

    pub(super) fn dead_letter_sources(&self, call: &Call) -> Answer {
        let names = self
            .model()
            .list_dead_letter_source_queues(&call.queue()?)?;
        // The API spells this one small.
        Ok(paged(call, &call.parse()?, names, "queueUrls"))
    }

    pub(super) fn queue_attributes(&self, call: &Call) -> Answer {
        let fields: Fields = call.parse()?;
        let mut attributes = self.model().attributes(&call.queue()?, self.clock.now())?;
        let wanted = &fields.attribute_names;
        let known = |name: &String| name == "All" || ATTRIBUTES.contains(&name.as_str());
        if let Some(unknown) = wanted.iter().find(|name| !known(name)) {
            let text = format!("Unknown Attribute {unknown}.");
            return Err(SqsError::new(Code::InvalidAttributeName, text).into());
        }
        if !wanted.iter().any(|name| name == "All") {
            attributes.retain(|name, _| wanted.contains(name));
        }
        if attributes.is_empty() {
            return Ok(json!({}));
        }
        Ok(json!({ "Attributes": attributes }))
    }

    pub(super) fn set_queue_attributes(&self, call: &Call) -> Answer {
        let fields: Fields = call.parse()?;
        let now = self.clock.now();
        self.model()
            .set_attributes(&call.queue()?, &fields.pairs(), now)?;
        self.wake();
        Ok(json!({}))
    }

    pub(super) fn start_move(&self, call: &Call) -> Answer {
        let fields: Fields = call.parse()?;
        let destination = fields.destination_arn.as_deref();
        let now = self.clock.now();
        let task = self
            .model()
            .start_message_move_task(fields.source()?, destination, now)?;
        self.wake();
        Ok(json!({ "TaskHandle": task.handle }))
    }

    pub(super) fn list_moves(&self, call: &Call) -> Answer {
        let fields: Fields = call.parse()?;
        let model = self.model();
        let tasks = model.list_message_move_tasks(fields.source()?)?;
        let tasks = tasks.into_iter().take(fields.max_results.unwrap_or(1));
        let tasks: Vec<_> = tasks.map(shown).collect();
        Ok(json!({ "Results": tasks }))
    }
}

fn paged(call: &Call, fields: &Fields, names: Vec<String>, list: &str) -> Value {
    let (names, token) = fields.page(names);
    let urls: Vec<_> = names.iter().map(|name| call.url(name)).collect();
    let mut answer = json!({ list: urls });
    if let Some(token) = token {
        answer["NextToken"] = token.into();
    }
    answer
}

fn shown(task: &MoveTask) -> Value {
    let status = match task.status {
        MoveStatus::Completed => "COMPLETED",
        MoveStatus::Failed => "FAILED",
    };
    let mut shown = json!({
        "Status": status,
        "SourceArn": task.source_arn,
        "ApproximateNumberOfMessagesMoved": task.moved,
        "ApproximateNumberOfMessagesToMove": task.to_move,
        "StartedTimestamp": task.started_at.0,
    });
    if let Some(destination) = &task.destination_arn {
        shown["DestinationArn"] = destination.as_str().into();
    }
    shown
}
