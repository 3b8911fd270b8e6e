//! Getting at a manifest: from a file, from standard input, or from S3.

use std::fs::File;
use std::io::Seek as _;
use std::path::Path;

use rebucket_manifest::args::ManifestArgs;
use rebucket_planner::input::Compression;
use rebucket_planner::{Input, ManifestError, PlanReader, Warnings, open, open_reader, prepare};
use rebucket_protocol::{JobId, ObjectUri, Timestamp};
use rebucket_worker::clients::Clients;
use rebucket_worker::config::S3Args;
use rebucket_worker::retry::Caller;
use rebucket_worker::store::download::Download;

use super::say::complain_all;
use super::{CommandError, found};

/// A manifest that is ready to be read: what is on S3 has been downloaded.
pub(crate) enum Fetched {
    /// A path, or `-`.
    Local(String),
    /// A download.
    Spooled { name: String, file: File },
}

/// Downloads a manifest that is on S3; leaves any other where it is.
pub(crate) async fn fetch(args: &ManifestArgs, s3: S3Args) -> Result<Fetched, CommandError> {
    let name = &args.manifest;
    if !name.starts_with("s3://") {
        return Ok(Fetched::Local(name.to_owned()));
    }
    let object: ObjectUri = name
        .parse()
        .map_err(|error| CommandError::Usage(format!("{name}: {error}")))?;
    let clients = Clients::from_env(s3).await?;
    let mut file = args.temporary_file().map_err(CommandError::Spool)?;
    let download = Download {
        s3: &clients.s3,
        caller: &Caller::apart(),
        bucket: object.bucket.as_str(),
        key: object.key.as_str(),
    };
    download.to(&mut file).await?;
    file.rewind().map_err(CommandError::Spool)?;
    Ok(Fetched::Spooled {
        name: name.to_owned(),
        file,
    })
}

impl Fetched {
    /// Opens it. Blocks: standard input perhaps for good.
    pub(crate) fn open(self) -> Result<Input, CommandError> {
        let input = match self {
            Self::Local(name) => open(&name),
            Self::Spooled { name, file } => {
                let compression = Compression::of_name(&name);
                open_reader(&name, compression, file)
            }
        };
        Ok(input.map_err(ManifestError::from)?)
    }
}

/// A manifest or a plan that was found right.
pub(crate) struct Source {
    /// The renames.
    pub(crate) plan: PlanReader<File>,
    /// It is a manifest with chains, and what is at their keys must be looked
    /// at before the first rename; see [`super::pinned`]. What is found then
    /// comes to these, of which none has been told.
    pub(crate) unpinned: Option<Warnings>,
}

/// Reads and checks the whole manifest before anything is sent or renamed.
pub(crate) async fn read(args: &ManifestArgs, s3: S3Args) -> Result<Source, CommandError> {
    let fetched = fetch(args, s3).await?;
    let spool = args.temporary_file().map_err(CommandError::Spool)?;
    let (options, choices) = (args.options(), args.choices());
    let for_rows = args.given.first_of(&["bucket", "url_encoded"]);
    let name = args.manifest.clone();
    tokio::task::spawn_blocking(move || {
        let (plan, warnings) = prepare(fetched.open()?, &options, choices, spool)?;
        // A plan that was kept has its pins, and its warnings were given.
        let manifest = warnings.is_some();
        if let (false, Some(flag)) = (manifest, for_rows) {
            return Err(CommandError::Idle {
                flag,
                meant: "a CSV manifest",
                input: name,
                kind: "a plan",
            });
        }
        let chains = plan.resolution().totals.linked_rows > 0;
        let versioned = plan.choices().versioned.unwrap_or_default();
        if chains && !manifest && !versioned.is_marker() && !plan.is_for_purge() {
            return Err(CommandError::Usage(format!(
                "{name} was not made for --versioned purge: whether that frees the keys of its chains was \
                 not looked at; make the plan again with --versioned purge"
            )));
        }
        let further = warnings.map(|warnings| {
            warn(&warnings);
            warnings.further()
        });
        Ok(Source {
            unpinned: further.filter(|_| chains),
            plan,
        })
    })
    .await?
}

/// Says on standard error what a manifest's author should know.
pub(crate) fn warn(warnings: &Warnings) {
    if warnings.warnings.total() > 0 {
        complain_all(&found(warnings));
    }
}

/// The manifest's name without folder and endings: `a/moves.csv.gz` is `moves`.
pub(crate) fn stem(manifest: &str) -> Option<&str> {
    let name = manifest.rsplit('/').next().unwrap_or(manifest);
    let endings = [".gz", ".zst", ".csv", ".plan", ".jsonl"];
    let mut stem = name;
    while let Some(shorter) = endings.iter().find_map(|ending| stem.strip_suffix(ending)) {
        stem = shorter;
    }
    (!stem.is_empty() && stem != "-").then_some(stem)
}

/// A job's name made from a manifest's: characters that no job name has become
/// dashes.
pub(crate) fn job_named_after(manifest: &str) -> Option<JobId> {
    let stem = stem(manifest)?;
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String = stem
        .chars()
        .map(|c| if legal(c) { c } else { '-' })
        .take(100)
        .collect();
    JobId::new(name.trim_start_matches('.')).ok()
}

/// A name that no job had before: after an earlier one, or the manifest, and
/// the time.
pub(crate) fn job_named_anew(
    manifest: &str,
    earlier: Option<&JobId>,
    now: Timestamp,
) -> Result<JobId, CommandError> {
    let named = job_named_after(manifest);
    let stem = earlier.or(named.as_ref()).map_or("job", JobId::as_str);
    // Of ASCII characters, and with room for the time.
    let stem = stem.get(..100).unwrap_or(stem);
    let stamp: String = now
        .to_string()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    JobId::new(format!("{stem}-{stamp}")).map_err(|error| CommandError::Usage(error.to_string()))
}

/// `MANIFEST.report`, beside a manifest that is a local file.
pub(crate) fn report_beside(manifest: &str) -> Option<std::path::PathBuf> {
    if manifest.starts_with("s3://") {
        return None;
    }
    let stem = stem(manifest)?;
    Some(Path::new(manifest).with_file_name(format!("{stem}.report")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_and_reports_are_named_after_their_manifest() {
        let job = |name| job_named_after(name).map(|job| job.to_string());
        assert_eq!(job("a/moves.csv.gz").as_deref(), Some("moves"));
        assert_eq!(job("s3://bkt/p/2026 é.csv").as_deref(), Some("2026--"));
        assert_eq!(job("-"), None);
        let report = |name| report_beside(name).map(|path| path.display().to_string());
        assert_eq!(report("a/moves.csv").as_deref(), Some("a/moves.report"));
        assert_eq!(report("s3://bkt/moves.csv"), None);
    }
}
