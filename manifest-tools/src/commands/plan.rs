//! `rebucket plan`: checks a manifest and writes its plan.

mod listed;
mod pins;
mod summary;

use std::fmt::Write as _;
use std::fs::File;

use rebucket_manifest::Exit;
use rebucket_manifest::args::{ManifestArgs, PinChoice, PlanArgs};
use rebucket_planner::pinning::{PinCounts, PinnedPlan, pin_plan};
use rebucket_planner::{
    Chains, Input, JobChoices, ManifestError, ManifestOptions, PlanError, PlanReader, PlanWriter,
    Resolution, is_plan, resolve, resolve_pinned,
};
use tokio::runtime::Handle;

use pins::Pinner;

use super::beside::create_beside;
use super::progress::progress_bar;
use super::source::{Fetched, fetch, warn};
use super::{CommandError, complain, interrupted, print};

/// Runs the command.
pub(crate) async fn run(args: PlanArgs) -> Result<Exit, CommandError> {
    let interrupted = interrupted();
    let (file, unfinished) = match &args.out {
        None => (None, None),
        Some(path) => {
            let (file, unfinished) = create_beside(path)?;
            (Some(file), Some((unfinished, path)))
        }
    };
    let name = args.manifest.manifest.clone();
    let keeps = file.is_some();
    // Reading blocks, on a pipe perhaps for good, so that a signal must not
    // wait for it. Whatever ends this function early removes the unfinished
    // file: `unfinished` is dropped.
    let work = async {
        let fetched = fetch(&args.manifest, args.s3.s3_path_style).await?;
        let planning = Planning {
            args: args.manifest,
            path_style: args.s3.s3_path_style,
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
    let mut summary = summary::summarize(&name, &planned.resolution, planned.counts.as_ref());
    if let Some((unfinished, path)) = unfinished {
        unfinished
            .persist(path)
            .map_err(|error| CommandError::Write {
                path: path.clone(),
                source: error.error,
            })?;
        writeln!(summary, "  plan written to {}", path.display()).ok();
    }
    print(&summary)?;
    Ok(Exit::Done)
}

/// A plan that was written.
struct Planned {
    resolution: Resolution,
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
    path_style: bool,
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
            None => self.args.temporary_file().map_err(CommandError::Spool)?,
        };
        let plan = PlanWriter::new(file, self.args.choices()).map_err(ManifestError::Write)?;
        let options = ManifestOptions {
            chains: Chains::Resolve,
            ..self.args.options()
        };
        let (plan, planned) = match self.pin {
            PinChoice::None => self.unpinned(input, &options, plan, keep)?,
            PinChoice::List | PinChoice::Head => self.pinned(input, &options, plan)?,
        };
        if keep {
            let synced = plan.sync_all();
            synced.map_err(|error| ManifestError::Write(error.into()))?;
        }
        Ok(planned)
    }

    fn pinner(&self) -> Pinner {
        Pinner::new(&self.args.manifest, self.path_style, self.runtime.clone())
    }

    fn unpinned(
        &self,
        input: Input,
        options: &ManifestOptions,
        plan: PlanWriter<File>,
        keep: bool,
    ) -> Result<(File, Planned), CommandError> {
        // A plan that is not kept is not carried out.
        let resolved = if keep {
            let mut pinner = self.pinner();
            resolve_pinned(input, options, plan, &mut |rows| pinner.pin(rows))
        } else {
            resolve(input, options, plan)
        };
        let resolved = resolved.map_err(CommandError::of_manifest)?;
        warn(&resolved.warnings);
        let planned = Planned {
            resolution: resolved.resolution,
            counts: None,
        };
        Ok((resolved.plan, planned))
    }

    /// The manifest is checked as a whole before anybody looks at a source.
    fn pinned(
        &self,
        input: Input,
        options: &ManifestOptions,
        plan: PlanWriter<File>,
    ) -> Result<(File, Planned), CommandError> {
        let name = input.name().to_owned();
        let spool = self.args.temporary_file().map_err(CommandError::Spool)?;
        let first = PlanWriter::new(spool, JobChoices::default()).map_err(temporary)?;
        let resolved = resolve(input, options, first).map_err(|error| match error {
            ManifestError::Write(error) => temporary(error),
            error => error.into(),
        })?;
        let mut warnings = resolved.warnings;
        let first = PlanReader::open(resolved.plan);
        let mut first = first.map_err(|source| ManifestError::Plan { name, source })?;
        let pinner = self.pinner();
        let insist = &mut |rows: &mut [_]| pinner.insist(rows);
        let pinned = if self.pin == PinChoice::Head {
            let bar = progress_bar(first.resolution().totals.rows, "sources looked at");
            let look = &mut |rows: &[_]| {
                let sights = pinner.look(rows);
                bar.inc(rows.len() as u64);
                sights
            };
            let pinned = pin_plan(&mut first, plan, options, &mut warnings, look, insist);
            bar.finish_and_clear();
            pinned
        } else {
            let mut sights = listed::sights(&mut first, options, self.path_style, &self.runtime)?;
            let look = &mut |rows: &[_]| Ok(sights.look(rows)?);
            pin_plan(&mut first, plan, options, &mut warnings, look, insist)
        };
        let PinnedPlan {
            plan,
            resolution,
            counts,
        } = pinned.map_err(CommandError::of_manifest)?;
        warn(&warnings);
        let counts = Some(counts);
        Ok((plan, Planned { resolution, counts }))
    }
}

/// The plan that is written first is a temporary file, and its errors are those
/// of one.
fn temporary(error: PlanError) -> CommandError {
    match error {
        PlanError::Io(error) => CommandError::Spool(error),
        error => ManifestError::Write(error).into(),
    }
}
