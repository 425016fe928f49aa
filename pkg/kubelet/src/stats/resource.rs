//! `/metrics/resource`: CPU and memory of node, pods and containers, under upstream's names. Pure.

use super::{ContainerLook, Exposition, Look, PodLook, seconds};
use crate::{cgroups::Usage, pod};

/// A metric: name, type, help and how it is read.
type Metric = (&'static str, &'static str, &'static str, fn(&Usage) -> f64);

const NODE: [Metric; 3] = [
    ("node_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed by the node in core-seconds", |u| {
        seconds(u.cpu)
    }),
    ("node_memory_working_set_bytes", "gauge", "Current working set of the node in bytes", |u| u.working_set as f64),
    ("node_swap_usage_bytes", "gauge", "Current swap usage of the node in bytes", |u| u.swap as f64),
];

const CONTAINER: [Metric; 3] = [
    (
        "container_cpu_usage_seconds_total",
        "counter",
        "Cumulative cpu time consumed by the container in core-seconds",
        |u| seconds(u.cpu),
    ),
    ("container_memory_working_set_bytes", "gauge", "Current working set of the container in bytes", |u| {
        u.working_set as f64
    }),
    ("container_swap_usage_bytes", "gauge", "Current amount of the container swap usage in bytes", |u| u.swap as f64),
];

const POD: [Metric; 3] = [
    ("pod_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed by the pod in core-seconds", |u| {
        seconds(u.cpu)
    }),
    ("pod_memory_working_set_bytes", "gauge", "Current working set of the pod in bytes", |u| u.working_set as f64),
    ("pod_swap_usage_bytes", "gauge", "Current amount of the pod swap usage in bytes", |u| u.swap as f64),
];

/// The text.
pub(crate) fn resource(look: &Look) -> String {
    let mut out = Exposition::new();
    let at = Some(look.at.as_millisecond());
    for (name, kind, help, read) in NODE {
        out.head(name, kind, help);
        out.line(name, &[], read(&look.node), at);
    }
    let containers = || look.pods.iter().flat_map(|p| p.containers.iter().map(move |c| (p, c)));
    let name = "container_start_time_seconds";
    out.head(name, "gauge", "Start time of the container since unix epoch in seconds");
    for (p, c) in containers() {
        let Some(started) = c.started else { continue };
        out.line(name, &labels(p, c), started.as_nanosecond() as f64 / 1e9, None);
    }
    for (name, kind, help, read) in CONTAINER {
        out.head(name, kind, help);
        for (p, c) in containers() {
            out.line(name, &labels(p, c), read(&c.usage), at);
        }
    }
    for (name, kind, help, read) in POD {
        out.head(name, kind, help);
        for p in &look.pods {
            let labels = [("namespace", pod::namespace(&p.pod)), ("pod", pod::name(&p.pod))];
            out.line(name, &labels, read(&p.usage), at);
        }
    }
    for name in ["resource_scrape_error", "scrape_error"] {
        out.head(name, "gauge", "1 if there was an error while getting container metrics, 0 otherwise");
        out.line(name, &[], 0.0, None);
    }
    out.0
}

fn labels<'a>(p: &'a PodLook, c: &'a ContainerLook) -> [(&'static str, &'a str); 3] {
    [("container", &c.name), ("namespace", pod::namespace(&p.pod)), ("pod", pod::name(&p.pod))]
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::stats::Interface;

    /// One pod with one container.
    pub(in super::super) fn look() -> Look {
        let usage =
            |n: u64| Usage { cpu: n * 1_000_000_000, memory: n << 21, working_set: n << 20, ..Usage::default() };
        let container = ContainerLook {
            name: "app".into(),
            id: "c1".into(),
            image: "img:1".into(),
            started: Timestamp::from_second(1_700_000_000).ok(),
            usage: usage(1),
            group: "/kubepods/podu-1/c1".into(),
        };
        let network = vec![Interface { name: "eth0".into(), rx_bytes: 10, rx_errors: 0, tx_bytes: 20, tx_errors: 0 }];
        let pod = PodLook {
            pod: Arc::new(pod::testutil::pod(json!({}))),
            usage: usage(2),
            group: "/kubepods/podu-1".into(),
            containers: vec![container],
            network,
        };
        Look { at: Timestamp::from_second(1_700_000_060).unwrap(), node: usage(3), booted: None, pods: vec![pod] }
    }

    #[test]
    fn names_are_upstreams() {
        let text = resource(&look());
        let lines: Vec<&str> = text.lines().filter(|l| !l.starts_with('#')).collect();
        let of = "container=\"app\",namespace=\"default\",pod=\"web\"";
        let want = format!(
            "node_cpu_usage_seconds_total 3 1700000060000\n\
             node_memory_working_set_bytes 3145728 1700000060000\n\
             node_swap_usage_bytes 0 1700000060000\n\
             container_start_time_seconds{{{of}}} 1700000000\n\
             container_cpu_usage_seconds_total{{{of}}} 1 1700000060000\n\
             container_memory_working_set_bytes{{{of}}} 1048576 1700000060000\n\
             container_swap_usage_bytes{{{of}}} 0 1700000060000\n\
             pod_cpu_usage_seconds_total{{namespace=\"default\",pod=\"web\"}} 2 1700000060000\n\
             pod_memory_working_set_bytes{{namespace=\"default\",pod=\"web\"}} 2097152 1700000060000\n\
             pod_swap_usage_bytes{{namespace=\"default\",pod=\"web\"}} 0 1700000060000\n\
             resource_scrape_error 0\n\
             scrape_error 0"
        );
        assert_eq!(lines.join("\n"), want);
    }
}
