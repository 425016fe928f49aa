//! The node runs short of memory, disk or processes: what is told, and who has to go.
//!
//! ```text
//!  kernel's stalls (PSI) ─┐            ┌─► conditions of the Node, admission of new pods
//!  a slow period ─────────┼─► signals ─┼─► reclaim: dead containers, unused images
//!                         └─► decide ──┴─► one pod is evicted
//! ```
//!
//! What is decided is pure: `decide` compares signals with thresholds over time, `rank` orders the pods. At most one pod
//! goes at a time; the next look waits until it has ended, so that what it frees is seen.

mod decide;
mod limits;
mod rank;
mod signals;
mod stall;
mod threshold;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use knarr_client::events::{ObjectRef, Type};
use knarr_daemon::Stop;
use tokio::{sync::watch, time::Instant};

use crate::{gc, pod, registry::Registry, shared::Shared, worker::Handle};

use decide::{Decision, Memory, Starved, decide};
pub use threshold::{Amount, Signal, Thresholds, ThresholdsError};

/// Between two looks without a stall.
const PERIOD: Duration = Duration::from_secs(10);
/// Between two looks at what pods may take of the disk: counting files is work.
const DISKS: Duration = Duration::from_secs(30);
/// How long an evicted pod is waited for.
const CLEANUP: Duration = Duration::from_secs(30);
/// What an evicted pod is given when things are bad.
const AT_ONCE: i64 = 1;
/// Pods of this priority are the system's own.
const CRITICAL: i32 = 2_000_000_000;

/// A condition of the Node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Condition {
    /// `DiskPressure`
    Disk,
    /// `MemoryPressure`
    Memory,
    /// `PIDPressure`
    Pid,
}

impl Condition {
    /// Its type in the Node's status.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Disk => "DiskPressure",
            Self::Memory => "MemoryPressure",
            Self::Pid => "PIDPressure",
        }
    }
}

/// The conditions that hold.
pub(crate) type Conditions = BTreeSet<Condition>;

/// Whether a new pod is refused under these conditions, and with what message.
pub(crate) fn refuses(conditions: &Conditions, new: &Pod) -> Option<String> {
    if conditions.is_empty() || is_critical(new) {
        return None;
    }
    if *conditions == BTreeSet::from([Condition::Memory])
        && (pod::qos(new) != pod::Qos::BestEffort || tolerates_memory_pressure(new))
    {
        return None;
    }
    let words: Vec<&str> = conditions.iter().map(|c| c.word()).collect();
    Some(format!("The node had condition: [{}]. ", words.join(" ")))
}

fn is_critical(p: &Pod) -> bool {
    pod::spec(p).priority.unwrap_or(0) >= CRITICAL
}

fn tolerates_memory_pressure(p: &Pod) -> bool {
    let key = "node.kubernetes.io/memory-pressure";
    pod::spec(p).tolerations.iter().flatten().any(|t| {
        let exists = t.operator.as_deref() == Some("Exists");
        let of_key = t.key.as_deref().map_or(exists, |k| k == key);
        let of_value = exists || t.value.as_deref().unwrap_or_default().is_empty();
        of_key && of_value && matches!(t.effect.as_deref(), None | Some("" | "NoSchedule"))
    })
}

/// Looks until stopped.
pub(crate) async fn run(
    shared: Arc<Shared>,
    registry: Arc<Registry>,
    conditions: watch::Sender<Conditions>,
    stop: Stop,
) -> Result<(), knarr_daemon::Error> {
    let mut keeper = Keeper { shared, registry, conditions, memory: Memory::default(), disks: Instant::now() };
    let begun = Instant::now();
    let mut stall = stall::Stall::open();
    loop {
        keeper.look(begun.elapsed()).await;
        tokio::select! {
            () = stall.felt() => {}
            () = tokio::time::sleep(PERIOD) => {}
            () = stop.cancelled() => return Ok(()),
        }
    }
}

struct Keeper {
    shared: Arc<Shared>,
    registry: Arc<Registry>,
    conditions: watch::Sender<Conditions>,
    memory: Memory,
    /// When disks of pods are looked at next.
    disks: Instant,
}

/// A pod that has to go.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Eviction {
    uid: String,
    message: String,
    grace: i64,
    /// To make room for others.
    disrupted: bool,
}

impl Keeper {
    /// One look, and what follows from it.
    async fn look(&mut self, now: Duration) {
        let thresholds = self.shared.config.thresholds.clone();
        let signals = signals::read(&self.shared, &thresholds).await;
        let Decision { conditions, starved } = decide(&thresholds, &mut self.memory, &signals, now);
        self.conditions.send_if_modified(|have| {
            let changed = *have != conditions;
            *have = conditions.clone();
            changed
        });
        let over = self.over_their_limits().await;
        if !over.is_empty() {
            for eviction in over {
                self.evict(eviction).await;
            }
            return;
        }
        let Some(starved) = starved else { return };
        let message = format!("Attempting to reclaim {}", starved.resource);
        self.shared.recorder.event(&self.about_node(), Type::Warning, "EvictionThresholdMet", message);
        if starved.signal.is_disk() {
            gc::reclaim(&self.shared, &self.registry).await;
            let signals = signals::read(&self.shared, &thresholds).await;
            if !decide::is_met(&thresholds, &signals) {
                return;
            }
        }
        let victim = self.victim(&starved).await;
        match victim {
            Some(eviction) => self.evict(eviction).await,
            None => tracing::warn!(resource = starved.resource, "the node is short of it, and no pod can be evicted"),
        }
    }

    fn about_node(&self) -> ObjectRef {
        let name = self.shared.config.node.clone();
        ObjectRef { api_version: "v1".into(), kind: "Node".into(), uid: name.clone(), name, ..ObjectRef::default() }
    }

    /// Pods that run and are nobody's to spare.
    fn active(&self) -> Vec<Arc<Handle>> {
        let mut all = self.registry.all();
        all.retain(|h| !pod::is_terminal(&h.pod()) && h.seen().alive().next().is_some() && !h.is_ended());
        all
    }

    async fn victim(&self, starved: &Starved) -> Option<Eviction> {
        let look = crate::stats::look(&self.shared, &self.registry).await;
        let disks = if starved.signal.is_disk() { Some(limits::disks(&self.shared, &look).await) } else { None };
        let active = self.active();
        let candidates = active.iter().map(|h| {
            let pod = h.pod();
            let found = look.pods.iter().find(|p| pod::uid(&p.pod) == pod::uid(&pod));
            rank::Candidate::new(&pod, starved.signal, found, disks.as_ref())
        });
        let first = rank::first(candidates.filter(|c| c.priority < CRITICAL).collect())?;
        let most = self.shared.config.thresholds.longest_grace;
        let grace = if starved.hard { AT_ONCE } else { most.min(first.grace) };
        Some(Eviction { uid: first.uid.clone(), message: rank::message(starved, &first), grace, disrupted: true })
    }

    /// Pods that take more of the disk than they may.
    async fn over_their_limits(&mut self) -> Vec<Eviction> {
        if self.disks > Instant::now() {
            return Vec::new();
        }
        self.disks = Instant::now() + DISKS;
        let active = self.active();
        let limited: Vec<_> =
            active.iter().map(|h| h.pod()).filter(|p| limits::has_any(p) && !is_critical(p)).collect();
        if limited.is_empty() {
            return Vec::new();
        }
        let look = crate::stats::look(&self.shared, &self.registry).await;
        let disks = limits::disks(&self.shared, &look).await;
        let over = limited.iter().filter_map(|p| {
            let message = limits::exceeded(p, disks.get(pod::uid(p))?)?;
            Some(Eviction { uid: pod::uid(p).to_owned(), message, grace: AT_ONCE, disrupted: false })
        });
        over.collect()
    }

    /// Ends a pod and waits for it.
    async fn evict(&self, eviction: Eviction) {
        let Some(handle) = self.registry.get(&eviction.uid) else { return };
        let pod = handle.pod();
        tracing::warn!(pod = %pod::full_name(&pod), message = eviction.message, "evicting");
        let about = pod::object_ref(&pod, "");
        self.shared.recorder.event(&about, Type::Warning, "Evicted", eviction.message.clone());
        handle.evict(&eviction.message, eviction.grace, eviction.disrupted);
        let mut sights = handle.sights();
        let gone = sights.wait_for(|seen| seen.alive().next().is_none());
        // An error: the pod is forgotten already.
        if tokio::time::timeout(CLEANUP, gone).await.is_err() {
            tracing::warn!(pod = %pod::full_name(&pod), at = %Timestamp::now(), "still there after its eviction");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pod::testutil::pod;

    #[test]
    fn who_is_refused() {
        let of = |conditions: &[Condition], spec| {
            refuses(&conditions.iter().copied().collect(), &pod(json!({ "spec": spec }))).unwrap_or_default()
        };
        let memory = "The node had condition: [MemoryPressure]. ";
        assert_eq!(of(&[], json!({})), "");
        assert_eq!(of(&[Condition::Memory], json!({})), memory);
        let asks = json!({ "containers": [{ "name": "app", "resources": { "requests": { "cpu": "1" } } }] });
        assert_eq!(of(&[Condition::Memory], asks.clone()), "");
        let tolerant =
            json!({ "tolerations": [{ "key": "node.kubernetes.io/memory-pressure", "operator": "Exists" }] });
        assert_eq!(of(&[Condition::Memory], tolerant.clone()), "");
        let both = "The node had condition: [DiskPressure MemoryPressure]. ";
        assert_eq!(of(&[Condition::Memory, Condition::Disk], asks), both);
        assert_eq!(of(&[Condition::Disk], tolerant), "The node had condition: [DiskPressure]. ");
        assert_eq!(of(&[Condition::Disk], json!({ "priority": CRITICAL })), "");
    }
}
