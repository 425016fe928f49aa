//! Builds `pause`, the one program inside the embedded sandbox image, for the same machine as the crate.

use std::{env, path::PathBuf, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=pause/pause.rs");
    let var = |name: &str| env::var(name).unwrap_or_else(|e| panic!("cargo sets {name}: {e}"));
    let out = PathBuf::from(var("OUT_DIR")).join("pause");
    let mut rustc = Command::new(var("RUSTC"));
    rustc
        .args(["--edition", "2024", "--crate-type", "bin", "--crate-name", "pause", "--target"])
        .arg(var("TARGET"))
        .args(["-C", "panic=abort", "-C", "opt-level=z", "-C", "strip=symbols", "-C", "relocation-model=static"])
        .args(["-C", "link-arg=-nostartfiles", "-C", "link-arg=-nostdlib", "-C", "link-arg=-static"])
        .args(["-C", "link-arg=-Wl,--build-id=none,-z,norelro,-z,noseparate-code"])
        .args(["-C", "debuginfo=0", "-o"])
        .arg(&out)
        .arg("pause/pause.rs");
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.arg("-C").arg(format!("linker={linker}"));
    }
    match rustc.status() {
        Ok(status) if status.success() => {}
        Ok(status) => panic!("rustc for pause: {status}"),
        Err(e) => panic!("rustc for pause: {e}"),
    }
}
