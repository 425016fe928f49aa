//! EndpointSlices: the pods behind each Service.

mod plan;

use std::sync::Arc;

use jiff::Timestamp;
use knarr_api::{Object, Reason, Status, value};
use knarr_client::{
    ApiExt as _, Cache, Change, Key, Resource, WorkQueue,
    resources::{ENDPOINT_SLICES, PODS, SERVICES},
};
use knarr_daemon::Tasks;

use crate::{Context, context::Again, pod::Pod};
pub(crate) use plan::Service;
use plan::{Have, Step, plan};

/// Who manages the slices this controller makes.
pub(crate) const MANAGED_BY: &str = "endpointslice-controller.k8s.io";
pub(crate) const SERVICE_NAME: &str = "kubernetes.io/service-name";

#[derive(Clone)]
struct Controller {
    cx: Context,
    services: Arc<Cache<Service>>,
    pods: Arc<Cache<Pod>>,
    slices: Arc<Cache<Have>>,
}

pub(crate) fn start(cx: &Context, tasks: &Tasks) {
    let queue: Arc<WorkQueue<Key>> = WorkQueue::new();
    let (services, pods) = follow(cx, tasks, "endpointslice", &queue);
    let me = Controller { cx: cx.clone(), services, pods, slices: Cache::new() };
    let wake = queue.clone();
    cx.follow(tasks, "endpointslice", &ENDPOINT_SLICES, &me.slices, Have::project, move |change| {
        for slice in [change.old, change.new].into_iter().flatten() {
            wake.add(Key::new(&change.key.namespace, &slice.service));
        }
    });
    let it = me.clone();
    let ready = move || {
        let it = it.clone();
        async move {
            tokio::join!(it.services.synced(), it.pods.synced(), it.slices.synced());
        }
    };
    cx.work(tasks, "endpointslice", 2, &queue, ready, move |key| {
        let me = me.clone();
        async move { me.reconcile(&key).await }
    });
}

/// Informers on Services and pods that wake the Services a pod is, or was, behind.
pub(crate) fn follow(
    cx: &Context,
    tasks: &Tasks,
    controller: &str,
    queue: &Arc<WorkQueue<Key>>,
) -> (Arc<Cache<Service>>, Arc<Cache<Pod>>) {
    let (services, pods) = (Cache::new(), Cache::new());
    let wake = queue.clone();
    cx.follow(tasks, controller, &SERVICES, &services, Service::project, move |c| wake.add(c.key.clone()));
    let (wake, all) = (queue.clone(), services.clone());
    cx.follow(tasks, controller, &PODS, &pods, Pod::project, move |change: Change<'_, Pod>| {
        if change.old == change.new {
            return;
        }
        let states = [change.old, change.new];
        let all: Vec<Arc<Service>> = all.in_namespace(&change.key.namespace);
        let behind = |s: &&Arc<Service>| states.iter().flatten().any(|p| s.selects(p));
        all.iter().filter(behind).for_each(|s| wake.add(s.key.clone()));
    });
    (services, pods)
}

impl Controller {
    async fn reconcile(&self, key: &Key) -> Result<Again, Status> {
        let Some(service) = self.services.get(key).filter(|s| s.has_selector()) else { return Ok(None) };
        let pods = self.pods.in_namespace(&key.namespace);
        let have: Vec<Arc<Have>> =
            self.slices.in_namespace(&key.namespace).into_iter().filter(|s| s.service == key.name).collect();
        for step in plan(&service, &pods, &have, Timestamp::now()) {
            self.apply(key, step).await?;
        }
        Ok(None)
    }

    async fn apply(&self, key: &Key, step: Step) -> Result<(), Status> {
        let r: &Resource = &ENDPOINT_SLICES;
        let done = match step {
            Step::Create(body) => self.cx.api.create(r, &key.namespace, body).await.map(drop),
            Step::Update { name, endpoints, ports, trigger } => {
                let annotations = value!({ "endpoints.kubernetes.io/last-change-trigger-time": trigger });
                let body = value!({
                    "metadata": { "annotations": annotations },
                    "endpoints": endpoints,
                    "ports": ports,
                });
                self.cx.api.merge(r, &key.namespace, &name, "", body).await.map(drop)
            }
            Step::Delete { name, uid } => self.cx.delete(r, &Key::new(&key.namespace, &name), &uid).await,
        };
        match done {
            Err(e) if !e.is(Reason::NotFound) && !e.is(Reason::Forbidden) => Err(e),
            _ => Ok(()),
        }
    }
}

impl Have {
    fn project(object: &Object) -> Option<Self> {
        plan::project(object)
    }
}
