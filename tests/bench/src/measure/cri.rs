//! The container runtime alone: the same sandbox and container, asked for through its own API, with the same pod network.

use std::{
    collections::HashMap,
    fs,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use knarr_cri::{Cri, Runtime as _, v1};
use tokio::task::JoinSet;

use crate::{
    node::Node,
    objects::{COMMAND, IMAGE},
};

/// For clearing up.
const LIMIT: Duration = Duration::from_secs(60);

/// The runtime of the node, asked directly.
pub(super) struct Alone {
    cri: Cri,
    image: String,
    cgroup: String,
    logs: PathBuf,
    number: AtomicU32,
}

impl Alone {
    /// Finds runtime and image.
    pub(super) async fn new(node: &Node) -> Result<Self> {
        let cri = Cri::new(node.runtime());
        let spec = v1::ImageSpec { image: IMAGE.to_owned(), ..Default::default() };
        let image = cri.image_status(spec).await.context("ask for the image")?.context("the image is not there")?;
        let cgroup = format!("/{}/kubepods/besteffort", node.name);
        Ok(Self { cri, image: image.id, cgroup, logs: node.file("var/log/pods"), number: AtomicU32::new(0) })
    }

    /// From asking for a sandbox to a running container. It is gone afterwards.
    pub(super) async fn one(&self) -> Result<Duration> {
        let begun = Instant::now();
        let sandbox = start(&self.cri, self.sandbox()?, self.container()).await?;
        let took = begun.elapsed();
        remove(&self.cri, &sandbox).await?;
        Ok(took)
    }

    /// The same for many at once, to the last.
    pub(super) async fn many(&self, n: usize) -> Result<Duration> {
        let configs: Vec<_> = (0..n).map(|_| self.sandbox()).collect::<Result<_>>()?;
        let mut starting = JoinSet::new();
        let begun = Instant::now();
        for config in configs {
            let (cri, container) = (self.cri.clone(), self.container());
            starting.spawn(async move { start(&cri, config, container).await });
        }
        let mut sandboxes = Vec::with_capacity(n);
        while let Some(started) = starting.join_next().await {
            sandboxes.push(started.context("a start")??);
        }
        let took = begun.elapsed();
        for sandbox in &sandboxes {
            remove(&self.cri, sandbox).await?;
        }
        Ok(took)
    }

    /// Waits until the runtime has nothing any more: pods are ended after they are gone from the API, and ending them
    /// keeps the machine busy.
    pub(super) async fn emptied(&self) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        while !self.cri.list_pod_sandboxes(None).await.context("list sandboxes")?.is_empty() {
            ensure!(Instant::now() < deadline, "the runtime was not emptied");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    fn sandbox(&self) -> Result<v1::PodSandboxConfig> {
        let name = format!("alone-{}", self.number.fetch_add(1, Ordering::Relaxed));
        let logs = self.logs.join(&name).join("main");
        fs::create_dir_all(&logs).with_context(|| format!("make {}", logs.display()))?;
        Ok(v1::PodSandboxConfig {
            metadata: Some(v1::PodSandboxMetadata {
                uid: name.clone(),
                namespace: "alone".to_owned(),
                attempt: 0,
                name: name.clone(),
            }),
            log_directory: self.logs.join(&name).to_string_lossy().into_owned(),
            hostname: name,
            linux: Some(v1::LinuxPodSandboxConfig {
                cgroup_parent: self.cgroup.clone(),
                security_context: Some(v1::LinuxSandboxSecurityContext {
                    namespace_options: Some(namespaces()),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        })
    }

    fn container(&self) -> v1::ContainerConfig {
        v1::ContainerConfig {
            metadata: Some(v1::ContainerMetadata { name: "main".to_owned(), attempt: 0 }),
            image: Some(v1::ImageSpec { image: self.image.clone(), ..Default::default() }),
            command: COMMAND.map(str::to_owned).to_vec(),
            log_path: "main/0.log".to_owned(),
            labels: HashMap::new(),
            linux: Some(v1::LinuxContainerConfig {
                security_context: Some(v1::LinuxContainerSecurityContext {
                    namespace_options: Some(namespaces()),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        }
    }
}

fn namespaces() -> v1::NamespaceOption {
    v1::NamespaceOption { pid: v1::NamespaceMode::Container as i32, ..Default::default() }
}

/// Starts one; gives its sandbox.
async fn start(cri: &Cri, sandbox: v1::PodSandboxConfig, container: v1::ContainerConfig) -> Result<String> {
    let id = cri.run_pod_sandbox(sandbox.clone(), "").await.context("run a sandbox")?;
    let made = cri.create_container(&id, container, sandbox).await.context("create a container")?;
    cri.start_container(&made).await.context("start a container")?;
    let status = cri.container_status(&made, false).await.context("look at a container")?.status;
    let running = status.is_some_and(|s| s.state == v1::ContainerState::ContainerRunning as i32);
    ensure!(running, "a container that was started does not run");
    Ok(id)
}

async fn remove(cri: &Cri, sandbox: &str) -> Result<()> {
    cri.stop_pod_sandbox(sandbox).await.context("stop a sandbox")?;
    cri.remove_pod_sandbox(sandbox).await.context("remove a sandbox")?;
    Ok(())
}
