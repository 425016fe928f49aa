use std::time::Duration;

use serde_json::json;

use super::*;
use crate::tests::{asks, node, on, pod};

struct Lab {
    state: State,
    now: Instant,
}

impl Lab {
    fn new(nodes: &[Arc<NodeInfo>]) -> Self {
        let mut lab = Self { state: State::default(), now: Instant::now() };
        nodes.iter().for_each(|n| lab.state.node(n.name(), None, Some(n), lab.now));
        lab
    }

    fn add(&mut self, pod: PodInfo) -> Arc<PodInfo> {
        let pod = Arc::new(pod);
        self.state.pod(&pod.key.clone(), None, Some(&pod), self.now);
        pod
    }

    fn step(&mut self) -> String {
        match self.state.decide(self.now) {
            None => "-".to_owned(),
            Some(Step::Bind { pod, node }) => format!("{} to {node}", pod.key.name),
            Some(Step::Refuse { pod, nomination, .. }) => match nomination {
                Nomination::Keep => format!("{} waits", pod.key.name),
                Nomination::GiveUp => format!("{} gives up", pod.key.name),
                Nomination::Evict { node, victims, .. } => {
                    let victims: Vec<_> = victims.iter().map(|v| v.key.name.as_str()).collect();
                    format!("{} on {node} instead of {}", pod.key.name, victims.join(" "))
                }
            },
        }
    }

    fn later(&mut self, seconds: u64) -> &mut Self {
        self.now += Duration::from_secs(seconds);
        self
    }
}

#[test]
fn what_is_being_bound_counts_as_bound() {
    let mut lab = Lab::new(&[node("a", json!({}))]);
    let first = lab.add(pod("p", json!({}), asks("2", "0")));
    lab.add(pod("q", json!({}), asks("2", "0")));
    assert_eq!([lab.step(), lab.step(), lab.step()], ["p to a", "q waits", "-"]);
    // The binding is refused: the room is free again, and both are tried again after a rest.
    lab.state.unbound(&first, lab.now);
    assert_eq!(lab.step(), "-");
    assert_eq!(lab.later(1).step(), "p to a");
    assert_eq!(lab.step(), "q waits");
    // The informer shows the binding, then its end.
    let bound = Arc::new(first.on("a"));
    lab.state.pod(&first.key, Some(&first), Some(&bound), lab.now);
    assert_eq!(lab.later(60).step(), "-");
    lab.state.pod(&first.key, Some(&bound), None, lab.now);
    assert_eq!(lab.step(), "q to a");
}

#[test]
fn a_pod_made_again_is_another() {
    let mut lab = Lab::new(&[node("a", json!({}))]);
    let old = lab.add(pod("p", json!({}), asks("2", "0")));
    assert_eq!(lab.step(), "p to a");
    let new = Arc::new(PodInfo { uid: "new".into(), ..(*old).clone() });
    lab.state.pod(&old.key, Some(&old), Some(&new), lab.now);
    assert_eq!(lab.step(), "p to a");
}

#[test]
fn only_changes_that_help_wake() {
    let tainted = node("a", json!({"spec": {"taints": [{"key": "k", "effect": "NoSchedule"}]}}));
    let mut lab = Lab::new(std::slice::from_ref(&tainted));
    lab.add(pod("p", json!({}), json!({})));
    assert_eq!(lab.step(), "p waits");
    lab.later(20);
    let other = on("a", "x", json!({}), json!({}));
    lab.state.pod(&other.key, None, Some(&other), lab.now);
    lab.state.pod(&other.key, Some(&other), None, lab.now);
    assert_eq!(lab.step(), "-");
    let clean = node("a", json!({}));
    lab.state.node("a", Some(&tainted), Some(&clean), lab.now);
    assert_eq!(lab.step(), "p to a");
}

#[test]
fn preemption_from_start_to_end() {
    let mut lab = Lab::new(&[node("a", json!({}))]);
    let low = on("a", "low", json!({}), asks("2", "0"));
    lab.state.pod(&low.key, None, Some(&low), lab.now);
    let high = lab.add(PodInfo { priority: 10, ..pod("high", json!({}), asks("2", "0")) });
    assert_eq!(lab.step(), "high on a instead of low");
    // The victim ends; meanwhile another comes and does not get the room.
    lab.state.pod(&low.key, Some(&low), None, lab.now);
    lab.add(pod("late", json!({}), asks("1", "0")));
    assert_eq!(lab.step(), "late waits");
    let mut told = (*high).clone();
    told.wishes.as_mut().unwrap().nominated = Some("a".into());
    let told = Arc::new(told);
    lab.state.pod(&high.key, Some(&high), Some(&told), lab.now);
    assert_eq!(lab.later(2).step(), "high to a");
}

#[test]
fn pods_on_a_node_that_is_not_known_yet() {
    let mut lab = Lab::new(&[]);
    let there = on("a", "x", json!({}), asks("2", "0"));
    lab.state.pod(&there.key, None, Some(&there), lab.now);
    lab.add(pod("p", json!({}), asks("1", "0")));
    assert_eq!(lab.step(), "p waits");
    let a = node("a", json!({}));
    lab.state.node("a", None, Some(&a), lab.now);
    assert_eq!(lab.later(1).step(), "p waits");
    lab.state.node("a", Some(&a), None, lab.now);
    lab.state.node("a", None, Some(&a), lab.now);
    lab.state.pod(&there.key, Some(&there), None, lab.now);
    assert_eq!(lab.later(60).step(), "p to a");
}

#[test]
fn a_pod_deleted_while_it_is_being_bound() {
    let mut lab = Lab::new(&[node("a", json!({}))]);
    let pod = lab.add(pod("p", json!({}), asks("2", "0")));
    assert_eq!(lab.step(), "p to a");
    // A finalizer keeps the object; the binding is refused, and is not tried again.
    let leaving = Arc::new(PodInfo { deleted: true, ..(*pod).clone() });
    lab.state.pod(&pod.key, Some(&pod), Some(&leaving), lab.now);
    lab.state.unbound(&pod, lab.now);
    assert_eq!(lab.later(600).step(), "-");
    assert!(lab.state.snapshot.node("a").is_some_and(|n| n.pods().is_empty()));
}
