//! The one writer of pod statuses.
//!
//! Workers put what the status should be; only the newest counts. One task patches the `status` subresource where it
//! differs from what the API has, retrying with back-off while the API is away. Bounded by the number of pods.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::api::core::v1::{Pod, PodStatus};
use knarr_api::{Reason, Value, value};
use knarr_client::{Api, PatchKind, Request, Verb, resources::PODS};
use knarr_daemon::{Backoff, Stop};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    pod,
    status::OWNED,
    tree::{patch, tree},
};

struct Entry {
    namespace: String,
    name: String,
    /// What the API has, as far as we know.
    have: Arc<Value>,
    want: Arc<Value>,
    dirty: bool,
}

/// See the module.
pub(crate) struct StatusWriter {
    api: Arc<dyn Api>,
    entries: Mutex<BTreeMap<String, Entry>>,
    work: Notify,
    written: Notify,
}

impl StatusWriter {
    pub(crate) fn new(api: Arc<dyn Api>) -> Arc<Self> {
        Arc::new(Self { api, entries: Mutex::default(), work: Notify::new(), written: Notify::new() })
    }

    /// What the status of `pod` should be. `pod.status` is what the API had when the pod was read.
    pub(crate) fn put(&self, pod: &Pod, status: &PodStatus) {
        let want = Arc::new(tree(status));
        let mut entries = self.entries.lock();
        let entry = entries.entry(pod::uid(pod).to_owned());
        let entry = entry.or_insert_with(|| Entry {
            namespace: pod::namespace(pod).to_owned(),
            name: pod::name(pod).to_owned(),
            have: Arc::new(Value::Null),
            want: Arc::new(Value::Null),
            dirty: false,
        });
        entry.have = Arc::new(pod.status.as_ref().map_or_else(Value::object, tree));
        if entry.want != want {
            entry.dirty = true;
        } else if patch(&entry.have, &want, &OWNED).is_some() && !entry.dirty {
            // We wrote it, yet the API has something else: the informer is behind, or someone changed it. Look again
            // only where ours would really be different from what is there.
            entry.dirty = true;
        }
        entry.want = want;
        if entry.dirty {
            drop(entries);
            self.work.notify_one();
        }
    }

    /// The pod is gone.
    pub(crate) fn forget(&self, uid: &str) {
        self.entries.lock().remove(uid);
        self.written.notify_waiters();
    }

    /// Waits until everything put for the pod has been written (or the pod is gone).
    pub(crate) async fn flushed(&self, uid: &str) {
        loop {
            let written = self.written.notified();
            tokio::pin!(written);
            written.as_mut().enable();
            if !self.entries.lock().get(uid).is_some_and(|e| e.dirty) {
                return;
            }
            written.await;
        }
    }

    /// Writes until stopped.
    pub(crate) async fn run(self: Arc<Self>, stop: Stop) -> Result<(), knarr_daemon::Error> {
        let mut backoff: HashMap<String, Backoff> = HashMap::new();
        loop {
            let dirty: Vec<String> =
                self.entries.lock().iter().filter(|(_, e)| e.dirty).map(|(uid, _)| uid.clone()).collect();
            let mut retry: Option<Duration> = None;
            backoff.retain(|uid, _| dirty.contains(uid));
            for uid in dirty {
                if stop.is_cancelled() {
                    return Ok(());
                }
                if self.write(&uid).await {
                    backoff.remove(&uid);
                } else {
                    let new = || Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
                    let delay = backoff.entry(uid).or_insert_with(new).next_delay();
                    retry = Some(retry.map_or(delay, |r| r.min(delay)));
                }
            }
            self.written.notify_waiters();
            let again = async {
                match retry {
                    Some(delay) => tokio::time::sleep(delay).await,
                    None => self.work.notified().await,
                }
            };
            tokio::select! {
                () = again => {}
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    /// Whether nothing is left to do for this pod.
    async fn write(&self, uid: &str) -> bool {
        let Some((namespace, name, have, want)) =
            self.entries.lock().get(uid).map(|e| (e.namespace.clone(), e.name.clone(), e.have.clone(), e.want.clone()))
        else {
            return true;
        };
        let result = match patch(&have, &want, &OWNED) {
            None => Ok(()),
            Some(change) => {
                let mut body = value!({ "metadata": { "uid": uid } });
                body.set(&["status"], change);
                let verb = Verb::Patch(PatchKind::Strategic);
                let request =
                    Request::new(verb, &PODS).namespace(&namespace).name(&name).subresource("status").body(body);
                self.api.call(request).await.map(drop)
            }
        };
        let gone = match &result {
            Ok(()) => false,
            // Deleted, or deleted and made anew with another UID.
            Err(e) if e.is(Reason::NotFound) || e.is(Reason::Conflict) => true,
            Err(e) => {
                tracing::debug!(pod = %format!("{namespace}/{name}"), error = %e, "status not written");
                if e.is(Reason::Invalid) || e.is(Reason::BadRequest) {
                    tracing::error!(pod = %format!("{namespace}/{name}"), error = %e, "status refused");
                }
                return false;
            }
        };
        let mut entries = self.entries.lock();
        if let Some(entry) = entries.get_mut(uid) {
            if !gone {
                entry.have = want.clone();
            }
            if Arc::ptr_eq(&entry.want, &want) {
                entry.dirty = false;
            }
            return !entry.dirty;
        }
        true
    }
}
