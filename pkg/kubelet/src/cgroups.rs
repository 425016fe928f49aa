//! The cgroups pods live under: `/kubepods/pod<uid>`, `/kubepods/burstable/pod<uid>`, `/kubepods/besteffort/pod<uid>`.
//!
//! We make and limit the pod's cgroup, the runtime the containers' below it, and we remove what is left when the pod has
//! ended. Works on the unified hierarchy and on the old one (one tree a controller), told apart by what is mounted.
//! Paths that the runtime wants are relative to the hierarchy's root, in cgroupfs notation.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use knarr_cri::v1::LinuxContainerResources;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::pod::Qos;

mod usage;

pub(crate) use usage::Usage;

/// Which hierarchies there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// One tree for all controllers.
    V2(PathBuf),
    /// A tree for each controller: mount point by controller name.
    V1(BTreeMap<String, PathBuf>),
}

impl Layout {
    /// From `/proc/self/mountinfo`: version 1 where cpu or memory is one of its hierarchies, below `mount`.
    pub(crate) fn detect(mountinfo: &str, mount: &Path) -> Self {
        let mut controllers = BTreeMap::new();
        for line in mountinfo.lines() {
            let Some((left, right)) = line.split_once(" - ") else { continue };
            let point = left.split(' ').nth(4).unwrap_or_default();
            let mut right = right.split(' ');
            let (kind, options) = (right.next().unwrap_or_default(), right.nth(1).unwrap_or_default());
            if !Path::new(point).starts_with(mount) {
                continue;
            }
            // Limits nothing here, but the runtime makes its cgroups in it too, and they must go.
            if kind == "cgroup2" {
                controllers.insert("unified".to_owned(), PathBuf::from(point));
            }
            if kind != "cgroup" {
                continue;
            }
            for name in options.split(',').filter(|o| !matches!(*o, "rw" | "ro" | "xattr")) {
                controllers.entry(name.to_owned()).or_insert_with(|| PathBuf::from(point));
            }
        }
        if controllers.contains_key("cpu") || controllers.contains_key("memory") {
            Self::V1(controllers)
        } else {
            Self::V2(mount.to_owned())
        }
    }
}

/// The cgroups of this node's pods.
#[derive(Clone, Debug)]
pub(crate) struct Cgroups {
    layout: Layout,
    root: String,
}

impl Cgroups {
    /// Under `root` (empty: the root of the hierarchy).
    pub(crate) fn new(layout: Layout, root: &str) -> Self {
        let root = root.trim_matches('/');
        Self { layout, root: if root.is_empty() { String::new() } else { format!("/{root}") } }
    }

    /// Whether it is the unified hierarchy.
    pub(crate) fn is_v2(&self) -> bool {
        matches!(self.layout, Layout::V2(_))
    }

    /// The cgroup of all pods.
    pub(crate) fn pods(&self) -> String {
        format!("{}/kubepods", self.root)
    }

    /// The cgroup of one pod, as the runtime wants it.
    pub(crate) fn pod(&self, qos: Qos, uid: &str) -> String {
        let class = match qos {
            Qos::Guaranteed => "",
            Qos::Burstable => "/burstable",
            Qos::BestEffort => "/besteffort",
        };
        format!("{}{class}/pod{uid}", self.pods())
    }

    /// Makes the pod's cgroup and sets its limits. Blocks.
    ///
    /// # Errors
    /// The kernel refused; the path is in the error.
    pub(crate) fn ensure(&self, qos: Qos, uid: &str, limits: &LinuxContainerResources) -> io::Result<()> {
        let group = self.pod(qos, uid);
        match &self.layout {
            Layout::V1(trees) => {
                let mut made: Vec<PathBuf> = Vec::new();
                for name in ["cpu", "memory", "pids"] {
                    let Some(tree) = trees.get(name) else { continue };
                    let dir = below(tree, &group);
                    if !made.contains(&dir) {
                        named(&dir, fs::create_dir_all(&dir))?;
                        made.push(dir.clone());
                    }
                    for (file, value) in v1_files(name, limits) {
                        set(&dir, file, &value)?;
                    }
                }
                if let (Qos::BestEffort, Some(tree), Some(parent)) = (qos, trees.get("cpu"), Path::new(&group).parent())
                {
                    set(&below(tree, &parent.to_string_lossy()), "cpu.shares", "2")?;
                }
            }
            Layout::V2(tree) => {
                let dir = below(tree, &group);
                named(&dir, fs::create_dir_all(&dir))?;
                delegate(tree, &group)?;
                for (file, value) in v2_files(limits) {
                    set(&dir, file, &value)?;
                }
            }
        }
        Ok(())
    }

    /// Removes the pod's cgroup, in whichever class. Blocks. Call it when the pod's containers are gone: processes that
    /// outlived them (a runtime killed in the middle of an exec leaves such) are killed.
    ///
    /// # Errors
    /// Something is still inside.
    pub(crate) fn remove(&self, uid: &str) -> io::Result<()> {
        let mut result = Ok(());
        for tree in self.trees() {
            for qos in [Qos::Guaranteed, Qos::Burstable, Qos::BestEffort] {
                let dir = below(tree, &self.pod(qos, uid));
                if let Err(e) = remove_tree(&dir) {
                    result = Err(e);
                }
            }
        }
        result
    }

    /// UIDs of pods that have a cgroup here, in whichever tree.
    pub(crate) fn known(&self) -> BTreeSet<String> {
        let mut out = BTreeSet::new();
        for tree in self.trees() {
            for class in ["", "/burstable", "/besteffort"] {
                let dir = below(tree, &format!("{}{class}", self.pods()));
                let names = fs::read_dir(dir).into_iter().flatten().flatten();
                out.extend(names.filter_map(|e| Some(e.file_name().to_str()?.strip_prefix("pod")?.to_owned())));
            }
        }
        out
    }

    fn trees(&self) -> Vec<&PathBuf> {
        match &self.layout {
            Layout::V1(trees) => trees.values().collect(),
            Layout::V2(tree) => vec![tree],
        }
    }
}

fn below(tree: &Path, group: &str) -> PathBuf {
    tree.join(group.trim_start_matches('/'))
}

fn named<T>(path: &Path, result: io::Result<T>) -> io::Result<T> {
    result.map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))
}

fn set(dir: &Path, file: &str, value: &str) -> io::Result<()> {
    let path = dir.join(file);
    named(&path, fs::write(&path, value))
}

fn v1_files(controller: &str, r: &LinuxContainerResources) -> Vec<(&'static str, String)> {
    match controller {
        "cpu" => {
            let mut out = vec![("cpu.shares", r.cpu_shares.to_string())];
            if r.cpu_quota > 0 {
                out.push(("cpu.cfs_period_us", r.cpu_period.to_string()));
                out.push(("cpu.cfs_quota_us", r.cpu_quota.to_string()));
            }
            out
        }
        "memory" if r.memory_limit_in_bytes > 0 => {
            vec![("memory.limit_in_bytes", r.memory_limit_in_bytes.to_string())]
        }
        _ => Vec::new(),
    }
}

fn v2_files(r: &LinuxContainerResources) -> Vec<(&'static str, String)> {
    let weight = 1 + (r.cpu_shares.max(2) - 2) * 9999 / 262_142;
    let mut out = vec![("cpu.weight", weight.to_string())];
    if r.cpu_quota > 0 {
        out.push(("cpu.max", format!("{} {}", r.cpu_quota, r.cpu_period)));
    }
    if r.memory_limit_in_bytes > 0 {
        out.push(("memory.max", r.memory_limit_in_bytes.to_string()));
    }
    out
}

/// Makes the controllers available in every cgroup on the way down to `group`.
fn delegate(tree: &Path, group: &str) -> io::Result<()> {
    let mut dir = tree.to_owned();
    for part in group.trim_matches('/').split('/') {
        let available = fs::read_to_string(dir.join("cgroup.controllers")).unwrap_or_default();
        let wanted = ["cpu", "cpuset", "io", "memory", "pids", "hugetlb"];
        let on: Vec<String> =
            available.split_whitespace().filter(|c| wanted.contains(c)).map(|c| format!("+{c}")).collect();
        if !on.is_empty() {
            set(&dir, "cgroup.subtree_control", &on.join(" "))?;
        }
        dir.push(part);
    }
    Ok(())
}

/// How often processes in a cgroup are killed before it is given up for now.
const KILLS: u32 = 10;

fn remove_tree(dir: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return named(dir, Err(e)),
    };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            remove_tree(&entry.path())?;
        }
    }
    for _ in 0..KILLS {
        match fs::remove_dir(dir) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::ResourceBusy => kill_all(dir),
            other => return named(dir, other),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    named(dir, fs::remove_dir(dir))
}

/// Kills every process in a cgroup.
fn kill_all(dir: &Path) {
    let processes = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    for pid in processes.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid > 1) {
        tracing::warn!(pid, cgroup = %dir.display(), "a process outlived its containers");
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_what_is_mounted() {
        let hybrid = "30 24 0:26 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw\n\
                      31 24 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                      32 24 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      33 24 0:29 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n";
        let Layout::V1(trees) = Layout::detect(hybrid, Path::new("/sys/fs/cgroup")) else { panic!("v1") };
        assert_eq!(trees.keys().collect::<Vec<_>>(), ["cpu", "cpuacct", "memory", "name=systemd", "unified"]);
        let unified = "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        assert_eq!(Layout::detect(unified, Path::new("/sys/fs/cgroup")), Layout::V2("/sys/fs/cgroup".into()));
    }

    #[test]
    fn paths_follow_the_class() {
        let c = Cgroups::new(Layout::V2("/x".into()), "/test/");
        assert_eq!(c.pod(Qos::Guaranteed, "u"), "/test/kubepods/podu");
        assert_eq!(c.pod(Qos::BestEffort, "u"), "/test/kubepods/besteffort/podu");
    }

    #[test]
    fn limits_are_written_in_each_notation() {
        let r = LinuxContainerResources {
            cpu_period: 100_000,
            cpu_quota: 50_000,
            cpu_shares: 512,
            memory_limit_in_bytes: 64,
            ..Default::default()
        };
        let show = |files: Vec<(&str, String)>| files.iter().map(|(f, v)| format!("{f}={v}")).collect::<Vec<_>>();
        assert_eq!(show(v1_files("cpu", &r)), ["cpu.shares=512", "cpu.cfs_period_us=100000", "cpu.cfs_quota_us=50000"]);
        assert_eq!(show(v1_files("memory", &r)), ["memory.limit_in_bytes=64"]);
        assert_eq!(show(v2_files(&r)), ["cpu.weight=20", "cpu.max=50000 100000", "memory.max=64"]);
    }
}
