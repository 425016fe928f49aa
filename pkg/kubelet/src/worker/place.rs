//! A place among the pods that start at once.
//!
//! A start is work of processes (shims, the OCI runtime, the network plugin) far more than waiting, so more starts than
//! processors only get into each other's way, and the last of many pods is not ready any sooner for it. A job has its
//! place from the sandbox to the first started container: pods become ready one by one rather than all at the end. A place
//! is for work: whoever waits for something else (a pull, a hook, a network that does not answer) gives it up, so no pod
//! can hold others up for longer than [`PATIENCE`].

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A call that takes longer than this waits for something else than a processor.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many may start at once on this machine.
pub(crate) fn places() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    processors * PER_PROCESSOR
}

/// Enough that a processor has work while some starts wait for a disk or a lock.
const PER_PROCESSOR: usize = 3;

/// The place of one job, if it has one.
#[derive(Debug, Default)]
pub(super) struct Place(Mutex<Option<OwnedSemaphorePermit>>);

impl Place {
    /// Waits for a place, unless there is one already.
    pub(super) async fn take(&self, starts: &Arc<Semaphore>) {
        if self.0.lock().is_some() {
            return;
        }
        // Nobody closes it.
        let permit = starts.clone().acquire_owned().await.ok();
        *self.0.lock() = permit;
    }

    /// Gives the place up.
    pub(super) fn leave(&self) {
        self.0.lock().take();
    }

    /// Does something in it; what takes too long goes on without it.
    pub(super) async fn hold<T>(&self, call: impl Future<Output = T>) -> T {
        let mut call = pin!(call);
        match tokio::time::timeout(PATIENCE, &mut call).await {
            Ok(done) => done,
            Err(_) => {
                self.leave();
                call.await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_waits_for_long_gives_its_place_up() {
        let starts = Arc::new(Semaphore::new(1));
        let (slow, quick) = (Place::default(), Place::default());
        slow.take(&starts).await;
        slow.take(&starts).await;
        let begun = tokio::time::Instant::now();
        let long = slow.hold(tokio::time::sleep(Duration::from_secs(100)));
        let short = async {
            quick.take(&starts).await;
            quick.hold(std::future::ready(())).await;
            quick.leave();
            begun.elapsed()
        };
        let ((), waited) = tokio::join!(long, short);
        assert_eq!(waited, PATIENCE);
        assert_eq!(begun.elapsed(), Duration::from_secs(100));
        drop((slow, quick));
        assert_eq!(starts.available_permits(), 1);
    }
}
