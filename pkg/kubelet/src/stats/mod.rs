//! What the node, its pods and their containers use: measured when somebody asks, never in between.
//!
//! CPU and memory come from cgroups, the network from the pod's own counters, disks from the file systems: nobody else
//! has to be asked, save the runtime about the layers its containers write to.

mod cadvisor;
mod disk;
mod network;
mod places;
mod rates;
mod resource;
mod summary;

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

use crate::{
    cgroups::{Cgroups, Usage},
    pod,
    registry::Registry,
    shared::Shared,
    sync::State,
};

pub(crate) use cadvisor::cadvisor;
pub(crate) use disk::{FileSystem, Size, size_of};
pub(crate) use network::Interface;
pub(crate) use places::{log_places, volume_places, writable_layers};
pub(crate) use rates::Rates;
pub(crate) use resource::resource;
pub(crate) use summary::summary;

/// One look at everything that runs here.
pub(crate) struct Look {
    /// When.
    pub(crate) at: Timestamp,
    /// The whole node.
    pub(crate) node: Usage,
    /// When it was started.
    pub(crate) booted: Option<Timestamp>,
    /// Pods that have something running.
    pub(crate) pods: Vec<PodLook>,
}

/// One look at a pod.
pub(crate) struct PodLook {
    /// The pod.
    pub(crate) pod: Arc<Pod>,
    /// All of it.
    pub(crate) usage: Usage,
    /// Its cgroup.
    pub(crate) group: String,
    /// Running containers.
    pub(crate) containers: Vec<ContainerLook>,
    /// Counters of its network interfaces; none on the host's network.
    pub(crate) network: Vec<Interface>,
}

/// One look at a container.
pub(crate) struct ContainerLook {
    /// Name in the spec.
    pub(crate) name: String,
    /// Runtime id.
    pub(crate) id: String,
    /// Image as the runtime names it.
    pub(crate) image: String,
    /// Start.
    pub(crate) started: Option<Timestamp>,
    /// What it uses.
    pub(crate) usage: Usage,
    /// Its cgroup.
    pub(crate) group: String,
}

/// Looks at everything. Reads files of the kernel only.
pub(crate) async fn look(shared: &Arc<Shared>, registry: &Registry) -> Look {
    let Some(cgroups) = shared.cgroups.clone() else {
        return Look { at: Timestamp::now(), node: Usage::default(), booted: None, pods: Vec::new() };
    };
    let handles = registry.all();
    let pods: Vec<_> = handles.iter().map(|h| (h.pod(), h.seen())).collect();
    knarr_daemon::blocking(move || {
        let pods = pods.into_iter().filter_map(|(pod, seen)| {
            let group = cgroups.pod(pod::qos(&pod), pod::uid(&pod));
            let usage = cgroups.usage(&group)?;
            let running = seen.containers.iter().filter(|c| c.state == State::Running);
            let containers: Vec<ContainerLook> = running
                .filter_map(|c| {
                    let group = format!("{group}/{}", c.id);
                    Some(ContainerLook {
                        name: c.name.clone(),
                        id: c.id.clone(),
                        image: c.image.clone(),
                        started: c.started,
                        usage: cgroups.usage(&group)?,
                        group,
                    })
                })
                .collect();
            let network = if pod::host_network(&pod) { Vec::new() } else { interfaces(&cgroups, &group) };
            (!containers.is_empty()).then_some(PodLook { pod, usage, group, containers, network })
        });
        let pods = pods.collect();
        Look { at: Timestamp::now(), node: cgroups.usage("/").unwrap_or_default(), booted: booted(), pods }
    })
    .await
}

fn interfaces(cgroups: &Cgroups, group: &str) -> Vec<Interface> {
    let table = cgroups.process(group).and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/net/dev")).ok());
    table.map(|text| network::parse(&text)).unwrap_or_default()
}

fn booted() -> Option<Timestamp> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    let line = stat.lines().find_map(|l| l.strip_prefix("btime "))?;
    Timestamp::from_second(line.trim().parse().ok()?).ok()
}

/// Text in the format of Prometheus.
struct Exposition(String);

impl Exposition {
    fn new() -> Self {
        Self(String::new())
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.0.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// A line; `at` in milliseconds since 1970 where the value is of a certain moment.
    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: f64, at: Option<i64>) {
        self.0.push_str(name);
        for (i, (label, text)) in labels.iter().enumerate() {
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            self.0.push_str(&format!("{}{label}=\"{text}\"", if i == 0 { '{' } else { ',' }));
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        match at {
            Some(at) => self.0.push_str(&format!(" {value} {at}\n")),
            None => self.0.push_str(&format!(" {value}\n")),
        }
    }
}

/// Nanoseconds as seconds.
fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}
