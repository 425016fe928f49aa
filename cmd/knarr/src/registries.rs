//! `registries.yaml`: read at start, told to the runtime.

use std::path::Path;

use knarr_cri::registries::{Registries, write};

use crate::exit::Fatal;

/// Reads the file, if there is one.
pub(crate) fn read(path: &Path) -> Result<Registries, Fatal> {
    let wrong = |why: String| Fatal::usage(format!("{}: {why}", path.display()), "correct the file");
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Registries::default()),
        Err(e) => return Err(wrong(e.to_string())),
    };
    let tree = knarr_api::yaml::parse(&text, &knarr_api::json::Limits::default()).map_err(|e| wrong(e.to_string()))?;
    if tree.value.is_null() {
        return Ok(Registries::default());
    }
    let registries: Registries = knarr_api::value::from_value(&tree.value).map_err(|e| wrong(e.to_string()))?;
    registries.check().map_err(|e| wrong(e.to_string()))?;
    Ok(registries)
}

/// Brings containerd's directory of registries up to date.
pub(crate) async fn install(path: &Path, dir: &Path) -> Result<(), Fatal> {
    let (registries, at) = (read(path)?, dir.to_owned());
    let written = knarr_daemon::blocking(move || write(&registries, &at)).await;
    written.map_err(|e| Fatal::host(format!("write {}: {e}", dir.display()), "see that its directory can be written"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_and_checked() {
        let file = std::env::temp_dir().join(format!("knarr-registries-{}.yaml", std::process::id()));
        let of = |text: &str| {
            std::fs::write(&file, text).unwrap();
            read(&file).map(|r| r.is_empty()).map_err(|e| e.to_string())
        };
        assert_eq!(of(""), Ok(true));
        assert_eq!(of("mirrors:\n  \"*\":\n  docker.io: {endpoint: [https://m]}\n"), Ok(false));
        assert!(of("mirrors: [1]").unwrap_err().contains("registries"));
        assert!(of("mirrors: {a: {endpoint: ['ftp://x']}}").unwrap_err().contains("is not a URL"));
        std::fs::remove_file(&file).unwrap();
        assert!(read(&file).unwrap().is_empty());
    }
}
