//! Deciding what a group of transactions does, before any of it is written.
//!
//! A transaction is checked against memory plus what earlier ones of the group would change. One that fails leaves
//! no trace; the others go on.

use std::{collections::HashMap, ops::Range, sync::Arc};

use knarr_api::Object;

use crate::{Collection, CommitError, CommitErrorKind, Draft, Event, Op, draft::restamp, map::Entry, memory::Memory};

type Key = (Collection, Box<str>, Box<str>);

pub(crate) struct Stage<'m> {
    memory: &'m Memory,
    /// The newest revision given.
    revision: u64,
    events: Vec<Arc<Event>>,
    /// What the group has changed so far; `None`: deleted.
    changed: HashMap<Key, Option<Entry>>,
}

impl<'m> Stage<'m> {
    /// An empty group whose revisions follow `revision`.
    pub(crate) fn new(memory: &'m Memory, revision: u64) -> Self {
        Self { memory, revision, events: Vec::new(), changed: HashMap::new() }
    }

    /// Adds a transaction; returns which of the events are its own, one per operation.
    pub(crate) fn add(&mut self, ops: Vec<Op>) -> Result<Range<usize>, CommitError> {
        let (first, revision, mut undo) = (self.events.len(), self.revision, Vec::new());
        for (index, op) in ops.into_iter().enumerate() {
            if let Err(kind) = self.op(op, &mut undo) {
                self.events.truncate(first);
                self.revision = revision;
                for (key, before) in undo.into_iter().rev() {
                    match before {
                        Some(entry) => drop(self.changed.insert(key, entry)),
                        None => drop(self.changed.remove(&key)),
                    }
                }
                return Err(CommitError { index, kind });
            }
        }
        Ok(first..self.events.len())
    }

    /// The newest revision given and all events, in order.
    pub(crate) fn finish(self) -> (u64, Vec<Arc<Event>>) {
        (self.revision, self.events)
    }

    fn op(&mut self, op: Op, undo: &mut Vec<(Key, Option<Option<Entry>>)>) -> Result<(), CommitErrorKind> {
        let revision = self.revision + 1;
        let (key, before, after, last) = match op {
            Op::Create { collection, draft } => {
                let key = key(collection, &draft);
                if let Some(exists) = self.current(&key) {
                    return Err(CommitErrorKind::Exists(exists.object));
                }
                let entry = Entry { row: revision, node: node(&draft, None), object: draft.seal(revision) };
                (key, None, Some(entry), None)
            }
            Op::Update { collection, expect, draft } => {
                let key = key(collection, &draft);
                let before = self.expect(&key, Some(expect))?;
                let node = node(&draft, before.node.as_ref());
                let entry = Entry { row: before.row, node, object: draft.seal(revision) };
                (key, Some(before), Some(entry), None)
            }
            Op::Delete { collection, namespace, name, expect, last } => {
                let key = (collection, namespace, name);
                let before = self.expect(&key, expect)?;
                let last = last_state(last, &before.object, revision)?;
                (key, Some(before), None, Some(last))
            }
        };
        self.revision = revision;
        self.events.push(Arc::new(Event {
            revision,
            collection: key.0,
            row: after.as_ref().or(before.as_ref()).expect("an op starts from or ends in an object").row,
            node: after.as_ref().and_then(|e| e.node.clone()),
            previous_node: before.as_ref().and_then(|e| e.node.clone()),
            previous: before.map(|e| e.object),
            new: after.as_ref().map(|e| e.object.clone()),
            last,
        }));
        undo.push((key.clone(), self.changed.insert(key, after)));
        Ok(())
    }

    fn current(&self, key: &Key) -> Option<Entry> {
        match self.changed.get(key) {
            Some(entry) => entry.clone(),
            None => self.memory.entry(key.0, &key.1, &key.2),
        }
    }

    fn expect(&self, key: &Key, revision: Option<u64>) -> Result<Entry, CommitErrorKind> {
        let entry = self.current(key).ok_or(CommitErrorKind::Missing)?;
        if revision.is_some_and(|r| r != entry.object.revision()) {
            return Err(CommitErrorKind::Changed(entry.object));
        }
        Ok(entry)
    }
}

fn key(collection: Collection, draft: &Draft) -> Key {
    (collection, draft.meta().namespace.clone(), draft.meta().name.clone())
}

/// The node of a draft, shared with the version before where it is the same.
fn node(draft: &Draft, before: Option<&Arc<str>>) -> Option<Arc<str>> {
    let node = draft.node_term()?;
    Some(before.filter(|b| &***b == node).cloned().unwrap_or_else(|| node.into()))
}

fn last_state(last: Option<Draft>, stored: &Object, revision: u64) -> Result<Object, CommitErrorKind> {
    match last {
        Some(draft) => Ok(draft.seal(revision)),
        None => restamp(stored, revision).map_err(CommitErrorKind::Body),
    }
}
