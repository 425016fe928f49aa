//! `APIVersions`, `APIGroupList`, `APIGroup`, `APIResourceList`.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{Catalogue, Group, Line};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApiVersions<'a> {
    kind: &'a str,
    versions: Vec<&'a str>,
    #[serde(rename = "serverAddressByClientCIDRs")]
    addresses: [Address<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Address<'a> {
    #[serde(rename = "clientCIDR")]
    client: &'a str,
    server_address: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApiGroup<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    kind: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    api_version: &'a str,
    name: &'a str,
    versions: Vec<GroupVersion<'a>>,
    preferred_version: GroupVersion<'a>,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupVersion<'a> {
    group_version: String,
    version: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupList<'a> {
    kind: &'a str,
    api_version: &'a str,
    groups: Vec<ApiGroup<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceList<'a> {
    kind: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    api_version: &'a str,
    group_version: &'a str,
    resources: Vec<ApiResource<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApiResource<'a> {
    name: String,
    singular_name: &'a str,
    namespaced: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    group: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    version: &'a str,
    kind: &'a str,
    verbs: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    short_names: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    categories: Vec<&'a str>,
    #[serde(skip_serializing_if = "String::is_empty")]
    storage_version_hash: String,
}

fn encode<T: Serialize>(document: &T) -> Vec<u8> {
    serde_json::to_vec(document).expect("strings and lists always encode")
}

/// `/api`. `address` is where the server is reached.
pub(crate) fn api_versions(catalogue: &Catalogue<'_>, address: &str) -> Vec<u8> {
    let versions = catalogue.group("").map(|g| g.versions.iter().map(|v| v.name).collect()).unwrap_or_default();
    let addresses = [Address { client: "0.0.0.0/0", server_address: address }];
    encode(&ApiVersions { kind: "APIVersions", versions, addresses })
}

fn group<'a>(group: &Group<'a>, kind: &'a str) -> ApiGroup<'a> {
    let of =
        |v: &super::Version<'a>| GroupVersion { group_version: format!("{}/{}", group.name, v.name), version: v.name };
    let versions: Vec<_> = group.versions.iter().map(of).collect();
    let preferred_version = versions[0].clone();
    let api_version = if kind.is_empty() { "" } else { "v1" };
    ApiGroup { kind, api_version, name: group.name, versions, preferred_version }
}

/// `/apis`
pub(crate) fn group_list(catalogue: &Catalogue<'_>) -> Vec<u8> {
    let groups = catalogue.groups.iter().filter(|g| !g.name.is_empty()).map(|g| group(g, "")).collect();
    encode(&GroupList { kind: "APIGroupList", api_version: "v1", groups })
}

/// `/apis/GROUP`
pub(crate) fn api_group(catalogue: &Catalogue<'_>, name: &str) -> Option<Vec<u8>> {
    catalogue.group(name).filter(|g| !g.name.is_empty()).map(|g| encode(&group(g, "APIGroup")))
}

/// `/api/VERSION` and `/apis/GROUP/VERSION`
pub(crate) fn resource_list(catalogue: &Catalogue<'_>, group: &str, version: &str) -> Option<Vec<u8>> {
    let found = catalogue.version(group, version)?;
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let mut resources = Vec::new();
    for r in &found.resources {
        let storage = &r.faces[r.storage];
        let stored = r.verbs.has(knarr_catalog::Verbs::WATCH);
        let line = |line: &Line<'_>, name: String| (name, line.verbs.words().collect::<Vec<_>>());
        let main = Line::main(r);
        if main.verbs != knarr_catalog::Verbs(0) {
            let (name, verbs) = line(&main, r.plural.to_string());
            resources.push(ApiResource {
                name,
                singular_name: &r.singular,
                namespaced: r.namespaced,
                group: "",
                version: "",
                kind: &r.kind,
                verbs,
                short_names: r.short_names.iter().map(AsRef::as_ref).collect(),
                categories: r.categories.iter().map(AsRef::as_ref).collect(),
                storage_version_hash: if stored {
                    hash(&storage.group, &storage.version, &r.kind)
                } else {
                    String::new()
                },
            });
        }
        for sub in &r.subresources {
            let l = Line::sub(r, sub);
            let (name, verbs) = line(&l, format!("{}/{}", r.plural, sub.name));
            resources.push(ApiResource {
                name,
                singular_name: "",
                namespaced: r.namespaced,
                group: l.group,
                version: l.version,
                kind: l.kind,
                verbs,
                short_names: Vec::new(),
                categories: Vec::new(),
                storage_version_hash: String::new(),
            });
        }
    }
    resources.sort_by(|a, b| a.name.cmp(&b.name));
    let api_version = if group.is_empty() { "" } else { "v1" };
    Some(encode(&ResourceList { kind: "APIResourceList", api_version, group_version: &group_version, resources }))
}

/// Tells clients when the stored version changes.
fn hash(group: &str, version: &str, kind: &str) -> String {
    BASE64_STANDARD.encode(&Sha256::digest(format!("{group}/{version}/{kind}"))[..8])
}

#[cfg(test)]
mod tests {
    #[test]
    fn storage_version_hashes_are_upstreams() {
        assert_eq!(super::hash("", "v1", "Pod"), "xPOwRZ+Yhw8=");
    }
}
