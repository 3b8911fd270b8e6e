//! A client of a few lines: one connection for each request.

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{HeaderMap, Request};
use hyper_util::rt::TokioIo;
use rebucket_simulator::http::Simulator;
use serde_json::Value;
use tokio::net::TcpStream;

/// An answer that came whole.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A connection that broke.
#[derive(Debug)]
pub(crate) struct Broken;

pub(crate) async fn send(
    url: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Result<Reply, Broken> {
    let host = url.strip_prefix("http://").unwrap();
    let stream = TcpStream::connect(host).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", host);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body.into())).unwrap();
    let reply = sender.send_request(request).await.map_err(|_| Broken)?;
    let (head, body) = reply.into_parts();
    let body = body.collect().await.map_err(|_| Broken)?.to_bytes();
    connection.abort();
    Ok(Reply {
        status: head.status.as_u16(),
        headers: head.headers,
        body,
    })
}

/// An S3 request.
pub(crate) async fn s3(
    simulator: &Simulator,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &'static str,
) -> Result<Reply, Broken> {
    send(simulator.s3_url(), method, path, headers, body).await
}

/// An SQS request.
pub(crate) async fn sqs(
    simulator: &Simulator,
    operation: &str,
    fields: Value,
) -> Result<Reply, Broken> {
    let target = format!("AmazonSQS.{operation}");
    let headers = [("x-amz-target", target.as_str())];
    send(
        simulator.sqs_url(),
        "POST",
        "/",
        &headers,
        fields.to_string(),
    )
    .await
}

/// A request to the administration.
pub(crate) async fn admin(simulator: &Simulator, method: &str, path: &str, body: &str) -> Reply {
    let url = simulator.admin_url().unwrap();
    send(url, method, path, &[], body.to_owned()).await.unwrap()
}
