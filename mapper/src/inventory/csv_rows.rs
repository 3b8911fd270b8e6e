//! The rows of a CSV inventory: no header, percent-encoded keys.

use std::fs::File;
use std::io;

use csv::{ReaderBuilder, StringRecord};
use rebucket_protocol::Timestamp;

use super::columns::{Column, Values};
use super::{Format, Inventory, InventoryError};
use crate::decode::url_decoded;
use crate::keyfile::Sink;
use crate::stream::{Watched, decompressed};

pub(super) fn read(
    inventory: &Inventory,
    name: &str,
    file: File,
    sink: &mut Sink<'_>,
) -> Result<(), InventoryError> {
    let form = |message: String| InventoryError::Form {
        name: name.to_owned(),
        format: Format::Csv,
        message,
    };
    let damaged = |error: io::Error| form(format!("{error}; is it damaged or cut short?"));
    let (watched, seen) = Watched::new(decompressed(file).map_err(damaged)?);
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(watched);
    let mut record = StringRecord::new();
    let mut number = 0;
    loop {
        number += 1;
        let wrong = |message: String| InventoryError::Row {
            name: name.to_owned(),
            row: number,
            message,
        };
        let read = reader
            .read_record(&mut record)
            .map_err(|error| match error.into_kind() {
                csv::ErrorKind::Io(error) => damaged(error),
                csv::ErrorKind::Utf8 { err, .. } => wrong(err.to_string()),
                other => form(format!("{other:?}")),
            })?;
        if !read {
            break;
        }
        seen.row();
        let listed = row(inventory, &record).map_err(wrong)?;
        sink(listed).map_err(InventoryError::Spool)?;
    }
    if seen.quotes_are_paired() {
        return Ok(());
    }
    Err(form("a double quote is opened and never closed".to_owned()))
}

fn row(inventory: &Inventory, record: &StringRecord) -> Result<crate::entry::Listed, String> {
    let columns = &inventory.columns;
    if record.len() != columns.count {
        return Err(format!(
            "expected {} fields, as fileSchema has columns, found {}",
            columns.count,
            record.len()
        ));
    }
    let text = |column| columns.at(column).map_or("", |at| &record[at]);
    let key = url_decoded(text(Column::Key)).map_err(|error| {
        format!(
            "the key {:?} is not percent-encoded: {error}",
            text(Column::Key)
        )
    })?;
    let values = Values {
        bucket: text(Column::Bucket),
        key: &key,
        version_id: text(Column::VersionId),
        is_latest: truth(text(Column::IsLatest))?,
        is_delete_marker: truth(text(Column::IsDeleteMarker))?,
        size: match text(Column::Size) {
            "" => None,
            size => Some(
                size.parse()
                    .map_err(|_| format!("Size: expected a number of bytes, found {size:?}"))?,
            ),
        },
        modified: match text(Column::LastModified) {
            "" => None,
            date => Some(
                Timestamp::try_from(date.to_owned())
                    .map_err(|error| format!("LastModifiedDate: {error}"))?,
            ),
        },
        etag: text(Column::Etag),
        storage_class: text(Column::StorageClass),
    };
    values.listed(&inventory.bucket)
}

fn truth(text: &str) -> Result<Option<bool>, String> {
    match text {
        "" => Ok(None),
        _ if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
        _ if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
        _ => Err(format!("expected true or false, found {text:?}")),
    }
}
