//! Stopping containers, sandboxes, and whole pods.

use std::time::Duration;

use futures_util::future::join_all;
use knarr_client::events::Type;
use tokio::time::Instant;

use super::job::{Job, JobError};
use crate::{
    pod::{self, Kind},
    sync::{Container, KillReason, MINIMUM},
};

impl Job {
    /// Stops one container for a reason of its own.
    pub(super) async fn kill(&self, id: &str, name: &str, reason: &KillReason) -> Result<(), JobError> {
        let spec = pod::spec(&self.pod).termination_grace_period_seconds.unwrap_or(30);
        let grace = match reason {
            KillReason::Unhealthy(_, Some(own)) => *own,
            KillReason::Changed | KillReason::Unhealthy(..) | KillReason::Unknown => spec,
        };
        self.stop_one(id, name, grace, Some(reason.message(name))).await
    }

    /// The preStop hook, then the runtime, both within `grace` seconds.
    pub(super) async fn stop_one(
        &self,
        id: &str,
        name: &str,
        grace: i64,
        message: Option<String>,
    ) -> Result<(), JobError> {
        let part = pod::part(&self.pod, name);
        let at = part.as_ref().map(pod::Part::field_path).unwrap_or_default();
        let message = message.unwrap_or_else(|| format!("Stopping container {name}"));
        self.event(&at, Type::Normal, "Killing", message);
        let begun = Instant::now();
        let whole = Duration::from_secs(grace.max(0).unsigned_abs());
        let hook = part.as_ref().and_then(|p| p.spec.lifecycle.as_ref()?.pre_stop.clone());
        if let (Some(hook), Some(part)) = (hook, &part)
            && grace > 0
        {
            let ips = self.seen.sandbox().map(|s| s.ips.clone()).unwrap_or_default();
            let ips = if pod::host_network(&self.pod) { self.shared.host_ips() } else { ips };
            let ran = tokio::time::timeout(whole, self.hook(&hook, id, &part.spec, &ips)).await;
            if !matches!(ran, Ok(Ok(()))) {
                self.event(&at, Type::Warning, "FailedPreStopHook", "PreStopHook failed");
            }
        }
        let left = whole.saturating_sub(begun.elapsed()).max(Duration::from_secs(MINIMUM.unsigned_abs()));
        self.shared.runtime.stop_container(id, left).await.map_err(JobError::retry)?;
        self.handle.exited(id);
        Ok(())
    }

    /// Ends the pod: everything side by side, but sidecars after the application and in reverse order; then the
    /// sandboxes with their network.
    pub(super) async fn terminate(&self, grace: i64) -> Result<(), JobError> {
        let begun = Instant::now();
        let kind = |c: &Container| pod::part(&self.pod, &c.name).map_or(Kind::App, |p| p.kind);
        let alive: Vec<&Container> = self.seen.alive().collect();
        let first = alive.iter().filter(|c| kind(c) != Kind::Sidecar);
        let stops = first.map(|c| self.stop_one(&c.id, &c.name, grace, None));
        let mut results = join_all(stops).await;
        let order: Vec<String> = pod::parts(&self.pod).iter().map(|p| p.name().to_owned()).collect();
        let mut sidecars: Vec<&&Container> = alive.iter().filter(|c| kind(c) == Kind::Sidecar).collect();
        sidecars.sort_by_key(|c| std::cmp::Reverse(order.iter().position(|n| *n == c.name)));
        for c in sidecars {
            let used = i64::try_from(begun.elapsed().as_secs()).unwrap_or(i64::MAX);
            results.push(self.stop_one(&c.id, &c.name, grace.saturating_sub(used).max(0), None).await);
        }
        for sandbox in self.seen.sandboxes.iter().filter(|s| s.ready) {
            let stopped = self.shared.runtime.stop_pod_sandbox(&sandbox.id).await;
            results.push(stopped.map_err(JobError::retry));
        }
        self.handle.look();
        results.into_iter().collect()
    }

    /// The sandbox is of no use any more: everything in it ends.
    pub(super) async fn stop_sandboxes(&self) -> Result<(), JobError> {
        let message = "Pod sandbox changed, it will be killed and re-created.";
        self.event("", Type::Normal, "SandboxChanged", message);
        let grace = pod::spec(&self.pod).termination_grace_period_seconds.unwrap_or(30);
        let stops = self.seen.alive().map(|c| self.stop_one(&c.id, &c.name, grace, None));
        let mut results = join_all(stops).await;
        for sandbox in &self.seen.sandboxes {
            results.push(self.shared.runtime.stop_pod_sandbox(&sandbox.id).await.map_err(JobError::retry));
        }
        self.handle.look();
        results.into_iter().collect()
    }
}
