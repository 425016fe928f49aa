//! Node affinity: required and preferred terms.

use serde::Deserialize;

use crate::NodeInfo;

/// `core/v1 NodeAffinity`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct NodeAffinity {
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    required: Option<NodeSelector>,
    #[serde(rename = "preferredDuringSchedulingIgnoredDuringExecution")]
    preferred: Vec<Preferred>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NodeSelector {
    node_selector_terms: Vec<Term>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Preferred {
    weight: i64,
    preference: Term,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Term {
    match_expressions: Vec<Requirement>,
    match_fields: Vec<Requirement>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Requirement {
    key: String,
    operator: String,
    values: Vec<String>,
}

impl NodeAffinity {
    /// Whether `node` is one of those required.
    pub fn allows(&self, node: &NodeInfo) -> bool {
        self.required.as_ref().is_none_or(|r| r.node_selector_terms.iter().any(|t| t.matches(node)))
    }

    /// The weights of the preferences that `node` meets.
    pub fn preference(&self, node: &NodeInfo) -> i64 {
        self.preferred.iter().filter(|p| p.preference.matches(node)).map(|p| p.weight).sum()
    }
}

impl Term {
    /// An empty term matches nothing.
    fn matches(&self, node: &NodeInfo) -> bool {
        let labels = |key: &str| node.labels.get(key).map(String::as_str);
        let fields = |key: &str| (key == "metadata.name").then_some(node.name.as_str());
        (!self.match_expressions.is_empty() || !self.match_fields.is_empty())
            && self.match_expressions.iter().all(|r| r.matches(labels(&r.key)))
            && self.match_fields.iter().all(|r| r.matches(fields(&r.key)))
    }
}

impl Requirement {
    fn matches(&self, value: Option<&str>) -> bool {
        let listed = |value: &str| self.values.iter().any(|v| v == value);
        let number = |text: &str| text.parse::<i64>().ok();
        let bound = || self.values.first().and_then(|v| number(v));
        match self.operator.as_str() {
            "In" => value.is_some_and(listed),
            "NotIn" => !value.is_some_and(listed),
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            "Gt" => value.and_then(number).zip(bound()).is_some_and(|(v, b)| v > b),
            "Lt" => value.and_then(number).zip(bound()).is_some_and(|(v, b)| v < b),
            _ => false,
        }
    }
}
