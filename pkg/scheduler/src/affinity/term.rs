//! Terms: which pods, in which domains.

use knarr_api::{
    Str, Value,
    selector::{Labels, Operator, Requirement},
};
use serde::Deserialize;

use crate::{pod::LabelSet, snapshot::Snapshot};

/// All rules of a pod about other pods.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodAffinity {
    /// Pods it must be near.
    pub near: Vec<Term>,
    /// Pods it must be away from.
    pub away: Vec<Term>,
    /// Pods it likes to be near (positive weight) or away from (negative).
    pub likes: Vec<(i64, Term)>,
}

/// `core/v1 PodAffinityTerm`.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    pods: Labels,
    namespaces: Vec<Str>,
    /// More namespaces, by their labels.
    namespace_selector: Labels,
    /// The label whose values are the domains.
    pub topology: Str,
}

impl Term {
    /// Whether a pod with these labels in `namespace` is meant.
    pub fn selects(&self, namespace: &str, labels: &[(Box<str>, Box<str>)], snapshot: &Snapshot) -> bool {
        let listed = || self.namespaces.iter().any(|n| n == namespace);
        let chosen = || {
            self.namespace_selector.is_everything()
                || self.namespace_selector.matches(snapshot.namespace_labels(namespace))
        };
        self.pods.matches(labels) && (listed() || chosen())
    }

    /// Whether namespaces are chosen by their labels.
    pub fn looks_at_namespaces(&self) -> bool {
        self.namespace_selector.requirements().is_some_and(|r| !r.is_empty())
    }
}

impl PodAffinity {
    /// From what the pod says; `None` if it says nothing. Terms that cannot be understood are left out: the API server
    /// has checked them.
    pub(crate) fn new(
        (near, away): (Option<WirePodAffinity>, Option<WirePodAffinity>),
        namespace: &str,
        labels: &LabelSet,
    ) -> Option<Box<Self>> {
        if near.is_none() && away.is_none() {
            return None;
        }
        let term = |t: WireTerm| t.parse(namespace, labels);
        let (near, away) = (near.unwrap_or_default(), away.unwrap_or_default());
        let weighed = |list: Vec<Weighted>, sign: i64| {
            list.into_iter().filter_map(move |w| Some((sign * w.weight, w.pod_affinity_term.parse(namespace, labels)?)))
        };
        let likes = weighed(near.preferred, 1).chain(weighed(away.preferred, -1)).collect();
        let affinity = Self {
            near: near.required.into_iter().filter_map(term).collect(),
            away: away.required.into_iter().filter_map(term).collect(),
            likes,
        };
        (affinity != Self::default()).then(|| Box::new(affinity))
    }

    /// All terms.
    pub fn terms(&self) -> impl Iterator<Item = &Term> {
        self.near.iter().chain(&self.away).chain(self.likes.iter().map(|(_, t)| t))
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct WirePodAffinity {
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    required: Vec<WireTerm>,
    #[serde(rename = "preferredDuringSchedulingIgnoredDuringExecution")]
    preferred: Vec<Weighted>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Weighted {
    weight: i64,
    pod_affinity_term: WireTerm,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct WireTerm {
    label_selector: Option<Value>,
    namespaces: Vec<Str>,
    namespace_selector: Option<Value>,
    topology_key: Str,
    match_label_keys: Vec<Str>,
    mismatch_label_keys: Vec<Str>,
}

impl WireTerm {
    fn parse(self, namespace: &str, labels: &LabelSet) -> Option<Term> {
        let mut pods = Labels::from_selector(self.label_selector.as_ref()).ok()?;
        pods = with_keys(pods, &self.match_label_keys, Operator::In, labels)?;
        pods = with_keys(pods, &self.mismatch_label_keys, Operator::NotIn, labels)?;
        let mut namespaces = self.namespaces;
        if namespaces.is_empty() && self.namespace_selector.is_none() {
            namespaces.push(namespace.into());
        }
        let namespace_selector = Labels::from_selector(self.namespace_selector.as_ref()).ok()?;
        Some(Term { pods, namespaces, namespace_selector, topology: self.topology_key })
    }
}

/// A selector with the pod's own values of `keys` added. A selector of nothing stays one.
pub(crate) fn with_keys(selector: Labels, keys: &[Str], operator: Operator, labels: &LabelSet) -> Option<Labels> {
    if keys.is_empty() {
        return Some(selector);
    }
    let Some(terms) = selector.requirements() else { return Some(selector) };
    let own = keys.iter().filter_map(|key| {
        let at = labels.binary_search_by(|(k, _)| (**k).cmp(key)).ok()?;
        Some(Requirement::new(key, operator, vec![Str::from(&*labels[at].1)]))
    });
    let own: Result<Vec<_>, _> = own.collect();
    Some(Labels::of(terms.iter().cloned().chain(own.ok()?).collect()))
}
