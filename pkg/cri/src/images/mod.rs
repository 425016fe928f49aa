//! Images from files: `<data-dir>/agent/images/*.tar`, and the embedded sandbox image.
//!
//! containerd before 1.7 has no import service, so we do what its own tools do: blobs into the content store, layers into the
//! snapshotter, names into the image store, all under a lease that keeps the garbage collector away meanwhile. CRI
//! notices new names by itself. Nothing is written that is already there.

mod archive;
pub(crate) mod oci;
mod pinned;
mod plan;
mod preload;
mod reference;
mod store;

pub use archive::{Archive, ArchiveError, NamedImage, Source};
pub use oci::{Descriptor, Platform};
pub(crate) use pinned::pinned;
pub use plan::{Plan, PlannedBlob, PlannedImage};
pub use preload::{PreloadFailure, Preloaded};
pub use reference::normalize;
pub use store::{ImportError, Importer};
