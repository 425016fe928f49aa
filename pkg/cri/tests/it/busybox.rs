//! Image archives built from the machine's static busybox.

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A directory that goes away with its owner.
pub(crate) struct TempDir(pub(crate) PathBuf);

impl TempDir {
    pub(crate) fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("knarr-{name}-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn sha(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// A tar file of regular files.
pub(crate) fn tar(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o755);
        header.set_mtime(0);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

pub(crate) fn config(layers: &[&[u8]]) -> Vec<u8> {
    let diff_ids: Vec<_> = layers.iter().map(|l| format!("sha256:{}", sha(l))).collect();
    json!({
        "architecture": architecture(), "os": "linux",
        "config": { "Cmd": ["/bin/sh"], "Env": ["PATH=/bin"] },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    })
    .to_string()
    .into_bytes()
}

/// As `docker save` of old wrote it.
pub(crate) fn docker_archive(tags: &[&str], layers: &[&[u8]]) -> Vec<u8> {
    let config = config(layers);
    let config_name = format!("{}.json", sha(&config));
    let names: Vec<_> = (0..layers.len()).map(|n| format!("layer{n}/layer.tar")).collect();
    let manifest = json!([{ "Config": config_name, "RepoTags": tags, "Layers": names }]).to_string();
    let mut entries: Vec<(&str, &[u8])> = vec![(&config_name, &config), ("manifest.json", manifest.as_bytes())];
    entries.extend(names.iter().map(String::as_str).zip(layers.iter().copied()));
    tar(&entries)
}

/// An OCI layout with an index inside its index, whose other machine's blobs are absent.
pub(crate) fn oci_archive(name: &str, layers: &[&[u8]]) -> Vec<u8> {
    let config = config(layers);
    let mut blobs: Vec<Vec<u8>> = layers.iter().map(|l| l.to_vec()).collect();
    let point = |kind: &str, bytes: &[u8]| {
        json!({
            "mediaType": format!("application/vnd.oci.image.{kind}"),
            "digest": format!("sha256:{}", sha(bytes)), "size": bytes.len(),
        })
    };
    let layer_points: Vec<Value> = layers.iter().map(|l| point("layer.v1.tar", l)).collect();
    let manifest = json!({ "schemaVersion": 2, "config": point("config.v1+json", &config), "layers": layer_points });
    let manifest = manifest.to_string().into_bytes();
    let mut other = point("manifest.v1+json", b"absent");
    other["platform"] = json!({ "architecture": "s390x", "os": "linux" });
    let mut ours = point("manifest.v1+json", &manifest);
    ours["platform"] = json!({ "architecture": architecture(), "os": "linux" });
    let index = json!({ "schemaVersion": 2, "manifests": [other, ours] });
    let index = index.to_string().into_bytes();
    let mut top = point("index.v1+json", &index);
    top["annotations"] = json!({ "io.containerd.image.name": name });
    let top = json!({ "schemaVersion": 2, "manifests": [top] }).to_string();
    blobs.extend([config, manifest, index]);
    let names: Vec<_> = blobs.iter().map(|b| format!("blobs/sha256/{}", sha(b))).collect();
    let mut entries: Vec<(&str, &[u8])> =
        vec![("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#), ("index.json", top.as_bytes())];
    entries.extend(names.iter().map(String::as_str).zip(blobs.iter().map(Vec::as_slice)));
    tar(&entries)
}

/// Busybox with a few of its names.
pub(crate) fn busybox_layer() -> Vec<u8> {
    let program = std::fs::read("/bin/busybox").expect("busybox-static is installed");
    let mut builder = tar::Builder::new(tar(&[("bin/busybox", &program)]));
    // Two zero blocks end a tar file; go on before them.
    let len = builder.get_ref().len() - 1024;
    builder.get_mut().truncate(len);
    for name in ["sh", "sleep", "echo", "cat", "true", "stty"] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        header.set_mode(0o777);
        header.set_mtime(0);
        builder.append_link(&mut header, format!("bin/{name}"), "busybox").unwrap();
    }
    builder.into_inner().unwrap()
}

pub(crate) fn write(path: &Path, bytes: &[u8]) {
    std::fs::File::create(path).unwrap().write_all(bytes).unwrap();
}
