//! Pods → nodes.
//!
//! [`schedule`] is the whole decision: a pure function of a pod and a [`Snapshot`]. [`Scheduler`] is the ring: two
//! informers keep small projections of pods and nodes, a queue holds the pods that wait, and a binding is a write to
//! the pod's `binding` subresource. What was bound is *assumed* until the informer shows it, so that the next decision
//! counts it.

mod amount;
mod filter;
mod model;
mod run;
mod schedule;
mod score;
mod selector;

pub use amount::Amounts;
pub use model::{NodeInfo, PodInfo};
pub use run::Scheduler;
pub use schedule::{NodeState, Snapshot, Unschedulable, schedule};
