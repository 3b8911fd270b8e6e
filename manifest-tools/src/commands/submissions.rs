//! Which submissions of a report are meant. Two jobs may have one name: then
//! they have one folder, and are told apart by their submissions only.

use rebucket_manifest::args::Which;
use rebucket_manifest::outcomes::{Job, Report, Sums};
use rebucket_protocol::printable::grouped;
use rebucket_worker::report::{ReportError, ReportLocation};

use super::CommandError;

/// Submissions that are named when there is a choice.
const SHOWN: usize = 10;

/// Leaves out all submissions but the one that is wanted.
pub(super) fn select(
    report: &mut Report,
    wanted: Option<Which>,
    location: &ReportLocation,
) -> Result<(), CommandError> {
    let Some(Which(wanted)) = wanted else {
        return Ok(());
    };
    report.retain(|job| job.submission == wanted);
    if report.jobs().is_empty() {
        let what = format!("{location} for the submission {}", Which(wanted));
        return Err(ReportError::Missing(what).into());
    }
    Ok(())
}

/// How each submission is called: by its job's folder, and by more where that
/// is not enough.
pub(super) fn names(report: &Report, sums: &[Sums]) -> Vec<String> {
    let jobs = report.jobs();
    let name = |(job, sums): (&Job, &Sums)| {
        let folder = match job.folder.as_str() {
            "" => "(this folder)",
            folder => folder,
        };
        if is_alone(job, jobs) {
            folder.to_owned()
        } else {
            format!("{folder}, {}", told_apart(job, sums))
        }
    };
    jobs.iter().zip(sums).map(name).collect()
}

/// Whether no other submission has its folder.
fn is_alone(job: &Job, jobs: &[Job]) -> bool {
    let same = |other: &&Job| other.folder == job.folder;
    jobs.iter().filter(same).count() == 1
}

/// A submission among others of the same job's name.
fn told_apart(job: &Job, sums: &Sums) -> String {
    let began = sums.began.map(|began| format!(" of {began}"));
    format!(
        "submission {}{}",
        Which(job.submission),
        began.unwrap_or_default()
    )
}

/// What to say where jobs of one name were counted apart, and summed up.
pub(super) fn note(report: &Report) -> Option<String> {
    let jobs = report.jobs();
    let shared = jobs.iter().find(|job| !is_alone(job, jobs))?;
    let same = |job: &&Job| job.folder == shared.folder;
    let count = jobs.iter().filter(same).count();
    let name = match shared.folder.as_str() {
        "" => "this job",
        folder => folder,
    };
    Some(format!(
        "note: {count} submissions have the job name {name}; each is counted by itself, and \
         --submission ID shows one of them"
    ))
}

/// Refuses to choose among submissions of one job's name.
pub(super) fn several(report: &Report, sums: &[Sums]) -> CommandError {
    let all = report.jobs().iter().zip(sums);
    let shown: Vec<String> = all
        .take(SHOWN)
        .map(|(job, sums)| {
            let done = sums.tally.renamed + sums.tally.already_renamed;
            format!("{} ({} renamed)", told_apart(job, sums), grouped(done))
        })
        .collect();
    let more = report.jobs().len() - shown.len();
    let more = match more {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    CommandError::Usage(format!(
        "several submissions have this job name: {}{more}; say with --submission ID which one is to \
         be taken back",
        shown.join(", ")
    ))
}
