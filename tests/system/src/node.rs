//! A node: `knarr server` or `knarr agent` in a network namespace, with every path below a directory and a cgroup of its
//! own.

use std::{
    fs::{self, File},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use base64::Engine as _;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use crate::{
    command,
    http::Client,
    kubectl::Kubectl,
    netns::Netns,
    poll::{secs, until},
    remains::Places,
    suite::Env,
    text::{equals, words},
};

/// The number of the next network.
pub fn next_number() -> u8 {
    static NUMBER: AtomicU8 = AtomicU8::new(1);
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

/// A running node. Dropped without [`Node::finish`], it is swept away by force.
pub struct Node<'a> {
    env: &'a Env,
    /// Its name in the cluster.
    pub name: String,
    /// Its address.
    pub ip: IpAddr,
    /// Its network.
    pub netns: Netns,
    prefix: PathBuf,
    /// What it is: `server` or `agent`.
    verb: &'static str,
    flags: Vec<String>,
    census: Vec<String>,
    /// The process, of either kind.
    server: Mutex<Option<Child>>,
}

/// Places in the logs.
#[derive(Clone, Copy, Default)]
pub struct Mark([u64; 2]);

impl<'a> Node<'a> {
    /// Prepares a server, alone on its network, that does not run yet.
    pub fn prepare(env: &'a Env, flags: &str) -> Result<Self> {
        let number = next_number();
        let name = format!("kn-{:x}-{number:02}", std::process::id());
        Self::on(env, Netns::new(number)?, Ipv4Addr::new(198, 18, number, 2), name, "server", flags)
    }

    /// Prepares a node in a namespace.
    pub fn on(env: &'a Env, netns: Netns, ip: Ipv4Addr, name: String, verb: &'static str, flags: &str) -> Result<Self> {
        let prefix = PathBuf::from("/tmp").join(&name);
        netns.wait_up()?;
        let census = netns.census()?;
        let (ip, flags) = (ip.into(), words(flags));
        let node = Self { env, name, ip, census, netns, prefix, verb, flags, server: Mutex::new(None) };
        env.images()?.iter().try_for_each(|archive| node.preload(archive))?;
        Ok(node)
    }

    /// Puts an image archive where it is imported from at the next start.
    pub fn preload(&self, archive: &Path) -> Result<()> {
        let images = self.file("var/lib/knarr/agent/images");
        fs::create_dir_all(&images).with_context(|| format!("make {}", images.display()))?;
        let name = archive.file_name().context("an archive's name")?;
        fs::copy(archive, images.join(name)).with_context(|| format!("copy {}", archive.display())).map(drop)
    }

    /// The command `knarr <verb>` with the flags of this node.
    pub fn knarr(&self, verb: &str) -> Command {
        let mut command = self.netns.command(&self.env.binary);
        command.arg(verb).arg("--prefix").arg(&self.prefix);
        command.args(["--node-name", &self.name, "--node-ip", &self.ip.to_string(), "--cgroup-root", &self.name]);
        command.args(["--config", "/dev/null"]);
        if verb == self.verb {
            // How full the disk of the machine under test is, is not what cases ask; those that do say their own line.
            command.args(["--kubelet-arg", "eviction-hard=memory.available<100Mi"]);
            command.args(["--kubelet-arg", "image-gc-high-threshold=100"]);
        }
        command.args(&self.flags);
        command
    }

    /// Starts the server process.
    pub fn spawn(&self) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.log()).context("open the log")?;
        let mut command = self.knarr(self.verb);
        command.stdin(Stdio::null()).stdout(log.try_clone().context("share the log")?).stderr(log);
        *self.server() = Some(command.spawn().context("start knarr")?);
        Ok(())
    }

    fn server(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Process id of the server.
    pub fn pid(&self) -> Option<i32> {
        self.server().as_ref().and_then(|c| i32::try_from(c.id()).ok())
    }

    /// Whether the server process runs.
    pub fn runs(&self) -> bool {
        self.server().as_mut().is_some_and(|c| matches!(c.try_wait(), Ok(None)))
    }

    /// Waits until the API is ready, the node is Ready and the images are there.
    pub fn wait_ready(&self, limit: Duration) -> Result<()> {
        self.wait_joined(self, limit)
    }

    /// The same for a node whose API is another's.
    pub fn wait_joined(&self, server: &Node, limit: Duration) -> Result<()> {
        until(limit, &format!("node {} to be Ready", self.name), || {
            // An end of the process is final: the reason stands in the log.
            if !self.runs() {
                return Ok(Err(anyhow!("knarr {} ended: {}", self.verb, self.last_line())));
            }
            let api = server.api()?;
            let ready = api.get("/readyz")?;
            ensure!(ready.status == 200, "/readyz says {} {}", ready.status, ready.text());
            let node = api.get(&format!("/api/v1/nodes/{}", self.name))?.json()?;
            ensure!(
                condition(&node, "Ready") == Some("True"),
                "the node's status is {:#}",
                node["status"]["conditions"]
            );
            let images = node["status"]["images"].to_string();
            ensure!(images.contains("knarr.local/busybox:1"), "the images are not there: {images}");
            Ok(Ok(()))
        })?
    }

    /// Sends the server a signal and waits for its end.
    pub fn end(&self, signal: Signal) -> Result<i32> {
        let mut server = self.server().take().context("the server does not run")?;
        kill(Pid::from_raw(i32::try_from(server.id())?), signal).context("send the signal")?;
        command::wait(&mut server, secs(40)).with_context(|| format!("knarr after {signal}"))
    }

    /// Process id of the node's containerd.
    pub fn containerd(&self) -> Result<i32> {
        let config = self.prefix.to_string_lossy().into_owned();
        let own = |command: &str| {
            let program = command.split(' ').next().unwrap_or_default();
            program.ends_with("/containerd") || program == "containerd"
        };
        let found = self.places()?.processes().into_iter().find(|(_, c)| own(c) && c.contains(&config));
        found.map(|(pid, _)| pid).context("the node's containerd does not run")
    }

    /// Shims of the node: one for each pod that runs.
    pub fn shims(&self) -> Result<usize> {
        let shim = |command: &str| command.split(' ').next().is_some_and(|c| c.ends_with("containerd-shim-runc-v2"));
        Ok(self.places()?.processes().iter().filter(|(_, c)| shim(c) && c.contains(" -id ")).count())
    }

    /// Where its traces can be.
    pub fn places(&self) -> Result<Places<'_>> {
        Ok(Places { prefix: &self.prefix, cgroup: &self.name, netns: self.netns.inode()? })
    }

    /// A file of the node.
    pub fn file(&self, path: &str) -> PathBuf {
        self.prefix.join(path)
    }

    /// A file of the node as text.
    pub fn read(&self, path: &str) -> Result<String> {
        fs::read_to_string(self.file(path)).with_context(|| format!("read {path}"))
    }

    /// The node's log.
    pub fn log(&self) -> PathBuf {
        self.env.work.join(format!("{}.log", self.name))
    }

    fn last_line(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default().lines().last().unwrap_or("(no log)").to_owned()
    }

    /// The CA of what servers show.
    pub fn ca(&self) -> Result<String> {
        self.read("var/lib/knarr/server/tls/server-ca.crt")
    }

    /// The API as the administrator, from outside.
    pub fn api(&self) -> Result<Client> {
        let config = self.read("etc/knarr/knarr.yaml")?;
        let part = |key: &str| -> Result<String> {
            let line = config.lines().find_map(|l| l.trim().strip_prefix(key)?.strip_prefix(": "));
            let line = line.with_context(|| format!("the kubeconfig has no {key}"))?;
            let bytes = base64::engine::general_purpose::STANDARD.decode(line.trim_matches('"'));
            String::from_utf8(bytes.context(key.to_owned())?).context(key.to_owned())
        };
        let identity = (part("client-certificate-data")?, part("client-key-data")?);
        let ca = part("certificate-authority-data")?;
        Client::new(SocketAddr::new(self.ip, 6443), &self.ip.to_string(), &ca, Some((&identity.0, &identity.1)))
    }

    /// The API as nobody.
    pub fn anonymous(&self) -> Result<Client> {
        Client::new(SocketAddr::new(self.ip, 6443), &self.ip.to_string(), &self.ca()?, None)
    }

    /// The API as whoever a certificate and its key are, from outside.
    pub fn identified(&self, certificate: &str, key: &str) -> Result<Client> {
        Client::new(SocketAddr::new(self.ip, 6443), &self.ip.to_string(), &self.ca()?, Some((certificate, key)))
    }

    /// The ingress, called by a host name, from outside.
    pub fn page(&self, host: &str) -> Result<Client> {
        Client::new(SocketAddr::new(self.ip, 443), host, &self.ca()?, None)
    }

    /// The newest kubectl on this node.
    pub fn kubectl(&self, namespace: &str) -> Kubectl {
        self.kubectl_of(&self.env.kubectls[1], namespace)
    }

    /// A version of kubectl on this node.
    pub fn kubectl_of(&self, (version, program): &(String, PathBuf), namespace: &str) -> Kubectl {
        Kubectl {
            program: program.clone(),
            version: version.clone(),
            netns: self.netns.path(),
            config: self.file("etc/knarr/knarr.yaml"),
            home: self.env.work.join("home"),
            namespace: namespace.to_owned(),
            env: Vec::new(),
        }
    }

    /// curl inside the node's network.
    pub fn curl(&self, line: &str) -> Result<String> {
        command::ok(self.netns.command("curl").args(["-sS", "--max-time", "10"]).args(words(line)), secs(20))
    }

    /// Makes a namespace whose pods can start.
    pub fn namespace(&self, name: &str) -> Result<()> {
        let body = serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        let api = self.api()?;
        let made = api.request("POST", "/api/v1/namespaces", "application/json", body.to_string().as_bytes())?;
        ensure!(made.status == 201, "make namespace {name}: {}", made.text());
        until(secs(20), "the default ServiceAccount", || {
            let answer = api.get(&format!("/api/v1/namespaces/{name}/serviceaccounts/default"))?;
            ensure!(answer.status == 200, "{}", answer.text());
            Ok(())
        })
    }

    /// Begins to delete a namespace.
    pub fn delete_namespace(&self, name: &str) -> Result<()> {
        let answer = self.api()?.request("DELETE", &format!("/api/v1/namespaces/{name}"), "", b"")?;
        ensure!(answer.status < 300, "delete namespace {name}: {}", answer.text());
        Ok(())
    }

    /// How long the logs are now.
    pub fn mark(&self) -> Mark {
        Mark(self.logs().map(|(_, path)| fs::metadata(path).map_or(0, |m| m.len())))
    }

    fn logs(&self) -> [(&'static str, PathBuf); 2] {
        [("knarr", self.log()), ("containerd", self.file("var/lib/knarr/agent/containerd/containerd.log"))]
    }

    /// What the logs say since `mark`, for a case that failed: their ends, of containerd's what it complains about.
    pub fn tails(&self, mark: Mark) -> String {
        let mut out = String::new();
        for ((name, path), from) in self.logs().into_iter().zip(mark.0) {
            let bytes = fs::read(&path).unwrap_or_default();
            let from = usize::try_from(from).unwrap_or(0).min(bytes.len());
            let text = String::from_utf8_lossy(&bytes[from..]).into_owned();
            let telling = |line: &&str| name == "knarr" || line.contains("level=error") || line.contains("level=fatal");
            let lines: Vec<&str> = text.lines().filter(telling).collect();
            for line in lines.iter().skip(lines.len().saturating_sub(30)) {
                out.push_str(&format!("{name}: {line}\n"));
            }
        }
        out
    }

    /// Takes the node away as a user would, and looks whether anything is left.
    pub fn finish(self) -> Result<()> {
        let outside = self.places()?.outside();
        let gone = command::ok(&mut self.knarr("uninstall"), secs(90)).context("knarr uninstall")?;
        ensure!(gone.contains("knarr is gone from this host"), "uninstall says {gone:?}");
        if let Some(mut server) = self.server().take() {
            let code = command::wait(&mut server, secs(5)).context("the server after uninstall")?;
            ensure!(code == 0, "the server, told to stop by uninstall, ended with {code}");
        }
        // The cgroup itself was the flag's: it goes once it is empty. A populated or nested one stays, and is a finding.
        for dir in self.places()?.cgroups().iter().filter(|d| d.ends_with(&self.name)) {
            let _ = fs::remove_dir(dir);
        }
        let mut left = self.places()?.left(&outside);
        let census = self.netns.census()?;
        left.extend(census.into_iter().filter(|line| !self.census.contains(line)));
        if !left.is_empty() {
            bail!("left behind:\n{}", left.join("\n"));
        }
        Ok(())
    }
}

impl Drop for Node<'_> {
    fn drop(&mut self) {
        if let Some(mut server) = self.server().take() {
            let _ = server.kill();
            let _ = server.wait();
        }
        if let Ok(places) = self.places() {
            places.sweep();
        }
    }
}

/// The status of an object's condition.
pub fn condition<'v>(object: &'v Value, kind: &str) -> Option<&'v str> {
    let conditions = object["status"]["conditions"].as_array()?;
    conditions.iter().find(|c| c["type"] == kind)?["status"].as_str()
}

/// A pod is Running and Ready.
pub fn pod_ready(pod: &Value) -> Result<()> {
    equals(pod, "/status/phase", "Running")?;
    ensure!(condition(pod, "Ready") == Some("True"), "conditions: {:#}", pod["status"]["conditions"]);
    Ok(())
}
