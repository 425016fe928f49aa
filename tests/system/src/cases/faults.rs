//! Ends nobody asked for: what was acknowledged is there afterwards, and what should run goes on running.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{app, sleeper};
use crate::{
    kubectl::Kubectl,
    node::Node,
    poll::{secs, until},
    suite::{Case, Env, Place::Own, case},
    text::is,
};

pub const CASES: &[Case] = &[
    case("faults/a restart keeps containers", Own(restart)),
    case("faults/kill -9 of knarr", Own(kill_knarr)),
    case("faults/kill -9 of containerd", Own(kill_containerd)),
    case("faults/kill -9 of both", Own(kill_both)),
];

/// Ids and restarts of the containers of a Deployment that nobody changes.
pub fn containers(k: &Kubectl, selector: &str) -> Result<BTreeSet<String>> {
    let path = "{range .items[*]}{range .status.containerStatuses[*]}{.containerID}/{.restartCount}/{.state.running.startedAt}{\"\\n\"}{end}{end}";
    let out = k.path(&format!("get pods -l {selector}"), path)?;
    let all: BTreeSet<String> = out.lines().map(str::to_owned).collect();
    ensure!(all.iter().all(|c| c.contains("containerd://") && c.len() > 80), "{all:?}");
    Ok(all)
}

/// The containers of the app that run, by pod and name, with their ids.
fn running(k: &Kubectl) -> Result<BTreeMap<String, String>> {
    let path = "{range .status.containerStatuses[?(@.state.running)]}{.containerID} {.name}{\"\\n\"}{end}";
    let pods = k.ok("get pods -l app=hello -o name")?;
    let mut all = BTreeMap::new();
    for pod in pods.lines() {
        let Ok(out) = k.path(&format!("get {pod}"), path) else { continue }; // it went meanwhile
        all.extend(out.lines().filter_map(|l| l.split_once(' ')).map(|(id, c)| (format!("{pod}/{c}"), id.to_owned())));
    }
    Ok(all)
}

fn restart(env: &Env, node: &Node) -> Result<()> {
    let k = app::deploy(node)?;
    let before = containers(&k, "app=hello")?;
    ensure!(before.len() == 4, "{before:?}");
    let containerd = node.containerd()?;
    for round in 0..env.times(2, 10) {
        k.ok(&format!("create configmap kept-{round}"))?;
        let code = node.end(Signal::SIGTERM)?;
        ensure!(code == 0, "knarr, told to stop, ended with {code}");
        node.spawn()?;
        node.wait_ready(secs(30))?;
        app::answers(node)?;
        ensure!(
            containers(&k, "app=hello")? == before,
            "containers changed: {before:?} {:?}",
            containers(&k, "app=hello")?
        );
        ensure!(node.containerd()? == containerd, "containerd was started anew");
        k.ok(&format!("get configmap kept-{round}"))?;
    }
    // All of it still works: logs, exec, scaling.
    is(&k.ok("exec deploy/hello -c app -- cat /www/index.html")?, app::GREETING)?;
    k.ok("scale deployment hello --replicas=3")?;
    k.within(secs(60), "rollout status deployment/hello")?;
    Ok(())
}

fn kill_knarr(env: &Env, node: &Node) -> Result<()> {
    under_fire(env, node, || {
        node.end(Signal::SIGKILL)?;
        node.spawn()
    })
}

fn kill_containerd(env: &Env, node: &Node) -> Result<()> {
    under_fire(env, node, || end_containerd(node))
}

fn kill_both(env: &Env, node: &Node) -> Result<()> {
    under_fire(env, node, || {
        end_containerd(node)?;
        node.end(Signal::SIGKILL)?;
        node.spawn()
    })
}

/// Kills containerd.
pub fn end_containerd(node: &Node) -> Result<()> {
    // After several ends in a row it is started again a little later each time.
    let pid = until(secs(30), "containerd to run", || node.containerd())?;
    kill(Pid::from_raw(pid), Signal::SIGKILL).context("kill containerd")
}

/// Rolls the app over, again and again, and strikes at a different moment of it each time.
fn under_fire(env: &Env, node: &Node, strike: impl Fn() -> Result<()>) -> Result<()> {
    let k = app::deploy(node)?;
    let anchor = node.kubectl("default");
    anchor.apply(&sleeper("anchor", 2, ""))?;
    anchor.within(secs(60), "rollout status deployment/anchor")?;
    let kept = containers(&anchor, "app=anchor")?;
    let writer = Writer::start(node)?;
    for round in 0..env.times(3, 20) {
        let one = || -> Result<()> {
            k.ok(&format!("set env deployment/hello -c app ROUND={round}"))?;
            // Each round a little later into the update.
            let moment = round % 5;
            until(secs(60), "the moment to strike", || {
                let pods = k.json("get pods -l app=hello")?;
                let pods = pods["items"].as_array().cloned().unwrap_or_default();
                let new = pods
                    .iter()
                    .filter(|p| p["spec"]["containers"][1]["env"].to_string().contains(&format!("\"{round}\"")));
                let (made, ready) =
                    (new.clone().count(), new.filter(|p| crate::node::condition(p, "Ready") == Some("True")).count());
                ensure!(made + ready >= moment.min(4), "{made} made, {ready} ready");
                Ok(())
            })?;
            let before = running(&k)?;
            ensure!(!before.is_empty(), "nothing of the app runs");
            strike()?;
            node.wait_ready(secs(60))?;
            app::answers(node)?;
            k.within(secs(180), "rollout status deployment/hello")?;
            // What ran goes on, unless the update took its pod. (A start that the kill cut short is made again.)
            let after = running(&k)?;
            for (container, id) in &before {
                let now = after.get(container).unwrap_or(id);
                ensure!(now == id, "{container} ran as {id} and is {now}");
            }
            let now = containers(&anchor, "app=anchor")?;
            ensure!(now == kept, "containers that nobody touched were {kept:?} and are {now:?}");
            Ok(())
        };
        one().with_context(|| format!("round {round}"))?;
    }
    until(secs(60), "the last old pod to go", || {
        let pods = containers(&k, "app=hello")?;
        ensure!(pods.len() == 4, "{pods:?}");
        Ok(())
    })?;
    // No pod of the past runs on unseen, and what was half made or half removed is gone.
    until(secs(30), "one shim, address and network namespace for each pod", || {
        let pods = k.ok("get pods -A -o name")?.lines().count();
        let held = node.holdings()?;
        let count = |kind: &str, part: &str| held.iter().filter(|h| h.starts_with(kind) && h.contains(part)).count();
        let counts = [
            node.shims()?,
            count("address ", "/agent/network/"),
            count("file ", "/netns/cni-"),
            count("link kn", "@if"),
            count("file ", "var/lib/kubelet/pods/"),
        ];
        ensure!(counts.iter().all(|n| *n == pods), "{pods} pods: {counts:?} of\n{}", Vec::from_iter(held).join("\n"));
        Ok(())
    })?;
    writer.check(node)
}

/// Writes objects in a loop and remembers those that were acknowledged.
pub struct Writer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<String>>,
}

impl Writer {
    /// Begins to write to a node's API.
    pub fn start(node: &Node) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (told, api) = (stop.clone(), node.api()?);
        let thread = std::thread::spawn(move || {
            let mut acknowledged = Vec::new();
            let mut connection = None;
            for n in 0.. {
                if told.load(Ordering::Relaxed) {
                    break;
                }
                let name = format!("w{n}");
                let body = format!(r#"{{"metadata":{{"name":"{name}"}},"data":{{"n":"{n}"}}}}"#);
                let path = "/api/v1/namespaces/default/configmaps";
                let mut open = match connection.take().map_or_else(|| api.connect(), Ok) {
                    Ok(open) => open,
                    Err(_) => {
                        std::thread::sleep(std::time::Duration::from_millis(20));
                        continue;
                    }
                };
                if let Ok(answer) = open.request("POST", path, "application/json", body.as_bytes()) {
                    if answer.status == 201 {
                        acknowledged.push(name);
                    }
                    connection = Some(open).filter(|c| c.alive);
                }
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            acknowledged
        });
        Ok(Self { stop, thread })
    }

    /// Everything acknowledged is there, with what was written.
    pub fn check(self, node: &Node) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        let acknowledged = self.thread.join().map_err(|_| anyhow!("the writer panicked"))?;
        ensure!(acknowledged.len() > 100, "only {} objects were written", acknowledged.len());
        let list = node.api()?.get("/api/v1/namespaces/default/configmaps")?.json()?;
        let items = list["items"].as_array().context("items")?;
        let there: BTreeSet<String> =
            items.iter().filter_map(|o| Some(format!("w{}", o["data"]["n"].as_str()?))).collect();
        let missing: Vec<_> = acknowledged.iter().filter(|n| !there.contains(*n)).collect();
        ensure!(missing.is_empty(), "acknowledged and lost: {missing:?}");
        Ok(())
    }
}
