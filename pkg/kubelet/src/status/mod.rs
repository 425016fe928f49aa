//! `Pod.status`, computed purely from the spec, what the runtime has, and what probes said.
//!
//! The previous status is looked at for three things only: transition times of conditions that did not change, what
//! others wrote (their conditions, the scheduler's nomination), and the past of containers that the runtime has
//! forgotten.

mod conditions;
mod containers;
mod course;

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{HostIP, Pod, PodIP, PodStatus},
    apimachinery::pkg::apis::meta::v1::Time,
};

use crate::{
    pod::{self, Kind},
    sync::{Memory, Observed, State, should_restart},
};

pub(crate) use conditions::OWNED;
pub(crate) use course::{carried, is_under_way};

/// The status of `pod` at `now`. `host_ips` are the node's addresses, the primary one first.
pub(crate) fn status(pod: &Pod, seen: &Observed, memory: &Memory, host_ips: &[String], now: Timestamp) -> PodStatus {
    let old = pod.status.clone().unwrap_or_default();
    let parts = pod::parts(pod);
    let all: Vec<_> = parts.iter().map(|p| (p, containers::status(pod, p, seen, memory, now))).collect();
    let of = |kinds: &[Kind]| -> Vec<_> {
        all.iter().filter(|(p, _)| kinds.contains(&p.kind)).map(|(_, s)| s.clone()).collect()
    };
    let ended = memory.ended.as_ref();
    let over = pod::is_terminal(pod) || ended.is_some();
    let phase = match (ended, pod::phase(pod)) {
        // Not before everything has stopped: others take the pod's place when they see it.
        (Some(_), _) if seen.alive().next().is_none() => "Failed",
        // An end is never taken back.
        (None, end @ ("Succeeded" | "Failed")) => end,
        _ => phase(pod, &all, seen.is_stopped() && (pod::is_deleting(pod) || over)),
    };
    let mut ips = seen.sandbox().map(|s| s.ips.clone()).unwrap_or_default();
    let started = seen.sandbox().is_some();
    if pod::host_network(pod) {
        ips = if started { host_ips.to_vec() } else { Vec::new() };
    }
    if ips.is_empty() {
        // A stopped sandbox has lost its addresses, the pod's last ones stay known.
        ips = old.pod_ips.iter().flatten().map(|ip| ip.ip.clone()).collect();
    }
    let running = started || ended.is_some() || over;
    let mut status = PodStatus {
        phase: Some(phase.to_owned()),
        reason: ended.map(|e| e.reason.clone()).or_else(|| old.reason.clone().filter(|_| over)),
        message: ended.map(|e| e.message.clone()).or_else(|| old.message.clone().filter(|_| over)),
        init_container_statuses: some(of(&[Kind::Init, Kind::Sidecar])),
        container_statuses: some(of(&[Kind::App])),
        ephemeral_container_statuses: some(of(&[Kind::Ephemeral])),
        host_ip: host_ips.first().cloned(),
        host_ips: some(host_ips.iter().map(|ip| HostIP { ip: ip.clone() }).collect()),
        pod_ip: ips.first().cloned().filter(|_| running),
        pod_ips: some(ips.iter().map(|ip| PodIP { ip: ip.clone() }).collect()).filter(|_| running),
        qos_class: Some(pod::qos(pod).word().to_owned()),
        start_time: Some(old.start_time.clone().unwrap_or_else(|| Time(whole(now)))),
        observed_generation: pod.metadata.generation,
        ..PodStatus { conditions: None, ..old.clone() }
    };
    status.conditions = Some(conditions::conditions(pod, seen, memory, &old, &status, now));
    status
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

/// The API keeps whole seconds.
fn whole(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

type Statuses<'a> = [(&'a pod::Part<'a>, k8s_openapi::api::core::v1::ContainerStatus)];

/// The pod's phase from its containers' states. `stopped`: nothing will run again, whatever the policy says.
fn phase(pod: &Pod, all: &Statuses<'_>, stopped: bool) -> &'static str {
    let initialized = all.iter().any(|(p, s)| {
        p.kind == Kind::App && (s.started == Some(true) || containers::exit(s).is_some() || s.restart_count > 0)
    });
    let (mut pending_init, mut running, mut waiting, mut ended, mut over, mut succeeded, mut apps) =
        (false, 0, 0, 0, 0, 0, 0);
    for (part, s) in all {
        let exit = containers::exit(s);
        let is_running = s.state.as_ref().is_some_and(|s| s.running.is_some());
        match part.kind {
            Kind::Ephemeral => {}
            Kind::Init => match exit {
                Some(0) => {}
                Some(code) if !should_restart(pod, part.kind, &part.spec, code) => return "Failed",
                Some(_) => {}
                None => pending_init = true,
            },
            Kind::Sidecar => {
                if is_running {
                    running += 1;
                    pending_init |= s.started != Some(true) && !initialized;
                } else if exit.is_none() {
                    pending_init |= !initialized;
                    waiting += 1;
                }
            }
            Kind::App => {
                apps += 1;
                match exit {
                    _ if is_running => running += 1,
                    None => waiting += 1,
                    Some(code) => {
                        ended += 1;
                        over += u32::from(!should_restart(pod, part.kind, &part.spec, code));
                        succeeded += u32::from(code == 0);
                    }
                }
            }
        }
    }
    match () {
        () if pending_init || waiting > 0 => {
            if stopped {
                "Failed"
            } else {
                "Pending"
            }
        }
        () if running > 0 => "Running",
        () if ended == 0 || ended != apps => "Pending",
        () if !stopped && over != ended => "Running",
        () if succeeded == ended => "Succeeded",
        () => "Failed",
    }
}

/// Whether the runtime's newest container of that name runs.
pub(crate) fn is_running(seen: &Observed, name: &str) -> bool {
    seen.active(name).is_some_and(|c| c.state == State::Running)
}

#[cfg(test)]
mod tests;
