//! S3 Inventory as the source of keys: local files, or objects.

use std::fs::{self, File};
use std::io::{self, Seek as _, Write};
use std::path::Path;

use futures_util::{StreamExt as _, stream};
use rebucket_mapper::Made;
use rebucket_mapper::inventory::{
    DataFile, Inventory, InventoryError, data_beside, find_data, symlink_beside,
};
use rebucket_protocol::{ObjectKey, ObjectUri};
use rebucket_worker::clients::Clients;
use rebucket_worker::error::ErrorClass;
use rebucket_worker::retry::{CallError, Caller};
use rebucket_worker::store::download::{Download, DownloadError};
use tokio::sync::mpsc;

use super::{MapError, Recipe};
use crate::commands::CommandError;
use crate::commands::distinct::Files;

/// Data files that are downloaded at a time.
const DOWNLOADS: usize = 4;

/// Makes a manifest from an inventory on this machine, to be written to `out`.
pub(super) fn make_local(
    manifest: &Path,
    data: Option<&Path>,
    out: Option<&Path>,
    recipe: &Recipe,
) -> Result<Made, CommandError> {
    let name = manifest.display().to_string();
    let unreadable = |path: &Path, source| MapError::Open {
        name: path.display().to_string(),
        source,
    };
    // What is there is read, and what is not there may be read the next time.
    let keep = |argument, path: &Path| {
        Files::default()
            .reads(argument, Some(path))
            .writes("--out", out)
            .check()
    };
    let bytes = fs::read(manifest).map_err(|source| unreadable(manifest, source))?;
    let checksum = manifest.with_file_name("manifest.checksum");
    keep("the checksum of SOURCE", &checksum)?;
    if let Some(text) = read_if_there(&checksum)? {
        let checksum = checksum.display().to_string();
        Inventory::check_manifest(&name, &bytes, &checksum, &text).map_err(MapError::from)?;
    }
    let inventory = Inventory::parse(&name, &bytes).map_err(MapError::from)?;
    let whole = std::path::absolute(manifest).unwrap_or_else(|_| manifest.to_owned());
    if let Some(symlink) = whole.to_str().and_then(symlink_beside) {
        let path = Path::new(&symlink);
        keep("the list of SOURCE", path)?;
        if let Some(text) = read_if_there(path)? {
            let checked = inventory.check_symlink(&symlink, &text);
            checked.map_err(MapError::from)?;
        }
    }
    // All of them are found before the first is read.
    let mut places = Vec::new();
    for file in &inventory.files {
        places.push(find_data(manifest, data, file).map_err(MapError::from)?);
    }
    for place in &places {
        keep("the data of SOURCE", place)?;
    }
    let mut maker = recipe.start()?;
    for (file, place) in inventory.files.iter().zip(places) {
        let opened = File::open(&place).map_err(|source| unreadable(&place, source))?;
        let name = place.display().to_string();
        inventory
            .read(file, &name, opened, &mut |listed| maker.add(listed))
            .map_err(MapError::from)?;
    }
    maker.finish().map_err(CommandError::Spool)
}

fn read_if_there(path: &Path) -> Result<Option<String>, MapError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(MapError::Open {
            name: path.display().to_string(),
            source,
        }),
    }
}

/// Makes a manifest from an inventory on S3.
pub(super) async fn make_remote(
    clients: &Clients,
    manifest: ObjectUri,
    recipe: Recipe,
) -> Result<Made, CommandError> {
    let objects = Objects {
        s3: clients.s3.clone(),
        caller: Caller::apart(),
    };
    let name = manifest.to_string();
    let bytes = objects.read(&manifest).await?;
    let beside = |key: Option<String>| {
        let key = ObjectKey::new(key?).ok()?;
        Some(ObjectUri::new(manifest.bucket.clone(), key))
    };
    let folder = name_before_manifest(manifest.key.as_str());
    let checksum = beside(Some(format!("{folder}manifest.checksum")));
    if let Some((checksum, text)) = objects.text_if_there(checksum).await? {
        Inventory::check_manifest(&name, &bytes, &checksum, &text).map_err(MapError::from)?;
    }
    let inventory = Inventory::parse(&name, &bytes).map_err(MapError::from)?;
    let symlink = beside(symlink_beside(manifest.key.as_str()));
    if let Some((symlink, text)) = objects.text_if_there(symlink).await? {
        inventory
            .check_symlink(&symlink, &text)
            .map_err(MapError::from)?;
    }
    let (files, mut arrived) = mpsc::channel::<(DataFile, String, File)>(1);
    let downloads = {
        let inventory = &inventory;
        let objects = &objects;
        let manifest = &manifest;
        async move {
            let all = inventory.files.iter().map(|file| async move {
                let listed = ObjectUri::new(inventory.written_to.clone(), file.key.clone());
                let beside = data_beside(manifest.key.as_str(), file).into_iter();
                let beside = beside.map(|key| ObjectUri::new(manifest.bucket.clone(), key));
                let mut places = vec![listed];
                places.extend(beside);
                let (place, temporary) = objects.find(&places, file).await?;
                Ok::<_, CommandError>((file.clone(), place, temporary))
            });
            let mut all = stream::iter(all).buffered(DOWNLOADS);
            while let Some(file) = all.next().await {
                if files.send(file?).await.is_err() {
                    break;
                }
            }
            Ok::<_, CommandError>(())
        }
    };
    let reading = {
        let inventory = inventory.clone();
        tokio::task::spawn_blocking(move || {
            let mut maker = recipe.start()?;
            while let Some((data, name, file)) = arrived.blocking_recv() {
                inventory
                    .read(&data, &name, file, &mut |listed| maker.add(listed))
                    .map_err(MapError::from)?;
            }
            Ok::<_, CommandError>(maker)
        })
    };
    downloads.await?;
    reading.await??.finish().map_err(CommandError::Spool)
}

fn name_before_manifest(key: &str) -> &str {
    &key[..key.rfind('/').map_or(0, |slash| slash + 1)]
}

struct Objects {
    s3: aws_sdk_s3::Client,
    caller: Caller,
}

impl Objects {
    /// Writes an object's bytes.
    async fn get(
        &self,
        place: &ObjectUri,
        into: &mut (dyn Write + Send),
    ) -> Result<(), DownloadError> {
        let download = Download {
            s3: &self.s3,
            caller: &self.caller,
            bucket: place.bucket.as_str(),
            key: place.key.as_str(),
        };
        download.to(into).await
    }

    async fn read(&self, place: &ObjectUri) -> Result<Vec<u8>, CommandError> {
        let mut bytes = Vec::new();
        self.get(place, &mut bytes).await?;
        Ok(bytes)
    }

    /// An object and its text, if there is one. Without permission to list, S3
    /// says that what is not there is denied.
    async fn text_if_there(
        &self,
        place: Option<ObjectUri>,
    ) -> Result<Option<(String, String)>, CommandError> {
        let Some(place) = place else {
            return Ok(None);
        };
        match self.read(&place).await {
            Ok(bytes) => Ok(Some((
                place.to_string(),
                String::from_utf8_lossy(&bytes).into_owned(),
            ))),
            Err(CommandError::Service(error))
                if matches!(error.class(), ErrorClass::NotFound | ErrorClass::Denied) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Downloads a data file from the first of these places that has it.
    async fn find(
        &self,
        places: &[ObjectUri],
        data: &DataFile,
    ) -> Result<(String, File), CommandError> {
        let mut denied = None;
        for place in places {
            let mut file = tempfile::tempfile().map_err(CommandError::Spool)?;
            match self.get(place, &mut file).await {
                Ok(()) => {
                    file.rewind().map_err(CommandError::Spool)?;
                    return Ok((place.to_string(), file));
                }
                Err(DownloadError::Call(CallError::Failed(error)))
                    if error.class() == ErrorClass::NotFound => {}
                Err(DownloadError::Call(CallError::Failed(error)))
                    if error.class() == ErrorClass::Denied =>
                {
                    denied.get_or_insert(error);
                }
                Err(error) => return Err(error.into()),
            }
        }
        if let Some(error) = denied {
            return Err(error.into());
        }
        let looked_at: Vec<_> = places.iter().map(ObjectUri::to_string).collect();
        let missing = InventoryError::Missing {
            key: data.key.to_string(),
            looked_at: looked_at.join(", "),
            advice: "inventories expire: take a later one",
        };
        Err(MapError::Inventory(missing).into())
    }
}
