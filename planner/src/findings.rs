//! Everything that was found in a manifest: the first of it to be shown, and
//! all of it for the file that the operator asked for.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Seek, Write};
use std::iter::Peekable;
use std::path::{Path, PathBuf};

use crate::problem::{Problem, Problems};
use crate::resolve::ManifestError;
use crate::spill::{SpillError, nameless};

/// Problems and warnings, as they are found.
pub(crate) struct Findings {
    pub(crate) problems: Problems,
    pub(crate) warnings: Problems,
    log: Option<Log>,
}

/// What is wrong with single rows comes in the order of lines, and what rows
/// have to do with each other comes later, in that order too: the file is
/// merged of both.
struct Log {
    manifest: String,
    folder: PathBuf,
    rows: BufWriter<File>,
    path: PathBuf,
    out: BufWriter<File>,
}

impl Findings {
    /// Keeps the first `keep` problems and warnings each, and writes all into
    /// `path`, if there is one, with temporary data in `folder`.
    pub(crate) fn new(
        manifest: &str,
        keep: usize,
        path: Option<&Path>,
        folder: &Path,
    ) -> Result<Self, ManifestError> {
        let log = match path {
            None => None,
            Some(path) => {
                let out = File::create(path).map_err(|source| unwritable(path, source))?;
                Some(Log {
                    manifest: manifest.to_owned(),
                    folder: folder.to_owned(),
                    rows: BufWriter::new(nameless(folder)?),
                    path: path.to_owned(),
                    out: BufWriter::new(out),
                })
            }
        };
        Ok(Self {
            problems: Problems::keeping(keep),
            warnings: Problems::keeping(keep),
            log,
        })
    }

    /// Adds what is wrong with a row.
    pub(crate) fn push(&mut self, problem: Problem) -> Result<(), SpillError> {
        if let Some(log) = &mut self.log {
            let located = problem.located(&log.manifest);
            writeln!(log.rows, "{} {located}", problem.line).map_err(|source| SpillError {
                folder: log.folder.clone(),
                source,
            })?;
        }
        self.keep(problem);
        Ok(())
    }

    fn keep(&mut self, problem: Problem) {
        if problem.kind.is_warning() {
            self.warnings.push(problem);
        } else {
            self.problems.push(problem);
        }
    }

    /// Adds what rows have to do with each other, by line, and completes the
    /// file.
    pub(crate) fn finish(
        mut self,
        collisions: impl Iterator<Item = Result<Problem, ManifestError>>,
    ) -> Result<Self, ManifestError> {
        let Some(log) = self.log.take() else {
            for problem in collisions {
                self.keep(problem?);
            }
            return Ok(self);
        };
        let Log {
            manifest,
            folder,
            rows,
            path,
            mut out,
        } = log;
        let spilled = |source| SpillError {
            folder: folder.clone(),
            source,
        };
        let written = |source| unwritable(&path, source);
        let mut rows = rows
            .into_inner()
            .map_err(|error| spilled(error.into_error()))?;
        rows.rewind().map_err(spilled)?;
        let mut rows = BufReader::new(rows).lines().peekable();
        for problem in collisions {
            let problem = problem?;
            copy_until(&mut rows, problem.line, &mut out)
                .map_err(|source| spilled_or_written(source, &spilled, &written))?;
            writeln!(out, "{}", problem.located(&manifest)).map_err(written)?;
            self.keep(problem);
        }
        copy_until(&mut rows, u64::MAX, &mut out)
            .map_err(|source| spilled_or_written(source, &spilled, &written))?;
        out.flush().map_err(written)?;
        Ok(self)
    }
}

enum CopyError {
    Read(io::Error),
    Written(io::Error),
}

fn spilled_or_written(
    error: CopyError,
    spilled: &impl Fn(io::Error) -> SpillError,
    written: &impl Fn(io::Error) -> ManifestError,
) -> ManifestError {
    match error {
        CopyError::Read(source) => spilled(source).into(),
        CopyError::Written(source) => written(source),
    }
}

/// Copies the rows' findings up to `line`.
fn copy_until(
    rows: &mut Peekable<impl Iterator<Item = io::Result<String>>>,
    line: u64,
    out: &mut impl Write,
) -> Result<(), CopyError> {
    loop {
        match rows.peek() {
            None => return Ok(()),
            Some(Ok(text)) => {
                let (at, problem) = text.split_once(' ').unwrap_or(("0", text));
                if at.parse::<u64>().is_ok_and(|at| at > line) {
                    return Ok(());
                }
                writeln!(out, "{problem}").map_err(CopyError::Written)?;
            }
            Some(Err(_)) => {}
        }
        if let Some(Err(error)) = rows.next() {
            return Err(CopyError::Read(error));
        }
    }
}

fn unwritable(path: &Path, source: io::Error) -> ManifestError {
    ManifestError::Problems {
        path: path.to_owned(),
        source,
    }
}
