use expect_test::{Expect, expect};

use super::check;

const POD: &str = "{metadata: {name: p, namespace: n1}, spec: {containers: [{name: c, image: i}]}}";

#[track_caller]
fn spec(cases: &[&str], expected: Expect) {
    check(("", "pods"), POD, &["spec"], cases, expected);
}

#[track_caller]
fn container(cases: &[&str], expected: Expect) {
    check(("", "pods"), POD, &["spec", "containers", "0"], cases, expected);
}

#[test]
fn lists_of_containers() {
    spec(
        &[
            "containers: []",
            "containers: [{image: i}]",
            "containers: [{name: c}]",
            "containers: [{name: C_, image: ' i'}]",
            "containers: [{name: c, image: i}, {name: c, image: i}]",
            "containers: [{name: c, image: i, ports: [{containerPort: 80, hostPort: 80}]}, {name: d, image: i, ports: [{containerPort: 81, hostPort: 80}]}]",
            "initContainers: [{name: c, image: i}]",
            "initContainers: [{name: i, image: i, livenessProbe: {exec: {command: [a]}}, lifecycle: {preStop: {exec: {command: [a]}}}}]",
            "initContainers: [{name: i, image: i, restartPolicy: Always, startupProbe: {exec: {command: [a]}}}]",
            "initContainers: [{name: i, image: i, restartPolicy: Sometimes}]",
            "ephemeralContainers: [{name: e, image: i}]",
            "ephemeralContainers: [{name: c, image: i, targetContainerName: x, ports: [{containerPort: 1}], resources: {limits: {cpu: 1}}}]",
        ],
        expect![[r#"
            containers: []
                spec.containers: Required value
            containers: [{image: i}]
                spec.containers[0].name: Required value
            containers: [{name: c}]
                spec.containers[0].image: Required value
            containers: [{name: C_, image: ' i'}]
                spec.containers[0].name: Invalid value: "C_": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')
                spec.containers[0].image: Invalid value: " i": must not have leading or trailing whitespace
            containers: [{name: c, image: i}, {name: c, image: i}]
                spec.containers[1].name: Duplicate value: "c"
            containers: [{name: c, image: i, ports: [{containerPort: 80, hostPort: 80}]}, {name: d, image: i, ports: [{containerPort: 81, hostPort: 80}]}]
                spec.containers[1].ports[0].hostPort: Duplicate value: "TCP//80"
            initContainers: [{name: c, image: i}]
                spec.initContainers[0].name: Duplicate value: "c"
            initContainers: [{name: i, image: i, livenessProbe: {exec: {command: [a]}}, lifecycle: {preStop: {exec: {command: [a]}}}}]
                spec.initContainers[0].lifecycle: Forbidden: may not be set for init containers without restartPolicy=Always
                spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always
            initContainers: [{name: i, image: i, restartPolicy: Always, startupProbe: {exec: {command: [a]}}}]
            initContainers: [{name: i, image: i, restartPolicy: Sometimes}]
                spec.initContainers[0].restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"
            ephemeralContainers: [{name: e, image: i}]
                spec.ephemeralContainers: Forbidden: cannot be set on create
            ephemeralContainers: [{name: c, image: i, targetContainerName: x, ports: [{containerPort: 1}], resources: {limits: {cpu: 1}}}]
                spec.ephemeralContainers[0].name: Duplicate value: "c"
                spec.ephemeralContainers[0].targetContainerName: Not found: "x"
                spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container
                spec.ephemeralContainers[0].resources: Forbidden: cannot be set for an Ephemeral Container
                spec.ephemeralContainers: Forbidden: cannot be set on create
        "#]],
    );
}

#[test]
fn ports() {
    container(
        &[
            "ports: [{containerPort: 80, name: http}, {containerPort: 81, name: http}]",
            "ports: [{containerPort: 80, name: Http}]",
            "ports: [{containerPort: 80, name: aaaaaaaaaaaaaaaa}]",
            "ports: [{name: a}]",
            "ports: [{containerPort: 65536}]",
            "ports: [{containerPort: 80, hostPort: -1}]",
            "ports: [{containerPort: 80, protocol: ICMP}]",
        ],
        expect![[r#"
            ports: [{containerPort: 80, name: http}, {containerPort: 81, name: http}]
                spec.containers[0].ports[1].name: Duplicate value: "http"
            ports: [{containerPort: 80, name: Http}]
                spec.containers[0].ports[0].name: Invalid value: "Http": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)
            ports: [{containerPort: 80, name: aaaaaaaaaaaaaaaa}]
                spec.containers[0].ports[0].name: Invalid value: "aaaaaaaaaaaaaaaa": must be no more than 15 characters
            ports: [{name: a}]
                spec.containers[0].ports[0].containerPort: Required value
            ports: [{containerPort: 65536}]
                spec.containers[0].ports[0].containerPort: Invalid value: 65536: must be between 1 and 65535, inclusive
            ports: [{containerPort: 80, hostPort: -1}]
                spec.containers[0].ports[0].hostPort: Invalid value: -1: must be between 1 and 65535, inclusive
            ports: [{containerPort: 80, protocol: ICMP}]
                spec.containers[0].ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"
        "#]],
    );
}

#[test]
fn environment() {
    container(
        &[
            "env: [{name: A, value: b}, {name: 1 a}]",
            "env: [{value: b}]",
            "env: [{name: a=b}]",
            "env: [{name: A, valueFrom: {}}]",
            "env: [{name: A, value: b, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]",
            "env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}, secretKeyRef: {name: s, key: k}}}]",
            "env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.labels}}}]",
            "env: [{name: A, valueFrom: {fieldRef: {fieldPath: 'metadata.labels[''a b'']'}}}]",
            "env: [{name: A, valueFrom: {fieldRef: {fieldPath: spec.nothing}}}]",
            "env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.gpu}}}]",
            "env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 2}}}]",
            "env: [{name: A, valueFrom: {configMapKeyRef: {name: c, key: a/b}}}]",
            "env: [{name: A, valueFrom: {secretKeyRef: {name: S, key: k}}}]",
            "env: [{name: A, valueFrom: {secretKeyRef: {name: s}}}]",
            "envFrom: [{}]",
            "envFrom: [{configMapRef: {name: a}, secretRef: {name: b}}]",
            "envFrom: [{configMapRef: {}}]",
            "envFrom: [{prefix: 'a=', secretRef: {name: B}}]",
        ],
        expect![[r#"
            env: [{name: A, value: b}, {name: 1 a}]
            env: [{value: b}]
                spec.containers[0].env[0].name: Required value
            env: [{name: a=b}]
                spec.containers[0].env[0].name: Invalid value: "a=b": a valid environment variable name must consist only of printable ASCII characters other than '='
            env: [{name: A, valueFrom: {}}]
                spec.containers[0].env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`
            env: [{name: A, value: b, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
                spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty
            env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}, secretKeyRef: {name: s, key: k}}}]
                spec.containers[0].env[0].valueFrom: Invalid value: "": may not have more than one field specified at a time
            env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.labels}}}]
                spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "metadata.labels": supported values: "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"
            env: [{name: A, valueFrom: {fieldRef: {fieldPath: 'metadata.labels[''a b'']'}}}]
                spec.containers[0].env[0].valueFrom.fieldRef: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
            env: [{name: A, valueFrom: {fieldRef: {fieldPath: spec.nothing}}}]
                spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.nothing": error converting fieldPath: field label not supported: spec.nothing
            env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.gpu}}}]
                spec.containers[0].env[0].valueFrom.resourceFieldRef.resource: Unsupported value: "limits.gpu": supported values: "limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage", "requests.memory"
            env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 2}}}]
                spec.containers[0].env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.cpu": only divisor's values 1m and 1 are supported with the cpu resource
            env: [{name: A, valueFrom: {configMapKeyRef: {name: c, key: a/b}}}]
                spec.containers[0].env[0].valueFrom.configMapKeyRef.key: Invalid value: "a/b": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')
            env: [{name: A, valueFrom: {secretKeyRef: {name: S, key: k}}}]
                spec.containers[0].env[0].valueFrom.secretKeyRef.name: Invalid value: "S": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
            env: [{name: A, valueFrom: {secretKeyRef: {name: s}}}]
                spec.containers[0].env[0].valueFrom.secretKeyRef.key: Required value
            envFrom: [{}]
                spec.containers[0].envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`
            envFrom: [{configMapRef: {name: a}, secretRef: {name: b}}]
                spec.containers[0].envFrom: Invalid value: "": may not have more than one field specified at a time
            envFrom: [{configMapRef: {}}]
                spec.containers[0].envFrom[0].configMapRef.name: Required value
            envFrom: [{prefix: 'a=', secretRef: {name: B}}]
                spec.containers[0].envFrom[0].prefix: Invalid value: "a=": a valid environment variable name must consist only of printable ASCII characters other than '='
                spec.containers[0].envFrom[0].secretRef.name: Invalid value: "B": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
        "#]],
    );
}

#[test]
fn resources() {
    container(
        &[
            "resources: {requests: {cpu: 2}, limits: {cpu: 1}}",
            "resources: {limits: {memory: -1}}",
            "resources: {requests: {example.com/gpu: 1}}",
            "resources: {requests: {example.com/gpu: 1}, limits: {example.com/gpu: 2}}",
            "resources: {limits: {example.com/gpu: 500m}}",
            "resources: {limits: {pods: 1}}",
            "resources: {limits: {gpu: 1}}",
            "resources: {limits: {hugepages-2Mi: 2Mi}}",
            "resources: {limits: {hugepages-2Mi: 3Mi, cpu: 1}}",
            "resources: {claims: [{name: a}]}",
            "resizePolicy: [{resourceName: cpu, restartPolicy: NotRequired}, {resourceName: cpu, restartPolicy: Now}]",
        ],
        expect![[r#"
            resources: {requests: {cpu: 2}, limits: {cpu: 1}}
                spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1
            resources: {limits: {memory: -1}}
                spec.containers[0].resources.limits[memory]: Invalid value: "-1": must be greater than or equal to 0
                spec.containers[0].resources.requests[memory]: Invalid value: "-1": must be greater than or equal to 0
            resources: {requests: {example.com/gpu: 1}}
                spec.containers[0].resources.limits: Required value: Limit must be set for non overcommitable resources
            resources: {requests: {example.com/gpu: 1}, limits: {example.com/gpu: 2}}
                spec.containers[0].resources.requests: Invalid value: "1": must be equal to example.com/gpu limit of 2
            resources: {limits: {example.com/gpu: 500m}}
                spec.containers[0].resources.limits[example.com/gpu]: Invalid value: "500m": must be an integer
                spec.containers[0].resources.requests[example.com/gpu]: Invalid value: "500m": must be an integer
            resources: {limits: {pods: 1}}
                spec.containers[0].resources.limits[pods]: Invalid value: "pods": must be a standard resource for containers
                spec.containers[0].resources.requests[pods]: Invalid value: "pods": must be a standard resource for containers
            resources: {limits: {gpu: 1}}
                spec.containers[0].resources.limits[gpu]: Invalid value: "gpu": must be a standard resource type or fully qualified
                spec.containers[0].resources.limits[gpu]: Invalid value: "gpu": must be a standard resource for containers
                spec.containers[0].resources.requests[gpu]: Invalid value: "gpu": must be a standard resource type or fully qualified
                spec.containers[0].resources.requests[gpu]: Invalid value: "gpu": must be a standard resource for containers
            resources: {limits: {hugepages-2Mi: 2Mi}}
                spec.containers[0].resources: Forbidden: HugePages require cpu or memory
            resources: {limits: {hugepages-2Mi: 3Mi, cpu: 1}}
                spec.containers[0].resources.limits[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi
                spec.containers[0].resources.requests[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi
            resources: {claims: [{name: a}]}
                spec.containers[0].resources.claims[0]: Not found: "a"
            resizePolicy: [{resourceName: cpu, restartPolicy: NotRequired}, {resourceName: cpu, restartPolicy: Now}]
                spec.containers[0].resizePolicy[1]: Duplicate value: "cpu"
                spec.containers[0].resizePolicy: Unsupported value: "Now": supported values: "NotRequired", "RestartContainer"
        "#]],
    );
}

#[test]
fn probes_and_hooks() {
    container(
        &[
            "livenessProbe: {}",
            "livenessProbe: {exec: {}}",
            "livenessProbe: {exec: {command: [a]}, httpGet: {port: 80}}",
            "livenessProbe: {httpGet: {port: 0}}",
            "livenessProbe: {httpGet: {port: a--b, httpHeaders: [{name: 'X Y', value: z}]}}",
            "livenessProbe: {tcpSocket: {port: 70000}}",
            "livenessProbe: {grpc: {port: 0}}",
            "livenessProbe: {exec: {command: [a]}, successThreshold: 2, periodSeconds: -1}",
            "readinessProbe: {exec: {command: [a]}, successThreshold: 2, terminationGracePeriodSeconds: 1}",
            "startupProbe: {exec: {command: [a]}, terminationGracePeriodSeconds: 0}",
            "lifecycle: {postStart: {}}",
            "lifecycle: {preStop: {sleep: {seconds: 31}}}",
            "lifecycle: {stopSignal: SIGTERM}",
        ],
        expect![[r#"
            livenessProbe: {}
                spec.containers[0].livenessProbe: Required value: must specify a handler type
            livenessProbe: {exec: {}}
                spec.containers[0].livenessProbe.exec.command: Required value
            livenessProbe: {exec: {command: [a]}, httpGet: {port: 80}}
                spec.containers[0].livenessProbe.httpGet: Forbidden: may not specify more than 1 handler type
            livenessProbe: {httpGet: {port: 0}}
                spec.containers[0].livenessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive
            livenessProbe: {httpGet: {port: a--b, httpHeaders: [{name: 'X Y', value: z}]}}
                spec.containers[0].livenessProbe.httpGet.port: Invalid value: "a--b": must not contain consecutive hyphens
                spec.containers[0].livenessProbe.httpGet.httpHeaders: Invalid value: "X Y": a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')
            livenessProbe: {tcpSocket: {port: 70000}}
                spec.containers[0].livenessProbe.tcpSocket.port: Invalid value: 70000: must be between 1 and 65535, inclusive
            livenessProbe: {grpc: {port: 0}}
                spec.containers[0].livenessProbe.grpc.port: Invalid value: 0: must be between 1 and 65535, inclusive
            livenessProbe: {exec: {command: [a]}, successThreshold: 2, periodSeconds: -1}
                spec.containers[0].livenessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0
                spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1
            readinessProbe: {exec: {command: [a]}, successThreshold: 2, terminationGracePeriodSeconds: 1}
                spec.containers[0].readinessProbe.terminationGracePeriodSeconds: Invalid value: 1: must not be set for readinessProbes
            startupProbe: {exec: {command: [a]}, terminationGracePeriodSeconds: 0}
                spec.containers[0].startupProbe.terminationGracePeriodSeconds: Invalid value: 0: must be greater than 0
            lifecycle: {postStart: {}}
                spec.containers[0].lifecycle.postStart: Required value: must specify a handler type
            lifecycle: {preStop: {sleep: {seconds: 31}}}
                spec.containers[0].lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than terminationGracePeriodSeconds (30)
            lifecycle: {stopSignal: SIGTERM}
                spec.containers[0].lifecycle.stopSignal: Forbidden: may not be set for containers with empty `spec.os.name`
        "#]],
    );
}

#[test]
fn volumes() {
    spec(
        &[
            "volumes: [{name: a}, {name: b, emptyDir: {}}]",
            "volumes: [{emptyDir: {}}]",
            "volumes: [{name: A, emptyDir: {}}]",
            "volumes: [{name: a, emptyDir: {}}, {name: a, emptyDir: {}}]",
            "volumes: [{name: a, emptyDir: {}, hostPath: {path: /}}]",
            "volumes: [{name: a, emptyDir: {sizeLimit: -1}}]",
            "volumes: [{name: a, hostPath: {}}]",
            "volumes: [{name: a, hostPath: {path: /a/../b, type: Pipe}}]",
            "volumes: [{name: a, secret: {}}]",
            "volumes: [{name: a, secret: {secretName: s, defaultMode: 512, items: [{key: k, path: /a}]}}]",
            "volumes: [{name: a, configMap: {items: [{path: ../a, mode: 1000}]}}]",
            "volumes: [{name: a, configMap: {name: c, items: [{key: k, path: ..a}]}}]",
            "volumes: [{name: a, persistentVolumeClaim: {}}]",
            "volumes: [{name: a, nfs: {server: s, path: a}}]",
            "volumes: [{name: a, downwardAPI: {items: [{path: a}]}}]",
            "volumes: [{name: a, downwardAPI: {items: [{path: a, fieldRef: {fieldPath: spec.nodeName}}]}}]",
            "volumes: [{name: a, downwardAPI: {items: [{path: a, resourceFieldRef: {resource: limits.cpu}}]}}]",
            "volumes: [{name: a, projected: {sources: [{serviceAccountToken: {path: t, expirationSeconds: 10}}]}}]",
            "volumes: [{name: a, projected: {sources: [{secret: {name: s, items: [{key: a, path: x}, {key: b, path: x}]}, configMap: {name: c}}]}}]",
            "volumes: [{name: a, csi: {driver: A_b, nodePublishSecretRef: {}}}]",
            "volumes: [{name: a, ephemeral: {}}]",
            "volumes: [{name: a, ephemeral: {volumeClaimTemplate: {spec: {}}}}]",
            "volumes: [{name: a, image: {}}]",
        ],
        expect![[r#"
            volumes: [{name: a}, {name: b, emptyDir: {}}]
            volumes: [{emptyDir: {}}]
                spec.volumes[0].name: Required value
            volumes: [{name: A, emptyDir: {}}]
                spec.volumes[0].name: Invalid value: "A": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')
            volumes: [{name: a, emptyDir: {}}, {name: a, emptyDir: {}}]
                spec.volumes[1].name: Duplicate value: "a"
            volumes: [{name: a, emptyDir: {}, hostPath: {path: /}}]
                spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type
            volumes: [{name: a, emptyDir: {sizeLimit: -1}}]
                spec.volumes[0].emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity
            volumes: [{name: a, hostPath: {}}]
                spec.volumes[0].hostPath.path: Required value
            volumes: [{name: a, hostPath: {path: /a/../b, type: Pipe}}]
                spec.volumes[0].hostPath.type: Unsupported value: "Pipe": supported values: "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"
                spec.volumes[0].hostPath.path: Invalid value: "/a/../b": must not contain '..'
            volumes: [{name: a, secret: {}}]
                spec.volumes[0].secret.secretName: Required value
            volumes: [{name: a, secret: {secretName: s, defaultMode: 512, items: [{key: k, path: /a}]}}]
                spec.volumes[0].secret.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive
                spec.volumes[0].secret.items[0].path: Invalid value: "/a": must be a relative path
            volumes: [{name: a, configMap: {items: [{path: ../a, mode: 1000}]}}]
                spec.volumes[0].configMap.items[0].key: Required value
                spec.volumes[0].configMap.name: Required value
                spec.volumes[0].configMap.items[0].path: Invalid value: "../a": must not contain '..'
                spec.volumes[0].configMap.items[0].mode: Invalid value: 1000: must be a number between 0 and 0777 (octal), both inclusive
            volumes: [{name: a, configMap: {name: c, items: [{key: k, path: ..a}]}}]
                spec.volumes[0].configMap.items[0].path: Invalid value: "..a": must not start with '..'
            volumes: [{name: a, persistentVolumeClaim: {}}]
                spec.volumes[0].persistentVolumeClaim.claimName: Required value
            volumes: [{name: a, nfs: {server: s, path: a}}]
                spec.volumes[0].nfs.path: Invalid value: "a": must be an absolute path
            volumes: [{name: a, downwardAPI: {items: [{path: a}]}}]
                spec.volumes[0].downwardAPI.items[0]: Required value: one of fieldRef and resourceFieldRef is required
            volumes: [{name: a, downwardAPI: {items: [{path: a, fieldRef: {fieldPath: spec.nodeName}}]}}]
                spec.volumes[0].downwardAPI.items[0].fieldRef.fieldPath: Unsupported value: "spec.nodeName": supported values: "metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"
            volumes: [{name: a, downwardAPI: {items: [{path: a, resourceFieldRef: {resource: limits.cpu}}]}}]
                spec.volumes[0].downwardAPI.items[0].resourceFieldRef.containerName: Required value
            volumes: [{name: a, projected: {sources: [{serviceAccountToken: {path: t, expirationSeconds: 10}}]}}]
                spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 10: may not specify a duration less than 10 minutes
                spec.volumes[0].projected.sources[0].serviceAccountToken: Forbidden: must not be specified when serviceAccountName is not set
            volumes: [{name: a, projected: {sources: [{secret: {name: s, items: [{key: a, path: x}, {key: b, path: x}]}, configMap: {name: c}}]}}]
                spec.volumes[0].projected: Invalid value: "s": conflicting duplicate paths
                spec.volumes[0].projected.sources[0]: Forbidden: may not specify more than 1 volume type per source
            volumes: [{name: a, csi: {driver: A_b, nodePublishSecretRef: {}}}]
                spec.volumes[0].csi.driver: Invalid value: "A_b": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
                spec.volumes[0].csi.nodePublishSecretRef.name: Required value
            volumes: [{name: a, ephemeral: {}}]
                spec.volumes[0].ephemeral.volumeClaimTemplate: Required value
            volumes: [{name: a, ephemeral: {volumeClaimTemplate: {spec: {}}}}]
                spec.volumes[0].ephemeral.volumeClaimTemplate.spec.accessModes: Required value: at least 1 access mode is required
                spec.volumes[0].ephemeral.volumeClaimTemplate.spec.resources[storage]: Required value
            volumes: [{name: a, image: {}}]
                spec.volumes[0].image.reference: Required value
        "#]],
    );
}

#[test]
fn mounts() {
    container(
        &["volumeMounts: [{name: a, mountPath: /a}]", "volumeMounts: [{mountPath: /a}, {name: b}]"],
        expect![[r#"
            volumeMounts: [{name: a, mountPath: /a}]
                spec.containers[0].volumeMounts[0].name: Not found: "a"
            volumeMounts: [{mountPath: /a}, {name: b}]
                spec.containers[0].volumeMounts[0].name: Required value
                spec.containers[0].volumeMounts[1].mountPath: Required value
                spec.containers[0].volumeMounts[1].name: Not found: "b"
        "#]],
    );
    check(
        ("", "pods"),
        "{metadata: {name: p}, spec: {containers: [{name: c, image: i}], volumes: [{name: v}, {name: d, persistentVolumeClaim: {claimName: x}}]}}",
        &["spec", "containers", "0"],
        &[
            "volumeMounts: [{name: v, mountPath: /a, subPath: b/c}, {name: v, mountPath: /b, subPathExpr: $(A)}]",
            "volumeMounts: [{name: v, mountPath: /a}, {name: v, mountPath: /a}]",
            "volumeMounts: [{name: v, mountPath: /a, subPath: /b}]",
            "volumeMounts: [{name: v, mountPath: /a, subPath: a/../b, subPathExpr: a}]",
            "volumeMounts: [{name: v, mountPath: /a, mountPropagation: Bidirectional}]",
            "volumeMounts: [{name: v, mountPath: /a, recursiveReadOnly: Enabled}]",
            "volumeDevices: [{name: d, devicePath: /dev/a}]",
            "volumeDevices: [{name: v, devicePath: /dev/a}, {name: x, devicePath: /dev/a}]",
            "volumeDevices: [{name: d, devicePath: a/../b}, {name: d, devicePath: c}]",
            "{volumeMounts: [{name: d, mountPath: /a}], volumeDevices: [{name: d, devicePath: /a}]}"
                .trim_matches(['{', '}']),
        ],
        expect![[r#"
            volumeMounts: [{name: v, mountPath: /a, subPath: b/c}, {name: v, mountPath: /b, subPathExpr: $(A)}]
            volumeMounts: [{name: v, mountPath: /a}, {name: v, mountPath: /a}]
                spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/a": must be unique
            volumeMounts: [{name: v, mountPath: /a, subPath: /b}]
                spec.containers[0].volumeMounts[0].subPath: Invalid value: "/b": must be a relative path
            volumeMounts: [{name: v, mountPath: /a, subPath: a/../b, subPathExpr: a}]
                spec.containers[0].volumeMounts[0].subPath: Invalid value: "a/../b": must not contain '..'
                spec.containers[0].volumeMounts[0].subPathExpr: Invalid value: "a": subPathExpr and subPath are mutually exclusive
            volumeMounts: [{name: v, mountPath: /a, mountPropagation: Bidirectional}]
                spec.containers[0].volumeMounts[0].mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged containers
            volumeMounts: [{name: v, mountPath: /a, recursiveReadOnly: Enabled}]
                spec.containers[0].volumeMounts[0].recursiveReadOnly: Forbidden: may only be specified when readOnly is true
            volumeDevices: [{name: d, devicePath: /dev/a}]
            volumeDevices: [{name: v, devicePath: /dev/a}, {name: x, devicePath: /dev/a}]
                spec.containers[0].volumeDevices[0].name: Invalid value: "v": can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode
                spec.containers[0].volumeDevices[1].name: Not found: "x"
                spec.containers[0].volumeDevices[1].devicePath: Invalid value: "/dev/a": must be unique
            volumeDevices: [{name: d, devicePath: a/../b}, {name: d, devicePath: c}]
                spec.containers[0].volumeDevices[0].devicePath: Invalid value: "a/../b": can not contain backsteps ('..')
                spec.containers[0].volumeDevices[1].name: Invalid value: "d": must be unique
            volumeMounts: [{name: d, mountPath: /a}], volumeDevices: [{name: d, devicePath: /a}]
                spec.containers[0].volumeMounts[0].name: Invalid value: "d": must not already exist in volumeDevices
                spec.containers[0].volumeMounts[0].mountPath: Invalid value: "/a": must not already exist as a path in volumeDevices
                spec.containers[0].volumeDevices[0].name: Invalid value: "d": must not already exist in volumeMounts
                spec.containers[0].volumeDevices[0].devicePath: Invalid value: "/a": must not already exist as a path in volumeMounts
        "#]],
    );
}

#[test]
fn security() {
    container(
        &[
            "securityContext: {runAsUser: -1, runAsGroup: -2}",
            "securityContext: {allowPrivilegeEscalation: false, privileged: true}",
            "securityContext: {allowPrivilegeEscalation: false, capabilities: {add: [CAP_SYS_ADMIN]}}",
            "securityContext: {procMount: Unmasked}",
            "securityContext: {seccompProfile: {type: Localhost}}",
            "securityContext: {seccompProfile: {type: RuntimeDefault, localhostProfile: a}}",
            "securityContext: {seccompProfile: {type: Localhost, localhostProfile: /a}}",
            "securityContext: {appArmorProfile: {type: Localhost, localhostProfile: ' a'}}",
        ],
        expect![[r#"
            securityContext: {runAsUser: -1, runAsGroup: -2}
                spec.containers[0].securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive
                spec.containers[0].securityContext.runAsGroup: Invalid value: -2: must be between 0 and 2147483647, inclusive
            securityContext: {allowPrivilegeEscalation: false, privileged: true}
                spec.containers[0].securityContext: Invalid value: {"allowPrivilegeEscalation":false,"privileged":true}: cannot set `allowPrivilegeEscalation` to false and `privileged` to true
            securityContext: {allowPrivilegeEscalation: false, capabilities: {add: [CAP_SYS_ADMIN]}}
                spec.containers[0].securityContext: Invalid value: {"allowPrivilegeEscalation":false,"capabilities":{"add":["CAP_SYS_ADMIN"]}}: cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN
            securityContext: {procMount: Unmasked}
                spec.containers[0].securityContext.procMount: Invalid value: "Unmasked": `hostUsers` must be false to use `Unmasked`
            securityContext: {seccompProfile: {type: Localhost}}
                spec.containers[0].securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost
            securityContext: {seccompProfile: {type: RuntimeDefault, localhostProfile: a}}
                spec.containers[0].securityContext.seccompProfile.localhostProfile: Invalid value: {"localhostProfile":"a","type":"RuntimeDefault"}: can only be set when seccomp type is Localhost
            securityContext: {seccompProfile: {type: Localhost, localhostProfile: /a}}
                spec.containers[0].securityContext.seccompProfile.localhostProfile: Invalid value: "/a": must be a relative path
            securityContext: {appArmorProfile: {type: Localhost, localhostProfile: ' a'}}
                spec.containers[0].securityContext.appArmorProfile.localhostProfile: Invalid value: " a": must not be padded with whitespace
        "#]],
    );
    spec(
        &[
            "securityContext: {fsGroup: -1, supplementalGroups: [1, -1]}",
            "securityContext: {sysctls: [{name: kernel.shm_rmid_forced, value: '1'}, {name: kernel.shm_rmid_forced, value: '0'}]}",
            "securityContext: {sysctls: [{name: Kernel, value: '1'}]}",
            "hostNetwork: true, securityContext: {sysctls: [{name: net.a, value: '1'}]}",
            "hostPID: true, shareProcessNamespace: true",
            "hostUsers: false, hostNetwork: true, hostIPC: true",
        ],
        expect![[r#"
            securityContext: {fsGroup: -1, supplementalGroups: [1, -1]}
                spec.securityContext.fsGroup: Invalid value: -1: must be between 0 and 2147483647, inclusive
                spec.securityContext.supplementalGroups[1]: Invalid value: -1: must be between 0 and 2147483647, inclusive
            securityContext: {sysctls: [{name: kernel.shm_rmid_forced, value: '1'}, {name: kernel.shm_rmid_forced, value: '0'}]}
                spec.securityContext.sysctls[1].name: Duplicate value: "kernel.shm_rmid_forced"
            securityContext: {sysctls: [{name: Kernel, value: '1'}]}
                spec.securityContext.sysctls[0].name: Invalid value: "Kernel": must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$
            hostNetwork: true, securityContext: {sysctls: [{name: net.a, value: '1'}]}
                spec.securityContext.sysctls[0].name: Invalid value: "net.a": may not be specified when 'hostNetwork' is true
            hostPID: true, shareProcessNamespace: true
                spec.securityContext.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot both be enabled
            hostUsers: false, hostNetwork: true, hostIPC: true
                spec.hostNetwork: Forbidden: when `hostUsers` is false
                spec.HostIPC: Forbidden: when `hostUsers` is false
        "#]],
    );
}

#[test]
fn placement() {
    spec(
        &[
            "nodeSelector: {a b: c, d: -e}",
            "tolerations: [{operator: Exists}, {key: a, operator: Equal, value: b, effect: NoExecute, tolerationSeconds: 5}]",
            "tolerations: [{value: a}]",
            "tolerations: [{key: a, operator: Exists, value: b}]",
            "tolerations: [{key: a, tolerationSeconds: 1}]",
            "tolerations: [{key: a b, operator: Like, effect: Never}]",
            "tolerations: [{key: a, value: a b}]",
            "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: []}}}",
            "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: In}, {key: a, operator: Exists, values: [b]}, {key: a, operator: Gt, values: ['1', '2']}]}]}}}",
            "affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 101, preference: {matchFields: [{key: metadata.uid, operator: In, values: [a]}]}}]}}",
            "affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{labelSelector: {matchLabels: {a b: c}}}]}}",
            "affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 0, podAffinityTerm: {topologyKey: a, namespaces: [A], matchLabelKeys: [k]}}]}}",
            "topologySpreadConstraints: [{maxSkew: 0, topologyKey: a, whenUnsatisfiable: DoNotSchedule, labelSelector: {}}]",
            "topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: ScheduleAnyway, minDomains: 1}]",
            "topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule}, {maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule}]",
            "topologySpreadConstraints: [{maxSkew: 1, whenUnsatisfiable: Never, matchLabelKeys: [a]}]",
            "schedulingGates: [{name: a}, {name: a}, {name: a b}]",
            "nodeName: a, schedulingGates: [{name: a}]",
            "readinessGates: [{conditionType: a b}]",
        ],
        expect![[r#"
            nodeSelector: {a b: c, d: -e}
                spec.nodeSelector: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
                spec.nodeSelector: Invalid value: "-e": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')
            tolerations: [{operator: Exists}, {key: a, operator: Equal, value: b, effect: NoExecute, tolerationSeconds: 5}]
            tolerations: [{value: a}]
                spec.tolerations[0].operator: Invalid value: "": operator must be Exists when `key` is empty, which means "match all values and all keys"
            tolerations: [{key: a, operator: Exists, value: b}]
                spec.tolerations[0].operator: Invalid value: "b": value must be empty when `operator` is 'Exists'
            tolerations: [{key: a, tolerationSeconds: 1}]
                spec.tolerations[0].effect: Invalid value: "": effect must be 'NoExecute' when `tolerationSeconds` is set
            tolerations: [{key: a b, operator: Like, effect: Never}]
                spec.tolerations[0].operator: Unsupported value: "Like": supported values: "Equal", "Exists", "Gt", "Lt"
                spec.tolerations[0].effect: Unsupported value: "Never": supported values: "NoExecute", "NoSchedule", "PreferNoSchedule"
                spec.tolerations[0].key: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
            tolerations: [{key: a, value: a b}]
                spec.tolerations[0].operator: Invalid value: "a b": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')
            affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: []}}}
                spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: must have at least one node selector term
            affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: In}, {key: a, operator: Exists, values: [b]}, {key: a, operator: Gt, values: ['1', '2']}]}]}}}
                spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'
                spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[1].values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'
                spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[2].values: Required value: must be specified single value when `operator` is 'Lt' or 'Gt'
            affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 101, preference: {matchFields: [{key: metadata.uid, operator: In, values: [a]}]}}]}}
                spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 101: must be in the range 1-100
                spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchFields[0].key: Invalid value: "metadata.uid": not a valid field selector key
            affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{labelSelector: {matchLabels: {a b: c}}}]}}
                spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Required value
                spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector.matchLabels: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
                spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Required value: can not be empty
                spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Invalid value: "": name part must be non-empty
                spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Invalid value: "": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
            affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 0, podAffinityTerm: {topologyKey: a, namespaces: [A], matchLabelKeys: [k]}}]}}
                spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 0: must be in the range 1-100
                spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm.namespace: Invalid value: "A": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')
                spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm.matchLabelKeys: Forbidden: must not be specified when labelSelector is not set
            topologySpreadConstraints: [{maxSkew: 0, topologyKey: a, whenUnsatisfiable: DoNotSchedule, labelSelector: {}}]
                spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero
            topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: ScheduleAnyway, minDomains: 1}]
                spec.topologySpreadConstraints[0].minDomains: Invalid value: 1: can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway
            topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule}, {maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule}]
                spec.topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable}: Duplicate value: "{a, DoNotSchedule}"
            topologySpreadConstraints: [{maxSkew: 1, whenUnsatisfiable: Never, matchLabelKeys: [a]}]
                spec.topologySpreadConstraints[0].topologyKey: Required value
                spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "Never": supported values: "DoNotSchedule", "ScheduleAnyway"
                spec.topologySpreadConstraints[0].matchLabelKeys: Forbidden: must not be specified when labelSelector is not set
            schedulingGates: [{name: a}, {name: a}, {name: a b}]
                spec.schedulingGates[1]: Duplicate value: "a"
                spec.schedulingGates[2].name: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
            nodeName: a, schedulingGates: [{name: a}]
                spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared
            readinessGates: [{conditionType: a b}]
                spec.readinessGates[0].conditionType: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
        "#]],
    );
}

#[test]
fn names_and_dns() {
    spec(
        &[
            "restartPolicy: Sometimes",
            "dnsPolicy: Cluster",
            "dnsPolicy: None",
            "dnsPolicy: None, dnsConfig: {searches: [a]}",
            "dnsConfig: {nameservers: [1.1.1.1, 1.1.1.2, 1.1.1.3, x]}",
            "dnsConfig: {searches: [., a.b., _a.b, A], options: [{value: x}]}",
            "hostAliases: [{ip: 1.2.3, hostnames: [A]}]",
            "hostname: a.b, subdomain: A",
            "hostnameOverride: A, setHostnameAsFQDN: true",
            "serviceAccountName: A, nodeName: B, priorityClassName: C, runtimeClassName: D",
            "activeDeadlineSeconds: 0",
            "overhead: {cpu: -1}",
            "os: {name: plan9}",
            "preemptionPolicy: Maybe",
            "hostNetwork: true, containers: [{name: c, image: i, ports: [{containerPort: 80, hostPort: 81}]}]",
            "resourceClaims: [{name: a, resourceClaimName: x}, {name: a}, {name: b, resourceClaimName: x, resourceClaimTemplateName: y1}]",
            "resources: {requests: {storage: 1}}",
        ],
        expect![[r#"
            restartPolicy: Sometimes
                spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"
            dnsPolicy: Cluster
                spec.dnsPolicy: Unsupported value: "Cluster": supported values: "ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"
            dnsPolicy: None
                spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None
            dnsPolicy: None, dnsConfig: {searches: [a]}
                spec.dnsConfig.nameservers: Required value: must provide at least one DNS nameserver when `dnsPolicy` is None
            dnsConfig: {nameservers: [1.1.1.1, 1.1.1.2, 1.1.1.3, x]}
                spec.dnsConfig.nameservers: Invalid value: ["1.1.1.1","1.1.1.2","1.1.1.3","x"]: must not have more than 3 nameservers
                spec.dnsConfig.nameservers[3]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)
            dnsConfig: {searches: [., a.b., _a.b, A], options: [{value: x}]}
                spec.dnsConfig.searches[3]: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')
                spec.dnsConfig.options[0]: Required value: must not be empty
            hostAliases: [{ip: 1.2.3, hostnames: [A]}]
                spec.hostAliases[0].ip: Invalid value: "1.2.3": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)
                spec.hostAliases[0].hostnames[0]: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
            hostname: a.b, subdomain: A
                spec.hostname: Invalid value: "a.b": must not contain dots
                spec.subdomain: Invalid value: "A": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')
            hostnameOverride: A, setHostnameAsFQDN: true
                spec.hostnameOverride: Forbidden: may not be specified when setHostnameAsFQDN is true
                spec.hostnameOverride: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
            serviceAccountName: A, nodeName: B, priorityClassName: C, runtimeClassName: D
                spec.serviceAccountName: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
                spec.nodeName: Invalid value: "B": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
                spec.priorityClassName: Invalid value: "C": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
                spec.runtimeClassName: Invalid value: "D": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
            activeDeadlineSeconds: 0
                spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive
            overhead: {cpu: -1}
                spec.overhead[cpu]: Invalid value: "-1": must be greater than or equal to 0
            os: {name: plan9}
                spec.os: Unsupported value: "plan9": supported values: "linux", "windows"
            preemptionPolicy: Maybe
                spec.preemptionPolicy: Unsupported value: "Maybe": supported values: "Never", "PreemptLowerPriority"
            hostNetwork: true, containers: [{name: c, image: i, ports: [{containerPort: 80, hostPort: 81}]}]
                spec.containers[0].ports[0].hostPort: Invalid value: 81: must match `containerPort` when `hostNetwork` is true
            resourceClaims: [{name: a, resourceClaimName: x}, {name: a}, {name: b, resourceClaimName: x, resourceClaimTemplateName: y1}]
                spec.resourceClaims[1].name: Duplicate value: "a"
                spec.resourceClaims[1]: Invalid value: {"name":"a"}: must specify one of: `resourceClaimName`, `resourceClaimTemplateName`
                spec.resourceClaims[2]: Invalid value: {"name":"b","resourceClaimName":"x","resourceClaimTemplateName":"y1"}: at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified
            resources: {requests: {storage: 1}}
                spec.resources.requests[storage]: Unsupported value: "storage": supported values: "cpu", "hugepages-", "memory"
        "#]],
    );
    check(
        ("", "pods"),
        POD,
        &["metadata"],
        &[
            "annotations: {kubernetes.io/config.mirror: x}",
            "annotations: {controller.kubernetes.io/pod-deletion-cost: '+1'}",
        ],
        expect![[r#"
            annotations: {kubernetes.io/config.mirror: x}
                metadata.annotations[kubernetes.io/config.mirror]: Invalid value: "x": must set spec.nodeName if mirror pod annotation is set
            annotations: {controller.kubernetes.io/pod-deletion-cost: '+1'}
                metadata.annotations[controller.kubernetes.io/pod-deletion-cost]: Invalid value: "+1": must be a 32bit integer
        "#]],
    );
}
