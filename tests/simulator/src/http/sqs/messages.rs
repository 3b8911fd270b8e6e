//! Sending, deleting and keeping invisible.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::wire::{self, Message};
use super::{Answer, Call, Front, Refusal};
use crate::sqs::Batch;

/// What a receipt handle is used for, alone or in a batch.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(clippy::struct_field_names)] // The API's own.
struct Receipt {
    id: String,
    receipt_handle: Option<String>,
    visibility_timeout: Option<i64>,
}

impl Receipt {
    fn handle(&self) -> Result<&str, Refusal> {
        let handle = self.receipt_handle.as_deref();
        handle.ok_or_else(|| Refusal::missing("ReceiptHandle"))
    }

    fn seconds(&self) -> Result<u32, Refusal> {
        let seconds = self.visibility_timeout;
        let seconds = seconds.ok_or_else(|| Refusal::missing("VisibilityTimeout"))?;
        // What is below 0 is as wrong as what is above the limit.
        Ok(u32::try_from(seconds).unwrap_or(u32::MAX))
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entries<T> {
    #[serde(default = "Vec::new")]
    entries: Vec<T>,
}

impl Front {
    pub(super) fn send(&self, call: &Call) -> Answer {
        let message = call.parse::<Message>()?.into_outgoing()?;
        let trace = message.trace.clone();
        let sent = self
            .model()
            .send(&call.queue()?, message, self.clock.now())?;
        self.wake();
        Ok(wire::sent(&sent, trace.as_deref()).into())
    }

    pub(super) fn send_batch(&self, call: &Call) -> Answer {
        let batch: Entries<Message> = call.parse()?;
        let entries = batch.entries.into_iter();
        let entries = entries.map(|m| Ok((m.id.clone(), m.into_outgoing()?)));
        let entries: Vec<_> = entries.collect::<Result<_, Refusal>>()?;
        let traces: Vec<_> = entries.iter().map(|(_, m)| m.trace.clone()).collect();
        let results = self
            .model()
            .send_batch(&call.queue()?, entries, self.clock.now())?;
        self.wake();
        let mut traces = traces.into_iter();
        Ok(results_of(results, |sent| {
            wire::sent(&sent, traces.next().flatten().as_deref())
        }))
    }

    pub(super) fn delete(&self, call: &Call) -> Answer {
        let receipt: Receipt = call.parse()?;
        self.model()
            .delete(&call.queue()?, receipt.handle()?, self.clock.now())?;
        self.wake();
        Ok(json!({}))
    }

    pub(super) fn delete_batch(&self, call: &Call) -> Answer {
        let batch: Entries<Receipt> = call.parse()?;
        let entries = batch.entries.iter();
        let entries = entries.map(|r| Ok((r.id.clone(), r.handle()?.to_owned())));
        let entries: Vec<_> = entries.collect::<Result<_, Refusal>>()?;
        let results = self
            .model()
            .delete_batch(&call.queue()?, &entries, self.clock.now())?;
        self.wake();
        Ok(results_of(results, |()| Map::new()))
    }

    pub(super) fn change_visibility(&self, call: &Call) -> Answer {
        let receipt: Receipt = call.parse()?;
        let (handle, seconds) = (receipt.handle()?, receipt.seconds()?);
        let now = self.clock.now();
        self.model()
            .change_visibility(&call.queue()?, handle, seconds, now)?;
        self.wake();
        Ok(json!({}))
    }

    pub(super) fn change_visibility_batch(&self, call: &Call) -> Answer {
        let batch: Entries<Receipt> = call.parse()?;
        let entries = batch.entries.iter();
        // In a batch the timeout may be left out, and is 0 then.
        let entries = entries.map(|r| {
            let seconds = r.seconds().unwrap_or(0);
            Ok((r.id.clone(), (r.handle()?.to_owned(), seconds)))
        });
        let entries: Vec<_> = entries.collect::<Result<_, Refusal>>()?;
        let now = self.clock.now();
        let results = self
            .model()
            .change_visibility_batch(&call.queue()?, &entries, now)?;
        self.wake();
        Ok(results_of(results, |()| Map::new()))
    }
}

/// The answer to a batch: who succeeded, who failed.
fn results_of<T>(results: Batch<T>, mut show: impl FnMut(T) -> Map<String, Value>) -> Value {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for (id, result) in results {
        match result {
            Ok(done) => {
                let mut fields = show(done);
                fields.insert("Id".to_owned(), id.into());
                successful.push(Value::from(fields));
            }
            Err(error) => failed.push(json!({
                "Id": id,
                "SenderFault": true,
                "Code": error.code.query_code(),
                "Message": error.message,
            })),
        }
    }
    json!({ "Successful": successful, "Failed": failed })
}
