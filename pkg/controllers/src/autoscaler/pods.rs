//! The pods an autoscaler looks at, and which of them count. Pure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use knarr_api::{Object, quantity::Quantity};
use serde::Deserialize;

use super::usage::Samples;
use crate::{
    conditions::{Condition, find},
    pod::Phase,
};

/// After its start a pod's CPU counts only while it is ready.
const INITIALIZATION: SignedDuration = SignedDuration::from_mins(5);
/// A pod that is not ready and became so later than this after its start was ready once.
const INITIAL_READINESS: SignedDuration = SignedDuration::from_secs(30);

/// A pod as an autoscaler sees it.
#[derive(Debug)]
pub(super) struct PodFacts {
    pub(super) name: Box<str>,
    going: bool,
    phase: Phase,
    started: Option<Timestamp>,
    /// The `Ready` condition: its status, and since when.
    ready: Option<(Box<str>, Timestamp)>,
    containers: Vec<Container>,
    /// Requests of the pod as a whole.
    requests: BTreeMap<Box<str>, Box<str>>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Container {
    name: Box<str>,
    resources: Resources,
    restart_policy: Box<str>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct Resources {
    requests: BTreeMap<Box<str>, Box<str>>,
}

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    containers: Vec<Container>,
    init_containers: Vec<Container>,
    resources: Resources,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    phase: Box<str>,
    start_time: Option<Timestamp>,
    conditions: Vec<Condition>,
}

impl PodFacts {
    /// Reads a pod.
    pub(super) fn of(object: &Object) -> Option<Self> {
        let Wire { spec, status } = object.decode().ok()?;
        let sidecars = spec.init_containers.into_iter().filter(|c| &*c.restart_policy == "Always");
        Some(Self {
            name: object.name().into(),
            going: object.meta().deleted.is_some(),
            phase: Phase::of(&status.phase),
            started: status.start_time,
            ready: find(&status.conditions, "Ready")
                .map(|c| (c.status.clone(), c.last_transition_time.unwrap_or_default())),
            containers: spec.containers.into_iter().chain(sidecars).collect(),
            requests: spec.resources.requests,
        })
    }

    /// What it asks for of a resource, in thousandths: one container of it, or all together.
    pub(super) fn request(&self, resource: &str, container: &str) -> Result<i64, String> {
        let name = &self.name;
        let milli = |amounts: &BTreeMap<Box<str>, Box<str>>| {
            amounts.get(resource).and_then(|q| q.parse::<Quantity>().ok()).map(Quantity::milli_value)
        };
        if container.is_empty() && !self.requests.is_empty() {
            // What it says as a whole counts, and where it is silent what its containers say.
            let parts: Vec<i64> = self.containers.iter().filter_map(|c| milli(&c.resources.requests)).collect();
            let whole = milli(&self.requests)
                .or_else(|| (!parts.is_empty()).then(|| parts.iter().fold(0i64, |a, b| a.saturating_add(*b))));
            return whole.ok_or_else(|| format!("missing pod-level request for {resource} in Pod {name}"));
        }
        let chosen = self.containers.iter().filter(|c| container.is_empty() || *c.name == *container);
        let mut total = None;
        for c in chosen {
            let request = milli(&c.resources.requests)
                .ok_or_else(|| format!("missing request for {resource} in container {} of Pod {name}", c.name))?;
            total = Some(total.unwrap_or(0i64).saturating_add(request));
        }
        match total {
            None if !container.is_empty() => Err(format!("container {container} not found in Pod {name}")),
            total => Ok(total.unwrap_or(0)),
        }
    }
}

/// Pods by how much their samples say.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Groups<'a> {
    /// How many have a sample that counts.
    pub(super) ready: usize,
    /// Too young: their samples say nothing about what they will use.
    pub(super) unready: BTreeSet<&'a str>,
    /// Those without a sample.
    pub(super) missing: BTreeSet<&'a str>,
    /// Those on their way out.
    pub(super) ignored: BTreeSet<&'a str>,
}

/// Sorts pods. Only CPU needs time to settle.
pub(super) fn group<'a>(pods: &'a [PodFacts], samples: &Samples, cpu: bool, now: Timestamp) -> Groups<'a> {
    let mut groups = Groups::default();
    for pod in pods {
        let name = &*pod.name;
        if pod.going || pod.phase == Phase::Failed {
            groups.ignored.insert(name);
            continue;
        }
        if pod.phase == Phase::Pending {
            groups.unready.insert(name);
            continue;
        }
        let Some(sample) = samples.get(name) else {
            groups.missing.insert(name);
            continue;
        };
        let settled = match (&pod.ready, pod.started) {
            (Some((ready, since)), Some(started)) if now.duration_since(started) < INITIALIZATION => {
                &**ready != "False" && sample.at.duration_since(*since) >= sample.window
            }
            (Some((ready, since)), Some(started)) => {
                &**ready != "False" || since.duration_since(started) >= INITIAL_READINESS
            }
            _ => false,
        };
        if cpu && !settled {
            groups.unready.insert(name);
        } else {
            groups.ready += 1;
        }
    }
    groups
}
