//! Short-lived tasks: connections and requests.

use std::{future::Future, time::Duration};

use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::task::TaskTracker;

use crate::Stop;

/// A bounded crowd of short-lived tasks whose ends nobody watches one by one.
#[derive(Clone)]
pub struct Crowd {
    tracker: TaskTracker,
    stop: Stop,
    /// Cancelled when the grace is over: what still runs is dropped.
    kill: Stop,
    places: std::sync::Arc<tokio::sync::Semaphore>,
}

impl Crowd {
    /// A crowd of at most `bound` tasks that stops with `parent`.
    pub fn new(parent: &Stop, bound: usize) -> Self {
        Self {
            tracker: TaskTracker::new(),
            stop: parent.child_token(),
            kill: Stop::new(),
            places: std::sync::Arc::new(tokio::sync::Semaphore::new(bound)),
        }
    }

    /// Starts a task, or gives the closure back (`false`) when the crowd is full. The overflow rule is the caller's.
    pub fn try_spawn<F>(&self, run: impl FnOnce(Stop) -> F) -> bool
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Ok(place) = self.places.clone().try_acquire_owned() else { return false };
        self.start(place, run(self.stop.clone()).boxed());
        true
    }

    /// Waits for a place, then starts a task.
    pub async fn spawn<F>(&self, run: impl FnOnce(Stop) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let place = self.places.clone().acquire_owned().await.expect("the semaphore is never closed");
        self.start(place, run(self.stop.clone()).boxed());
    }

    fn start(&self, place: OwnedSemaphorePermit, future: BoxFuture<'static, ()>) {
        let kill = self.kill.clone();
        self.tracker.spawn(async move {
            let _place = place;
            tokio::select! {
                () = future => {}
                () = kill.cancelled() => {}
            }
        });
    }

    /// Tasks running now.
    pub fn len(&self) -> usize {
        self.tracker.len()
    }

    /// Whether none runs.
    pub fn is_empty(&self) -> bool {
        self.tracker.is_empty()
    }

    /// Asks all to stop, waits at most `grace`, drops the rest. Returns how many were dropped.
    pub async fn stop_all(&self, grace: Duration) -> usize {
        self.tracker.close();
        self.stop.cancel();
        if tokio::time::timeout(grace, self.tracker.wait()).await.is_ok() {
            return 0;
        }
        let late = self.tracker.len();
        self.kill.cancel();
        self.tracker.wait().await;
        late
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn is_bounded_and_stops() {
        let crowd = Crowd::new(&Stop::new(), 1);
        assert!(crowd.try_spawn(|_| std::future::pending()));
        assert!(!crowd.try_spawn(|_| async {}));
        assert_eq!(crowd.stop_all(Duration::from_millis(10)).await, 1);
        assert!(crowd.is_empty());
    }
}
