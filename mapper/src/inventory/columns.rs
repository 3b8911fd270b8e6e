//! The columns of an inventory, and from their values to an object.

use rebucket_protocol::{BucketName, ETag, ObjectKey, StorageClass, Timestamp, VersionId};

use crate::entry::{Entry, Listed};

/// A column that matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Bucket,
    Key,
    VersionId,
    IsLatest,
    IsDeleteMarker,
    Size,
    LastModified,
    Etag,
    StorageClass,
}

pub(super) const ALL: [Column; 9] = [
    Column::Bucket,
    Column::Key,
    Column::VersionId,
    Column::IsLatest,
    Column::IsDeleteMarker,
    Column::Size,
    Column::LastModified,
    Column::Etag,
    Column::StorageClass,
];

impl Column {
    /// Its name in CSV schemas.
    fn in_csv(self) -> &'static str {
        match self {
            Self::Bucket => "Bucket",
            Self::Key => "Key",
            Self::VersionId => "VersionId",
            Self::IsLatest => "IsLatest",
            Self::IsDeleteMarker => "IsDeleteMarker",
            Self::Size => "Size",
            Self::LastModified => "LastModifiedDate",
            Self::Etag => "ETag",
            Self::StorageClass => "StorageClass",
        }
    }

    /// Its name in Parquet files.
    pub(super) fn in_parquet(self) -> &'static str {
        match self {
            Self::Bucket => "bucket",
            Self::Key => "key",
            Self::VersionId => "version_id",
            Self::IsLatest => "is_latest",
            Self::IsDeleteMarker => "is_delete_marker",
            Self::Size => "size",
            Self::LastModified => "last_modified_date",
            Self::Etag => "e_tag",
            Self::StorageClass => "storage_class",
        }
    }
}

/// Where the columns stand in each row.
#[derive(Debug, Clone, Default)]
pub(super) struct Columns {
    /// How many fields each row has.
    pub(super) count: usize,
    at: [Option<usize>; ALL.len()],
}

impl Columns {
    /// Finds the columns by their names.
    pub(super) fn parse<'a>(names: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let mut columns = Self::default();
        for name in names {
            let name = name.trim();
            if let Some(column) = ALL.into_iter().find(|column| column.in_csv() == name)
                && columns.at[column as usize].replace(columns.count).is_some()
            {
                return Err(format!("the column {name} is there twice"));
            }
            columns.count += 1;
        }
        check(|column| columns.at(column).is_some(), Column::in_csv)?;
        Ok(columns)
    }

    pub(super) fn at(&self, column: Column) -> Option<usize> {
        self.at[column as usize]
    }
}

/// Refuses inventories whose current objects cannot be told.
pub(super) fn check(
    has: impl Fn(Column) -> bool,
    name: impl Fn(Column) -> &'static str,
) -> Result<(), String> {
    for column in [Column::Bucket, Column::Key] {
        if !has(column) {
            return Err(format!("the column {} is missing", name(column)));
        }
    }
    if has(Column::VersionId) && !has(Column::IsLatest) {
        return Err(format!(
            "there is {} but not {}, so that current objects cannot be told from older versions",
            name(Column::VersionId),
            name(Column::IsLatest)
        ));
    }
    Ok(())
}

/// The values of a row, before they are checked; empty where there are none.
#[derive(Debug, Default)]
pub(super) struct Values<'a> {
    pub(super) bucket: &'a str,
    pub(super) key: &'a str,
    pub(super) version_id: &'a str,
    pub(super) is_latest: Option<bool>,
    pub(super) is_delete_marker: Option<bool>,
    pub(super) size: Option<u64>,
    pub(super) modified: Option<Timestamp>,
    pub(super) etag: &'a str,
    pub(super) storage_class: &'a str,
}

impl Values<'_> {
    /// The object of this row of an inventory of `bucket`, or what else it is.
    pub(super) fn listed(&self, bucket: &BucketName) -> Result<Listed, String> {
        if self.bucket != bucket.as_str() {
            return Err(format!(
                "it is about the bucket {:?}, but the inventory is of {bucket}",
                self.bucket
            ));
        }
        if self.is_latest == Some(false) {
            return Ok(Listed::Noncurrent);
        }
        if self.is_delete_marker == Some(true) {
            return Ok(Listed::DeleteMarker);
        }
        let key = ObjectKey::new(self.key).map_err(|error| error.to_string())?;
        let mut entry = Entry::new(bucket.clone(), key);
        if !self.etag.is_empty() {
            entry.etag = Some(ETag::new(self.etag).map_err(|error| error.to_string())?);
        }
        if !self.version_id.is_empty() {
            let version = VersionId::new(self.version_id);
            entry.version = Some(version.map_err(|error| error.to_string())?);
        }
        entry.size = self.size;
        entry.modified = self.modified;
        if !self.storage_class.is_empty() {
            let class = StorageClass::new(self.storage_class);
            entry.storage_class = Some(class.map_err(|error| error.to_string())?);
        }
        Ok(Listed::Current(entry))
    }
}
