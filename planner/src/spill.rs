//! Temporary data on disk: one file without a name, so that nothing is left
//! behind however the process ends.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why temporary data cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error(
    "temporary files cannot be kept in {}: {source}; make room there, or name a folder with more \
     with --temp-dir", .folder.display()
)]
pub struct SpillError {
    /// Where the temporary files are.
    pub folder: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// The folder for temporary files: `given`, or the system's.
pub(crate) fn folder(given: Option<&PathBuf>) -> PathBuf {
    given.cloned().unwrap_or_else(std::env::temp_dir)
}

/// A file without a name in `folder`.
pub(crate) fn nameless(folder: &Path) -> Result<File, SpillError> {
    tempfile::tempfile_in(folder).map_err(|source| SpillError {
        folder: folder.to_owned(),
        source,
    })
}

/// Bytes of a spill, written at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    pub(crate) at: u64,
    pub(crate) bytes: usize,
}

/// A temporary file that many threads append to and read from. A clone is the
/// same file.
#[derive(Clone)]
pub(crate) struct Spill {
    folder: Arc<Path>,
    file: Arc<File>,
    end: Arc<AtomicU64>,
}

impl Spill {
    /// Makes the file.
    pub(crate) fn new(folder: PathBuf) -> Result<Self, SpillError> {
        Ok(Self {
            file: Arc::new(nameless(&folder)?),
            folder: folder.into(),
            end: Arc::default(),
        })
    }

    /// Sets room aside for `bytes` at the end.
    pub(crate) fn reserve(&self, bytes: usize) -> Extent {
        let at = self.end.fetch_add(bytes as u64, Ordering::Relaxed);
        Extent { at, bytes }
    }

    /// Writes into room that was set aside.
    pub(crate) fn write(&self, bytes: &[u8], at: u64) -> Result<(), SpillError> {
        self.file
            .write_all_at(bytes, at)
            .map_err(|source| self.error(source))
    }

    /// Adds `bytes` at the end.
    pub(crate) fn append(&self, bytes: &[u8]) -> Result<Extent, SpillError> {
        let extent = self.reserve(bytes.len());
        self.write(bytes, extent.at)?;
        Ok(extent)
    }

    /// Reads what starts at `at`, as much as `bytes` holds.
    pub(crate) fn read(&self, bytes: &mut [u8], at: u64) -> Result<(), SpillError> {
        self.file
            .read_exact_at(bytes, at)
            .map_err(|source| self.error(source))
    }

    pub(crate) fn error(&self, source: io::Error) -> SpillError {
        SpillError {
            folder: self.folder.to_path_buf(),
            source,
        }
    }
}
