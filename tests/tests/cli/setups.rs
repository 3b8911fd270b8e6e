//! Environments as users have them: what works in them, and what is said where
//! something is missing.

use rebucket_simulator::http::Simulator;
use rebucket_tests::{Bucket, Proxy, Reply, Rule, Servers, until};

use crate::command::Call;
use crate::support::Bench;

/// A bench on a simulator, behind a proxy.
struct Site {
    simulator: Simulator,
    bench: Bench,
    proxy: Proxy,
}

impl Site {
    async fn new() -> Self {
        let simulator = Simulator::builder().start().await.unwrap();
        let servers = Servers::simulated(&simulator);
        let proxy = Proxy::start(&servers).await;
        let bucket = Bucket::create(servers.s3_client(&servers.s3)).await;
        let bench = Bench::around(servers, bucket);
        Self {
            simulator,
            bench,
            proxy,
        }
    }

    fn rebucket(&self, arguments: &str) -> Call {
        self.bench.rebucket(arguments).behind(&self.proxy)
    }

    /// Writes a profile file, and returns the call that reads it, without other
    /// credentials.
    fn with_profiles(&self, arguments: &str, profiles: &str) -> Call {
        self.bench.write("config", profiles);
        let path = self.bench.path("config");
        self.rebucket(arguments)
            .without_credentials()
            .env("AWS_CONFIG_FILE", path.to_str().unwrap())
            .env("HOME", "/nonexistent")
    }
}

#[tokio::test]
async fn a_bucket_in_another_region_is_asked_there() {
    for (status, code) in [
        (301, "PermanentRedirect"),
        (400, "AuthorizationHeaderMalformed"),
    ] {
        let site = Site::new().await;
        let pairs = site.bench.renames("m.csv", 2).await;
        let elsewhere = Reply::error(status, code).header("x-amz-bucket-region", "eu-west-1");
        let wrong = Rule::when(|seen| seen.scope.contains("/us-east-1/s3/"));
        site.proxy.rule(wrong.answer(elsewhere));
        site.rebucket("run m.csv").end().await.is(0);
        site.bench.assert_renamed(&pairs).await;
        let mut log = site.proxy.log().into_iter();
        let wrong = log
            .by_ref()
            .filter(|seen| seen.scope.contains("/us-east-1/"));
        assert!(
            wrong.count() < 5,
            "it is asked elsewhere once, not each time"
        );
    }
}

#[tokio::test]
async fn a_redirect_that_names_no_other_region_is_told_as_it_is() {
    let site = Site::new().await;
    site.bench.renames("m.csv", 1).await;
    let redirect = Reply::error(301, "PermanentRedirect");
    site.proxy.rule(Rule::when(|_| true).answer(redirect));
    for command in ["run m.csv", "plan m.csv --pin head"] {
        let ended = site.rebucket(command).end().await.is(3);
        assert!(ended.err.contains("set AWS_REGION"), "{ended:?}");
    }
}

#[tokio::test]
async fn credentials_that_expired_are_read_again() {
    let site = Site::new().await;
    let pairs = site.bench.renames("m.csv", 3).await;
    let write = |key: &str| {
        let keys = format!("aws_access_key_id = {key}\naws_secret_access_key = x\n");
        site.bench.write("config", format!("[default]\n{keys}"));
    };
    // HEAD answers it without a body.
    let expired = Rule::when(|seen| seen.scope.starts_with("OLD/") && seen.key.starts_with("old/"));
    site.proxy
        .rule(expired.answer(Reply::error(400, "ExpiredToken")));
    let run = site.with_profiles("run m.csv", "");
    write("OLD");
    let run = run.start();
    until("the credentials are refused", || async {
        let log = site.proxy.log();
        let refused = log.iter().any(|seen| seen.key.starts_with("old/"));
        refused.then_some(())
    })
    .await;
    write("NEW");
    let ended = run.end().await.is(0);
    assert!(ended.err.contains("have expired"), "{ended:?}");
    site.bench.assert_renamed(&pairs).await;
}

#[tokio::test]
async fn a_wrong_clock_is_no_refusal() {
    let site = Site::new().await;
    let pairs = site.bench.renames("m.csv", 1).await;
    let skewed = Rule::when(|seen| seen.key.starts_with("old/")).times(4);
    let reply = Reply::error(403, "RequestTimeTooSkewed");
    site.proxy.rule(skewed.answer(reply));
    site.rebucket("run m.csv").end().await.is(0);
    site.bench.assert_renamed(&pairs).await;
}

#[tokio::test]
async fn a_refusal_without_a_body_is_explained() {
    let site = Site::new().await;
    site.bench.renames("m.csv", 1).await;
    for (status, code, reason) in [
        (403, "AccessDenied", "access_denied"),
        (400, "KeyTooLongError", "invalid_request"),
    ] {
        let on_source = Rule::when(|seen| seen.key.starts_with("old/")).times(2);
        site.proxy
            .rule(on_source.answer(Reply::error(status, code)));
        site.rebucket("run m.csv --retry-failed").end().await.is(1);
        let outcomes = site.bench.outcomes("m.report").await;
        let last = outcomes.last().unwrap();
        assert_eq!(last["reason"], reason, "{last}");
        let detail = last["detail"].as_str().unwrap();
        assert!(
            detail.contains(code) && detail.contains("by the test's proxy"),
            "{detail}"
        );
    }
}

#[tokio::test]
async fn a_bucket_that_moves_is_asked_again() {
    let site = Site::new().await;
    let pairs = site.bench.renames("m.csv", 1).await;
    let moved = Rule::on("CopyObject").times(2);
    site.proxy
        .rule(moved.answer(Reply::error(307, "TemporaryRedirect")));
    site.rebucket("run m.csv").end().await.is(0);
    site.bench.assert_renamed(&pairs).await;
}

#[tokio::test]
async fn weak_etags_are_named_at_once() {
    let site = Site::new().await;
    site.bench.renames("m.csv", 1).await;
    site.proxy.rule(Rule::when(|_| true).weaken_etag());
    let ended = site.rebucket("run m.csv").end().await.is(3);
    assert!(ended.err.contains("is a weak one"), "{ended:?}");
    let puts = site.proxy.log();
    let puts = puts.iter().filter(|seen| seen.operation == "PutObject");
    assert!(
        puts.count() <= 2,
        "a weak ETag does not become a strong one"
    );
}

#[tokio::test]
async fn a_misspelt_profile_is_named() {
    let site = Site::new().await;
    site.bench.renames("m.csv", 1).await;
    let call = site.with_profiles("run m.csv", "[profile right]\nregion = us-east-1\n");
    let ended = call.env("AWS_PROFILE", "rihgt").end().await.is(2);
    for words in ["AWS_PROFILE names the profile rihgt", "right"] {
        assert!(ended.err.contains(words), "{ended:?}");
    }
}

#[tokio::test]
async fn credentials_of_a_process_are_taken() {
    let site = Site::new().await;
    let pairs = site.bench.renames("m.csv", 1).await;
    site.bench.write(
        "cred.json",
        r#"{"Version":1,"AccessKeyId":"PROCESS","SecretAccessKey":"x"}"#,
    );
    let path = site.bench.path("cred.json");
    let profile = format!("[profile p]\ncredential_process = cat {}\n", path.display());
    let call = site.with_profiles("run m.csv", &profile);
    let path = std::env::var("PATH").unwrap();
    call.env("AWS_PROFILE", "p")
        .env("PATH", &path)
        .end()
        .await
        .is(0);
    site.bench.assert_renamed(&pairs).await;
    let log = site.proxy.log();
    assert!(log.iter().all(|seen| seen.scope.starts_with("PROCESS/")));
}

#[tokio::test]
async fn a_variable_with_a_newline_is_named() {
    let site = Site::new().await;
    site.bench.renames("m.csv", 1).await;
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"] {
        for command in [
            "run m.csv",
            "plan m.csv --pin head",
            "map s3://bkt/ --to s3://bkt/x/",
        ] {
            let ended = site
                .rebucket(command)
                .env(name, "us-east-1\n")
                .end()
                .await
                .is(2);
            assert!(ended.err.contains(&format!("variable {name}")), "{ended:?}");
        }
    }
    assert!(site.proxy.log().is_empty());
}

#[tokio::test]
async fn an_endpoint_may_have_a_path() {
    let site = Site::new().await;
    let bucket = &site.bench.bucket.name;
    for slash in ["", "/"] {
        let base = format!("{}/base{slash}", site.proxy.s3);
        let call = site
            .bench
            .rebucket(&format!("map s3://{bucket}/ --to s3://{bucket}/x/"));
        let _ended = call.env("AWS_ENDPOINT_URL_S3", &base).end().await;
        let asked = site.proxy.log().pop().unwrap().path;
        let right = format!("/base/{bucket}");
        assert!(asked.starts_with(&right), "{asked} is not below {right}");
    }
}

#[tokio::test]
async fn the_queues_own_host_comes_before_an_endpoint_for_all() {
    let site = Site::new().await;
    site.bench.renames("m.csv", 1).await;
    let queue = rebucket_tests::Queue::create(&site.bench.servers, 5).await;
    let ended = site
        .bench
        .rebucket("submit m.csv --queue-url")
        .arg(&queue.url)
        .env("AWS_ENDPOINT_URL_SQS", "")
        .env("AWS_ENDPOINT_URL", &site.proxy.s3)
        .end()
        .await;
    ended.is(0);
    assert_eq!(queue.depth().await[0], 1);
}

#[tokio::test]
async fn a_bundle_without_certificates_is_refused() {
    let site = Site::new().await;
    site.bench.renames("m.csv", 1).await;
    site.bench.write("empty.pem", "");
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    site.bench.write("broken.pem", broken);
    for file in ["empty.pem", "broken.pem", "missing.pem"] {
        let path = site.bench.path(file);
        let call = site.rebucket("run m.csv");
        let call = call.env("AWS_CA_BUNDLE", path.to_str().unwrap());
        let ended = call.end().await.is(2);
        assert!(ended.err.contains("AWS_CA_BUNDLE names"), "{ended:?}");
    }
}

#[tokio::test]
async fn the_requester_says_that_he_pays() {
    let site = Site::new().await;
    site.bench.renames("m.csv", 1).await;
    site.rebucket("run m.csv --requester-pays")
        .end()
        .await
        .is(0);
    let log = site.proxy.log();
    assert!(
        !log.is_empty() && log.iter().all(|seen| seen.pays),
        "{log:?}"
    );
}

/// As `LocalStack` 4.14 does.
#[tokio::test]
async fn an_endpoint_that_refuses_the_deletes_condition_can_be_worked_with() {
    let site = Site::new().await;
    site.simulator.s3().quirks.refuse_if_match_on_delete = true;
    let pairs = site.bench.renames("m.csv", 3).await;
    let ended = site.rebucket("run m.csv").end().await.is(2);
    for words in ["takes no request with If-Match on DeleteObject", "emulate"] {
        assert!(ended.err.contains(words), "{ended:?}");
    }
    let keys = site.bench.bucket.keys().await;
    assert_eq!(keys.len(), 3, "scratch objects are left: {keys:?}");
    let run = "run m.csv --on-missing-precondition emulate";
    site.rebucket(run).end().await.is(0);
    site.bench.assert_renamed(&pairs).await;
}

#[tokio::test]
async fn a_manifest_on_s3_is_asked_for_again() {
    let site = Site::new().await;
    let pairs = site.bench.renames("m.csv", 1).await;
    let text = std::fs::read(site.bench.path("m.csv")).unwrap();
    site.bench.bucket.put_plain("lists/m.csv", &text).await;
    let on_list = || Rule::when(|seen| seen.key == "lists/m.csv");
    site.proxy.rule(on_list().once().answer(Reply::slow_down()));
    site.proxy.rule(on_list().once().lose_reply());
    let manifest = site.bench.uri("lists/m.csv");
    let ended = site
        .rebucket(&format!("run {manifest} --report m.report"))
        .end()
        .await;
    ended.is(0);
    let keys = site.bench.bucket.keys().await;
    assert_eq!(keys, ["lists/m.csv", &pairs[0].1]);
}
