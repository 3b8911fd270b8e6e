//! A file that a command writes is none that it reads, and none that it writes
//! for something else: one of the two would be lost.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rebucket_manifest::args::ManifestArgs;

use super::CommandError;

/// Symbolic links that are followed to a file that is not there yet.
const MOST_LINKS: usize = 40;

/// The files of a command, with the arguments that name them.
#[derive(Default)]
pub(crate) struct Files(Vec<Named>);

struct Named {
    argument: &'static str,
    shown: String,
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
            let stdin = io::stdin().as_fd().try_clone_to_owned();
            let found = stdin.and_then(|stdin| File::from(stdin).metadata());
            let identity = found.ok().and_then(|found| Identity::of_metadata(&found));
            self.add(argument, "<stdin>".to_owned(), identity, false);
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
            self.add(argument, shown, Identity::of(path), written);
        }
    }

    /// What has no identity, a device or a pipe, can be used more than once.
    fn add(
        &mut self,
        argument: &'static str,
        shown: String,
        identity: Option<Identity>,
        written: bool,
    ) {
        self.0.extend(identity.map(|identity| Named {
            argument,
            shown,
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
        for (index, second) in self.0.iter().enumerate() {
            let clash = self.0[..index].iter().find(|first| {
                (first.written || second.written) && first.identity == second.identity
            });
            if let Some(first) = clash {
                let named = |file: &Named| format!("{} {}", file.argument, file.shown);
                return Err(CommandError::OneFile {
                    first: named(first),
                    second: named(second),
                    written: if second.written { second } else { first }.argument,
                });
            }
        }
        Ok(())
    }
}

impl Identity {
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

/// The folder of a file that is not there, in its one true spelling, and the
/// file's name.
fn place(path: &Path) -> PathBuf {
    let folder = |path: &Path| match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Ok(target) = fs::read_link(&path) else {
            break;
        };
        path = folder(&path).join(target);
    }
    let folder = folder(&path);
    let folder = fs::canonicalize(&folder).unwrap_or(folder);
    match path.file_name() {
        Some(name) => folder.join(name),
        None => folder,
    }
}

/// Refuses to replace a file in the report that a manifest is made from, but
/// for another manifest.
///
/// # Errors
/// [`CommandError::OneFile`].
pub(crate) fn refuse_part_of(report: &Path, out: &Path) -> Result<(), CommandError> {
    let is_manifest = out.extension().is_some_and(|ending| ending == "csv");
    let (Ok(file), Ok(folder)) = (fs::canonicalize(out), fs::canonicalize(report)) else {
        return Ok(());
    };
    if is_manifest || !file.is_file() || !file.starts_with(folder) {
        return Ok(());
    }
    Err(CommandError::OneFile {
        first: format!("a file of the report LOC {}", report.display()),
        second: format!("--out {}", out.display()),
        written: "--out",
    })
}
