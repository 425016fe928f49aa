//! Admission: what may still change, and what may still refuse, a write that is allowed and well-formed.
//!
//! A [`Plugin`] has two phases. *Mutating* plugins run in order on the new object before it is prepared and validated;
//! *validating* ones see what is about to be committed, and deletes. After the plugins of a phase stands its reserved
//! stage for webhooks and policies ([`Admission::reserved`]): it passes everything through until the server has them,
//! and fixes the place where they will be called. Plugins are synchronous: what they ask of the cluster ([`View`]) is
//! in memory.

mod certificates;
mod classes;
mod limits;
mod namespace;
mod node;
mod pod_security;
mod priority;
mod roles;
mod service_account;
mod tolerations;

use std::sync::Arc;

use knarr_api::{Object, Status, Value};
use knarr_client::Options;

use crate::{Authorizer, Caller, registry::Target};

pub use certificates::CertificateRequests;
pub use classes::{DefaultIngressClass, DefaultStorageClass};
pub use limits::LimitRanger;
pub use namespace::NamespaceLifecycle;
pub use node::{NodeRestriction, NodeTaints};
pub use pod_security::PodSecurity;
pub use priority::Priority;
pub use roles::RoleEscalation;
pub use service_account::ServiceAccount;
pub use tolerations::DefaultTolerationSeconds;

/// What a write does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// An object comes into being.
    Create,
    /// It changes.
    Update,
    /// It goes.
    Delete,
}

/// What plugins may know of the cluster.
pub trait View: Sync {
    /// A stored object, if its resource is served.
    fn get(&self, group: &str, plural: &str, namespace: &str, name: &str) -> Option<Object>;
    /// All objects of a resource.
    fn list(&self, group: &str, plural: &str) -> Vec<Object>;
}

/// A write, apart from the new object.
pub struct Attributes<'a> {
    /// Who.
    pub caller: &'a Caller,
    /// What.
    pub operation: Operation,
    /// With which resource, through which face and subresource.
    pub target: &'a Target,
    /// In which namespace.
    pub namespace: &'a str,
    /// Name of the object; the generated one where there is one.
    pub name: &'a str,
    /// Options of the request.
    pub options: &'a Options,
    /// The object as it was, in the storage face.
    pub old: Option<&'a Value>,
    /// The cluster.
    pub view: &'a dyn View,
}

impl Attributes<'_> {
    /// Whether this is about the resource itself, not a subresource.
    pub fn is(&self, group: &str, plural: &str) -> bool {
        self.target.sub.is_none() && self.target.entry.is(group, plural)
    }

    /// Whether this is about the resource or one of its subresources.
    pub fn about(&self, group: &str, plural: &str) -> bool {
        self.target.entry.is(group, plural)
    }

    /// A refusal in admission's words.
    pub fn forbid(&self, why: &str) -> Status {
        self.target.forbidden(self.name, why)
    }
}

/// One rule. Trees are of the storage face.
pub trait Plugin: Send + Sync + 'static {
    /// The name administrators know it by.
    fn name(&self) -> &'static str;

    /// Changes the new object, or refuses.
    ///
    /// # Errors
    /// The refusal.
    fn mutate(&self, _a: &Attributes<'_>, _object: &mut Value) -> Result<(), Status> {
        Ok(())
    }

    /// Refuses or not. `object` is `None` for deletes.
    ///
    /// # Errors
    /// The refusal.
    fn validate(&self, _a: &Attributes<'_>, _object: Option<&Value>) -> Result<(), Status> {
        Ok(())
    }
}

/// The plugins of a server, in order.
#[derive(Clone)]
pub struct Admission {
    plugins: Arc<[Box<dyn Plugin>]>,
}

impl Admission {
    /// All plugins of this server. `authorizer` knows what a user who hands out permissions has.
    pub fn standard(authorizer: Arc<dyn Authorizer>) -> Self {
        Self::new(vec![
            Box::new(NamespaceLifecycle),
            Box::new(LimitRanger),
            Box::new(ServiceAccount),
            Box::new(NodeRestriction),
            Box::new(NodeTaints),
            Box::new(PodSecurity),
            Box::new(Priority),
            Box::new(DefaultTolerationSeconds),
            Box::new(DefaultStorageClass),
            Box::new(DefaultIngressClass),
            Box::new(RoleEscalation::new(authorizer.clone())),
            Box::new(CertificateRequests::new(authorizer)),
        ])
    }

    /// These plugins.
    pub fn new(plugins: Vec<Box<dyn Plugin>>) -> Self {
        Self { plugins: plugins.into() }
    }

    /// Names in order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.plugins.iter().map(|p| p.name())
    }

    /// The mutating phase.
    ///
    /// # Errors
    /// The first refusal.
    pub fn mutate(&self, a: &Attributes<'_>, object: &mut Value) -> Result<(), Status> {
        self.plugins.iter().try_for_each(|p| p.mutate(a, object))?;
        Self::reserved()
    }

    /// The validating phase.
    ///
    /// # Errors
    /// The first refusal.
    pub fn validate(&self, a: &Attributes<'_>, object: Option<&Value>) -> Result<(), Status> {
        self.plugins.iter().try_for_each(|p| p.validate(a, object))?;
        Self::reserved()
    }

    /// Where admission webhooks and admission policies will stand, in both phases. Passes everything through. Quotas are
    /// charged behind it, with the commit (`registry::quota`).
    #[expect(clippy::unnecessary_wraps, reason = "the stage will refuse once it has rules")]
    fn reserved() -> Result<(), Status> {
        Ok(())
    }
}
