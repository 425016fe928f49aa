//! Taints keep pods off nodes; tolerations let them on again.

use serde::Deserialize;

use crate::Str;

/// The key of the taint that stands for `spec.unschedulable`: who tolerates it may go to a cordoned node.
pub const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// What a taint does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub enum Effect {
    /// Pods are not placed there.
    NoSchedule,
    /// Pods are placed elsewhere if that is possible.
    PreferNoSchedule,
    /// Pods are not placed there, and those there must go.
    NoExecute,
    /// Anything else; does nothing.
    #[default]
    #[serde(other)]
    Unknown,
}

impl Effect {
    /// Whether it keeps new pods off the node.
    pub fn is_hard(self) -> bool {
        matches!(self, Self::NoSchedule | Self::NoExecute)
    }
}

/// `core/v1 Taint`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Taint {
    /// Key.
    pub key: Str,
    /// Value.
    pub value: Str,
    /// Effect.
    pub effect: Effect,
    /// When a `NoExecute` taint was put there.
    pub time_added: Option<Str>,
}

impl Taint {
    /// The taint a cordoned node is treated as having.
    pub fn unschedulable() -> Self {
        Self { key: UNSCHEDULABLE.into(), effect: Effect::NoSchedule, ..Self::default() }
    }
}

/// `core/v1 Toleration`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Toleration {
    /// Key; empty tolerates all.
    pub key: Str,
    /// `Equal` (also where empty) or `Exists`; others tolerate nothing.
    pub operator: Str,
    /// Value.
    pub value: Str,
    /// Effect; none is all.
    pub effect: Option<Effect>,
    /// How long a `NoExecute` taint is tolerated; none is for ever.
    pub toleration_seconds: Option<i64>,
}

impl Toleration {
    /// Whether it covers `taint`.
    pub fn covers(&self, taint: &Taint) -> bool {
        self.effect.is_none_or(|e| e == taint.effect)
            && (self.key.is_empty() || self.key == taint.key)
            && match self.operator.as_str() {
                "" | "Equal" => self.value == taint.value,
                "Exists" => true,
                _ => false,
            }
    }
}

/// The first of the taints with an effect that `counts` which no toleration covers.
pub fn untolerated<'a>(
    taints: &'a [Taint],
    tolerations: &[Toleration],
    counts: impl Fn(Effect) -> bool,
) -> Option<&'a Taint> {
    taints.iter().filter(|t| counts(t.effect)).find(|taint| !tolerations.iter().any(|t| t.covers(taint)))
}
