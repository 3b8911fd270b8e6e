//! Everything that was found in a manifest: the first of it to be shown, and
//! all of it for the file that the operator asked for.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Seek, Write};
use std::iter::Peekable;
use std::path::{Path, PathBuf};

use crate::problem::{Problem, Problems, Severity};
use crate::resolve::{InvalidManifest, ManifestError, Warnings};
use crate::spill::{SpillError, nameless};

/// Problems, warnings and notes, as they are found.
pub(crate) struct Findings {
    pub(crate) problems: Problems,
    pub(crate) warnings: Problems,
    pub(crate) notes: Problems,
    /// Where all of it was written to, if that is no file: a pipe or a terminal
    /// whose other side may not be there a second time.
    pub(crate) stream: Option<File>,
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
    /// Keeps the first `keep` of each kind, and writes all into `path`, if
    /// there is one, with temporary data in `folder`.
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
            notes: Problems::keeping(keep),
            stream: None,
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
        match problem.kind.severity() {
            Severity::Error => self.problems.push(problem),
            Severity::Warning => self.warnings.push(problem),
            Severity::Note => self.notes.push(problem),
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
        let out = out
            .into_inner()
            .map_err(|error| written(error.into_error()))?;
        let is_file = out.metadata().map_err(written)?.is_file();
        self.stream = (!is_file).then_some(out);
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

/// What comes up after a manifest was read: its cycles, and what is at its
/// sources. By line, like what is there already.
pub(crate) struct LateFindings<'w> {
    warnings: &'w mut Warnings,
    problems: Problems,
    folder: PathBuf,
    log: Option<BufWriter<File>>,
}

impl<'w> LateFindings<'w> {
    /// Adds to these warnings, with temporary data in `folder`.
    pub(crate) fn new(warnings: &'w mut Warnings, folder: &Path) -> Result<Self, SpillError> {
        let log = match &warnings.written {
            None => None,
            Some(_) => Some(BufWriter::new(nameless(folder)?)),
        };
        Ok(Self {
            problems: Problems::keeping(warnings.warnings.kept_of_each()),
            warnings,
            folder: folder.to_owned(),
            log,
        })
    }

    /// Adds what was found.
    pub(crate) fn push(&mut self, problem: Problem) -> Result<(), SpillError> {
        if let Some(log) = &mut self.log {
            let located = problem.located(&self.warnings.name);
            writeln!(log, "{} {located}", problem.line).map_err(|source| SpillError {
                folder: self.folder.clone(),
                source,
            })?;
        }
        match problem.kind.severity() {
            Severity::Error => self.problems.push(problem),
            Severity::Warning => self.warnings.warnings.push(problem),
            Severity::Note => self.warnings.notes.push(problem),
        }
        Ok(())
    }

    /// Completes the file.
    ///
    /// # Errors
    /// [`ManifestError::Invalid`] when there are problems among them.
    pub(crate) fn finish(mut self) -> Result<(), ManifestError> {
        self.complete()?;
        if self.problems.total() == 0 {
            return Ok(());
        }
        let Self {
            warnings, problems, ..
        } = self;
        Err(ManifestError::Invalid(InvalidManifest {
            name: warnings.name.clone(),
            problems,
            warnings: warnings.warnings.clone(),
            written: warnings.written.clone(),
        }))
    }

    fn complete(&mut self) -> Result<(), ManifestError> {
        let (Some(path), Some(log)) = (&self.warnings.written, self.log.take()) else {
            return Ok(());
        };
        let spilled = |source| SpillError {
            folder: self.folder.clone(),
            source,
        };
        let written = |source| unwritable(path, source);
        let mut late = log
            .into_inner()
            .map_err(|error| spilled(error.into_error()))?;
        late.rewind().map_err(spilled)?;
        let mut late = BufReader::new(late).lines().peekable();
        if late.peek().is_none() {
            return Ok(());
        }
        let mut early = nameless(&self.folder)?;
        let file;
        // Where nothing can be read again, what is late comes last.
        let out = if let Some(stream) = &self.warnings.stream {
            stream
        } else {
            let mut before = File::open(path).map_err(written)?;
            io::copy(&mut before, &mut early).map_err(spilled)?;
            early.rewind().map_err(spilled)?;
            file = File::create(path).map_err(written)?;
            &file
        };
        let mut out = BufWriter::new(out);
        for text in BufReader::new(early).lines() {
            let text = text.map_err(spilled)?;
            let line = line_of(&text, &self.warnings.name);
            copy_until(&mut late, line, &mut out)
                .map_err(|source| spilled_or_written(source, &spilled, &written))?;
            writeln!(out, "{text}").map_err(written)?;
        }
        copy_until(&mut late, u64::MAX, &mut out)
            .map_err(|source| spilled_or_written(source, &spilled, &written))?;
        out.flush().map_err(written)
    }
}

/// The line of the manifest that a line of the file is about.
fn line_of(text: &str, manifest: &str) -> u64 {
    let rest = text
        .strip_prefix(manifest)
        .and_then(|rest| rest.strip_prefix(':'));
    let number = rest.and_then(|rest| rest.split(':').next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn unwritable(path: &Path, source: io::Error) -> ManifestError {
    ManifestError::Problems {
        path: path.to_owned(),
        source,
    }
}
