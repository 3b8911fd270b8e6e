//! The simulator, the SDK's clients, and the scene of one fact.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, RequestChecksumCalculation};
use rebucket_simulator::clock::{Clock, Millis};
use rebucket_simulator::http::Simulator;
use rebucket_simulator::s3::BucketSettings;

use crate::answer::{Answer, Tap};
use crate::book::Fact;
use crate::step::Step;
use crate::{s3, sqs};

/// When everything happens: a whole second, so that dates can be expected.
const NOW: Millis = Millis(1_790_000_000_000);

pub(crate) struct Client {
    simulator: Simulator,
    pub(crate) s3: aws_sdk_s3::Client,
    pub(crate) sqs: aws_sdk_sqs::Client,
    tap: Tap,
}

impl Client {
    pub(crate) async fn start() -> Self {
        let simulator = Simulator::builder().clock(Clock::manual(NOW)).start().await;
        let simulator = simulator.unwrap();
        let tap = Tap::default();
        let credentials = Credentials::new("any", "any", None, None, "facts");
        let s3 = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(credentials.clone())
            .endpoint_url(simulator.s3_url())
            .force_path_style(true)
            // What is sent is what the fact says, and nothing else.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .retry_config(aws_sdk_s3::config::retry::RetryConfig::disabled())
            .interceptor(tap.clone())
            .build();
        let sqs = aws_sdk_sqs::Config::builder()
            .behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(credentials)
            .endpoint_url(simulator.sqs_url())
            .retry_config(aws_sdk_sqs::config::retry::RetryConfig::disabled())
            .interceptor(tap.clone())
            .build();
        Self {
            s3: aws_sdk_s3::Client::from_conf(s3),
            sqs: aws_sdk_sqs::Client::from_conf(sqs),
            simulator,
            tap,
        }
    }

    /// A new bucket, for one fact.
    pub(crate) fn scene(&self, fact: &Fact) -> Scene<'_> {
        let mut model = self.simulator.s3();
        let bucket = format!("fact-{}", model.buckets().count());
        let settings = BucketSettings {
            object_lock: fact.lock,
            ..BucketSettings::default()
        };
        let now = self.simulator.clock().now();
        model.create_bucket(&bucket, settings, now).unwrap();
        Scene {
            client: self,
            bucket,
            answers: BTreeMap::new(),
        }
    }
}

/// A bucket, and the answers that have names.
pub(crate) struct Scene<'c> {
    client: &'c Client,
    bucket: String,
    answers: BTreeMap<String, Answer>,
}

/// Why nothing was sent; else a body that was streamed, or the code of an error.
pub(crate) type Sent = Result<Result<Option<String>, Option<String>>, String>;

impl Scene<'_> {
    /// Carries out one step.
    pub(crate) async fn ask(&mut self, line: &str) -> Result<Answer, String> {
        let line = self.filled(line)?;
        let mut step = Step::parse(&line)?;
        let arguments = &mut step.arguments;
        if step.operation == "Wait" {
            let seconds = arguments.parsed("Seconds")?.ok_or("Seconds is missing")?;
            self.client
                .simulator
                .clock()
                .advance(Duration::from_secs(seconds));
            return Ok(Answer::default());
        }
        let sent = if sqs::knows(&step.operation) {
            sqs::send(self.client, &step.operation, arguments).await
        } else {
            arguments.default("Bucket", &self.bucket);
            s3::send(self.client, &step.operation, arguments).await
        };
        let sent = sent.map_err(|why| format!("`{line}`: {why}"))?;
        let mut answer = self.client.tap.take();
        match sent {
            Ok(Some(body)) => answer.body = body,
            Ok(None) => {}
            Err(code) => answer.code = code,
        }
        if let Some(name) = step.name {
            self.answers.insert(name, answer.clone());
        }
        Ok(answer)
    }

    /// Replaces `{bucket}`, `{now}`, `{now+60}`, `{now-60}` (seconds since 1970)
    /// and `{name.Field}`.
    pub(crate) fn filled(&self, text: &str) -> Result<String, String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (what, tail) = after.split_once('}').ok_or("a brace is never closed")?;
            out.push_str(before);
            out.push_str(&self.value(what)?);
            rest = tail;
        }
        out.push_str(rest);
        Ok(out)
    }

    fn value(&self, what: &str) -> Result<String, String> {
        if what == "bucket" {
            return Ok(self.bucket.clone());
        }
        if let Some(offset) = what.strip_prefix("now") {
            let now = i64::try_from(self.client.simulator.clock().now().seconds());
            let offset: i64 = if offset.is_empty() {
                0
            } else {
                offset.parse().map_err(|_| format!("{{{what}}}"))?
            };
            return Ok((now.unwrap() + offset).to_string());
        }
        let (name, field) = what.split_once('.').ok_or_else(|| format!("{{{what}}}"))?;
        let answer = self.answers.get(name);
        let found = answer.ok_or_else(|| format!("no answer is named {name}"))?;
        let first = found.all(field).into_iter().next();
        first.ok_or_else(|| format!("{what} is not in {found}"))
    }
}
