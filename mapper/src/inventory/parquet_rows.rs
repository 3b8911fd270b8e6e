//! The rows of a Parquet inventory: flat columns, keys as they are.

use std::fs::File;

use parquet::basic::{LogicalType, TimeUnit, Type as Physical};
use parquet::column::reader::ColumnReader;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader as _, RowGroupReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;
use rebucket_protocol::Timestamp;

use super::columns::{ALL, Column, Values, check};
use super::{Format, Inventory, InventoryError};
use crate::keyfile::Sink;

/// Rows read at a time.
const BATCH: usize = 4096;

pub(super) fn read(
    inventory: &Inventory,
    name: &str,
    file: File,
    sink: &mut Sink<'_>,
) -> Result<(), InventoryError> {
    let form = |message: String| InventoryError::Form {
        name: name.to_owned(),
        format: Format::Parquet,
        message,
    };
    let damaged = |error: ParquetError| form(error.to_string());
    let reader = SerializedFileReader::new(file).map_err(damaged)?;
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    let position = |column: Column| {
        let mut all = schema.columns().iter();
        all.position(|one| one.path().string() == column.in_parquet())
    };
    check(|column| position(column).is_some(), Column::in_parquet).map_err(form)?;
    let mut number = 0;
    for index in 0..reader.num_row_groups() {
        let group = reader.get_row_group(index).map_err(damaged)?;
        let rows = usize::try_from(group.metadata().num_rows())
            .map_err(|_| form("a row group has less than no rows".to_owned()))?;
        let mut columns = Vec::new();
        for column in ALL {
            columns.push(match position(column) {
                None => None,
                Some(at) => Some(Batches::open(&*group, at).map_err(form)?),
            });
        }
        let mut left = rows;
        while left > 0 {
            let count = left.min(BATCH);
            left -= count;
            for batches in columns.iter_mut().flatten() {
                batches.next(count).map_err(form)?;
            }
            for row in 0..count {
                number += 1;
                let values = values(&columns, row);
                let listed = values.and_then(|values| values.listed(&inventory.bucket));
                let listed = listed.map_err(|message| InventoryError::Row {
                    name: name.to_owned(),
                    row: number,
                    message,
                })?;
                sink(listed).map_err(InventoryError::Spool)?;
            }
        }
    }
    Ok(())
}

fn values(columns: &[Option<Batches>], row: usize) -> Result<Values<'_>, String> {
    let of = |column: Column| columns[column as usize].as_ref();
    let text = |column: Column| of(column).map_or(Ok(""), |batches| batches.text(row));
    let number = |column: Column| of(column).map_or(Ok(None), |batches| batches.number(row));
    let truth = |column: Column| of(column).map_or(Ok(None), |batches| batches.truth(row));
    let size = number(Column::Size)?;
    let modified = match of(Column::LastModified) {
        // Inventories that others made have it as text.
        Some(batches) if batches.is_text() => match batches.text(row)? {
            "" => None,
            text => Some(
                Timestamp::try_from(text.to_owned())
                    .map_err(|error| format!("last_modified_date: {error}"))?,
            ),
        },
        _ => match number(Column::LastModified)? {
            None => None,
            Some(millis) => Some(
                Timestamp::from_unix_millis(millis)
                    .ok_or_else(|| format!("last_modified_date: {millis} ms is no time"))?,
            ),
        },
    };
    Ok(Values {
        bucket: text(Column::Bucket)?,
        key: text(Column::Key)?,
        version_id: text(Column::VersionId)?,
        is_latest: truth(Column::IsLatest)?,
        is_delete_marker: truth(Column::IsDeleteMarker)?,
        size: match size {
            None => None,
            Some(size) => Some(u64::try_from(size).map_err(|_| format!("size: {size} bytes"))?),
        },
        modified,
        etag: text(Column::Etag)?,
        storage_class: text(Column::StorageClass)?,
    })
}

/// One column of a row group, a batch of rows at a time.
struct Batches {
    name: String,
    reader: ColumnReader,
    /// Nulls have a lower definition level than this.
    present: i16,
    /// How many of the column's units a millisecond has.
    per_milli: i64,
    values: Batch,
    /// The place of each row's value, if it has one.
    places: Vec<Option<usize>>,
}

enum Batch {
    Text(Vec<ByteArray>),
    Numbers(Vec<i64>),
    Truths(Vec<bool>),
}

impl Batches {
    fn open(group: &dyn RowGroupReader, at: usize) -> Result<Self, String> {
        let reader = group
            .get_column_reader(at)
            .map_err(|error| error.to_string())?;
        let chunk = group.metadata().column(at);
        let column = chunk.column_descr();
        let name = column.name().to_owned();
        if column.max_rep_level() > 0 {
            return Err(format!("the column {name} has lists in it"));
        }
        let values = match column.physical_type() {
            Physical::BYTE_ARRAY => Batch::Text(Vec::new()),
            Physical::INT64 => Batch::Numbers(Vec::new()),
            Physical::BOOLEAN => Batch::Truths(Vec::new()),
            other => return Err(format!("the column {name} has the unexpected type {other}")),
        };
        Ok(Self {
            present: column.max_def_level(),
            per_milli: units_of_a_milli(column),
            name,
            reader,
            values,
            places: Vec::new(),
        })
    }

    fn next(&mut self, count: usize) -> Result<(), String> {
        let mut levels = Vec::new();
        let levels_of = (self.present > 0).then_some(&mut levels);
        let read = match (&mut self.reader, &mut self.values) {
            (ColumnReader::ByteArrayColumnReader(reader), Batch::Text(values)) => {
                values.clear();
                reader.read_records(count, levels_of, None, values)
            }
            (ColumnReader::Int64ColumnReader(reader), Batch::Numbers(values)) => {
                values.clear();
                reader.read_records(count, levels_of, None, values)
            }
            (ColumnReader::BoolColumnReader(reader), Batch::Truths(values)) => {
                values.clear();
                reader.read_records(count, levels_of, None, values)
            }
            _ => return Err(format!("the column {} changes its type", self.name)),
        };
        let (records, found, _) = read.map_err(|error| error.to_string())?;
        self.places.clear();
        if self.present == 0 {
            self.places.extend((0..found).map(Some));
        } else {
            let mut next = 0;
            self.places.extend(levels.iter().map(|level| {
                (*level == self.present).then(|| {
                    next += 1;
                    next - 1
                })
            }));
        }
        if records != count || self.places.len() != count {
            return Err(format!(
                "the column {} has fewer rows than its row group",
                self.name
            ));
        }
        Ok(())
    }

    fn unexpected(&self) -> String {
        format!(
            "the column {} is not of the type that it has in inventories",
            self.name
        )
    }

    fn is_text(&self) -> bool {
        matches!(self.values, Batch::Text(_))
    }

    fn text(&self, row: usize) -> Result<&str, String> {
        let Batch::Text(values) = &self.values else {
            return Err(self.unexpected());
        };
        match self.places[row].and_then(|at| values.get(at)) {
            None => Ok(""),
            Some(value) => value
                .as_utf8()
                .map_err(|_| format!("{} is not UTF-8", self.name)),
        }
    }

    fn number(&self, row: usize) -> Result<Option<i64>, String> {
        let Batch::Numbers(values) = &self.values else {
            return Err(self.unexpected());
        };
        let value = self.places[row].and_then(|at| values.get(at));
        Ok(value.map(|value| value.div_euclid(self.per_milli)))
    }

    fn truth(&self, row: usize) -> Result<Option<bool>, String> {
        let Batch::Truths(values) = &self.values else {
            return Err(self.unexpected());
        };
        Ok(self.places[row].and_then(|at| values.get(at)).copied())
    }
}

fn units_of_a_milli(column: &ColumnDescriptor) -> i64 {
    use parquet::basic::ConvertedType;
    match (column.logical_type_ref(), column.converted_type()) {
        (Some(LogicalType::Timestamp(timestamp)), _) => match timestamp.unit {
            TimeUnit::MILLIS => 1,
            TimeUnit::MICROS => 1000,
            TimeUnit::NANOS => 1_000_000,
        },
        (_, ConvertedType::TIMESTAMP_MICROS) => 1000,
        _ => 1,
    }
}
