//! The worker as a user runs it: the program, its flags, its signals.

use std::fs::File;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::NamedTempFile;
use tokio::process::{Child, Command};

use crate::queue::Queue;
use crate::servers::Servers;
use crate::wait::{PATIENCE, until};

/// A worker's command line and environment in the making.
#[derive(Debug)]
pub struct WorkerBuilder {
    command: Command,
}

impl WorkerBuilder {
    /// `rebucket-worker` in an environment with nothing of the tester's in it.
    /// It logs everything, so that a failed test shows what happened, and has
    /// leases that no test outlasts unless a flag says otherwise.
    #[must_use]
    pub fn new(servers: &Servers) -> Self {
        let mut command = servers.program("rebucket-worker");
        command
            .env("REBUCKET_VISIBILITY_TIMEOUT", "60s")
            .env("RUST_LOG", "info,rebucket_worker=debug,aws=warn,hyper=warn");
        Self { command }
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Adds flags and their values, separated by white space.
    #[must_use]
    pub fn flags(mut self, flags: &str) -> Self {
        self.command.args(flags.split_whitespace());
        self
    }

    /// Adds one argument as it is.
    #[must_use]
    pub fn arg(mut self, argument: &str) -> Self {
        self.command.arg(argument);
        self
    }

    /// Starts the program.
    #[must_use]
    pub fn start(mut self) -> Worker {
        let log = NamedTempFile::new().expect("a file for the log");
        let open = || -> Stdio { log.reopen().map(File::into).expect("the log") };
        self.command
            .stdin(Stdio::null())
            .stdout(open())
            .stderr(open())
            .kill_on_drop(true);
        let child = self
            .command
            .spawn()
            .expect("rebucket-worker, built by make test");
        Worker {
            child,
            log,
            quiet: false,
        }
    }
}

/// How a worker ended.
#[derive(Debug, Clone)]
pub struct Exit {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// All that it wrote.
    pub log: String,
}

/// A running worker. Dropped, it is killed; dropped by a failing test, it
/// shows its log first.
#[derive(Debug)]
pub struct Worker {
    child: Child,
    log: NamedTempFile,
    quiet: bool,
}

impl Worker {
    /// What it has written so far.
    #[must_use]
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.log.path()).expect("the log");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let id = self.child.id().expect("a worker that has not ended");
        let id = Pid::from_raw(i32::try_from(id).expect("a process id"));
        kill(id, signal).expect("the signal is delivered");
    }

    /// Freezes it, and waits until the system has stopped its every thread.
    pub async fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
        let id = self.child.id().expect("a worker that has not ended");
        let stat = format!("/proc/{id}/stat");
        until("the worker is frozen", || {
            // Where there is no /proc, the signal has to do.
            let text = std::fs::read_to_string(&stat);
            let frozen = text.map_or(true, |text| text.contains(") T "));
            async move { frozen.then_some(()) }
        })
        .await;
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    /// When it goes on for longer than any test takes.
    pub async fn exit(self) -> Exit {
        self.exit_within(PATIENCE).await
    }

    /// Waits until it has ended, but no longer than `limit`.
    ///
    /// # Panics
    /// When it is still running then.
    pub async fn exit_within(mut self, limit: Duration) -> Exit {
        let ended = tokio::time::timeout(limit, self.child.wait()).await;
        let status: ExitStatus = ended
            .unwrap_or_else(|_| panic!("the worker is still running after {limit:?}"))
            .expect("its status");
        Exit {
            code: status.code(),
            log: self.log(),
        }
    }

    /// Waits until it takes tasks.
    pub async fn until_working(&mut self) {
        self.until_logged("working").await;
    }

    /// Waits until its log holds this text.
    pub async fn until_logged(&mut self, text: &str) {
        until(&format!("the worker logs {text:?}"), || {
            let ended = self.child.try_wait().expect("its status");
            let found = self.log().contains(text);
            assert!(found || ended.is_none(), "the worker ended with {ended:?}");
            async move { found.then_some(()) }
        })
        .await;
    }

    /// SIGKILL, and waits until the process is gone.
    pub async fn crash(mut self) {
        self.quiet = true;
        self.child.kill().await.expect("killed");
    }

    /// Lets it work until the queue is empty, then asks it to stop.
    ///
    /// # Panics
    /// When it ends by itself, or with another code than 0.
    pub async fn drain(mut self, queue: &Queue) -> String {
        self.until_working().await;
        let empty = tokio::select! {
            () = queue.until_empty() => Ok(()),
            status = self.child.wait() => Err(status),
        };
        assert!(empty.is_ok(), "the worker ended by itself: {empty:?}");
        self.terminate().await
    }

    /// SIGTERM, and waits until it has ended well.
    pub async fn terminate(self) -> String {
        self.signal(Signal::SIGTERM);
        let exit = self.exit().await;
        assert_eq!(exit.code, Some(0), "after SIGTERM:\n{}", exit.log);
        exit.log
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.quiet {
            eprintln!("--- the worker's log\n{}---", self.log());
        }
    }
}
