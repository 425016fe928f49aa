use expect_test::expect;
use knarr_api::value;

use super::check;
use crate::kinds::testing::{create, resource};

#[test]
fn config_maps() {
    check(
        ("", "configmaps"),
        "{metadata: {name: c}}",
        &[],
        &["data: {a/b: c}", "data: {a: b}, binaryData: {a: Yg==}", "binaryData: {..: Yg==}"],
        expect![[r#"
            data: {a/b: c}
                data[a/b]: Invalid value: "a/b": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')
            data: {a: b}, binaryData: {a: Yg==}
                data[a]: Invalid value: "a": duplicate of key present in binaryData
            binaryData: {..: Yg==}
                binaryData[..]: Invalid value: "..": must not be '..'
        "#]],
    );
    let big = value!({ "metadata": { "name": "c" }, "data": { "a": "x".repeat(1 << 20), "b": "y" } });
    assert_eq!(create(resource("", "configmaps"), big), "    []: Too long: may not be more than 1048576 bytes\n");
}

#[test]
fn secrets() {
    check(
        ("", "secrets"),
        "{metadata: {name: s}}",
        &[],
        &[
            "data: {a/b: Yg==}",
            "stringData: {a/b: c}",
            "type: kubernetes.io/service-account-token",
            "type: kubernetes.io/dockercfg",
            "type: kubernetes.io/dockerconfigjson, stringData: {.dockerconfigjson: '{}'}",
            "type: kubernetes.io/dockerconfigjson, stringData: {.dockerconfigjson: ''}",
            "type: kubernetes.io/basic-auth",
            "type: kubernetes.io/basic-auth, stringData: {username: u}",
            "type: kubernetes.io/ssh-auth",
            "type: kubernetes.io/tls, stringData: {tls.crt: c}",
        ],
        expect![[r#"
            data: {a/b: Yg==}
                data[a/b]: Invalid value: "a/b": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')
            stringData: {a/b: c}
                data[a/b]: Invalid value: "a/b": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')
            type: kubernetes.io/service-account-token
                metadata.annotations[kubernetes.io/service-account.name]: Required value
            type: kubernetes.io/dockercfg
                data[.dockercfg]: Required value
            type: kubernetes.io/dockerconfigjson, stringData: {.dockerconfigjson: '{}'}
            type: kubernetes.io/dockerconfigjson, stringData: {.dockerconfigjson: ''}
                data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": unexpected end of JSON input
            type: kubernetes.io/basic-auth
                data[username]: Required value
                data[password]: Required value
            type: kubernetes.io/basic-auth, stringData: {username: u}
            type: kubernetes.io/ssh-auth
                data[ssh-privatekey]: Required value
            type: kubernetes.io/tls, stringData: {tls.crt: c}
                data[tls.key]: Required value
        "#]],
    );
}

#[test]
fn nodes_and_namespaces() {
    check(
        ("", "nodes"),
        "{metadata: {name: n1}}",
        &[],
        &[
            "spec: {taints: [{key: a, effect: NoSchedule}, {key: a, effect: NoSchedule}]}",
            "spec: {taints: [{key: a b, value: c d, effect: Never}]}",
            "spec: {podCIDRs: [10.0.0.0/24, 10.0.1.0/24], podCIDR: 10.0.0.0/24}",
            "spec: {podCIDR: x}",
            "status: {capacity: {cpu: -1, pods: 500m}}",
        ],
        expect![[r#"
            spec: {taints: [{key: a, effect: NoSchedule}, {key: a, effect: NoSchedule}]}
                metadata.taints[1]: Duplicate value: {"effect":"NoSchedule","key":"a"}: taints must be unique by key and effect pair
            spec: {taints: [{key: a b, value: c d, effect: Never}]}
                spec.taints[0].effect: Unsupported value: "Never": supported values: "NoExecute", "NoSchedule", "PreferNoSchedule"
                metadata.taints[0].key: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
                metadata.taints[0].value: Invalid value: "c d": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')
            spec: {podCIDRs: [10.0.0.0/24, 10.0.1.0/24], podCIDR: 10.0.0.0/24}
                spec.podCIDRs: Invalid value: ["10.0.0.0/24","10.0.1.0/24"]: may specify no more than one CIDR for each IP family
            spec: {podCIDR: x}
                spec.podCIDRs[0]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)
            status: {capacity: {cpu: -1, pods: 500m}}
                status.capacity.cpu: Invalid value: "-1": must be greater than or equal to 0
                status.capacity.pods: Invalid value: "500m": must be an integer
                status.allocatable.cpu: Invalid value: "-1": must be greater than or equal to 0
                status.allocatable.pods: Invalid value: "500m": must be an integer
        "#]],
    );
    check(
        ("", "namespaces"),
        "{metadata: {name: n1}}",
        &[],
        &["spec: {finalizers: [kubernetes, a.b/c]}", "spec: {finalizers: [mine, 'a b']}"],
        expect![[r#"
            spec: {finalizers: [kubernetes, a.b/c]}
            spec: {finalizers: [mine, 'a b']}
                spec.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified
                spec.finalizers[1]: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
                spec.finalizers[1]: Invalid value: "a b": name is neither a standard finalizer name nor is it fully qualified
        "#]],
    );
}

#[test]
fn quotas_and_limits() {
    check(
        ("", "resourcequotas"),
        "{metadata: {name: q}, spec: {hard: {pods: 1}}}",
        &["spec"],
        &["hard: {pods: 500m, cpu: -1}", "scopes: [BestEffort, NotBestEffort]", "scopes: [Weekend]"],
        expect![[r#"
            hard: {pods: 500m, cpu: -1}
                spec.hard[cpu]: Invalid value: "-1": must be greater than or equal to 0
                spec.hard[pods]: Invalid value: "500m": must be an integer
            scopes: [BestEffort, NotBestEffort]
                spec.scopes: Invalid value: ["BestEffort","NotBestEffort"]: conflicting scopes
            scopes: [Weekend]
                spec.scopes: Invalid value: ["Weekend"]: unsupported scope
        "#]],
    );
    check(
        ("", "limitranges"),
        "{metadata: {name: l}, spec: {limits: [{type: Container, max: {cpu: 1}}]}}",
        &["spec"],
        &[
            "limits: [{type: Pod, default: {cpu: 1}}, {type: Pod}]",
            "limits: [{type: Container, min: {cpu: 2}, max: {cpu: 1}}]",
            "limits: [{type: PersistentVolumeClaim}]",
        ],
        expect![[r#"
            limits: [{type: Pod, default: {cpu: 1}}, {type: Pod}]
                spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'
                spec.limits[1].type: Duplicate value: "Pod"
            limits: [{type: Container, min: {cpu: 2}, max: {cpu: 1}}]
                spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1
                spec.limits[0].defaultRequest[cpu]: Invalid value: "1": min value 2 is greater than default request value 1
                spec.limits[0].default[cpu]: Invalid value: "1": min value 2 is greater than default value 1
            limits: [{type: PersistentVolumeClaim}]
                spec.limits[0].limits: Required value: either minimum or maximum storage value is required, but neither was provided
        "#]],
    );
}

#[test]
fn volumes() {
    check(
        ("", "persistentvolumeclaims"),
        "{metadata: {name: c}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}",
        &["spec"],
        &[
            "accessModes: []",
            "accessModes: [Once]",
            "accessModes: [ReadWriteOnce, ReadWriteOncePod]",
            "resources: {}",
            "resources: {requests: {storage: 0}}",
            "storageClassName: A",
            "dataSource: {kind: Pod, name: p}",
            "dataSource: {kind: PersistentVolumeClaim, name: a}, dataSourceRef: {kind: PersistentVolumeClaim, name: b}",
            "volumeMode: Tape",
        ],
        expect![[r#"
            accessModes: []
                spec.accessModes: Required value: at least 1 access mode is required
            accessModes: [Once]
                spec.accessModes: Unsupported value: "Once": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"
            accessModes: [ReadWriteOnce, ReadWriteOncePod]
                spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes
            resources: {}
                spec.resources[storage]: Required value
            resources: {requests: {storage: 0}}
                spec.resources.requests[storage]: Invalid value: "0": must be greater than zero
            storageClassName: A
                spec.storageClassName: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
            dataSource: {kind: Pod, name: p}
                spec.dataSource: Invalid value: "Pod": must be 'PersistentVolumeClaim' when referencing the default apiGroup
                spec.dataSourceRef: Invalid value: "Pod": must be 'PersistentVolumeClaim' when referencing the default apiGroup
            dataSource: {kind: PersistentVolumeClaim, name: a}, dataSourceRef: {kind: PersistentVolumeClaim, name: b}
                spec: Invalid value: "spec.dataSource": must match dataSourceRef
            volumeMode: Tape
                spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem"
        "#]],
    );
    check(
        ("", "persistentvolumes"),
        "{metadata: {name: v}, spec: {accessModes: [ReadWriteOnce], capacity: {storage: 1Gi}, hostPath: {path: /a}}}",
        &["spec"],
        &[
            "capacity: {}",
            "capacity: {cpu: 1}",
            "hostPath: null",
            "nfs: {server: s, path: /}",
            "hostPath: {path: /}, persistentVolumeReclaimPolicy: Recycle",
            "hostPath: null, local: {path: /a}",
            "nodeAffinity: {}",
        ],
        expect![[r#"
            capacity: {}
                spec.capacity: Required value
            capacity: {cpu: 1}
                spec.capacity: Unsupported value: {"cpu":"1"}: supported values: "storage"
            hostPath: null
                spec: Required value: must specify a volume type
            nfs: {server: s, path: /}
                spec.nfs: Forbidden: may not specify more than 1 volume type
            hostPath: {path: /}, persistentVolumeReclaimPolicy: Recycle
                spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'
            hostPath: null, local: {path: /a}
                spec.nodeAffinity: Required value: Local volume requires node affinity
            nodeAffinity: {}
                spec.nodeAffinity.required: Required value: must specify required node constraints
        "#]],
    );
    check(
        ("storage.k8s.io", "storageclasses"),
        "{metadata: {name: c}, provisioner: a.b/c}",
        &[],
        &["provisioner: ''", "provisioner: a b", "reclaimPolicy: Burn"],
        expect![[r#"
            provisioner: ''
                provisioner: Required value
            provisioner: a b
                provisioner: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
            reclaimPolicy: Burn
                reclaimPolicy: Unsupported value: "Burn": supported values: "Delete", "Recycle", "Retain"
        "#]],
    );
}

#[test]
fn small_kinds() {
    check(
        ("coordination.k8s.io", "leases"),
        "{metadata: {name: l}}",
        &[],
        &["spec: {leaseDurationSeconds: 0, leaseTransitions: -1}", "spec: {preferredHolder: a}"],
        expect![[r#"
            spec: {leaseDurationSeconds: 0, leaseTransitions: -1}
                spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0
                spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0
            spec: {preferredHolder: a}
                spec.preferredHolder: Forbidden: may only be specified if `strategy` is defined
        "#]],
    );
    check(
        ("scheduling.k8s.io", "priorityclasses"),
        "{metadata: {name: p}, value: 1}",
        &[],
        &[
            "value: 1000000001",
            "metadata: {name: system-x}",
            "metadata: {name: system-node-critical}, value: 2000001000",
        ],
        expect![[r#"
            value: 1000000001
                value: Forbidden: maximum allowed value of a user defined priority is 1000000000
            metadata: {name: system-x}
                metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: system-x is not a known system priority class
            metadata: {name: system-node-critical}, value: 2000001000
        "#]],
    );
    check(
        ("", "events"),
        "{metadata: {name: e, namespace: n1}, involvedObject: {namespace: n1}}",
        &[],
        &[
            "involvedObject: {namespace: m}",
            "involvedObject: {}",
            "eventTime: '2026-01-01T00:00:00.000000Z', reason: r",
        ],
        expect![[r#"
            involvedObject: {namespace: m}
                involvedObject.namespace: Invalid value: "m": does not match event.namespace
            involvedObject: {}
                involvedObject.namespace: Invalid value: "": does not match event.namespace
            eventTime: '2026-01-01T00:00:00.000000Z', reason: r
                reportingComponent: Required value
                reportingInstance: Required value
                action: Required value
        "#]],
    );
    check(
        ("node.k8s.io", "runtimeclasses"),
        "{metadata: {name: r}, handler: h}",
        &[],
        &["handler: A"],
        expect![[r#"
        handler: A
            handler: Invalid value: "A": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')
    "#]],
    );
}
