//! The account of what was sent: by it a submission that was killed goes on.
//!
//! A file of lines. The first is a JSON object with the job, what identifies
//! it, and what had arrived when it was written; it is written in one step and
//! synced. Each further line is a stretch of the plan that has arrived since:
//! `[first,count]`, appended as soon as the queue has confirmed it. So SIGKILL
//! loses nothing that was confirmed. A power cut loses at most what was
//! confirmed since the last sync, and that is sent twice, which is harmless.

mod error;
mod identity;

use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rebucket_planner::Submission;
use rebucket_protocol::{CreationDates, JobId, SubmissionId, Timestamp};
use serde::{Deserialize, Serialize};

use super::confirmed::Confirmed;
use crate::commands::beside::create_beside;

pub(crate) use error::CheckpointError;
pub(super) use identity::Identity;

const VERSION: u64 = 1;

/// Appended lines after which the file is written anew: about a megabyte.
const MOST_LINES: u64 = 65_536;

/// The first line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    rebucket_submit: u64,
    job: JobId,
    /// The plan's own name, where a job before this one had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    named: Option<JobId>,
    /// `None` in a file of a build before there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    submission: Option<SubmissionId>,
    submitted: Timestamp,
    rows: u64,
    #[serde(rename = "of")]
    identity: Identity,
    done: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pinned: Option<String>,
    /// When the buckets were created, as the messages say.
    #[serde(default, skip_serializing_if = "CreationDates::is_empty")]
    created: CreationDates,
    confirmed: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    beyond: Vec<(u64, u64)>,
}

/// Read before the whole header, so that a newer one is reported as newer.
#[derive(Deserialize)]
struct HeaderVersion {
    rebucket_submit: u64,
}

/// What is asked of a checkpoint.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// What is to be submitted where.
    pub(super) identity: Identity,
    /// How many messages that is.
    pub(super) rows: u64,
    /// What they are to the operator: renames, where each has a message.
    pub(super) unit: &'static str,
    /// The job's name, if it was given one.
    pub(super) job: Option<JobId>,
    /// That name is in the plan: nobody gave it now.
    pub(super) plan_has_name: bool,
    /// Begin anew.
    pub(super) again: bool,
}

/// A submission that begins or goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Begun {
    /// The job.
    pub(super) job: JobId,
    /// The plan's own name, where a job before this one had it (`--again`).
    pub(super) named: Option<JobId>,
    /// The id that its messages and temporary keys carry.
    pub(super) submission: Option<SubmissionId>,
    /// The time that its messages name.
    pub(super) submitted: Timestamp,
    /// The digest of the plan that is kept beside the checkpoint, if the
    /// manifest has chains.
    pub(super) pinned: Option<String>,
    /// When its buckets were created, as its messages say.
    pub(super) created: CreationDates,
    /// What has arrived.
    pub(super) arrived: Confirmed,
}

impl Begun {
    /// True when it was begun by an earlier process.
    pub(super) fn goes_on(&self) -> bool {
        self.pinned.is_some() || self.arrived != Confirmed::default()
    }

    /// What its messages say of it.
    pub(super) fn submission(&self) -> Submission {
        Submission {
            id: self.submission,
            at: Some(self.submitted),
        }
    }
}

/// What a checkpoint says of what is wanted.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing: it is a new submission.
    Nothing,
    /// It was begun before.
    Begun(Begun),
    /// It ended before.
    Done {
        /// The job.
        job: JobId,
        /// The time that its messages name.
        submitted: Timestamp,
    },
}

/// The file, locked: one process has it at a time.
#[derive(Debug, Default)]
pub(super) struct Checkpoint {
    /// `None` where no account is kept beyond this process.
    path: Option<PathBuf>,
    /// The file at `path`, and our lock on it; `None` before the first save.
    file: Option<File>,
    header: Option<Header>,
    confirmed: Confirmed,
    lines: u64,
}

impl Checkpoint {
    /// Opens the file, if there is one, and looks for what is wanted in it.
    ///
    /// # Errors
    /// [`CheckpointError`] when it holds something that must not be lost, or
    /// cannot be read.
    pub(super) fn open(path: &Path, wanted: &Wanted) -> Result<(Self, Found), CheckpointError> {
        let mut checkpoint = Self {
            path: Some(path.to_owned()),
            file: lock(path)?,
            ..Self::default()
        };
        if wanted.again || !checkpoint.read()? {
            return Ok((checkpoint, Found::Nothing));
        }
        let found = checkpoint.compare(wanted)?;
        Ok((checkpoint, found))
    }

    /// An account that ends with the process.
    pub(super) fn none() -> Self {
        Self::default()
    }

    /// Where it is, if anywhere.
    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    fn place(&self) -> &Path {
        self.path().unwrap_or(Path::new(""))
    }

    /// Reads the file. False when there is none.
    fn read(&mut self) -> Result<bool, CheckpointError> {
        let path = self.place().to_owned();
        let Some(file) = &mut self.file else {
            return Ok(false);
        };
        let damaged = |line| CheckpointError::Damaged {
            path: path.clone(),
            line,
        };
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(failed(&path))?;
        let mut lines = text.split_inclusive(|byte| *byte == b'\n');
        let first = lines.next().unwrap_or_default();
        let version: HeaderVersion = serde_json::from_slice(first).map_err(|_| damaged(1))?;
        if version.rebucket_submit != VERSION {
            return Err(CheckpointError::Newer {
                path: path.clone(),
                version: version.rebucket_submit,
            });
        }
        let header: Header = serde_json::from_slice(first).map_err(|_| damaged(1))?;
        let mut confirmed = Confirmed::new(header.confirmed, &header.beyond);
        for (line, text) in (2..).zip(lines) {
            // Cut off when the process died: not confirmed.
            if !text.ends_with(b"\n") {
                break;
            }
            let stretch: (u64, u64) = serde_json::from_slice(text).map_err(|_| damaged(line))?;
            confirmed.add(stretch.0, stretch.1);
        }
        if confirmed.end() > header.rows {
            return Err(damaged(1));
        }
        (self.header, self.confirmed) = (Some(header), confirmed);
        Ok(true)
    }

    fn compare(&self, wanted: &Wanted) -> Result<Found, CheckpointError> {
        let Some(header) = &self.header else {
            return Ok(Found::Nothing);
        };
        let path = self.place().to_owned();
        let is_its = |name: &JobId| {
            *name == header.job || wanted.plan_has_name && header.named.as_ref() == Some(name)
        };
        let named = wanted.job.as_ref().filter(|name| !is_its(name));
        let difference = header.identity.difference(&wanted.identity);
        let difference = difference.or(named.map(|_| "--job"));
        if header.done {
            // Other renames, another queue or another job are a new submission
            // to everybody; the same renames with other flags may be a slip.
            let new = header.identity.plan != wanted.identity.plan
                || header.identity.queue != wanted.identity.queue
                || named.is_some();
            return match difference {
                None => Ok(Found::Done {
                    job: header.job.clone(),
                    submitted: header.submitted,
                }),
                Some(_) if new => Ok(Found::Nothing),
                Some(what) => Err(CheckpointError::DoneOtherwise {
                    path,
                    job: header.job.clone(),
                    what,
                }),
            };
        }
        match difference {
            Some(what) => Err(CheckpointError::Another {
                path,
                job: header.job.clone(),
                sent: self.confirmed.count(),
                rows: header.rows,
                what,
            }),
            None => Ok(Found::Begun(Begun {
                job: header.job.clone(),
                named: header.named.clone(),
                submission: header.submission,
                submitted: header.submitted,
                pinned: header.pinned.clone(),
                created: header.created.clone(),
                arrived: self.confirmed.clone(),
            })),
        }
    }

    /// Compares the dates of the buckets with those that the messages of the
    /// submission name. Further ones are named from now on; those that the
    /// store no longer tells stay.
    ///
    /// # Errors
    /// [`CheckpointError::OtherStore`] when it was begun for another store.
    pub(super) fn same_store(
        &self,
        begun: &mut Begun,
        asked: &CreationDates,
    ) -> Result<(), CheckpointError> {
        match begun.created.difference(asked) {
            None => {
                begun.created = begun.created.or(asked);
                Ok(())
            }
            Some(other) => Err(CheckpointError::OtherStore {
                path: self.place().to_owned(),
                job: begun.job.clone(),
                other: Box::new(other),
            }),
        }
    }

    /// Writes down that a job begins, or goes on: durable when it returns.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub(super) fn begin(&mut self, wanted: &Wanted, begun: &Begun) -> Result<(), CheckpointError> {
        self.header = Some(Header {
            rebucket_submit: VERSION,
            job: begun.job.clone(),
            named: begun.named.clone(),
            submission: begun.submission,
            submitted: begun.submitted,
            rows: wanted.rows,
            identity: wanted.identity.clone(),
            done: false,
            pinned: begun.pinned.clone(),
            created: begun.created.clone(),
            confirmed: 0,
            beyond: Vec::new(),
        });
        self.confirmed = begun.arrived.clone();
        self.save()
    }

    /// What has arrived so far.
    pub(super) fn confirmed(&self) -> &Confirmed {
        &self.confirmed
    }

    /// Takes down that a stretch of the plan has arrived. It survives the end
    /// of the process at once, and a power cut after the next sync.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub(super) fn confirm(&mut self, first: u64, count: u64) -> Result<(), CheckpointError> {
        self.confirmed.add(first, count);
        self.lines += 1;
        if self.lines >= MOST_LINES {
            return self.save();
        }
        let written = match &mut self.file {
            Some(file) => file.write_all(format!("[{first},{count}]\n").as_bytes()),
            None => Ok(()),
        };
        written.map_err(failed(self.place()))
    }

    /// A handle to sync what was confirmed.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub(super) fn handle(&self) -> Result<Option<File>, CheckpointError> {
        let handle = self.file.as_ref().map(File::try_clone).transpose();
        handle.map_err(failed(self.place()))
    }

    /// Writes down that everything has arrived.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub(super) fn finish(&mut self) -> Result<(), CheckpointError> {
        if let Some(header) = &mut self.header {
            header.done = true;
        }
        self.save()
    }

    /// Writes the file anew, in one step.
    fn save(&mut self) -> Result<(), CheckpointError> {
        let (Some(path), Some(header)) = (self.path.as_deref(), &mut self.header) else {
            return Ok(());
        };
        header.confirmed = self.confirmed.prefix();
        header.beyond = self.confirmed.beyond();
        let mut text = serde_json::to_vec(header).map_err(|error| failed(path)(error.into()))?;
        text.push(b'\n');
        let (mut file, unfinished) = create_beside(path).map_err(failed(path))?;
        file.write_all(&text).map_err(failed(path))?;
        // Locked before anybody can find it under its name.
        take(&file, path)?;
        let named = match self.file {
            Some(_) => unfinished.replace(&file),
            // There was none: whose is the one that is there now?
            None => unfinished.create(&file),
        };
        named.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => CheckpointError::InUse(path.to_owned()),
            _ => failed(path)(error),
        })?;
        (self.file, self.lines) = (Some(file), 0);
        Ok(())
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> CheckpointError {
    let path = path.to_owned();
    move |source| CheckpointError::File {
        path: path.clone(),
        source,
    }
}

/// The file at `path`, ours alone; `None` when there is none.
fn lock(path: &Path) -> Result<Option<File>, CheckpointError> {
    loop {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(path)(error)),
        };
        take(&file, path)?;
        // It may have been replaced between the two; then the lock is worth
        // nothing.
        let (ours, named) = (file.metadata(), std::fs::metadata(path));
        let ours = ours.map_err(failed(path))?;
        if named.is_ok_and(|named| (named.dev(), named.ino()) == (ours.dev(), ours.ino())) {
            return Ok(Some(file));
        }
    }
}

fn take(file: &File, path: &Path) -> Result<(), CheckpointError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(CheckpointError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed(path)(error)),
    }
}

#[cfg(test)]
mod tests;
