//! What pods become in the runtime's language.

use std::sync::Arc;

use expect_test::{Expect, expect};
use serde_json::json;

use super::*;
use crate::pod::{self, testutil::pod};

const MACHINE: Machine =
    Machine { milli_cpu: 4000, memory: 8 << 30, allocatable_memory: 7 << 30, storage: 10 << 30, cgroup_v2: false };

fn data(entries: &[(&str, &str)]) -> Option<Arc<Data>> {
    let entries = entries.iter().map(|(k, v)| ((*k).to_owned(), v.as_bytes().to_vec())).collect();
    Some(Arc::new(Data { entries, kind: String::new() }))
}

fn sources() -> Sources {
    Sources {
        config_maps: [("cm".to_owned(), data(&[("a", "1"), ("b", "2")])), ("gone".to_owned(), None)].into(),
        secrets: [("s".to_owned(), data(&[("key", "hidden")]))].into(),
    }
}

fn env(container: serde_json::Value) -> Result<String, SpecError> {
    let mut c = json!({"name": "app"});
    c.as_object_mut().unwrap().extend(container.as_object().unwrap().clone());
    let p = pod(json!({"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [c]}}));
    let port = |name: &str, port| ServicePort { name: name.into(), port, protocol: "TCP".into() };
    let service = |namespace: &str, name: &str, ports| Service {
        namespace: namespace.into(),
        name: name.into(),
        ip: "10.43.0.1".into(),
        ports,
    };
    let services =
        [service("default", "kubernetes", vec![port("https", 443)]), service("other", "x", vec![port("", 1)])];
    let ips = ["10.42.0.5".to_owned()];
    let vars =
        environment(&p, &pod::spec(&p).containers[0], &sources(), &services, &ips, &["10.0.0.1".into()], &MACHINE)?;
    Ok(vars.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join("\n"))
}

#[test]
fn environments() {
    let text = env(json!({
        "envFrom": [{"prefix": "P_", "configMapRef": {"name": "cm"}}, {"secretRef": {"name": "nope", "optional": true}}],
        "resources": {"limits": {"memory": "64Mi"}},
        "env": [
            {"name": "A", "value": "$(P_a)-$(KUBERNETES_SERVICE_HOST)-$(LATER)-$$(A)"},
            {"name": "LATER", "value": "x"},
            {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "key"}}},
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "LABEL", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
            {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
            {"name": "MEM", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
            {"name": "NONE", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "z", "optional": true}}},
        ],
    })).unwrap();
    expect![[r#"
        A=1-10.43.0.1-$(LATER)-$(A)
        LATER=x
        S=hidden
        IP=10.42.0.5
        LABEL=x
        CPU=4
        MEM=64
        P_a=1
        P_b=2
        KUBERNETES_PORT=tcp://10.43.0.1:443
        KUBERNETES_PORT_443_TCP=tcp://10.43.0.1:443
        KUBERNETES_PORT_443_TCP_ADDR=10.43.0.1
        KUBERNETES_PORT_443_TCP_PORT=443
        KUBERNETES_PORT_443_TCP_PROTO=tcp
        KUBERNETES_SERVICE_HOST=10.43.0.1
        KUBERNETES_SERVICE_PORT=443
        KUBERNETES_SERVICE_PORT_HTTPS=443"#]]
    .assert_eq(&text);
}

#[test]
fn what_is_missing_in_an_environment() {
    let from = |v: serde_json::Value| env(json!({"env": [{"name": "A", "valueFrom": v}]})).unwrap_err().0;
    assert_eq!(from(json!({"configMapKeyRef": {"name": "gone", "key": "a"}})), "configmap \"gone\" not found");
    assert_eq!(
        from(json!({"configMapKeyRef": {"name": "cm", "key": "z"}})),
        "couldn't find key z in ConfigMap default/cm"
    );
    assert_eq!(from(json!({"secretKeyRef": {"name": "s", "key": "z"}})), "couldn't find key z in Secret default/s");
}

fn dns(spec: serde_json::Value) -> String {
    let host = ResolvConf::parse("nameserver 1.1.1.1\nsearch home.\noptions edns0\n");
    let c = dns_config(&pod(json!({"spec": spec})), &["10.43.0.10".parse().unwrap()], "cluster.local", &host);
    format!("{:?} {:?} {:?}", c.servers, c.searches, c.options)
}

#[test]
fn resolvers_by_policy() {
    let table = [
        (
            json!({}),
            r#"["10.43.0.10"] ["default.svc.cluster.local", "svc.cluster.local", "cluster.local", "home"] ["ndots:5"]"#,
        ),
        (json!({"dnsPolicy": "Default"}), r#"["1.1.1.1"] ["home"] ["edns0"]"#),
        (json!({"hostNetwork": true, "dnsPolicy": "ClusterFirst"}), r#"["1.1.1.1"] ["home"] ["edns0"]"#),
        (
            json!({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["9.9.9.9"], "searches": ["a"],
                "options": [{"name": "ndots", "value": "2"}, {"name": "single"}]}}),
            r#"["9.9.9.9"] ["a"] ["ndots:2", "single"]"#,
        ),
        (
            json!({"dnsConfig": {"options": [{"name": "ndots", "value": "1"}]}}),
            r#"["10.43.0.10"] ["default.svc.cluster.local", "svc.cluster.local", "cluster.local", "home"] ["ndots:1"]"#,
        ),
    ];
    for (spec, want) in table {
        assert_eq!(dns(spec.clone()), want, "{spec}");
    }
}

#[test]
fn hosts_files() {
    let p = pod(json!({"spec": {"hostname": "h", "subdomain": "sub",
        "hostAliases": [{"ip": "1.2.3.4", "hostnames": ["a", "b"]}]}}));
    let text = hosts_file(&p, &["10.42.0.5".into()], "cluster.local", "");
    assert!(text.starts_with("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n"));
    assert!(text.ends_with(
        "10.42.0.5\th.sub.default.svc.cluster.local\th\n\n# Entries added by HostAliases.\n1.2.3.4\ta\tb\n"
    ));
    let host = pod(json!({"spec": {"hostNetwork": true}}));
    assert_eq!(
        hosts_file(&host, &[], "cluster.local", "127.0.0.1 me\n"),
        "# Kubernetes-managed hosts file (host network).\n127.0.0.1 me\n"
    );
}

#[track_caller]
fn check_container(spec: serde_json::Value, image: &Image, want: Expect) {
    let p = pod(spec);
    let container = &pod::spec(&p).containers[0];
    let input = ContainerInput {
        pod: &p,
        container,
        restarts: 2,
        image,
        env: vec![("A".into(), "1".into())],
        mounts: Vec::new(),
        machine: &MACHINE,
        target: None,
        seccomp_root: "/seccomp",
    };
    let text = match container_config(input) {
        Err(e) => format!("error: {e}"),
        Ok(c) => {
            let linux = c.linux.unwrap();
            let (r, s) = (linux.resources.unwrap(), linux.security_context.unwrap());
            let mut annotations: Vec<_> = c.annotations.into_iter().collect();
            annotations.sort();
            format!(
                "{:?} {:?} {}\ncpu {}/{}/{} memory {} oom {}\nuser {:?}/{:?}/{:?} groups {:?}\nprivileged {} no-new {} ro {} seccomp {:?} masked {} namespaces {:?}\ncapabilities {:?}\n{annotations:?}",
                c.command,
                c.args,
                c.log_path,
                r.cpu_shares,
                r.cpu_quota,
                r.cpu_period,
                r.memory_limit_in_bytes,
                r.oom_score_adj,
                s.run_as_user.map(|u| u.value),
                s.run_as_group.map(|u| u.value),
                s.run_as_username,
                s.supplemental_groups,
                s.privileged,
                s.no_new_privs,
                s.readonly_rootfs,
                s.seccomp.map(|p| p.profile_type),
                s.masked_paths.len(),
                s.namespace_options.map(|n| (n.network, n.pid, n.ipc)),
                s.capabilities.map(|c| (c.add_capabilities, c.drop_capabilities)),
            )
        }
    };
    want.assert_eq(&text);
}

#[test]
fn containers() {
    check_container(
        json!({"spec": {
            "securityContext": {"runAsUser": 1000, "fsGroup": 2000, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{"name": "app", "command": ["sh", "$(A)"], "args": ["$(B)"],
                "resources": {"requests": {"cpu": "250m", "memory": "4Gi"}, "limits": {"cpu": "500m", "memory": "5Gi"}},
                "securityContext": {"runAsGroup": 3000, "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                    "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]}}}],
        }}),
        &Image { id: "sha256:1".into(), uid: Some(7), user: String::new() },
        expect![[r#"
            ["sh", "1"] ["$(B)"] app/2.log
            cpu 256/50000/100000 memory 5368709120 oom 500
            user Some(1000)/Some(3000)/"" groups [2000]
            privileged false no-new true ro true seccomp Some(0) masked 12 namespaces Some((0, 1, 0))
            capabilities Some((["NET_ADMIN"], ["ALL"]))
            [("io.kubernetes.container.hash", "a0ac7e44"), ("io.kubernetes.container.restartCount", "2"), ("io.kubernetes.container.terminationMessagePath", "/dev/termination-log"), ("io.kubernetes.container.terminationMessagePolicy", "File"), ("io.kubernetes.pod.terminationGracePeriod", "30")]"#]],
    );
    check_container(
        json!({"spec": {"hostNetwork": true, "hostPID": true, "containers": [{"name": "app", "securityContext": {"privileged": true}}]}}),
        &Image { id: "sha256:1".into(), uid: None, user: "web".into() },
        expect![[r#"
            [] [] app/2.log
            cpu 2/0/100000 memory 0 oom 1000
            user None/None/"web" groups []
            privileged true no-new false ro false seccomp Some(1) masked 12 namespaces Some((2, 2, 0))
            capabilities None
            [("io.kubernetes.container.hash", "a0ac7e44"), ("io.kubernetes.container.restartCount", "2"), ("io.kubernetes.container.terminationMessagePath", "/dev/termination-log"), ("io.kubernetes.container.terminationMessagePolicy", "File"), ("io.kubernetes.pod.terminationGracePeriod", "30")]"#]],
    );
}

#[test]
fn non_root_is_checked_against_the_image() {
    let spec = || json!({"spec": {"securityContext": {"runAsNonRoot": true}}});
    let image = |uid, user: &str| Image { id: "i".into(), uid, user: user.into() };
    check_container(
        spec(),
        &image(Some(0), ""),
        expect![[
            r#"error: container has runAsNonRoot and image will run as root (pod: "web_default(u-1)", container: app)"#
        ]],
    );
    check_container(
        spec(),
        &image(None, "web"),
        expect![[
            r#"error: container has runAsNonRoot and image has non-numeric user (web), cannot verify user is non-root (pod: "web_default(u-1)", container: app)"#
        ]],
    );
}

#[test]
fn a_pods_cgroup_is_the_sum() {
    let r = |cpu: &str| json!({"requests": {"cpu": cpu}, "limits": {"cpu": cpu, "memory": "1Mi"}});
    let p = pod(json!({"spec": {
        "initContainers": [{"name": "big", "resources": r("2")}],
        "containers": [{"name": "a", "resources": r("500m")}, {"name": "b", "resources": r("250m")}],
    }}));
    let c = pod_resources(&p);
    assert_eq!((c.cpu_shares, c.cpu_quota, c.memory_limit_in_bytes), (2048, 200_000, 2 << 20));
    let open = pod(json!({"spec": {"containers": [{"name": "a", "resources": r("1")}, {"name": "b"}]}}));
    let c = pod_resources(&open);
    assert_eq!((c.cpu_shares, c.cpu_quota, c.memory_limit_in_bytes), (1024, 0, 0));
}

#[test]
fn sandboxes() {
    let p = pod(json!({"metadata": {"labels": {"app": "x"}}, "spec": {
        "hostname": "h", "subdomain": "s", "setHostnameAsFQDN": true, "shareProcessNamespace": true,
        "securityContext": {"sysctls": [{"name": "net.core.somaxconn", "value": "9"}]},
        "containers": [{"name": "app", "ports": [{"containerPort": 80, "hostPort": 8080, "protocol": "UDP"}]}],
    }}));
    let c = sandbox_config(&p, 3, Default::default(), "cluster.local", "/kubepods/podu-1", "/logs", "/seccomp");
    let linux = c.linux.unwrap();
    let ports: Vec<_> = c.port_mappings.iter().map(|p| (p.protocol, p.container_port, p.host_port)).collect();
    let pid = linux.security_context.unwrap().namespace_options.unwrap().pid;
    assert_eq!(c.hostname, "h.s.default.svc.cluster.local");
    assert_eq!(c.log_directory, "/logs/default_web_u-1");
    assert_eq!((c.metadata.unwrap().attempt, ports, pid), (3, vec![(1, 80, 8080)], 0));
    assert_eq!(linux.sysctls["net.core.somaxconn"], "9");
    assert_eq!(linux.cgroup_parent, "/kubepods/podu-1");
    assert_eq!((c.labels["app"].as_str(), c.labels["io.kubernetes.pod.uid"].as_str()), ("x", "u-1"));
}
