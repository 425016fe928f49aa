//! Amounts of resources: what nodes have and pods ask for.

use std::collections::BTreeMap;

use knarr_api::quantity::Quantity;

/// Amounts by resource name. CPU counts in thousandths of a core, all others in their own unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Amounts(BTreeMap<String, i64>);

impl Amounts {
    /// From a resource list. Quantities that cannot be read count as nothing: the API server has checked them.
    pub fn of(list: &BTreeMap<String, String>) -> Self {
        let amount = |name: &str, text: &str| {
            let q: Quantity = text.parse().unwrap_or_default();
            if name == "cpu" { q.milli_value() } else { q.value() }
        };
        Self(list.iter().map(|(name, text)| (name.clone(), amount(name, text))).collect())
    }

    /// The amount of one resource.
    pub fn get(&self, name: &str) -> i64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// All amounts.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i64)> {
        self.0.iter().map(|(name, n)| (name.as_str(), *n))
    }

    /// Adds `other`.
    pub fn add(&mut self, other: &Self) {
        for (name, n) in other.iter() {
            let sum = self.0.entry(name.to_owned()).or_default();
            *sum = sum.saturating_add(n);
        }
    }

    /// Raises each amount to at least that of `other`.
    pub fn max(&mut self, other: &Self) {
        for (name, n) in other.iter() {
            let most = self.0.entry(name.to_owned()).or_default();
            *most = (*most).max(n);
        }
    }
}
