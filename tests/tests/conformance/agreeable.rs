//! A server that answers 200 to everything, and does nothing.

use std::convert::Infallible;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// Starts the server, and returns its URL. It ends with the test's runtime.
pub(crate) async fn start() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(agree);
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    format!("http://{address}")
}

async fn agree(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    // A client that is answered before it has sent everything may call that an
    // error, and a check would fail for the wrong reason.
    let body = request.into_body().collect().await;
    drop(body);
    Ok(Response::new(Full::default()))
}
