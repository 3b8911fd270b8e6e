//! The question for the creation dates of buckets, as it goes over the wire.

use std::collections::BTreeSet;

use rebucket_protocol::{BucketName, CreationDates};
use rebucket_worker::clients::S3Endpoint;
use rebucket_worker::metrics::Metrics;
use rebucket_worker::store_identity::creation_dates;
use tokio_util::sync::CancellationToken;

use crate::tapped::{Sent, answer, send};

fn elsewhere() -> S3Endpoint {
    S3Endpoint {
        url: Some("http://store.test".to_owned()),
    }
}

/// What is asked of an endpoint about two buckets, and what is known then.
fn ask(endpoint: &S3Endpoint, answers: Vec<Vec<u8>>) -> (Vec<Sent>, CreationDates) {
    let names = ["first", "second"].map(|name| BucketName::new(name).unwrap());
    send(answers, async |store| {
        let (metrics, stop) = (Metrics::new().unwrap(), CancellationToken::new());
        let buckets = BTreeSet::from(names);
        creation_dates(store, endpoint, &metrics, buckets, &stop).await
    })
}

fn page(buckets: &[(&str, &str)], next: &str) -> Vec<u8> {
    let buckets = buckets.iter().map(|(name, date)| {
        format!("<Bucket><Name>{name}</Name><CreationDate>{date}</CreationDate></Bucket>")
    });
    let buckets: String = buckets.collect();
    let body = format!(
        "<ListAllMyBucketsResult><Buckets>{buckets}</Buckets>\
         <ContinuationToken>{next}</ContinuationToken></ListAllMyBucketsResult>"
    );
    answer(&[], &body)
}

fn shown(dates: &CreationDates) -> Vec<String> {
    let dates = dates
        .iter()
        .map(|(bucket, date)| format!("{bucket} {date}"));
    dates.collect()
}

#[test]
fn every_page_is_read_until_all_buckets_are_found() {
    let (sent, dates) = ask(
        &elsewhere(),
        vec![
            page(
                &[
                    ("another", "2026-11-20T10:00:00.000Z"),
                    ("first", "2026-11-20T10:00:00.125Z"),
                ],
                "next",
            ),
            page(&[("second", "2026-11-21T10:00:00Z")], "more"),
        ],
    );
    assert_eq!(
        shown(&dates),
        [
            "first 2026-11-20T10:00:00.125Z",
            "second 2026-11-21T10:00:00Z"
        ]
    );
    assert_eq!(sent.len(), 2);
    assert!(sent[1].asks("continuation-token=next"), "{sent:?}");
}

#[test]
fn a_store_that_says_the_same_page_for_ever_is_asked_no_more() {
    let one = || page(&[("first", "2026-11-20T10:00:00Z")], "next");
    let (sent, dates) = ask(&elsewhere(), vec![one(), one()]);
    assert_eq!(shown(&dates), ["first 2026-11-20T10:00:00Z"]);
    assert_eq!(sent.len(), 2);
}

/// Nothing is known by it, and there is one more try.
#[test]
fn what_is_no_list_of_buckets_tells_nothing() {
    let whole = page(&[("first", "2026-11-20T10:00:00Z")], "");
    let cut = answer(
        &[],
        "<ListAllMyBucketsResult><Buckets><Bucket><Name>first</Name>\
         <CreationDate>2026-11-20T10:00:00Z</CreationDate></Bucket>",
    );
    let login = answer(&[("content-type", "text/html")], "<html>Log in</html>");
    for bad in [cut, login, answer(&[], "")] {
        let (sent, dates) = ask(&elsewhere(), vec![bad.clone(), bad.clone()]);
        assert_eq!((sent.len(), shown(&dates).len()), (2, 0));
        let (_, dates) = ask(&elsewhere(), vec![bad, whole.clone()]);
        assert_eq!(shown(&dates), ["first 2026-11-20T10:00:00Z"]);
    }
}

/// There a date may change with the bucket's policy.
#[test]
fn aws_is_not_asked() {
    let (sent, dates) = ask(&S3Endpoint { url: None }, Vec::new());
    assert!(sent.is_empty() && dates.is_empty());
}
