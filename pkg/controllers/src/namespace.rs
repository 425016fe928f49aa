//! Empties namespaces that are being deleted, then lets them go.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use knarr_api::{Object, Reason, Status, Value, value};
use knarr_client::{ApiExt as _, Cache, Key, Request, Verb, WorkQueue, resources};
use knarr_daemon::Tasks;
use serde::Deserialize;

use crate::{
    Context,
    conditions::{self, Condition},
    context::Again,
};

#[derive(Debug)]
struct Dying {
    ours: bool,
}

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    spec: Spec,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Spec {
    finalizers: Vec<String>,
}

const FINALIZER: &str = "kubernetes";

/// Follows namespaces that are not being deleted; each that comes wakes its key.
pub(crate) fn follow_active(
    cx: &Context,
    tasks: &Tasks,
    controller: &str,
    queue: &Arc<WorkQueue<Key>>,
) -> Arc<Cache<()>> {
    let cache: Arc<Cache<()>> = Cache::new();
    let queue = queue.clone();
    let active = |o: &Object| o.meta().deleted.is_none().then_some(());
    cx.follow(tasks, controller, &resources::NAMESPACES, &cache, active, move |change| {
        if change.new.is_some() && change.old.is_none() {
            queue.add(change.key.clone());
        }
    });
    cache
}

pub(crate) fn start(cx: &Context, tasks: &Tasks) {
    let queue: Arc<WorkQueue<Key>> = WorkQueue::new();
    let dying: Arc<Cache<Dying>> = Cache::new();
    let wake = queue.clone();
    let project = |o: &Object| {
        o.meta().deleted.as_ref()?;
        let finalizers = o.decode::<Wire>().ok()?.spec.finalizers;
        Some(Dying { ours: finalizers.iter().any(|f| f == FINALIZER) })
    };
    cx.follow(tasks, "namespace", &resources::NAMESPACES, &dying, project, move |change| {
        if change.new.is_some() {
            wake.add(change.key.clone());
        }
    });
    let cx2 = cx.clone();
    let ready = || async {};
    cx.work(tasks, "namespace", 2, &queue, ready, move |key| {
        let (cx, dying) = (cx2.clone(), dying.clone());
        async move {
            match dying.get(&key) {
                Some(d) if d.ours => empty(&cx, &key.name).await,
                _ => Ok(None),
            }
        }
    });
}

/// Deletes what is left; the last round finds nothing and takes our finalizer off.
async fn empty(cx: &Context, namespace: &str) -> Result<Again, Status> {
    let mut left: Vec<(String, usize)> = Vec::new();
    let mut finalizers: Vec<String> = Vec::new();
    for r in cx.config.resources.iter().filter(|r| r.namespaced) {
        let list = match cx.api.list(r, namespace).await {
            Ok(list) => list,
            Err(e) if e.is(Reason::NotFound) || e.is(Reason::MethodNotAllowed) => continue,
            Err(e) => return Err(e),
        };
        if list.items.is_empty() {
            continue;
        }
        for f in list.items.iter().flat_map(|o| o.meta().finalizers.iter()) {
            if !finalizers.iter().any(|g| **g == **f) {
                finalizers.push(f.to_string());
            }
        }
        left.push((r.to_string(), list.items.len()));
        // Objects that are on their way are not asked again: a pod's grace period runs once.
        if list.items.iter().any(|o| o.meta().deleted.is_none()) {
            match cx.api.call(Request::new(Verb::DeleteCollection, r).namespace(namespace)).await {
                Err(e) if !e.is(Reason::NotFound) && !e.is(Reason::MethodNotAllowed) => return Err(e),
                _ => {}
            }
        }
    }
    if left.is_empty() {
        return finish(cx, namespace).await;
    }
    let key = Key::new("", namespace);
    let status = value!({ "conditions": conditions(&left, &finalizers, Timestamp::now()) });
    match cx.set_status(&resources::NAMESPACES, &key, status).await {
        Err(e) if !e.is(Reason::NotFound) => Err(e),
        // Pods end in seconds, most things at once.
        _ => Ok(Some(Duration::from_millis(if left.len() == 1 { 500 } else { 100 }))),
    }
}

async fn finish(cx: &Context, namespace: &str) -> Result<Again, Status> {
    let live = match cx.api.get(&resources::NAMESPACES, "", namespace).await {
        Ok(live) => live,
        Err(e) if e.is(Reason::NotFound) => return Ok(None),
        Err(e) => return Err(e),
    };
    let others: Vec<String> = live
        .decode::<Wire>()
        .map(|w| w.spec.finalizers)
        .unwrap_or_default()
        .into_iter()
        .filter(|f| f != FINALIZER)
        .collect();
    let body = value!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": { "name": namespace, "resourceVersion": live.revision().to_string() },
        "spec": { "finalizers": others },
    });
    let request = Request::new(Verb::Update, &resources::NAMESPACES).name(namespace).subresource("finalize").body(body);
    match cx.api.call(request).await {
        Err(e) if !e.is(Reason::NotFound) => Err(e),
        _ => Ok(None),
    }
}

/// What people who wait read (upstream's condition types and reasons).
fn conditions(left: &[(String, usize)], finalizers: &[String], now: Timestamp) -> Value {
    let condition = |kind: &str, on: bool, yes: (&str, String), no: (&str, &str)| {
        let (reason, message) = if on { yes } else { (no.0, no.1.to_owned()) };
        Condition::new(kind, on, reason, message).since(&[], now)
    };
    let resources: Vec<String> = left.iter().map(|(r, n)| format!("{r} has {n} resource instances")).collect();
    let resources = format!("Some resources are remaining: {}", resources.join(", "));
    let waiting = format!("Some content in the namespace has finalizers remaining: {}", finalizers.join(", "));
    conditions::print(&[
        condition("NamespaceContentRemaining", true, ("SomeResourcesRemain", resources), ("", "")),
        condition(
            "NamespaceFinalizersRemaining",
            !finalizers.is_empty(),
            ("SomeFinalizersRemain", waiting),
            ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
        ),
    ])
}
