//! Taking a pod's directory away.

use std::{fs, io, path::Path};

use super::Mounter;

/// Unmounts everything below, innermost first, then removes the tree. Anything still mounted keeps it all.
pub(super) fn remove(dir: &Path, mounter: &dyn Mounter) -> io::Result<()> {
    let points = mounter.below(dir)?;
    for point in points.iter().rev() {
        mounter.unmount(point)?;
    }
    if !points.is_empty()
        && let Some(left) = mounter.below(dir)?.first()
    {
        return Err(io::Error::other(format!("{} is still mounted", left.display())));
    }
    remove_tree(dir)
}

/// Removes a tree that may not be there.
pub(crate) fn remove_tree(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
