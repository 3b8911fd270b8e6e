//! A server on loopback that answers each request with the bytes it is given,
//! valid HTTP or not, and the clients that are pointed at it.

use std::cell::OnceCell;
use std::sync::LazyLock;
use std::time::Duration;

use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// One answer must be enough, whatever it is.
const LIMIT: Duration = Duration::from_secs(20);

thread_local! {
    static RUNTIME: OnceCell<tokio::runtime::Runtime> = const { OnceCell::new() };
}

/// Runs a future on this thread's own runtime, which keeps connections alive.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.with(|runtime| {
        let made = || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
        };
        runtime.get_or_init(made).block_on(future)
    })
}

fn credentials() -> Credentials {
    Credentials::new("key", "secret", None, None, "test")
}

/// A client as `rebucket_worker::clients` makes it: one request a call.
pub(crate) fn s3_client(url: &str) -> aws_sdk_s3::Client {
    static BASE: LazyLock<aws_sdk_s3::Config> = LazyLock::new(|| {
        aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(credentials())
            .force_path_style(true)
            .retry_config(aws_sdk_s3::config::retry::RetryConfig::disabled())
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .build()
    });
    aws_sdk_s3::Client::from_conf(BASE.to_builder().endpoint_url(url).build())
}

pub(crate) fn sqs_client(url: &str) -> aws_sdk_sqs::Client {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials())
        .retry_config(aws_sdk_sqs::config::retry::RetryConfig::disabled())
        .endpoint_url(url)
        .build();
    aws_sdk_sqs::Client::from_conf(config)
}

/// A port that answers what it is told to.
pub(crate) struct Listener {
    port: TcpListener,
    pub(crate) url: String,
}

impl Listener {
    pub(crate) fn new() -> Self {
        let port = block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", port.local_addr().unwrap());
        Self { port, url }
    }

    /// Makes requests while they are answered with `answers`, one after the
    /// other and over again.
    pub(crate) fn answering<T>(&self, answers: &[Vec<u8>], requests: impl Future<Output = T>) -> T {
        let serve = async {
            let mut answers = answers.iter().cycle();
            loop {
                let (stream, _) = self.port.accept().await.unwrap();
                // A client that goes away early ends only its own connection.
                drop(answer(stream, answers.next().unwrap()).await);
            }
        };
        block_on(async {
            tokio::select! {
                never = serve => never,
                done = tokio::time::timeout(LIMIT, requests) => done.expect("an end in time"),
            }
        })
    }
}

async fn answer(mut stream: TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    let mut request = Vec::new();
    loop {
        let head = request.windows(4).position(|end| end == b"\r\n\r\n");
        if let Some(head) = head
            && request.len() >= head + 4 + body_length(&request[..head])
        {
            break;
        }
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    stream.write_all(bytes).await?;
    stream.shutdown().await
}

fn body_length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    length.map_or(0, |length| length.trim().parse().unwrap())
}

/// An answer whose body ends where its length says.
pub(crate) fn http(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let length = body.len().to_string();
    let mut all = vec![("content-length", length.as_str()), ("connection", "close")];
    all.extend_from_slice(headers);
    raw(status, &all, body)
}

/// An answer whose body ends where the connection does.
pub(crate) fn unmeasured(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut all = vec![("connection", "close")];
    all.extend_from_slice(headers);
    raw(status, &all, body)
}

fn raw(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} Some\r\n");
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    [head.as_bytes(), b"\r\n", body].concat()
}
