//! Response bodies: whole ones, and ones that are written while they are read.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::Frame;
use tokio::sync::mpsc;

use crate::logs::Sink;

/// Any body.
pub(crate) type Body = BoxBody<Bytes, io::Error>;

/// A body that is there already.
pub(crate) fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).map_err(|never| match never {}).boxed()
}

/// A body and the end to write it from. A few pieces wait in between; a slow reader holds the writer back.
pub(crate) fn piped() -> (Writer, Body) {
    let (tx, rx) = mpsc::channel(4);
    (Writer(tx), BodyExt::boxed(Piped(rx)))
}

/// Writes a piped body; dropping it ends the body.
pub(crate) struct Writer(mpsc::Sender<Bytes>);

impl Writer {
    /// Waits until the reader is gone.
    pub(crate) async fn closed(&self) {
        self.0.closed().await;
    }

    /// Another end of the same pipe.
    pub(crate) fn watcher(&self) -> Self {
        Self(self.0.clone())
    }
}

impl Sink for Writer {
    async fn send(&mut self, piece: Bytes) -> bool {
        self.0.send(piece).await.is_ok()
    }
}

struct Piped(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Piped {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}
