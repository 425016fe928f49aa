//! `hostPath` and its types.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt},
    path::Path,
};

/// Checks (and for the `…OrCreate` types makes) the path.
pub(super) fn check(path: &Path, kind: &str) -> Result<(), String> {
    let show = path.display();
    let io = |e: io::Error| format!("hostPath type check failed: {show}: {e}");
    let meta = match fs::metadata(path) {
        Ok(meta) => Some(meta),
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        Err(e) => return Err(io(e)),
    };
    let is = |want: fn(&fs::Metadata) -> bool, what: &str| match &meta {
        Some(m) if want(m) => Ok(()),
        _ => Err(format!("hostPath type check failed: {show} is not {what}")),
    };
    match (kind, &meta) {
        ("DirectoryOrCreate", None) => fs::DirBuilder::new().recursive(true).mode(0o755).create(path).map_err(io),
        ("FileOrCreate", None) => {
            fs::OpenOptions::new().create(true).append(true).mode(0o644).open(path).map(drop).map_err(io)
        }
        // Without a type nothing is checked; the runtime makes a missing directory.
        ("", _) => Ok(()),
        ("DirectoryOrCreate" | "Directory", _) => is(fs::Metadata::is_dir, "a directory"),
        ("FileOrCreate" | "File", _) => is(fs::Metadata::is_file, "a file"),
        ("Socket", _) => is(|m| m.file_type().is_socket(), "a socket file"),
        ("CharDevice", _) => is(|m| m.file_type().is_char_device(), "a character device"),
        ("BlockDevice", _) => is(|m| m.file_type().is_block_device(), "a block device"),
        (other, _) => Err(format!("{other} is an invalid volume type")),
    }
}
