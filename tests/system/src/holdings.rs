//! What a running node holds for its pods. Looked for in the kernel's own lists and on the disk, not asked of the node.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::Result;

use crate::{command, node::Node, poll::secs};

/// Directories in which each entry is of one pod, sandbox or container.
const PLACES: [&str; 11] = [
    "var/lib/kubelet/pods",
    "var/lib/kubelet/memory",
    "var/log/pods",
    "var/log/containers",
    "var/lib/knarr/agent/containerd/io.containerd.grpc.v1.cri/sandboxes",
    "var/lib/knarr/agent/containerd/io.containerd.grpc.v1.cri/containers",
    "run/knarr/containerd/state/io.containerd.grpc.v1.cri/sandboxes",
    "run/knarr/containerd/state/io.containerd.grpc.v1.cri/containers",
    "run/knarr/containerd/state/io.containerd.grpc.v1.cri/netns",
    "run/knarr/containerd/state/io.containerd.runtime.v2.task/k8s.io",
    "run/knarr/containerd/state/runc/k8s.io",
];

/// Cgroups that pods come and go in.
const CLASSES: [&str; 3] = ["kubepods", "burstable", "besteffort"];

impl Node<'_> {
    /// Shims and containers, mounts, cgroups, network namespaces, links, routes, addresses, rules and elements of nft,
    /// directories: one line each.
    pub fn holdings(&self) -> Result<BTreeSet<String>> {
        let places = self.places()?;
        let mut all = BTreeSet::new();
        // Whatever knarr and its containerd start for a moment is no holding: only what outlives them is.
        let lasting = |command: &str| command.contains("containerd-shim") || !command.contains("knarr");
        let passing = ["runc ", "nft ", "nsenter ", "ip "];
        all.extend(places.processes().into_iter().filter_map(|(pid, command)| {
            let program = command.rsplit_once('/').map_or(command.as_str(), |(_, program)| program);
            (lasting(&command) && !passing.iter().any(|p| program.starts_with(p)))
                .then(|| format!("process {pid}: {command}"))
        }));
        all.extend(places.mounts().into_iter().map(|m| format!("mount {m}")));
        let shared =
            |c: &PathBuf| c.file_name().is_some_and(|n| n == self.name.as_str() || CLASSES.iter().any(|c| n == *c));
        all.extend(places.cgroups().into_iter().filter(|c| !shared(c)).map(|c| format!("cgroup {}", c.display())));
        all.extend(self.netns.census()?);
        let rules = command::ok(self.netns.command("nft").args(["list", "ruleset"]), secs(10))?;
        all.extend(rules.lines().map(|line| format!("nft {}", line.trim())));
        for place in PLACES {
            all.extend(entries(&self.file(place)).map(|path| format!("file {}", path.display())));
        }
        // Beside addresses, named by themselves, there are the lock and the last one given out.
        let addresses = entries(&self.file("var/lib/knarr/agent/network"));
        let address = |p: &PathBuf| p.file_name().is_some_and(|n| n.to_string_lossy().contains('.'));
        all.extend(addresses.filter(address).map(|path| format!("address {}", path.display())));
        Ok(all)
    }
}

fn entries(dir: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path())
}
