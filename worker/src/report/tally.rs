//! One outcome a task: what a report comes down to.

use std::collections::{BTreeMap, HashMap};

use rebucket_protocol::{Evidence, Outcome, OutcomeRecord, Reason, TaskId};
use serde::Serialize;

/// The sums of a report. `submitted` is the sum of the four outcomes and of
/// what is still pending.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Tally {
    /// Tasks submitted, or, where no submission was recorded, tasks that
    /// ended.
    pub submitted: u64,
    /// Renamed.
    pub renamed: u64,
    /// Found renamed by an earlier delivery.
    pub already_renamed: u64,
    /// Of those, the ones for which only a date speaks: somebody else may have
    /// put the object at the new name there.
    pub already_renamed_by_date: u64,
    /// Skipped.
    pub skipped: u64,
    /// Failed.
    pub failed: u64,
    /// Submitted, and not ended yet.
    pub pending: u64,
    /// Bytes of the objects renamed.
    pub bytes: u64,
    /// Skips and failures by their reason.
    pub by_reason: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Adds one task's outcome.
    pub fn add(
        &mut self,
        outcome: Outcome,
        evidence: Option<Evidence>,
        reason: Option<Reason>,
        bytes: u64,
    ) {
        match outcome {
            Outcome::Renamed => {
                self.renamed += 1;
                self.add_bytes(bytes);
            }
            Outcome::AlreadyRenamed => {
                self.already_renamed += 1;
                self.already_renamed_by_date += u64::from(evidence == Some(Evidence::Date));
                self.add_bytes(bytes);
            }
            Outcome::Skipped => self.skipped += 1,
            Outcome::Failed => self.failed += 1,
        }
        if let Some(reason) = reason {
            *self.by_reason.entry(reason.as_str()).or_default() += 1;
        }
    }

    /// Adds another job's sums.
    pub fn absorb(&mut self, other: &Self) {
        self.submitted += other.submitted;
        self.renamed += other.renamed;
        self.already_renamed += other.already_renamed;
        self.already_renamed_by_date += other.already_renamed_by_date;
        self.skipped += other.skipped;
        self.failed += other.failed;
        self.pending += other.pending;
        self.add_bytes(other.bytes);
        for (reason, count) in &other.by_reason {
            *self.by_reason.entry(reason).or_default() += count;
        }
    }

    /// Sizes are read from reports, which may claim any.
    fn add_bytes(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Tasks that ended.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.renamed + self.already_renamed + self.skipped + self.failed
    }

    /// Settles `submitted` and `pending`, given how many tasks were submitted,
    /// if that was recorded.
    pub fn settle(&mut self, submitted: Option<u64>) {
        self.submitted = submitted.unwrap_or(0).max(self.ended());
        self.pending = self.submitted - self.ended();
    }
}

/// The terminal outcome of every task, out of lines that may name a task more
/// than once: a worker that dies between its record and its acknowledgement
/// leaves a line, and the next delivery writes another. All of them are of one
/// submission: another one may have tasks of the same names.
#[derive(Debug, Default)]
pub struct Outcomes {
    by_task: HashMap<TaskId, OutcomeRecord>,
}

impl Outcomes {
    /// Takes a line in. The order of lines does not matter.
    pub fn add(&mut self, record: OutcomeRecord) {
        match self.by_task.entry(record.task.clone()) {
            std::collections::hash_map::Entry::Vacant(slot) => {
                slot.insert(record);
            }
            std::collections::hash_map::Entry::Occupied(mut slot) => {
                if supersedes(&record, slot.get()) {
                    slot.insert(record);
                }
            }
        }
    }

    /// The terminal outcome of a task.
    #[must_use]
    pub fn get(&self, task: &TaskId) -> Option<&OutcomeRecord> {
        self.by_task.get(task)
    }

    /// Every task's outcome, by task.
    #[must_use]
    pub fn into_sorted(self) -> Vec<OutcomeRecord> {
        let mut records: Vec<_> = self.by_task.into_values().collect();
        records.sort_unstable_by(|a, b| a.task.cmp(&b.task));
        records
    }
}

/// What was done stays done: `renamed` over `already_renamed`, which a later
/// delivery finds, and of that the one that rests on a comparison; both over a failure, which a redrive or a second worker may
/// have turned into success. Of two equals the later one, except that of two
/// successes the first is the one that did it.
fn supersedes(new: &OutcomeRecord, old: &OutcomeRecord) -> bool {
    let rank = |record: &OutcomeRecord| match (record.outcome, record.evidence) {
        (Outcome::Renamed, _) => 4,
        (Outcome::AlreadyRenamed, None) => 3,
        (Outcome::AlreadyRenamed, Some(Evidence::Date)) => 2,
        (Outcome::Skipped, _) => 1,
        (Outcome::Failed, _) => 0,
    };
    match rank(new).cmp(&rank(old)) {
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => match new.outcome {
            Outcome::Renamed | Outcome::AlreadyRenamed => new.ended < old.ended,
            Outcome::Skipped | Outcome::Failed => new.ended > old.ended,
        },
    }
}

#[cfg(test)]
mod tests {
    use rebucket_protocol::{JobId, Timestamp};

    use super::*;

    fn line(row: u64, outcome: Outcome, ended: i64) -> OutcomeRecord {
        let at = Timestamp::from_unix(ended, 0).unwrap();
        OutcomeRecord {
            task: TaskId::for_row(&JobId::new("j").unwrap(), row),
            submission: None,
            source: "s3://bkt/a".parse().unwrap(),
            destination: "s3://bkt/b".parse().unwrap(),
            outcome,
            reason: (outcome == Outcome::Failed).then_some(Reason::AccessDenied),
            detail: None,
            bytes: 10,
            etag: None,
            version: None,
            modified: None,
            evidence: None,
            attempts: 1,
            started: at,
            ended: at,
            worker: "w".to_owned(),
        }
    }

    #[test]
    fn every_task_counts_once_whatever_the_order_of_lines() {
        let lines = [
            line(1, Outcome::Renamed, 5),
            line(1, Outcome::AlreadyRenamed, 9),
            line(2, Outcome::Failed, 5),
            line(2, Outcome::Renamed, 9),
            line(3, Outcome::Failed, 5),
            line(3, Outcome::Failed, 6),
        ];
        for reverse in [false, true] {
            let mut outcomes = Outcomes::default();
            let mut lines = lines.to_vec();
            if reverse {
                lines.reverse();
            }
            for line in lines {
                outcomes.add(line);
            }
            let mut tally = Tally::default();
            for record in outcomes.into_sorted() {
                tally.add(record.outcome, record.evidence, record.reason, record.bytes);
            }
            tally.settle(Some(4));
            assert_eq!(
                (tally.renamed, tally.failed, tally.already_renamed),
                (2, 1, 0)
            );
            assert_eq!((tally.submitted, tally.pending, tally.bytes), (4, 1, 20));
            assert_eq!(tally.by_reason, BTreeMap::from([("access_denied", 1)]));
        }
    }

    #[test]
    fn what_a_date_says_gives_way_to_what_a_comparison_says() {
        let by_date = OutcomeRecord {
            evidence: Some(Evidence::Date),
            ..line(1, Outcome::AlreadyRenamed, 5)
        };
        let compared = line(1, Outcome::AlreadyRenamed, 9);
        for lines in [[&by_date, &compared], [&compared, &by_date]] {
            let mut outcomes = Outcomes::default();
            for line in lines {
                outcomes.add(line.clone());
            }
            assert_eq!(outcomes.into_sorted(), std::slice::from_ref(&compared));
        }
        let mut tally = Tally::default();
        for line in [&by_date, &compared] {
            tally.add(line.outcome, line.evidence, line.reason, line.bytes);
        }
        assert_eq!(
            (tally.already_renamed, tally.already_renamed_by_date),
            (2, 1)
        );
        assert_eq!(tally.ended(), 2);
    }
}
