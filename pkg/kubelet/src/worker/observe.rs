//! Reading what the runtime has of one pod, asking no more than needed.
//!
//! The runtime is asked when it may have something else than was seen: when it told so (an exit, a lost stream of events),
//! when a job ended or changed what it does not describe, and now and then. Changes of the pod, probes and timers of our
//! own change nothing in the runtime, so what was seen last still holds; and what a job made, it describes ([`Made`]).
//! Details of a container change only with its state, a sandbox's addresses never.

use std::{
    collections::{BTreeSet, HashMap},
    io::{Read, Seek, SeekFrom},
    path::Path,
    sync::Arc,
    time::Duration,
};

use knarr_cri::{CriError, v1};
use tokio::time::Instant;

use super::handle::{Handle, Made};
use crate::{
    shared::Shared,
    sync::{Container, Observed, Sandbox, State, annotations, container_state, labels},
};

/// What was seen so long ago is looked at again although nothing was told: repairs what was missed.
const SLOW: Duration = Duration::from_secs(75);
const MAX_MESSAGE: u64 = 4096;
const MAX_LOG_MESSAGE: u64 = 2048;

/// Reads one pod.
pub(super) struct Observer {
    shared: Arc<Shared>,
    handle: Arc<Handle>,
    filter: HashMap<String, String>,
    uid: String,
    sandboxes: HashMap<String, v1::PodSandboxStatus>,
    containers: HashMap<String, Container>,
    /// What was seen last.
    seen: Observed,
    /// The news that `seen` has, and since when; nothing if it cannot be relied on.
    has: Option<(u64, Instant)>,
}

impl Observer {
    /// Of a `blank` pod the runtime is not asked before something was made. (Should it have something after all, the
    /// names are taken: the first job fails, and then the runtime is asked.)
    pub(super) fn new(shared: Arc<Shared>, handle: Arc<Handle>, uid: &str, blank: bool) -> Self {
        let filter = HashMap::from([(labels::POD_UID.to_owned(), uid.to_owned())]);
        let (sandboxes, containers) = (HashMap::new(), HashMap::new());
        let has = blank.then(|| (handle.news(), Instant::now()));
        Self { shared, handle, filter, uid: uid.to_owned(), sandboxes, containers, seen: Observed::default(), has }
    }

    /// What was seen does not count any more.
    pub(super) fn forget(&mut self) {
        self.has = None;
    }

    /// When the runtime is asked again at the latest.
    pub(super) fn until(&self) -> Instant {
        self.has.map_or_else(Instant::now, |(_, since)| since + SLOW)
    }

    /// The present state. After an exit the runtime's answer may lag behind its event (what ends at once may even be called
    /// created, and running after that): it is asked again until it agrees that `exited` ones have ended, for a moment.
    ///
    /// Dropped half-way it has changed nothing.
    pub(super) async fn observe(&mut self, exited: &BTreeSet<String>) -> Result<Observed, CriError> {
        let (news, now) = (self.handle.news(), Instant::now());
        let holds = self.has.is_some_and(|(has, since)| has == news && now < since + SLOW);
        if !holds || !exited.is_empty() {
            self.seen = self.agreed(exited).await?;
            self.has = Some((news, now));
        }
        let made = std::mem::take(&mut *self.handle.made.lock());
        made.into_iter().for_each(|made| self.add(made));
        Ok(self.seen.clone())
    }

    /// What a job made joins what was seen. Whoever saw it already saw it later than the job did.
    fn add(&mut self, made: Made) {
        let Observed { mut sandboxes, mut containers } = std::mem::take(&mut self.seen);
        match made {
            Made::Sandbox(status) => {
                if !sandboxes.iter().any(|s| s.id == status.id) {
                    sandboxes.push(Sandbox::of(&status));
                }
                self.sandboxes.entry(status.id.clone()).or_insert(*status);
            }
            Made::Container(container) => {
                let known = containers.iter().position(|c| c.id == container.id);
                if known.is_none_or(|at| containers[at].state == State::Created) {
                    known.map(|at| containers.swap_remove(at));
                    self.containers.insert(container.id.clone(), (*container).clone());
                    containers.push(*container);
                }
            }
        }
        self.seen = Observed::new(sandboxes, containers);
    }

    async fn agreed(&mut self, exited: &BTreeSet<String>) -> Result<Observed, CriError> {
        let mut wait = Duration::from_millis(4);
        loop {
            let seen = self.once().await?;
            let lagging = exited.iter().any(|id| seen.goes_on(id));
            if !lagging || wait > Duration::from_secs(1) {
                return Ok(seen);
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
    }

    async fn once(&mut self) -> Result<Observed, CriError> {
        let runtime = &self.shared.runtime;
        let filter = v1::PodSandboxFilter { label_selector: self.filter.clone(), ..Default::default() };
        let listed = runtime.list_pod_sandboxes(Some(filter)).await?;
        let mut sandboxes = Vec::with_capacity(listed.len());
        for sandbox in &listed {
            let ready = sandbox.state == v1::PodSandboxState::SandboxReady as i32;
            if ready && !self.sandboxes.contains_key(&sandbox.id) {
                match runtime.pod_sandbox_status(&sandbox.id, false).await {
                    Ok(v1::PodSandboxStatusResponse { status: Some(status), .. }) => {
                        self.shared.ids.lock().insert(sandbox.id.clone(), self.uid.clone());
                        self.sandboxes.insert(sandbox.id.clone(), status);
                    }
                    Ok(_) => {}
                    Err(e) if e.is_not_found() => continue,
                    Err(e) => return Err(e),
                }
            }
            sandboxes.push(Sandbox::new(sandbox, self.sandboxes.get(&sandbox.id)));
        }
        self.sandboxes.retain(|id, _| listed.iter().any(|s| s.id == *id));
        let filter = v1::ContainerFilter { label_selector: self.filter.clone(), ..Default::default() };
        let listed = runtime.list_containers(Some(filter)).await?;
        let mut containers = Vec::with_capacity(listed.len());
        for c in &listed {
            let state = container_state(c.state);
            if let Some(known) = self.containers.get(&c.id).filter(|k| k.state == state) {
                containers.push(known.clone());
                continue;
            }
            match runtime.container_status(&c.id, false).await {
                Ok(v1::ContainerStatusResponse { status: Some(status), .. }) => {
                    let mut container = Container::new(&c.pod_sandbox_id, &status);
                    if container.state == State::Exited {
                        let told = container.message.clone();
                        container.message = knarr_daemon::blocking(move || last_words(&status, &told)).await;
                    }
                    self.shared.ids.lock().insert(c.id.clone(), self.uid.clone());
                    self.containers.insert(c.id.clone(), container.clone());
                    containers.push(container);
                }
                Ok(_) => {}
                Err(e) if e.is_not_found() => {}
                Err(e) => return Err(e),
            }
        }
        self.containers.retain(|id, _| listed.iter().any(|c| c.id == *id));
        Ok(Observed::new(sandboxes, containers))
    }
}

/// The termination message: what the container wrote for us, else (if it asked for that and failed) the end of its log;
/// after what the runtime said.
fn last_words(status: &v1::ContainerStatus, told: &str) -> String {
    let note = |key: &str| status.annotations.get(key).map(String::as_str).unwrap_or_default();
    let path = note(annotations::MESSAGE_PATH);
    let file = status.mounts.iter().find(|m| m.container_path == path && !path.is_empty());
    let mut text = file.map(|m| head(Path::new(&m.host_path))).unwrap_or_default();
    if text.is_empty() && status.exit_code != 0 && note(annotations::MESSAGE_POLICY) == "FallbackToLogsOnError" {
        text = log_end(Path::new(&status.log_path));
    }
    match (told, text.as_str()) {
        (_, "") => told.to_owned(),
        ("", _) => text,
        (told, text) => format!("{told}: {text}"),
    }
}

fn head(path: &Path) -> String {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|f| f.take(MAX_MESSAGE).read_to_end(&mut bytes));
    if read.is_err() {
        return String::new();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The last lines of a log, at most 80 and 2 KiB of text.
fn log_end(path: &Path) -> String {
    let Ok(mut file) = std::fs::File::open(path) else { return String::new() };
    let size = file.metadata().map_or(0, |m| m.len());
    let _ = file.seek(SeekFrom::Start(size.saturating_sub(64 * 1024)));
    let mut bytes = Vec::new();
    if file.read_to_end(&mut bytes).is_err() {
        return String::new();
    }
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().filter_map(|l| l.splitn(4, ' ').nth(3)).collect();
    let mut out = lines[lines.len().saturating_sub(80)..].join("\n");
    if !out.is_empty() {
        out.push('\n');
    }
    let mut cut = out.len().saturating_sub(usize::try_from(MAX_LOG_MESSAGE).unwrap_or(0));
    while !out.is_char_boundary(cut) {
        cut += 1;
    }
    out.split_off(cut)
}
