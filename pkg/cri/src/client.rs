//! CRI v1 over a unix socket.

use std::{future::Future, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use tonic::{Code, Request, Response, Status, transport::Channel};

use crate::{
    CriError, ExecOutput, Runtime,
    images::{normalize, pinned},
    registries::{Registries, adopt},
    unix_channel,
    v1::{
        self, image_service_client::ImageServiceClient, runtime_service_client::RuntimeServiceClient as RuntimeClient,
    },
};

type Result<T> = std::result::Result<T, CriError>;

/// Questions: answered from the runtime's memory.
const QUESTION: Duration = Duration::from_secs(30);
/// Changes: create, start, remove. As long as upstream's `runtimeRequestTimeout`.
const CHANGE: Duration = Duration::from_secs(120);
/// Sandboxes, which may wait for the pod network: twice as long.
const SANDBOX: Duration = Duration::from_secs(240);
/// A pull that moves nothing for long is ended by the runtime itself (`image_pull_progress_timeout`); this bounds it.
const PULL: Duration = Duration::from_secs(3600);
/// `exec_sync` without a limit of its own: long enough for any hook, still bounded.
const EXEC: Duration = Duration::from_secs(24 * 3600);
/// Lists of a node with hundreds of pods and `exec_sync` output (16 MiB) must fit.
const MESSAGE: usize = 64 << 20;

/// The runtime behind a unix socket. Cheap to clone; connects lazily and again after each loss.
#[derive(Clone)]
pub struct Cri {
    runtime: RuntimeClient<Channel>,
    images: ImageServiceClient<Channel>,
    /// For what containerd can do and CRI cannot ask for.
    channel: Channel,
    registries: Arc<Registries>,
}

impl Cri {
    /// A client of the runtime at `socket`, which serves images too.
    pub fn new(socket: impl AsRef<Path>) -> Self {
        let channel = unix_channel(socket);
        Self::over(channel.clone(), channel)
    }

    /// A client with another socket for images (`--image-service-endpoint`).
    pub fn with_image_service(socket: impl AsRef<Path>, images: impl AsRef<Path>) -> Self {
        Self::over(unix_channel(socket), unix_channel(images))
    }

    fn over(runtime: Channel, images: Channel) -> Self {
        Self {
            runtime: RuntimeClient::new(runtime).max_decoding_message_size(MESSAGE),
            images: ImageServiceClient::new(images.clone()).max_decoding_message_size(MESSAGE),
            channel: images,
            registries: Arc::default(),
        }
    }

    /// Pulls as a `registries.yaml` says.
    #[must_use]
    pub fn with_registries(mut self, registries: Registries) -> Self {
        self.registries = Arc::new(registries);
        self
    }
}

/// One call with a deadline that both ends know; ours also covers an answer that stalls half-way.
async fn call<Q, A, F>(
    name: &'static str,
    deadline: Duration,
    request: Q,
    send: impl FnOnce(Request<Q>) -> F,
) -> Result<A>
where
    F: Future<Output = std::result::Result<Response<A>, Status>>,
{
    let mut request = Request::new(request);
    request.set_timeout(deadline);
    match tokio::time::timeout(deadline + Duration::from_secs(1), send(request)).await {
        Ok(Ok(answer)) => Ok(answer.into_inner()),
        Ok(Err(status)) => Err(from_status(name, &status)),
        Err(_) => Err(CriError::new(name, Code::DeadlineExceeded, format!("no answer within {deadline:?}"))),
    }
}

fn from_status(call: &'static str, status: &Status) -> CriError {
    // tonic reports a refused connect as Unavailable or Unknown, and its own expired timer as Cancelled.
    let transport = std::error::Error::source(status).is_some_and(|e| e.is::<tonic::transport::Error>());
    let code = match status.code() {
        Code::Unknown if transport => Code::Unavailable,
        Code::Cancelled if status.message() == "Timeout expired" => Code::DeadlineExceeded,
        code => code,
    };
    let message = if transport { knarr_daemon::chain(status) } else { status.message().to_owned() };
    CriError { call, code, message }
}

fn missing<T>(call: &'static str, value: Option<T>) -> Result<T> {
    value.ok_or_else(|| CriError::new(call, Code::Internal, "the answer is empty"))
}

/// Stopping or removing what is not there is done.
fn absent_is_done(result: Result<()>) -> Result<()> {
    match result {
        Err(e) if e.is_not_found() => Ok(()),
        other => other,
    }
}

/// `ask!(self.runtime, "Name", deadline, method, Request { … })`
macro_rules! ask {
    ($client:expr, $name:literal, $deadline:expr, $method:ident, $request:expr) => {{
        let mut client = $client.clone();
        call($name, $deadline, $request, |request| async move { client.$method(request).await }).await
    }};
}

impl Cri {
    async fn pull(
        &self,
        image: v1::ImageSpec,
        auth: Option<v1::AuthConfig>,
        sandbox_config: Option<v1::PodSandboxConfig>,
    ) -> Result<String> {
        let request = v1::PullImageRequest { image: Some(image), auth, sandbox_config };
        ask!(self.images, "PullImage", PULL, pull_image, request).map(|a| a.image_ref)
    }
}

#[async_trait]
impl Runtime for Cri {
    async fn version(&self) -> Result<v1::VersionResponse> {
        ask!(self.runtime, "Version", QUESTION, version, v1::VersionRequest { version: "v1".to_owned() })
    }

    async fn status(&self, verbose: bool) -> Result<v1::StatusResponse> {
        ask!(self.runtime, "Status", QUESTION, status, v1::StatusRequest { verbose })
    }

    async fn runtime_config(&self) -> Result<v1::RuntimeConfigResponse> {
        ask!(self.runtime, "RuntimeConfig", QUESTION, runtime_config, v1::RuntimeConfigRequest {})
    }

    async fn update_runtime_config(&self, pod_cidr: &str) -> Result<()> {
        let network_config = Some(v1::NetworkConfig { pod_cidr: pod_cidr.to_owned() });
        let request = v1::UpdateRuntimeConfigRequest { runtime_config: Some(v1::RuntimeConfig { network_config }) };
        ask!(self.runtime, "UpdateRuntimeConfig", CHANGE, update_runtime_config, request).map(drop)
    }

    async fn run_pod_sandbox(&self, config: v1::PodSandboxConfig, handler: &str) -> Result<String> {
        let request = v1::RunPodSandboxRequest { config: Some(config), runtime_handler: handler.to_owned() };
        ask!(self.runtime, "RunPodSandbox", SANDBOX, run_pod_sandbox, request).map(|a| a.pod_sandbox_id)
    }

    async fn stop_pod_sandbox(&self, id: &str) -> Result<()> {
        let request = v1::StopPodSandboxRequest { pod_sandbox_id: id.to_owned() };
        absent_is_done(ask!(self.runtime, "StopPodSandbox", SANDBOX, stop_pod_sandbox, request).map(drop))
    }

    async fn remove_pod_sandbox(&self, id: &str) -> Result<()> {
        let request = v1::RemovePodSandboxRequest { pod_sandbox_id: id.to_owned() };
        absent_is_done(ask!(self.runtime, "RemovePodSandbox", SANDBOX, remove_pod_sandbox, request).map(drop))
    }

    async fn pod_sandbox_status(&self, id: &str, verbose: bool) -> Result<v1::PodSandboxStatusResponse> {
        let request = v1::PodSandboxStatusRequest { pod_sandbox_id: id.to_owned(), verbose };
        ask!(self.runtime, "PodSandboxStatus", QUESTION, pod_sandbox_status, request)
    }

    async fn list_pod_sandboxes(&self, filter: Option<v1::PodSandboxFilter>) -> Result<Vec<v1::PodSandbox>> {
        let request = v1::ListPodSandboxRequest { filter };
        ask!(self.runtime, "ListPodSandbox", QUESTION, list_pod_sandbox, request).map(|a| a.items)
    }

    async fn create_container(
        &self,
        sandbox: &str,
        config: v1::ContainerConfig,
        sandbox_config: v1::PodSandboxConfig,
    ) -> Result<String> {
        let request = v1::CreateContainerRequest {
            pod_sandbox_id: sandbox.to_owned(),
            config: Some(config),
            sandbox_config: Some(sandbox_config),
        };
        ask!(self.runtime, "CreateContainer", CHANGE, create_container, request).map(|a| a.container_id)
    }

    async fn start_container(&self, id: &str) -> Result<()> {
        let request = v1::StartContainerRequest { container_id: id.to_owned() };
        ask!(self.runtime, "StartContainer", CHANGE, start_container, request).map(drop)
    }

    async fn stop_container(&self, id: &str, grace: Duration) -> Result<()> {
        let request = v1::StopContainerRequest { container_id: id.to_owned(), timeout: seconds(grace) };
        absent_is_done(ask!(self.runtime, "StopContainer", CHANGE + grace, stop_container, request).map(drop))
    }

    async fn remove_container(&self, id: &str) -> Result<()> {
        let request = v1::RemoveContainerRequest { container_id: id.to_owned() };
        absent_is_done(ask!(self.runtime, "RemoveContainer", CHANGE, remove_container, request).map(drop))
    }

    async fn container_status(&self, id: &str, verbose: bool) -> Result<v1::ContainerStatusResponse> {
        let request = v1::ContainerStatusRequest { container_id: id.to_owned(), verbose };
        ask!(self.runtime, "ContainerStatus", QUESTION, container_status, request)
    }

    async fn list_containers(&self, filter: Option<v1::ContainerFilter>) -> Result<Vec<v1::Container>> {
        let request = v1::ListContainersRequest { filter };
        ask!(self.runtime, "ListContainers", QUESTION, list_containers, request).map(|a| a.containers)
    }

    async fn update_container_resources(&self, id: &str, linux: v1::LinuxContainerResources) -> Result<()> {
        let request = v1::UpdateContainerResourcesRequest {
            container_id: id.to_owned(),
            linux: Some(linux),
            ..Default::default()
        };
        ask!(self.runtime, "UpdateContainerResources", CHANGE, update_container_resources, request).map(drop)
    }

    async fn reopen_container_log(&self, id: &str) -> Result<()> {
        let request = v1::ReopenContainerLogRequest { container_id: id.to_owned() };
        ask!(self.runtime, "ReopenContainerLog", QUESTION, reopen_container_log, request).map(drop)
    }

    async fn exec_sync(&self, id: &str, command: Vec<String>, timeout: Duration) -> Result<ExecOutput> {
        let deadline = if timeout.is_zero() { EXEC } else { timeout + CHANGE };
        let request = v1::ExecSyncRequest { container_id: id.to_owned(), cmd: command, timeout: seconds(timeout) };
        let answer = ask!(self.runtime, "ExecSync", deadline, exec_sync, request)?;
        Ok(ExecOutput { stdout: answer.stdout, stderr: answer.stderr, exit_code: answer.exit_code })
    }

    async fn exec(&self, request: v1::ExecRequest) -> Result<String> {
        ask!(self.runtime, "Exec", CHANGE, exec, request).map(|a| a.url)
    }

    async fn attach(&self, request: v1::AttachRequest) -> Result<String> {
        ask!(self.runtime, "Attach", CHANGE, attach, request).map(|a| a.url)
    }

    async fn port_forward(&self, sandbox: &str, ports: Vec<i32>) -> Result<String> {
        let request = v1::PortForwardRequest { pod_sandbox_id: sandbox.to_owned(), port: ports };
        ask!(self.runtime, "PortForward", CHANGE, port_forward, request).map(|a| a.url)
    }

    async fn container_stats(&self, id: &str) -> Result<v1::ContainerStats> {
        let request = v1::ContainerStatsRequest { container_id: id.to_owned() };
        let answer = ask!(self.runtime, "ContainerStats", QUESTION, container_stats, request)?;
        missing("ContainerStats", answer.stats)
    }

    async fn list_container_stats(&self, filter: Option<v1::ContainerStatsFilter>) -> Result<Vec<v1::ContainerStats>> {
        let request = v1::ListContainerStatsRequest { filter };
        ask!(self.runtime, "ListContainerStats", QUESTION, list_container_stats, request).map(|a| a.stats)
    }

    async fn pod_sandbox_stats(&self, id: &str) -> Result<v1::PodSandboxStats> {
        let request = v1::PodSandboxStatsRequest { pod_sandbox_id: id.to_owned() };
        let answer = ask!(self.runtime, "PodSandboxStats", QUESTION, pod_sandbox_stats, request)?;
        missing("PodSandboxStats", answer.stats)
    }

    async fn list_pod_sandbox_stats(
        &self,
        filter: Option<v1::PodSandboxStatsFilter>,
    ) -> Result<Vec<v1::PodSandboxStats>> {
        let request = v1::ListPodSandboxStatsRequest { filter };
        ask!(self.runtime, "ListPodSandboxStats", QUESTION, list_pod_sandbox_stats, request).map(|a| a.stats)
    }

    async fn list_images(&self, image: Option<v1::ImageSpec>) -> Result<Vec<v1::Image>> {
        let request = v1::ListImagesRequest { filter: image.map(|image| v1::ImageFilter { image: Some(image) }) };
        ask!(self.images, "ListImages", QUESTION, list_images, request).map(|a| a.images)
    }

    async fn image_status(&self, image: v1::ImageSpec) -> Result<Option<v1::Image>> {
        let request = v1::ImageStatusRequest { image: Some(image), verbose: false };
        ask!(self.images, "ImageStatus", QUESTION, image_status, request).map(|a| a.image)
    }

    async fn pull_image(
        &self,
        image: v1::ImageSpec,
        auth: Option<v1::AuthConfig>,
        sandbox_config: Option<v1::PodSandboxConfig>,
    ) -> Result<String> {
        let Some(name) = normalize(&image.image) else { return self.pull(image, auth, sandbox_config).await };
        let mut attempts = self.registries.attempts(&name);
        let own = attempts.pop().and_then(|own| own.auth);
        let mut mirrors = String::new();
        for attempt in attempts {
            let spec = v1::ImageSpec { image: attempt.name.clone(), ..image.clone() };
            // A pod's credentials are for the registry it names, not for whoever mirrors it.
            match self.pull(spec, attempt.auth, sandbox_config.clone()).await {
                Ok(reference) => {
                    adopt(&self.channel, self, &attempt.name, &name).await?;
                    return Ok(reference);
                }
                Err(e) => mirrors += &format!("; as {} before: {}", attempt.name, e.message),
            }
        }
        let pulled = self.pull(image, auth.or(own), sandbox_config).await;
        pulled.map_err(|e| CriError { message: e.message + &mirrors, ..e })
    }

    async fn remove_image(&self, image: v1::ImageSpec) -> Result<()> {
        let request = v1::RemoveImageRequest { image: Some(image) };
        absent_is_done(ask!(self.images, "RemoveImage", CHANGE, remove_image, request).map(drop))
    }

    async fn pinned_images(&self) -> Result<Vec<String>> {
        pinned(&self.channel).await
    }

    async fn image_fs_info(&self) -> Result<v1::ImageFsInfoResponse> {
        ask!(self.images, "ImageFsInfo", QUESTION, image_fs_info, v1::ImageFsInfoRequest {})
    }
}

/// CRI counts grace in whole seconds: a part of a second is one, never none.
fn seconds(d: Duration) -> i64 {
    i64::try_from(d.as_secs() + u64::from(d.subsec_nanos() > 0)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_seconds_round_up() {
        let s = |ms| seconds(Duration::from_millis(ms));
        assert_eq!([s(0), s(1), s(1000), s(1001)], [0, 1, 1, 2]);
    }

    #[tokio::test]
    async fn a_runtime_that_is_not_there_is_unavailable() {
        let error = Cri::new("/nonexistent/cri.sock").version().await.expect_err("nobody listens there");
        assert_eq!((error.call, error.code, error.is_retriable()), ("Version", Code::Unavailable, true));
        assert!(error.message.contains("No such file"), "{}", error.message);
    }
}
