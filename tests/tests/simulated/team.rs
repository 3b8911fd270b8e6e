//! Somebody who works with `rebucket` in a folder of his own.

use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::Command;

use crate::stage::Stage;

/// How a command ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A folder in which somebody works.
pub(crate) struct Team<'a> {
    folder: TempDir,
    pub(crate) stage: &'a Stage,
}

impl<'a> Team<'a> {
    pub(crate) fn new(stage: &'a Stage) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder, stage }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn manifest(&self, name: &str, rows: &[(&str, &str)]) {
        let rows = rows.iter().map(|(from, to)| self.row(from, to) + "\n");
        let text = "source,destination\n".to_owned() + &rows.collect::<String>();
        self.write(name, &text);
    }

    /// The first two fields of a row.
    pub(crate) fn row(&self, from: &str, to: &str) -> String {
        let bucket = &self.stage.world.bucket.name;
        format!("s3://{bucket}/{from},s3://{bucket}/{to}")
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    /// Runs `rebucket` to its end.
    pub(crate) async fn run(&self, arguments: &str) -> Ended {
        let ended = self.command(arguments).output().await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ended {
            code: ended.status.code(),
            out: text(ended.stdout),
            err: text(ended.stderr),
        }
    }

    /// `rebucket`, to be started here.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = self.stage.world.servers.rebucket(self.path(), arguments);
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Runs it, and expects this exit code.
    pub(crate) async fn ends(&self, arguments: &str, code: i32) -> Ended {
        let ended = self.run(arguments).await;
        let said = format!("{arguments}:\n{}\n{}", ended.out, ended.err);
        assert_eq!(ended.code, Some(code), "{said}");
        ended
    }
}
