//! Which of the possible nodes is best. Each part gives 0 to 100, weighted as upstream's default profile does.

use knarr_api::placement::Effect;

use crate::{NodeInfo, NodeState, affinity::Attraction, cycle::Cycle, spread};

const TAINTS: i64 = 3;
const NODE_AFFINITY: i64 = 2;
const SPREAD: i64 = 2;
const POD_AFFINITY: i64 = 2;

/// The score of each node; more is better.
pub(crate) fn score(cycle: &Cycle<'_>, nodes: &[&NodeState]) -> Vec<i64> {
    let mut total: Vec<i64> = nodes.iter().map(|s| free(cycle, s) + balance(cycle, s) + images(cycle, s)).collect();
    let mut add = |weight: i64, part: Vec<i64>| {
        total.iter_mut().zip(part).for_each(|(sum, score)| *sum += weight * score);
    };
    add(TAINTS, normal(nodes.iter().map(|s| soft_taints(cycle, &s.node)).collect(), true));
    if !cycle.wishes.nodes.preferred.is_empty() {
        let raw = nodes.iter().map(|s| cycle.wishes.nodes.preference(&s.node.meta)).collect();
        add(NODE_AFFINITY, normal(raw, false));
    }
    if let Some(scores) = spread::scores(cycle.pod, cycle.wishes, nodes, cycle.snapshot) {
        add(SPREAD, scores);
    }
    let attraction = Attraction::new(cycle.pod, cycle.snapshot);
    if !attraction.is_empty() {
        add(POD_AFFINITY, between(nodes.iter().map(|s| attraction.of(&s.node)).collect()));
    }
    total
}

/// The share of CPU and memory that stays free.
fn free(cycle: &Cycle<'_>, state: &NodeState) -> i64 {
    let all = &state.node.allocatable;
    let (load, own) = (state.load(), cycle.pod.load);
    let parts = [(load.0 + own.0, all.cpu), (load.1 + own.1, all.memory)];
    let percents = parts.into_iter().filter(|(_, all)| *all > 0).map(|(used, all)| percent((all - used).max(0), all));
    let (sum, n) = percents.fold((0, 0), |(sum, n), p| (sum + p, n + 1));
    if n == 0 { 0 } else { sum / n }
}

/// Whether the pod makes the use of CPU and memory more even (above 75) or less. Pods that ask for nothing do neither.
fn balance(cycle: &Cycle<'_>, state: &NodeState) -> i64 {
    let (own, used, all) = (&cycle.pod.requests, state.requested(), &state.node.allocatable);
    if own.cpu == 0 && own.memory == 0 {
        return 0;
    }
    let evenness = |cpu: i64, memory: i64| {
        let share = |n: i64, all: i64| (n as f64 / all as f64).min(1.0);
        let apart = if all.cpu > 0 && all.memory > 0 {
            (share(cpu, all.cpu) - share(memory, all.memory)).abs() / 2.0
        } else {
            0.0
        };
        ((1.0 - apart) * 100.0) as i64
    };
    let (with, without) = (evenness(used.cpu + own.cpu, used.memory + own.memory), evenness(used.cpu, used.memory));
    50 + (50 + with - without) / 2
}

/// Images that are there need not be pulled. An image that few nodes have counts less, so that not all its pods go there.
fn images(cycle: &Cycle<'_>, state: &NodeState) -> i64 {
    const MIB: i64 = 1 << 20;
    const LEAST: i64 = 23 * MIB;
    const MOST: i64 = 1000 * MIB;
    if state.node.images.is_empty() || cycle.wishes.containers == 0 {
        return 0;
    }
    let nodes = cycle.snapshot.len().max(1) as f64;
    let there = cycle.wishes.images.iter().filter_map(|name| {
        let size = *state.node.images.get(name)?;
        Some((size as f64 * (cycle.snapshot.nodes_with_image(name) as f64 / nodes)) as i64)
    });
    let most = MOST * cycle.wishes.containers as i64;
    100 * (there.sum::<i64>().clamp(LEAST, most) - LEAST) / (most - LEAST)
}

fn percent(part: i64, all: i64) -> i64 {
    (i128::from(part) * 100 / i128::from(all)) as i64
}

/// Taints that would rather not have the pod.
fn soft_taints(cycle: &Cycle<'_>, node: &NodeInfo) -> i64 {
    let soft = Effect::PreferNoSchedule;
    let about = |effect: Option<Effect>| effect.is_none_or(|e| e == soft);
    let covered = |taint| cycle.wishes.tolerations.iter().any(|t| about(t.effect) && t.covers(taint));
    node.soft_taints().filter(|taint| !covered(taint)).count() as i64
}

/// To 0 … 100 by the largest; `reverse`: less is better.
fn normal(raw: Vec<i64>, reverse: bool) -> Vec<i64> {
    let most = raw.iter().copied().max().unwrap_or(0);
    let one = |n: i64| if most == 0 { 0 } else { 100 * n / most };
    raw.into_iter().map(|n| if reverse { 100 - one(n) } else { one(n) }).collect()
}

/// To 0 … 100 between the smallest and the largest.
fn between(raw: Vec<i64>) -> Vec<i64> {
    let (low, high) = raw.iter().fold((i64::MAX, i64::MIN), |(low, high), n| (low.min(*n), high.max(*n)));
    raw.into_iter().map(|n| if high > low { percent(n - low, high - low) } else { 0 }).collect()
}
