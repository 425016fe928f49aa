//! The pods of this node: from the API's watch and the runtime's events to their workers.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use knarr_api::Object;
use knarr_client::{Cache, Change, Selection, events::Type, resources::PODS};
use knarr_cri::events::{Event, Kind};
use knarr_daemon::{Crowd, Stop};
use tokio::sync::mpsc;

use crate::{
    admit::{Refusal, admit},
    pod, pressure,
    registry::Registry,
    shared::Shared,
    worker::{Handle, Worker},
};

/// Pods at once, ending ones included.
const BOUND: usize = 2048;

/// Turns changes into workers.
pub(crate) struct Pods {
    shared: Arc<Shared>,
    registry: Arc<Registry>,
    crowd: Crowd,
}

impl Pods {
    pub(crate) fn new(shared: Arc<Shared>, registry: Arc<Registry>, stop: &Stop) -> Self {
        Self { shared, registry, crowd: Crowd::new(stop, BOUND) }
    }

    /// Follows the pods assigned to this node until stopped. What runs goes on running then.
    pub(crate) async fn follow(self: Arc<Self>, cache: Arc<Cache<Pod>>, stop: Stop) -> Result<(), knarr_daemon::Error> {
        let selection = Selection::all(&PODS).fields(&format!("spec.nodeName={}", self.shared.config.node));
        let (this, known) = (self.clone(), cache.clone());
        let changed = move |change: Change<'_, Pod>| this.changed(&change, known.is_synced());
        cache.run(self.shared.api.clone(), selection, stop, project, changed).await?;
        Ok(())
    }

    /// `later`: all pods that were there when the agent started are known already.
    fn changed(&self, change: &Change<'_, Pod>, later: bool) {
        let uid = |p: Option<&Arc<Pod>>| p.map(|p| pod::uid(p).to_owned());
        let (old, new) = (uid(change.old), uid(change.new));
        if old != new
            && let Some(handle) = old.and_then(|uid| self.registry.get(&uid))
        {
            handle.removed();
        }
        let (Some(uid), Some(pod)) = (new, change.new) else { return };
        match self.registry.get(&uid) {
            Some(handle) => handle.update(pod.clone()),
            None => self.begin(&uid, pod, later),
        }
    }

    fn begin(&self, uid: &str, pod: &Arc<Pod>, later: bool) {
        let handle = Handle::new(pod.clone());
        let fresh = pod.status.as_ref().is_none_or(|s| s.start_time.is_none());
        if fresh && !pod::is_deleting(pod) {
            let others = self.registry.pods();
            let others: Vec<&Pod> = others.iter().map(|p| &**p).collect();
            let refused = pressure::refuses(&self.shared.conditions.borrow(), pod);
            let admitted = match refused {
                Some(message) => Err(Refusal { reason: "Evicted".to_owned(), message }),
                None => admit(pod, &others, self.shared.config.max_pods, &self.shared.machine),
            };
            if let Err(refusal) = admitted {
                let about = pod::object_ref(pod, "");
                self.shared.recorder.event(&about, Type::Warning, &refusal.reason, refusal.message.clone());
                handle.refuse(&refusal.reason, &refusal.message);
            }
        }
        self.registry.insert(uid, handle.clone());
        let worker = Worker::new(self.shared.clone(), handle, later);
        let (registry, uid) = (self.registry.clone(), uid.to_owned());
        let started = self.crowd.try_spawn(|stop| async move {
            let cancelled = stop.clone();
            worker.run(stop).await;
            if !cancelled.is_cancelled() {
                registry.remove(&uid);
            }
        });
        if !started {
            tracing::error!(pod = %pod::full_name(pod), "too many pods on this node");
        }
    }

    /// Passes the runtime's events on until stopped. Starts are our own doing and wake nobody.
    pub(crate) async fn events(
        self: Arc<Self>,
        mut events: mpsc::Receiver<Event>,
        stop: Stop,
    ) -> Result<(), knarr_daemon::Error> {
        loop {
            let event = tokio::select! {
                event = events.recv() => event,
                () = stop.cancelled() => return Ok(()),
            };
            match event {
                Some(Event::Container { id, kind: Kind::Exited { .. } }) => {
                    let uid = self.shared.ids.lock().get(&id).cloned();
                    if let Some(handle) = uid.and_then(|uid| self.registry.get(&uid)) {
                        handle.exited(&id);
                    }
                }
                Some(Event::Container { .. }) => {}
                Some(Event::Images) => self.shared.images_changed.notify_one(),
                Some(Event::Resync) => {
                    self.registry.all().iter().for_each(|h| h.look());
                    self.shared.runtime_found.notify_one();
                }
                None => {
                    stop.cancelled().await;
                    return Ok(());
                }
            }
        }
    }

    /// Ends all workers, not the pods.
    pub(crate) async fn stop(&self, grace: std::time::Duration) {
        self.crowd.stop_all(grace).await;
    }
}

fn project(object: &Object) -> Option<Pod> {
    match object.decode::<Pod>() {
        Ok(pod) => Some(pod),
        Err(e) => {
            tracing::error!(pod = %format!("{}/{}", object.namespace(), object.name()), error = %e, "pod not understood");
            None
        }
    }
}
