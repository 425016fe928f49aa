//! Long-lived tasks with one owner.

use std::{collections::HashMap, future::Future, time::Duration};

use futures_util::FutureExt as _;
use parking_lot::Mutex;
use tokio::task::{Id, JoinError, JoinSet};

use crate::{Error, Stop};

/// The long-lived tasks of one owner.
///
/// The owner awaits [`Tasks::next_exit`]: an error or a panic of any task is an event there, never a vanished task.
/// Dropping `Tasks` aborts what still runs; an orderly end is [`Tasks::stop_all`].
pub struct Tasks {
    stop: Stop,
    inner: Mutex<Inner>,
    changed: tokio::sync::Notify,
}

#[derive(Default)]
struct Inner {
    set: JoinSet<Result<(), Error>>,
    names: HashMap<Id, String>,
}

/// The end of a task.
#[derive(Debug)]
pub struct Exit {
    /// Its name.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a task ended.
#[derive(Debug)]
pub enum Outcome {
    /// By itself, without complaint.
    Done,
    /// With an error.
    Failed(Error),
    /// By a panic, with its message.
    Panicked(String),
    /// It was aborted.
    Aborted,
}

impl Tasks {
    /// An empty set that stops with `parent`.
    pub fn new(parent: &Stop) -> Self {
        Self { stop: parent.child_token(), inner: Mutex::default(), changed: tokio::sync::Notify::new() }
    }

    /// The token the tasks of this set are given.
    pub fn stop_token(&self) -> &Stop {
        &self.stop
    }

    /// Starts a task. `run` gets the stop token and should return soon after it is cancelled.
    pub fn spawn<F, R, E>(&self, name: impl Into<String>, run: R)
    where
        R: FnOnce(Stop) -> F,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Error>,
    {
        let future = run(self.stop.clone()).map(|end| end.map_err(Into::into)).boxed();
        let mut inner = self.inner.lock();
        let handle = inner.set.spawn(future);
        inner.names.insert(handle.id(), name.into());
        drop(inner);
        self.changed.notify_one();
    }

    /// The next task to end. Waits for ever while there is none.
    pub async fn next_exit(&self) -> Exit {
        loop {
            let changed = self.changed.notified();
            let next = std::future::poll_fn(|cx| {
                let mut inner = self.inner.lock();
                inner.set.poll_join_next_with_id(cx).map(|end| end.map(|end| inner.exit(end)))
            });
            tokio::select! {
                biased;
                Some(exit) = next => return exit,
                () = changed => {}
            }
        }
    }

    /// Asks all tasks to stop, waits at most `grace`, aborts the rest. Returns the names of the aborted.
    pub async fn stop_all(&self, grace: Duration) -> Vec<String> {
        self.stop.cancel();
        let mut set = std::mem::take(&mut *self.inner.lock());
        let deadline = tokio::time::sleep(grace);
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                end = set.set.join_next_with_id() => match end {
                    Some(end) => drop(set.exit(end)),
                    None => return Vec::new(),
                },
                () = &mut deadline => break,
            }
        }
        let late = set.names.values().cloned().collect();
        set.set.shutdown().await;
        late
    }
}

impl Inner {
    fn exit(&mut self, end: Result<(Id, Result<(), Error>), JoinError>) -> Exit {
        let (id, outcome) = match end {
            Ok((id, Ok(()))) => (id, Outcome::Done),
            Ok((id, Err(e))) => (id, Outcome::Failed(e)),
            Err(e) => (e.id(), if e.is_panic() { Outcome::Panicked(panic_text(e)) } else { Outcome::Aborted }),
        };
        Exit { name: self.names.remove(&id).unwrap_or_default(), outcome }
    }
}

fn panic_text(e: JoinError) -> String {
    let panic = e.into_panic();
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn exits_are_seen_and_named() {
        let tasks = Tasks::new(&Stop::new());
        tasks.spawn("bad", |_| async { Err::<(), Error>("no".into()) });
        let exit = tasks.next_exit().await;
        assert_eq!(exit.name, "bad");
        assert!(matches!(exit.outcome, Outcome::Failed(_)));
        tasks.spawn("boom", |_| async { if true { panic!("boo") } else { Ok::<(), Error>(()) } });
        assert!(matches!(tasks.next_exit().await.outcome, Outcome::Panicked(p) if p == "boo"));
    }

    #[tokio::test(start_paused = true)]
    async fn stopping_waits_then_names_the_deaf() {
        let tasks = Tasks::new(&Stop::new());
        tasks.spawn("polite", |stop| async move {
            stop.cancelled().await;
            Ok::<(), Error>(())
        });
        tasks.spawn("deaf", |_| std::future::pending::<Result<(), Error>>());
        assert_eq!(tasks.stop_all(Duration::from_secs(1)).await, ["deaf"]);
    }

    #[tokio::test(start_paused = true)]
    #[expect(clippy::disallowed_methods, reason = "the test itself owns this task and awaits it")]
    async fn a_task_spawned_while_waiting_is_watched_too() {
        let tasks = std::sync::Arc::new(Tasks::new(&Stop::new()));
        let late = tasks.clone();
        let waiter = tokio::spawn(async move { late.next_exit().await.name });
        tokio::task::yield_now().await;
        tasks.spawn("late", |_| async { Ok::<(), Error>(()) });
        assert_eq!(waiter.await.unwrap(), "late");
    }
}
