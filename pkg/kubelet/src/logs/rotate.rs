//! Keeping logs small: a file that has grown too large is renamed, the runtime opens a new one, the oldest go.
//!
//! Looked at by a slow timer, and only while containers run.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use knarr_daemon::Stop;

use crate::{registry::Registry, shared::Shared, sync::State};

const PERIOD: Duration = Duration::from_secs(30);

/// Looks until stopped.
pub(crate) async fn run(shared: Arc<Shared>, registry: Arc<Registry>, stop: Stop) -> Result<(), knarr_daemon::Error> {
    loop {
        tokio::select! {
            () = tokio::time::sleep(PERIOD) => {}
            () = stop.cancelled() => return Ok(()),
        }
        for handle in registry.all() {
            for c in handle.seen().containers.iter().filter(|c| c.state == State::Running && !c.log_path.is_empty()) {
                let path = PathBuf::from(&c.log_path);
                let size = tokio::fs::metadata(&path).await.map_or(0, |m| m.len());
                if size <= shared.config.log_size {
                    continue;
                }
                if let Err(e) = rotate(&shared, &c.id, path).await {
                    tracing::warn!(container = %c.id, error = %e, "log not rotated");
                }
            }
        }
    }
}

async fn rotate(shared: &Shared, id: &str, path: PathBuf) -> io::Result<()> {
    let keep = usize::try_from(shared.config.log_files).unwrap_or(5);
    let stamp = Timestamp::now().strftime("%Y%m%d-%H%M%S").to_string();
    let renamed = PathBuf::from(format!("{}.{stamp}", path.display()));
    let (from, to) = (path.clone(), renamed.clone());
    knarr_daemon::blocking(move || {
        for old in surplus(&from, keep.saturating_sub(2)) {
            std::fs::remove_file(old)?;
        }
        std::fs::rename(&from, &to)
    })
    .await?;
    if let Err(e) = shared.runtime.reopen_container_log(id).await {
        // The runtime goes on writing to the renamed file: give it its name back.
        std::fs::rename(renamed, path)?;
        return Err(io::Error::other(e));
    }
    Ok(())
}

/// Rotated files of a log beyond the newest `keep`.
fn surplus(path: &Path, keep: usize) -> Vec<PathBuf> {
    let Some(stem) = path.file_name().and_then(|n| n.to_str()).map(|n| format!("{n}.")) else { return Vec::new() };
    let entries = path.parent().and_then(|dir| std::fs::read_dir(dir).ok()).into_iter().flatten().flatten();
    let mut old: Vec<PathBuf> =
        entries.filter(|e| e.file_name().to_str().is_some_and(|n| n.starts_with(&stem))).map(|e| e.path()).collect();
    old.sort();
    old.truncate(old.len().saturating_sub(keep));
    old
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_first() {
        let dir = crate::testutil::TempDir::new("rotate");
        let log = dir.path().join("0.log");
        for name in ["0.log", "0.log.20260101-000001", "0.log.20260101-000003", "0.log.20260101-000002", "1.log.x"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let names: Vec<_> =
            surplus(&log, 1).iter().map(|p| p.file_name().unwrap().to_string_lossy().into_owned()).collect();
        assert_eq!(names, ["0.log.20260101-000001", "0.log.20260101-000002"]);
        assert!(surplus(&log, 3).is_empty());
    }
}
