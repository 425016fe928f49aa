//! Budgets and pods as the disruption controller sees them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use knarr_api::{Meta, Object, Value, value};
use knarr_client::Key;
use serde::Deserialize;

use crate::{
    conditions::{self, Condition, holding},
    context::rfc3339,
    pod::{LabelSelector, Phase},
};

/// A PodDisruptionBudget.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Budget {
    pub(super) key: Key,
    pub(super) meta: Meta,
    selector: Option<LabelSelector>,
    pub(super) bound: Bound,
    pub(super) status: BudgetStatus,
}

/// What a budget asks for: a number, or a percentage of the pods there should be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Bound {
    /// A budget that says nothing allows nothing.
    Nothing,
    Available(serde_json::Value),
    Unavailable(serde_json::Value),
}

impl Bound {
    /// Whether it takes to know how many pods there should be.
    pub(super) fn needs_scale(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Available(value) => value.is_string(),
            Self::Unavailable(_) => true,
        }
    }
}

/// `status`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct BudgetStatus {
    pub(super) observed_generation: i64,
    pub(super) expected_pods: i32,
    pub(super) current_healthy: i32,
    pub(super) desired_healthy: i32,
    pub(super) disruptions_allowed: i32,
    /// Pods whose eviction was allowed and that are not seen going yet, with the time of that.
    pub(super) disrupted_pods: BTreeMap<Box<str>, Timestamp>,
    pub(super) conditions: Vec<Condition>,
}

/// A pod.
#[derive(Debug, PartialEq)]
pub(super) struct Pod {
    pub(super) key: Key,
    pub(super) meta: Meta,
    pub(super) ready: bool,
    /// Since when it is said that it will be disrupted, if somebody else than its node says so.
    pub(super) target: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Wire<S, T: Default> {
    spec: S,
    #[serde(default)]
    status: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    selector: Option<LabelSelector>,
    min_available: Option<serde_json::Value>,
    max_unavailable: Option<serde_json::Value>,
}

impl Budget {
    /// Projects a budget.
    pub(super) fn project(object: &Object) -> Option<Self> {
        let Wire { spec, status }: Wire<Spec, BudgetStatus> = object.decode().ok()?;
        let bound = match (spec.max_unavailable, spec.min_available) {
            (Some(value), _) => Bound::Unavailable(value),
            (None, Some(value)) => Bound::Available(value),
            (None, None) => Bound::Nothing,
        };
        Some(Self { key: Key::of(object), meta: object.meta().clone(), selector: spec.selector, bound, status })
    }

    /// Whether it is about a pod. An empty selector is about all, an absent one about none.
    pub(super) fn selects(&self, pod: &Pod) -> bool {
        self.selector.as_ref().is_some_and(|s| s.matches(&pod.meta))
    }
}

impl BudgetStatus {
    /// As a merge patch writes it: `old` says what is to be taken away.
    pub(super) fn print(&self, old: &Self) -> Value {
        let mut disrupted = Value::object();
        old.disrupted_pods.keys().for_each(|name| disrupted.set(&[name], Value::Null));
        self.disrupted_pods.iter().for_each(|(name, at)| disrupted.set(&[name], rfc3339(*at)));
        value!({
            "observedGeneration": self.observed_generation,
            "expectedPods": self.expected_pods,
            "currentHealthy": self.current_healthy,
            "desiredHealthy": self.desired_healthy,
            "disruptionsAllowed": self.disruptions_allowed,
            "disruptedPods": disrupted,
            "conditions": conditions::print(&self.conditions),
        })
    }
}

impl Pod {
    /// Projects a pod.
    pub(super) fn project(object: &Object) -> Option<Self> {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct PodStatus {
            phase: Box<str>,
            conditions: Vec<Condition>,
        }
        #[derive(Deserialize)]
        struct Wire {
            #[serde(default)]
            status: PodStatus,
        }
        let Wire { status } = object.decode().ok()?;
        let ended = Phase::of(&status.phase).has_ended();
        let target =
            holding(&status.conditions, "DisruptionTarget").filter(|c| &*c.reason != "TerminationByKubelet" && !ended);
        Some(Self {
            key: Key::of(object),
            meta: object.meta().clone(),
            ready: holding(&status.conditions, "Ready").is_some(),
            target: target.map(|c| c.last_transition_time.unwrap_or_default()),
        })
    }
}
