use expect_test::{Expect, expect};
use knarr_api::Value;

use super::grace_period;
use crate::kinds::testing::{created, defaulted, resource, text, tree};

#[track_caller]
fn create(group: &str, plural: &str, object: &str, path: &[&str], expected: Expect) {
    let object = created(resource(group, plural), tree(object));
    expected.assert_eq(&text(object.at(path).unwrap_or(&Value::Null)));
}

#[track_caller]
fn update(plural: &str, old: &str, new: &str, sub: &str, path: &[&str], expected: Expect) {
    update_in("", plural, old, new, sub, path, expected);
}

#[track_caller]
fn update_in(group: &str, plural: &str, old: &str, new: &str, sub: &str, path: &[&str], expected: Expect) {
    let resource = resource(group, plural);
    let old = tree(old);
    let mut new = defaulted(resource, tree(new));
    resource.hooks.prepare_update(&mut new, &old, sub);
    expected.assert_eq(&text(new.at(path).unwrap_or(&Value::Null)));
}

#[test]
fn how_pods_begin() {
    let class =
        |resources: &str| format!("{{spec: {{containers: [{{name: c, image: i, resources: {{{resources}}}}}]}}}}");
    let status = &["status"];
    create("", "pods", &class(""), status, expect![[r#"{"phase":"Pending","qosClass":"BestEffort"}"#]]);
    create(
        "",
        "pods",
        &class("requests: {cpu: 1}"),
        status,
        expect![[r#"{"phase":"Pending","qosClass":"Burstable"}"#]],
    );
    create(
        "",
        "pods",
        &class("limits: {cpu: 1, memory: 1}"),
        status,
        expect![[r#"{"phase":"Pending","qosClass":"Guaranteed"}"#]],
    );
    create(
        "",
        "pods",
        &class("limits: {cpu: 1, memory: 2}, requests: {memory: 1}"),
        status,
        expect![[r#"{"phase":"Pending","qosClass":"Burstable"}"#]],
    );
    create(
        "",
        "pods",
        &class("limits: {cpu: 0, memory: 0}"),
        status,
        expect![[r#"{"phase":"Pending","qosClass":"BestEffort"}"#]],
    );
    create(
        "",
        "pods",
        "{spec: {containers: [], schedulingGates: [{name: a}]}}",
        status,
        expect![[
            r#"{"conditions":[{"lastProbeTime":null,"lastTransitionTime":null,"message":"Scheduling is blocked due to non-empty scheduling gates","reason":"SchedulingGated","status":"False","type":"PodScheduled"}],"phase":"Pending","qosClass":"BestEffort"}"#
        ]],
    );
    create(
        "",
        "pods",
        "{metadata: {labels: {a: b}}, spec: {containers: [], topologySpreadConstraints: [{maxSkew: 1, topologyKey: k, whenUnsatisfiable: DoNotSchedule, labelSelector: {}, matchLabelKeys: [a, c]}]}}",
        &["spec", "topologySpreadConstraints"],
        expect![[
            r#"[{"labelSelector":{"matchExpressions":[{"key":"a","operator":"In","values":["b"]}]},"matchLabelKeys":["a","c"],"maxSkew":1,"topologyKey":"k","whenUnsatisfiable":"DoNotSchedule"}]"#
        ]],
    );
}

#[test]
fn what_pods_keep() {
    let old = "{spec: {containers: [{name: c, image: i}], nodeName: n1}, status: {qosClass: Burstable, observedGeneration: 3, conditions: [{type: Ready, status: 'True', observedGeneration: 2}]}}";
    update(
        "pods",
        old,
        "{spec: {containers: []}, status: {conditions: [{type: Ready, status: 'False'}]}}",
        "status",
        &["status"],
        expect![[
            r#"{"conditions":[{"lastProbeTime":null,"lastTransitionTime":null,"observedGeneration":2,"status":"False","type":"Ready"}],"observedGeneration":3,"qosClass":"Burstable"}"#
        ]],
    );
    update(
        "pods",
        old,
        "{spec: {containers: [{name: c, image: j, resources: {requests: {cpu: 1}}}]}}",
        "resize",
        &["spec"],
        expect![[r#"{"containers":[{"image":"i","name":"c","resources":{"requests":{"cpu":"1"}}}],"nodeName":"n1"}"#]],
    );
}

#[test]
fn how_long_pods_may_take() {
    let pod = |node: &str, phase: &str| {
        tree(&format!("{{spec: {{nodeName: {node}, terminationGracePeriodSeconds: 30}}, status: {{phase: {phase}}}}}"))
    };
    for (pod, wanted, granted) in [
        (pod("a", "Running"), None, 30),
        (pod("a", "Running"), Some(5), 5),
        (pod("a", "Running"), Some(-5), 1),
        (pod("''", "Pending"), Some(5), 0),
        (pod("a", "Failed"), None, 0),
    ] {
        assert_eq!(grace_period(&pod, wanted), granted);
    }
}

#[test]
fn services_change_their_type() {
    let old = "{spec: {type: LoadBalancer, clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1], ipFamilies: [IPv4], ipFamilyPolicy: SingleStack, externalTrafficPolicy: Local, healthCheckNodePort: 31000, allocateLoadBalancerNodePorts: true, loadBalancerClass: a/b, ports: [{port: 80, protocol: TCP, nodePort: 30080}]}}";
    for (kind, expected) in [
        (
            "NodePort",
            expect![[
                r#"{"clusterIP":"10.0.0.1","clusterIPs":["10.0.0.1"],"externalTrafficPolicy":"Local","internalTrafficPolicy":"Cluster","ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack","ports":[{"nodePort":30080,"port":80,"protocol":"TCP","targetPort":80}],"sessionAffinity":"None","type":"NodePort"}"#
            ]],
        ),
        (
            "ClusterIP",
            expect![[
                r#"{"clusterIP":"10.0.0.1","clusterIPs":["10.0.0.1"],"internalTrafficPolicy":"Cluster","ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack","ports":[{"port":80,"protocol":"TCP","targetPort":80}],"sessionAffinity":"None","type":"ClusterIP"}"#
            ]],
        ),
        (
            "ExternalName",
            expect![[
                r#"{"ports":[{"port":80,"protocol":"TCP","targetPort":80}],"sessionAffinity":"None","type":"ExternalName"}"#
            ]],
        ),
    ] {
        update("services", old, &old.replace("LoadBalancer,", &format!("{kind},")), "", &["spec"], expected);
    }
}

#[test]
fn the_rest() {
    create(
        "batch",
        "jobs",
        "{metadata: {name: j, uid: u}, spec: {template: {spec: {containers: []}}}}",
        &["spec", "selector"],
        expect![[r#"{"matchLabels":{"batch.kubernetes.io/controller-uid":"u"}}"#]],
    );
    create(
        "batch",
        "jobs",
        "{metadata: {name: j, uid: u}, spec: {manualSelector: true, template: {spec: {containers: []}}}}",
        &["spec", "selector"],
        expect!["null"],
    );
    create(
        "",
        "persistentvolumeclaims",
        "{spec: {dataSourceRef: {kind: K, name: a, apiGroup: g}}}",
        &["spec", "dataSource"],
        expect![[r#"{"apiGroup":"g","kind":"K","name":"a"}"#]],
    );
    create(
        "",
        "persistentvolumeclaims",
        "{spec: {dataSourceRef: {kind: K, name: a, apiGroup: g, namespace: other}}}",
        &["spec", "dataSource"],
        expect!["null"],
    );
    create(
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        "{spec: {versions: [{name: v1, storage: true}]}}",
        &["status"],
        expect![[r#"{"acceptedNames":{"kind":"","plural":""},"conditions":null,"storedVersions":["v1"]}"#]],
    );
}

#[test]
fn templates_of_daemon_sets_are_counted() {
    let set = |annotations: &str, image: &str| {
        format!(
            "{{metadata: {{name: d, annotations: {{{annotations}}}}}, spec: {{selector: {{}}, template: {{spec: \
             {{containers: [{{name: c, image: {image}}}]}}}}}}}}"
        )
    };
    let of = &["metadata", "annotations"];
    let counted = |n: u8| format!("deprecated.daemonset.template.generation: '{n}'");
    create("apps", "daemonsets", &set("", "i"), of, expect![[r#"{"deprecated.daemonset.template.generation":"1"}"#]]);
    create(
        "apps",
        "daemonsets",
        &set(&counted(7), "i"),
        of,
        expect![[r#"{"deprecated.daemonset.template.generation":"7"}"#]],
    );
    let old = text(&defaulted(resource("apps", "daemonsets"), tree(&set(&counted(2), "i"))));
    for (new, sub, expected) in [
        (set("a: b", "i"), "", expect![[r#"{"a":"b","deprecated.daemonset.template.generation":"2"}"#]]),
        (set(&counted(9), "j"), "", expect![[r#"{"deprecated.daemonset.template.generation":"3"}"#]]),
        (set(&counted(9), "j"), "status", expect![[r#"{"deprecated.daemonset.template.generation":"9"}"#]]),
    ] {
        update_in("apps", "daemonsets", &old, &new, sub, of, expected);
    }
}
