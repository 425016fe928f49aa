//! What the host must have, checked before anything starts: one line says what is missing and how to mend it.

use std::path::Path;

use crate::{
    config::{Component, Config},
    exit::Fatal,
};

/// Checks the host for `config`.
pub(crate) fn check(config: &Config) -> Result<(), Fatal> {
    if !nix_is_root() {
        return Err(Fatal::host("knarr needs root", "run it with sudo"));
    }
    if config.disabled.contains(&Component::Agent) {
        return Ok(());
    }
    let mut programs = vec![("nft", "nftables")];
    match &config.node.runtime_endpoint {
        Some(socket) if !socket.exists() => {
            let what = format!("there is no container runtime at {}", socket.display());
            return Err(Fatal::host(what, "start it or leave --container-runtime-endpoint out"));
        }
        Some(_) => {}
        None => {
            programs.extend([("containerd", "containerd"), ("containerd-shim-runc-v2", "containerd"), ("runc", "runc")])
        }
    }
    for (program, package) in programs {
        if find(program).is_none() {
            return Err(Fatal::host(
                format!("the program {program} is missing"),
                format!("install the package {package}"),
            ));
        }
    }
    kernel()
}

/// Kernel features that have no substitute.
fn kernel() -> Result<(), Fatal> {
    let filesystems = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let has = |name: &str| filesystems.lines().any(|l| l.ends_with(&format!("\t{name}")));
    if !has("overlay") && !Path::new("/sys/module/overlay").exists() {
        return Err(Fatal::host(
            "the kernel has no overlay file system",
            "load the module overlay or set --snapshotter native",
        ));
    }
    if !has("cgroup") && !has("cgroup2") {
        return Err(Fatal::host("the kernel has no cgroups", "boot a kernel with cgroups"));
    }
    Ok(())
}

fn nix_is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&match std::fs::metadata("/proc/self") {
        Ok(meta) => meta,
        Err(_) => return false,
    }) == 0
}

/// A program in `PATH`, or where systems keep programs for root.
pub(crate) fn find(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(Into::into));
    places.map(|dir| dir.join(program)).find(|file| file.is_file())
}
