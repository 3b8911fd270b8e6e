//! Where a report is, and the few operations on it: append, list, read.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use async_trait::async_trait;
use rebucket_protocol::uri::UriError;
use rebucket_protocol::{JobId, S3Prefix, Timestamp};

use super::files::{append_file, blocking, list_files, make_parent, replace_file};
use super::writer::Sink;
use crate::error::{ErrorClass, Fault, ServiceError};
use crate::retry::{CallError, Caller, Policy};
use crate::store::classify::classify;
use crate::store::paging::next_page;
use crate::store::s3::checked;

/// A directory or an S3 prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReportLocation {
    /// A directory, made when it is first written to.
    Directory(PathBuf),
    /// A prefix of a bucket.
    S3(S3Prefix),
}

/// Why a report could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file or directory.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// An object.
    #[error(transparent)]
    Object(#[from] CallError),
    /// A line that no worker wrote.
    #[error("{file}, line {line}: {error}")]
    Malformed {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        error: serde_json::Error,
    },
    /// Another process has the job.
    #[error("another run of this job is using the report {0}; wait for it to end")]
    InUse(String),
    /// Nothing is there.
    #[error("there is no report at {0}")]
    Missing(String),
    /// The task that writes is gone.
    #[error("the report can no longer be written: {0}")]
    Closed(String),
}

impl ReportError {
    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |error| Self::File { path, error }
    }
}

impl FromStr for ReportLocation {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("s3://") {
            Ok(Self::S3(text.parse::<S3Prefix>()?.as_folder()))
        } else {
            Ok(Self::Directory(PathBuf::from(text)))
        }
    }
}

impl fmt::Display for ReportLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "{}", path.display()),
            Self::S3(prefix) => write!(f, "{prefix}"),
        }
    }
}

/// The file that a run of a job locks.
const LOCK_FILE: &str = "lock";

/// A job of a report, for one process.
#[derive(Debug)]
pub struct ReportLock {
    /// The system unlocks it when it is closed, also when the process dies.
    _file: Option<std::fs::File>,
}

/// Text of a report. No object of one is large, unlike files, which grow.
pub type ReportText = Box<dyn io::BufRead + Send>;

/// A report location with the means to get at it. Names are relative to it,
/// with slashes: `job/file`.
#[derive(Debug, Clone)]
pub struct ReportStore {
    pub(super) location: ReportLocation,
    pub(super) s3: aws_sdk_s3::Client,
    pub(super) caller: Caller,
}

#[async_trait]
impl Sink for ReportStore {
    fn can_append(&self) -> bool {
        matches!(self.location, ReportLocation::Directory(_))
    }

    async fn append(&self, name: &str, text: Vec<u8>) -> Result<(), ReportError> {
        match &self.location {
            ReportLocation::Directory(root) => {
                let path = root.join(name);
                blocking(move || append_file(&path, &text)).await
            }
            ReportLocation::S3(prefix) => self.put(prefix, name, text).await,
        }
    }
}

impl ReportStore {
    /// The client is used only for locations on S3.
    #[must_use]
    pub fn new(location: ReportLocation, s3: &aws_sdk_s3::Client) -> Self {
        Self {
            location,
            s3: checked(s3),
            caller: Caller::apart(),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn location(&self) -> &ReportLocation {
        &self.location
    }

    /// A file or object of it in full, for people.
    #[must_use]
    pub fn shown(&self, name: &str) -> String {
        match &self.location {
            ReportLocation::Directory(root) => root.join(name).display().to_string(),
            ReportLocation::S3(prefix) => format!("{prefix}{name}"),
        }
    }

    /// Leaves a note of this worker in the report: it shows who worked, and
    /// before the first rename that the report can be written at all.
    ///
    /// # Errors
    /// [`ReportError`].
    pub async fn announce(&self, worker: &str) -> Result<(), ReportError> {
        let note = serde_json::json!({ "worker": worker, "started": Timestamp::now() });
        let name = format!("workers/{worker}.json");
        self.replace(&name, note.to_string().into_bytes()).await
    }

    /// Keeps other runs of a job away from a report in a directory for as long
    /// as the lock lives. On S3 nothing can be locked; two runs of one job
    /// then do its work twice, each task of it safely.
    ///
    /// # Errors
    /// [`ReportError::InUse`].
    pub async fn lock(&self, job: &JobId) -> Result<ReportLock, ReportError> {
        let ReportLocation::Directory(root) = &self.location else {
            return Ok(ReportLock { _file: None });
        };
        let path = root.join(job.as_str()).join(LOCK_FILE);
        let location = self.location.to_string();
        blocking(move || {
            make_parent(&path)?;
            let file = std::fs::File::create(&path).map_err(ReportError::file(&path))?;
            match file.try_lock() {
                Ok(()) => Ok(ReportLock { _file: Some(file) }),
                Err(std::fs::TryLockError::WouldBlock) => Err(ReportError::InUse(location)),
                Err(std::fs::TryLockError::Error(error)) => Err(ReportError::file(&path)(error)),
            }
        })
        .await
    }

    /// Writes a whole file or object, replacing it in one step.
    ///
    /// # Errors
    /// [`ReportError`].
    pub async fn replace(&self, name: &str, text: Vec<u8>) -> Result<(), ReportError> {
        match &self.location {
            ReportLocation::Directory(root) => {
                let path = root.join(name);
                blocking(move || replace_file(&path, text.as_slice())).await
            }
            ReportLocation::S3(prefix) => self.put(prefix, name, text).await,
        }
    }

    /// The names of everything in the report, sorted.
    ///
    /// # Errors
    /// [`ReportError::Missing`] when there is nothing.
    pub async fn list(&self) -> Result<Vec<String>, ReportError> {
        let mut names = match &self.location {
            ReportLocation::Directory(root) => {
                let root = root.clone();
                blocking(move || list_files(&root)).await?
            }
            ReportLocation::S3(prefix) => self.list_objects(prefix).await?,
        };
        if names.is_empty() {
            return Err(ReportError::Missing(self.location.to_string()));
        }
        names.sort_unstable();
        Ok(names)
    }

    /// The bytes of one file or object; `None` when it is not there.
    ///
    /// # Errors
    /// [`ReportError`].
    pub async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, ReportError> {
        match &self.location {
            ReportLocation::Directory(root) => {
                let path = root.join(name);
                blocking(move || match std::fs::read(&path) {
                    Ok(text) => Ok(Some(text)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                    Err(error) => Err(ReportError::file(&path)(error)),
                })
                .await
            }
            ReportLocation::S3(prefix) => self.get(prefix, name).await,
        }
    }

    /// The text of one file, read as it is needed, or of one object; `None`
    /// when it is not there.
    ///
    /// # Errors
    /// [`ReportError`].
    pub async fn open(&self, name: &str) -> Result<Option<ReportText>, ReportError> {
        let ReportLocation::Directory(root) = &self.location else {
            let text = self.read(name).await?;
            return Ok(text.map(|text| Box::new(io::Cursor::new(text)) as ReportText));
        };
        let path = root.join(name);
        blocking(move || match std::fs::File::open(&path) {
            Ok(file) => Ok(Some(Box::new(io::BufReader::new(file)) as ReportText)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ReportError::file(&path)(error)),
        })
        .await
    }

    pub(super) async fn put(
        &self,
        prefix: &S3Prefix,
        name: &str,
        text: Vec<u8>,
    ) -> Result<(), ReportError> {
        let key = format!("{}{name}", prefix.prefix);
        let put = || async {
            let request = self
                .s3
                .put_object()
                .bucket(prefix.bucket.as_str())
                .key(&key);
            let request = request.content_type("application/x-ndjson");
            let sent = request.body(text.clone().into()).send().await;
            sent.map(drop)
                .map_err(|error| failed("PutObject", prefix, name, classify(&error)))
        };
        Ok(self.caller.call(Policy::WRITE, put).await?)
    }

    async fn get(&self, prefix: &S3Prefix, name: &str) -> Result<Option<Vec<u8>>, ReportError> {
        let key = format!("{}{name}", prefix.prefix);
        let get = || async {
            let request = self
                .s3
                .get_object()
                .bucket(prefix.bucket.as_str())
                .key(&key);
            let answer = request.send().await;
            let answer =
                answer.map_err(|error| failed("GetObject", prefix, name, classify(&error)))?;
            let body = answer.body.collect().await.map_err(|error| {
                let (class, message) = (ErrorClass::Transient, error.to_string());
                ServiceError::local("GetObject", prefix, class, "BodyLost", message)
            })?;
            Ok(body.to_vec())
        };
        match self.caller.call(Policy::READ, get).await {
            Ok(body) => Ok(Some(body)),
            Err(CallError::Failed(error)) if error.class() == ErrorClass::NotFound => Ok(None),
            Err(other) => Err(other.into()),
        }
    }

    async fn list_objects(&self, prefix: &S3Prefix) -> Result<Vec<String>, ReportError> {
        let mut names = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let list = || async {
                let request = self.s3.list_objects_v2().bucket(prefix.bucket.as_str());
                let request = request.prefix(&prefix.prefix);
                let answer = request.set_continuation_token(token.clone()).send().await;
                answer.map_err(|error| failed("ListObjectsV2", prefix, "", classify(&error)))
            };
            let answer = self.caller.call(Policy::START, list).await?;
            let keys = answer.contents().iter().filter_map(|object| object.key());
            names.extend(
                keys.filter_map(|k| k.strip_prefix(&prefix.prefix))
                    .map(str::to_owned),
            );
            let next = answer.next_continuation_token();
            let next = next_page("ListObjectsV2", prefix, token.as_deref(), next);
            token = next.map_err(CallError::from)?;
            if token.is_none() {
                return Ok(names);
            }
        }
    }
}

pub(super) fn failed(
    operation: &'static str,
    prefix: &S3Prefix,
    name: &str,
    fault: Fault,
) -> ServiceError {
    ServiceError {
        operation,
        target: format!("{prefix}{name}"),
        fault,
    }
}
