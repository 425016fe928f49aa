//! A day in fast motion on two nodes: deploys, scales, jobs and drains, and now and then somebody is killed.

use std::{thread::sleep, time::Duration};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;

use super::{
    faults::{Writer, containers, end_containerd},
    random::Dice,
    sleeper,
};
use crate::{
    cluster::Cluster,
    kubectl::Kubectl,
    node::Node,
    poll::{secs, until},
    suite::{Case, Env, Place::Cluster as Pair, case},
};

pub const CASES: &[Case] = &[case("faults/a day in fast motion", Pair(day))];

/// The same day every time.
const SEED: u64 = 7;
/// Longest wait between the beginning of something and a kill in the midst of it, in milliseconds.
const MIDST: u64 = 2500;

fn day(env: &Env, cluster: &Cluster) -> Result<()> {
    let mut dice = Dice::new(SEED);
    let (k, busy) = (cluster.kubectl("default"), cluster.kubectl("busy"));
    cluster.server.namespace("busy")?;
    for (host, name) in cluster.hosts().into_iter().zip(["anchor-a", "anchor-b"]) {
        k.apply(&sleeper(name, 1, ""))?;
        let pinned = format!(r#"{{"spec":{{"template":{{"spec":{{"nodeName":"{}"}}}}}}}}"#, host.name);
        k.ok(&format!("patch deployment {name} -p '{pinned}'"))?;
        k.within(secs(60), &format!("rollout status deployment/{name}"))?;
    }
    let anchors = "app in (anchor-a,anchor-b)";
    let settled = || {
        until(secs(30), "one pod of each", || {
            let all = containers(&k, &format!("'{anchors}'"))?;
            ensure!(all.len() == 2, "{all:?}");
            Ok(all)
        })
    };
    let kept = settled()?;
    busy.apply(&sleeper("web", 3, ""))?;
    busy.within(secs(60), "rollout status deployment/web")?;
    let writer = Writer::start(&cluster.server)?;
    let kills = env.times(6, 100);
    for kill in 0..kills {
        let mut one = || -> Result<()> {
            let doing = begin(&busy, cluster, &mut dice, kill);
            sleep(Duration::from_millis(dice.below(MIDST)));
            let struck = strike(cluster, dice.below(4));
            let done = doing.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the thread panicked")));
            let (did, who) = (done?, struck?);
            cluster.server.wait_ready(secs(60)).with_context(|| format!("{who} was killed during {did}"))?;
            cluster.joined(secs(60)).with_context(|| format!("{who} was killed during {did}"))?;
            // What the thing was meant to do may have met the kill; that everything can go on is what counts.
            for host in cluster.hosts() {
                busy.ok(&format!("uncordon {}", host.name))?;
            }
            busy.within(secs(180), "rollout status deployment/web --timeout=170s")
                .with_context(|| format!("after {who} was killed during {did}"))?;
            let now = settled()?;
            ensure!(
                now == kept,
                "{who} was killed during {did}: containers that nobody touched were {kept:?} and are {now:?}"
            );
            Ok(())
        };
        one().with_context(|| format!("kill {kill} of {kills}"))?;
    }
    until(secs(120), "every Job to be complete", || {
        let jobs = busy.path("get jobs", "{range .items[*]}{.metadata.name}={.status.succeeded} {end}")?;
        ensure!(jobs.split_whitespace().all(|job| job.ends_with("=1")), "{jobs}");
        Ok(())
    })?;
    busy.ok("delete deployments,jobs,pods --all --wait=true --timeout=60s")?;
    for host in cluster.hosts() {
        until(secs(60), &format!("nothing but its anchor on {}", host.name), || one_pod(host))?;
    }
    ensure!(settled()? == kept, "containers that nobody touched changed");
    writer.check(&cluster.server)
}

/// A host has what one pod needs.
fn one_pod(host: &Node) -> Result<()> {
    let held = host.holdings()?;
    let count = |kind: &str, part: &str| held.iter().filter(|h| h.starts_with(kind) && h.contains(part)).count();
    let counts = [
        host.shims()?,
        count("address ", "/agent/network/"),
        count("file ", "/netns/cni-"),
        count("file ", "var/lib/kubelet/pods/"),
    ];
    ensure!(counts == [1; 4], "{counts:?} of\n{}", Vec::from_iter(held).join("\n"));
    Ok(())
}

type Doing = std::thread::JoinHandle<Result<&'static str>>;

/// Begins something that a team does all day. It may fail half-way, for the API may go away under it.
fn begin(k: &Kubectl, cluster: &Cluster, dice: &mut Dice, number: usize) -> Doing {
    let (k, size, node) = (k.clone(), 1 + dice.below(5), cluster.hosts()[usize::from(dice.percent(50))].name.clone());
    let (what, line) = match dice.below(4) {
        0 => ("a deploy", format!("set env deployment/web ROUND={number}")),
        1 => ("a scale", format!("scale deployment/web --replicas={size}")),
        2 => ("a job", format!("create job job-{number} --image=knarr.local/busybox:1 -- sleep 1")),
        _ => ("a drain", format!("drain {node} --pod-selector=app=web --timeout=20s")),
    };
    std::thread::spawn(move || {
        let _ = k.run(&line, None, secs(40))?;
        Ok(what)
    })
}

/// Kills somebody, and starts again what nobody else does.
fn strike(cluster: &Cluster, whom: u64) -> Result<&'static str> {
    let again = |host: &Node, who| {
        host.end(Signal::SIGKILL)?;
        host.spawn()?;
        Ok(who)
    };
    match whom {
        0 => again(&cluster.server, "the server"),
        1 => again(&cluster.agent, "the agent"),
        2 => end_containerd(&cluster.server).map(|()| "the server's containerd"),
        _ => end_containerd(&cluster.agent).map(|()| "the agent's containerd"),
    }
}
