//! The scheduler against a simple model: whatever it decides, no node is overcommitted and every rule holds.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
struct Case {
    cpu: i64,
    port: Option<u16>,
    app: u8,
    shy: bool,
    spread: bool,
    zone: Option<u8>,
}

fn case() -> impl Strategy<Value = Case> {
    let port = prop::option::weighted(0.3, 80u16..83);
    (0i64..900, port, 0u8..3, prop::bool::weighted(0.2), prop::bool::weighted(0.3), prop::option::weighted(0.2, 0u8..3))
        .prop_map(|(cpu, port, app, shy, spread, zone)| Case { cpu, port, app, shy, spread, zone })
}

fn build(i: usize, c: &Case) -> PodInfo {
    let mut spec = json!({"containers": [{"resources": {"requests": {"cpu": format!("{}m", c.cpu)}}}]});
    if let Some(port) = c.port {
        spec["containers"][0]["ports"] = json!([{ "hostPort": port }]);
    }
    let mine = json!({"matchLabels": {"app": c.app.to_string()}});
    if c.shy {
        spec["affinity"] = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
            [{"labelSelector": mine, "topologyKey": "kubernetes.io/hostname"}]}});
    }
    if c.spread {
        spec["topologySpreadConstraints"] = json!([{"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone",
            "whenUnsatisfiable": "DoNotSchedule", "labelSelector": mine}]);
    }
    if let Some(zone) = c.zone {
        spec["nodeSelector"] = json!({"topology.kubernetes.io/zone": format!("z{zone}")});
    }
    pod(&format!("p{i}"), json!({"app": c.app.to_string()}), spec)
}

/// Whether `c` may stand on node `n` (zone `n % 3`) beside those placed, by the plain meaning of its wishes.
fn allowed(c: &Case, n: usize, placed: &[(Case, usize)], nodes: usize) -> bool {
    let here = || placed.iter().filter(|(_, m)| *m == n).map(|(c, _)| c);
    let same = |o: &&Case| o.app == c.app;
    let zone_count = |zone: usize| placed.iter().filter(|(o, m)| m % 3 == zone && o.app == c.app).count();
    let zones: Vec<usize> = (0..nodes.min(3)).filter(|z| c.zone.is_none_or(|want| usize::from(want) == *z)).collect();
    here().map(|o| o.cpu).sum::<i64>() + c.cpu <= if c.cpu > 0 { 2000 } else { i64::MAX }
        && here().count() < 10
        && !here().any(|o| o.port.is_some() && o.port == c.port)
        && c.zone.is_none_or(|z| usize::from(z) == n % 3)
        && !(c.shy && here().any(|o| same(&o)))
        && !here().any(|o| o.shy && o.app == c.app)
        && (!c.spread || zone_count(n % 3) < zones.iter().map(|z| zone_count(*z)).min().unwrap_or(0) + 1)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn every_decision_holds(cases in prop::collection::vec(case(), 1..40), nodes in 1usize..7) {
        let all = (0..nodes).map(|n| zoned(&format!("n{n}"), &format!("z{}", n % 3)));
        let mut cluster = Snapshot::new(all, []);
        let mut placed: Vec<(Case, usize)> = Vec::new();
        for (i, c) in cases.iter().enumerate() {
            let p = build(i, c);
            let possible: Vec<usize> = (0..nodes).filter(|n| allowed(c, *n, &placed, nodes)).collect();
            match schedule(&p, &cluster) {
                Ok(name) => {
                    let n: usize = name[1..].parse().unwrap();
                    prop_assert!(possible.contains(&n), "{c:?} on {name}, possible {possible:?}");
                    placed.push((c.clone(), n));
                    cluster.place(Arc::new(p.on(&name)));
                }
                Err(why) => prop_assert!(possible.is_empty(), "{c:?}: {why}, possible {possible:?}"),
            }
        }
    }
}
