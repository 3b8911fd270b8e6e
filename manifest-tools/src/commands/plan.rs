//! `rebucket plan`: checks a manifest and writes its plan.

pub(crate) mod pins;

use std::fmt::Write as _;
use std::fs::File;

use rebucket_manifest::Exit;
use rebucket_manifest::args::{ManifestArgs, PlanArgs};
use rebucket_planner::{ManifestError, PlanWriter, Resolution, is_plan, resolve, resolve_pinned};
use rebucket_protocol::BucketName;
use tokio::runtime::Handle;

use pins::Pinner;

use super::beside::create_beside;
use super::source::{Fetched, fetch, warn};
use super::{CommandError, complain, interrupted, print};

/// Buckets listed by name in the summary.
const BUCKETS_SHOWN: usize = 10;

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
        let path_style = args.s3.s3_path_style;
        let pinner = Pinner::new(&args.manifest.manifest, path_style, Handle::current());
        let resolution =
            tokio::task::spawn_blocking(move || check(&args.manifest, fetched, file, pinner))
                .await??;
        if keeps && resolution.totals.linked_rows > 0 {
            tokio::time::sleep(pins::APART).await;
        }
        Ok::<_, CommandError>(resolution)
    };
    let resolution = tokio::select! {
        done = work => done?,
        () = interrupted => {
            complain("rebucket: interrupted; no plan was written");
            return Ok(Exit::Interrupted);
        }
    };
    let mut summary = summarize(&name, &resolution);
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

/// Checks the manifest and writes its plan; without a file for it, into one
/// that is thrown away.
fn check(
    args: &ManifestArgs,
    fetched: Fetched,
    file: Option<File>,
    mut pinner: Pinner,
) -> Result<Resolution, CommandError> {
    let mut input = fetched.open()?;
    if is_plan(&mut input).map_err(ManifestError::from)? {
        return Err(CommandError::AlreadyAPlan(args.manifest.clone()));
    }
    let keep = file.is_some();
    let file = match file {
        Some(file) => file,
        None => args.temporary_file().map_err(CommandError::Spool)?,
    };
    let plan = PlanWriter::new(file, args.choices()).map_err(ManifestError::Write)?;
    let options = args.options();
    // A plan that is not kept is not carried out.
    let resolved = if keep {
        resolve_pinned(input, &options, plan, &mut |rows| pinner.pin(rows))
    } else {
        resolve(input, &options, plan)
    };
    let resolved = resolved.map_err(CommandError::of_manifest)?;
    if keep {
        let synced = resolved.plan.sync_all();
        synced.map_err(|error| ManifestError::Write(error.into()))?;
    }
    warn(&resolved.warnings);
    Ok(resolved.resolution)
}

fn summarize(name: &str, resolution: &Resolution) -> String {
    let totals = &resolution.totals;
    let plural = if totals.rows == 1 { "" } else { "s" };
    let name = if name == "-" { "<stdin>" } else { name };
    let mut out = format!("{name}: {} rename{plural}, no problems\n", totals.rows);
    let sources = totals
        .buckets
        .iter()
        .map(|(name, bucket)| (name, bucket.sources));
    let destinations = totals
        .buckets
        .iter()
        .map(|(name, bucket)| (name, bucket.destinations));
    for (label, buckets) in [("from", counted(sources)), ("to", counted(destinations))] {
        if !buckets.is_empty() {
            writeln!(out, "  {label:<5} {buckets}").ok();
        }
    }
    if totals.linked_rows > 0 {
        let linked = totals.linked_rows;
        let segments = match totals.segments {
            1 => "1 segment".to_owned(),
            several => format!("{several} segments"),
        };
        let (extra, is) = match totals.extra_copies {
            1 => ("1 extra copy".to_owned(), "is"),
            copies => (format!("{copies} extra copies"), "are"),
        };
        writeln!(
            out,
            "  chain {linked} renames wait for one another, in {segments}; {extra} {is} needed"
        )
        .ok();
    }
    match (totals.rows, totals.sized_rows) {
        (0, _) => {}
        (_, 0) => out.push_str("  size  unknown, the manifest has no sizes\n"),
        (rows, sized) => {
            write!(out, "  size  {} bytes", totals.known_bytes).ok();
            if sized < rows {
                write!(
                    out,
                    " in {sized} rows, unknown for the other {}",
                    rows - sized
                )
                .ok();
            }
            out.push('\n');
        }
    }
    out
}

/// `bucket (12 objects), other (1 object)` of the buckets that are used.
fn counted<'a>(buckets: impl Iterator<Item = (&'a BucketName, u64)>) -> String {
    let used: Vec<_> = buckets.filter(|(_, count)| *count > 0).collect();
    let shown = used.iter().take(BUCKETS_SHOWN);
    let mut parts: Vec<String> = shown
        .map(|(name, count)| format!("s3://{name} ({count})"))
        .collect();
    if used.len() > BUCKETS_SHOWN {
        parts.push(format!("and {} more buckets", used.len() - BUCKETS_SHOWN));
    }
    parts.join(", ")
}
