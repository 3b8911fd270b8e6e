//! `rebucket map`: makes a manifest from a listing, an inventory or a file of
//! keys.

mod inventory;
mod summary;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rebucket_manifest::Exit;
use rebucket_manifest::map_args::{MapArgs, Versions};
use rebucket_mapper::coverage::Disorder;
use rebucket_mapper::inventory::InventoryError;
use rebucket_mapper::keyfile::{self, KeyFileError, KeyFileOptions};
use rebucket_mapper::mapping::{Change, Mapping};
use rebucket_mapper::output::{Packing, Spooled};
use rebucket_mapper::{Listed, Made, Maker, SyntaxError};
use rebucket_protocol::uri::UriError;
use rebucket_protocol::{BucketName, ObjectUri, S3Prefix};
use rebucket_worker::clients::Clients;

use super::beside::create_beside;
use super::distinct::Files;
use super::listing::{self, Taker, Wanted, list};
use super::say::{complain, complain_all, print};
use super::{CommandError, interrupted};

/// Why there is no manifest.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MapError {
    /// Nothing says how keys change.
    #[error("say how keys are to change: give --rewrite, --template or --to")]
    NoChange,
    /// A template or pattern is not understood.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// The source is no URI.
    #[error("{0}: {1}")]
    Uri(String, UriError),
    /// The source cannot be opened.
    #[error("{name} cannot be read: {source}")]
    Open {
        /// The file.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// The source is not something that keys come from.
    #[error("{0} is {1}")]
    Unfit(String, &'static str),
    /// Listing it would give pins that mean nothing.
    #[error("{0} is a directory bucket, which is not supported yet")]
    DirectoryBucket(BucketName),
    /// Only a file of keys has columns.
    #[error("the template uses the column {0:?}, and only a file of keys has columns")]
    NoColumns(String),
    /// The file of keys is wrong.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// The inventory is wrong.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// The keys come in no order that is known.
    #[error(transparent)]
    Disorder(#[from] Disorder),
}

/// Where keys come from.
enum Source {
    Listing(S3Prefix),
    RemoteInventory(ObjectUri),
    LocalInventory(PathBuf),
    /// A path, or `-`.
    Keys(String),
}

impl Source {
    fn parse(name: &str) -> Result<Self, MapError> {
        let uri = |error| MapError::Uri(name.to_owned(), error);
        if name.starts_with("s3://") {
            if name.ends_with("/manifest.json") {
                return Ok(Self::RemoteInventory(name.parse().map_err(uri)?));
            }
            let place: S3Prefix = name.parse().map_err(uri)?;
            listing::check(&place)?;
            return Ok(Self::Listing(place));
        }
        let unfit = |what| Err(MapError::Unfit(name.to_owned(), what));
        let path = Path::new(name);
        if path.is_dir() {
            return unfit("a directory; give the manifest.json of an inventory, or a file of keys");
        }
        if path
            .extension()
            .is_some_and(|ending| ending.eq_ignore_ascii_case("json"))
        {
            return Ok(Self::LocalInventory(path.to_owned()));
        }
        match path.file_name().and_then(|file| file.to_str()) {
            Some("symlink.txt") => unfit(
                "the Hive list of an inventory, which lacks its columns and checksums; give its \
                 manifest.json",
            ),
            _ => Ok(Self::Keys(name.to_owned())),
        }
    }
}

/// Flags of one kind of source, and what that is.
const FOR_LISTINGS: (&[&str], &str) = (&["versions", "list_concurrency"], "a listing");
const FOR_KEYS: (&[&str], &str) = (&["bucket", "url_encoded"], "a file of keys");
const FOR_FILES: (&[&str], &str) = (&["inventory_data"], "an inventory on this machine");

/// Refuses a flag that says nothing about this source.
fn refuse_idle(args: &MapArgs, source: &Source) -> Result<(), CommandError> {
    let (kind, others) = match source {
        Source::Listing(_) => (FOR_LISTINGS.1, vec![FOR_KEYS, FOR_FILES]),
        Source::RemoteInventory(_) => (
            "an inventory on S3",
            vec![FOR_KEYS, FOR_LISTINGS, FOR_FILES],
        ),
        Source::LocalInventory(_) => (FOR_FILES.1, vec![FOR_KEYS, FOR_LISTINGS]),
        Source::Keys(_) => (FOR_KEYS.1, vec![FOR_LISTINGS, FOR_FILES]),
    };
    for (flags, meant) in others {
        // No versions is what there are anywhere else.
        let says = |flag: &&&str| **flag != "versions" || args.versions != Versions::None;
        let flags: Vec<&str> = flags.iter().filter(says).copied().collect();
        if let Some(flag) = args.given.first_of(&flags) {
            let input = args.source.clone();
            return Err(CommandError::Idle {
                flag,
                meant,
                input,
                kind,
            });
        }
    }
    Ok(())
}

/// Runs the command.
pub(crate) async fn run(args: MapArgs) -> Result<Exit, CommandError> {
    let interrupted = interrupted();
    let mapping = args
        .mapping()
        .map_err(MapError::from)?
        .ok_or(MapError::NoChange)?;
    let source = Source::parse(&args.source)?;
    refuse_idle(&args, &source)?;
    if let (Some(path), false) = (&args.out, args.dry_run) {
        Files::default()
            .reads_input("SOURCE", &args.source)
            .writes("--out", Some(path))
            .check()?;
        // Before the work for it is done.
        create_beside(path).map_err(CommandError::writing(path))?;
    }
    let columns = match &mapping.change {
        Change::Template { template, .. } => template.columns().to_vec(),
        _ => Vec::new(),
    };
    if let (false, Some(column)) = (matches!(source, Source::Keys(_)), columns.first()) {
        return Err(MapError::NoColumns(column.clone()).into());
    }
    tokio::pin!(interrupted);
    let made = tokio::select! {
        made = make(&args, source, mapping, columns) => made?,
        () = &mut interrupted => return Ok(leave()),
    };
    conclude(args, made, interrupted).await
}

fn leave() -> Exit {
    complain("rebucket: interrupted; no manifest was written");
    Exit::Interrupted
}

/// What makes the manifest, from its beginning.
#[derive(Clone)]
struct Recipe {
    mapping: Mapping,
    examples: usize,
    problems: usize,
}

impl Recipe {
    fn start(&self) -> Result<Maker, CommandError> {
        Maker::new(self.mapping.clone(), self.examples, self.problems).map_err(CommandError::Spool)
    }
}

impl Taker for Maker {
    fn take(&mut self, page: Vec<Listed>) -> Result<(), CommandError> {
        page.into_iter()
            .try_for_each(|listed| self.add(listed))
            .map_err(CommandError::Spool)
    }
}

async fn make(
    args: &MapArgs,
    source: Source,
    mapping: Mapping,
    columns: Vec<String>,
) -> Result<Made, CommandError> {
    let recipe = Recipe {
        mapping,
        examples: args.examples,
        problems: args.max_problems,
    };
    match source {
        Source::Listing(place) => {
            let clients = Clients::from_env(args.s3).await?;
            let wanted = Wanted {
                place,
                owner: args.owner.bucket_owner,
                versions: args.versions == Versions::Latest,
                listers: args.list_concurrency,
            };
            let place = wanted.place.clone();
            let start = || Ok(recipe.start()?.listing(place.clone()));
            let maker = list(&clients, wanted, start).await?;
            maker.finish().map_err(CommandError::Spool)
        }
        Source::RemoteInventory(manifest) => {
            let clients = Clients::from_env(args.s3).await?;
            inventory::make_remote(&clients, manifest, recipe).await
        }
        Source::LocalInventory(manifest) => {
            let data = args.inventory_data.clone();
            let out = args.out.clone().filter(|_| !args.dry_run);
            tokio::task::spawn_blocking(move || {
                inventory::make_local(&manifest, data.as_deref(), out.as_deref(), &recipe)
            })
            .await?
        }
        Source::Keys(name) => {
            let options = KeyFileOptions {
                bucket: args.bucket.clone(),
                url_encoded: args.url_encoded,
                columns,
            };
            tokio::task::spawn_blocking(move || from_keys(&name, &options, &recipe)).await?
        }
    }
}

fn from_keys(name: &str, options: &KeyFileOptions, recipe: &Recipe) -> Result<Made, CommandError> {
    let mut maker = recipe.start()?;
    let mut sink = |listed| maker.add(listed);
    if name == "-" {
        keyfile::read("<stdin>", io::stdin(), options, &mut sink).map_err(MapError::from)?;
    } else {
        let file = File::open(name).map_err(|source| MapError::Open {
            name: name.to_owned(),
            source,
        })?;
        keyfile::read(name, file, options, &mut sink).map_err(MapError::from)?;
    }
    maker.finish().map_err(CommandError::Spool)
}

/// Writes the manifest, unless something is wrong with it, and says what is in
/// it.
async fn conclude(
    args: MapArgs,
    made: Made,
    interrupted: Pin<&mut impl Future<Output = ()>>,
) -> Result<Exit, CommandError> {
    let mut counts = summary::counts(&made.counts);
    if args.dry_run {
        let mut text = summary::examples(&made);
        text.append(&counts);
        print(&text)?;
    }
    for line in summary::complaints(&made) {
        complain(line);
    }
    if made.counts.problems > 0 || made.counts.collisions > 0 {
        if !args.dry_run {
            complain_all(&counts);
        }
        complain(summary::NOT_WRITTEN);
        return Ok(Exit::BadInput);
    }
    if args.dry_run {
        return Ok(Exit::Done);
    }
    let mut manifest = made.manifest;
    let Some(path) = args.out else {
        let printing = tokio::task::spawn_blocking(move || to_stdout(&mut manifest));
        tokio::select! {
            printed = printing => printed??,
            // Whoever reads may never read on.
            () = interrupted => return Ok(Exit::Interrupted),
        }
        complain_all(&counts);
        return Ok(Exit::Done);
    };
    let stop = Arc::new(AtomicBool::new(false));
    let mut saving = {
        let (path, stop) = (path.clone(), Arc::clone(&stop));
        tokio::task::spawn_blocking(move || save(&mut manifest, &path, &stop))
    };
    tokio::select! {
        saved = &mut saving => saved?.map_err(CommandError::writing(&path))?,
        () = interrupted => {
            stop.store(true, Ordering::Relaxed);
            // It removes what it has written.
            if saving.await?.is_err() {
                return Ok(leave());
            }
        }
    }
    counts.add(format_args!("manifest written to {}", path.display()));
    print(&counts)?;
    Ok(Exit::Done)
}

/// Writes the manifest to a file that appears at once and complete, and
/// replaces one that is there; unless `stop` is set.
fn save(manifest: &mut Spooled, path: &Path, stop: &AtomicBool) -> io::Result<()> {
    let (file, unfinished) = create_beside(path)?;
    manifest.write_packed(Packing::of_name(path), &file, stop)?;
    unfinished.replace(&file)
}

fn to_stdout(manifest: &mut Spooled) -> Result<(), CommandError> {
    match manifest.copy_to(&mut io::stdout().lock()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CommandError::Stdout(error)),
        _ => Ok(()),
    }
}
