//! `manifest.json`: which files an inventory has, and what their columns are.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use rebucket_protocol::{BucketName, ObjectKey};
use serde::Deserialize;

use super::InventoryError;
use super::columns::Columns;

/// The form of an inventory's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Compressed CSV without a header.
    Csv,
    /// Apache Parquet.
    Parquet,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Csv => "CSV",
            Self::Parquet => "Parquet",
        })
    }
}

/// One of an inventory's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFile {
    /// Its key in the inventory's bucket.
    pub key: ObjectKey,
    /// Its size in bytes, where it is listed.
    pub size: Option<u64>,
    /// Its MD5 in hexadecimal.
    pub md5: String,
}

/// An inventory.
#[derive(Debug, Clone)]
pub struct Inventory {
    /// What messages call its `manifest.json`.
    pub name: String,
    /// The bucket whose objects it lists.
    pub bucket: BucketName,
    /// The bucket that it was written to.
    pub written_to: BucketName,
    /// The form of its files.
    pub format: Format,
    /// Its files.
    pub files: Vec<DataFile>,
    pub(super) columns: Columns,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    source_bucket: String,
    destination_bucket: String,
    file_format: String,
    file_schema: String,
    files: Vec<WireFile>,
}

#[derive(Deserialize)]
struct WireFile {
    key: String,
    size: Option<u64>,
    #[serde(rename = "MD5checksum")]
    md5: String,
}

impl Inventory {
    /// Reads a `manifest.json`. `name` is what messages call it.
    ///
    /// # Errors
    /// [`InventoryError`] when it is not understood, or in ORC.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, InventoryError> {
        let wrong = |message: String| InventoryError::Manifest {
            name: name.to_owned(),
            message,
        };
        let wire: Wire = serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))?;
        let format = match wire.file_format.to_ascii_uppercase().as_str() {
            "CSV" => Format::Csv,
            "PARQUET" => Format::Parquet,
            "ORC" => return Err(InventoryError::Orc(name.to_owned())),
            other => {
                return Err(wrong(format!(
                    "expected fileFormat CSV or Parquet, found {other:?}"
                )));
            }
        };
        let bucket = |what: &str, name: &str| {
            // An ARN, in the one or the other notation, or the name alone.
            let name = name.rsplit(':').next().unwrap_or(name);
            BucketName::new(name).map_err(|error| wrong(format!("{what}: {error}")))
        };
        let columns = match format {
            Format::Csv => Columns::parse(wire.file_schema.split(',')),
            // A Parquet file says itself what it has.
            Format::Parquet => Ok(Columns::default()),
        }
        .map_err(|message| wrong(format!("fileSchema: {message}")))?;
        let mut known = BTreeSet::new();
        let mut files = Vec::new();
        for file in wire.files {
            let is_md5 = file.md5.len() == 32 && file.md5.bytes().all(|b| b.is_ascii_hexdigit());
            if !is_md5 {
                return Err(wrong(format!(
                    "MD5checksum of {:?}: expected 32 hexadecimal digits, found {:?}",
                    file.key, file.md5
                )));
            }
            if !known.insert(file.key.clone()) {
                return Err(wrong(format!("the file {:?} is listed twice", file.key)));
            }
            files.push(DataFile {
                key: ObjectKey::new(file.key).map_err(|error| wrong(error.to_string()))?,
                size: file.size,
                md5: file.md5,
            });
        }
        Ok(Self {
            name: name.to_owned(),
            bucket: bucket("sourceBucket", &wire.source_bucket)?,
            written_to: bucket("destinationBucket", &wire.destination_bucket)?,
            format,
            files,
            columns,
        })
    }

    /// Compares these files with those of a Hive `symlink.txt`, which has the
    /// `s3://` URI of one on each line.
    ///
    /// # Errors
    /// [`InventoryError::Symlink`] with the first file that only one of the
    /// lists has.
    pub fn check_symlink(&self, symlink: &str, text: &str) -> Result<(), InventoryError> {
        let differ = |difference: String| InventoryError::Symlink {
            symlink: symlink.to_owned(),
            manifest: self.name.clone(),
            difference,
        };
        let uris = self
            .files
            .iter()
            .map(|file| format!("s3://{}/{}", self.written_to, file.key));
        let all: BTreeMap<String, String> = uris.map(|uri| (single_slashes(&uri), uri)).collect();
        let mut missing = all.clone();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            let place = single_slashes(line);
            if line.is_empty() || missing.remove(&place).is_some() {
                continue;
            }
            return Err(differ(if all.contains_key(&place) {
                format!("line {number} names {line} again")
            } else {
                format!("line {number} names {line}, which the manifest does not list")
            }));
        }
        match missing.into_values().next() {
            None => Ok(()),
            Some(file) => Err(differ(format!("{file} is not in the symlink list"))),
        }
    }
}

/// Where an inventory's prefix was given with a slash at its end, S3 writes
/// the files to `prefix//...` and lists them as `prefix/...`.
fn single_slashes(uri: &str) -> String {
    let parts: Vec<&str> = uri.split('/').filter(|part| !part.is_empty()).collect();
    parts.join("/")
}
