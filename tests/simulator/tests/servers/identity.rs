//! What marks an answer as the services' own, and answers that are not.

use rebucket_simulator::clock::{Clock, Millis};
use rebucket_simulator::http::{Action, Rule, Simulator};
use serde_json::json;

use crate::client::{Reply, admin, s3, sqs};

/// Fri, 15 Jan 2027 08:00:00 GMT.
const NOW: Millis = Millis(1_800_000_000_000);

async fn start() -> Simulator {
    let builder = Simulator::builder().clock(Clock::manual(NOW)).admin_port(0);
    let simulator = builder.start().await.unwrap();
    s3(&simulator, "PUT", "/b", &[], "").await.unwrap();
    simulator
}

/// A header that has to be there.
fn header<'r>(reply: &'r Reply, name: &str) -> &'r str {
    let value = reply.headers.get(name);
    value
        .unwrap_or_else(|| panic!("no {name}: {reply:?}"))
        .to_str()
        .unwrap()
}

#[tokio::test]
async fn every_answer_has_the_hour_of_this_clock_and_an_id_of_its_own() {
    let simulator = start().await;
    let mut ids = Vec::new();
    for (method, path) in [("PUT", "/b/k"), ("HEAD", "/b/k"), ("GET", "/b/missing")] {
        let reply = s3(&simulator, method, path, &[], "").await.unwrap();
        assert_eq!(header(&reply, "date"), "Fri, 15 Jan 2027 08:00:00 GMT");
        assert!(!header(&reply, "x-amz-id-2").is_empty());
        let id = header(&reply, "x-amz-request-id").to_owned();
        if reply.status == 404 {
            assert!(
                reply
                    .text()
                    .contains(&format!("<RequestId>{id}</RequestId>"))
            );
            assert!(reply.text().contains("<Key>missing</Key>"));
        }
        ids.push(id);
    }
    for name in ["q", "not a name"] {
        let reply = sqs(&simulator, "CreateQueue", json!({ "QueueName": name }));
        let reply = reply.await.unwrap();
        assert_eq!(header(&reply, "date"), "Fri, 15 Jan 2027 08:00:00 GMT");
        ids.push(header(&reply, "x-amzn-requestid").to_owned());
    }
    // Made up or not.
    simulator.fault(Rule::on("HeadObject", Action::error(503, "SlowDown")));
    let struck = s3(&simulator, "HEAD", "/b/k", &[], "").await.unwrap();
    assert_eq!(struck.status, 503);
    ids.push(header(&struck, "x-amz-request-id").to_owned());
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "{ids:?}");
}

#[tokio::test]
async fn an_answer_of_a_proxy_has_nothing_of_the_service() {
    let simulator = start().await;
    s3(&simulator, "PUT", "/b/k", &[], "x").await.unwrap();
    let rule = |when: &str| {
        format!(
            r#"{{"operations":["DeleteObject"],"times":1,"action":{{"kind":"proxy","status":404,
                 "content_type":"text/plain","body":"no route","when":"{when}"}}}}"#
        )
    };
    for (when, stays) in [("before", true), ("after", false)] {
        let added = admin(&simulator, "POST", "/faults", &rule(when)).await;
        assert_eq!(added.status, 200, "{}", added.text());
        let reply = s3(&simulator, "DELETE", "/b/k", &[], "").await.unwrap();
        assert_eq!((reply.status, reply.text()), (404, "no route"));
        assert_eq!(header(&reply, "content-type"), "text/plain");
        let foreign = |name: &str| name.starts_with("x-amz");
        assert!(
            !reply.headers.keys().any(|name| foreign(name.as_str())),
            "{reply:?}"
        );
        let model = simulator.s3();
        assert_eq!(model.bucket("b").unwrap().current("k").is_some(), stays);
    }
    let page = Rule::on("PutObject", Action::proxy(200));
    simulator.fault(page);
    let reply = s3(&simulator, "PUT", "/b/new", &[], "x").await.unwrap();
    assert_eq!(header(&reply, "content-type"), "text/html");
}

#[test]
fn a_clock_can_be_ahead_of_the_machine_or_behind() {
    let machine = Clock::system().now().seconds();
    for (seconds, expected) in [(40, machine + 40), (-40, machine - 40)] {
        let now = Clock::system_ahead(seconds).now().seconds();
        assert!((expected..expected + 5).contains(&now), "{seconds}: {now}");
    }
}

#[tokio::test]
async fn a_bucket_and_a_key_with_two_names() {
    let simulator = start().await;
    for (path, body) in [
        (
            "/aliases",
            r#"{"name":"other-s3alias","bucket":"b","access_point":true}"#,
        ),
        ("/folding", r#"{"bucket":"b","folding":"percent"}"#),
    ] {
        let done = admin(&simulator, "POST", path, body).await;
        assert_eq!(done.status, 200, "{}", done.text());
    }
    s3(&simulator, "PUT", "/b/x%252Fy", &[], "1").await.unwrap();
    for (bucket, alias) in [("b", "false"), ("other-s3alias", "true")] {
        let path = format!("/{bucket}/x/y");
        let found = s3(&simulator, "GET", &path, &[], "").await.unwrap();
        assert_eq!(found.text(), "1");
        let path = format!("/{bucket}");
        let head = s3(&simulator, "HEAD", &path, &[], "").await.unwrap();
        assert_eq!(header(&head, "x-amz-access-point-alias"), alias);
    }
    let copy = [("x-amz-copy-source", "other-s3alias/x%2Fy")];
    let onto_itself = s3(&simulator, "PUT", "/b/x/y", &copy, "").await.unwrap();
    assert_eq!(onto_itself.status, 400, "{}", onto_itself.text());
    // Not any more: there are keys.
    let late = admin(&simulator, "POST", "/folding", r#"{"bucket":"b"}"#).await;
    assert_eq!(late.status, 400);
}
