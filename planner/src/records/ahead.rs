//! What was read past the line on which a quote was opened, kept for as long
//! as it may turn out that the quote is never closed: then those are rows of
//! their own.
//!
//! A stream cannot be read again, so all of it is kept, up to [`LOOK_AHEAD`].
//! It ends with the first quote that is not half of an escape, whatever that
//! one turns out to be. Such a quote stands in no text that is put back but at
//! its end, and each quote that opens a field for more than a line is one. So
//! the next look ahead begins where the last one ended, or later, and no byte
//! is put back twice, however many quotes are never closed.

use memchr::{memchr, memchr2_iter};

use super::RECORD_LIMIT;

/// How far ahead the quote is looked for that closes a field, in bytes from
/// the second line of the field on, with that quote. A row that spans lines
/// within it is reported once as too long; what goes beyond is taken for a
/// quote that is never closed. As much is kept in memory, out of the 24 MiB
/// that `sort_memory` leaves to the process as a whole.
pub(super) const LOOK_AHEAD: usize = 8 * 1024 * 1024;

/// The bytes of a piece: each is given up as soon as it was read again.
const PIECE: usize = 64 * 1024;

/// All that was read of a quoted field after its first line; nothing as long
/// as it has one line.
#[derive(Default)]
pub(super) struct Ahead {
    /// How many fields a row of this manifest has: as many as the first one
    /// that was read by itself, the header. 0 before it.
    columns: usize,
    begun: bool,
    /// Of [`PIECE`] bytes each.
    full: Vec<Vec<u8>>,
    /// What comes after them, no more than [`PIECE`].
    last: Vec<u8>,
}

impl Ahead {
    /// Notes how many fields a row had; the first one counts.
    pub(super) fn set_columns(&mut self, fields: usize) {
        if self.columns == 0 {
            self.columns = fields;
        }
    }

    /// Adds what was read of the field, its quotes included.
    pub(super) fn push(&mut self, raw: &[u8]) {
        let mut rest = raw;
        if !self.begun {
            let Some(newline) = memchr(b'\n', raw) else {
                return;
            };
            self.begun = true;
            rest = &raw[newline + 1..];
        }
        while self.last.len() + rest.len() > PIECE {
            let (now, later) = rest.split_at(PIECE - self.last.len());
            self.last.extend_from_slice(now);
            self.full.push(std::mem::take(&mut self.last));
            rest = later;
        }
        self.last.extend_from_slice(rest);
    }

    /// True in a field of more than a line.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// True when no quote that comes now is taken for the closing one.
    pub(super) fn is_exhausted(&self) -> bool {
        self.len() > LOOK_AHEAD
    }

    /// Whether these are rows that an open quote swallowed up to a surplus one
    /// far away, for all that the two look like a pair: they are over
    /// [`RECORD_LIMIT`], and more than half of the lines have as many fields
    /// as a row of this manifest; in its header, where that is not known yet,
    /// more than one. The part of a line that they end with does not count.
    pub(super) fn is_rows(&self) -> bool {
        if !self.begun || self.len() <= RECORD_LIMIT {
            return false;
        }
        let (mut fields, mut rows, mut lines) = (1, 0, 0);
        for piece in self.full.iter().chain([&self.last]) {
            for at in memchr2_iter(b',', b'\n', piece) {
                if piece[at] == b',' {
                    fields += 1;
                    continue;
                }
                lines += 1;
                let is_row = match self.columns {
                    0 => fields > 1,
                    columns => fields == columns,
                };
                rows += usize::from(is_row);
                fields = 1;
            }
        }
        rows * 2 > lines
    }

    /// Forgets what was kept: the field has ended.
    pub(super) fn end(&mut self) {
        if self.begun {
            self.begun = false;
            self.full.clear();
            self.last.clear();
        }
    }

    /// What was kept, to be read again.
    pub(super) fn take(&mut self) -> Vec<Vec<u8>> {
        self.begun = false;
        self.full.push(std::mem::take(&mut self.last));
        std::mem::take(&mut self.full)
    }

    fn len(&self) -> usize {
        self.full.len() * PIECE + self.last.len()
    }
}
