//! `APIGroupDiscoveryList`: everything in one document.

use serde::Serialize;

use super::{Catalogue, Line};

/// Versions of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V2,
    V2Beta1,
}

impl Version {
    /// The one a clause of an `Accept` header asks for.
    pub(crate) fn asked(target: (&str, &str, &str)) -> Option<Self> {
        match target {
            ("apidiscovery.k8s.io", "v2", "APIGroupDiscoveryList") => Some(Self::V2),
            ("apidiscovery.k8s.io", "v2beta1", "APIGroupDiscoveryList") => Some(Self::V2Beta1),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::V2 => "v2",
            Self::V2Beta1 => "v2beta1",
        }
    }

    /// The media type of the answer.
    pub(crate) fn media_type(self) -> String {
        format!("application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList", self.name())
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    kind: &'a str,
    api_version: String,
    metadata: Empty,
    items: Vec<Group<'a>>,
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
struct Group<'a> {
    metadata: Metadata<'a>,
    versions: Vec<GroupVersion<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    creation_timestamp: Option<()>,
}

#[derive(Serialize)]
struct GroupVersion<'a> {
    version: &'a str,
    resources: Vec<Resource<'a>>,
    freshness: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Resource<'a> {
    resource: &'a str,
    response_kind: Kind<'a>,
    scope: &'a str,
    singular_resource: &'a str,
    verbs: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    short_names: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    categories: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subresources: Vec<Subresource<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Subresource<'a> {
    subresource: &'a str,
    response_kind: Kind<'a>,
    verbs: Vec<&'a str>,
}

#[derive(Serialize)]
struct Kind<'a> {
    group: &'a str,
    version: &'a str,
    kind: &'a str,
}

fn kind<'a>(line: &Line<'a>) -> Kind<'a> {
    Kind { group: line.group, version: line.version, kind: line.kind }
}

/// The document for `/api` (`core`) or `/apis`.
pub(crate) fn document(catalogue: &Catalogue<'_>, core: bool, version: Version) -> Vec<u8> {
    let groups = catalogue.groups.iter().filter(|g| g.name.is_empty() == core).map(|g| Group {
        metadata: Metadata { name: g.name, creation_timestamp: None },
        versions: g
            .versions
            .iter()
            .map(|v| GroupVersion {
                version: v.name,
                resources: v.resources.iter().map(|r| resource(r)).collect(),
                freshness: "Current",
            })
            .collect(),
    });
    let list = List {
        kind: "APIGroupDiscoveryList",
        api_version: format!("apidiscovery.k8s.io/{}", version.name()),
        metadata: Empty {},
        items: groups.collect(),
    };
    serde_json::to_vec(&list).expect("strings and lists always encode")
}

fn resource(r: &knarr_catalog::Resource) -> Resource<'_> {
    let main = Line::main(r);
    let sub = |sub| {
        let line = Line::sub(r, sub);
        Subresource { subresource: &sub.name, response_kind: kind(&line), verbs: line.verbs.words().collect() }
    };
    let mut subresources: Vec<_> = r.subresources.iter().map(sub).collect();
    subresources.sort_by_key(|s| s.subresource);
    Resource {
        resource: &r.plural,
        response_kind: kind(&main),
        scope: if r.namespaced { "Namespaced" } else { "Cluster" },
        singular_resource: &r.singular,
        verbs: main.verbs.words().collect(),
        short_names: r.short_names.iter().map(AsRef::as_ref).collect(),
        categories: r.categories.iter().map(AsRef::as_ref).collect(),
        subresources,
    }
}
