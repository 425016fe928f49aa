//! What the scheduler writes: bindings, refusals, evictions.

use std::{sync::Arc, time::Instant};

use jiff::Timestamp;
use knarr_api::{Reason, Status, Str, Value, value};
use knarr_client::{
    ApiExt as _, Key, PatchKind, Request, Verb,
    events::{ObjectRef, Type},
    resources::PODS,
};

use crate::{
    PodInfo, Scheduler,
    state::{NAME, Nomination, Step},
};

/// What fits into an event.
const NOTE: usize = 1024;

impl Scheduler {
    /// Does one step. What fails is tried again by the queue, so there is nothing to answer.
    pub(crate) async fn act(&self, step: Step) {
        match step {
            Step::Bind { pod, node } => self.bind(&pod, &node).await,
            Step::Refuse { pod, why, nomination } => {
                if let Err(e) = self.refuse(&pod, &why, &nomination).await {
                    tracing::debug!(pod = %pod.key, error = %e, "could not tell why a pod waits");
                }
                if let Nomination::Evict { node, victims, instead_of } = nomination {
                    self.make_room(&pod, &node, &victims, &instead_of).await;
                }
            }
        }
    }

    async fn bind(&self, pod: &PodInfo, node: &str) {
        let Key { namespace, name } = &pod.key;
        let binding = value!({
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": { "name": name.clone(), "namespace": namespace.clone(), "uid": pod.uid.clone() },
            "target": { "apiVersion": "v1", "kind": "Node", "name": node },
        });
        let request = Request::new(Verb::Create, &PODS).namespace(namespace).name(name);
        match self.api.call(request.subresource("binding").body(binding)).await {
            Ok(_) => {
                let text = format!("Successfully assigned {namespace}/{name} to {node}");
                self.recorder.event(&reference(pod), Type::Normal, "Scheduled", text);
            }
            Err(e) => {
                self.state.lock().unbound(pod, Instant::now());
                // Deleted or bound by somebody else meanwhile: the informer will say so.
                if !e.is(Reason::NotFound) && !e.is(Reason::Conflict) {
                    let text = format!("binding rejected: running Bind plugin \"DefaultBinder\": {e}");
                    self.recorder.event(&reference(pod), Type::Warning, "FailedScheduling", note(&text));
                }
            }
        }
    }

    async fn refuse(&self, pod: &PodInfo, why: &str, nomination: &Nomination) -> Result<(), Status> {
        self.recorder.event(&reference(pod), Type::Warning, "FailedScheduling", note(why));
        const REASON: &str = "Unschedulable";
        let told = pod.wishes.as_ref().and_then(|w| w.told.as_ref());
        let known = told.is_some_and(|(reason, message)| reason == REASON && message == why);
        let mut status = Value::object();
        if !known {
            status.set(&["conditions"], [condition("PodScheduled", "False", REASON, why)]);
        }
        match nomination {
            Nomination::Keep => {}
            Nomination::GiveUp => status.set(&["nominatedNodeName"], Value::Null),
            Nomination::Evict { node, .. } => status.set(&["nominatedNodeName"], node.clone()),
        }
        if status.as_object().is_some_and(knarr_api::Map::is_empty) {
            return Ok(());
        }
        self.patch_status(&pod.key, &pod.uid, status).await
    }

    /// Sends victims away, gracefully, and takes a promise back from pods that are less important.
    async fn make_room(&self, pod: &PodInfo, node: &str, victims: &[Arc<PodInfo>], instead_of: &[Arc<PodInfo>]) {
        for other in instead_of {
            let status = value!({ "nominatedNodeName": null });
            if let Err(e) = self.patch_status(&other.key, &other.uid, status).await {
                tracing::debug!(pod = %other.key, error = %e, "could not clear a nomination");
            }
        }
        for victim in victims.iter().filter(|v| !v.deleted) {
            if let Err(e) = self.evict(pod, node, victim).await {
                tracing::warn!(pod = %pod.key, victim = %victim.key, error = %e, "could not preempt");
            }
        }
    }

    async fn evict(&self, pod: &PodInfo, node: &str, victim: &PodInfo) -> Result<(), Status> {
        let why = format!("{NAME}: preempting to accommodate a higher priority pod");
        let conditions = [condition("DisruptionTarget", "True", "PreemptionByScheduler", &why)];
        self.patch_status(&victim.key, &victim.uid, value!({ "conditions": conditions })).await?;
        let Key { namespace, name } = &victim.key;
        match self.api.delete(&PODS, namespace, name, &victim.uid).await {
            Err(e) if e.is(Reason::NotFound) || e.is(Reason::Conflict) => return Ok(()),
            Err(e) => return Err(e),
            Ok(()) => {}
        }
        let text = format!("Preempted by pod {} on node {node}", pod.uid);
        self.recorder.event(&reference(victim), Type::Normal, "Preempted", text);
        Ok(())
    }

    /// Changes the status of a pod that is still the one meant.
    async fn patch_status(&self, key: &Key, uid: &Str, status: Value) -> Result<(), Status> {
        let body = value!({ "metadata": { "uid": uid.clone() }, "status": status });
        let verb = Verb::Patch(PatchKind::Strategic);
        let request = Request::new(verb, &PODS).namespace(&key.namespace).name(&key.name);
        match self.api.call(request.subresource("status").body(body)).await {
            Err(e) if !e.is(Reason::NotFound) && !e.is(Reason::Conflict) => Err(e),
            _ => Ok(()),
        }
    }
}

fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    value!({
        "type": kind, "status": status, "reason": reason, "message": message,
        "lastProbeTime": null, "lastTransitionTime": now,
    })
}

/// A text cut to what an event may hold.
fn note(text: &str) -> String {
    const MORE: &str = " ...";
    if text.len() <= NOTE {
        return text.to_owned();
    }
    let cut = text.floor_char_boundary(NOTE - MORE.len());
    format!("{}{MORE}", &text[..cut])
}

fn reference(pod: &PodInfo) -> ObjectRef {
    ObjectRef {
        api_version: "v1".to_owned(),
        kind: "Pod".to_owned(),
        namespace: pod.key.namespace.to_string(),
        name: pod.key.name.to_string(),
        uid: pod.uid.to_string(),
        field_path: String::new(),
    }
}
