//! Network namespaces that CRI made for sandboxes and nothing lives in any more.

use std::{
    collections::HashSet,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use nix::mount::{MntFlags, umount2};

use super::{Kind, Needed, Remnant};
use crate::containerd::shims::pids;

/// Those of one containerd, each bound to a file in its directory.
#[derive(Debug)]
pub(in crate::containerd) struct Namespaces {
    dir: PathBuf,
}

impl Namespaces {
    pub(in crate::containerd) fn of(state: &Path) -> Self {
        Self { dir: state.join("io.containerd.grpc.v1.cri/netns") }
    }
}

#[async_trait]
impl Kind for Namespaces {
    fn name(&self) -> &'static str {
        "network namespaces"
    }

    /// Only those without a process: a sandbox that is Ready has one, and one that is not closes its namespace by itself,
    /// whether we were faster or not.
    async fn list(&self) -> Vec<Remnant> {
        let dir = self.dir.clone();
        knarr_daemon::blocking(move || {
            let files: Vec<PathBuf> = fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect();
            if files.is_empty() {
                return Vec::new();
            }
            let used: HashSet<(u64, u64)> = pids().filter_map(|pid| identity(format!("/proc/{pid}/ns/net"))).collect();
            let empty = files.into_iter().filter(|f| identity(f).is_none_or(|id| !used.contains(&id)));
            let remnant =
                |f: PathBuf| Remnant { name: f.to_string_lossy().into_owned(), needed: Needed::Never, settled: false };
            empty.map(remnant).collect()
        })
        .await
    }

    async fn end(&self, name: &str) -> Result<(), String> {
        let path = PathBuf::from(name);
        knarr_daemon::blocking(move || close(&path)).await.map_err(|e| e.to_string())
    }
}

fn identity(path: impl AsRef<Path>) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|m| (m.dev(), m.ino()))
}

/// Without its mount a namespace ends, and its links with it.
fn close(path: &Path) -> io::Result<()> {
    match umount2(path, MntFlags::MNT_DETACH) {
        // A mere file: a runtime was killed before it mounted the namespace there.
        Ok(()) | Err(nix::Error::EINVAL | nix::Error::ENOENT) => {}
        Err(e) => return Err(e.into()),
    }
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_namespace_with_a_process_is_not_listed() {
        let state = std::env::temp_dir().join(format!("knarr-netns-{}", std::process::id()));
        let kind = Namespaces::of(&state);
        assert_eq!(kind.list().await, []);
        fs::create_dir_all(&kind.dir).unwrap();
        let (ours, mere) = (kind.dir.join("ours"), kind.dir.join("mere"));
        std::os::unix::fs::symlink("/proc/self/ns/net", &ours).unwrap();
        fs::write(&mere, "").unwrap();
        let listed: Vec<_> = kind.list().await.into_iter().map(|r| r.name).collect();
        assert_eq!(listed, [mere.to_string_lossy()]);
        fs::remove_dir_all(&state).unwrap();
    }

    #[test]
    fn closing_what_is_closed_is_fine() {
        let path = std::env::temp_dir().join(format!("knarr-netns-file-{}", std::process::id()));
        fs::write(&path, "").unwrap();
        // Without the permission to unmount nothing can be said.
        match close(&path) {
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => fs::remove_file(&path).unwrap(),
            done => {
                done.unwrap();
                close(&path).unwrap();
            }
        }
    }
}
