//! The report of one worker process.

use std::sync::Arc;

use async_trait::async_trait;
use rebucket_worker::report::{ReportError, Sink};

use super::line::Process;

/// Appends to the world's report.
pub struct SimReport {
    process: Arc<Process>,
}

impl SimReport {
    /// The report as this process reaches it.
    #[must_use]
    pub fn new(process: Arc<Process>) -> Self {
        Self { process }
    }
}

#[async_trait]
impl Sink for SimReport {
    fn can_append(&self) -> bool {
        true
    }

    async fn append(&self, name: &str, text: Vec<u8>) -> Result<(), ReportError> {
        let file = name.to_owned();
        self.process
            .bounded(
                "Record",
                || name.to_owned(),
                move |state, _| {
                    state.report.entry(file).or_default().extend(text);
                    Ok(())
                },
            )
            .await
            .map_err(|error| ReportError::Closed(error.to_string()))
    }
}
