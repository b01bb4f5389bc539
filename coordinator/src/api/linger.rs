//! Lingering: the rest of a body that nobody reads is thrown away while the answer is on its way. A connection that is closed on a
//! sender who still sends takes the answer with it, and the sender never learns why it was refused.

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::runtime::Handle;

/// Whoever has not sent the rest by then does not hear the answer.
const REST_WITHIN: Duration = Duration::from_secs(5);

/// The most bytes that are read for nothing.
const REST_BYTES_MAX: usize = 64 << 20;

/// A body whose unread rest is read at its end.
struct Lingering(Option<Body>);

/// Makes a body linger.
pub(super) fn lingering(body: Body) -> Body {
    if body.is_end_stream() {
        return body;
    }
    Body::new(Lingering(Some(body)))
}

impl HttpBody for Lingering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match &mut self.0 {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.0
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(HttpBody::is_end_stream)
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let rest = self.0.take().filter(|rest| !rest.is_end_stream());
        if let (Some(rest), Ok(threads)) = (rest, Handle::try_current()) {
            threads.spawn(tokio::time::timeout(REST_WITHIN, throw_away(rest)));
        }
    }
}

async fn throw_away(mut rest: Body) {
    let mut bytes = 0;
    while let Some(Ok(frame)) =
        std::future::poll_fn(|context| Pin::new(&mut rest).poll_frame(context)).await
    {
        bytes += frame.data_ref().map_or(0, Bytes::len);
        if bytes > REST_BYTES_MAX {
            return;
        }
    }
}
