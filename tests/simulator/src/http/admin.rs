//! The administration: the simulator's own interface, JSON over HTTP, for
//! clients in any language.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::http::HeaderValue;
use hyper::{Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::body::{Reply, whole};
use super::faults;
use super::latency::Delay;
use super::server::Shared;
use crate::s3::{
    AliasKind, ExpiryRule, Folding, Layout, NewObject, S3, SparseObject, StorageClass,
};
use crate::sqs::{Disorder, MessageView, Sqs, SqsError, State};

/// Most bytes of a request.
const LIMIT: usize = 16 * 1024 * 1024;

/// What the administration reaches.
#[derive(Debug)]
pub(super) struct Admin {
    pub(super) shared: Arc<Shared>,
    pub(super) s3: Arc<Mutex<S3>>,
    pub(super) sqs: Arc<Mutex<Sqs>>,
}

/// A status and what is wrong.
struct Wrong(StatusCode, String);

type Answer = Result<Value, Wrong>;

impl From<SqsError> for Wrong {
    fn from(error: SqsError) -> Self {
        Self(StatusCode::BAD_REQUEST, error.to_string())
    }
}

/// Answers one request.
pub(super) async fn serve(
    admin: Arc<Admin>,
    request: Request<Incoming>,
) -> io::Result<Response<Reply>> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, LIMIT)
        .collect()
        .await
        .map_err(io::Error::other)?;
    let answer = admin.answer(&parts.method, parts.uri.path(), &body.to_bytes());
    let (status, body) = match answer {
        Ok(body) => (StatusCode::OK, body),
        Err(Wrong(status, why)) => (status, json!({ "error": why })),
    };
    let mut response = Response::new(whole(format!("{body:#}\n")));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert("content-type", kind);
    Ok(response)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    ms: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pace {
    operation: Option<String>,
    #[serde(default)]
    fixed_ms: u64,
    #[serde(default)]
    jitter_ms: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sparse {
    bucket: String,
    key: String,
    size: u64,
    #[serde(default)]
    seed: u64,
    part_size: Option<u64>,
    storage_class: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewAlias {
    name: String,
    bucket: String,
    #[serde(default)]
    access_point: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fold {
    bucket: String,
    /// None: as Amazon's, not at all.
    folding: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expire {
    bucket: String,
    /// None: nothing of it expires.
    rules: Vec<Expiry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expiry {
    id: String,
    #[serde(default)]
    prefix: String,
    days: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Misbehave {
    queue: String,
    #[serde(default)]
    duplicate: f64,
    #[serde(default)]
    reorder: f64,
    #[serde(default)]
    late: f64,
    #[serde(default)]
    late_ms: u64,
    #[serde(default)]
    undead: f64,
    #[serde(default)]
    seed: u64,
}

impl Admin {
    fn answer(&self, method: &Method, path: &str, body: &Bytes) -> Answer {
        let path: Vec<_> = path.trim_matches('/').split('/').collect();
        let shared = &self.shared;
        match (method.as_str(), path.as_slice()) {
            ("GET", ["health"]) => Ok(json!({ "ready": true })),
            ("GET", ["requests"]) => Ok(json!(shared.requests.counts())),
            ("GET", ["requests", "log"]) => Ok(json!(shared.requests.log())),
            ("DELETE", ["requests"]) => {
                shared.requests.reset();
                Ok(json!({}))
            }
            ("GET", ["faults"]) => Ok(json!(shared.faults.list())),
            ("POST", ["faults"]) => self.add_faults(body),
            ("DELETE", ["faults"]) => {
                shared.faults.clear();
                Ok(json!({}))
            }
            ("DELETE", ["faults", id]) => {
                let id = id.parse().map_err(|_| wrong("a rule's id is a number"))?;
                if shared.faults.remove(id) {
                    return Ok(json!({}));
                }
                Err(not_found("no rule has this id"))
            }
            ("GET", ["clock"]) => Ok(json!({ "now_ms": shared.clock.now().0 })),
            ("POST", ["clock", "advance"]) => self.advance(body),
            ("POST", ["latency"]) => self.pace(body),
            ("POST", ["sparse"]) => self.sparse(body),
            ("POST", ["aliases"]) => self.alias(body),
            ("POST", ["folding"]) => self.folding(body),
            ("POST", ["expiry"]) => self.expire(body),
            ("POST", ["disorder"]) => self.disorder(body),
            ("GET", ["messages", queue]) => self.messages(queue),
            _ => Err(not_found("no such path or method: see the README")),
        }
    }

    fn add_faults(&self, body: &[u8]) -> Answer {
        let rules = faults::parse_rules(body).map_err(|why| wrong(&why))?;
        let now = self.shared.clock.now();
        let add = |rule| self.shared.faults.add(rule, now);
        let ids: Vec<_> = rules.into_iter().map(add).collect();
        Ok(json!({ "ids": ids }))
    }

    fn advance(&self, body: &[u8]) -> Answer {
        let advance: Advance = parse(body)?;
        let clock = &self.shared.clock;
        let before = clock.now();
        clock.advance(Duration::from_millis(advance.ms));
        self.shared.sqs.wake();
        let now = clock.now();
        if now < before + Duration::from_millis(advance.ms) {
            let why = "the clock is the machine's; only a manual clock can be advanced";
            return Err(Wrong(StatusCode::CONFLICT, why.to_owned()));
        }
        Ok(json!({ "now_ms": now.0 }))
    }

    fn pace(&self, body: &[u8]) -> Answer {
        let pace: Pace = parse(body)?;
        let delay = Delay::fixed(Duration::from_millis(pace.fixed_ms))
            .jitter(Duration::from_millis(pace.jitter_ms));
        match pace.operation {
            Some(operation) => self.shared.latency.set_for(&operation, delay),
            None => self.shared.latency.set(delay),
        }
        Ok(json!({}))
    }

    fn sparse(&self, body: &[u8]) -> Answer {
        let wanted: Sparse = parse(body)?;
        let class = match wanted.storage_class.as_deref() {
            Some(name) => {
                let class = StorageClass::parse(name);
                Some(class.ok_or_else(|| wrong("no such storage class"))?)
            }
            None => None,
        };
        let object = SparseObject {
            seed: wanted.seed,
            size: wanted.size,
            layout: wanted.part_size.map_or(Layout::Whole, Layout::Even),
            properties: NewObject {
                storage_class: class,
                ..NewObject::default()
            },
            ..SparseObject::default()
        };
        let mut s3 = self.s3.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.shared.clock.now();
        let written = s3.put_sparse(&wanted.bucket, &wanted.key, &object, now);
        let written = written.map_err(|error| wrong(&error.to_string()))?;
        Ok(json!({ "etag": written.etag().to_string() }))
    }

    fn alias(&self, body: &[u8]) -> Answer {
        let wanted: NewAlias = parse(body)?;
        let kind = if wanted.access_point {
            AliasKind::AccessPoint
        } else {
            AliasKind::Plain
        };
        let mut s3 = self.s3.lock().unwrap_or_else(PoisonError::into_inner);
        s3.alias_bucket(&wanted.name, &wanted.bucket, kind)
            .map_err(|error| wrong(&error.to_string()))?;
        Ok(json!({}))
    }

    fn folding(&self, body: &[u8]) -> Answer {
        let wanted: Fold = parse(body)?;
        let folding = match wanted.folding.as_deref() {
            Some(name) => Some(Folding::parse(name).ok_or_else(|| wrong("no such folding"))?),
            None => None,
        };
        let mut s3 = self.s3.lock().unwrap_or_else(PoisonError::into_inner);
        s3.fold_keys(&wanted.bucket, folding)
            .map_err(|error| wrong(&error.to_string()))?;
        Ok(json!({}))
    }

    fn expire(&self, body: &[u8]) -> Answer {
        let wanted: Expire = parse(body)?;
        let rules = wanted.rules.into_iter().map(|rule| ExpiryRule {
            id: rule.id,
            prefix: rule.prefix,
            days: rule.days,
        });
        let mut s3 = self.s3.lock().unwrap_or_else(PoisonError::into_inner);
        s3.expire(&wanted.bucket, rules.collect())
            .map_err(|error| wrong(&error.to_string()))?;
        Ok(json!({}))
    }

    fn disorder(&self, body: &[u8]) -> Answer {
        let wanted: Misbehave = parse(body)?;
        let disorder = Disorder {
            duplicate: wanted.duplicate,
            reorder: wanted.reorder,
            late: wanted.late,
            late_by: Duration::from_millis(wanted.late_ms),
            undead: wanted.undead,
            seed: wanted.seed,
        };
        let mut sqs = self.sqs.lock().unwrap_or_else(PoisonError::into_inner);
        sqs.set_disorder(&wanted.queue, Some(disorder))?;
        Ok(json!({}))
    }

    fn messages(&self, queue: &str) -> Answer {
        let now = self.shared.clock.now();
        let sqs = self.sqs.lock().unwrap_or_else(PoisonError::into_inner);
        let messages: Vec<_> = sqs.messages(queue, now)?.iter().map(shown).collect();
        let totals = sqs.totals(queue)?;
        Ok(json!({
            "messages": messages,
            "totals": {
                "sent": totals.sent,
                "delivered": totals.delivered,
                "deleted": totals.deleted,
                "undeleted": totals.undeleted,
                "expired": totals.expired,
                "moved_in": totals.moved_in,
                "moved_out": totals.moved_out,
                "purged": totals.purged,
            },
        }))
    }
}

fn shown(message: &MessageView) -> Value {
    let (state, at) = match message.state {
        State::Visible { since } => ("visible", Some(since)),
        State::Delayed { until } => ("delayed", Some(until)),
        State::InFlight { until } => ("in_flight", Some(until)),
        State::Deleted => ("deleted", None),
    };
    json!({
        "id": message.message_id.to_string(),
        "body": message.payload.body,
        "state": state,
        "at_ms": at.map(|at| at.0),
        "receive_count": message.receive_count,
        "sent_ms": message.sent_at.0,
    })
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Wrong> {
    serde_json::from_slice(body).map_err(|error| wrong(&error.to_string()))
}

fn wrong(why: &str) -> Wrong {
    Wrong(StatusCode::BAD_REQUEST, why.to_owned())
}

fn not_found(why: &str) -> Wrong {
    Wrong(StatusCode::NOT_FOUND, why.to_owned())
}
