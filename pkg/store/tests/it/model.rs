//! The store against a model that is too simple to be wrong.
//!
//! Random transactions, reads of the past, watches from the past, slow readers, orderly and violent restarts. After
//! every step the newest state is compared; at every drain and list the past is.

use std::collections::{BTreeMap, BTreeSet};

use knarr_api::Object;
use knarr_store::{
    At, Class, Collection, CommitErrorKind, Config, HistoryError, Op, Query, Scope, Store, Transaction, WatchEnd,
    Watcher,
};
use proptest::{collection::vec, option, prelude::*};

use crate::support::{Directory, data, delete, draft, line};

const COLLECTIONS: [&str; 2] = ["pods", "apps/deployments"];
const NAMESPACES: [&str; 3] = ["", "a", "a-b"];
const NAMES: [&str; 3] = ["x", "x.y", "z"];
const EVENTS: usize = 12;
const BUFFER: usize = 6;

/// Collection, namespace, name: indices.
type Key = (usize, usize, usize);

#[derive(Clone, Debug)]
enum Change {
    Create(Key),
    /// `true`: expecting the revision it has.
    Update(Key, bool),
    Delete(Key, Option<bool>),
}

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<Change>, bool),
    /// Collection, how far back, namespace, limit.
    List(usize, u64, Option<usize>, usize),
    Watch(usize, u64, Option<usize>, Option<usize>),
    Drain(usize),
    Close,
    /// The files as they are, in another directory.
    PowerCut,
}

fn key() -> impl Strategy<Value = Key> {
    (0..COLLECTIONS.len(), 0..NAMESPACES.len(), 0..NAMES.len())
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => key().prop_map(Change::Create),
        3 => (key(), prop::bool::weighted(0.9)).prop_map(|(k, right)| Change::Update(k, right)),
        2 => (key(), option::of(prop::bool::weighted(0.9))).prop_map(|(k, expect)| Change::Delete(k, expect)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let some = |n: usize| option::weighted(0.4, 0..n);
    prop_oneof![
        12 => (vec(change(), 1..4), prop::bool::weighted(0.3)).prop_map(|(c, relaxed)| Step::Commit(c, relaxed)),
        3 => (0..2usize, 0..20u64, some(3), 0..4usize).prop_map(|(c, back, ns, n)| Step::List(c, back, ns, n)),
        2 => (0..2usize, 0..20u64, some(3), some(3)).prop_map(|(c, back, ns, n)| Step::Watch(c, back, ns, n)),
        3 => (0..8usize).prop_map(Step::Drain),
        1 => Just(Step::Close),
        1 => Just(Step::PowerCut),
    ]
}

#[derive(Clone, Debug, PartialEq)]
struct Stored {
    revision: u64,
    data: String,
}

struct Past {
    revision: u64,
    key: Key,
    previous: Option<Stored>,
    new: Option<Stored>,
    /// The last state of what was deleted.
    last: Option<Stored>,
}

#[derive(Default)]
struct Model {
    objects: BTreeMap<Key, Stored>,
    past: Vec<Past>,
    /// Revision at the last start.
    start: u64,
    revision: u64,
    /// What a power cut may leave of an object: its state at its last durable change and all since.
    possible: BTreeMap<Key, Vec<Option<Stored>>>,
    writes: u64,
}

struct Watching {
    watcher: Watcher,
    key: (usize, Option<usize>, Option<usize>),
    /// The next event of the past it must give.
    next: usize,
    /// Events the store has offered and nobody has taken; beyond the buffer it is cut off.
    waiting: usize,
    cut: bool,
}

impl Model {
    fn floor(&self) -> u64 {
        self.past.len().checked_sub(EVENTS + 1).map_or(self.start, |n| self.past[n].revision)
    }

    fn history(&self, asked: u64) -> Result<(), HistoryError> {
        if asked > self.revision {
            return Err(HistoryError::Future { asked, newest: self.revision });
        }
        if asked < self.floor() {
            return Err(HistoryError::Expired { asked, oldest: self.floor() });
        }
        Ok(())
    }

    fn at(&self, revision: u64) -> BTreeMap<Key, Stored> {
        let mut objects = self.objects.clone();
        for event in self.past.iter().rev().take_while(|e| e.revision > revision) {
            match &event.previous {
                Some(before) => drop(objects.insert(event.key, before.clone())),
                None => drop(objects.remove(&event.key)),
            }
        }
        objects
    }

    /// What a transaction must do: the objects answered, or the operation that fails.
    fn commit(&mut self, changes: &[Change], relaxed: bool, values: &[String]) -> Result<Vec<Stored>, usize> {
        let (mut objects, mut revision, mut events) = (self.objects.clone(), self.revision, Vec::new());
        for (index, change) in changes.iter().enumerate() {
            revision += 1;
            let (Change::Create(key) | Change::Update(key, _) | Change::Delete(key, _)) = *change;
            let previous = objects.get(&key).cloned();
            let stored = Stored { revision, data: values[index].clone() };
            let (new, last) = match (change, &previous) {
                (Change::Create(_), None) | (Change::Update(_, true), Some(_)) => (Some(stored), None),
                (Change::Delete(_, None | Some(true)), Some(p)) => {
                    (None, Some(Stored { revision, data: p.data.clone() }))
                }
                _ => return Err(index),
            };
            match &new {
                Some(new) => drop(objects.insert(key, new.clone())),
                None => drop(objects.remove(&key)),
            }
            events.push(Past { revision, key, previous, new, last });
        }
        let answer = events.iter().map(|e| e.new.clone().or(e.last.clone()).unwrap()).collect();
        (self.objects, self.revision) = (objects, revision);
        for event in &events {
            let possible = self.possible.entry(event.key).or_insert_with(|| vec![event.previous.clone()]);
            if relaxed { possible.push(event.new.clone()) } else { *possible = vec![event.new.clone()] }
        }
        self.past.extend(events);
        Ok(answer)
    }

    /// Only the newest state is left.
    fn restart(&mut self, revision: u64) {
        self.past.clear();
        self.possible.clear();
        (self.start, self.revision) = (revision, revision);
    }
}

fn matches(watch: (usize, Option<usize>, Option<usize>), key: Key) -> bool {
    watch.0 == key.0 && watch.1.is_none_or(|ns| ns == key.1) && watch.2.is_none_or(|name| name == key.2)
}

fn config() -> Config {
    Config { max_events: EVENTS, watch_buffer: BUFFER, revision_block: 7, relaxed_max: 3, ..Config::default() }
}

struct Run {
    directory: Directory,
    store: Store,
    collections: [Collection; 2],
    model: Model,
    watching: Vec<Watching>,
}

impl Run {
    fn new() -> Self {
        let directory = Directory::new();
        let store = Store::open(directory.path(), config()).unwrap();
        let model = Model { start: 1, revision: 1, ..Model::default() };
        Self { collections: COLLECTIONS.map(|c| store.collection(c)), directory, store, model, watching: Vec::new() }
    }

    async fn step(&mut self, step: &Step) {
        match step {
            Step::Commit(changes, relaxed) => self.commit(changes, *relaxed).await,
            Step::List(c, back, namespace, limit) => self.list(*c, *back, *namespace, *limit),
            Step::Watch(c, back, namespace, name) => self.watch((*c, *namespace, *name), *back),
            Step::Drain(n) if !self.watching.is_empty() => {
                let mut w = self.watching.remove(n % self.watching.len());
                if !self.drain(&mut w) {
                    self.watching.push(w);
                }
            }
            Step::Drain(_) => {}
            Step::Close => self.close().await,
            Step::PowerCut => self.power_cut().await,
        }
        self.compare();
    }

    fn compare(&self) {
        assert_eq!(self.store.revision(), self.model.revision);
        assert_eq!(self.stored(), self.model.objects);
        for (&(c, ns, name), stored) in &self.model.objects {
            let object = self.store.get(self.collections[c], NAMESPACES[ns], NAMES[name]).unwrap();
            assert_eq!((object.revision(), data(&object)), (stored.revision, stored.data.clone()));
        }
    }

    fn stored(&self) -> BTreeMap<Key, Stored> {
        let mut all = BTreeMap::new();
        for (c, collection) in self.collections.iter().enumerate() {
            for o in self.store.list(*collection, Query::default()).unwrap().items {
                let ns = NAMESPACES.iter().position(|n| *n == o.namespace()).unwrap();
                let name = NAMES.iter().position(|n| *n == o.name()).unwrap();
                all.insert((c, ns, name), Stored { revision: o.revision(), data: data(&o) });
            }
        }
        all
    }

    async fn commit(&mut self, changes: &[Change], relaxed: bool) {
        let values: Vec<_> = changes
            .iter()
            .map(|_| {
                self.model.writes += 1;
                self.model.writes.to_string()
            })
            .collect();
        // Revisions inside the transaction are as if all before went well: then they are right.
        let mut revisions: BTreeMap<Key, u64> = self.model.objects.iter().map(|(k, s)| (*k, s.revision)).collect();
        let mut ops = Vec::new();
        for (n, change) in changes.iter().enumerate() {
            let (Change::Create(key) | Change::Update(key, _) | Change::Delete(key, _)) = *change;
            let (collection, namespace, name) = (self.collections[key.0], NAMESPACES[key.1], NAMES[key.2]);
            let wanted = |right: bool| revisions.get(&key).copied().unwrap_or(1) + u64::from(!right) * 1000;
            let draft = draft(namespace, name, &values[n]);
            ops.push(match *change {
                Change::Create(_) => Op::Create { collection, draft },
                Change::Update(_, right) => Op::Update { collection, expect: wanted(right), draft },
                Change::Delete(_, right) => match (delete(collection, namespace, name), right) {
                    (Op::Delete { collection, namespace, name, last, .. }, Some(right)) => {
                        Op::Delete { collection, namespace, name, expect: Some(wanted(right)), last }
                    }
                    (op, _) => op,
                },
            });
            match change {
                Change::Delete(..) => drop(revisions.remove(&key)),
                _ => drop(revisions.insert(key, self.model.revision + 1 + n as u64)),
            }
        }
        let before = self.model.past.len();
        let expected = self.model.commit(changes, relaxed, &values);
        let class = if relaxed { Class::Relaxed } else { Class::Durable };
        match (self.store.commit(Transaction { ops, class }).await, expected) {
            (Ok(objects), Ok(stored)) => {
                let got: Vec<_> = objects.iter().map(|o| Stored { revision: o.revision(), data: data(o) }).collect();
                assert_eq!(got, stored);
            }
            (Err(error), Err(index)) => {
                assert_eq!(error.index, index);
                let fits = match changes[index] {
                    Change::Create(_) => matches!(error.kind, CommitErrorKind::Exists(_)),
                    _ => matches!(error.kind, CommitErrorKind::Missing | CommitErrorKind::Changed(_)),
                };
                assert!(fits, "{error:?}");
            }
            (got, expected) => panic!("{got:?} instead of {expected:?}"),
        }
        for w in &mut self.watching {
            for _ in self.model.past[before..].iter().filter(|e| matches(w.key, e.key)) {
                w.cut |= w.waiting == BUFFER;
                w.waiting += usize::from(!w.cut);
            }
        }
    }

    fn list(&self, c: usize, back: u64, namespace: Option<usize>, limit: usize) {
        let revision = (self.model.revision + 1).saturating_sub(back);
        let mut after: Option<(String, String)> = None;
        let (mut got, mut remaining) = (Vec::new(), Vec::new());
        loop {
            let query = Query {
                namespace: namespace.map(|ns| NAMESPACES[ns]),
                at: At::Exact(revision),
                after: after.as_ref().map(|(ns, name)| (&**ns, &**name)),
                limit,
            };
            let page = self.store.list(self.collections[c], query);
            assert_eq!(page.as_ref().map(|_| ()).map_err(|e| *e), self.model.history(revision));
            let Ok(page) = page else { return };
            assert_eq!(page.revision, revision);
            assert!(limit == 0 || page.items.len() <= limit);
            let row = |o: &Object| (o.namespace().to_owned(), o.name().to_owned(), data(o), o.revision());
            got.extend(page.items.iter().map(row));
            remaining.push((got.len(), page.remaining));
            match page.items.last() {
                Some(last) if page.remaining > 0 => after = Some((last.namespace().into(), last.name().into())),
                _ => break,
            }
        }
        let there = self.model.at(revision);
        let there = there.into_iter().filter(|(key, _)| matches((c, namespace, None), *key));
        let expected: Vec<_> = there
            .map(|((_, ns, name), s)| (NAMESPACES[ns].to_owned(), NAMES[name].to_owned(), s.data, s.revision))
            .collect();
        assert_eq!(got, expected);
        assert!(remaining.iter().all(|(sofar, rest)| sofar + rest == expected.len()), "{remaining:?}");
    }

    fn watch(&mut self, key: (usize, Option<usize>, Option<usize>), back: u64) {
        let from = (self.model.revision + 1).saturating_sub(back);
        let scope = Scope {
            namespace: key.1.map(|ns| NAMESPACES[ns].into()),
            name: key.2.map(|name| NAMES[name].into()),
            node: None,
        };
        let watcher = self.store.watch(self.collections[key.0], scope, from);
        assert_eq!(watcher.as_ref().map(|_| ()).map_err(|e| *e), self.model.history(from));
        let Ok(watcher) = watcher else { return };
        let next = self.model.past.partition_point(|e| e.revision <= from);
        self.watching.push(Watching { watcher, key, next, waiting: 0, cut: false });
    }

    /// Takes all there is; `true` if the watch is over.
    fn drain(&self, w: &mut Watching) -> bool {
        let due: Vec<_> = self.model.past[w.next..].iter().filter(|e| matches(w.key, e.key)).map(text).collect();
        let mut got = Vec::new();
        let end = loop {
            match w.watcher.try_next() {
                Ok(Some(event)) => got.push(line(&event)),
                Ok(None) => break None,
                Err(end) => break Some(end),
            }
        };
        if w.cut {
            assert_eq!(end, Some(WatchEnd::Lagged));
            assert!(got.len() < due.len() && due.starts_with(&got), "{got:?} of {due:?}");
            return true;
        }
        assert_eq!(end, None);
        assert_eq!(got, due);
        assert_eq!(w.watcher.progress(), Some(self.model.revision));
        (w.next, w.waiting) = (self.model.past.len(), 0);
        false
    }

    async fn close(&mut self) {
        for mut w in std::mem::take(&mut self.watching) {
            if !self.drain(&mut w) {
                self.watching.push(w);
            }
        }
        self.store.close().await.unwrap();
        for mut w in std::mem::take(&mut self.watching) {
            assert_eq!(w.watcher.try_next().unwrap_err(), WatchEnd::Closed);
        }
        self.reopen();
        assert_eq!(self.store.revision(), self.model.revision, "an orderly stop skips no revision");
        self.model.restart(self.store.revision());
    }

    /// Durable changes are there, relaxed ones may be, revisions go on.
    async fn power_cut(&mut self) {
        let copy = self.directory.copy();
        self.store.close().await.unwrap();
        self.watching.clear();
        self.directory = copy;
        self.reopen();
        assert!(self.store.revision() >= self.model.revision);
        let found = self.stored();
        let keys: BTreeSet<_> = self.model.objects.keys().chain(self.model.possible.keys()).copied().collect();
        assert!(found.keys().all(|k| keys.contains(k)));
        for key in keys {
            let is = found.get(&key).cloned();
            match self.model.possible.get(&key) {
                Some(possible) => assert!(possible.contains(&is), "{key:?}: {is:?} is none of {possible:?}"),
                None => assert_eq!(is, self.model.objects.get(&key).cloned()),
            }
        }
        self.model.objects = found;
        self.model.restart(self.store.revision());
    }

    fn reopen(&mut self) {
        self.store = Store::open(self.directory.path(), config()).unwrap();
        self.collections = COLLECTIONS.map(|c| self.store.collection(c));
    }
}

/// As `support::line` prints events.
fn text(event: &Past) -> String {
    let sign = match (&event.previous, &event.new) {
        (None, _) => '+',
        (_, Some(_)) => '~',
        (_, None) => '-',
    };
    let shown = event.new.as_ref().or(event.last.as_ref()).unwrap();
    let (_, ns, name) = event.key;
    format!("{} {sign}{}/{} {}", event.revision, NAMESPACES[ns], NAMES[name], shown.data)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_store_behaves_as_the_model(steps in vec(step(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut run = Run::new();
            for step in &steps {
                run.step(step).await;
            }
            run.close().await;
            run.store.close().await.unwrap();
        });
    }
}
