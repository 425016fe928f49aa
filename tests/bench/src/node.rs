//! The node under test: its place, its process, its end.
//!
//! The whole program runs in a network namespace of its own, so the node's ports, links and rules disturb nobody, and
//! every path of it lies below one prefix.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use jiff::Timestamp;
use nix::{
    mount::{MntFlags, umount2},
    sched::{CloneFlags, unshare},
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::process::Child;

use crate::{
    client::{Call, Client},
    manager::Manager,
    process,
};

/// The address of the node in its namespace.
pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);
/// How long any start may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Puts this process, while it has one thread, into a new network namespace with one uplink that leads nowhere.
pub(crate) fn enter_netns() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET).context("make a network namespace (this needs root)")?;
    for args in [
        "link set lo up",
        "link add eth0 type veth peer name uplink",
        "address add 198.18.0.2/24 dev eth0",
        "link set eth0 up",
        "link set uplink up",
        "route add default via 198.18.0.1",
    ] {
        run(Command::new("ip").args(args.split(' ')))?;
    }
    Ok(())
}

/// Runs with success; gives standard output.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let name = format!("{command:?}");
    let output = command.output().with_context(|| format!("start {name}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(output.status.success(), "{name} failed: {}{}", text(&output.stdout), text(&output.stderr));
    Ok(text(&output.stdout))
}

/// A node, running or not.
pub(crate) struct Node {
    binary: PathBuf,
    /// Its name, also that of its cgroup.
    pub(crate) name: String,
    prefix: PathBuf,
    server: Option<Child>,
    manager: Manager,
}

/// How long a start took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    /// Until `/readyz` answered 200 over TLS.
    pub(crate) api: Duration,
    /// Until the Node was Ready, by a heartbeat of this start.
    pub(crate) node: Duration,
}

impl Node {
    /// A place for a node. `images` holds the archives of `examples/hello/images`.
    pub(crate) fn prepare(binary: PathBuf, images: &Path) -> Result<Self> {
        let name = format!("kb-{:x}", std::process::id());
        let prefix = Path::new("/tmp").join(&name);
        fs::create_dir_all(&prefix).with_context(|| format!("make {}", prefix.display()))?;
        let manager = Manager::start(&prefix.join("notify"))?;
        let node = Self { binary, name, prefix, server: None, manager };
        let into = node.file("var/lib/knarr/agent/images");
        fs::create_dir_all(&into).with_context(|| format!("make {}", into.display()))?;
        for archive in fs::read_dir(images).context("read the image directory")?.flatten() {
            fs::copy(archive.path(), into.join(archive.file_name())).context("copy an image")?;
        }
        Ok(node)
    }

    /// The program under test.
    pub(crate) fn binary(&self) -> &Path {
        &self.binary
    }

    /// A path below the prefix.
    pub(crate) fn file(&self, path: &str) -> PathBuf {
        self.prefix.join(path)
    }

    /// The log of the server.
    pub(crate) fn log(&self) -> PathBuf {
        self.file("knarr.log")
    }

    /// containerd's socket.
    pub(crate) fn runtime(&self) -> PathBuf {
        self.file("run/knarr/containerd/containerd.sock")
    }

    fn knarr(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg(verb).arg("--prefix").arg(&self.prefix);
        command.args(["--node-name", &self.name, "--node-ip", &ADDRESS.to_string(), "--cgroup-root", &self.name]);
        command.args(["--config", "/dev/null"]);
        command
    }

    /// Process id of the server.
    pub(crate) fn pid(&self) -> Result<i32> {
        let pid = self.server.as_ref().and_then(Child::id).context("the server does not run")?;
        i32::try_from(pid).context("a process id")
    }

    /// containerd and shims of the node.
    pub(crate) fn processes(&self) -> process::Processes {
        process::of_node(&self.prefix)
    }

    /// The API as the administrator.
    pub(crate) fn api(&self) -> Result<Client> {
        let config = fs::read_to_string(self.file("etc/knarr/knarr.yaml")).context("read the kubeconfig")?;
        Client::admin(&config, SocketAddr::new(IpAddr::V4(ADDRESS), 6443))
    }

    /// The ingress, called by a host name.
    pub(crate) fn page(&self, host: &str) -> Result<Client> {
        let ca = fs::read(self.file("var/lib/knarr/server/tls/server-ca.crt")).context("read the CA")?;
        Client::anonymous(SocketAddr::new(IpAddr::V4(ADDRESS), 443), host, &ca)
    }

    /// Starts the server and waits until it is ready.
    pub(crate) async fn start(&mut self) -> Result<Start> {
        // Heartbeats are told in whole seconds: one of the process before must not count as one of this.
        let now = Timestamp::now();
        let rest = Duration::from_nanos((1_000_000_000 - now.subsec_nanosecond()).unsigned_abs().into());
        tokio::time::sleep(rest).await;
        let begun = Instant::now();
        let api = self.start_api().await?;
        let path = format!("/api/v1/nodes/{}", self.name);
        let mut connection = self.api()?.connect().await?;
        loop {
            if let Ok(node) = connection.call(Call::get(&path)).await
                && is_ready(&node, now.as_second() + 1)
            {
                return Ok(Start { api, node: begun.elapsed() });
            }
            ensure!(begun.elapsed() < LIMIT, "the node was not Ready within {} s", LIMIT.as_secs());
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }

    /// Starts the server and waits until its API is ready; says how long that took.
    pub(crate) async fn start_api(&mut self) -> Result<Duration> {
        let log = fs::File::options().create(true).append(true).open(self.log()).context("open the log")?;
        let mut command = tokio::process::Command::from(self.manager.command(&self.knarr("server")));
        command.stdin(Stdio::null()).stdout(log.try_clone().context("share the log")?).stderr(log);
        // Its own group: an interrupt at the terminal is for this program, which then takes the node away.
        command.process_group(0);
        let begun = Instant::now();
        self.server = Some(command.spawn().with_context(|| format!("start {}", self.binary.display()))?);
        let ready = async |node: &Self| node.api()?.call(Call::get("/readyz")).await.map(drop);
        self.until("the API", Duration::from_millis(1), ready).await?;
        Ok(begun.elapsed())
    }

    /// Tries until it works or the server is gone.
    pub(crate) async fn until<T>(
        &mut self,
        what: &str,
        pause: Duration,
        mut attempt: impl AsyncFnMut(&Self) -> Result<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(ended) = self.server.as_mut().and_then(|s| s.try_wait().transpose()) {
                bail!("knarr ended ({:?}): {}", ended.context("wait for it")?, self.tail(3));
            }
            match attempt(self).await {
                Ok(value) => return Ok(value),
                Err(e) if Instant::now() > deadline => {
                    return Err(e.context(format!("waited {} s for {what}", LIMIT.as_secs())));
                }
                Err(_) => tokio::time::sleep(pause).await,
            }
        }
    }

    /// Tells the server to stop and waits for its end; says how long that took.
    pub(crate) async fn stop(&mut self) -> Result<Duration> {
        let pid = self.pid()?;
        let begun = Instant::now();
        kill(Pid::from_raw(pid), Signal::SIGTERM).context("send SIGTERM")?;
        if let Some(mut server) = self.server.take() {
            let ended = tokio::time::timeout(LIMIT, server.wait()).await.context("knarr did not stop")?;
            let status = ended.context("wait for knarr")?;
            ensure!(status.success(), "knarr, told to stop, ended with {status}: {}", self.tail(3));
        }
        Ok(begun.elapsed())
    }

    /// Ends the server without a word.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        let mut server = self.server.take().context("the server does not run")?;
        server.kill().await.context("kill knarr")
    }

    /// The listening sockets that outlive the server.
    pub(crate) fn kept(&self) -> Vec<String> {
        self.manager.names()
    }

    /// Ends containerd, as a reboot would. Only while the server does not run.
    pub(crate) async fn stop_containerd(&self) -> Result<()> {
        for pid in self.processes().containerd {
            kill(Pid::from_raw(pid), Signal::SIGTERM).context("stop containerd")?;
        }
        let deadline = Instant::now() + LIMIT;
        while !self.processes().containerd.is_empty() {
            ensure!(Instant::now() < deadline, "containerd did not stop");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// The end of the log.
    pub(crate) fn tail(&self, lines: usize) -> String {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        let all: Vec<&str> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// Takes everything away: as a user would, then whatever that left, by force.
    pub(crate) fn remove(mut self) -> Result<()> {
        let gone = run(&mut self.knarr("uninstall")).context("knarr uninstall");
        if let Some(mut server) = self.server.take() {
            let _ = server.start_kill();
        }
        self.sweep();
        gone.map(drop)
    }

    fn sweep(&self) {
        for _ in 0..50 {
            let mut some = false;
            for (pid, _) in process::all().filter(|(pid, words)| self.owns(*pid, words)) {
                some = true;
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            if !some {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let ours =
            mounts.lines().rev().filter_map(|l| l.split(' ').nth(1)).filter(|m| Path::new(m).starts_with(&self.prefix));
        for mount in ours {
            let _ = umount2(Path::new(mount), MntFlags::MNT_DETACH);
        }
        let cgroups = Path::new("/sys/fs/cgroup");
        for hierarchy in fs::read_dir(cgroups).into_iter().flatten().flatten().map(|e| e.path()).chain([cgroups.into()])
        {
            remove_cgroup(&hierarchy.join(&self.name));
        }
        let _ = fs::remove_dir_all(&self.prefix);
    }

    /// Whether a process belongs to this node: it names the prefix, or lives in our network beside us.
    fn owns(&self, pid: i32, words: &[String]) -> bool {
        let netns = |pid: &str| fs::metadata(format!("/proc/{pid}/ns/net")).map(|m| m.ino()).ok();
        let here = netns("self");
        let beside = here.is_some() && netns(&pid.to_string()) == here;
        pid.unsigned_abs() != std::process::id()
            && (beside || words.iter().any(|w| Path::new(w).starts_with(&self.prefix)))
    }
}

fn remove_cgroup(dir: &Path) {
    for child in fs::read_dir(dir).into_iter().flatten().flatten().filter(|c| c.path().is_dir()) {
        remove_cgroup(&child.path());
    }
    let _ = fs::remove_dir(dir);
}

/// Ready, by a heartbeat not older than `fresh` (seconds since 1970).
fn is_ready(node: &serde_json::Value, fresh: i64) -> bool {
    let conditions = node["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|c| {
        let beat = c["lastHeartbeatTime"].as_str().and_then(|t| t.parse::<Timestamp>().ok());
        c["type"] == "Ready" && c["status"] == "True" && beat.is_some_and(|t| t.as_second() >= fresh)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_old_heartbeat_is_not_ready() {
        let node = |status: &str, beat: &str| json!({"status": {"conditions": [{"type": "Ready", "status": status, "lastHeartbeatTime": beat}]}});
        assert!(is_ready(&node("True", "1970-01-01T00:01:40Z"), 100));
        assert!(!is_ready(&node("True", "1970-01-01T00:01:39Z"), 100));
        assert!(!is_ready(&node("False", "1970-01-01T00:01:41Z"), 100));
        assert!(!is_ready(&json!({}), 0));
    }
}
