//! Whole objects, of any size: manifests, inventories, what a report keeps.

use std::io::{self, Write};

use aws_sdk_s3::Client;

use super::classify::classify;
use crate::error::{ErrorClass, ServiceError};
use crate::retry::{CallError, Caller, Policy};

/// What is received at once, in bytes, so that a broken connection costs little.
const PIECE: u64 = 16 << 20;

/// Why an object could not be got.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// A request had no success.
    #[error(transparent)]
    Call(#[from] CallError),
    /// There is no room for it here.
    #[error("cannot be written here: {0}")]
    Write(#[source] io::Error),
}

/// An object that is to be got.
#[derive(Debug, Clone, Copy)]
pub struct Download<'a> {
    /// The client.
    pub s3: &'a Client,
    /// Sends the requests.
    pub caller: &'a Caller,
    /// The bucket.
    pub bucket: &'a str,
    /// The key.
    pub key: &'a str,
}

struct Piece {
    bytes: Vec<u8>,
    etag: Option<String>,
    /// How many bytes the object has.
    length: u64,
}

impl Download<'_> {
    /// Writes the object's bytes, piece by piece, all of one object: one that is
    /// replaced meanwhile is an error.
    ///
    /// # Errors
    /// [`DownloadError`].
    pub async fn to(&self, into: &mut (dyn Write + Send)) -> Result<(), DownloadError> {
        let (mut at, mut etag) = (0, None);
        loop {
            let policy = Policy::copy(PIECE);
            let policy = if at == 0 {
                policy.first_contact()
            } else {
                policy
            };
            let get = || self.piece(at, etag.as_deref());
            let piece = self.caller.call(policy, get).await?;
            into.write_all(&piece.bytes).map_err(DownloadError::Write)?;
            at += piece.bytes.len() as u64;
            etag = piece.etag;
            if at >= piece.length {
                return Ok(());
            }
        }
    }

    async fn piece(&self, at: u64, etag: Option<&str>) -> Result<Piece, ServiceError> {
        let target = || format!("s3://{}/{}", self.bucket, self.key);
        let local = |class, code, message: String| {
            ServiceError::local("GetObject", target(), class, code, message)
        };
        let get = self.s3.get_object().bucket(self.bucket).key(self.key);
        let get = get.range(format!("bytes={at}-{}", at + PIECE - 1));
        let answer = match get.set_if_match(etag.map(str::to_owned)).send().await {
            Ok(answer) => answer,
            Err(error) => {
                let fault = classify(&error);
                return match fault.status {
                    // It is empty.
                    Some(416) if at == 0 => Ok(Piece {
                        bytes: Vec::new(),
                        etag: None,
                        length: 0,
                    }),
                    Some(412) => {
                        let message = "it was replaced while it was read; try again";
                        Err(local(ErrorClass::Invalid, "Replaced", message.to_owned()))
                    }
                    _ => Err(ServiceError {
                        operation: "GetObject",
                        target: target(),
                        fault,
                    }),
                };
            }
        };
        // `bytes 0-9/10`.
        let range = answer.content_range().unwrap_or_default().to_owned();
        let etag = answer.e_tag().map(str::to_owned);
        let body = answer.body.collect().await;
        let body =
            body.map_err(|error| local(ErrorClass::Transient, "BodyLost", error.to_string()))?;
        let bytes = body.to_vec();
        let here = range.strip_prefix(&format!("bytes {at}-"));
        let length = here.and_then(|rest| rest.split_once('/')?.1.parse().ok());
        match length {
            Some(length) if !bytes.is_empty() => Ok(Piece {
                bytes,
                etag,
                length,
            }),
            // A store that does not know ranges sends all of it.
            None if range.is_empty() && at == 0 => Ok(Piece {
                length: bytes.len() as u64,
                bytes,
                etag,
            }),
            _ => {
                let message = "the success response has not what was asked for";
                Err(local(
                    ErrorClass::Transient,
                    "IncompleteResponse",
                    message.to_owned(),
                ))
            }
        }
    }
}
