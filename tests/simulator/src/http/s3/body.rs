//! The bytes of an object as a response body: made piece by piece, so that an
//! object of any size can be read.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::s3::Content;

const PIECE: usize = 64 * 1024;

pub(super) struct ContentBody {
    chunks: Box<dyn Iterator<Item = Bytes> + Send + Sync>,
    left: u64,
}

impl ContentBody {
    pub(super) fn new(content: &Content) -> Self {
        Self {
            chunks: Box::new(content.chunks(PIECE)),
            left: content.size(),
        }
    }
}

impl Body for ContentBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.chunks.next();
        self.left -= next.as_ref().map_or(0, |bytes| bytes.len() as u64);
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
