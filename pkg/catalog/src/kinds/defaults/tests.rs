//! What the defaults of a kind add to the least one can write. Static defaults stand among them.

use expect_test::{Expect, expect};
use knarr_api::Value;

use crate::kinds::testing::{defaulted, resource, text, tree};

/// Shows one member of the defaulted object.
#[track_caller]
fn check(group: &str, plural: &str, object: &str, path: &[&str], expected: Expect) {
    let object = defaulted(resource(group, plural), tree(object));
    expected.assert_eq(&text(object.at(path).unwrap_or(&Value::Null)));
}

#[test]
fn pods() {
    check(
        "",
        "pods",
        "{spec: {hostNetwork: true, serviceAccount: s, volumes: [{name: e}, {name: h, hostPath: {path: /}}, {name: i, image: {reference: 'a:1'}}, {name: d, downwardAPI: {items: [{path: p, fieldRef: {fieldPath: metadata.name}}]}}], initContainers: [{name: i, image: 'x:latest'}], containers: [{name: c, image: 'x:1', ports: [{containerPort: 80}], env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}], resources: {limits: {cpu: 1, memory: 1u}, requests: {cpu: 500m}}}]}}",
        &["spec"],
        expect![[
            r#"{"containers":[{"env":[{"name":"A","valueFrom":{"fieldRef":{"apiVersion":"v1","fieldPath":"metadata.name"}}}],"image":"x:1","imagePullPolicy":"IfNotPresent","name":"c","ports":[{"containerPort":80,"hostPort":80,"protocol":"TCP"}],"resources":{"limits":{"cpu":"1","memory":"1m"},"requests":{"cpu":"500m","memory":"1m"}},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File"}],"dnsPolicy":"ClusterFirst","enableServiceLinks":true,"hostNetwork":true,"initContainers":[{"image":"x:latest","imagePullPolicy":"Always","name":"i","resources":{},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File"}],"restartPolicy":"Always","schedulerName":"default-scheduler","securityContext":{},"serviceAccount":"s","serviceAccountName":"s","terminationGracePeriodSeconds":30,"volumes":[{"emptyDir":{},"name":"e"},{"hostPath":{"path":"/","type":""},"name":"h"},{"image":{"pullPolicy":"IfNotPresent","reference":"a:1"},"name":"i"},{"downwardAPI":{"defaultMode":420,"items":[{"fieldRef":{"apiVersion":"v1","fieldPath":"metadata.name"},"path":"p"}]},"name":"d"}]}"#
        ]],
    );
    check(
        "",
        "pods",
        "{spec: {hostNetwork: true, containers: [{name: c, ports: [{}]}]}}",
        &["spec", "containers"],
        expect![[
            r#"[{"imagePullPolicy":"IfNotPresent","name":"c","ports":[{"containerPort":0,"protocol":"TCP"}],"resources":{},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File"}]"#
        ]],
    );
    check(
        "",
        "pods",
        "{spec: {containers: []}, status: {podIP: 10.0.0.1}}",
        &["status"],
        expect![[r#"{"podIP":"10.0.0.1","podIPs":[{"ip":"10.0.0.1"}]}"#]],
    );
    check(
        "",
        "pods",
        "{spec: {resources: {limits: {memory: 1Gi}}, containers: [{name: c, resources: {requests: {cpu: 1}, limits: {hugepages-2Mi: 2Mi}}}], initContainers: [{name: i, resources: {requests: {cpu: 3}}}]}}",
        &["spec", "resources"],
        expect![[
            r#"{"limits":{"hugepages-2Mi":"2Mi","memory":"1Gi"},"requests":{"cpu":"3","hugepages-2Mi":"2Mi","memory":"1Gi"}}"#
        ]],
    );
}

#[test]
fn templates_are_not_pods() {
    check(
        "",
        "podtemplates",
        "{template: {spec: {volumes: [{name: e}], containers: [{name: c, image: i, resources: {limits: {cpu: 1}}}]}}}",
        &["template", "spec"],
        expect![[
            r#"{"containers":[{"image":"i","imagePullPolicy":"Always","name":"c","resources":{"limits":{"cpu":"1"}},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File"}],"dnsPolicy":"ClusterFirst","restartPolicy":"Always","schedulerName":"default-scheduler","securityContext":{},"terminationGracePeriodSeconds":30,"volumes":[{"emptyDir":{},"name":"e"}]}"#
        ]],
    );
}

#[test]
fn services() {
    let spec = &["spec"];
    check(
        "",
        "services",
        "{spec: {ports: [{port: 80}]}}",
        spec,
        expect![[
            r#"{"internalTrafficPolicy":"Cluster","ports":[{"port":80,"protocol":"TCP","targetPort":80}],"sessionAffinity":"None","type":"ClusterIP"}"#
        ]],
    );
    check(
        "",
        "services",
        "{spec: {type: LoadBalancer, sessionAffinity: ClientIP, ports: [{port: 80, targetPort: web}]}}",
        spec,
        expect![[
            r#"{"allocateLoadBalancerNodePorts":true,"externalTrafficPolicy":"Cluster","internalTrafficPolicy":"Cluster","ports":[{"port":80,"protocol":"TCP","targetPort":"web"}],"sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":10800}},"type":"LoadBalancer"}"#
        ]],
    );
    check(
        "",
        "services",
        "{spec: {type: ExternalName, sessionAffinityConfig: {clientIP: {timeoutSeconds: 5}}}}",
        spec,
        expect![[r#"{"sessionAffinity":"None","type":"ExternalName"}"#]],
    );
    check(
        "",
        "services",
        "{spec: {externalIPs: [1.1.1.1]}}",
        spec,
        expect![[
            r#"{"externalIPs":["1.1.1.1"],"externalTrafficPolicy":"Cluster","internalTrafficPolicy":"Cluster","sessionAffinity":"None","type":"ClusterIP"}"#
        ]],
    );
}

#[test]
fn workloads() {
    let template = "template: {metadata: {labels: {a: b}}, spec: {containers: []}}";
    check(
        "apps",
        "deployments",
        &format!("{{spec: {{{template}}}}}"),
        &["spec", "strategy"],
        expect![[r#"{"rollingUpdate":{"maxSurge":"25%","maxUnavailable":"25%"},"type":"RollingUpdate"}"#]],
    );
    check(
        "apps",
        "deployments",
        &format!("{{spec: {{strategy: {{type: Recreate}}, {template}}}}}"),
        &["spec", "strategy"],
        expect![[r#"{"type":"Recreate"}"#]],
    );
    check(
        "apps",
        "daemonsets",
        &format!("{{spec: {{{template}}}}}"),
        &["spec", "updateStrategy"],
        expect![[r#"{"rollingUpdate":{"maxSurge":0,"maxUnavailable":1},"type":"RollingUpdate"}"#]],
    );
    check(
        "apps",
        "statefulsets",
        &format!("{{spec: {{{template}}}}}"),
        &["spec", "updateStrategy"],
        expect![[r#"{"rollingUpdate":{"partition":0},"type":"RollingUpdate"}"#]],
    );
    check(
        "apps",
        "statefulsets",
        &format!("{{spec: {{updateStrategy: {{type: RollingUpdate}}, {template}}}}}"),
        &["spec", "updateStrategy"],
        expect![[r#"{"type":"RollingUpdate"}"#]],
    );
    check(
        "",
        "replicationcontrollers",
        &format!("{{spec: {{{template}}}}}"),
        &["spec", "selector"],
        expect![[r#"{"a":"b"}"#]],
    );
    check("batch", "jobs", &format!("{{spec: {{{template}}}}}"), &["metadata"], expect![[r#"{"labels":{"a":"b"}}"#]]);
    check(
        "batch",
        "jobs",
        "{spec: {parallelism: 2, backoffLimitPerIndex: 1, template: {spec: {containers: null}}, podFailurePolicy: {rules: []}}}",
        &["spec"],
        expect![[
            r#"{"backoffLimit":2147483647,"backoffLimitPerIndex":1,"completionMode":"NonIndexed","manualSelector":false,"parallelism":2,"podFailurePolicy":{"rules":[]},"podReplacementPolicy":"Failed","suspend":false,"template":{"metadata":{},"spec":{"containers":null,"dnsPolicy":"ClusterFirst","restartPolicy":"Always","schedulerName":"default-scheduler","securityContext":{},"terminationGracePeriodSeconds":30}}}"#
        ]],
    );
}

#[test]
fn the_rest() {
    check(
        "",
        "secrets",
        "{stringData: {a: b}, data: {a: eA==, c: eA==}}",
        &[],
        expect![[r#"{"data":{"a":"Yg==","c":"eA=="},"metadata":{},"type":"Opaque"}"#]],
    );
    check(
        "",
        "namespaces",
        "{metadata: {name: a}}",
        &["metadata"],
        expect![[r#"{"labels":{"kubernetes.io/metadata.name":"a"},"name":"a"}"#]],
    );
    check(
        "",
        "nodes",
        "{spec: {podCIDR: 10.0.0.0/24}, status: {capacity: {cpu: 1}}}",
        &[],
        expect![[
            r#"{"metadata":{},"spec":{"podCIDR":"10.0.0.0/24","podCIDRs":["10.0.0.0/24"]},"status":{"allocatable":{"cpu":"1"},"capacity":{"cpu":"1"},"daemonEndpoints":{"kubeletEndpoint":{"Port":0}},"nodeInfo":{"architecture":"","bootID":"","containerRuntimeVersion":"","kernelVersion":"","kubeProxyVersion":"","kubeletVersion":"","machineID":"","operatingSystem":"","osImage":"","systemUUID":""}}}"#
        ]],
    );
    check(
        "",
        "persistentvolumes",
        "{spec: {hostPath: {path: /}, capacity: {storage: '0.0001'}}}",
        &["spec"],
        expect![[
            r#"{"capacity":{"storage":"1m"},"hostPath":{"path":"/","type":""},"persistentVolumeReclaimPolicy":"Retain","volumeMode":"Filesystem"}"#
        ]],
    );
    check(
        "",
        "limitranges",
        "{spec: {limits: [{type: Container, max: {cpu: 2}, min: {memory: 1}}]}}",
        &["spec"],
        expect![[
            r#"{"limits":[{"default":{"cpu":"2"},"defaultRequest":{"cpu":"2","memory":"1"},"max":{"cpu":"2"},"min":{"memory":"1"},"type":"Container"}]}"#
        ]],
    );
    check(
        "autoscaling",
        "horizontalpodautoscalers",
        "{spec: {behavior: {scaleDown: {selectPolicy: Min}}}}",
        &["spec"],
        expect![[
            r#"{"behavior":{"scaleDown":{"policies":[{"periodSeconds":15,"type":"Percent","value":100}],"selectPolicy":"Min"},"scaleUp":{"policies":[{"periodSeconds":15,"type":"Pods","value":4},{"periodSeconds":15,"type":"Percent","value":100}],"selectPolicy":"Max","stabilizationWindowSeconds":0}},"maxReplicas":0,"metrics":[{"resource":{"name":"cpu","target":{"averageUtilization":80,"type":"Utilization"}},"type":"Resource"}],"minReplicas":1,"scaleTargetRef":{"kind":"","name":""}}"#
        ]],
    );
    check(
        "networking.k8s.io",
        "networkpolicies",
        "{spec: {egress: [{}]}}",
        &["spec"],
        expect![[r#"{"egress":[{}],"podSelector":{},"policyTypes":["Ingress","Egress"]}"#]],
    );
    check(
        "networking.k8s.io",
        "ingressclasses",
        "{spec: {parameters: {kind: K, name: n1}}}",
        &["spec"],
        expect![[r#"{"parameters":{"kind":"K","name":"n1","scope":"Cluster"}}"#]],
    );
    check(
        "rbac.authorization.k8s.io",
        "rolebindings",
        "{subjects: [{kind: User, name: u}, {kind: ServiceAccount, name: s}], roleRef: {kind: Role, name: r}}",
        &[],
        expect![[
            r#"{"metadata":{},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"r"},"subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"u"},{"kind":"ServiceAccount","name":"s"}]}"#
        ]],
    );
    check(
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        "{spec: {names: {kind: Foo, plural: foos}, versions: [{name: v1, storage: true}]}}",
        &["status"],
        expect![[r#"{"acceptedNames":{"kind":"","plural":""},"conditions":null,"storedVersions":["v1"]}"#]],
    );
    check(
        "resource.k8s.io",
        "resourceclaims",
        "{spec: {devices: {requests: [{name: a, exactly: {deviceClassName: c}}]}}}",
        &["spec"],
        expect![[
            r#"{"devices":{"requests":[{"exactly":{"allocationMode":"ExactCount","count":1,"deviceClassName":"c"},"name":"a"}]}}"#
        ]],
    );
}
