//! The directory of image archives that are imported at each start.
//!
//! A record remembers, by file name, size and time, which images came from which file, so that an unchanged file costs one
//! question per image and is not read. An image that somebody removed is imported again.

use std::{
    collections::BTreeMap,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{Archive, ImportError, Importer, Plan};

/// What came of a directory.
#[derive(Debug, Default)]
pub struct Preloaded {
    /// Names that are on the node now.
    pub images: Vec<String>,
    /// Files that were read and imported; the others were known.
    pub imported: Vec<PathBuf>,
    /// Files that could not be imported.
    pub failures: Vec<PreloadFailure>,
}

/// A file that was not imported.
#[derive(Debug, thiserror::Error)]
#[error("import {}", file.display())]
pub struct PreloadFailure {
    /// The file.
    pub file: PathBuf,
    /// Why.
    pub source: ImportError,
}

/// What is remembered of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    size: u64,
    mtime: i64,
    nanos: i64,
    /// Name → digest.
    images: BTreeMap<String, String>,
}

type Record = BTreeMap<String, Known>;

impl Importer {
    /// Imports all `*.tar` files of `dir` that changed or whose images are gone. `record` is a file that we own. A missing
    /// directory is an empty one.
    pub async fn preload(&self, dir: &Path, record: &Path) -> Preloaded {
        let mut out = Preloaded::default();
        let before = read_record(record);
        let mut after = Record::new();
        for (file, stat) in archives(dir) {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let known = before.get(&name).filter(|k| (k.size, k.mtime, k.nanos) == stat);
            match self.preload_file(&file, stat, known, &mut out.imported).await {
                Ok(known) => {
                    out.images.extend(known.images.keys().cloned());
                    after.insert(name, known);
                }
                Err(source) => out.failures.push(PreloadFailure { file, source }),
            }
        }
        if after != before
            && let Err(e) = write_record(record, &after)
        {
            tracing::warn!(file = %record.display(), error = %e, "image files will be read again at the next start");
        }
        out
    }

    async fn preload_file(
        &self,
        file: &Path,
        (size, mtime, nanos): (u64, i64, i64),
        known: Option<&Known>,
        imported: &mut Vec<PathBuf>,
    ) -> Result<Known, ImportError> {
        if let Some(known) = known
            && self.has_named(&known.images).await?
        {
            return Ok(known.clone());
        }
        let path = file.to_owned();
        let plan: Plan = knarr_daemon::blocking(move || Archive::read(&path).and_then(|a| a.plan())).await?;
        if !self.has_all(&plan).await? {
            self.import(&plan).await?;
            imported.push(file.to_owned());
        }
        let images = plan.images.into_iter().map(|i| (i.name, i.target.digest)).collect();
        Ok(Known { size, mtime, nanos, images })
    }

    async fn has_named(&self, images: &BTreeMap<String, String>) -> Result<bool, ImportError> {
        for (name, digest) in images {
            if self.target(name).await?.as_ref() != Some(digest) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The archives in a directory by name, with size and time.
fn archives(dir: &Path) -> Vec<(PathBuf, (u64, i64, i64))> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e == "tar"))
        .filter_map(|p| p.metadata().ok().filter(|m| m.is_file()).map(|m| (p, (m.size(), m.mtime(), m.mtime_nsec()))))
        .collect();
    found.sort();
    found
}

fn read_record(path: &Path) -> Record {
    std::fs::read(path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

fn write_record(path: &Path, record: &Record) -> std::io::Result<()> {
    let new = path.with_extension("new");
    std::fs::write(&new, serde_json::to_vec(record).expect("a record is plain data"))?;
    std::fs::rename(new, path)
}
