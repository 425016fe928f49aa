//! Pod affinity and anti-affinity: facts of upstream's tests.

use super::*;

const HOST: &str = "kubernetes.io/hostname";
const ZONE: &str = "topology.kubernetes.io/zone";

fn term(app: &str, topology: &str) -> Value {
    json!({"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": topology})
}

fn rules(near: Value, away: Value) -> Value {
    let kind = |terms: Value| json!({ "requiredDuringSchedulingIgnoredDuringExecution": terms });
    json!({"affinity": {"podAffinity": kind(near), "podAntiAffinity": kind(away)}})
}

fn app(name: &str) -> Value {
    json!({ "app": name })
}

fn zones() -> [Arc<NodeInfo>; 3] {
    [zoned("a", "z1"), zoned("b", "z1"), zoned("c", "z2")]
}

#[test]
fn near_others() {
    let web = pod("p", app("web"), rules(json!([term("db", ZONE)]), json!([])));
    let none = "0/3 nodes are available: 3 node(s) didn't match pod affinity rules.";
    check(&zones(), &[], &web, none);
    check(&zones(), &[on("c", "db", app("db"), json!({}))], &web, "c");
    // Two terms: both must hold in their own domains.
    let both = pod("p", app("web"), rules(json!([term("db", ZONE), term("db", HOST)]), json!([])));
    check(&zones(), &[on("b", "db", app("db"), json!({}))], &both, "b");
}

#[test]
fn the_first_of_a_group_is_near_itself() {
    let first = pod("p", app("web"), rules(json!([term("web", ZONE)]), json!([])));
    let nodes = [node("n", json!({})), zoned("a", "z1")];
    check(&nodes, &[], &first, "a");
    // Once there is one, the rule binds.
    check(&zones(), &[on("c", "w", app("web"), json!({}))], &first, "c");
    check(&nodes[..1], &[], &first, "0/1 nodes are available: 1 node(s) didn't match pod affinity rules.");
}

#[test]
fn away_from_others_and_they_from_it() {
    let web = pod("p", app("web"), rules(json!([]), json!([term("web", ZONE)])));
    check(&zones(), &[on("a", "w", app("web"), json!({}))], &web, "c");
    let why = "0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules.";
    check(&zones()[..2], &[on("a", "w", app("web"), json!({}))], &web, why);
    // The rule of one that is there holds against one that has none.
    let shy = on("a", "w", app("shy"), rules(json!([]), json!([term("web", ZONE)])));
    let plain = pod("p", app("web"), json!({}));
    check(&zones(), std::slice::from_ref(&shy), &plain, "c");
    let why = "0/2 nodes are available: 2 node(s) didn't satisfy existing pods anti-affinity rules.";
    check(&zones()[..2], &[shy], &plain, why);
    // A node outside all domains is away from everybody.
    let nodes = [zoned("a", "z1"), node("n", json!({}))];
    check(&nodes, &[on("a", "w", app("web"), json!({}))], &web, "n");
}

#[test]
fn namespaces() {
    let elsewhere = |spec: Value| {
        let p = json!({"metadata": {"name": "o", "namespace": "other", "uid": "o", "labels": {"app": "web"}}, "spec": spec});
        Arc::new(Projector::default().project(&object(&p)).unwrap().on("a"))
    };
    let with = |more: Value| {
        let mut t = term("web", HOST);
        merge(&mut t, more);
        pod("p", app("x"), rules(json!([]), json!([t])))
    };
    let mut cluster = Snapshot::new([node("a", json!({}))], [elsewhere(json!({}))]);
    cluster.namespaces.insert("other".into(), vec![("team".into(), "t".into())].into());
    let why = "0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules.";
    for (more, want) in [
        (json!({}), "a"),
        (json!({"namespaces": ["other"]}), why),
        (json!({"namespaceSelector": {}}), why),
        (json!({"namespaceSelector": {"matchLabels": {"team": "t"}}}), why),
        (json!({"namespaceSelector": {"matchLabels": {"team": "u"}}}), "a"),
        (json!({"namespaces": ["x"], "namespaceSelector": {"matchLabels": {"team": "t"}}}), why),
    ] {
        assert_eq!(place(&with(more.clone()), &cluster), want, "{more}");
    }
}

#[test]
fn label_keys() {
    let with = |more: Value| {
        let mut t = term("web", HOST);
        merge(&mut t, more);
        pod("p", json!({"app": "web", "hash": "2"}), rules(json!([]), json!([t])))
    };
    let old = [on("a", "o", json!({"app": "web", "hash": "1"}), json!({}))];
    let why = "0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules.";
    let nodes = [node("a", json!({}))];
    check(&nodes, &old, &with(json!({})), why);
    check(&nodes, &old, &with(json!({"matchLabelKeys": ["hash"]})), "a");
    check(&nodes, &old, &with(json!({"mismatchLabelKeys": ["hash"]})), why);
}

#[test]
fn preferences_of_both_sides() {
    let likes = |kind: &str, weight: i64, app: &str| {
        json!({"affinity": {kind: {"preferredDuringSchedulingIgnoredDuringExecution":
            [{"weight": weight, "podAffinityTerm": term(app, ZONE)}]}}})
    };
    let db = on("c", "db", app("db"), json!({}));
    check(&zones(), std::slice::from_ref(&db), &pod("p", app("web"), likes("podAffinity", 100, "db")), "c");
    let away = pod("p", app("web"), likes("podAntiAffinity", 100, "db"));
    assert_ne!(place(&away, &Snapshot::new(zones(), [db])), "c");
    // The one that is there likes the newcomer.
    let fond = on("c", "db", app("db"), likes("podAffinity", 100, "web"));
    check(&zones(), &[fond], &pod("p", app("web"), json!({})), "c");
}
