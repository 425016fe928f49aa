//! What pods ask for and what they may use: the sums over containers that the scheduler, limits and quotas count with.
//!
//! Containers and sidecars run together; an init container runs alone beside the sidecars started before it, so a pod
//! needs the larger of the two. Amounts the pod names for itself (`spec.resources`) replace the sums of its
//! containers, and overhead comes on top.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{Str, quantity::Quantity};

/// Amounts by resource name.
pub type ResourceList = BTreeMap<Str, Quantity>;

/// `core/v1 ResourceRequirements`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Requirements {
    /// What is set aside.
    pub requests: ResourceList,
    /// What may be used.
    pub limits: ResourceList,
}

/// The part of a container that says what it needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerDemand {
    /// Name.
    pub name: Str,
    /// `Always` makes an init container a sidecar.
    pub restart_policy: Str,
    /// Needs.
    pub resources: Requirements,
}

/// The part of a pod's spec that says what it needs: a projection of `spec`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodDemand {
    /// Containers.
    pub containers: Vec<ContainerDemand>,
    /// Init containers and sidecars, in order.
    pub init_containers: Vec<ContainerDemand>,
    /// The pod's own line.
    pub resources: Requirements,
    /// What running it costs beside its containers.
    pub overhead: ResourceList,
}

impl ContainerDemand {
    fn is_sidecar(&self) -> bool {
        self.restart_policy == "Always"
    }
}

impl PodDemand {
    /// All containers, init containers last.
    pub fn all(&self) -> impl Iterator<Item = &ContainerDemand> {
        self.containers.iter().chain(&self.init_containers)
    }

    /// Whether the pod has amounts of its own.
    pub fn is_pod_level(&self) -> bool {
        let Requirements { requests, limits } = &self.resources;
        requests.keys().chain(limits.keys()).any(|name| has_pod_level(name))
    }

    /// What is set aside for the pod.
    pub fn requests(&self) -> ResourceList {
        let mut sum = self.requests_without_overhead();
        add(&mut sum, &self.overhead);
        sum
    }

    /// What is set aside for its containers.
    pub fn requests_without_overhead(&self) -> ResourceList {
        let sum = self.sum(|r| &r.requests);
        self.own(sum, &self.resources.requests)
    }

    /// What the pod may use. Resources without a limit are missing.
    pub fn limits(&self) -> ResourceList {
        let mut sum = self.limits_without_overhead();
        for (name, more) in &self.overhead {
            if let Some(limit) = sum.get_mut(name).filter(|l| !l.is_zero()) {
                *limit += *more;
            }
        }
        sum
    }

    /// What its containers may use.
    pub fn limits_without_overhead(&self) -> ResourceList {
        let sum = self.sum(|r| &r.limits);
        self.own(sum, &self.resources.limits)
    }

    /// What is set aside if containers that do not ask for `name` asked for `default`: what spreading load counts with.
    pub fn requests_or(&self, name: &str, default: Quantity) -> Quantity {
        let list = |c: &ContainerDemand| c.resources.requests.get(name).copied().unwrap_or(default);
        let (mut running, mut sidecars, mut peak) = (Quantity::ZERO, Quantity::ZERO, Quantity::ZERO);
        self.containers.iter().for_each(|c| running += list(c));
        for c in &self.init_containers {
            if c.is_sidecar() {
                running += list(c);
                sidecars += list(c);
                peak = peak.max(sidecars);
            } else {
                peak = peak.max(sidecars + list(c));
            }
        }
        let sum = self.resources.requests.get(name).copied().unwrap_or(running.max(peak));
        sum + self.overhead.get(name).copied().unwrap_or(Quantity::ZERO)
    }

    fn sum(&self, of: impl Fn(&Requirements) -> &ResourceList) -> ResourceList {
        let (mut running, mut sidecars, mut peak) = (ResourceList::new(), ResourceList::new(), ResourceList::new());
        self.containers.iter().for_each(|c| add(&mut running, of(&c.resources)));
        for c in &self.init_containers {
            let own = of(&c.resources);
            if c.is_sidecar() {
                add(&mut running, own);
                add(&mut sidecars, own);
                raise(&mut peak, &sidecars);
            } else {
                let mut with = sidecars.clone();
                add(&mut with, own);
                raise(&mut peak, &with);
            }
        }
        raise(&mut running, &peak);
        running
    }

    fn own(&self, mut sum: ResourceList, own: &ResourceList) -> ResourceList {
        sum.extend(own.iter().filter(|(name, _)| has_pod_level(name)).map(|(name, amount)| (name.clone(), *amount)));
        sum
    }
}

/// Whether pods may name an amount of this resource for themselves.
fn has_pod_level(name: &str) -> bool {
    matches!(name, "cpu" | "memory") || name.starts_with("hugepages-")
}

/// Adds `more` to `sum`, name by name.
pub fn add(sum: &mut ResourceList, more: &ResourceList) {
    for (name, amount) in more {
        *sum.entry(name.clone()).or_insert(Quantity::ZERO) += *amount;
    }
}

/// Raises each amount to at least that of `other`.
fn raise(sum: &mut ResourceList, other: &ResourceList) {
    for (name, amount) in other {
        let most = sum.entry(name.clone()).or_insert(*amount);
        if *most < *amount {
            *most = *amount;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn show(list: &ResourceList) -> String {
        list.iter().map(|(name, amount)| format!("{name}={amount}")).collect::<Vec<_>>().join(" ")
    }

    /// One pod a line: spec, requests, limits.
    #[test]
    fn sums() {
        let c = |requests: serde_json::Value| json!({ "resources": { "requests": requests } });
        let sidecar = |cpu: &str| json!({"restartPolicy": "Always", "resources": {"requests": {"cpu": cpu}}});
        let table = [
            (json!({}), "", ""),
            (
                json!({"containers": [c(json!({"cpu": "1", "memory": "1Gi"})), c(json!({"cpu": "500m"}))]}),
                "cpu=1500m memory=1Gi",
                "",
            ),
            (
                json!({"containers": [c(json!({"cpu": "1"}))], "initContainers": [c(json!({"cpu": "3", "memory": "1Mi"}))]}),
                "cpu=3 memory=1Mi",
                "",
            ),
            // The sidecar runs beside the init container after it and beside the containers, not beside the one before.
            (
                json!({"containers": [c(json!({"cpu": "1"}))], "initContainers": [c(json!({"cpu": "2"})), sidecar("500m"), c(json!({"cpu": "1200m"}))]}),
                "cpu=2",
                "",
            ),
            (
                json!({"containers": [c(json!({"cpu": "1"}))], "initContainers": [sidecar("300m"), c(json!({"cpu": "1200m"}))]}),
                "cpu=1500m",
                "",
            ),
            (
                json!({"containers": [c(json!({"cpu": "1", "a/b": "2"}))], "resources": {"requests": {"cpu": "4"}, "limits": {"cpu": "5"}}, "overhead": {"cpu": "100m"}}),
                "a/b=2 cpu=4100m",
                "cpu=5100m",
            ),
            (
                json!({"containers": [{"resources": {"limits": {"memory": "1Gi"}}}], "overhead": {"memory": "1Mi", "cpu": "1"}}),
                "cpu=1 memory=1Mi",
                "memory=1025Mi",
            ),
        ];
        for (spec, requests, limits) in table {
            let demand: PodDemand = serde_json::from_value(spec.clone()).unwrap();
            assert_eq!(
                (show(&demand.requests()).as_str(), show(&demand.limits()).as_str()),
                (requests, limits),
                "{spec}"
            );
        }
    }
}
