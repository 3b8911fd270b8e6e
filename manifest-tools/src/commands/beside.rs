//! Files that appear in one step, once they are complete.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempPath};

/// A file beside the one whose place it is to take. Dropped before that, it is
/// removed.
pub(crate) struct Unfinished {
    name: TempPath,
    path: PathBuf,
}

/// Symbolic links that are followed to a file that is not there yet.
const MOST_LINKS: usize = 40;

/// A file that can take the place of `path` in one step. A symbolic link stays
/// one: the place is that of the file which it leads to.
pub(crate) fn create_beside(path: &Path) -> io::Result<(File, Unfinished)> {
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    // To take the place of a device would break the machine, for root.
    if path.exists() && !path.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let path = &place(path);
    let mut builder = tempfile::Builder::new();
    // Like any new file: as the user's umask says, not for the owner alone.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = builder.prefix(".rebucket-").tempfile_in(folder_of(path))?;
    let (file, name) = NamedTempFile::into_parts(file);
    let path = path.to_owned();
    Ok((file, Unfinished { name, path }))
}

impl Unfinished {
    /// Makes `file`, which this is the name of, durable in its place, whatever
    /// was there before.
    pub(crate) fn replace(self, file: &File) -> io::Result<()> {
        file.sync_all()?;
        self.name.persist(&self.path).map_err(|error| error.error)?;
        sync_folder(&self.path)
    }

    /// The same where nothing was before; else `AlreadyExists`.
    pub(crate) fn create(self, file: &File) -> io::Result<()> {
        file.sync_all()?;
        let named = self.name.persist_noclobber(&self.path);
        named.map_err(|error| error.error)?;
        sync_folder(&self.path)
    }
}

/// A new name survives a power cut once its folder is synced.
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

/// Where a file is, or would be made, in its one true spelling.
pub(crate) fn place(path: &Path) -> PathBuf {
    if let Ok(place) = fs::canonicalize(path) {
        return place;
    }
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Ok(target) = fs::read_link(&path) else {
            break;
        };
        path = folder_of(&path).join(target);
    }
    let folder = folder_of(&path);
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    match path.file_name() {
        Some(name) => folder.join(name),
        None => folder,
    }
}

/// The folder that a file is in.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
