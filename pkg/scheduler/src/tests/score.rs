//! Which of the nodes that can take a pod is chosen.

use super::*;

#[test]
fn the_emptier_node() {
    let nodes = [node("a", json!({})), node("b", json!({}))];
    check(&nodes, &[on("a", "x", json!({}), asks("1", "100Mi"))], &pod("p", json!({}), asks("100m", "10Mi")), "b");
    // Pods that ask for nothing spread too.
    let idle: Vec<_> = (0..3).map(|i| on("b", &format!("x{i}"), json!({}), json!({"containers": [{}]}))).collect();
    check(&nodes, &idle, &pod("p", json!({}), json!({"containers": [{}]})), "a");
}

#[test]
fn balance() {
    // Both have the same share free; on `a` the pod evens CPU and memory out.
    let nodes = [node("a", json!({})), node("b", json!({}))];
    let there = [on("a", "x", json!({}), asks("0", "512Mi")), on("b", "y", json!({}), asks("1", "0"))];
    check(&nodes, &there, &pod("p", json!({}), asks("1", "0")), "a");
}

#[test]
fn soft_taints_and_liked_nodes() {
    let soft = |name: &str| node(name, json!({"spec": {"taints": [{"key": "k", "effect": "PreferNoSchedule"}]}}));
    let nodes = [soft("a"), node("b", json!({}))];
    check(&nodes, &[on("b", "x", json!({}), asks("1", "0"))], &pod("p", json!({}), json!({})), "b");
    let likes_a = json!({"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution":
        [{"weight": 1, "preference": {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["a"]}]}}]}}});
    let nodes = [node("a", json!({})), node("b", json!({}))];
    check(&nodes, &[on("a", "x", json!({}), asks("200m", "0"))], &pod("p", json!({}), likes_a), "a");
}

#[test]
fn images() {
    let has = |name: &str, image: &str| {
        node(name, json!({"status": {"images": [{"names": [image], "sizeBytes": 900_000_000}]}}))
    };
    let wants = |image: &str| pod("p", json!({}), json!({"containers": [{ "image": image }]}));
    let nodes = [has("a", "reg/x:latest"), has("b", "reg/y:1")];
    check(&nodes, &[], &wants("reg/x"), "a");
    check(&nodes, &[], &wants("reg/y:1"), "b");
}
