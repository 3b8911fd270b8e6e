//! A folder with manifests, a bucket, and the command run between them.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use rebucket_protocol::{JobId, TaskId, Timestamp};
use rebucket_tests::{Bucket, Properties, Servers};
use serde_json::Value;
use tempfile::TempDir;

use crate::command::{Call, Ended};

/// A folder, a bucket on SeaweedFS, and `rebucket` run in that folder.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) servers: Servers,
    pub(crate) bucket: Bucket,
    folder: TempDir,
}

impl Bench {
    /// A plain bucket and an empty folder.
    pub(crate) async fn new() -> Self {
        let servers = Servers::from_env();
        let bucket = Bucket::create(servers.s3_client(&servers.s3)).await;
        Self::around(servers, bucket)
    }

    /// A bucket with versions and an empty folder.
    pub(crate) async fn versioned() -> Self {
        let servers = Servers::from_env();
        let bucket = Bucket::create_versioned(servers.s3_client(&servers.s3)).await;
        Self::around(servers, bucket)
    }

    /// An empty folder for a bucket that is there.
    pub(crate) fn around(servers: Servers, bucket: Bucket) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            servers,
            bucket,
            folder,
        }
    }

    /// A file of the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file into the folder.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// The object of this key in the bucket, as a URI.
    pub(crate) fn uri(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket.name)
    }

    /// Writes a manifest with the columns `source,destination` for keys of the
    /// bucket.
    pub(crate) fn manifest<K: AsRef<str>>(&self, name: &str, pairs: &[(K, K)]) {
        let rows = pairs.iter().map(|(from, to)| {
            let (from, to) = (self.uri(from.as_ref()), self.uri(to.as_ref()));
            [from, to]
        });
        self.write(name, csv_text(&["source", "destination"], rows));
    }

    /// Puts `count` small objects at `old/N` and writes a manifest that
    /// renames them to `new/N`.
    pub(crate) async fn renames(&self, name: &str, count: usize) -> Vec<(String, String)> {
        let pairs: Vec<_> = (0..count)
            .map(|n| (format!("old/{n:04}"), format!("new/{n:04}")))
            .collect();
        let puts = pairs
            .iter()
            .map(|(from, _)| self.bucket.put_plain(from, from.as_bytes()));
        futures_util::future::join_all(puts).await;
        self.manifest(name, &pairs);
        pairs
    }

    /// Asserts that every object put by [`Bench::renames`] is under its new
    /// key, and that nothing else is in the bucket.
    pub(crate) async fn assert_renamed(&self, pairs: &[(String, String)]) {
        let mut keys = self.bucket.keys().await;
        // What a killed run leaves of its probe is left to `rebucket gc`.
        keys.retain(|key| !key.starts_with(".rebucket/"));
        let expected: Vec<_> = pairs.iter().map(|(_, to)| to.clone()).collect();
        assert_eq!(keys, expected);
        let objects = self.bucket.objects(&expected).await;
        for (from, to) in pairs {
            let object = objects[to].as_ref().unwrap();
            assert_eq!(
                object["sha256 of the bytes"],
                digest(from.as_bytes()),
                "{to}"
            );
        }
    }

    /// `rebucket` with arguments that are separated by white space.
    pub(crate) fn rebucket(&self, arguments: &str) -> Call {
        Call::new(&self.servers, self.folder.path(), arguments)
    }

    /// Runs it to its end.
    pub(crate) async fn run(&self, arguments: &str) -> Ended {
        self.rebucket(arguments).end().await
    }

    /// `rebucket report LOC --format json`, with its exit code.
    pub(crate) async fn summary(&self, location: &str) -> (Value, i32) {
        let ended = self.run(&format!("report {location} --format json")).await;
        let json = serde_json::from_str(&ended.out);
        let json = json.unwrap_or_else(|error| panic!("{error}: {ended:?}"));
        (json, ended.code.unwrap())
    }

    /// Asserts what `rebucket report` counts: submitted, renamed, already
    /// renamed, skipped, failed and pending.
    pub(crate) async fn assert_counts(&self, location: &str, counts: [u64; 6]) {
        let (json, _) = self.summary(location).await;
        assert_eq!(counts_of(&json), counts, "{json}");
    }

    /// Every outcome that `rebucket report` prints.
    pub(crate) async fn outcomes(&self, location: &str) -> Vec<Value> {
        let ended = self.run(&format!("report {location} --format jsonl")).await;
        let lines = ended.out.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The one outcome with this source.
    pub(crate) async fn outcome(&self, location: &str, key: &str) -> Value {
        let mut all = self.outcomes(location).await;
        all.retain(|record| record["source"] == self.uri(key));
        assert_eq!(all.len(), 1, "outcomes of {key:?}: {all:?}");
        all.remove(0)
    }

    /// Every version and every delete marker, but for scratch ones.
    pub(crate) async fn versions(&self) -> Vec<String> {
        let mut versions = self.bucket.versions().await;
        versions.retain(|version| !version.starts_with(".rebucket/"));
        versions
    }

    /// When the bucket was created, as its store lists it.
    pub(crate) async fn created(&self) -> Timestamp {
        let listed = self.bucket.client.list_buckets().send().await.unwrap();
        let mut buckets = listed.buckets().iter();
        let is_ours = |name: &str| name == self.bucket.name;
        let ours = buckets.find(|listed| listed.name().is_some_and(is_ours));
        let date = ours.unwrap().creation_date().unwrap();
        Timestamp::from_unix(date.secs(), date.subsec_nanos()).unwrap()
    }

    /// The bytes at a key, which must be there.
    pub(crate) async fn bytes(&self, key: &str) -> Vec<u8> {
        let bucket = &self.bucket;
        let get = bucket.client.get_object().bucket(&bucket.name).key(key);
        let body = get.send().await.unwrap().body.collect().await;
        body.unwrap().to_vec()
    }

    /// What is at a key, which must be there.
    pub(crate) async fn object(&self, key: &str) -> Properties {
        let object = self.bucket.object(key).await;
        object.unwrap_or_else(|| panic!("nothing is at {key:?}"))
    }
}

/// The counts of a JSON summary.
pub(crate) fn counts_of(json: &Value) -> [u64; 6] {
    let names = [
        "submitted",
        "renamed",
        "already_renamed",
        "skipped",
        "failed",
        "pending",
    ];
    names.map(|name| {
        json[name]
            .as_u64()
            .unwrap_or_else(|| panic!("{name}: {json}"))
    })
}

/// A line of a report as the first version wrote it.
pub(crate) fn report_line(job: &str, row: u64, outcome: &str) -> Value {
    let (job, at) = (JobId::new(job).unwrap(), "2026-11-23T08:00:00.000Z");
    serde_json::json!({
        "task": TaskId::for_row(&job, row).as_str(),
        "source": format!("s3://bkt/{job}/old/{row}"),
        "destination": format!("s3://bkt/{job}/new/{row}"),
        "outcome": outcome, "reason": null, "detail": null, "bytes": 10, "etag": null,
        "attempts": 1, "started": at, "ended": at, "worker": "w",
    })
}

/// RFC 4180, every field quoted.
pub(crate) fn csv_text<R, F>(header: &[&str], rows: impl IntoIterator<Item = R>) -> String
where
    R: IntoIterator<Item = F>,
    F: AsRef<str>,
{
    let mut text = header.join(",") + "\r\n";
    for row in rows {
        let fields: Vec<String> = row
            .into_iter()
            .map(|field| format!("\"{}\"", field.as_ref().replace('"', "\"\"")))
            .collect();
        write!(text, "{}\r\n", fields.join(",")).unwrap();
    }
    text
}

/// The hexadecimal SHA-256 of some bytes.
pub(crate) fn digest(bytes: &[u8]) -> String {
    rebucket_tests::object::digest(bytes)
}
