//! What `rebucket submit` is measured against: the messages of a plan, sent in
//! batches of ten by the SDK alone, with nothing kept of what has arrived.
//! Prints one JSON object.
//!
//! ```text
//! bare_send PLAN QUEUE_URL AT_ONCE
//! ```

use std::error::Error;
use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use aws_config::BehaviorVersion;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use rebucket_planner::{PlanReader, Submission};
use rebucket_protocol::{IfExists, JobId, JobOptions, SubmissionId, Timestamp, encode};
use tokio::task::JoinSet;

type Bodies = Arc<Mutex<std::vec::IntoIter<String>>>;
type Failed = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [plan, queue, at_once] = args.as_slice() else {
        return Err("usage: bare_send PLAN QUEUE_URL AT_ONCE".into());
    };
    // Not part of the time: the loop is as bare as can be.
    let bodies = bodies(plan)?;
    let count = bodies.len();
    let bodies = Arc::new(Mutex::new(bodies.into_iter()));
    let config = aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await;
    let client = Client::new(&config);
    let started = Instant::now();
    let mut senders = JoinSet::new();
    for _ in 0..at_once.parse()? {
        senders.spawn(send(client.clone(), queue.clone(), Arc::clone(&bodies)));
    }
    while let Some(ended) = senders.join_next().await {
        ended??;
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("{{\"messages\":{count},\"seconds\":{seconds:.3}}}");
    Ok(())
}

/// The bodies that `submit --job bench` makes.
fn bodies(plan: &str) -> Result<Vec<String>, Failed> {
    let job = JobId::new("bench")?;
    let options = JobOptions::default();
    let submission = Submission {
        id: Some(SubmissionId::from_bits(1)),
        at: Some(Timestamp::now()),
    };
    let task = |rename: rebucket_planner::PlannedRename| {
        rename.into_task(&job, &options, IfExists::default(), submission)
    };
    PlanReader::open(File::open(plan)?)?
        .map(|rename| Ok(encode(&task(rename?)?)?))
        .collect()
}

/// Sends batches until there are no more bodies.
async fn send(client: Client, queue: String, bodies: Bodies) -> Result<(), Failed> {
    loop {
        let batch: Vec<String> = {
            let mut bodies = bodies.lock().unwrap_or_else(PoisonError::into_inner);
            bodies.by_ref().take(10).collect()
        };
        if batch.is_empty() {
            return Ok(());
        }
        let entries = batch.into_iter().enumerate().map(|(index, body)| {
            SendMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .message_body(body)
                .build()
        });
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        let request = client.send_message_batch().queue_url(&queue);
        let answer = request.set_entries(Some(entries)).send().await?;
        if let Some(failure) = answer.failed().first() {
            return Err(format!("an entry was refused: {failure:?}").into());
        }
    }
}
