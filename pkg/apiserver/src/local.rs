//! The API for components of this process.
//!
//! They enter the request chain at authorization: no TLS, no HTTP, no encoding, and no way around authorization,
//! admission or validation.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use knarr_api::{Object, Status, Value, json};
use knarr_client::{Api, EventStream, List, Reply, Request};

use crate::{
    Attributes, Authorizer, Caller, Decision,
    info::selected_name,
    registry::{Answer, Body, Registry},
};

/// The API for one identity.
#[derive(Clone)]
pub struct LocalApi {
    registry: Arc<Registry>,
    authorizer: Arc<dyn Authorizer>,
    caller: Caller,
}

impl LocalApi {
    /// The registry as `caller` may use it.
    pub fn new(registry: Arc<Registry>, authorizer: Arc<dyn Authorizer>, caller: Caller) -> Self {
        Self { registry, authorizer, caller }
    }

    fn authorize(&self, request: &Request) -> Result<(), Status> {
        let r = &request.resource;
        // A collection narrowed to one name is a question about that object, as it is over HTTP.
        let selected = request.name.is_empty().then(|| selected_name(&request.options.field_selector)).flatten();
        let attributes = Attributes {
            verb: request.verb.word(),
            group: &r.group,
            version: &r.version,
            resource: &r.plural,
            subresource: &request.subresource,
            namespace: &request.namespace,
            name: selected.as_deref().unwrap_or(&request.name),
            path: "",
            field_selector: &request.options.field_selector,
        };
        let user = &self.caller.user;
        match self.authorizer.authorize(user, &attributes) {
            Decision::Allow(_) => Ok(()),
            Decision::Deny(why) => Err(attributes.forbidden(user, &why)),
        }
    }
}

#[async_trait]
impl Api for LocalApi {
    async fn call(&self, request: Request) -> Result<Reply, Status> {
        self.authorize(&request)?;
        let mut request = request;
        self.registry.intake(&mut request)?;
        reply(self.registry.execute(&self.caller, request).await?)
    }

    async fn watch(&self, request: Request) -> Result<EventStream, Status> {
        self.authorize(&request)?;
        self.registry.watch(&self.caller, &request)
    }
}

fn reply(answer: Answer) -> Result<Reply, Status> {
    Ok(match answer.body {
        Body::Object(object) => Reply::Object(object),
        Body::Document(tree) => Reply::Object(object(&tree)?),
        Body::List(list) => {
            Reply::List(List { items: list.items, revision: list.revision, continue_token: list.continue_token })
        }
        Body::Success(_) => Reply::Done,
    })
}

/// A document that is not stored, as an object: reviews need not have metadata, objects do.
fn object(tree: &Value) -> Result<Object, Status> {
    let mut tree = tree.clone();
    if tree.get("metadata").is_none_or(Value::is_null) {
        tree.set(&["metadata"], Value::object());
    }
    let mut out = Vec::new();
    json::write(&tree, &mut out);
    Object::from_json(Bytes::from(out)).map_err(Status::internal)
}
