//! The command line. Every flag has an environment variable `REBUCKET_*`.

use std::net::SocketAddr;
use std::str::FromStr as _;
use std::time::Duration;

use bytesize::ByteSize;
use clap::builder::BoolishValueParser;
use clap::{Args, Parser, ValueEnum};
use rebucket_protocol::{AccountId, S3Prefix};

use crate::rename::VerifyMode;
use crate::rename::plan::{MAX_PART, MAX_SINGLE_COPY, MIN_PART};
use crate::report::ReportLocation;
use crate::store::probe::OnMissingPrecondition;

/// Consumes renames from a queue and carries them out.
#[derive(Debug, Clone, Parser)]
#[command(name = "rebucket-worker", version, max_term_width = 100)]
pub struct WorkerArgs {
    /// The queue to work from. It must have a redrive policy: failed renames
    /// are parked in its dead-letter queue
    #[arg(long, env = "REBUCKET_QUEUE_URL", value_name = "URL")]
    pub queue_url: String,

    /// Rename only under these prefixes; anything else in the queue is parked.
    /// A prefix is compared byte for byte: end it with a slash to mean a folder
    #[arg(long, env = "REBUCKET_ALLOW", value_name = "s3://BUCKET/PREFIX", required = true,
          num_args = 1.., value_parser = allow_list)]
    pub allow: Vec<AllowList>,

    /// Take messages for whichever store they were meant: for a store that was
    /// moved, so that its buckets have other dates of creation. Otherwise a
    /// message that names another date than the store does is parked
    #[arg(long, env = "REBUCKET_ANY_STORE", value_parser = BoolishValueParser::new())]
    pub any_store: bool,

    /// Where to record how each task ended: a directory or <s3://bucket/prefix>.
    /// Without it, outcomes are only logged
    #[arg(long, env = "REBUCKET_REPORT", value_name = "LOC")]
    pub report: Option<ReportLocation>,

    /// Serve /healthz, /readyz and /metrics here
    #[arg(long, env = "REBUCKET_METRICS_ADDR", value_name = "ADDR")]
    pub metrics_addr: Option<SocketAddr>,

    /// End when the queue is drained, messages in flight included
    #[arg(long, env = "REBUCKET_EXIT_WHEN_EMPTY", value_parser = BoolishValueParser::new())]
    pub exit_when_empty: bool,

    /// How long a message is invisible to other workers, before it is extended;
    /// 2s to 12h
    #[arg(long, env = "REBUCKET_VISIBILITY_TIMEOUT", value_name = "DURATION",
          default_value = "120s", value_parser = visibility)]
    pub visibility_timeout: Duration,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub engine: EngineArgs,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub log: LogArgs,
}

/// How logs are written.
#[derive(Debug, Clone, Args)]
pub struct LogArgs {
    /// How to write logs, which go to standard error. `RUST_LOG` filters them
    #[arg(long, env = "REBUCKET_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How S3 is addressed.
#[derive(Debug, Clone, Copy, Args)]
pub struct S3Args {
    /// Put the bucket into the path, not into the host name; by itself for an
    /// endpoint that is an IP address or localhost
    #[arg(long, env = "REBUCKET_S3_PATH_STYLE", value_parser = BoolishValueParser::new())]
    pub s3_path_style: bool,
    /// Pay for the requests to buckets whose owner lets the requester pay
    #[arg(long, env = "REBUCKET_REQUESTER_PAYS", value_parser = BoolishValueParser::new())]
    pub requester_pays: bool,
}

/// Whose buckets are meant.
#[derive(Debug, Clone, Copy, Args)]
pub struct OwnerArgs {
    /// The account that owns all buckets of the job, 12 digits. Every request
    /// about its objects says so, and S3 refuses those to the buckets of
    /// another account
    #[arg(long, env = "REBUCKET_BUCKET_OWNER", value_name = "ACCOUNT")]
    pub bucket_owner: Option<AccountId>,
}

/// What the worker and `rebucket run` have in common: how to reach S3 and how
/// to rename.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Engine")]
pub struct EngineArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub s3: S3Args,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub owner: OwnerArgs,

    /// Where scratch objects go; by default `.rebucket/` under the first
    /// allowed prefix of each bucket. At most one for each bucket
    #[arg(long, env = "REBUCKET_SCRATCH", value_name = "s3://BUCKET/PREFIX",
          num_args = 1.., value_parser = allow_list)]
    pub scratch: Vec<AllowList>,

    /// What to do on an endpoint that ignores a condition which safety needs
    #[arg(long, env = "REBUCKET_ON_MISSING_PRECONDITION", value_enum,
          default_value_t = OnMissing::Refuse)]
    pub on_missing_precondition: OnMissing,

    /// How often the conditions are probed again while the worker runs, at
    /// least 1s. A probe speaks for one node of the endpoint; every few minutes
    /// another one is asked, at a dozen requests for each bucket. Not on AWS
    #[arg(long, env = "REBUCKET_PROBE_INTERVAL", value_name = "DURATION", default_value = "3m",
          value_parser = probe_interval)]
    pub probe_interval: Duration,

    /// How far to check a copy before its source is deleted; by default
    /// `response` on AWS and `head` elsewhere
    #[arg(long, env = "REBUCKET_VERIFY", value_enum)]
    pub verify: Option<Verify>,

    /// What you state of all objects, so that nobody has to look: `plain` means
    /// that none has an ACL of its own, Object Lock, a website redirect, or
    /// another encryption than the destination's bucket gives by default.
    /// Saves the HEAD of a source whose row has its etag, size and storage
    /// class. Where it is not true, that property is lost
    #[arg(long, env = "REBUCKET_ASSUME", value_enum)]
    pub assume: Option<Assume>,

    /// Copy objects larger than this in parts; at most 5GB
    #[arg(long, env = "REBUCKET_MULTIPART_THRESHOLD", value_name = "SIZE",
          default_value = "1GiB", value_parser = threshold)]
    pub multipart_threshold: u64,

    /// The size of a part, 5MiB to 5GiB; larger ones are used where 10,000
    /// would not do
    #[arg(long, env = "REBUCKET_PART_SIZE", value_name = "SIZE",
          default_value = "128MiB", value_parser = part_size)]
    pub part_size: u64,

    /// Part copies of one object in flight
    #[arg(long, env = "REBUCKET_MAX_PARTS", value_name = "N", default_value_t = 16,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub max_parts: u16,

    /// Renames in flight
    #[arg(long, env = "REBUCKET_MAX_RENAMES", value_name = "N", default_value_t = 64,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub max_renames: u16,

    /// S3 requests in flight
    #[arg(long, env = "REBUCKET_MAX_REQUESTS", value_name = "N", default_value_t = 128,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub max_requests: u16,

    /// When told to stop, let renames go on for so long before they are
    /// handed back
    #[arg(long, env = "REBUCKET_GRACE", value_name = "DURATION", default_value = "25s",
          value_parser = duration)]
    pub grace: Duration,
}

/// `--on-missing-precondition`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnMissing {
    /// Make up for it with further HEAD requests, and say so in the log; a
    /// window between check and act remains.
    Emulate,
    /// Do not rename on it.
    Refuse,
}

impl From<OnMissing> for OnMissingPrecondition {
    fn from(choice: OnMissing) -> Self {
        match choice {
            OnMissing::Emulate => Self::Emulate,
            OnMissing::Refuse => Self::Refuse,
        }
    }
}

/// `--assume`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Assume {
    /// Objects have nothing that a copy by ETag, size and storage class loses.
    Plain,
}

/// `--verify`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Verify {
    /// Believe the success response.
    Response,
    /// HEAD the destination: size and every property.
    Head,
    /// As head, and demand that the bytes could be compared.
    Strict,
}

impl From<Verify> for VerifyMode {
    fn from(choice: Verify) -> Self {
        match choice {
            Verify::Response => Self::Response,
            Verify::Head => Self::Head,
            Verify::Strict => Self::Strict,
        }
    }
}

/// One or more prefixes: an environment variable holds them in one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowList(pub Vec<S3Prefix>);

impl AllowList {
    /// All prefixes of several values.
    #[must_use]
    pub fn flatten(lists: &[Self]) -> Vec<S3Prefix> {
        lists
            .iter()
            .flat_map(|list| list.0.iter().cloned())
            .collect()
    }
}

/// Prefixes separated by a comma or white space, where the next `s3://`
/// follows: a prefix itself may hold both.
fn allow_list(text: &str) -> Result<AllowList, String> {
    let starts: Vec<usize> = text
        .match_indices("s3://")
        .map(|(at, _)| at)
        .filter(|at| text[..*at].ends_with([',', ' ', '\t', '\n']) || *at == 0)
        .collect();
    if starts.first() != Some(&0) {
        return Err(format!("expected s3://bucket/prefix, found {text:?}"));
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let pieces = starts
        .iter()
        .zip(ends)
        .map(|(start, end)| &text[*start..end]);
    let last = starts.len() - 1;
    pieces
        .enumerate()
        .map(|(index, piece)| {
            let separated = piece.trim_end_matches([',', ' ', '\t', '\n']);
            S3Prefix::from_str(if index == last { piece } else { separated })
        })
        .collect::<Result<Vec<_>, _>>()
        .map(AllowList)
        .map_err(|error| error.to_string())
}

fn probe_interval(text: &str) -> Result<Duration, String> {
    let interval = duration(text)?;
    if interval < Duration::from_secs(1) {
        return Err("the interval is at least 1s".to_owned());
    }
    Ok(interval)
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| format!("expected a duration such as 25s or 5m, found {text:?}"))
}

/// An extension is sent at half time and may take a quarter, and SQS counts
/// whole seconds: with less, a lease cannot be extended in time.
const SHORTEST_VISIBILITY: Duration = Duration::from_secs(4);

fn visibility(text: &str) -> Result<Duration, String> {
    let duration = duration(text)?;
    if (SHORTEST_VISIBILITY..=crate::queue::MAX_INVISIBLE).contains(&duration) {
        Ok(duration)
    } else {
        Err(
            "a visibility timeout is 4s to 12h; a shorter one cannot be extended in time"
                .to_owned(),
        )
    }
}

fn size(text: &str) -> Result<u64, String> {
    ByteSize::from_str(text)
        .map(|size| size.as_u64())
        .map_err(|_| format!("expected a size such as 8MiB or 5GB, found {text:?}"))
}

fn threshold(text: &str) -> Result<u64, String> {
    let size = size(text)?;
    if size > MAX_SINGLE_COPY {
        return Err("a single CopyObject copies at most 5GB".to_owned());
    }
    Ok(size)
}

fn part_size(text: &str) -> Result<u64, String> {
    let size = size(text)?;
    if (MIN_PART..=MAX_PART).contains(&size) {
        Ok(size)
    } else {
        Err("a part has 5MiB to 5GiB".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<WorkerArgs, clap::Error> {
        let required = ["rebucket-worker", "--queue-url", "http://127.0.0.1:1/q"];
        WorkerArgs::try_parse_from(required.iter().chain(arguments))
    }

    #[test]
    fn the_contracts_command_line_is_read() {
        let args = parse(&[
            "--allow",
            "s3://bkt/a/",
            "s3://bkt/b/",
            "--allow",
            "s3://other",
            "--multipart-threshold",
            "64MiB",
            "--part-size",
            "8MiB",
            "--visibility-timeout",
            "10s",
            "--grace",
            "500ms",
            "--exit-when-empty",
        ])
        .unwrap();
        let allow = AllowList::flatten(&args.allow);
        let text: Vec<_> = allow.iter().map(ToString::to_string).collect();
        assert_eq!(text, ["s3://bkt/a/", "s3://bkt/b/", "s3://other/"]);
        assert_eq!(args.engine.multipart_threshold, 64 << 20);
        assert_eq!(args.engine.part_size, 8 << 20);
        assert_eq!(args.visibility_timeout, Duration::from_secs(10));
        assert_eq!(args.engine.grace, Duration::from_millis(500));
    }

    #[test]
    fn only_what_is_known_can_be_assumed() {
        let parse = |word| parse(&["--allow", "s3://bkt", "--assume", word]);
        assert_eq!(parse("plain").unwrap().engine.assume, Some(Assume::Plain));
        assert!(parse("anything").is_err());
    }

    #[test]
    fn a_worker_that_may_rename_anything_cannot_be_asked_for() {
        assert!(parse(&[]).is_err());
        assert!(parse(&["--allow", "bkt"]).is_err());
    }

    #[test]
    fn a_variable_holds_several_prefixes() {
        let list = allow_list("s3://bkt/a b/,s3://other/x s3://third").unwrap();
        let text: Vec<_> = list.0.iter().map(ToString::to_string).collect();
        assert_eq!(text, ["s3://bkt/a b/", "s3://other/x", "s3://third/"]);
    }

    #[test]
    fn limits_of_s3_and_sqs_are_checked_at_start() {
        let allowed = ["--allow", "s3://bkt"];
        for bad in [
            ["--part-size", "4MiB"],
            ["--part-size", "6GiB"],
            ["--multipart-threshold", "6GB"],
            ["--visibility-timeout", "13h"],
            ["--visibility-timeout", "soon"],
            ["--max-renames", "0"],
        ] {
            assert!(
                parse(&[&allowed[..], &bad[..]].concat()).is_err(),
                "{bad:?}"
            );
        }
    }
}
