//! Deployments: ReplicaSets, one for each template, moved from old to new within the bounds of the strategy.
//!
//! [`model`] is what is known, [`plan`] what to do next (pure), [`status`] what to say. A run makes at most one new
//! ReplicaSet and then scales; the informer's answer starts the next run.

mod model;
mod plan;
mod scale;
mod status;

use std::sync::Arc;

use jiff::Timestamp;
use knarr_api::{Object, Reason, Status, Value, value, value::to_value};
use knarr_client::{
    ApiExt as _, Cache, Key, WorkQueue,
    events::Type,
    resources::{DEPLOYMENTS, REPLICA_SETS},
};
use knarr_daemon::Tasks;

use crate::{
    Context,
    claims::Claims,
    context::{Again, reference},
    steps::{controlled_by, fingerprint, short_hash},
};
use model::{Deployment, HASH_LABEL, ReplicaSet};
use plan::{Step, plan};

#[derive(Clone)]
struct Controller {
    cx: Context,
    deployments: Arc<Cache<Deployment>>,
    sets: Arc<Cache<ReplicaSet>>,
    claims: Claims,
}

pub(crate) fn start(cx: &Context, tasks: &Tasks) {
    let queue: Arc<WorkQueue<Key>> = WorkQueue::new();
    let claims = Claims::new(cx, &DEPLOYMENTS, &REPLICA_SETS);
    let me = Controller { cx: cx.clone(), deployments: Cache::new(), sets: Cache::new(), claims };
    let wake = queue.clone();
    cx.follow(tasks, "deployment", &DEPLOYMENTS, &me.deployments, Deployment::project, move |c| {
        wake.add(c.key.clone())
    });
    let (wake, it) = (queue.clone(), me.clone());
    cx.follow(tasks, "deployment", &REPLICA_SETS, &me.sets, ReplicaSet::project, move |change| {
        for set in [change.old, change.new].into_iter().flatten() {
            match set.meta.controller() {
                Some(owner) => wake.add(Key::new(&set.key.namespace, &owner.name)),
                None => {
                    let all = it.deployments.in_namespace(&set.key.namespace);
                    all.iter().filter(|d| d.selector.matches(&set.meta)).for_each(|d| wake.add(d.key.clone()));
                }
            }
        }
    });
    let (d, s) = (me.deployments.clone(), me.sets.clone());
    let ready = move || {
        let (d, s) = (d.clone(), s.clone());
        async move {
            tokio::join!(d.synced(), s.synced());
        }
    };
    cx.work(tasks, "deployment", 2, &queue, ready, move |key| {
        let me = me.clone();
        async move { me.reconcile(&key).await }
    });
}

impl Controller {
    async fn reconcile(&self, key: &Key) -> Result<Again, Status> {
        let Some(d) = self.deployments.get(key) else { return Ok(None) };
        let sets = self.owned(&d).await?;
        let now = Timestamp::now();
        let mut failure = None;
        if d.meta.deleted.is_none() {
            for step in plan(&d, &sets) {
                if let Err(e) = self.apply(&d, &sets, &step).await {
                    failure = Some(e);
                    break;
                }
            }
        }
        let (status, again) = status::status(&d, &sets, failure.as_ref().map(Status::message), now);
        if let Some(status) = status {
            match self.cx.set_status(&DEPLOYMENTS, key, status).await {
                Err(e) if !e.is(Reason::NotFound) => return Err(e),
                _ => {}
            }
        }
        match failure {
            Some(e) if !e.is(Reason::NotFound) => Err(e),
            _ => Ok(again),
        }
    }

    /// The ReplicaSets of the deployment, oldest first; orphans that its selector matches are adopted, sets it no longer
    /// matches released.
    async fn owned(&self, d: &Deployment) -> Result<Vec<Arc<ReplicaSet>>, Status> {
        let all = self.sets.in_namespace(&d.key.namespace);
        let mut out = self.claims.claim(d.owner(), all, |set: &ReplicaSet| d.selector.matches(&set.meta)).await?;
        out.sort_by(|a, b| (&a.meta.created, &a.key.name).cmp(&(&b.meta.created, &b.key.name)));
        Ok(out)
    }

    async fn apply(&self, d: &Deployment, sets: &[Arc<ReplicaSet>], step: &Step) -> Result<(), Status> {
        let about = reference(&DEPLOYMENTS, &d.key, &d.meta.uid);
        let ns = &d.key.namespace;
        match step {
            Step::Create { replicas, revision } => {
                let made = self.create(d, *replicas, *revision).await?;
                if let Some(name) = made {
                    let text = format!("Scaled up replica set {name} from 0 to {replicas}");
                    self.cx.recorder.event(&about, Type::Normal, "ScalingReplicaSet", text);
                }
                Ok(())
            }
            Step::Scale { name, from, to } => {
                let body = value!({
                    "metadata": { "annotations": d.size_annotations() },
                    "spec": { "replicas": *to },
                });
                self.cx.api.merge(&REPLICA_SETS, ns, name, "", body).await?;
                let way = if to > from { "up" } else { "down" };
                let text = format!("Scaled {way} replica set {name} from {from} to {to}");
                self.cx.recorder.event(&about, Type::Normal, "ScalingReplicaSet", text);
                Ok(())
            }
            Step::Annotate { name } => {
                let body = value!({ "metadata": { "annotations": d.size_annotations() } });
                self.cx.api.merge(&REPLICA_SETS, ns, name, "", body).await.map(drop)
            }
            Step::Inherit { name } => {
                let mut annotations = Value::object();
                d.inherited.iter().for_each(|(k, v)| annotations.set(&[k], v.as_str()));
                let body = value!({ "metadata": { "annotations": annotations } });
                self.cx.api.merge(&REPLICA_SETS, ns, name, "", body).await.map(drop)
            }
            Step::Revision { name, revision } => {
                let mut annotations = d.size_annotations();
                if let Some(map) = annotations.as_object_mut() {
                    map.insert(model::REVISION, revision.to_string());
                    d.inherited.iter().for_each(|(k, v)| drop(map.insert(k.as_str(), v.as_str())));
                    // The revisions this ReplicaSet had before, for `rollout history`.
                    if let Some(old) = sets.iter().find(|s| s.key.name == *name).filter(|s| s.revision > 0) {
                        let before = [&*old.history, &old.revision.to_string()];
                        let before: Vec<&str> = before.into_iter().filter(|h| !h.is_empty()).collect();
                        map.insert(model::HISTORY, before.join(","));
                    }
                }
                let body = value!({ "metadata": { "annotations": annotations } });
                self.cx.api.merge(&REPLICA_SETS, ns, name, "", body).await.map(drop)
            }
            Step::OwnRevision { revision } => {
                let body = value!({ "metadata": { "annotations": { (model::REVISION): revision.to_string() } } });
                self.cx.api.merge(&DEPLOYMENTS, ns, &d.key.name, "", body).await.map(drop)
            }
            Step::Delete { name, uid } => match self.cx.delete(&REPLICA_SETS, &Key::new(ns, name), uid).await {
                Err(e) if !e.is(Reason::NotFound) && !e.is(Reason::Conflict) => Err(e),
                _ => Ok(()),
            },
        }
    }

    /// Makes the ReplicaSet of the present template. `None`: it is there already and the informer will show it.
    async fn create(&self, d: &Deployment, replicas: i32, revision: i64) -> Result<Option<String>, Status> {
        let ns = &d.key.namespace;
        let live = self.cx.api.get(&DEPLOYMENTS, ns, &d.key.name).await?;
        if live.meta().generation != d.meta.generation || live.meta().uid != d.meta.uid {
            return Ok(None);
        }
        let spec = to_value(&live.decode::<serde_json::Value>().map_err(Status::internal)?["spec"])
            .map_err(Status::internal)?;
        let at = |path: &[&str]| spec.at(path).cloned().unwrap_or_default();
        let (mut template, mut selector) = (at(&["template"]), at(&["selector"]));
        for collision in d.collisions..d.collisions + 8 {
            let hash = short_hash(format!("{}/{collision}", d.template).as_bytes());
            let name = format!("{}-{hash}", d.key.name);
            template.set(&["metadata", "labels", HASH_LABEL], hash.as_str());
            selector.set(&["matchLabels", HASH_LABEL], hash.as_str());
            let mut annotations = d.size_annotations();
            annotations.set(&[model::REVISION], revision.to_string());
            d.inherited.iter().for_each(|(k, v)| annotations.set(&[k], v.as_str()));
            let body = value!({
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "metadata": {
                    "name": name.as_str(),
                    "labels": template.at(&["metadata", "labels"]).cloned().unwrap_or_default(),
                    "annotations": annotations,
                    "ownerReferences": controlled_by(&DEPLOYMENTS, &d.key.name, &d.meta.uid),
                },
                "spec": {
                    "replicas": replicas,
                    "minReadySeconds": d.min_ready_seconds,
                    "selector": selector.clone(),
                    "template": template.clone(),
                },
            });
            match self.cx.api.create(&REPLICA_SETS, ns, body).await {
                Ok(_) => return Ok(Some(name)),
                Err(e) if e.is(Reason::AlreadyExists) => {
                    let there = self.cx.api.get(&REPLICA_SETS, ns, &name).await?;
                    let ours = there.meta().controller().is_some_and(|o| o.uid == d.meta.uid);
                    if ours && ReplicaSet::project(&there).is_some_and(|s| s.template == d.template) {
                        return Ok(None);
                    }
                }
                Err(e) => return Err(e),
            }
        }
        Err(Status::internal(format!("every name for the ReplicaSet of {} is taken", d.key)))
    }
}

/// The hash of a pod template without the label that tells ReplicaSets apart.
fn template_hash(object: &Object) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Wire {
        spec: Spec,
    }
    #[derive(serde::Deserialize)]
    struct Spec {
        template: serde_json::Value,
    }
    let mut template = object.decode::<Wire>().ok()?.spec.template;
    if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(|l| l.as_object_mut()) {
        labels.remove(HASH_LABEL);
    }
    Some(fingerprint(&template))
}

impl Deployment {
    fn size_annotations(&self) -> Value {
        value!({ (model::DESIRED): self.replicas.to_string(), (model::MAX): (self.replicas + self.surge()).to_string() })
    }
}
