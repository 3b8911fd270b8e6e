//! A folder in which the program is run, and how it ended.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rebucket_protocol::printable::grouped;
use tempfile::TempDir;

/// Two rows.
pub(crate) const GOOD: &str = "source,destination\ns3://bkt/a,s3://new/a\ns3://bkt/b,s3://new/b\n";

/// A folder with a manifest in it, and the command run there.
pub(crate) struct Bench(pub(crate) TempDir);

impl Bench {
    pub(crate) fn new(manifest: impl AsRef<[u8]>) -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        bench.write("m.csv", manifest);
        bench
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.0.path().join(name), bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.path().join(name)).unwrap()
    }

    /// The names of the files in the folder, sorted.
    pub(crate) fn files(&self) -> Vec<String> {
        files(self.0.path())
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        rebucket(self.0.path(), args.iter().copied())
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        Ended::of(self.command(args).output().unwrap())
    }

    pub(crate) fn run_with_stdin(&self, args: &[&str], input: &[u8]) -> Ended {
        let mut command = self.command(args);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        Ended::of(child.wait_with_output().unwrap())
    }
}

/// The program, to be run in a folder, with nothing in its environment.
pub(crate) fn rebucket<'a>(folder: &Path, args: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rebucket"));
    command
        .args(args)
        .current_dir(folder)
        .env_clear()
        .stdin(Stdio::null());
    command
}

/// The names of the files in a folder, sorted.
pub(crate) fn files(folder: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string();
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| name(entry).unwrap())
        .collect();
    names.sort();
    names
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    pub(crate) fn is_good(&self, renames: u64) {
        assert_eq!(
            (self.code, self.err.as_str()),
            (Some(0), ""),
            "{}",
            self.out
        );
        let start = format!(
            ": {} rename{}, no problems\n",
            grouped(renames),
            if renames == 1 { "" } else { "s" }
        );
        assert!(self.out.contains(&start), "{}", self.out);
    }

    /// Exit code 2 with nothing on stdout; returns the lines on stderr.
    #[track_caller]
    pub(crate) fn is_bad(&self) -> Vec<&str> {
        assert_eq!(
            (self.code, self.out.as_str()),
            (Some(2), ""),
            "{}",
            self.err
        );
        self.err.lines().collect()
    }
}

/// Some bytes as a gzip member.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
