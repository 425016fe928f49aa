//! What a killed runtime forgets: things on the host that were made for a sandbox and that nobody will ever take away.
//!
//! A containerd that ends in the middle of making or removing a sandbox leaves what its own recovery does not look for: a
//! shim whose task is gone, a network namespace that no record names, an address whose sandbox was never recorded. So
//! what is on the host is compared with what CRI says there is, after each start and then every few minutes:
//!
//! ```text
//! each Kind ─► Remnants ─┐
//!                        ├─► not needed ─► for how long? (Patience) ─► end it
//! CRI ───────► Known ────┘
//! ```
//!
//! The host is read *before* CRI, so that what is being made is never taken for what was forgotten: it is new and has all
//! the patience that making a sandbox may need. What was there before the runtime started, or shows by itself that it is
//! complete, cannot be in the making: it has the little that ending a sandbox needs.

mod netns;
mod patience;

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use knarr_daemon::{Backoff, Stop};
pub(super) use netns::Namespaces;
use patience::Patience;
use tokio::{sync::watch, time::Instant};

use crate::{Cri, CriError, Runtime, v1};

/// Between two looks: growing from the first after a start to the last when nothing happens.
const LOOKS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));

/// One kind of thing that is made for sandboxes.
#[async_trait]
pub trait Kind: Send + Sync + 'static {
    /// In the plural, for the log.
    fn name(&self) -> &'static str;
    /// All there are.
    async fn list(&self) -> Vec<Remnant>;
    /// Takes one away. The failure is told and tried again at the next look.
    async fn end(&self, name: &str) -> Result<(), String>;
}

/// A thing on the host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remnant {
    /// Names it among its kind, and no other after it.
    pub name: String,
    /// As long as what it is needed.
    pub needed: Needed,
    /// Whether it shows by itself that it is not in the making.
    pub settled: bool,
}

/// As long as what a thing is needed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Needed {
    /// The runtime lists this sandbox.
    WhileListed(String),
    /// This sandbox, or a container in it, has a process.
    WhileAlive(String),
    /// It is of no use as it is, unless it is being made.
    Never,
}

/// A kind and the name of a thing.
type Key = (&'static str, String);

/// What CRI knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Known {
    listed: HashSet<String>,
    alive: HashSet<String>,
}

impl Known {
    async fn ask(cri: &Cri) -> Result<Self, CriError> {
        // Containers first: one that starts in between is in a sandbox that is alive.
        let containers = cri.list_containers(None).await?;
        let sandboxes = cri.list_pod_sandboxes(None).await?;
        Ok(Self::new(&sandboxes, &containers))
    }

    fn new(sandboxes: &[v1::PodSandbox], containers: &[v1::Container]) -> Self {
        let ready = sandboxes.iter().filter(|s| s.state() == v1::PodSandboxState::SandboxReady).map(|s| s.id.clone());
        let running = containers.iter().filter(|c| {
            matches!(c.state(), v1::ContainerState::ContainerRunning | v1::ContainerState::ContainerUnknown)
        });
        Self {
            listed: sandboxes.iter().map(|s| s.id.clone()).collect(),
            alive: ready.chain(running.map(|c| c.pod_sandbox_id.clone())).collect(),
        }
    }

    fn needs(&self, remnant: &Remnant) -> bool {
        match &remnant.needed {
            Needed::WhileListed(sandbox) => self.listed.contains(sandbox),
            Needed::WhileAlive(sandbox) => self.alive.contains(sandbox),
            Needed::Never => false,
        }
    }
}

/// What there was before the runtime started.
#[derive(Clone, Debug, Default)]
pub(super) struct Old(Arc<BTreeSet<Key>>);

/// Looks for leftovers of one containerd.
#[derive(Clone)]
pub(super) struct Leftovers {
    socket: PathBuf,
    kinds: Vec<Arc<dyn Kind>>,
}

impl Leftovers {
    pub(super) fn new(socket: &Path, kinds: Vec<Arc<dyn Kind>>) -> Self {
        Self { socket: socket.to_owned(), kinds }
    }

    /// Call it before a start.
    pub(super) async fn old(&self) -> Old {
        Old(Arc::new(self.list().await.into_keys().collect()))
    }

    async fn list(&self) -> BTreeMap<Key, Remnant> {
        let mut all = BTreeMap::new();
        for kind in &self.kinds {
            all.extend(kind.list().await.into_iter().map(|r| ((kind.name(), r.name.clone()), r)));
        }
        all
    }

    /// Looks until `stop`; at once and more often after each start, which `old` tells of.
    pub(super) async fn run(self, mut old: watch::Receiver<Old>, stop: Stop) {
        let cri = Cri::new(&self.socket);
        let mut patience = Patience::default();
        let mut pause = Backoff::new(LOOKS.0, LOOKS.1);
        loop {
            let before = old.borrow_and_update().clone();
            let look = async {
                match self.look(&cri, &before, &mut patience).await {
                    Ok(()) => {}
                    Err(e) => tracing::debug!(error = %e, "cannot look for leftovers"),
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = look => {}
            }
            let pause_for = pause.next_delay();
            let until = patience.next(Instant::now()).map_or(pause_for, |due| due.min(pause_for));
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(until) => {}
                changed = old.changed() => match changed {
                    Ok(()) => pause.reset(),
                    Err(_) => return,
                },
            }
        }
    }

    async fn look(&self, cri: &Cri, old: &Old, patience: &mut Patience) -> Result<(), CriError> {
        let all = self.list().await;
        if all.is_empty() {
            return Ok(());
        }
        let known = Known::ask(cri).await?;
        let idle = all.into_iter().filter(|(_, r)| !known.needs(r));
        let idle = idle.map(|(key, r)| (key.clone(), r.settled || old.0.contains(&key))).collect();
        for (name, thing) in patience.look(idle, Instant::now()) {
            tracing::warn!(kind = name, thing, "removing what no sandbox needs");
            let Some(kind) = self.kinds.iter().find(|k| k.name() == name) else { continue };
            if let Err(error) = kind.end(&thing).await {
                tracing::warn!(kind = name, thing, error, "a leftover stays");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_needed_as_long_as_its_sandbox() {
        let sandbox = |id: &str, state: v1::PodSandboxState| v1::PodSandbox {
            id: id.to_owned(),
            state: state.into(),
            ..Default::default()
        };
        let container = |sandbox: &str, state: v1::ContainerState| v1::Container {
            pod_sandbox_id: sandbox.to_owned(),
            state: state.into(),
            ..Default::default()
        };
        let known = Known::new(
            &[
                sandbox("ready", v1::PodSandboxState::SandboxReady),
                sandbox("dead", v1::PodSandboxState::SandboxNotready),
                sandbox("headless", v1::PodSandboxState::SandboxNotready),
                sandbox("unclear", v1::PodSandboxState::SandboxNotready),
            ],
            &[
                container("headless", v1::ContainerState::ContainerRunning),
                container("unclear", v1::ContainerState::ContainerUnknown),
                container("dead", v1::ContainerState::ContainerExited),
            ],
        );
        for (sandbox, listed, alive) in [
            ("ready", true, true),
            ("headless", true, true),
            ("unclear", true, true),
            ("dead", true, false),
            ("forgotten", false, false),
        ] {
            let needs = |needed: Needed| known.needs(&Remnant { name: "x".to_owned(), needed, settled: true });
            assert_eq!(needs(Needed::WhileListed(sandbox.to_owned())), listed, "{sandbox}");
            assert_eq!(needs(Needed::WhileAlive(sandbox.to_owned())), alive, "{sandbox}");
            assert!(!needs(Needed::Never));
        }
    }
}
