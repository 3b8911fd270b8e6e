use std::collections::BTreeMap;
use std::io::Write as _;

use rebucket_planner::JobChoices;
use rebucket_protocol::{BucketName, IfExists, VersionPolicy};
use tempfile::TempDir;

use super::*;

struct Bench {
    folder: TempDir,
    wanted: Wanted,
}

impl Bench {
    fn new() -> Self {
        let identity = Identity::new(
            "digest".to_owned(),
            "http://queue".to_owned(),
            None,
            &JobChoices::default(),
        );
        Self {
            folder: tempfile::tempdir().unwrap(),
            wanted: Wanted {
                identity,
                rows: 1_000_000,
                unit: "renames",
                job: None,
                plan_has_name: false,
                again: false,
            },
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("moves.checkpoint")
    }

    fn open(&self) -> Result<(Checkpoint, Found), CheckpointError> {
        Checkpoint::open(&self.path(), &self.wanted)
    }

    /// A submission of which these stretches have arrived.
    fn begun(&self, stretches: &[(u64, u64)]) -> Checkpoint {
        let (mut checkpoint, found) = self.open().unwrap();
        assert!(matches!(found, Found::Nothing));
        checkpoint
            .begin(&self.wanted, &begun(Confirmed::default()))
            .unwrap();
        for (first, count) in stretches {
            checkpoint.confirm(*first, *count).unwrap();
        }
        checkpoint
    }

    /// What an unfinished submission had sent.
    fn sent(&self) -> Confirmed {
        match self.open().unwrap().1 {
            Found::Begun(found) => {
                assert_eq!(found, begun(found.arrived.clone()));
                found.arrived
            }
            other => panic!("{other:?}"),
        }
    }
}

fn job() -> JobId {
    JobId::new("moves").unwrap()
}

fn dates(seconds: &[(&str, i64)]) -> CreationDates {
    let dates = seconds.iter().map(|(bucket, seconds)| {
        let at = Timestamp::from_unix(1_780_000_000 + seconds, 0).unwrap();
        (BucketName::new(*bucket).unwrap(), at)
    });
    dates.collect::<BTreeMap<_, _>>().into()
}

fn begun(arrived: Confirmed) -> Begun {
    Begun {
        job: job(),
        named: None,
        submission: Some(SubmissionId::from_bits(7)),
        submitted: Timestamp::from_unix(1_790_000_000, 0).unwrap(),
        pinned: Some("digest".to_owned()),
        created: dates(&[("bkt", 0)]),
        arrived,
    }
}

#[test]
fn what_was_confirmed_is_found_again_without_a_word_at_the_end() {
    let bench = Bench::new();
    drop(bench.begun(&[(10, 10), (0, 10), (40, 7)]));
    assert_eq!(bench.sent(), Confirmed::new(20, &[(40, 7)]));
}

#[test]
fn a_submission_goes_on_only_at_the_store_that_it_was_begun_for() {
    let bench = Bench::new();
    drop(bench.begun(&[(0, 10)]));
    let (mut checkpoint, Found::Begun(mut found)) = bench.open().unwrap() else {
        panic!("it was begun");
    };
    let error = checkpoint.same_store(&mut found, &dates(&[("bkt", 60)]));
    let error = error.unwrap_err().to_string();
    for words in ["job moves", "bucket bkt ", "--again"] {
        assert!(error.contains(words), "{error}");
    }
    // What is not told any more is kept, what was not told before is added.
    let asked = dates(&[("other", 60)]);
    checkpoint.same_store(&mut found, &asked).unwrap();
    checkpoint.begin(&bench.wanted, &found).unwrap();
    drop(checkpoint);
    match bench.open().unwrap().1 {
        Found::Begun(found) => assert_eq!(found.created, dates(&[("bkt", 0), ("other", 60)])),
        other => panic!("{other:?}"),
    }
}

/// What was sent without an id is not told from what is sent with one.
#[test]
fn a_file_of_a_build_before_there_were_submissions_goes_on_without() {
    let bench = Bench::new();
    drop(bench.begun(&[(0, 10)]));
    let text = std::fs::read_to_string(bench.path()).unwrap();
    let id = format!("\"submission\":\"{}\",", SubmissionId::from_bits(7));
    assert!(text.contains(&id), "{text}");
    std::fs::write(bench.path(), text.replace(&id, "")).unwrap();
    match bench.open().unwrap().1 {
        Found::Begun(found) => assert_eq!((found.submission, found.arrived.count()), (None, 10)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_is_written_anew_before_it_grows_large() {
    let bench = Bench::new();
    let stretches: Vec<(u64, u64)> = (0..MOST_LINES + 10).map(|n| (2 * n, 1)).collect();
    let mut checkpoint = bench.begun(&stretches);
    let size = std::fs::metadata(bench.path()).unwrap().len();
    assert!(size > 500_000, "every stretch stands for itself: {size}");
    for (first, _) in &stretches {
        checkpoint.confirm(*first + 1, 1).unwrap();
    }
    drop(checkpoint);
    let size = std::fs::metadata(bench.path()).unwrap().len();
    assert!(size < 1_000, "{size}");
    assert_eq!(bench.sent(), Confirmed::new(2 * (MOST_LINES + 10), &[]));
}

#[test]
fn half_a_line_at_the_end_does_not_count() {
    let bench = Bench::new();
    drop(bench.begun(&[(0, 10)]));
    let mut file = File::options().append(true).open(bench.path()).unwrap();
    file.write_all(b"[10,1").unwrap();
    assert_eq!(bench.sent(), Confirmed::new(10, &[]));
    // And what is confirmed after it is not glued to it.
    let (mut checkpoint, _) = bench.open().unwrap();
    checkpoint
        .begin(&bench.wanted, &begun(Confirmed::new(10, &[])))
        .unwrap();
    checkpoint.confirm(10, 10).unwrap();
    drop(checkpoint);
    assert_eq!(bench.sent(), Confirmed::new(20, &[]));
}

#[test]
fn two_processes_cannot_have_it() {
    let bench = Bench::new();
    let first = bench.begun(&[]);
    assert!(matches!(bench.open(), Err(CheckpointError::InUse(_))));
    drop(first);
    assert!(bench.open().is_ok());
}

#[test]
fn of_two_that_found_none_one_begins() {
    let bench = Bench::new();
    let (mut late, _) = bench.open().unwrap();
    drop(bench.begun(&[(0, 10)]));
    let begins = late.begin(&bench.wanted, &begun(Confirmed::default()));
    assert!(matches!(begins, Err(CheckpointError::InUse(_))));
    assert_eq!(bench.sent(), Confirmed::new(10, &[]));
}

type Change = fn(&mut Wanted);

#[test]
fn an_unfinished_one_is_not_given_up_unasked() {
    let mut bench = Bench::new();
    drop(bench.begun(&[(0, 10)]));
    let wanted = bench.wanted.clone();
    let changes: [(&str, Change); 5] = [
        ("manifest", |w| w.identity.plan.push('x')),
        ("--queue-url", |w| w.identity.queue.push('x')),
        ("--if-exists", |w| w.identity.if_exists = IfExists::Skip),
        ("--versioned", |w| {
            w.identity.versioned = VersionPolicy::Purge;
        }),
        ("--job", |w| w.job = JobId::new("other").ok()),
    ];
    for (what, change) in changes {
        bench.wanted = wanted.clone();
        change(&mut bench.wanted);
        let message = bench.open().unwrap_err().to_string();
        for word in [what, "job moves", "10 of 1000000", "--again"] {
            assert!(message.contains(word), "{word}: {message}");
        }
        bench.wanted.again = true;
        assert!(matches!(bench.open().unwrap().1, Found::Nothing));
    }
    bench.wanted = wanted;
    bench.wanted.job = Some(job());
    assert_eq!(bench.sent(), Confirmed::new(10, &[]));
}

#[test]
fn a_finished_one_gives_way_to_something_new_but_not_to_a_slip() {
    let mut bench = Bench::new();
    let mut checkpoint = bench.begun(&[(0, 1_000_000)]);
    checkpoint.finish().unwrap();
    drop(checkpoint);
    assert!(matches!(bench.open().unwrap().1, Found::Done { .. }));
    let wanted = bench.wanted.clone();
    let news: [Change; 3] = [
        |w| w.identity.plan.push('x'),
        |w| w.identity.queue.push('x'),
        |w| w.job = JobId::new("other").ok(),
    ];
    for change in news {
        bench.wanted = wanted.clone();
        change(&mut bench.wanted);
        assert!(matches!(bench.open().unwrap().1, Found::Nothing));
    }
    bench.wanted = wanted;
    bench.wanted.identity.if_exists = IfExists::Overwrite;
    let message = bench.open().unwrap_err().to_string();
    for word in ["job moves", "--if-exists", "--again"] {
        assert!(message.contains(word), "{word}: {message}");
    }
}

#[test]
fn what_is_no_checkpoint_is_refused_and_kept() {
    let bench = Bench::new();
    drop(bench.begun(&[(0, 10), (10, 10)]));
    let good = std::fs::read_to_string(bench.path()).unwrap();
    let damaged = [
        (String::new(), 1),
        ("source,destination\n".to_owned(), 1),
        (good.replace("\"done\":false", "\"done\":0"), 1),
        (good.replace("[0,10]", "[0;10]"), 2),
        (good.replace("[10,10]", "[10,9999990000]"), 1),
    ];
    for (text, line) in damaged {
        assert_ne!(text, good);
        std::fs::write(bench.path(), &text).unwrap();
        match bench.open() {
            Err(CheckpointError::Damaged { line: found, .. }) => assert_eq!(found, line),
            other => panic!("{text}: {other:?}"),
        }
        assert_eq!(std::fs::read_to_string(bench.path()).unwrap(), text);
    }
    let newer = good.replace("\"rebucket_submit\":1", "\"rebucket_submit\":2");
    std::fs::write(bench.path(), newer).unwrap();
    assert!(matches!(
        bench.open(),
        Err(CheckpointError::Newer { version: 2, .. })
    ));
}
