//! What was at the keys of a manifest's chains before the job's first rename,
//! kept until its end. In the middle of the job nobody can tell it any more.
//!
//! The order is what makes it safe. The pins are taken, the plan with them is
//! kept, and both are durable before the job is recorded as begun; only then
//! the first rename may start. So what is found of a job that has not begun is
//! worth nothing, and is taken anew; and a job that has begun goes on with the
//! plan that its record names by digest, or not at all.

use std::fs::File;
use std::io::{self, Seek as _};
use std::path::{Path, PathBuf};

use rebucket_manifest::args::ManifestArgs;
use rebucket_planner::pinning::pin_linked;
use rebucket_planner::{JobChoices, ManifestError, PlanReader, PlanWriter, Warnings};
use rebucket_protocol::JobId;
use rebucket_worker::report::location::ReportStore;
use tokio::runtime::Handle;

use super::CommandError;
use super::beside::create_beside;
use super::plan::pins::{APART, Pinner, Reach};

/// A plan with pinned chains, in a temporary file.
pub(crate) struct PinnedPlan {
    file: File,
    digest: String,
}

impl PinnedPlan {
    /// Looks at the objects of the chains of a plan that was made of this
    /// manifest. What is wrong with them is added to what was found in it.
    pub(crate) async fn take(
        args: &ManifestArgs,
        reach: Reach,
        mut plan: PlanReader<File>,
        mut warnings: Warnings,
    ) -> Result<Self, CommandError> {
        let file = args.temporary_file().map_err(CommandError::Spool)?;
        let versioned = plan.choices().versioned.unwrap_or_default();
        let pinner = Pinner::new(reach, versioned, Handle::current());
        let options = args.options();
        // What was chosen for the job is said anew when it goes on.
        let out = PlanWriter::new(file, JobChoices::default()).map_err(ManifestError::Write)?;
        let pinned = tokio::task::spawn_blocking(move || {
            pin_linked(&mut plan, out, &options, &mut warnings, &mut |rows| {
                pinner.pin(rows)
            })
        });
        let pinned = pinned.await?.map_err(CommandError::of_manifest)?;
        Ok(Self {
            file: pinned.plan,
            digest: pinned.resolution.digest.to_string(),
        })
    }

    /// By which the plan is known again.
    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }

    /// Keeps it, durably, and waits until what the job writes is newer than
    /// what it was pinned to.
    pub(crate) async fn keep(&self, place: &Place<'_>) -> Result<(), CommandError> {
        let file = self.file.try_clone().map_err(CommandError::Spool)?;
        match place {
            Place::Report(store, job) => store.keep(&name(job, &self.digest), file).await?,
            Place::Beside(checkpoint) => {
                let path = path_beside(checkpoint);
                let written = {
                    let path = path.clone();
                    tokio::task::spawn_blocking(move || write_beside(&path, file)).await?
                };
                written.map_err(CommandError::writing(&path))?;
            }
        }
        tokio::time::sleep(APART).await;
        Ok(())
    }

    /// The plan itself, for the choices of this call.
    pub(crate) async fn into_plan(
        self,
        args: &ManifestArgs,
    ) -> Result<PlanReader<File>, CommandError> {
        let plan = tokio::task::spawn_blocking(move || PlanReader::open(self.file)).await?;
        let plan = plan.map_err(ManifestError::Write)?;
        Ok(plan.with_choices(args.choices()))
    }
}

/// Where the pinned plan of a job is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'a> {
    /// In the job's folder of a report, under a name of its own: where nothing
    /// can be locked, another run may be pinning the same job.
    Report(&'a ReportStore, &'a JobId),
    /// Beside a checkpoint, whose lock is for both.
    Beside(&'a Path),
}

impl Place<'_> {
    /// The plan that was kept when the job was begun, for the choices of this
    /// call.
    ///
    /// # Errors
    /// [`CommandError::PlanGone`] when it is not the one with this digest.
    pub(crate) async fn open(
        &self,
        job: &JobId,
        digest: Option<&str>,
        args: &ManifestArgs,
    ) -> Result<PlanReader<File>, CommandError> {
        let digest = digest.unwrap_or("unknown");
        let gone = |plan: String, why: String| CommandError::PlanGone {
            job: job.clone(),
            plan,
            why,
        };
        let (shown, file) = match self {
            Self::Report(store, job) => {
                let name = name(job, digest);
                let file = args.temporary_file().map_err(CommandError::Spool)?;
                let into = file.try_clone().map_err(CommandError::Spool)?;
                let found = store.fetch(&name, into).await?;
                (store.shown(&name), found.then_some(file))
            }
            Self::Beside(checkpoint) => {
                let path = path_beside(checkpoint);
                let shown = path.display().to_string();
                match File::open(&path) {
                    Ok(file) => (shown, Some(file)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => (shown, None),
                    Err(error) => return Err(gone(shown, format!("cannot be read: {error}"))),
                }
            }
        };
        let Some(file) = file else {
            return Err(gone(shown, "is not there".to_owned()));
        };
        match tokio::task::spawn_blocking(move || PlanReader::open(file)).await? {
            Ok(plan) if plan.resolution().digest.as_str() == digest => {
                Ok(plan.with_choices(args.choices()))
            }
            Ok(_) => Err(gone(shown, "is another plan".to_owned())),
            Err(error) => Err(gone(shown, format!("cannot be used: {error}"))),
        }
    }
}

fn name(job: &JobId, digest: &str) -> String {
    format!("{job}/{digest}.pinned")
}

/// The name of the plan that is kept beside a checkpoint.
pub(crate) fn path_beside(checkpoint: &Path) -> PathBuf {
    let mut name = checkpoint.as_os_str().to_owned();
    name.push(".pinned");
    name.into()
}

fn write_beside(path: &Path, mut from: File) -> io::Result<()> {
    let (mut file, unfinished) = create_beside(path)?;
    from.rewind()?;
    io::copy(&mut from, &mut file)?;
    unfinished.replace(&file)
}
