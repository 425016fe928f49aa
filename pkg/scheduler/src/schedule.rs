//! The decision.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    Amounts,
    filter::filter,
    model::{NodeInfo, PodInfo},
    score::score,
};

/// The cluster at a moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    nodes: Vec<NodeState>,
}

/// A node and what runs on it.
#[derive(Debug)]
pub struct NodeState {
    /// The node.
    pub node: Arc<NodeInfo>,
    /// What its pods ask for together.
    pub requested: Amounts,
    /// Host ports they hold.
    pub host_ports: Vec<(String, String, u16)>,
}

/// No node can take the pod.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unschedulable(pub String);

impl Snapshot {
    /// Puts the pods on their nodes.
    pub fn new<'a>(
        nodes: impl IntoIterator<Item = Arc<NodeInfo>>,
        pods: impl IntoIterator<Item = &'a PodInfo>,
    ) -> Self {
        let empty = |node| NodeState { node, requested: Amounts::default(), host_ports: Vec::new() };
        let mut states: BTreeMap<String, NodeState> = nodes.into_iter().map(|n| (n.name.clone(), empty(n))).collect();
        for pod in pods.into_iter().filter(|p| !p.ended) {
            if let Some(state) = pod.node.as_ref().and_then(|n| states.get_mut(n)) {
                state.requested.add(&pod.requests);
                state.host_ports.extend(pod.host_ports.iter().cloned());
            }
        }
        Self { nodes: states.into_values().collect() }
    }
}

/// The best node for `pod`.
///
/// # Errors
/// No node can take it; the message counts the reasons over all nodes, as upstream's does.
pub fn schedule(pod: &PodInfo, snapshot: &Snapshot) -> Result<String, Unschedulable> {
    let mut possible = Vec::new();
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for state in &snapshot.nodes {
        let why = filter(pod, state);
        if why.is_empty() {
            possible.push(state);
        }
        why.into_iter().for_each(|reason| *reasons.entry(reason).or_default() += 1);
    }
    let scores = score(pod, &possible);
    // Equal scores go to the node with fewer pods: a burst spreads evenly.
    let best =
        possible.iter().zip(scores).max_by_key(|(s, score)| (*score, std::cmp::Reverse(s.requested.get("pods"))));
    best.map(|(state, _)| state.node.name.clone()).ok_or_else(|| refusal(snapshot.nodes.len(), &reasons))
}

fn refusal(nodes: usize, reasons: &BTreeMap<String, usize>) -> Unschedulable {
    if nodes == 0 {
        return Unschedulable("no nodes available to schedule pods".to_owned());
    }
    let mut counted: Vec<String> = reasons.iter().map(|(reason, n)| format!("{n} {reason}")).collect();
    counted.sort();
    Unschedulable(format!("0/{nodes} nodes are available: {}.", counted.join(", ")))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use knarr_api::Object;
    use serde_json::json;

    use super::*;

    fn object(v: &serde_json::Value) -> Object {
        Object::from_json(Bytes::from(v.to_string())).unwrap()
    }

    fn node(name: &str, spec: serde_json::Value) -> Arc<NodeInfo> {
        let n = json!({"metadata": {"name": name, "labels": {"host": name}}, "spec": spec,
            "status": {"allocatable": {"cpu": "2", "memory": "1Gi", "pods": "3"}}});
        Arc::new(NodeInfo::project(&object(&n)).unwrap())
    }

    fn pod(spec: serde_json::Value) -> PodInfo {
        PodInfo::project(&object(&json!({"metadata": {"name": "p", "namespace": "d"}, "spec": spec}))).unwrap()
    }

    fn asks(cpu: &str, memory: &str) -> serde_json::Value {
        json!({"containers": [{"resources": {"requests": {"cpu": cpu, "memory": memory}}}]})
    }

    fn on(mut p: PodInfo, node: &str) -> PodInfo {
        p.node = Some(node.to_owned());
        p
    }

    #[track_caller]
    fn check(nodes: &[Arc<NodeInfo>], there: &[PodInfo], spec: serde_json::Value, want: Result<&str, &str>) {
        let got = schedule(&pod(spec), &Snapshot::new(nodes.iter().cloned(), there));
        assert_eq!(got, want.map(str::to_owned).map_err(|m| Unschedulable(m.to_owned())));
    }

    #[test]
    fn resources_decide() {
        let nodes = [node("a", json!({})), node("b", json!({}))];
        let busy = on(pod(asks("1500m", "100Mi")), "a");
        check(&nodes, &[], json!({"containers": []}), Ok("b"));
        check(&nodes, std::slice::from_ref(&busy), asks("1", "1Mi"), Ok("b"));
        check(
            &nodes,
            &[busy],
            asks("3", "2Gi"),
            Err("0/2 nodes are available: 2 Insufficient cpu, 2 Insufficient memory."),
        );
        check(&[], &[], asks("1", "1"), Err("no nodes available to schedule pods"));
    }

    #[test]
    fn the_number_of_pods_is_a_resource_and_ended_pods_have_none() {
        let full: Vec<_> = (0..3).map(|_| on(pod(json!({})), "a")).collect();
        check(&[node("a", json!({}))], &full, json!({}), Err("0/1 nodes are available: 1 Too many pods."));
        let ended: Vec<_> = full.into_iter().map(|p| PodInfo { ended: true, ..p }).collect();
        check(&[node("a", json!({}))], &ended, json!({}), Ok("a"));
    }

    #[test]
    fn taints_selectors_and_ports() {
        let tainted = node("a", json!({"taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}]}));
        let why = "0/1 nodes are available: 1 node(s) had untolerated taint {k: v}.";
        check(std::slice::from_ref(&tainted), &[], json!({}), Err(why));
        check(
            std::slice::from_ref(&tainted),
            &[],
            json!({"tolerations": [{"key": "k", "operator": "Exists"}]}),
            Ok("a"),
        );
        check(std::slice::from_ref(&tainted), &[], json!({"tolerations": [{"key": "k", "value": "v"}]}), Ok("a"));
        check(&[tainted], &[], json!({"tolerations": [{"key": "k", "value": "x"}]}), Err(why));

        let off = node("a", json!({"unschedulable": true}));
        check(&[off], &[], json!({}), Err("0/1 nodes are available: 1 node(s) were unschedulable."));

        let nodes = [node("a", json!({})), node("b", json!({}))];
        check(&nodes, &[], json!({"nodeSelector": {"host": "b"}}), Ok("b"));
        let in_a = json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
            {"nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a"]}]}]}}}});
        check(&nodes, &[], in_a, Ok("a"));
        let likes_a = json!({"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution":
            [{"weight": 1, "preference": {"matchExpressions": [{"key": "host", "operator": "In", "values": ["a"]}]}}]}}});
        check(&nodes, &[], likes_a, Ok("a"));

        let port = json!({"containers": [{"ports": [{"hostPort": 80}]}]});
        let holder = on(pod(port.clone()), "a");
        check(&nodes, std::slice::from_ref(&holder), port.clone(), Ok("b"));
        let why = "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.";
        check(&nodes[..1], &[holder], port, Err(why));
    }

    #[test]
    fn init_containers_count_by_their_peak() {
        let with = |cpu: &str, policy: &str| json!({"resources": {"requests": {"cpu": cpu}}, "restartPolicy": policy});
        let p = pod(json!({"containers": [with("1", "")], "overhead": {"cpu": "100m"},
            "initContainers": [with("300m", "Always"), with("1200m", "")]}));
        assert_eq!(p.requests.get("cpu"), 1600);
    }
}
