//! Who owns whom: pure.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
};

use knarr_api::Object;
use knarr_client::Key;

/// An object's UID.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Uid(pub(super) Box<str>);

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An object as the collector sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// Index into the resources.
    pub(super) resource: usize,
    pub(super) key: Key,
    pub(super) uid: Uid,
    pub(super) owners: Box<[Owner]>,
    pub(super) deleted: bool,
    finalizers: Box<[Box<str>]>,
}

/// One owner reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) api_version: Box<str>,
    pub(super) kind: Box<str>,
    pub(super) name: Box<str>,
    pub(super) uid: Box<str>,
    pub(super) blocks: bool,
}

impl Node {
    pub(super) fn of(resource: usize, object: &Object) -> Self {
        let meta = object.meta();
        let owner = |o: &knarr_api::OwnerRef| Owner {
            api_version: o.api_version.clone(),
            kind: o.kind.clone(),
            name: o.name.clone(),
            uid: o.uid.clone(),
            blocks: o.block_owner_deletion,
        };
        Self {
            resource,
            key: Key::of(object),
            uid: Uid(meta.uid.clone()),
            owners: meta.owners.iter().map(owner).collect(),
            deleted: meta.deleted.is_some(),
            finalizers: meta.finalizers.clone(),
        }
    }

    pub(super) fn has_finalizer(&self, name: &str) -> bool {
        self.finalizers.iter().any(|f| **f == *name)
    }
}

/// All objects, and for each owner its dependents.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: HashMap<Uid, Node>,
    dependents: HashMap<Box<str>, BTreeSet<Uid>>,
}

impl Graph {
    pub(super) fn put(&mut self, node: Node) {
        self.unlink(&node.uid);
        for owner in &node.owners {
            self.dependents.entry(owner.uid.clone()).or_default().insert(node.uid.clone());
        }
        self.nodes.insert(node.uid.clone(), node);
    }

    /// Takes an object out; its dependents are to be judged, and its owners that wait for it.
    pub(super) fn remove(&mut self, uid: &Uid) -> Vec<Uid> {
        let owners: Vec<Uid> =
            self.nodes.get(uid).map(|n| n.owners.iter().map(|o| Uid(o.uid.clone())).collect()).unwrap_or_default();
        self.unlink(uid);
        self.nodes.remove(uid);
        let mut woken: Vec<Uid> = self.dependents.get(&uid.0).into_iter().flatten().cloned().collect();
        woken.extend(owners.into_iter().filter(|o| self.nodes.get(o).is_some_and(|n| n.deleted)));
        woken
    }

    fn unlink(&mut self, uid: &Uid) {
        let Some(node) = self.nodes.get(uid) else { return };
        for owner in &node.owners {
            if let Some(set) = self.dependents.get_mut(&owner.uid) {
                set.remove(uid);
                if set.is_empty() {
                    self.dependents.remove(&owner.uid);
                }
            }
        }
    }

    /// What a change of this object makes worth looking at: itself, if it has owners or is being deleted.
    pub(super) fn woken_by(&self, uid: &Uid) -> Vec<Uid> {
        let worth = |n: &&Node| !n.owners.is_empty() || n.deleted;
        self.nodes.get(uid).filter(worth).map(|n| n.uid.clone()).into_iter().collect()
    }

    pub(super) fn get(&self, uid: &Uid) -> Option<Node> {
        self.nodes.get(uid).cloned()
    }

    pub(super) fn has_dependents(&self, uid: &Uid) -> bool {
        self.dependents.contains_key(&uid.0)
    }

    pub(super) fn dependents(&self, uid: &Uid) -> Vec<Node> {
        let all = self.dependents.get(&uid.0).into_iter().flatten();
        all.filter_map(|d| self.nodes.get(d)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(uid: &str, owners: &[&str], deleted: bool) -> Node {
        let owner = |uid: &&str| Owner {
            api_version: "v1".into(),
            kind: "X".into(),
            name: (*uid).into(),
            uid: (*uid).into(),
            blocks: true,
        };
        Node {
            resource: 0,
            key: Key::new("n", uid),
            uid: Uid(uid.into()),
            owners: owners.iter().map(owner).collect(),
            deleted,
            finalizers: Box::default(),
        }
    }

    fn uids(list: &[Uid]) -> Vec<&str> {
        list.iter().map(|u| &*u.0).collect()
    }

    #[test]
    fn dependents_follow_their_owners() {
        let mut g = Graph::default();
        g.put(node("owner", &[], false));
        g.put(node("a", &["owner"], false));
        g.put(node("b", &["owner", "other"], false));
        assert_eq!(uids(&g.remove(&Uid("owner".into()))), ["a", "b"]);
        g.put(node("b", &["other"], false));
        assert_eq!(uids(&g.remove(&Uid("other".into()))), ["b"]);
        assert!(!g.has_dependents(&Uid("none".into())));
    }

    #[test]
    fn the_last_dependent_wakes_an_owner_that_waits() {
        let mut g = Graph::default();
        g.put(node("owner", &[], true));
        g.put(node("a", &["owner"], true));
        assert_eq!(uids(&g.remove(&Uid("a".into()))), ["owner"]);
        g.put(node("calm", &[], false));
        assert!(g.woken_by(&Uid("calm".into())).is_empty());
    }
}
