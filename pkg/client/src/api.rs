//! The trait and its vocabulary.

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use knarr_api::{Object, Status, Str, Value};

use crate::Resource;

/// A view of the cluster for one identity.
///
/// Errors are what the API answers; a transport that cannot reach the server answers `ServiceUnavailable`. Dropping
/// the future of a read cancels it; a write that has begun runs to its end.
#[async_trait]
pub trait Api: Send + Sync + 'static {
    /// One request with one answer.
    async fn call(&self, request: Request) -> Result<Reply, Status>;

    /// Changes of a selection, from a revision on (`options.resource_version`) or with the present state first
    /// (`options.send_initial_events`). `request.verb` is [`Verb::Watch`].
    async fn watch(&self, request: Request) -> Result<EventStream, Status>;
}

/// What a watch delivers. The stream ends when the server ends it: watch again from the last revision seen.
pub type EventStream = BoxStream<'static, Result<Event, Status>>;

/// One change. The server sends each event of a selection once, in order.
#[derive(Clone, Debug)]
pub enum Event {
    /// The object is new, or came into the selection.
    Added(Object),
    /// The object changed.
    Modified(Object),
    /// The object is gone or left the selection; carries its last state.
    Deleted(Object),
    /// Nothing older than `revision` is still to come; `initial_events_end` closes the present state.
    Bookmark {
        /// The revision.
        revision: u64,
        /// `k8s.io/initial-events-end`.
        initial_events_end: bool,
    },
}

/// One request, as the API server's request info has it.
#[derive(Clone, Debug)]
pub struct Request {
    /// What to do.
    pub verb: Verb,
    /// With which resource.
    pub resource: Resource,
    /// In which namespace; empty for cluster-scoped objects and for all namespaces.
    pub namespace: Str,
    /// With which object; empty for collections.
    pub name: Str,
    /// Under which subresource; empty for the object itself.
    pub subresource: Str,
    /// Query parameters and the options document of writes.
    pub options: Options,
    /// The object of create and update, the patch document of patch. A tree: in-process nothing is encoded.
    pub body: Option<Value>,
}

/// Kubernetes' request verbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Read one object.
    Get,
    /// Read a collection.
    List,
    /// Follow a collection.
    Watch,
    /// Make an object (or act through a subresource: binding, eviction, token).
    Create,
    /// Replace an object.
    Update,
    /// Change an object.
    Patch(PatchKind),
    /// Delete an object.
    Delete,
    /// Delete a collection.
    DeleteCollection,
}

impl Verb {
    /// The word RBAC rules use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch(_) => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        }
    }
}

/// The four patch formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchKind {
    /// RFC 6902.
    Json,
    /// RFC 7386.
    Merge,
    /// Kubernetes' strategic merge patch.
    Strategic,
    /// Server-side apply.
    Apply,
}

impl PatchKind {
    /// The media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json-patch+json",
            Self::Merge => "application/merge-patch+json",
            Self::Strategic => "application/strategic-merge-patch+json",
            Self::Apply => "application/apply-patch+yaml",
        }
    }
}

/// `ListOptions`, `CreateOptions`, `UpdateOptions`, `PatchOptions`, `DeleteOptions` and `GetOptions` together.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Label selector in query notation.
    pub label_selector: Str,
    /// Field selector in query notation.
    pub field_selector: Str,
    /// `resourceVersion`; empty and `"0"` differ.
    pub resource_version: Str,
    /// `resourceVersionMatch`: empty, `Exact` or `NotOlderThan`.
    pub resource_version_match: Str,
    /// Page size; 0 for all.
    pub limit: u64,
    /// `continue` token.
    pub continue_token: Str,
    /// Watch: bookmarks wanted.
    pub allow_bookmarks: bool,
    /// Watch: present state first.
    pub send_initial_events: Option<bool>,
    /// Watch: end after that many seconds; 0 for the server's choice.
    pub timeout_seconds: u64,
    /// `dryRun=All`.
    pub dry_run: bool,
    /// Apply: take fields over from other managers.
    pub force: bool,
    /// Who writes; empty for the transport's default.
    pub field_manager: Str,
    /// `fieldValidation`: empty, `Strict`, `Warn` or `Ignore`.
    pub field_validation: Str,
    /// Delete: grace period.
    pub grace_period_seconds: Option<i64>,
    /// Delete: what becomes of dependents.
    pub propagation: Option<Propagation>,
    /// Delete: only if the object is still the one meant.
    pub precondition: Precondition,
}

/// `propagationPolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// Dependents lose their owner.
    Orphan,
    /// The object goes, dependents follow.
    Background,
    /// Dependents go first.
    Foreground,
}

/// `preconditions` of a delete; empty strings ask for nothing.
#[derive(Clone, Debug, Default)]
pub struct Precondition {
    /// Expected UID.
    pub uid: Str,
    /// Expected resource version.
    pub resource_version: Str,
}

/// An answer.
#[derive(Clone, Debug)]
pub enum Reply {
    /// An object.
    Object(Object),
    /// A collection.
    List(List),
    /// A success without object (`Status: Success` of a delete).
    Done,
}

/// A collection, or a page of it.
#[derive(Clone, Debug, Default)]
pub struct List {
    /// The objects.
    pub items: Vec<Object>,
    /// The revision the list shows.
    pub revision: u64,
    /// For the next page; empty on the last.
    pub continue_token: Str,
}

impl Request {
    /// A request for `resource` without anything else said.
    pub fn new(verb: Verb, resource: &Resource) -> Self {
        Self {
            verb,
            resource: resource.clone(),
            namespace: Str::default(),
            name: Str::default(),
            subresource: Str::default(),
            options: Options::default(),
            body: None,
        }
    }

    /// In a namespace.
    #[must_use]
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// About one object.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = name.into();
        self
    }

    /// Through a subresource.
    #[must_use]
    pub fn subresource(mut self, subresource: &str) -> Self {
        self.subresource = subresource.into();
        self
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// With options changed.
    #[must_use]
    pub fn options(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.options);
        self
    }
}

impl Reply {
    /// The object, where one is promised.
    ///
    /// # Errors
    /// The server answered something else.
    pub fn into_object(self) -> Result<Object, Status> {
        match self {
            Self::Object(object) => Ok(object),
            Self::List(_) | Self::Done => Err(Status::internal("the answer is not an object")),
        }
    }

    /// The list, where one is promised.
    ///
    /// # Errors
    /// The server answered something else.
    pub fn into_list(self) -> Result<List, Status> {
        match self {
            Self::List(list) => Ok(list),
            Self::Object(_) | Self::Done => Err(Status::internal("the answer is not a list")),
        }
    }
}

/// The common requests in one line each.
#[async_trait]
pub trait ApiExt: Api {
    /// Reads an object.
    async fn get(&self, r: &Resource, namespace: &str, name: &str) -> Result<Object, Status> {
        self.call(Request::new(Verb::Get, r).namespace(namespace).name(name)).await?.into_object()
    }

    /// Reads a collection whole (empty namespace: all of them).
    async fn list(&self, r: &Resource, namespace: &str) -> Result<List, Status> {
        self.call(Request::new(Verb::List, r).namespace(namespace)).await?.into_list()
    }

    /// Makes an object. `apiVersion` and `kind` may be left out of the body.
    async fn create(&self, r: &Resource, namespace: &str, body: Value) -> Result<Object, Status> {
        self.call(Request::new(Verb::Create, r).namespace(namespace).body(body)).await?.into_object()
    }

    /// Merge-patches an object, or its subresource if that is not empty.
    async fn merge(&self, r: &Resource, ns: &str, name: &str, sub: &str, body: Value) -> Result<Object, Status> {
        let verb = Verb::Patch(PatchKind::Merge);
        self.call(Request::new(verb, r).namespace(ns).name(name).subresource(sub).body(body)).await?.into_object()
    }

    /// Server-side applies an object under `manager`, taking conflicting fields over.
    async fn apply(&self, r: &Resource, ns: &str, name: &str, manager: &str, body: Value) -> Result<Object, Status> {
        let request = Request::new(Verb::Patch(PatchKind::Apply), r).namespace(ns).name(name).body(body);
        let options = |o: &mut Options| {
            o.force = true;
            o.field_manager = manager.into();
        };
        self.call(request.options(options)).await?.into_object()
    }

    /// Deletes an object if it still has `uid` (empty: any).
    async fn delete(&self, r: &Resource, ns: &str, name: &str, uid: &str) -> Result<(), Status> {
        let request = Request::new(Verb::Delete, r).namespace(ns).name(name);
        self.call(request.options(|o| o.precondition.uid = uid.into())).await.map(drop)
    }
}

impl<A: Api + ?Sized> ApiExt for A {}
