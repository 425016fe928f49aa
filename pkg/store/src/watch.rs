//! Watchers: who wants which events, and the queues between the writer and them.
//!
//! The writer offers an event and goes on. A watcher whose queue is full is cut off: it gets what is queued, then
//! [`WatchEnd::Lagged`], and its client lists or watches again. Nothing a watcher does can slow a commit.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::{mpsc, watch as channel};

use crate::{Event, Scope, memory::Shelf};

/// Why a watch is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchEnd {
    /// The watcher was too slow. Watching again from the last event seen may work, listing always does.
    #[error("the watcher was too slow")]
    Lagged,
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
}

/// Follows a scope of a collection. Dropping it ends the watch.
pub struct Watcher {
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) scope: Scope,
    pub(crate) id: u64,
    /// Everything up to here was taken or is in `past`; later events come through `events`.
    pub(crate) reached: u64,
    pub(crate) past: VecDeque<Arc<Event>>,
    pub(crate) events: mpsc::Receiver<Arc<Event>>,
    pub(crate) lagged: Arc<AtomicBool>,
    /// The newest revision offered to all watchers.
    pub(crate) told: channel::Receiver<u64>,
}

impl Watcher {
    /// The next event. Cancelling the future loses nothing.
    ///
    /// # Errors
    /// The watch is over; every event up to the end was delivered in order before.
    pub async fn next(&mut self) -> Result<Arc<Event>, WatchEnd> {
        if let Some(event) = self.past.pop_front() {
            return Ok(event);
        }
        match self.events.recv().await {
            Some(event) => Ok(self.take(event)),
            None => Err(self.end()),
        }
    }

    /// The next event, if one is there already.
    ///
    /// # Errors
    /// As [`Watcher::next`].
    pub fn try_next(&mut self) -> Result<Option<Arc<Event>>, WatchEnd> {
        if let Some(event) = self.past.pop_front() {
            return Ok(Some(event));
        }
        match self.events.try_recv() {
            Ok(event) => Ok(Some(self.take(event))),
            Err(mpsc::error::TryRecvError::Empty) => Ok(None),
            Err(mpsc::error::TryRecvError::Disconnected) => Err(self.end()),
        }
    }

    fn take(&mut self, event: Arc<Event>) -> Arc<Event> {
        self.reached = event.revision;
        event
    }

    fn end(&self) -> WatchEnd {
        if self.lagged.load(Ordering::Acquire) { WatchEnd::Lagged } else { WatchEnd::Closed }
    }

    /// A revision up to which everything has been taken from this watcher, never below that of the last event taken:
    /// what a bookmark may say. `None` while events are waiting.
    pub fn progress(&self) -> Option<u64> {
        let told = *self.told.borrow(); // first: what was offered before it is then seen below
        let drained = self.past.is_empty() && self.events.is_empty() && !self.lagged.load(Ordering::Acquire);
        drained.then_some(told.max(self.reached))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.shelf.watchers.lock().remove(&self.scope, self.id);
    }
}

type Slots = HashMap<Box<str>, Vec<Slot>>;

/// The watchers of one collection, each under the narrowest term of its scope.
#[derive(Default)]
pub(crate) struct Index {
    next: u64,
    all: Vec<Slot>,
    nodes: Slots,
    names: Slots,
    namespaces: Slots,
}

struct Slot {
    id: u64,
    scope: Scope,
    start: u64,
    events: mpsc::Sender<Arc<Event>>,
    lagged: Arc<AtomicBool>,
}

type Queue = (u64, mpsc::Receiver<Arc<Event>>, Arc<AtomicBool>);

impl Index {
    pub(crate) fn add(&mut self, scope: &Scope, start: u64, buffer: usize) -> Queue {
        let (events, receiver) = mpsc::channel(buffer);
        let (id, lagged) = (self.next, Arc::new(AtomicBool::new(false)));
        self.next += 1;
        let slot = Slot { id, scope: scope.clone(), start, events, lagged: lagged.clone() };
        match self.term(scope) {
            Some((map, term)) => map.entry(term.into()).or_default().push(slot),
            None => self.all.push(slot),
        }
        (id, receiver, lagged)
    }

    pub(crate) fn remove(&mut self, scope: &Scope, id: u64) {
        match self.term(scope) {
            Some((map, term)) => prune(map, term, |slot| slot.id != id),
            None => self.all.retain(|slot| slot.id != id),
        }
    }

    /// Gives an event to those who want it; returns how many were cut off.
    pub(crate) fn offer(&mut self, event: &Arc<Event>) -> usize {
        let mut lagged = 0;
        let mut offer = |slot: &mut Slot| slot.offer(event, &mut lagged);
        self.all.retain_mut(&mut offer);
        prune(&mut self.namespaces, event.namespace(), &mut offer);
        prune(&mut self.names, event.name(), &mut offer);
        let moved = event.previous_node.as_deref().filter(|n| event.node.as_deref() != Some(n));
        for node in event.node.as_deref().into_iter().chain(moved) {
            prune(&mut self.nodes, node, &mut offer);
        }
        lagged
    }

    pub(crate) fn clear(&mut self) {
        *self = Self { next: self.next, ..Self::default() };
    }

    pub(crate) fn len(&self) -> usize {
        let maps = [&self.nodes, &self.names, &self.namespaces];
        self.all.len() + maps.iter().flat_map(|m| m.values()).map(Vec::len).sum::<usize>()
    }

    fn term<'a, 's>(&'a mut self, scope: &'s Scope) -> Option<(&'a mut Slots, &'s str)> {
        let terms =
            [(&mut self.nodes, &scope.node), (&mut self.names, &scope.name), (&mut self.namespaces, &scope.namespace)];
        terms.into_iter().find_map(|(map, term)| Some((map, term.as_deref()?)))
    }
}

fn prune(map: &mut Slots, term: &str, keep: impl FnMut(&mut Slot) -> bool) {
    let Some(slots) = map.get_mut(term) else { return };
    slots.retain_mut(keep);
    if slots.is_empty() {
        map.remove(term);
    }
}

impl Slot {
    /// Whether the watcher stays.
    fn offer(&mut self, event: &Arc<Event>, lagged: &mut usize) -> bool {
        if event.revision <= self.start || !self.scope.matches(event) {
            return true;
        }
        match self.events.try_send(event.clone()) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.lagged.store(true, Ordering::Release);
                *lagged += 1;
                false
            }
        }
    }
}
