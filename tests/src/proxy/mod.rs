//! A proxy in front of the real servers that does to chosen requests what
//! networks and overloaded services do.
//!
//! Requests are forwarded as they came, `Host` included, so that their
//! signatures stay valid. What was forwarded is carried out whatever becomes
//! of the one who asked, as it is with a real server; only a long poll ends
//! with its client.

mod script;
mod seen;

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use script::{Action, Script};

pub use script::{Hold, On, Reply, Rule};
pub use seen::Seen;

use crate::servers::Servers;

/// A connection that breaks, on purpose or not. (A boxed error will not do: it
/// keeps the compiler from seeing that the connection may be spawned.)
type Failure = std::io::Error;
type Body = BoxBody<Bytes, hyper::Error>;

/// A proxy in front of an S3 and an SQS server, with one script and one log
/// for both. It ends when it is dropped.
pub struct Proxy {
    /// Where the S3 server seems to be.
    pub s3: String,
    /// Where the SQS server seems to be.
    pub sqs: String,
    shared: Arc<Shared>,
    listening: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    script: Script,
    down: AtomicBool,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({}, {})", self.s3, self.sqs)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        for task in &self.listening {
            task.abort();
        }
    }
}

impl Proxy {
    /// Starts a proxy that forwards everything.
    pub async fn start(servers: &Servers) -> Self {
        let shared = Arc::<Shared>::default();
        let (s3, first) = listen(&servers.s3, &shared).await;
        let (sqs, second) = listen(&servers.sqs, &shared).await;
        Self {
            s3,
            sqs,
            shared,
            listening: vec![first, second],
        }
    }

    /// Adds a rule. Of several that match a request, the first one applies.
    pub fn rule(&self, rule: Rule) {
        self.shared.script.add(rule);
    }

    /// Adds a rule that holds something.
    #[must_use]
    pub fn hold(&self, (rule, hold): (Rule, Hold)) -> Hold {
        self.rule(rule);
        hold
    }

    /// Breaks every connection and every request from now on, or no longer.
    pub fn set_down(&self, down: bool) {
        self.shared.down.store(down, Ordering::SeqCst);
    }

    /// Every request so far, in the order in which they came.
    #[must_use]
    pub fn log(&self) -> Vec<Seen> {
        self.shared.script.log()
    }

    /// How many requests of an operation came, scratch ones left out.
    #[must_use]
    pub fn count(&self, operation: &str) -> usize {
        let log = self.log();
        log.iter()
            .filter(|seen| seen.operation == operation && !seen.is_scratch())
            .count()
    }
}

async fn listen(upstream: &str, shared: &Arc<Shared>) -> (String, JoinHandle<()>) {
    let authority = upstream.strip_prefix("http://").expect("a plain HTTP URL");
    let authority: Arc<str> = authority.trim_end_matches('/').into();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let shared = Arc::clone(shared);
    let task = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            if shared.down.load(Ordering::SeqCst) {
                continue;
            }
            tokio::spawn(serve(stream, Arc::clone(&authority), Arc::clone(&shared)));
        }
    });
    (format!("http://{address}"), task)
}

/// Serves one connection. It breaks when the handler fails, which is how a
/// reply gets lost.
async fn serve(stream: TcpStream, upstream: Arc<str>, shared: Arc<Shared>) {
    let service = service_fn(move |request| {
        let seen = Seen::of(&request);
        let waits = seen.operation == "ReceiveMessage";
        let handled = handle(request, seen, Arc::clone(&upstream), Arc::clone(&shared));
        async move {
            if waits {
                // A client that dies ends its long poll.
                return handled.await;
            }
            // On a task of its own: a client that dies does not take back
            // what it sent.
            let handled = tokio::spawn(handled).await;
            handled.unwrap_or_else(|error| Err(Failure::other(error)))
        }
    });
    let connection = hyper::server::conn::http1::Builder::new();
    let served = connection.serve_connection(TokioIo::new(stream), service);
    // Broken connections are this proxy's trade.
    drop(served.await);
}

async fn handle(
    request: Request<Incoming>,
    seen: Seen,
    upstream: Arc<str>,
    shared: Arc<Shared>,
) -> Result<Response<Body>, Failure> {
    if shared.down.load(Ordering::SeqCst) {
        return Err(Failure::other("the endpoint is down"));
    }
    match shared.script.take(&seen) {
        None => forward(request, &upstream).await,
        Some(Action::Answer(reply)) => {
            // Read first, or the connection breaks under the sender.
            request
                .into_body()
                .collect()
                .await
                .map_err(Failure::other)?;
            Ok(answer(reply))
        }
        Some(Action::AnswerAfterForwarding(reply)) => {
            carried_out(request, &upstream).await?;
            Ok(answer(reply))
        }
        Some(Action::WeakenETag) => {
            let mut reply = forward(request, &upstream).await?;
            let headers = reply.headers_mut();
            let weak = headers.get("etag").and_then(|etag| etag.to_str().ok());
            let weak = weak.and_then(|etag| HeaderValue::from_str(&format!("W/{etag}")).ok());
            if let Some(weak) = weak {
                headers.insert(hyper::header::ETAG, weak);
            }
            Ok(reply)
        }
        Some(Action::LoseReply) => {
            carried_out(request, &upstream).await?;
            Err(Failure::other("the reply is lost"))
        }
        Some(Action::HoldRequest(hold)) => {
            hold.wait().await;
            forward(request, &upstream).await
        }
        Some(Action::HoldReply(hold)) => {
            let reply = carried_out(request, &upstream).await?;
            hold.wait().await;
            Ok(reply)
        }
    }
}

/// Forwards a request; the reply is passed on as it comes.
async fn forward(request: Request<Incoming>, upstream: &str) -> Result<Response<Body>, Failure> {
    let stream = TcpStream::connect(upstream).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(Failure::other)?;
    tokio::spawn(connection);
    let reply = sender.send_request(request).await.map_err(Failure::other)?;
    Ok(reply.map(BodyExt::boxed))
}

/// Forwards a request and waits for the whole reply: the server is done.
async fn carried_out(
    request: Request<Incoming>,
    upstream: &str,
) -> Result<Response<Body>, Failure> {
    let (head, body) = forward(request, upstream).await?.into_parts();
    let body = body.collect().await.map_err(Failure::other)?.to_bytes();
    Ok(Response::from_parts(head, whole(body)))
}

fn answer(reply: Reply) -> Response<Body> {
    let mut response = Response::new(whole(Bytes::from(reply.body)));
    *response.status_mut() = reply.status;
    let xml = HeaderValue::from_static("application/xml");
    let headers = response.headers_mut();
    headers.insert(hyper::header::CONTENT_TYPE, xml);
    // As the services sign what they say; without it, nobody believes it.
    for id in ["x-amz-request-id", "x-amzn-requestid"] {
        let value = HeaderValue::from_static("PROXY");
        headers.insert(HeaderName::from_static(id), value);
    }
    if let Some((name, value)) = reply.header {
        let value = HeaderValue::from_str(&value).expect("a header's value");
        headers.insert(HeaderName::from_static(name), value);
    }
    response
}

fn whole(bytes: Bytes) -> Body {
    Full::new(bytes)
        .map_err(|never: Infallible| match never {})
        .boxed()
}
