//! Connections to pods.
//!
//! HTTP/1.1 connections are kept for a while after use, bounded per endpoint; an h2c endpoint has one connection that
//! all requests share. An endpoint that leaves the table loses its unused connections at once; requests that run on it
//! own theirs and finish. What endpoints have to do is counted here, so that the count outlives the table.

mod connect;
mod peer;

use std::{
    collections::{BTreeSet, HashMap},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use knarr_daemon::{Crowd, Stop};
use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

pub(crate) use connect::{ConnectError, Reuse};
pub(crate) use peer::Lease;
use peer::Peer;

use crate::{
    balance::{Load, choose},
    limits::Limits,
    table::Backend,
};

/// Connections to all pods.
pub(crate) struct Pool {
    peers: Mutex<HashMap<SocketAddr, Arc<Peer>>>,
    limits: Limits,
    /// The tasks that drive connections.
    crowd: Crowd,
    turn: AtomicUsize,
    /// There are unused connections that grow old.
    kept: Arc<Notify>,
}

impl Pool {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            peers: Mutex::default(),
            limits,
            crowd: Crowd::new(&Stop::new(), limits.backends),
            turn: AtomicUsize::new(0),
            kept: Arc::default(),
        }
    }

    /// The endpoint for the next request.
    pub(crate) fn choose(&self, backend: &Backend, tried: &[SocketAddr]) -> Option<Arc<Peer>> {
        let now = Instant::now();
        let mut peers = self.peers.lock();
        let of = |address: &SocketAddr| {
            let new = || Arc::new(Peer::new(*address, self.limits.idle_per_endpoint, self.kept.clone()));
            peers.entry(*address).or_insert_with(new).clone()
        };
        let candidates: Vec<_> = backend.endpoints.iter().map(of).collect();
        let load =
            |p: &Arc<Peer>| Load { tried: tried.contains(&p.address), resting: p.rests(now), active: p.active() };
        let loads: Vec<_> = candidates.iter().map(load).collect();
        choose(&loads, self.turn.fetch_add(1, Ordering::Relaxed)).map(|i| candidates[i].clone())
    }

    /// Only these endpoints are in the table now.
    pub(crate) fn keep(&self, endpoints: &BTreeSet<SocketAddr>) {
        self.peers.lock().retain(|address, peer| {
            let stays = endpoints.contains(address);
            if !stays {
                peer.retire();
            }
            stays
        });
    }

    /// Closes what is unused for too long, until stopped. Sleeps without waking while nothing is kept.
    pub(crate) async fn tidy(&self, stop: &Stop) {
        let mut left = false;
        loop {
            tokio::select! {
                () = async { if !left { self.kept.notified().await } } => {}
                () = stop.cancelled() => return,
            }
            tokio::select! {
                () = tokio::time::sleep(self.limits.idle) => {}
                () = stop.cancelled() => return,
            }
            let peers: Vec<_> = self.peers.lock().values().cloned().collect();
            let old = Instant::now().checked_sub(self.limits.idle);
            left = peers.iter().map(|p| p.close_older(old)).sum::<usize>() > 0;
        }
    }

    /// Closes everything.
    pub(crate) async fn close(&self) {
        self.keep(&BTreeSet::new());
        self.crowd.stop_all(std::time::Duration::ZERO).await;
    }
}
