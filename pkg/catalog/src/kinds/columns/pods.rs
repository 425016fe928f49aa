//! Pods: what their many containers come to in a word.

use std::fmt::Write as _;

use jiff::Timestamp;
use knarr_api::Value;

use super::{age, ages, cell, name, text_or, timed, wide, words};
use crate::{
    Column,
    kinds::tree::{flag, int},
};

pub(super) fn columns() -> Vec<Column> {
    vec![
        name(),
        cell("Ready", |pod| {
            let summary = Summary::of(pod);
            format!("{}/{}", summary.ready, summary.total)
        }),
        cell("Status", |pod| Summary::of(pod).reason),
        timed("Restarts", |pod, now| Summary::of(pod).restarts_cell(now)),
        age(),
        wide(cell("IP", |pod| {
            words::or_none(pod.list_at(&["status", "podIPs"]).first().map_or("", |ip| ip.str_at(&["ip"])))
        })),
        wide(text_or("Node", &["spec", "nodeName"], words::NONE)),
        wide(text_or("Nominated Node", &["status", "nominatedNodeName"], words::NONE)),
        wide(cell("Readiness Gates", readiness_gates)),
    ]
}

fn readiness_gates(pod: &Value) -> String {
    let gates = pod.list_at(&["spec", "readinessGates"]);
    if gates.is_empty() {
        return words::NONE.to_owned();
    }
    let open = gates.iter().filter(|gate| words::holds(pod, gate.str_at(&["conditionType"]))).count();
    format!("{open}/{}", gates.len())
}

/// Restarts and when the last one was.
#[derive(Clone, Copy, Default)]
struct Restarts {
    count: i64,
    last: Option<Timestamp>,
}

impl Restarts {
    fn add(&mut self, status: &Value) {
        self.count += int(status, &["restartCount"]).unwrap_or(0);
        let ended = status.str_at(&["lastState", "terminated", "finishedAt"]).parse().ok();
        self.last = self.last.max(ended);
    }
}

/// What a row says of a pod's containers.
struct Summary {
    ready: usize,
    total: usize,
    reason: String,
    restarts: Restarts,
}

impl Summary {
    fn of(pod: &Value) -> Self {
        let phase = pod.str_at(&["status", "phase"]);
        let reason = match pod.str_at(&["status", "reason"]) {
            "" => phase,
            reason => reason,
        };
        let gated = words::condition(pod, "PodScheduled").is_some_and(|c| c.str_at(&["reason"]) == "SchedulingGated");
        let reason = if gated { "SchedulingGated" } else { reason };
        let sidecars = pod.list_at(&["spec", "initContainers"]).iter().filter(|c| is_sidecar(c)).count();
        let mut summary = Self {
            ready: 0,
            total: pod.list_at(&["spec", "containers"]).len() + sidecars,
            reason: reason.to_owned(),
            restarts: Restarts::default(),
        };
        let of_sidecars = summary.initialise(pod);
        if let Some(restarts) = of_sidecars {
            summary.restarts = restarts;
            summary.run(pod);
        }
        if words::is_deleting(pod) {
            if pod.str_at(&["status", "reason"]) == "NodeLost" {
                summary.reason = "Unknown".to_owned();
            } else if !matches!(phase, "Succeeded" | "Failed") {
                summary.reason = "Terminating".to_owned();
            }
        }
        summary
    }

    /// Goes through the init containers. Once they are done it answers the restarts of those that run on; while
    /// they are not, the reason says how far they are.
    fn initialise(&mut self, pod: &Value) -> Option<Restarts> {
        let specs = pod.list_at(&["spec", "initContainers"]);
        let mut sidecars = Restarts::default();
        let mut initialising = false;
        for (i, status) in pod.list_at(&["status", "initContainerStatuses"]).iter().enumerate() {
            self.restarts.add(status);
            let name = status.str_at(&["name"]);
            let is_sidecar = specs.iter().any(|c| c.str_at(&["name"]) == name && is_sidecar(c));
            if is_sidecar {
                sidecars.add(status);
            }
            let ended = status.at(&["state", "terminated"]);
            if ended.is_some_and(|t| int(t, &["exitCode"]).unwrap_or(0) == 0) {
                continue;
            }
            if is_sidecar && flag(status, &["started"]) {
                self.ready += usize::from(flag(status, &["ready"]));
                continue;
            }
            let waiting = status.str_at(&["state", "waiting", "reason"]);
            self.reason = match ended {
                Some(ended) => format!("Init:{}", exit(ended)),
                None if !matches!(waiting, "" | "PodInitializing") => format!("Init:{waiting}"),
                None => format!("Init:{i}/{}", specs.len()),
            };
            initialising = true;
            break;
        }
        (!initialising || words::holds(pod, "Initialized")).then_some(sidecars)
    }

    fn run(&mut self, pod: &Value) {
        let mut running = false;
        let mut failure = None;
        for status in pod.list_at(&["status", "containerStatuses"]).iter().rev() {
            self.restarts.add(status);
            let waiting = status.str_at(&["state", "waiting", "reason"]);
            if !waiting.is_empty() {
                self.reason = waiting.to_owned();
            } else if let Some(ended) = status.at(&["state", "terminated"]) {
                self.reason = exit(ended);
                if int(ended, &["exitCode"]).unwrap_or(0) != 0 {
                    failure = Some(self.reason.clone());
                }
            } else if flag(status, &["ready"]) && status.at(&["state", "running"]).is_some() {
                running = true;
                self.ready += 1;
            }
        }
        // One container that ended well does not make a pod that still runs "Completed".
        if self.reason == "Completed" {
            if running && words::holds(pod, "Ready") {
                self.reason = "Running".to_owned();
            } else if let Some(failure) = failure {
                self.reason = failure;
            } else if running {
                self.reason = "NotReady".to_owned();
            }
        }
    }

    fn restarts_cell(&self, now: Timestamp) -> String {
        let mut out = self.restarts.count.to_string();
        if let Some(last) = self.restarts.last.filter(|_| self.restarts.count != 0) {
            let _ = write!(out, " ({} ago)", ages::between(last, now));
        }
        out
    }
}

fn is_sidecar(container: &Value) -> bool {
    container.str_at(&["restartPolicy"]) == "Always"
}

/// Why a container ended.
fn exit(terminated: &Value) -> String {
    match (terminated.str_at(&["reason"]), int(terminated, &["signal"]).unwrap_or(0)) {
        ("", 0) => format!("ExitCode:{}", int(terminated, &["exitCode"]).unwrap_or(0)),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}
