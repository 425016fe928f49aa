//! Whether a pod that someone assigned to this node fits. Pure; the scheduler normally sees to it, but not everyone asks
//! the scheduler.

use k8s_openapi::api::core::v1::Pod;

use crate::{
    pod::{self, Kind},
    quantity,
    translate::Machine,
};

/// Why a pod is refused: `status.reason` and message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: String,
    pub(crate) message: String,
}

/// Checks a new pod against those that run.
pub(crate) fn admit(new: &Pod, others: &[&Pod], max_pods: u32, machine: &Machine) -> Result<(), Refusal> {
    let active: Vec<&&Pod> = others.iter().filter(|p| !pod::is_terminal(p) && pod::uid(p) != pod::uid(new)).collect();
    let used = u32::try_from(active.len()).unwrap_or(u32::MAX);
    if used >= max_pods {
        return Err(refusal("pods", 1, i64::from(used), i64::from(max_pods)));
    }
    let checks = [
        ("cpu", machine.milli_cpu, quantity::milli as fn(&_) -> i64),
        ("memory", machine.allocatable_memory, quantity::value),
    ];
    for (name, capacity, read) in checks {
        let asks = request(new, name, read);
        let used: i64 = active.iter().map(|p| request(p, name, read)).sum();
        if asks > 0 && asks.saturating_add(used) > capacity {
            return Err(refusal(name, asks, used, capacity));
        }
    }
    let ports = host_ports(new);
    if active.iter().any(|p| host_ports(p).iter().any(|port| ports.contains(port))) {
        let message =
            "Pod was rejected: Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports";
        return Err(Refusal { reason: "NodePorts".to_owned(), message: message.to_owned() });
    }
    Ok(())
}

fn refusal(name: &str, asked: i64, used: i64, capacity: i64) -> Refusal {
    Refusal {
        reason: format!("OutOf{name}"),
        message: format!(
            "Pod was rejected: Node didn't have enough resource: {name}, requested: {asked}, used: {used}, capacity: {capacity}"
        ),
    }
}

/// What the pod asks for: containers and sidecars together, or the largest init container with the sidecars before it.
pub(crate) fn request(
    p: &Pod,
    name: &str,
    read: fn(&k8s_openapi::apimachinery::pkg::api::resource::Quantity) -> i64,
) -> i64 {
    let (mut side, mut peak) = (0i64, 0i64);
    for part in pod::parts(p) {
        let requests = part.spec.resources.as_ref().and_then(|r| r.requests.as_ref());
        let n = requests.and_then(|r| r.get(name)).map_or(0, read);
        match part.kind {
            Kind::Init => peak = peak.max(side + n),
            Kind::Sidecar | Kind::App => side += n,
            Kind::Ephemeral => {}
        }
    }
    let overhead = pod::spec(p).overhead.as_ref().and_then(|o| o.get(name)).map_or(0, read);
    side.max(peak) + overhead
}

fn host_ports(p: &Pod) -> Vec<(i32, String, String)> {
    let ports = pod::parts(p).into_iter().flat_map(|part| part.spec.ports.clone().unwrap_or_default());
    ports
        .filter_map(|port| {
            let number = port.host_port.filter(|n| *n > 0)?;
            Some((number, port.protocol.unwrap_or_else(|| "TCP".to_owned()), port.host_ip.unwrap_or_default()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pod::testutil::pod;

    #[test]
    fn what_does_not_fit_is_refused() {
        let machine = Machine { milli_cpu: 1000, allocatable_memory: 1 << 30, ..Machine::default() };
        let of = |uid: &str, cpu: &str, port: i32| {
            pod(json!({"metadata": {"uid": uid}, "spec": {"containers": [{
                "name": "app", "resources": {"requests": {"cpu": cpu}}, "ports": [{"containerPort": 1, "hostPort": port}],
            }]}}))
        };
        let (a, b, c) = (of("a", "600m", 80), of("b", "600m", 81), of("c", "0", 80));
        assert_eq!(admit(&a, &[], 2, &machine), Ok(()));
        let refused = admit(&b, &[&a], 2, &machine).unwrap_err();
        assert_eq!(
            (refused.reason.as_str(), refused.message.as_str()),
            (
                "OutOfcpu",
                "Pod was rejected: Node didn't have enough resource: cpu, requested: 600, used: 600, capacity: 1000"
            )
        );
        assert_eq!(admit(&c, &[&a], 2, &machine).unwrap_err().reason, "NodePorts");
        assert_eq!(admit(&c, &[&a], 1, &machine).unwrap_err().reason, "OutOfpods");
    }
}
