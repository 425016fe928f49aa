//! Tasks with owners, shutdown, backoff, clock, telemetry: the only crate that may spawn.
//!
//! A component is a set of long-lived [`Tasks`] (their exits are watched) and of short-lived ones in a [`Crowd`]
//! (connections, requests). Both hand every task a [`Stop`]; both end by asking, waiting until a deadline, then
//! aborting and naming what did not listen.
//!
//! What is handed to the runtime is boxed first: the runtime's own code, some twenty functions for each kind of future,
//! is in the binary once then, and a future is not kept twice, as it came and as it is awaited.

mod backoff;
pub mod burst;
pub mod clock;
mod crowd;
mod tasks;
pub mod telemetry;

use std::{any::Any, os::fd::OwnedFd};

use tokio::io::{Interest, unix::AsyncFd};

pub use backoff::Backoff;
pub use crowd::Crowd;
pub use tasks::{Exit, Outcome, Tasks};
/// Told when to stop: `stop.cancelled().await`. A child is stopped with its parent.
pub use tokio_util::sync::CancellationToken as Stop;

/// The error of a task: its own type is of no use to its owner, its words are.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Waits until `stop`, then at most `patience` longer for `asked`: a client that was accepted just before should get the
/// answer it has come for.
pub async fn stop_unless_new(stop: &Stop, asked: &Stop, patience: std::time::Duration) {
    stop.cancelled().await;
    let _ = tokio::time::timeout(patience, asked.cancelled()).await;
}

/// Has the runtime tell when a descriptor is ready for `interest`.
///
/// # Errors
/// The kernel refuses it: it is of a kind that is always ready, or there are too many.
#[expect(
    deprecated,
    reason = "its successor is unsafe, for types that lend a descriptor they do not own; this one owns it"
)]
pub fn watched(fd: OwnedFd, interest: Interest) -> std::io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(fd, interest)
}

/// Runs blocking work on a thread that may block, and passes its panic on.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    type Answer = Box<dyn Any + Send>;
    let work: Box<dyn FnOnce() -> Answer + Send> = Box::new(|| Box::new(work()));
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => *answer.downcast().expect("the answer of this work"),
        Err(e) => match e.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => std::future::pending().await, // the runtime is going away, and so are we
        },
    }
}

/// An error and all its causes in one line: `connect to runtime: no such file`.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut out = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        let text = e.to_string();
        if !out.ends_with(&text) {
            out.push_str(": ");
            out.push_str(&text);
        }
        cause = e.source();
    }
    out
}
