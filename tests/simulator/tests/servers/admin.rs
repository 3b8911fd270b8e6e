//! The administration.

use rebucket_simulator::clock::Clock;
use rebucket_simulator::http::Simulator;

use crate::client::{admin, s3};

#[tokio::test]
async fn everything_is_done_over_http() {
    let clock = Clock::manual(Clock::system().now());
    let builder = Simulator::builder().clock(clock.clone()).admin_port(0);
    let simulator = builder.start().await.unwrap();
    s3(&simulator, "PUT", "/b", &[], "").await.unwrap();

    let sparse = r#"{"bucket":"b","key":"k","size":10000000000,"seed":1,"part_size":1000000000,
                     "storage_class":"STANDARD_IA"}"#;
    let made = admin(&simulator, "POST", "/sparse", sparse).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let head = s3(&simulator, "HEAD", "/b/k", &[], "").await.unwrap();
    assert_eq!(head.headers["content-length"], "10000000000");
    assert_eq!(head.headers["x-amz-storage-class"], "STANDARD_IA");

    let rule =
        r#"{"operations":["HeadObject"],"action":{"kind":"error","status":503,"code":"SlowDown"}}"#;
    let added = admin(&simulator, "POST", "/faults", rule).await;
    assert_eq!(added.json()["ids"][0], 1);
    assert_eq!(
        s3(&simulator, "HEAD", "/b/k", &[], "")
            .await
            .unwrap()
            .status,
        503
    );
    assert_eq!(
        admin(&simulator, "GET", "/faults", "").await.json()[0]["struck"],
        1
    );
    assert_eq!(
        admin(&simulator, "DELETE", "/faults/1", "").await.status,
        200
    );
    assert_eq!(
        s3(&simulator, "HEAD", "/b/k", &[], "")
            .await
            .unwrap()
            .status,
        200
    );

    let counts = admin(&simulator, "GET", "/requests", "").await.json();
    assert_eq!(counts["operations"]["HeadObject"], 3);
    assert_eq!(counts["faults"], 1);
    let log = admin(&simulator, "GET", "/requests/log", "").await.json();
    assert_eq!(log[2]["fault"], "error 503 SlowDown before");
    admin(&simulator, "DELETE", "/requests", "").await;
    assert_eq!(simulator.requests().counts().total, 0);

    let expiry = r#"{"bucket":"b","rules":[{"id":"sweep","prefix":"k","days":7}]}"#;
    assert_eq!(
        admin(&simulator, "POST", "/expiry", expiry).await.status,
        200
    );
    let head = s3(&simulator, "HEAD", "/b/k", &[], "").await.unwrap();
    let told = head.headers["x-amz-expiration"].to_str().unwrap();
    assert!(told.starts_with("expiry-date=\""), "{told}");
    assert!(
        told.ends_with(" 00:00:00 GMT\", rule-id=\"sweep\""),
        "{told}"
    );

    let before = clock.now().0;
    admin(&simulator, "POST", "/clock/advance", r#"{"ms":1500}"#).await;
    assert_eq!(clock.now().0, before + 1_500);
}

#[tokio::test]
async fn mistakes_are_explained() {
    let simulator = Simulator::builder().admin_port(0).start().await.unwrap();
    for (method, path, body, status) in [
        ("POST", "/faults", r#"{"action":{"kind":"nonsense"}}"#, 400),
        (
            "POST",
            "/faults",
            r#"{"operation":"x","action":{"kind":"reset"}}"#,
            400,
        ),
        ("POST", "/clock/advance", r#"{"ms":1}"#, 409),
        (
            "POST",
            "/sparse",
            r#"{"bucket":"none","key":"k","size":1}"#,
            400,
        ),
        ("POST", "/disorder", r#"{"queue":"none"}"#, 400),
        ("DELETE", "/faults/7", "", 404),
        ("GET", "/nothing", "", 404),
    ] {
        let reply = admin(&simulator, method, path, body).await;
        assert_eq!(reply.status, status, "{method} {path}");
        assert!(reply.json()["error"].is_string());
    }
}
