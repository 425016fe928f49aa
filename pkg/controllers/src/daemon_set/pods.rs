//! The pod a DaemonSet makes for a node: pure.

use knarr_api::{Value, placement::Effect, value};

use super::{daemon::GENERATION_LABEL, eligible::tolerations, model::DaemonSet};
use crate::history::HASH_LABEL;

/// Makes a pod of the template one for `node`: its revision, what daemons tolerate, and an affinity that leaves the
/// scheduler no choice.
pub(super) fn dress(pod: &mut Value, set: &DaemonSet, hash: &str, node: &str) {
    pod.set(&["metadata", "generateName"], format!("{}-", set.key.name));
    pod.set(&["metadata", "labels", HASH_LABEL], hash);
    if let Some(generation) = &set.generation {
        pod.set(&["metadata", "labels", GENERATION_LABEL], &**generation);
    }
    let mut all = pod.list_at(&["spec", "tolerations"]).to_vec();
    for toleration in tolerations(set.placement.host_network) {
        let effect = match toleration.effect {
            Some(Effect::NoExecute) => "NoExecute",
            _ => "NoSchedule",
        };
        let new = value!({ "key": toleration.key.clone(), "operator": "Exists", "effect": effect });
        // The template's own word about the same taint is replaced.
        let same =
            |t: &Value| ["key", "operator", "effect", "value"].iter().all(|f| t.str_at(&[f]) == new.str_at(&[f]));
        match all.iter_mut().find(|t| same(t)) {
            Some(there) => *there = new,
            None => all.push(new),
        }
    }
    pod.set(&["spec", "tolerations"], all);
    let field = value!({ "key": "metadata.name", "operator": "In", "values": [node] });
    let path = ["spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"];
    pod.set(&path, value!({ "nodeSelectorTerms": [{ "matchFields": [field] }] }));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::daemon_set::plan::tests::set;

    #[test]
    fn a_pod_knows_its_node() {
        let s = set(json!({}));
        let own = value!({ "key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5 });
        let mut pod = value!({ "spec": { "tolerations": [own, { "key": "mine", "operator": "Exists" }] } });
        dress(&mut pod, &s, "h", "n1");
        assert_eq!(pod.str_at(&["metadata", "generateName"]), "ds-");
        assert_eq!(pod.str_at(&["metadata", "labels", HASH_LABEL]), "h");
        let all = pod.list_at(&["spec", "tolerations"]);
        assert_eq!(all.len(), 7, "six of its own, one of the template");
        assert!(all[0].get("tolerationSeconds").is_none(), "it stays for ever");
        let path = ["spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"];
        let terms = pod.at(&path).unwrap().list_at(&["nodeSelectorTerms"]);
        assert_eq!(terms[0].list_at(&["matchFields"])[0].list_at(&["values"])[0].as_str(), Some("n1"));
        let mut other = s.clone();
        other.placement.host_network = true;
        dress(&mut pod, &other, "h", "n1");
        assert_eq!(pod.list_at(&["spec", "tolerations"]).len(), 8);
    }
}
