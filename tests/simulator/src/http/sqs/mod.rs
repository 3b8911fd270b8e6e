//! The SQS front: the AWS JSON 1.0 protocol on top of the model.

mod batch;
mod messages;
mod queues;
mod receive;
mod refusal;
mod wire;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hyper::Response;
use hyper::http::HeaderValue;
use hyper::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Notify;

use super::Credentials;
use super::body::{Reply, whole};
use crate::clock::Clock;
use crate::sqs::{Code, Sqs, SqsError};

pub(super) use batch::EntryFault;
pub(super) use refusal::Refusal;

/// A body to answer with, or an error.
type Answer = Result<Value, Refusal>;

/// What serves SQS requests.
#[derive(Debug)]
pub(super) struct Front {
    model: Arc<Mutex<Sqs>>,
    clock: Clock,
    credentials: Option<Credentials>,
    /// Wakes long polls when something may have become receivable.
    arrived: Notify,
}

/// A request: its fields in JSON, and what its answer needs to know besides.
struct Call {
    body: Bytes,
    /// Where queue URLs start: `http://host:port/account`.
    base: String,
}

/// What most requests name.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Addressed {
    queue_url: Option<String>,
}

impl Call {
    fn parse<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        serde_json::from_slice(&self.body).map_err(|e| Refusal::malformed(&e))
    }

    /// The queue that the request names by its URL.
    fn queue(&self) -> Result<String, Refusal> {
        let url = self.parse::<Addressed>()?.queue_url;
        let url = url.ok_or_else(|| Refusal::missing("QueueUrl"))?;
        let name = url.rsplit('/').next().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| Refusal::bad_address(&url))?;
        Ok(name.to_owned())
    }

    fn url(&self, queue: &str) -> String {
        format!("{}/{queue}", self.base)
    }
}

impl Front {
    pub(super) fn new(
        model: Arc<Mutex<Sqs>>,
        clock: Clock,
        credentials: Option<Credentials>,
    ) -> Self {
        Self {
            model,
            clock,
            credentials,
            arrived: Notify::new(),
        }
    }

    /// Answers a request, with some entries of its batch failing if wanted.
    pub(super) async fn answer(
        &self,
        operation: &str,
        parts: &Parts,
        body: Bytes,
        fault: Option<EntryFault>,
    ) -> Response<Reply> {
        match self.dispatch(operation, parts, body, fault).await {
            Ok(body) => json_response(200, &body),
            Err(refusal) => refusal.into_response(),
        }
    }

    /// Lets long polls look again.
    pub(super) fn wake(&self) {
        self.arrived.notify_waiters();
    }

    async fn dispatch(
        &self,
        operation: &str,
        parts: &Parts,
        body: Bytes,
        fault: Option<EntryFault>,
    ) -> Answer {
        self.authenticate(parts)?;
        let host = parts
            .headers
            .get("host")
            .and_then(|host| host.to_str().ok());
        let account = self.model().account().to_owned();
        let call = Call {
            body,
            base: format!("http://{}/{account}", host.unwrap_or("localhost")),
        };
        if let Some(fault) = fault.filter(|_| operation.ends_with("Batch")) {
            return fault.strike(call, |call| self.apply(operation, call));
        }
        if operation == "ReceiveMessage" {
            return self.receive(&call).await;
        }
        self.apply(operation, &call)
    }

    fn apply(&self, operation: &str, call: &Call) -> Answer {
        match operation {
            "SendMessage" => self.send(call),
            "SendMessageBatch" => self.send_batch(call),
            "DeleteMessage" => self.delete(call),
            "DeleteMessageBatch" => self.delete_batch(call),
            "ChangeMessageVisibility" => self.change_visibility(call),
            "ChangeMessageVisibilityBatch" => self.change_visibility_batch(call),
            "CreateQueue" => self.create_queue(call),
            "DeleteQueue" => self.delete_queue(call),
            "PurgeQueue" => self.purge_queue(call),
            "GetQueueUrl" => self.queue_url(call),
            "ListQueues" => self.list_queues(call),
            "GetQueueAttributes" => self.queue_attributes(call),
            "SetQueueAttributes" => self.set_queue_attributes(call),
            "ListDeadLetterSourceQueues" => self.dead_letter_sources(call),
            "StartMessageMoveTask" => self.start_move(call),
            "ListMessageMoveTasks" => self.list_moves(call),
            "Unknown" => Err(Refusal::not_json()),
            other => Err(Refusal::from(SqsError::new(
                Code::UnsupportedOperation,
                format!("{other} is not simulated."),
            ))),
        }
    }

    /// Only the access key is looked at; signatures are not computed.
    fn authenticate(&self, parts: &Parts) -> Result<(), Refusal> {
        let Some(credentials) = &self.credentials else {
            return Ok(());
        };
        let header = parts.headers.get("authorization");
        let header = header.and_then(|value| value.to_str().ok());
        let key = header
            .and_then(|value| value.split("Credential=").nth(1))
            .and_then(|rest| rest.split('/').next());
        match key {
            None => Err(Refusal::unauthenticated()),
            Some(key) if key != credentials.access_key => Err(Refusal::unknown_key()),
            Some(_) => Ok(()),
        }
    }

    fn model(&self) -> MutexGuard<'_, Sqs> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn json_response(status: u16, body: &Value) -> Response<Reply> {
    let mut response = Response::new(whole(body.to_string()));
    *response.status_mut() =
        hyper::StatusCode::from_u16(status).unwrap_or(hyper::StatusCode::BAD_GATEWAY);
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("application/x-amz-json-1.0");
    headers.insert("content-type", kind);
    response
}
