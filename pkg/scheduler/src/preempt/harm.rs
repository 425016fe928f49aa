//! How bad it is when pods go.

use std::{cmp::Ordering, sync::Arc};

use jiff::Timestamp;

use crate::{PodInfo, Snapshot};

/// The harm of an eviction; less is better. The order of the fields is the order in which they count.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Harm {
    /// Budgets broken.
    violations: usize,
    /// Priority of the most important victim.
    highest: i32,
    /// Sum of priorities, lifted so that a further victim always counts as more.
    sum: i64,
    victims: usize,
    /// Those that ran longest go last: the later the oldest of the most important ones started, the better.
    age: std::cmp::Reverse<Timestamp>,
}

impl Harm {
    /// Of victims sorted by falling importance.
    pub(super) fn of(victims: &[Arc<PodInfo>], violations: usize) -> Self {
        let highest = victims.first().map_or(i32::MIN, |p| p.priority);
        let oldest = victims.iter().filter(|p| p.priority == highest).map(|p| started(p)).min();
        Self {
            violations,
            highest,
            sum: victims.iter().map(|p| i64::from(p.priority) + i64::from(i32::MAX) + 1).sum(),
            victims: victims.len(),
            age: std::cmp::Reverse(oldest.unwrap_or(Timestamp::MAX)),
        }
    }
}

/// A pod its node has not taken on yet is as young as can be.
fn started(pod: &PodInfo) -> Timestamp {
    pod.started.unwrap_or(Timestamp::MAX)
}

/// Greater is more important: by priority, then the older.
pub(super) fn importance(a: &PodInfo, b: &PodInfo) -> Ordering {
    a.priority.cmp(&b.priority).then_with(|| started(b).cmp(&started(a)))
}

/// Pods whose eviction breaks a budget if they go in this order, and the others.
pub(super) fn split(pods: &[Arc<PodInfo>], snapshot: &Snapshot) -> (Vec<Arc<PodInfo>>, Vec<Arc<PodInfo>>) {
    let mut budgets: Vec<_> = snapshot.budgets.iter().map(|(key, budget)| (key, budget, budget.allowed)).collect();
    pods.iter().cloned().partition(|pod| {
        let mut breaks = false;
        for (key, budget, allowed) in &mut budgets {
            let concerns = key.namespace == pod.key.namespace
                && !pod.labels.is_empty()
                && !budget.selector.is_everything()
                && budget.selector.matches(&pod.labels);
            if concerns && !budget.disrupted.contains(&pod.key.name) {
                *allowed -= 1;
                breaks |= *allowed < 0;
            }
        }
        breaks
    })
}
