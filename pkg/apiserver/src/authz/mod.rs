//! May this user do this? Answered from memory, in this order: `system:masters` may everything, then the Node
//! authorizer, then RBAC. Nobody saying yes is a no.
//!
//! The indexes ([`Rbac`], [`NodeGraph`]) follow the cluster through informers like any other component, so the
//! registry asks an answerer that owes it nothing. [`defaults`] is the policy a new cluster starts with.

pub mod defaults;
mod index;
mod node;
mod objects;
mod references;
mod rules;

use std::sync::Arc;

use knarr_client::Api;
use knarr_daemon::Tasks;

pub use index::Rbac;
pub use node::NodeGraph;
pub use rules::PolicyRule;
pub(crate) use rules::confirm_no_escalation;

use crate::{Attributes, Authorizer, Decision, User};

/// The authorizers in their order.
#[derive(Default)]
pub struct Authority {
    node: NodeGraph,
    rbac: Rbac,
}

impl Authority {
    /// One that knows nobody but `system:masters` until its indexes are filled.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Keeps the indexes current until `tasks` stop. `api` must be a caller in `system:masters`.
    pub fn follow(self: &Arc<Self>, api: &Arc<dyn Api>, tasks: &Tasks) {
        index::follow(self, api, tasks);
        references::follow(self, api, tasks);
    }

    /// The RBAC index.
    pub fn rbac(&self) -> &Rbac {
        &self.rbac
    }

    /// What each node may see.
    pub fn node(&self) -> &NodeGraph {
        &self.node
    }
}

impl Authorizer for Authority {
    fn authorize(&self, user: &User, attributes: &Attributes<'_>) -> Decision {
        if user.is_in("system:masters") {
            return Decision::Allow(String::new());
        }
        let node = match self.node.authorize(user, attributes) {
            Decision::Allow(why) => return Decision::Allow(why),
            Decision::Deny(why) => why,
        };
        match self.rbac.authorize(user, attributes) {
            Decision::Allow(why) => Decision::Allow(why),
            Decision::Deny(why) => {
                let reasons: Vec<String> = [node, why].into_iter().filter(|w| !w.is_empty()).collect();
                Decision::Deny(reasons.join("; "))
            }
        }
    }

    fn rules_for(&self, user: &User, namespace: &str) -> (Vec<PolicyRule>, bool) {
        if user.is_in("system:masters") {
            let all = || vec!["*".to_owned()];
            let resources = PolicyRule { verbs: all(), groups: all(), resources: all(), ..PolicyRule::default() };
            return (vec![resources, PolicyRule { verbs: all(), urls: all(), ..PolicyRule::default() }], true);
        }
        (self.rbac.rules_for(user, namespace), node::name_of(user).is_none())
    }

    fn role(&self, kind: &str, namespace: &str, name: &str) -> Option<Vec<PolicyRule>> {
        self.rbac.role(kind, namespace, name)
    }
}
