//! Reading the host.

use std::{collections::BTreeMap, fs};

use knarr_cri::v1;

use crate::{config::Config, pressure::Signal, quantity, translate::Machine};

/// What the host is and has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) cpus: i64,
    pub(crate) memory: i64,
    pub(crate) memory_available: i64,
    pub(crate) disk: i64,
    pub(crate) disk_available: i64,
    pub(crate) threads: i64,
    pub(crate) max_threads: i64,
    pub(crate) huge_pages: BTreeMap<String, i64>,
    pub(crate) kernel: String,
    pub(crate) os_image: String,
    pub(crate) machine_id: String,
    pub(crate) boot_id: String,
    pub(crate) system_uuid: String,
    pub(crate) swap: i64,
}

impl Host {
    /// Reads `/proc`, `/sys` and `/etc`; cheap, no process is run.
    pub(crate) fn read(config: &Config) -> Self {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let info = text("/proc/meminfo");
        let kib = |name: &str| -> i64 {
            let line = info.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
            let number = line.and_then(|l| l.split_whitespace().next()?.parse::<i64>().ok());
            number.unwrap_or(0).saturating_mul(1024)
        };
        let online = text("/sys/devices/system/cpu/online");
        let (disk, disk_available) = disk(config);
        let threads = text("/proc/loadavg").split(['/', ' ']).nth(4).and_then(|n| n.parse().ok()).unwrap_or(0);
        let limit = |path: &str| text(path).parse::<i64>().unwrap_or(i64::MAX);
        let release = text("/etc/os-release");
        let pretty = release.lines().find_map(|l| l.strip_prefix("PRETTY_NAME="));
        let uuid = text("/sys/class/dmi/id/product_uuid");
        let machine_id = text("/etc/machine-id");
        Self {
            cpus: cpu_list(&online).max(1),
            memory: kib("MemTotal"),
            memory_available: kib("MemAvailable"),
            swap: kib("SwapTotal"),
            disk,
            disk_available,
            threads,
            max_threads: limit("/proc/sys/kernel/pid_max").min(limit("/proc/sys/kernel/threads-max")),
            huge_pages: huge_pages(),
            kernel: text("/proc/sys/kernel/osrelease"),
            os_image: pretty.unwrap_or("Linux").trim_matches('"').to_owned(),
            boot_id: text("/proc/sys/kernel/random/boot_id"),
            system_uuid: if uuid.is_empty() { machine_id.clone() } else { uuid },
            machine_id,
        }
    }

    /// `amd64`, `arm64`, …: Go's names.
    pub(crate) fn arch() -> &'static str {
        match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            "powerpc64" => "ppc64le",
            other => other,
        }
    }
}

/// What pods can have of the machine.
pub(crate) fn machine(config: &Config, host: &Host, cgroup_v2: bool) -> Machine {
    let kept = |name: &str, read: fn(&_) -> i64| -> i64 {
        let q = config.reserved.get(name).map(|t| k8s_openapi::apimachinery::pkg::api::resource::Quantity(t.clone()));
        q.as_ref().map_or(0, read)
    };
    // What lies below the lines where pressure begins is nobody's.
    let below = |signal, whole: i64| {
        let capacity = u64::try_from(whole).unwrap_or(0);
        i64::try_from(config.thresholds.kept(signal, capacity)).unwrap_or(i64::MAX)
    };
    let memory = host.memory - kept("memory", quantity::value) - below(Signal::Memory, host.memory);
    Machine {
        milli_cpu: host.cpus * 1000 - kept("cpu", quantity::milli),
        memory: host.memory,
        allocatable_memory: memory.max(0),
        storage: (host.disk - below(Signal::NodeDisk, host.disk) - kept("ephemeral-storage", quantity::value)).max(0),
        cgroup_v2,
    }
}

/// `0-3,5` has five.
fn cpu_list(text: &str) -> i64 {
    text.split(',')
        .filter_map(|range| {
            let (from, to) = range.split_once('-').unwrap_or((range, range));
            Some(to.trim().parse::<i64>().ok()? - from.trim().parse::<i64>().ok()? + 1)
        })
        .sum()
}

fn disk(config: &Config) -> (i64, i64) {
    let at = config.root.ancestors().find(|p| p.exists());
    let Some(Ok(stat)) = at.map(nix::sys::statvfs::statvfs) else { return (0, 0) };
    let bytes = |blocks: u64| i64::try_from(blocks.saturating_mul(stat.fragment_size())).unwrap_or(i64::MAX);
    (bytes(stat.blocks()), bytes(stat.blocks_available()))
}

fn huge_pages() -> BTreeMap<String, i64> {
    let mut out = BTreeMap::new();
    for entry in fs::read_dir("/sys/kernel/mm/hugepages").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let size = name.to_str().and_then(|n| n.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse::<i64>().ok());
        let count =
            fs::read_to_string(entry.path().join("nr_hugepages")).ok().and_then(|t| t.trim().parse::<i64>().ok());
        if let (Some(kib), Some(count)) = (size, count) {
            let name = match kib {
                k if k % (1 << 20) == 0 => format!("hugepages-{}Gi", k >> 20),
                k if k % 1024 == 0 => format!("hugepages-{}Mi", k >> 10),
                k => format!("hugepages-{k}Ki"),
            };
            out.insert(name, kib * 1024 * count);
        }
    }
    out
}

/// The runtime's version as a Node tells it.
pub(super) fn runtime_version(version: Option<&v1::VersionResponse>) -> String {
    version.map_or_else(
        || "containerd://Unknown".to_owned(),
        |v| format!("{}://{}", v.runtime_name, v.runtime_version.trim_start_matches('v')),
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn cpu_lists_are_counted() {
        assert_eq!(["0-3,5", "0", "0-1", ""].map(super::cpu_list), [5, 1, 2, 0]);
    }
}
