//! Following a collection: the store's events seen through a selection and a face.
//!
//! An update that moves an object into the selection is an addition, one that moves it out a deletion; the state
//! before an event is in the event, so nothing is remembered per watcher. The stream ends with the client's timeout,
//! with the store, or with a watcher that was too slow; the client then watches again from the last revision it saw.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use knarr_api::{Object, Status, field};
use knarr_client::{Event, EventStream, Options, Request};
use knarr_store::{At, HistoryError, Query, WatchEnd, Watcher, restamp};
use tokio::time::Instant;

use super::{
    Registry,
    document::present,
    entry::Target,
    random,
    read::{WATCH_EXPIRED, invalid_options, parse_revision, too_new},
    selection::Selection,
};

/// How often a quiet watch that allows bookmarks gets one.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);

/// Watches that name no timeout end after 30 to 60 minutes, as upstream: clients spread out again.
const MIN_TIMEOUT: u64 = 30 * 60;

impl Registry {
    pub(super) fn follow(&self, target: &Target, request: &Request) -> Result<EventStream, Status> {
        let options = &request.options;
        check_watch(options)?;
        let selection = Selection::parse(&target.entry, options)?;
        let namespace = if target.entry.resource.namespaced { request.namespace.as_str() } else { "" };
        let scope = selection.scope(&target.entry, namespace, &request.name);
        let asked = parse_revision(&options.resource_version)?;
        let newest = self.storage.revision();
        if let Some(asked) = asked.filter(|asked| *asked > newest) {
            return Err(too_new(asked, newest));
        }

        // Without a revision to go on from, a watch begins with what is there; `sendInitialEvents` asks for it, or
        // for it not, in so many words.
        let initial = options.send_initial_events.unwrap_or(matches!(asked, None | Some(0)));
        let mut first = VecDeque::new();
        let from = if initial {
            let query = Query { namespace: scope.namespace.as_deref(), at: At::Newest, after: None, limit: 0 };
            let page = self.storage.page(target.entry.collection, query).map_err(lost)?;
            let wanted = |o: &Object| scope.name.as_deref().is_none_or(|n| n == o.name()) && selection.matches(o);
            first.extend(page.items.into_iter().filter(wanted));
            page.revision
        } else {
            asked.filter(|asked| *asked > 0).unwrap_or(newest)
        };
        let watcher = self.storage.watch(target.entry.collection, scope, from).map_err(lost)?;
        let seconds = match options.timeout_seconds {
            0 => MIN_TIMEOUT + random::below(MIN_TIMEOUT),
            wanted => wanted,
        };
        let now = Instant::now();
        let follower = Follower {
            target: target.clone(),
            selection,
            watcher,
            first,
            closing: (initial && options.send_initial_events == Some(true)).then_some(from),
            bookmarks: options.allow_bookmarks || options.send_initial_events == Some(true),
            next_bookmark: now + BOOKMARK_EVERY,
            deadline: now.checked_add(Duration::from_secs(seconds)).unwrap_or(now + Duration::from_secs(MIN_TIMEOUT)),
            told: from,
            over: false,
        };
        Ok(stream::unfold(follower, |mut f| async move { f.next().await.map(|event| (event, f)) }).boxed())
    }
}

fn lost(error: HistoryError) -> Status {
    match error {
        HistoryError::Expired { .. } => Status::expired(WATCH_EXPIRED),
        HistoryError::Future { asked, newest } => too_new(asked, newest),
    }
}

struct Follower {
    target: Target,
    selection: Selection,
    watcher: Watcher,
    /// Of the present state, what is still to be sent.
    first: VecDeque<Object>,
    /// The revision of the bookmark that closes the present state, until it is sent.
    closing: Option<u64>,
    bookmarks: bool,
    next_bookmark: Instant,
    deadline: Instant,
    /// The revision the client knows of.
    told: u64,
    over: bool,
}

impl Follower {
    async fn next(&mut self) -> Option<Result<Event, Status>> {
        if self.over {
            return None;
        }
        if let Some(object) = self.first.pop_front() {
            return Some(present(&self.target, object).map(Event::Added));
        }
        if let Some(revision) = self.closing.take() {
            return Some(Ok(Event::Bookmark { revision, initial_events_end: true }));
        }
        loop {
            let event = tokio::select! {
                biased;
                event = self.watcher.next() => event,
                () = tokio::time::sleep_until(self.next_bookmark), if self.bookmarks => {
                    match self.bookmark() {
                        Some(bookmark) => return Some(Ok(bookmark)),
                        None => continue,
                    }
                }
                () = tokio::time::sleep_until(self.deadline) => {
                    self.over = true;
                    return self.bookmark().filter(|_| self.bookmarks).map(Ok);
                }
            };
            match event {
                Ok(event) => {
                    if let Some(seen) = self.see(&event).transpose() {
                        return Some(seen);
                    }
                }
                Err(WatchEnd::Lagged | WatchEnd::Closed) => {
                    self.over = true;
                    return None;
                }
            }
        }
    }

    /// A bookmark, if there is something to tell.
    fn bookmark(&mut self) -> Option<Event> {
        self.next_bookmark = Instant::now() + BOOKMARK_EVERY;
        let revision = self.watcher.progress().filter(|revision| *revision > self.told)?;
        self.told = revision;
        Some(Event::Bookmark { revision, initial_events_end: false })
    }

    /// What a change is for this selection.
    fn see(&mut self, event: &Arc<knarr_store::Event>) -> Result<Option<Event>, Status> {
        self.told = event.revision;
        let wanted = |object: &Option<Object>| object.as_ref().filter(|o| self.selection.matches(o)).cloned();
        let face = |object| present(&self.target, object);
        Ok(match (wanted(&event.previous), wanted(&event.new)) {
            (None, Some(new)) => Some(Event::Added(face(new)?)),
            (Some(_), Some(new)) => Some(Event::Modified(face(new)?)),
            (Some(before), None) => {
                // Gone: the last state. Out of the selection: the state it was last seen in. Both carry the revision
                // of the change, so that the client can go on from there.
                let last = match &event.last {
                    Some(last) => last.clone(),
                    None => restamp(&before, event.revision).map_err(Status::internal)?,
                };
                Some(Event::Deleted(face(last)?))
            }
            (None, None) => None,
        })
    }
}

fn check_watch(options: &Options) -> Result<(), Status> {
    use field::{Error, Path};
    let path = Path::new("resourceVersionMatch");
    let mut errors = Vec::new();
    let chosen = options.resource_version_match.as_str();
    if options.send_initial_events.is_some() && chosen != "NotOlderThan" {
        let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
        errors.push(Error::forbidden(&path, why));
    }
    if !chosen.is_empty() {
        if options.send_initial_events.is_none() {
            let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            errors.push(Error::forbidden(&path, why));
        }
        if chosen != "NotOlderThan" {
            errors.push(Error::not_supported(&path, chosen, ["NotOlderThan"]));
        }
        if !options.continue_token.is_empty() {
            errors.push(Error::forbidden(&path, "resourceVersionMatch is forbidden when continue is provided"));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(invalid_options(&errors)) }
}
