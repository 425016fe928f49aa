//! Requests and limits as the kernel's numbers.

use std::collections::{BTreeMap, HashMap};

use k8s_openapi::{
    api::core::v1::{Container, Pod, ResourceRequirements},
    apimachinery::pkg::api::resource::Quantity,
};
use knarr_cri::v1;

use crate::{
    pod::{self, Kind, Qos},
    quantity,
};

/// CFS period in microseconds.
const PERIOD: i64 = 100_000;

/// What the node has for pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Machine {
    /// Thousandths of a core.
    pub milli_cpu: i64,
    /// Bytes of memory that the machine has.
    pub memory: i64,
    /// Bytes of memory for pods.
    pub allocatable_memory: i64,
    /// Bytes of local storage for pods.
    pub storage: i64,
    /// The unified cgroup hierarchy.
    pub cgroup_v2: bool,
}

impl Machine {
    /// Thousandths of a resource available to pods.
    pub(crate) fn milli(&self, resource: &str) -> i64 {
        match resource {
            "cpu" => self.milli_cpu,
            "memory" => self.allocatable_memory.saturating_mul(1000),
            "ephemeral-storage" => self.storage.saturating_mul(1000),
            _ => 0,
        }
    }
}

fn shares(milli: i64) -> i64 {
    if milli == 0 { 2 } else { (milli * 1024 / 1000).clamp(2, 262_144) }
}

fn quota(milli: i64) -> i64 {
    if milli == 0 { 0 } else { (milli * PERIOD / 1000).max(1000) }
}

fn amount(list: Option<&BTreeMap<String, Quantity>>, name: &str, read: fn(&Quantity) -> i64) -> Option<i64> {
    list.and_then(|l| l.get(name)).map(read)
}

fn limit(r: Option<&ResourceRequirements>, name: &str, read: fn(&Quantity) -> i64) -> i64 {
    amount(r.and_then(|r| r.limits.as_ref()), name, read).unwrap_or(0)
}

/// A request; where none is given, the limit is also the request.
fn request(r: Option<&ResourceRequirements>, name: &str, read: fn(&Quantity) -> i64) -> i64 {
    amount(r.and_then(|r| r.requests.as_ref()), name, read).unwrap_or_else(|| limit(r, name, read))
}

/// A container's resources.
pub(crate) fn linux_resources(pod: &Pod, container: &Container, machine: &Machine) -> v1::LinuxContainerResources {
    let r = container.resources.as_ref();
    let memory = limit(r, "memory", quantity::value);
    let mut out = v1::LinuxContainerResources {
        cpu_period: PERIOD,
        cpu_quota: quota(limit(r, "cpu", quantity::milli)),
        cpu_shares: shares(request(r, "cpu", quantity::milli)),
        memory_limit_in_bytes: memory,
        oom_score_adj: oom_score(pod, container, machine),
        ..v1::LinuxContainerResources::default()
    };
    if machine.cgroup_v2 {
        out.unified = HashMap::from([("memory.oom.group".to_owned(), "1".to_owned())]);
        out.memory_swap_limit_in_bytes = memory;
    }
    out
}

fn oom_score(pod: &Pod, container: &Container, machine: &Machine) -> i64 {
    if pod::spec(pod).priority.unwrap_or(0) >= 2_000_000_000 {
        return -997;
    }
    match pod::qos(pod) {
        Qos::Guaranteed => -997,
        Qos::BestEffort => 1000,
        Qos::Burstable => {
            let request = request(container.resources.as_ref(), "memory", quantity::value);
            let used = if machine.memory == 0 { 0 } else { 1000 * i128::from(request) / i128::from(machine.memory) };
            (1000 - i64::try_from(used).unwrap_or(1000)).clamp(3, 999)
        }
    }
}

/// The pod's own cgroup: the sum of what runs side by side, at least what any init container needs. Limits only where
/// every container has one.
pub(crate) fn pod_resources(pod: &Pod) -> v1::LinuxContainerResources {
    let sum = |read: &dyn Fn(Option<&ResourceRequirements>) -> i64, all: bool| -> i64 {
        let (mut side, mut peak, mut unlimited) = (0i64, 0i64, false);
        for part in pod::parts(pod) {
            let n = read(part.spec.resources.as_ref());
            unlimited |= n == 0 && part.kind != Kind::Ephemeral;
            match part.kind {
                Kind::Init => peak = peak.max(side + n),
                Kind::Sidecar => {
                    side += n;
                    peak = peak.max(side);
                }
                Kind::App => side += n,
                Kind::Ephemeral => {}
            }
        }
        if all && unlimited { 0 } else { side.max(peak) }
    };
    let whole = pod::spec(pod).resources.as_ref();
    let cpu = match request(whole, "cpu", quantity::milli) {
        0 => sum(&|r| request(r, "cpu", quantity::milli), false),
        n => n,
    };
    let cpu_limit = match limit(whole, "cpu", quantity::milli) {
        0 => sum(&|r| limit(r, "cpu", quantity::milli), true),
        n => n,
    };
    let memory = match limit(whole, "memory", quantity::value) {
        0 => sum(&|r| limit(r, "memory", quantity::value), true),
        n => n,
    };
    v1::LinuxContainerResources {
        cpu_period: PERIOD,
        cpu_quota: quota(cpu_limit),
        cpu_shares: shares(cpu),
        memory_limit_in_bytes: memory,
        ..v1::LinuxContainerResources::default()
    }
}
