//! A runtime in memory, for tests of those who call one.
//!
//! Its containers do what the test says: [`FakeRuntime::exit`] ends one, [`FakeRuntime::deny`] lets calls fail,
//! [`FakeRuntime::delay`] makes them slow, [`FakeRuntime::stubborn`] ignores being asked to stop. What was changed is
//! written down in [`FakeRuntime::calls`]. Ids are `sandbox-N` and `container-N` in order of creation, times are
//! nanoseconds of a clock that the test sets and that never stands still.

mod calls;
mod world;

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tonic::Code;
use world::World;

use crate::{
    CriError, ExecOutput,
    events::{Event, Kind},
    v1,
};

/// What `exec_sync` answers: by container id and command.
type Exec = dyn Fn(&str, &[String]) -> Result<ExecOutput, CriError> + Send + Sync;

/// A [`crate::Runtime`] in memory.
pub struct FakeRuntime {
    world: Mutex<World>,
    rules: Mutex<Rules>,
}

#[derive(Default)]
struct Rules {
    denials: Vec<Denial>,
    delays: HashMap<&'static str, Duration>,
    exec: Option<Arc<Exec>>,
}

struct Denial {
    call: &'static str,
    /// What the call is about: an image, a name, an id; empty for any.
    subject: String,
    left: usize,
    code: Code,
    message: String,
}

impl FakeRuntime {
    /// An empty runtime that is ready.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { world: Mutex::default(), rules: Mutex::default() })
    }

    /// Its events; a second call takes them away from the first.
    pub fn events(&self) -> mpsc::Receiver<Event> {
        let (tx, rx) = mpsc::channel(1024);
        let _ = tx.try_send(Event::Resync);
        self.world.lock().events = Some(tx);
        rx
    }

    /// Sets its clock, in nanoseconds since 1970.
    pub fn set_now(&self, nanos: i64) {
        self.world.lock().now = nanos;
    }

    /// Puts an image on the node, as if it had been pulled. Returns its id.
    pub fn add_image(&self, name: &str) -> String {
        self.world.lock().add_image(name)
    }

    /// Lets an image be pulled (no image can be pulled that was not declared).
    pub fn publish_image(&self, name: &str) {
        self.world.lock().registry.insert(name.to_owned());
    }

    /// Lets the next `times` calls fail. `subject` is what the call is about (image name, container name, id), empty
    /// for any.
    pub fn deny(&self, call: &'static str, subject: &str, times: usize, code: Code, message: &str) {
        let denial = Denial { call, subject: subject.to_owned(), left: times, code, message: message.to_owned() };
        self.rules.lock().denials.push(denial);
    }

    /// Makes each further call of this name take so long.
    pub fn delay(&self, call: &'static str, time: Duration) {
        self.rules.lock().delays.insert(call, time);
    }

    /// Says what `exec_sync` does; without it every command succeeds silently.
    pub fn on_exec(&self, exec: impl Fn(&str, &[String]) -> Result<ExecOutput, CriError> + Send + Sync + 'static) {
        self.rules.lock().exec = Some(Arc::new(exec));
    }

    /// Containers of this name ignore being asked to stop: they are killed after their grace.
    pub fn stubborn(&self, container_name: &str) {
        self.world.lock().stubborn.insert(container_name.to_owned());
    }

    /// Ends a running container by itself.
    pub fn exit(&self, container: &str, code: i32) {
        self.world.lock().exit(container, code, if code == 0 { "Completed" } else { "Error" });
    }

    /// Ends a running container for want of memory.
    pub fn out_of_memory(&self, container: &str) {
        let mut world = self.world.lock();
        world.emit(container, Kind::OutOfMemory);
        world.exit(container, 137, "OOMKilled");
    }

    /// Ends a sandbox by itself, with its containers.
    pub fn kill_sandbox(&self, sandbox: &str) {
        self.world.lock().stop_sandbox(sandbox);
    }

    /// Sets what `status` says: `RuntimeReady` and `NetworkReady`.
    pub fn set_ready(&self, runtime: bool, network: bool) {
        self.world.lock().ready = (runtime, network);
    }

    /// Sets what the stats calls say about a container.
    pub fn set_stats(&self, container: &str, cpu_nano_cores: u64, working_set_bytes: u64) {
        self.world.lock().stats.insert(container.to_owned(), (cpu_nano_cores, working_set_bytes));
    }

    /// The id of the newest container with this name.
    pub fn container(&self, name: &str) -> Option<String> {
        let world = self.world.lock();
        let mut found: Vec<_> = world.containers.values().filter(|c| c.name() == name).collect();
        found.sort_by_key(|c| c.status.created_at);
        found.last().map(|c| c.status.id.clone())
    }

    /// What the newest container with this name was created with.
    pub fn container_config(&self, name: &str) -> Option<v1::ContainerConfig> {
        let id = self.container(name)?;
        self.world.lock().containers.get(&id).map(|c| c.config.clone())
    }

    /// What a sandbox was created with.
    pub fn sandbox_config(&self, id: &str) -> Option<v1::PodSandboxConfig> {
        self.world.lock().sandboxes.get(id).map(|s| s.config.clone())
    }

    /// The calls that changed something, in order: `StartContainer container-1`.
    pub fn calls(&self) -> Vec<String> {
        self.world.lock().calls.clone()
    }

    /// What every call begins with: being slow, failing, being written down.
    async fn enter(&self, call: &'static str, subject: &str, changes: bool) -> Result<(), CriError> {
        let delay = self.rules.lock().delays.get(call).copied();
        if let Some(delay) = delay {
            tokio::time::sleep(delay).await;
        }
        if changes {
            self.world.lock().calls.push(format!("{call} {subject}"));
        }
        let mut rules = self.rules.lock();
        let denial = rules
            .denials
            .iter_mut()
            .find(|d| d.left > 0 && d.call == call && (d.subject.is_empty() || d.subject == subject));
        match denial {
            Some(denial) => {
                denial.left -= 1;
                Err(CriError::new(call, denial.code, denial.message.clone()))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Runtime;

    fn config(name: &str) -> v1::ContainerConfig {
        v1::ContainerConfig {
            metadata: Some(v1::ContainerMetadata { name: name.into(), attempt: 0 }),
            image: Some(v1::ImageSpec { image: "busybox".into(), ..Default::default() }),
            ..Default::default()
        }
    }

    #[tokio::test]
    async fn a_container_lives_and_dies() {
        let fake = FakeRuntime::new();
        let mut events = fake.events();
        fake.publish_image("busybox");
        fake.deny("PullImage", "busybox", 1, Code::Unavailable, "registry is away");
        let image = v1::ImageSpec { image: "busybox".into(), ..Default::default() };
        assert!(fake.pull_image(image.clone(), None, None).await.unwrap_err().is_retriable());
        fake.pull_image(image, None, None).await.unwrap();

        let sandbox = fake.run_pod_sandbox(v1::PodSandboxConfig::default(), "").await.unwrap();
        let id = fake.create_container(&sandbox, config("app"), v1::PodSandboxConfig::default()).await.unwrap();
        fake.start_container(&id).await.unwrap();
        fake.exit(&id, 3);
        let status = fake.container_status(&id, false).await.unwrap().status.unwrap();
        assert_eq!((status.state(), status.exit_code), (v1::ContainerState::ContainerExited, 3));
        fake.remove_pod_sandbox(&sandbox).await.unwrap();
        assert!(fake.container_status(&id, false).await.unwrap_err().is_not_found());
        fake.stop_container(&id, Duration::ZERO).await.unwrap();

        let mut seen = Vec::new();
        while let Ok(Event::Container { id, kind }) = events.try_recv().map(|e| match e {
            Event::Resync => Event::Container { id: "resync".into(), kind: Kind::Deleted },
            e => e,
        }) {
            seen.push((id, kind));
        }
        assert!(seen.contains(&(id, Kind::Exited { code: 3 })), "{seen:?}");
        assert_eq!(fake.calls()[2], "RunPodSandbox sandbox-1");
    }

    #[tokio::test(start_paused = true)]
    async fn the_stubborn_are_killed_after_their_grace() {
        let fake = FakeRuntime::new();
        fake.add_image("busybox");
        fake.stubborn("app");
        let sandbox = fake.run_pod_sandbox(v1::PodSandboxConfig::default(), "").await.unwrap();
        let id = fake.create_container(&sandbox, config("app"), v1::PodSandboxConfig::default()).await.unwrap();
        fake.start_container(&id).await.unwrap();
        let before = tokio::time::Instant::now();
        fake.stop_container(&id, Duration::from_secs(30)).await.unwrap();
        assert_eq!(before.elapsed().as_secs(), 30);
        assert_eq!(fake.container_status(&id, false).await.unwrap().status.unwrap().exit_code, 137);
    }
}
