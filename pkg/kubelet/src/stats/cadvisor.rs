//! `/metrics/cadvisor`: what dashboards for Kubernetes look for first, under cAdvisor's names. Pure.

use super::{Exposition, Look, seconds};
use crate::{cgroups::Usage, pod};

/// A metric: name, type, help and how it is read.
type Metric = (&'static str, &'static str, &'static str, fn(&Usage) -> f64);

const METRICS: [Metric; 6] = [
    ("container_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed in seconds.", |u| seconds(u.cpu)),
    (
        "container_memory_usage_bytes",
        "gauge",
        "Current memory usage in bytes, including all memory regardless of when it was accessed",
        |u| u.memory as f64,
    ),
    ("container_memory_working_set_bytes", "gauge", "Current working set in bytes.", |u| u.working_set as f64),
    ("container_memory_rss", "gauge", "Size of RSS in bytes.", |u| u.rss as f64),
    ("container_memory_swap", "gauge", "Container swap usage in bytes.", |u| u.swap as f64),
    ("container_spec_memory_limit_bytes", "gauge", "Memory limit for the container.", |u| u.limit.unwrap_or(0) as f64),
];

/// The text.
pub(crate) fn cadvisor(look: &Look) -> String {
    let mut out = Exposition::new();
    let at = Some(look.at.as_millisecond());
    for (name, kind, help, read) in METRICS {
        out.head(name, kind, help);
        out.line(name, &labels(["", "/", "", "", "", ""]), read(&look.node), at);
        for p in &look.pods {
            let (namespace, pod) = (pod::namespace(&p.pod), pod::name(&p.pod));
            out.line(name, &labels(["", &p.group, "", "", namespace, pod]), read(&p.usage), at);
            for c in &p.containers {
                let of = labels([&c.name, &c.group, &c.image, &c.id, namespace, pod]);
                out.line(name, &of, read(&c.usage), at);
            }
        }
    }
    let counters = [
        ("container_network_receive_bytes_total", "Cumulative count of bytes received"),
        ("container_network_transmit_bytes_total", "Cumulative count of bytes transmitted"),
    ];
    for (i, (name, help)) in counters.into_iter().enumerate() {
        out.head(name, "counter", help);
        for p in &look.pods {
            for interface in &p.network {
                let value = if i == 0 { interface.rx_bytes } else { interface.tx_bytes };
                let mut of = labels(["", &p.group, "", "", pod::namespace(&p.pod), pod::name(&p.pod)]).to_vec();
                of.insert(3, ("interface", &interface.name));
                out.line(name, &of, value as f64, at);
            }
        }
    }
    out.0
}

fn labels(values: [&str; 6]) -> [(&'static str, &str); 6] {
    let [container, id, image, name, namespace, pod] = values;
    [("container", container), ("id", id), ("image", image), ("name", name), ("namespace", namespace), ("pod", pod)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::resource::tests::look;

    #[test]
    fn containers_carry_their_labels() {
        let text = cadvisor(&look());
        let of = "container=\"app\",id=\"/kubepods/podu-1/c1\",image=\"img:1\",name=\"c1\",namespace=\"default\",pod=\"web\"";
        assert!(text.contains(&format!("container_cpu_usage_seconds_total{{{of}}} 1 1700000060000\n")), "{text}");
        assert!(text.contains("interface=\"eth0\",name=\"\",namespace=\"default\",pod=\"web\"} 10 "), "{text}");
    }
}
