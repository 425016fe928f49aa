//! Doing what was decided.

use std::{future::Future, path::Path, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use knarr_api::Reason;
use knarr_client::{Request, Verb, events::Type, resources::PODS};
use knarr_cri::v1;
use knarr_daemon::Stop;
use parking_lot::Mutex;

use super::{Handle, handle::Made, place::Place};
use crate::{
    making::Making,
    pod,
    shared::Shared,
    sync::{Action, Observed, Sandbox, StartError},
    translate::{Sources, dns_config, pod_resources, sandbox_config},
    volumes::{Facts, Mounted, references, remove_tree},
};

/// Why a job ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum JobError {
    /// Try again a little later.
    #[error("{0}")]
    Retry(String),
    /// The pod is no more.
    #[error("the pod is no more")]
    Over,
}

impl JobError {
    pub(super) fn retry(e: impl std::fmt::Display) -> Self {
        Self::Retry(e.to_string())
    }
}

/// One run of actions, with everything it needs.
pub(super) struct Job {
    pub(super) shared: Arc<Shared>,
    pub(super) handle: Arc<Handle>,
    pub(super) pod: Arc<Pod>,
    pub(super) seen: Arc<Observed>,
    pub(super) refresh: Arc<Mutex<Option<Timestamp>>>,
    /// Told to stop, the job ends once nothing is being made.
    pub(super) stop: Stop,
    pub(super) making: Making,
    /// The place among those that start, while it has one.
    pub(super) place: Place,
}

/// What containers are started in.
pub(super) struct Stage {
    pub(super) sandbox: String,
    pub(super) config: v1::PodSandboxConfig,
    pub(super) ips: Vec<String>,
    pub(super) mounted: Mounted,
    pub(super) sources: Sources,
}

impl Job {
    /// Does the steps, until it is told to stop.
    pub(super) async fn run(self, actions: Vec<Action>) -> Result<(), JobError> {
        self.unless_stopped(self.steps(actions)).await
    }

    /// Brings volumes up to date, until it is told to stop.
    pub(super) async fn refresh_volumes(self) -> Result<(), JobError> {
        self.unless_stopped(self.refresh()).await
    }

    async fn unless_stopped(&self, work: impl Future<Output = Result<(), JobError>>) -> Result<(), JobError> {
        let given_up = async {
            self.stop.cancelled().await;
            self.making.rest().await;
        };
        tokio::select! {
            biased;
            () = given_up => Ok(()),
            done = work => done,
        }
    }

    async fn steps(&self, actions: Vec<Action>) -> Result<(), JobError> {
        let mut stage: Option<Stage> = None;
        for action in actions {
            match action {
                Action::StopSandboxes => self.stop_sandboxes().await?,
                Action::CreateSandbox { attempt } => {
                    let Some(new) = self.create_sandbox(attempt).await? else { return Ok(()) };
                    stage = Some(new);
                }
                Action::Kill { id, name, reason } => self.kill(&id, &name, &reason).await?,
                Action::Start { name, restarts } => {
                    if stage.is_none() {
                        stage = self.present_stage().await?;
                    }
                    let Some(stage) = &stage else { return Ok(()) };
                    self.start(stage, &name, restarts).await?;
                }
                Action::Terminate { left, .. } => self.terminate(left).await?,
                Action::Cleanup => self.clean_up().await?,
                Action::Finish => self.finish().await?,
            }
        }
        Ok(())
    }

    /// Tells something about the pod, or a part of it.
    pub(super) fn event(&self, field_path: &str, kind: Type, reason: &str, message: impl Into<String>) {
        self.shared.recorder.event(&pod::object_ref(&self.pod, field_path), kind, reason, message);
    }

    /// The pod cannot go on for now: what is wrong, and when to try again.
    fn pod_failed(&self, reason: &str, event: (&str, String), seconds: i64) {
        self.event("", Type::Warning, event.0, event.1.clone());
        let error = StartError::new(reason, event.1, Timestamp::now(), SignedDuration::from_secs(seconds));
        self.handle.memory.lock().pod_error = Some(error);
        self.handle.wake();
    }

    async fn refresh(&self) -> Result<(), JobError> {
        let ips = self.ips(self.seen.sandbox().map(|s| s.ips.clone()).unwrap_or_default());
        self.volumes(&ips).await.map(drop)
    }

    /// ConfigMaps, Secrets and volumes; nothing if they are not there yet (which is told and remembered).
    async fn volumes(&self, ips: &[String]) -> Result<Option<(Mounted, Sources)>, JobError> {
        let (maps, secrets) = references(&self.pod);
        let (uid, namespace) = (pod::uid(&self.pod), pod::namespace(&self.pod));
        self.shared.objects.refer(uid, namespace, &maps, &secrets);
        let sources = match self.shared.objects.sources(namespace, &maps, &secrets).await {
            Ok(sources) => sources,
            Err(e) => {
                self.pod_failed("FailedMount", ("FailedMount", e), 2);
                return Ok(None);
            }
        };
        let host_ips = self.shared.host_ips();
        let (machine, now) = (&self.shared.machine, Timestamp::now());
        let facts = Facts { sources: &sources, ips, host_ips: &host_ips, machine, now };
        match self.shared.volumes.setup(&self.pod, facts, &self.making).await {
            Ok(mounted) => {
                *self.refresh.lock() = mounted.refresh;
                self.handle.memory.lock().pod_error = None;
                Ok(Some((mounted, sources)))
            }
            Err(e) => {
                self.pod_failed("FailedMount", ("FailedMount", e.to_string()), 5);
                Ok(None)
            }
        }
    }

    fn ips(&self, sandbox: Vec<String>) -> Vec<String> {
        if pod::host_network(&self.pod) { self.shared.host_ips() } else { sandbox }
    }

    fn sandbox_config(&self, attempt: u32) -> v1::PodSandboxConfig {
        let config = &self.shared.config;
        let dns = dns_config(&self.pod, &config.dns, &config.domain, &self.shared.resolv_conf());
        let cgroups = self.shared.cgroups.as_ref();
        let parent = cgroups.map(|c| c.pod(pod::qos(&self.pod), pod::uid(&self.pod))).unwrap_or_default();
        let logs = config.pod_logs.to_string_lossy();
        let pause = config.pause_profile();
        sandbox_config(&self.pod, attempt, dns, &config.domain, &parent, &logs, &pause.to_string_lossy())
    }

    /// The sandbox that is already there, to start containers in.
    async fn present_stage(&self) -> Result<Option<Stage>, JobError> {
        let Some(sandbox) = self.seen.sandbox().filter(|s| s.ready) else { return Ok(None) };
        let ips = self.ips(sandbox.ips.clone());
        let Some((mounted, sources)) = self.volumes(&ips).await? else { return Ok(None) };
        let config = self.sandbox_config(sandbox.attempt);
        Ok(Some(Stage { sandbox: sandbox.id.clone(), config, ips, mounted, sources }))
    }

    async fn create_sandbox(&self, attempt: u32) -> Result<Option<Stage>, JobError> {
        let config = self.sandbox_config(attempt);
        if let Err(e) = self.make_places(&config).await {
            let message = format!("unable to ensure pod container exists: {e}");
            self.pod_failed("FailedCreatePodContainer", ("FailedCreatePodContainer", message), 5);
            return Ok(None);
        }
        let Some((mounted, sources)) = self.volumes(&self.ips(Vec::new())).await? else { return Ok(None) };
        let handler = pod::spec(&self.pod).runtime_class_name.clone().unwrap_or_default();
        let runtime = &self.shared.runtime;
        self.place.take(&self.shared.starts).await;
        let run = self.place.hold(runtime.run_pod_sandbox(config.clone(), &handler));
        let made = match self.making.call(run).await {
            Ok(id) => {
                self.shared.ids.lock().insert(id.clone(), pod::uid(&self.pod).to_owned());
                runtime.pod_sandbox_status(&id, false).await.map(|s| (id, s.status.unwrap_or_default()))
            }
            Err(e) => Err(e),
        };
        match made {
            Ok((id, status)) => {
                let sandbox = Sandbox::of(&status);
                if sandbox.ready && sandbox.id == id {
                    self.handle.made(Made::Sandbox(Box::new(status))); // the status can tell the addresses now
                } else {
                    self.handle.look();
                }
                Ok(Some(Stage { sandbox: id, config, ips: self.ips(sandbox.ips), mounted, sources }))
            }
            Err(e) => {
                self.handle.look();
                let message = format!("Failed to create pod sandbox: {}", rpc_error(&e));
                self.pod_failed("FailedCreatePodSandBox", ("FailedCreatePodSandBox", message), 2);
                Ok(None)
            }
        }
    }

    /// Cgroup, pod directory and log directory.
    async fn make_places(&self, config: &v1::PodSandboxConfig) -> std::io::Result<()> {
        let (cgroups, limits) = (self.shared.cgroups.clone(), pod_resources(&self.pod));
        let (qos, uid) = (pod::qos(&self.pod), pod::uid(&self.pod).to_owned());
        let (dir, logs) = (self.shared.config.pod_dir(&uid), config.log_directory.clone());
        let make = move || {
            if let Some(cgroups) = cgroups {
                cgroups.ensure(qos, &uid, &limits)?;
            }
            std::fs::create_dir_all(dir)?;
            std::fs::create_dir_all(logs)
        };
        self.making.blocking(make).await
    }

    /// Volumes and cgroups, once nothing runs any more.
    async fn clean_up(&self) -> Result<(), JobError> {
        let uid = pod::uid(&self.pod);
        self.shared.prober.set(uid, Vec::new(), tokio::time::Instant::now());
        self.shared.volumes.teardown(uid).await.map_err(JobError::retry)?;
        if let Some(cgroups) = self.shared.cgroups.clone() {
            let uid = uid.to_owned();
            knarr_daemon::blocking(move || cgroups.remove(&uid)).await.map_err(JobError::retry)?;
        }
        self.shared.objects.refer(uid, "", &Default::default(), &Default::default());
        *self.refresh.lock() = None;
        self.handle.memory.lock().cleaned = true;
        self.handle.wake();
        Ok(())
    }

    /// The last status is written, then the pod is deleted for good, then its remains are removed.
    async fn finish(&self) -> Result<(), JobError> {
        let (uid, namespace, name) = (pod::uid(&self.pod), pod::namespace(&self.pod), pod::name(&self.pod));
        if !self.handle.memory.lock().removed {
            self.shared.writer.flushed(uid).await;
            let request = Request::new(Verb::Delete, &PODS).namespace(namespace).name(name).options(|o| {
                o.grace_period_seconds = Some(0);
                o.precondition.uid = uid.into();
            });
            match self.shared.api.call(request).await {
                Ok(_) => {}
                Err(e) if e.is(Reason::NotFound) || e.is(Reason::Conflict) => {}
                Err(e) => return Err(JobError::retry(e)),
            }
        }
        self.remove_remains().await?;
        Err(JobError::Over)
    }

    async fn remove_remains(&self) -> Result<(), JobError> {
        for sandbox in &self.seen.sandboxes {
            self.shared.runtime.remove_pod_sandbox(&sandbox.id).await.map_err(JobError::retry)?;
        }
        let config = self.shared.config.clone();
        let logs = crate::translate::log_directory(&config.pod_logs.to_string_lossy(), &self.pod);
        let stem = format!("{}_{}_", pod::name(&self.pod), pod::namespace(&self.pod));
        let ids: Vec<String> = self.seen.containers.iter().map(|c| format!("{stem}{}-{}.log", c.name, c.id)).collect();
        knarr_daemon::blocking(move || {
            for id in ids {
                let _ = std::fs::remove_file(config.container_logs.join(id));
            }
            remove_tree(Path::new(&logs))
        })
        .await
        .map_err(JobError::retry)
    }
}

/// A runtime error as upstream shows it.
pub(super) fn rpc_error(e: &knarr_cri::CriError) -> String {
    format!("rpc error: code = {:?} desc = {}", e.code, e.message)
}
