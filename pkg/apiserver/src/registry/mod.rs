//! The registry: what every request does to the store, generically over [`knarr_catalog::Resource`].
//!
//! The HTTP face and [`crate::LocalApi`] call [`Registry::execute`] and [`Registry::watch`] after authorization. What
//! happens then is the second half of the chain, in this order, each a module or function here:
//!
//! 1. *decode*: [`Registry::intake`] makes a face's tree canonical (normalised, defaults filled in);
//! 2. *read and compute* (`write`, `patch`): the stored object, its conversion, the new object;
//! 3. *ownership* (`ownership`): `managedFields`;
//! 4. *mutating admission* ([`crate::admission`]), webhooks and policies last (reserved: they pass through);
//! 5. *prepare* (`rules`, `allocate`): reset fields, generation, addresses and ports;
//! 6. *validation*: shape, hooks, metadata; then *validating admission*, quotas last (`quota`);
//! 7. *commit* at the revision read; on a conflict again from 2, unless the client named a resource version.
//!
//! There is no code per kind in that path. What is special about a kind is a fact or a hook of its
//! [`knarr_catalog::Resource`], or, where it needs the store, one of the few modules named after it below.

mod allocate;
pub mod bootstrap;
mod computed;
mod create;
mod delete;
mod document;
mod entry;
mod intake;
mod metadata;
mod ownership;
mod page;
mod patch;
mod quota;
mod random;
mod read;
mod reviews;
mod rules;
mod selection;
mod storage;
mod sub;
mod tokens;
mod update;
mod watch;
mod write;

#[cfg(test)]
mod tests;

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;
use knarr_api::{Object, Status, Str, Value};
use knarr_catalog::Resource;
use knarr_client::{EventStream, Request, Verb};
use parking_lot::RwLock;

pub use allocate::ServiceNetwork;
pub use computed::{Source, Wanted};
pub use entry::{Entry, ResourceSet, Target};
pub use tokens::{NoTokens, Review, TokenGrant, TokenIssuer, TokenRequest, TokenReviewer};

pub(crate) use random::suffix;

use crate::{Authorizer, Caller, admission::Admission};

/// Where the time comes from: one function, so that tests choose it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What a registry is made of.
pub struct Parts {
    /// The store.
    pub store: knarr_store::Store,
    /// The resources served from the start (custom ones come later, see [`Registry::set_custom`]).
    pub resources: Vec<Resource>,
    /// Answers access reviews.
    pub authorizer: Arc<dyn Authorizer>,
    /// Signs ServiceAccount tokens.
    pub issuer: Arc<dyn TokenIssuer>,
    /// Answers TokenReviews.
    pub reviewer: Arc<dyn TokenReviewer>,
    /// Admission plugins.
    pub admission: Admission,
    /// Service addresses and node ports.
    pub network: ServiceNetwork,
    /// The time.
    pub clock: Clock,
}

/// An answered request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What is answered.
    pub body: Body,
    /// 201 rather than 200.
    pub created: bool,
    /// `Warning` headers.
    pub warnings: Vec<String>,
}

/// The document of an answer.
#[derive(Clone, Debug)]
pub enum Body {
    /// A stored object, under the face asked for.
    Object(Object),
    /// Any other document as a tree with its `apiVersion` and `kind`: scales, token requests, reviews.
    Document(Value),
    /// A collection.
    List(Listing),
    /// `Status: Success` with these details.
    Success(knarr_api::status::Details),
}

/// A collection or a page of it, under the face asked for.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The objects.
    pub items: Vec<Object>,
    /// The revision the list shows.
    pub revision: u64,
    /// For the next page; empty on the last.
    pub continue_token: Str,
    /// How many follow after this page, where that is known.
    pub remaining: Option<u64>,
}

impl Answer {
    fn of(body: Body) -> Self {
        Self { body, created: false, warnings: Vec::new() }
    }

    fn made(body: Body) -> Self {
        Self { body, created: true, warnings: Vec::new() }
    }
}

/// See the module.
pub struct Registry {
    storage: storage::Storage,
    resources: RwLock<Arc<ResourceSet>>,
    changed: tokio::sync::watch::Sender<u64>,
    /// Where computed objects come from, by group and plural.
    sources: RwLock<HashMap<(Str, Str), Arc<dyn Source>>>,
    authorizer: Arc<dyn Authorizer>,
    issuer: Arc<dyn TokenIssuer>,
    reviewer: Arc<dyn TokenReviewer>,
    admission: Admission,
    allocator: allocate::Allocator,
    turns: quota::Turns,
    clock: Clock,
}

impl Registry {
    /// A registry over a store. Reads the Services there to know which node ports are taken.
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts { store, resources, authorizer, issuer, reviewer, admission, network, clock } = parts;
        let storage = storage::Storage::new(store);
        let set = ResourceSet::new(&storage, resources, Vec::new());
        let allocator = allocate::Allocator::new(network, &storage, &set);
        Arc::new(Self {
            resources: RwLock::new(Arc::new(set)),
            changed: tokio::sync::watch::Sender::new(0),
            sources: RwLock::default(),
            storage,
            authorizer,
            issuer,
            reviewer,
            admission,
            allocator,
            turns: quota::Turns::default(),
            clock,
        })
    }

    /// What is served now.
    pub fn resources(&self) -> Arc<ResourceSet> {
        self.resources.read().clone()
    }

    /// Told whenever [`Registry::resources`] answers something new; the number only grows.
    pub fn resources_changed(&self) -> tokio::sync::watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Replaces the custom resources; built-in ones stay as they are.
    pub fn set_custom(&self, resources: Vec<Resource>) {
        let builtin = self.resources().builtin().to_vec();
        *self.resources.write() = Arc::new(ResourceSet::new(&self.storage, builtin, resources));
        self.changed.send_modify(|n| *n += 1);
    }

    /// The time now. A write asks once and keeps it.
    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Does what `request` asks for. Its body must have passed [`Registry::intake`].
    ///
    /// # Errors
    /// What the API answers instead.
    pub async fn execute(&self, caller: &Caller, request: Request) -> Result<Answer, Status> {
        let target = self.resources().target(&request)?;
        if !target.verbs().has(entry::verb_fact(request.verb)) {
            return Err(target.not_allowed(request.verb));
        }
        if target.entry.is_virtual() {
            if let Some(source) = self.source(&target) {
                return self.computed(&*source, &target, &request).await;
            }
            return self.review(caller, &target, request).await;
        }
        if let Some(answer) = self.through_subresource(caller, &target, &request).await? {
            return Ok(answer);
        }
        match request.verb {
            Verb::Get => self.get(&target, &request),
            Verb::List => self.list(&target, &request),
            Verb::Watch => Err(Status::bad_request("a watch has no single answer")),
            Verb::Create => self.create(caller, &target, request).await,
            Verb::Update => self.replace(caller, &target, request).await,
            Verb::Patch(kind) => self.patch(caller, &target, kind, request).await,
            Verb::Delete => self.delete(caller, &target, &request).await,
            Verb::DeleteCollection => self.delete_collection(caller, &target, &request).await,
        }
    }

    /// Follows a collection.
    ///
    /// # Errors
    /// What the API answers instead of a stream; `410 Expired` for a revision that is no longer known.
    pub fn watch(&self, _caller: &Caller, request: &Request) -> Result<EventStream, Status> {
        let target = self.resources().target(request)?;
        if !target.verbs().has(knarr_catalog::Verbs::WATCH) {
            return Err(target.not_allowed(Verb::Watch));
        }
        self.follow(&target, request)
    }
}
