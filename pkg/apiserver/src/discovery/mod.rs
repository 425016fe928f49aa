//! What is served, told to clients: `/api`, `/apis` and below, plain and aggregated.
//!
//! Everything is computed from the resources of the moment ([`Catalogue`]) when it is asked for; clients cache by
//! `ETag`, so it is asked for rarely.

mod aggregated;
mod plain;

use std::collections::BTreeMap;

use knarr_catalog::{Resource, Subresource, Verbs};

pub(crate) use aggregated::{Version as AggregatedVersion, document as aggregated};
pub(crate) use plain::{api_group, api_versions, group_list, resource_list};

/// The served resources by group and version, in the order discovery tells them.
pub(crate) struct Catalogue<'a> {
    pub(crate) groups: Vec<Group<'a>>,
}

/// An API group.
pub(crate) struct Group<'a> {
    pub(crate) name: &'a str,
    /// Preferred first.
    pub(crate) versions: Vec<Version<'a>>,
}

/// One version of a group.
pub(crate) struct Version<'a> {
    pub(crate) name: &'a str,
    /// By name.
    pub(crate) resources: Vec<&'a Resource>,
}

/// Groups in upstream's order of priority; all others follow by name.
const ORDER: [&str; 23] = [
    "",
    "apiregistration.k8s.io",
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "discovery.k8s.io",
    "resource.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "internal.apiserver.k8s.io",
    "storagemigration.k8s.io",
];

impl<'a> Catalogue<'a> {
    pub(crate) fn new(resources: impl Iterator<Item = &'a Resource>) -> Self {
        type Versions<'a> = BTreeMap<&'a str, BTreeMap<&'a str, &'a Resource>>;
        let mut map: BTreeMap<(usize, &str), Versions<'_>> = BTreeMap::new();
        for resource in resources {
            for face in &resource.faces {
                let rank = ORDER.iter().position(|g| *g == face.group).unwrap_or(ORDER.len());
                let versions = map.entry((rank, &face.group)).or_default();
                versions.entry(&face.version).or_default().entry(&resource.plural).or_insert(resource);
            }
        }
        let groups = map.into_iter().map(|((_, name), versions)| {
            let mut versions: Vec<Version<'_>> = versions
                .into_iter()
                .map(|(name, resources)| Version { name, resources: resources.into_values().collect() })
                .collect();
            versions.sort_by_key(|v| std::cmp::Reverse(priority(v.name)));
            Group { name, versions }
        });
        Self { groups: groups.collect() }
    }

    pub(crate) fn group(&self, name: &str) -> Option<&Group<'a>> {
        self.groups.iter().find(|g| g.name == name)
    }

    pub(crate) fn version(&self, group: &str, version: &str) -> Option<&Version<'a>> {
        self.group(group)?.versions.iter().find(|v| v.name == version)
    }
}

/// Kubernetes' order of versions: general availability, beta, alpha, then all others; higher numbers first.
fn priority(version: &str) -> (u8, u32, u32, std::cmp::Reverse<&str>) {
    let other = (0, 0, 0, std::cmp::Reverse(version));
    let Some(rest) = version.strip_prefix('v') else { return other };
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let Ok(major) = rest[..digits].parse() else { return other };
    let (rank, minor) = match &rest[digits..] {
        "" => (3, Some(0)),
        tail => match (tail.strip_prefix("beta"), tail.strip_prefix("alpha")) {
            (Some(n), _) => (2, n.parse().ok()),
            (_, Some(n)) => (1, n.parse().ok()),
            _ => (0, None),
        },
    };
    minor.map_or(other, |minor| (rank, major, minor, std::cmp::Reverse(version)))
}

/// A resource or subresource as discovery tells it.
struct Line<'a> {
    group: &'a str,
    version: &'a str,
    kind: &'a str,
    verbs: Verbs,
}

impl<'a> Line<'a> {
    fn main(resource: &'a Resource) -> Self {
        Self { group: "", version: "", kind: &resource.kind, verbs: resource.verbs }
    }

    /// Group and version only where they are not the parent's.
    fn sub(resource: &'a Resource, sub: &'a Subresource) -> Self {
        if sub.kind.is_empty() {
            return Self { group: "", version: "", kind: &resource.kind, verbs: sub.verbs };
        }
        let own = resource.faces.iter().any(|f| f.group == sub.group && f.version == sub.version);
        let (group, version) = if own { ("", "") } else { (&*sub.group, &*sub.version) };
        Self { group, version, kind: &sub.kind, verbs: sub.verbs }
    }
}

#[cfg(test)]
mod tests;
