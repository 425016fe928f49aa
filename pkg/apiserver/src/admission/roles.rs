//! RoleEscalation: nobody hands out permissions he does not have.
//!
//! Upstream does this in the storage of the four RBAC kinds; as a plugin it stands where all other rules about the
//! contents of a write stand. Users in `system:masters` may do anything; others need the rules themselves, or the
//! verbs `escalate` (to write roles) and `bind` (to bind them).

use std::sync::Arc;

use knarr_api::{Status, Value};

use super::{Attributes, Operation, Plugin};
use crate::{Attributes as Question, Authorizer, Decision, PolicyRule};

const GROUP: &str = "rbac.authorization.k8s.io";

/// See the module.
pub struct RoleEscalation {
    authorizer: Arc<dyn Authorizer>,
}

impl RoleEscalation {
    /// Asks `authorizer` what users have.
    pub fn new(authorizer: Arc<dyn Authorizer>) -> Self {
        Self { authorizer }
    }

    fn may(&self, a: &Attributes<'_>, verb: &str, resource: &str, namespace: &str, name: &str) -> bool {
        let question = Question { verb, group: GROUP, version: "*", resource, namespace, name, ..Question::default() };
        matches!(self.authorizer.authorize(&a.caller.user, &question), Decision::Allow(_))
    }

    fn confirm(&self, a: &Attributes<'_>, rules: &[PolicyRule]) -> Result<(), Status> {
        self.authorizer.holds(&a.caller.user, a.namespace, rules).map_err(|why| a.forbid(&why))
    }
}

impl Plugin for RoleEscalation {
    fn name(&self) -> &'static str {
        "RoleEscalation"
    }

    fn validate(&self, a: &Attributes<'_>, object: Option<&Value>) -> Result<(), Status> {
        let Some(object) = object.filter(|_| a.operation != Operation::Delete && a.target.entry.group() == GROUP)
        else {
            return Ok(());
        };
        let unchanged = |key: &str| a.old.is_some_and(|old| old.get(key) == object.get(key));
        if a.caller.user.is_in("system:masters")
            || (unchanged("rules") && unchanged("roleRef") && unchanged("subjects"))
        {
            return Ok(());
        }
        match &*a.target.entry.resource.plural {
            plural @ ("roles" | "clusterroles") => {
                if self.may(a, "escalate", plural, a.namespace, a.name) {
                    return Ok(());
                }
                self.confirm(a, &rules(object)?)
            }
            "rolebindings" | "clusterrolebindings" => {
                let (kind, role) = (object.str_at(&["roleRef", "kind"]), object.str_at(&["roleRef", "name"]));
                let plural = if kind == "Role" { "roles" } else { "clusterroles" };
                if self.may(a, "bind", plural, a.namespace, role) {
                    return Ok(());
                }
                let Some(rules) = self.authorizer.role(kind, a.namespace, role) else {
                    return Err(Status::not_found(GROUP, if kind == "Role" { "role" } else { "clusterrole" }, role));
                };
                self.confirm(a, &rules)
            }
            _ => Ok(()),
        }
    }
}

fn rules(role: &Value) -> Result<Vec<PolicyRule>, Status> {
    match role.get("rules") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(rules) => knarr_api::value::from_value(rules).map_err(|e| Status::bad_request(e.to_string())),
    }
}
