//! A file that a command writes is none that it reads, and none that it writes
//! for something else: one of the two would be lost. What it prints counts as
//! written, where that goes into a file.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rebucket_manifest::args::ManifestArgs;

use super::CommandError;
use super::beside::place;

/// The files of a command, with the arguments that name them.
#[derive(Default)]
pub(crate) struct Files(Vec<Named>);

struct Named {
    argument: &'static str,
    /// The argument with its file.
    told: String,
    identity: Identity,
    written: bool,
}

/// What makes two names one file, however they are spelled.
#[derive(PartialEq, Eq)]
enum Identity {
    /// The device and the inode of a file that is there.
    There(u64, u64),
    /// Where a file would be made.
    Place(PathBuf),
}

impl Files {
    /// Those that are read and written wherever there is a manifest.
    pub(crate) fn of(args: &ManifestArgs) -> Self {
        Self::default()
            .reads_input("MANIFEST", &args.manifest)
            .writes("--problems", args.problems.as_deref())
    }

    /// Adds a file that is read: a path, `-` for standard input, or nothing on
    /// this machine.
    pub(crate) fn reads_input(mut self, argument: &'static str, name: &str) -> Self {
        if name == "-" {
            let identity = Identity::of_stream(&io::stdin());
            self.add(argument, "<stdin>", identity, false);
            return self;
        }
        let local = (!name.starts_with("s3://")).then(|| Path::new(name));
        self.reads(argument, local)
    }

    /// Adds a file that is read.
    pub(crate) fn reads(mut self, argument: &'static str, path: Option<&Path>) -> Self {
        self.add_path(argument, path, false);
        self
    }

    /// Adds a file that is made, or replaced.
    pub(crate) fn writes(mut self, argument: &'static str, path: Option<&Path>) -> Self {
        self.add_path(argument, path, true);
        self
    }

    fn add_path(&mut self, argument: &'static str, path: Option<&Path>, written: bool) {
        if let Some(path) = path {
            let shown = path.display().to_string();
            self.add(argument, &shown, Identity::of(path), written);
        }
    }

    /// What has no identity, a device or a pipe, can be used more than once.
    fn add(
        &mut self,
        argument: &'static str,
        shown: &str,
        identity: Option<Identity>,
        written: bool,
    ) {
        self.0.extend(identity.map(|identity| Named {
            argument,
            told: format!("{argument} {shown}"),
            identity,
            written,
        }));
    }

    /// Refuses two of them that are one file, unless both are only read. To be
    /// asked before any of them is opened for writing.
    ///
    /// # Errors
    /// [`CommandError::OneFile`].
    pub(crate) fn check(&self) -> Result<(), CommandError> {
        let streams = [
            printed("standard output", &io::stdout()),
            printed("standard error", &io::stderr()),
        ];
        // The streams themselves are often one file.
        let all = self.0.iter().chain(streams.iter().flatten());
        for (index, second) in all.enumerate() {
            let clash = self.0.iter().take(index).find(|first| {
                (first.written || second.written) && first.identity == second.identity
            });
            if let Some(first) = clash {
                return Err(CommandError::OneFile {
                    first: first.told.clone(),
                    second: second.told.clone(),
                    written: if second.written { second } else { first }.argument,
                });
            }
        }
        Ok(())
    }
}

/// A stream that is printed to, if it goes into a file.
fn printed(name: &'static str, stream: &impl AsFd) -> Option<Named> {
    Some(Named {
        argument: name,
        told: name.to_owned(),
        identity: Identity::of_stream(stream)?,
        written: true,
    })
}

impl Identity {
    /// Of the file that a stream of this process comes from or goes to.
    fn of_stream(stream: &impl AsFd) -> Option<Self> {
        let stream = stream.as_fd().try_clone_to_owned().ok()?;
        Self::of_metadata(&File::from(stream).metadata().ok()?)
    }

    fn of(path: &Path) -> Option<Self> {
        match fs::metadata(path) {
            Ok(found) => Self::of_metadata(&found),
            Err(_) => Some(Self::Place(place(path))),
        }
    }

    fn of_metadata(found: &Metadata) -> Option<Self> {
        found
            .is_file()
            .then(|| Self::There(found.dev(), found.ino()))
    }
}

/// Refuses to replace a file of the report that a manifest is made from. In its
/// folder there may be others, as the manifest that was made before.
///
/// # Errors
/// [`CommandError::OneFile`].
pub(crate) fn refuse_part_of(report: &Path, out: &Path) -> Result<(), CommandError> {
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    let endings = [".json", ".jsonl", ".pinned"];
    let is_a_reports = name == "lock" || endings.iter().any(|ending| name.ends_with(ending));
    let (Ok(file), Ok(folder)) = (fs::canonicalize(out), fs::canonicalize(report)) else {
        return Ok(());
    };
    if !is_a_reports || !file.is_file() || !file.starts_with(folder) {
        return Ok(());
    }
    Err(CommandError::OneFile {
        first: format!("a file of the report LOC {}", report.display()),
        second: format!("--out {}", out.display()),
        written: "--out",
    })
}
