//! Quotas at the moment of the write.
//!
//! What a write adds to a quota is an update of that quota in the *same* transaction: a quota never counts what was not
//! stored, and never misses what was. Writers of one namespace that has quotas go one after the other, from looking at
//! the quota to the commit, or all but one of them would lose the race for its revision. What a write gives back is left
//! to the controller, which counts what there is.

use std::{collections::HashMap, sync::Arc};

use knarr_api::{Object, Status, Str, Value, demand::ResourceList, quota};
use knarr_store::Op;
use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

use super::{
    Registry,
    document::{decode, draft},
    entry::Entry,
    write::Write,
};

/// One lock a namespace with quotas. There are as many as such namespaces: those nobody waits for are dropped.
#[derive(Default)]
pub(super) struct Turns(Mutex<HashMap<Str, Arc<tokio::sync::Mutex<()>>>>);

/// What a write adds to quotas. It holds the namespace's turn until it is dropped: after the commit.
#[derive(Default)]
pub(super) struct Charged {
    ops: Vec<Op>,
    _turn: Option<OwnedMutexGuard<()>>,
}

impl Charged {
    /// Operations that go with the object's own.
    pub(super) fn take_ops(&mut self) -> Vec<Op> {
        std::mem::take(&mut self.ops)
    }
}

impl Turns {
    async fn take(&self, namespace: &str) -> OwnedMutexGuard<()> {
        let lock = {
            let mut turns = self.0.lock();
            turns.retain(|_, lock| Arc::strong_count(lock) > 1);
            turns.entry(namespace.into()).or_default().clone()
        };
        lock.lock_owned().await
    }
}

impl Registry {
    /// Whether writes of this kind may have to be charged.
    pub(super) fn has_quotas(&self, write: &Write<'_>) -> bool {
        self.quota_entry(write).is_some_and(|entry| !self.quotas(&entry, write.namespace()).is_empty())
    }

    /// Charges a write, or refuses it. `old` is the object as it was.
    pub(super) async fn charge(&self, write: &Write<'_>, new: &Value, old: Option<&Value>) -> Result<Charged, Status> {
        let Some(entry) = self.quota_entry(write) else { return Ok(Charged::default()) };
        let kind = quota::Kind::of(write.target.entry.group(), &write.target.entry.resource.plural);
        let measured = match (old, write.target.sub_name()) {
            (None, "") => true,
            (Some(_), "" | "resize") => kind.may_change(),
            _ => false,
        };
        if !measured || self.quotas(&entry, write.namespace()).is_empty() {
            return Ok(Charged::default());
        }
        let charge = |tree: &Value| kind.charge(tree).map_err(Status::internal);
        let (now, before) = (charge(new)?, old.map(charge).transpose()?);
        // What costs the same needs no room, whatever a quota that came later says.
        if before.as_ref() == Some(&now) {
            return Ok(Charged::default());
        }
        let turn = self.turns.take(write.namespace()).await;
        let objects = self.quotas(&entry, write.namespace());
        let quotas: Vec<quota::Quota> =
            objects.iter().map(|o| o.decode().map_err(Status::internal)).collect::<Result<_, _>>()?;
        let name = super::metadata::name(new);
        let changed = quota::admit(&kind, &quotas, &now, before.as_ref());
        let changed = changed.map_err(|why| write.target.forbidden(name, &why.to_string()))?;
        let ops = changed.into_iter().map(|(i, used)| update(&entry, &objects[i], &used)).collect::<Result<_, _>>()?;
        Ok(Charged { ops, _turn: Some(turn) })
    }

    /// The collection of quotas, for resources that quotas can be about.
    fn quota_entry(&self, write: &Write<'_>) -> Option<Arc<Entry>> {
        let entry = &write.target.entry;
        if write.namespace().is_empty() || entry.resource.plural == "events" || entry.is_virtual() {
            return None;
        }
        self.resources().named("", "resourcequotas").cloned()
    }

    fn quotas(&self, entry: &Entry, namespace: &str) -> Vec<Object> {
        self.storage.in_namespace(entry.collection, namespace)
    }
}

fn update(entry: &Entry, object: &Object, used: &ResourceList) -> Result<Op, Status> {
    let mut tree = decode(object)?;
    for (name, amount) in used {
        tree.set(&["status", "used", name], Str::from(*amount));
    }
    Ok(Op::Update { collection: entry.collection, expect: object.revision(), draft: draft(entry, &tree)? })
}
