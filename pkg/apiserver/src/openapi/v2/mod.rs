//! `/openapi/v2`: one Swagger 2.0 document of everything, as JSON or as the protobuf of the gnostic project.
//!
//! Old clients still live on it, and new ones fall back to it: kubectl does when it applies a `List`, for no document
//! of v3 speaks of that kind.
//!
//! The content is what v3 says, said in the words of v2 ([`lower`]). The whole would be a tree of many megabytes, so
//! it never exists as one: each path and each definition is made, written and dropped. That happens on the thread of
//! the request, so there are never more documents in the making than such threads.

mod gnostic;
mod lower;
mod wire;

use knarr_api::{Value, value};
use knarr_catalog::Docs;

use super::{components::Components, paths};
use crate::{codec, discovery::Catalogue, negotiate};

/// How the document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Swagger as everyone knows it.
    Json,
    /// `openapi.v2.Document` of gnostic.
    Protobuf,
}

/// What clients ask for: the older name is no media type by the letter (`@`), which is why there is a second one.
const PROTOBUF: [&str; 2] = [
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
];

impl Form {
    /// The form a client likes best; none if it accepts neither.
    pub(crate) fn asked(accept: &str) -> Option<Self> {
        if accept.is_empty() {
            return Some(Self::Json);
        }
        negotiate::clauses(accept).iter().find_map(|clause| {
            if clause.covers("application/json") {
                Some(Self::Json)
            } else {
                PROTOBUF.iter().any(|name| clause.covers(name)).then_some(Self::Protobuf)
            }
        })
    }

    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Protobuf => PROTOBUF[0],
        }
    }
}

/// The document of everything in the catalogue.
pub(super) fn build(catalogue: &Catalogue<'_>, form: Form) -> Vec<u8> {
    let mut out = Vec::new();
    match form {
        Form::Json => json(catalogue, &mut out),
        Form::Protobuf => {
            gnostic::document(&head(), &mut out);
            let docs = Docs::unpack();
            let mut components = Components::new(&docs);
            gnostic::paths(&mut out, |out| {
                each_path(catalogue, &mut components, |path, item| gnostic::path(path, item, out));
            });
            gnostic::definitions(&mut out, |out| {
                each_definition(components, |name, schema| gnostic::definition(name, schema, out));
            });
        }
    }
    out
}

fn json(catalogue: &Catalogue<'_>, out: &mut Vec<u8>) {
    fn entry(name: &str, value: &Value, first: &mut bool, out: &mut Vec<u8>) {
        if !std::mem::take(first) {
            out.push(b',');
        }
        out.extend(codec::to_json(&Value::from(name)));
        out.push(b':');
        out.extend(codec::to_json(value));
    }
    let docs = Docs::unpack();
    let mut components = Components::new(&docs);
    out.push(b'{');
    let mut first = true;
    let Value::Object(head) = head() else { return };
    for (name, value) in head.iter() {
        entry(name, value, &mut first, out);
    }
    out.extend(b",\"paths\":{");
    first = true;
    each_path(catalogue, &mut components, |path, item| entry(path, item, &mut first, out));
    out.extend(b"},\"definitions\":{");
    first = true;
    each_definition(components, |name, schema| entry(name, schema, &mut first, out));
    out.extend(b"}}");
}

/// Everything but paths and definitions.
fn head() -> Value {
    value!({
        "swagger": "2.0",
        "info": { "title": "Kubernetes", "version": (crate::VERSION) },
        "securityDefinitions": {
            "BearerToken": { "type": "apiKey", "description": "Bearer Token authentication", "name": "authorization", "in": "header" },
        },
        "security": [{ "BearerToken": [] }],
    })
}

fn each_path(catalogue: &Catalogue<'_>, components: &mut Components<'_>, mut visit: impl FnMut(&str, &Value)) {
    for group in &catalogue.groups {
        for version in &group.versions {
            for resource in &version.resources {
                let mut of_resource = Value::object();
                paths::add(&mut of_resource, components, group.name, version.name, resource);
                let Value::Object(items) = of_resource else { continue };
                for (path, item) in items {
                    visit(&path, &lower::path_item(item));
                }
            }
        }
    }
}

fn each_definition(components: Components<'_>, mut visit: impl FnMut(&str, &Value)) {
    let Value::Object(schemas) = components.finish() else { return };
    for (name, schema) in schemas {
        visit(&name, &lower::schema(schema));
    }
}

#[cfg(test)]
mod tests;
