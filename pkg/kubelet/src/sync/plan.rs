//! The decision: from the pod, what the runtime has, and what the worker remembers, to the next steps.
//!
//! The rules are upstream's (`computePodActions`): a changed sandbox ends everything in it; init containers run one
//! after the other, sidecars among them start in order and keep running; application containers start when all of that
//! is done; what ended is restarted by policy and back-off; what fails its liveness probe is killed first.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;

use super::{CrashBackoff, Memory, Observed, State, container_hash, should_restart};
use crate::pod::{self, Kind, Part};

/// Even a pod that must end at once, or should have ended already, gets this long after being asked.
pub(crate) const MINIMUM: i64 = 2;

/// One step. Steps of a plan are done in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Stop the containers and the network of sandboxes that are of no use any more.
    StopSandboxes,
    /// Make the pod's sandbox.
    CreateSandbox {
        /// Number of sandboxes before.
        attempt: u32,
    },
    /// Stop one container; what follows is decided when it is gone.
    Kill {
        /// Runtime id.
        id: String,
        /// Container name.
        name: String,
        /// Why.
        reason: KillReason,
    },
    /// Pull, create and start a container.
    Start {
        /// Container name.
        name: String,
        /// Restarts before.
        restarts: u32,
    },
    /// Stop everything within a grace period.
    Terminate {
        /// Seconds the pod was given.
        grace: i64,
        /// Seconds left of them: an attempt after a failure does not start from the beginning.
        left: i64,
    },
    /// Everything has stopped: take down volumes and cgroups.
    Cleanup,
    /// Everything is cleaned and deletion was asked for: report the end and delete the pod for good.
    Finish,
}

/// Why a container is stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KillReason {
    /// The spec changed.
    Changed,
    /// A probe failed; with the probe's own grace period.
    Unhealthy(&'static str, Option<i64>),
    /// The runtime lost track of it.
    Unknown,
}

impl KillReason {
    /// As events say it.
    pub(crate) fn message(&self, container: &str) -> String {
        match self {
            Self::Changed => format!("Container {container} definition changed, will be restarted"),
            Self::Unhealthy(probe, _) => format!("Container {container} failed {probe} probe, will be restarted"),
            Self::Unknown => format!("Container {container} is in unknown state, try killing it before restart"),
        }
    }
}

/// What to do, and when to think again if nobody wakes us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Steps in order.
    pub actions: Vec<Action>,
    /// The next time something changes by itself.
    pub wake_at: Option<Timestamp>,
    /// Containers that wait before their restart.
    pub backing_off: Vec<String>,
}

impl Plan {
    fn wake(&mut self, at: Timestamp) {
        self.wake_at = Some(self.wake_at.map_or(at, |t| t.min(at)));
    }
}

/// What to do next with `pod`.
pub(crate) fn plan(pod: &Pod, seen: &Observed, memory: &Memory, now: Timestamp) -> Plan {
    let mut out = Plan::default();
    let deadline = deadline(pod);
    if let Some(at) = deadline
        && at > now
    {
        out.wake(at);
    }
    if must_end(pod, memory) || deadline.is_some_and(|at| at <= now) || all_done(pod, seen) {
        end(pod, seen, memory, &mut out);
        return out;
    }
    if let Some(until) = memory.pod_error.as_ref().and_then(|e| e.waits(now)) {
        out.wake(until);
        return out;
    }
    let usable = seen.sandbox().is_some_and(|s| s.ready && (pod::host_network(pod) || !s.ips.is_empty()));
    if !usable {
        new_sandbox(pod, seen, memory, now, &mut out);
        return out;
    }
    let parts = pod::parts(pod);
    for part in parts.iter().filter(|p| p.kind == Kind::Ephemeral) {
        if seen.latest(part.name()).is_none() {
            start(part, 0, memory, now, &mut out);
        }
    }
    if init(pod, &parts, seen, memory, now, &mut out) {
        for part in parts.iter().filter(|p| p.kind == Kind::App) {
            keep(pod, part, seen, memory, now, &mut out);
        }
    }
    out
}

/// `spec.activeDeadlineSeconds` after the start.
pub(crate) fn deadline(pod: &Pod) -> Option<Timestamp> {
    let seconds = pod::spec(pod).active_deadline_seconds?;
    let start = pod.status.as_ref()?.start_time.as_ref()?.0;
    start.checked_add(SignedDuration::from_secs(seconds)).ok()
}

fn must_end(pod: &Pod, memory: &Memory) -> bool {
    pod::is_deleting(pod) || memory.removed || memory.ended.is_some() || pod::is_terminal(pod)
}

fn end(pod: &Pod, seen: &Observed, memory: &Memory, out: &mut Plan) {
    out.wake_at = None;
    if !seen.is_stopped() {
        let ended = memory.ended.is_some() && !pod::is_deleting(pod);
        let grace = if ended { pod::grace(pod).min(memory.given.unwrap_or(30)) } else { pod::grace(pod) };
        out.actions.push(Action::Terminate { grace, left: left(grace, memory.ending) });
    } else if !memory.cleaned {
        out.actions.push(Action::Cleanup);
    } else if pod::is_deleting(pod) || memory.removed {
        out.actions.push(Action::Finish);
    }
}

/// What is left of `grace` seconds after some of them, in whole seconds. The end that is written in a deleted pod is not
/// asked: it is by the clock of another machine.
fn left(grace: i64, spent: SignedDuration) -> i64 {
    let left = grace.saturating_sub(spent.as_secs());
    left.clamp(MINIMUM.min(grace), grace)
}

/// Whether nothing will ever run again: every application container ended for good, or an init container did badly.
fn all_done(pod: &Pod, seen: &Observed) -> bool {
    let parts = pod::parts(pod);
    let over = |part: &Part<'_>| {
        seen.latest(part.name())
            .is_some_and(|c| c.state == State::Exited && !should_restart(pod, part.kind, &part.spec, c.exit_code))
    };
    let failed_init = |part: &Part<'_>| {
        part.kind == Kind::Init && over(part) && seen.latest(part.name()).is_some_and(|c| c.exit_code != 0)
    };
    let apps = parts.iter().filter(|p| p.kind == Kind::App);
    (!initialized(&parts, seen) && parts.iter().any(failed_init))
        || (!pod::spec(pod).containers.is_empty() && apps.clone().all(over))
}

fn initialized(parts: &[Part<'_>], seen: &Observed) -> bool {
    parts.iter().any(|p| p.kind == Kind::App && seen.active(p.name()).is_some())
}

fn new_sandbox(pod: &Pod, seen: &Observed, memory: &Memory, now: Timestamp, out: &mut Plan) {
    // One that has stopped by itself may still hold its network.
    if !seen.sandboxes.is_empty() {
        out.actions.push(Action::StopSandboxes);
    }
    let attempt = seen.sandbox().map_or(0, |s| s.attempt + 1);
    out.actions.push(Action::CreateSandbox { attempt });
    // Go straight on with the first containers: nothing else can have happened in a sandbox that is not there yet.
    let parts = pod::parts(pod);
    match parts.iter().find(|p| matches!(p.kind, Kind::Init | Kind::Sidecar)) {
        Some(first) => start(first, restarts(first, seen), memory, now, out),
        None => {
            for part in parts.iter().filter(|p| p.kind == Kind::App) {
                match seen.latest(part.name()) {
                    Some(c) if c.state == State::Exited && !should_restart(pod, part.kind, &part.spec, c.exit_code) => {
                    }
                    _ => start(part, restarts(part, seen), memory, now, out),
                }
            }
        }
    }
}

/// Restarts before the next start. A container that was made and never started does not count: it is made anew.
fn restarts(part: &Part<'_>, seen: &Observed) -> u32 {
    seen.latest(part.name()).map_or(0, |c| c.restarts + u32::from(!c.is_unstarted()))
}

/// Brings init containers and sidecars forward. Whether application containers may run.
fn init(pod: &Pod, parts: &[Part<'_>], seen: &Observed, memory: &Memory, now: Timestamp, out: &mut Plan) -> bool {
    let initialized = initialized(parts, seen);
    for part in parts {
        let active = seen.active(part.name());
        match (part.kind, active.map(|c| (c.state, c.exit_code))) {
            (Kind::Init, _) if initialized => {}
            (Kind::Init, Some((State::Exited, 0))) => {}
            (Kind::Init, Some((State::Running, _))) => return false,
            (Kind::Init, _) => {
                keep(pod, part, seen, memory, now, out);
                return false;
            }
            (Kind::Sidecar, state) => {
                keep(pod, part, seen, memory, now, out);
                let started = active.is_some_and(|c| memory.health.get(&c.id).is_some_and(|h| h.started));
                let up = started && matches!(state, Some((State::Running, _)));
                if !initialized && !up {
                    return false;
                }
            }
            (Kind::App | Kind::Ephemeral, _) => {}
        }
    }
    true
}

/// Brings one container to running, or leaves it ended.
fn keep(pod: &Pod, part: &Part<'_>, seen: &Observed, memory: &Memory, now: Timestamp, out: &mut Plan) {
    let Some(c) = seen.active(part.name()) else {
        // A container that ended well in an earlier sandbox has done its work.
        let done = seen.latest(part.name()).is_some_and(|c| {
            part.kind == Kind::App
                && c.state == State::Exited
                && !should_restart(pod, part.kind, &part.spec, c.exit_code)
        });
        if !done {
            start(part, restarts(part, seen), memory, now, out);
        }
        return;
    };
    let kill = |reason| Action::Kill { id: c.id.clone(), name: c.name.clone(), reason };
    match c.state {
        State::Running => {
            let failed = memory.health.get(&c.id).and_then(|h| h.failed.clone());
            if c.hash != container_hash(&part.spec) {
                out.actions.push(kill(KillReason::Changed));
            } else if let Some(failed) = failed {
                out.actions.push(kill(KillReason::Unhealthy(failed.probe, failed.grace)));
            }
        }
        State::Created | State::Unknown if c.is_unstarted() => start(part, restarts(part, seen), memory, now, out),
        State::Created | State::Unknown => out.actions.push(kill(KillReason::Unknown)),
        State::Exited => {
            // A changed image is a reason to start, whatever the policy says.
            let changed = c.hash != container_hash(&part.spec);
            if !changed && !should_restart(pod, part.kind, &part.spec, c.exit_code) {
                return;
            }
            let ended = c.finished.unwrap_or(now);
            let none = CrashBackoff::default();
            let backoff = memory.crashes.get(part.name()).unwrap_or(&none);
            match backoff.until(ended, now) {
                Some(at) => {
                    out.backing_off.push(c.name.clone());
                    out.wake(at);
                }
                None => start(part, c.restarts + 1, memory, now, out),
            }
        }
    }
}

fn start(part: &Part<'_>, restarts: u32, memory: &Memory, now: Timestamp, out: &mut Plan) {
    let error = memory.start_errors.get(part.name());
    match error.and_then(|e| Some((e, e.waits(now)?))) {
        Some((e, until)) => {
            out.wake(until);
            if let Some(at) = e.changes_at()
                && at > now
            {
                out.wake(at);
            }
        }
        None => out.actions.push(Action::Start { name: part.name().to_owned(), restarts }),
    }
}
