//! A second node: an agent on a host of its own, and what it costs while nothing runs on it.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::process::Child;

use super::{Bench, idle::watch_idle};
use crate::{
    client::Call,
    node::{ADDRESS, Node, run},
    process::{pss, resident},
    stats::ms,
};

/// The agent's address: that of the node's default route, whose end of the link moves into the agent's network.
const AT: &str = "198.18.0.1";

/// Joins an agent, waits until its node is Ready, and looks at it for a while.
pub(super) async fn measure(bench: &mut Bench) -> Result<()> {
    let begun = Instant::now();
    let host = Host::start(&bench.node)?;
    let path = format!("/api/v1/nodes/{}", host.name);
    let ready = async |node: &Node| {
        let it = node.api()?.call(Call::get(&path)).await?;
        let conditions = it["status"]["conditions"].as_array();
        let ready = conditions.into_iter().flatten().any(|c| c["type"] == "Ready" && c["status"] == "True");
        ensure!(ready, "the agent's node is not Ready: {}", it["status"]["conditions"]);
        Ok(())
    };
    bench.node.until("the agent", Duration::from_millis(5), ready).await?;
    bench.put("agent.join", ms(begun.elapsed()), "certificates, containerd and network from nothing");
    tokio::time::sleep(bench.options.seconds(10.0, 3.0)).await;
    let pid = host.pid()?;
    // The server on this kernel shares the program's pages with it: alone it would be somewhere between the two.
    let note = format!("no pods; {:.1} MiB with all it shares (RSS)", resident(pid)?);
    bench.put("memory.agent", pss(&[pid])?, note);
    let (spent, note) = watch_idle(bench, pid).await?;
    bench.put("cpu.agent", spent.cpu, note.clone());
    bench.put("wakeups.agent", spent.wakeups, spent.busiest());
    bench.put("writes.agent", spent.written, note);
    host.remove().await
}

/// The agent's host: a network namespace that a sleeping process holds, and the agent in it.
struct Host {
    name: String,
    holder: Child,
    agent: Child,
    /// `knarr VERB` there.
    knarr: Box<dyn Fn(&str) -> Command>,
}

impl Host {
    fn start(node: &Node) -> Result<Self> {
        let mut hold = tokio::process::Command::new("unshare");
        hold.args(["--net", "sleep", "infinity"]).kill_on_drop(true);
        let holder = hold.spawn().context("make the agent's network namespace")?;
        let holder_pid = holder.id().context("it ended at once")?;
        let netns = format!("/proc/{holder_pid}/ns/net");
        wait_apart(&netns)?;
        run(Command::new("ip").args(["link", "set", "uplink", "netns", &holder_pid.to_string()]))?;
        for args in
            ["link set lo up", "link set uplink name eth0", "address add 198.18.0.1/24 dev eth0", "link set eth0 up"]
        {
            run(Command::new("nsenter").arg(format!("--net={netns}")).arg("ip").args(args.split(' ')))?;
        }
        let route = ["route", "add", "default", "via", &ADDRESS.to_string()];
        run(Command::new("nsenter").arg(format!("--net={netns}")).arg("ip").args(route))?;
        let name = format!("{}-b", node.name);
        // Below the node's own prefix and cgroup: whatever this leaves goes with them.
        let (prefix, cgroup) = (node.file("agent"), format!("{}/agent", node.name));
        let (binary, token) = (node.binary().to_owned(), node.file("var/lib/knarr/server/token"));
        let own = name.clone();
        let knarr = Box::new(move |verb: &str| {
            let mut command = Command::new("nsenter");
            command.arg(format!("--net={netns}")).arg(&binary).arg(verb).arg("--prefix").arg(&prefix);
            command.args(["--node-name", &own, "--node-ip", AT, "--cgroup-root", &cgroup, "--config", "/dev/null"]);
            command.arg("--server").arg(format!("https://{ADDRESS}:6443")).arg("--token-file").arg(&token);
            command
        });
        std::fs::create_dir_all(node.file("agent")).context("make the agent's prefix")?;
        let log = std::fs::File::create(node.file("agent/knarr.log")).context("make the agent's log")?;
        let mut command = tokio::process::Command::from(knarr("agent"));
        command.stdin(Stdio::null()).stdout(log.try_clone().context("share the log")?).stderr(log);
        let agent = command.process_group(0).kill_on_drop(true).spawn().context("start the agent")?;
        Ok(Self { name, holder, agent, knarr })
    }

    fn pid(&self) -> Result<i32> {
        i32::try_from(self.agent.id().context("the agent does not run")?).context("a process id")
    }

    async fn remove(mut self) -> Result<()> {
        kill(Pid::from_raw(self.pid()?), Signal::SIGTERM).context("stop the agent")?;
        let ended = tokio::time::timeout(Duration::from_secs(30), self.agent.wait()).await;
        let status = ended.context("the agent did not stop")?.context("wait for the agent")?;
        ensure!(status.success(), "the agent, told to stop, ended with {status}");
        run(&mut (self.knarr)("uninstall")).context("take the agent away")?;
        self.holder.kill().await.context("give the namespace up")
    }
}

/// Waits until the holder has left our own namespace.
fn wait_apart(netns: &str) -> Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let here = std::fs::metadata("/proc/self/ns/net").context("look at our namespace")?.ino();
    let deadline = Instant::now() + Duration::from_secs(5);
    while std::fs::metadata(netns).context("look at the agent's namespace")?.ino() == here {
        ensure!(Instant::now() < deadline, "unshare made no network namespace");
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
