//! What Amazon's S3 and SQS were recorded to answer (`simulator/facts/`), asked
//! of the simulator through the AWS SDK.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "in a test a failed unwrap is a failed test, helpers included"
)]

mod answer;
mod book;
mod client;
mod expect;
mod s3;
mod sqs;
mod step;

use book::Fact;
use client::Client;

/// At least so many are there, however files are moved about.
const AT_LEAST: usize = 150;

#[tokio::test]
async fn the_simulator_answers_as_amazon_was_recorded() {
    let facts = book::facts();
    let recorded = facts.iter().filter(|f| f.unknown.is_none()).count();
    assert!(recorded >= AT_LEAST, "{recorded} recorded facts");
    let client = Client::start().await;
    let mut differences = Vec::new();
    for fact in &facts {
        if let Err(difference) = replay(&client, fact).await {
            differences.push(format!("{fact}\n    {difference}"));
        }
    }
    assert!(
        differences.is_empty(),
        "{} of {} facts differ:\n{}",
        differences.len(),
        facts.len(),
        differences.join("\n")
    );
}

/// Plays the steps of a fact in a bucket of its own, and compares the answer to
/// the last one.
async fn replay(client: &Client, fact: &Fact) -> Result<(), String> {
    let mut scene = client.scene(fact);
    for line in &fact.given {
        let answer = scene.ask(line).await?;
        if answer.status >= 300 && !line.trim_start().starts_with('?') {
            return Err(format!("given `{line}`: {answer}"));
        }
    }
    let answer = scene.ask(&fact.ask).await?;
    let expected = scene.filled(&fact.expect)?;
    expect::compare(&expected, &answer).map_err(|why| format!("{why}\n    {answer}"))
}
