//! `knarr uninstall`: takes away everything knarr made on this host, and says what is left.
//!
//! The list of what there may be is the list of paths and names of the configuration; nothing else is touched. Every
//! step is tried whatever became of the others.

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use knarr_cri::containerd::{Leave, shutdown};
use knarr_nft::Nft as _;

use crate::{agent, config::Config, exit::Fatal, pid};

/// How long a running server may take to stop.
const STOP: Duration = Duration::from_secs(40);

/// Removes everything.
pub(crate) async fn run(config: &Config) -> Result<(), Fatal> {
    let mut left: Vec<String> = Vec::new();
    if let Err(e) = stop_server(config).await {
        left.push(format!("the running server: {e}"));
    }
    if config.node.runtime_endpoint.is_none() {
        left.extend(shutdown(&agent::containerd_settings(config), Leave::Nothing).await.err().map(|e| e.to_string()));
    }
    let nft = knarr_nft::Command;
    left.extend(nft.apply(&knarr_proxy::teardown(agent::PROXY_TABLE)).await.err().map(|e| e.to_string()));
    if let Some(host) = agent::known_network(config)
        && let Err(errors) = host.tear_down(&nft).await
    {
        left.extend(errors.iter().map(|e| knarr_daemon::chain(e)));
    }
    if let Err(errors) = knarr_network::Overlay::remove().await {
        left.extend(errors.iter().map(|e| knarr_daemon::chain(e)));
    }
    let paths = &config.paths;
    let ours = [&paths.kubelet, &paths.run, &paths.data, &paths.pod_logs, &paths.container_logs, &paths.etc];
    for dir in ours {
        unmount_below(dir, &mut left);
    }
    remove_cgroups(&config.node.cgroup_root, &mut left);
    for dir in ours {
        match std::fs::remove_dir_all(dir) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => left.push(format!("{}: {e}", dir.display())),
            _ => {}
        }
    }
    // The runtime's CNI library keeps results in a place of its own; other runtimes may use it too.
    for dir in ["/var/lib/cni/results", "/var/lib/cni/cache", "/var/lib/cni"] {
        let _ = std::fs::remove_dir(dir);
    }
    // What lay between the prefix and our directories.
    if let Some(prefix) = &paths.prefix {
        remove_empty(prefix);
    }
    if left.is_empty() {
        println!("knarr is gone from this host");
        return Ok(());
    }
    Err(anyhow::anyhow!("not everything could be removed: {}", left.join("; ")).into())
}

/// Removes a directory whose files are all gone, and what is empty below it.
fn remove_empty(dir: &Path) {
    for child in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if child.file_type().is_ok_and(|t| t.is_dir()) {
            remove_empty(&child.path());
        }
    }
    let _ = std::fs::remove_dir(dir);
}

async fn stop_server(config: &Config) -> io::Result<()> {
    let Some(server) = pid::running(&config.paths.run)? else { return Ok(()) };
    server.terminate()?;
    let deadline = Instant::now() + STOP;
    while server.is_alive() {
        if Instant::now() > deadline {
            return server.kill();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Mounts below a directory, deepest first.
fn unmount_below(dir: &Path, left: &mut Vec<String>) {
    let table = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mut mounts: Vec<PathBuf> =
        table.lines().filter_map(|l| l.split(' ').nth(1)).map(|m| PathBuf::from(m.replace("\\040", " "))).collect();
    mounts.retain(|m| m.starts_with(dir) && m != Path::new("/"));
    mounts.sort_by_key(|m| std::cmp::Reverse(m.as_os_str().len()));
    for mount in mounts {
        if let Err(e) = nix::mount::umount2(&mount, nix::mount::MntFlags::MNT_DETACH) {
            left.push(format!("the mount {}: {e}", mount.display()));
        }
    }
}

/// `kubepods` in every hierarchy, children first. A cgroup with processes in it stays and is reported.
fn remove_cgroups(root: &str, left: &mut Vec<String>) {
    let mount = Path::new("/sys/fs/cgroup");
    let hierarchies = std::fs::read_dir(mount).into_iter().flatten().flatten().map(|e| e.path());
    for hierarchy in hierarchies.chain([mount.to_owned()]) {
        let top = hierarchy.join(root.trim_matches('/'));
        let pods = top.join("kubepods");
        if pods.is_dir() {
            remove_cgroup(&pods, left);
        }
        if root != "/" {
            let _ = std::fs::remove_dir(top); // it may be somebody else's too
        }
    }
}

fn remove_cgroup(dir: &Path, left: &mut Vec<String>) {
    for child in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if child.file_type().is_ok_and(|t| t.is_dir()) {
            remove_cgroup(&child.path(), left);
        }
    }
    if let Err(e) = std::fs::remove_dir(dir) {
        left.push(format!("the cgroup {}: {e}", dir.display()));
    }
}
