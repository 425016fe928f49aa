//! Certificates of nodes: renewed in the running process before they end, and asked for anew after they have.

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;

use super::{await_pod, nodes::on, pod};
use crate::{
    cluster::{self, Cluster},
    node::condition,
    poll::{secs, until},
    suite::{Case, Env, Place::Host, case},
    text::{has, is},
};

pub const CASES: &[Case] = &[case("joining/certificates are renewed", Host(renewed))];

const CLIENT: &str = "var/lib/knarr/agent/client-kubelet";
const SERVING: &str = "var/lib/knarr/agent/serving-kubelet";

/// Certificates of two minutes: a new one is asked for after 36 seconds.
fn renewed(env: &Env) -> Result<()> {
    cluster::with(env, "--kube-controller-manager-arg cluster-signing-duration=2m", |env, cluster| {
        let (k, agent) = (cluster.kubectl("default"), &cluster.agent);
        k.apply(&pod("before", "echo begun\nsleep 1000", &on(agent)))?;
        await_pod(&k, "before")?;
        let old = Identity::read(cluster, CLIENT)?;
        ensure!(old.is_believed(cluster)?, "the first certificate is not believed");
        let since = ready_since(cluster)?;
        for kind in [CLIENT, SERVING] {
            let first = agent.read(&format!("{kind}.crt"))?;
            until(secs(90), &format!("another {kind}.crt"), || {
                ensure!(agent.read(&format!("{kind}.crt"))? != first);
                Ok(())
            })?;
        }
        works(cluster, &since)?;
        if env.long {
            until(secs(150), "the old certificate to end", || {
                ensure!(!old.is_believed(cluster)?, "it is believed");
                ensure!(ready_since(cluster)? == since, "the node was not Ready meanwhile");
                Ok(())
            })?;
            works(cluster, &since)?;
            late(cluster)?;
        }
        Ok(())
    })
}

/// Since when the agent's node is Ready.
fn ready_since(cluster: &Cluster) -> Result<String> {
    let node = cluster.node()?;
    ensure!(condition(&node, "Ready") == Some("True"), "{:#}", node["status"]["conditions"]);
    let all = node["status"]["conditions"].as_array().context("conditions")?;
    let ready = all.iter().find(|c| c["type"] == "Ready").context("Ready")?;
    Ok(ready["lastTransitionTime"].to_string())
}

/// The node is Ready as before, and is reached in both directions.
fn works(cluster: &Cluster, since: &str) -> Result<()> {
    let (k, agent) = (cluster.kubectl("default"), &cluster.agent);
    ensure!(ready_since(cluster)? == since, "the node was not Ready meanwhile");
    is(&k.ok("logs before")?, "begun")?;
    is(&k.ok("exec before -- echo here")?, "here")?;
    let new = Identity::read(cluster, CLIENT)?;
    ensure!(new.is_believed(cluster)?, "the new certificate is not believed");
    k.apply(&pod("after", "sleep 1000", &on(agent)))?;
    await_pod(&k, "after")?;
    k.ok("delete pod after --now").map(drop)
}

/// An agent that comes back when its certificate has ended shows its token and its name's password again.
fn late(cluster: &Cluster) -> Result<()> {
    let (k, agent) = (cluster.kubectl("default"), &cluster.agent);
    let line = "{.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount}";
    let kept = k.path("get pod before", line)?;
    agent.end(Signal::SIGTERM)?;
    let last = Identity::read(cluster, CLIENT)?;
    until(secs(150), "the last certificate to end", || {
        ensure!(!last.is_believed(cluster)?, "it is believed");
        Ok(())
    })?;
    let begun = agent.mark();
    agent.spawn()?;
    cluster.joined(secs(60))?;
    has(&agent.tails(begun), &["this machine is a node of the cluster now"])?;
    is(&k.path("get pod before", line)?, &kept)?;
    is(&k.ok("exec before -- echo here")?, "here")
}

/// A certificate with its key.
struct Identity(String, String);

impl Identity {
    fn read(cluster: &Cluster, kind: &str) -> Result<Self> {
        Ok(Self(cluster.agent.read(&format!("{kind}.crt"))?, cluster.agent.read(&format!("{kind}.key"))?))
    }

    /// Whether the API server takes it for the node's.
    fn is_believed(&self, cluster: &Cluster) -> Result<bool> {
        let client = cluster.server.identified(&self.0, &self.1)?;
        let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
        // A certificate that has ended is refused in the handshake already.
        let Ok(who) = client.request("POST", path, "application/json", b"{}") else { return Ok(false) };
        Ok(who.text().contains(&format!("system:node:{}", cluster.agent.name)))
    }
}
