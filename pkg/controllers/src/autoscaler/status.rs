//! What is said about a HorizontalPodAutoscaler: its status while a run fills it. Pure.

use jiff::Timestamp;
use knarr_api::{Value, value};
use serde::Deserialize;

use crate::context::rfc3339;

/// `status`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Said {
    pub(super) current_replicas: i32,
    pub(super) desired_replicas: i32,
    pub(super) last_scale_time: Option<String>,
    pub(super) current_metrics: Vec<Value>,
    pub(super) conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Condition {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) status: String,
    pub(super) reason: String,
    pub(super) message: String,
    last_transition_time: String,
}

/// The three conditions of an autoscaler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Its target's size can be read and written.
    AbleToScale,
    /// A size can be computed.
    ScalingActive,
    /// The size computed is not the one set.
    ScalingLimited,
}

impl Said {
    /// Sets a condition; its time changes with its state.
    pub(super) fn set(&mut self, kind: Kind, on: bool, reason: &str, message: impl Into<String>, now: Timestamp) {
        let (kind, status) = (format!("{kind:?}"), if on { "True" } else { "False" });
        let at = match self.conditions.iter().position(|c| c.kind == kind) {
            Some(at) => at,
            None => {
                self.conditions.push(Condition { kind, ..Condition::default() });
                self.conditions.len() - 1
            }
        };
        let condition = &mut self.conditions[at];
        if condition.status != status {
            condition.last_transition_time = rfc3339(now);
        }
        condition.status = status.to_owned();
        condition.reason = reason.to_owned();
        condition.message = message.into();
    }

    /// The document.
    pub(super) fn print(&self) -> Value {
        let conditions = self.conditions.iter().map(|c| {
            value!({
                "type": c.kind.as_str(),
                "status": c.status.as_str(),
                "reason": c.reason.as_str(),
                "message": c.message.as_str(),
                "lastTransitionTime": c.last_transition_time.as_str(),
            })
        });
        let mut status = value!({
            "currentReplicas": self.current_replicas,
            "desiredReplicas": self.desired_replicas,
            "currentMetrics": Value::Array(self.current_metrics.clone()),
            "conditions": Value::Array(conditions.collect()),
        });
        if let Some(at) = &self.last_scale_time {
            status.set(&["lastScaleTime"], at.as_str());
        }
        status
    }
}
