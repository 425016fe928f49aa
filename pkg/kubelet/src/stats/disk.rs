//! File systems and directory trees.

use std::{collections::HashSet, fs, os::unix::fs::MetadataExt, path::Path};

/// How full a file system is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileSystem {
    /// Bytes in all.
    pub(crate) capacity: u64,
    /// Bytes that ordinary users can still write.
    pub(crate) available: u64,
    /// Bytes in use.
    pub(crate) used: u64,
    /// Inodes in all.
    pub(crate) inodes: u64,
    /// Inodes left.
    pub(crate) inodes_free: u64,
}

impl FileSystem {
    /// Of the file system a path lies on, or its nearest ancestor that exists.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let stat = nix::sys::statvfs::statvfs(path.ancestors().find(|p| p.exists())?).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.fragment_size());
        Some(Self {
            capacity: bytes(stat.blocks()),
            available: bytes(stat.blocks_available()),
            used: bytes(stat.blocks().saturating_sub(stat.blocks_free())),
            inodes: stat.files(),
            inodes_free: stat.files_free(),
        })
    }
}

/// Bytes and inodes of a tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    /// Bytes on disk.
    pub(crate) bytes: u64,
    /// Inodes.
    pub(crate) inodes: u64,
}

impl std::ops::Add for Size {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { bytes: self.bytes.saturating_add(other.bytes), inodes: self.inodes.saturating_add(other.inodes) }
    }
}

/// How large a tree is, as `du` counts: a file with several names once, what is mounted below not at all. Blocks.
pub(crate) fn size_of(root: &Path) -> Size {
    let Ok(top) = fs::symlink_metadata(root) else { return Size::default() };
    let mut size = Size { bytes: top.blocks() * 512, inodes: 1 };
    let (mut linked, mut left) = (HashSet::new(), Vec::new());
    if top.is_dir() {
        left.push(root.to_owned());
    }
    while let Some(dir) = left.pop() {
        // What goes away while it is counted is not counted.
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            if meta.dev() != top.dev() || (meta.nlink() > 1 && !meta.is_dir() && !linked.insert(meta.ino())) {
                continue;
            }
            size = size + Size { bytes: meta.blocks() * 512, inodes: 1 };
            if meta.is_dir() {
                left.push(entry.path());
            }
        }
    }
    size
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_counted_like_du_does() {
        let dir = std::env::temp_dir().join(format!("knarr-size-{}", std::process::id()));
        fs::create_dir_all(dir.join("sub")).unwrap();
        fs::write(dir.join("sub/file"), vec![1; 100_000]).unwrap();
        fs::hard_link(dir.join("sub/file"), dir.join("again")).unwrap();
        std::os::unix::fs::symlink("/", dir.join("out")).unwrap();
        let size = size_of(&dir);
        assert_eq!(size.inodes, 4);
        assert!((98_304..200_000).contains(&size.bytes), "{size:?}");
        assert_eq!(size_of(&dir.join("none")), Size::default());
        fs::remove_dir_all(dir).unwrap();
    }
}
