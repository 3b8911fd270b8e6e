//! From a manifest, or a plan, to a plan that can be carried out.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};

use crate::choices::JobChoices;
use crate::input::{Input, InputError};
use crate::manifest::{ManifestOptions, ManifestReader};
use crate::plan::{MAGIC, PlanError, PlanReader, PlanWriter, Resolution};
use crate::problem::Problems;
use crate::validate::Validator;

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
}

/// A manifest and all that is wrong with it.
#[derive(Debug)]
pub struct InvalidManifest {
    /// The manifest.
    pub name: String,
    /// What is wrong, at least one problem.
    pub problems: Problems,
}

impl fmt::Display for InvalidManifest {
    /// Every problem that was kept on a line of its own, and how many there
    /// are on the last one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shown, total) = (self.problems.sorted(), self.problems.total());
        for problem in &shown {
            writeln!(f, "{}", problem.located(&self.name))?;
        }
        let plural = if total == 1 { "" } else { "s" };
        write!(f, "{}: {total} problem{plural}", self.name)?;
        if (shown.len() as u64) < total {
            write!(f, ", of which the first {} are shown", shown.len())?;
        }
        write!(
            f,
            "; nothing was renamed, correct the manifest and start again"
        )
    }
}

/// True when `input` is a plan and not a CSV manifest, by its first bytes.
///
/// # Errors
/// [`InputError`] when they cannot be read.
pub fn is_plan(input: &mut Input) -> Result<bool, InputError> {
    Ok(input.peek(MAGIC.len())?.starts_with(MAGIC))
}

/// Checks the whole CSV manifest and writes its plan, in one pass.
///
/// # Errors
/// [`ManifestError::Invalid`] with everything that is wrong with the manifest;
/// the other kinds when it cannot be read or the plan cannot be written. What
/// was written until then is not a plan.
pub fn resolve<W: Write>(
    input: Input,
    options: &ManifestOptions,
    mut plan: PlanWriter<W>,
) -> Result<(W, Resolution), ManifestError> {
    let name = input.name().to_owned();
    let mut problems = Problems::keeping(options.max_problems);
    if let Some(mut manifest) = ManifestReader::open(input, options, &mut problems)? {
        let mut validator = Validator::new(options);
        while manifest.advance(&mut problems)? {
            let rename = validator.check(&manifest.row(), &mut problems);
            if let Some(rename) = rename.filter(|_| problems.total() == 0) {
                plan.write(&rename).map_err(ManifestError::Write)?;
            }
        }
        validator.finish(manifest.header(), &mut problems);
    }
    if problems.total() > 0 {
        return Err(ManifestError::Invalid(InvalidManifest { name, problems }));
    }
    plan.finish().map_err(ManifestError::Write)
}

/// Gets a plan ready to be carried out: a CSV manifest is checked and resolved
/// into `spool`, a plan is copied into it and verified. `given` are the
/// choices of the command line; they win over what a plan says.
///
/// # Errors
/// [`ManifestError`] when there is anything wrong: no rename may be started.
pub fn prepare(
    mut input: Input,
    options: &ManifestOptions,
    given: JobChoices,
    mut spool: File,
) -> Result<PlanReader<File>, ManifestError> {
    let name = input.name().to_owned();
    let unusable = |source| ManifestError::Plan { name, source };
    if is_plan(&mut input)? {
        let copied: io::Result<()> = input.copy_to(&mut spool)?;
        copied.map_err(|error| ManifestError::Write(error.into()))?;
        return Ok(PlanReader::open(spool)
            .map_err(unusable)?
            .with_choices(given));
    }
    let plan = PlanWriter::new(spool, given).map_err(ManifestError::Write)?;
    let (spool, _) = resolve(input, options, plan)?;
    PlanReader::open(spool).map_err(unusable)
}

#[cfg(test)]
mod tests;
