//! Was a job begun before, and with what?

use std::fs::File;

use rebucket_planner::PlanReader;
use rebucket_protocol::{JobId, Timestamp};
use rebucket_worker::report::JobRecord;
use rebucket_worker::report::location::ReportStore;

use super::CommandError;

/// The record of a job that begins now, with this manifest or plan.
pub(crate) fn beginning(job: &JobId, plan: &PlanReader<File>) -> JobRecord {
    let resolution = plan.resolution();
    JobRecord {
        job: job.clone(),
        started: Timestamp::now().ceil_second(),
        submitted: Some(resolution.totals.rows),
        plan: Some(resolution.digest.to_string()),
        pinned: None,
        linked: resolution.totals.linked_rows > 0,
        versioned: plan.choices().versioned.unwrap_or_default(),
    }
}

/// What is recorded of a job that was begun with the same manifest or plan,
/// if it was begun. One of another is refused: its report would mix two.
pub(crate) async fn begun(
    store: &ReportStore,
    beginning: &JobRecord,
) -> Result<Option<JobRecord>, CommandError> {
    let job = &beginning.job;
    match JobRecord::load(store, job).await? {
        Some(record) if record.plan != beginning.plan => Err(CommandError::OtherManifest {
            report: store.location().to_string(),
            job: job.clone(),
        }),
        record => Ok(record),
    }
}
