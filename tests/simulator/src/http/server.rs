//! The path of a request: read, counted, delayed, struck by a fault or passed
//! on to a model, answered.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Incoming};
use hyper::http::HeaderValue;
use hyper::http::request::Parts;
use hyper::{Method, Request, Response};

use super::accounting::{Requests, Ticket};
use super::body::{Counted, Outgoing, Reply, broken, whole};
use super::faults::{Action, When};
use super::faults_in_force::Faults;
use super::identity::RequestId;
use super::latency::Latency;
use super::operation::{Operation, Service};
use super::reply;
use super::sqs::{EntryFault, Front};
use super::unsigned;
use crate::clock::Clock;

/// Most bytes of a body that is read as a whole. SQS allows 1 MiB of messages,
/// which JSON may spell six times as long.
const WHOLE: usize = 8 * 1024 * 1024;

/// What every connection shares.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) clock: Clock,
    pub(super) faults: Faults,
    pub(super) requests: Requests,
    pub(super) latency: Latency,
    pub(super) s3: s3s::service::S3Service,
    pub(super) sqs: Front,
    /// Whether S3 requests are believed whatever they are signed with.
    pub(super) strip: bool,
}

/// A request body: streamed, or read already.
type Received = http_body_util::Either<Counted<Incoming>, http_body_util::Full<Bytes>>;

/// Answers one request. It runs to its end even when the client has gone, as a
/// request that has reached a real service does; only a long poll ends with its
/// client. An error resets the connection.
pub(super) async fn serve(
    shared: Arc<Shared>,
    service: Service,
    request: Request<Incoming>,
    reset: Arc<AtomicBool>,
) -> io::Result<Response<Outgoing>> {
    let (parts, body) = request.into_parts();
    let body = Counted::new(body, shared.requests.clone());
    let (operation, body) = match read(service, &parts, body).await {
        Ok(read) => read,
        Err(error) => {
            reset.store(true, Ordering::SeqCst);
            return Err(error);
        }
    };
    let polls = operation.name == "ReceiveMessage";
    let ticket = shared.requests.begin(operation.clone(), shared.clock.now());
    let exchange = Exchange {
        id: RequestId::new(ticket.number()),
        ticket,
        shared,
        operation,
        parts,
        body,
    };
    let answered = if polls {
        exchange.run().await
    } else {
        let running = tokio::spawn(exchange.run()).await;
        running.unwrap_or_else(|panic| Err(io::Error::other(panic)))
    };
    if answered.is_err() {
        reset.store(true, Ordering::SeqCst);
    }
    answered
}

/// Reads as much of a request as tells the operation.
async fn read(
    service: Service,
    parts: &Parts,
    body: Counted<Incoming>,
) -> io::Result<(Operation, Received)> {
    let full = |bytes: Bytes| Received::Right(http_body_util::Full::new(bytes));
    match service {
        Service::Sqs => {
            let bytes = collect(Limited::new(body, WHOLE)).await?;
            Ok((Operation::sqs(parts, &bytes), full(bytes)))
        }
        Service::S3 => {
            let operation = Operation::s3(parts);
            if !operation.names_keys_in_body() {
                return Ok((operation, Received::Left(body)));
            }
            let bytes = collect(Limited::new(body, WHOLE)).await?;
            Ok((operation.with_deleted(&bytes), full(bytes)))
        }
    }
}

async fn collect<B>(body: B) -> io::Result<Bytes>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let collected = body.collect().await.map_err(io::Error::other)?;
    Ok(collected.to_bytes())
}

/// One request and its answer.
struct Exchange {
    id: RequestId,
    ticket: Ticket,
    shared: Arc<Shared>,
    operation: Operation,
    parts: Parts,
    body: Received,
}

impl Exchange {
    async fn run(self) -> io::Result<Response<Outgoing>> {
        let fault = self
            .shared
            .faults
            .decide(&self.operation, self.shared.clock.now());
        if let Some(fault) = &fault {
            self.ticket.struck(fault);
        }
        sleep(self.shared.latency.draw(&self.operation.name)).await;
        match fault {
            Some(fault) => self.fail(fault).await,
            None => self.pass().await,
        }
    }

    /// The right answer.
    async fn pass(self) -> io::Result<Response<Outgoing>> {
        let (response, rest) = self.apply(None).await?;
        Ok(rest.answer(response))
    }

    /// What a fault makes of it.
    async fn fail(self, fault: Action) -> io::Result<Response<Outgoing>> {
        let service = self.operation.service;
        match fault {
            Action::Error { status, code, when } => {
                let rest = self.reach(when).await?;
                let error = reply::error(service, status, &code, rest.id);
                Ok(rest.answer(error))
            }
            Action::Reset { when } => {
                self.reach(when).await?;
                Err(io::Error::other("reset by a fault rule"))
            }
            Action::EmbeddedError { code, when } => {
                let rest = self.reach(when).await?;
                let error = reply::embedded_error(service, &code, rest.id);
                Ok(rest.answer(error))
            }
            Action::Empty { when } => {
                let rest = self.reach(when).await?;
                Ok(rest.answer(Response::new(whole(Bytes::new()))))
            }
            Action::Proxy {
                status,
                content_type,
                body,
                when,
            } => {
                let mut rest = self.reach(when).await?;
                rest.proxied = true;
                Ok(rest.answer(reply::proxy(status, &content_type, body)))
            }
            Action::Truncate { keep, cut } => {
                let (response, rest) = self.apply(None).await?;
                Ok(rest.answer(truncate(response, keep, cut).await?))
            }
            Action::Stall { ms, when } => {
                let pause = sleep(Duration::from_millis(ms));
                if when == When::Before {
                    pause.await;
                    return self.pass().await;
                }
                let (response, rest) = self.apply(None).await?;
                let response = rest.finished(response).await?;
                pause.await;
                Ok(rest.answer(response))
            }
            Action::Slow { bytes_per_second } => {
                let (response, rest) = self.apply(None).await?;
                Ok(rest.paced(response, Some(bytes_per_second)))
            }
            Action::Entries {
                positions,
                code,
                sender_fault,
                when,
            } => {
                let fault = EntryFault {
                    positions,
                    code,
                    sender_fault,
                    applied: when == When::After,
                };
                let (response, rest) = self.apply(Some(fault)).await?;
                Ok(rest.answer(response))
            }
        }
    }

    /// Applies the request, or reads it and drops it.
    async fn reach(self, when: When) -> io::Result<Rest> {
        if when == When::After {
            let (response, rest) = self.apply(None).await?;
            rest.finished(response).await?;
            return Ok(rest);
        }
        let mut body = self.body;
        // The client may still be sending: it must be able to finish.
        while let Some(frame) = body.frame().await {
            frame.map_err(io::Error::other)?;
        }
        Ok(Rest {
            id: self.id,
            ticket: self.ticket,
            service: self.operation.service,
            shared: self.shared,
            reads: reads(&self.parts.method),
            proxied: false,
        })
    }

    async fn apply(self, entries: Option<EntryFault>) -> io::Result<(Response<Reply>, Rest)> {
        self.ticket.applied();
        let rest = Rest {
            id: self.id,
            ticket: self.ticket,
            service: self.operation.service,
            reads: reads(&self.parts.method),
            shared: self.shared,
            proxied: false,
        };
        let response = match self.operation.service {
            Service::S3 => {
                let (mut parts, mut body) = (self.parts, self.body);
                let express = unsigned::express_key(&parts.headers);
                if rest.shared.strip || express.is_some() {
                    if unsigned::is_chunked(&parts.headers) {
                        let packed = collect(body).await?;
                        let bytes = unsigned::unpack(&mut parts.headers, packed)?;
                        body = Received::Right(http_body_util::Full::new(bytes));
                    }
                    unsigned::strip(&mut parts);
                }
                if let Some(access_key) = express {
                    parts.extensions.insert(super::s3::Unchecked(access_key));
                }
                parts.extensions.insert(rest.id);
                let body = s3s::Body::http_body_unsync(body);
                let request = Request::from_parts(parts, body);
                let response = rest
                    .shared
                    .s3
                    .call(request)
                    .await
                    .map_err(io::Error::other)?;
                response.map(|body| body.map_err(io::Error::other).boxed_unsync())
            }
            Service::Sqs => {
                let body = collect(self.body).await?;
                let front = &rest.shared.sqs;
                front
                    .answer(&self.operation.name, &self.parts, body, entries)
                    .await
            }
        };
        Ok((response, rest))
    }
}

/// What is left of an exchange once the request is applied.
struct Rest {
    id: RequestId,
    ticket: Ticket,
    service: Service,
    shared: Arc<Shared>,
    /// A request that only reads: it need not be read to its end to be applied.
    reads: bool,
    /// Whether the answer is one that the service did not give.
    proxied: bool,
}

impl Rest {
    /// With its body read to the end: some requests are applied on the way.
    async fn finished(&self, response: Response<Reply>) -> io::Result<Response<Reply>> {
        if self.reads {
            return Ok(response);
        }
        let (parts, body) = response.into_parts();
        Ok(Response::from_parts(parts, whole(collect(body).await?)))
    }

    fn answer(self, response: Response<Reply>) -> Response<Outgoing> {
        self.paced(response, None)
    }

    fn paced(self, mut response: Response<Reply>, rate: Option<u64>) -> Response<Outgoing> {
        if !self.proxied {
            let now = self.shared.clock.now();
            self.id.mark(response.headers_mut(), self.service, now);
        }
        self.ticket.answered(response.status().as_u16());
        let requests = self.shared.requests.clone();
        response.map(|body| Outgoing::new(body, requests, self.ticket, rate))
    }
}

fn reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

async fn truncate(
    response: Response<Reply>,
    keep: Option<usize>,
    cut: bool,
) -> io::Result<Response<Reply>> {
    let (mut parts, body) = response.into_parts();
    let mut bytes = collect(body).await?;
    let length = bytes.len();
    bytes.truncate(keep.unwrap_or(length / 2));
    let announced = if cut { length } else { bytes.len() };
    parts.headers.remove("transfer-encoding");
    parts
        .headers
        .insert("content-length", HeaderValue::from(announced));
    let body = if cut { broken(bytes) } else { whole(bytes) };
    Ok(Response::from_parts(parts, body))
}

async fn sleep(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}
