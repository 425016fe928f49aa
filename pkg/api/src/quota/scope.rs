//! Scopes: which objects a quota is about.

use serde::Deserialize;

use super::Charge;
use crate::Str;

/// `core/v1 ScopedResourceSelectorRequirement`; a scope of the plain list is one with `Exists`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Selector {
    /// Which property.
    pub scope_name: Str,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: Str,
    /// What to compare with.
    pub values: Vec<Str>,
}

impl Selector {
    /// Whether an object has the property. Objects that scopes know nothing of have none.
    pub fn matches(&self, charge: &Charge) -> bool {
        let Some(facts) = &charge.facts else { return false };
        match self.scope_name.as_str() {
            "Terminating" => facts.terminating,
            "NotTerminating" => facts.pod && !facts.terminating,
            "BestEffort" => facts.best_effort,
            "NotBestEffort" => facts.pod && !facts.best_effort,
            "CrossNamespacePodAffinity" => facts.cross_namespace,
            "PriorityClass" => facts.pod && self.holds(facts.priority_class.as_deref()),
            "VolumeAttributesClass" => !facts.pod && self.holds(facts.attributes_class.as_deref()),
            _ => false,
        }
    }

    fn holds(&self, value: Option<&str>) -> bool {
        let listed = || value.is_some_and(|v| self.values.iter().any(|w| w == v));
        match self.operator.as_str() {
            "In" => listed(),
            "NotIn" => !listed(),
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => false,
        }
    }
}
