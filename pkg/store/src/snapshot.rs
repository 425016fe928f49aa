//! Snapshots: the whole state in one file that a store can be opened from.
//!
//! It is written from memory, which has everything: the database need not be opened twice, commits go on, and
//! relaxed writes are in it.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use crate::{SnapshotError, disk, memory::Memory};

/// Writes a snapshot beside `path`, then moves it there. Returns its revision.
pub(crate) fn write(memory: &Memory, path: &Path) -> Result<u64, SnapshotError> {
    let part = path.with_added_extension("part");
    let result = write_part(memory, path, &part);
    if result.is_err() {
        let _ = fs::remove_file(&part); // the first error is the one to report
    }
    result
}

fn write_part(memory: &Memory, path: &Path, part: &Path) -> Result<u64, SnapshotError> {
    let at = |step, path: &Path| {
        let path = path.to_owned();
        move |source| SnapshotError::File { step, path, source }
    };
    if path.exists() {
        return Err(at("make", path)(io::ErrorKind::AlreadyExists.into()));
    }
    let mut options = OpenOptions::new();
    // Secrets are in it.
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(part).map_err(at("make", part))?;
    let (revision, objects) = memory.everything();
    disk::export(part, revision, &objects).map_err(|source| SnapshotError::Disk { path: part.to_owned(), source })?;
    file.sync_all().map_err(at("sync", part))?;
    fs::rename(part, path).map_err(at("move into place", path))?;
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory).and_then(|d| d.sync_all()).map_err(at("sync directory", directory))?;
    Ok(revision)
}
