use expect_test::expect;

use super::check;

const POD: &str = "{metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}";

fn base(rest: &str) -> String {
    format!(
        "{{metadata: {{name: w, namespace: n1}}, spec: {{selector: {{matchLabels: {{a: b}}}}, template: {POD}{rest}}}}}"
    )
}

#[test]
fn deployments() {
    check(
        ("apps", "deployments"),
        &base(""),
        &["spec"],
        &[
            "replicas: -1",
            "selector: {}",
            "selector: {matchLabels: {a: c}}",
            "selector: {matchExpressions: [{key: a, operator: In}]}",
            "selector: {matchExpressions: [{key: a, operator: Like, values: [b]}]}",
            "template: {metadata: {labels: {a: b}}, spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}",
            "template: {metadata: {labels: {a: b}}, spec: {activeDeadlineSeconds: 5, containers: [{name: c}]}}",
            "template: {metadata: {labels: {a: b, c d: e}}, spec: {containers: []}}",
            "strategy: {type: Recreate, rollingUpdate: {}}",
            "strategy: {type: Blue}",
            "strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0}}",
            "strategy: {rollingUpdate: {maxSurge: 1.5%, maxUnavailable: 101%}}",
            "strategy: {rollingUpdate: {maxSurge: -1}}",
            "minReadySeconds: -1, revisionHistoryLimit: -1",
            "progressDeadlineSeconds: 5, minReadySeconds: 5",
        ],
        expect![[r#"
            replicas: -1
                spec.replicas: Invalid value: -1: must be greater than or equal to 0
            selector: {}
                spec.selector: Invalid value: {}: empty selector is invalid for deployment
            selector: {matchLabels: {a: c}}
                spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match template `labels`
            selector: {matchExpressions: [{key: a, operator: In}]}
                spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'
                spec.selector: Invalid value: {"matchExpressions":[{"key":"a","operator":"In"}]}: invalid label selector
            selector: {matchExpressions: [{key: a, operator: Like, values: [b]}]}
                spec.selector.matchExpressions[0].operator: Invalid value: "Like": not a valid selector operator
                spec.selector: Invalid value: {"matchExpressions":[{"key":"a","operator":"Like","values":["b"]}]}: invalid label selector
            template: {metadata: {labels: {a: b}}, spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}
                spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"
            template: {metadata: {labels: {a: b}}, spec: {activeDeadlineSeconds: 5, containers: [{name: c}]}}
                spec.template.spec.containers[0].image: Required value
                spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported
            template: {metadata: {labels: {a: b, c d: e}}, spec: {containers: []}}
                spec.template.metadata.labels: Invalid value: "c d": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
                spec.template.spec.containers: Required value
            strategy: {type: Recreate, rollingUpdate: {}}
                spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'
            strategy: {type: Blue}
                spec.strategy.type: Unsupported value: "Blue": supported values: "Recreate", "RollingUpdate"
            strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0}}
                spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0
            strategy: {rollingUpdate: {maxSurge: 1.5%, maxUnavailable: 101%}}
                spec.strategy.rollingUpdate.maxSurge: Invalid value: "1.5%": a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')
                spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%
            strategy: {rollingUpdate: {maxSurge: -1}}
                spec.strategy.rollingUpdate.maxSurge: Invalid value: -1: must be greater than or equal to 0
            minReadySeconds: -1, revisionHistoryLimit: -1
                spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0
                spec.revisionHistoryLimit: Invalid value: -1: must be greater than or equal to 0
            progressDeadlineSeconds: 5, minReadySeconds: 5
                spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds
        "#]],
    );
}

#[test]
fn sets() {
    check(
        ("apps", "replicasets"),
        &base(""),
        &["spec"],
        &["selector: {matchLabels: {x: y1}}", "replicas: -1, minReadySeconds: -1"],
        expect![[r#"
            selector: {matchLabels: {x: y1}}
                spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match template `labels`
            replicas: -1, minReadySeconds: -1
                spec.replicas: Invalid value: -1: must be greater than or equal to 0
                spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0
        "#]],
    );
    check(
        ("apps", "daemonsets"),
        &base(""),
        &["spec"],
        &[
            "selector: {}",
            "updateStrategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 1}}",
            "updateStrategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0}}",
            "updateStrategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 150%}}",
        ],
        expect![[r#"
            selector: {}
                spec.selector: Invalid value: {}: empty selector is invalid for daemonset
            updateStrategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 1}}
                spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero
            updateStrategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0}}
                spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0
            updateStrategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 150%}}
                spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: "150%": must not be greater than 100%
        "#]],
    );
    check(
        ("apps", "statefulsets"),
        &base(""),
        &["spec"],
        &[
            "volumeClaimTemplates: [{metadata: {name: v}, spec: {accessModes: [], resources: {requests: {storage: 1Gi}}}}]",
            "template: {metadata: {labels: {a: b}}, spec: {hostname: Not a name, subdomain: neither, containers: [{name: c, image: i}]}}",
            "selector: {}",
            "updateStrategy: {type: OnDelete, rollingUpdate: {partition: 1}}",
            "updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: -1}}",
            "serviceName: A, ordinals: {start: -1}",
            "persistentVolumeClaimRetentionPolicy: {whenDeleted: Keep}",
            "volumeClaimTemplates: [{metadata: {name: v}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1}}}}], template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i, volumeMounts: [{name: v, mountPath: /v}, {name: w, mountPath: /w}]}]}}",
        ],
        expect![[r#"
            volumeClaimTemplates: [{metadata: {name: v}, spec: {accessModes: [], resources: {requests: {storage: 1Gi}}}}]
                spec.volumeClaimTemplates[0].spec.accessModes: Required value: at least 1 access mode is required
            template: {metadata: {labels: {a: b}}, spec: {hostname: Not a name, subdomain: neither, containers: [{name: c, image: i}]}}
            selector: {}
                spec.selector: Invalid value: {}: empty selector is invalid for statefulset
            updateStrategy: {type: OnDelete, rollingUpdate: {partition: 1}}
                spec.updateStrategy.rollingUpdate: Invalid value: {"partition":1}: only allowed for updateStrategy 'RollingUpdate'
            updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: -1}}
                spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: must be greater than or equal to 0
            serviceName: A, ordinals: {start: -1}
                spec.ordinals.start: Invalid value: -1: must be greater than or equal to 0
                spec.serviceName: Invalid value: "A": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')
            persistentVolumeClaimRetentionPolicy: {whenDeleted: Keep}
                spec.persistentVolumeClaimRetentionPolicy.whenDeleted: Unsupported value: "Keep": supported values: "Delete", "Retain"
            volumeClaimTemplates: [{metadata: {name: v}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1}}}}], template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i, volumeMounts: [{name: v, mountPath: /v}, {name: w, mountPath: /w}]}]}}
                spec.template.spec.containers[0].volumeMounts[1].name: Not found: "w"
        "#]],
    );
    check(
        ("", "replicationcontrollers"),
        &format!("{{metadata: {{name: w}}, spec: {{template: {POD}}}}}"),
        &["spec"],
        &["selector: {x: y1}", "template: null", "replicas: -1"],
        expect![[r#"
            selector: {x: y1}
                spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match template `labels`
            template: null
                spec.selector: Required value
                spec.template: Required value
            replicas: -1
                spec.replicas: Invalid value: -1: must be greater than or equal to 0
        "#]],
    );
}

#[test]
fn jobs() {
    let pod = "{spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}";
    check(
        ("batch", "jobs"),
        &format!("{{metadata: {{name: j, namespace: n1, uid: u}}, spec: {{template: {pod}}}}}"),
        &["spec"],
        &[
            "parallelism: -1, completions: -1, backoffLimit: -1",
            "selector: {matchLabels: {a: b}}",
            "manualSelector: true",
            "completionMode: Indexed, completions: null, parallelism: 1",
            "backoffLimitPerIndex: 1",
            "maxFailedIndexes: 1, completionMode: Indexed",
            "template: {spec: {containers: [{name: c, image: i}]}}",
            "template: {metadata: {labels: {job-name: other}}, spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}",
            "podFailurePolicy: {rules: [{action: FailIndex, onExitCodes: {operator: In, values: [0, 2, 1]}}, {action: Count}]}",
            "podFailurePolicy: {rules: [{action: Count, onExitCodes: {containerName: d, operator: NotIn, values: [1]}}]}, podReplacementPolicy: TerminatingOrFailed",
            "podFailurePolicy: {rules: [{action: Count, onPodConditions: [{type: 'a b', status: 'True'}]}]}, podReplacementPolicy: Failed",
            "successPolicy: {rules: [{succeededCount: 1}]}",
            "completionMode: Indexed, completions: 3, successPolicy: {rules: []}",
            "completionMode: Indexed, completions: 3, successPolicy: {rules: [{}, {succeededCount: 4}, {succeededIndexes: '0-5'}, {succeededIndexes: '0-1', succeededCount: 3}]}",
            "completionMode: Indexed, completions: 200000, parallelism: 20000, backoffLimitPerIndex: 1",
            "managedBy: a b",
            "managedBy: 'a_b/c'",
            "managedBy: example.com/queue",
        ],
        expect![[r#"
            parallelism: -1, completions: -1, backoffLimit: -1
                spec.parallelism: Invalid value: -1: must be greater than or equal to 0
                spec.completions: Invalid value: -1: must be greater than or equal to 0
                spec.backoffLimit: Invalid value: -1: must be greater than or equal to 0
            selector: {matchLabels: {a: b}}
                spec.selector: Invalid value: {"matchLabels":{"a":"b","batch.kubernetes.io/controller-uid":"u"}}: `selector` not auto-generated
                spec.template.metadata.labels: Invalid value: {"batch.kubernetes.io/controller-uid":"u","batch.kubernetes.io/job-name":"j","controller-uid":"u","job-name":"j"}: `selector` does not match template `labels`
            manualSelector: true
                spec.selector: Required value
            completionMode: Indexed, completions: null, parallelism: 1
                spec.completions: Required value: when completion mode is Indexed
            backoffLimitPerIndex: 1
                spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode
            maxFailedIndexes: 1, completionMode: Indexed
                spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified
            template: {spec: {containers: [{name: c, image: i}]}}
                spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"
            template: {metadata: {labels: {job-name: other}}, spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}
                spec.template.metadata.labels[job-name]: Invalid value: {"batch.kubernetes.io/controller-uid":"u","batch.kubernetes.io/job-name":"j","controller-uid":"u","job-name":"other"}: must be 'j'
            podFailurePolicy: {rules: [{action: FailIndex, onExitCodes: {operator: In, values: [0, 2, 1]}}, {action: Count}]}
                spec.podFailurePolicy.rules[0].action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set
                spec.podFailurePolicy.rules[0].onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator
                spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [0,2,1]: must be ordered
                spec.podFailurePolicy.rules[1]: Invalid value: specifying one of OnExitCodes and OnPodConditions is required
            podFailurePolicy: {rules: [{action: Count, onExitCodes: {containerName: d, operator: NotIn, values: [1]}}]}, podReplacementPolicy: TerminatingOrFailed
                spec.podFailurePolicy.rules[0].onExitCodes.containerName: Invalid value: "d": must be one of the container or initContainer names in the pod template
                spec.podReplacementPolicy: Unsupported value: "TerminatingOrFailed": supported values: "Failed"
            podFailurePolicy: {rules: [{action: Count, onPodConditions: [{type: 'a b', status: 'True'}]}]}, podReplacementPolicy: Failed
                spec.podFailurePolicy.rules[0].onPodConditions[0].type: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
            successPolicy: {rules: [{succeededCount: 1}]}
                spec.successPolicy: Invalid value: {"rules":[{"succeededCount":1}]}: requires indexed completion mode
            completionMode: Indexed, completions: 3, successPolicy: {rules: []}
                spec.successPolicy.rules: Required value: at least one rules must be specified when the successPolicy is specified
            completionMode: Indexed, completions: 3, successPolicy: {rules: [{}, {succeededCount: 4}, {succeededIndexes: '0-5'}, {succeededIndexes: '0-1', succeededCount: 3}]}
                spec.successPolicy.rules[0]: Required value: at least one of succeededCount or succeededIndexes must be specified
                spec.successPolicy.rules[1].succeededCount: Invalid value: 4: must be less than or equal to 3 (the number of specified completions)
                spec.successPolicy.rules[2].succeededIndexes: Invalid value: "0-5": error parsing succeededIndexes: too large index: "5"
                spec.successPolicy.rules[3].succeededCount: Invalid value: 3: must be less than or equal to 2 (the number of indexes in the specified succeededIndexes field)
            completionMode: Indexed, completions: 200000, parallelism: 20000, backoffLimitPerIndex: 1
                spec.maxFailedIndexes: Required value: must be specified when completions is above 100000
                spec.parallelism: Invalid value: 20000: must be less than or equal to 10000 when completions are above 100000 and used with backoff limit per index
            managedBy: a b
                spec.managedBy: Invalid value: "a b": must be a domain-prefixed path (such as "acme.io/foo")
            managedBy: 'a_b/c'
                spec.managedBy: Invalid value: "a_b": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
            managedBy: example.com/queue
        "#]],
    );
    check(
        ("batch", "cronjobs"),
        &format!(
            "{{metadata: {{name: j}}, spec: {{schedule: '* * * * *', jobTemplate: {{spec: {{template: {pod}}}}}}}}}"
        ),
        &["spec"],
        &[
            "schedule: ''",
            "schedule: '* * * *'",
            "schedule: 'TZ=UTC * * * * *'",
            "timeZone: ''",
            "timeZone: local",
            "timeZone: europe/oslo",
            "timeZone: Mars/Olympus",
            "timeZone: Europe/Oslo",
            "startingDeadlineSeconds: -1, concurrencyPolicy: Queue",
            "jobTemplate: {spec: {manualSelector: true, selector: {}, template: {spec: {containers: [{name: c, image: i}]}}}}",
        ],
        expect![[r#"
            schedule: ''
                spec.schedule: Required value
            schedule: '* * * *'
                spec.schedule: Invalid value: "* * * *": expected exactly 5 fields, found 4: [* * * *]
            schedule: 'TZ=UTC * * * * *'
                spec.schedule: Invalid value: "TZ=UTC * * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead
            timeZone: ''
                spec.timeZone: Invalid value: "": timeZone must be nil or non-empty string
            timeZone: local
                spec.timeZone: Invalid value: "local": timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones
            timeZone: europe/oslo
                spec.timeZone: Invalid value: "europe/oslo": unknown time zone europe/oslo
            timeZone: Mars/Olympus
                spec.timeZone: Invalid value: "Mars/Olympus": unknown time zone Mars/Olympus
            timeZone: Europe/Oslo
            startingDeadlineSeconds: -1, concurrencyPolicy: Queue
                spec.concurrencyPolicy: Unsupported value: "Queue": supported values: "Allow", "Forbid", "Replace"
                spec.startingDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0
            jobTemplate: {spec: {manualSelector: true, selector: {}, template: {spec: {containers: [{name: c, image: i}]}}}}
                spec.jobTemplate.spec.selector: Invalid value: {}: `selector` will be auto-generated
                spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: "false", "nil"
                spec.jobTemplate.spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"
        "#]],
    );
}

#[test]
fn scaling() {
    check(
        ("autoscaling", "horizontalpodautoscalers"),
        "{metadata: {name: h}, spec: {maxReplicas: 3, scaleTargetRef: {kind: Deployment, name: d, apiVersion: apps/v1}}}",
        &["spec"],
        &[
            "maxReplicas: 0",
            "minReplicas: 0",
            "minReplicas: 5",
            "scaleTargetRef: {kind: a/b, name: ..}",
            "metrics: [{type: Resource}]",
            "metrics: [{type: Magic}]",
            "metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization}}}]",
            "metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 0, averageValue: 1}}, pods: {metric: {name: a}, target: {type: AverageValue}}}]",
            "behavior: {scaleUp: {stabilizationWindowSeconds: 3601, policies: []}}",
            "behavior: {scaleDown: {policies: [{type: Pods, value: 0, periodSeconds: 1801}]}}",
            "behavior: {scaleDown: {selectPolicy: Some, tolerance: -1m, policies: [{type: Cows, value: 1, periodSeconds: 1}]}}",
            "scaleTargetRef: {kind: Deployment, name: d}",
            "scaleTargetRef: {kind: Deployment, name: d, apiVersion: a/b/c}",
            "metrics: [{type: ContainerResource, containerResource: {name: cpu, container: A b, target: {type: Some, averageValue: 0}}}]",
            "metrics: [{type: Pods, pods: {metric: {name: a/b}, target: {type: AverageValue}}}]",
            "metrics: [{type: Object, object: {metric: {name: a}, describedObject: {kind: Service, name: s, apiVersion: v1}, target: {type: Value}}}]",
            "metrics: [{type: External, external: {metric: {name: a}, target: {type: Value, value: 1, averageValue: 1}}}]",
            "metrics: [{type: External, external: {metric: {name: a}, target: {type: Value}}}]",
        ],
        expect![[r#"
            maxReplicas: 0
                spec.maxReplicas: Required value: must be set and greater than 0
                spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`
            minReplicas: 0
                spec.minReplicas: Invalid value: 0: must be greater than or equal to 1
                spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero replicas
            minReplicas: 5
                spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`
            scaleTargetRef: {kind: a/b, name: ..}
                spec.scaleTargetRef.kind: Invalid value: "a/b": may not contain '/'
                spec.scaleTargetRef.name: Invalid value: "..": may not be '..'
                spec.scaleTargetRef.apiVersion: Invalid value: "": apiVersion must specify API group
            metrics: [{type: Resource}]
                spec.metrics[0].resource: Required value: must populate information for the given metric source
            metrics: [{type: Magic}]
                spec.metrics[0].type: Unsupported value: "Magic": supported values: "ContainerResource", "External", "Object", "Pods", "Resource"
            metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization}}}]
                spec.metrics[0].resource.target.averageUtilization: Required value: must set either a target raw value or a target utilization
            metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 0, averageValue: 1}}, pods: {metric: {name: a}, target: {type: AverageValue}}}]
                spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be greater than 0
                spec.metrics[0].resource.target.averageValue: Forbidden: may not set both a target raw value and a target utilization
                spec.metrics[0].pods: Forbidden: must populate the given metric source only
            behavior: {scaleUp: {stabilizationWindowSeconds: 3601, policies: []}}
                spec.behavior.scaleUp.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600
            behavior: {scaleDown: {policies: [{type: Pods, value: 0, periodSeconds: 1801}]}}
                spec.behavior.scaleDown.policies[0].value: Invalid value: 0: must be greater than zero
                spec.behavior.scaleDown.policies[0].periodSeconds: Invalid value: 1801: must be less than or equal to 1800
            behavior: {scaleDown: {selectPolicy: Some, tolerance: -1m, policies: [{type: Cows, value: 1, periodSeconds: 1}]}}
                spec.behavior.scaleDown.selectPolicy: Unsupported value: "Some": supported values: "Disabled", "Max", "Min"
                spec.behavior.scaleDown.policies[0].type: Unsupported value: "Cows": supported values: "Percent", "Pods"
                spec.behavior.scaleDown.tolerance: Invalid value: "-1m": must be greater than or equal to 0
            scaleTargetRef: {kind: Deployment, name: d}
                spec.scaleTargetRef.apiVersion: Invalid value: "": apiVersion must specify API group
            scaleTargetRef: {kind: Deployment, name: d, apiVersion: a/b/c}
                spec.scaleTargetRef.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c
            metrics: [{type: ContainerResource, containerResource: {name: cpu, container: A b, target: {type: Some, averageValue: 0}}}]
                spec.metrics[0].containerResource.container: Invalid value: "A b": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')
                spec.metrics[0].containerResource.target.type: Invalid value: "Some": must be either Utilization, Value, or AverageValue
                spec.metrics[0].containerResource.target.averageValue: Invalid value: "0": must be positive
            metrics: [{type: Pods, pods: {metric: {name: a/b}, target: {type: AverageValue}}}]
                spec.metrics[0].pods.metric.name: Invalid value: "a/b": may not contain '/'
                spec.metrics[0].pods.target.averageValue: Required value: must specify a positive target averageValue
            metrics: [{type: Object, object: {metric: {name: a}, describedObject: {kind: Service, name: s, apiVersion: v1}, target: {type: Value}}}]
                spec.metrics[0].object.target.averageValue: Required value: must set either a target value or averageValue
            metrics: [{type: External, external: {metric: {name: a}, target: {type: Value, value: 1, averageValue: 1}}}]
                spec.metrics[0].external.target.value: Forbidden: may not set both a target value for metric and a per-pod target
            metrics: [{type: External, external: {metric: {name: a}, target: {type: Value}}}]
                spec.metrics[0].external.target.averageValue: Required value: must set either a target value for metric or a per-pod target
        "#]],
    );
    check(
        ("policy", "poddisruptionbudgets"),
        "{metadata: {name: p}, spec: {minAvailable: 1}}",
        &["spec"],
        &[
            "maxUnavailable: 1",
            "minAvailable: 101%",
            "minAvailable: x",
            "minAvailable: -1",
            "unhealthyPodEvictionPolicy: X",
        ],
        expect![[r#"
            maxUnavailable: 1
                spec: Invalid value: {"maxUnavailable":1,"minAvailable":1}: minAvailable and maxUnavailable cannot be both set
            minAvailable: 101%
                spec.minAvailable: Invalid value: "101%": must not be greater than 100%
            minAvailable: x
                spec.minAvailable: Invalid value: "x": a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')
            minAvailable: -1
                spec.minAvailable: Invalid value: -1: must be greater than or equal to 0
            unhealthyPodEvictionPolicy: X
                spec.unhealthyPodEvictionPolicy: Unsupported value: "X": supported values: "AlwaysAllow", "IfHealthyBudget"
        "#]],
    );
}
