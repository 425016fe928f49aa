//! Whole pods through the agent, against a runtime and an API in memory.

use std::{future::Future, sync::Arc, time::Duration};

use knarr_api::{Value, value};
use knarr_client::{
    ApiExt,
    fake::FakeApi,
    resources::{CONFIG_MAPS, EVENTS, NODES, PODS},
};
use knarr_cri::{Code, fake::FakeRuntime};
use knarr_daemon::{Stop, Tasks};
use serde_json::json;

use crate::{
    Config, Kubelet,
    testutil::{FakeMounter, TempDir},
    tree::tree,
    volumes::Mounter as _,
};

struct World {
    api: FakeApi,
    runtime: Arc<FakeRuntime>,
    config: Config,
    mounter: Arc<FakeMounter>,
    tasks: Tasks,
    _dir: TempDir,
}

impl World {
    fn new() -> Self {
        let dir = TempDir::new("worker");
        let mut config = Config::new("node", [10, 0, 0, 1].into());
        config.image_gc = (100, 100); // how full the disk under the test is, is not what it asks
        config.root = dir.path().join("kubelet");
        config.pod_logs = dir.path().join("pods");
        config.container_logs = dir.path().join("containers");
        config.resolv_conf = dir.path().join("resolv.conf");
        let runtime = FakeRuntime::new();
        runtime.add_image("img:1");
        let now = jiff::Timestamp::now().as_nanosecond();
        runtime.set_now(i64::try_from(now).unwrap());
        let tasks = Tasks::new(&Stop::new());
        let world = Self { api: FakeApi::new(), runtime, config, mounter: Arc::default(), tasks, _dir: dir };
        world.start(&world.tasks);
        world
    }

    fn start(&self, tasks: &Tasks) {
        let api = Arc::new(self.api.clone());
        let (runtime, events) = (self.runtime.clone(), self.runtime.events());
        let stop = tasks.stop_token();
        Kubelet::build(self.config.clone(), api, runtime, events, stop, None, self.mounter.clone()).unwrap().run(tasks);
    }

    async fn pod(&self, name: &str, spec: serde_json::Value) {
        let mut body = json!({"metadata": {"name": name}, "spec": {
            "nodeName": "node", "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "app", "image": "img:1", "imagePullPolicy": "IfNotPresent"}],
        }});
        body["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        self.api.create(&PODS, "default", tree(&body)).await.unwrap();
    }

    fn read(&self, name: &str) -> Option<Value> {
        self.api.tree(&PODS, "default", name)
    }

    /// The pod in a few words: phase, readiness, and each container's state.
    fn show(&self, name: &str) -> String {
        let Some(pod) = self.read(name) else { return "gone".to_owned() };
        let mut out = pod.str_at(&["status", "phase"]).to_owned();
        let ready = pod
            .list_at(&["status", "conditions"])
            .iter()
            .any(|c| c.str_at(&["type"]) == "Ready" && c.str_at(&["status"]) == "True");
        out.push_str(if ready { " ready" } else { " -" });
        for list in ["initContainerStatuses", "containerStatuses"] {
            for c in pod.list_at(&["status", list]) {
                let state = c.get("state").and_then(Value::as_object).and_then(|s| s.iter().next());
                let (kind, detail) = state.unwrap_or(("none", &Value::Null));
                let restarts = c.at(&["restartCount"]).and_then(Value::as_i64).unwrap_or(0);
                out.push_str(&format!(" {}={kind}:{}/{restarts}", c.str_at(&["name"]), detail.str_at(&["reason"])));
            }
        }
        out
    }

    async fn shows(&self, name: &str, want: &str) {
        eventually(&format!("{name}: {want}"), || async { self.show(name) == want }, || self.show(name)).await;
    }

    async fn has_event(&self, reason: &str, message: &str) {
        let list = || async {
            let events = self.api.list(&EVENTS, "default").await.unwrap().items;
            let all = events.iter().map(|e| e.decode::<serde_json::Value>().unwrap());
            all.map(|e| format!("{}: {}", e["reason"].as_str().unwrap(), e["message"].as_str().unwrap()))
                .collect::<Vec<_>>()
        };
        let want = format!("{reason}: {message}");
        eventually(&want, || async { list().await.contains(&want) }, String::new).await;
    }

    fn container(&self, name: &str) -> String {
        let pod = self.read(name).unwrap();
        let all = pod.list_at(&["status", "containerStatuses"]);
        all[0].str_at(&["containerID"]).trim_start_matches("containerd://").to_owned()
    }

    fn started(&self) -> usize {
        self.runtime.calls().iter().filter(|c| c.starts_with("StartContainer")).count()
    }
}

async fn eventually<F: Future<Output = bool>>(what: &str, check: impl Fn() -> F, show: impl Fn() -> String) {
    for _ in 0..2000 {
        if check().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never came: {what}; now: {}", show());
}

#[tokio::test]
async fn a_pod_runs_and_is_deleted() {
    let w = World::new();
    w.pod("web", json!({})).await;
    w.shows("web", "Running ready app=running:/0").await;
    w.has_event("Started", "Container started").await;
    let pod = w.read("web").unwrap();
    assert!(!pod.str_at(&["status", "podIP"]).is_empty());
    assert_eq!(pod.str_at(&["status", "hostIP"]), "10.0.0.1");
    w.api.delete(&PODS, "default", "web", "").await.unwrap();
    w.shows("web", "gone").await;
    w.has_event("Killing", "Stopping container app").await;
    let deletes = w.api.writes().into_iter().filter(|c| c == "delete pods default/web").count();
    assert_eq!(deletes, 2);
    eventually(
        "the directory is gone",
        || async { w.config.root.join("pods").read_dir().unwrap().next().is_none() },
        String::new,
    )
    .await;
}

#[tokio::test]
async fn of_a_new_pod_nothing_is_looked_for() {
    let w = World::new();
    w.pod("first", json!({})).await;
    w.shows("first", "Running ready app=running:/0").await;
    w.runtime.deny("ListPodSandbox", "", 1000, Code::Unavailable, "busy");
    w.pod("web", json!({})).await;
    w.shows("web", "Running ready app=running:/0").await;
}

#[tokio::test]
async fn a_restart_of_the_agent_restarts_nothing() {
    let w = World::new();
    w.pod("web", json!({})).await;
    w.shows("web", "Running ready app=running:/0").await;
    w.tasks.stop_all(Duration::from_secs(2)).await;
    let (started, writes) = (w.started(), w.api.writes().len());
    let patches = w.api.writes().into_iter().filter(|c| c == "patch pods/status default/web").count();
    assert!(patches <= 2, "{patches} status patches for one start");
    let again = Tasks::new(&Stop::new());
    w.start(&again);
    eventually("pods are followed", || async { w.api.tree(&NODES, "", "node").is_some() }, String::new).await;
    w.pod("other", json!({})).await;
    w.shows("other", "Running ready app=running:/0").await;
    assert_eq!(w.started(), started + 1);
    let mine = w.api.writes().split_off(writes).into_iter().filter(|c| c.contains("default/web")).collect::<Vec<_>>();
    assert_eq!(mine, Vec::<String>::new());
    again.stop_all(Duration::from_secs(2)).await;
}

#[tokio::test]
async fn init_containers_run_in_order_before_the_rest() {
    let w = World::new();
    let init = |name: &str| json!({"name": name, "image": "img:1"});
    let sidecar = json!({"name": "side", "image": "img:1", "restartPolicy": "Always"});
    w.pod("web", json!({"initContainers": [init("one"), sidecar]})).await;
    w.shows("web", "Pending - one=running:/0 side=waiting:PodInitializing/0 app=waiting:PodInitializing/0").await;
    w.runtime.exit("container-1", 0);
    w.shows("web", "Running ready one=terminated:Completed/0 side=running:/0 app=running:/0").await;
}

#[tokio::test]
async fn a_failing_container_is_restarted_then_waits() {
    let w = World::new();
    w.pod("web", json!({})).await;
    w.shows("web", "Running ready app=running:/0").await;
    w.runtime.exit(&w.container("web"), 3);
    w.shows("web", "Running ready app=running:/1").await;
    w.runtime.set_now(i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap());
    w.runtime.exit(&w.container("web"), 3);
    w.shows("web", "Running - app=waiting:CrashLoopBackOff/1").await;
    let pod = w.read("web").unwrap();
    let last = &pod.list_at(&["status", "containerStatuses"])[0];
    assert_eq!(last.at(&["lastState", "terminated", "exitCode"]).and_then(Value::as_i64), Some(3));
    assert!(
        last.str_at(&["state", "waiting", "message"])
            .starts_with("back-off 10s restarting failed container=app pod=web_default(")
    );
}

#[tokio::test]
async fn a_job_ends_well_or_badly() {
    for (code, want) in [(0, "Succeeded - app=terminated:Completed/0"), (1, "Failed - app=terminated:Error/0")] {
        let w = World::new();
        w.pod("job", json!({"restartPolicy": "Never"})).await;
        w.shows("job", "Running ready app=running:/0").await;
        w.runtime.exit(&w.container("job"), code);
        w.shows("job", want).await;
        eventually(
            "the sandbox stops",
            || async { w.runtime.calls().iter().any(|c| c.starts_with("StopPodSandbox")) },
            String::new,
        )
        .await;
    }
}

#[test]
fn what_overtakes_what() {
    use super::{Doing, Hurry, overtakes};
    let nobody = Hurry { leaving: false, ended: false };
    let deleted = Hurry { leaving: true, ended: false };
    let refused = Hurry { leaving: false, ended: true };
    for (present, wanted, hurry, want) in [
        (Doing::Sync, Doing::Terminate(30), nobody, false),
        (Doing::Sync, Doing::Terminate(30), deleted, true),
        (Doing::Sync, Doing::Terminate(30), refused, true),
        (Doing::Sync, Doing::Clean, nobody, false),
        (Doing::Sync, Doing::Clean, deleted, true),
        (Doing::Sync, Doing::Sync, deleted, false),
        (Doing::Terminate(30), Doing::Terminate(30), deleted, false),
        (Doing::Terminate(30), Doing::Terminate(5), deleted, true),
        (Doing::Terminate(5), Doing::Terminate(30), deleted, false),
        (Doing::Terminate(30), Doing::Clean, deleted, false),
    ] {
        assert_eq!(overtakes(present, wanted, hurry), want, "{present:?} {wanted:?} {hurry:?}");
    }
}

#[tokio::test]
async fn a_container_that_ends_while_it_starts_is_told_of_to_the_end() {
    let w = World::new();
    w.runtime.delay("ExecSync", Duration::from_millis(300));
    w.runtime.on_exec(|_, _| Ok(knarr_cri::ExecOutput { stdout: Vec::new(), stderr: Vec::new(), exit_code: 1 }));
    let hook = json!({"postStart": {"exec": {"command": ["hook"]}}});
    let app = json!({"name": "app", "image": "img:1", "lifecycle": hook});
    w.pod("job", json!({"restartPolicy": "Never", "containers": [app]})).await;
    w.has_event("Started", "Container started").await;
    w.runtime.exit("container-1", 0);
    w.has_event("FailedPostStartHook", "PostStartHook failed").await;
    w.shows("job", "Succeeded - app=terminated:Completed/0").await;
}

#[tokio::test]
async fn what_is_missing_is_told_and_waited_for() {
    let w = World::new();
    w.pod(
        "web",
        json!({"containers": [{"name": "app", "image": "img:1",
        "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "a"}}}]}]}),
    )
    .await;
    w.shows("web", "Pending - app=waiting:CreateContainerConfigError/0").await;
    w.has_event("Failed", "Error: configmap \"cm\" not found").await;
    w.api.create(&CONFIG_MAPS, "default", value!({"metadata": {"name": "cm"}, "data": {"a": "1"}})).await.unwrap();
    w.shows("web", "Running ready app=running:/0").await;
}

#[tokio::test]
async fn a_volume_follows_its_config_map() {
    let w = World::new();
    let map = |v: &str| value!({"metadata": {"name": "cm"}, "data": {"a": v}});
    w.api.create(&CONFIG_MAPS, "default", map("1")).await.unwrap();
    w.pod(
        "web",
        json!({
            "volumes": [{"name": "v", "configMap": {"name": "cm"}}],
            "containers": [{"name": "app", "image": "img:1", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
        }),
    )
    .await;
    w.shows("web", "Running ready app=running:/0").await;
    let uid = w.read("web").unwrap().str_at(&["metadata", "uid"]).to_owned();
    let file = w.config.pod_dir(&uid).join("volumes/kubernetes.io~configmap/v/a");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "1");
    w.api.merge(&CONFIG_MAPS, "default", "cm", "", value!({"data": {"a": "2"}})).await.unwrap();
    eventually("the file changes", || async { std::fs::read_to_string(&file).unwrap() == "2" }, String::new).await;
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled() {
    let w = World::new();
    w.pod("web", json!({"containers": [{"name": "app", "image": "missing:1"}]})).await;
    w.shows("web", "Pending - app=waiting:ErrImagePull/0").await;
    w.shows("web", "Pending - app=waiting:ImagePullBackOff/0").await;
    w.api.delete(&PODS, "default", "web", "").await.unwrap();
    w.shows("web", "gone").await;
}

#[tokio::test]
async fn a_lost_sandbox_is_made_anew() {
    let w = World::new();
    w.pod("web", json!({})).await;
    w.shows("web", "Running ready app=running:/0").await;
    w.runtime.kill_sandbox("sandbox-1");
    w.shows("web", "Running ready app=running:/1").await;
    let made = w.runtime.calls().iter().filter(|c| c.starts_with("RunPodSandbox")).count();
    assert_eq!(made, 2);
}

#[tokio::test]
async fn what_is_being_made_when_its_pod_goes_is_taken_away() {
    let w = World::new();
    w.runtime.delay("RunPodSandbox", Duration::from_millis(300));
    w.pod("web", json!({})).await;
    let dirs = || w.config.root.join("pods").read_dir().unwrap().count();
    eventually("its directory is made, and then its sandbox", || async { dirs() == 1 }, String::new).await;
    w.api.delete(&PODS, "default", "web", "").await.unwrap();
    w.shows("web", "gone").await;
    let sandbox = |call: &&String| call.contains("PodSandbox");
    let removed = || w.runtime.calls().iter().any(|c| c == "RemovePodSandbox sandbox-1");
    eventually("the sandbox goes", || async { removed() }, || format!("{:?}", w.runtime.calls())).await;
    let calls = w.runtime.calls();
    let calls: Vec<_> = calls.iter().filter(sandbox).collect();
    assert_eq!(calls, ["RunPodSandbox sandbox-1", "StopPodSandbox sandbox-1", "RemovePodSandbox sandbox-1"]);
    assert_eq!(w.started(), 0);
}

#[tokio::test]
async fn what_is_being_mounted_when_its_pod_goes_is_taken_away() {
    let w = World::new();
    *w.mounter.slow.lock() = Duration::from_millis(300);
    w.pod("web", json!({"volumes": [{"name": "v", "emptyDir": {"medium": "Memory"}}]})).await;
    let uid = w.read("web").unwrap().str_at(&["metadata", "uid"]).to_owned();
    let volume = w.config.pod_dir(&uid).join("volumes/kubernetes.io~empty-dir/v");
    eventually("its place is made, and then mounted", || async { volume.is_dir() }, String::new).await;
    w.api.delete(&PODS, "default", "web", "").await.unwrap();
    w.shows("web", "gone").await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    let left = w.mounter.below(&w.config.root).unwrap();
    assert_eq!(left, [w.config.memory_dir()], "what all pods share stays");
    assert!(!w.config.pod_dir(&uid).exists());
}

#[tokio::test]
async fn a_container_that_was_never_started_does_not_count() {
    let w = World::new();
    // The agent ends between making the container and starting it.
    w.runtime.delay("StartContainer", Duration::from_secs(1000));
    w.pod("web", json!({})).await;
    eventually("it is made", || async { w.runtime.container("app").is_some() }, String::new).await;
    w.tasks.stop_all(Duration::from_millis(10)).await;
    w.runtime.delay("StartContainer", Duration::ZERO);
    let again = Tasks::new(&Stop::new());
    w.start(&again);
    w.shows("web", "Running ready app=running:/0").await;
    assert!(w.runtime.calls().contains(&"RemoveContainer container-1".to_owned()), "{:?}", w.runtime.calls());
    again.stop_all(Duration::from_secs(2)).await;
}

#[tokio::test]
async fn a_sandbox_that_fails_is_tried_again() {
    let w = World::new();
    w.runtime.deny("RunPodSandbox", "", 1, Code::Unknown, "no network");
    w.pod("web", json!({})).await;
    w.has_event("FailedCreatePodSandBox", "Failed to create pod sandbox: rpc error: code = Unknown desc = no network")
        .await;
    w.shows("web", "Running ready app=running:/0").await;
}

#[tokio::test]
async fn a_failing_liveness_probe_restarts() {
    let w = World::new();
    let sick = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let flag = sick.clone();
    w.runtime.on_exec(move |_, _| {
        let code = i32::from(flag.load(std::sync::atomic::Ordering::Relaxed));
        Ok(knarr_cri::ExecOutput { stdout: b"sick".to_vec(), stderr: Vec::new(), exit_code: code })
    });
    w.pod(
        "web",
        json!({"containers": [{"name": "app", "image": "img:1", "livenessProbe":
        {"exec": {"command": ["check"]}, "periodSeconds": 1, "failureThreshold": 1}}]}),
    )
    .await;
    w.has_event("Unhealthy", "Liveness probe failed: sick").await;
    sick.store(false, std::sync::atomic::Ordering::Relaxed);
    w.has_event("Killing", "Container app failed liveness probe, will be restarted").await;
    let restarted = || async { w.show("web").contains("app=running:/") && !w.show("web").contains("app=running:/0") };
    eventually("restarted", restarted, || w.show("web")).await;
}

#[tokio::test]
async fn the_node_registers_and_is_ready() {
    let w = World::new();
    let ready = || {
        let node = w.api.tree(&NODES, "", "node").unwrap_or_default();
        node.list_at(&["status", "conditions"])
            .iter()
            .any(|c| c.str_at(&["type"]) == "Ready" && c.str_at(&["status"]) == "True")
    };
    eventually("node ready", || async { ready() }, String::new).await;
    let node = w.api.tree(&NODES, "", "node").unwrap();
    assert_eq!(node.str_at(&["metadata", "labels", "node.kubernetes.io/instance-type"]), "knarr");
    assert_eq!(node.str_at(&["status", "nodeInfo", "kubeletVersion"]), "v1.36.2+knarr1");
}
