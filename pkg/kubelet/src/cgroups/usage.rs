//! What a cgroup uses, read when somebody asks.

use std::{fs, path::Path};

use super::{Cgroups, Layout, below};

/// CPU time and memory of a cgroup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Nanoseconds of CPU time.
    pub cpu: u64,
    /// Bytes in use.
    pub memory: u64,
    /// Bytes in use that cannot be dropped easily.
    pub working_set: u64,
    /// Bytes of anonymous memory.
    pub rss: u64,
    /// Bytes in swap.
    pub swap: u64,
    /// Page faults.
    pub faults: u64,
    /// Page faults that waited for a disk.
    pub major_faults: u64,
    /// Processes and threads.
    pub processes: u64,
    /// The most memory it may use, if that is bounded.
    pub limit: Option<u64>,
}

/// Version 1 says "no limit" with the largest multiple of a page.
const NO_LIMIT: u64 = 1 << 62;

impl Cgroups {
    /// What a cgroup uses; `None` where there is none of that name.
    pub(crate) fn usage(&self, group: &str) -> Option<Usage> {
        match &self.layout {
            Layout::V1(trees) => {
                let memory = below(trees.get("memory")?, group);
                let used = number(&memory, "memory.usage_in_bytes")?;
                let stat = fs::read_to_string(memory.join("memory.stat")).unwrap_or_default();
                let cpu = trees.get("cpuacct").and_then(|t| number(&below(t, group), "cpuacct.usage"));
                let processes = trees.get("pids").and_then(|t| number(&below(t, group), "pids.current"));
                Some(Usage {
                    cpu: cpu.unwrap_or(0),
                    memory: used,
                    working_set: used.saturating_sub(field(&stat, "total_inactive_file")),
                    rss: field(&stat, "total_rss"),
                    swap: field(&stat, "total_swap"),
                    faults: field(&stat, "total_pgfault"),
                    major_faults: field(&stat, "total_pgmajfault"),
                    processes: processes.unwrap_or(0),
                    limit: number(&memory, "memory.limit_in_bytes").filter(|n| *n < NO_LIMIT),
                })
            }
            Layout::V2(tree) => {
                let dir = below(tree, group);
                let stat = fs::read_to_string(dir.join("memory.stat")).ok()?;
                let cpu = fs::read_to_string(dir.join("cpu.stat")).unwrap_or_default();
                // The root cgroup counts nothing: it is the machine.
                let used = number(&dir, "memory.current").or_else(machine_memory)?;
                Some(Usage {
                    cpu: field(&cpu, "usage_usec").saturating_mul(1000),
                    memory: used,
                    working_set: used.saturating_sub(field(&stat, "inactive_file")),
                    rss: field(&stat, "anon"),
                    swap: number(&dir, "memory.swap.current").unwrap_or(0),
                    faults: field(&stat, "pgfault"),
                    major_faults: field(&stat, "pgmajfault"),
                    processes: number(&dir, "pids.current").unwrap_or(0),
                    limit: number(&dir, "memory.max"),
                })
            }
        }
    }

    /// Some process in a cgroup or below it.
    pub(crate) fn process(&self, group: &str) -> Option<u32> {
        let tree = match &self.layout {
            Layout::V1(trees) => trees.get("memory").or_else(|| trees.get("cpu"))?,
            Layout::V2(tree) => tree,
        };
        first_process(&below(tree, group))
    }
}

fn first_process(dir: &Path) -> Option<u32> {
    let own = fs::read_to_string(dir.join("cgroup.procs")).ok()?;
    if let Some(pid) = own.lines().find_map(|line| line.parse().ok()) {
        return Some(pid);
    }
    let below = fs::read_dir(dir).ok()?.flatten().filter(|e| e.file_type().is_ok_and(|t| t.is_dir()));
    below.map(|e| e.path()).find_map(|dir| first_process(&dir))
}

fn machine_memory() -> Option<u64> {
    let info = fs::read_to_string("/proc/meminfo").ok()?;
    let kib =
        |name: &str| info.lines().find_map(|l| l.strip_prefix(name)?.split_whitespace().next()?.parse::<u64>().ok());
    Some(kib("MemTotal:")?.saturating_sub(kib("MemFree:")?).saturating_mul(1024))
}

fn number(dir: &Path, file: &str) -> Option<u64> {
    fs::read_to_string(dir.join(file)).ok()?.trim().parse().ok()
}

fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|v| v.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn tree(files: &[(&str, &str)]) -> PathBuf {
        let unique = format!("knarr-usage-{}-{}", std::process::id(), files.len());
        let dir = std::env::temp_dir().join(unique);
        for (path, text) in files {
            let path = dir.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        dir
    }

    #[test]
    fn both_versions_tell_the_same() {
        let v1 = tree(&[
            ("memory/p/memory.usage_in_bytes", "8192\n"),
            ("memory/p/memory.stat", "rss 1\ntotal_inactive_file 4096\ntotal_rss 2048\ntotal_pgfault 7\n"),
            ("memory/p/memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory/p/cgroup.procs", ""),
            ("memory/p/c/cgroup.procs", "42\n43\n"),
            ("cpu/p/cpuacct.usage", "5000\n"),
            ("pids/p/pids.current", "3\n"),
        ]);
        let v2 = tree(&[
            ("p/memory.current", "8192\n"),
            ("p/memory.stat", "anon 2048\ninactive_file 4096\npgfault 7\n"),
            ("p/memory.max", "max\n"),
            ("p/pids.current", "3\n"),
            ("p/cpu.stat", "usage_usec 5\nuser_usec 1\n"),
        ]);
        let want = Usage {
            cpu: 5000,
            memory: 8192,
            working_set: 4096,
            rss: 2048,
            faults: 7,
            processes: 3,
            ..Usage::default()
        };
        let trees =
            [("memory", "memory"), ("cpuacct", "cpu"), ("pids", "pids")].map(|(c, d)| (c.to_owned(), v1.join(d)));
        let old = Cgroups::new(Layout::V1(trees.into()), "");
        let new = Cgroups::new(Layout::V2(v2.clone()), "");
        assert_eq!((old.usage("/p"), new.usage("/p")), (Some(want), Some(want)));
        assert_eq!((old.usage("/q"), new.usage("/q")), (None, None));
        assert_eq!((old.process("/p"), old.process("/q")), (Some(42), None));
        fs::remove_dir_all(v1).unwrap();
        fs::remove_dir_all(v2).unwrap();
    }
}
