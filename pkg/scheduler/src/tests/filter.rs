//! Cordons, taints, selectors, ports, resources.

use super::*;

fn plain(spec: Value) -> PodInfo {
    pod("p", json!({}), spec)
}

#[test]
fn resources_decide() {
    let nodes = [node("a", json!({})), node("b", json!({}))];
    let busy = [on("a", "x", json!({}), asks("1500m", "100Mi"))];
    check(&nodes, &busy, &plain(asks("1", "1Mi")), "b");
    let why = "0/2 nodes are available: 2 Insufficient cpu, 2 Insufficient memory.";
    check(&nodes, &busy, &plain(asks("3", "2Gi")), why);
    check(&nodes[..1], &busy, &plain(asks("1", "1Mi")), "0/1 nodes are available: 1 Insufficient cpu.");
    check(&[], &[], &plain(asks("1", "1")), "no nodes available to schedule pods");
    // What is asked for is compared only where something is asked for.
    let over = [on("a", "x", json!({}), asks("3", "0"))];
    check(&nodes[..1], &over, &plain(asks("0", "1Mi")), "a");
}

#[test]
fn extended_resources() {
    let with = node("a", json!({"status": {"allocatable": {"example.com/gpu": "2", "ephemeral-storage": "1Gi"}}}));
    let nodes = [with, node("b", json!({}))];
    let wants = |name: &str, n: &str| plain(json!({"containers": [{"resources": {"requests": {name: n}}}]}));
    check(&nodes, &[], &wants("example.com/gpu", "2"), "a");
    check(&nodes, &[], &wants("example.com/gpu", "3"), "0/2 nodes are available: 2 Insufficient example.com/gpu.");
    check(&nodes, &[], &wants("ephemeral-storage", "1Gi"), "a");
    check(
        &nodes[1..],
        &[],
        &wants("ephemeral-storage", "1"),
        "0/1 nodes are available: 1 Insufficient ephemeral-storage.",
    );
}

#[test]
fn what_a_pod_asks_for() {
    let c = |cpu: &str, policy: &str| json!({"resources": {"requests": {"cpu": cpu}}, "restartPolicy": policy});
    let p = plain(json!({"containers": [c("1", "")], "overhead": {"cpu": "100m"},
        "initContainers": [c("300m", "Always"), c("1200m", "")]}));
    assert_eq!(p.requests.cpu, 1600);
    let p = plain(json!({"containers": [c("1", "")], "resources": {"requests": {"cpu": "250m"}}}));
    assert_eq!(p.requests.cpu, 250);
    // Nothing asked for counts as a little where load is compared.
    let p = plain(json!({"containers": [{}, {}]}));
    assert!(p.requests.is_nothing());
    assert_eq!(p.load, (200, 400 << 20));
}

#[test]
fn the_number_of_pods_and_ended_pods() {
    let small = node("a", json!({"status": {"allocatable": {"pods": "3"}}}));
    let full: Vec<_> = (0..3).map(|i| on("a", &format!("x{i}"), json!({}), json!({}))).collect();
    check(std::slice::from_ref(&small), &full, &plain(json!({})), "0/1 nodes are available: 1 Too many pods.");
    let ended: Vec<_> = full.iter().map(|p| Arc::new(PodInfo { ended: true, ..(**p).clone() })).collect();
    check(&[small], &ended, &plain(json!({})), "a");
}

#[test]
fn taints_and_cordons() {
    let tainted = node("a", json!({"spec": {"taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}]}}));
    let why = "0/1 nodes are available: 1 node(s) had untolerated taint(s).";
    let tolerates = |t: Value| plain(json!({ "tolerations": [t] }));
    for (p, want) in [
        (plain(json!({})), why),
        (tolerates(json!({"key": "k", "operator": "Exists"})), "a"),
        (tolerates(json!({"key": "k", "value": "v"})), "a"),
        (tolerates(json!({"key": "k", "value": "x"})), why),
        (tolerates(json!({"key": "k", "operator": "Exists", "effect": "NoExecute"})), why),
    ] {
        check(std::slice::from_ref(&tainted), &[], &p, want);
    }
    let off = node("a", json!({"spec": {"unschedulable": true}}));
    check(std::slice::from_ref(&off), &[], &plain(json!({})), "0/1 nodes are available: 1 node(s) were unschedulable.");
    let daemon = json!({"key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoSchedule"});
    check(&[off], &[], &tolerates(daemon), "a");
}

#[test]
fn selectors_and_affinity() {
    let nodes = [node("a", json!({})), node("b", json!({}))];
    check(&nodes, &[], &plain(json!({"nodeSelector": {"kubernetes.io/hostname": "b"}})), "b");
    let required = |terms: Value| {
        plain(
            json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}}),
        )
    };
    let named = |name: &str| json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]});
    check(&nodes, &[], &required(json!([named("a")])), "a");
    let nowhere = "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.";
    check(&nodes, &[], &plain(json!({"nodeSelector": {"x": "y"}})), nowhere);
    // A pod for one node: the others are not looked at.
    let full = [on("a", "x", json!({}), asks("2", "0"))];
    let mut daemon = required(json!([named("a")]));
    daemon.requests.cpu = 1000;
    let why = "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) didn't satisfy plugin(s) [NodeAffinity].";
    check(&nodes, &full, &daemon, why);
}

#[test]
fn host_ports() {
    let nodes = [node("a", json!({})), node("b", json!({}))];
    let port = |p: Value| json!({"containers": [{ "ports": [p] }]});
    let holder = [on("a", "x", json!({}), port(json!({"hostPort": 80})))];
    let why = "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.";
    check(&nodes, &holder, &plain(port(json!({"hostPort": 80}))), "b");
    check(&nodes[..1], &holder, &plain(port(json!({"hostPort": 80}))), why);
    check(&nodes[..1], &holder, &plain(port(json!({"hostPort": 80, "hostIP": "127.0.0.1"}))), why);
    check(&nodes[..1], &holder, &plain(port(json!({"hostPort": 80, "protocol": "UDP"}))), "a");
    check(&nodes[..1], &holder, &plain(port(json!({"hostPort": 81}))), "a");
    check(&nodes[..1], &holder, &plain(port(json!({"containerPort": 80}))), "a");
    let local = [on("a", "x", json!({}), port(json!({"hostPort": 80, "hostIP": "127.0.0.1"})))];
    check(&nodes[..1], &local, &plain(port(json!({"hostPort": 80, "hostIP": "127.0.0.2"}))), "a");
}

#[test]
fn each_node_counts_with_its_first_reasons() {
    let nodes = [
        node("a", json!({"spec": {"unschedulable": true}})),
        node("b", json!({"spec": {"taints": [{"key": "k", "effect": "NoExecute"}]}})),
        node("c", json!({"status": {"allocatable": {"cpu": "1", "memory": "1Mi"}}})),
        node("d", json!({})),
    ];
    let why = "0/4 nodes are available: 1 Insufficient memory, 1 node(s) had untolerated taint(s), 1 node(s) were \
               unschedulable, 2 Insufficient cpu.";
    check(&nodes, &[on("d", "x", json!({}), asks("1500m", "0"))], &plain(asks("2", "1Gi")), why);
}
