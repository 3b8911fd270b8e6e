//! Writing the manifest: to a spool first, and from there to its place, once
//! all of it is known to be right.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use flate2::write::GzEncoder;
use rebucket_protocol::{ObjectUri, StorageClass, VersionId};

use crate::entry::Entry;

const HEADER: [&str; 6] = [
    "source",
    "destination",
    "etag",
    "size",
    "version_id",
    "storage_class",
];
/// Manifests compress to a tenth at the fastest level.
const SPOOL_LEVEL: i32 = 1;

/// Rows on their way into a manifest, in a compressed temporary file.
pub(crate) struct Spool {
    csv: csv::Writer<zstd::stream::write::Encoder<'static, BufWriter<File>>>,
}

/// A complete manifest in a temporary file.
pub struct Spooled(File);

/// How a manifest is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    Plain,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstandard,
}

impl Packing {
    /// As the name of a file says: `.gz`, `.zst`, or any other ending.
    #[must_use]
    pub fn of_name(path: &Path) -> Self {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("gz") => Self::Gzip,
            Some("zst") => Self::Zstandard,
            _ => Self::Plain,
        }
    }
}

impl Spool {
    pub(crate) fn new() -> io::Result<Self> {
        let file = BufWriter::new(tempfile::tempfile()?);
        let encoder = zstd::stream::write::Encoder::new(file, SPOOL_LEVEL)?;
        let mut csv = csv::WriterBuilder::new()
            .terminator(csv::Terminator::Any(b'\n'))
            .from_writer(encoder);
        csv.write_record(HEADER)?;
        Ok(Self { csv })
    }

    pub(crate) fn write(&mut self, entry: &Entry, destination: &ObjectUri) -> io::Result<()> {
        let mut number = [0; 20];
        let source = format!("s3://{}/{}", entry.bucket, entry.key);
        let etag = entry.etag.as_ref().map(rebucket_protocol::ETag::to_header);
        let etag = etag.as_deref().unwrap_or("").trim_matches('"');
        let size = entry.size.map_or("", |size| digits(size, &mut number));
        // S3 calls what was written while versions were off `null`: in a bucket
        // that never had any no HEAD tells it, and in others it can be replaced.
        let version = entry.version.as_ref().map(VersionId::as_str);
        let version = version.filter(|id| *id != "null").unwrap_or("");
        let class = entry.storage_class.as_ref();
        let class = class.map_or("", StorageClass::as_str);
        let destination = destination.to_string();
        Ok(self
            .csv
            .write_record([&source, &destination, etag, size, version, class])?)
    }

    pub(crate) fn finish(self) -> io::Result<Spooled> {
        let encoder = self
            .csv
            .into_inner()
            .map_err(csv::IntoInnerError::into_error)?;
        let mut file = encoder
            .finish()?
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(Spooled(file))
    }
}

/// A number in decimal, without an allocation.
fn digits(mut number: u64, space: &mut [u8; 20]) -> &str {
    let mut at = space.len();
    loop {
        at -= 1;
        space[at] = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        if number == 0 {
            return std::str::from_utf8(&space[at..]).unwrap_or("");
        }
    }
}

impl Spooled {
    /// The manifest from its start, as CSV.
    ///
    /// # Errors
    /// What the system says about the temporary file.
    pub fn read(&mut self) -> io::Result<impl Read> {
        self.0.rewind()?;
        zstd::stream::read::Decoder::new(BufReader::new(&self.0))
    }

    /// Copies the manifest to `out`.
    ///
    /// # Errors
    /// What the system says about the temporary file or about `out`.
    pub fn copy_to(&mut self, out: &mut impl Write) -> io::Result<()> {
        io::copy(&mut self.read()?, out)?;
        out.flush()
    }

    /// Writes the manifest to `out`, compressed.
    ///
    /// # Errors
    /// What the system says about the temporary file or about `out`; soon after
    /// `stop` is set, that it was interrupted. Then `out` has part of it.
    pub fn write_packed(
        &mut self,
        packing: Packing,
        out: impl Write,
        stop: &AtomicBool,
    ) -> io::Result<()> {
        let out = BufWriter::new(out);
        match packing {
            Packing::Gzip => {
                let mut encoder = GzEncoder::new(out, flate2::Compression::default());
                self.copy_unless(stop, &mut encoder)?;
                encoder.finish()?.flush()
            }
            Packing::Zstandard => {
                let mut encoder = zstd::stream::write::Encoder::new(out, 0)?;
                self.copy_unless(stop, &mut encoder)?;
                encoder.finish()?.flush()
            }
            Packing::Plain => self.copy_unless(stop, &mut { out }),
        }
    }

    fn copy_unless(&mut self, stop: &AtomicBool, out: &mut impl Write) -> io::Result<()> {
        let mut reader = Stoppable {
            reader: self.read()?,
            stop,
        };
        io::copy(&mut reader, out)?;
        out.flush()
    }
}

/// A reader that fails once it is told to stop.
struct Stoppable<'a, R> {
    reader: R,
    stop: &'a AtomicBool,
}

impl<R: Read> Read for Stoppable<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(io::Error::other("interrupted"));
        }
        self.reader.read(buffer)
    }
}
