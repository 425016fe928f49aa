//! Bodies that pass through: a chunk at a time, never kept.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use parking_lot::Mutex;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::pool::Lease;

/// What is known of an upload while the answer is waited for.
#[derive(Debug)]
pub(crate) struct Progress {
    /// When the pod last took something.
    last: Mutex<Instant>,
    /// The client was silent for too long.
    late: AtomicBool,
}

impl Progress {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { last: Mutex::new(Instant::now()), late: AtomicBool::new(false) })
    }

    pub(crate) fn last(&self) -> Instant {
        *self.last.lock()
    }

    pub(crate) fn is_late(&self) -> bool {
        self.late.load(Ordering::Relaxed)
    }
}

/// A request body on its way to a pod. Ends with an error when the client is silent for too long.
pub(crate) struct Upload {
    inner: Option<Incoming>,
    silence: Duration,
    /// Runs while the client is waited for.
    timer: Option<Pin<Box<Sleep>>>,
    progress: Arc<Progress>,
}

/// The client sent nothing for too long.
#[derive(Debug, thiserror::Error)]
#[error("the request body stopped coming")]
struct Silent;

impl Upload {
    pub(crate) fn new(body: Incoming, silence: Duration, progress: Arc<Progress>) -> Self {
        Self { inner: Some(body), silence, timer: None, progress }
    }

    pub(crate) fn empty(progress: Arc<Progress>) -> Self {
        Self { inner: None, silence: Duration::ZERO, timer: None, progress }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = knarr_daemon::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, knarr_daemon::Error>>> {
        let me = &mut *self;
        let Some(inner) = &mut me.inner else { return Poll::Ready(None) };
        if let Poll::Ready(frame) = Pin::new(inner).poll_frame(cx) {
            me.timer = None;
            *me.progress.last.lock() = Instant::now();
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let timer = me.timer.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + me.silence)));
        ready!(timer.as_mut().poll(cx));
        me.progress.late.store(true, Ordering::Relaxed);
        Poll::Ready(Some(Err(Silent.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

/// A pod's answer on its way to the client. Gives the connection back when it was read to its end.
pub(crate) struct Download {
    inner: Incoming,
    lease: Option<Lease>,
    failed: bool,
}

impl Download {
    pub(crate) fn new(inner: Incoming, lease: Lease) -> Self {
        Self { inner, lease: Some(lease), failed: false }
    }

    fn end(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        match &frame {
            Some(Ok(_)) => {}
            Some(Err(_)) => self.failed = true,
            None => self.end(),
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

impl Drop for Download {
    /// A body of known length is not asked for its end.
    fn drop(&mut self) {
        if !self.failed && self.inner.is_end_stream() {
            self.end();
        }
    }
}
