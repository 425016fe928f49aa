//! Pod specs in the runtime's language. Pure: everything it needs to know comes in.

mod container;
mod dns;
mod downward;
mod env;
mod expand;
mod hosts;
mod pause;
mod resources;
mod sandbox;
mod security;

use std::{collections::BTreeMap, sync::Arc};

pub(crate) use container::{ContainerInput, Image, container_config};
pub(crate) use dns::{ResolvConf, dns_config};
pub(crate) use downward::{field, resource};
pub(crate) use env::{Service, ServicePort, environment};
pub(crate) use expand::expand;
pub(crate) use hosts::hosts_file;
pub(crate) use pause::pause_profile;
pub(crate) use resources::{Machine, linux_resources, pod_resources};
pub(crate) use sandbox::log_directory;
pub(crate) use sandbox::sandbox_config;

/// The entries of a ConfigMap or Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Data {
    /// Values by key.
    pub entries: BTreeMap<String, Vec<u8>>,
    /// `type` of a Secret.
    pub kind: String,
}

/// ConfigMaps and Secrets a pod refers to; `None` for those that do not exist.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    /// ConfigMaps by name.
    pub config_maps: BTreeMap<String, Option<Arc<Data>>>,
    /// Secrets by name.
    pub secrets: BTreeMap<String, Option<Arc<Data>>>,
}

/// A spec that cannot be translated with what is there: the container waits with `CreateContainerConfigError`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct SpecError(pub String);

impl Sources {
    /// A ConfigMap that must be there, or may be missing if `optional`.
    ///
    /// # Errors
    /// It is not there.
    pub(crate) fn config_map(&self, name: &str, optional: bool) -> Result<Option<&Arc<Data>>, SpecError> {
        find(&self.config_maps, "configmap", name, optional)
    }

    /// The same for a Secret.
    ///
    /// # Errors
    /// It is not there.
    pub(crate) fn secret(&self, name: &str, optional: bool) -> Result<Option<&Arc<Data>>, SpecError> {
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

#[cfg(test)]
mod tests;
