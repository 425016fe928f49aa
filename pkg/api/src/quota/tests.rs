use serde_json::{Value, json};

use super::*;

fn quota(spec: Value, used: Value) -> Quota {
    let hard = spec["hard"].clone();
    serde_json::from_value(json!({"metadata": {"name": "q"}, "spec": spec, "status": {"hard": hard, "used": used}}))
        .unwrap()
}

fn charge(kind: &Kind, object: Value) -> Charge {
    kind.charge(object).unwrap()
}

fn show(list: &ResourceList) -> String {
    list.iter().map(|(name, n)| format!("{name}={n}")).collect::<Vec<_>>().join(" ")
}

fn pods() -> Kind {
    Kind::of("", "pods")
}

fn pod(spec: Value) -> Value {
    json!({"metadata": {"name": "p"}, "spec": spec})
}

fn container(name: &str, requests: Value, limits: Value) -> Value {
    json!({"name": name, "resources": {"requests": requests, "limits": limits}})
}

/// What objects cost: facts of upstream's evaluators.
#[test]
fn costs() {
    let services = Kind::of("", "services");
    let claims = Kind::of("", "persistentvolumeclaims");
    let table = [
        (Kind::of("apps", "deployments"), json!({"metadata": {}}), "count/deployments.apps=1"),
        (Kind::of("", "secrets"), json!({"metadata": {}}), "count/secrets=1 secrets=1"),
        (
            pods(),
            pod(
                json!({"containers": [container("c", json!({"cpu": "1m", "example.com/gpu": "3"}), json!({"cpu": "2m", "memory": "1Gi"}))]}),
            ),
            "count/pods=1 cpu=1m limits.cpu=2m limits.memory=1Gi pods=1 requests.cpu=1m requests.example.com/gpu=3",
        ),
        (
            pods(),
            pod(
                json!({"containers": [container("c", json!({"ephemeral-storage": "32Mi", "hugepages-2Mi": "100Mi"}), json!({"ephemeral-storage": "64Mi"}))]}),
            ),
            "count/pods=1 ephemeral-storage=32Mi hugepages-2Mi=100Mi limits.ephemeral-storage=64Mi pods=1 requests.ephemeral-storage=32Mi requests.hugepages-2Mi=100Mi",
        ),
        (
            pods(),
            json!({"metadata": {}, "spec": {"containers": [container("c", json!({"cpu": "1"}), json!({}))]}, "status": {"phase": "Failed"}}),
            "count/pods=1",
        ),
        (
            services.clone(),
            json!({"metadata": {}, "spec": {"type": "ClusterIP", "ports": [{"port": 1}]}}),
            "count/services=1 services=1 services.loadbalancers=0 services.nodeports=0",
        ),
        (
            services.clone(),
            json!({"metadata": {}, "spec": {"type": "NodePort", "ports": [{"port": 1}, {"port": 2}]}}),
            "count/services=1 services=1 services.loadbalancers=0 services.nodeports=2",
        ),
        (
            services.clone(),
            json!({"metadata": {}, "spec": {"type": "LoadBalancer", "ports": [{"port": 1}]}}),
            "count/services=1 services=1 services.loadbalancers=1 services.nodeports=1",
        ),
        (
            services,
            json!({"metadata": {}, "spec": {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": false, "ports": [{"port": 1, "nodePort": 30000}, {"port": 2}]}}),
            "count/services=1 services=1 services.loadbalancers=1 services.nodeports=1",
        ),
        (
            claims.clone(),
            json!({"metadata": {}, "spec": {"resources": {"requests": {"storage": "10Gi"}}}}),
            "count/persistentvolumeclaims=1 persistentvolumeclaims=1 requests.storage=10Gi",
        ),
        (
            claims.clone(),
            json!({"metadata": {}, "spec": {"storageClassName": "gold", "resources": {"requests": {"storage": "10Gi"}}}, "status": {"allocatedResources": {"storage": "11Gi"}}}),
            "count/persistentvolumeclaims=1 gold.storageclass.storage.k8s.io/persistentvolumeclaims=1 gold.storageclass.storage.k8s.io/requests.storage=11Gi persistentvolumeclaims=1 requests.storage=11Gi",
        ),
        (
            claims,
            json!({"metadata": {}, "spec": {"resources": {"requests": {"storage": "1100m"}}}}),
            "count/persistentvolumeclaims=1 persistentvolumeclaims=1 requests.storage=2",
        ),
    ];
    for (kind, object, want) in table {
        assert_eq!(show(&charge(&kind, object.clone()).usage), want, "{object}");
    }
}

#[test]
fn names_are_about_kinds() {
    for (name, of_pods, of_claims) in [
        ("cpu", true, false),
        ("limits.ephemeral-storage", true, false),
        ("requests.hugepages-2Mi", true, false),
        ("requests.example.com/gpu", true, false),
        ("requests.kubernetes.io/x", false, false),
        ("count/pods", true, false),
        ("requests.storage", false, true),
        ("gold.storageclass.storage.k8s.io/persistentvolumeclaims", false, true),
        ("configmaps", false, false),
    ] {
        let claims = Kind::of("", "persistentvolumeclaims");
        assert_eq!((pods().counts(name), claims.counts(name)), (of_pods, of_claims), "{name}");
    }
}

/// One write a line: quotas by limits and usage, what is created, what comes of it.
#[test]
fn admission() {
    let c = container("c", json!({"cpu": "100m", "memory": "1Gi"}), json!({}));
    let plain =
        pod(json!({"containers": [container("a", json!({}), json!({})), container("b", json!({}), json!({}))]}));
    let asks = pod(json!({ "containers": [c] }));
    let table = [
        (quota(json!({"hard": {"pods": "2"}}), json!({"pods": "1"})), &plain, "pods=2"),
        (
            quota(json!({"hard": {"pods": "1"}}), json!({"pods": "1"})),
            &plain,
            "exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1",
        ),
        (
            quota(
                json!({"hard": {"requests.cpu": "150m", "memory": "3Gi"}}),
                json!({"requests.cpu": "100m", "memory": "1Gi"}),
            ),
            &asks,
            "exceeded quota: q, requested: requests.cpu=100m, used: requests.cpu=100m, limited: requests.cpu=150m",
        ),
        (
            quota(
                json!({"hard": {"requests.cpu": "200m", "memory": "3Gi"}}),
                json!({"requests.cpu": "100m", "memory": "1Gi"}),
            ),
            &asks,
            "memory=2Gi requests.cpu=200m",
        ),
        (
            quota(json!({"hard": {"cpu": "1", "limits.memory": "1Gi"}}), json!({"cpu": "0", "limits.memory": "0"})),
            &plain,
            "failed quota: q: must specify cpu for: a,b; limits.memory for: a,b",
        ),
        (
            quota(json!({"hard": {"pods": "1", "cpu": "1"}}), json!({"pods": "0"})),
            &asks,
            "status unknown for quota: q, resources: cpu,pods",
        ),
        (quota(json!({"hard": {"secrets": "1"}}), json!({"secrets": "0"})), &asks, ""),
        // A limit already exceeded in what the object does not take is nobody's business.
        (
            quota(json!({"hard": {"pods": "5", "configmaps": "1"}}), json!({"pods": "0", "configmaps": "3"})),
            &asks,
            "configmaps=3 pods=1",
        ),
        (quota(json!({"hard": {"pods": "1"}, "scopes": ["BestEffort"]}), json!({"pods": "1"})), &asks, ""),
        (
            quota(json!({"hard": {"pods": "1"}, "scopes": ["NotBestEffort"]}), json!({"pods": "1"})),
            &asks,
            "exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1",
        ),
    ];
    for (quota, object, want) in table {
        let got = match admit(&pods(), std::slice::from_ref(&quota), &charge(&pods(), object.clone()), None) {
            Ok(changed) => changed.iter().map(|(_, used)| show(used)).collect::<Vec<_>>().join("; "),
            Err(why) => why.to_string(),
        };
        assert_eq!(got, want, "{quota:?}");
    }
}

#[test]
fn a_change_is_charged_with_what_it_adds() {
    let services = Kind::of("", "services");
    let of = |kind: &str| charge(&services, json!({"metadata": {}, "spec": {"type": kind, "ports": [{}, {}]}}));
    let q = [quota(
        json!({"hard": {"services.nodeports": "2", "services": "1"}}),
        json!({"services.nodeports": "0", "services": "1"}),
    )];
    let changed = admit(&services, &q, &of("NodePort"), Some(&of("ClusterIP"))).unwrap();
    assert_eq!(show(&changed[0].1), "services=1 services.nodeports=2");
    assert_eq!(admit(&services, &q, &of("ClusterIP"), Some(&of("NodePort"))), Ok(Vec::new()));
}

#[test]
fn scopes() {
    let selector = |scope: &str, operator: &str, values: &[&str]| Selector {
        scope_name: scope.into(),
        operator: operator.into(),
        values: values.iter().map(|v| Str::from(*v)).collect(),
    };
    let best = charge(&pods(), pod(json!({"containers": [{}], "priorityClassName": "high"})));
    let burst = charge(
        &pods(),
        pod(json!({"activeDeadlineSeconds": 5, "containers": [container("c", json!({}), json!({"cpu": "1"}))],
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"namespaces": ["x"]}]}}})),
    );
    let number = charge(&Kind::of("", "secrets"), json!({}));
    for (scope, operator, values, want) in [
        ("Terminating", "Exists", &[][..], (false, true)),
        ("NotTerminating", "Exists", &[], (true, false)),
        ("BestEffort", "Exists", &[], (true, false)),
        ("NotBestEffort", "Exists", &[], (false, true)),
        ("CrossNamespacePodAffinity", "Exists", &[], (false, true)),
        ("PriorityClass", "Exists", &[], (true, false)),
        ("PriorityClass", "In", &["high", "low"], (true, false)),
        ("PriorityClass", "NotIn", &["high"], (false, true)),
        ("PriorityClass", "DoesNotExist", &[], (false, true)),
    ] {
        let selector = selector(scope, operator, values);
        assert_eq!((selector.matches(&best), selector.matches(&burst)), want, "{scope} {operator} {values:?}");
        assert!(!selector.matches(&number), "{scope}");
    }
}

#[test]
fn counting_everything() {
    let q = quota(
        json!({"hard": {"pods": "9", "requests.cpu": "9", "secrets": "1"}, "scopes": ["NotBestEffort"]}),
        json!({}),
    );
    let of =
        |cpu: &str| charge(&pods(), pod(json!({"containers": [container("c", json!({ "cpu": cpu }), json!({}))]})));
    let best = charge(&pods(), pod(json!({"containers": [{}]})));
    assert_eq!(show(&q.used(&pods(), [&of("1"), &of("500m"), &best])), "pods=2 requests.cpu=1500m");
    assert_eq!(show(&q.used(&Kind::of("", "secrets"), [])), "secrets=0");
}
