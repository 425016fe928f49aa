//! The informer: a local projection of a selection, kept current by list and watch.
//!
//! A component keeps the small struct it needs, not the object ([`Cache::run`] takes the projecting function), and is
//! called back on every difference. Callbacks only wake (put a key in a queue); the work then reads the cache, which
//! is the whole present state. After a broken watch the cache continues from the last revision seen; after `410 Gone`
//! it lists again, and what vanished meanwhile is reported as removed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures_util::StreamExt;
use knarr_api::{Object, Reason, Status, Str};
use knarr_daemon::{Backoff, Stop};
use parking_lot::RwLock;
use tokio::sync::watch;

use crate::{Api, Event, Request, Resource, Verb};

/// Namespace and name. The namespace of cluster-scoped objects is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Namespace.
    pub namespace: Str,
    /// Name.
    pub name: Str,
}

impl Key {
    /// A key of two parts.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// The key of an object.
    pub fn of(object: &Object) -> Self {
        Self::new(object.namespace(), object.name())
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.namespace.is_empty() { f.write_str(&self.name) } else { write!(f, "{}/{}", self.namespace, self.name) }
    }
}

/// What to follow.
#[derive(Clone, Debug)]
pub struct Selection {
    /// The resource.
    pub resource: Resource,
    /// One namespace; empty for all.
    pub namespace: Str,
    /// Label selector; empty for all.
    pub labels: Str,
    /// Field selector; empty for all.
    pub fields: Str,
}

impl Selection {
    /// All objects of a resource.
    pub fn all(resource: &Resource) -> Self {
        Self { resource: resource.clone(), namespace: Str::default(), labels: Str::default(), fields: Str::default() }
    }

    /// Those a field selector names: `spec.nodeName=a`.
    #[must_use]
    pub fn fields(mut self, selector: &str) -> Self {
        self.fields = selector.into();
        self
    }
}

/// A difference: `old` is what the cache had, `new` what it has now. At least one is there.
#[derive(Debug)]
pub struct Change<'a, P> {
    /// Which object.
    pub key: &'a Key,
    /// Before.
    pub old: Option<&'a Arc<P>>,
    /// After.
    pub new: Option<&'a Arc<P>>,
}

/// The projections of a selection by key.
#[derive(Debug)]
pub struct Cache<P> {
    map: RwLock<BTreeMap<Key, Arc<P>>>,
    synced: watch::Sender<bool>,
}

impl<P> Default for Cache<P> {
    fn default() -> Self {
        Self { map: RwLock::default(), synced: watch::Sender::new(false) }
    }
}

impl<P: Send + Sync + 'static> Cache<P> {
    /// An empty cache; [`Cache::run`] fills it.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The projection of one object.
    pub fn get(&self, key: &Key) -> Option<Arc<P>> {
        self.map.read().get(key).cloned()
    }

    /// All projections in key order.
    pub fn list(&self) -> Vec<Arc<P>> {
        self.map.read().values().cloned().collect()
    }

    /// All entries in key order.
    pub fn entries(&self) -> Vec<(Key, Arc<P>)> {
        self.map.read().iter().map(|(k, p)| (k.clone(), p.clone())).collect()
    }

    /// Those of one namespace, in name order.
    pub fn in_namespace(&self, namespace: &str) -> Vec<Arc<P>> {
        let map = self.map.read();
        let from = Key::new(namespace, "");
        map.range(from..).take_while(|(k, _)| k.namespace == namespace).map(|(_, p)| p.clone()).collect()
    }

    /// Number of objects.
    pub fn len(&self) -> usize {
        self.map.read().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the present state has been read once.
    pub fn is_synced(&self) -> bool {
        *self.synced.borrow()
    }

    /// Waits until the present state has been read once.
    pub async fn synced(&self) {
        let _ = self.synced.subscribe().wait_for(|s| *s).await;
    }

    /// Follows the selection until stopped. Objects that `project` maps to `None` are treated as not selected.
    ///
    /// `changed` is called in order, from this one task; it must not block.
    ///
    /// # Errors
    /// None: trouble is logged and tried again with back-off, so the type only fits [`knarr_daemon::Tasks`].
    pub async fn run(
        self: Arc<Self>,
        api: Arc<dyn Api>,
        selection: Selection,
        stop: Stop,
        mut project: impl FnMut(&Object) -> Option<P> + Send + 'static,
        mut changed: impl FnMut(Change<'_, P>) + Send + 'static,
    ) -> Result<(), Status> {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(10));
        let mut from = None;
        loop {
            let round = self.follow(&*api, &selection, &mut from, &mut project, &mut changed);
            let end = tokio::select! {
                end = round => end,
                () = stop.cancelled() => return Ok(()),
            };
            let delay = match end {
                Ok(()) => {
                    backoff.reset();
                    Duration::from_millis(10)
                }
                Err(e) => {
                    if e.is(Reason::Expired) || e.is(Reason::Gone) {
                        from = None;
                    } else {
                        tracing::debug!(resource = %selection.resource, error = %e, "watch ended");
                    }
                    backoff.next_delay()
                }
            };
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    /// One watch. `from` is the revision to go on from; `None` asks for the present state first.
    async fn follow(
        &self,
        api: &dyn Api,
        selection: &Selection,
        from: &mut Option<u64>,
        project: &mut (impl FnMut(&Object) -> Option<P> + Send),
        changed: &mut (impl FnMut(Change<'_, P>) + Send),
    ) -> Result<(), Status> {
        let request = Request::new(Verb::Watch, &selection.resource).namespace(&selection.namespace).options(|o| {
            o.label_selector = selection.labels.clone();
            o.field_selector = selection.fields.clone();
            o.allow_bookmarks = true;
            match *from {
                Some(revision) => o.resource_version = revision.to_string().into(),
                None => {
                    o.send_initial_events = Some(true);
                    o.resource_version_match = "NotOlderThan".into();
                }
            }
        });
        let mut events = api.watch(request).await?;
        // While the present state streams in: what has been named so far.
        let mut named = from.is_none().then(BTreeSet::new);
        while let Some(event) = events.next().await {
            match event? {
                Event::Added(object) | Event::Modified(object) => {
                    let key = Key::of(&object);
                    let revision = object.revision();
                    let new = project(&object).map(Arc::new);
                    match &mut named {
                        Some(named) => drop(named.insert(key.clone())),
                        None => *from = Some(revision),
                    }
                    self.put(key, new, changed);
                }
                Event::Deleted(object) => {
                    if named.is_none() {
                        *from = Some(object.revision());
                    }
                    self.put(Key::of(&object), None, changed);
                }
                Event::Bookmark { revision, initial_events_end } => {
                    if initial_events_end && let Some(named) = named.take() {
                        let gone: Vec<Key> = self.map.read().keys().filter(|k| !named.contains(*k)).cloned().collect();
                        gone.into_iter().for_each(|key| self.put(key, None, changed));
                        self.synced.send_replace(true);
                    }
                    if named.is_none() {
                        *from = Some(revision);
                    }
                }
            }
        }
        Ok(())
    }

    fn put(&self, key: Key, new: Option<Arc<P>>, changed: &mut impl FnMut(Change<'_, P>)) {
        let old = {
            let mut map = self.map.write();
            match &new {
                Some(new) => map.insert(key.clone(), new.clone()),
                None => map.remove(&key),
            }
        };
        if old.is_some() || new.is_some() {
            changed(Change { key: &key, old: old.as_ref(), new: new.as_ref() });
        }
    }
}
