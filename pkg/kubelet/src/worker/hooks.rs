//! Lifecycle hooks.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, LifecycleHandler};

use super::job::Job;

impl Job {
    /// Runs a hook to its end.
    pub(super) async fn hook(
        &self,
        hook: &LifecycleHandler,
        id: &str,
        container: &Container,
        ips: &[String],
    ) -> Result<(), String> {
        if let Some(exec) = &hook.exec {
            let command = exec.command.clone().unwrap_or_default();
            let out = self.shared.runtime.exec_sync(id, command.clone(), Duration::ZERO).await;
            let out = out.map_err(|e| e.message)?;
            return match out.exit_code {
                0 => Ok(()),
                code => Err(format!(
                    "command '{}' exited with {code}: {}",
                    command.join(" "),
                    String::from_utf8_lossy(&out.stderr)
                )),
            };
        }
        if let Some(get) = &hook.http_get {
            let ip = ips.first().map(String::as_str).unwrap_or_default();
            return self.shared.checker.hook(get, container, ip).await;
        }
        if let Some(sleep) = &hook.sleep {
            tokio::time::sleep(Duration::from_secs(sleep.seconds.unsigned_abs())).await;
        }
        Ok(())
    }
}
