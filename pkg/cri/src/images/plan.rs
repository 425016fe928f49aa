//! From an archive to the exact writes: blobs with the labels that keep the garbage collector away, in an order in which
//! nothing refers to what is not there yet, and the images with their layers.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    archive::{Archive, ArchiveError, Source},
    oci::{self, Config, Descriptor, Index, Manifest},
};

/// What to write.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Blobs, children first.
    pub blobs: Vec<PlannedBlob>,
    /// Images, each with at least one layer stack for this machine.
    pub images: Vec<PlannedImage>,
}

/// A blob to write.
#[derive(Clone, Debug)]
pub struct PlannedBlob {
    /// What it is.
    pub descriptor: Descriptor,
    /// Its bytes.
    pub source: Source,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// An image to name and unpack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedImage {
    /// Its full name.
    pub name: String,
    /// Its manifest or index.
    pub target: Descriptor,
    /// The digest of its configuration for this machine, which is its id.
    pub id: String,
    /// Layers and the digests of what they unpack to, lowest first.
    pub layers: Vec<(Descriptor, String)>,
}

impl Archive {
    /// What must be written to have the images of this archive that are for this machine.
    pub fn plan(&self) -> Result<Plan, ArchiveError> {
        let mut planner = Planner { archive: self, plan: Plan::default(), done: BTreeSet::new() };
        for image in &self.images {
            if let Some(found) = planner.image(&image.target)? {
                let (id, layers) = found;
                planner.plan.images.push(PlannedImage {
                    name: image.name.clone(),
                    target: image.target.clone(),
                    id,
                    layers,
                });
            }
        }
        Ok(planner.plan)
    }
}

struct Planner<'a> {
    archive: &'a Archive,
    plan: Plan,
    done: BTreeSet<String>,
}

/// The id and the layers of an image for this machine.
type Found = (String, Vec<(Descriptor, String)>);

impl Planner<'_> {
    fn image(&mut self, target: &Descriptor) -> Result<Option<Found>, ArchiveError> {
        if target.is_manifest() {
            return self.manifest(target);
        }
        if !target.is_index() {
            return Err(ArchiveError::Inconsistent(format!("{} is a {}", target.digest, target.media_type)));
        }
        let index: Index = self.archive.parsed(target)?;
        let mut found = None;
        let mut labels = BTreeMap::new();
        for (n, child) in index.manifests.iter().enumerate() {
            let ours = child.platform.as_ref().is_none_or(oci::Platform::is_ours);
            // An index is usually exported whole, with the blobs of one machine.
            if !ours || !child.is_manifest() || !self.archive.blobs.contains_key(&child.digest) {
                continue;
            }
            if let Some(image) = self.manifest(child)? {
                labels.insert(format!("containerd.io/gc.ref.content.m.{n}"), child.digest.clone());
                found.get_or_insert(image);
            }
        }
        if found.is_some() {
            self.blob(target, labels)?;
        }
        Ok(found)
    }

    /// Nothing if it is for another machine.
    fn manifest(&mut self, target: &Descriptor) -> Result<Option<Found>, ArchiveError> {
        let manifest: Manifest = self.archive.parsed(target)?;
        let config: Config = self.archive.parsed(&manifest.config)?;
        let platform = oci::Platform { architecture: config.architecture, os: config.os, variant: None };
        if !platform.is_ours() {
            return Ok(None);
        }
        let diff_ids = config.rootfs.diff_ids;
        if diff_ids.len() != manifest.layers.len() {
            let (named, held) = (diff_ids.len(), manifest.layers.len());
            return Err(ArchiveError::Inconsistent(format!("{}: {named} layers named, {held} held", target.digest)));
        }
        let mut labels = BTreeMap::new();
        for (n, layer) in manifest.layers.iter().enumerate() {
            let uncompressed = BTreeMap::from([("containerd.io/uncompressed".to_owned(), diff_ids[n].clone())]);
            self.blob(layer, uncompressed)?;
            labels.insert(format!("containerd.io/gc.ref.content.l.{n}"), layer.digest.clone());
        }
        self.blob(&manifest.config, BTreeMap::new())?;
        labels.insert("containerd.io/gc.ref.content.config".to_owned(), manifest.config.digest.clone());
        self.blob(target, labels)?;
        Ok(Some((manifest.config.digest, manifest.layers.into_iter().zip(diff_ids).collect())))
    }

    fn blob(&mut self, descriptor: &Descriptor, labels: BTreeMap<String, String>) -> Result<(), ArchiveError> {
        let source = self.archive.blobs.get(&descriptor.digest);
        let source = source.ok_or_else(|| ArchiveError::Missing(descriptor.digest.clone()))?.clone();
        if source.size() != descriptor.size {
            let message = format!("{} has {} bytes, not {}", descriptor.digest, source.size(), descriptor.size);
            return Err(ArchiveError::Inconsistent(message));
        }
        if self.done.insert(descriptor.digest.clone()) {
            self.plan.blobs.push(PlannedBlob { descriptor: descriptor.clone(), source, labels });
        }
        Ok(())
    }
}
