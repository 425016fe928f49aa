//! What the runtime has of a pod, as values.

use std::collections::HashMap;

use jiff::Timestamp;

use knarr_cri::v1;

/// Names of labels the runtime keeps for us; upstream's, so that other tools find their way.
pub(crate) mod labels {
    /// Pod name.
    pub(crate) const POD_NAME: &str = "io.kubernetes.pod.name";
    /// Pod namespace.
    pub(crate) const POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";
    /// Pod UID.
    pub(crate) const POD_UID: &str = "io.kubernetes.pod.uid";
    /// Container name.
    pub(crate) const CONTAINER: &str = "io.kubernetes.container.name";
}

/// Names of annotations the runtime keeps for us.
pub(crate) mod annotations {
    /// See [`crate::sync::container_hash`].
    pub(crate) const HASH: &str = "io.kubernetes.container.hash";
    /// How often the container was restarted before.
    pub(crate) const RESTARTS: &str = "io.kubernetes.container.restartCount";
    /// Where in the container its last words are.
    pub(crate) const MESSAGE_PATH: &str = "io.kubernetes.container.terminationMessagePath";
    /// `File` or `FallbackToLogsOnError`.
    pub(crate) const MESSAGE_POLICY: &str = "io.kubernetes.container.terminationMessagePolicy";
    /// The pod's grace period, for pods that vanished from the API.
    pub(crate) const GRACE: &str = "io.kubernetes.pod.terminationGracePeriod";
}

/// A pod sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sandbox {
    /// Runtime id.
    pub id: String,
    /// Counts recreations.
    pub attempt: u32,
    /// Running, with its network.
    pub ready: bool,
    /// Creation, nanoseconds since 1970.
    pub created: i64,
    /// Addresses; empty on the host's network.
    pub ips: Vec<String>,
}

/// States of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Made, not started.
    Created,
    /// Running.
    Running,
    /// Ended.
    Exited,
    /// The runtime does not know.
    Unknown,
}

/// One container (one attempt) of a pod.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Container {
    /// Runtime id.
    pub id: String,
    /// Its sandbox.
    pub sandbox: String,
    /// Name in the spec.
    pub name: String,
    /// Restarts before this one.
    pub restarts: u32,
    /// State.
    pub state: State,
    /// Creation, nanoseconds since 1970.
    pub created: i64,
    /// Start.
    pub started: Option<Timestamp>,
    /// End.
    pub finished: Option<Timestamp>,
    /// Exit code.
    pub exit_code: i32,
    /// `Completed`, `Error`, `OOMKilled`, `StartError`, …
    pub reason: String,
    /// Last words.
    pub message: String,
    /// Image as the runtime names it.
    pub image: String,
    /// Digest reference.
    pub image_id: String,
    /// The hash it was made with.
    pub hash: String,
    /// Path of its log.
    pub log_path: String,
    /// First process's identity, where the runtime tells it.
    pub user: Option<(i64, i64, Vec<i64>)>,
}

/// All that the runtime has of one pod; newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Observed {
    /// Sandboxes.
    pub sandboxes: Vec<Sandbox>,
    /// Containers of all sandboxes.
    pub containers: Vec<Container>,
}

impl Observed {
    /// Puts the newest first. Attempts are counted, so the clock that was put back between two does not turn them round.
    pub(crate) fn new(mut sandboxes: Vec<Sandbox>, mut containers: Vec<Container>) -> Self {
        sandboxes.sort_by_key(|s| std::cmp::Reverse((s.attempt, s.created)));
        containers.sort_by_key(|c| std::cmp::Reverse((c.restarts, c.created)));
        Self { sandboxes, containers }
    }

    /// The newest sandbox.
    pub(crate) fn sandbox(&self) -> Option<&Sandbox> {
        self.sandboxes.first()
    }

    /// The newest container of a name, in whatever sandbox.
    pub(crate) fn latest(&self, name: &str) -> Option<&Container> {
        self.containers.iter().find(|c| c.name == name)
    }

    /// The newest container of a name in the newest sandbox.
    pub(crate) fn active(&self, name: &str) -> Option<&Container> {
        let sandbox = self.sandbox()?;
        self.containers.iter().find(|c| c.name == name && c.sandbox == sandbox.id)
    }

    /// The newest container of a name that ended before the newest one.
    pub(crate) fn previous(&self, name: &str) -> Option<&Container> {
        self.containers.iter().filter(|c| c.name == name).skip(1).find(|c| c.state == State::Exited)
    }

    /// Containers that may have a process.
    pub(crate) fn alive(&self) -> impl Iterator<Item = &Container> {
        self.containers.iter().filter(|c| matches!(c.state, State::Running | State::Unknown))
    }

    /// Whether a container or sandbox is said to have a process, or to be about to have one.
    pub(crate) fn goes_on(&self, id: &str) -> bool {
        self.containers.iter().any(|c| c.id == id && c.state != State::Exited)
            || self.sandboxes.iter().any(|s| s.id == id && s.ready)
    }

    /// Whether nothing of the pod has a process any more.
    pub(crate) fn is_stopped(&self) -> bool {
        self.alive().next().is_none() && !self.sandboxes.iter().any(|s| s.ready)
    }
}

impl Sandbox {
    /// From the runtime's list and, for its addresses, status.
    pub(crate) fn new(listed: &v1::PodSandbox, status: Option<&v1::PodSandboxStatus>) -> Self {
        Self {
            id: listed.id.clone(),
            ips: status.map(addresses).unwrap_or_default(),
            ..Self::told(listed.metadata.as_ref(), listed.state, listed.created_at)
        }
    }

    /// From the runtime's status alone, which says the same as its list.
    pub(crate) fn of(status: &v1::PodSandboxStatus) -> Self {
        Self {
            id: status.id.clone(),
            ips: addresses(status),
            ..Self::told(status.metadata.as_ref(), status.state, status.created_at)
        }
    }

    /// What list and status say in the same words.
    fn told(metadata: Option<&v1::PodSandboxMetadata>, state: i32, created: i64) -> Self {
        Self {
            id: String::new(),
            attempt: metadata.map_or(0, |m| m.attempt),
            ready: state == v1::PodSandboxState::SandboxReady as i32,
            created,
            ips: Vec::new(),
        }
    }
}

fn addresses(status: &v1::PodSandboxStatus) -> Vec<String> {
    let Some(network) = &status.network else { return Vec::new() };
    let more = network.additional_ips.iter().map(|ip| ip.ip.clone());
    [network.ip.clone()].into_iter().chain(more).filter(|ip| !ip.is_empty()).collect()
}

impl Container {
    /// Whether it was made and never ran: the runtime, or we, ended in between. (What a runtime that was killed then does
    /// not know, not even when it was started, it calls unknown.)
    pub(crate) fn is_unstarted(&self) -> bool {
        self.state == State::Created || self.state == State::Unknown && self.started.is_none()
    }

    /// From the runtime's status. `sandbox` is only in its list.
    pub(crate) fn new(sandbox: &str, s: &v1::ContainerStatus) -> Self {
        let text = |map: &HashMap<String, String>, key: &str| map.get(key).cloned().unwrap_or_default();
        let state = state(s.state);
        let user = s.user.as_ref().and_then(|u| u.linux.as_ref());
        Self {
            id: s.id.clone(),
            sandbox: sandbox.to_owned(),
            name: text(&s.labels, labels::CONTAINER),
            restarts: text(&s.annotations, annotations::RESTARTS)
                .parse()
                .unwrap_or_else(|_| s.metadata.as_ref().map_or(0, |m| m.attempt)),
            state,
            created: s.created_at,
            started: time(s.started_at),
            finished: time(s.finished_at),
            exit_code: s.exit_code,
            reason: s.reason.clone(),
            message: s.message.clone(),
            image: s.image.as_ref().map(|i| i.image.clone()).unwrap_or_default(),
            image_id: if s.image_ref.is_empty() { s.image_id.clone() } else { s.image_ref.clone() },
            hash: text(&s.annotations, annotations::HASH),
            log_path: s.log_path.clone(),
            user: user.map(|u| (u.uid, u.gid, u.supplemental_groups.clone())),
        }
    }
}

/// The runtime's state.
pub(crate) fn state(code: i32) -> State {
    match v1::ContainerState::try_from(code) {
        Ok(v1::ContainerState::ContainerCreated) => State::Created,
        Ok(v1::ContainerState::ContainerRunning) => State::Running,
        Ok(v1::ContainerState::ContainerExited) => State::Exited,
        Ok(v1::ContainerState::ContainerUnknown) | Err(_) => State::Unknown,
    }
}

/// Nanoseconds since 1970; zero is none.
fn time(nanos: i64) -> Option<Timestamp> {
    if nanos <= 0 { None } else { Timestamp::from_nanosecond(nanos.into()).ok() }
}
