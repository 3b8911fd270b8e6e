//! Bodies: counted, and slow or short when a fault wants it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use super::accounting::{Requests, Ticket};

/// The body of an answer.
pub(super) type Reply = UnsyncBoxBody<Bytes, io::Error>;

/// A body that is there already.
pub(super) fn whole(bytes: impl Into<Bytes>) -> Reply {
    let full = Full::new(bytes.into());
    full.map_err(|never| match never {}).boxed_unsync()
}

/// A body of which `kept` is sent before the connection breaks.
pub(super) fn broken(kept: Bytes) -> Reply {
    Broken::Keep(kept).boxed_unsync()
}

enum Broken {
    Keep(Bytes),
    /// One more turn, so that what was kept is flushed.
    Flush,
    Break,
}

impl Body for Broken {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match std::mem::replace(&mut *self, Self::Break) {
            Self::Keep(kept) => {
                *self = Self::Flush;
                Poll::Ready(Some(Ok(Frame::data(kept))))
            }
            Self::Flush => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Self::Break => Poll::Ready(Some(Err(io::Error::other("cut short")))),
        }
    }
}

/// Counts the bytes of a request body.
pub(super) struct Counted<B> {
    inner: B,
    requests: Requests,
}

impl<B> Counted<B> {
    pub(super) fn new(inner: B, requests: Requests) -> Self {
        Self { inner, requests }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Counted<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if let Some(data) = frame.as_ref().and_then(|f| f.as_ref().ok()?.data_ref()) {
            self.requests.received(data.len());
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Counts the bytes of a response body and paces them. The request is under way
/// until this is dropped.
pub(super) struct Outgoing {
    inner: Reply,
    requests: Requests,
    _ticket: Ticket,
    bytes_per_second: Option<u64>,
    waiting: Bytes,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Outgoing {
    pub(super) fn new(
        inner: Reply,
        requests: Requests,
        ticket: Ticket,
        bytes_per_second: Option<u64>,
    ) -> Self {
        Self {
            inner,
            requests,
            _ticket: ticket,
            bytes_per_second,
            waiting: Bytes::new(),
            sleep: None,
        }
    }

    /// The next tenth of a second's worth of what waits.
    fn piece(&mut self, rate: u64) -> Bytes {
        let rate = rate.max(1);
        let most = usize::try_from(rate / 10).unwrap_or(usize::MAX).max(1);
        let piece = self.waiting.split_to(most.min(self.waiting.len()));
        let bytes = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        let pause = Duration::from_millis(bytes.saturating_mul(1_000) / rate);
        self.sleep = Some(Box::pin(tokio::time::sleep(pause)));
        piece
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(sleep) = &mut self.sleep {
            ready!(sleep.as_mut().poll(cx));
            self.sleep = None;
        }
        if let (Some(rate), true) = (self.bytes_per_second, self.waiting.has_remaining()) {
            let piece = self.piece(rate);
            self.requests.sent(piece.len());
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        let Some(Ok(frame)) = frame else {
            return Poll::Ready(frame);
        };
        match (frame.into_data(), self.bytes_per_second) {
            (Ok(data), Some(rate)) => {
                self.waiting = data;
                let piece = self.piece(rate);
                self.requests.sent(piece.len());
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            (Ok(data), None) => {
                self.requests.sent(data.len());
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            (Err(trailers), _) => Poll::Ready(Some(Ok(trailers))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.waiting.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.waiting.is_empty() {
            return self.inner.size_hint();
        }
        SizeHint::default()
    }
}
