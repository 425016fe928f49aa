//! Changing a volume's files all at once.
//!
//! Readers see `name` → `..data/name`, where `..data` → `..<generation>/`. A new generation is written beside the old
//! one and `..data` is replaced by rename, so a reader sees the old files or the new ones. Programs watch `..data`; the
//! names are Kubernetes' own.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::Path,
};

use super::owner;

const DATA: &str = "..data";
const NEW: &str = "..data_tmp";

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    pub(super) bytes: Vec<u8>,
    pub(super) mode: u32,
    /// Owner, where it is not root.
    pub(super) uid: Option<u32>,
}

/// Files by relative path.
pub(super) type Files = BTreeMap<String, File>;

/// Makes `dir` hold exactly `files`. Blocks. Does nothing if it already does.
pub(super) fn write(dir: &Path, files: &Files, group: Option<i64>) -> io::Result<()> {
    if let Some(bad) = files.keys().find(|p| !is_plain(p)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("invalid path {bad:?}")));
    }
    let old = fs::read_link(dir.join(DATA)).ok().map(|target| dir.join(target));
    if old.as_deref().is_some_and(|old| same(old, files)) && links_are(dir, files) {
        return Ok(());
    }
    let fresh = fresh_dir(dir)?;
    let filled = fill(&fresh, files, group).and_then(|()| {
        let _ = fs::remove_file(dir.join(NEW));
        symlink(fresh.file_name().unwrap_or_default(), dir.join(NEW))?;
        fs::rename(dir.join(NEW), dir.join(DATA))
    });
    if let Err(e) = filled {
        let _ = fs::remove_dir_all(&fresh);
        return Err(e);
    }
    link(dir, files)?;
    if let Some(old) = old {
        let _ = fs::remove_dir_all(old);
    }
    if let Some(group) = group {
        owner::give(dir, group, true)?;
    }
    Ok(())
}

/// Relative, without `..`, not one of our own names.
fn is_plain(path: &str) -> bool {
    !path.is_empty() && !path.starts_with('/') && !path.starts_with("..") && path.split('/').all(|p| p != "..")
}

fn fresh_dir(dir: &Path) -> io::Result<std::path::PathBuf> {
    for n in 0..1000u32 {
        let stamp = jiff::Timestamp::now().as_nanosecond();
        let path = dir.join(format!("..{stamp}.{n}"));
        match fs::create_dir(&path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            other => {
                other?;
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
                return Ok(path);
            }
        }
    }
    Err(io::Error::other("no free name for a new generation of files"))
}

fn fill(fresh: &Path, files: &Files, group: Option<i64>) -> io::Result<()> {
    for (name, file) in files {
        let path = fresh.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, &file.bytes)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(file.mode))?;
        if let Some(uid) = file.uid {
            chown(&path, Some(uid), None)?;
        }
    }
    match group {
        Some(group) => owner::give(fresh, group, true),
        None => Ok(()),
    }
}

fn tops(files: &Files) -> BTreeSet<&str> {
    files.keys().filter_map(|p| p.split('/').next()).collect()
}

/// The visible names.
fn link(dir: &Path, files: &Files) -> io::Result<()> {
    let tops = tops(files);
    for top in &tops {
        let (path, target) = (dir.join(top), Path::new(DATA).join(top));
        if fs::read_link(&path).is_ok_and(|t| t == target) {
            continue;
        }
        symlink(target, path)?;
    }
    for entry in fs::read_dir(dir)?.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with("..") && !tops.contains(&*name) && entry.file_type().is_ok_and(|t| t.is_symlink()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn links_are(dir: &Path, files: &Files) -> bool {
    let Ok(entries) = fs::read_dir(dir) else { return false };
    let names: BTreeSet<String> = entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    let visible: BTreeSet<&str> = names.iter().map(String::as_str).filter(|n| !n.starts_with("..")).collect();
    visible == tops(files)
}

/// Whether a generation has the same files with the same contents. Modes never change without the pod.
fn same(old: &Path, files: &Files) -> bool {
    let mut count = 0;
    let equal = files.iter().all(|(name, file)| fs::read(old.join(name)).is_ok_and(|bytes| bytes == file.bytes));
    count_files(old, &mut count);
    equal && count == files.len()
}

fn count_files(dir: &Path, count: &mut usize) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(t) if t.is_dir() => count_files(&entry.path(), count),
            _ => *count += 1,
        }
    }
}
