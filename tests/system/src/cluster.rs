//! A cluster of several hosts on one kernel: each has a network namespace on one bridge, its own prefix, cgroup and name.
//! One runs `knarr server`, the other `knarr agent`.

use std::{net::Ipv4Addr, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{
    kubectl::Kubectl,
    netns::Lan,
    node::{Mark, Node, condition, next_number},
    poll::{secs, until},
    suite::{Env, caught},
};

/// A server and an agent.
pub struct Cluster<'a> {
    /// The host with the control plane, which is a node too.
    pub server: Node<'a>,
    /// The host that joined.
    pub agent: Node<'a>,
    // After the hosts: their links go first.
    _lan: Lan,
}

impl<'a> Cluster<'a> {
    /// Two hosts on which nothing runs yet. `flags` are the server's: what concerns the cluster it tells the agent.
    pub fn prepare(env: &'a Env, flags: &str) -> Result<Self> {
        let number = next_number();
        let lan = Lan::new(number)?;
        let host = |host: u8, letter: char, verb, flags: &str| {
            let name = format!("kn-{:x}-{number:02}{letter}", std::process::id());
            Node::on(env, lan.host(host)?, Ipv4Addr::new(198, 18, number, host), name, verb, flags)
        };
        let server = host(2, 'a', "server", flags)?;
        let token = server.file("var/lib/knarr/server/token");
        let join = format!("--server https://{}:6443 --token-file {}", server.ip, token.display());
        let agent = host(3, 'b', "agent", &join)?;
        Ok(Self { server, agent, _lan: lan })
    }

    /// Starts the server, then the agent, and waits until both are Ready.
    pub fn start(&self) -> Result<()> {
        self.server.spawn()?;
        self.server.wait_ready(secs(60))?;
        self.agent.spawn()?;
        self.joined(secs(60))
    }

    /// Waits until the agent's node is Ready.
    pub fn joined(&self, limit: Duration) -> Result<()> {
        self.agent.wait_joined(&self.server, limit)
    }

    /// Both hosts.
    pub fn hosts(&self) -> [&Node<'a>; 2] {
        [&self.server, &self.agent]
    }

    /// The newest kubectl, on the server's host.
    pub fn kubectl(&self, namespace: &str) -> Kubectl {
        self.server.kubectl(namespace)
    }

    /// Waits until the agent's node has a status of its condition Ready.
    pub fn await_ready_is(&self, status: &str, limit: Duration) -> Result<()> {
        until(limit, &format!("Ready={status} of the agent's node"), || {
            let node = self.node()?;
            ensure!(condition(&node, "Ready") == Some(status), "{:#}", node["status"]["conditions"]);
            Ok(())
        })
    }

    /// The agent's Node.
    pub fn node(&self) -> Result<Value> {
        let answer = self.server.api()?.get(&format!("/api/v1/nodes/{}", self.agent.name))?;
        ensure!(answer.status == 200, "{}", answer.text());
        answer.json()
    }

    /// Ends the server's process, with a word or without.
    pub fn stop_server(&self, signal: Signal) -> Result<()> {
        let code = self.server.end(signal)?;
        ensure!(signal == Signal::SIGKILL || code == 0, "the server, told to stop, ended with {code}");
        Ok(())
    }

    /// Starts it again and waits until it answers.
    pub fn start_server(&self) -> Result<()> {
        self.server.spawn()?;
        self.server.wait_ready(secs(60))
    }

    /// What tells why a case failed.
    fn explanation(&self) -> String {
        let seen = self.kubectl("default").ok("get nodes,pods,events -A -o wide").unwrap_or_default();
        let logs = self.hosts().map(|host| format!("{}:\n{}", host.name, host.tails(Mark::default())));
        format!("{seen}{}", logs.concat())
    }

    /// Takes both hosts away as a user would, and looks whether anything is left on either.
    pub fn finish(self) -> Result<()> {
        let Self { server, agent, _lan } = self;
        let agent = agent.finish().context("taking the agent away");
        let server = server.finish().context("taking the server away");
        agent.and(server)
    }
}

/// A case on a cluster of its own.
pub fn with(env: &Env, flags: &str, body: impl Fn(&Env, &Cluster) -> Result<()>) -> Result<()> {
    with_images(env, flags, &[], body)
}

/// The same with more images on both hosts.
pub fn with_images(
    env: &Env,
    flags: &str,
    archives: &[PathBuf],
    body: impl Fn(&Env, &Cluster) -> Result<()>,
) -> Result<()> {
    let cluster = Cluster::prepare(env, flags)?;
    for (host, archive) in cluster.hosts().into_iter().flat_map(|host| archives.iter().map(move |a| (host, a))) {
        host.preload(archive)?;
    }
    let result = caught(|| {
        cluster.start()?;
        body(env, &cluster)
    });
    if result.is_err() {
        env.explain(cluster.explanation());
    }
    let end = cluster.finish();
    result.and(end)
}
