//! Whether a node can take a pod at all, and the words why not.

use crate::{
    model::{PodInfo, Taint},
    schedule::NodeState,
};

/// The reasons `node` cannot take `pod`, in upstream's words and order; empty if it can.
pub(crate) fn filter(pod: &PodInfo, state: &NodeState) -> Vec<String> {
    let node = &state.node;
    let unschedulable = Taint { key: UNSCHEDULABLE.to_owned(), effect: "NoSchedule".to_owned(), ..Taint::default() };
    if node.unschedulable && !pod.tolerations.iter().any(|t| t.covers(&unschedulable)) {
        return vec!["node(s) were unschedulable".to_owned()];
    }
    let hard = node.taints.iter().filter(|t| t.effect == "NoSchedule" || t.effect == "NoExecute");
    if let Some(taint) = hard.into_iter().find(|taint| !pod.tolerations.iter().any(|t| t.covers(taint))) {
        return vec![format!("node(s) had untolerated taint {{{}: {}}}", taint.key, taint.value)];
    }
    let selected = pod.node_selector.iter().all(|(k, v)| node.labels.get(k) == Some(v));
    if !selected || !pod.affinity.allows(node) {
        return vec!["node(s) didn't match Pod's node affinity/selector".to_owned()];
    }
    if pod.host_ports.iter().any(|want| state.host_ports.iter().any(|have| collide(want, have))) {
        return vec!["node(s) didn't have free ports for the requested pod ports".to_owned()];
    }
    lacking(pod, state)
}

const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

fn lacking(pod: &PodInfo, state: &NodeState) -> Vec<String> {
    let mut out = Vec::new();
    for (name, asked) in pod.requests.iter().filter(|(_, n)| *n > 0) {
        if asked > state.node.allocatable.get(name) - state.requested.get(name) {
            out.push(if name == "pods" { "Too many pods".to_owned() } else { format!("Insufficient {name}") });
        }
    }
    out
}

/// Two claims collide on the same protocol and port, unless they name different addresses.
fn collide(a: &(String, String, u16), b: &(String, String, u16)) -> bool {
    const ANY: &str = "0.0.0.0";
    a.0 == b.0 && a.2 == b.2 && (a.1 == b.1 || a.1 == ANY || b.1 == ANY)
}
