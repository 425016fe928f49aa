//! What the controller knows of HorizontalPodAutoscalers.

use knarr_api::{Meta, Object, Value, quantity::Quantity};
use knarr_client::Key;
use serde::{Deserialize, Deserializer};

use super::status::Said;

/// A HorizontalPodAutoscaler (v2) as its controller sees it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Autoscaler {
    pub(super) key: Key,
    pub(super) meta: Meta,
    pub(super) spec: Spec,
    pub(super) status: Said,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spec {
    pub(super) scale_target_ref: Target,
    min_replicas: Option<i32>,
    pub(super) max_replicas: i32,
    #[serde(default)]
    pub(super) metrics: Vec<Metric>,
    pub(super) behavior: Option<Behavior>,
}

/// Whose size it is about.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Target {
    pub(super) api_version: Box<str>,
    pub(super) kind: Box<str>,
    pub(super) name: Box<str>,
}

/// What a size is computed from.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "type")]
pub(super) enum Metric {
    /// What pods use of a resource.
    Resource { resource: ResourceUse },
    /// What one container of each pod uses.
    ContainerResource {
        #[serde(rename = "containerResource")]
        resource: ResourceUse,
    },
    /// A metric of each pod, from an API that metrics adapters serve.
    Pods { pods: Custom },
    /// A metric of one object, from the same.
    Object { object: Custom },
    /// A metric of something outside, from another such API.
    External { external: Custom },
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResourceUse {
    pub(super) name: Box<str>,
    #[serde(default)]
    pub(super) container: Box<str>,
    pub(super) target: Goal,
}

/// `target` of a resource metric: one of them is set.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Goal {
    pub(super) average_utilization: Option<i32>,
    #[serde(deserialize_with = "milli")]
    pub(super) average_value: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Custom {
    pub(super) metric: Identifier,
    #[serde(default)]
    pub(super) described_object: Target,
    #[serde(default)]
    pub(super) target: Value,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct Identifier {
    pub(super) name: Box<str>,
    pub(super) selector: Option<Value>,
}

/// How fast the size may change. The API has filled both directions.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Behavior {
    pub(super) scale_up: Rules,
    pub(super) scale_down: Rules,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Rules {
    pub(super) stabilization_window_seconds: Option<i32>,
    pub(super) select_policy: Select,
    pub(super) policies: Vec<Policy>,
    #[serde(deserialize_with = "milli")]
    pub(super) tolerance: Option<i64>,
}

/// Which of several policies counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) enum Select {
    /// The smallest change.
    Min,
    /// No change at all.
    Disabled,
    /// The largest change.
    #[default]
    #[serde(other)]
    Max,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Policy {
    #[serde(rename = "type")]
    pub(super) kind: PolicyKind,
    pub(super) value: i32,
    pub(super) period_seconds: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum PolicyKind {
    Pods,
    Percent,
}

#[derive(Deserialize)]
struct Wire {
    spec: Spec,
    #[serde(default)]
    status: Said,
}

impl Autoscaler {
    /// Projects a HorizontalPodAutoscaler.
    pub(super) fn project(object: &Object) -> Option<Self> {
        let Wire { spec, status } = object.decode().ok()?;
        Some(Self { key: Key::of(object), meta: object.meta().clone(), spec, status })
    }
}

impl Spec {
    pub(super) fn min_replicas(&self) -> i32 {
        self.min_replicas.unwrap_or(1)
    }
}

/// A quantity in thousandths.
fn milli<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    let text = Option::<Box<str>>::deserialize(from)?;
    Ok(text.and_then(|t| t.parse::<Quantity>().ok()).map(Quantity::milli_value))
}
