//! NamespaceLifecycle: nothing comes into a namespace that does not exist or is going away.

use knarr_api::{Status, Value, status::Cause};

use super::{Attributes, Operation, Plugin};

/// Namespaces nobody may delete.
const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

/// See the module.
pub struct NamespaceLifecycle;

impl Plugin for NamespaceLifecycle {
    fn name(&self) -> &'static str {
        "NamespaceLifecycle"
    }

    fn mutate(&self, a: &Attributes<'_>, _object: &mut Value) -> Result<(), Status> {
        if a.namespace.is_empty() || a.about("", "namespaces") || a.target.entry.is_virtual() {
            return Ok(());
        }
        let Some(namespace) = a.view.get("", "namespaces", "", a.namespace) else {
            return Err(Status::not_found("", "namespaces", a.namespace));
        };
        // Terminating and being deleted are one transaction; decoding the phase would tell nothing more.
        if a.operation != Operation::Create || namespace.meta().deleted.is_none() {
            return Ok(());
        }
        let ns = a.namespace;
        let why = format!("unable to create new content in namespace {ns} because it is being terminated");
        Err(a.forbid(&why).with_causes([Cause {
            reason: "NamespaceTerminating".to_owned(),
            message: format!("namespace {ns} is being terminated"),
            field: "metadata.namespace".to_owned(),
        }]))
    }

    fn validate(&self, a: &Attributes<'_>, _object: Option<&Value>) -> Result<(), Status> {
        if a.operation == Operation::Delete && a.is("", "namespaces") && IMMORTAL.contains(&a.name) {
            return Err(a.forbid("this namespace may not be deleted"));
        }
        Ok(())
    }
}
