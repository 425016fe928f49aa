//! `/stats/summary`: everything in one document (`stats/v1alpha1`).

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    ContainerLook, FileSystem, Interface, Look, PodLook, Rates,
    disk::{Size, size_of},
    places::{log_places, volume_places, writable_layers},
};
use crate::{cgroups::Usage, pod, shared::Shared};

/// The document. With `only_cpu_and_memory` disks and networks are not looked at.
pub(crate) async fn summary(shared: &Arc<Shared>, look: &Look, rates: &Rates, only_cpu_and_memory: bool) -> Value {
    rates.prune(look.at);
    let writer = Writer { at: look.at, rates };
    let mut node = json!({
        "nodeName": shared.config.node,
        "startTime": look.booted.map(|t| t.to_string()),
        "cpu": writer.cpu("/", &look.node),
        "memory": writer.memory(&look.node),
        "swap": { "time": writer.time(), "swapUsageBytes": look.node.swap },
    });
    let mut pods: Vec<Value> = look.pods.iter().map(|p| writer.pod(p)).collect();
    if !only_cpu_and_memory {
        let layers = writable_layers(shared).await;
        let (root, logs) = (shared.config.root.clone(), shared.config.pod_logs.clone());
        let images = image_file_system(shared).await;
        let places: Vec<_> = look.pods.iter().map(|p| (log_places(&logs, p), volume_places(&root, p))).collect();
        let (file_system, sizes) = knarr_daemon::blocking(move || {
            let all = |places: &[(String, PathBuf)]| places.iter().map(|(_, path)| size_of(path)).collect();
            let sizes: Vec<Sizes> =
                places.iter().map(|(logs, volumes)| Sizes { logs: all(logs), volumes: all(volumes) }).collect();
            (FileSystem::of(&root), sizes)
        })
        .await;
        let file_system = file_system.unwrap_or_default();
        node["fs"] = writer.file_system(&file_system, file_system.used, file_system.inodes - file_system.inodes_free);
        node["runtime"] = images.map_or(Value::Null, |(fs, used, inodes)| {
            let fs = writer.file_system(&fs, used, inodes);
            json!({ "imageFs": fs, "containerFs": fs })
        });
        node["rlimit"] = processes(&writer.time());
        for ((value, p), sizes) in pods.iter_mut().zip(&look.pods).zip(&sizes) {
            writer.disks(value, p, &file_system, &layers, sizes);
        }
    }
    json!({ "node": node, "pods": pods })
}

/// The file system images lie on, with what they take of it.
async fn image_file_system(shared: &Shared) -> Option<(FileSystem, u64, u64)> {
    let info = shared.runtime.image_fs_info().await.ok()?;
    let found = info.image_filesystems.into_iter().next()?;
    let at = PathBuf::from(found.fs_id?.mountpoint);
    let fs = knarr_daemon::blocking(move || FileSystem::of(&at)).await?;
    Some((fs, found.used_bytes.map_or(0, |v| v.value), found.inodes_used.map_or(0, |v| v.value)))
}

fn processes(time: &str) -> Value {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let most: Option<i64> = read("/proc/sys/kernel/pid_max").trim().parse().ok();
    let now: Option<i64> = read("/proc/loadavg").split(['/', ' ']).nth(4).and_then(|n| n.parse().ok());
    json!({ "time": time, "maxpid": most, "curproc": now })
}

/// What a pod's logs (by container) and volumes take, in the order of its containers and volumes.
struct Sizes {
    logs: Vec<Size>,
    volumes: Vec<Size>,
}

struct Writer<'a> {
    at: Timestamp,
    rates: &'a Rates,
}

impl Writer<'_> {
    fn time(&self) -> String {
        self.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    fn cpu(&self, group: &str, usage: &Usage) -> Value {
        let mut out = json!({ "time": self.time(), "usageCoreNanoSeconds": usage.cpu });
        if let Some(rate) = self.rates.rate(group, usage.cpu, self.at) {
            out["usageNanoCores"] = rate.into();
        }
        out
    }

    fn memory(&self, usage: &Usage) -> Value {
        let mut out = json!({
            "time": self.time(),
            "usageBytes": usage.memory,
            "workingSetBytes": usage.working_set,
            "rssBytes": usage.rss,
            "pageFaults": usage.faults,
            "majorPageFaults": usage.major_faults,
        });
        if let Some(limit) = usage.limit {
            out["availableBytes"] = limit.saturating_sub(usage.working_set).into();
        }
        out
    }

    fn container(&self, c: &ContainerLook) -> Value {
        json!({
            "name": c.name,
            "startTime": c.started.map(|t| t.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            "cpu": self.cpu(&c.group, &c.usage),
            "memory": self.memory(&c.usage),
            "swap": { "time": self.time(), "swapUsageBytes": c.usage.swap },
        })
    }

    fn pod(&self, p: &PodLook) -> Value {
        let started = p.pod.status.as_ref().and_then(|s| s.start_time.as_ref()).map(|t| t.0.to_string());
        let mut out = json!({
            "podRef": { "name": pod::name(&p.pod), "namespace": pod::namespace(&p.pod), "uid": pod::uid(&p.pod) },
            "startTime": started,
            "containers": p.containers.iter().map(|c| self.container(c)).collect::<Vec<_>>(),
            "cpu": self.cpu(&p.group, &p.usage),
            "memory": self.memory(&p.usage),
        });
        if let Some(network) = self.network(&p.network) {
            out["network"] = network;
        }
        out
    }

    /// The first interface in full, as upstream's summary has it, and the list of all.
    fn network(&self, interfaces: &[Interface]) -> Option<Value> {
        let one = |i: &Interface| {
            json!({
                "name": i.name, "rxBytes": i.rx_bytes, "rxErrors": i.rx_errors,
                "txBytes": i.tx_bytes, "txErrors": i.tx_errors,
            })
        };
        let mut out = one(interfaces.first()?);
        out["time"] = self.time().into();
        out["interfaces"] = interfaces.iter().map(one).collect();
        Some(out)
    }

    fn file_system(&self, fs: &FileSystem, used: u64, inodes_used: u64) -> Value {
        json!({
            "time": self.time(),
            "availableBytes": fs.available,
            "capacityBytes": fs.capacity,
            "usedBytes": used,
            "inodesFree": fs.inodes_free,
            "inodes": fs.inodes,
            "inodesUsed": inodes_used,
        })
    }

    /// Adds what a pod takes of the disk.
    fn disks(&self, out: &mut Value, p: &PodLook, fs: &FileSystem, layers: &HashMap<String, Size>, sizes: &Sizes) {
        let mut whole = Size::default();
        for (i, (c, size)) in p.containers.iter().zip(&sizes.logs).enumerate() {
            let layer = layers.get(&c.id).copied().unwrap_or_default();
            out["containers"][i]["rootfs"] = self.file_system(fs, layer.bytes, layer.inodes);
            out["containers"][i]["logs"] = self.file_system(fs, size.bytes, size.inodes);
            whole = whole + layer + *size;
        }
        let names = pod::spec(&p.pod).volumes.iter().flatten().filter(|v| v.empty_dir.is_some());
        let mut listed = Vec::new();
        for (volume, size) in names.zip(&sizes.volumes) {
            let mut value = self.file_system(fs, size.bytes, size.inodes);
            value["name"] = volume.name.clone().into();
            listed.push(value);
            if volume.empty_dir.as_ref().and_then(|e| e.medium.as_deref()) != Some("Memory") {
                whole = whole + *size;
            }
        }
        out["volume"] = listed.into();
        out["ephemeral-storage"] = self.file_system(fs, whole.bytes, whole.inodes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::resource::tests::look;

    #[test]
    fn a_pod_has_its_parts() {
        let (look, rates) = (look(), Rates::default());
        let writer = Writer { at: look.at, rates: &rates };
        let mut pod = writer.pod(&look.pods[0]);
        let layers = HashMap::from([("c1".to_owned(), Size { bytes: 100, inodes: 1 })]);
        let sizes = Sizes { logs: vec![Size { bytes: 50, inodes: 2 }], volumes: Vec::new() };
        writer.disks(&mut pod, &look.pods[0], &FileSystem::default(), &layers, &sizes);
        assert_eq!(pod["podRef"]["name"], "web");
        assert_eq!(pod["containers"][0]["memory"]["workingSetBytes"], 1 << 20);
        assert_eq!(pod["containers"][0]["rootfs"]["usedBytes"], 100);
        assert_eq!(pod["ephemeral-storage"]["usedBytes"], 150);
        assert_eq!(pod["network"]["rxBytes"], 10);
        assert!(pod["cpu"].get("usageNanoCores").is_none());
    }
}
