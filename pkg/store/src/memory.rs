//! The one copy of the cluster: newest objects, recent past, watchers.
//!
//! Only the writer changes it. Lock order: `gate`, the list of shelves, one shelf's objects, the ring, that shelf's
//! watchers. An event enters map and ring under its shelf's write lock, so a reader holding the read lock sees a map,
//! a past and an applied revision that agree.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use knarr_api::Object;
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch as channel;

use crate::{
    Collection, Config, Event, HistoryError, Scope, Watcher,
    map::{Entry, Objects, Range},
    ring::{Bounds, Ring},
    watch::Index,
};

pub(crate) struct Memory {
    /// Held while a group is applied: who holds it sees whole transactions only.
    gate: Mutex<()>,
    shelves: RwLock<Shelves>,
    ring: RwLock<Ring>,
    /// The newest revision in map and ring.
    applied: AtomicU64,
    /// The newest revision whose event every watcher has been offered.
    told: channel::Sender<u64>,
    watch_buffer: usize,
    lagged: AtomicU64,
    closed: AtomicBool,
}

#[derive(Default)]
struct Shelves {
    names: HashMap<Box<str>, Collection>,
    list: Vec<Arc<Shelf>>,
}

/// One collection.
pub(crate) struct Shelf {
    name: Box<str>,
    objects: RwLock<Objects>,
    pub(crate) watchers: Mutex<Index>,
}

/// The state a list shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum At {
    /// The newest.
    #[default]
    Newest,
    /// That of a revision.
    Exact(u64),
}

/// What to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct Query<'a> {
    /// In one namespace; `None`: all.
    pub namespace: Option<&'a str>,
    /// At which revision.
    pub at: At,
    /// Begin behind this namespace and name, the last of the page before.
    pub after: Option<(&'a str, &'a str)>,
    /// At most so many; 0: all.
    pub limit: usize,
}

/// A list, or a page of it, ordered by namespace and name.
#[derive(Clone, Debug)]
pub struct Page {
    /// The objects.
    pub items: Vec<Object>,
    /// The revision of the state they are from.
    pub revision: u64,
    /// How many follow.
    pub remaining: usize,
}

/// Collections with their objects.
pub(crate) type Contents = Vec<(Box<str>, Vec<Entry>)>;

/// Sizes, for metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Objects per collection.
    pub objects: Vec<(Box<str>, usize)>,
    /// Watchers.
    pub watchers: usize,
    /// Watchers cut off so far because they were slow.
    pub lagged: u64,
    /// Events remembered.
    pub events: usize,
    /// Bytes that only the remembered events keep.
    pub event_bytes: usize,
}

impl Memory {
    pub(crate) fn new(config: &Config, start: u64) -> Self {
        let bounds = Bounds { history: config.history, events: config.max_events, bytes: config.max_bytes };
        Self {
            gate: Mutex::new(()),
            shelves: RwLock::default(),
            ring: RwLock::new(Ring::new(bounds, start)),
            applied: AtomicU64::new(start),
            told: channel::Sender::new(start),
            watch_buffer: config.watch_buffer.max(1),
            lagged: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        }
    }

    /// The collection of that name, made if it is new.
    pub(crate) fn collection(&self, name: &str) -> Collection {
        if let Some(&known) = self.shelves.read().names.get(name) {
            return known;
        }
        let Shelves { names, list } = &mut *self.shelves.write();
        *names.entry(name.into()).or_insert_with(|| {
            let shelf = Shelf { name: name.into(), objects: RwLock::default(), watchers: Mutex::default() };
            list.push(Arc::new(shelf));
            Collection(u32::try_from(list.len() - 1).expect("fewer collections than memory"))
        })
    }

    fn shelf(&self, collection: Collection) -> Arc<Shelf> {
        self.shelves.read().list[collection.index()].clone()
    }

    pub(crate) fn name(&self, collection: Collection) -> Box<str> {
        self.shelf(collection).name.clone()
    }

    /// Puts an object read from disk into its collection; gives it back if its key is taken.
    pub(crate) fn load(&self, collection: Collection, entry: Entry) -> Option<Entry> {
        self.shelf(collection).objects.write().put(entry)
    }

    pub(crate) fn applied(&self) -> u64 {
        self.applied.load(Ordering::Acquire)
    }

    pub(crate) fn told(&self) -> channel::Receiver<u64> {
        self.told.subscribe()
    }

    pub(crate) fn entry(&self, collection: Collection, namespace: &str, name: &str) -> Option<Entry> {
        self.shelf(collection).objects.read().get(namespace, name).cloned()
    }

    pub(crate) fn get(&self, collection: Collection, namespace: &str, name: &str) -> Option<Object> {
        self.shelf(collection).objects.read().get(namespace, name).map(|e| e.object.clone())
    }

    pub(crate) fn list(&self, collection: Collection, query: Query<'_>) -> Result<Page, HistoryError> {
        let Query { namespace, at, after, limit } = query;
        let range = Range { namespace, after, limit };
        let shelf = self.shelf(collection);
        let objects = shelf.objects.read();
        let newest = self.applied();
        let (revision, (items, remaining)) = match at {
            At::Newest => (newest, objects.page(range)),
            At::Exact(asked) if asked > newest => return Err(HistoryError::Future { asked, newest }),
            At::Exact(asked) => {
                let ring = self.ring.read();
                let later = ring.since(collection, asked);
                let later = later.ok_or(HistoryError::Expired { asked, oldest: ring.floor() })?;
                (asked, objects.page_before(range, later.rev()))
            }
        };
        Ok(Page { items, revision, remaining })
    }

    pub(crate) fn watch(&self, collection: Collection, scope: Scope, from: u64) -> Result<Watcher, HistoryError> {
        let shelf = self.shelf(collection);
        let objects = shelf.objects.read(); // keeps the writer from this shelf until the watcher is registered
        let newest = self.applied();
        if from > newest {
            return Err(HistoryError::Future { asked: from, newest });
        }
        let ring = self.ring.read();
        let past = ring.since(collection, from).ok_or(HistoryError::Expired { asked: from, oldest: ring.floor() })?;
        let past = past.filter(|e| scope.matches(e)).cloned().collect();
        drop(ring);
        let mut index = shelf.watchers.lock();
        let (id, events, lagged) = index.add(&scope, newest, self.watch_buffer);
        if self.closed.load(Ordering::Acquire) {
            index.clear();
        }
        drop(index);
        drop(objects);
        Ok(Watcher { shelf, scope, id, reached: newest, past, events, lagged, told: self.told() })
    }

    /// Makes committed events visible, in order, then offers them to the watchers.
    pub(crate) fn apply(&self, events: &[Arc<Event>], now: Instant) {
        let Some(newest) = events.last() else { return };
        let mut forgotten = 0;
        let gate = self.gate.lock();
        for run in events.chunk_by(|a, b| a.collection == b.collection) {
            let shelf = self.shelf(run[0].collection);
            let mut objects = shelf.objects.write();
            let mut ring = self.ring.write();
            for event in run {
                match &event.new {
                    Some(object) => {
                        let (object, row, node) = (object.clone(), event.row, event.node.clone());
                        objects.put(Entry { object, row, node });
                    }
                    None => drop(objects.remove(event.namespace(), event.name())),
                }
                forgotten += ring.push(event.clone(), now);
                self.applied.store(event.revision, Ordering::Release);
            }
        }
        drop(gate);
        for run in events.chunk_by(|a, b| a.collection == b.collection) {
            let shelf = self.shelf(run[0].collection);
            let mut watchers = shelf.watchers.lock();
            let lagged: usize = run.iter().map(|event| watchers.offer(event)).sum();
            drop(watchers);
            if lagged > 0 {
                self.lagged.fetch_add(lagged as u64, Ordering::Relaxed);
                tracing::debug!(collection = &*shelf.name, lagged, "cut off slow watchers");
            }
        }
        self.told.send_replace(newest.revision);
        knarr_daemon::burst::passed(forgotten);
    }

    /// Ends all watches, and those to come.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        for shelf in &self.shelves.read().list {
            shelf.watchers.lock().clear();
        }
    }

    /// All objects at one revision, between two transactions.
    pub(crate) fn everything(&self) -> (u64, Contents) {
        let gate = self.gate.lock();
        let shelves = self.shelves.read();
        let all = shelves.list.iter().map(|s| (s.name.clone(), s.objects.read().iter().cloned().collect())).collect();
        let revision = self.applied();
        drop(gate);
        (revision, all)
    }

    pub(crate) fn stats(&self) -> Stats {
        let (events, event_bytes) = self.ring.read().size();
        let shelves = self.shelves.read();
        Stats {
            objects: shelves.list.iter().map(|s| (s.name.clone(), s.objects.read().len())).collect(),
            watchers: shelves.list.iter().map(|s| s.watchers.lock().len()).sum(),
            lagged: self.lagged.load(Ordering::Relaxed),
            events,
            event_bytes,
        }
    }
}
