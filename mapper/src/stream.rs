//! Reading a file of unknown form: plain, gzip or Zstandard, within a limit on
//! how much one line or row may take.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;

const BUFFER: usize = 64 << 10;
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The decompressed bytes, without a byte-order mark. The first bytes decide:
/// no UTF-8 text begins like either format.
pub(crate) fn decompressed<'a>(mut reader: impl Read + 'a) -> io::Result<Box<dyn BufRead + 'a>> {
    let mut head = Vec::new();
    reader
        .by_ref()
        .take(ZSTD.len() as u64)
        .read_to_end(&mut head)?;
    let is = |magic| head.starts_with(magic);
    let (gzip, zstandard) = (is(GZIP), is(ZSTD));
    let raw = BufReader::with_capacity(BUFFER, Cursor::new(head).chain(reader));
    let mut plain: Box<dyn Read + 'a> = if gzip {
        Box::new(MultiGzDecoder::new(raw))
    } else if zstandard {
        Box::new(zstd::stream::read::Decoder::with_buffer(raw)?)
    } else {
        Box::new(raw)
    };
    let mut head = Vec::new();
    let wanted = BYTE_ORDER_MARK.len() as u64;
    plain.by_ref().take(wanted).read_to_end(&mut head)?;
    if head == BYTE_ORDER_MARK {
        head.clear();
    }
    Ok(Box::new(BufReader::with_capacity(
        BUFFER,
        Cursor::new(head).chain(plain),
    )))
}

/// What a [`Watched`] reader has seen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    since_row: Rc<Cell<usize>>,
    quotes: Rc<Cell<u64>>,
}

impl Seen {
    /// A row has been read to its end.
    pub(crate) fn row(&self) {
        self.since_row.set(0);
    }

    /// False when a double quote was opened and never closed: in CSV each of
    /// them has another one.
    pub(crate) fn quotes_are_paired(&self) -> bool {
        self.quotes.get().is_multiple_of(2)
    }
}

/// A reader that gives up when one row takes more than a mebibyte: a quote that
/// is never closed would otherwise pull the rest of the file into memory.
pub(crate) struct Watched<R> {
    reader: R,
    seen: Seen,
}

/// The most bytes of one row.
const ROW_LIMIT: usize = 1 << 20;

impl<R> Watched<R> {
    pub(crate) fn new(reader: R) -> (Self, Seen) {
        let seen = Seen::default();
        let watched = Self {
            reader,
            seen: seen.clone(),
        };
        (watched, seen)
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let since = self.seen.since_row.get();
        if since > ROW_LIMIT {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a row is longer than 1 MiB; is a double quote not closed?",
            ));
        }
        let count = self.reader.read(buffer)?;
        self.seen.since_row.set(since + count);
        let quotes = memchr::memchr_iter(b'"', &buffer[..count]).count();
        self.seen.quotes.set(self.seen.quotes.get() + quotes as u64);
        Ok(count)
    }
}

/// Reads a line into `line`, without its end; false at the input's end. A line
/// over `limit` bytes is an error of kind `InvalidData`.
pub(crate) fn read_line(
    reader: &mut dyn BufRead,
    line: &mut Vec<u8>,
    limit: usize,
) -> io::Result<bool> {
    line.clear();
    let count = reader.take(limit as u64 + 2).read_until(b'\n', line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    }
    if line.len() > limit {
        let message = format!("it is longer than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(count > 0)
}
