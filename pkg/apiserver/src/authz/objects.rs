//! Roles and bindings as RBAC reads them: the members that grant something.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::rules::{PolicyRule, nullable};

/// A Role or ClusterRole.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Role {
    pub(super) metadata: Labels,
    #[serde(deserialize_with = "nullable")]
    pub(super) rules: Vec<PolicyRule>,
    pub(super) aggregation_rule: Option<Aggregation>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Labels {
    pub(super) labels: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Aggregation {
    #[serde(deserialize_with = "nullable")]
    pub(super) cluster_role_selectors: Vec<Selector>,
}

/// `metav1.LabelSelector`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Selector {
    pub(super) match_labels: Option<BTreeMap<String, String>>,
    #[serde(deserialize_with = "nullable")]
    pub(super) match_expressions: Vec<Expression>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Expression {
    pub(super) key: String,
    pub(super) operator: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) values: Vec<String>,
}

impl Selector {
    pub(super) fn matches(&self, labels: Option<&BTreeMap<String, String>>) -> bool {
        let value = |key: &str| labels.and_then(|l| l.get(key));
        self.match_labels.iter().flatten().all(|(k, v)| value(k) == Some(v))
            && self.match_expressions.iter().all(|e| match (e.operator.as_str(), value(&e.key)) {
                ("In", Some(v)) => e.values.contains(v),
                ("NotIn", v) => v.is_none_or(|v| !e.values.contains(v)),
                ("Exists", v) => v.is_some(),
                ("DoesNotExist", v) => v.is_none(),
                _ => false,
            })
    }
}

/// A RoleBinding or ClusterRoleBinding.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Binding {
    pub(super) role_ref: RoleRef,
    #[serde(deserialize_with = "nullable")]
    pub(super) subjects: Vec<Subject>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RoleRef {
    pub(super) kind: String,
    pub(super) name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Subject {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) namespace: String,
}

impl Subject {
    /// The key a user's names are looked up by. A ServiceAccount without a namespace is one of the binding's.
    pub(super) fn key(&self, binding_namespace: &str) -> Option<String> {
        match self.kind.as_str() {
            "User" => Some(user_key(&self.name)),
            "Group" => Some(group_key(&self.name)),
            "ServiceAccount" => {
                let namespace = if self.namespace.is_empty() { binding_namespace } else { &self.namespace };
                (!namespace.is_empty()).then(|| user_key(&format!("system:serviceaccount:{namespace}:{}", self.name)))
            }
            _ => None,
        }
    }

    pub(super) fn describe(&self, binding_namespace: &str) -> String {
        match self.kind.as_str() {
            "ServiceAccount" => {
                let namespace = if self.namespace.is_empty() { binding_namespace } else { &self.namespace };
                format!("ServiceAccount \"{}/{namespace}\"", self.name)
            }
            kind => format!("{kind} {:?}", self.name),
        }
    }
}

pub(super) fn user_key(name: &str) -> String {
    format!("u:{name}")
}

pub(super) fn group_key(name: &str) -> String {
    format!("g:{name}")
}
