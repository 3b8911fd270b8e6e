//! Opening a manifest: a file, standard input or any reader, plain or
//! compressed, as a buffered stream of decompressed bytes.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Write};

use flate2::bufread::MultiGzDecoder;

const BUFFER_BYTES: usize = 256 * 1024;
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// How a manifest is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    Plain,
    /// gzip, of one or more members.
    Gzip,
    /// Zstandard, of one or more frames.
    Zstd,
}

impl Compression {
    /// What a name's ending says; `None` when it says nothing.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        match name.rsplit_once('.')?.1 {
            "gz" => Some(Self::Gzip),
            "zst" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// What the first bytes say. No UTF-8 text starts like either format.
    fn of_magic(head: &[u8]) -> Self {
        if head.starts_with(GZIP_MAGIC) {
            Self::Gzip
        } else if head.starts_with(ZSTD_MAGIC) {
            Self::Zstd
        } else {
            Self::Plain
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// Why a manifest cannot be read. Every message names the file.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// No file of that name.
    #[error("{0}: no such file; check the path, or give - to read standard input")]
    NotFound(String),
    /// A directory.
    #[error("{0} is a directory; give the manifest file in it")]
    Directory(String),
    /// The file may not be read.
    #[error("{0}: permission denied; make the file readable for this user")]
    Denied(String),
    /// An `s3://` location, which takes a client to read.
    #[error("{0}: this command does not read manifests from S3; download it first")]
    Remote(String),
    /// The compressed data cannot be decompressed to its end.
    #[error(
        "{name} is not {} data, damaged or cut short: {source}; make or download it again",
        .format.as_str()
    )]
    Damaged {
        /// The file.
        name: String,
        /// What it was taken for.
        format: Compression,
        /// What the decoder said.
        source: io::Error,
    },
    /// Any other failure while reading.
    #[error("{name} cannot be read: {source}")]
    Read {
        /// The file.
        name: String,
        /// What the system said.
        source: io::Error,
    },
}

/// A manifest's decompressed bytes.
pub struct Input {
    stream: Stream,
    /// Bytes that come before the stream's, looked at or put back. No piece is
    /// empty; each is given up when it is consumed.
    pushback: VecDeque<Vec<u8>>,
    /// How much of the first piece is consumed: not all of it.
    pushback_at: usize,
}

struct Stream {
    name: String,
    format: Compression,
    reader: Box<dyn BufRead + Send>,
    ended: bool,
}

/// Opens the manifest `name`: a path, or `-` for standard input.
///
/// A name that ends in `.gz` or `.zst` is taken at its word; for any other the
/// first bytes decide.
///
/// # Errors
/// [`InputError`] when there is no such file or it cannot be read.
pub fn open(name: &str) -> Result<Input, InputError> {
    if name == "-" {
        return open_reader("<stdin>", None, io::stdin());
    }
    if name.starts_with("s3://") {
        return Err(InputError::Remote(name.to_owned()));
    }
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => InputError::NotFound(name.to_owned()),
        io::ErrorKind::PermissionDenied => InputError::Denied(name.to_owned()),
        _ => InputError::Read {
            name: name.to_owned(),
            source,
        },
    };
    let file = File::open(name).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(InputError::Directory(name.to_owned()));
    }
    open_reader(name, Compression::of_name(name), file)
}

/// Reads a manifest from `reader`. `name` is what problems and errors call it;
/// without a `compression` the first bytes decide.
///
/// # Errors
/// [`InputError`] when the first bytes cannot be read.
pub fn open_reader(
    name: &str,
    compression: Option<Compression>,
    mut reader: impl Read + Send + 'static,
) -> Result<Input, InputError> {
    let failed = |source| InputError::Read {
        name: name.to_owned(),
        source,
    };
    let mut head = Vec::new();
    reader
        .by_ref()
        .take(ZSTD_MAGIC.len() as u64)
        .read_to_end(&mut head)
        .map_err(failed)?;
    let format = compression.unwrap_or_else(|| Compression::of_magic(&head));
    let raw = BufReader::with_capacity(BUFFER_BYTES, Cursor::new(head).chain(reader));
    let reader: Box<dyn BufRead + Send> = match format {
        Compression::Plain => Box::new(raw),
        Compression::Gzip => Box::new(BufReader::with_capacity(
            BUFFER_BYTES,
            MultiGzDecoder::new(raw),
        )),
        Compression::Zstd => {
            let decoder = zstd::stream::read::Decoder::with_buffer(raw).map_err(failed)?;
            Box::new(BufReader::with_capacity(BUFFER_BYTES, decoder))
        }
    };
    let stream = Stream {
        name: name.to_owned(),
        format,
        reader,
        ended: false,
    };
    Ok(Input {
        stream,
        pushback: VecDeque::new(),
        pushback_at: 0,
    })
}

impl Input {
    /// What problems and errors call this manifest.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.stream.name
    }

    /// The next bytes, at least one unless the input has ended.
    pub(crate) fn fill(&mut self) -> Result<&[u8], InputError> {
        if let Some(piece) = self.pushback.front() {
            return Ok(&piece[self.pushback_at..]);
        }
        self.stream.fill()
    }

    /// Drops the first `count` of the bytes that [`fill`](Self::fill) showed.
    pub(crate) fn consume(&mut self, count: usize) {
        let Some(piece) = self.pushback.front() else {
            self.stream.reader.consume(count);
            return;
        };
        self.pushback_at += count;
        if self.pushback_at == piece.len() {
            self.pushback.pop_front();
            self.pushback_at = 0;
        }
    }

    /// The next `count` bytes, or fewer at the input's end, without consuming
    /// them.
    pub(crate) fn peek(&mut self, count: usize) -> Result<&[u8], InputError> {
        let mut bytes = Vec::new();
        while bytes.len() < count {
            let chunk = self.fill()?;
            if chunk.is_empty() {
                break;
            }
            let taken = chunk.len().min(count - bytes.len());
            bytes.extend_from_slice(&chunk[..taken]);
            self.consume(taken);
        }
        self.unread(vec![bytes]);
        self.fill()
    }

    /// Puts bytes back in front of everything that is still to come.
    pub(crate) fn unread(&mut self, pieces: Vec<Vec<u8>>) {
        if let Some(piece) = self.pushback.front_mut() {
            piece.drain(..self.pushback_at);
            self.pushback_at = 0;
        }
        let pieces = pieces.into_iter().filter(|piece| !piece.is_empty());
        pieces
            .rev()
            .for_each(|piece| self.pushback.push_front(piece));
    }

    /// Copies everything that is left to `out`; the inner error is `out`'s.
    pub(crate) fn copy_to(&mut self, out: &mut impl Write) -> Result<io::Result<()>, InputError> {
        loop {
            let chunk = self.fill()?;
            if chunk.is_empty() {
                return Ok(out.flush());
            }
            let count = chunk.len();
            if let Err(error) = out.write_all(chunk) {
                return Ok(Err(error));
            }
            self.consume(count);
        }
    }
}

impl Stream {
    fn fill(&mut self) -> Result<&[u8], InputError> {
        // A terminal can end its input more than once, so the end is noted.
        while !self.ended {
            match self.reader.fill_buf() {
                Ok(chunk) => {
                    self.ended = chunk.is_empty();
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.error(error)),
            }
        }
        if self.ended {
            return Ok(&[]);
        }
        // Shows the same bytes again: the buffer is not empty.
        match self.reader.fill_buf() {
            Ok(chunk) => Ok(chunk),
            Err(source) => Err(InputError::Read {
                name: self.name.clone(),
                source,
            }),
        }
    }

    fn error(&self, source: io::Error) -> InputError {
        let (name, format) = (self.name.clone(), self.format);
        if format == Compression::Plain {
            InputError::Read { name, source }
        } else {
            InputError::Damaged {
                name,
                format,
                source,
            }
        }
    }
}

#[cfg(test)]
mod tests;
