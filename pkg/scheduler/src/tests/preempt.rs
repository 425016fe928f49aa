//! Who goes so that a more important pod can come: facts of upstream's tests.

use knarr_api::selector::Labels;
use knarr_client::Key;

use super::*;
use crate::{Budget, Preemption, preempt};

/// A pod of some priority that asks for CPU, started in minute `started` of an hour.
fn runs(node: &str, name: &str, priority: i32, cpu: &str, started: u32) -> Arc<PodInfo> {
    let mut p = pod(name, json!({ "app": name }), asks(cpu, "0")).on(node);
    p.priority = priority;
    p.started = format!("2026-01-01T00:{started:02}:00Z").parse().ok();
    Arc::new(p)
}

fn wants(priority: i32, cpu: &str) -> PodInfo {
    PodInfo { priority, ..pod("p", json!({}), asks(cpu, "0")) }
}

/// `node: victims`, or why nothing is done.
fn plan(pod: &PodInfo, cluster: &Snapshot) -> String {
    let no_fit = schedule(pod, cluster).expect_err("fits already");
    match preempt(pod, cluster, &no_fit) {
        Preemption::Evict { node, victims } => {
            let names: Vec<_> = victims.iter().map(|v| v.key.name.as_str()).collect();
            format!("{node}: {}", names.join(" "))
        }
        Preemption::Nothing { why, .. } => why,
    }
}

#[track_caller]
fn check_plan(nodes: &[&str], there: &[Arc<PodInfo>], pod: &PodInfo, want: &str) {
    let nodes = nodes.iter().map(|n| node(n, json!({})));
    assert_eq!(plan(pod, &Snapshot::new(nodes, there.iter().cloned())), want);
}

#[test]
fn as_few_and_as_unimportant_as_possible() {
    // Both could go; the more important one is kept.
    let there = [runs("a", "low", 0, "1", 0), runs("a", "mid", 5, "1", 0)];
    check_plan(&["a"], &there, &wants(10, "1"), "a: low");
    check_plan(&["a"], &there, &wants(10, "2"), "a: mid low");
    check_plan(&["a"], &there, &wants(5, "1"), "a: low");
    // Of equals the one that ran longest stays.
    let there = [runs("a", "old", 0, "1", 1), runs("a", "young", 0, "1", 2)];
    check_plan(&["a"], &there, &wants(10, "1"), "a: young");
    // One large pod rather than nothing; small ones come back.
    let there = [runs("a", "large", 0, "1500m", 0), runs("a", "small", 0, "500m", 0)];
    check_plan(&["a"], &there, &wants(10, "1500m"), "a: large");
}

#[test]
fn the_node_with_the_least_harm() {
    for (there, want) in [
        // The highest priority that goes is lowest.
        (vec![runs("a", "x", 5, "2", 0), runs("b", "y", 4, "2", 0)], "b: y"),
        // Then the sum of priorities.
        (
            vec![
                runs("a", "x", 5, "1", 0),
                runs("a", "x2", 5, "1", 0),
                runs("b", "y", 5, "1", 0),
                runs("b", "y2", 1, "1", 0),
            ],
            "b: y y2",
        ),
        // Then the number.
        (vec![runs("a", "x", 5, "1", 0), runs("a", "x2", 5, "1", 0), runs("b", "y", 5, "2", 0)], "b: y"),
        // Then the latest start of the most important ones.
        (vec![runs("a", "x", 5, "2", 3), runs("b", "y", 5, "2", 7)], "b: y"),
        (vec![runs("a", "x", 5, "2", 9), runs("b", "y", 5, "2", 7)], "a: x"),
    ] {
        check_plan(&["a", "b"], &there, &wants(10, "2"), want);
    }
}

#[test]
fn budgets_are_spared() {
    let budget = |app: &str, allowed| {
        (Key::new("d", app), Budget { selector: Labels::equal([("app", app)]), allowed, disrupted: Vec::new() })
    };
    let there = [runs("a", "x", 1, "2", 0), runs("b", "y", 5, "2", 0)];
    let mut cluster = Snapshot::new([node("a", json!({})), node("b", json!({}))], there);
    cluster.budgets.extend([budget("x", 0)]);
    assert_eq!(plan(&wants(10, "2"), &cluster), "b: y");
    cluster.budgets.extend([budget("x", 1)]);
    assert_eq!(plan(&wants(10, "2"), &cluster), "a: x");
    // On one node the one without a budget goes first, even if it is more important; if all must go, all go.
    let there = [runs("a", "x", 1, "1", 0), runs("a", "y", 5, "1", 0)];
    let mut cluster = Snapshot::new([node("a", json!({}))], there);
    cluster.budgets.extend([budget("x", 0)]);
    assert_eq!(plan(&wants(10, "1"), &cluster), "a: y");
    assert_eq!(plan(&wants(10, "2"), &cluster), "a: y x");
}

#[test]
fn nothing_to_be_done() {
    let there = [runs("a", "x", 10, "1", 0)];
    let none = "no new claims to deallocate, preemption: 0/1 nodes are available: 1 No preemption victims found for \
                incoming pod.";
    check_plan(&["a"], &there, &wants(10, "2"), none);
    let useless = "no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for \
                   scheduling.";
    check_plan(&["a"], &there, &wants(20, "3"), useless);
    let elsewhere = PodInfo { priority: 20, ..pod("p", json!({}), json!({"nodeSelector": {"x": "y"}})) };
    check_plan(&["a"], &there, &elsewhere, useless);
    // The pods that may go are not the ones in the way.
    let there = [runs("a", "x", 10, "1500m", 0), runs("a", "y", 0, "500m", 0)];
    let short = "no new claims to deallocate, preemption: 0/1 nodes are available: 1 Insufficient cpu.";
    check_plan(&["a"], &there, &wants(10, "2"), short);
    let polite = PodInfo {
        priority: 20,
        ..pod("p", json!({}), json!({"preemptionPolicy": "Never", "containers": asks("2", "0")["containers"]}))
    };
    let never = "no new claims to deallocate, preemption: not eligible due to preemptionPolicy=Never.";
    check_plan(&["a"], &there, &polite, never);
    let claim = pod("p", json!({}), json!({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]}));
    check_plan(&["a"], &there, &claim, "not found");
}

#[test]
fn rules_about_other_pods_count() {
    // The pod shuns `x`; `y` is as unimportant, but does not stand in its way.
    let there = [runs("a", "x", 0, "100m", 0), runs("a", "y", 0, "100m", 0)];
    let mut shy = pod(
        "p",
        json!({}),
        json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
        [{"labelSelector": {"matchLabels": {"app": "x"}}, "topologyKey": "kubernetes.io/hostname"}]}}}),
    );
    shy.priority = 10;
    check_plan(&["a"], &there, &shy, "a: x");
    let spread = json!({"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": {"app": "x"}}}]});
    let mut p = pod("p", json!({"app": "x"}), spread);
    p.priority = 10;
    let full = zoned("b", "z2");
    let full = Arc::new(NodeInfo { unschedulable: true, ..(*full).clone() });
    let cluster = Snapshot::new([zoned("a", "z1"), full], [runs("a", "x", 0, "1", 0)]);
    assert_eq!(plan(&p, &cluster), "a: x");
}

#[test]
fn room_that_is_being_made_is_not_given_away() {
    // `high` waits for the room of `low` on `a`.
    let leaving = Arc::new(PodInfo { deleted: true, preempted: true, ..(*runs("a", "low", 0, "1", 0)).clone() });
    let mut high = wants(10, "2");
    high.wishes.as_mut().unwrap().nominated = Some("a".into());
    let mut cluster = Snapshot::new([node("a", json!({}))], [leaving]);
    cluster.nominate(Arc::new(PodInfo { uid: "high".into(), key: Key::new("d", "high"), ..high.clone() }), "a");
    // A less important pod would fit for the moment, and does not get in.
    check_place(&wants(5, "1"), &cluster, "0/1 nodes are available: 1 Insufficient cpu.");
    // A more important one does.
    check_place(&wants(20, "1"), &cluster, "a");
    // The one it is made for does not send more away meanwhile.
    let wait = "no new claims to deallocate, preemption: not eligible due to a terminating pod on the nominated node.";
    assert_eq!(plan(&high, &cluster), wait);
    cluster.displace("a", &Key::new("d", "low"));
    cluster.forget_nomination(&Key::new("d", "high"));
    check_place(&high, &cluster, "a");
}

#[track_caller]
fn check_place(pod: &PodInfo, cluster: &Snapshot, want: &str) {
    assert_eq!(place(pod, cluster), want);
}
