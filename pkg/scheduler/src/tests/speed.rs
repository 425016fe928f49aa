//! How long decisions take. The bound is far above what is needed, so that a busy machine does not fail it; the figure is
//! printed: `cargo test -p knarr-scheduler speed -- --nocapture`.

use std::time::{Duration, Instant};

use super::*;

fn cluster() -> Snapshot {
    let nodes = (0..100).map(|i| {
        let more = json!({"metadata": {"labels": {"topology.kubernetes.io/zone": format!("z{}", i % 3)}},
            "status": {"allocatable": {"cpu": "16", "memory": "64Gi", "pods": "110"}}});
        node(&format!("n{i}"), more)
    });
    Snapshot::new(nodes, [])
}

fn run(what: &str, make: impl Fn(usize) -> PodInfo) -> Duration {
    let mut cluster = cluster();
    let pods: Vec<PodInfo> = (0..1000).map(make).collect();
    let start = Instant::now();
    for pod in pods {
        let node = schedule(&pod, &cluster).unwrap();
        cluster.place(Arc::new(pod.on(&node)));
    }
    let took = start.elapsed();
    println!("1,000 pods over 100 nodes, {what}: {took:?}");
    took
}

#[test]
fn a_thousand_pods_over_a_hundred_nodes() {
    let plain = run("plain", |i| pod(&format!("p{i}"), json!({"app": "web"}), asks("100m", "100Mi")));
    let ruled = run("with affinity and spread", |i| {
        let mine = json!({"matchLabels": {"app": "web"}});
        let mut spec = asks("100m", "100Mi");
        spec["topologySpreadConstraints"] = json!([{"maxSkew": 1, "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "DoNotSchedule", "labelSelector": mine}]);
        spec["affinity"] = json!({"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution":
            [{"weight": 1, "podAffinityTerm": {"labelSelector": mine, "topologyKey": "topology.kubernetes.io/zone"}}]}});
        pod(&format!("p{i}"), json!({"app": "web"}), spec)
    });
    assert!(plain < Duration::from_secs(10) && ruled < Duration::from_secs(60), "{plain:?} {ruled:?}");
}
