//! The sandbox image: one static program of about 1 KB, embedded, so that the first pod needs no registry.
//!
//! The image is built in memory and is the same bytes for the same program; its name carries the program's hash, so an
//! upgrade never changes an image under a running sandbox.

use serde_json::json;

use crate::images::{Archive, ArchiveError, NamedImage, oci};

/// The program, built by the build script.
static PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pause"));

/// The name of the sandbox image, for [`crate::containerd::Settings::sandbox_image`].
pub fn image_name() -> String {
    format!("knarr.local/pause:{}", &oci::hex_digest(PROGRAM)[..12])
}

/// The sandbox image, ready to be imported under [`image_name`].
pub fn image() -> Result<Archive, ArchiveError> {
    let mut archive = Archive::default();
    let layer = layer()?;
    let diff_id = oci::digest(&layer);
    let config = json!({
        "architecture": oci::architecture(),
        "os": "linux",
        // Nothing in the sandbox needs more; a sandbox of a privileged pod neither.
        "config": { "Entrypoint": ["/pause"], "User": "65535:65535", "WorkingDir": "/" },
        "rootfs": { "type": "layers", "diff_ids": [diff_id] },
    });
    let layer = archive.add_bytes(oci::LAYER, layer);
    let config = archive.add_bytes(oci::CONFIG, config.to_string().into_bytes());
    let manifest = oci::Manifest::new(oci::MANIFEST, config, vec![layer]);
    let target = archive.add_json(oci::MANIFEST, &manifest);
    archive.images.push(NamedImage { name: image_name(), target });
    Ok(archive)
}

fn layer() -> Result<Vec<u8>, ArchiveError> {
    let mut header = tar::Header::new_ustar();
    header.set_size(PROGRAM.len() as u64);
    header.set_mode(0o755);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    let mut builder = tar::Builder::new(Vec::new());
    let written = builder.append_data(&mut header, "pause", PROGRAM).and_then(|()| builder.into_inner());
    written.map_err(ArchiveError::Read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_is_small_whole_and_the_same_each_time() {
        let archive = image().unwrap();
        assert_eq!(archive, image().unwrap());
        assert!(PROGRAM.len() < 16 << 10, "{}", PROGRAM.len());
        assert!(PROGRAM.starts_with(b"\x7fELF"));
        let plan = archive.plan().unwrap();
        assert_eq!((plan.blobs.len(), plan.images.len()), (3, 1));
        assert_eq!(plan.images[0].name, image_name());
        assert_eq!(plan.images[0].layers.len(), 1);
    }

    #[test]
    fn the_program_ends_when_asked() {
        use std::os::unix::{fs::PermissionsExt, process::ExitStatusExt};
        let path = std::env::temp_dir().join(format!("knarr-pause-{}", std::process::id()));
        std::fs::write(&path, PROGRAM).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut child = std::process::Command::new(&path).spawn().unwrap();
        let pid = rustix::process::Pid::from_child(&child);
        // It sleeps only once it waits for signals; a SIGCHLD then does not end it, a SIGTERM does.
        let sleeps = || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
            stat.contains(") S ")
        };
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while !sleeps() && std::time::Instant::now() < deadline {
            std::thread::yield_now();
        }
        rustix::process::kill_process(pid, rustix::process::Signal::CHILD).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let status = child.wait().unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!((status.code(), status.signal()), (Some(0), None));
    }
}
