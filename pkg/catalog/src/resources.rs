//! The resources the API server serves out of the box.
//!
//! Each API group is a table of [`row::Row`]s, which say what upstream's storage strategies and discovery documents
//! say; this file joins them with their schemas, hooks and columns. Resources that are only asked and answered
//! (reviews, bindings) are rows like any other, with `stored` off.

mod extensions;
mod infrastructure;
mod metrics;
mod nucleus;
mod policy;
mod row;
mod select;
mod workloads;

#[cfg(test)]
mod tests;

use knarr_api::Str;

use crate::{Convert, Face, Resource, Subresource, Verbs, convert, kinds, tables};
use row::{Group, Row, Sub};

/// Every built-in resource.
pub fn resources() -> Vec<Resource> {
    let groups = [
        nucleus::GROUPS,
        workloads::GROUPS,
        policy::GROUPS,
        infrastructure::GROUPS,
        extensions::GROUPS,
        metrics::GROUPS,
    ];
    let rows = groups.iter().copied().flatten().flat_map(|group| group.rows.iter().map(move |row| (group, row)));
    rows.map(|(group, row)| assemble(group, row)).collect()
}

fn assemble(group: &Group, row: &Row) -> Resource {
    let mut faces = vec![face(group.group, group.version, row.kind, Convert::Identity)];
    faces.extend(convert::other_faces(group.group, row.plural).map(|(g, v, c)| face(g, v, row.kind, c)));
    let mut subresources: Vec<Subresource> = row.subresources.iter().map(subresource).collect();
    if let Some(resets) = row.status {
        subresources.push(subresource(&Sub::own("status", Verbs::STATUS).resets(resets)));
    }
    if row.scale {
        subresources.push(subresource(&Sub::of("scale", Verbs::STATUS, "autoscaling", "v1", "Scale")));
    }
    subresources.sort_by(|a, b| a.name.cmp(&b.name));
    Resource {
        faces,
        storage: 0,
        plural: row.plural.into(),
        singular: if row.singular.is_empty() { row.kind.to_ascii_lowercase().into() } else { row.singular.into() },
        kind: row.kind.into(),
        short_names: words(row.short),
        categories: words(row.categories),
        namespaced: row.namespaced,
        stored: row.stored,
        verbs: row.verbs,
        subresources,
        resets: words(row.resets),
        generation: row.generation,
        create_on_update: row.create_on_update,
        unconditional_update: row.unconditional_update,
        graceful: row.graceful,
        selectable: row.selectable.iter().map(|(label, path)| (Str::from(*label), Str::from(*path))).collect(),
        columns: kinds::columns_for(group.group, row.plural),
        hooks: kinds::hooks_for(group.group, row.plural),
    }
}

fn face(group: &str, version: &str, kind: &str, convert: Convert) -> Face {
    let schema = tables::kind(group, version, kind).expect("the self-test finds every row's kind in the table");
    Face { group: group.into(), version: version.into(), schema, convert }
}

fn subresource(sub: &Sub) -> Subresource {
    Subresource {
        name: sub.name.into(),
        group: sub.group.into(),
        version: sub.version.into(),
        kind: sub.kind.into(),
        verbs: sub.verbs,
        resets: words(sub.resets),
    }
}

fn words(words: &[&str]) -> Vec<Str> {
    words.iter().map(|w| Str::from(*w)).collect()
}
