use knarr_api::Object;
use serde_json::json;

use super::*;

pub(crate) fn set(spec: serde_json::Value) -> DaemonSet {
    let mut v = json!({"metadata": {"name": "ds", "namespace": "n", "uid": "u", "generation": 2},
        "spec": {"selector": {"matchLabels": {"app": "a"}},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}},
            "template": {"metadata": {"labels": {"app": "a"}}, "spec": {}}}});
    for (key, value) in spec.as_object().unwrap() {
        v["spec"][key] = value.clone();
    }
    DaemonSet::project(&Object::from_json(v.to_string().into()).unwrap()).unwrap()
}

pub(crate) fn node(name: &str, labels: &serde_json::Value, taints: &serde_json::Value) -> Arc<Node> {
    let v = json!({"metadata": {"name": name, "labels": labels}, "spec": {"taints": taints}});
    Arc::new(Node::project(&Object::from_json(v.to_string().into()).unwrap()).unwrap())
}

fn nodes(count: usize) -> Vec<Arc<Node>> {
    (1..=count).map(|n| node(&format!("n{n}"), &json!({}), &json!([]))).collect()
}

/// A pod called `name` of revision `hash`: `ready`, `unready`, `waiting` (for the scheduler), `failed`, `succeeded`,
/// `terminating`, `ended` (failed and terminating).
pub(crate) fn daemon(name: &str, node: &str, hash: &str, state: &str) -> Arc<Daemon> {
    let phase = match state {
        "failed" | "ended" => "Failed",
        "succeeded" => "Succeeded",
        "waiting" => "Pending",
        _ => "Running",
    };
    let ready = if matches!(state, "ready" | "terminating") { "True" } else { "False" };
    let mut v = json!({"metadata": {"name": name, "namespace": "n", "uid": name, "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app": "a", "controller-revision-hash": hash}},
        "spec": {"nodeName": node}, "status": {"phase": phase, "conditions": [
            {"type": "Ready", "status": ready, "lastTransitionTime": "2026-01-01T00:01:00Z"}]}});
    if matches!(state, "terminating" | "ended") {
        v["metadata"]["deletionTimestamp"] = "2026-01-01T00:30:00Z".into();
    }
    if state == "waiting" {
        let term = json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]});
        v["spec"] = json!({"affinity": {"nodeAffinity":
            {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}});
    }
    Arc::new(Daemon::project(&Object::from_json(v.to_string().into()).unwrap()).unwrap())
}

pub(crate) fn world<'a>(set: &'a DaemonSet, nodes: &'a [Arc<Node>], pods: &'a [Arc<Daemon>]) -> World<'a> {
    World { set, hash: "new", nodes, pods, now: "2026-01-01T01:00:00Z".parse().unwrap() }
}

/// The steps in short: `+n1`, `-pod`, `!`.
fn short(steps: &[Step]) -> String {
    let word = |step: &Step| match step {
        Step::Create { node } => format!("+{node}"),
        Step::Delete { key, .. } => format!("-{}", key.name),
        Step::Tell { failed: true, .. } => "!failed".to_owned(),
        Step::Tell { failed: false, .. } => "!succeeded".to_owned(),
    };
    steps.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn check(set: &DaemonSet, nodes: &[Arc<Node>], pods: &[Arc<Daemon>], want: &str) {
    let (steps, _) = plan(&world(set, nodes, pods), &mut Setbacks::default());
    assert_eq!(short(&steps), want);
}

fn strategy(surge: i32, unavailable: i32) -> DaemonSet {
    let rolling = json!({"maxSurge": surge, "maxUnavailable": unavailable});
    set(json!({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": rolling}}))
}

#[test]
fn every_node_gets_one_pod() {
    let s = set(json!({}));
    let two = nodes(2);
    check(&s, &two, &[], "+n1 +n2");
    check(&s, &two, &[daemon("a", "n1", "new", "ready"), daemon("w", "n2", "new", "waiting")], "");
    // A pod on its way out still has its node.
    check(&s, &two, &[daemon("a", "n1", "new", "terminating")], "+n2");
    // One that has ended does not.
    check(&s, &nodes(1), &[daemon("a", "n1", "new", "ended")], "+n1");
    check(&s, &nodes(1), &[daemon("a", "n1", "new", "ready"), daemon("b", "n1", "new", "ready")], "-b");
    // The one that is placed stays, whatever its age.
    check(&s, &nodes(1), &[daemon("a", "n1", "new", "waiting"), daemon("b", "n1", "new", "ready")], "-a");
    check(&s, &[], &[daemon("a", "n1", "new", "ready"), daemon("w", "n2", "new", "waiting")], "-w");
}

#[test]
fn nodes_that_are_not_eligible() {
    let s = set(json!({}));
    let keeps = [node("n1", &json!({}), &json!([{"key": "k", "effect": "NoSchedule"}]))];
    check(&s, &keeps, &[], "");
    check(&s, &keeps, &[daemon("a", "n1", "new", "ready")], "");
    let never = [node("n1", &json!({}), &json!([{"key": "k", "effect": "NoExecute"}]))];
    check(&s, &never, &[daemon("a", "n1", "new", "ready"), daemon("b", "n1", "new", "terminating")], "-a");
}

#[test]
fn ended_pods_are_replaced_failed_ones_after_a_pause() {
    let (s, one) = (set(json!({})), nodes(1));
    check(&s, &one, &[daemon("a", "n1", "new", "succeeded")], "!succeeded -a");
    let failed = [daemon("a", "n1", "new", "failed")];
    let w = world(&s, &one, &failed);
    let mut setbacks = Setbacks::default();
    assert_eq!(short(&plan(&w, &mut setbacks).0), "!failed -a");
    let (steps, again) = plan(&w, &mut setbacks);
    assert_eq!((short(&steps).as_str(), again), ("", Some(Duration::from_secs(1))));
}

#[test]
fn updates_by_replacement() {
    let three = nodes(3);
    let old = |n: usize, state: &str| daemon(&format!("o{n}"), &format!("n{n}"), "old", state);
    let new = |n: usize, state: &str| daemon(&format!("w{n}"), &format!("n{n}"), "new", state);
    let ready = "ready";
    let one = strategy(0, 1);
    check(&one, &three, &[old(1, ready), old(2, ready), old(3, ready)], "-o1");
    check(&one, &three, &[new(1, "unready"), old(2, ready), old(3, ready)], "");
    check(&one, &three, &[new(1, ready), old(2, ready), old(3, ready)], "-o2");
    check(&one, &three, &[old(1, "terminating"), old(2, ready), old(3, ready)], "");
    // Those that are of no use go at once, and count as away.
    check(&one, &three, &[old(1, "unready"), old(2, "unready"), old(3, ready)], "-o1 -o2");
    check(&strategy(0, 2), &three, &[old(1, ready), old(2, ready), old(3, ready)], "-o1 -o2");
    let on_delete = set(json!({"updateStrategy": {"type": "OnDelete"}}));
    check(&on_delete, &three, &[old(1, ready), old(2, ready), old(3, ready)], "");
    let percent = set(json!({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "50%"}}}));
    check(&percent, &three, &[old(1, ready), old(2, ready), old(3, ready)], "-o1 -o2");
}

#[test]
fn updates_by_surging() {
    let three = nodes(3);
    let old = |n: usize, state: &str| daemon(&format!("o{n}"), &format!("n{n}"), "old", state);
    let new = |n: usize, state: &str| daemon(&format!("w{n}"), &format!("n{n}"), "new", state);
    let ready = "ready";
    let s = strategy(1, 0);
    check(&s, &three, &[old(1, ready), old(2, ready), old(3, ready)], "+n1");
    check(&s, &three, &[old(1, ready), new(1, "unready"), old(2, ready), old(3, ready)], "");
    check(&s, &three, &[old(1, ready), new(1, ready), old(2, ready), old(3, ready)], "-o1");
    check(&s, &three, &[new(1, ready), old(2, ready), old(3, ready)], "+n2");
    // One that is no longer ready gives way to the new one at once.
    check(&s, &three, &[old(1, "unready"), new(1, "unready"), old(2, ready), old(3, ready)], "-o1");
    // Those that are not available are followed at once, whatever the bound.
    check(&s, &three, &[old(1, "unready"), old(2, "unready"), old(3, ready)], "+n1 +n2 +n3");
    check(&strategy(2, 0), &three, &[old(1, ready), old(2, ready), old(3, ready)], "+n1 +n2");
    // A pod on its way out is no pod while surging.
    check(&s, &nodes(1), &[old(1, "terminating")], "+n1");
    let three_of_a_kind = [new(1, ready), daemon("w9", "n1", "new", ready), old(1, ready)];
    check(&s, &nodes(1), &three_of_a_kind, "-w9 -o1");
}

#[test]
fn a_surging_set_leaves_a_node_only_when_others_have_theirs() {
    let s = strategy(1, 0);
    let closed = node("n1", &json!({}), &json!([{"key": "k", "effect": "NoSchedule"}]));
    let open = node("n2", &json!({}), &json!([]));
    let both = [closed, open];
    let old = daemon("o1", "n1", "old", "ready");
    check(&s, &both, &[old.clone(), daemon("w2", "n2", "new", "unready")], "");
    check(&s, &both, &[old, daemon("w2", "n2", "new", "ready")], "-o1");
}

/// An update ends within its bounds, whatever they are: every pod made becomes ready, every pod deleted goes.
#[test]
fn simulated_to_the_end() {
    for (surge, unavailable) in [(0, 1), (0, 3), (1, 0), (2, 0)] {
        let (s, five) = (strategy(surge, unavailable), nodes(5));
        let mut pods: Vec<_> = (1..=5).map(|n| daemon(&format!("o{n}"), &format!("n{n}"), "old", "ready")).collect();
        for round in 0.. {
            assert!(round < 30, "no end with {surge}/{unavailable}");
            let (steps, _) = plan(&world(&s, &five, &pods), &mut Setbacks::default());
            if steps.is_empty() {
                break;
            }
            for step in steps {
                match step {
                    Step::Create { node } => pods.push(daemon(&format!("w-{node}"), &node, "new", "ready")),
                    Step::Delete { key, .. } => pods.retain(|d| d.pod.key != key),
                    Step::Tell { .. } => {}
                }
            }
            assert!(pods.len() <= 5 + surge as usize, "{} pods with a surge of {surge}", pods.len());
            assert!(pods.len() >= 5 - unavailable as usize, "{} pods with {unavailable} away", pods.len());
        }
        assert!(pods.len() == 5 && pods.iter().all(|d| d.is_updated(&s, "new")));
    }
}
