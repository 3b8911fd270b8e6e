//! From a manifest, or a plan, to a plan that can be carried out.

mod told;

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread;

use rebucket_protocol::printable::{grouped, printable};

use crate::choices::JobChoices;
use crate::collisions::{Collision, CollisionKind, Mentions, collisions};
use crate::findings::{Findings, LateFindings};
use crate::input::{Input, InputError};
use crate::linking::Linking;
use crate::manifest::{ManifestOptions, ManifestReader};
use crate::pipeline;
use crate::plan::{HEAD_BYTES, PlanError, PlanReader, PlanWriter, Resolution, begins_a_plan};
use crate::problem::{ProblemKind, Problems};
use crate::spill::{self, Spill, SpillError};
use told::{Names, circle};

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The manifest cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The manifest was read to its end, and must be corrected.
    #[error("{0}")]
    Invalid(InvalidManifest),
    /// The plan that was given cannot be used.
    #[error("{name}: {source}")]
    Plan {
        /// The plan.
        name: String,
        /// What is wrong with it.
        source: PlanError,
    },
    /// The plan cannot be written.
    #[error("the plan cannot be written: {0}")]
    Write(PlanError),
    /// Temporary files cannot be written, or read again.
    #[error(transparent)]
    Spill(#[from] SpillError),
    /// What is at the sources of linked rows cannot be told.
    #[error(transparent)]
    Pin(PinError),
    /// Linked rows on more lines than memory has room for.
    #[error(
        "{0} or more renames are linked in chains, swaps and cycles, on too many lines for the \
         memory; give more with --memory: 350 MiB for each billion lines"
    )]
    LinksNeedMemory(u64),
    /// More linked rows than can be resolved.
    #[error(
        "more than {0} renames are linked in chains, swaps and cycles; make several manifests, of \
         which none has rows that are linked to those of another"
    )]
    TooManyLinks(u32),
    /// The file for all problems cannot be written.
    #[error("{} cannot be written: {source}; name another file with --problems", .path.display())]
    Problems {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Why linked rows cannot be pinned.
pub type PinError = Box<dyn std::error::Error + Send + Sync>;

/// A manifest and all that is wrong with it.
#[derive(Debug)]
pub struct InvalidManifest {
    /// The manifest.
    pub name: String,
    /// What is wrong, at least one problem.
    pub problems: Problems,
    /// What may be wrong besides.
    pub warnings: Problems,
    /// The file that all of it was written to.
    pub written: Option<PathBuf>,
}

impl fmt::Display for InvalidManifest {
    /// Every problem and warning that was kept on a line of its own, and how
    /// many there are on the last one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = Found {
            name: &self.name,
            kinds: [("problem", &self.problems), ("warning", &self.warnings)],
            written: self.written.as_ref(),
        };
        write!(
            f,
            "{found}; nothing was renamed, correct the manifest and start again"
        )
    }
}

/// What may be wrong with a manifest, but does not keep its renames from being
/// made.
#[derive(Debug)]
pub struct Warnings {
    /// The manifest.
    pub name: String,
    /// What may be wrong; perhaps nothing.
    pub warnings: Problems,
    /// Which rows wait for which.
    pub notes: Problems,
    /// The file that all of it was written to.
    pub written: Option<PathBuf>,
    /// That, if it is no file: see [`Findings`].
    pub(crate) stream: Option<File>,
}

impl Warnings {
    /// Those of the same manifest that come from now on: the others were told.
    #[must_use]
    pub fn further(self) -> Self {
        Self {
            warnings: Problems::keeping(self.warnings.kept_of_each()),
            notes: Problems::keeping(self.notes.kept_of_each()),
            ..self
        }
    }

    /// Every warning and note that was kept on a line of its own, and how many
    /// there are on the last one.
    #[must_use]
    pub fn with_notes(&self) -> impl fmt::Display + '_ {
        Found {
            name: &self.name,
            kinds: [("warning", &self.warnings), ("note", &self.notes)],
            written: self.written.as_ref(),
        }
    }
}

impl fmt::Display for Warnings {
    /// Every warning that was kept on a line of its own, and how many there
    /// are on the last one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Found {
            name: &self.name,
            kinds: [("warning", &self.warnings)],
            written: self.written.as_ref(),
        }
        .fmt(f)
    }
}

struct Found<'a, const N: usize> {
    name: &'a str,
    /// What each is called.
    kinds: [(&'static str, &'a Problems); N],
    written: Option<&'a PathBuf>,
}

impl<const N: usize> fmt::Display for Found<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.kinds.iter().flat_map(|(_, found)| found.sorted());
        let mut shown: Vec<_> = kept.collect();
        shown.sort_unstable();
        for problem in &shown {
            writeln!(f, "{}", problem.located(self.name))?;
        }
        let some = self.kinds.iter().filter(|(_, found)| found.total() > 0);
        let counts: Vec<_> = some
            .map(|(what, found)| counted(found.total(), what))
            .collect();
        write!(f, "{}: {}", printable(self.name), counts.join(" and "))?;
        let total: u64 = self.kinds.iter().map(|(_, found)| found.total()).sum();
        let hidden = (shown.len() as u64) < total;
        if hidden {
            let each = self.kinds.iter().map(|(_, found)| found.kept_of_each());
            let (shown, each) = (shown.len(), each.max().unwrap_or_default());
            write!(
                f,
                ", of which {} are shown, the first {each} of each kind",
                grouped(shown as u64)
            )?;
        }
        match self.written {
            Some(path) => write!(f, "; all are in {}", printable(path.display())),
            None if hidden => write!(f, "; --problems FILE writes all of them to a file"),
            None => Ok(()),
        }
    }
}

fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {what}{plural}", grouped(count))
}

/// A plan that was written.
#[derive(Debug)]
pub struct Resolved<W> {
    /// What the plan was written to.
    pub plan: W,
    /// What the plan comes to.
    pub resolution: Resolution,
    /// What the manifest's author should know.
    pub warnings: Warnings,
}

/// True when `input` is a plan and not a CSV manifest, by its first bytes.
///
/// # Errors
/// [`InputError`] when they cannot be read.
pub fn is_plan(input: &mut Input) -> Result<bool, InputError> {
    // Damaged plans and those of version 1 are told from manifests too, to be
    // refused as what they are.
    Ok(begins_a_plan(input.peek(HEAD_BYTES)?))
}

/// Checks the whole CSV manifest and writes its plan, in one pass over the
/// manifest. Duplicates and chains are found by hashes of 128 bits, sorted on
/// disk; what was written of the plan is read again where a name is to be
/// shown.
///
/// # Errors
/// [`ManifestError::Invalid`] with everything that is wrong with the manifest;
/// the other kinds when it cannot be read or something cannot be written. What
/// was written until then is not a plan.
pub fn resolve<W: Read + Write + Seek>(
    input: Input,
    options: &ManifestOptions,
    mut plan: PlanWriter<W>,
) -> Result<Resolved<W>, ManifestError> {
    let name = input.name().to_owned();
    let folder = spill::folder(options.temp_dir.as_ref());
    let written = options.problems.as_deref();
    let mut findings = Findings::new(&name, options.max_problems, written, &folder)?;
    let mut problems = Vec::new();
    let opened = ManifestReader::open(input, options, &mut problems)?;
    for problem in problems {
        findings.push(problem)?;
    }
    let mut linked = None;
    let findings = match opened {
        None => findings.finish(std::iter::empty())?,
        Some((header, mut manifest)) => {
            let threads = threads(options);
            let spill = Spill::new(folder.clone())?;
            let mut mentions = Mentions::new(&spill, sort_memory(options, threads));
            // Where each block starts, and its first line.
            let mut blocks = Vec::new();
            pipeline::run(&mut manifest, &header, options, threads, |job| {
                for problem in job.problems.drain(..) {
                    findings.push(problem)?;
                }
                for entry in &job.mentions {
                    mentions.push(entry)?;
                }
                if job.sealed.rows() > 0 {
                    let at = plan.append(&job.sealed).map_err(ManifestError::Write)?;
                    blocks.push((at, job.sealed.first_line));
                    plan.count(&job.totals);
                }
                Ok(())
            })?;
            let found = mentions.collide(threads)?;
            let mut names = Names::new(&mut plan, &blocks)?;
            let mut linking = Linking::new(sort_memory(options, threads), folder.clone());
            // The name of each linked row is read again only for a note that
            // somebody will see.
            let mut notes = match written {
                Some(_) => usize::MAX,
                None => findings.notes.kept_of_each(),
            };
            let mut untold = 0;
            let mut tell = |collision: Collision| {
                if collision.kind == CollisionKind::Chain {
                    linking.push(collision.line, collision.other)?;
                    if notes == 0 {
                        untold += 1;
                        return Ok(None);
                    }
                    notes -= 1;
                }
                names.problem(&collision, &header).map(Some)
            };
            let mut findings = findings.finish(collisions(found).filter_map(|collision| {
                let found = collision.map_err(ManifestError::from);
                found.and_then(&mut tell).transpose()
            }))?;
            findings.notes.count(ProblemKind::WaitsFor, untold);
            linked = Some((linking, blocks));
            findings
        }
    };
    let Findings {
        problems,
        warnings,
        notes,
        stream,
        ..
    } = findings;
    let written = options.problems.clone();
    if problems.total() > 0 {
        return Err(ManifestError::Invalid(InvalidManifest {
            name,
            problems,
            warnings,
            written,
        }));
    }
    let mut warnings = Warnings {
        name,
        warnings,
        notes,
        written,
        stream,
    };
    if let Some((linking, blocks)) = linked {
        let mut late = LateFindings::new(&mut warnings, &folder)?;
        linking.write(&mut plan, &blocks, |cycle| Ok(late.push(circle(cycle))?))?;
        late.finish()?;
    }
    plan.inner()
        .seek(io::SeekFrom::End(0))
        .map_err(|error| ManifestError::Write(error.into()))?;
    let (plan, resolution) = plan.finish().map_err(ManifestError::Write)?;
    Ok(Resolved {
        plan,
        resolution,
        warnings,
    })
}

fn threads(options: &ManifestOptions) -> usize {
    options
        .threads
        .or_else(|| thread::available_parallelism().ok())
        .map_or(1, NonZeroUsize::get)
        // More would read no faster, and every one has its memory.
        .min(16)
}

/// What is left for sorting: a batch takes up to 8 MiB, for rows and names of
/// the greatest length, and the rest of the process is given 24 MiB.
fn sort_memory(options: &ManifestOptions, threads: usize) -> usize {
    const MIB: usize = 1024 * 1024;
    let memory = options.memory.max(ManifestOptions::MIN_MEMORY);
    let memory = usize::try_from(memory).unwrap_or(usize::MAX);
    memory
        .saturating_sub(24 * MIB + (threads + 3) * 8 * MIB)
        .max(8 * MIB)
}

/// Gets a plan ready to be carried out: a CSV manifest is checked and resolved
/// into `spool`, a plan is copied into it and verified. `given` are the
/// choices of the command line; they win over what a plan says. Of a manifest
/// there are warnings as well, of a plan there were when it was made.
///
/// Linked rows of a manifest are not pinned yet: see
/// [`pin_linked`](crate::pinning::pin_linked).
///
/// # Errors
/// [`ManifestError`] when there is anything wrong: no rename may be started.
pub fn prepare(
    mut input: Input,
    options: &ManifestOptions,
    given: JobChoices,
    mut spool: File,
) -> Result<(PlanReader<File>, Option<Warnings>), ManifestError> {
    let name = input.name().to_owned();
    let unusable = |source| ManifestError::Plan {
        name: name.clone(),
        source,
    };
    if is_plan(&mut input)? {
        let copied: io::Result<()> = input.copy_to(&mut spool)?;
        copied.map_err(|source| {
            let folder = spill::folder(options.temp_dir.as_ref());
            SpillError { folder, source }
        })?;
        let plan = PlanReader::open(spool).map_err(unusable)?;
        return Ok((plan.with_choices(given), None));
    }
    // This plan is a temporary file, and its errors are those of one.
    let temporary = |error| match error {
        ManifestError::Write(PlanError::Io(source)) => {
            let folder = spill::folder(options.temp_dir.as_ref());
            SpillError { folder, source }.into()
        }
        error => error,
    };
    let plan = PlanWriter::new(spool, given).map_err(ManifestError::Write);
    let plan = plan.map_err(temporary)?;
    let resolved = resolve(input, options, plan).map_err(temporary)?;
    let plan = PlanReader::open(resolved.plan).map_err(unusable)?;
    Ok((plan, Some(resolved.warnings)))
}

#[cfg(test)]
mod tests;
