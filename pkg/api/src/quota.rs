//! Quotas: what objects cost, which quotas they count against, and whether there is room.
//!
//! The API server asks on every write ([`admit`]), the controller recomputes from everything there is ([`Quota::used`]).
//! Both must count alike, or a quota would drift; so counting is here, pure. An object's [`Charge`] is what it costs in
//! every dimension a quota can name, with the facts scopes ask for.

mod admit;
mod charge;
mod scope;

use serde::Deserialize;

use crate::{Str, demand::ResourceList};

pub use admit::{Refusal, admit};
pub use charge::{Charge, Kind};
pub use scope::Selector;

/// A ResourceQuota as counting sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Name.
    pub name: Str,
    /// The limits asked for.
    pub wanted: ResourceList,
    /// The limits in force: those the controller has seen.
    pub hard: Option<ResourceList>,
    /// What is used.
    pub used: Option<ResourceList>,
    /// What it counts; empty for everything.
    pub scopes: Vec<Selector>,
}

#[derive(Deserialize)]
struct Wire {
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: State,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    name: Str,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    hard: ResourceList,
    scopes: Vec<Str>,
    scope_selector: ScopeSelector,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ScopeSelector {
    match_expressions: Vec<Selector>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct State {
    hard: Option<ResourceList>,
    used: Option<ResourceList>,
}

impl<'de> Deserialize<'de> for Quota {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Wire { metadata, spec, status } = Wire::deserialize(from)?;
        let named = spec.scopes.into_iter().map(|scope| Selector {
            scope_name: scope,
            operator: "Exists".into(),
            values: Vec::new(),
        });
        Ok(Self {
            name: metadata.name,
            wanted: spec.hard,
            hard: status.hard,
            used: status.used,
            scopes: named.chain(spec.scope_selector.match_expressions).collect(),
        })
    }
}

impl Quota {
    /// Whether an object with this charge counts against it, whatever it costs.
    pub fn covers(&self, charge: &Charge) -> bool {
        self.scopes.iter().all(|scope| scope.matches(charge))
    }

    /// The usage of its limited resources by objects of `kind`: each name that is about the kind, from zero up.
    pub fn used<'a>(&self, kind: &Kind, charges: impl IntoIterator<Item = &'a Charge>) -> ResourceList {
        let names: Vec<&Str> = self.wanted.keys().filter(|name| kind.counts(name)).collect();
        let mut sum: ResourceList = names.iter().map(|name| ((*name).clone(), Default::default())).collect();
        for charge in charges.into_iter().filter(|c| self.covers(c)) {
            for name in &names {
                if let Some(cost) = charge.usage.get(*name) {
                    *sum.entry((*name).clone()).or_default() += *cost;
                }
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests;
