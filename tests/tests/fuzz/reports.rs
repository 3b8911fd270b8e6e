//! The report: what workers wrote, some of them until they were killed.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::Index;
use rebucket_manifest::outcomes::{OutcomesError, Report, Scratch};
use rebucket_protocol::{JobId, Outcome, OutcomeRecord, TaskId, Timestamp};
use rebucket_worker::report::location::ReportStore;
use rebucket_worker::report::tally::{Outcomes, Tally};
use rebucket_worker::report::{ReportError, ReportLocation};

use crate::listener::{block_on, s3_client};
use crate::mutation::{Damage, damage};
use crate::samples::{newlines, record};

const JSONL: &[&str] = &["\n", "{", "}", "\"", ",", "null", "\n\n", "{}\n", "\0", ":"];

/// Lines of a report, each of another task of one submission.
fn records() -> impl Strategy<Value = Vec<OutcomeRecord>> {
    prop::collection::vec(record(), 1..6).prop_map(|mut records| {
        let job = JobId::new("job").unwrap();
        for (record, row) in records.iter_mut().zip(1..) {
            record.task = TaskId::for_row(&job, row);
            record.submission = None;
        }
        records
    })
}

fn lines(records: &[OutcomeRecord]) -> Vec<Vec<u8>> {
    let line = |record| {
        let mut line = serde_json::to_vec(record).unwrap();
        line.push(b'\n');
        line
    };
    records.iter().map(line).collect()
}

/// Reads a report that consists of one file, or of several.
fn read(files: &[&[u8]]) -> Result<Report, OutcomesError> {
    read_within(files, 1 << 20)
}

/// The same, with so many bytes of memory.
fn read_within(files: &[&[u8]], memory: usize) -> Result<Report, OutcomesError> {
    let folder = tempfile::tempdir().unwrap();
    let job = folder.path().join("job");
    std::fs::create_dir(&job).unwrap();
    for (number, bytes) in files.iter().enumerate() {
        std::fs::write(job.join(format!("w{number}.jsonl")), bytes).unwrap();
    }
    let location = ReportLocation::Directory(folder.path().to_owned());
    // Never asked: the report is a directory.
    let store = ReportStore::new(location, &s3_client("http://127.0.0.1:1"));
    let scratch = Scratch {
        memory,
        ..Scratch::new(None)
    };
    block_on(Report::of_job(
        &store,
        &JobId::new("job").unwrap(),
        &scratch,
    ))
}

fn tally(report: &Report) -> Tally {
    report.sums().unwrap().remove(0).tally
}

fn outcomes(report: &Report) -> Vec<OutcomeRecord> {
    report.outcomes().unwrap().map(Result::unwrap).collect()
}

proptest! {
    #[test]
    fn every_line_is_read_as_it_was_written(record in record()) {
        let line = &lines(std::slice::from_ref(&record))[0];
        prop_assert_eq!(newlines(line), 1);
        prop_assert_eq!(serde_json::from_slice::<OutcomeRecord>(line).unwrap(), record);
    }

    #[test]
    fn of_a_file_that_was_cut_off_the_whole_lines_count(
        records in records(),
        cut in any::<Index>(),
    ) {
        let lines = lines(&records);
        let whole = lines.concat();
        let cut = &whole[..cut.index(whole.len() + 1)];
        let kept = newlines(cut);
        let found = read(&[cut]).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert_eq!(outcomes(&found), &records[..kept]);
    }

    #[test]
    fn a_line_that_no_worker_wrote_is_named(
        records in records(),
        at in any::<Index>(),
        garbage in prop::sample::select(vec![
            &b"\n"[..], b"{}\n", b"null\n", b"not json\n", b"\xff\xfe\n",
            b"{\"task\":\"job/1\"}\n", b"\0\0\0\n",
        ]),
    ) {
        let mut lines = lines(&records);
        let at = at.index(lines.len() + 1);
        lines.insert(at, garbage.to_vec());
        match read(&[&lines.concat()]) {
            Err(OutcomesError::Report(ReportError::Malformed { file, line, .. })) => {
                prop_assert_eq!((file.as_str(), line), ("job/w0.jsonl", at + 1));
            }
            other => prop_assert!(false, "{:?}", other.map(|report| tally(&report))),
        }
    }

    #[test]
    fn damage_never_passes_for_a_task_that_ended(
        records in records(),
        damage in prop::collection::vec(damage(JSONL), 1..4),
    ) {
        let whole = lines(&records).concat();
        let broken = Damage::apply_all(&damage, &whole);
        if let Ok(found) = read(&[&broken]) {
            // Each outcome is what some whole line says.
            let said: Vec<OutcomeRecord> = broken
                .split_inclusive(|byte| *byte == b'\n')
                .filter(|line| line.ends_with(b"\n"))
                .map(|line| serde_json::from_slice(line).unwrap())
                .collect();
            let found = outcomes(&found);
            prop_assert!(found.iter().all(|record| said.contains(record)));
            let told: BTreeSet<_> = found.iter().map(|record| &record.task).collect();
            prop_assert!(said.iter().all(|record| told.contains(&record.task)));
        }
    }

    #[test]
    fn the_order_of_lines_and_files_does_not_matter(
        records in prop::collection::vec(record(), 1..9),
        rows in prop::collection::vec(1_u64..4, 9),
        order in any::<prop::sample::Index>(),
        split in any::<Index>(),
        memory in 0_usize..2_000,
    ) {
        let job = JobId::new("job").unwrap();
        let mut records = records;
        for (number, record) in records.iter_mut().enumerate() {
            record.task = TaskId::for_row(&job, rows[number]);
            record.submission = None;
            // An object has at most 50 TB.
            record.bytes %= 50_000_000_000_001;
            // Two workers do not end a task at the same instant.
            record.ended = Timestamp::from_unix(i64::try_from(number).unwrap(), 0).unwrap();
        }
        let mut turned = records.clone();
        turned.rotate_left(order.index(records.len()));
        turned.reverse();
        let ended = |records: &[OutcomeRecord]| {
            let mut outcomes = Outcomes::default();
            for record in records {
                outcomes.add(record.clone());
            }
            outcomes.into_sorted()
        };
        let expected = ended(&records);
        prop_assert_eq!(&ended(&turned), &expected);
        let lines = lines(&turned);
        let (first, second) = lines.split_at(split.index(lines.len() + 1));
        let found = read_within(&[&first.concat(), &second.concat()], memory).unwrap();
        prop_assert_eq!(&outcomes(&found), &expected);
        let sums = tally(&found);
        prop_assert_eq!(sums.ended(), expected.len() as u64);
        prop_assert_eq!(sums.submitted, sums.ended() + sums.pending);
    }

    /// Sizes that no worker saw, but that a line can name.
    #[test]
    fn no_size_makes_the_sums_panic(records in records()) {
        let report = read(&[&lines(&records).concat()]).unwrap();
        let mut sums = tally(&report);
        for record in records.iter().filter(|record| record.outcome == Outcome::Renamed) {
            prop_assert!(sums.bytes >= record.bytes);
        }
        let again = sums.clone();
        sums.absorb(&again);
        prop_assert!(sums.bytes >= again.bytes);
    }
}
