//! Claims and volumes: a pod can only go where its volumes can be mounted.
//!
//! Volumes bound already decide by their own node affinity. A claim that is still unbound holds its pod up: nothing here
//! makes volumes.

use knarr_api::{Meta, Object, Str, placement::NodeSelector};
use knarr_client::Key;
use serde::Deserialize;

use crate::{NodeInfo, PodInfo, snapshot::Snapshot};

const ZONES: [&str; 2] = ["topology.kubernetes.io/zone", "topology.kubernetes.io/region"];
/// Beta names of the same labels, which old volumes still carry.
const OLD_ZONES: [&str; 2] = ["failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region"];

/// A claim as the scheduler sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClaimInfo {
    /// The volume it is bound to, if binding is complete.
    pub volume: Option<Str>,
    /// The volume it names, whether or not it is bound.
    wanted: Str,
    lost: bool,
    deleted: bool,
    class: Str,
    /// Only one pod at a time may use it.
    exclusive: bool,
}

/// A volume as the scheduler sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VolumeInfo {
    nodes: Option<NodeSelector>,
    /// Zone and region it is in, as index into [`ZONES`] and values.
    zones: Vec<(usize, Vec<Str>)>,
}

/// A storage class as the scheduler sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClassInfo {
    /// Claims are bound when a pod wants them, not before.
    pub waits: bool,
}

/// What a pod's volumes ask of nodes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Needs<'a> {
    volumes: Vec<&'a VolumeInfo>,
    /// A claim is bound to a volume that does not exist.
    astray: bool,
    /// A claim waits for its first pod, and no volume fits it.
    unbound: bool,
    exclusive: Vec<&'a Str>,
    /// Pods that use an exclusive claim of this one.
    rivals: i64,
}

/// Why a node will not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    InUse,
    Elsewhere,
    Astray,
    Unbound,
    OtherZone,
}

impl<'a> Needs<'a> {
    /// What a pod's claims come to.
    ///
    /// # Errors
    /// No node will do, whatever it is like.
    pub(crate) fn new(pod: &'a PodInfo, snapshot: &'a Snapshot) -> Result<Self, String> {
        let mut needs = Self::default();
        if pod.claims.is_empty() {
            return Ok(needs);
        }
        let mut immediate = false;
        for (name, own) in &pod.claims {
            let Some(claim) = snapshot.claims.get(&Key::new(&pod.key.namespace, name)) else {
                return Err(if *own {
                    format!("waiting for ephemeral volume controller to create the persistentvolumeclaim {name:?}")
                } else {
                    format!("persistentvolumeclaim {name:?} not found")
                });
            };
            if claim.lost {
                let volume = &claim.wanted;
                return Err(format!(
                    "persistentvolumeclaim {name:?} bound to non-existent persistentvolume {volume:?}"
                ));
            }
            if claim.deleted {
                return Err(format!("persistentvolumeclaim {name:?} is being deleted"));
            }
            if claim.exclusive {
                needs.exclusive.push(name);
            }
            match &claim.volume {
                Some(volume) => match snapshot.volumes.get(volume) {
                    Some(volume) => needs.volumes.push(volume),
                    None => needs.astray = true,
                },
                None if snapshot.classes.get(&claim.class).is_some_and(|c| c.waits) => needs.unbound = true,
                None => immediate = true,
            }
        }
        if immediate {
            return Err("pod has unbound immediate PersistentVolumeClaims".to_owned());
        }
        if !needs.exclusive.is_empty() {
            for state in snapshot.nodes() {
                state.pods().iter().for_each(|other| needs.change(pod, other, 1));
            }
        }
        Ok(needs)
    }

    /// Counts `other`, which comes (1) or goes (-1).
    pub(crate) fn change(&mut self, pod: &PodInfo, other: &PodInfo, by: i64) {
        let shares = |name: &&Str| other.claims.iter().any(|(n, _)| n == *name);
        if other.key.namespace == pod.key.namespace && self.exclusive.iter().any(shares) {
            self.rivals += by;
        }
    }

    /// What keeps the pod off `node`, if anything.
    pub(crate) fn broken(&self, node: &NodeInfo) -> Vec<Broken> {
        if self.rivals > 0 {
            return vec![Broken::InUse];
        }
        let mut out = Vec::new();
        if self.volumes.iter().any(|v| v.nodes.as_ref().is_some_and(|n| !n.matches(&node.meta))) {
            out.push(Broken::Elsewhere);
        }
        if self.unbound {
            out.push(Broken::Unbound);
        }
        if self.astray {
            out.push(Broken::Astray);
        }
        if out.is_empty() && self.volumes.iter().any(|v| !v.in_zone_of(&node.meta)) {
            out.push(Broken::OtherZone);
        }
        out
    }
}

impl VolumeInfo {
    /// Nodes without any zone are in all of them.
    fn in_zone_of(&self, node: &Meta) -> bool {
        let place = |i: usize| node.label(ZONES[i]).or_else(|| node.label(OLD_ZONES[i]));
        if (0..ZONES.len()).all(|i| place(i).is_none()) {
            return true;
        }
        self.zones.iter().all(|(i, values)| place(*i).is_some_and(|have| values.iter().any(|v| v == have)))
    }

    /// Projects a PersistentVolume.
    pub fn project(object: &Object) -> Option<Self> {
        #[derive(Deserialize)]
        struct Volume {
            #[serde(default)]
            spec: Spec,
        }
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Spec {
            node_affinity: Affinity,
        }
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Affinity {
            required: Option<NodeSelector>,
        }
        let volume: Volume = object.decode().ok()?;
        let label = |i: usize| object.meta().label(ZONES[i]).or_else(|| object.meta().label(OLD_ZONES[i]));
        // Several zones are written `a__b`.
        let zones = (0..ZONES.len()).filter_map(|i| Some((i, label(i)?.split("__").map(Str::from).collect())));
        Some(Self { nodes: volume.spec.node_affinity.required, zones: zones.collect() })
    }
}

impl ClaimInfo {
    /// Projects a PersistentVolumeClaim.
    pub fn project(object: &Object) -> Option<Self> {
        #[derive(Deserialize)]
        struct Claim {
            metadata: Annotated,
            #[serde(default)]
            spec: Spec,
            #[serde(default)]
            status: State,
        }
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Annotated {
            annotations: std::collections::BTreeMap<Str, Str>,
        }
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Spec {
            volume_name: Str,
            storage_class_name: Str,
            access_modes: Vec<Str>,
        }
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct State {
            phase: Str,
        }
        let Claim { metadata, spec, status } = object.decode().ok()?;
        let complete = metadata.annotations.contains_key("pv.kubernetes.io/bind-completed") || status.phase == "Bound";
        Some(Self {
            volume: Some(spec.volume_name.clone()).filter(|v| !v.is_empty() && complete),
            wanted: spec.volume_name,
            lost: status.phase == "Lost",
            deleted: object.meta().deleted.is_some(),
            class: spec.storage_class_name,
            exclusive: spec.access_modes.iter().any(|m| m == "ReadWriteOncePod"),
        })
    }
}

impl ClassInfo {
    /// Projects a StorageClass.
    pub fn project(object: &Object) -> Option<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Class {
            #[serde(default)]
            volume_binding_mode: Str,
        }
        Some(Self { waits: object.decode::<Class>().ok()?.volume_binding_mode == "WaitForFirstConsumer" })
    }
}
