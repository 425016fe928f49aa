//! The one writer of pod statuses.
//!
//! Workers put what the status should be; only the newest counts. One task patches the `status` subresource where it
//! differs from what the API has, retrying with back-off while the API is away. Bounded by the number of pods.
//!
//! A status that only says that a pod is about to start is not worth a write if the next one comes at once: it waits a
//! moment, and longer while many pods start, when each write takes from the very work that is waited for. Everything else
//! is written as it comes.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use futures_util::StreamExt as _;
use k8s_openapi::{
    api::core::v1::{Pod, PodStatus},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use knarr_api::{Reason, Value, value};
use knarr_client::{Api, PatchKind, Reply, Request, Verb, resources::PODS};
use knarr_daemon::{Backoff, Stop};
use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use crate::{
    pod,
    status::{OWNED, is_under_way},
    tree::{patch, tree},
};

/// Writes at once: the store commits them together.
const AT_ONCE: usize = 4;
/// How long the status of one pod that is about to start waits: most of them are ready by then.
const PATIENCE: Duration = Duration::from_millis(300);
/// How much longer for each other pod that starts.
const MORE: Duration = Duration::from_millis(100);
/// The longest.
const MOST: Duration = Duration::from_secs(4);

/// How long a status waits that `n` pods have that are about to start.
fn patience(n: usize) -> Duration {
    let others = u32::try_from(n.saturating_sub(1)).unwrap_or(u32::MAX);
    MORE.saturating_mul(others).saturating_add(PATIENCE).min(MOST)
}

struct Entry {
    namespace: String,
    name: String,
    /// What the API has, as far as we know.
    have: Arc<Value>,
    want: Arc<Value>,
    /// The revision we wrote last, where it is a number.
    written: Option<u64>,
    /// Since when there has been something to write.
    dirty: Option<Instant>,
    /// Whether that may wait.
    under_way: bool,
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
            written: None,
            dirty: None,
            under_way: false,
        });
        // The informer may be behind what we wrote ourselves.
        if revision(&pod.metadata).is_none_or(|read| entry.written.is_none_or(|written| read >= written)) {
            entry.have = Arc::new(pod.status.as_ref().map_or_else(Value::object, tree));
        }
        // Where we wrote it and the API has something else, someone changed it.
        if entry.want != want || entry.dirty.is_none() && patch(&entry.have, &want, &OWNED).is_some() {
            entry.dirty.get_or_insert_with(Instant::now);
            entry.want = want;
        }
        entry.under_way = is_under_way(pod, status);
        if entry.dirty.is_some() {
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
            if self.entries.lock().get(uid).is_none_or(|e| e.dirty.is_none()) {
                return;
            }
            written.await;
        }
    }

    /// Writes until stopped.
    pub(crate) async fn run(self: Arc<Self>, stop: Stop) -> Result<(), knarr_daemon::Error> {
        let mut backoff: HashMap<String, (Backoff, Instant)> = HashMap::new();
        loop {
            let now = Instant::now();
            let (due, next) = self.due(now);
            backoff.retain(|uid, (_, until)| due.contains(uid) || *until > now);
            let due = due.into_iter().filter(|uid| backoff.get(uid).is_none_or(|(_, until)| *until <= now));
            let written: Vec<(String, bool)> = futures_util::stream::iter(due)
                .take_until(stop.cancelled())
                .map(|uid| async {
                    let done = self.write(&uid).await;
                    (uid, done)
                })
                .buffer_unordered(AT_ONCE)
                .collect()
                .await;
            if stop.is_cancelled() {
                return Ok(());
            }
            let some = !written.is_empty();
            for (uid, done) in written {
                if done {
                    backoff.remove(&uid);
                } else {
                    let new = || (Backoff::new(Duration::from_millis(100), Duration::from_secs(10)), now);
                    let (delays, until) = backoff.entry(uid).or_insert_with(new);
                    *until = Instant::now() + delays.next_delay();
                }
            }
            if some {
                self.written.notify_waiters();
            }
            let next = backoff.values().map(|(_, until)| *until).chain(next).min();
            let again = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = again => {}
                () = self.work.notified() => {}
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    /// What is to be written now, and when something else will be.
    fn due(&self, now: Instant) -> (Vec<String>, Option<Instant>) {
        let entries = self.entries.lock();
        let dirty = || entries.iter().filter_map(|(uid, e)| Some((uid, e, e.dirty?)));
        let patience = patience(dirty().filter(|(_, e, _)| e.under_way).count());
        let mut due = Vec::new();
        let mut next: Option<Instant> = None;
        for (uid, entry, since) in dirty() {
            let at = if entry.under_way { since + patience } else { now };
            if at <= now {
                due.push(uid.clone());
            } else {
                next = Some(next.map_or(at, |n| n.min(at)));
            }
        }
        (due, next)
    }

    /// False if it is to be tried again. (Where something else is wanted meanwhile, [`Self::put`] told.)
    async fn write(&self, uid: &str) -> bool {
        let Some((namespace, name, have, want)) =
            self.entries.lock().get(uid).map(|e| (e.namespace.clone(), e.name.clone(), e.have.clone(), e.want.clone()))
        else {
            return true;
        };
        let result = match patch(&have, &want, &OWNED) {
            None => Ok(None),
            Some(change) => {
                let mut body = value!({ "metadata": { "uid": uid } });
                body.set(&["status"], change);
                let verb = Verb::Patch(PatchKind::Strategic);
                let request =
                    Request::new(verb, &PODS).namespace(&namespace).name(&name).subresource("status").body(body);
                self.api.call(request).await.and_then(Reply::into_object).map(Some)
            }
        };
        let gone = match &result {
            Ok(_) => false,
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
        let Some(entry) = entries.get_mut(uid) else { return true };
        if !gone {
            entry.have = want.clone();
        }
        if let Ok(Some(object)) = &result {
            entry.written = Some(object.revision()).filter(|revision| *revision > 0);
        }
        if Arc::ptr_eq(&entry.want, &want) {
            entry.dirty = None;
        }
        true
    }
}

/// Revisions are numbers where they can be compared at all.
fn revision(meta: &ObjectMeta) -> Option<u64> {
    meta.resource_version.as_ref()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use knarr_client::{ApiExt as _, fake::FakeApi};
    use knarr_daemon::Tasks;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_more_pods_start_the_longer_they_wait() {
        assert_eq!([0, 1, 3, 30, 1000].map(|n| patience(n).as_millis()), [300, 300, 500, 3200, 4000]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_under_way_waits_for_what_follows() {
        let api = FakeApi::new();
        let body = json!({"metadata": {"name": "a"}, "spec": {"containers": [{"name": "a"}]}});
        let pod: Pod = api.create(&PODS, "default", tree(&body)).await.unwrap().decode().unwrap();
        let status = |phase: &str| PodStatus { phase: Some(phase.to_owned()), ..PodStatus::default() };
        let (writer, tasks) = (StatusWriter::new(Arc::new(api.clone())), Tasks::new(&Stop::new()));
        tasks.spawn("status", |stop| writer.clone().run(stop));
        let writes = || api.writes().iter().filter(|w| w.starts_with("patch pods/status")).count();
        writer.put(&pod, &status("Pending"));
        tokio::time::sleep(PATIENCE / 2).await;
        assert_eq!(writes(), 0);
        writer.put(&pod, &status("Running"));
        writer.flushed(pod::uid(&pod)).await;
        assert_eq!(writes(), 1);
        // The informer is behind what was written: that is no change.
        writer.put(&pod, &status("Running"));
        tokio::time::sleep(PATIENCE * 2).await;
        assert_eq!(writes(), 1);
        writer.put(&pod, &status("Pending"));
        tokio::time::sleep(PATIENCE * 2).await;
        assert_eq!(writes(), 2, "what nothing follows is written");
        assert_eq!(tasks.stop_all(Duration::from_secs(1)).await, Vec::<String>::new());
    }
}
