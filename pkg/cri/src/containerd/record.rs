//! Who runs, and whether it is the one we would start.

use std::{
    os::unix::{fs::MetadataExt, net::UnixStream},
    path::{Path, PathBuf},
};

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Settings;

/// What the starter of a containerd leaves to its successor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) pid: u32,
    pub(super) start_time: u64,
    /// Of the configuration and the binary.
    pub(super) hash: String,
}

impl Record {
    pub(super) fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    pub(super) fn write(&self, path: &Path) -> std::io::Result<()> {
        let text = serde_json::to_vec(self).expect("a record is plain data");
        let new = path.with_extension("json.new");
        std::fs::write(&new, text)?;
        std::fs::rename(new, path)
    }
}

/// Names what would be started: a changed setting or an upgraded binary gives another hash.
pub(super) fn hash(settings: &Settings, config: &str) -> String {
    let mut sha = Sha256::new();
    sha.update(config);
    if let Some(binary) = find_binary(settings) {
        sha.update(binary.as_os_str().as_encoded_bytes());
        if let Ok(meta) = binary.metadata() {
            sha.update(meta.size().to_le_bytes());
            sha.update(meta.mtime().to_le_bytes());
            sha.update(meta.mtime_nsec().to_le_bytes());
        }
    }
    sha.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

/// The binary that would run.
pub(super) fn find_binary(settings: &Settings) -> Option<PathBuf> {
    if settings.binary.components().count() > 1 {
        return settings.binary.is_file().then(|| settings.binary.clone());
    }
    let path = settings.search_path(std::env::var_os("PATH"));
    std::env::split_paths(&path).map(|dir| dir.join(&settings.binary)).find(|p| p.is_file())
}

/// Who listens on the socket: the kernel remembers it.
pub(super) fn listener(socket: &Path) -> Option<u32> {
    let stream = UnixStream::connect(socket).ok()?;
    u32::try_from(getsockopt(&stream, PeerCredentials).ok()?.pid()).ok().filter(|pid| *pid > 0)
}

/// What to do with what was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// Nothing runs.
    Nothing,
    /// The one we would start: adopt it if it answers.
    Ours(u32),
    /// Another one on our socket or with our record: stop it first.
    Other(u32),
}

/// Compares what runs with what is wanted. `alive` gives the start time of a pid.
pub(super) fn judge(
    listener: Option<u32>,
    record: Option<&Record>,
    hash: &str,
    alive: impl Fn(u32) -> Option<u64>,
) -> Finding {
    let recorded = record.filter(|r| alive(r.pid) == Some(r.start_time));
    match (listener, recorded) {
        (Some(pid), Some(r)) if r.pid == pid && r.hash == hash => Finding::Ours(pid),
        (Some(pid), _) => Finding::Other(pid),
        // It runs and does not listen: it hangs, or is only starting. Either way not worth waiting for.
        (None, Some(r)) => Finding::Other(r.pid),
        (None, None) => Finding::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_process_with_the_same_configuration_is_ours() {
        let record = |pid, start_time, hash: &str| Record { pid, start_time, hash: hash.into() };
        let alive = |pid| (pid == 7 || pid == 8).then_some(100);
        for (listener, record, expected) in [
            (None, None, Finding::Nothing),
            (None, Some(record(9, 100, "h")), Finding::Nothing),
            (Some(7), Some(record(7, 100, "h")), Finding::Ours(7)),
            (Some(7), Some(record(7, 100, "old")), Finding::Other(7)),
            (Some(7), Some(record(7, 99, "h")), Finding::Other(7)),
            (Some(7), Some(record(8, 100, "h")), Finding::Other(7)),
            (Some(7), None, Finding::Other(7)),
            (None, Some(record(7, 100, "h")), Finding::Other(7)),
        ] {
            assert_eq!(judge(listener, record.as_ref(), "h", alive), expected, "{listener:?} {record:?}");
        }
    }

    #[test]
    fn the_kernel_names_the_listener() {
        let path = std::env::temp_dir().join(format!("knarr-peer-{}.sock", std::process::id()));
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_eq!(listener(&path), Some(std::process::id()));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(listener(&path), None);
    }
}
