//! Files that appear in one step, once they are complete.

use std::fs::File;
use std::io;
use std::path::Path;

use tempfile::{NamedTempFile, TempPath};

use super::CommandError;

/// The folder that a file is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A file that can take the place of `path` in one step. Dropped before, it is
/// removed.
pub(crate) fn create_beside(path: &Path) -> Result<(File, TempPath), CommandError> {
    let failed = |source| CommandError::Write {
        path: path.to_owned(),
        source,
    };
    if path.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    let mut builder = tempfile::Builder::new();
    // Like any new file: as the user's umask says, not for the owner alone.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder
        .prefix(".rebucket-")
        .tempfile_in(folder_of(path))
        .map(NamedTempFile::into_parts)
        .map_err(failed)
}
