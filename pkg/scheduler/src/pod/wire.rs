//! The JSON shape of a pod, as far as placing it needs, and what follows from it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use knarr_api::{
    Str,
    demand::{ContainerDemand, PodDemand, Requirements, ResourceList},
    placement::{NodeAffinity, Toleration},
};
use serde::Deserialize;

use super::HostPort;
use crate::{affinity::WirePodAffinity, spread::WireConstraint};

#[derive(Deserialize)]
pub(super) struct PodObject {
    pub(super) spec: PodSpec,
    #[serde(default)]
    pub(super) status: PodStatus,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PodSpec {
    pub(super) node_name: Option<Str>,
    pub(super) scheduler_name: Str,
    pub(super) scheduling_gates: Vec<serde::de::IgnoredAny>,
    pub(super) priority: i32,
    pub(super) preemption_policy: Str,
    pub(super) node_selector: BTreeMap<Str, Str>,
    pub(super) affinity: Affinity,
    pub(super) tolerations: Vec<Toleration>,
    pub(super) topology_spread_constraints: Vec<WireConstraint>,
    pub(super) containers: Vec<Container>,
    pub(super) init_containers: Vec<Container>,
    pub(super) resources: Requirements,
    pub(super) overhead: ResourceList,
    pub(super) volumes: Vec<Volume>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Affinity {
    pub(super) node_affinity: NodeAffinity,
    pub(super) pod_affinity: Option<WirePodAffinity>,
    pub(super) pod_anti_affinity: Option<WirePodAffinity>,
}

impl Affinity {
    pub(super) fn pods(&mut self) -> (Option<WirePodAffinity>, Option<WirePodAffinity>) {
        (self.pod_affinity.take(), self.pod_anti_affinity.take())
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Container {
    pub(super) name: Str,
    pub(super) image: Str,
    pub(super) resources: Requirements,
    pub(super) ports: Vec<Port>,
    pub(super) restart_policy: Str,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Port {
    pub(super) host_port: u16,
    #[serde(rename = "hostIP")]
    pub(super) host_ip: Str,
    pub(super) protocol: Str,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Volume {
    pub(super) name: Str,
    pub(super) persistent_volume_claim: Option<ClaimSource>,
    pub(super) ephemeral: Option<serde::de::IgnoredAny>,
    pub(super) image: Option<ImageSource>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ClaimSource {
    pub(super) claim_name: Str,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct ImageSource {
    pub(super) reference: Str,
}

impl Volume {
    /// The claim behind it.
    pub(super) fn claim(&self, pod: &str) -> Option<(Str, bool)> {
        match (&self.persistent_volume_claim, &self.ephemeral) {
            (Some(claim), _) => Some((claim.claim_name.clone(), false)),
            (None, Some(_)) => Some((format!("{pod}-{}", self.name).into(), true)),
            (None, None) => None,
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PodStatus {
    pub(super) phase: Str,
    pub(super) conditions: Vec<Condition>,
    pub(super) nominated_node_name: Option<Str>,
    pub(super) start_time: Option<Timestamp>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Condition {
    #[serde(rename = "type")]
    pub(super) kind: Str,
    pub(super) status: Str,
    pub(super) reason: Str,
    pub(super) message: Str,
}

pub(super) fn demand(
    containers: Vec<Container>,
    init_containers: Vec<Container>,
    resources: Requirements,
    overhead: ResourceList,
) -> PodDemand {
    let of = |list: Vec<Container>| {
        let each = list.into_iter().map(|c| ContainerDemand {
            name: c.name,
            restart_policy: c.restart_policy,
            resources: c.resources,
        });
        each.collect()
    };
    PodDemand { containers: of(containers), init_containers: of(init_containers), resources, overhead }
}

pub(super) fn host_ports(spec: &PodSpec) -> Box<[HostPort]> {
    let sidecars = spec.init_containers.iter().filter(|c| c.restart_policy == "Always");
    let ports = spec.containers.iter().chain(sidecars).flat_map(|c| &c.ports).filter(|p| p.host_port > 0);
    let or = |text: &Str, default: &str| if text.is_empty() { default.into() } else { text.clone() };
    let each = ports.map(|p| HostPort {
        protocol: or(&p.protocol, "TCP"),
        address: or(&p.host_ip, "0.0.0.0"),
        port: p.host_port,
    });
    each.collect()
}

/// The names of the pod's images as nodes list them: with a tag.
pub(super) fn images(containers: &[Container], init_containers: &[Container], volumes: &[Volume]) -> Vec<Str> {
    let of_volumes = volumes.iter().filter_map(|v| Some(&v.image.as_ref()?.reference));
    let all = init_containers.iter().chain(containers).map(|c| &c.image).chain(of_volumes);
    let tagged = |name: &Str| match (name.rfind(':'), name.rfind('/')) {
        (Some(colon), slash) if slash.is_none_or(|s| s < colon) => name.clone(),
        _ => format!("{name}:latest").into(),
    };
    all.map(tagged).collect()
}
