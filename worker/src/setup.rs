//! From a command line to an engine: clients, the survey of every bucket, the
//! caps. Shared by the worker and by `rebucket run`.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use rebucket_protocol::places::{Own, SCRATCH};
use rebucket_protocol::printable::Printable;
use rebucket_protocol::{BucketName, S3Prefix};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::{FormatFields, format};

use crate::clients::{Clients, EnvironmentError};
use crate::clock::ClocksApart;
use crate::config::{AllowList, Assume, EngineArgs, LogArgs, LogFormat};
use crate::host::Host;
use crate::metrics::Metrics;
use crate::queue::sqs::OpenError;
use crate::rename::plan::PartSettings;
use crate::rename::{Bucket, RenameSettings, Renamer};
use crate::report::ReportError;
use crate::retry::{CallError, Caller, Policy};
use crate::store::ObjectStore;
use crate::store::endpoint::Precondition;
use crate::store::probe::again::{Again, Probed};
use crate::store::probe::names::{self, BucketNames};
use crate::store::probe::{ProbeError, survey};
use crate::store::s3::S3Store;

/// Why a process could not begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The environment is not usable.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// A bucket cannot be worked in.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// The queue cannot be worked from.
    #[error(transparent)]
    Queue(#[from] OpenError),
    /// The report cannot be written.
    #[error("the report: {0}")]
    Report(#[from] ReportError),
    /// The address for metrics cannot be listened at.
    #[error("--metrics-addr {address}: {error}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// What the system said.
        #[source]
        error: std::io::Error,
    },
    /// The metrics contradict each other.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
    /// Times of the services cannot be compared.
    #[error(transparent)]
    Clocks(#[from] ClocksApart),
    /// No allowed prefix, or two scratch prefixes for one bucket.
    #[error("{0}")]
    Arguments(String),
}

impl StartError {
    /// The exit code of the contract: 3 when something could not be reached
    /// or denied us, 130 when we were interrupted, else 2.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Probe(ProbeError::Interrupted)
            | Self::Queue(OpenError::Service(CallError::Interrupted)) => 130,
            Self::Probe(error) if error.is_access() => 3,
            Self::Queue(OpenError::Service(_) | OpenError::DeadLetterQueueGone { .. })
            | Self::Report(ReportError::Object(_)) => 3,
            _ => 2,
        }
    }
}

/// An engine, and what has to be looked at while it works.
pub struct Engine {
    /// The engine.
    pub renamer: Renamer,
    /// The probe of its endpoint once more, while it works.
    pub again: Again,
}

/// Surveys every bucket of `places` and makes an engine for them.
///
/// # Errors
/// [`StartError`] when a bucket cannot be reached, denies us, or is on an
/// endpoint that is not safe.
pub async fn engine(
    clients: &Clients,
    args: &EngineArgs,
    places: &[S3Prefix],
    metrics: &Metrics,
    host: &Host,
    stop: &CancellationToken,
) -> Result<Engine, StartError> {
    let owner = args.owner.bucket_owner;
    let s3 = S3Store::of_owner(&clients.s3, metrics.clone(), owner);
    let store: Arc<dyn ObjectStore> = Arc::new(s3.clone());
    let requests = Arc::new(Semaphore::new(usize::from(args.max_requests)));
    let caller = Caller::new(metrics.clone(), Arc::clone(&requests), stop.clone());
    let scratch = scratch_places(places, &AllowList::flatten(&args.scratch))?;
    let is_aws = clients.endpoint.is_aws();
    let assume_plain = args.assume == Some(Assume::Plain);
    let surveys = scratch.into_iter().map(|(bucket, scratch)| {
        let (store, caller) = (Arc::clone(&store), caller.clone());
        async move {
            let on_missing = args.on_missing_precondition.into();
            let found = survey(&*store, &caller, &bucket, &scratch, is_aws, on_missing).await?;
            if assume_plain && found.facts.versioning.may_have_versions() {
                tracing::info!(%bucket, "has versions, or does not say; --assume plain saves nothing in it");
            }
            Ok::<_, ProbeError>((bucket, found))
        }
    });
    let buckets: HashMap<BucketName, Bucket> = futures_util::future::try_join_all(surveys)
        .await?
        .into_iter()
        .collect();
    let places: Vec<S3Prefix> = buckets
        .values()
        .map(|found| found.scratch.clone())
        .collect();
    let names = related(&s3, &caller, places, is_aws).await?;
    settle_signs(clients);
    let again = if is_aws { Vec::new() } else { probed(&buckets) };
    let again = Again::new(Arc::clone(&store), &caller, again, args.probe_interval);
    let settings = RenameSettings {
        parts: PartSettings {
            threshold: args.multipart_threshold,
            part_size: args.part_size,
        },
        parts_in_flight: usize::from(args.max_parts),
        verify: args.verify.map(Into::into),
        assume_plain,
        host: host.clone(),
    };
    let renamer = Renamer::new(store, buckets, settings, metrics.clone(), requests);
    Ok(Engine {
        renamer: renamer.knowing(names),
        again,
    })
}

fn probed(buckets: &HashMap<BucketName, Bucket>) -> Vec<Probed> {
    let probed = buckets.iter().map(|(bucket, found)| {
        let all = Precondition::ALL.into_iter();
        Probed {
            bucket: bucket.clone(),
            scratch: found.scratch.clone(),
            honoured: all.filter(|c| found.abilities.honours(*c)).collect(),
        }
    });
    probed.collect()
}

/// Which of the names in use are names of one bucket. On AWS only an access
/// point's alias is a second name, and HEAD of the bucket says so.
async fn related(
    store: &S3Store,
    caller: &Caller,
    places: Vec<S3Prefix>,
    is_aws: bool,
) -> Result<BucketNames, StartError> {
    if places.len() < 2 {
        return Ok(BucketNames::default());
    }
    if is_aws {
        let asked = places.iter().map(|place| {
            let ask = move || store.is_alias(&place.bucket);
            caller.call(Policy::START, ask)
        });
        let asked = futures_util::future::join_all(asked).await;
        // Who does not say may be one.
        if asked.iter().all(|answer| matches!(answer, Ok(false))) {
            return Ok(BucketNames::default());
        }
    }
    let names = names::look(store, caller, &places).await?;
    for (a, b) in names.pairs() {
        tracing::warn!(%a, %b, "two names of one bucket: a key under both is one object");
    }
    for ((a, b), why) in names.unknown() {
        tracing::warn!(%a, %b, why, "perhaps two names of one bucket: equal keys are refused");
    }
    Ok(names)
}

/// From here on an answer without what all answers to the probes had is not
/// the endpoint's.
fn settle_signs(clients: &Clients) {
    let signs = clients.signs.settle();
    if signs.is_empty() {
        tracing::warn!(
            "the endpoint's answers carry no request id, so a bare error page of a proxy cannot \
             be told from its own"
        );
    } else {
        tracing::info!(?signs, "by these headers the endpoint's answers are known");
    }
}

/// The scratch prefix that was chosen for each bucket, of those that are used.
///
/// # Errors
/// [`StartError::Arguments`] when there are two for a bucket, one for a bucket
/// that is not used, or one where the only copies of objects may be.
pub fn chosen_scratch(
    chosen: &[S3Prefix],
    is_used: impl Fn(&BucketName) -> bool,
) -> Result<HashMap<BucketName, S3Prefix>, StartError> {
    let mut scratch = HashMap::new();
    for prefix in chosen {
        let bucket = &prefix.bucket;
        if scratch.insert(bucket.clone(), prefix.as_folder()).is_some() {
            let message = format!("--scratch names more than one prefix for the bucket {bucket}");
            return Err(StartError::Arguments(message));
        }
        if Own::of(&prefix.as_folder().prefix) == Some(Own::InTransit) {
            let message = format!(
                "--scratch {prefix} is where objects are between the two legs of their renames; what \
                 is scratch may be swept, and these may not: give another prefix"
            );
            return Err(StartError::Arguments(message));
        }
        if !is_used(bucket) {
            let message = format!("--scratch {prefix} is in a bucket that nothing is renamed in");
            return Err(StartError::Arguments(message));
        }
    }
    Ok(scratch)
}

/// One scratch prefix for each bucket: as chosen, or `.rebucket/` under its
/// first allowed prefix.
fn scratch_places(
    places: &[S3Prefix],
    chosen: &[S3Prefix],
) -> Result<HashMap<BucketName, S3Prefix>, StartError> {
    let scratch = chosen_scratch(chosen, |bucket| {
        places.iter().any(|place| place.bucket == *bucket)
    })?;
    let mut all = HashMap::new();
    for place in places {
        // Their ETags are random, and RenameObject is the way there (facts,
        // section 3), which this build does not take.
        if place.bucket.as_str().ends_with("--x-s3") {
            let bucket = &place.bucket;
            let message = format!("{bucket} is a directory bucket, which is not supported yet");
            return Err(StartError::Arguments(message));
        }
        all.entry(place.bucket.clone()).or_insert_with(|| {
            scratch.get(&place.bucket).cloned().unwrap_or_else(|| {
                let mut default = place.as_folder();
                default.prefix.push_str(SCRATCH);
                default
            })
        });
    }
    Ok(all)
}

/// Starts logging to standard error. A second call changes nothing.
pub fn start_logging(args: &LogArgs, default: &str) {
    use std::io::IsTerminal as _;
    use tracing_subscriber::EnvFilter;
    let mut filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let directives = [
        // Below this the SDK logs requests, and with them access key ids.
        "aws=warn",
        // It calls it an error that one of ours is more exact than its own:
        // that an answer stops early, and not that it lacks a root element.
        "aws_smithy_runtime_api::client::interceptors=off",
    ];
    for directive in directives {
        if let Ok(directive) = directive.parse() {
            filter = filter.add_directive(directive);
        }
    }
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let started = match args.log_format {
        LogFormat::Text => builder.fmt_fields(fields()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    // Only ever fails because logging was started before.
    drop(started);
}

/// How the text format writes messages and fields: names and what services say
/// are in them, so that each event stays a line and drives no terminal. The
/// JSON format escapes by itself.
fn fields() -> impl for<'w> FormatFields<'w> {
    format::debug_fn(|out, field, value| {
        let mut out = Printable(out);
        match field.name() {
            "message" => write!(out, "{value:?}"),
            name => write!(out, "{name}={value:?}"),
        }
    })
    .delimited(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefixes(texts: &[&str]) -> Vec<S3Prefix> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn scratch_lies_under_what_is_allowed_unless_it_is_chosen() {
        let places = prefixes(&["s3://bkt/a/", "s3://bkt/b/", "s3://other"]);
        let bucket = |name| BucketName::new(name).unwrap();
        let by_default = scratch_places(&places, &[]).unwrap();
        assert_eq!(
            by_default[&bucket("bkt")].to_string(),
            "s3://bkt/a/.rebucket/"
        );
        assert_eq!(
            by_default[&bucket("other")].to_string(),
            "s3://other/.rebucket/"
        );
        let chosen = scratch_places(&places, &prefixes(&["s3://bkt/tmp"])).unwrap();
        assert_eq!(chosen[&bucket("bkt")].to_string(), "s3://bkt/tmp/");
        assert!(scratch_places(&places, &prefixes(&["s3://bkt/x", "s3://bkt/y"])).is_err());
        assert!(scratch_places(&places, &prefixes(&["s3://elsewhere/x"])).is_err());
        for sole in [
            "s3://bkt/.rebucket-in-transit",
            "s3://bkt/a/.rebucket-in-transit/x/",
        ] {
            let error = scratch_places(&places, &prefixes(&[sole])).unwrap_err();
            assert!(error.to_string().contains("give another prefix"), "{error}");
        }
        assert!(scratch_places(&prefixes(&["s3://fast--use1-az4--x-s3"]), &[]).is_err());
    }
}
