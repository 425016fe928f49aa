//! What a node may leave behind: nothing. Looked for in the kernel's own lists, not in the node's.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// Where a node's traces can be.
#[derive(Debug)]
pub struct Places<'a> {
    /// The directory all its paths are under.
    pub prefix: &'a Path,
    /// The name of its cgroup.
    pub cgroup: &'a str,
    /// Inode of its network namespace.
    pub netns: u64,
}

/// Things outside the prefix that belong to a running node, noted before it is taken away.
#[derive(Debug, Default)]
pub struct Outside {
    sockets: BTreeSet<PathBuf>,
    namespaces: BTreeSet<u64>,
}

/// Directories of the host that hold a node's, and stay.
const HOST: &[&str] = &["", "etc", "run", "var", "var/lib", "var/log"];

impl Places<'_> {
    /// Process ids of everything that belongs to the node.
    pub fn processes(&self) -> Vec<(i32, String)> {
        let prefix = self.prefix.to_string_lossy();
        let group = format!("/{}/", self.cgroup);
        let ours = std::process::id();
        let mut found = Vec::new();
        for pid in pids().filter(|pid| pid.unsigned_abs() != ours) {
            let proc = PathBuf::from(format!("/proc/{pid}"));
            let command = fs::read(proc.join("cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            let zombie = fs::read_to_string(proc.join("stat")).unwrap_or_default().contains(") Z ");
            let named = command.contains(prefix.as_ref());
            let grouped = fs::read_to_string(proc.join("cgroup")).unwrap_or_default().contains(&group);
            if !zombie && (named || grouped || netns_of(&proc) == Some(self.netns)) {
                found.push((pid, command));
            }
        }
        found
    }

    /// Mounts below the prefix, deepest first.
    pub fn mounts(&self) -> Vec<String> {
        let table = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let mounts =
            table.lines().filter_map(|l| l.split(' ').nth(1)).filter(|m| Path::new(m).starts_with(self.prefix));
        let mut mounts: Vec<String> = mounts.map(str::to_owned).collect();
        mounts.reverse();
        mounts
    }

    /// The node's cgroups, children first.
    pub fn cgroups(&self) -> Vec<PathBuf> {
        let mount = PathBuf::from("/sys/fs/cgroup");
        let mut all = Vec::new();
        for hierarchy in children(&mount).chain([mount.clone()]) {
            collect(&hierarchy.join(self.cgroup), &mut all);
        }
        all
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut all = Vec::new();
        let mut queue = vec![self.prefix.to_owned()];
        while let Some(dir) = queue.pop() {
            for path in fs::read_dir(&dir).into_iter().flatten().flatten().map(|e| e.path()) {
                let below = path.strip_prefix(self.prefix).unwrap_or(&path);
                match HOST.contains(&below.to_string_lossy().as_ref()) {
                    true => queue.push(path),
                    false => all.push(path),
                }
            }
        }
        all
    }

    /// Notes sockets and network namespaces of the running node.
    pub fn outside(&self) -> Outside {
        let mut outside = Outside::default();
        for (pid, _) in self.processes() {
            let proc = PathBuf::from(format!("/proc/{pid}"));
            outside.namespaces.extend(netns_of(&proc).filter(|n| *n != self.netns));
            if netns_of(&proc) == Some(self.netns) && outside.sockets.is_empty() {
                let table = fs::read_to_string(proc.join("net/unix")).unwrap_or_default();
                let paths = table.lines().filter_map(|l| l.split_whitespace().nth(7)).filter(|p| p.starts_with('/'));
                outside.sockets = paths.map(PathBuf::from).collect();
            }
        }
        outside
    }

    /// All that is left, one line each.
    pub fn left(&self, outside: &Outside) -> Vec<String> {
        let mut left: Vec<String> =
            self.processes().into_iter().map(|(pid, c)| format!("process {pid}: {c}")).collect();
        left.extend(self.mounts().into_iter().map(|m| format!("mount {m}")));
        left.extend(self.cgroups().into_iter().map(|c| format!("cgroup {}", c.display())));
        left.extend(self.files().into_iter().map(|f| format!("file {}", f.display())));
        left.extend(outside.sockets.iter().filter(|s| s.exists()).map(|s| format!("socket {}", s.display())));
        for path in ["/run/netns", "/var/run/netns"].iter().flat_map(|dir| children(Path::new(dir))) {
            let inode = fs::metadata(&path).map(|m| m.ino()).unwrap_or_default();
            if outside.namespaces.contains(&inode) {
                left.push(format!("network namespace {}", path.display()));
            }
        }
        left
    }

    /// Takes everything away by force, so that the next case starts clean.
    pub fn sweep(&self) {
        use nix::{
            mount::{MntFlags, umount2},
            sys::signal::{Signal, kill},
            unistd::Pid,
        };
        for _ in 0..50 {
            let processes = self.processes();
            for (pid, _) in &processes {
                let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
            }
            if processes.is_empty() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        for mount in self.mounts() {
            let _ = umount2(Path::new(&mount), MntFlags::MNT_DETACH);
        }
        for dir in self.cgroups() {
            let _ = fs::remove_dir(dir);
        }
        let _ = fs::remove_dir_all(self.prefix);
    }
}

fn pids() -> impl Iterator<Item = i32> {
    children(Path::new("/proc")).filter_map(|p| p.file_name()?.to_str()?.parse().ok())
}

fn netns_of(proc: &Path) -> Option<u64> {
    fs::metadata(proc.join("ns/net")).ok().map(|m| m.ino())
}

fn children(dir: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path())
}

fn collect(dir: &Path, into: &mut Vec<PathBuf>) {
    if !dir.is_dir() {
        return;
    }
    for child in children(dir).filter(|c| c.is_dir()) {
        collect(&child, into);
    }
    into.push(dir.to_owned());
}
