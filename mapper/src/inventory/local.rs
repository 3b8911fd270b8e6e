//! An inventory that was downloaded: where its files are.

use std::path::{Path, PathBuf};

use rebucket_protocol::ObjectKey;

use super::{DataFile, InventoryError};

/// Finds a data file of the inventory whose `manifest.json` is here: in
/// `data`, if that is given, or else where S3 puts it from the manifest's
/// folder, or where the manifest is.
///
/// # Errors
/// [`InventoryError::Missing`] with every place that was looked at.
pub fn find_data(
    manifest: &Path,
    data: Option<&Path>,
    file: &DataFile,
) -> Result<PathBuf, InventoryError> {
    let key = Path::new(file.key.as_str());
    let name = key.file_name().map_or(key, Path::new);
    // Joining an absolute path would leave the folder.
    let key = key.strip_prefix("/").unwrap_or(key);
    let mut places = Vec::new();
    if let Some(data) = data {
        places.push(data.join(key));
        places.push(data.join(name));
    } else {
        let here = folder(manifest);
        let whole = std::path::absolute(&here).unwrap_or_else(|_| here.clone());
        places.extend(whole.ancestors().map(|folder| folder.join(key)));
        places.push(here.join("..").join("data").join(name));
        places.push(here.join("data").join(name));
        places.push(here.join(name));
    }
    if let Some(place) = places.iter().find(|place| place.is_file()) {
        return Ok(place.clone());
    }
    let looked_at: Vec<_> = places.iter().map(|p| p.display().to_string()).collect();
    Err(InventoryError::Missing {
        key: file.key.to_string(),
        looked_at: looked_at.join(", "),
        advice: "download it, and name its folder with --inventory-data",
    })
}

/// Where else a data file of the inventory with this `manifest.json` can be,
/// when its listed key is not there: the inventory was copied, or its prefix
/// ends with a slash, which S3 leaves out of the listed keys.
#[must_use]
pub fn data_beside(manifest: &str, file: &DataFile) -> Vec<ObjectKey> {
    let name = file.key.as_str().rsplit('/').next().unwrap_or_default();
    let folder = folder_of(manifest);
    let config = folder_of(folder.strip_suffix('/').unwrap_or_default());
    let places = [
        format!("{config}data/{name}"),
        format!("{folder}data/{name}"),
        format!("{folder}{name}"),
    ];
    let keys = places.into_iter().map(ObjectKey::new);
    keys.filter_map(Result::ok).collect()
}

/// The key up to its last slash.
fn folder_of(key: &str) -> &str {
    &key[..key.rfind('/').map_or(0, |slash| slash + 1)]
}

/// Where the `symlink.txt` of the inventory with this `manifest.json` is: the
/// path, or key, `CONFIG/2026-11-22T01-00Z/manifest.json` has
/// `CONFIG/hive/dt=2026-11-22-01-00/symlink.txt` beside it.
#[must_use]
pub fn symlink_beside(manifest: &str) -> Option<String> {
    let folder = manifest.rsplit_once('/')?.0;
    let (config, time) = match folder.rsplit_once('/') {
        Some((config, time)) => (format!("{config}/"), time),
        None => (String::new(), folder),
    };
    let (day, hour) = time.strip_suffix('Z')?.split_once('T')?;
    Some(format!("{config}hive/dt={day}-{hour}/symlink.txt"))
}

fn folder(manifest: &Path) -> PathBuf {
    match manifest.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}
