//! Batches of which some entries fail.

use serde_json::{Value, json};

use super::{Answer, Call};

/// Which entries of a batch fail, and how.
#[derive(Debug)]
pub(in crate::http) struct EntryFault {
    /// Counted from 0.
    pub(in crate::http) positions: Vec<usize>,
    pub(in crate::http) code: String,
    pub(in crate::http) sender_fault: bool,
    /// Whether they are applied all the same.
    pub(in crate::http) applied: bool,
}

impl EntryFault {
    /// Applies a batch without the failing entries, or with all of them, and
    /// reports those as failed either way.
    pub(super) fn strike(&self, mut call: Call, apply: impl FnOnce(&Call) -> Answer) -> Answer {
        let mut fields: Value = call.parse()?;
        let entries = fields["Entries"].as_array().cloned().unwrap_or_default();
        let struck: Vec<Value> = self
            .positions
            .iter()
            .filter_map(|position| entries.get(*position))
            .map(|entry| entry["Id"].clone())
            .collect();
        let is_struck = |entry: &Value| struck.contains(&entry["Id"]);
        if !self.applied {
            let rest = entries.iter().filter(|entry| !is_struck(entry)).cloned();
            fields["Entries"] = rest.collect();
            call.body = fields.to_string().into();
        }
        let nothing_left = fields["Entries"].as_array().is_some_and(Vec::is_empty);
        let mut answer = if nothing_left && !entries.is_empty() {
            json!({ "Successful": [], "Failed": [] })
        } else {
            apply(&call)?
        };
        for list in ["Successful", "Failed"] {
            if let Some(list) = answer[list].as_array_mut() {
                list.retain(|entry| !is_struck(entry));
            }
        }
        let failed = struck.iter().map(|id| {
            json!({
                "Id": id,
                "SenderFault": self.sender_fault,
                "Code": self.code,
                "Message": "Made up by a fault rule.",
            })
        });
        if let Some(list) = answer["Failed"].as_array_mut() {
            list.extend(failed);
        }
        Ok(answer)
    }
}
