//! Changing the size of a Deployment whose rollout stands still or is under way: in proportion.

use std::sync::Arc;

use super::{
    model::{Deployment, ReplicaSet},
    plan::Step,
};

/// Scales the active ReplicaSets. One active set takes the whole size; several share the difference by their sizes, so
/// that a size change in mid-rollout does not undo the rollout (upstream's proportional scaling).
pub(super) fn proportional(d: &Deployment, new: Option<&Arc<ReplicaSet>>, old: &[&Arc<ReplicaSet>]) -> Vec<Step> {
    let mut active: Vec<&ReplicaSet> = old.iter().map(|s| &***s).filter(|s| s.replicas > 0).collect();
    active.extend(new.map(|n| &**n).filter(|n| n.replicas > 0));
    let whole = |s: &ReplicaSet| match s.replicas == d.replicas {
        false => vec![Step::Scale { name: s.key.name.to_string(), from: s.replicas, to: d.replicas }],
        true if s.desired != Some(d.replicas) => vec![Step::Annotate { name: s.key.name.to_string() }],
        true => Vec::new(),
    };
    match active[..] {
        [] => return new.map(|n| whole(n)).unwrap_or_default(),
        [one] => return whole(one),
        _ => {}
    }
    if d.recreates() {
        return Vec::new();
    }
    let total: i32 = active.iter().map(|s| s.replicas).sum();
    let allowed = if d.replicas > 0 { d.replicas + d.surge() } else { 0 };
    let mut left = allowed - total;
    // Growing: larger sets first, newer before older; shrinking: smaller differences to older ones last.
    active.sort_by_key(|s| (std::cmp::Reverse(s.replicas), s.meta.created.clone()));
    if left > 0 {
        active.sort_by_key(|s| (std::cmp::Reverse(s.replicas), std::cmp::Reverse(s.meta.created.clone())));
    }
    let mut sizes = Vec::new();
    for s in &active {
        let share = share(s, d, allowed).clamp(left.min(0), left.max(0));
        left -= share;
        sizes.push(s.replicas + share);
    }
    // What rounding left over goes to the first.
    sizes[0] = (sizes[0] + left).max(0);
    let steps = active.iter().zip(sizes);
    steps
        .filter_map(|(s, to)| {
            let name = s.key.name.to_string();
            if s.replicas != to {
                Some(Step::Scale { name, from: s.replicas, to })
            } else {
                (s.desired != Some(d.replicas)).then_some(Step::Annotate { name })
            }
        })
        .collect()
}

/// What a set gains or loses: its size times the growth of the whole since it was scaled last.
fn share(set: &ReplicaSet, d: &Deployment, allowed: i32) -> i32 {
    if d.replicas == 0 {
        return -set.replicas;
    }
    let before = set.max.filter(|m| *m > 0).unwrap_or(allowed);
    let grown = f64::from(set.replicas) * f64::from(allowed) / f64::from(before);
    grown.round() as i32 - set.replicas
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::deployment::plan::tests::{deployment, set};

    fn sized(name: &str, image: &str, replicas: i32, desired: i32, max: i32) -> Arc<ReplicaSet> {
        let s = set(name, image, 1, replicas, replicas);
        Arc::new(ReplicaSet { desired: Some(desired), max: Some(max), ..(*s).clone() })
    }

    fn sizes(d: &Deployment, new: &Arc<ReplicaSet>, old: &Arc<ReplicaSet>) -> Vec<(String, i32)> {
        let mut out: Vec<_> = proportional(d, Some(new), &[old])
            .into_iter()
            .filter_map(|s| if let Step::Scale { name, to, .. } = s { Some((name, to)) } else { None })
            .collect();
        out.sort();
        out
    }

    #[test]
    fn a_change_in_mid_rollout_is_shared() {
        let strategy = json!({"rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}});
        let d = deployment(15, "v2", strategy.clone());
        // 10 + 3 before, 15 + 3 now: the five more go to both by their sizes.
        let got = sizes(&d, &sized("new", "v2", 5, 10, 13), &sized("old", "v1", 8, 10, 13));
        assert_eq!(got, [("new".to_owned(), 7), ("old".to_owned(), 11)]);
        let none = deployment(0, "v2", strategy);
        let got = sizes(&none, &sized("new", "v2", 5, 10, 13), &sized("old", "v1", 8, 10, 13));
        assert_eq!(got, [("new".to_owned(), 0), ("old".to_owned(), 0)]);
    }

    #[test]
    fn one_active_set_takes_the_whole_size() {
        let d = deployment(4, "v2", json!({}));
        let got = sizes(&d, &sized("new", "v2", 2, 2, 3), &sized("old", "v1", 0, 2, 3));
        assert_eq!(got, [("new".to_owned(), 4)]);
    }
}
