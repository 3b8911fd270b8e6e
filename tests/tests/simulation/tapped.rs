//! The adapters of S3 and SQS on a line that is listened in on.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use rebucket_worker::metrics::Metrics;
use rebucket_worker::queue::sqs::SqsQueue;
use rebucket_worker::store::s3::S3Store;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A request as it was sent.
#[derive(Debug)]
pub(crate) struct Sent {
    /// When all of it had arrived.
    pub(crate) at: Instant,
    /// Method, path and query.
    pub(crate) line: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Sent {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(crate) fn asks(&self, parameter: &str) -> bool {
        let target = self.line.split(' ').nth(1).unwrap();
        let query = target.split_once('?').map_or("", |(_, query)| query);
        query.split('&').any(|pair| pair == parameter)
    }
}

fn receive(mut stream: TcpStream, answer: &[u8]) -> Sent {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4_096];
    let (head, length) = loop {
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "the request is cut off");
        bytes.extend_from_slice(&buffer[..read]);
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let length = head
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .map_or(0, |(_, value)| value.trim().parse::<usize>().unwrap());
            if bytes.len() >= end + 4 + length {
                break (head, end + 4);
            }
        }
    };
    let at = Instant::now();
    stream.write_all(answer).unwrap();
    let mut lines = head.lines();
    let line = lines.next().unwrap().to_owned();
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let body = String::from_utf8_lossy(&bytes[length..]).into_owned();
    Sent {
        at,
        line,
        headers,
        body,
    }
}

/// A service that gives these answers, one a connection, and the requests
/// that it got.
fn service(answers: Vec<Vec<u8>>) -> (String, JoinHandle<Vec<Sent>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = std::thread::spawn(move || {
        answers
            .iter()
            .map(|answer| receive(listener.accept().unwrap().0, answer))
            .collect()
    });
    (url, serving)
}

pub(crate) fn answer(headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut text = "HTTP/1.1 200 OK\r\nconnection: close\r\n".to_owned();
    for (name, value) in headers {
        text.extend([name, ": ", value, "\r\n"]);
    }
    if !headers.iter().any(|(name, _)| *name == "content-length") {
        text.extend(["content-length: ", &body.len().to_string(), "\r\n"]);
    }
    text.extend(["\r\n", body]);
    text.into_bytes()
}

fn credentials() -> Credentials {
    Credentials::new("key", "secret", None, None, "test")
}

/// What one call of the store sends, and what it makes of this answer.
pub(crate) fn send<T>(
    answers: Vec<Vec<u8>>,
    call: impl AsyncFnOnce(&S3Store) -> T,
) -> (Vec<Sent>, T) {
    let (url, serving) = service(answers);
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials())
        .force_path_style(true)
        .endpoint_url(url)
        .retry_config(aws_sdk_s3::config::retry::RetryConfig::disabled())
        .build();
    let store = S3Store::new(
        &aws_sdk_s3::Client::from_conf(config),
        Metrics::new().unwrap(),
    );
    let told = runtime().block_on(call(&store));
    (serving.join().unwrap(), told)
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// The same of an open queue, whose opening is answered as well.
pub(crate) fn send_to_queue<T>(
    answers: Vec<Value>,
    call: impl AsyncFnOnce(&SqsQueue) -> T,
) -> (Vec<Sent>, T) {
    let policy = json!({"deadLetterTargetArn": "arn:aws:sqs:r:1:dead", "maxReceiveCount": 5});
    let opening = [
        json!({"Attributes": {"RedrivePolicy": policy.to_string()}}),
        json!({"QueueUrl": "http://queue.test/1/dead"}),
    ];
    let kind = ("content-type", "application/x-amz-json-1.0");
    let answers = opening.into_iter().chain(answers);
    let answers = answers.map(|body| answer(&[kind], &body.to_string()));
    let (url, serving) = service(answers.collect());
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest())
        .region(aws_sdk_sqs::config::Region::new("us-east-1"))
        .credentials_provider(credentials())
        .endpoint_url(url)
        .retry_config(aws_sdk_sqs::config::retry::RetryConfig::disabled())
        .build();
    let client = aws_sdk_sqs::Client::from_conf(config);
    let told = runtime().block_on(async {
        let (metrics, stop) = (Metrics::new().unwrap(), CancellationToken::new());
        let queue = SqsQueue::open(client, "http://queue.test/1/jobs", metrics, &stop);
        call(&queue.await.unwrap()).await
    });
    let sent = serving.join().unwrap();
    (sent.into_iter().skip(2).collect(), told)
}
