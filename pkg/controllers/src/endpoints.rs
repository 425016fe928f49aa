//! Endpoints: the older form of EndpointSlices, still read by many.

use std::{collections::BTreeMap, sync::Arc};

use knarr_api::{Object, Reason, Status, Value, value, value::to_value};
use knarr_client::{ApiExt as _, Cache, Key, WorkQueue, resources::ENDPOINTS};
use knarr_daemon::Tasks;

use crate::{
    Context,
    context::Again,
    endpoint_slice::{Service, follow},
    pod::Pod,
};

/// Most addresses in one object; above it the object is marked and cut (upstream's bound).
const MOST: usize = 1000;
const MARK: &str = "endpoints.kubernetes.io/managed-by";
const MANAGER: &str = "endpoint-controller";

/// What an existing object says.
#[derive(Debug)]
struct Have {
    subsets: Value,
    uid: Box<str>,
    ours: bool,
}

pub(crate) fn start(cx: &Context, tasks: &Tasks) {
    let queue: Arc<WorkQueue<Key>> = WorkQueue::new();
    let (services, pods) = follow(cx, tasks, "endpoints", &queue);
    let have: Arc<Cache<Have>> = Cache::new();
    let wake = queue.clone();
    let project = |o: &Object| {
        let tree: serde_json::Value = o.decode().ok()?;
        let subsets = tree.get("subsets").filter(|s| !s.is_null()).and_then(|s| to_value(s).ok());
        let ours = o.meta().label(MARK) == Some(MANAGER);
        Some(Have { subsets: subsets.unwrap_or_else(|| Value::Array(Vec::new())), uid: o.meta().uid.clone(), ours })
    };
    cx.follow(tasks, "endpoints", &ENDPOINTS, &have, project, move |c| wake.add(c.key.clone()));
    let all = (services.clone(), pods.clone(), have.clone());
    let ready = move || {
        let (s, p, h) = all.clone();
        async move {
            tokio::join!(s.synced(), p.synced(), h.synced());
        }
    };
    let cx2 = cx.clone();
    cx.work(tasks, "endpoints", 1, &queue, ready, move |key| {
        let (cx, services, pods, have) = (cx2.clone(), services.clone(), pods.clone(), have.clone());
        async move { reconcile(&cx, &key, services.get(&key), &pods.in_namespace(&key.namespace), have.get(&key)).await }
    });
}

async fn reconcile(
    cx: &Context,
    key: &Key,
    service: Option<Arc<Service>>,
    pods: &[Arc<Pod>],
    have: Option<Arc<Have>>,
) -> Result<Again, Status> {
    let done = match (service, have) {
        (None, Some(have)) if have.ours => cx.delete(&ENDPOINTS, key, &have.uid).await,
        (Some(service), have) if service.has_selector() => {
            let subsets = subsets(&service, pods);
            if have.as_ref().is_some_and(|h| h.subsets == subsets) {
                return Ok(None);
            }
            let mut labels = knarr_api::Map::new();
            service.meta.labels.iter().for_each(|(k, v)| drop(labels.insert(&**k, &**v)));
            labels.insert(MARK, MANAGER);
            let body = value!({ "metadata": { "name": key.name.clone(), "labels": labels }, "subsets": subsets });
            match have {
                Some(_) => cx.api.merge(&ENDPOINTS, &key.namespace, &key.name, "", body).await.map(drop),
                None => cx.api.create(&ENDPOINTS, &key.namespace, body).await.map(drop),
            }
        }
        _ => Ok(()),
    };
    match done {
        Err(e) if !e.is(Reason::NotFound) && !e.is(Reason::Forbidden) => Err(e),
        _ => Ok(None),
    }
}

/// One subset for each set of ports that pods serve.
fn subsets(service: &Service, pods: &[Arc<Pod>]) -> Value {
    // By ports (name, number, protocol): the ready and the unready addresses.
    type Ports = Vec<(Box<str>, u16, Box<str>)>;
    let mut groups: BTreeMap<Ports, (Vec<Value>, Vec<Value>)> = BTreeMap::new();
    for pod in pods.iter().filter(|p| service.includes(p)).take(MOST) {
        let Some(address) = pod.addresses.first() else { continue };
        let ports = service.ports.iter();
        let ports = ports.filter_map(|p| Some((p.name.clone(), service.target(p, pod)?, p.protocol.clone()))).collect();
        let (ready, _, terminating) = service.conditions(pod);
        if terminating && !ready {
            continue;
        }
        let mut entry = value!({ "ip": address.to_string() });
        service.describe(pod, &mut entry);
        let (up, down) = groups.entry(ports).or_default();
        if ready { up.push(entry) } else { down.push(entry) }
    }
    let subsets = groups.into_iter().map(|(ports, (up, down))| {
        let ports = ports.into_iter().map(|(name, number, protocol)| {
            let mut port = value!({ "port": i64::from(number), "protocol": &*protocol });
            if !name.is_empty() {
                port.set(&["name"], &*name);
            }
            port
        });
        let mut subset = value!({ "ports": Value::Array(ports.collect()) });
        if !up.is_empty() {
            subset.set(&["addresses"], Value::Array(up));
        }
        if !down.is_empty() {
            subset.set(&["notReadyAddresses"], Value::Array(down));
        }
        subset
    });
    Value::Array(subsets.collect())
}
