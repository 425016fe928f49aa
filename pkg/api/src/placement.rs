//! Where pods may run: node selectors and affinity, taints and tolerations.
//!
//! The scheduler and the DaemonSet controller ask the same questions of a node, and must get the same answers: a
//! daemon's pod that its controller makes and the scheduler refuses would wait for ever. So the predicates live here,
//! beside the selectors they are made of. They are projections: `decode` reads them out of a pod's or a node's spec.

mod nodes;
mod taints;

pub use nodes::{NodeAffinity, NodeSelector, NodeTerm, Preferred, has_labels};
pub use taints::{Effect, Taint, Toleration, UNSCHEDULABLE, untolerated};

#[cfg(test)]
mod tests;
