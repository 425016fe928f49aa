//! `fsGroup`: a volume's files belong to the pod's group.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

/// Gives a tree to a group: files readable (and writable) by it, directories also passing it on to new files.
pub(super) fn give(path: &Path, group: i64, read_only: bool) -> io::Result<()> {
    let meta = fs::symlink_metadata(path)?;
    let gid = u32::try_from(group).map_err(io::Error::other)?;
    if meta.gid() != gid {
        std::os::unix::fs::lchown(path, None, Some(gid))?;
    }
    if meta.is_symlink() {
        return Ok(());
    }
    let mut mode = meta.permissions().mode() & 0o7777;
    let before = mode;
    mode |= if read_only { 0o440 } else { 0o660 };
    if meta.is_dir() {
        mode |= 0o2110;
    }
    if mode != before || meta.gid() != gid {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    }
    if meta.is_dir() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), group, read_only)?;
        }
    }
    Ok(())
}
