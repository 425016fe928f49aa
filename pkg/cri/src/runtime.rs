//! The line between the node agent and the container runtime.

use std::time::Duration;

use async_trait::async_trait;

use crate::{CriError, v1};

type Result<T> = std::result::Result<T, CriError>;

/// What a command that ran inside a container left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecOutput {
    /// Its standard output, cut at the runtime's limit (16 MiB).
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
    /// Its exit code.
    pub exit_code: i32,
}

/// CRI v1, one method a call.
///
/// Stopping and removing what does not exist succeeds; asking for it is `NotFound`.
#[async_trait]
pub trait Runtime: Send + Sync + 'static {
    /// Name and version of the runtime.
    async fn version(&self) -> Result<v1::VersionResponse>;
    /// Its conditions (`RuntimeReady`, `NetworkReady`) and handlers; `verbose` adds its configuration as JSON.
    async fn status(&self, verbose: bool) -> Result<v1::StatusResponse>;
    /// Its cgroup driver. Runtimes before containerd 2.0 answer `Unimplemented`.
    async fn runtime_config(&self) -> Result<v1::RuntimeConfigResponse>;
    /// Tells the node's pod CIDR (runtimes that write their own CNI configuration want it).
    async fn update_runtime_config(&self, pod_cidr: &str) -> Result<()>;

    /// Creates and starts a sandbox; returns its id. An empty `handler` is the default runtime.
    async fn run_pod_sandbox(&self, config: v1::PodSandboxConfig, handler: &str) -> Result<String>;
    /// Kills what runs in the sandbox and tears its network down.
    async fn stop_pod_sandbox(&self, id: &str) -> Result<()>;
    /// Removes a sandbox with its containers.
    async fn remove_pod_sandbox(&self, id: &str) -> Result<()>;
    /// One sandbox; `verbose` adds the runtime's own information (pid, runtime spec) as JSON.
    async fn pod_sandbox_status(&self, id: &str, verbose: bool) -> Result<v1::PodSandboxStatusResponse>;
    /// The sandboxes that match.
    async fn list_pod_sandboxes(&self, filter: Option<v1::PodSandboxFilter>) -> Result<Vec<v1::PodSandbox>>;

    /// Creates a container in a sandbox; returns its id.
    async fn create_container(
        &self,
        sandbox: &str,
        config: v1::ContainerConfig,
        sandbox_config: v1::PodSandboxConfig,
    ) -> Result<String>;
    /// Starts a created container.
    async fn start_container(&self, id: &str) -> Result<()>;
    /// Asks a container to stop, kills it after `grace`, returns when it is gone.
    async fn stop_container(&self, id: &str, grace: Duration) -> Result<()>;
    /// Removes a container, killing it if it runs.
    async fn remove_container(&self, id: &str) -> Result<()>;
    /// One container.
    async fn container_status(&self, id: &str, verbose: bool) -> Result<v1::ContainerStatusResponse>;
    /// The containers that match.
    async fn list_containers(&self, filter: Option<v1::ContainerFilter>) -> Result<Vec<v1::Container>>;
    /// Changes the limits of a container.
    async fn update_container_resources(&self, id: &str, linux: v1::LinuxContainerResources) -> Result<()>;
    /// Opens the log file anew, after a rotation renamed it.
    async fn reopen_container_log(&self, id: &str) -> Result<()>;

    /// Runs a command and waits for it, at most `timeout` (zero: no limit of its own).
    async fn exec_sync(&self, id: &str, command: Vec<String>, timeout: Duration) -> Result<ExecOutput>;
    /// Prepares an exec; returns the URL to speak SPDY or WebSocket to.
    async fn exec(&self, request: v1::ExecRequest) -> Result<String>;
    /// Prepares an attach; returns its URL.
    async fn attach(&self, request: v1::AttachRequest) -> Result<String>;
    /// Prepares a port-forward; returns its URL.
    async fn port_forward(&self, sandbox: &str, ports: Vec<i32>) -> Result<String>;

    /// What one container uses.
    async fn container_stats(&self, id: &str) -> Result<v1::ContainerStats>;
    /// What the containers that match use.
    async fn list_container_stats(&self, filter: Option<v1::ContainerStatsFilter>) -> Result<Vec<v1::ContainerStats>>;
    /// What one sandbox uses.
    async fn pod_sandbox_stats(&self, id: &str) -> Result<v1::PodSandboxStats>;
    /// What the sandboxes that match use.
    async fn list_pod_sandbox_stats(
        &self,
        filter: Option<v1::PodSandboxStatsFilter>,
    ) -> Result<Vec<v1::PodSandboxStats>>;

    /// The images on the node; an empty filter is all of them.
    async fn list_images(&self, image: Option<v1::ImageSpec>) -> Result<Vec<v1::Image>>;
    /// One image, or nothing if it is not on the node.
    async fn image_status(&self, image: v1::ImageSpec) -> Result<Option<v1::Image>>;
    /// Pulls an image; returns its reference (its id).
    async fn pull_image(
        &self,
        image: v1::ImageSpec,
        auth: Option<v1::AuthConfig>,
        sandbox_config: Option<v1::PodSandboxConfig>,
    ) -> Result<String>;
    /// Removes an image with all its names.
    async fn remove_image(&self, image: v1::ImageSpec) -> Result<()>;
    /// Names of images that must stay, where the runtime keeps such marks beside what CRI tells.
    async fn pinned_images(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
    /// What images take on the disk.
    async fn image_fs_info(&self) -> Result<v1::ImageFsInfoResponse>;
}
