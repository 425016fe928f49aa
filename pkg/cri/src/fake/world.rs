//! The state of the pretended runtime: sandboxes, containers, images.

use std::collections::{BTreeMap, HashMap, HashSet};

use tokio::sync::mpsc;

use crate::{
    events::{Event, Kind},
    v1,
};

pub(super) struct Sandbox {
    pub(super) config: v1::PodSandboxConfig,
    pub(super) status: v1::PodSandboxStatus,
}

pub(super) struct Container {
    pub(super) sandbox: String,
    pub(super) config: v1::ContainerConfig,
    pub(super) status: v1::ContainerStatus,
}

impl Container {
    pub(super) fn name(&self) -> &str {
        self.status.metadata.as_ref().map_or("", |m| &m.name)
    }
}

pub(super) struct World {
    pub(super) now: i64,
    pub(super) ready: (bool, bool),
    pub(super) sandboxes: BTreeMap<String, Sandbox>,
    pub(super) containers: BTreeMap<String, Container>,
    pub(super) images: BTreeMap<String, v1::Image>,
    pub(super) registry: HashSet<String>,
    pub(super) stubborn: HashSet<String>,
    pub(super) stats: HashMap<String, (u64, u64)>,
    pub(super) calls: Vec<String>,
    pub(super) events: Option<mpsc::Sender<Event>>,
    made: [usize; 2],
}

impl Default for World {
    fn default() -> Self {
        Self {
            now: 1_000_000_000,
            ready: (true, true),
            sandboxes: BTreeMap::new(),
            containers: BTreeMap::new(),
            images: BTreeMap::new(),
            registry: HashSet::new(),
            stubborn: HashSet::new(),
            stats: HashMap::new(),
            calls: Vec::new(),
            events: None,
            made: [0; 2],
        }
    }
}

impl World {
    /// Each reading is later than the one before.
    pub(super) fn tick(&mut self) -> i64 {
        self.now += 1;
        self.now
    }

    pub(super) fn emit(&mut self, id: &str, kind: Kind) {
        if let Some(tx) = &self.events {
            let _ = tx.try_send(Event::Container { id: id.to_owned(), kind });
        }
    }

    pub(super) fn add_image(&mut self, name: &str) -> String {
        let id = format!("sha256:{name}");
        let image = v1::Image {
            id: id.clone(),
            repo_tags: vec![name.to_owned()],
            size: 1 << 20,
            spec: Some(v1::ImageSpec { image: name.to_owned(), ..Default::default() }),
            ..Default::default()
        };
        self.images.insert(name.to_owned(), image);
        id
    }

    /// An image by name or id.
    pub(super) fn image(&self, reference: &str) -> Option<&v1::Image> {
        self.images.get(reference).or_else(|| self.images.values().find(|i| i.id == reference))
    }

    pub(super) fn next_sandbox_id(&self) -> String {
        format!("sandbox-{}", self.made[0] + 1)
    }

    pub(super) fn add_sandbox(&mut self, config: v1::PodSandboxConfig, handler: &str) -> String {
        let id = self.next_sandbox_id();
        self.made[0] += 1;
        let host_network = config
            .linux
            .as_ref()
            .and_then(|l| l.security_context.as_ref()?.namespace_options.as_ref())
            .is_some_and(|n| n.network() == v1::NamespaceMode::Node);
        let n = self.made[0];
        let ip = if host_network { String::new() } else { format!("10.42.{}.{}", n / 250, n % 250 + 2) };
        let status = v1::PodSandboxStatus {
            id: id.clone(),
            metadata: config.metadata.clone(),
            state: v1::PodSandboxState::SandboxReady.into(),
            created_at: self.tick(),
            network: Some(v1::PodSandboxNetworkStatus { ip, additional_ips: Vec::new() }),
            labels: config.labels.clone(),
            annotations: config.annotations.clone(),
            runtime_handler: handler.to_owned(),
            ..Default::default()
        };
        self.sandboxes.insert(id.clone(), Sandbox { config, status });
        self.emit(&id, Kind::Started);
        id
    }

    pub(super) fn stop_sandbox(&mut self, id: &str) {
        for container in self.containers_of(id) {
            self.exit(&container, 137, "Error");
        }
        let Some(sandbox) = self.sandboxes.get_mut(id) else { return };
        if sandbox.status.state() == v1::PodSandboxState::SandboxReady {
            sandbox.status.set_state(v1::PodSandboxState::SandboxNotready);
            self.emit(id, Kind::Exited { code: 137 });
        }
    }

    pub(super) fn remove_sandbox(&mut self, id: &str) {
        self.stop_sandbox(id);
        for container in self.containers_of(id) {
            self.remove_container(&container);
        }
        if self.sandboxes.remove(id).is_some() {
            self.emit(id, Kind::Deleted);
        }
    }

    pub(super) fn containers_of(&self, sandbox: &str) -> Vec<String> {
        self.containers.iter().filter(|(_, c)| c.sandbox == sandbox).map(|(id, _)| id.clone()).collect()
    }

    pub(super) fn add_container(&mut self, sandbox: &str, config: v1::ContainerConfig, image_id: String) -> String {
        self.made[1] += 1;
        let id = format!("container-{}", self.made[1]);
        let status = v1::ContainerStatus {
            id: id.clone(),
            metadata: config.metadata.clone(),
            state: v1::ContainerState::ContainerCreated.into(),
            created_at: self.tick(),
            image: config.image.clone(),
            image_ref: image_id.clone(),
            image_id,
            labels: config.labels.clone(),
            annotations: config.annotations.clone(),
            mounts: config.mounts.clone(),
            log_path: config.log_path.clone(),
            resources: config
                .linux
                .as_ref()
                .map(|l| v1::ContainerResources { linux: l.resources.clone(), windows: None }),
            ..Default::default()
        };
        self.containers.insert(id.clone(), Container { sandbox: sandbox.to_owned(), config, status });
        id
    }

    /// Ends a container, if it runs.
    pub(super) fn exit(&mut self, id: &str, code: i32, reason: &str) {
        let now = self.tick();
        let Some(container) = self.containers.get_mut(id) else { return };
        let status = &mut container.status;
        if status.state() != v1::ContainerState::ContainerRunning {
            return;
        }
        status.set_state(v1::ContainerState::ContainerExited);
        status.finished_at = now;
        status.exit_code = code;
        status.reason = reason.to_owned();
        self.emit(id, Kind::Exited { code: code.unsigned_abs() });
    }

    pub(super) fn remove_container(&mut self, id: &str) {
        self.exit(id, 137, "Error");
        if self.containers.remove(id).is_some() {
            self.emit(id, Kind::Deleted);
        }
    }

    /// What the stats calls say about a container.
    pub(super) fn stats_of(&self, container: &Container) -> v1::ContainerStats {
        let (cores, bytes) = self.stats.get(&container.status.id).copied().unwrap_or_default();
        let value = |value| Some(v1::UInt64Value { value });
        v1::ContainerStats {
            attributes: Some(v1::ContainerAttributes {
                id: container.status.id.clone(),
                metadata: container.status.metadata.clone(),
                labels: container.status.labels.clone(),
                annotations: container.status.annotations.clone(),
            }),
            cpu: Some(v1::CpuUsage {
                timestamp: self.now,
                usage_core_nano_seconds: value(cores.saturating_mul(10)),
                usage_nano_cores: value(cores),
            }),
            memory: Some(v1::MemoryUsage {
                timestamp: self.now,
                working_set_bytes: value(bytes),
                usage_bytes: value(bytes),
                ..Default::default()
            }),
            ..Default::default()
        }
    }
}

/// Whether `labels` has all of `selector`.
pub(super) fn selects(selector: &HashMap<String, String>, labels: &HashMap<String, String>) -> bool {
    selector.iter().all(|(k, v)| labels.get(k) == Some(v))
}
