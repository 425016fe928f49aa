//! The Node's status. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{
        ContainerImage, DaemonEndpoint, NodeAddress, NodeCondition, NodeDaemonEndpoints, NodeStatus, NodeSystemInfo,
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::Time},
};
use knarr_api::{Map, Value, value};
use knarr_cri::v1;

use super::machine::{Host, machine, runtime_version};
use crate::{
    config::Config,
    pressure::{Condition, Conditions},
};

const MAX_IMAGES: usize = 50;

/// The labels of this node.
pub(super) fn labels(config: &Config) -> BTreeMap<String, String> {
    let mut out = BTreeMap::from(
        [
            ("kubernetes.io/os", "linux"),
            ("kubernetes.io/arch", Host::arch()),
            ("kubernetes.io/hostname", config.hostname.as_str()),
            ("beta.kubernetes.io/os", "linux"),
            ("beta.kubernetes.io/arch", Host::arch()),
            ("node.kubernetes.io/instance-type", "knarr"),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned())),
    );
    out.extend(config.labels.clone());
    out
}

/// The Node as it is made.
pub(super) fn registration(config: &Config) -> Value {
    let labels: Map = labels(config).into_iter().map(|(k, v)| (k, Value::from(v))).collect();
    let mut body = value!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": config.node.as_str(),
            "annotations": { "volumes.kubernetes.io/controller-managed-attach-detach": "true" },
        },
        "spec": {},
    });
    body.set(&["metadata", "labels"], labels);
    if !config.provider_id.is_empty() {
        body.set(&["spec", "providerID"], config.provider_id.as_str());
    }
    if !config.taints.is_empty() {
        let taint = |t: &crate::config::Taint| {
            let mut v = value!({ "key": t.key.as_str(), "effect": t.effect.as_str() });
            if !t.value.is_empty() {
                v.set(&["value"], t.value.as_str());
            }
            v
        };
        body.set(&["spec", "taints"], Value::Array(config.taints.iter().map(taint).collect()));
    }
    body
}

#[allow(clippy::too_many_arguments, reason = "each is another source of what a Node tells")]
/// The status. `health` is what the runtime said of itself, or why it said nothing.
pub(super) fn status(
    config: &Config,
    host: &Host,
    short_of: &Conditions,
    health: &Result<v1::StatusResponse, String>,
    version: Option<&v1::VersionResponse>,
    images: &[v1::Image],
    old: &NodeStatus,
    now: Timestamp,
) -> NodeStatus {
    let (capacity, allocatable) = resources(config, host);
    NodeStatus {
        addresses: Some(addresses(config)),
        capacity: Some(capacity),
        allocatable: Some(allocatable),
        conditions: Some(conditions(short_of, health, old, now)),
        daemon_endpoints: Some(NodeDaemonEndpoints {
            kubelet_endpoint: Some(DaemonEndpoint { port: i32::from(config.port) }),
        }),
        images: Some(image_list(images)),
        node_info: Some(NodeSystemInfo {
            architecture: Host::arch().to_owned(),
            boot_id: host.boot_id.clone(),
            container_runtime_version: runtime_version(version),
            kernel_version: host.kernel.clone(),
            kube_proxy_version: String::new(),
            kubelet_version: config.version.clone(),
            machine_id: host.machine_id.clone(),
            operating_system: "linux".to_owned(),
            os_image: host.os_image.clone(),
            system_uuid: host.system_uuid.clone(),
            ..NodeSystemInfo::default()
        }),
        ..old.clone()
    }
}

fn addresses(config: &Config) -> Vec<NodeAddress> {
    let address = |kind: &str, address: String| NodeAddress { type_: kind.to_owned(), address };
    let internal = config.node_ips.iter().map(|ip| address("InternalIP", ip.to_string()));
    let external = config.external_ips.iter().map(|ip| address("ExternalIP", ip.to_string()));
    internal.chain(external).chain([address("Hostname", config.hostname.clone())]).collect()
}

type Amounts = BTreeMap<String, Quantity>;

fn resources(config: &Config, host: &Host) -> (Amounts, Amounts) {
    let m = machine(config, host, false);
    let kib = |bytes: i64| Quantity(format!("{}Ki", bytes / 1024));
    let milli = |n: i64| Quantity(if n % 1000 == 0 { (n / 1000).to_string() } else { format!("{n}m") });
    let mut capacity = Amounts::from([
        ("cpu".to_owned(), milli(host.cpus * 1000)),
        ("memory".to_owned(), kib(host.memory)),
        ("ephemeral-storage".to_owned(), kib(host.disk)),
        ("pods".to_owned(), Quantity(config.max_pods.to_string())),
    ]);
    let mut allocatable = Amounts::from([
        ("cpu".to_owned(), milli(m.milli_cpu)),
        ("memory".to_owned(), kib(m.allocatable_memory)),
        ("ephemeral-storage".to_owned(), Quantity(m.storage.to_string())),
        ("pods".to_owned(), Quantity(config.max_pods.to_string())),
    ]);
    for (name, bytes) in &host.huge_pages {
        let amount = Quantity(if *bytes == 0 { "0".to_owned() } else { format!("{}Ki", bytes / 1024) });
        capacity.insert(name.clone(), amount.clone());
        allocatable.insert(name.clone(), amount);
    }
    (capacity, allocatable)
}

fn conditions(
    short_of: &Conditions,
    health: &Result<v1::StatusResponse, String>,
    old: &NodeStatus,
    now: Timestamp,
) -> Vec<NodeCondition> {
    let now = Time(Timestamp::from_second(now.as_second()).unwrap_or(now));
    let condition = |kind: &str, on: bool, reason: &str, message: String| {
        let status = if on { "True" } else { "False" };
        let before = old.conditions.iter().flatten().find(|c| c.type_ == kind && c.status == status);
        NodeCondition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message),
            last_heartbeat_time: Some(now.clone()),
            last_transition_time: before.and_then(|c| c.last_transition_time.clone()).or_else(|| Some(now.clone())),
        }
    };
    let pressure = |kind: &str, on: bool, yes: (&str, &str), no: (&str, &str)| {
        let (reason, message) = if on { yes } else { no };
        condition(kind, on, reason, message.to_owned())
    };
    let (ready, message) = readiness(health);
    vec![
        pressure(
            Condition::Memory.word(),
            short_of.contains(&Condition::Memory),
            ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
            ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ),
        pressure(
            Condition::Disk.word(),
            short_of.contains(&Condition::Disk),
            ("KubeletHasDiskPressure", "kubelet has disk pressure"),
            ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ),
        pressure(
            Condition::Pid.word(),
            short_of.contains(&Condition::Pid),
            ("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
            ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ),
        condition("Ready", ready, if ready { "KubeletReady" } else { "KubeletNotReady" }, message),
    ]
}

fn readiness(health: &Result<v1::StatusResponse, String>) -> (bool, String) {
    let status = match health {
        Ok(status) => status,
        Err(e) => return (false, format!("container runtime is down: {e}")),
    };
    let conditions = status.status.as_ref().map(|s| s.conditions.as_slice()).unwrap_or_default();
    for (kind, what) in
        [("RuntimeReady", "container runtime not ready"), ("NetworkReady", "container runtime network not ready")]
    {
        match conditions.iter().find(|c| c.r#type == kind) {
            Some(c) if c.status => {}
            Some(c) => return (false, format!("{what}: {kind}=false reason:{} message:{}", c.reason, c.message)),
            None => return (false, format!("{what}: {kind} is not told")),
        }
    }
    (true, "kubelet is posting ready status".to_owned())
}

fn image_list(images: &[v1::Image]) -> Vec<ContainerImage> {
    let mut sorted: Vec<&v1::Image> = images.iter().collect();
    sorted.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.id.cmp(&b.id)));
    sorted
        .into_iter()
        .take(MAX_IMAGES)
        .map(|image| ContainerImage {
            names: Some(image.repo_digests.iter().chain(&image.repo_tags).take(5).cloned().collect()),
            size_bytes: i64::try_from(image.size).ok(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(network: bool) -> Result<v1::StatusResponse, String> {
        let condition = |kind: &str, status| v1::RuntimeCondition {
            r#type: kind.into(),
            status,
            reason: "NetworkPluginNotReady".into(),
            message: "no cni".into(),
        };
        let conditions = vec![condition("RuntimeReady", true), condition("NetworkReady", network)];
        Ok(v1::StatusResponse { status: Some(v1::RuntimeStatus { conditions }), ..Default::default() })
    }

    #[test]
    fn a_node_is_ready_when_runtime_and_network_are() {
        let table = [
            (health(true), true, "kubelet is posting ready status"),
            (
                health(false),
                false,
                "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:no cni",
            ),
            (Err("gone".to_owned()), false, "container runtime is down: gone"),
        ];
        for (health, ready, message) in table {
            assert_eq!(readiness(&health), (ready, message.to_owned()));
        }
    }

    #[test]
    fn transition_times_stay_while_nothing_changes() {
        let config = Config::new("n", [10, 0, 0, 1].into());
        let host = Host { cpus: 2, memory: 1 << 30, memory_available: 1 << 29, max_threads: 100, ..Host::default() };
        let at = |s| Timestamp::from_second(s).unwrap();
        let first =
            status(&config, &host, &[Condition::Pid].into(), &health(true), None, &[], &NodeStatus::default(), at(10));
        let second = status(&config, &host, &[Condition::Pid].into(), &health(false), None, &[], &first, at(20));
        let time = |s: &NodeStatus, kind: &str| {
            let c = s.conditions.iter().flatten().find(|c| c.type_ == kind).unwrap();
            c.last_transition_time.as_ref().unwrap().0.as_second()
        };
        assert_eq!((time(&first, "Ready"), time(&second, "Ready"), time(&second, "PIDPressure")), (10, 20, 10));
        let amounts = second.allocatable.unwrap();
        assert_eq!((amounts["cpu"].0.as_str(), amounts["memory"].0.as_str()), ("2", "946176Ki"));
    }
}
