//! Reading: one object, a collection, a page of it. Never touches the disk, decodes no body it need not.

use knarr_api::{Reason, Status, field, status::Cause};
use knarr_client::{Options, Request};
use knarr_store::{At, HistoryError, Query};

use super::{
    Answer, Body, Listing, Registry, document::present, entry::Target, page::Token, selection::Selection,
    write::required_name,
};

const LIST_EXPIRED: &str = "The resourceVersion for the provided list is too old.";
pub(super) const WATCH_EXPIRED: &str = "The resourceVersion for the provided watch is too old.";
const CONTINUE_EXPIRED: &str = "The provided continue parameter is too old to display a consistent list result. You can \
    start a new list without the continue parameter, or use the continue token in this response to retrieve the \
    remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were \
    created, modified, or deleted between the time the first chunk was returned and now may show up in the list.";

impl Registry {
    pub(super) fn get(&self, target: &Target, request: &Request) -> Result<Answer, Status> {
        let name = required_name(request)?;
        self.wait_for(&request.options)?;
        let namespace = if target.entry.resource.namespaced { request.namespace.as_str() } else { "" };
        let object = self.storage.get(target.entry.collection, namespace, name);
        let object = object.ok_or_else(|| target.not_found(name))?;
        Ok(Answer::of(Body::Object(present(target, object)?)))
    }

    pub(super) fn list(&self, target: &Target, request: &Request) -> Result<Answer, Status> {
        let listing = self.listing(target, request)?;
        Ok(Answer::of(Body::List(listing)))
    }

    pub(super) fn listing(&self, target: &Target, request: &Request) -> Result<Listing, Status> {
        let options = &request.options;
        check_list(options)?;
        let selection = Selection::parse(&target.entry, options)?;
        let namespace =
            (target.entry.resource.namespaced && !request.namespace.is_empty()).then_some(request.namespace.as_str());

        let token = match options.continue_token.as_str() {
            "" => None,
            text => Some(Token::decode(text)?),
        };
        let at = match &token {
            Some(token) => token.revision.map_or(At::Newest, At::Exact),
            None => self.wanted_state(options)?,
        };
        let after = token.as_ref().map(|t| (namespace.unwrap_or(&t.namespace), t.name.as_str()));
        let limit = usize::try_from(options.limit).unwrap_or(usize::MAX);
        let mut listing =
            self.select(target, &selection, Query { namespace, at, after, limit }).map_err(|e| match e {
                HistoryError::Expired { .. } => match token {
                    Some(token) => {
                        Status::expired(CONTINUE_EXPIRED).with_continue(&Token { revision: None, ..token }.encode())
                    }
                    None => Status::expired(LIST_EXPIRED),
                },
                HistoryError::Future { asked, newest } => too_new(asked, newest),
            })?;
        if target.face != target.entry.resource.storage {
            for object in &mut listing.items {
                *object = present(target, object.clone())?;
            }
        }
        Ok(listing)
    }

    /// A page of a selection, under the storage face. Pages are filled with what matches; what follows is counted only
    /// where everything matches.
    fn select(&self, target: &Target, selection: &Selection, query: Query<'_>) -> Result<Listing, HistoryError> {
        let collection = target.entry.collection;
        if let (Some(name), At::Newest, Some(namespace)) =
            (selection.name(), query.at, query.namespace.or((!target.entry.resource.namespaced).then_some("")))
        {
            let revision = self.storage.revision();
            let object = self.storage.get(collection, namespace, name).filter(|o| selection.matches(o));
            return Ok(Listing { items: object.into_iter().collect(), revision, ..Listing::default() });
        }
        if selection.is_all() {
            let page = self.storage.page(collection, query)?;
            let more = page.remaining > 0;
            return Ok(Listing {
                continue_token: token_after(more, query, page.items.last(), page.revision),
                remaining: more.then_some(page.remaining as u64),
                revision: page.revision,
                items: page.items,
            });
        }
        let mut page = self.storage.page(collection, Query { limit: 0, ..query })?;
        page.items.retain(|object| selection.matches(object));
        let more = query.limit > 0 && page.items.len() > query.limit;
        if more {
            page.items.truncate(query.limit);
        }
        Ok(Listing {
            continue_token: token_after(more, query, page.items.last(), page.revision),
            remaining: None,
            revision: page.revision,
            items: page.items,
        })
    }

    /// The state a first page shows.
    fn wanted_state(&self, options: &Options) -> Result<At, Status> {
        let revision = parse_revision(&options.resource_version)?;
        let exact = match options.resource_version_match.as_str() {
            "Exact" => true,
            "NotOlderThan" => false,
            _ => options.limit > 0, // upstream's legacy rule: a limit and a revision mean that revision
        };
        match revision {
            None | Some(0) => Ok(At::Newest),
            Some(revision) if exact => Ok(At::Exact(revision)),
            Some(_) => {
                self.wait_for(options)?;
                Ok(At::Newest)
            }
        }
    }

    /// Refuses a revision that has not been reached. Memory is always as new as the store here, so there is nothing
    /// to wait for.
    fn wait_for(&self, options: &Options) -> Result<(), Status> {
        let newest = self.storage.revision();
        match parse_revision(&options.resource_version)? {
            Some(asked) if asked > newest => Err(too_new(asked, newest)),
            _ => Ok(()),
        }
    }
}

fn token_after(more: bool, query: Query<'_>, last: Option<&knarr_api::Object>, revision: u64) -> knarr_api::Str {
    let Some(last) = last.filter(|_| more) else { return Default::default() };
    let namespace = if query.namespace.is_some() { "" } else { last.namespace() };
    Token { revision: Some(revision), namespace: namespace.to_owned(), name: last.name().to_owned() }.encode().into()
}

/// A `resourceVersion` parameter; `None` where it is empty.
pub(super) fn parse_revision(text: &str) -> Result<Option<u64>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = text.parse().map_err(|_| {
        let why = format!("strconv.ParseUint: parsing {text:?}: invalid syntax");
        let error = field::Error::invalid(&field::Path::new("resourceVersion"), text, why);
        Status::bad_request(format!("invalid resource version: {error}"))
    })?;
    Ok(Some(parsed))
}

/// 504: the revision lies ahead of this server.
pub(super) fn too_new(asked: u64, newest: u64) -> Status {
    let message = format!("Timeout: Too large resource version: {asked}, current: {newest}");
    let details = knarr_api::status::Details { retry_after_seconds: 1, ..Default::default() };
    Status::new(Reason::Timeout, message).with_details(details).with_causes([Cause {
        reason: "ResourceVersionTooLarge".to_owned(),
        message: "Too large resource version".to_owned(),
        field: String::new(),
    }])
}

/// 422 for combinations of list parameters that mean nothing.
fn check_list(options: &Options) -> Result<(), Status> {
    use field::{Error, Path};
    let path = Path::new("resourceVersionMatch");
    let mut errors = Vec::new();
    let chosen = options.resource_version_match.as_str();
    if !chosen.is_empty() {
        if options.resource_version.is_empty() {
            errors
                .push(Error::forbidden(&path, "resourceVersionMatch is forbidden unless resourceVersion is provided"));
        }
        if !options.continue_token.is_empty() {
            errors.push(Error::forbidden(&path, "resourceVersionMatch is forbidden when continue is provided"));
        }
        if !matches!(chosen, "Exact" | "NotOlderThan") {
            errors.push(Error::not_supported(&path, chosen, ["Exact", "NotOlderThan", ""]));
        }
        if chosen == "Exact" && options.resource_version == "0" {
            let why = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            errors.push(Error::forbidden(&path, why));
        }
    }
    if options.send_initial_events.is_some() {
        let why = "sendInitialEvents is forbidden for list";
        errors.push(Error::forbidden(&Path::new("sendInitialEvents"), why));
    }
    if !errors.is_empty() {
        return Err(invalid_options(&errors));
    }
    let revision = options.resource_version.as_str();
    if !options.continue_token.is_empty() && !matches!(revision, "" | "0") {
        return Err(Status::bad_request("specifying resource version is not allowed when using continue"));
    }
    Ok(())
}

pub(super) fn invalid_options(errors: &[field::Error]) -> Status {
    Status::invalid("meta.k8s.io", "ListOptions", "", errors)
}
