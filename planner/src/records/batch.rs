//! Many records in one piece of memory, to be handed from thread to thread.

use super::{Fault, RECORD_LIMIT, Record, Span, memchr, memchr_iter, memchr2};
use crate::plan::block::{BLOCK_ROWS, BLOCK_TEXT};

/// One record of a batch, or a single one.
#[derive(Clone, Copy)]
pub(crate) struct RecordRef<'a> {
    pub(super) line: u64,
    pub(super) data: &'a [u8],
    pub(super) fields: &'a [Span],
    pub(super) fault: Option<Fault>,
}

impl<'a> RecordRef<'a> {
    /// The physical line on which the record starts, counted from 1.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// The number of fields.
    pub(crate) fn len(&self) -> usize {
        self.fields.len()
    }

    /// A field's bytes, unquoted; empty past the last one.
    pub(crate) fn field(&self, index: usize) -> &'a [u8] {
        let (from, to) = self.fields.get(index).copied().unwrap_or_default();
        self.data
            .get(from as usize..to as usize)
            .unwrap_or_default()
    }

    /// What is wrong with the record's form.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.fault
    }
}

/// As many records as become one block of the plan. What a batch ends with
/// depends on the records alone: the plan's bytes do.
#[derive(Default)]
pub(crate) struct Batch {
    data: Vec<u8>,
    /// Relative to their record's data.
    fields: Vec<Span>,
    records: Vec<Place>,
    /// What the records take, in bytes. The same for a record whichever way
    /// it came here: where a batch ends must not depend on chunks.
    size: usize,
}

/// Where a record of a batch lies.
struct Place {
    line: u64,
    /// Ends of its data and of its fields; they start where the last ended.
    data: usize,
    fields: usize,
    fault: Option<Fault>,
}

impl Batch {
    pub(super) fn clear(&mut self) {
        self.data.clear();
        self.fields.clear();
        self.records.clear();
        self.size = 0;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.records.len() >= BLOCK_ROWS || self.size >= BLOCK_TEXT
    }

    /// The number of records.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// The records in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = RecordRef<'_>> {
        let (mut data, mut fields) = (0, 0);
        self.records.iter().map(move |place| {
            let record = RecordRef {
                line: place.line,
                data: &self.data[data..place.data],
                fields: &self.fields[fields..place.fields],
                fault: place.fault,
            };
            (data, fields) = (place.data, place.fields);
            record
        })
    }

    /// Adds a record.
    pub(super) fn push(&mut self, record: &Record) {
        self.data.extend_from_slice(&record.data);
        self.fields.extend_from_slice(&record.fields);
        self.end(record.line, record.fault);
    }

    fn end(&mut self, line: u64, fault: Option<Fault>) {
        let (data, fields) = self
            .records
            .last()
            .map_or((0, 0), |last| (last.data, last.fields));
        let fields = &self.fields[fields..];
        // Without what is between the fields: only one of the two ways has it.
        let text: usize = match fields {
            [] => self.data.len() - data,
            fields => fields.iter().map(|(from, to)| (to - from) as usize).sum(),
        };
        self.size += text + size_of_val(fields);
        self.records.push(Place {
            line,
            data: self.data.len(),
            fields: self.fields.len(),
            fault,
        });
    }

    /// Adds the records that `chunk` starts with, up to the first one that has
    /// a quote, a stray carriage return or no end; says how many bytes that
    /// is. `line` is the line of the first, and then of the next.
    pub(super) fn take_plain(&mut self, chunk: &[u8], line: &mut u64) -> usize {
        let mut at = 0;
        while !self.is_full() {
            let rest = &chunk[at..];
            let Some(end) = memchr(b'\n', rest) else {
                break;
            };
            let text = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
            if text.len() > RECORD_LIMIT || memchr2(b'"', b'\r', text).is_some() {
                break;
            }
            at += end + 1;
            if !text.is_empty() {
                self.data.extend_from_slice(text);
                let mut from = 0;
                // No more than RECORD_LIMIT.
                let span = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
                for comma in memchr_iter(b',', text) {
                    self.fields.push((from, span(comma)));
                    from = span(comma) + 1;
                }
                self.fields.push((from, span(text.len())));
                self.end(*line, None);
            }
            *line += 1;
        }
        at
    }
}
