//! The garbage collector: what loses its last owner goes.
//!
//! The graph holds of every object its identity and its owners. An object whose owners are all gone is deleted; an
//! owner that waits in foreground deletion goes when no dependent blocks it any more; one that orphans has its
//! dependents set free first. Absence of an owner is never concluded from the graph alone: it is asked for.

mod graph;

use std::{sync::Arc, time::Duration};

use knarr_api::{Object, Reason, Status, Value, value};
use knarr_client::{ApiExt as _, Cache, Key, Propagation, Request, Resource, Verb, WorkQueue};
use knarr_daemon::Tasks;
use parking_lot::Mutex;

use crate::{Context, context::Again};
use graph::{Graph, Node, Uid};

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

#[derive(Clone)]
struct Collector {
    cx: Context,
    graph: Arc<Mutex<Graph>>,
    queue: Arc<WorkQueue<Uid>>,
}

pub(crate) fn start(cx: &Context, tasks: &Tasks) {
    let me = Collector { cx: cx.clone(), graph: Arc::default(), queue: WorkQueue::new() };
    let mut caches: Vec<Arc<Cache<Uid>>> = Vec::new();
    for (index, r) in cx.config.resources.iter().enumerate() {
        // Events own nothing and are owned by nothing.
        if r.plural == "events" {
            continue;
        }
        let cache: Arc<Cache<Uid>> = Cache::new();
        let (it, graph) = (me.clone(), me.graph.clone());
        // The projection enters the object into the graph; the cache keeps only what finds it again.
        let project = move |o: &Object| {
            graph.lock().put(Node::of(index, o));
            Some(Uid(o.meta().uid.clone()))
        };
        cx.follow(tasks, "garbage-collector", r, &cache, project, move |change| {
            if let Some(old) = change.old.filter(|old| change.new != Some(old)) {
                let dependents = it.graph.lock().remove(old);
                dependents.into_iter().for_each(|uid| it.queue.add(uid));
            }
            if let Some(uid) = change.new {
                it.graph.lock().woken_by(uid).into_iter().for_each(|uid| it.queue.add(uid));
            }
        });
        caches.push(cache);
    }
    let caches = Arc::new(caches);
    for _ in 0..2 {
        let (me, caches) = (me.clone(), caches.clone());
        tasks.spawn("garbage-collector: worker", |stop| async move {
            let synced = async {
                for cache in caches.iter() {
                    cache.synced().await;
                }
            };
            tokio::select! {
                () = synced => {}
                () = stop.cancelled() => return Ok(()),
            }
            me.queue.work("garbage-collector", &stop, async |uid| me.one(&uid).await).await;
            Ok::<(), Status>(())
        });
    }
}

impl Collector {
    async fn one(&self, uid: &Uid) -> Result<Again, Status> {
        let Some(node) = self.graph.lock().get(uid) else { return Ok(None) };
        if node.deleted {
            if node.has_finalizer(ORPHAN) {
                return self.orphan(&node).await;
            }
            if node.has_finalizer(FOREGROUND) {
                return self.foreground(&node).await;
            }
            return Ok(None);
        }
        if node.owners.is_empty() {
            return Ok(None);
        }
        self.judge(&node).await
    }

    fn resource(&self, node: &Node) -> &Resource {
        &self.cx.config.resources[node.resource]
    }

    /// Deletes an object whose owners are all gone, or drops references to those that are.
    async fn judge(&self, node: &Node) -> Result<Again, Status> {
        let (mut solid, mut waiting, mut gone) = (0, 0, Vec::new());
        for owner in &node.owners {
            match self.owner_state(node, owner).await? {
                Owner::Solid => solid += 1,
                Owner::Foreground => waiting += 1,
                Owner::Gone => gone.push(owner.uid.clone()),
                Owner::Unknown => return Ok(None),
            }
        }
        if solid > 0 {
            if gone.is_empty() && waiting == 0 {
                return Ok(None);
            }
            return self.keep_owners(node, |uid| !gone.iter().any(|g| **g == *uid)).await;
        }
        // All owners are gone or wait for us, of those we know. Informers of several kinds run apart: it may have been set
        // free before its owner went, and only the API knows yet.
        let Some(live) = self.live(node).await? else { return Ok(None) };
        let now = Node::of(node.resource, &live);
        if now.owners != node.owners || now.deleted {
            return Ok(None); // its informer tells, and wakes us again
        }
        // With dependents of its own that block, it goes in the foreground too.
        let blocks = waiting > 0 && self.graph.lock().has_dependents(&node.uid);
        let propagation = if blocks { Propagation::Foreground } else { Propagation::Background };
        let request = self.about(Verb::Delete, node).options(|o| {
            o.precondition.uid = (&*node.uid.0).into();
            o.precondition.resource_version = live.revision().to_string().into();
            // As the owner was deleted so are its dependents: what orphans says so by its finalizer.
            o.propagation = Some(if node.has_finalizer(ORPHAN) { Propagation::Orphan } else { propagation });
        });
        forgive(self.cx.api.call(request).await.map(drop))
    }

    async fn owner_state(&self, node: &Node, owner: &graph::Owner) -> Result<Owner, Status> {
        if let Some(known) = self.graph.lock().get(&Uid(owner.uid.clone())) {
            let foreground = known.deleted && known.has_finalizer(FOREGROUND) && owner.blocks;
            return Ok(if foreground { Owner::Foreground } else { Owner::Solid });
        }
        let same = |r: &&Resource| r.kind == *owner.kind && r.api_version() == *owner.api_version;
        let Some(r) = self.cx.config.resources.iter().find(same) else { return Ok(Owner::Unknown) };
        // A cluster-scoped object cannot be owned by one in a namespace.
        if r.namespaced && node.key.namespace.is_empty() {
            return Ok(Owner::Unknown);
        }
        let namespace = if r.namespaced { node.key.namespace.as_str() } else { "" };
        match self.cx.api.get(r, namespace, &owner.name).await {
            Ok(live) if live.meta().uid == owner.uid => Ok(Owner::Solid),
            Ok(_) => Ok(Owner::Gone),
            Err(e) if e.is(Reason::NotFound) => Ok(Owner::Gone),
            Err(e) => Err(e),
        }
    }

    /// The owner waits until nobody blocks it; dependents that do are told to go.
    async fn foreground(&self, node: &Node) -> Result<Again, Status> {
        let dependents = self.graph.lock().dependents(&node.uid);
        let blocking = |d: &&Node| d.owners.iter().any(|o| *o.uid == *node.uid.0 && o.blocks);
        if !dependents.iter().any(|d| blocking(&d)) {
            return self.drop_finalizer(node, FOREGROUND).await;
        }
        for d in dependents.iter().filter(|d| !d.deleted) {
            self.queue.add(d.uid.clone());
        }
        Ok(Some(Duration::from_secs(5)))
    }

    async fn orphan(&self, node: &Node) -> Result<Again, Status> {
        let dependents = self.graph.lock().dependents(&node.uid);
        for d in &dependents {
            self.keep_owners(d, |uid| *uid != *node.uid.0).await?;
        }
        self.drop_finalizer(node, ORPHAN).await
    }

    async fn drop_finalizer(&self, node: &Node, which: &str) -> Result<Again, Status> {
        let Some(live) = self.live(node).await? else { return Ok(None) };
        let left: Vec<&str> = live.meta().finalizers.iter().map(|f| &**f).filter(|f| *f != which).collect();
        self.change(node, &live, value!({ "finalizers": left })).await
    }

    async fn keep_owners(&self, node: &Node, keep: impl Fn(&str) -> bool) -> Result<Again, Status> {
        let Some(live) = self.live(node).await? else { return Ok(None) };
        let owners = live.meta().owners.iter().filter(|o| keep(&o.uid)).map(|o| {
            let mut v = value!({ "apiVersion": &*o.api_version, "kind": &*o.kind, "name": &*o.name, "uid": &*o.uid });
            if o.controller {
                v.set(&["controller"], true);
            }
            if o.block_owner_deletion {
                v.set(&["blockOwnerDeletion"], true);
            }
            v
        });
        let owners = Value::Array(owners.collect());
        self.change(node, &live, value!({ "ownerReferences": owners })).await
    }

    /// The object as the API has it, if it is still there and the one meant.
    async fn live(&self, node: &Node) -> Result<Option<Object>, Status> {
        match self.cx.api.get(self.resource(node), &node.key.namespace, &node.key.name).await {
            Ok(live) => Ok(Some(live).filter(|live| live.meta().uid == node.uid.0)),
            Err(e) if e.is(Reason::NotFound) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Changes its metadata, where it is as it was read.
    async fn change(&self, node: &Node, live: &Object, mut metadata: Value) -> Result<Again, Status> {
        metadata.set(&["resourceVersion"], live.revision().to_string());
        let body = value!({ "metadata": metadata });
        let Key { namespace, name } = &node.key;
        forgive(self.cx.api.merge(self.resource(node), namespace, name, "", body).await.map(drop))
    }

    fn about(&self, verb: Verb, node: &Node) -> Request {
        Request::new(verb, self.resource(node)).namespace(&node.key.namespace).name(&node.key.name)
    }
}

enum Owner {
    Solid,
    Foreground,
    Gone,
    /// Of a kind this cluster does not have: nothing is concluded.
    Unknown,
}

/// What is gone or changed meanwhile comes back through the informer.
fn forgive(result: Result<(), Status>) -> Result<Again, Status> {
    match result {
        Err(e) if !e.is(Reason::NotFound) => Err(e),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use knarr_client::{
        fake::FakeApi,
        resources::{CONFIG_MAPS, PODS},
    };

    use super::*;
    use crate::testing::context_with;

    #[tokio::test]
    async fn what_was_set_free_before_its_owner_went_stays() {
        let fake = FakeApi::new();
        let cx = context_with(&fake, vec![CONFIG_MAPS.clone(), PODS.clone()]);
        let me = Collector { cx, graph: Arc::default(), queue: WorkQueue::new() };
        let owner = value!({ "apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "gone" });
        let pod = |name: &str| {
            let mut body = value!({ "metadata": { "name": name } });
            body.set(&["metadata", "ownerReferences"], Value::Array(vec![owner.clone()]));
            body
        };
        let mut seen = Vec::new();
        for name in ["freed", "owned"] {
            seen.push(Node::of(1, &fake.create(&PODS, "n", pod(name)).await.unwrap()));
        }
        // The informer of pods has not told of this yet.
        fake.merge(&PODS, "n", "freed", "", value!({ "metadata": { "ownerReferences": [] } })).await.unwrap();
        for node in &seen {
            me.judge(node).await.unwrap();
        }
        assert!(fake.tree(&PODS, "n", "freed").is_some());
        let left = fake.tree(&PODS, "n", "owned").is_some_and(|p| p.at(&["metadata", "deletionTimestamp"]).is_none());
        assert!(!left, "what is still owned goes");
        assert_eq!(seen[0].key, Key::new("n", "freed"));
    }
}
