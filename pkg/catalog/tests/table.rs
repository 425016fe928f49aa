//! The schema table against itself: mistakes that no codec would notice.

use std::collections::BTreeSet;

use knarr_api::{
    json::{self, Limits},
    schema::{ListKind, Node, NodeId, Type},
};
use knarr_catalog::{TABLES, kinds, type_named};

/// Structs that are printed into annotations rather than served.
const PRINTED: [&str; 3] = ["MetricSpec", "MetricStatus", "HorizontalPodAutoscalerCondition"];

fn structs() -> impl Iterator<Item = Type<'static>> {
    let ids = TABLES.nodes.iter().enumerate().filter(|(_, node)| matches!(node, Node::Struct(_)));
    ids.map(|(id, _)| TABLES.ty(NodeId::try_from(id).expect("tables are small")))
}

#[test]
fn every_struct_is_reachable() {
    let mut seen = BTreeSet::new();
    for (_, schema) in kinds() {
        reach(TABLES.ty(schema.ty().id), &mut seen);
    }
    for name in PRINTED {
        let id = type_named(&format!("io.k8s.api.autoscaling.v1.{name}")).unwrap();
        reach(TABLES.ty(id), &mut seen);
    }
    let lost: Vec<&str> = structs().filter(|ty| !seen.contains(&ty.id)).map(|ty| ty.name()).collect();
    assert_eq!(lost, Vec::<&str>::new());
}

fn reach(ty: Type<'static>, seen: &mut BTreeSet<NodeId>) {
    if seen.insert(ty.id) {
        ty.item().into_iter().chain(ty.fields().map(|f| f.ty())).for_each(|next| reach(next, seen));
    }
}

#[test]
fn every_default_is_json_of_its_type() {
    for ty in structs() {
        for field in ty.fields() {
            let Some(text) = field.default() else { continue };
            let at = format!("{}.{}", ty.name(), field.name());
            let value = json::parse(text.as_bytes(), &Limits::default()).expect(&at).value;
            if field.enums().len() > 0 {
                assert!(field.enums().any(|e| Some(e) == value.as_str()), "{at}: {text} is none of the values");
            }
            knarr_api::decode::normalise(field.ty(), value, knarr_api::decode::Validation::Strict).expect(&at);
        }
    }
}

#[test]
fn keys_are_members_of_the_items() {
    for ty in structs() {
        for field in ty.fields() {
            let at = format!("{}.{}", ty.name(), field.name());
            for key in field.ty().list_keys().chain(field.merge_key()) {
                let item = field.ty().item().expect(&at);
                let member = item.field(key).unwrap_or_else(|| panic!("{at}: items have no {key}"));
                assert!(member.ty().as_scalar().is_some(), "{at}: key {key} is no scalar");
            }
            if let Node::List { item, kind, .. } = field.ty().node() {
                let scalar = TABLES.ty(item).as_scalar().is_some();
                assert!(kind != ListKind::Set || scalar, "{at}: a set of what is no scalar");
                assert_eq!(kind == ListKind::Map, field.ty().list_keys().len() > 0, "{at}");
            }
        }
    }
}

#[test]
fn names_and_tags_are_unique_in_a_struct() {
    for ty in structs() {
        let (mut names, mut tags) = (BTreeSet::new(), BTreeSet::new());
        ty.each_field(&mut |field| assert!(names.insert(field.name()), "{}.{}", ty.name(), field.name()));
        for field in ty.fields().filter(|f| f.row.tag > 0) {
            assert!(tags.insert(field.row.tag), "{}: tag {}", ty.name(), field.row.tag);
        }
    }
}

#[test]
fn types_are_found_by_name_and_kinds_by_version() {
    for ty in structs() {
        assert_eq!(type_named(ty.name()), Some(ty.id));
    }
    assert_eq!(type_named("io.k8s.api.core.v1.Nothing"), None);
    let name = |group, version, kind| knarr_catalog::kind(group, version, kind).map(|s| s.ty().name().to_owned());
    assert_eq!(name("apps", "v1", "Deployment").as_deref(), Some("io.k8s.api.apps.v1.Deployment"));
    let options = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
    assert_eq!(name("batch", "v1", "DeleteOptions").as_deref(), Some(options));
    assert_eq!(name("apps", "v1beta1", "Deployment"), None);
}
