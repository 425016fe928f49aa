//! Node selectors: terms over a node's labels and name.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use crate::{
    Meta, Str,
    selector::{Labels, Operator, Requirement},
};

/// Whether a node has all labels of a pod's `nodeSelector`.
pub fn has_labels(node: &Meta, wanted: &BTreeMap<Str, Str>) -> bool {
    wanted.iter().all(|(key, value)| node.label(key) == Some(value))
}

/// `core/v1 NodeAffinity`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct NodeAffinity {
    /// The nodes a pod insists on; `None` for any.
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    pub required: Option<NodeSelector>,
    /// Those it would rather have.
    #[serde(rename = "preferredDuringSchedulingIgnoredDuringExecution")]
    pub preferred: Vec<Preferred>,
}

/// `core/v1 PreferredSchedulingTerm`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Preferred {
    weight: i64,
    preference: NodeTerm,
}

/// `core/v1 NodeSelector`: any of its terms.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeSelector {
    node_selector_terms: Vec<NodeTerm>,
}

/// `core/v1 NodeSelectorTerm`: all of its requirements. An empty term matches no node, and neither does one that says
/// what cannot be understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeTerm(Option<Sound>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Sound {
    labels: Labels,
    /// Names the node must, or must not, have.
    names: Vec<(bool, Str)>,
}

impl NodeAffinity {
    /// Whether `node` is one of those required.
    pub fn allows(&self, node: &Meta) -> bool {
        self.required.as_ref().is_none_or(|r| r.matches(node))
    }

    /// The weights of the preferences that `node` meets.
    pub fn preference(&self, node: &Meta) -> i64 {
        self.preferred.iter().filter(|p| p.preference.matches(node)).map(|p| p.weight).sum()
    }
}

impl NodeSelector {
    /// Whether any term matches.
    pub fn matches(&self, node: &Meta) -> bool {
        self.node_selector_terms.iter().any(|term| term.matches(node))
    }

    /// The names of the only nodes that can match, where every term names one: what a daemon's pod says.
    pub fn names(&self) -> Option<Vec<&str>> {
        // A term that is not sound matches nothing, so it adds no name.
        let sound = self.node_selector_terms.iter().filter_map(|t| t.0.as_ref());
        sound.map(|s| s.names.iter().find(|(is, _)| *is).map(|(_, name)| name.as_str())).collect()
    }
}

impl NodeTerm {
    /// Whether all requirements hold.
    pub fn matches(&self, node: &Meta) -> bool {
        self.0.as_ref().is_some_and(|Sound { labels, names }| {
            labels.matches(&node.labels) && names.iter().all(|(is, name)| (*name == *node.name) == *is)
        })
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Wire {
    match_expressions: Vec<Term>,
    match_fields: Vec<Term>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Term {
    key: Str,
    operator: Str,
    values: Vec<Str>,
}

impl<'de> Deserialize<'de> for NodeTerm {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Wire { match_expressions, match_fields } = Wire::deserialize(from)?;
        if match_expressions.is_empty() && match_fields.is_empty() {
            return Ok(Self(None));
        }
        let labels: Option<Vec<_>> = match_expressions.into_iter().map(label).collect();
        let names: Option<Vec<_>> = match_fields.into_iter().map(name).collect();
        Ok(Self(labels.zip(names).map(|(labels, names)| Sound { labels: Labels::of(labels), names })))
    }
}

fn label(term: Term) -> Option<Requirement> {
    let operator = match term.operator.as_str() {
        "In" => Operator::In,
        "NotIn" => Operator::NotIn,
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        "Gt" => Operator::GreaterThan,
        "Lt" => Operator::LessThan,
        _ => return None,
    };
    Requirement::new(&term.key, operator, term.values).ok()
}

/// A requirement on `metadata.name`, the only field there is.
fn name(mut term: Term) -> Option<(bool, Str)> {
    let is = match term.operator.as_str() {
        "In" => true,
        "NotIn" => false,
        _ => return None,
    };
    (term.key == "metadata.name" && term.values.len() == 1).then(|| (is, term.values.remove(0)))
}
