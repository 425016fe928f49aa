//! The way from callers to the writer thread.
//!
//! Bounded by places, not by length: a caller waits for a place without blocking a thread, and keeps it until its
//! transaction is answered. What has gathered while the disk was busy is taken at once and becomes one group.

use std::{sync::Arc, time::Instant};

use knarr_api::Object;
use parking_lot::{Condvar, Mutex};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::{CommitError, CommitErrorKind, Transaction};

pub(crate) type Answer = Result<Vec<Object>, CommitError>;

pub(crate) struct Job {
    pub(crate) transaction: Transaction,
    answer: oneshot::Sender<Answer>,
    _place: OwnedSemaphorePermit,
}

impl Job {
    /// Separates what is to be done from who waits for it.
    pub(crate) fn split(self) -> (Transaction, Waiting) {
        (self.transaction, Waiting { answer: self.answer, _place: self._place })
    }
}

/// Who waits for an answer.
pub(crate) struct Waiting {
    answer: oneshot::Sender<Answer>,
    _place: OwnedSemaphorePermit,
}

impl Waiting {
    pub(crate) fn answer(self, answer: Answer) {
        let _ = self.answer.send(answer); // a caller who left does not want to know
    }
}

/// Why the writer was woken.
pub(crate) enum Wake {
    Jobs(Vec<Job>),
    /// The deadline has passed.
    Due,
    /// The queue is closed and empty.
    Closed,
}

pub(crate) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    places: Arc<Semaphore>,
}

#[derive(Default)]
struct State {
    jobs: Vec<Job>,
    closed: bool,
}

impl Queue {
    pub(crate) fn new(places: usize) -> Self {
        Self { state: Mutex::default(), wake: Condvar::new(), places: Arc::new(Semaphore::new(places.max(1))) }
    }

    /// Hands a transaction over and waits for its answer. Once handed over it runs to its end, even if the caller
    /// stops waiting.
    pub(crate) async fn commit(&self, transaction: Transaction) -> Answer {
        const CLOSED: CommitError = CommitError { index: 0, kind: CommitErrorKind::Closed };
        let place = self.places.clone().acquire_owned().await.map_err(|_| CLOSED)?;
        let (answer, answered) = oneshot::channel();
        {
            let mut state = self.state.lock();
            if state.closed {
                return Err(CLOSED);
            }
            state.jobs.push(Job { transaction, answer, _place: place });
        }
        self.wake.notify_one();
        answered.await.unwrap_or(Err(CLOSED))
    }

    /// Waits for work, at most until `deadline`. For the writer thread.
    pub(crate) fn take(&self, deadline: Option<Instant>) -> Wake {
        let mut state = self.state.lock();
        loop {
            if !state.jobs.is_empty() {
                return Wake::Jobs(std::mem::take(&mut state.jobs));
            }
            if state.closed {
                return Wake::Closed;
            }
            match deadline {
                None => self.wake.wait(&mut state),
                Some(at) => {
                    if self.wake.wait_until(&mut state, at).timed_out() && state.jobs.is_empty() && !state.closed {
                        return Wake::Due;
                    }
                }
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.state.lock().jobs.is_empty()
    }

    /// Takes no more transactions. Those handed over before are still done.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.places.close();
        self.wake.notify_one();
    }
}
