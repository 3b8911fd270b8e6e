//! Was a job begun before, with what, and as which submission?

use std::fs::File;

use rebucket_planner::PlanReader;
use rebucket_protocol::{JobId, SubmissionId, Timestamp};
use rebucket_worker::report::JobRecord;
use rebucket_worker::report::location::ReportStore;

use super::CommandError;

/// Draws the id of a submission that begins now. By the system's own chance:
/// temporary keys rest on it that nobody else has the same, or guesses it.
pub(crate) fn new_submission() -> Result<SubmissionId, CommandError> {
    let mut bits = [0; size_of::<u128>()];
    getrandom::fill(&mut bits).map_err(CommandError::NoChance)?;
    Ok(SubmissionId::from_bits(u128::from_ne_bytes(bits)))
}

/// The record of a job that begins now, with this manifest or plan.
pub(crate) fn beginning(
    job: &JobId,
    submission: Option<SubmissionId>,
    plan: &PlanReader<File>,
) -> JobRecord {
    let resolution = plan.resolution();
    JobRecord {
        job: job.clone(),
        submission,
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
