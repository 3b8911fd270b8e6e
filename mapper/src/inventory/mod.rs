//! S3 Inventory: the list of an inventory's files, their checksums, their rows.

mod columns;
mod csv_rows;
mod local;
mod manifest;
mod parquet_rows;

use std::fs::File;
use std::io::{self, Read, Seek as _};

use md5::{Digest as _, Md5};

pub use local::{data_beside, find_data, symlink_beside};
pub use manifest::{DataFile, Format, Inventory};

use crate::keyfile::Sink;

/// Why an inventory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// The list of files is not understood.
    #[error("{name} is no manifest.json of S3 Inventory: {message}")]
    Manifest {
        /// The list.
        name: String,
        /// What is wrong with it.
        message: String,
    },
    /// An ORC inventory.
    #[error(
        "{0}: the inventory is in ORC, which rebucket does not read; let S3 write it as Parquet \
         or CSV (PutBucketInventoryConfiguration), or give s3://bucket/prefix for a live listing"
    )]
    Orc(String),
    /// A file is not the one that was listed.
    #[error(
        "{name} is not what {listed_in} lists: expected {expected}, found {found}; it is damaged, \
         cut short or of another inventory: download it again"
    )]
    Checksum {
        /// The file.
        name: String,
        /// What names its checksum.
        listed_in: String,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A file is not there.
    #[error("the inventory's file {key} is missing; looked at {looked_at}; {advice}")]
    Missing {
        /// The file's key in the inventory's bucket.
        key: String,
        /// Where it could have been.
        looked_at: String,
        /// What to do.
        advice: &'static str,
    },
    /// The Hive list of files and the other one differ.
    #[error(
        "{symlink} and {manifest} do not name the same files: {difference}; download both again, \
         and of one inventory"
    )]
    Symlink {
        /// The Hive list.
        symlink: String,
        /// The other one.
        manifest: String,
        /// Which file only one of them has.
        difference: String,
    },
    /// A row is not understood.
    #[error("{name}, row {row}: {message}")]
    Row {
        /// The file.
        name: String,
        /// The row, counted from 1.
        row: u64,
        /// What is wrong.
        message: String,
    },
    /// A file is not of the form that the inventory says.
    #[error("{name} cannot be read as {format}: {message}")]
    Form {
        /// The file.
        name: String,
        /// The form.
        format: Format,
        /// What is wrong.
        message: String,
    },
    /// A file cannot be read.
    #[error("{name} cannot be read: {source}")]
    Read {
        /// The file.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// What was made of it cannot be kept.
    #[error(
        "temporary files cannot be kept in {folder}: {0}; make room there, or name a folder with more \
         in TMPDIR", folder = std::env::temp_dir().display()
    )]
    Spool(io::Error),
}

impl Inventory {
    /// Compares the bytes of this list with the text of `manifest.checksum`.
    ///
    /// # Errors
    /// [`InventoryError::Checksum`] when they differ.
    pub fn check_manifest(
        name: &str,
        bytes: &[u8],
        checksum_name: &str,
        checksum: &str,
    ) -> Result<(), InventoryError> {
        let found = hex::encode(Md5::digest(bytes));
        let expected = checksum.trim();
        if found.eq_ignore_ascii_case(expected) {
            return Ok(());
        }
        Err(InventoryError::Checksum {
            name: name.to_owned(),
            listed_in: checksum_name.to_owned(),
            expected: format!("MD5 {expected:?}"),
            found: format!("MD5 {found}"),
        })
    }

    /// Reads the rows of one data file, once its size and checksum are right.
    ///
    /// # Errors
    /// [`InventoryError`]; `sink` was given no row of a file whose checksum is
    /// wrong.
    pub fn read(
        &self,
        data: &DataFile,
        name: &str,
        mut file: File,
        sink: &mut Sink<'_>,
    ) -> Result<(), InventoryError> {
        self.verify(data, name, &mut file)?;
        match self.format {
            Format::Csv => csv_rows::read(self, name, file, sink),
            Format::Parquet => parquet_rows::read(self, name, file, sink),
        }
    }

    fn verify(&self, data: &DataFile, name: &str, file: &mut File) -> Result<(), InventoryError> {
        let failed = |source| InventoryError::Read {
            name: name.to_owned(),
            source,
        };
        let differs = |expected: String, found: String| InventoryError::Checksum {
            name: name.to_owned(),
            listed_in: self.name.clone(),
            expected,
            found,
        };
        let size = file.metadata().map_err(failed)?.len();
        if data.size.is_some_and(|listed| listed != size) {
            let expected = data.size.unwrap_or_default();
            return Err(differs(
                format!("{expected} bytes"),
                format!("{size} bytes"),
            ));
        }
        let mut hasher = Md5::new();
        let mut buffer = vec![0; 1 << 16];
        loop {
            match file.read(&mut buffer).map_err(failed)? {
                0 => break,
                count => hasher.update(&buffer[..count]),
            }
        }
        let found = hex::encode(hasher.finalize());
        if !found.eq_ignore_ascii_case(&data.md5) {
            return Err(differs(format!("MD5 {}", data.md5), format!("MD5 {found}")));
        }
        file.rewind().map_err(failed)
    }
}
