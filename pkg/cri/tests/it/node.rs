//! A private containerd below a temporary prefix, and pods on it.

use std::{future::Future, panic::AssertUnwindSafe, path::PathBuf, time::Duration};

use futures_util::FutureExt;
use knarr_cri::{
    Cri, Runtime,
    containerd::{self, Containerd, Leave, Settings},
    images::Importer,
    pause, v1,
};
use knarr_daemon::{Stop, Tasks};

use crate::busybox::TempDir;

pub(crate) struct Node {
    pub(crate) dir: TempDir,
    pub(crate) settings: Settings,
    pub(crate) cgroup: String,
}

impl Node {
    /// Runs a test on a node and removes the node, whatever happened.
    pub(crate) async fn run<F: Future<Output = ()>>(name: &str, test: impl FnOnce(std::sync::Arc<Node>) -> F) {
        let dir = TempDir::new(name);
        let settings = Settings {
            binary: "containerd".into(),
            path: Vec::new(),
            root: dir.0.join("root"),
            run: dir.0.join("run"),
            cni_bin: dir.0.join("cni/bin"),
            cni_conf: dir.0.join("cni/net.d"),
            registry_config: dir.0.join("certs.d"),
            sandbox_image: pause::image_name(),
            snapshotter: "overlayfs".into(),
            restrict_oom_score: !containerd::may_lower_oom_score(),
        };
        let cgroup = format!("/{}", dir.0.file_name().unwrap().to_string_lossy());
        let node = std::sync::Arc::new(Node { dir, settings, cgroup });
        let result = AssertUnwindSafe(test(node.clone())).catch_unwind().await;
        if result.is_err() {
            let log = std::fs::read_to_string(node.settings.log_file()).unwrap_or_default();
            let lines: Vec<_> = log.lines().rev().take(15).collect();
            lines.iter().rev().for_each(|line| eprintln!("containerd: {line}"));
        }
        let removed = containerd::shutdown(&node.settings, Leave::Nothing).await;
        node.remove_cgroups();
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
        removed.unwrap();
        assert_eq!(node.remains(), Vec::<String>::new());
    }

    pub(crate) async fn start(&self) -> (Containerd, Tasks) {
        let tasks = Tasks::new(&Stop::new());
        let containerd = Containerd::start(self.settings.clone(), Vec::new(), &tasks).await.unwrap();
        (containerd, tasks)
    }

    pub(crate) fn cri(&self) -> Cri {
        Cri::new(self.settings.socket())
    }

    pub(crate) fn importer(&self) -> Importer {
        Importer::new(self.settings.socket(), &self.settings.snapshotter)
    }

    /// A sandbox in the host's network: no CNI is needed.
    pub(crate) fn sandbox(&self, name: &str) -> v1::PodSandboxConfig {
        let namespaces = v1::NamespaceOption { network: v1::NamespaceMode::Node.into(), ..Default::default() };
        v1::PodSandboxConfig {
            metadata: Some(v1::PodSandboxMetadata {
                name: name.into(),
                uid: format!("uid-{name}"),
                namespace: "default".into(),
                attempt: 0,
            }),
            log_directory: self.logs().to_string_lossy().into_owned(),
            linux: Some(v1::LinuxPodSandboxConfig {
                cgroup_parent: self.cgroup.clone(),
                security_context: Some(v1::LinuxSandboxSecurityContext {
                    namespace_options: Some(namespaces),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.dir.0.join("logs")
    }

    pub(crate) async fn run_container(&self, sandbox: &str, name: &str, image: &str, script: &str) -> String {
        let cri = self.cri();
        let namespaces = v1::NamespaceOption { network: v1::NamespaceMode::Node.into(), ..Default::default() };
        let config = v1::ContainerConfig {
            metadata: Some(v1::ContainerMetadata { name: name.into(), attempt: 0 }),
            image: Some(v1::ImageSpec { image: image.into(), ..Default::default() }),
            command: ["sh", "-c", script].map(str::to_owned).to_vec(),
            log_path: format!("{name}.log"),
            linux: Some(v1::LinuxContainerConfig {
                security_context: Some(v1::LinuxContainerSecurityContext {
                    namespace_options: Some(namespaces),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        };
        std::fs::create_dir_all(self.logs()).unwrap();
        let id = cri.create_container(sandbox, config, self.sandbox("app")).await.unwrap();
        cri.start_container(&id).await.unwrap();
        id
    }

    /// The process of a container as the runtime knows it.
    pub(crate) async fn pid_of(&self, container: &str) -> u64 {
        let status = self.cri().container_status(container, true).await.unwrap();
        let info: serde_json::Value = serde_json::from_str(&status.info["info"]).unwrap();
        info["pid"].as_u64().unwrap()
    }

    fn remove_cgroups(&self) {
        let roots = std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten().map(|e| e.path());
        for root in roots.chain([PathBuf::from("/sys/fs/cgroup")]) {
            let _ = std::fs::remove_dir(root.join(&self.cgroup[1..]));
        }
    }

    /// Processes, mounts and directories that are left.
    fn remains(&self) -> Vec<String> {
        let prefix = self.dir.0.to_string_lossy().into_owned();
        let mut left = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            if command.contains(&prefix) {
                left.push(command);
            }
        }
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        left.extend(mounts.lines().filter(|l| l.contains(&prefix)).map(str::to_owned));
        left.extend(
            [&self.settings.root, &self.settings.run]
                .into_iter()
                .filter(|d| d.exists())
                .map(|d| d.display().to_string()),
        );
        left
    }
}

/// Asks until it holds; a test's patience is 30 s.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut ask: impl FnMut() -> F) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while !ask().await {
        assert!(tokio::time::Instant::now() < deadline, "{what} did not come");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
