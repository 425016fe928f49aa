//! Whole pods on real containerd and a real kernel; the API is in memory.
//!
//! `cargo test -p knarr-kubelet --test root -- --ignored` needs root, containerd, runc and a static busybox.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[allow(dead_code, reason = "shared with the runtime's own suite, which uses more of it")]
#[path = "../../cri/tests/it/busybox.rs"]
mod busybox;
#[allow(dead_code, reason = "shared with the runtime's own suite, which uses more of it")]
#[path = "../../cri/tests/it/node.rs"]
mod node;

use std::{
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use busybox::{busybox_layer, docker_archive};
use knarr_api::{Value, value};
use knarr_client::{
    Api, ApiExt, BoxIo,
    fake::FakeApi,
    resources::{CONFIG_MAPS, PODS},
};
use knarr_cri::events;
use knarr_daemon::{Stop, Tasks};
use knarr_kubelet::{Config, Kubelet, Server};
use node::Node;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn eventually<F: Future<Output = bool>>(what: &str, check: impl Fn() -> F, show: impl Fn() -> String) {
    for _ in 0..1500 {
        if check().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never came: {what}; now: {}", show());
}

fn agent(node: &Node, api: &FakeApi) -> (Tasks, Server) {
    let tasks = Tasks::new(&Stop::new());
    let mut config = Config::new("node", [127, 0, 0, 1].into());
    let dir = |name: &str| node.dir.0.join(name);
    config.root = dir("kubelet");
    config.pod_logs = dir("pods");
    config.container_logs = dir("containers");
    config.cgroup_root = node.cgroup.clone();
    let events = events::subscribe(node.settings.socket(), &tasks);
    let api: Arc<dyn Api> = Arc::new(api.clone());
    let kubelet = Kubelet::new(config, api, Arc::new(node.cri()), events, tasks.stop_token()).unwrap();
    let server = kubelet.server();
    kubelet.run(&tasks);
    (tasks, server)
}

async fn get(server: &Server, path: &str) -> String {
    let (mut here, there) = tokio::io::duplex(64 << 10);
    let there: BoxIo = Box::new(there);
    server.serve(there).await;
    let request = format!("GET {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n");
    here.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    here.read_to_string(&mut text).await.unwrap();
    text
}

async fn exec(server: &Server, path: &str) -> (String, knarr_stream::Outcome) {
    let (here, there) = tokio::io::duplex(64 << 10);
    let there: BoxIo = Box::new(there);
    server.serve(there).await;
    let url = format!("http://node:1{path}");
    let upgraded = knarr_stream::client::upgrade(here, &url, "v4.channel.k8s.io").await.unwrap();
    let options = knarr_stream::Options { stdout: true, stderr: true, ..Default::default() };
    let (mut session, driver) = knarr_stream::client::exec(upgraded, options);
    let mut out = String::new();
    let work = async {
        session.stdout.take().unwrap().read_to_string(&mut out).await.unwrap();
        session.outcome().await
    };
    let (_, outcome) = tokio::join!(driver, work);
    (out, outcome)
}

/// What pods left: their mounts, their directories, their files in memory. The file system these are in is the node's.
fn left_of_pods(kubelet: &Path) -> Vec<PathBuf> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mounts = table.lines().filter_map(|l| l.split(' ').nth(4)).map(PathBuf::from);
    let mut left: Vec<_> = mounts.filter(|p| p.starts_with(kubelet) && *p != kubelet.join("memory")).collect();
    for dir in ["pods", "memory"] {
        left.extend(kubelet.join(dir).read_dir().unwrap().map(|e| e.unwrap().path()));
    }
    left
}

fn pod() -> Value {
    let mount = |name: &str, path: &str| value!({ "name": name, "mountPath": path });
    let mut sub = mount("memory", "/sub");
    sub.set(&["subPathExpr"], "$(GREETING)/inner");
    let script = "echo $GREETING; busybox cat /cm/key; echo last > /dev/termination-log; : > /sub/x; busybox id -u; \
                  trap 'exit 0' TERM; busybox sleep 1000 & wait";
    let mut container = value!({
        "name": "app", "image": "busybox:test", "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-c", script],
        "env": [{ "name": "GREETING", "value": "hello" }],
        "securityContext": { "runAsUser": 1000 },
        "resources": { "limits": { "memory": "32Mi", "cpu": "200m" } },
        "readinessProbe": { "exec": { "command": ["sh", "-c", "test -e /sub/x"] }, "periodSeconds": 1 },
    });
    container.set(&["volumeMounts"], Value::Array(vec![mount("cm", "/cm"), mount("memory", "/memory"), sub]));
    let mut pod = value!({
        "metadata": { "name": "web", "uid": "11111111-2222" },
        "spec": {
            "nodeName": "node", "hostNetwork": true, "terminationGracePeriodSeconds": 5,
            "securityContext": { "fsGroup": 1000 },
            "volumes": [
                { "name": "cm", "configMap": { "name": "cm" } },
                { "name": "memory", "emptyDir": { "medium": "Memory" } },
            ],
        },
    });
    pod.set(&["spec", "containers"], Value::Array(vec![container]));
    pod
}

fn status(api: &FakeApi) -> String {
    api.tree(&PODS, "default", "web").map_or("gone".to_owned(), |p| format!("{:?}", p.at(&["status"])))
}

fn is_ready(api: &FakeApi) -> bool {
    let pod = api.tree(&PODS, "default", "web").unwrap_or_default();
    let is = |c: &Value| c.str_at(&["type"]) == "Ready" && c.str_at(&["status"]) == "True";
    pod.list_at(&["status", "conditions"]).iter().any(is)
}

fn container_id(api: &FakeApi) -> String {
    let pod = api.tree(&PODS, "default", "web").unwrap();
    pod.list_at(&["status", "containerStatuses"])[0].str_at(&["containerID"]).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root and containerd"]
async fn a_pod_lives_is_adopted_and_leaves_nothing() {
    Node::run("kubelet", |node| async move {
        let (_containerd, tasks) = node.start().await;
        let importer = node.importer();
        importer.ensure_pause().await.unwrap();
        let images = node.dir.0.join("images");
        std::fs::create_dir(&images).unwrap();
        std::fs::write(images.join("b.tar"), docker_archive(&["busybox:test"], &[&busybox_layer()])).unwrap();
        let done = importer.preload(&images, &node.dir.0.join("record")).await;
        assert!(done.failures.is_empty(), "{:?}", done.failures);

        let api = FakeApi::new();
        let map = |v: &str| value!({ "metadata": { "name": "cm" }, "data": { "key": v } });
        api.create(&CONFIG_MAPS, "default", map("one\n")).await.unwrap();
        api.create(&PODS, "default", pod()).await.unwrap();
        let (agent1, server) = agent(&node, &api);
        eventually("ready", || async { is_ready(&api) }, || status(&api)).await;

        let logs = get(&server, "/containerLogs/default/web/app?tailLines=10").await;
        assert!(logs.contains("hello") && logs.contains("one") && logs.contains("1000"), "{logs}");
        let stats = get(&server, "/metrics/resource").await;
        assert!(stats.contains("pod_memory_working_set_bytes{namespace=\"default\",pod=\"web\"}"), "{stats}");
        let (out, outcome) = exec(
            &server,
            "/exec/default/web/app?command=sh&command=-c&command=busybox+cat+/etc/hosts;busybox+ls+/memory/hello;exit+3&output=1&error=1",
        )
        .await;
        assert!(out.starts_with("# Kubernetes-managed hosts file (host network).") && out.contains("inner"), "{out}");
        assert!(matches!(outcome, knarr_stream::Outcome::Exit { code: 3, .. }), "{outcome:?}");

        // A change reaches the mounted file.
        api.merge(&CONFIG_MAPS, "default", "cm", "", value!({ "data": { "key": "two\n" } })).await.unwrap();
        eventually(
            "the new file",
            || async { exec(&server, "/exec/default/web/app?command=sh&command=-c&command=busybox+cat+/cm/key&output=1&error=1").await.0 == "two\n" },
            String::new,
        )
        .await;

        // Another agent adopts what runs.
        let id = container_id(&api);
        agent1.stop_all(Duration::from_secs(5)).await;
        let (agent2, server) = agent(&node, &api);
        eventually(
            "adopted",
            || async { get(&server, "/containerLogs/default/web/app").await.contains("hello") },
            || status(&api),
        )
        .await;
        assert_eq!((container_id(&api), is_ready(&api)), (id, true));

        api.delete(&PODS, "default", "web", "").await.unwrap();
        eventually("gone", || async { api.tree(&PODS, "default", "web").is_none() }, || status(&api)).await;
        let kubelet = node.dir.0.join("kubelet");
        let left = || left_of_pods(&kubelet);
        eventually("removed", || async { left().is_empty() }, || format!("{:?}", left())).await;
        agent2.stop_all(Duration::from_secs(5)).await;
        tasks.stop_all(Duration::from_secs(10)).await;
        // The agent leaves it mounted: containers outlive agents.
        nix::mount::umount(&kubelet.join("memory")).unwrap();
        // Of the pod no cgroup is left anywhere; what all pods share is ours to remove.
        for tree in std::fs::read_dir("/sys/fs/cgroup").unwrap().flatten() {
            let group = tree.path().join(node.cgroup.trim_start_matches('/'));
            if group.exists() {
                let shared = group.join("kubepods");
                assert!(!shared.exists() || std::fs::remove_dir(&shared).is_ok(), "{} is not empty", shared.display());
                std::fs::remove_dir(&group).unwrap();
            }
        }
    })
    .await;
}
