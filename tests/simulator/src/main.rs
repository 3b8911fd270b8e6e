//! `rebucket-sim`: S3 and SQS in memory, for clients in any language.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use rebucket_simulator::clock::{Clock, Millis};
use rebucket_simulator::http::{Builder, Delay, Rule, Simulator, parse_rules};
use rebucket_simulator::s3::{AliasKind, BucketSettings, Folding, S3};
use rebucket_simulator::sqs::Sqs;
use tokio::signal::unix::{SignalKind, signal};

/// Bad usage, also of the files and names given.
const USAGE: u8 = 2;
/// A port is taken.
const UNAVAILABLE: u8 = 3;

/// S3 and SQS in memory, with faults on demand.
///
/// Listens on 127.0.0.1 only, keeps nothing, and prints `ready` when it listens.
#[derive(Debug, Parser)]
#[command(name = "rebucket-sim", version)]
struct Options {
    /// Port of S3; 0 means any.
    #[arg(long, value_name = "PORT", default_value_t = 9000)]
    s3_port: u16,
    /// Port of SQS; 0 means any.
    #[arg(long, value_name = "PORT", default_value_t = 9324)]
    sqs_port: u16,
    /// Port of the administration; 0 means any.
    #[arg(long, value_name = "PORT", default_value_t = 9001)]
    admin_port: u16,
    /// The only access key to accept; any, if not given.
    #[arg(long, value_name = "ID", requires = "secret_key")]
    access_key: Option<String>,
    /// Its secret.
    #[arg(long, value_name = "SECRET", requires = "access_key")]
    secret_key: Option<String>,
    /// A bucket to begin with; can be repeated.
    #[arg(long, value_name = "NAME")]
    bucket: Vec<String>,
    /// One more name for a bucket; can be repeated.
    #[arg(long, value_name = "NAME=BUCKET", value_parser = named)]
    alias: Vec<(String, String)>,
    /// The same, as the alias of an access point: `HeadBucket` says so.
    #[arg(long, value_name = "NAME=BUCKET", value_parser = named)]
    access_point_alias: Vec<(String, String)>,
    /// How all buckets fold the keys that they are sent: nfc, percent, folder,
    /// case, slashes or tilde.
    #[arg(long, value_name = "HOW", value_parser = folding)]
    fold_keys: Option<Folding>,
    /// Copies of an object onto itself succeed though they change nothing.
    #[arg(long)]
    accept_self_copies: bool,
    /// A queue to begin with, perhaps with its dead-letter queue and how often a
    /// message is received before it goes there; can be repeated.
    #[arg(long, value_name = "NAME[:DLQ:COUNT]")]
    queue: Vec<String>,
    /// Fault rules to begin with, in JSON.
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// How long every request takes, like `5ms`.
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = humantime::parse_duration)]
    latency: Duration,
    /// How much longer it may take, at random.
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = humantime::parse_duration)]
    jitter: Duration,
    /// Where the pseudo-random numbers of the latency start.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
    /// The clock stands still and moves by `POST /clock/advance` only.
    #[arg(long)]
    manual_clock: bool,
    /// How many seconds the clock is ahead of the machine's at the start; behind
    /// it, if negative.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    clock_offset_s: i64,
    /// A file to write the endpoints to once everything listens.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

/// Why it did not start.
struct Failure(u8, String);

fn usage(why: String) -> Failure {
    Failure(USAGE, why)
}

fn main() -> ExitCode {
    let options = Options::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("rebucket-sim: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(run(&options));
    // Whoever still waits for an answer has waited long enough.
    runtime.shutdown_timeout(Duration::from_millis(100));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(code, why)) => {
            eprintln!("rebucket-sim: {why}");
            ExitCode::from(code)
        }
    }
}

async fn run(options: &Options) -> Result<(), Failure> {
    // Before anything listens, so that no signal is missed.
    let signals = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    );
    let (Ok(mut terminate), Ok(mut interrupt)) = signals else {
        return Err(usage("cannot listen for signals".to_owned()));
    };
    let simulator = builder(options)?.start().await;
    let simulator = simulator.map_err(|error| Failure(UNAVAILABLE, error.to_string()))?;
    announce(options, &simulator)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tokio::time::timeout(Duration::from_secs(2), simulator.stop())
        .await
        .ok();
    Ok(())
}

fn builder(options: &Options) -> Result<Builder, Failure> {
    let system = Clock::system_ahead(options.clock_offset_s);
    let clock = if options.manual_clock {
        Clock::manual(system.now())
    } else {
        system
    };
    let now = clock.now();
    let mut builder = Simulator::builder()
        .s3_port(options.s3_port)
        .sqs_port(options.sqs_port)
        .admin_port(options.admin_port)
        .clock(clock)
        .seed(options.seed)
        .latency(Delay::fixed(options.latency).jitter(options.jitter))
        .s3(buckets(options, now)?)
        .sqs(queues(&options.queue, now)?);
    if let (Some(access), Some(secret)) = (&options.access_key, &options.secret_key) {
        builder = builder.auth(access, secret);
    }
    if let Some(file) = &options.faults {
        for rule in rules(file)? {
            builder = builder.fault(rule);
        }
    }
    Ok(builder)
}

fn named(text: &str) -> Result<(String, String), String> {
    let (name, bucket) = text.split_once('=').ok_or("expected NAME=BUCKET")?;
    Ok((name.to_owned(), bucket.to_owned()))
}

fn folding(name: &str) -> Result<Folding, String> {
    Folding::parse(name).ok_or_else(|| {
        format!(
            "expected one of {}",
            Folding::ALL.map(Folding::as_str).join(", ")
        )
    })
}

fn buckets(options: &Options, now: Millis) -> Result<S3, Failure> {
    let mut s3 = S3::new();
    s3.quirks.fold_keys = options.fold_keys;
    s3.quirks.accept_self_copies = options.accept_self_copies;
    for name in &options.bucket {
        s3.create_bucket(name, BucketSettings::default(), now)
            .map_err(|error| usage(format!("--bucket {name}: {error}")))?;
    }
    let plain = options.alias.iter().map(|a| (AliasKind::Plain, a));
    let access = options.access_point_alias.iter();
    let access = access.map(|a| (AliasKind::AccessPoint, a));
    for (kind, (name, bucket)) in plain.chain(access) {
        s3.alias_bucket(name, bucket, kind)
            .map_err(|error| usage(format!("alias {name}={bucket}: {error}")))?;
    }
    Ok(s3)
}

fn queues(wanted: &[String], now: Millis) -> Result<Sqs, Failure> {
    let mut sqs = Sqs::new();
    for queue in wanted {
        create_queue(&mut sqs, queue, now)
            .map_err(|why| usage(format!("--queue {queue}: {why}")))?;
    }
    Ok(sqs)
}

fn create_queue(sqs: &mut Sqs, wanted: &str, now: Millis) -> Result<(), String> {
    let parts: Vec<_> = wanted.split(':').collect();
    let (name, dead_letters) = match parts.as_slice() {
        [name] => (*name, None),
        [name, dead, count] => (*name, Some((*dead, *count))),
        _ => return Err("expected NAME or NAME:DLQ:COUNT".to_owned()),
    };
    let mut kind = Vec::new();
    if Path::new(name).extension().is_some_and(|end| end == "fifo") {
        kind.push(("FifoQueue", "true"));
    }
    let mut policy = String::new();
    if let Some((dead, count)) = dead_letters {
        if !sqs.exists(dead) {
            let mut attributes = kind.clone();
            // A dead letter's age counts from the day that it was sent.
            attributes.push(("MessageRetentionPeriod", "1209600"));
            sqs.create_queue(dead, &attributes, now)
                .map_err(|error| error.to_string())?;
        }
        let target = sqs.arn(dead);
        policy = format!(r#"{{"deadLetterTargetArn":"{target}","maxReceiveCount":"{count}"}}"#);
    }
    kind.push(("RedrivePolicy", policy.as_str()));
    sqs.create_queue(name, &kind, now)
        .map_err(|error| error.to_string())
}

fn rules(file: &Path) -> Result<Vec<Rule>, Failure> {
    let read = std::fs::read(file).map_err(|error| error.to_string());
    let rules = read.and_then(|json| parse_rules(&json));
    rules.map_err(|why| usage(format!("--faults {}: {why}", file.display())))
}

fn announce(options: &Options, simulator: &Simulator) -> Result<(), Failure> {
    let mut lines = vec![
        format!("s3     {}", simulator.s3_url()),
        format!("sqs    {}", simulator.sqs_url()),
    ];
    lines.extend(simulator.admin_url().map(|url| format!("admin  {url}")));
    let queues = simulator.sqs().list_queues("");
    let queues = queues.iter().map(|name| simulator.queue_url(name));
    lines.extend(queues.map(|url| format!("queue  {url}")));
    let lines = lines.join("\n") + "\n";
    if let Some(file) = &options.ready_file {
        std::fs::write(file, &lines)
            .map_err(|error| usage(format!("--ready-file {}: {error}", file.display())))?;
    }
    // Whoever closed our output does not want to read it.
    writeln!(std::io::stdout(), "{lines}ready").ok();
    Ok(())
}
