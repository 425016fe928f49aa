//! `/stats/summary` and `/metrics/resource`: what containers, pods and the node use.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use http::StatusCode;
use jiff::Timestamp;
use knarr_cri::v1;
use serde_json::{Value, json};

use super::Refused;
use crate::{
    cgroups::{Cgroups, Usage},
    pod,
    registry::Registry,
    shared::Shared,
    sync::labels,
};

struct Container {
    name: String,
    cpu: u64,
    working_set: u64,
    disk: u64,
    at: i64,
}

struct PodStats {
    namespace: String,
    name: String,
    uid: String,
    started: Option<Timestamp>,
    usage: Option<Usage>,
    containers: Vec<Container>,
}

async fn gather(shared: &Arc<Shared>, registry: &Registry) -> Result<Vec<PodStats>, Refused> {
    let stats = shared.runtime.list_container_stats(None).await;
    let stats = stats.map_err(|e| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, format!("{e}\n")))?;
    let mut by_pod: BTreeMap<String, Vec<Container>> = BTreeMap::new();
    for s in stats {
        let Some(attributes) = &s.attributes else { continue };
        let label = |name: &str| attributes.labels.get(name).cloned().unwrap_or_default();
        by_pod.entry(label(labels::POD_UID)).or_default().push(container(label(labels::CONTAINER), &s));
    }
    let pods = registry.pods().into_iter().map(|p| {
        let uid = pod::uid(&p).to_owned();
        let usage = shared.cgroups.as_ref().map(|c: &Cgroups| c.usage(&c.pod(pod::qos(&p), &uid)));
        PodStats {
            namespace: pod::namespace(&p).to_owned(),
            name: pod::name(&p).to_owned(),
            started: p.status.as_ref().and_then(|s| s.start_time.as_ref()).map(|t| t.0),
            usage,
            containers: by_pod.remove(&uid).unwrap_or_default(),
            uid,
        }
    });
    Ok(pods.collect())
}

fn container(name: String, s: &v1::ContainerStats) -> Container {
    let value = |v: &Option<v1::UInt64Value>| v.as_ref().map_or(0, |v| v.value);
    Container {
        name,
        cpu: s.cpu.as_ref().map_or(0, |c| value(&c.usage_core_nano_seconds)),
        working_set: s.memory.as_ref().map_or(0, |m| value(&m.working_set_bytes)),
        disk: s.writable_layer.as_ref().map_or(0, |d| value(&d.used_bytes)),
        at: s.cpu.as_ref().map_or(0, |c| c.timestamp),
    }
}

fn node_usage(shared: &Shared) -> Usage {
    shared.cgroups.as_ref().map(|c| c.usage("/")).unwrap_or_default()
}

pub(super) async fn summary(shared: &Arc<Shared>, registry: &Registry) -> Result<Value, Refused> {
    let now = Timestamp::now().to_string();
    let cpu = |nanos: u64| json!({ "time": now, "usageCoreNanoSeconds": nanos });
    let memory = |bytes: u64| json!({ "time": now, "workingSetBytes": bytes });
    let pods: Vec<Value> = gather(shared, registry)
        .await?
        .into_iter()
        .map(|p| {
            let containers: Vec<Value> = p
                .containers
                .iter()
                .map(|c| {
                    json!({
                        "name": c.name, "startTime": p.started.map(|t| t.to_string()),
                        "cpu": cpu(c.cpu), "memory": memory(c.working_set),
                        "rootfs": { "time": now, "usedBytes": c.disk },
                    })
                })
                .collect();
            let whole = p.usage.unwrap_or_default();
            json!({
                "podRef": { "name": p.name, "namespace": p.namespace, "uid": p.uid },
                "startTime": p.started.map(|t| t.to_string()),
                "containers": containers, "cpu": cpu(whole.cpu), "memory": memory(whole.working_set),
            })
        })
        .collect();
    let node = node_usage(shared);
    Ok(json!({
        "node": { "nodeName": shared.config.node, "cpu": cpu(node.cpu), "memory": memory(node.working_set) },
        "pods": pods,
    }))
}

pub(super) async fn metrics(shared: &Arc<Shared>, registry: &Registry) -> Result<String, Refused> {
    let pods = gather(shared, registry).await?;
    let node = node_usage(shared);
    let now = Timestamp::now().as_millisecond();
    let seconds = |nanos: u64| nanos as f64 / 1e9;
    let mut out = String::new();
    let head = |out: &mut String, name: &str, kind: &str, help: &str| {
        let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    };
    head(
        &mut out,
        "node_cpu_usage_seconds_total",
        "counter",
        "Cumulative cpu time consumed by the node in core-seconds",
    );
    let _ = writeln!(out, "node_cpu_usage_seconds_total {} {now}", seconds(node.cpu));
    head(&mut out, "node_memory_working_set_bytes", "gauge", "Current working set of the node in bytes");
    let _ = writeln!(out, "node_memory_working_set_bytes {} {now}", node.working_set);
    let named = |p: &PodStats| format!("namespace=\"{}\",pod=\"{}\"", p.namespace, p.name);
    let of_containers = |out: &mut String, name: &str, read: &dyn Fn(&Container) -> f64| {
        for p in &pods {
            for c in &p.containers {
                let at = if c.at > 0 { c.at / 1_000_000 } else { now };
                let _ = writeln!(out, "{name}{{container=\"{}\",{}}} {} {at}", c.name, named(p), read(c));
            }
        }
    };
    head(
        &mut out,
        "container_cpu_usage_seconds_total",
        "counter",
        "Cumulative cpu time consumed by the container in core-seconds",
    );
    of_containers(&mut out, "container_cpu_usage_seconds_total", &|c| seconds(c.cpu));
    head(&mut out, "container_memory_working_set_bytes", "gauge", "Current working set of the container in bytes");
    of_containers(&mut out, "container_memory_working_set_bytes", &|c| c.working_set as f64);
    let of_pods = |out: &mut String, name: &str, read: &dyn Fn(&Usage) -> f64| {
        for p in &pods {
            if let Some(usage) = &p.usage {
                let _ = writeln!(out, "{name}{{{}}} {} {now}", named(p), read(usage));
            }
        }
    };
    head(&mut out, "pod_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed by the pod in core-seconds");
    of_pods(&mut out, "pod_cpu_usage_seconds_total", &|u| seconds(u.cpu));
    head(&mut out, "pod_memory_working_set_bytes", "gauge", "Current working set of the pod in bytes");
    of_pods(&mut out, "pod_memory_working_set_bytes", &|u| u.working_set as f64);
    head(
        &mut out,
        "resource_scrape_error",
        "gauge",
        "1 if there was an error while getting container metrics, 0 otherwise",
    );
    out.push_str("resource_scrape_error 0\n");
    Ok(out)
}
