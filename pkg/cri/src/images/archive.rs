//! What an image tarball holds, and what must be written to have its images. Reads files, talks to nobody.
//!
//! Two layouts: OCI (`index.json`, `blobs/`) and `docker save` (`manifest.json`). Newer Docker writes both at once; the OCI
//! half is then taken, since its blobs are already named by their digests. Blobs are not copied: a layer is a place in
//! the file. Layers stay as they are packed; containerd unpacks them.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{
    oci::{self, Descriptor, DockerEntry, Index, Manifest},
    reference::normalize,
};

/// Configurations, manifests and indexes are smaller.
const JSON: u64 = 8 << 20;
/// An archive with more entries is none of images.
const ENTRIES: usize = 100_000;

/// Why an archive cannot be imported. All are permanent for that file.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It could not be read, or is no tar file.
    #[error("read the archive")]
    Read(#[source] io::Error),
    /// A document in it does not parse.
    #[error("parse {document}")]
    Parse {
        /// Its name.
        document: String,
        /// Why.
        source: serde_json::Error,
    },
    /// It refers to something that is not in it.
    #[error("{0} is missing")]
    Missing(String),
    /// It is neither an OCI layout nor the output of `docker save`.
    #[error("neither index.json nor manifest.json: not an image archive")]
    NotImages,
    /// Its parts contradict each other.
    #[error("{0}")]
    Inconsistent(String),
}

/// Where the bytes of a blob are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// In memory.
    Memory(Arc<[u8]>),
    /// In a file.
    File {
        /// Which.
        path: Arc<Path>,
        /// Where it begins.
        offset: u64,
        /// Its length.
        size: u64,
    },
}

impl Source {
    /// Its length.
    pub fn size(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { size, .. } => *size,
        }
    }

    /// A reader of exactly this blob.
    pub fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Self::Memory(bytes) => Box::new(io::Cursor::new(bytes.clone())),
            Self::File { path, offset, size } => {
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(*offset))?;
                Box::new(file.take(*size))
            }
        })
    }
}

/// An image under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedImage {
    /// Its full name.
    pub name: String,
    /// Its manifest or index.
    pub target: Descriptor,
}

/// Blobs by digest, and the images among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Archive {
    pub(crate) blobs: BTreeMap<String, Source>,
    pub(crate) images: Vec<NamedImage>,
}

impl Archive {
    /// Reads an uncompressed image tarball. Blocks.
    pub fn read(path: &Path) -> Result<Self, ArchiveError> {
        Reader::scan(path)?.archive()
    }

    pub(crate) fn add_bytes(&mut self, media_type: &str, bytes: Vec<u8>) -> Descriptor {
        let descriptor = Descriptor {
            media_type: media_type.to_owned(),
            digest: oci::digest(&bytes),
            size: bytes.len() as u64,
            ..Default::default()
        };
        self.blobs.insert(descriptor.digest.clone(), Source::Memory(bytes.into()));
        descriptor
    }

    pub(crate) fn add_json(&mut self, media_type: &str, document: &impl Serialize) -> Descriptor {
        self.add_bytes(media_type, serde_json::to_vec(document).expect("image documents are plain data"))
    }

    /// The text of a small blob.
    pub(crate) fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>, ArchiveError> {
        let source = self.blobs.get(&descriptor.digest);
        let source = source.ok_or_else(|| ArchiveError::Missing(descriptor.digest.clone()))?;
        read_small(source, &descriptor.digest)
    }

    pub(crate) fn parsed<T: serde::de::DeserializeOwned>(&self, of: &Descriptor) -> Result<T, ArchiveError> {
        let text = self.document(of)?;
        oci::parse(&text).map_err(|source| ArchiveError::Parse { document: of.digest.clone(), source })
    }
}

fn read_small(source: &Source, name: &str) -> Result<Vec<u8>, ArchiveError> {
    if source.size() > JSON {
        return Err(ArchiveError::Inconsistent(format!("{name} is too large for a document")));
    }
    let mut bytes = Vec::new();
    source.open().and_then(|mut r| r.read_to_end(&mut bytes)).map_err(ArchiveError::Read)?;
    Ok(bytes)
}

/// The entries of a tar file.
struct Reader {
    entries: HashMap<String, Source>,
    links: HashMap<String, String>,
}

impl Reader {
    fn scan(path: &Path) -> Result<Self, ArchiveError> {
        let shared: Arc<Path> = path.into();
        let mut tar = tar::Archive::new(File::open(path).map_err(ArchiveError::Read)?);
        let mut reader = Self { entries: HashMap::new(), links: HashMap::new() };
        for entry in tar.entries_with_seek().map_err(ArchiveError::Read)? {
            let entry = entry.map_err(ArchiveError::Read)?;
            if reader.entries.len() + reader.links.len() >= ENTRIES {
                return Err(ArchiveError::Inconsistent(format!("more than {ENTRIES} entries")));
            }
            let name = clean(&entry.path().map_err(ArchiveError::Read)?);
            let kind = entry.header().entry_type();
            if kind.is_file() {
                let (offset, size) = (entry.raw_file_position(), entry.size());
                reader.entries.insert(name, Source::File { path: shared.clone(), offset, size });
            } else if (kind.is_symlink() || kind.is_hard_link())
                && let Some(target) = entry.link_name().map_err(ArchiveError::Read)?
            {
                // Old `docker save` links equal layers to each other: relative to the link, or from the root.
                let base = Path::new(&name).parent().filter(|_| kind.is_symlink()).unwrap_or(Path::new(""));
                reader.links.insert(name.clone(), clean(&base.join(target)));
            }
        }
        Ok(reader)
    }

    fn find(&self, name: &str) -> Option<&Source> {
        let mut name = clean(Path::new(name));
        for _ in 0..8 {
            match self.links.get(&name) {
                Some(target) => name.clone_from(target),
                None => break,
            }
        }
        self.entries.get(&name)
    }

    fn need(&self, name: &str) -> Result<&Source, ArchiveError> {
        self.find(name).ok_or_else(|| ArchiveError::Missing(name.to_owned()))
    }

    fn archive(&self) -> Result<Archive, ArchiveError> {
        if let Some(index) = self.find("index.json") {
            self.oci_layout(index)
        } else if let Some(manifest) = self.find("manifest.json") {
            self.docker_archive(manifest)
        } else {
            Err(ArchiveError::NotImages)
        }
    }

    fn oci_layout(&self, index: &Source) -> Result<Archive, ArchiveError> {
        let mut archive = Archive::default();
        for (name, source) in &self.entries {
            let digest = name.strip_prefix("blobs/sha256/").map(|hex| format!("sha256:{hex}"));
            if let Some(digest) = digest.filter(|d| oci::is_digest(d)) {
                archive.blobs.insert(digest, source.clone());
            }
        }
        let text = read_small(index, "index.json")?;
        let index: Index = parse(&text, "index.json")?;
        let tags = self.docker_tags()?;
        for target in index.manifests {
            let name = target.annotations.get("io.containerd.image.name").or_else(|| {
                target.annotations.get("org.opencontainers.image.ref.name").filter(|n| n.contains(['/', ':']))
            });
            let names = match name {
                Some(name) => vec![name.clone()],
                None => tags_of(&archive, &target, &tags)?,
            };
            for name in names.iter().filter_map(|n| normalize(n)) {
                let target = Descriptor { annotations: BTreeMap::new(), ..target.clone() };
                archive.images.push(NamedImage { name, target });
            }
        }
        Ok(archive)
    }

    /// Names by configuration digest, from the `manifest.json` beside an OCI layout.
    fn docker_tags(&self) -> Result<HashMap<String, Vec<String>>, ArchiveError> {
        let Some(source) = self.find("manifest.json") else { return Ok(HashMap::new()) };
        let text = read_small(source, "manifest.json")?;
        let entries: Vec<DockerEntry> = parse(&text, "manifest.json")?;
        let named = entries.into_iter().filter_map(|e| {
            let hex = e.config.rsplit('/').next()?.trim_end_matches(".json").to_owned();
            Some((format!("sha256:{hex}"), e.repo_tags?))
        });
        Ok(named.collect())
    }

    fn docker_archive(&self, manifest: &Source) -> Result<Archive, ArchiveError> {
        let mut archive = Archive::default();
        let text = read_small(manifest, "manifest.json")?;
        let entries: Vec<DockerEntry> = parse(&text, "manifest.json")?;
        let mut hashed: HashMap<(PathBuf, u64), Descriptor> = HashMap::new();
        for entry in entries {
            let config = read_small(self.need(&entry.config)?, &entry.config)?;
            let config = archive.add_bytes(oci::CONFIG, config);
            let mut layers = Vec::new();
            for name in &entry.layers {
                let source = self.need(name)?;
                let Source::File { path, offset, .. } = source else { continue };
                let key = (path.to_path_buf(), *offset);
                let layer = match hashed.get(&key) {
                    Some(layer) => layer.clone(),
                    None => hash_layer(source)?,
                };
                hashed.insert(key, layer.clone());
                archive.blobs.insert(layer.digest.clone(), source.clone());
                layers.push(layer);
            }
            let target = archive.add_json(oci::MANIFEST, &Manifest::new(oci::MANIFEST, config, layers));
            for name in entry.repo_tags.unwrap_or_default().iter().filter_map(|t| normalize(t)) {
                archive.images.push(NamedImage { name, target: target.clone() });
            }
        }
        Ok(archive)
    }
}

fn parse<T: serde::de::DeserializeOwned>(text: &[u8], document: &str) -> Result<T, ArchiveError> {
    oci::parse(text).map_err(|source| ArchiveError::Parse { document: document.to_owned(), source })
}

fn tags_of(
    archive: &Archive,
    target: &Descriptor,
    tags: &HashMap<String, Vec<String>>,
) -> Result<Vec<String>, ArchiveError> {
    if tags.is_empty() || !target.is_manifest() {
        return Ok(Vec::new());
    }
    let manifest: Manifest = archive.parsed(target)?;
    Ok(tags.get(&manifest.config.digest).cloned().unwrap_or_default())
}

/// `./a//b/../c` → `a/c`; the names of entries are never used as paths on this machine.
fn clean(path: &Path) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in path.components() {
        match part {
            std::path::Component::Normal(p) => parts.push(p.to_string_lossy().into_owned()),
            std::path::Component::ParentDir => drop(parts.pop()),
            _ => {}
        }
    }
    parts.join("/")
}

/// Digest, size and packing of a layer.
fn hash_layer(source: &Source) -> Result<Descriptor, ArchiveError> {
    let mut reader = source.open().map_err(ArchiveError::Read)?;
    let mut sha = Sha256::new();
    let mut magic = Vec::new();
    let mut buffer = vec![0; 256 << 10];
    let mut size = 0;
    loop {
        let n = reader.read(&mut buffer).map_err(ArchiveError::Read)?;
        if n == 0 {
            break;
        }
        if magic.len() < 4 {
            magic.extend(buffer[..n].iter().take(4 - magic.len()));
        }
        sha.update(&buffer[..n]);
        size += n as u64;
    }
    let media_type = match magic.as_slice() {
        [0x1f, 0x8b, ..] => oci::LAYER_GZIP,
        [0x28, 0xb5, 0x2f, 0xfd] => oci::LAYER_ZSTD,
        _ => oci::LAYER,
    };
    let digest = format!("sha256:{}", oci::hex(&sha.finalize()));
    Ok(Descriptor { media_type: media_type.to_owned(), digest, size, ..Default::default() })
}
