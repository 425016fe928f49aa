//! What a pod's worker remembers beside what the runtime tells.
//!
//! Nothing here must survive the agent: after a restart it is rebuilt (probes run again, back-offs start over), and a
//! running container never notices.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::CrashBackoff;

/// A pull that failed shows its error for so long, then that it is being waited for.
const SHOW_ERROR: SignedDuration = SignedDuration::from_secs(3);

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    /// Containers that could not be started, by container name.
    pub start_errors: BTreeMap<String, StartError>,
    /// Waiting before restarts, by container name.
    pub crashes: BTreeMap<String, CrashBackoff>,
    /// Waiting before pulls, by image.
    pub pulls: BTreeMap<String, CrashBackoff>,
    /// Results of probes and hooks, by container id. No entry: nothing is known yet.
    pub health: BTreeMap<String, Health>,
    /// Why the sandbox cannot be made or the volumes cannot be set up, and when to try again.
    pub pod_error: Option<StartError>,
    /// The pod was refused, evicted or ran out of time: its end.
    pub ended: Option<Ended>,
    /// The most seconds it is given for that, if the node said so.
    pub given: Option<i64>,
    /// It has to go to make room for others, through no limit of its own.
    pub disrupted: bool,
    /// The pod is gone from the API without having been asked to end.
    pub removed: bool,
    /// How long the pod has been ending, by a clock that nobody puts forward or back.
    pub ending: SignedDuration,
    /// Containers, volumes and cgroups are gone; what is left is the last status.
    pub cleaned: bool,
}

/// A pod that this node ends by its own decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// `status.reason`.
    pub reason: String,
    /// `status.message`.
    pub message: String,
}

/// Why a container is not running.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StartError {
    /// `ErrImagePull`, `CreateContainerConfigError`, …
    pub reason: String,
    /// The explanation.
    pub message: String,
    /// When it failed.
    pub at: Timestamp,
    /// When to try again, see [`Self::waits`].
    retry: Timestamp,
}

impl StartError {
    /// A failure that is tried again after `delay`.
    pub(crate) fn new(reason: &str, message: impl Into<String>, now: Timestamp, delay: SignedDuration) -> Self {
        Self { reason: reason.to_owned(), message: message.into(), at: now, retry: now + delay }
    }

    /// Until when nothing is tried. A failure in the future means that the clock was put back: nobody waits for that.
    pub(crate) fn waits(&self, now: Timestamp) -> Option<Timestamp> {
        (self.at <= now && self.retry > now).then_some(self.retry)
    }

    /// When what is shown changes by itself.
    pub(crate) fn changes_at(&self) -> Option<Timestamp> {
        (self.reason == "ErrImagePull").then(|| self.at + SHOW_ERROR)
    }

    /// Reason and message as they are to be shown at `now`.
    pub(crate) fn shown(&self, image: &str, now: Timestamp) -> (String, String) {
        if self.changes_at().is_some_and(|at| at <= now) {
            let message = format!("Back-off pulling image {image:?}: ErrImagePull: {}", self.message);
            return ("ImagePullBackOff".to_owned(), message);
        }
        (self.reason.clone(), self.message.clone())
    }
}

/// What probes and hooks said about a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Health {
    /// The postStart hook still runs.
    pub hook: bool,
    /// The postStart hook is done (or there is none) and the startup probe succeeded (or there is none).
    pub started: bool,
    /// The readiness probe's last word (`true` without one).
    pub ready: bool,
    /// The container is to be killed, and why.
    pub failed: Option<Failure>,
}

/// Why a container is to be killed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// `liveness` or `startup`.
    pub probe: &'static str,
    /// The probe's own grace period.
    pub grace: Option<i64>,
}
