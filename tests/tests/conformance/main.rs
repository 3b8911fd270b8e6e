//! What S3 and SQS do, checked on the simulator and on the servers that are
//! not AWS: the same checks on each, through the AWS SDK.
//!
//! A check states what AWS documents. `differences.rs` says which servers are
//! known to do something else; a test passes when it sees exactly that.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "in a test a failed unwrap is a failed test, helpers included"
)]

mod agreeable;
mod answer;
mod check;
mod differences;
mod document;
mod quirks;
mod s3;
mod sqs;

use std::collections::BTreeSet;

use rebucket_simulator::http::Simulator;
use rebucket_tests::Servers;

use check::{Difference, assert_as_known};

/// Checks mostly wait for a server.
const AT_ONCE: usize = 8;

/// moto answers 500 to a listing while another request changes the bucket.
const ONE_BY_ONE: usize = 1;

async fn check_s3(server: &str, url: &str, access_key: &str, secret: &str, known: &[Difference]) {
    let place = s3::Server::new(url, access_key, secret);
    let at_once = if server == "moto" {
        ONE_BY_ONE
    } else {
        AT_ONCE
    };
    let seen = check::run(s3::GROUPS, at_once, |check| {
        s3::S3::new(place.clone(), check)
    });
    assert_as_known(server, &seen.await, known);
}

async fn check_sqs(server: &str, url: &str, access_key: &str, secret: &str, known: &[Difference]) {
    let place = sqs::Sqs::new(url, access_key, secret);
    let seen = check::run(sqs::GROUPS, AT_ONCE, |_| place.clone());
    assert_as_known(server, &seen.await, known);
}

/// A simulator that checks signatures, for the test that it is started in.
async fn simulator() -> Simulator {
    let builder = Simulator::builder().auth("key", "secret");
    builder.start().await.expect("a simulator")
}

#[tokio::test]
async fn s3_of_the_simulator() {
    let it = simulator().await;
    check_s3(
        "the simulator",
        it.s3_url(),
        "key",
        "secret",
        differences::S3_SIMULATOR,
    )
    .await;
}

#[tokio::test]
async fn sqs_of_the_simulator() {
    let it = simulator().await;
    check_sqs(
        "the simulator",
        it.sqs_url(),
        "key",
        "secret",
        differences::SQS_SIMULATOR,
    )
    .await;
}

#[tokio::test]
async fn s3_of_seaweedfs() {
    let all = Servers::from_env();
    let (key, secret) = (&all.access_key, &all.secret_key);
    check_s3("SeaweedFS", &all.s3, key, secret, differences::S3_SEAWEEDFS).await;
}

#[tokio::test]
async fn s3_of_moto() {
    let all = Servers::from_env();
    let (key, secret) = (&all.access_key, &all.secret_key);
    check_s3("moto", &all.moto, key, secret, differences::S3_MOTO).await;
}

#[tokio::test]
async fn sqs_of_ministack() {
    let all = Servers::from_env();
    let (key, secret) = (&all.access_key, &all.secret_key);
    check_sqs(
        "MiniStack",
        &all.sqs,
        key,
        secret,
        differences::SQS_MINISTACK,
    )
    .await;
}

#[tokio::test]
async fn sqs_of_moto() {
    let all = Servers::from_env();
    let (key, secret) = (&all.access_key, &all.secret_key);
    check_sqs("moto", &all.moto, key, secret, differences::SQS_MOTO).await;
}

/// A check that nothing can fail proves nothing: none passes on a server that
/// agrees to everything and does nothing.
#[tokio::test]
async fn every_check_can_fail() {
    let url = agreeable::start().await;
    let place = s3::Server::new(&url, "key", "secret");
    let s3 = check::run(s3::GROUPS, AT_ONCE, |check| {
        s3::S3::new(place.clone(), check)
    });
    let place = sqs::Sqs::new(&url, "key", "secret");
    let sqs = check::run(sqs::GROUPS, AT_ONCE, |_| place.clone());
    let (s3, sqs) = (s3.await, sqs.await);
    let s3_names = s3::GROUPS.iter().flat_map(|group| group.checks);
    let sqs_names = sqs::GROUPS.iter().flat_map(|group| group.checks);
    let mut passed = Vec::new();
    passed.extend(
        s3_names
            .map(|one| one.name)
            .filter(|name| !s3.contains_key(name)),
    );
    passed.extend(
        sqs_names
            .map(|one| one.name)
            .filter(|name| !sqs.contains_key(name)),
    );
    assert!(passed.is_empty(), "these cannot fail: {passed:?}");
}

#[test]
fn the_table_names_checks_that_exist() {
    let mut names = BTreeSet::new();
    let s3 = s3::GROUPS.iter().flat_map(|group| group.checks);
    let sqs = sqs::GROUPS.iter().flat_map(|group| group.checks);
    let (s3, sqs): (Vec<_>, Vec<_>) = (s3.map(|c| c.name).collect(), sqs.map(|c| c.name).collect());
    for name in s3.iter().chain(&sqs) {
        assert!(names.insert(*name), "two checks are named {name}");
    }
    for (table, checks) in [
        (differences::S3_SIMULATOR, &s3),
        (differences::S3_SEAWEEDFS, &s3),
        (differences::S3_MOTO, &s3),
        (differences::SQS_SIMULATOR, &sqs),
        (differences::SQS_MINISTACK, &sqs),
        (differences::SQS_MOTO, &sqs),
    ] {
        let mut seen = BTreeSet::new();
        for (name, _) in table {
            assert!(checks.contains(name), "{name} is not a check");
            assert!(seen.insert(name), "{name} is twice in a table");
        }
    }
}

#[test]
fn the_document_is_up_to_date() {
    document::assert_up_to_date();
}
