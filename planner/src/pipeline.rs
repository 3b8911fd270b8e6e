//! The rows of a manifest through several threads: one reads, some check and
//! compress, and the caller's takes the results in the manifest's order.

use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use rebucket_protocol::places::Own;
use rebucket_protocol::printable::shortened;

use crate::input::InputError;
use crate::manifest::{Header, ManifestOptions, ManifestReader, Row, Side};
use crate::names;
use crate::plan::Totals;
use crate::plan::block::{BlockEncoder, RowRef};
use crate::plan::{BlockKind, Sealed, Sealer};
use crate::problem::{Problem, ProblemKind};
use crate::records::Batch;
use crate::resolve::ManifestError;
use crate::sorted::Entry;
use crate::validate::{Checked, Object, Validator};

/// A batch on its way: read, checked, taken, and read into again. There is a
/// fixed number of them, and so memory is bounded.
#[derive(Default)]
pub(crate) struct Job {
    number: u64,
    rows_before: u64,
    batch: Batch,
    /// What is wrong with its rows.
    pub(crate) problems: Vec<Problem>,
    /// What its rows mention.
    pub(crate) mentions: Vec<Entry>,
    /// The rows that are right; once one is not, also the halves of those that
    /// are half right, so that every name can be shown.
    pub(crate) sealed: Sealed,
    /// Sums over the rows that are right.
    pub(crate) totals: Totals,
}

enum Done {
    Checked(Box<Job>),
    Failed(io::Error),
    /// A thread ended by a panic, which `join` will pass on.
    Panicked,
}

/// Says so when its thread panics: somebody waits for what it had.
struct Alarm(Sender<Done>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.send(Done::Panicked).ok();
        }
    }
}

/// Checks all rows and gives them to `take`, batch by batch, in order.
pub(crate) fn run(
    manifest: &mut ManifestReader,
    header: &Header,
    options: &ManifestOptions,
    threads: usize,
    mut take: impl FnMut(&mut Job) -> Result<(), ManifestError>,
) -> Result<(), ManifestError> {
    let (free, freed) = channel::<Box<Job>>();
    let (work, worked) = channel::<Box<Job>>();
    let (done, finished) = channel::<Done>();
    let worked = Mutex::new(worked);
    for _ in 0..threads + 3 {
        free.send(Box::default()).ok();
    }
    thread::scope(|scope| {
        for _ in 0..threads {
            let (worked, done) = (&worked, done.clone());
            scope.spawn(move || check(worked, &Alarm(done), header, options));
        }
        let reader = scope.spawn(move || {
            let alarm = Alarm(done);
            let read = read(manifest, &freed, &work);
            drop(alarm);
            read
        });
        let taken = collect(&finished, &free, &mut take);
        // Whoever waits for either ends now.
        drop((free, finished));
        let read = reader
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        taken.and(read.map_err(ManifestError::from))
    })
}

fn read(
    manifest: &mut ManifestReader,
    freed: &Receiver<Box<Job>>,
    work: &Sender<Box<Job>>,
) -> Result<(), InputError> {
    for number in 0.. {
        let Ok(mut job) = freed.recv() else { break };
        let Some(before) = manifest.fill(&mut job.batch)? else {
            break;
        };
        (job.number, job.rows_before) = (number, before);
        if work.send(job).is_err() {
            break;
        }
    }
    Ok(())
}

fn check(
    worked: &Mutex<Receiver<Box<Job>>>,
    alarm: &Alarm,
    header: &Header,
    options: &ManifestOptions,
) {
    let mut checker = match Checker::new(header, options) {
        Ok(checker) => checker,
        Err(error) => {
            alarm.0.send(Done::Failed(error)).ok();
            return;
        }
    };
    loop {
        let next = worked.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(mut job) = next else { return };
        let done = match checker.check(&mut job) {
            Ok(()) => Done::Checked(job),
            Err(error) => Done::Failed(error),
        };
        if alarm.0.send(done).is_err() {
            return;
        }
    }
}

fn collect(
    finished: &Receiver<Done>,
    free: &Sender<Box<Job>>,
    take: &mut impl FnMut(&mut Job) -> Result<(), ManifestError>,
) -> Result<(), ManifestError> {
    let mut early = BTreeMap::new();
    let mut next = 0;
    for done in finished {
        match done {
            Done::Checked(job) => early.insert(job.number, job),
            Done::Failed(error) => return Err(ManifestError::Write(error.into())),
            Done::Panicked => return Ok(()),
        };
        while let Some(mut job) = early.remove(&next) {
            next += 1;
            take(&mut job)?;
            // Nobody waits for it once the input has ended.
            free.send(job).ok();
        }
    }
    Ok(())
}

/// What one thread needs to check rows.
struct Checker<'a> {
    header: &'a Header,
    validator: Validator<'a>,
    encoder: BlockEncoder,
    sealer: Sealer,
    scratch: Vec<u8>,
}

impl<'a> Checker<'a> {
    fn new(header: &'a Header, options: &'a ManifestOptions) -> io::Result<Self> {
        Ok(Self {
            header,
            validator: Validator::new(options),
            encoder: BlockEncoder::default(),
            sealer: Sealer::new()?,
            scratch: Vec::new(),
        })
    }

    fn check(&mut self, job: &mut Job) -> io::Result<()> {
        job.problems.clear();
        job.mentions.clear();
        self.encoder.clear();
        for (number, record) in (job.rows_before + 1..).zip(job.batch.iter()) {
            let row = match Row::new(number, self.header, record) {
                Ok(row) => row,
                Err(problem) => {
                    job.problems.push(problem);
                    continue;
                }
            };
            let before = job.problems.len();
            let checked = self.validator.check(&row, &mut job.problems);
            if job.problems.len() == before {
                self.validator.count(&checked);
            }
            for (side, object) in [
                (Side::Source, &checked.source),
                (Side::Destination, &checked.destination),
            ] {
                let Some(object) = object else { continue };
                let folds = names::mention(
                    &mut job.mentions,
                    side,
                    object.name(),
                    object.bucket_bytes(),
                    row.line(),
                    &mut self.scratch,
                );
                if folds && side == Side::Destination {
                    job.problems.push(unusual(&row, object.name()));
                }
                if side == Side::Destination
                    && let Some(space) = outer_space(object.parts().1)
                {
                    job.problems.push(spaced(&row, object.name(), space));
                }
                if side == Side::Source && Own::of(object.parts().1) == Some(Own::InTransit) {
                    job.problems.push(in_transit(&row, object.name()));
                }
            }
            self.encode(&row, &checked);
        }
        job.totals = self.validator.take_totals();
        job.sealed.first_line = self.encoder.first_line();
        let (payload, rows) = (self.encoder.payload(), self.encoder.rows());
        self.sealer
            .seal(BlockKind::Renames, payload, rows, &mut job.sealed)
    }

    fn encode(&mut self, row: &Row<'_>, checked: &Checked<'_>) {
        if checked.source.is_none() && checked.destination.is_none() {
            return;
        }
        self.encoder.push(RowRef {
            row: row.number,
            line: row.line(),
            source: checked.source.as_ref().map_or(("", ""), Object::parts),
            destination: checked.destination.as_ref().map_or(("", ""), Object::parts),
            pins: &checked.pins,
            if_exists: checked.if_exists,
        });
    }
}

fn unusual(row: &Row<'_>, name: &str) -> Problem {
    let column = row.header.key_column(Side::Destination);
    let message = format!(
        "destination s3://{} has an empty segment, or one that is . or .. (`//`, `./`, or a slash \
         at an end): some endpoints and tools take it for another key",
        shortened(name)
    );
    row.problem(column, ProblemKind::UnusualKey, message)
}

/// The white space at an end of a key.
fn outer_space(key: &str) -> Option<char> {
    let is_space = |c: &char| c.is_whitespace();
    let (first, last) = (key.chars().next(), key.chars().next_back());
    first.filter(is_space).or(last.filter(is_space))
}

fn spaced(row: &Row<'_>, name: &str, space: char) -> Problem {
    let column = row.header.key_column(Side::Destination);
    let message = format!(
        "destination s3://{} has white space (U+{:04X}) at an end of its key, as spreadsheets leave \
         it: it will be part of the new key",
        shortened(name),
        u32::from(space)
    );
    row.problem(column, ProblemKind::OuterSpace, message)
}

fn in_transit(row: &Row<'_>, name: &str) -> Problem {
    let column = row.header.key_column(Side::Source);
    let message = format!(
        "source s3://{} is a temporary key of a job: if that is under way, this takes its object away",
        shortened(name)
    );
    row.problem(column, ProblemKind::InTransit, message)
}
