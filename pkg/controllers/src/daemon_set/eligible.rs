//! On which nodes a DaemonSet's pods run: pure.

use knarr_api::{
    Str,
    placement::{Effect, Toleration, has_labels, untolerated},
};

use super::{daemon::Node, model::DaemonSet};

/// What a node is to a DaemonSet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It gets a pod.
    Runs,
    /// It gets none, but one that is there may stay.
    Keeps,
    /// No pod may be there.
    Never,
}

/// Taints that every daemon's pod tolerates: it stays through the troubles of its node, which are often what it is
/// there for.
const TOLERATED: [(&str, Effect); 6] = [
    ("node.kubernetes.io/not-ready", Effect::NoExecute),
    ("node.kubernetes.io/unreachable", Effect::NoExecute),
    ("node.kubernetes.io/disk-pressure", Effect::NoSchedule),
    ("node.kubernetes.io/memory-pressure", Effect::NoSchedule),
    ("node.kubernetes.io/pid-pressure", Effect::NoSchedule),
    ("node.kubernetes.io/unschedulable", Effect::NoSchedule),
];
/// And one that those on the host's network tolerate, who may well be the ones to bring the network up.
const NETWORK: (&str, Effect) = ("node.kubernetes.io/network-unavailable", Effect::NoSchedule);

/// What a daemon's pod tolerates by being one.
pub(super) fn tolerations(host_network: bool) -> impl Iterator<Item = Toleration> {
    TOLERATED.into_iter().chain(host_network.then_some(NETWORK)).map(|(key, effect)| Toleration {
        key: key.into(),
        operator: Str::from("Exists"),
        effect: Some(effect),
        ..Toleration::default()
    })
}

/// What `node` is to `set`.
pub(super) fn standing(set: &DaemonSet, node: &Node) -> Standing {
    let place = &set.placement;
    let named = place.node_name.is_empty() || *place.node_name == *node.meta.name;
    if !named || !has_labels(&node.meta, &place.node_selector) || !place.affinity.node_affinity.allows(&node.meta) {
        return Standing::Never;
    }
    let blocked = |counts: fn(Effect) -> bool| untolerated(&node.taints, &place.tolerations, counts).is_some();
    if !blocked(Effect::is_hard) {
        Standing::Runs
    } else if blocked(|e| e == Effect::NoExecute) {
        Standing::Never
    } else {
        Standing::Keeps
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::daemon_set::plan::tests::{node, set};

    fn check(spec: serde_json::Value, labels: serde_json::Value, taints: serde_json::Value, want: Standing) {
        let set = set(json!({"template": {"metadata": {"labels": {"app": "a"}}, "spec": spec}}));
        let node = node("n1", &labels, &taints);
        assert_eq!(standing(&set, &node), want, "{spec} {labels} {taints}");
    }

    /// Upstream's table of nodes that should and should not run a daemon's pod.
    #[test]
    fn standings() {
        use Standing::{Keeps, Never, Runs};
        let none = || json!({});
        check(none(), none(), json!([]), Runs);
        check(json!({"nodeName": "n1"}), none(), json!([]), Runs);
        check(json!({"nodeName": "n2"}), none(), json!([]), Never);
        check(json!({"nodeSelector": {"disk": "ssd"}}), json!({"disk": "ssd"}), json!([]), Runs);
        check(json!({"nodeSelector": {"disk": "ssd"}}), none(), json!([]), Never);
        let affinity = |op: &str| {
            json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms":
                [{"matchExpressions": [{"key": "type", "operator": op, "values": ["test"]}]}]}}}})
        };
        check(affinity("In"), json!({"type": "test"}), json!([]), Runs);
        check(affinity("NotIn"), json!({"type": "test"}), json!([]), Never);
        let taint = |key: &str, effect: &str| json!([{"key": key, "effect": effect}]);
        check(none(), none(), taint("mine", "NoSchedule"), Keeps);
        check(none(), none(), taint("mine", "NoExecute"), Never);
        check(none(), none(), taint("mine", "PreferNoSchedule"), Runs);
        let tolerates = json!({"tolerations": [{"key": "mine", "operator": "Exists"}]});
        check(tolerates.clone(), none(), taint("mine", "NoSchedule"), Runs);
        check(tolerates, none(), taint("mine", "NoExecute"), Runs);
        // What it tolerates by being one.
        for (key, effect) in [
            ("node.kubernetes.io/not-ready", "NoExecute"),
            ("node.kubernetes.io/unreachable", "NoExecute"),
            ("node.kubernetes.io/memory-pressure", "NoSchedule"),
            ("node.kubernetes.io/unschedulable", "NoSchedule"),
        ] {
            check(none(), none(), taint(key, effect), Runs);
        }
        // Of a node that is not ready it tolerates being there, not coming there.
        check(none(), none(), taint("node.kubernetes.io/not-ready", "NoSchedule"), Keeps);
        check(none(), none(), taint("node.kubernetes.io/network-unavailable", "NoSchedule"), Keeps);
        check(
            json!({"hostNetwork": true}),
            none(),
            taint("node.kubernetes.io/network-unavailable", "NoSchedule"),
            Runs,
        );
    }
}
