//! Which of the possible nodes is best. Each part gives 0 to 100, weighted as upstream's default profile does.

use crate::{Amounts, model::PodInfo, schedule::NodeState};

/// The score of each node; more is better.
pub(crate) fn score(pod: &PodInfo, nodes: &[&NodeState]) -> Vec<i64> {
    let affinity: Vec<i64> = nodes.iter().map(|s| pod.affinity.preference(&s.node)).collect();
    let soft: Vec<i64> = nodes.iter().map(|s| soft_taints(pod, s)).collect();
    let best = affinity.iter().copied().max().unwrap_or(0).max(1);
    let worst = soft.iter().copied().max().unwrap_or(0).max(1);
    let parts = nodes.iter().zip(affinity).zip(soft);
    parts
        .map(|((state, affinity), soft)| {
            let mut after = state.requested.clone();
            after.add(&pod.requests);
            let (cpu, memory) =
                (free(&state.node.allocatable, &after, "cpu"), free(&state.node.allocatable, &after, "memory"));
            let least = (cpu + memory) / 2;
            let balanced = 100 - (cpu - memory).abs() / 2;
            least + balanced + 2 * (100 * affinity / best) + 3 * (100 - 100 * soft / worst)
        })
        .collect()
}

/// Percent of a resource that stays free.
fn free(allocatable: &Amounts, used: &Amounts, name: &str) -> i64 {
    let all = allocatable.get(name);
    if all <= 0 { 0 } else { (i128::from((all - used.get(name)).max(0)) * 100 / i128::from(all)) as i64 }
}

fn soft_taints(pod: &PodInfo, state: &NodeState) -> i64 {
    let soft = state.node.taints.iter().filter(|t| t.effect == "PreferNoSchedule");
    soft.filter(|taint| !pod.tolerations.iter().any(|t| t.covers(taint))).count() as i64
}
