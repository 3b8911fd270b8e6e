//! CSV records by RFC 4180, strictly: what breaks the rules is reported with
//! the line on which it began, and reading goes on with the next line.
//!
//! The `csv` crate takes broken quoting as it comes (`"a"b` is `ab`, a quote
//! that is never closed swallows the rest of the file), and its line numbers
//! lag by one where lines end in CRLF and after empty lines. A key that was
//! read wrong is a wrong object renamed, hence this reader. Tests hold it
//! against the `csv` crate on everything that is well-formed.

use memchr::{memchr, memchr_iter, memchr2, memchr3};

use crate::input::{Input, InputError};

mod ahead;
mod batch;

use ahead::Ahead;
pub(crate) use batch::{Batch, RecordRef};

/// The longest record, in bytes. The longest row that can be valid, two
/// percent-encoded keys and a version id, all quoted, has about 16 KiB.
pub(crate) const RECORD_LIMIT: usize = 64 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One row: its fields, where it starts, and what is wrong with its form.
#[derive(Default)]
pub(crate) struct Record {
    line: u64,
    data: Vec<u8>,
    fields: Vec<Span>,
    fault: Option<Fault>,
}

/// Where a field lies in its record's data: from, to.
type Span = (u32, u32);

/// How a record breaks the rules. Its fields are then not to be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    /// Where the fault lies; for a quoted field, where its quote was opened.
    pub(crate) line: u64,
    /// The field, counted from 0.
    pub(crate) field: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// A quote was opened and, by all appearances, never closed: see
    /// [`Ahead`].
    NeverClosed,
    /// Something other than a comma or the line's end follows a closing quote.
    TextAfterQuote,
    /// A quote inside a field that did not start with one.
    QuoteInField,
    /// A carriage return without a line feed, outside of quotes.
    StrayReturn,
    /// Over [`RECORD_LIMIT`].
    TooLong,
}

impl Record {
    /// The record, to be read.
    pub(crate) fn as_ref(&self) -> RecordRef<'_> {
        RecordRef {
            line: self.line,
            data: &self.data,
            fields: &self.fields,
            fault: self.fault,
        }
    }
}

/// Reads records one after the other.
pub(crate) struct RecordReader {
    input: Input,
    /// The line that the next byte is on.
    line: u64,
    ahead: Ahead,
    /// A record on its way into a batch.
    record: Record,
    /// Bytes that were read and put back.
    #[cfg(test)]
    put_back: usize,
}

impl RecordReader {
    /// Reads from `input`, without the byte order mark that some editors put
    /// in front.
    pub(crate) fn new(mut input: Input) -> Result<Self, InputError> {
        if input
            .peek(BYTE_ORDER_MARK.len())?
            .starts_with(BYTE_ORDER_MARK)
        {
            input.consume(BYTE_ORDER_MARK.len());
        }
        Ok(Self {
            input,
            line: 1,
            ahead: Ahead::default(),
            record: Record::default(),
            #[cfg(test)]
            put_back: 0,
        })
    }

    /// Replaces `record` with the next one, skipping empty lines; false at the
    /// end of the input.
    pub(crate) fn read(&mut self, record: &mut Record) -> Result<bool, InputError> {
        loop {
            record.line = self.line;
            record.data.clear();
            record.fields.clear();
            record.fault = None;
            self.ahead.end();
            let mut scan = Scan {
                record: &mut *record,
                state: State::FieldStart,
                line: self.line,
                quote_line: self.line,
                quoted: false,
                ahead: &mut self.ahead,
            };
            let end = loop {
                let chunk = self.input.fill()?;
                if chunk.is_empty() {
                    break scan.end_of_input();
                }
                let (used, end) = scan.feed(chunk);
                self.input.consume(used);
                if let Some(end) = end {
                    break end;
                }
            };
            self.line = scan.line;
            match end {
                End::Record => {}
                End::EmptyLine => continue,
                End::Input => return Ok(false),
                // The rows that the open quote swallowed are rows of their own.
                End::Reread(pieces) => {
                    #[cfg(test)]
                    {
                        self.put_back += pieces.iter().map(Vec::len).sum::<usize>();
                    }
                    self.input.unread(pieces);
                }
            }
            self.ahead.set_columns(record.fields.len());
            return Ok(true);
        }
    }
}

impl RecordReader {
    /// Replaces `batch` with the next records, until it is full or the input
    /// ends; false when there was none.
    pub(crate) fn fill(&mut self, batch: &mut Batch) -> Result<bool, InputError> {
        batch.clear();
        while !batch.is_full() {
            let chunk = self.input.fill()?;
            let used = batch.take_plain(chunk, &mut self.line);
            if used > 0 {
                self.input.consume(used);
                continue;
            }
            // A record with quotes, or one that the chunk has only a part of.
            let mut record = std::mem::take(&mut self.record);
            let read = self.read(&mut record);
            if let Ok(true) = read {
                batch.push(&record);
            }
            self.record = record;
            if !read? {
                break;
            }
        }
        Ok(!batch.is_empty())
    }
}

/// Reads all records of `input` and gives up each at once: how many records
/// and fields there are. `make bench-plan` measures by it what reading alone
/// costs.
///
/// # Errors
/// [`InputError`] when the input cannot be read to its end.
pub fn count_records(input: Input) -> Result<(u64, u64), InputError> {
    let mut reader = RecordReader::new(input)?;
    let (mut batch, mut records, mut fields) = (Batch::default(), 0, 0);
    while reader.fill(&mut batch)? {
        for record in batch.iter() {
            records += 1;
            fields += record.len() as u64;
        }
    }
    Ok((records, fields))
}

/// Where in a record the next byte stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    FieldStart,
    Unquoted,
    Quoted,
    /// After a quote inside a quoted field: its end, or half of an escape.
    Closing,
    /// After a carriage return outside of quotes.
    Return,
}

enum End {
    Record,
    EmptyLine,
    Input,
    /// A record that ends with the line its quote was opened on, and what was
    /// read after that line.
    Reread(Vec<Vec<u8>>),
}

/// The reading of one record.
struct Scan<'a> {
    record: &'a mut Record,
    state: State,
    line: u64,
    /// Where the last quote was opened.
    quote_line: u64,
    /// True when any field was quoted: `""` alone is a field, not an empty line.
    quoted: bool,
    /// Inside a quoted field that spans lines: what is read again when the
    /// quote turns out not to have been closed.
    ahead: &'a mut Ahead,
}

impl Scan<'_> {
    /// Takes bytes up to the record's end; says how many, and whether the end
    /// was among them.
    fn feed(&mut self, chunk: &[u8]) -> (usize, Option<End>) {
        let mut at = 0;
        while let Some(&byte) = chunk.get(at) {
            let rest = &chunk[at..];
            match self.state {
                State::FieldStart | State::Unquoted => {
                    let text = &rest[..memchr(b'\n', rest).unwrap_or(rest.len())];
                    let plain = memchr3(b',', b'"', b'\r', text).unwrap_or(text.len());
                    if plain > 0 {
                        self.keep(&rest[..plain]);
                        self.state = State::Unquoted;
                        at += plain;
                        continue;
                    }
                    at += 1;
                    match byte {
                        b',' => self.end_field(),
                        b'\n' => {
                            self.line += 1;
                            return (at, Some(self.end_record()));
                        }
                        b'\r' => self.state = State::Return,
                        _ if self.state == State::FieldStart => {
                            self.state = State::Quoted;
                            self.quoted = true;
                            self.quote_line = self.line;
                        }
                        _ => {
                            self.fault(FaultKind::QuoteInField, self.line);
                            self.keep(b"\"");
                        }
                    }
                }
                State::Quoted => {
                    let plain = memchr(b'"', rest).unwrap_or(rest.len());
                    let used = (plain + 1).min(rest.len());
                    at += used;
                    self.keep_quoted(&rest[..plain], &rest[..used]);
                    if plain < rest.len() {
                        self.state = State::Closing;
                    }
                    if self.ahead.is_exhausted() {
                        return (at, Some(self.never_closed()));
                    }
                }
                State::Closing => match byte {
                    b'"' => {
                        self.keep(b"\"");
                        self.ahead.push(b"\"");
                        self.state = State::Quoted;
                        at += 1;
                    }
                    b',' | b'\r' | b'\n' => {
                        if self.ahead.is_rows() {
                            return (at, Some(self.never_closed()));
                        }
                        self.ahead.end();
                        self.state = State::Unquoted;
                    }
                    _ if self.ahead.has_begun() => return (at, Some(self.never_closed())),
                    _ => {
                        self.fault(FaultKind::TextAfterQuote, self.quote_line);
                        self.state = State::Unquoted;
                    }
                },
                State::Return => {
                    if byte != b'\n' {
                        self.fault(FaultKind::StrayReturn, self.line);
                    }
                    self.state = State::Unquoted;
                }
            }
        }
        (at, None)
    }

    fn end_of_input(&mut self) -> End {
        match self.state {
            State::FieldStart if self.record.fields.is_empty() => return End::Input,
            State::Quoted => return self.never_closed(),
            State::Closing if self.ahead.is_rows() => return self.never_closed(),
            State::Return => self.fault(FaultKind::StrayReturn, self.line),
            State::FieldStart | State::Unquoted | State::Closing => {}
        }
        self.end_record()
    }

    fn end_record(&mut self) -> End {
        self.end_field();
        let record = &self.record;
        let nothing = record.fields.len() == 1 && record.data.is_empty() && !self.quoted;
        if nothing && record.fault.is_none() {
            End::EmptyLine
        } else {
            End::Record
        }
    }

    fn never_closed(&mut self) -> End {
        // Said even of a row that is too long as well: this is why it is.
        self.record
            .fault
            .take_if(|fault| fault.kind == FaultKind::TooLong);
        self.fault(FaultKind::NeverClosed, self.quote_line);
        if !self.ahead.has_begun() {
            return End::Record;
        }
        self.line = self.quote_line + 1;
        End::Reread(self.ahead.take())
    }

    fn end_field(&mut self) {
        if self.record.fields.len() < RECORD_LIMIT {
            let start = self.record.fields.last().map_or(0, |last| last.1);
            // No more than RECORD_LIMIT.
            let end = u32::try_from(self.record.data.len()).unwrap_or(u32::MAX);
            self.record.fields.push((start, end));
        } else {
            self.fault(FaultKind::TooLong, self.record.line);
        }
        self.state = State::FieldStart;
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.record.data.len() + bytes.len() <= RECORD_LIMIT {
            self.record.data.extend_from_slice(bytes);
        } else {
            self.fault(FaultKind::TooLong, self.record.line);
        }
    }

    /// Keeps a piece of a quoted field; `raw` is the piece with the quote that
    /// ends it, if one does.
    fn keep_quoted(&mut self, piece: &[u8], raw: &[u8]) {
        self.keep(piece);
        let newlines = memchr_iter(b'\n', piece).count() as u64;
        self.line += newlines;
        if newlines > 0 || self.ahead.has_begun() {
            self.ahead.push(raw);
        }
    }

    /// Notes what is wrong; the first fault of a record is the one that counts.
    fn fault(&mut self, kind: FaultKind, line: u64) {
        let field = self.record.fields.len();
        self.record.fault.get_or_insert(Fault { kind, line, field });
    }
}

#[cfg(test)]
mod tests;
