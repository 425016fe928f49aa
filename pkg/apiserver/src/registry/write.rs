//! The part of a write that creating and updating share: the parties, validation, commit.

use jiff::Timestamp;
use knarr_api::{Object, Status, Str, Value, field::Errors, validate};
use knarr_client::Request;
use knarr_store::{Class, CommitErrorKind, Op};

use super::{Answer, Body, Registry, document::present, entry::Target, metadata};
use crate::{
    Caller,
    admission::{Attributes, Operation, View},
};

/// How often a write that lost a race is computed again.
pub(super) const ATTEMPTS: usize = 8;

/// Why an attempt to write came to nothing.
pub(super) enum Failure {
    /// For good: what the client is told.
    Refused(Status),
    /// Someone else was faster; computing again may succeed. What the client is told if it does not.
    Raced(Status),
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Refused(status)
    }
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(status) | Failure::Raced(status) => status,
        }
    }
}

/// The unchanging parties of one write.
#[derive(Clone, Copy)]
pub(super) struct Write<'a> {
    pub(super) caller: &'a Caller,
    pub(super) target: &'a Target,
    pub(super) request: &'a Request,
    pub(super) now: Timestamp,
}

impl<'a> Write<'a> {
    /// The namespace objects of this request live in.
    pub(super) fn namespace(&self) -> &'a str {
        if self.target.entry.resource.namespaced { &self.request.namespace } else { "" }
    }

    /// Who the changed fields will belong to.
    pub(super) fn manager(&self) -> &'a str {
        match self.request.options.field_manager.as_str() {
            "" => &self.caller.manager,
            named => named,
        }
    }

    pub(super) fn dry_run(&self) -> bool {
        self.request.options.dry_run
    }

    /// The time as metadata prints it.
    pub(super) fn time(&self) -> String {
        rfc3339(self.now)
    }

    pub(super) fn attributes<'b>(
        &'b self,
        registry: &'b Registry,
        operation: Operation,
        name: &'b str,
        old: Option<&'b Value>,
    ) -> Attributes<'b> {
        let Self { caller, target, request, .. } = *self;
        let namespace = if target.entry.is("", "namespaces") { "" } else { self.namespace() };
        Attributes { caller, operation, target, namespace, name, options: &request.options, old, view: registry }
    }

    /// Puts the object where the request says, or refuses one that says otherwise.
    pub(super) fn settle_namespace(&self, object: &mut Value) -> Result<(), Status> {
        let wanted = self.namespace();
        let given = object.str_at(&["metadata", "namespace"]);
        if given == wanted {
            return Ok(());
        }
        if !given.is_empty() && !wanted.is_empty() {
            return Err(Status::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        let wanted = (!wanted.is_empty()).then(|| Value::from(wanted));
        metadata::set(object, "namespace", wanted);
        Ok(())
    }

    /// Holds a changed object against the URL: it is to stay where it is and to keep its name.
    pub(super) fn settle_place(&self, object: &mut Value, name: &str) -> Result<(), Status> {
        self.settle_namespace(object)?;
        let why = match metadata::name(object) {
            given if given == name => return Ok(()),
            "" => format!("the name of the object ({name} based on URL) was undeterminable: name must be provided"),
            given => format!("the name of the object ({given}) does not match the name on the URL ({name})"),
        };
        Err(Status::bad_request(why))
    }

    /// What is wrong with the object whatever it was before.
    pub(super) fn check(&self, object: &Value) -> Errors {
        let resource = &self.target.entry.resource;
        let mut errors = metadata::check(object, resource.namespaced, &|name| resource.hooks.check_name(name));
        errors.extend(validate::shape(self.target.entry.storage_face().schema.ty(), object));
        errors
    }

    /// 422, unless there is nothing to complain about.
    pub(super) fn settle(&self, object: &Value, errors: &Errors) -> Result<(), Status> {
        if errors.is_empty() { Ok(()) } else { Err(self.target.invalid(metadata::name(object), errors)) }
    }

    /// The answer that carries a stored object.
    pub(super) fn answer(&self, object: Object, created: bool, tree: Option<&Value>) -> Result<Answer, Status> {
        let warnings = tree.map(|t| self.target.entry.resource.hooks.warnings(t)).unwrap_or_default();
        Ok(Answer { body: Body::Object(present(self.target, object)?), created, warnings })
    }
}

/// Seconds are all that `metav1.Time` keeps.
pub(super) fn rfc3339(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl Registry {
    /// Commits, the object of the request first. What goes wrong there is told in the words of `target`; what goes
    /// wrong with the operations behind it is a race for something that was free a moment ago.
    pub(super) async fn commit(
        &self,
        target: &Target,
        name: &str,
        ops: Vec<Op>,
        class: Class,
    ) -> Result<Vec<Object>, Failure> {
        let error = match self.storage.commit(ops, class).await {
            Ok(objects) => return Ok(objects),
            Err(error) => error,
        };
        Err(match error.kind {
            CommitErrorKind::Exists(_) if error.index == 0 => {
                Failure::Refused(Status::already_exists(target.group(), target.plural(), name))
            }
            CommitErrorKind::Missing if error.index == 0 => Failure::Refused(target.not_found(name)),
            CommitErrorKind::Exists(_) | CommitErrorKind::Missing | CommitErrorKind::Changed(_) => {
                Failure::Raced(target.stale(name))
            }
            kind @ CommitErrorKind::Closed => {
                Failure::Refused(Status::new(knarr_api::Reason::ServiceUnavailable, kind.to_string()))
            }
            kind => Failure::Refused(Status::internal(knarr_daemon::chain(&kind))),
        })
    }
}

/// The store as admission sees it.
impl View for Registry {
    fn get(&self, group: &str, plural: &str, namespace: &str, name: &str) -> Option<Object> {
        let entry = self.resources().named(group, plural)?.clone();
        self.storage.get(entry.collection, namespace, name)
    }

    fn list(&self, group: &str, plural: &str) -> Vec<Object> {
        let Some(entry) = self.resources().named(group, plural).cloned() else { return Vec::new() };
        self.storage.all(entry.collection)
    }
}

/// The name of a request about one object.
pub(super) fn required_name(request: &Request) -> Result<&Str, Status> {
    if request.name.is_empty() { Err(Status::bad_request("name must be provided")) } else { Ok(&request.name) }
}
