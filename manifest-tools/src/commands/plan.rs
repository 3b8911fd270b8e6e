//! `rebucket plan`: checks a manifest and writes its plan.

mod listed;
pub(crate) mod pins;
mod summary;

use std::fs::File;
use std::io::{self, Seek as _};

use rebucket_manifest::Exit;
use rebucket_manifest::args::{ManifestArgs, PinChoice, PlanArgs};
use rebucket_planner::pinning::{PinCounts, PinnedPlan, Sight, SourceRow, pin_linked, pin_plan};
use rebucket_planner::{
    ManifestError, ManifestOptions, PlanReader, PlanWriter, ProblemKind, Resolution, Warnings,
    is_plan, resolve,
};
use tokio::runtime::Handle;

use pins::{Pinner, Reach};

use super::beside::create_beside;
use super::distinct::Files;
use super::progress::progress_bar;
use super::say::{complain, complain_all, print};
use super::source::{Fetched, fetch};
use super::{CommandError, found, interrupted};

/// Runs the command.
pub(crate) async fn run(args: PlanArgs) -> Result<Exit, CommandError> {
    let interrupted = interrupted();
    Files::of(&args.manifest)
        .writes("--out", args.out.as_deref())
        .check()?;
    let (file, unfinished) = match &args.out {
        None => (None, None),
        Some(path) => {
            let created = create_beside(path).map_err(CommandError::writing(path))?;
            (Some(created.0), Some((created.1, path)))
        }
    };
    let name = args.manifest.manifest.clone();
    let keeps = file.is_some();
    // Reading blocks, on a pipe perhaps for good, so that a signal must not
    // wait for it. Whatever ends this function early removes the unfinished
    // file: `unfinished` is dropped.
    let work = async {
        let fetched = fetch(&args.manifest, args.s3).await?;
        let planning = Planning {
            args: args.manifest,
            reach: Reach {
                s3: args.s3,
                owner: args.owner,
            },
            pin: args.pin,
            runtime: Handle::current(),
        };
        let planned = tokio::task::spawn_blocking(move || planning.check(fetched, file)).await??;
        if keeps && planned.dated() {
            tokio::time::sleep(pins::APART).await;
        }
        Ok::<_, CommandError>(planned)
    };
    let planned = tokio::select! {
        done = work => done?,
        () = interrupted => {
            complain("rebucket: interrupted; no plan was written");
            return Ok(Exit::Interrupted);
        }
    };
    let mut summary = summary::summarize(&name, &planned);
    if let Some((unfinished, path)) = unfinished {
        let written = unfinished.replace(&planned.file);
        written.map_err(CommandError::writing(path))?;
        summary.add(format_args!("  plan written to {}", path.display()));
    }
    print(&summary)?;
    Ok(Exit::Done)
}

/// A plan that was written.
struct Planned {
    file: File,
    resolution: Resolution,
    /// Cycles among the rows.
    cycles: u64,
    /// What became of the rows, where their sources were looked at.
    counts: Option<PinCounts>,
}

impl Planned {
    /// True when rows are pinned to dates.
    fn dated(&self) -> bool {
        self.resolution.totals.linked_rows > 0 || self.counts.is_some_and(|c| c.pinned > 0)
    }
}

/// How a plan is made.
struct Planning {
    args: ManifestArgs,
    reach: Reach,
    pin: PinChoice,
    runtime: Handle,
}

impl Planning {
    /// Checks the manifest and writes its plan; without a file for it, into
    /// one that is thrown away.
    fn check(&self, fetched: Fetched, file: Option<File>) -> Result<Planned, CommandError> {
        let mut input = fetched.open()?;
        if is_plan(&mut input).map_err(ManifestError::from)? {
            return Err(CommandError::AlreadyAPlan(self.args.manifest.clone()));
        }
        let keep = file.is_some();
        let file = match file {
            Some(file) => file,
            None => self.spool()?,
        };
        let name = input.name().to_owned();
        let options = self.args.options();
        let plan = PlanWriter::new(file, self.args.choices()).map_err(ManifestError::Write)?;
        let resolved = resolve(input, &options, plan)?;
        let (mut file, mut warnings) = (resolved.plan, resolved.warnings);
        // Chains are pinned where they are to be carried out.
        let chains = keep && resolved.resolution.totals.linked_rows > 0;
        let (mut resolution, mut counts) = (resolved.resolution, None);
        if self.pin != PinChoice::None || chains {
            let first = self.put_aside(&mut file);
            let first = PlanReader::open(first.map_err(CommandError::Spool)?);
            let first = first.map_err(|source| ManifestError::Plan { name, source })?;
            let pinned = self.pinned(first, file, &options, &mut warnings)?;
            (file, resolution) = (pinned.plan, pinned.resolution);
            counts = (self.pin != PinChoice::None).then_some(pinned.counts);
        }
        if keep {
            // The long part of it, while a signal can still be heard.
            let synced = file.sync_all();
            synced.map_err(|error| ManifestError::Write(error.into()))?;
        }
        if warnings.warnings.total() + warnings.notes.total() > 0 {
            complain_all(&found(warnings.with_notes()));
        }
        Ok(Planned {
            file,
            resolution,
            cycles: warnings.notes.total_of(ProblemKind::Cycle),
            counts,
        })
    }

    fn spool(&self) -> Result<File, CommandError> {
        self.args.temporary_file().map_err(CommandError::Spool)
    }

    /// Moves what is in a file to a temporary one.
    fn put_aside(&self, file: &mut File) -> io::Result<File> {
        let mut aside = self.args.temporary_file()?;
        file.rewind()?;
        io::copy(file, &mut aside)?;
        file.rewind()?;
        file.set_len(0)?;
        aside.rewind()?;
        Ok(aside)
    }

    /// Writes the plan once more, with pins: the manifest was checked as a
    /// whole before anybody looks at a source.
    fn pinned(
        &self,
        mut first: PlanReader<File>,
        file: File,
        options: &ManifestOptions,
        warnings: &mut Warnings,
    ) -> Result<PinnedPlan<File>, CommandError> {
        let plan = PlanWriter::new(file, self.args.choices()).map_err(ManifestError::Write)?;
        let versioned = self.args.versioned.unwrap_or_default();
        let pinner = Pinner::new(self.reach, versioned, self.runtime.clone());
        let insist = &mut |rows: &mut [_]| pinner.pin(rows);
        let pinned = match self.pin {
            PinChoice::None => pin_linked(&mut first, plan, options, warnings, insist),
            PinChoice::Head => {
                let bar = progress_bar(first.resolution().totals.rows, "sources looked at");
                let look = &mut |rows: &[_]| {
                    let sights = pinner.look(rows);
                    bar.inc(rows.len() as u64);
                    sights
                };
                let pinned = pin_plan(&mut first, plan, options, warnings, look, insist);
                bar.finish_and_clear();
                pinned
            }
            PinChoice::List => {
                let mut sights = listed::sights(&mut first, options, self.reach, &self.runtime)?;
                let look = &mut |rows: &[SourceRow]| {
                    let mut sights = sights.look(rows)?;
                    // A listing does not say what a purge of theirs would show.
                    let linked = rows.iter().map(|row| row.linked && !versioned.is_marker());
                    for (sight, _) in sights.iter_mut().zip(linked).filter(|(_, is)| *is) {
                        *sight = Sight::Unseen;
                    }
                    Ok(sights)
                };
                pin_plan(&mut first, plan, options, warnings, look, insist)
            }
        };
        pinned.map_err(CommandError::of_manifest)
    }
}
