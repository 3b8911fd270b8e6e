//! How `rebucket submit` sends.

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueHint};
use rebucket_protocol::S3Prefix;

/// How messages are sent, and how a submission is taken up again.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Sending")]
pub struct SendArgs {
    /// Keep account of what was sent in this file, by which the same command
    /// goes on where it stopped. [default: MANIFEST.checkpoint, beside a
    /// manifest that is a file; else none]
    #[arg(long, env = "REBUCKET_CHECKPOINT", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub checkpoint: Option<PathBuf>,

    /// Begin anew, whatever the checkpoint says.
    #[arg(long, env = "REBUCKET_AGAIN", value_parser = BoolishValueParser::new())]
    pub again: bool,

    /// The most batches of messages in flight. It begins with 16, has more
    /// while they are answered as quickly, and half as many when the queue
    /// throttles.
    #[arg(long, env = "REBUCKET_MAX_SENDS", value_name = "N", default_value_t = 64,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub max_sends: u16,

    /// Beside which prefix the temporary keys of chains, swaps and cycles go,
    /// at most one for each bucket: with s3://b/a/tmp/ they are in
    /// s3://b/a/.rebucket-in-transit/. The workers must be allowed to write
    /// there. [default: .rebucket-in-transit/ in the root of the source's
    /// bucket]
    #[arg(
        long,
        env = "REBUCKET_SCRATCH",
        value_name = "s3://BUCKET/PREFIX",
        value_delimiter = ','
    )]
    pub scratch: Vec<S3Prefix>,

    /// Send at most so many messages a second.
    #[arg(long, env = "REBUCKET_RATE", value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: Option<u32>,
}

/// What a job may cost.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Sending")]
pub struct ConsentArgs {
    /// Ask before a job is sent that is estimated at more than so many US
    /// dollars. Where there is no terminal to ask on, refuse it then; but
    /// only if this limit is given. [default: 10]
    #[arg(long, env = "REBUCKET_CONFIRM_ABOVE", value_name = "DOLLARS", value_parser = dollars)]
    pub confirm_above: Option<f64>,

    /// Send it, whatever it costs.
    #[arg(long, env = "REBUCKET_YES", value_parser = BoolishValueParser::new())]
    pub yes: bool,
}

fn dollars(text: &str) -> Result<f64, String> {
    let dollars = text.trim_start_matches('$').parse::<f64>().ok();
    dollars
        .filter(|dollars| dollars.is_finite() && *dollars >= 0.0)
        .ok_or_else(|| format!("expected a sum in US dollars such as 25 or 2.50, found {text:?}"))
}
