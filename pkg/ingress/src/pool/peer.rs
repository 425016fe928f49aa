//! One endpoint: its unused connections and its work.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1, http2},
};
use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use crate::body::Upload;

/// How long an endpoint that refused a connection is only asked if there is no other.
const REST: Duration = Duration::from_secs(2);

pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    active: AtomicUsize,
    /// When it last refused.
    refused: Mutex<Option<Instant>>,
    /// Unused connections, the youngest last.
    idle: Mutex<Vec<Idle>>,
    idle_max: usize,
    shared: Mutex<Option<http2::SendRequest<Upload>>>,
    /// Left the table: keeps nothing more.
    retired: AtomicBool,
    kept: Arc<Notify>,
}

struct Idle {
    since: Instant,
    sender: http1::SendRequest<Upload>,
}

/// A sender of one of the two protocols.
pub(super) enum Sender {
    Own(http1::SendRequest<Upload>),
    Shared(http2::SendRequest<Upload>),
}

/// The right to use a connection for one request. Dropped without [`Lease::give_back`], the connection is closed (a
/// shared one: the stream).
pub(crate) struct Lease {
    peer: Arc<Peer>,
    /// Taken when given back.
    sender: Option<Sender>,
    /// Whether the connection was used before: it may have been closed under our hands.
    pub(crate) reused: bool,
}

impl Peer {
    pub(super) fn new(address: SocketAddr, idle_max: usize, kept: Arc<Notify>) -> Self {
        Self {
            address,
            active: AtomicUsize::new(0),
            refused: Mutex::default(),
            idle: Mutex::default(),
            idle_max,
            shared: Mutex::default(),
            retired: AtomicBool::new(false),
            kept,
        }
    }

    pub(super) fn active(&self) -> usize {
        self.active.load(Ordering::Relaxed)
    }

    pub(super) fn rests(&self, now: Instant) -> bool {
        self.refused.lock().is_some_and(|at| now.duration_since(at) < REST)
    }

    pub(super) fn refuse(&self) {
        *self.refused.lock() = Some(Instant::now());
    }

    /// A connection used before that is free, and not unused for longer than `fresh`.
    pub(super) fn take(self: &Arc<Self>, fresh: Option<Duration>) -> Option<Lease> {
        let mut idle = self.idle.lock();
        idle.retain(|i| !i.sender.is_closed());
        let usable = |i: &Idle| i.sender.is_ready() && fresh.is_none_or(|fresh| i.since.elapsed() < fresh);
        let at = idle.iter().rposition(usable)?;
        let sender = idle.remove(at).sender;
        drop(idle);
        Some(Lease::new(self, Sender::Own(sender), true))
    }

    /// The connection all requests share, if it is open.
    pub(super) fn share(self: &Arc<Self>) -> Option<Lease> {
        let sender = self.shared.lock().as_ref().filter(|s| !s.is_closed()).cloned()?;
        Some(Lease::new(self, Sender::Shared(sender), true))
    }

    pub(super) fn set_shared(&self, sender: &http2::SendRequest<Upload>) {
        if !self.retired.load(Ordering::Acquire) {
            *self.shared.lock() = Some(sender.clone());
            self.kept.notify_one();
        }
    }

    /// Closes what was unused since before `old`; answers how much is left. The shared connection goes once nobody
    /// uses it.
    pub(super) fn close_older(&self, old: Option<Instant>) -> usize {
        let mut shared = self.shared.lock();
        if self.active() == 0 {
            *shared = None;
        }
        let mut idle = self.idle.lock();
        idle.retain(|i| !i.sender.is_closed() && old.is_none_or(|old| i.since > old));
        idle.len() + usize::from(shared.is_some())
    }

    /// Closes what is unused now, and whatever is given back later.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
        self.idle.lock().clear();
        *self.shared.lock() = None;
    }
}

impl Lease {
    pub(super) fn new(peer: &Arc<Peer>, sender: Sender, reused: bool) -> Self {
        peer.active.fetch_add(1, Ordering::Relaxed);
        Self { peer: peer.clone(), sender: Some(sender), reused }
    }

    /// Sends a request. The error carries it back if nothing of it was sent.
    pub(crate) async fn send(
        &mut self,
        request: Request<Upload>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Upload>>> {
        match self.sender.as_mut().expect("a lease is given back by value, so it is not used after") {
            Sender::Own(sender) => sender.try_send_request(request).await,
            Sender::Shared(sender) => sender.try_send_request(request).await,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.peer.address
    }

    /// Whether the endpoint has left the table.
    pub(crate) fn is_retired(&self) -> bool {
        self.peer.retired.load(Ordering::Acquire)
    }

    /// The answer was read to its end: the connection may serve again.
    pub(crate) fn give_back(mut self) {
        let Some(Sender::Own(sender)) = self.sender.take() else { return };
        let mut idle = self.peer.idle.lock();
        let room = idle.len() < self.peer.idle_max && !self.peer.retired.load(Ordering::Acquire);
        if room && !sender.is_closed() {
            idle.push(Idle { since: Instant::now(), sender });
            self.peer.kept.notify_one();
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.peer.active.fetch_sub(1, Ordering::Relaxed);
    }
}
