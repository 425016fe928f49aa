//! Rows of small objects: `HEADER=cell`, wide columns in brackets.

use expect_test::{Expect, expect};

use crate::kinds::testing::{now, resource, text, tree};

#[track_caller]
fn check(group: &str, plural: &str, objects: &[&str], expected: Expect) {
    let columns = &resource(group, plural).columns;
    let mut out = String::new();
    for object in objects {
        let object = tree(object);
        let cells: Vec<String> = columns
            .iter()
            .map(|column| {
                let cell = format!("{}={}", column.name, text(&(column.cell)(&object, now())));
                if column.priority > 0 { format!("[{cell}]") } else { cell }
            })
            .collect();
        out.push_str(&cells.join(" "));
        out.push('\n');
    }
    expected.assert_eq(&out);
}

const META: &str = "metadata: {name: a, namespace: ns, creationTimestamp: '2026-01-01T12:00:00Z'}";

#[track_caller]
fn one(group: &str, plural: &str, rest: &str, expected: Expect) {
    check(group, plural, &[&format!("{{{META}, {rest}}}")], expected);
}

#[test]
fn pods() {
    let pod = |spec: &str, status: &str| format!("{{{META}, spec: {{{spec}}}, status: {{{status}}}}}");
    let deleted =
        |object: &str| object.replace("metadata: {", "metadata: {deletionTimestamp: '2026-01-01T12:29:00Z', ");
    let two = "containers: [{name: a}, {name: b}]";
    let running = "phase: Running, podIPs: [{ip: 10.0.0.1}], conditions: [{type: Ready, status: 'True'}], containerStatuses: [{name: a, ready: true, restartCount: 2, state: {running: {}}, lastState: {terminated: {finishedAt: '2026-01-01T12:25:00Z'}}}, {name: b, ready: true, state: {running: {}}}]";
    let all = [
        pod(two, "phase: Pending"),
        pod(&format!("{two}, nodeName: n1, readinessGates: [{{conditionType: Ready}}, {{conditionType: X}}]"), running),
        deleted(&pod(two, running)),
        deleted(&pod(two, "phase: Running, reason: NodeLost")),
        deleted(&pod(two, "phase: Succeeded")),
        pod(two, "phase: Pending, conditions: [{type: PodScheduled, status: 'False', reason: SchedulingGated}]"),
        pod(two, "phase: Failed, reason: Evicted"),
        pod(
            two,
            "phase: Running, containerStatuses: [{name: a, restartCount: 5, state: {waiting: {reason: CrashLoopBackOff}}}, {name: b, ready: true, state: {running: {}}}]",
        ),
        pod(
            two,
            "phase: Succeeded, containerStatuses: [{name: a, state: {terminated: {reason: Completed, exitCode: 0}}}]",
        ),
        pod(two, "phase: Failed, containerStatuses: [{name: a, state: {terminated: {exitCode: 3}}}]"),
        pod(two, "phase: Failed, containerStatuses: [{name: a, state: {terminated: {exitCode: 137, signal: 9}}}]"),
        pod(
            two,
            "phase: Running, containerStatuses: [{name: a, state: {terminated: {reason: Completed}}}, {name: b, ready: true, state: {running: {}}}]",
        ),
        pod(
            two,
            "phase: Running, conditions: [{type: Ready, status: 'True'}], containerStatuses: [{name: a, state: {terminated: {reason: Completed}}}, {name: b, ready: true, state: {running: {}}}]",
        ),
        pod(
            two,
            "phase: Running, containerStatuses: [{name: a, state: {terminated: {reason: Completed}}}, {name: b, state: {terminated: {reason: Error, exitCode: 1}}}]",
        ),
    ];
    check(
        "",
        "pods",
        &all.iter().map(String::as_str).collect::<Vec<_>>(),
        expect![[r#"
            Name="a" Ready="0/2" Status="Pending" Restarts="0" Age="30m" [IP="\u003cnone\u003e"] [Node="\u003cnone\u003e"] [Nominated Node="\u003cnone\u003e"] [Readiness Gates="\u003cnone\u003e"]
            Name="a" Ready="2/2" Status="Running" Restarts="2 (5m ago)" Age="30m" [IP="10.0.0.1"] [Node="n1"] [Nominated Node="\u003cnone\u003e"] [Readiness Gates="1/2"]
            Name="a" Ready="2/2" Status="Terminating" Restarts="2 (5m ago)" Age="30m" [IP="10.0.0.1"] [Node="\u003cnone\u003e"] [Nominated Node="\u003cnone\u003e"] [Readiness Gates="\u003cnone\u003e"]
            Name="a" Ready="0/2" Status="Unknown" Restarts="0" Age="30m" [IP="\u003cnone\u003e"] [Node="\u003cnone\u003e"] [Nominated Node="\u003cnone\u003e"] [Readiness Gates="\u003cnone\u003e"]
            Name="a" Ready="0/2" Status="Succeeded" Restarts="0" Age="30m" [IP="\u003cnone\u003e"] [Node="\u003cnone\u003e"] [Nominated Node="\u003cnone\u003e"] [Readiness Gates="\u003cnone\u003e"]
            Name="a" Ready="0/2" Status="SchedulingGated" Restarts="0" Age="30m" [IP="\u003cnone\u003e"] [Node="\u003cnone\u003e"] [Nominated Node="\u003cnone\u003e"] [Readiness Gates="\u003cnone\u003e"]
            Name="a" Ready="0/2" Status="Evicted" Restarts="0" Age="30m" [IP="\u003cnone\u003e"] [Node="\u003cnone\u003e"] [Nominated Node="\u003cnone\u003e"] [Readiness Gates="\u003cnone\u003e"]
            Name="a" Ready="1/2" Status="CrashLoopBackOff" Restarts="5" Age="30m" [IP="\u003cnone\u003e"] [Node="\u003cnone\u003e"] [Nominated Node="\u003cnone\u003e"] [Readiness Gates="\u003cnone\u003e"]
            Name="a" Ready="0/2" Status="Completed" Restarts="0" Age="30m" [IP="\u003cnone\u003e"] [Node="\u003cnone\u003e"] [Nominated Node="\u003cnone\u003e"] [Readiness Gates="\u003cnone\u003e"]
            Name="a" Ready="0/2" Status="ExitCode:3" Restarts="0" Age="30m" [IP="\u003cnone\u003e"] [Node="\u003cnone\u003e"] [Nominated Node="\u003cnone\u003e"] [Readiness Gates="\u003cnone\u003e"]
            Name="a" Ready="0/2" Status="Signal:9" Restarts="0" Age="30m" [IP="\u003cnone\u003e"] [Node="\u003cnone\u003e"] [Nominated Node="\u003cnone\u003e"] [Readiness Gates="\u003cnone\u003e"]
            Name="a" Ready="1/2" Status="NotReady" Restarts="0" Age="30m" [IP="\u003cnone\u003e"] [Node="\u003cnone\u003e"] [Nominated Node="\u003cnone\u003e"] [Readiness Gates="\u003cnone\u003e"]
            Name="a" Ready="1/2" Status="Running" Restarts="0" Age="30m" [IP="\u003cnone\u003e"] [Node="\u003cnone\u003e"] [Nominated Node="\u003cnone\u003e"] [Readiness Gates="\u003cnone\u003e"]
            Name="a" Ready="0/2" Status="Error" Restarts="0" Age="30m" [IP="\u003cnone\u003e"] [Node="\u003cnone\u003e"] [Nominated Node="\u003cnone\u003e"] [Readiness Gates="\u003cnone\u003e"]
        "#]],
    );
}

#[test]
fn pods_that_begin() {
    let spec = "spec: {initContainers: [{name: s, restartPolicy: Always}, {name: i}], containers: [{name: c}]}";
    let pod = |init: &str, rest: &str| {
        format!("{{{META}, {spec}, status: {{phase: Pending, initContainerStatuses: [{init}]{rest}}}}}")
    };
    let started = "{name: s, started: true, ready: true, restartCount: 1, state: {running: {}}}";
    let all = [
        pod("{name: s, state: {waiting: {reason: PodInitializing}}}", ""),
        pod(&format!("{started}, {{name: i, state: {{running: {{}}}}}}"), ""),
        pod(&format!("{started}, {{name: i, restartCount: 3, state: {{waiting: {{reason: CrashLoopBackOff}}}}}}"), ""),
        pod(&format!("{started}, {{name: i, state: {{terminated: {{exitCode: 1, reason: Error}}}}}}"), ""),
        pod(&format!("{started}, {{name: i, state: {{terminated: {{exitCode: 2}}}}}}"), ""),
        pod(&format!("{started}, {{name: i, state: {{terminated: {{exitCode: 130, signal: 2}}}}}}"), ""),
        pod(
            &format!("{started}, {{name: i, state: {{terminated: {{exitCode: 0, reason: Completed}}}}}}"),
            ", containerStatuses: [{name: c, state: {waiting: {reason: ImagePullBackOff}}}]",
        ),
        pod(
            &format!("{started}, {{name: i, state: {{terminated: {{exitCode: 0}}}}}}"),
            ", containerStatuses: [{name: c, ready: true, restartCount: 1, state: {running: {}}}]",
        ),
    ];
    check(
        "",
        "pods",
        &all.iter().map(String::as_str).collect::<Vec<_>>(),
        expect![[r#"
        Name="a" Ready="0/2" Status="Init:0/2" Restarts="0" Age="30m" [IP="\u003cnone\u003e"] [Node="\u003cnone\u003e"] [Nominated Node="\u003cnone\u003e"] [Readiness Gates="\u003cnone\u003e"]
        Name="a" Ready="1/2" Status="Init:1/2" Restarts="1" Age="30m" [IP="\u003cnone\u003e"] [Node="\u003cnone\u003e"] [Nominated Node="\u003cnone\u003e"] [Readiness Gates="\u003cnone\u003e"]
        Name="a" Ready="1/2" Status="Init:CrashLoopBackOff" Restarts="4" Age="30m" [IP="\u003cnone\u003e"] [Node="\u003cnone\u003e"] [Nominated Node="\u003cnone\u003e"] [Readiness Gates="\u003cnone\u003e"]
        Name="a" Ready="1/2" Status="Init:Error" Restarts="1" Age="30m" [IP="\u003cnone\u003e"] [Node="\u003cnone\u003e"] [Nominated Node="\u003cnone\u003e"] [Readiness Gates="\u003cnone\u003e"]
        Name="a" Ready="1/2" Status="Init:ExitCode:2" Restarts="1" Age="30m" [IP="\u003cnone\u003e"] [Node="\u003cnone\u003e"] [Nominated Node="\u003cnone\u003e"] [Readiness Gates="\u003cnone\u003e"]
        Name="a" Ready="1/2" Status="Init:Signal:2" Restarts="1" Age="30m" [IP="\u003cnone\u003e"] [Node="\u003cnone\u003e"] [Nominated Node="\u003cnone\u003e"] [Readiness Gates="\u003cnone\u003e"]
        Name="a" Ready="1/2" Status="ImagePullBackOff" Restarts="1" Age="30m" [IP="\u003cnone\u003e"] [Node="\u003cnone\u003e"] [Nominated Node="\u003cnone\u003e"] [Readiness Gates="\u003cnone\u003e"]
        Name="a" Ready="2/2" Status="Pending" Restarts="2" Age="30m" [IP="\u003cnone\u003e"] [Node="\u003cnone\u003e"] [Nominated Node="\u003cnone\u003e"] [Readiness Gates="\u003cnone\u003e"]
    "#]],
    );
}

#[test]
fn nodes() {
    check(
        "",
        "nodes",
        &[
            "{metadata: {name: n1, labels: {node-role.kubernetes.io/control-plane: '', kubernetes.io/role: worker}}, spec: {unschedulable: true}, status: {conditions: [{type: Ready, status: 'True'}], addresses: [{type: InternalIP, address: 10.0.0.1}], nodeInfo: {kubeletVersion: v1.36.0, osImage: Debian, kernelVersion: 6.1, architecture: arm64, containerRuntimeVersion: containerd://2}}}",
            "{metadata: {name: n2}, status: {conditions: [{type: Ready, status: Unknown}]}}",
        ],
        expect![[r#"
            Name="n1" Status="Ready,SchedulingDisabled" Roles="control-plane,worker" Age="\u003cunknown\u003e" Version="v1.36.0" [Internal-IP="10.0.0.1"] [External-IP="\u003cnone\u003e"] [OS-Image="Debian"] [Kernel-Version="\u003cunknown\u003e (arm64)"] [Container-Runtime="containerd://2"]
            Name="n2" Status="NotReady" Roles="\u003cnone\u003e" Age="\u003cunknown\u003e" Version="" [Internal-IP="\u003cnone\u003e"] [External-IP="\u003cnone\u003e"] [OS-Image="\u003cunknown\u003e"] [Kernel-Version="\u003cunknown\u003e"] [Container-Runtime="\u003cunknown\u003e"]
        "#]],
    );
}

#[test]
fn events() {
    check(
        "",
        "events",
        &[
            "{metadata: {name: e}, type: Warning, reason: Failed, message: ' no ', count: 3, firstTimestamp: '2026-01-01T12:00:00Z', lastTimestamp: '2026-01-01T12:29:00Z', involvedObject: {kind: Pod, name: p, fieldPath: 'spec.containers{c}'}, source: {component: kubelet, host: n1}}",
            "{metadata: {name: e}, eventTime: '2026-01-01T12:10:00.000000Z', series: {count: 7, lastObservedTime: '2026-01-01T12:29:50.000000Z'}, involvedObject: {kind: Node}, reportingComponent: c, reportingInstance: i}",
            "{metadata: {name: e}}",
        ],
        expect![[r#"
            Last Seen="60s" Type="Warning" Reason="Failed" Object="pod/p" [Subobject="spec.containers{c}"] [Source="kubelet, n1"] Message="no" [First Seen="30m"] [Count=3] [Name="e"]
            Last Seen="10s" Type="" Reason="" Object="node" [Subobject=""] [Source="c, i"] Message="" [First Seen="20m"] [Count=7] [Name="e"]
            Last Seen="\u003cunknown\u003e" Type="" Reason="" Object="" [Subobject=""] [Source=""] Message="" [First Seen="\u003cunknown\u003e"] [Count=1] [Name="e"]
        "#]],
    );
}

#[test]
fn workloads() {
    let template = "template: {spec: {nodeSelector: {d: ssd}, containers: [{name: a, image: i}, {name: b, image: j}]}}, selector: {matchLabels: {a: b}, matchExpressions: [{key: c, operator: Exists}]}";
    one(
        "apps",
        "deployments",
        &format!("spec: {{replicas: 3, {template}}}, status: {{readyReplicas: 2, updatedReplicas: 3}}"),
        expect![[r#"
        Name="a" Ready="2/3" Up-to-date=3 Available=0 Age="30m" [Containers="a,b"] [Images="i,j"] [Selector="a=b,c"]
    "#]],
    );
    one(
        "apps",
        "replicasets",
        &format!("spec: {{replicas: 3, {template}}}, status: {{replicas: 2}}"),
        expect![[r#"
        Name="a" Desired=3 Current=2 Ready=0 Age="30m" [Containers="a,b"] [Images="i,j"] [Selector="a=b,c"]
    "#]],
    );
    one(
        "apps",
        "statefulsets",
        &format!("spec: {{replicas: 3, {template}}}"),
        expect![[r#"
        Name="a" Ready="0/3" Age="30m" [Containers="a,b"] [Images="i,j"]
    "#]],
    );
    one(
        "apps",
        "daemonsets",
        &format!("spec: {{{template}}}, status: {{numberReady: 1}}"),
        expect![[r#"
        Name="a" Desired=0 Current=0 Ready=1 Up-to-date=0 Available=0 Node Selector="d=ssd" Age="30m" [Containers="a,b"] [Images="i,j"] [Selector="a=b,c"]
    "#]],
    );
    one(
        "",
        "replicationcontrollers",
        "spec: {replicas: 1, selector: {a: b}}",
        expect![[r#"
        Name="a" Desired=1 Current=0 Ready=0 Age="30m" [Containers=""] [Images=""] [Selector="a=b"]
    "#]],
    );
    one(
        "batch",
        "cronjobs",
        "spec: {schedule: '@daily', suspend: false}, status: {active: [{}], lastScheduleTime: '2026-01-01T00:00:00Z'}",
        expect![[r#"
        Name="a" Schedule="@daily" Timezone="\u003cnone\u003e" Suspend="False" Active=1 Last Schedule="12h" Age="30m" [Containers=""] [Images=""] [Selector="\u003cnone\u003e"]
    "#]],
    );
    let job = |rest: &str| format!("{{{META}, {rest}}}");
    let jobs = [
        job("spec: {completions: 3}, status: {succeeded: 1, startTime: '2026-01-01T12:00:00Z'}"),
        job(
            "spec: {parallelism: 2}, status: {conditions: [{type: Complete, status: 'True'}], startTime: '2026-01-01T12:00:00Z', completionTime: '2026-01-01T12:00:09Z'}",
        ),
        job("spec: {}, status: {conditions: [{type: Suspended, status: 'True'}]}"),
    ];
    check(
        "batch",
        "jobs",
        &jobs.iter().map(String::as_str).collect::<Vec<_>>(),
        expect![[r#"
        Name="a" Status="Running" Completions="1/3" Duration="30m" Age="30m" [Containers=""] [Images=""] [Selector="\u003cnone\u003e"]
        Name="a" Status="Complete" Completions="0/1 of 2" Duration="9s" Age="30m" [Containers=""] [Images=""] [Selector="\u003cnone\u003e"]
        Name="a" Status="Suspended" Completions="0/1" Duration="" Age="30m" [Containers=""] [Images=""] [Selector="\u003cnone\u003e"]
    "#]],
    );
    check(
        "apps",
        "controllerrevisions",
        &[
            "{metadata: {name: r, ownerReferences: [{controller: true, apiVersion: apps/v1, kind: DaemonSet, name: d}]}, revision: 4}",
        ],
        expect![[r#"
            Name="r" Controller="daemonset.apps/d" Revision=4 Age="\u003cunknown\u003e"
        "#]],
    );
}

#[test]
fn network() {
    let service = |spec: &str| {
        format!(
            "{{{META}, spec: {{{spec}}}, status: {{loadBalancer: {{ingress: [{{ip: 1.2.3.4}}, {{hostname: b.c}}]}}}}}}"
        )
    };
    let services = [
        service("type: ClusterIP, clusterIPs: [10.0.0.1], ports: [{port: 80, protocol: TCP}], selector: {a: b}"),
        service(
            "type: NodePort, externalIPs: [1.1.1.1], ports: [{port: 80, nodePort: 30080, protocol: TCP}, {port: 53, protocol: UDP}]",
        ),
        service("type: LoadBalancer, externalIPs: [1.1.1.1]"),
        "{spec: {type: LoadBalancer}}".to_owned(),
        service("type: ExternalName, externalName: a.b"),
    ];
    check(
        "",
        "services",
        &services.iter().map(String::as_str).collect::<Vec<_>>(),
        expect![[r#"
        Name="a" Type="ClusterIP" Cluster-IP="10.0.0.1" External-IP="\u003cnone\u003e" Port(s)="80/TCP" Age="30m" [Selector="a=b"]
        Name="a" Type="NodePort" Cluster-IP="\u003cnone\u003e" External-IP="1.1.1.1" Port(s)="80:30080/TCP,53/UDP" Age="30m" [Selector="\u003cnone\u003e"]
        Name="a" Type="LoadBalancer" Cluster-IP="\u003cnone\u003e" External-IP="1.2.3.4,b.c,1.1.1.1" Port(s)="\u003cnone\u003e" Age="30m" [Selector="\u003cnone\u003e"]
        Name="" Type="LoadBalancer" Cluster-IP="\u003cnone\u003e" External-IP="\u003cpending\u003e" Port(s)="\u003cnone\u003e" Age="\u003cunknown\u003e" [Selector="\u003cnone\u003e"]
        Name="a" Type="ExternalName" Cluster-IP="\u003cnone\u003e" External-IP="a.b" Port(s)="\u003cnone\u003e" Age="30m" [Selector="\u003cnone\u003e"]
    "#]],
    );
    one(
        "",
        "endpoints",
        "subsets: [{addresses: [{ip: 1.1.1.1}, {ip: 'fd00::1'}], ports: [{port: 80}, {port: 81}]}]",
        expect![[r#"
        Name="a" Endpoints="1.1.1.1:80,[fd00::1]:80,1.1.1.1:81 + 1 more..." Age="30m"
    "#]],
    );
    one(
        "discovery.k8s.io",
        "endpointslices",
        "addressType: IPv4, ports: [{port: 80}, {name: x}, {}], endpoints: [{addresses: [a, b]}, {addresses: [c, d]}]",
        expect![[r#"
        Name="a" AddressType="IPv4" Ports="80,x,*" Endpoints="a,b,c + 1 more..." Age="30m"
    "#]],
    );
    one(
        "networking.k8s.io",
        "ingresses",
        "spec: {rules: [{host: a}, {host: b}, {host: c}, {host: d}], tls: [{}]}",
        expect![[r#"
        Name="a" Class="\u003cnone\u003e" Hosts="a,b,c + 1 more..." Address="" Ports="80, 443" Age="30m"
    "#]],
    );
    one(
        "networking.k8s.io",
        "ingresses",
        "spec: {ingressClassName: k, rules: [{}]}, status: {loadBalancer: {ingress: [{ip: 1.2.3.4}]}}",
        expect![[r#"
        Name="a" Class="k" Hosts="*" Address="1.2.3.4" Ports="80" Age="30m"
    "#]],
    );
    one(
        "networking.k8s.io",
        "ingressclasses",
        "spec: {controller: c, parameters: {apiGroup: g, kind: K, name: p}}",
        expect![[r#"
        Name="a" Controller="c" Parameters="K.g/p" Age="30m"
    "#]],
    );
    one(
        "networking.k8s.io",
        "networkpolicies",
        "spec: {podSelector: {}}",
        expect![[r#"
        Name="a" Pod-Selector="\u003cnone\u003e" Age="30m"
    "#]],
    );
    one(
        "networking.k8s.io",
        "ipaddresses",
        "spec: {parentRef: {resource: services, namespace: ns, name: s}}",
        expect![[r#"
        Name="a" ParentRef="services/ns/s"
    "#]],
    );
}

#[test]
fn storage() {
    one(
        "",
        "persistentvolumes",
        "spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteMany, ReadWriteOnce], claimRef: {namespace: ns, name: c}, persistentVolumeReclaimPolicy: Retain}, status: {phase: Bound}",
        expect![[r#"
        Name="a" Capacity="1Gi" Access Modes="RWO,RWX" Reclaim Policy="Retain" Status="Bound" Claim="ns/c" StorageClass="" VolumeAttributesClass="\u003cunset\u003e" Reason="" Age="30m" [VolumeMode="\u003cunset\u003e"]
    "#]],
    );
    one(
        "",
        "persistentvolumeclaims",
        "spec: {volumeName: v, storageClassName: s, volumeMode: Block}, status: {phase: Bound, capacity: {storage: 1Gi}, accessModes: [ReadWriteOncePod]}",
        expect![[r#"
        Name="a" Status="Bound" Volume="v" Capacity="1Gi" Access Modes="RWOP" StorageClass="s" VolumeAttributesClass="\u003cunset\u003e" Age="30m" [VolumeMode="Block"]
    "#]],
    );
    check(
        "storage.k8s.io",
        "storageclasses",
        &[
            "{metadata: {name: s, annotations: {storageclass.kubernetes.io/is-default-class: 'true'}}, provisioner: p, allowVolumeExpansion: true}",
        ],
        expect![[r#"
        Name="s (default)" Provisioner="p" ReclaimPolicy="Delete" VolumeBindingMode="Immediate" AllowVolumeExpansion=true Age="\u003cunknown\u003e"
    "#]],
    );
    one(
        "storage.k8s.io",
        "csidrivers",
        "spec: {volumeLifecycleModes: [Persistent, Ephemeral], tokenRequests: [{audience: a}]}",
        expect![[r#"
        Name="a" AttachRequired=true PodInfoOnMount=false StorageCapacity=false TokenRequests="a" RequiresRepublish=false Modes="Persistent,Ephemeral" Age="30m"
    "#]],
    );
    one(
        "storage.k8s.io",
        "volumeattachments",
        "spec: {attacher: a, nodeName: n1, source: {persistentVolumeName: v}}, status: {attached: true}",
        expect![[r#"
        Name="a" Attacher="a" PV="v" Node="n1" Attached=true Age="30m"
    "#]],
    );
}

#[test]
fn the_rest() {
    one(
        "",
        "configmaps",
        "data: {a: b}, binaryData: {c: d}",
        expect![[r#"
        Name="a" Data=2 Age="30m"
    "#]],
    );
    one(
        "",
        "secrets",
        "type: Opaque, data: {a: b}",
        expect![[r#"
        Name="a" Type="Opaque" Data=1 Age="30m"
    "#]],
    );
    one(
        "",
        "resourcequotas",
        "status: {hard: {limits.cpu: '2', pods: '3', cpu: '1'}, used: {cpu: 500m}}",
        expect![[r#"
            Name="a" Request="cpu: 500m/1, pods: 0/3" Limit="limits.cpu: 0/2" Age="30m"
        "#]],
    );
    one(
        "policy",
        "poddisruptionbudgets",
        "spec: {minAvailable: 50%}, status: {disruptionsAllowed: 1}",
        expect![[r#"
        Name="a" Min Available="50%" Max Unavailable="N/A" Allowed Disruptions=1 Age="30m"
    "#]],
    );
    one(
        "rbac.authorization.k8s.io",
        "rolebindings",
        "roleRef: {kind: Role, name: r}, subjects: [{kind: User, name: u}, {kind: ServiceAccount, namespace: ns, name: s}, {kind: Group, name: g}, {kind: Group, name: h}]",
        expect![[r#"
        Name="a" Role="Role/r" Age="30m" [Users="u"] [Groups="g, h"] [ServiceAccounts="ns/s"]
    "#]],
    );
    one(
        "coordination.k8s.io",
        "leases",
        "spec: {holderIdentity: h}",
        expect![[r#"
        Name="a" Holder="h" Age="30m"
    "#]],
    );
    one(
        "scheduling.k8s.io",
        "priorityclasses",
        "value: 5, preemptionPolicy: Never",
        expect![[r#"
        Name="a" Value=5 Global-Default=false Age="30m" PreemptionPolicy="Never"
    "#]],
    );
    one(
        "certificates.k8s.io",
        "certificatesigningrequests",
        "spec: {signerName: s, username: u, expirationSeconds: 3600}, status: {conditions: [{type: Approved}], certificate: c}",
        expect![[r#"
        Name="a" Age="30m" SignerName="s" Requestor="u" RequestedDuration="60m" Condition="Approved,Issued"
    "#]],
    );
    one(
        "apiregistration.k8s.io",
        "apiservices",
        "spec: {service: {namespace: ns, name: s}}, status: {conditions: [{type: Available, status: 'False', reason: Missing}]}",
        expect![[r#"
        Name="a" Service="ns/s" Available="False (Missing)" Age="30m"
    "#]],
    );
    one(
        "admissionregistration.k8s.io",
        "validatingadmissionpolicybindings",
        "spec: {policyName: p, paramRef: {name: x}}",
        expect![[r#"
        Name="a" PolicyName="p" ParamRef="*/x" Age="30m"
    "#]],
    );
    one(
        "flowcontrol.apiserver.k8s.io",
        "flowschemas",
        "spec: {matchingPrecedence: 5, priorityLevelConfiguration: {name: l}}",
        expect![[r#"
        Name="a" PriorityLevel="l" MatchingPrecedence=5 DistinguisherMethod="\u003cnone\u003e" Age="30m" MissingPL="?"
    "#]],
    );
    one(
        "autoscaling",
        "horizontalpodautoscalers",
        "spec: {scaleTargetRef: {kind: Deployment, name: d}, minReplicas: 1, maxReplicas: 3, metrics: [{type: Resource, resource: {name: cpu, target: {averageUtilization: 80}}}, {type: Pods, pods: {target: {averageValue: '5'}}}, {type: External}]}, status: {currentMetrics: [{resource: {current: {averageUtilization: 20}}}]}",
        expect![[r#"
        Name="a" Reference="Deployment/d" Targets="cpu: 20%/80%, \u003cunknown\u003e/5 + 1 more..." MinPods="1" MaxPods=3 Replicas=0 Age="30m"
    "#]],
    );
    one(
        "resource.k8s.io",
        "resourceclaims",
        "status: {allocation: {}, reservedFor: [{}]}",
        expect![[r#"
        Name="a" State="allocated,reserved" Age="30m"
    "#]],
    );
    one(
        "metrics.k8s.io",
        "nodes",
        "window: 15s, usage: {cpu: 1500000n, memory: 2048Ki}",
        expect![[r#"
        Name="a" cpu="1500u" memory="2Mi" Window="15s"
    "#]],
    );
    one(
        "metrics.k8s.io",
        "pods",
        "window: 1.5s, containers: [{usage: {cpu: 1m, memory: 1Ki}}, {usage: {cpu: 2m, memory: 3Ki}}]",
        expect![[r#"
        Name="a" cpu="3m" memory="4Ki" Window="1.5s"
    "#]],
    );
    assert!(resource("rbac.authorization.k8s.io", "roles").columns.is_empty());
}
