//! What is said about a HorizontalPodAutoscaler: its status while a run fills it. Pure.

use jiff::Timestamp;
use knarr_api::{Value, value};
use serde::Deserialize;

use crate::conditions::{self, Condition, put};

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
        let new = Condition::new(&format!("{kind:?}"), on, reason, message.into()).since(&self.conditions, now);
        put(&mut self.conditions, new);
    }

    /// The document.
    pub(super) fn print(&self) -> Value {
        let mut status = value!({
            "currentReplicas": self.current_replicas,
            "desiredReplicas": self.desired_replicas,
            "currentMetrics": Value::Array(self.current_metrics.clone()),
            "conditions": conditions::print(&self.conditions),
        });
        if let Some(at) = &self.last_scale_time {
            status.set(&["lastScaleTime"], at.as_str());
        }
        status
    }
}
