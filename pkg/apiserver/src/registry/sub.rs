//! Subresources that are documents of their own: binding, eviction, scale, token.
//!
//! Those whose document is the object itself (`status`, `approval`, `finalize`, …) need nothing here: they are updates
//! narrowed by `rules`. Those that are streams (`log`, `exec`, `proxy`, …) are the HTTP face's and never get here.

mod binding;
mod eviction;
mod scale;
mod token;

use knarr_api::{Status, Value};
use knarr_client::{Request, Verb};

use super::{Answer, Registry, entry::Target, write::Write};
use crate::Caller;

impl Registry {
    /// The answer of a subresource with a document of its own; `None` for all other requests.
    pub(super) async fn through_subresource(
        &self,
        caller: &Caller,
        target: &Target,
        request: &Request,
    ) -> Result<Option<Answer>, Status> {
        let write = Write { caller, target, request, now: self.now() };
        let answer = match (target.entry.group(), target.plural(), target.sub_name(), request.verb) {
            (_, _, "", _) => return Ok(None),
            ("", "pods", "binding", Verb::Create) => self.bind(&write, &request.name, body(request)?).await,
            ("", "pods", "eviction", Verb::Create) => self.evict(&write, body(request)?).await,
            ("", "serviceaccounts", "token", Verb::Create) => self.token(&write, body(request)?),
            (_, _, "scale", _) => self.scale(&write).await,
            (_, _, "log" | "exec" | "attach" | "portforward" | "proxy", verb) => Err(target.not_allowed(verb)),
            _ => return Ok(None),
        };
        answer.map(Some)
    }
}

fn body(request: &Request) -> Result<&Value, Status> {
    request.body.as_ref().ok_or_else(|| Status::bad_request("the request has no body"))
}
