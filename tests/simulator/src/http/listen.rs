//! Listeners and connections.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Accepts connections until `stop` changes. Requests under way are answered.
pub(super) async fn listen<H, F, B>(
    listener: TcpListener,
    mut stop: watch::Receiver<bool>,
    handler: H,
) where
    H: Fn(Request<Incoming>, Arc<AtomicBool>) -> F + Clone + Send + 'static,
    F: Future<Output = io::Result<Response<B>>> + Send + 'static,
    B: Body<Data = Bytes, Error = io::Error> + Send + 'static,
{
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.changed() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                tokio::spawn(converse(stream, stop.clone(), handler.clone()));
            }
            // Out of descriptors, most likely: some come back in a moment.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
        }
    }
}

async fn converse<H, F, B>(stream: TcpStream, mut stop: watch::Receiver<bool>, handler: H)
where
    H: Fn(Request<Incoming>, Arc<AtomicBool>) -> F,
    F: Future<Output = io::Result<Response<B>>>,
    B: Body<Data = Bytes, Error = io::Error> + 'static,
{
    // Only a matter of speed.
    stream.set_nodelay(true).ok();
    let reset = Arc::new(AtomicBool::new(false));
    let stream = Resettable {
        stream,
        reset: Arc::clone(&reset),
    };
    let service = service_fn(move |request| handler(request, Arc::clone(&reset)));
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    // Broken connections are the client's affair, or were asked for.
    tokio::select! {
        ended = connection.as_mut() => return drop(ended),
        _ = stop.changed() => connection.as_mut().graceful_shutdown(),
    }
    drop(connection.await);
}

/// A connection that can end with a reset instead of an orderly close.
struct Resettable {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Drop for Resettable {
    fn drop(&mut self) {
        if self.reset.load(Ordering::SeqCst) {
            // If it fails, the client sees an orderly close: broken all the same.
            self.stream.set_zero_linger().ok();
        }
    }
}

impl AsyncRead for Resettable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Resettable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.reset.load(Ordering::SeqCst) {
            // No orderly goodbye before a reset.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
