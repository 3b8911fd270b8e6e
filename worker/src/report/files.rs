//! The files of a report in a directory: what survives a power cut.

use std::io;
use std::path::{Path, PathBuf};

use super::location::ReportError;

/// Does what blocks on a thread of its own.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ReportError> + Send + 'static,
) -> Result<T, ReportError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(ReportError::Closed(error.to_string())),
    }
}

/// Appends whole lines, and returns once they are durable.
pub(super) fn append_file(path: &Path, text: &[u8]) -> Result<(), ReportError> {
    use std::io::Write as _;
    make_parent(path)?;
    let fresh = !path.exists();
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .create(true)
        .append(true)
        .open(path)
        .map_err(ReportError::file(path))?;
    let before = file.metadata().map_err(ReportError::file(path))?.len();
    if let Err(error) = file.write_all(text).and_then(|()| file.sync_data()) {
        // Half a line must not be continued by the next one.
        if let Err(error) = file.set_len(before) {
            tracing::error!(%error, path = %path.display(), "could not take back half a write");
        }
        return Err(ReportError::file(path)(error));
    }
    if fresh { sync_parent(path) } else { Ok(()) }
}

/// Puts a file in place once all of it is durable.
pub(super) fn replace_file(path: &Path, mut text: impl io::Read) -> Result<(), ReportError> {
    make_parent(path)?;
    // Of its own: two processes may write to one report.
    let scratch = path.with_extension(format!("{}.tmp", std::process::id()));
    let mut file = std::fs::File::create(&scratch).map_err(ReportError::file(&scratch))?;
    io::copy(&mut text, &mut file).map_err(ReportError::file(&scratch))?;
    file.sync_all().map_err(ReportError::file(&scratch))?;
    std::fs::rename(&scratch, path).map_err(ReportError::file(path))?;
    sync_parent(path)
}

/// Makes the folder of a file.
pub(super) fn make_parent(path: &Path) -> Result<(), ReportError> {
    match path.parent() {
        Some(parent) => std::fs::create_dir_all(parent).map_err(ReportError::file(parent)),
        None => Ok(()),
    }
}

/// A new file survives a power cut only once its directory is synced too.
fn sync_parent(path: &Path) -> Result<(), ReportError> {
    let Some(parent) = path.parent() else {
        return Ok(());
    };
    let directory = std::fs::File::open(parent).map_err(ReportError::file(parent))?;
    directory.sync_all().map_err(ReportError::file(parent))
}

/// Files of the report's folder and of the folders of its jobs.
pub(super) fn list_files(root: &Path) -> Result<Vec<String>, ReportError> {
    let mut names = Vec::new();
    for (entry, name) in entries(root)? {
        if entry.is_dir() {
            for (file, inner) in entries(&entry)? {
                if file.is_file() {
                    names.push(format!("{name}/{inner}"));
                }
            }
        } else {
            names.push(name);
        }
    }
    Ok(names)
}

fn entries(directory: &Path) -> Result<Vec<(PathBuf, String)>, ReportError> {
    let listed = match std::fs::read_dir(directory) {
        Ok(listed) => listed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(ReportError::file(directory)(error)),
    };
    let mut found = Vec::new();
    for entry in listed {
        let path = entry.map_err(ReportError::file(directory))?.path();
        if let Some(name) = path.file_name().and_then(|name| name.to_str()) {
            let name = name.to_owned();
            found.push((path, name));
        }
    }
    Ok(found)
}
