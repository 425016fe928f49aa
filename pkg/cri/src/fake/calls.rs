//! The calls of the pretended runtime.

use std::time::Duration;

use async_trait::async_trait;
use tonic::Code;

use super::{
    FakeRuntime,
    world::{Container, Sandbox, selects},
};
use crate::{CriError, ExecOutput, Runtime, events::Kind, v1};

type Result<T> = std::result::Result<T, CriError>;

fn not_found<T>(call: &'static str, id: &str) -> Result<T> {
    Err(CriError::new(call, Code::NotFound, format!("{id}: not found")))
}

fn image_name(image: Option<&v1::ImageSpec>) -> &str {
    image.map_or("", |i| &i.image)
}

fn container_name(config: &v1::ContainerConfig) -> &str {
    config.metadata.as_ref().map_or("", |m| &m.name)
}

fn sandbox_matches(filter: &v1::PodSandboxFilter, sandbox: &Sandbox) -> bool {
    (filter.id.is_empty() || sandbox.status.id == filter.id)
        && filter.state.is_none_or(|s| s.state == sandbox.status.state)
        && selects(&filter.label_selector, &sandbox.status.labels)
}

fn container_matches(filter: &v1::ContainerFilter, container: &Container) -> bool {
    (filter.id.is_empty() || container.status.id == filter.id)
        && (filter.pod_sandbox_id.is_empty() || container.sandbox == filter.pod_sandbox_id)
        && filter.state.is_none_or(|s| s.state == container.status.state)
        && selects(&filter.label_selector, &container.status.labels)
}

#[async_trait]
impl Runtime for FakeRuntime {
    async fn version(&self) -> Result<v1::VersionResponse> {
        self.enter("Version", "", false).await?;
        Ok(v1::VersionResponse {
            version: "0.1.0".into(),
            runtime_name: "fake".into(),
            runtime_version: "1.0.0".into(),
            runtime_api_version: "v1".into(),
        })
    }

    async fn status(&self, _verbose: bool) -> Result<v1::StatusResponse> {
        self.enter("Status", "", false).await?;
        let (runtime, network) = self.world.lock().ready;
        let condition =
            |r#type: &str, status| v1::RuntimeCondition { r#type: r#type.into(), status, ..Default::default() };
        let conditions = vec![condition("RuntimeReady", runtime), condition("NetworkReady", network)];
        Ok(v1::StatusResponse { status: Some(v1::RuntimeStatus { conditions }), ..Default::default() })
    }

    async fn runtime_config(&self) -> Result<v1::RuntimeConfigResponse> {
        self.enter("RuntimeConfig", "", false).await?;
        let linux = v1::LinuxRuntimeConfiguration { cgroup_driver: v1::CgroupDriver::Cgroupfs.into() };
        Ok(v1::RuntimeConfigResponse { linux: Some(linux) })
    }

    async fn update_runtime_config(&self, pod_cidr: &str) -> Result<()> {
        self.enter("UpdateRuntimeConfig", pod_cidr, true).await
    }

    async fn run_pod_sandbox(&self, config: v1::PodSandboxConfig, handler: &str) -> Result<String> {
        let id = self.world.lock().next_sandbox_id();
        self.enter("RunPodSandbox", &id, true).await?;
        Ok(self.world.lock().add_sandbox(config, handler))
    }

    async fn stop_pod_sandbox(&self, id: &str) -> Result<()> {
        self.enter("StopPodSandbox", id, true).await?;
        self.world.lock().stop_sandbox(id);
        Ok(())
    }

    async fn remove_pod_sandbox(&self, id: &str) -> Result<()> {
        self.enter("RemovePodSandbox", id, true).await?;
        self.world.lock().remove_sandbox(id);
        Ok(())
    }

    async fn pod_sandbox_status(&self, id: &str, _verbose: bool) -> Result<v1::PodSandboxStatusResponse> {
        self.enter("PodSandboxStatus", id, false).await?;
        match self.world.lock().sandboxes.get(id) {
            Some(s) => Ok(v1::PodSandboxStatusResponse { status: Some(s.status.clone()), ..Default::default() }),
            None => not_found("PodSandboxStatus", id),
        }
    }

    async fn list_pod_sandboxes(&self, filter: Option<v1::PodSandboxFilter>) -> Result<Vec<v1::PodSandbox>> {
        self.enter("ListPodSandbox", "", false).await?;
        let filter = filter.unwrap_or_default();
        let world = self.world.lock();
        let found = world.sandboxes.values().filter(|s| sandbox_matches(&filter, s));
        Ok(found
            .map(|s| v1::PodSandbox {
                id: s.status.id.clone(),
                metadata: s.status.metadata.clone(),
                state: s.status.state,
                created_at: s.status.created_at,
                labels: s.status.labels.clone(),
                annotations: s.status.annotations.clone(),
                runtime_handler: s.status.runtime_handler.clone(),
            })
            .collect())
    }

    async fn create_container(
        &self,
        sandbox: &str,
        config: v1::ContainerConfig,
        _sandbox_config: v1::PodSandboxConfig,
    ) -> Result<String> {
        self.enter("CreateContainer", container_name(&config), true).await?;
        let mut world = self.world.lock();
        if world.sandboxes.get(sandbox).is_none_or(|s| s.status.state() != v1::PodSandboxState::SandboxReady) {
            return not_found("CreateContainer", sandbox);
        }
        let image = image_name(config.image.as_ref()).to_owned();
        match world.image(&image).map(|i| i.id.clone()) {
            Some(image_id) => Ok(world.add_container(sandbox, config, image_id)),
            None => not_found("CreateContainer", &image),
        }
    }

    async fn start_container(&self, id: &str) -> Result<()> {
        self.enter("StartContainer", id, true).await?;
        let mut world = self.world.lock();
        let now = world.tick();
        let Some(container) = world.containers.get_mut(id) else { return not_found("StartContainer", id) };
        if container.status.state() != v1::ContainerState::ContainerCreated {
            let message = format!("container {id} is in state {}", container.status.state().as_str_name());
            return Err(CriError::new("StartContainer", Code::Unknown, message));
        }
        container.status.set_state(v1::ContainerState::ContainerRunning);
        container.status.started_at = now;
        world.emit(id, Kind::Started);
        Ok(())
    }

    async fn stop_container(&self, id: &str, grace: Duration) -> Result<()> {
        self.enter("StopContainer", id, true).await?;
        let stubborn = {
            let world = self.world.lock();
            world.containers.get(id).is_some_and(|c| world.stubborn.contains(c.name()))
        };
        if stubborn {
            tokio::time::sleep(grace).await;
        }
        self.world.lock().exit(id, if stubborn { 137 } else { 143 }, "Error");
        Ok(())
    }

    async fn remove_container(&self, id: &str) -> Result<()> {
        self.enter("RemoveContainer", id, true).await?;
        self.world.lock().remove_container(id);
        Ok(())
    }

    async fn container_status(&self, id: &str, _verbose: bool) -> Result<v1::ContainerStatusResponse> {
        self.enter("ContainerStatus", id, false).await?;
        match self.world.lock().containers.get(id) {
            Some(c) => Ok(v1::ContainerStatusResponse { status: Some(c.status.clone()), ..Default::default() }),
            None => not_found("ContainerStatus", id),
        }
    }

    async fn list_containers(&self, filter: Option<v1::ContainerFilter>) -> Result<Vec<v1::Container>> {
        self.enter("ListContainers", "", false).await?;
        let filter = filter.unwrap_or_default();
        let world = self.world.lock();
        let found = world.containers.values().filter(|c| container_matches(&filter, c));
        Ok(found
            .map(|c| v1::Container {
                id: c.status.id.clone(),
                pod_sandbox_id: c.sandbox.clone(),
                metadata: c.status.metadata.clone(),
                image: c.status.image.clone(),
                image_ref: c.status.image_ref.clone(),
                state: c.status.state,
                created_at: c.status.created_at,
                labels: c.status.labels.clone(),
                annotations: c.status.annotations.clone(),
                image_id: c.status.image_id.clone(),
            })
            .collect())
    }

    async fn update_container_resources(&self, id: &str, linux: v1::LinuxContainerResources) -> Result<()> {
        self.enter("UpdateContainerResources", id, true).await?;
        let mut world = self.world.lock();
        let Some(container) = world.containers.get_mut(id) else { return not_found("UpdateContainerResources", id) };
        container.status.resources = Some(v1::ContainerResources { linux: Some(linux), windows: None });
        Ok(())
    }

    async fn reopen_container_log(&self, id: &str) -> Result<()> {
        self.enter("ReopenContainerLog", id, true).await
    }

    async fn exec_sync(&self, id: &str, command: Vec<String>, _timeout: Duration) -> Result<ExecOutput> {
        self.enter("ExecSync", id, false).await?;
        let running =
            self.world.lock().containers.get(id).map(|c| c.status.state() == v1::ContainerState::ContainerRunning);
        match running {
            None => not_found("ExecSync", id),
            Some(false) => Err(CriError::new("ExecSync", Code::Unknown, format!("container {id} does not run"))),
            Some(true) => {
                let exec = self.rules.lock().exec.clone();
                exec.map_or_else(|| Ok(ExecOutput::default()), |exec| exec(id, &command))
            }
        }
    }

    async fn exec(&self, request: v1::ExecRequest) -> Result<String> {
        self.enter("Exec", &request.container_id, true).await?;
        Ok(format!("http://127.0.0.1:1/exec/{}", request.container_id))
    }

    async fn attach(&self, request: v1::AttachRequest) -> Result<String> {
        self.enter("Attach", &request.container_id, true).await?;
        Ok(format!("http://127.0.0.1:1/attach/{}", request.container_id))
    }

    async fn port_forward(&self, sandbox: &str, _ports: Vec<i32>) -> Result<String> {
        self.enter("PortForward", sandbox, true).await?;
        Ok(format!("http://127.0.0.1:1/portforward/{sandbox}"))
    }

    async fn container_stats(&self, id: &str) -> Result<v1::ContainerStats> {
        self.enter("ContainerStats", id, false).await?;
        let world = self.world.lock();
        match world.containers.get(id) {
            Some(container) => Ok(world.stats_of(container)),
            None => not_found("ContainerStats", id),
        }
    }

    async fn list_container_stats(&self, filter: Option<v1::ContainerStatsFilter>) -> Result<Vec<v1::ContainerStats>> {
        self.enter("ListContainerStats", "", false).await?;
        let v1::ContainerStatsFilter { id, pod_sandbox_id, label_selector } = filter.unwrap_or_default();
        let filter = v1::ContainerFilter { id, pod_sandbox_id, label_selector, state: None };
        let world = self.world.lock();
        let running = |c: &Container| c.status.state() == v1::ContainerState::ContainerRunning;
        let found = world.containers.values().filter(|c| running(c) && container_matches(&filter, c));
        Ok(found.map(|c| world.stats_of(c)).collect())
    }

    async fn pod_sandbox_stats(&self, id: &str) -> Result<v1::PodSandboxStats> {
        self.enter("PodSandboxStats", id, false).await?;
        let world = self.world.lock();
        let Some(sandbox) = world.sandboxes.get(id) else { return not_found("PodSandboxStats", id) };
        let containers = world.containers.values().filter(|c| c.sandbox == id).map(|c| world.stats_of(c)).collect();
        Ok(v1::PodSandboxStats {
            attributes: Some(v1::PodSandboxAttributes {
                id: id.to_owned(),
                metadata: sandbox.status.metadata.clone(),
                labels: sandbox.status.labels.clone(),
                annotations: sandbox.status.annotations.clone(),
            }),
            linux: Some(v1::LinuxPodSandboxStats { containers, ..Default::default() }),
            windows: None,
        })
    }

    async fn list_pod_sandbox_stats(
        &self,
        filter: Option<v1::PodSandboxStatsFilter>,
    ) -> Result<Vec<v1::PodSandboxStats>> {
        let v1::PodSandboxStatsFilter { id, label_selector } = filter.unwrap_or_default();
        let filter = v1::PodSandboxFilter { id, label_selector, state: None };
        let mut all = Vec::new();
        for sandbox in self.list_pod_sandboxes(Some(filter)).await? {
            all.push(self.pod_sandbox_stats(&sandbox.id).await?);
        }
        Ok(all)
    }

    async fn list_images(&self, image: Option<v1::ImageSpec>) -> Result<Vec<v1::Image>> {
        self.enter("ListImages", "", false).await?;
        let name = image_name(image.as_ref());
        let world = self.world.lock();
        Ok(world
            .images
            .iter()
            .filter(|(n, i)| name.is_empty() || *n == name || i.id == name)
            .map(|(_, i)| i.clone())
            .collect())
    }

    async fn image_status(&self, image: v1::ImageSpec) -> Result<Option<v1::Image>> {
        self.enter("ImageStatus", &image.image, false).await?;
        Ok(self.world.lock().image(&image.image).cloned())
    }

    async fn pull_image(
        &self,
        image: v1::ImageSpec,
        _auth: Option<v1::AuthConfig>,
        _sandbox_config: Option<v1::PodSandboxConfig>,
    ) -> Result<String> {
        self.enter("PullImage", &image.image, true).await?;
        let mut world = self.world.lock();
        if !world.registry.contains(&image.image) {
            return not_found("PullImage", &image.image);
        }
        Ok(world.add_image(&image.image))
    }

    async fn remove_image(&self, image: v1::ImageSpec) -> Result<()> {
        self.enter("RemoveImage", &image.image, true).await?;
        self.world.lock().images.retain(|name, i| *name != image.image && i.id != image.image);
        Ok(())
    }

    async fn image_fs_info(&self) -> Result<v1::ImageFsInfoResponse> {
        self.enter("ImageFsInfo", "", false).await?;
        let world = self.world.lock();
        let used = world.images.values().map(|i| i.size).sum();
        let images = v1::FilesystemUsage {
            timestamp: world.now,
            fs_id: Some(v1::FilesystemIdentifier { mountpoint: "/".into() }),
            used_bytes: Some(v1::UInt64Value { value: used }),
            inodes_used: Some(v1::UInt64Value { value: world.images.len() as u64 }),
        };
        Ok(v1::ImageFsInfoResponse { image_filesystems: vec![images], container_filesystems: Vec::new() })
    }
}
