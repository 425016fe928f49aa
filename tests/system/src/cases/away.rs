//! The server is away: what goes on on the other nodes, also when an agent is started again meanwhile.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;

use super::{
    await_pod, equipped,
    nodes::{both_answer, fetch, on, servers},
    pod,
};
use crate::{
    cluster::Cluster,
    command,
    kubectl::Kubectl,
    node::Node,
    poll::{secs, until},
    suite::{Case, Env, Place::Cluster as Pair, case},
    text::{has, is},
};

pub const CASES: &[Case] = &[
    case("nodes/the server is away", Pair(server_away)),
    case("nodes/an agent starts again while the server is away", Pair(agent_again)),
];

/// Asks every second from the agent's host, with nothing but what the agent has, and keeps what it sees in its log.
const WATCHER: &str = "while true
do /usr/bin/curl -s -o /dev/null --max-time 5 -w '%{http_code}\\n' http://web.default.svc.cluster.local/
sleep 1
done";

/// Pods, their containers, and how often these were started.
fn containers(k: &Kubectl) -> Result<String> {
    k.path(
        "get pods",
        "{range .items[*]}{.metadata.name} {.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount}{\"\\n\"}{end}",
    )
}

fn server_away(env: &Env, cluster: &Cluster) -> Result<()> {
    servers(cluster)?;
    let k = cluster.kubectl("default");
    k.apply(&equipped("watcher", WATCHER, &on(&cluster.agent)))?;
    await_pod(&k, "watcher")?;
    let answers = || -> Result<Vec<String>> { Ok(k.ok("logs watcher")?.lines().map(str::to_owned).collect()) };
    until(secs(20), "the first answers", || {
        ensure!(answers()?.len() > 3);
        Ok(())
    })?;
    let before = containers(&k)?;
    let port = k.path("get svc web", "{.spec.ports[0].nodePort}")?;

    cluster.stop_server(Signal::SIGTERM)?;
    let away = if env.long { secs(600) } else { secs(60) };
    let begun = Instant::now();
    while begun.elapsed() < away {
        let url = format!("http://{}:{port}/", cluster.agent.ip);
        cluster.agent.curl(&url).context("the agent's NodePort while the server is away")?;
        ensure!(cluster.agent.runs(), "the agent ended");
        std::thread::sleep(secs(2).min(away.saturating_sub(begun.elapsed())));
    }
    cluster.start_server()?;
    cluster.joined(secs(60))?;
    let answers = answers()?;
    let bad: Vec<_> = answers.iter().filter(|a| *a != "200").collect();
    ensure!(bad.is_empty(), "{} of {} answers were bad: {bad:?}", bad.len(), answers.len());
    ensure!(answers.len() as u64 > away.as_secs() / 2, "only {} answers in {away:?}", answers.len());
    let now = containers(&k)?;
    ensure!(now == before, "containers were\n{before}and are\n{now}");
    follows_again(cluster)
}

/// A new pod comes to the agent's host.
fn follows_again(cluster: &Cluster) -> Result<()> {
    let k = cluster.kubectl("default");
    k.apply(&pod("after", "sleep 1000", &on(&cluster.agent)))?;
    await_pod(&k, "after")?;
    is(&k.ok("exec after -- echo here")?, "here")
}

/// What the kernel of a host was told about Services and pods.
fn rules(host: &Node) -> Result<String> {
    ["table ip knarr-proxy", "table inet knarr-network"]
        .into_iter()
        .map(|table| {
            let words = ["list"].into_iter().chain(table.split(' '));
            command::ok(host.netns.command("nft").args(words), secs(10))
        })
        .collect()
}

/// Asks a Service at its address from a pod of the agent's host, and keeps what it sees in its log.
const CALLER: &str = "while true
do /usr/bin/curl -s -o /dev/null --max-time 3 -w '%{http_code}\\n' http://ADDRESS/
sleep 0.5
done";

fn agent_again(env: &Env, cluster: &Cluster) -> Result<()> {
    servers(cluster)?;
    let (k, agent) = (cluster.kubectl("default"), &cluster.agent);
    let address = k.path("get svc web", "{.spec.clusterIP}")?;
    let port = k.path("get svc web", "{.spec.ports[0].nodePort}")?;
    k.apply(&equipped("watcher", &CALLER.replace("ADDRESS", &address), &on(agent)))?;
    await_pod(&k, "watcher")?;
    both_answer(|| fetch(&k, "ask-b", "http://web/"))?;
    let (before, told, shims) = (containers(&k)?, rules(agent)?, agent.shims()?);

    cluster.stop_server(Signal::SIGTERM)?;
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let begun = agent.mark();
        agent.end(signal)?;
        agent.spawn()?;
        until(secs(30), "the agent to go on", || {
            has(&agent.tails(begun), &["knarr agent is up", "pod network is set up"])
        })
        .with_context(|| format!("after {signal}"))?;
        goes_on(agent, &port, if env.long { secs(120) } else { secs(15) })
            .with_context(|| format!("after {signal}"))?;
        let now = rules(agent)?;
        ensure!(now == told, "after {signal} the rules were\n{told}and are\n{now}");
        ensure!(agent.shims()? == shims, "after {signal} there are {} shims, before {shims}", agent.shims()?);
    }
    cluster.start_server()?;
    // Its Node is Ready all along: nobody was there to say otherwise.
    let answers = until(secs(60), "the agent to know its pods again", || k.ok("logs watcher"))?;
    cluster.joined(secs(60))?;
    let now = containers(&k)?;
    ensure!(now == before, "containers were\n{before}and are\n{now}");
    let bad: Vec<_> = answers.lines().filter(|a| *a != "200").collect();
    ensure!(bad.is_empty(), "of {} answers were bad: {bad:?}", answers.lines().count());
    // Names were forgotten with the process, and are answered again.
    both_answer(|| fetch(&k, "ask-b", "http://web/"))?;
    follows_again(cluster)
}

/// The node's Services answer from outside and from its own host.
fn goes_on(agent: &Node, port: &str, limit: Duration) -> Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < limit {
        agent.curl(&format!("http://{}:{port}/", agent.ip)).context("the agent's NodePort")?;
        ensure!(agent.runs(), "the agent ended");
        std::thread::sleep(Duration::from_millis(500));
    }
    Ok(())
}
