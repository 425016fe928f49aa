//! A bound on requests in flight, reads and writes apart, so that neither starves the other.
//!
//! Priority and fairness will take this place. Watches and streams to nodes are not counted (they stay), nor are
//! members of `system:masters` (who must be able to repair an overloaded cluster).

use std::{sync::Arc, time::Duration};

use knarr_api::{Reason, Status, status::Details};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{User, info::Info, nodes};

const READS: usize = 400;
const WRITES: usize = 200;

/// How long a request waits for a place before it is told to come back.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) struct Inflight {
    reads: Arc<Semaphore>,
    writes: Arc<Semaphore>,
}

impl Default for Inflight {
    fn default() -> Self {
        Self { reads: Arc::new(Semaphore::new(READS)), writes: Arc::new(Semaphore::new(WRITES)) }
    }
}

impl Inflight {
    /// Waits for a place; it is free again when the guard is dropped.
    pub(crate) async fn enter(&self, info: &Info, user: &User) -> Result<Option<OwnedSemaphorePermit>, Status> {
        if info.verb == "watch" || nodes::is_stream(info) || user.is_in("system:masters") {
            return Ok(None);
        }
        let places = match info.verb.as_str() {
            "get" | "list" | "head" | "options" => &self.reads,
            _ => &self.writes,
        };
        match tokio::time::timeout(PATIENCE, places.clone().acquire_owned()).await {
            Ok(Ok(place)) => Ok(Some(place)),
            _ => Err(Status::new(Reason::TooManyRequests, "Too many requests, please try again later.")
                .with_details(Details { retry_after_seconds: 1, ..Details::default() })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn writes_wait_then_are_refused_while_reads_pass() {
        let inflight = Inflight { reads: Arc::new(Semaphore::new(1)), writes: Arc::new(Semaphore::new(1)) };
        let info = |verb: &str| Info { verb: verb.to_owned(), ..Info::default() };
        let user = User::new("u", &[]);
        let place = inflight.enter(&info("create"), &user).await.unwrap();
        assert!(place.is_some());
        let refused = inflight.enter(&info("update"), &user).await.unwrap_err();
        assert_eq!((refused.code(), refused.details().unwrap().retry_after_seconds), (429, 1));
        assert!(inflight.enter(&info("get"), &user).await.is_ok());
        assert!(inflight.enter(&info("create"), &User::new("root", &["system:masters"])).await.is_ok());
        drop(place);
        assert!(inflight.enter(&info("create"), &user).await.is_ok());
    }
}
