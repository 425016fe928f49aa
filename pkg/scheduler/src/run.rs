//! The ring: informers, the worker, and what it writes.

use std::{sync::Arc, time::Instant};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use knarr_api::{Object, Status, Str, Value, selector::Labels};
use knarr_client::{Api, Cache, Change, Resource, Selection, events::Recorder, resources};
use knarr_daemon::{Stop, Tasks};
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::sync::Notify;

use crate::{
    NodeInfo,
    pod::Projector,
    snapshot::Budget,
    state::State,
    volume::{ClaimInfo, ClassInfo, VolumeInfo},
};

/// Writes under way at once. Decisions go on meanwhile: they count what is being bound as bound.
const WRITES: usize = 32;

/// Schedules pods.
pub struct Scheduler {
    pub(crate) api: Arc<dyn Api>,
    pub(crate) recorder: Recorder,
    pub(crate) state: Mutex<State>,
    wake: Notify,
}

impl Scheduler {
    /// A scheduler; [`Scheduler::start`] sets it going.
    pub fn new(api: Arc<dyn Api>, recorder: Recorder) -> Arc<Self> {
        Arc::new(Self { api, recorder, state: Mutex::default(), wake: Notify::new() })
    }

    /// Starts the informers and the one worker: decisions are made one after the other.
    pub fn start(self: &Arc<Self>, tasks: &Tasks) {
        let mut projector = Projector::default();
        let mut synced = vec![
            self.follow(
                tasks,
                &resources::PODS,
                move |o| projector.project(o),
                |state, c| {
                    state.pod(c.key, c.old, c.new, Instant::now());
                },
            ),
            self.follow(tasks, &resources::NODES, NodeInfo::project, |state, c| {
                state.node(&c.key.name, c.old, c.new, Instant::now());
            }),
            self.follow(
                tasks,
                &resources::NAMESPACES,
                |o| Some(o.meta().labels.clone()),
                |state, c| {
                    if c.old != c.new {
                        state.namespace(&c.key.name, c.new.map(|l| &***l), Instant::now());
                    }
                },
            ),
            self.follow(tasks, &resources::PERSISTENT_VOLUME_CLAIMS, ClaimInfo::project, |state, c| {
                state.claim(c.key, c.new.map(|c| (**c).clone()), Instant::now());
            }),
            self.follow(tasks, &resources::PERSISTENT_VOLUMES, VolumeInfo::project, |state, c| {
                state.volume(&c.key.name, c.new.map(|v| (**v).clone()), Instant::now());
            }),
            self.follow(tasks, &resources::STORAGE_CLASSES, ClassInfo::project, |state, c| {
                state.class(&c.key.name, c.new.map(|c| (**c).clone()), Instant::now());
            }),
            self.follow(tasks, &resources::POD_DISRUPTION_BUDGETS, budget, |state, c| {
                state.budget(c.key, c.new.map(|b| (**b).clone()));
            }),
        ];
        type Project = fn(&Object) -> Option<Labels>;
        let groups: [(&'static str, &Resource, Project); 4] = [
            ("Service", &resources::SERVICES, plain_selector),
            ("ReplicationController", &resources::REPLICATION_CONTROLLERS, plain_selector),
            ("ReplicaSet", &resources::REPLICA_SETS, selector),
            ("StatefulSet", &resources::STATEFUL_SETS, selector),
        ];
        for (kind, resource, project) in groups {
            synced.push(self.follow(tasks, resource, project, move |state, c| {
                state.group(kind, c.key, c.new.map(|l| (**l).clone()));
            }));
        }
        let me = self.clone();
        tasks.spawn("scheduler: worker", |stop| async move { me.work(synced, stop).await });
    }

    /// Follows a resource; the answer tells when it has been read once.
    fn follow<P: Send + Sync + 'static>(
        self: &Arc<Self>,
        tasks: &Tasks,
        resource: &Resource,
        project: impl FnMut(&Object) -> Option<P> + Send + 'static,
        mut changed: impl FnMut(&mut State, Change<'_, P>) + Send + 'static,
    ) -> tokio::sync::oneshot::Receiver<()> {
        let (tell, synced) = tokio::sync::oneshot::channel();
        let cache = Cache::new();
        let (me, api, selection) = (self.clone(), self.api.clone(), Selection::all(resource));
        let run = cache.clone();
        tasks.spawn(format!("scheduler: {}", resource.plural), move |stop| async move {
            let follow = run.run(api, selection, stop, project, move |change| {
                changed(&mut me.state.lock(), change);
                me.wake.notify_one();
            });
            let told = async {
                cache.synced().await;
                // The worker may be gone already.
                let _ = tell.send(());
            };
            tokio::join!(follow, told).0
        });
        synced
    }

    async fn work(&self, synced: Vec<tokio::sync::oneshot::Receiver<()>>, stop: Stop) -> Result<(), Status> {
        for ready in synced {
            tokio::select! {
                _ = ready => {}
                () = stop.cancelled() => return Ok(()),
            }
        }
        let mut writes = FuturesUnordered::new();
        loop {
            let wake = self.wake.notified();
            let mut due = None;
            while writes.len() < WRITES {
                let mut state = self.state.lock();
                let Some(step) = state.decide(Instant::now()) else {
                    due = state.queue.next_due();
                    break;
                };
                drop(state);
                writes.push(self.act(step));
            }
            let due = due.map(tokio::time::Instant::from_std);
            tokio::select! {
                () = wake => {}
                Some(()) = writes.next() => {}
                () = async { tokio::time::sleep_until(due.expect("looked at")).await }, if due.is_some() => {}
                () = stop.cancelled() => return Ok(()),
            }
        }
    }
}

#[derive(Deserialize)]
struct Selecting {
    #[serde(default)]
    spec: Selector,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Selector {
    selector: Option<Value>,
}

/// A `LabelSelector` at `spec.selector`.
fn selector(object: &Object) -> Option<Labels> {
    let selector = object.decode::<Selecting>().ok()?.spec.selector?;
    Labels::from_selector(Some(&selector)).ok()
}

/// A map of labels at `spec.selector`; none selects nothing.
fn plain_selector(object: &Object) -> Option<Labels> {
    let selector = object.decode::<Selecting>().ok()?.spec.selector?;
    let labels = selector.as_object()?.iter().filter_map(|(key, value)| Some((key, value.as_str()?)));
    let labels: Vec<_> = labels.collect();
    (!labels.is_empty()).then(|| Labels::equal(labels))
}

fn budget(object: &Object) -> Option<Budget> {
    #[derive(Deserialize)]
    struct Pdb {
        #[serde(default)]
        spec: Selector,
        #[serde(default)]
        status: State,
    }
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct State {
        disruptions_allowed: i32,
        disrupted_pods: std::collections::BTreeMap<Str, serde::de::IgnoredAny>,
    }
    let Pdb { spec, status } = object.decode().ok()?;
    Some(Budget {
        selector: Labels::from_selector(spec.selector.as_ref()).ok()?,
        allowed: status.disruptions_allowed,
        disrupted: status.disrupted_pods.into_keys().collect(),
    })
}
