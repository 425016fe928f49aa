//! Pods → nodes.
//!
//! [`schedule`] is the whole decision: a pure function of a pod and a [`Snapshot`]; [`preempt`] looks for pods to send
//! away when it finds nothing. [`Scheduler`] is the ring: informers keep the snapshot current by single changes, a
//! [`Queue`] holds the pods that wait, and a binding is a write to the pod's `binding` subresource. What is being bound is
//! *assumed*: it stands on its node at once, so that the next decision counts it, while the write is still under way.
//!
//! A decision has the parts upstream's default profile has, in its order: cordons, taints, node affinity, host ports,
//! resources, volumes, topology spread, pod affinity. What only few pods ask for is counted only for those.

mod act;
mod affinity;
mod amount;
mod cycle;
mod hints;
mod node;
mod parts;
mod pod;
mod preempt;
mod queue;
mod run;
mod schedule;
mod score;
mod snapshot;
mod spread;
mod state;
mod volume;

#[cfg(test)]
mod tests;

pub use affinity::{PodAffinity, Term};
pub use amount::Amounts;
pub use hints::{Change, helps};
pub use node::NodeInfo;
pub use parts::{Part, Parts};
pub use pod::{HostPort, LabelSet, PodInfo, Projector, Wishes};
pub use preempt::{Preemption, preempt};
pub use queue::Queue;
pub use run::Scheduler;
pub use schedule::{NoFit, schedule};
pub use snapshot::{Budget, NodeState, Snapshot};
pub use spread::Constraint;
pub use volume::{ClaimInfo, ClassInfo, VolumeInfo};
