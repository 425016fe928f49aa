//! The projection of a pod.
//!
//! Most pods run, and of those only what occupies room and what others' rules ask for is kept. What a pod wishes for
//! itself ([`Wishes`]) is kept while it waits.

mod wire;

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use jiff::Timestamp;
use knarr_api::{
    Meta, Object, Str,
    demand::PodDemand,
    placement::{NodeAffinity, Toleration, has_labels},
    quantity::{Format, Quantity},
};
use knarr_client::Key;

use crate::{Amounts, affinity::PodAffinity, spread::Constraint};
use wire::{PodObject, demand, host_ports, images};

/// Labels, sorted by key.
pub type LabelSet = Arc<[(Box<str>, Box<str>)]>;

/// A pod as the scheduler sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct PodInfo {
    /// Namespace and name.
    pub key: Key,
    /// UID.
    pub uid: Str,
    /// Labels.
    pub labels: LabelSet,
    /// The node it is bound to.
    pub node: Option<Str>,
    /// It has ended, and occupies nothing.
    pub ended: bool,
    /// It is being deleted: it occupies its node, but is not scheduled any more.
    pub deleted: bool,
    /// It is being deleted to make room for another pod.
    pub preempted: bool,
    /// Priority.
    pub priority: i32,
    /// When its node took it on.
    pub started: Option<Timestamp>,
    /// What it asks for, its overhead included.
    pub requests: Amounts,
    /// CPU and memory it is counted with where load is compared: containers that ask for none count as a little.
    pub load: (i64, i64),
    /// Host ports.
    pub ports: Box<[HostPort]>,
    /// Claims it mounts, and whether each is its own (of an ephemeral volume).
    pub claims: Box<[(Str, bool)]>,
    /// Rules about other pods.
    pub affinity: Option<Box<PodAffinity>>,
    /// What it wishes for; `None` once it has a node.
    pub wishes: Option<Box<Wishes>>,
}

/// What a waiting pod wishes for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wishes {
    /// Who is to schedule it.
    pub scheduler: Str,
    /// It waits for gates to be removed.
    pub gated: bool,
    /// It does not push others out.
    pub never_preempts: bool,
    /// The node room is being made on for it.
    pub nominated: Option<Str>,
    /// Labels its node must have.
    pub node_selector: BTreeMap<Str, Str>,
    /// Node affinity.
    pub nodes: NodeAffinity,
    /// Tolerations.
    pub tolerations: Vec<Toleration>,
    /// Spreading.
    pub spread: Vec<Constraint>,
    /// Images, by the names nodes list them under.
    pub images: Vec<Str>,
    /// Number of containers.
    pub containers: usize,
    /// Kind and name of its controller.
    pub owner: Option<(Str, Str)>,
    /// Its `PodScheduled=False` condition: reason and message.
    pub told: Option<(Str, Str)>,
}

/// A port taken on the node itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: Str,
    /// Address; `0.0.0.0` for all.
    pub address: Str,
    /// Port.
    pub port: u16,
}

impl HostPort {
    /// Two claims collide on the same protocol and port, unless they name different addresses.
    pub fn collides(&self, other: &Self) -> bool {
        const ANY: &str = "0.0.0.0";
        self.port == other.port
            && self.protocol == other.protocol
            && (self.address == other.address || self.address == ANY || other.address == ANY)
    }
}

impl Wishes {
    /// Whether a node is one of those the pod insists on.
    pub fn allows(&self, node: &Meta) -> bool {
        has_labels(node, &self.node_selector) && self.nodes.allows(node)
    }
}

/// Projects pods; pods of one template share one set of labels.
#[derive(Debug, Default)]
pub struct Projector {
    labels: HashSet<LabelSet>,
    /// Sets there were after the last look for unused ones.
    kept: usize,
}

impl Projector {
    /// Projects a Pod.
    pub fn project(&mut self, object: &Object) -> Option<PodInfo> {
        let PodObject { mut spec, status } = object.decode().ok()?;
        let labels = self.share(&object.meta().labels);
        let ports = host_ports(&spec);
        let namespace = object.namespace();
        let bound = spec.node_name.as_deref().is_some_and(|n| !n.is_empty());
        let affinity = PodAffinity::new(spec.affinity.pods(), namespace, &labels);
        let condition = |kind: &str| status.conditions.iter().find(|c| c.kind == kind);
        let preempted =
            condition("DisruptionTarget").is_some_and(|c| c.status == "True" && c.reason == "PreemptionByScheduler");
        let wishes = (!bound).then(|| {
            let told = condition("PodScheduled").filter(|c| c.status == "False");
            Box::new(Wishes {
                gated: !spec.scheduling_gates.is_empty(),
                never_preempts: spec.preemption_policy == "Never",
                nominated: status.nominated_node_name.filter(|n| !n.is_empty()),
                spread: Constraint::all(spec.topology_spread_constraints, &labels),
                images: images(&spec.containers, &spec.init_containers, &spec.volumes),
                containers: spec.containers.len() + spec.init_containers.len(),
                owner: object.meta().controller().map(|o| (Str::from(&*o.kind), Str::from(&*o.name))),
                told: told.map(|c| (c.reason.clone(), c.message.clone())),
                scheduler: spec.scheduler_name,
                node_selector: spec.node_selector,
                nodes: spec.affinity.node_affinity,
                tolerations: spec.tolerations,
            })
        });
        let claims = spec.volumes.iter().filter_map(|v| v.claim(object.name())).collect();
        let demand = demand(spec.containers, spec.init_containers, spec.resources, spec.overhead);
        Some(PodInfo {
            key: Key::of(object),
            uid: (&*object.meta().uid).into(),
            labels,
            node: spec.node_name.filter(|n| !n.is_empty()),
            ended: matches!(status.phase.as_str(), "Succeeded" | "Failed"),
            deleted: object.meta().deleted.is_some(),
            preempted,
            priority: spec.priority,
            started: status.start_time,
            requests: Amounts::of(&demand.requests()),
            load: load(&demand),
            ports,
            claims,
            affinity,
            wishes,
        })
    }

    fn share(&mut self, labels: &[(Box<str>, Box<str>)]) -> LabelSet {
        if let Some(known) = self.labels.get(labels) {
            return known.clone();
        }
        if self.labels.len() > 2 * self.kept + 64 {
            self.labels.retain(|set| Arc::strong_count(set) > 1);
            self.kept = self.labels.len();
        }
        let set: LabelSet = labels.into();
        self.labels.insert(set.clone());
        set
    }
}

/// What a container that asks for nothing counts as, so that such pods spread too.
fn load(demand: &PodDemand) -> (i64, i64) {
    let cpu = demand.requests_or("cpu", Quantity::milli(100));
    let memory = demand.requests_or("memory", Quantity::new(200 << 20, Format::BinarySi));
    (cpu.milli_value(), memory.value())
}

impl PodInfo {
    /// Whether `scheduler` is to find it a node.
    pub fn is_waiting(&self, scheduler: &str) -> bool {
        self.wishes.as_ref().is_some_and(|w| w.scheduler == scheduler) && !self.ended && !self.deleted
    }

    /// Whether it takes room on a node.
    pub fn occupies(&self) -> bool {
        self.node.is_some() && !self.ended
    }

    /// The same pod on `node`.
    #[must_use]
    pub fn on(&self, node: &str) -> Self {
        Self { node: Some(node.into()), wishes: None, ..self.clone() }
    }
}
