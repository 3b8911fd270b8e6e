//! Files of a report that may be larger than memory: kept whole, and got back.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use rebucket_protocol::S3Prefix;

use super::files::{blocking, replace_file};
use super::location::{ReportError, ReportLocation, ReportStore, failed};
use crate::error::{ErrorClass, ServiceError};
use crate::retry::{CallError, Policy};
use crate::store::classify::classify;
use crate::store::download::{Download, DownloadError};

/// What is sent or received at once, in bytes; more for files that would have
/// too many pieces.
const PIECE: u64 = 16 << 20;

/// S3 takes no more in one upload.
const MOST_PIECES: u64 = 10_000;

impl ReportStore {
    /// Writes a file or object that holds all of `file`, in one step: under
    /// its name there is never a part of it. Durable when it returns.
    ///
    /// # Errors
    /// [`ReportError`].
    pub async fn keep(&self, name: &str, mut file: File) -> Result<(), ReportError> {
        match &self.location {
            ReportLocation::Directory(root) => {
                let path = root.join(name);
                blocking(move || {
                    file.rewind().map_err(ReportError::file(&path))?;
                    replace_file(&path, file)
                })
                .await
            }
            ReportLocation::S3(prefix) => self.upload(prefix, name, file).await,
        }
    }

    /// Copies a file or object to the start of `file`; false when it is not
    /// there.
    ///
    /// # Errors
    /// [`ReportError`].
    pub async fn fetch(&self, name: &str, file: File) -> Result<bool, ReportError> {
        match &self.location {
            ReportLocation::Directory(root) => {
                let path = root.join(name);
                blocking(move || copy_file(&path, file)).await
            }
            ReportLocation::S3(prefix) => self.download(prefix, name, file).await,
        }
    }

    async fn upload(&self, prefix: &S3Prefix, name: &str, file: File) -> Result<(), ReportError> {
        let here = Path::new(name);
        let length = file.metadata().map_err(ReportError::file(here))?.len();
        if length <= PIECE {
            let bytes = read_piece(&file, here, 0, length).await?;
            return self.put(prefix, name, bytes).await;
        }
        let key = format!("{}{name}", prefix.prefix);
        let bucket = prefix.bucket.as_str();
        let create = || async {
            let create = self.s3.create_multipart_upload().bucket(bucket).key(&key);
            let answer = create.send().await;
            let answer = answer
                .map_err(|error| failed("CreateMultipartUpload", prefix, name, classify(&error)))?;
            let id = answer.upload_id.filter(|id| !id.is_empty());
            id.ok_or_else(|| incomplete("CreateMultipartUpload", prefix, name))
        };
        let upload = self.caller.call(Policy::CREATE, create).await?;
        let sent = self.upload_pieces(prefix, name, &upload, file, length);
        let sent = sent.await;
        if sent.is_err() {
            let abort = || async {
                let abort = self.s3.abort_multipart_upload().bucket(bucket).key(&key);
                let aborted = abort.upload_id(&upload).send().await;
                aborted
                    .map(drop)
                    .map_err(|error| failed("AbortMultipartUpload", prefix, name, classify(&error)))
            };
            if let Err(error) = self.caller.call(Policy::CLEAN_UP, abort).await {
                tracing::warn!(%error, upload, "an upload was left; `gc` or a lifecycle rule ends it");
            }
        }
        sent
    }

    async fn upload_pieces(
        &self,
        prefix: &S3Prefix,
        name: &str,
        upload: &str,
        file: File,
        length: u64,
    ) -> Result<(), ReportError> {
        let (key, bucket) = (format!("{}{name}", prefix.prefix), prefix.bucket.as_str());
        let piece = PIECE.max(length.div_ceil(MOST_PIECES));
        let (mut parts, mut at) = (Vec::new(), 0);
        for number in 1_i32.. {
            if at >= length {
                break;
            }
            let bytes = read_piece(&file, Path::new(name), at, piece.min(length - at)).await?;
            at += piece;
            let put = || async {
                let put = self.s3.upload_part().bucket(bucket).key(&key);
                let put = put.upload_id(upload).part_number(number);
                let answer = put.body(ByteStream::from(bytes.clone())).send().await;
                let answer =
                    answer.map_err(|error| failed("UploadPart", prefix, name, classify(&error)))?;
                let etag = answer.e_tag.filter(|etag| !etag.is_empty());
                etag.ok_or_else(|| incomplete("UploadPart", prefix, name))
            };
            let etag = self.caller.call(Policy::copy(piece), put).await?;
            parts.push(
                CompletedPart::builder()
                    .part_number(number)
                    .e_tag(etag)
                    .build(),
            );
        }
        let all = CompletedMultipartUpload::builder()
            .set_parts(Some(parts))
            .build();
        let complete = || async {
            let complete = self.s3.complete_multipart_upload().bucket(bucket).key(&key);
            let complete = complete.upload_id(upload).multipart_upload(all.clone());
            let done = complete.send().await;
            done.map(drop)
                .map_err(|error| failed("CompleteMultipartUpload", prefix, name, classify(&error)))
        };
        Ok(self.caller.call(Policy::COMPLETE, complete).await?)
    }

    async fn download(
        &self,
        prefix: &S3Prefix,
        name: &str,
        file: File,
    ) -> Result<bool, ReportError> {
        let key = format!("{}{name}", prefix.prefix);
        let download = Download {
            s3: &self.s3,
            caller: &self.caller,
            bucket: prefix.bucket.as_str(),
            key: &key,
        };
        let mut file = file;
        match download.to(&mut file).await {
            Ok(()) => Ok(true),
            Err(DownloadError::Call(CallError::Failed(error)))
                if error.class() == ErrorClass::NotFound =>
            {
                Ok(false)
            }
            Err(DownloadError::Call(error)) => Err(error.into()),
            Err(DownloadError::Write(error)) => Err(ReportError::file(Path::new(name))(error)),
        }
    }
}

fn incomplete(operation: &'static str, prefix: &S3Prefix, name: &str) -> ServiceError {
    let (class, target) = (ErrorClass::Transient, format!("{prefix}{name}"));
    let message = "the success response has not all that was asked for";
    ServiceError::local(operation, target, class, "IncompleteResponse", message)
}

async fn read_piece(
    file: &File,
    name: &Path,
    at: u64,
    length: u64,
) -> Result<Vec<u8>, ReportError> {
    let (failed, lost) = (ReportError::file(name), ReportError::file(name));
    let mut file = file.try_clone().map_err(lost)?;
    blocking(move || {
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(at))
            .and_then(|_| file.take(length).read_to_end(&mut bytes))
            .map_err(failed)?;
        Ok(bytes)
    })
    .await
}

fn copy_file(path: &Path, mut into: File) -> Result<bool, ReportError> {
    let mut from = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(ReportError::file(path)(error)),
    };
    std::io::copy(&mut from, &mut into).map_err(ReportError::file(path))?;
    Ok(true)
}
