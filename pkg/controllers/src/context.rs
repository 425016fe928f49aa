//! What every controller is given, and the worker loop they share.

use std::{sync::Arc, time::Duration};

use ipnet::Ipv4Net;
use jiff::Timestamp;
use knarr_api::{Object, Reason, Status, Value};
use knarr_client::{
    Api, ApiExt, Cache, Change, Key, Request, Resource, Selection, Verb, WorkQueue,
    events::{ObjectRef, Recorder},
};
use knarr_daemon::{Tasks, clock};

/// Facts of the cluster that controllers need.
#[derive(Clone, Debug)]
pub struct Config {
    /// Pod addresses; each node gets a part.
    pub cluster_cidr: Ipv4Net,
    /// Length of a node's part.
    pub node_prefix: u8,
    /// The cluster's CA, published to every namespace.
    pub root_ca: String,
    /// Resources that can be deleted: what the garbage collector and namespace deletion go through.
    pub resources: Vec<Resource>,
}

/// What every controller is given.
#[derive(Clone)]
pub struct Context {
    /// The cluster.
    pub api: Arc<dyn Api>,
    /// Events.
    pub recorder: Recorder,
    /// Facts.
    pub config: Arc<Config>,
}

/// When to look at a key again, if not only at the next event.
pub(crate) type Again = Option<Duration>;

impl Context {
    /// The same for a controller whose events carry a name of its own.
    pub(crate) fn signing_as(&self, component: &str) -> Self {
        Self { recorder: self.recorder.signing_as(component), ..self.clone() }
    }

    /// Starts an informer.
    pub(crate) fn follow<P: Send + Sync + 'static>(
        &self,
        tasks: &Tasks,
        controller: &str,
        resource: &Resource,
        cache: &Arc<Cache<P>>,
        project: impl FnMut(&Object) -> Option<P> + Send + 'static,
        changed: impl FnMut(Change<'_, P>) + Send + 'static,
    ) {
        let (cache, api, selection) = (cache.clone(), self.api.clone(), Selection::all(resource));
        tasks.spawn(format!("{controller}: {}", resource.plural), |stop| {
            cache.run(api, selection, stop, project, changed)
        });
    }

    /// Starts workers that take keys once `ready` is over. When the clock is put right, all keys are looked at: many wait
    /// for a time of day.
    pub(crate) fn work<R, F>(
        &self,
        tasks: &Tasks,
        controller: &'static str,
        workers: usize,
        queue: &Arc<WorkQueue<Key>>,
        ready: impl Fn() -> R + Clone + Send + 'static,
        reconcile: impl Fn(Key) -> F + Clone + Send + 'static,
    ) where
        R: Future<Output = ()> + Send + 'static,
        F: Future<Output = Result<Again, Status>> + Send + 'static,
    {
        let stepped = queue.clone();
        tasks.spawn(format!("{controller}: clock"), |stop| async move {
            clock::each_step(&stop, || stepped.hasten()).await;
            Ok::<(), Status>(())
        });
        for _ in 0..workers {
            let (queue, ready, reconcile) = (queue.clone(), ready.clone(), reconcile.clone());
            tasks.spawn(format!("{controller}: worker"), |stop| async move {
                tokio::select! {
                    () = ready() => queue.work(controller, &stop, reconcile).await,
                    () = stop.cancelled() => {}
                }
                Ok::<(), Status>(())
            });
        }
    }

    /// Writes the status of an object by merge patch.
    pub(crate) async fn set_status(&self, r: &Resource, key: &Key, status: Value) -> Result<Object, Status> {
        self.api.merge(r, &key.namespace, &key.name, "status", knarr_api::value!({ "status": status })).await
    }

    /// Makes a request about an object that may be gone or another by now; whether it was still the one meant.
    pub(crate) async fn attempt(&self, request: Request) -> Result<bool, Status> {
        match self.api.call(request).await {
            Ok(_) => Ok(true),
            Err(e) if e.is(Reason::NotFound) || e.is(Reason::Conflict) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Deletes an object with its dependents to follow in the background.
    pub(crate) async fn delete(&self, r: &Resource, key: &Key, uid: &str) -> Result<(), Status> {
        let request = Request::new(Verb::Delete, r).namespace(&key.namespace).name(&key.name).options(|o| {
            o.precondition.uid = uid.into();
            o.propagation = Some(knarr_client::Propagation::Background);
        });
        self.api.call(request).await.map(drop)
    }
}

/// The reference of an object for events.
pub(crate) fn reference(r: &Resource, key: &Key, uid: &str) -> ObjectRef {
    ObjectRef {
        api_version: r.api_version(),
        kind: r.kind.to_string(),
        namespace: key.namespace.to_string(),
        name: key.name.to_string(),
        uid: uid.to_owned(),
        field_path: String::new(),
    }
}

/// A time as the API writes it.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
