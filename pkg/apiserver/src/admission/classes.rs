//! Default classes: an Ingress or a claim that names none gets the one marked as default.

use knarr_api::{Object, Status, Value};
use serde::Deserialize;
use std::collections::BTreeMap;

use super::{Attributes, Operation, Plugin, View};

/// DefaultIngressClass.
pub struct DefaultIngressClass;

/// DefaultStorageClass.
pub struct DefaultStorageClass;

#[derive(Deserialize)]
struct Marked {
    metadata: Annotations,
}

#[derive(Deserialize)]
struct Annotations {
    annotations: Option<BTreeMap<String, String>>,
}

/// The newest class marked with `annotation: "true"`; of equally old ones the first by name.
fn marked(view: &dyn View, group: &str, plural: &str, annotation: &str) -> Option<String> {
    let is_marked = |o: &Object| {
        let annotations = o.decode::<Marked>().ok().and_then(|m| m.metadata.annotations);
        annotations.is_some_and(|a| a.get(annotation).is_some_and(|v| v == "true"))
    };
    let mut classes: Vec<_> = view.list(group, plural).into_iter().filter(is_marked).collect();
    classes.sort_by(|a, b| b.meta().created.cmp(&a.meta().created).then_with(|| a.name().cmp(b.name())));
    classes.first().map(|o| o.name().to_owned())
}

fn annotated(object: &Value, key: &str) -> bool {
    object.at(&["metadata", "annotations", key]).is_some()
}

impl Plugin for DefaultIngressClass {
    fn name(&self) -> &'static str {
        "DefaultIngressClass"
    }

    fn mutate(&self, a: &Attributes<'_>, ingress: &mut Value) -> Result<(), Status> {
        if a.operation != Operation::Create
            || !a.is("networking.k8s.io", "ingresses")
            || ingress.at(&["spec", "ingressClassName"]).is_some()
            || annotated(ingress, "kubernetes.io/ingress.class")
        {
            return Ok(());
        }
        let mark = "ingressclass.kubernetes.io/is-default-class";
        if let Some(class) = marked(a.view, "networking.k8s.io", "ingressclasses", mark) {
            ingress.set(&["spec", "ingressClassName"], class);
        }
        Ok(())
    }
}

impl Plugin for DefaultStorageClass {
    fn name(&self) -> &'static str {
        "DefaultStorageClass"
    }

    fn mutate(&self, a: &Attributes<'_>, claim: &mut Value) -> Result<(), Status> {
        if a.operation != Operation::Create
            || !a.is("", "persistentvolumeclaims")
            || claim.at(&["spec", "storageClassName"]).is_some()
            || annotated(claim, "volume.beta.kubernetes.io/storage-class")
        {
            return Ok(());
        }
        let mark = "storageclass.kubernetes.io/is-default-class";
        if let Some(class) = marked(a.view, "storage.k8s.io", "storageclasses", mark) {
            claim.set(&["spec", "storageClassName"], class);
        }
        Ok(())
    }
}
