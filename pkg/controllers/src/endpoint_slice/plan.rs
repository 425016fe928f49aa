//! Which slices a Service should have: pure.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use jiff::Timestamp;
use knarr_api::{Meta, Object, Value, value, value::to_value};
use knarr_client::{Key, resources::SERVICES};
use serde::Deserialize;

use super::{MANAGED_BY, SERVICE_NAME};
use crate::{context::rfc3339, pod::Pod, steps::controlled_by};

/// Most endpoints in one slice (upstream's default).
const FULL: usize = 100;

/// A Service as its endpoints depend on it.
#[derive(Debug, PartialEq)]
pub(crate) struct Service {
    pub(crate) key: Key,
    pub(crate) meta: Meta,
    selector: Option<BTreeMap<Box<str>, Box<str>>>,
    pub(crate) ports: Vec<ServicePort>,
    headless: bool,
    publish_not_ready: bool,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ServicePort {
    pub(crate) name: Box<str>,
    pub(crate) protocol: Box<str>,
    port: u16,
    target_port: serde_json::Value,
    app_protocol: Option<Box<str>>,
}

#[derive(Deserialize)]
struct Wire {
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(rename = "type", default)]
    kind: Box<str>,
    selector: Option<BTreeMap<Box<str>, Box<str>>>,
    #[serde(default)]
    ports: Vec<ServicePort>,
    #[serde(rename = "clusterIP", default)]
    cluster_ip: Box<str>,
    #[serde(default)]
    publish_not_ready_addresses: bool,
}

impl Service {
    pub(crate) fn project(object: &Object) -> Option<Self> {
        let spec = object.decode::<Wire>().ok()?.spec;
        Some(Self {
            key: Key::of(object),
            meta: object.meta().clone(),
            selector: spec.selector.filter(|s| !s.is_empty() && &*spec.kind != "ExternalName"),
            ports: spec.ports,
            headless: &*spec.cluster_ip == "None",
            publish_not_ready: spec.publish_not_ready_addresses,
        })
    }

    /// Whether its endpoints are ours to manage.
    pub(crate) fn has_selector(&self) -> bool {
        self.selector.is_some()
    }

    /// Whether a pod is behind it.
    pub(crate) fn selects(&self, pod: &Pod) -> bool {
        let labels = |s: &BTreeMap<Box<str>, Box<str>>| s.iter().all(|(k, v)| pod.meta.label(k) == Some(v));
        self.selector.as_ref().is_some_and(labels)
    }

    /// Whether a pod that is behind it has an endpoint now: it has an address and has not ended.
    pub(crate) fn includes(&self, pod: &Pod) -> bool {
        self.selects(pod) && !pod.has_ended() && !pod.addresses.is_empty()
    }

    /// Says in an endpoint which pod it is, on which node, under which name.
    pub(crate) fn describe(&self, pod: &Pod, endpoint: &mut Value) {
        let target = value!({
            "kind": "Pod",
            "name": pod.key.name.clone(),
            "namespace": pod.key.namespace.clone(),
            "uid": &*pod.meta.uid,
        });
        endpoint.set(&["targetRef"], target);
        if let Some(node) = &pod.node {
            endpoint.set(&["nodeName"], &**node);
        }
        if !pod.hostname.is_empty() && *pod.subdomain == *self.key.name {
            endpoint.set(&["hostname"], &*pod.hostname);
        }
    }

    /// `ready`, `serving`, `terminating` of a pod's endpoint.
    pub(crate) fn conditions(&self, pod: &Pod) -> (bool, bool, bool) {
        let terminating = pod.meta.deleted.is_some();
        let serving = pod.ready.is_some();
        (self.publish_not_ready || (serving && !terminating), serving, terminating)
    }

    /// The port number on a pod, `None` where the pod has no port of that name.
    pub(crate) fn target(&self, port: &ServicePort, pod: &Pod) -> Option<u16> {
        match &port.target_port {
            serde_json::Value::String(name) => {
                pod.ports.iter().find(|(n, p, _)| **n == **name && *p == port.protocol).map(|(.., number)| *number)
            }
            other => other.as_u64().and_then(|n| u16::try_from(n).ok()).filter(|n| *n > 0).or(Some(port.port)),
        }
    }
}

/// A slice that exists.
#[derive(Debug, PartialEq)]
pub(crate) struct Have {
    name: String,
    uid: String,
    /// The Service it belongs to.
    pub(crate) service: String,
    ports: Value,
    endpoints: Value,
}

pub(super) fn project(object: &Object) -> Option<Have> {
    if object.meta().label("endpointslice.kubernetes.io/managed-by") != Some(MANAGED_BY) {
        return None;
    }
    let service = object.meta().label(SERVICE_NAME)?.to_owned();
    let tree: serde_json::Value = object.decode().ok()?;
    let at = |name: &str| tree.get(name).filter(|v| !v.is_null()).and_then(|v| to_value(v).ok());
    let none = || Value::Array(Vec::new());
    Some(Have {
        name: object.name().to_owned(),
        uid: object.meta().uid.to_string(),
        service,
        ports: at("ports").unwrap_or_else(none),
        endpoints: at("endpoints").unwrap_or_else(none),
    })
}

/// One change.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    Create(Value),
    Update { name: String, endpoints: Value, ports: Value, trigger: String },
    Delete { name: String, uid: String },
}

/// The steps from the slices there are to the slices there should be. Endpoints are grouped by the ports they serve
/// (named ports may differ between pods), slices with the right ports are kept and refilled.
pub(super) fn plan(service: &Service, pods: &[Arc<Pod>], have: &[Arc<Have>], now: Timestamp) -> Vec<Step> {
    let mut groups: Vec<(Value, Vec<Value>)> = Vec::new();
    for pod in pods.iter().filter(|p| service.includes(p)) {
        let Some(address) = pod.addresses.iter().find(|a| a.is_ipv4()) else { continue };
        let ports = ports(service, pod);
        let endpoint = endpoint(service, pod, *address);
        match groups.iter_mut().find(|(p, _)| *p == ports) {
            Some((_, endpoints)) => endpoints.push(endpoint),
            None => groups.push((ports, vec![endpoint])),
        }
    }
    if groups.is_empty() {
        groups.push((Value::Array(Vec::new()), Vec::new()));
    }
    let mut free: Vec<&Have> = have.iter().map(|h| &**h).collect();
    let mut steps = Vec::new();
    for (ports, endpoints) in groups {
        let mut chunks: Vec<Value> = endpoints.chunks(FULL).map(|c| Value::Array(c.to_vec())).collect();
        if chunks.is_empty() {
            chunks.push(Value::Array(Vec::new()));
        }
        for chunk in chunks {
            // The same content first, then the same ports, then any: fewest writes.
            let exact = free.iter().position(|h| h.ports == ports && h.endpoints == chunk);
            let found = exact.or_else(|| free.iter().position(|h| h.ports == ports)).or(if free.is_empty() {
                None
            } else {
                Some(0)
            });
            match found.map(|at| free.remove(at)) {
                Some(h) if h.ports == ports && h.endpoints == chunk => {}
                Some(h) => steps.push(Step::Update {
                    name: h.name.clone(),
                    endpoints: chunk,
                    ports: ports.clone(),
                    trigger: rfc3339(now),
                }),
                None => steps.push(Step::Create(slice(service, ports.clone(), chunk, now))),
            }
        }
    }
    steps.extend(free.into_iter().map(|h| Step::Delete { name: h.name.clone(), uid: h.uid.clone() }));
    steps
}

fn slice(service: &Service, ports: Value, endpoints: Value, now: Timestamp) -> Value {
    let mut labels = knarr_api::Map::new();
    service.meta.labels.iter().for_each(|(k, v)| drop(labels.insert(&**k, &**v)));
    labels.insert("endpointslice.kubernetes.io/managed-by", MANAGED_BY);
    labels.insert(SERVICE_NAME, service.key.name.clone());
    if service.headless {
        labels.insert("service.kubernetes.io/headless", "");
    }
    let annotations = value!({ "endpoints.kubernetes.io/last-change-trigger-time": rfc3339(now) });
    value!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": format!("{}-", service.key.name),
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": controlled_by(&SERVICES, &service.key.name, &service.meta.uid),
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": ports,
    })
}

fn ports(service: &Service, pod: &Pod) -> Value {
    let mut out = Vec::new();
    for port in &service.ports {
        let Some(number) = service.target(port, pod) else { continue };
        let mut entry = value!({ "name": &*port.name, "port": i64::from(number), "protocol": &*port.protocol });
        if let Some(app) = &port.app_protocol {
            entry.set(&["appProtocol"], &**app);
        }
        out.push(entry);
    }
    Value::Array(out)
}

fn endpoint(service: &Service, pod: &Pod, address: IpAddr) -> Value {
    let (ready, serving, terminating) = service.conditions(pod);
    let mut e = value!({
        "addresses": [address.to_string()],
        "conditions": { "ready": ready, "serving": serving, "terminating": terminating },
    });
    service.describe(pod, &mut e);
    e
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(v: serde_json::Value) -> Object {
        Object::from_json(v.to_string().into()).unwrap()
    }

    fn service(ports: serde_json::Value) -> Service {
        let v = json!({"metadata": {"name": "web", "namespace": "d", "uid": "s"},
            "spec": {"selector": {"app": "web"}, "clusterIP": "10.43.0.9", "ports": ports}});
        Service::project(&object(v)).unwrap()
    }

    fn pod(name: &str, ip: &str, ready: bool, deleted: bool) -> Arc<Pod> {
        let mut v = json!({"metadata": {"name": name, "namespace": "d", "uid": name, "labels": {"app": "web"}},
            "spec": {"nodeName": "n", "containers": [{"ports": [{"name": "http", "protocol": "TCP", "containerPort": 8080}]}]},
            "status": {"phase": "Running", "podIPs": [{"ip": ip}],
                "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]}});
        if deleted {
            v["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        }
        Arc::new(Pod::project(&object(v)).unwrap())
    }

    fn as_have(body: &Value) -> Arc<Have> {
        Arc::new(Have {
            name: "s1".into(),
            uid: "u".into(),
            service: "web".into(),
            ports: body.get("ports").unwrap().clone(),
            endpoints: body.get("endpoints").unwrap().clone(),
        })
    }

    fn http() -> Service {
        service(json!([{"name": "http", "protocol": "TCP", "port": 80, "targetPort": "http"}]))
    }

    #[test]
    fn ready_serving_and_terminating() {
        let pods = [
            pod("a", "10.42.0.2", true, false),
            pod("b", "10.42.0.3", false, false),
            pod("c", "10.42.0.4", true, true),
        ];
        let steps = plan(&http(), &pods, &[], Timestamp::UNIX_EPOCH);
        let [Step::Create(body)] = &steps[..] else { panic!("{steps:?}") };
        let state = |e: &Value| {
            ["ready", "serving", "terminating"].map(|c| e.at(&["conditions", c]).unwrap().as_bool().unwrap())
        };
        let got: Vec<_> = body.list_at(&["endpoints"]).iter().map(state).collect();
        assert_eq!(got, [[true, true, false], [false, false, false], [false, true, true]]);
        assert_eq!(body.list_at(&["ports"])[0].get("port"), Some(&Value::Int(8080)));
        assert_eq!(plan(&http(), &pods, &[as_have(body)], Timestamp::UNIX_EPOCH), []);
    }

    #[test]
    fn no_pods_leave_one_empty_slice() {
        let steps = plan(&http(), &[], &[], Timestamp::UNIX_EPOCH);
        let [Step::Create(body)] = &steps[..] else { panic!("{steps:?}") };
        assert!(body.list_at(&["endpoints"]).is_empty());
        let steps = plan(&http(), &[pod("a", "10.42.0.2", true, false)], &[as_have(body)], Timestamp::UNIX_EPOCH);
        assert!(matches!(&steps[..], [Step::Update { name, .. }] if name == "s1"));
    }

    #[test]
    fn many_pods_need_several_slices_and_surplus_ones_go() {
        let pods: Vec<_> = (0..150).map(|i| pod(&format!("p{i}"), &format!("10.42.0.{i}"), true, false)).collect();
        let steps = plan(&http(), &pods, &[], Timestamp::UNIX_EPOCH);
        let bodies: Vec<_> =
            steps.iter().map(|s| if let Step::Create(b) = s { as_have(b) } else { panic!() }).collect();
        assert_eq!(bodies.len(), 2);
        let steps = plan(&http(), &pods[..100], &bodies, Timestamp::UNIX_EPOCH);
        assert!(matches!(&steps[..], [Step::Delete { .. }]));
    }
}
