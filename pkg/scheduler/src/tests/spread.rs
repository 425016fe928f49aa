//! Topology spread: facts of upstream's tests.

use super::*;

const ZONE: &str = "topology.kubernetes.io/zone";

fn constraint(skew: i64, when: &str, more: Value) -> Value {
    let mut c = json!({"maxSkew": skew, "topologyKey": ZONE, "whenUnsatisfiable": when,
        "labelSelector": {"matchLabels": {"app": "web"}}});
    merge(&mut c, more);
    c
}

fn web(constraints: Value) -> PodInfo {
    pod("p", json!({"app": "web"}), json!({ "topologySpreadConstraints": constraints }))
}

fn there(nodes: &[&str]) -> Vec<Arc<PodInfo>> {
    let each = nodes.iter().enumerate();
    each.map(|(i, n)| on(n, &format!("w{i}"), json!({"app": "web"}), json!({}))).collect()
}

fn hard(more: Value) -> PodInfo {
    web(json!([constraint(1, "DoNotSchedule", more)]))
}

const NOT: &str = "node(s) didn't match pod topology spread constraints";

#[test]
fn hard_constraints() {
    let nodes = [zoned("a", "z1"), zoned("b", "z1"), zoned("c", "z2")];
    check(&nodes, &there(&["a"]), &hard(json!({})), "c");
    check(&nodes, &there(&["a", "a", "c"]), &hard(json!({})), "c");
    check(&nodes[..2], &there(&["a", "a"]), &hard(json!({})), "b");
    // Pods of others, in other namespaces, and on their way out do not count.
    let leaving: Vec<_> = there(&["c"]).iter().map(|p| Arc::new(PodInfo { deleted: true, ..(**p).clone() })).collect();
    let mut all = there(&["a"]);
    all.extend(leaving);
    all.push(on("c", "other", json!({"app": "x"}), json!({})));
    check(&nodes, &all, &hard(json!({})), "c");
    // A node outside all domains.
    let nodes = [node("n", json!({}))];
    check(&nodes, &[], &hard(json!({})), &format!("0/1 nodes are available: 1 {NOT} (missing required label)."));
}

#[test]
fn skew_and_domains() {
    let nodes = [zoned("a", "z1"), zoned("c", "z2")];
    // z2 is full, so its emptiness still counts: nothing fits.
    let mut all = there(&["a"]);
    all.push(on("c", "x", json!({}), asks("2", "0")));
    let mut p = hard(json!({}));
    p.requests.cpu = 100;
    check(&nodes, &all, &p, &format!("0/2 nodes are available: 1 Insufficient cpu, 1 {NOT}."));
    // Fewer domains than there must be: the emptiest counts as empty.
    let two = hard(json!({"minDomains": 3}));
    check(&nodes, &there(&["a", "c"]), &two, &format!("0/2 nodes are available: 2 {NOT}."));
    check(&nodes, &there(&["a"]), &two, "c");
    // A pod that is not one of those that are spread adds nothing.
    let other = pod("p", json!({}), json!({"topologySpreadConstraints": [constraint(1, "DoNotSchedule", json!({}))]}));
    check(&nodes[..1], &there(&["a"]), &other, "a");
}

#[test]
fn which_nodes_count() {
    let off = node(
        "c",
        json!({"metadata": {"labels": {ZONE: "z2", "off": "1"}}, "spec": {"taints": [{"key": "k", "effect": "NoSchedule"}]}}),
    );
    let nodes = [zoned("a", "z1"), off];
    let why = format!("0/2 nodes are available: 1 {NOT}, 1 node(s) had untolerated taint(s).");
    // Taints are ignored unless honoured: z2 stays empty although nobody can go there.
    check(&nodes, &there(&["a"]), &hard(json!({})), &why);
    check(&nodes, &there(&["a"]), &hard(json!({"nodeTaintsPolicy": "Honor"})), "a");
    // Node affinity is honoured unless ignored.
    let nodes = [zoned("a", "z1"), node("c", json!({"metadata": {"labels": {ZONE: "z2"}}}))];
    let only_a = |policy: Value| {
        let mut spec = json!({"nodeSelector": {"kubernetes.io/hostname": "a"}});
        spec["topologySpreadConstraints"] = json!([constraint(1, "DoNotSchedule", policy)]);
        pod("p", json!({"app": "web"}), spec)
    };
    check(&nodes, &there(&["a"]), &only_a(json!({})), "a");
    let why = format!("0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 {NOT}.");
    check(&nodes, &there(&["a"]), &only_a(json!({"nodeAffinityPolicy": "Ignore"})), &why);
}

#[test]
fn label_keys_separate_generations() {
    let p = pod(
        "p",
        json!({"app": "web", "hash": "2"}),
        json!({"topologySpreadConstraints": [constraint(1, "DoNotSchedule", json!({"matchLabelKeys": ["hash"]}))]}),
    );
    let old = [
        on("a", "o", json!({"app": "web", "hash": "1"}), json!({})),
        on("a", "n", json!({"app": "web", "hash": "2"}), json!({})),
    ];
    check(&[zoned("a", "z1"), zoned("c", "z2")], &old, &p, "c");
    check(&[zoned("a", "z1"), zoned("c", "z2")], &old[..1], &p, "c");
}

#[test]
fn soft_constraints_and_defaults() {
    let nodes = [zoned("a", "z1"), zoned("b", "z1"), zoned("c", "z2")];
    check(&nodes, &there(&["c", "c", "a"]), &web(json!([constraint(1, "ScheduleAnyway", json!({}))])), "b");
    // Without a Service or a controller nobody belongs together; with one, pods are spread.
    let mut cluster = Snapshot::new(nodes, there(&["a", "c"]));
    let selector = knarr_api::selector::Labels::equal([("app", "web")]);
    cluster.groups.insert(("Service", knarr_client::Key::new("d", "s")), selector);
    assert_eq!(place(&web(json!([])), &cluster), "b");
}
