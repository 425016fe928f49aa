//! Pod specs in the runtime's language. Pure: everything it needs to know comes in.

mod container;
mod dns;
mod downward;
mod env;
mod expand;
mod hosts;
mod resources;
mod sandbox;
mod security;

use std::{collections::BTreeMap, sync::Arc};

pub use container::{ContainerInput, Image, container_config};
pub use dns::{ResolvConf, dns_config};
pub use downward::{field, resource};
pub use env::{Service, ServicePort, environment};
pub use expand::expand;
pub use hosts::hosts_file;
pub use resources::{Machine, linux_resources, pod_resources};
pub use sandbox::sandbox_config;
pub(crate) use sandbox::log_directory;

/// The entries of a ConfigMap or Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Data {
    /// Values by key.
    pub entries: BTreeMap<String, Vec<u8>>,
    /// `type` of a Secret.
    pub kind: String,
}

/// ConfigMaps and Secrets a pod refers to; `None` for those that do not exist.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// ConfigMaps by name.
    pub config_maps: BTreeMap<String, Option<Arc<Data>>>,
    /// Secrets by name.
    pub secrets: BTreeMap<String, Option<Arc<Data>>>,
}

/// A spec that cannot be translated with what is there: the container waits with `CreateContainerConfigError`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SpecError(pub String);

impl Sources {
    /// A ConfigMap that must be there, or may be missing if `optional`.
    ///
    /// # Errors
    /// It is not there.
    pub fn config_map(&self, name: &str, optional: bool) -> Result<Option<&Arc<Data>>, SpecError> {
        find(&self.config_maps, "configmap", name, optional)
    }

    /// The same for a Secret.
    ///
    /// # Errors
    /// It is not there.
    pub fn secret(&self, name: &str, optional: bool) -> Result<Option<&Arc<Data>>, SpecError> {
        find(&self.secrets, "secret", name, optional)
    }
}

fn find<'a>(
    map: &'a BTreeMap<String, Option<Arc<Data>>>,
    what: &str,
    name: &str,
    optional: bool,
) -> Result<Option<&'a Arc<Data>>, SpecError> {
    match map.get(name).and_then(Option::as_ref) {
        Some(data) => Ok(Some(data)),
        None if optional => Ok(None),
        None => Err(SpecError(format!("{what} {name:?} not found"))),
    }
}
