//! The status of one container.

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{
        ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting, ContainerStatus,
        ContainerUser, LinuxContainerUser, Pod, VolumeMountStatus,
    },
    apimachinery::pkg::apis::meta::v1::Time,
};

use crate::{
    pod::{self, Kind, Part},
    sync::{Container, CrashBackoff, Memory, Observed, State, container_hash, should_restart},
};

/// What to report of `part`.
pub(super) fn status(pod: &Pod, part: &Part<'_>, seen: &Observed, memory: &Memory, now: Timestamp) -> ContainerStatus {
    let old = old_status(pod, part);
    let mut out = ContainerStatus {
        name: part.name().to_owned(),
        image: part.spec.image.clone().unwrap_or_default(),
        volume_mounts: mounts(part),
        state: Some(waiting(default_reason(pod), "")),
        started: (part.kind != Kind::Init).then_some(false),
        ..ContainerStatus::default()
    };
    match seen.latest(part.name()) {
        Some(c) => {
            describe(&mut out, part, c, memory);
            if let Some(previous) = seen.previous(part.name()) {
                out.last_state = Some(terminated(previous));
            }
        }
        None => forgotten(&mut out, old, pod),
    }
    why_waiting(&mut out, pod, part, seen, memory, now);
    out
}

/// The exit code of the last run, if it is over and no other runs.
pub(super) fn exit(s: &ContainerStatus) -> Option<i32> {
    let state = s.state.as_ref()?;
    if state.running.is_some() {
        return None;
    }
    let ended = state.terminated.as_ref().or_else(|| s.last_state.as_ref()?.terminated.as_ref());
    ended.map(|t| t.exit_code)
}

fn default_reason(pod: &Pod) -> &'static str {
    let init = pod::spec(pod).init_containers.as_ref().is_some_and(|c| !c.is_empty());
    if init { "PodInitializing" } else { "ContainerCreating" }
}

fn old_status<'a>(pod: &'a Pod, part: &Part<'_>) -> Option<&'a ContainerStatus> {
    let status = pod.status.as_ref()?;
    let list = match part.kind {
        Kind::Init | Kind::Sidecar => &status.init_container_statuses,
        Kind::App => &status.container_statuses,
        Kind::Ephemeral => &status.ephemeral_container_statuses,
    };
    list.iter().flatten().find(|s| s.name == part.name())
}

fn waiting(reason: impl Into<String>, message: impl Into<String>) -> ContainerState {
    let message = message.into();
    ContainerState {
        waiting: Some(ContainerStateWaiting {
            reason: Some(reason.into()),
            message: (!message.is_empty()).then_some(message),
        }),
        ..ContainerState::default()
    }
}

fn container_id(c: &Container) -> String {
    format!("containerd://{}", c.id)
}

fn time(at: Option<Timestamp>) -> Option<Time> {
    at.map(|t| Time(super::whole(t)))
}

fn terminated(c: &Container) -> ContainerState {
    let reason = match (c.reason.as_str(), c.exit_code) {
        ("", 0) => "Completed",
        ("", _) => "Error",
        (reason, _) => reason,
    };
    ContainerState {
        terminated: Some(ContainerStateTerminated {
            container_id: Some(container_id(c)),
            exit_code: c.exit_code,
            finished_at: time(c.finished),
            message: (!c.message.is_empty()).then(|| c.message.clone()),
            reason: Some(reason.to_owned()),
            signal: None,
            started_at: time(c.started),
        }),
        ..ContainerState::default()
    }
}

fn describe(out: &mut ContainerStatus, part: &Part<'_>, c: &Container, memory: &Memory) {
    out.restart_count = i32::try_from(c.restarts).unwrap_or(i32::MAX);
    if !c.image.is_empty() {
        out.image.clone_from(&c.image);
    }
    out.image_id.clone_from(&c.image_id);
    out.container_id = Some(container_id(c));
    out.resources = part.spec.resources.clone();
    out.allocated_resources = part.spec.resources.as_ref().and_then(|r| r.requests.clone());
    out.user = c.user.as_ref().map(|(uid, gid, groups)| ContainerUser {
        linux: Some(LinuxContainerUser {
            uid: *uid,
            gid: *gid,
            supplemental_groups: (!groups.is_empty()).then(|| groups.clone()),
        }),
    });
    let health = memory.health.get(&c.id);
    match c.state {
        State::Running => {
            out.state = Some(ContainerState {
                running: Some(ContainerStateRunning { started_at: time(c.started) }),
                ..ContainerState::default()
            });
            let started = health.is_some_and(|h| h.started);
            out.started = Some(started);
            out.ready = match part.kind {
                Kind::Init | Kind::Ephemeral => false,
                Kind::App | Kind::Sidecar => started && health.is_some_and(|h| h.ready),
            };
            if part.kind == Kind::Ephemeral {
                out.started = None;
            }
        }
        State::Exited => {
            out.state = Some(terminated(c));
            out.ready = part.kind == Kind::Init && c.exit_code == 0;
        }
        State::Created | State::Unknown => {}
    }
    if part.kind == Kind::Init && c.state != State::Running {
        out.started = Some(false);
    }
}

/// The runtime has no container of this name: was there one?
fn forgotten(out: &mut ContainerStatus, old: Option<&ContainerStatus>, pod: &Pod) {
    let Some(old) = old else { return };
    let was = old.state.clone().unwrap_or_default();
    out.restart_count = old.restart_count;
    out.last_state = old.last_state.clone();
    if was.terminated.is_some() {
        *out = ContainerStatus { ready: old.ready && was.terminated.is_some_and(|t| t.exit_code == 0), ..old.clone() };
    } else if was.running.is_some() {
        out.last_state = Some(ContainerState {
            terminated: Some(ContainerStateTerminated {
                exit_code: 137,
                reason: Some("ContainerStatusUnknown".to_owned()),
                message: Some(
                    "The container could not be located when the pod was deleted.  The container used to be Running"
                        .to_owned(),
                ),
                ..ContainerStateTerminated::default()
            }),
            ..ContainerState::default()
        });
        if !pod::is_deleting(pod) {
            out.restart_count += 1;
        }
    }
}

/// A container that should run but does not: why.
fn why_waiting(
    out: &mut ContainerStatus,
    pod: &Pod,
    part: &Part<'_>,
    seen: &Observed,
    memory: &Memory,
    now: Timestamp,
) {
    if super::is_running(seen, part.name()) || pod::is_deleting(pod) || memory.ended.is_some() {
        return;
    }
    let last = seen.latest(part.name());
    let ended = last.filter(|c| c.state == State::Exited);
    if let Some(c) = ended
        && c.hash == container_hash(&part.spec)
        && !should_restart(pod, part.kind, &part.spec, c.exit_code)
    {
        return;
    }
    let shown = match (memory.start_errors.get(part.name()), ended) {
        (Some(e), _) => Some(e.shown(&out.image, now)),
        (None, Some(c)) => {
            let none = CrashBackoff::default();
            let backoff = memory.crashes.get(part.name()).unwrap_or(&none);
            let at = c.finished.unwrap_or(now);
            backoff.until(at, now).map(|_| {
                let delay = go_duration(backoff.delay(at).as_secs());
                let message =
                    format!("back-off {delay} restarting failed container={} pod={}", part.name(), pod::full_name(pod));
                ("CrashLoopBackOff".to_owned(), message)
            })
        }
        (None, None) => None,
    };
    if let Some((reason, message)) = shown {
        if let Some(c) = ended {
            out.last_state = Some(terminated(c));
        }
        out.state = Some(waiting(reason, message));
        out.ready = false;
    }
}

/// Whole seconds as Go prints them: `10s`, `1m20s`, `5m0s`.
fn go_duration(seconds: i64) -> String {
    if seconds < 60 { format!("{seconds}s") } else { format!("{}m{}s", seconds / 60, seconds % 60) }
}

fn mounts(part: &Part<'_>) -> Option<Vec<VolumeMountStatus>> {
    let mounts = part.spec.volume_mounts.as_ref().filter(|m| !m.is_empty())?;
    let one = |m: &k8s_openapi::api::core::v1::VolumeMount| VolumeMountStatus {
        mount_path: m.mount_path.clone(),
        name: m.name.clone(),
        read_only: m.read_only.filter(|r| *r),
        recursive_read_only: m.read_only.filter(|r| *r).map(|_| "Disabled".to_owned()),
        volume_status: None,
    };
    Some(mounts.iter().map(one).collect())
}
