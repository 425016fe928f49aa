//! The next steps of an update: pure.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    daemon::{Daemon, Node},
    eligible::{Standing, standing},
    plan::{Step, World, delete},
};

type ByNode<'a> = BTreeMap<&'a str, Vec<&'a Daemon>>;

/// One new and one old pod of a node, as far as they are there.
struct Pair<'a> {
    new: Option<&'a Daemon>,
    old: Option<&'a Daemon>,
}

/// Replaces old pods within the bounds of the strategy: by deleting them first, or by surging.
pub(super) fn roll(world: &World<'_>, by_node: &ByNode<'_>) -> Vec<Step> {
    let runs = |node: &Node| standing(world.set, node) == Standing::Runs;
    let wanted = world.nodes.iter().filter(|n| runs(n));
    let desired = i32::try_from(wanted.clone().count()).unwrap_or(i32::MAX);
    let mut by_node = by_node.clone();
    for node in wanted {
        by_node.entry(&node.meta.name).or_default();
    }
    match world.set.surge(desired) {
        0 => replace(world, &by_node, world.set.unavailable(desired)),
        surge => surge_over(world, &by_node, surge, desired, &runs),
    }
}

/// The pods of a node that stay; `None` if there are more than an update makes: they are first put right.
fn pair<'a>(world: &World<'_>, pods: &[&'a Daemon]) -> Option<Pair<'a>> {
    let (new, old): (Vec<&Daemon>, Vec<&Daemon>) =
        pods.iter().filter(|d| !d.is_terminating()).partition(|d| world.is_updated(d));
    let pair = Pair { new: new.first().copied(), old: old.first().copied() };
    (new.len() < 2 && old.len() < 2).then_some(pair)
}

/// Deletes old pods: those that are not available anyway, and of the others as many as may be away.
fn replace(world: &World<'_>, by_node: &ByNode<'_>, most: i32) -> Vec<Step> {
    let mut away = 0;
    let (mut useless, mut useful) = (Vec::new(), Vec::new());
    for pods in by_node.values() {
        match pair(world, pods) {
            Some(Pair { new: Some(new), old: None }) => away += i32::from(!world.is_available(new)),
            Some(Pair { new: None, old: Some(old) }) if world.is_available(old) => useful.push(delete(old)),
            Some(Pair { new: None, old: Some(old) }) => {
                away += 1;
                useless.push(delete(old));
            }
            // None yet, or too many: the node is being put right.
            _ => away += 1,
        }
    }
    let spare = usize::try_from(most - away).unwrap_or(0);
    useless.into_iter().chain(useful.into_iter().take(spare)).collect()
}

/// Puts new pods beside old ones, and deletes old ones whose successor is available.
fn surge_over(
    world: &World<'_>,
    by_node: &ByNode<'_>,
    surge: i32,
    desired: i32,
    runs: &dyn Fn(&Node) -> bool,
) -> Vec<Step> {
    let (mut surged, mut available) = (0, 0);
    let mut steps = Vec::new();
    let (mut elsewhere, mut candidates) = (Vec::new(), Vec::new());
    for (name, pods) in by_node {
        let Some(Pair { new, old }) = pair(world, pods) else {
            surged += 1;
            continue;
        };
        available += i32::from(old.or(new).is_some_and(|d| world.is_available(d)));
        let Some(old) = old else { continue };
        if let Some(new) = new {
            match world.is_available(new) {
                true => steps.push(delete(old)),
                false => surged += 1,
            }
            continue;
        }
        let wanted = find(world.nodes, name).is_some_and(runs);
        let create = Step::Create { node: (*name).to_owned() };
        match (world.is_available(old), wanted) {
            (false, false) => steps.push(delete(old)),
            (false, true) => steps.push(create),
            (true, false) => elsewhere.push(delete(old)),
            (true, true) => candidates.push(create),
        }
    }
    // A node that no longer counts gives its pod up only when enough others have theirs.
    steps.extend(elsewhere.into_iter().take(usize::try_from(available - desired).unwrap_or(0)));
    steps.extend(candidates.into_iter().take(usize::try_from(surge - surged).unwrap_or(0)));
    steps
}

fn find<'a>(nodes: &'a [Arc<Node>], name: &str) -> Option<&'a Node> {
    nodes.iter().find(|n| *n.meta.name == *name).map(|n| &**n)
}
