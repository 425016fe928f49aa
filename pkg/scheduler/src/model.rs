//! The projections of pods and nodes that scheduling needs.

use std::collections::BTreeMap;

use knarr_api::Object;
use knarr_client::Key;
use serde::Deserialize;

use crate::{Amounts, selector::NodeAffinity};

/// A pod as the scheduler sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodInfo {
    /// Namespace and name.
    pub key: Key,
    /// UID.
    pub uid: String,
    /// The node it is bound to.
    pub node: Option<String>,
    /// Who schedules it.
    pub scheduler: String,
    /// It has ended, and occupies nothing.
    pub ended: bool,
    /// It is being deleted: it occupies its node, but is not scheduled any more.
    pub deleted: bool,
    /// It waits for gates to be removed.
    pub gated: bool,
    /// Priority.
    pub priority: i32,
    /// What it asks for, its overhead included.
    pub requests: Amounts,
    /// Labels its node must have.
    pub node_selector: BTreeMap<String, String>,
    /// Node affinity.
    pub affinity: NodeAffinity,
    /// Tolerations.
    pub tolerations: Vec<Toleration>,
    /// Host ports: protocol, address, port.
    pub host_ports: Vec<(String, String, u16)>,
    /// The message of its `PodScheduled=False` condition, if it has one.
    pub told: Option<String>,
}

/// A node as the scheduler sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeInfo {
    /// Name.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// `spec.unschedulable`.
    pub unschedulable: bool,
    /// Taints.
    pub taints: Vec<Taint>,
    /// What it has for pods.
    pub allocatable: Amounts,
}

/// `core/v1 Taint`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Taint {
    /// Key.
    pub key: String,
    /// Value.
    pub value: String,
    /// Effect.
    pub effect: String,
}

/// `core/v1 Toleration`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Toleration {
    /// Key; empty tolerates all.
    pub key: String,
    /// `Equal` (also where empty) or `Exists`.
    pub operator: String,
    /// Value.
    pub value: String,
    /// Effect; empty is all.
    pub effect: String,
}

impl Toleration {
    /// Whether it covers `taint` (upstream's `ToleratesTaint`).
    pub fn covers(&self, taint: &Taint) -> bool {
        (self.effect.is_empty() || self.effect == taint.effect)
            && (self.key.is_empty() || self.key == taint.key)
            && match self.operator.as_str() {
                "" | "Equal" => self.value == taint.value,
                "Exists" => true,
                _ => false,
            }
    }
}

#[derive(Deserialize)]
struct PodObject {
    spec: PodSpec,
    #[serde(default)]
    status: PodStatus,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct PodSpec {
    node_name: Option<String>,
    scheduler_name: String,
    scheduling_gates: Vec<serde::de::IgnoredAny>,
    priority: i32,
    node_selector: BTreeMap<String, String>,
    affinity: Affinity,
    tolerations: Vec<Toleration>,
    containers: Vec<Container>,
    init_containers: Vec<Container>,
    overhead: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Affinity {
    node_affinity: NodeAffinity,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Container {
    resources: Resources,
    ports: Vec<Port>,
    restart_policy: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Resources {
    requests: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Port {
    host_port: u16,
    #[serde(rename = "hostIP")]
    host_ip: String,
    protocol: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct PodStatus {
    phase: String,
    conditions: Vec<Condition>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    message: String,
}

impl PodInfo {
    /// Projects a Pod.
    pub fn project(object: &Object) -> Option<Self> {
        let PodObject { spec, status } = object.decode().ok()?;
        let told = status.conditions.into_iter().find(|c| c.kind == "PodScheduled" && c.status == "False");
        Some(Self {
            key: Key::of(object),
            uid: object.meta().uid.to_string(),
            node: spec.node_name.clone().filter(|n| !n.is_empty()),
            scheduler: spec.scheduler_name.clone(),
            ended: matches!(status.phase.as_str(), "Succeeded" | "Failed"),
            deleted: object.meta().deleted.is_some(),
            gated: !spec.scheduling_gates.is_empty(),
            priority: spec.priority,
            requests: requests(&spec),
            host_ports: host_ports(&spec),
            node_selector: spec.node_selector,
            affinity: spec.affinity.node_affinity,
            tolerations: spec.tolerations,
            told: told.map(|c| c.message),
        })
    }

    /// Whether it waits for us.
    pub fn is_waiting(&self, scheduler: &str) -> bool {
        self.node.is_none() && self.scheduler == scheduler && !self.ended && !self.deleted && !self.gated
    }
}

/// The effective request (upstream's `PodRequests`, KEP-753): the containers and sidecars together, or the largest
/// init container with the sidecars started before it, whichever is more; plus overhead; plus one pod.
fn requests(spec: &PodSpec) -> Amounts {
    let mut running = Amounts::default();
    spec.containers.iter().for_each(|c| running.add(&Amounts::of(&c.resources.requests)));
    let (mut sidecars, mut peak) = (Amounts::default(), Amounts::default());
    for c in &spec.init_containers {
        let own = Amounts::of(&c.resources.requests);
        if c.restart_policy == "Always" {
            running.add(&own);
            sidecars.add(&own);
            peak.max(&sidecars);
        } else {
            let mut with = sidecars.clone();
            with.add(&own);
            peak.max(&with);
        }
    }
    running.max(&peak);
    running.add(&Amounts::of(&spec.overhead));
    running.add(&Amounts::of(&BTreeMap::from([("pods".to_owned(), "1".to_owned())])));
    running
}

fn host_ports(spec: &PodSpec) -> Vec<(String, String, u16)> {
    let sidecars = spec.init_containers.iter().filter(|c| c.restart_policy == "Always");
    let ports = spec.containers.iter().chain(sidecars).flat_map(|c| &c.ports).filter(|p| p.host_port > 0);
    let or = |text: &str, default: &str| if text.is_empty() { default.to_owned() } else { text.to_owned() };
    ports.map(|p| (or(&p.protocol, "TCP"), or(&p.host_ip, "0.0.0.0"), p.host_port)).collect()
}

#[derive(Deserialize)]
struct NodeObject {
    #[serde(default)]
    spec: NodeSpec,
    #[serde(default)]
    status: NodeStatus,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct NodeSpec {
    unschedulable: bool,
    taints: Vec<Taint>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct NodeStatus {
    allocatable: BTreeMap<String, String>,
}

impl NodeInfo {
    /// Projects a Node.
    pub fn project(object: &Object) -> Option<Self> {
        let NodeObject { spec, status } = object.decode().ok()?;
        let labels = object.meta().labels.iter().map(|(k, v)| (k.to_string(), v.to_string()));
        Some(Self {
            name: object.name().to_owned(),
            labels: labels.collect(),
            unschedulable: spec.unschedulable,
            taints: spec.taints,
            allocatable: Amounts::of(&status.allocatable),
        })
    }
}
