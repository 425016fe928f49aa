//! The pod's conditions.

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{ContainerStatus, Pod, PodCondition, PodStatus},
    apimachinery::pkg::apis::meta::v1::Time,
};

use crate::{
    pod::{self, Kind},
    sync::{Memory, Observed},
};

/// The conditions the node agent writes.
pub(crate) const OWNED: [&str; 4] = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady"];

struct Verdict {
    status: bool,
    reason: &'static str,
    message: String,
}

impl Verdict {
    fn yes() -> Self {
        Self { status: true, reason: "", message: String::new() }
    }

    fn no(reason: &'static str, message: String) -> Self {
        Self { status: false, reason, message }
    }
}

/// Ours, then those of others as they were. `status` has everything else already.
pub(super) fn conditions(
    pod: &Pod,
    seen: &Observed,
    memory: &Memory,
    old: &PodStatus,
    status: &PodStatus,
    now: Timestamp,
) -> Vec<PodCondition> {
    let before = old.conditions.as_deref().unwrap_or_default();
    let phase = status.phase.as_deref().unwrap_or_default();
    let sandbox = seen.sandbox().is_some_and(|s| s.ready && (pod::host_network(pod) || !s.ips.is_empty()));
    let containers_ready = containers_ready(pod, status, phase);
    let ready = if containers_ready.status {
        gates(pod, before)
    } else {
        Verdict::no(containers_ready.reason, containers_ready.message.clone())
    };
    let sandbox = if sandbox { Verdict::yes() } else { Verdict::no("", String::new()) };
    let initialized = initialized(pod, status, phase);
    let verdicts = [sandbox, initialized, ready, containers_ready];
    let mut out: Vec<PodCondition> =
        OWNED.into_iter().zip(verdicts).map(|(kind, verdict)| condition(kind, verdict, pod, before, now)).collect();
    let others = before.iter().filter(|c| !OWNED.contains(&c.type_.as_str()));
    out.extend(others.cloned());
    if let Some(ended) = &memory.ended
        && memory.disrupted
        && !out.iter().any(|c| c.type_ == "DisruptionTarget")
    {
        let verdict = Verdict { status: true, reason: "TerminationByKubelet", message: ended.message.clone() };
        out.push(condition("DisruptionTarget", verdict, pod, before, now));
    }
    out
}

fn condition(kind: &str, v: Verdict, pod: &Pod, before: &[PodCondition], now: Timestamp) -> PodCondition {
    let status = if v.status { "True" } else { "False" };
    let same = before.iter().find(|c| c.type_ == kind && c.status == status);
    PodCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: (!v.reason.is_empty()).then(|| v.reason.to_owned()),
        message: (!v.message.is_empty()).then_some(v.message),
        last_transition_time: Some(
            same.and_then(|c| c.last_transition_time.clone()).unwrap_or_else(|| Time(super::whole(now))),
        ),
        last_probe_time: None,
        observed_generation: pod.metadata.generation,
    }
}

fn find<'a>(statuses: Option<&'a Vec<ContainerStatus>>, name: &str) -> Option<&'a ContainerStatus> {
    statuses?.iter().find(|s| s.name == name)
}

fn listed(names: &[String]) -> String {
    format!("[{}]", names.join(" "))
}

fn containers_ready(pod: &Pod, status: &PodStatus, phase: &str) -> Verdict {
    match phase {
        "Succeeded" => return Verdict::no("PodCompleted", String::new()),
        "Failed" => return Verdict::no("PodFailed", String::new()),
        _ => {}
    }
    let unready: Vec<String> = pod::parts(pod)
        .iter()
        .filter(|p| matches!(p.kind, Kind::Sidecar | Kind::App))
        .filter(|p| {
            let list = if p.kind == Kind::App { &status.container_statuses } else { &status.init_container_statuses };
            !find(list.as_ref(), p.name()).is_some_and(|s| s.ready)
        })
        .map(|p| p.name().to_owned())
        .collect();
    if unready.is_empty() {
        Verdict::yes()
    } else {
        Verdict::no("ContainersNotReady", format!("containers with unready status: {}", listed(&unready)))
    }
}

fn gates(pod: &Pod, before: &[PodCondition]) -> Verdict {
    let messages: Vec<String> = pod::spec(pod)
        .readiness_gates
        .iter()
        .flatten()
        .filter_map(|gate| {
            let kind = &gate.condition_type;
            match before.iter().find(|c| c.type_ == *kind) {
                None => Some(format!("corresponding condition of pod readiness gate {kind:?} does not exist.")),
                Some(c) if c.status != "True" => {
                    Some(format!("the status of pod readiness gate {kind:?} is not \"True\", but {}", c.status))
                }
                Some(_) => None,
            }
        })
        .collect();
    if messages.is_empty() { Verdict::yes() } else { Verdict::no("ReadinessGatesNotReady", messages.join(", ")) }
}

fn initialized(pod: &Pod, status: &PodStatus, phase: &str) -> Verdict {
    if phase == "Succeeded" {
        return Verdict { status: true, reason: "PodCompleted", message: String::new() };
    }
    let apps = status.container_statuses.iter().flatten();
    let begun = apps.into_iter().any(|s| {
        s.started == Some(true)
            || s.state.as_ref().is_some_and(|s| s.running.is_some())
            || super::containers::exit(s).is_some()
    });
    if begun {
        return Verdict::yes();
    }
    let incomplete: Vec<String> = pod::parts(pod)
        .iter()
        .filter(|p| {
            let s = find(status.init_container_statuses.as_ref(), p.name());
            match p.kind {
                Kind::Init => !s.is_some_and(|s| s.ready),
                Kind::Sidecar => s.is_none_or(|s| s.started != Some(true)),
                Kind::App | Kind::Ephemeral => false,
            }
        })
        .map(|p| p.name().to_owned())
        .collect();
    if incomplete.is_empty() {
        Verdict::yes()
    } else {
        Verdict::no("ContainersNotInitialized", format!("containers with incomplete status: {}", listed(&incomplete)))
    }
}
