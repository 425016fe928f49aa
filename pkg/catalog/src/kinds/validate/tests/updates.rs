use expect_test::{Expect, expect};

use super::spot;
use crate::kinds::testing::{created, merge, resource, tree, update};

/// Lays each case over the object as it was.
#[track_caller]
pub(super) fn check(kind: (&str, &str), base: &str, sub: &str, cases: &[(&[&str], &str)], expected: Expect) {
    let resource = resource(kind.0, kind.1);
    let mut old = created(resource, tree(base));
    if let Some(status) = tree(base).get("status") {
        merge(&mut old, knarr_api::value!({ "status": status.clone() }));
    }
    let mut out = String::new();
    for (path, case) in cases {
        let mut new = old.clone();
        merge(spot(&mut new, path), tree(&format!("{{{case}}}")));
        out.push_str(&format!("{case}\n{}", update(resource, &old, new, sub)));
    }
    expected.assert_eq(&out);
}

#[test]
fn pods() {
    let base = "{metadata: {name: p}, spec: {containers: [{name: c, image: i}], activeDeadlineSeconds: 10, tolerations: [{key: a, operator: Exists}]}}";
    check(
        ("", "pods"),
        base,
        "",
        &[
            (&["metadata"], "labels: {a: b}"),
            (&["spec", "containers", "0"], "image: j"),
            (&["spec", "containers", "0"], "image: ''"),
            (&["spec", "containers", "0"], "command: [a]"),
            (&["spec"], "containers: [{name: c, image: i}, {name: d, image: i}]"),
            (&["spec"], "nodeName: n1"),
            (&["spec"], "activeDeadlineSeconds: 5"),
            (&["spec"], "activeDeadlineSeconds: 11"),
            (&["spec"], "activeDeadlineSeconds: null"),
            (&["spec"], "tolerations: [{key: a, operator: Exists}, {key: b, operator: Exists}]"),
            (&["spec"], "tolerations: []"),
            (&["spec"], "schedulingGates: [{name: g}]"),
            (&["spec"], "ephemeralContainers: [{name: e, image: i}]"),
            (&["metadata"], "annotations: {kubernetes.io/config.mirror: x}"),
        ],
        expect![[r#"
            labels: {a: b}
            image: j
            image: ''
                spec.containers[0].image: Required value
            command: [a]
                spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)
            - containers: [{"image":"i","imagePullPolicy":"Always","name":"c","resources":{},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File"}]
            + containers: [{"command":["a"],"image":"i","imagePullPolicy":"Always","name":"c","resources":{},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File"}]

            containers: [{name: c, image: i}, {name: d, image: i}]
                spec.containers: Forbidden: pod updates may not add or remove containers
            nodeName: n1
                spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)
            - nodeName: 
            + nodeName: "n1"

            activeDeadlineSeconds: 5
            activeDeadlineSeconds: 11
                spec.activeDeadlineSeconds: Invalid value: 11: must be less than or equal to previous value
            activeDeadlineSeconds: null
                spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value
            tolerations: [{key: a, operator: Exists}, {key: b, operator: Exists}]
            tolerations: []
                spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds
            schedulingGates: [{name: g}]
                spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate '{g}'
            ephemeralContainers: [{name: e, image: i}]
                spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)
            - ephemeralContainers: 
            + ephemeralContainers: [{"image":"i","imagePullPolicy":"Always","name":"e","resources":{},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File"}]

            annotations: {kubernetes.io/config.mirror: x}
                metadata.annotations[kubernetes.io/config.mirror]: Invalid value: "x": must set spec.nodeName if mirror pod annotation is set
                metadata.annotations[kubernetes.io/config.mirror]: Forbidden: may not add mirror pod annotation
        "#]],
    );
    check(
        ("", "pods"),
        "{metadata: {name: p}, spec: {containers: [{name: c, image: i}], schedulingGates: [{name: g}], nodeSelector: {a: b}}}",
        "",
        &[
            (&["spec"], "schedulingGates: []"),
            (&["spec"], "nodeSelector: {a: b, c: d}"),
            (&["spec"], "nodeSelector: {a: c}"),
            (
                &["spec"],
                "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}]}]}}}",
            ),
        ],
        expect![[r#"
            schedulingGates: []
            nodeSelector: {a: b, c: d}
            nodeSelector: {a: c}
                spec.nodeSelector: Invalid value: {"a":"c"}: only additions to spec.nodeSelector are allowed (no mutations or deletions)
            affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}]}]}}}
        "#]],
    );
}

#[test]
fn subresources_of_pods() {
    let base = "{metadata: {name: p}, spec: {restartPolicy: Never, nodeName: n1, containers: [{name: c, image: i, resources: {requests: {cpu: 1}}}]}, status: {phase: Running, qosClass: Burstable, containerStatuses: [{name: c, image: i, imageID: i, ready: false, restartCount: 0, state: {terminated: {exitCode: 1}}}]}}";
    check(
        ("", "pods"),
        base,
        "status",
        &[
            (&["status"], "phase: Failed"),
            (&["status"], "qosClass: BestEffort"),
            (&["status"], "nominatedNodeName: m"),
            (&["status"], "podIPs: [{ip: 10.0.0.1}, {ip: 10.0.0.2}], podIP: 10.0.0.1"),
            (&["status", "containerStatuses", "0"], "state: {running: {}}"),
        ],
        expect![[r#"
            phase: Failed
            qosClass: BestEffort
                status.qosClass: Invalid value: "BestEffort": field is immutable
            nominatedNodeName: m
                status.nominatedNodeName: Forbidden: may not be set on pods that are already bound to a node
            podIPs: [{ip: 10.0.0.1}, {ip: 10.0.0.2}], podIP: 10.0.0.1
                status.podIPs: Invalid value: [{"ip":"10.0.0.1"},{"ip":"10.0.0.2"}]: may specify no more than one IP for each IP family
            state: {running: {}}
                status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state
        "#]],
    );
    check(
        ("", "pods"),
        base,
        "ephemeralcontainers",
        &[
            (&["spec"], "ephemeralContainers: [{name: e, image: i}]"),
            (&["spec"], "ephemeralContainers: [{name: c, image: i}]"),
        ],
        expect![[r#"
            ephemeralContainers: [{name: e, image: i}]
            ephemeralContainers: [{name: c, image: i}]
                spec.ephemeralContainers[0].name: Duplicate value: "c"
        "#]],
    );
    check(
        ("", "pods"),
        base,
        "resize",
        &[
            (&["spec", "containers", "0"], "resources: {requests: {cpu: 2}}"),
            (&["spec", "containers", "0"], "resources: {}"),
            (&["spec", "containers", "0"], "resources: {requests: {cpu: 1, ephemeral-storage: 1}}"),
            (&["spec", "containers", "0"], "name: d"),
        ],
        expect![[r#"
            resources: {requests: {cpu: 2}}
            resources: {}
                spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed
            resources: {requests: {cpu: 1, ephemeral-storage: 1}}
                spec: Forbidden: only cpu and memory resources are mutable
            name: d
                spec.containers[0].name: Forbidden: containers may not be renamed or reordered on resize
                spec: Forbidden: only cpu and memory resources are mutable
        "#]],
    );
}

#[test]
fn what_stays() {
    let pod =
        "template: {metadata: {labels: {a: b}}, spec: {restartPolicy: Always, containers: [{name: c, image: i}]}}";
    let set = format!("{{metadata: {{name: w}}, spec: {{selector: {{matchLabels: {{a: b}}}}, {pod}}}}}");
    check(
        ("apps", "deployments"),
        &set,
        "",
        &[(&["spec"], "replicas: 5"), (&["spec"], "selector: {matchLabels: {a: b, c: d}}")],
        expect![[r#"
            replicas: 5
            selector: {matchLabels: {a: b, c: d}}
                spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match template `labels`
                spec.selector: Invalid value: {"matchLabels":{"a":"b","c":"d"}}: field is immutable
        "#]],
    );
    check(
        ("apps", "statefulsets"),
        &set,
        "",
        &[(&["spec"], "replicas: 5"), (&["spec"], "serviceName: s")],
        expect![[r#"
            replicas: 5
            serviceName: s
                spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden
        "#]],
    );
    let job = format!("{{metadata: {{name: j, uid: u}}, spec: {{{}}}}}", pod.replace("Always", "Never"));
    check(
        ("batch", "jobs"),
        &job,
        "",
        &[
            (&["spec"], "parallelism: 5"),
            (&["spec"], "completions: 5"),
            (&["spec", "template", "spec", "containers", "0"], "image: j"),
        ],
        expect![[r#"
            parallelism: 5
            completions: 5
                spec.completions: Invalid value: 5: field is immutable
            image: j
                spec.template: Invalid value: {"metadata":{"labels":{"a":"b","batch.kubernetes.io/controller-uid":"u","batch.kubernetes.io/job-name":"j","controller-uid":"u","job-name":"j"}},"spec":{"containers":[{"image":"j","imagePullPolicy":"Always","name":"c","resources":{},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File"}],"dnsPolicy":"ClusterFirst","restartPolicy":"Never","schedulerName":"default-scheduler","securityContext":{},"terminationGracePeriodSeconds":30}}: field is immutable
        "#]],
    );
    check(
        ("", "services"),
        "{metadata: {name: s}, spec: {clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1], ports: [{port: 80}]}}",
        "",
        &[
            (&["spec"], "clusterIP: 10.0.0.2, clusterIPs: [10.0.0.2]"),
            (&["spec"], "type: ExternalName, externalName: a.b"),
            (&["spec"], "clusterIP: '', clusterIPs: []"),
        ],
        expect![[r#"
            clusterIP: 10.0.0.2, clusterIPs: [10.0.0.2]
                spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set
            type: ExternalName, externalName: a.b
            clusterIP: '', clusterIPs: []
        "#]],
    );
    check(
        ("", "configmaps"),
        "{metadata: {name: c}, immutable: true, data: {a: b}}",
        "",
        &[(&["metadata"], "labels: {a: b}"), (&["data"], "a: c"), (&[], "immutable: false")],
        expect![[r#"
            labels: {a: b}
            a: c
                data: Forbidden: field is immutable when `immutable` is set
            immutable: false
                immutable: Forbidden: field is immutable when `immutable` is set
        "#]],
    );
    check(
        ("", "secrets"),
        "{metadata: {name: s}}",
        "",
        &[(&[], "type: mine")],
        expect![[r#"
        type: mine
            type: Invalid value: "mine": field is immutable
    "#]],
    );
    check(
        ("rbac.authorization.k8s.io", "rolebindings"),
        "{metadata: {name: b}, roleRef: {kind: Role, name: r}}",
        "",
        &[(&["roleRef"], "name: s")],
        expect![[r#"
            name: s
                roleRef: Invalid value: {"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"s"}: cannot change roleRef
        "#]],
    );
    check(
        ("", "nodes"),
        "{metadata: {name: n1}, spec: {podCIDR: 10.0.0.0/24, providerID: a}}",
        "",
        &[
            (&["spec"], "podCIDR: 10.0.1.0/24, podCIDRs: [10.0.1.0/24], providerID: b"),
            (&["spec"], "unschedulable: true"),
        ],
        expect![[r#"
            podCIDR: 10.0.1.0/24, podCIDRs: [10.0.1.0/24], providerID: b
                spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid
                spec.providerID: Forbidden: node updates may not change providerID except from "" to valid
            unschedulable: true
        "#]],
    );
    check(
        ("", "persistentvolumeclaims"),
        "{metadata: {name: c}, spec: {accessModes: [ReadWriteOnce], volumeName: v, resources: {requests: {storage: 2Gi}}}, status: {phase: Bound, capacity: {storage: 2Gi}}}",
        "",
        &[
            (&["spec", "resources"], "requests: {storage: 3Gi}"),
            (&["spec", "resources"], "requests: {storage: 1Gi}"),
            (&["spec"], "accessModes: [ReadOnlyMany]"),
        ],
        expect![[r#"
            requests: {storage: 3Gi}
            requests: {storage: 1Gi}
                spec.resources.requests.storage: Forbidden: field can not be less than status.capacity
            accessModes: [ReadOnlyMany]
                spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims

        "#]],
    );
    check(
        ("scheduling.k8s.io", "priorityclasses"),
        "{metadata: {name: p}, value: 1}",
        "",
        &[(&[], "value: 2, preemptionPolicy: Never")],
        expect![[r#"
            value: 2, preemptionPolicy: Never
                value: Forbidden: may not be changed in an update.
                preemptionPolicy: Invalid value: "Never": field is immutable
        "#]],
    );
    check(
        ("", "namespaces"),
        "{metadata: {name: n1}}",
        "status",
        &[(&["status"], "phase: Terminating")],
        expect![[r#"
            phase: Terminating
                status.Phase: Invalid value: "Terminating": may only be 'Active' if `deletionTimestamp` is empty
        "#]],
    );
}

#[test]
fn statuses_of_sets() {
    let base = |more: &str| {
        format!(
            "{{metadata: {{name: w}}, spec: {{selector: {{matchLabels: {{a: b}}}}, template: {{metadata: {{labels: {{a: b}}}}, \
             spec: {{containers: [{{name: c, image: i}}]}}}}}}, status: {{{more}}}}}"
        )
    };
    check(
        ("apps", "statefulsets"),
        &base("replicas: 2, collisionCount: 2"),
        "status",
        &[
            (&["status"], "currentReplicas: 3, updatedReplicas: 3"),
            (&["status"], "readyReplicas: 1, availableReplicas: 2"),
            (&["status"], "collisionCount: 1, currentReplicas: -1"),
        ],
        expect![[r#"
            currentReplicas: 3, updatedReplicas: 3
                status.currentReplicas: Invalid value: 3: cannot be greater than status.replicas
                status.updatedReplicas: Invalid value: 3: cannot be greater than status.replicas
            readyReplicas: 1, availableReplicas: 2
                status.availableReplicas: Invalid value: 2: cannot be greater than readyReplicas
            collisionCount: 1, currentReplicas: -1
                status.currentReplicas: Invalid value: -1: must be greater than or equal to 0
                status.collisionCount: Invalid value: 1: cannot be decremented
        "#]],
    );
    check(
        ("apps", "daemonsets"),
        &base("collisionCount: 2"),
        "status",
        &[(&["status"], "numberReady: -1"), (&["status"], "collisionCount: null"), (&["status"], "collisionCount: 3")],
        expect![[r#"
            numberReady: -1
                status.numberReady: Invalid value: -1: must be greater than or equal to 0
            collisionCount: null
                status.collisionCount: Invalid value: 0: cannot be decremented
            collisionCount: 3
        "#]],
    );
    check(
        ("autoscaling", "horizontalpodautoscalers"),
        "{metadata: {name: h}, spec: {maxReplicas: 3, scaleTargetRef: {kind: Deployment, name: d, apiVersion: apps/v1}}}",
        "status",
        &[(&[], "status: {currentReplicas: -1, desiredReplicas: -1}")],
        expect![[r#"
            status: {currentReplicas: -1, desiredReplicas: -1}
                status.currentReplicas: Invalid value: -1: must be greater than or equal to 0
                status.desiredReplicas: Invalid value: -1: must be greater than or equal to 0
        "#]],
    );
}

#[test]
fn revisions() {
    check(
        ("apps", "controllerrevisions"),
        "{metadata: {name: r}, revision: 1, data: {a: b}}",
        "",
        &[(&[], "revision: 2"), (&[], "revision: -1"), (&[], "data: {a: c}"), (&[], "data: null"), (&[], "data: [a]")],
        expect![[r#"
            revision: 2
            revision: -1
                revision: Invalid value: -1: must be greater than or equal to 0
            data: {a: c}
                data: Invalid value: {"a":"c"}: field is immutable
            data: null
                data: Required value: data is mandatory
                data: Invalid value: null: field is immutable
            data: [a]
                data: Required value: data must be a valid JSON object
                data: Invalid value: ["a"]: field is immutable
        "#]],
    );
}
