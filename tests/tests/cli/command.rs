//! `rebucket` as a user runs it: arguments, signals, exit code, output.

use std::fs::{self, File};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rebucket_tests::wait::PATIENCE;
use rebucket_tests::{Proxy, Servers, until};
use tempfile::NamedTempFile;
use tokio::process::{Child, ChildStdin, Command};

/// A command line and its environment in the making.
#[derive(Debug)]
pub(crate) struct Call {
    command: Command,
    secrets: Vec<String>,
    input: Option<NamedTempFile>,
    reader_gone: bool,
}

impl Call {
    /// `rebucket` in a folder, in an environment with nothing of the tester's
    /// in it.
    pub(crate) fn new(servers: &Servers, folder: &Path, arguments: &str) -> Self {
        let mut call = Self {
            command: servers.rebucket(folder, arguments),
            secrets: Vec::new(),
            input: None,
            reader_gone: false,
        };
        call.secrets.push(servers.secret_key.clone());
        call.secrets.push(servers.access_key.clone());
        call
    }

    /// Sets an environment variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Adds one argument as it is.
    pub(crate) fn arg(mut self, argument: &str) -> Self {
        self.command.arg(argument);
        self
    }

    /// Signs with other credentials, which must not be shown either.
    pub(crate) fn credentials(mut self, access_key: &str, secret_key: &str) -> Self {
        self.secrets.push(secret_key.to_owned());
        self.env("AWS_ACCESS_KEY_ID", access_key)
            .env("AWS_SECRET_ACCESS_KEY", secret_key)
    }

    /// Logs this much. What is not secret about a credential, its id, may be
    /// in the SDK's own logs then.
    pub(crate) fn logging(mut self, filter: &str) -> Self {
        self.secrets.truncate(1);
        self.env("RUST_LOG", filter)
    }

    /// Has no credentials at all.
    pub(crate) fn without_credentials(mut self) -> Self {
        self.command
            .env_remove("AWS_ACCESS_KEY_ID")
            .env_remove("AWS_SECRET_ACCESS_KEY");
        self
    }

    /// Reaches both servers through a proxy.
    pub(crate) fn behind(self, proxy: &Proxy) -> Self {
        self.env("AWS_ENDPOINT_URL_S3", &proxy.s3)
            .env("AWS_ENDPOINT_URL_SQS", &proxy.sqs)
    }

    /// What it reads from standard input; nothing by default.
    pub(crate) fn stdin(mut self, bytes: &[u8]) -> Self {
        let file = NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        self.input = Some(file);
        self
    }

    /// Starts it, with nothing of it on a terminal.
    pub(crate) fn start(self) -> Running {
        let input = self
            .input
            .as_ref()
            .map_or_else(Stdio::null, |file| file.reopen().unwrap().into());
        self.start_reading(input)
    }

    /// Prints to somebody who has gone away: nothing of it is kept.
    pub(crate) fn reader_gone(mut self) -> Self {
        self.reader_gone = true;
        self
    }

    /// Starts it with a standard input that never ends. Linux only: that is
    /// where a test can see that it reads.
    #[cfg(target_os = "linux")]
    pub(crate) fn start_with_open_stdin(self) -> Running {
        let mut running = self.start_reading(Stdio::piped());
        running.stdin = running.child.stdin.take();
        running
    }

    fn start_reading(mut self, input: Stdio) -> Running {
        let files = [NamedTempFile::new().unwrap(), NamedTempFile::new().unwrap()];
        let [out, err] = files
            .each_ref()
            .map(|file| file.reopen().map(File::into).unwrap());
        let out = if self.reader_gone {
            let (_, writer) = std::io::pipe().unwrap();
            writer.into()
        } else {
            out
        };
        self.command
            .stdin(input)
            .stdout::<Stdio>(out)
            .stderr::<Stdio>(err);
        self.command.kill_on_drop(true);
        let child = self
            .command
            .spawn()
            .expect("rebucket, built by cargo build --bins");
        let [out, err] = files;
        Running {
            child,
            stdin: None,
            out,
            err,
            secrets: self.secrets,
        }
    }

    /// Runs it to its end.
    pub(crate) async fn end(self) -> Ended {
        self.start().end().await
    }
}

/// A running command. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    /// Open for as long as this lives.
    stdin: Option<ChildStdin>,
    out: NamedTempFile,
    err: NamedTempFile,
    secrets: Vec<String>,
}

impl Running {
    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.id()).unwrap();
        kill(Pid::from_raw(id), signal).unwrap();
    }

    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("a command that has not ended")
    }

    /// SIGKILL. Harmless when it has just ended by itself.
    pub(crate) async fn crash(mut self) -> Ended {
        self.child.kill().await.unwrap();
        self.end().await
    }

    /// Waits until it says this on standard error.
    pub(crate) async fn until_says(&mut self, text: &str) {
        until(&format!("the command says {text:?}"), || {
            let ended = self.child.try_wait().unwrap();
            let said = fs::read_to_string(self.err.path()).unwrap();
            let found = said.contains(text);
            assert!(found || ended.is_none(), "ended with {ended:?}: {said}");
            async move { found.then_some(()) }
        })
        .await;
    }

    /// Waits until it ends by itself, in a form that can be given up.
    pub(crate) async fn ended(&mut self) {
        self.child.wait().await.unwrap();
    }

    /// Waits until it has ended.
    pub(crate) async fn end(self) -> Ended {
        self.end_within(PATIENCE).await
    }

    /// Waits until it has ended, but no longer than `limit`.
    pub(crate) async fn end_within(mut self, limit: Duration) -> Ended {
        let ended = tokio::time::timeout(limit, self.child.wait()).await;
        let read = |file: &NamedTempFile| {
            String::from_utf8(fs::read(file.path()).unwrap()).expect("output in UTF-8")
        };
        let (out, err) = (read(&self.out), read(&self.err));
        drop(self.stdin);
        let status: ExitStatus = ended
            .unwrap_or_else(|_| panic!("still running after {limit:?}; it said: {out}{err}"))
            .unwrap();
        let (out, err) = (read(&self.out), read(&self.err));
        let code = status.code();
        let ended = Ended { code, out, err };
        ended.assert_decent(&self.secrets);
        ended
    }
}

/// How a command ended, and all that it said.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    /// The exit code; `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// Whatever happens, no credential and no panic is shown.
    fn assert_decent(&self, secrets: &[String]) {
        let said = format!("{}{}", self.out, self.err);
        let indecent = ["panicked at", "RUST_BACKTRACE", "Signature="];
        let secrets = secrets.iter().map(String::as_str);
        for word in indecent.into_iter().chain(secrets) {
            assert!(!said.contains(word), "{word} is in: {said}");
        }
    }

    /// Asserts the exit code.
    #[track_caller]
    pub(crate) fn is(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "exit code; stdout:\n{}stderr:\n{}",
            self.out,
            self.err
        );
        self
    }

    /// Asserts that standard error has all of these words.
    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not in:\n{}", self.err);
        }
        self
    }
}
