//! What is being made is made to its end, also when nobody wants it any more.
//!
//! A call to the runtime, and a thread that writes files and mounts, go on when the task that waits for them is dropped.
//! Whatever takes the pod away afterwards would not know of what they make then. So who makes something does it here, and
//! who gives up waits until nothing is being made.

use std::future::Future;

/// The one thing that is being made for a pod.
#[derive(Debug, Default)]
pub(crate) struct Making(tokio::sync::Mutex<()>);

impl Making {
    /// Awaits a call that makes something.
    pub(crate) async fn call<T>(&self, call: impl Future<Output = T>) -> T {
        let _making = self.0.lock().await;
        call.await
    }

    /// Makes something on a thread that may block.
    pub(crate) async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        self.call(knarr_daemon::blocking(work)).await
    }

    /// Waits until nothing is being made; the waiting itself keeps anything further from being begun (the lock is fair).
    pub(crate) async fn rest(&self) {
        let _nothing = self.0.lock().await;
    }
}
