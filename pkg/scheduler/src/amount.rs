//! Amounts of resources: what nodes have and pods ask for.

use knarr_api::{Str, demand::ResourceList};

/// Amounts by resource. CPU counts in thousandths of a core, all others in their own unit. Almost every pod asks for
/// the first three only, and then this is a few words without a heap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    /// CPU.
    pub cpu: i64,
    /// Memory.
    pub memory: i64,
    /// Ephemeral storage.
    pub storage: i64,
    /// Extended resources and huge pages, sorted by name.
    others: Vec<(Str, i64)>,
}

impl Amounts {
    /// From a resource list. The number of pods is not an amount (see [`crate::NodeInfo::places`]).
    pub fn of(list: &ResourceList) -> Self {
        let mut out = Self::default();
        for (name, amount) in list {
            match name.as_str() {
                "cpu" => out.cpu = amount.milli_value(),
                "memory" => out.memory = amount.value(),
                "ephemeral-storage" => out.storage = amount.value(),
                "pods" => {}
                _ => out.others.push((name.clone(), amount.value())),
            }
        }
        out
    }

    /// The amount of one of the other resources.
    fn other(&self, name: &str) -> i64 {
        self.others.binary_search_by(|(n, _)| n.as_str().cmp(name)).map_or(0, |at| self.others[at].1)
    }

    /// Adds `other`.
    pub fn add(&mut self, other: &Self) {
        self.change(other, i64::saturating_add);
    }

    /// Takes `other` away.
    pub fn sub(&mut self, other: &Self) {
        self.change(other, i64::saturating_sub);
    }

    fn change(&mut self, other: &Self, op: impl Fn(i64, i64) -> i64) {
        self.cpu = op(self.cpu, other.cpu);
        self.memory = op(self.memory, other.memory);
        self.storage = op(self.storage, other.storage);
        for (name, n) in &other.others {
            match self.others.binary_search_by(|(have, _)| have.cmp(name)) {
                Ok(at) => self.others[at].1 = op(self.others[at].1, *n),
                Err(at) => self.others.insert(at, (name.clone(), op(0, *n))),
            }
        }
    }

    /// Whether nothing is asked for.
    pub fn is_nothing(&self) -> bool {
        self.cpu == 0 && self.memory == 0 && self.storage == 0 && self.others.iter().all(|(_, n)| *n == 0)
    }

    /// The resources of which more is asked for than `all` minus `used`: the name, and whether even `all` is too little.
    pub fn lacking<'a>(&'a self, all: &'a Self, used: &'a Self) -> impl Iterator<Item = (&'a str, bool)> {
        let common = [
            ("cpu", self.cpu, all.cpu, used.cpu),
            ("memory", self.memory, all.memory, used.memory),
            ("ephemeral-storage", self.storage, all.storage, used.storage),
        ];
        let others = self.others.iter().map(|(name, n)| (name.as_str(), *n, all.other(name), used.other(name)));
        let lacks = |(_, asked, all, used): &(&str, i64, i64, i64)| *asked > 0 && *asked > all.saturating_sub(*used);
        common.into_iter().chain(others).filter(lacks).map(|(name, asked, all, _)| (name, asked > all))
    }

    /// Whether any resource that `wanted` asks for is larger here than in `before`.
    pub fn grew(&self, before: &Self, wanted: &Self) -> bool {
        (wanted.cpu > 0 && self.cpu > before.cpu)
            || (wanted.memory > 0 && self.memory > before.memory)
            || (wanted.storage > 0 && self.storage > before.storage)
            || wanted.others.iter().any(|(name, n)| *n > 0 && self.other(name) > before.other(name))
    }
}
