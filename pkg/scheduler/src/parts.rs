//! The parts of a decision that may refuse: what a refused pod waits for follows from them.

/// One part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Part {
    /// The node is cordoned.
    Unschedulable,
    /// Taints.
    Taints,
    /// Node selector and affinity.
    NodeAffinity,
    /// Host ports.
    Ports,
    /// Resources and the number of pods.
    Resources,
    /// Claims and volumes.
    Volumes,
    /// Topology spread.
    Spread,
    /// Pod affinity and anti-affinity.
    PodAffinity,
    /// There is no node at all.
    NoNodes,
}

/// A set of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts(u16);

impl Parts {
    /// Only this one.
    pub fn of(part: Part) -> Self {
        Self(1 << part as u8)
    }

    /// Adds one.
    pub fn insert(&mut self, part: Part) {
        self.0 |= Self::of(part).0;
    }

    /// Whether it is one of them.
    pub fn has(self, part: Part) -> bool {
        self.0 & Self::of(part).0 != 0
    }
}
