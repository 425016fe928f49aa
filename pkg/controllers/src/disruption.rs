//! Disruption budgets: how many pods may be evicted now.
//!
//! The eviction subresource takes from `disruptionsAllowed`, this controller reckons it anew when pods change. Both
//! write with the revision they read, so that neither undoes the other.

mod model;
mod plan;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use knarr_api::{OwnerRef, Reason, Status, value};
use knarr_client::{
    ApiExt as _, Cache, Key, PatchKind, Request, Resource, Verb, WorkQueue,
    events::Type,
    resources::{DEPLOYMENTS, POD_DISRUPTION_BUDGETS, PODS, REPLICA_SETS},
};
use knarr_daemon::Tasks;
use serde::Deserialize;

use crate::{
    Context,
    context::{Again, reference, rfc3339},
    written::Written,
};
use model::{Budget, BudgetStatus, Pod};
use plan::{PATIENCE, failed, status};

const NAME: &str = "disruption";

#[derive(Clone)]
struct Controller {
    cx: Context,
    budgets: Arc<Cache<Budget>>,
    pods: Arc<Cache<Pod>>,
    written: Arc<Written>,
}

pub(crate) fn start(cx: &Context, tasks: &Tasks) {
    let (queue, stale): (Arc<WorkQueue<Key>>, Arc<WorkQueue<Key>>) = (WorkQueue::new(), WorkQueue::new());
    let me = Controller { cx: cx.clone(), budgets: Cache::new(), pods: Cache::new(), written: Arc::default() };
    let wake = queue.clone();
    cx.follow(tasks, NAME, &POD_DISRUPTION_BUDGETS, &me.budgets, Budget::project, move |c| wake.add(c.key.clone()));
    let (wake, late, budgets) = (queue.clone(), stale.clone(), me.budgets.clone());
    cx.follow(tasks, NAME, &PODS, &me.pods, Pod::project, move |change| {
        let pods = [change.old, change.new];
        for budget in budgets.in_namespace(&change.key.namespace) {
            if pods.into_iter().flatten().any(|pod| budget.selects(pod)) {
                wake.add(budget.key.clone());
            }
        }
        if change.new.is_some_and(|pod| pod.target.is_some() && pod.meta.deleted.is_none()) {
            late.add(change.key.clone());
        }
    });
    let it = me.clone();
    let ready = move || {
        let it = it.clone();
        async move {
            tokio::join!(it.budgets.synced(), it.pods.synced());
        }
    };
    let it = me.clone();
    cx.work(tasks, NAME, 1, &queue, ready.clone(), move |key| {
        let it = it.clone();
        async move { it.reconcile(&key, Timestamp::now()).await }
    });
    cx.work(tasks, "disruption-stale", 1, &stale, ready, move |key| {
        let me = me.clone();
        async move { me.take_back(&key, Timestamp::now()).await }
    });
}

impl Controller {
    async fn reconcile(&self, key: &Key, now: Timestamp) -> Result<Again, Status> {
        let Some(budget) = self.budgets.get(key) else {
            self.written.forget(key);
            return Ok(None);
        };
        if !self.written.is_shown(key, budget.meta.revision, |_| None) {
            return Ok(None);
        }
        let pods: Vec<Arc<Pod>> =
            self.pods.in_namespace(&key.namespace).into_iter().filter(|p| budget.selects(p)).collect();
        if pods.is_empty() && budget.status.observed_generation != budget.meta.generation {
            self.tell(&budget, Type::Normal, "NoPods", "No matching pods found".to_owned());
        }
        let scale = match self.scale(&budget, &pods).await {
            Ok(scale) => scale,
            Err(why) => {
                let text = format!("Failed to calculate the number of expected pods: {why}");
                self.tell(&budget, Type::Warning, "CalculateExpectedPodCountFailed", text);
                self.write(&budget, &failed(&budget, &why, now)).await?;
                return Err(Status::internal(why));
            }
        };
        let (status, again) = status(&budget, &pods, scale, now);
        self.write(&budget, &status).await?;
        Ok(again)
    }

    /// How many pods there should be: the sizes of all that control one of them, each counted once. Asked for where
    /// the budget needs it, and from the API: it is rare, and nobody else here keeps them all.
    async fn scale(&self, budget: &Budget, pods: &[Arc<Pod>]) -> Result<i32, String> {
        if !budget.bound.needs_scale() {
            return Ok(0);
        }
        let mut sizes: BTreeMap<String, i32> = BTreeMap::new();
        let mut known: BTreeMap<&str, ()> = BTreeMap::new();
        let mut unmanaged = false;
        for pod in pods {
            let Some(owner) = pod.meta.controller() else {
                unmanaged = true;
                continue;
            };
            if known.insert(&owner.uid, ()).is_some() {
                continue;
            }
            let found = self.size(&budget.key.namespace, owner).await.map_err(|e| e.to_string())?;
            let (uid, size) = found.ok_or_else(|| format!("found no controllers for pod {:?}", pod.meta.name))?;
            sizes.insert(uid, size);
        }
        if unmanaged {
            let text = "Pods selected by this PodDisruptionBudget were found to be unmanaged. As a result, the status of \
                the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods \
                please set \".spec.minAvailable\" field of the PDB to an integer value.";
            self.tell(budget, Type::Warning, "UnmanagedPods", text.to_owned());
        }
        Ok(sizes.values().fold(0i32, |n, size| n.saturating_add(*size)))
    }

    /// The UID and size of a controller; of a Deployment's ReplicaSet those of the Deployment.
    async fn size(&self, namespace: &str, owner: &OwnerRef) -> Result<Option<(String, i32)>, Status> {
        let Some(resource) = self.resource(owner) else { return Ok(None) };
        if resource != REPLICA_SETS {
            return self.scale_of(&resource, namespace, owner).await;
        }
        let set = match self.cx.api.get(&resource, namespace, &owner.name).await {
            Ok(set) if set.meta().uid == owner.uid => set,
            Ok(_) => return Ok(None),
            Err(e) if e.is(Reason::NotFound) => return Ok(None),
            Err(e) => return Err(e),
        };
        match set.meta().controller().filter(|c| &*c.kind == "Deployment") {
            Some(deployment) => self.scale_of(&DEPLOYMENTS, namespace, deployment).await,
            None => self.scale_of(&resource, namespace, owner).await,
        }
    }

    async fn scale_of(&self, r: &Resource, namespace: &str, owner: &OwnerRef) -> Result<Option<(String, i32)>, Status> {
        #[derive(Deserialize)]
        struct Scale {
            #[serde(default)]
            spec: Spec,
        }
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Spec {
            replicas: i32,
        }
        let request = Request::new(Verb::Get, r).namespace(namespace).name(&owner.name).subresource("scale");
        let scale = match self.cx.api.call(request).await.and_then(knarr_client::Reply::into_object) {
            Ok(scale) if scale.meta().uid == owner.uid => scale,
            Ok(_) => return Ok(None),
            Err(e) if e.is(Reason::NotFound) => return Ok(None),
            Err(e) => return Err(e),
        };
        let Scale { spec } = scale.decode().map_err(Status::internal)?;
        Ok(Some((owner.uid.to_string(), spec.replicas)))
    }

    /// The resource of a kind.
    fn resource(&self, owner: &OwnerRef) -> Option<Resource> {
        let mut all = self.cx.config.resources.iter();
        all.find(|r| *r.kind == *owner.kind && r.api_version() == *owner.api_version).cloned()
    }

    async fn write(&self, budget: &Budget, status: &BudgetStatus) -> Result<(), Status> {
        if budget.status == *status {
            return Ok(());
        }
        let body = value!({
            "metadata": { "uid": &*budget.meta.uid, "resourceVersion": budget.meta.revision.to_string() },
            "status": status.print(&budget.status),
        });
        let Key { namespace, name } = &budget.key;
        match self.cx.api.merge(&POD_DISRUPTION_BUDGETS, namespace, name, "status", body).await {
            Ok(object) => self.written.own(&budget.key, object.revision()),
            Err(e) if e.is(Reason::NotFound) => {}
            Err(e) => return Err(e),
        }
        Ok(())
    }

    /// A pod that was to be disrupted and is not going after a while is told that it stays.
    async fn take_back(&self, key: &Key, now: Timestamp) -> Result<Again, Status> {
        let pod = self.pods.get(key).filter(|p| p.meta.deleted.is_none());
        let Some((pod, since)) = pod.and_then(|p| p.target.map(|since| (p, since))) else { return Ok(None) };
        if let Some(left) = Duration::try_from(PATIENCE - now.duration_since(since)).ok().filter(|d| !d.is_zero()) {
            return Ok(Some(left));
        }
        let condition = value!({ "type": "DisruptionTarget", "status": "False", "lastTransitionTime": rfc3339(now) });
        let request = Request::new(Verb::Patch(PatchKind::Strategic), &PODS)
            .namespace(&key.namespace)
            .name(&key.name)
            .subresource("status")
            .body(value!({ "metadata": { "uid": &*pod.meta.uid }, "status": { "conditions": [condition] } }));
        self.cx.attempt(request).await.map(|_| None)
    }

    fn tell(&self, budget: &Budget, kind: Type, reason: &str, message: String) {
        let about = reference(&POD_DISRUPTION_BUDGETS, &budget.key, &budget.meta.uid);
        self.cx.recorder.event(&about, kind, reason, message);
    }
}
