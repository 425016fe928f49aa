//! A small API in memory for tests of components: get, list, watch, create, update, merge patch, delete.
//!
//! It knows no schema, no admission and no defaults. What it keeps true is what components rely on: revisions grow, a
//! watch sees every change of its selection in order, UIDs and creation times are given, deletion waits for finalizers
//! and for a grace period, and preconditions hold. A strategic patch is a merge patch that merges lists of objects by
//! `type`, `ip`, `uid` or `name`, and finalizers. Writes can be made to fail ([`FakeApi::fail_next`]), requests are recorded.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use knarr_api::{Object, Reason, Status, Str, Value};
use parking_lot::Mutex;
use tokio::sync::broadcast;

use crate::{Api, Event, EventStream, List, PatchKind, Reply, Request, Resource, Verb};

/// The fake. Clones share the same cluster.
#[derive(Clone)]
pub struct FakeApi(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    events: broadcast::Sender<Change>,
}

#[derive(Default)]
struct State {
    revision: u64,
    objects: BTreeMap<(String, Str, Str), Value>,
    failures: VecDeque<(&'static str, Status)>,
    writes: Vec<String>,
    tokens: u64,
}

#[derive(Clone)]
struct Change {
    resource: String,
    old: Option<Value>,
    new: Option<Value>,
    revision: u64,
}

impl Default for FakeApi {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeApi {
    /// An empty cluster.
    pub fn new() -> Self {
        Self(Arc::new(Inner { state: Mutex::default(), events: broadcast::channel(4096).0 }))
    }

    /// The next request with `verb` fails with `status`.
    pub fn fail_next(&self, verb: &'static str, status: Status) {
        self.0.state.lock().failures.push_back((verb, status));
    }

    /// The writes so far: `patch pods/status n/p`.
    pub fn writes(&self) -> Vec<String> {
        self.0.state.lock().writes.clone()
    }

    /// The tree of an object.
    pub fn tree(&self, resource: &Resource, namespace: &str, name: &str) -> Option<Value> {
        self.0.state.lock().objects.get(&(resource.to_string(), namespace.into(), name.into())).cloned()
    }

    fn write(&self, state: &mut State, resource: &str, key: (Str, Str), new: Option<Value>) -> Option<Object> {
        state.revision += 1;
        let revision = state.revision;
        let at = (resource.to_owned(), key.0, key.1);
        let new = new.map(|mut v| {
            v.set(&["metadata", "resourceVersion"], revision.to_string());
            v
        });
        let old = match &new {
            Some(v) => state.objects.insert(at, v.clone()),
            None => state.objects.remove(&at),
        };
        let object = new.as_ref().map(object);
        let _ = self.0.events.send(Change { resource: resource.to_owned(), old, new, revision });
        object
    }

    fn answer(&self, request: Request) -> Result<Reply, Status> {
        let mut state = self.0.state.lock();
        let verb = request.verb.word();
        if let Some(i) = state.failures.iter().position(|(v, _)| *v == verb)
            && let Some((_, status)) = state.failures.remove(i)
        {
            return Err(status);
        }
        let resource = request.resource.to_string();
        let (group, plural) = (&*request.resource.group, &*request.resource.plural);
        let key = (request.namespace.clone(), request.name.clone());
        let at = (resource.clone(), key.0.clone(), key.1.clone());
        let missing = || Status::not_found(group, plural, &request.name);
        if !matches!(request.verb, Verb::Get | Verb::List | Verb::Watch) {
            let sub = if request.subresource.is_empty() { String::new() } else { format!("/{}", request.subresource) };
            state.writes.push(format!("{verb} {plural}{sub} {}/{}", request.namespace, request.name));
        }
        match request.verb {
            Verb::Get => Ok(Reply::Object(object(state.objects.get(&at).ok_or_else(missing)?))),
            Verb::List => {
                let chosen = state.objects.iter().filter(|((r, ..), v)| *r == resource && selects(&request, v));
                let items = chosen.map(|(_, v)| object(v)).collect();
                Ok(Reply::List(List { items, revision: state.revision, continue_token: Str::default() }))
            }
            Verb::Create if request.subresource == "token" => {
                state.tokens += 1;
                let mut body = request.body.clone().unwrap_or_default();
                let seconds = body.at(&["spec", "expirationSeconds"]).and_then(Value::as_i64).unwrap_or(3600);
                let until = Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
                body.set(&["metadata", "name"], request.name.as_str());
                body.set(&["status", "token"], format!("token-{}-{}", request.name, state.tokens));
                body.set(&["status", "expirationTimestamp"], until.to_string());
                Ok(Reply::Object(object(&body)))
            }
            Verb::Create => {
                let mut body = request.body.clone().unwrap_or_else(Value::object);
                let name = Str::from(body.str_at(&["metadata", "name"]));
                if state.objects.contains_key(&(resource.clone(), key.0.clone(), name.clone())) {
                    return Err(Status::already_exists(group, plural, &name));
                }
                if body.str_at(&["metadata", "uid"]).is_empty() {
                    body.set(&["metadata", "uid"], format!("uid-{}", state.revision + 1));
                }
                if request.resource.namespaced {
                    body.set(&["metadata", "namespace"], request.namespace.as_str());
                }
                if body.str_at(&["metadata", "creationTimestamp"]).is_empty() {
                    body.set(&["metadata", "creationTimestamp"], now());
                }
                body.set(&["kind"], &*request.resource.kind);
                body.set(&["apiVersion"], request.resource.api_version());
                Ok(Reply::Object(self.write(&mut state, &resource, (key.0, name), Some(body)).expect("just written")))
            }
            Verb::Update | Verb::Patch(_) => {
                let mut tree = match state.objects.get(&at) {
                    Some(tree) => tree.clone(),
                    None if matches!(request.verb, Verb::Patch(PatchKind::Apply)) => Value::object(),
                    None => return Err(missing()),
                };
                let body = request.body.clone().unwrap_or_else(Value::object);
                let uid = body.str_at(&["metadata", "uid"]);
                if !uid.is_empty() && uid != tree.str_at(&["metadata", "uid"]) {
                    return Err(Status::conflict(
                        group,
                        plural,
                        &request.name,
                        "Precondition failed: UID in precondition",
                    ));
                }
                let revision = body.str_at(&["metadata", "resourceVersion"]);
                if !revision.is_empty() && revision != tree.str_at(&["metadata", "resourceVersion"]) {
                    return Err(Status::conflict(group, plural, &request.name, "the object has been modified"));
                }
                match request.verb {
                    Verb::Update => tree = body,
                    Verb::Patch(PatchKind::Strategic) => merge(&mut tree, body, true),
                    _ => merge(&mut tree, body, false),
                }
                let deleting = !tree.str_at(&["metadata", "deletionTimestamp"]).is_empty();
                let grace = tree.at(&["metadata", "deletionGracePeriodSeconds"]).and_then(Value::as_i64);
                if deleting && grace == Some(0) && tree.list_at(&["metadata", "finalizers"]).is_empty() {
                    let last = object(&tree);
                    self.write(&mut state, &resource, key, None);
                    return Ok(Reply::Object(last));
                }
                Ok(Reply::Object(self.write(&mut state, &resource, key, Some(tree)).expect("just written")))
            }
            Verb::Delete => {
                let mut tree = state.objects.get(&at).ok_or_else(missing)?.clone();
                let uid = &request.options.precondition.uid;
                if !uid.is_empty() && uid != tree.str_at(&["metadata", "uid"]) {
                    return Err(Status::conflict(
                        group,
                        plural,
                        &request.name,
                        "Precondition failed: UID in precondition",
                    ));
                }
                let grace = match request.options.grace_period_seconds {
                    Some(grace) => grace,
                    None if plural == "pods" => {
                        tree.at(&["spec", "terminationGracePeriodSeconds"]).and_then(Value::as_i64).unwrap_or(30)
                    }
                    None => 0,
                };
                let scheduled = plural == "pods" && !tree.str_at(&["spec", "nodeName"]).is_empty();
                if (grace > 0 && scheduled) || !tree.list_at(&["metadata", "finalizers"]).is_empty() {
                    tree.set(&["metadata", "deletionTimestamp"], now());
                    tree.set(&["metadata", "deletionGracePeriodSeconds"], grace);
                    let object = self.write(&mut state, &resource, key, Some(tree)).expect("just written");
                    return Ok(Reply::Object(object));
                }
                self.write(&mut state, &resource, key, None);
                Ok(Reply::Done)
            }
            Verb::DeleteCollection | Verb::Watch => Err(Status::internal("the fake has no such verb")),
        }
    }
}

#[async_trait]
impl Api for FakeApi {
    async fn call(&self, request: Request) -> Result<Reply, Status> {
        self.answer(request)
    }

    async fn watch(&self, request: Request) -> Result<EventStream, Status> {
        let resource = request.resource.to_string();
        let (initial, revision, live) = {
            let state = self.0.state.lock();
            let initial: Vec<Event> = match request.options.send_initial_events {
                Some(true) => {
                    let mine = state.objects.iter().filter(|((r, ..), v)| *r == resource && selects(&request, v));
                    mine.map(|(_, v)| Event::Added(object(v))).collect()
                }
                _ => Vec::new(),
            };
            (initial, state.revision, self.0.events.subscribe())
        };
        let end = Event::Bookmark { revision, initial_events_end: request.options.send_initial_events == Some(true) };
        let head = stream::iter(initial.into_iter().chain([end]).map(Ok));
        let tail = stream::unfold((live, request, resource), |(mut live, request, resource)| async move {
            loop {
                let change = match live.recv().await {
                    Ok(change) => change,
                    Err(broadcast::error::RecvError::Closed) => return None,
                    Err(broadcast::error::RecvError::Lagged(_)) => {
                        return Some((Err(Status::new(Reason::Expired, "too old")), (live, request, resource)));
                    }
                };
                if change.resource == resource
                    && let Some(event) = seen_by(&request, change)
                {
                    return Some((Ok(event), (live, request, resource)));
                }
            }
        });
        Ok(head.chain(tail).boxed())
    }
}

fn seen_by(request: &Request, change: Change) -> Option<Event> {
    let old = change.old.filter(|v| selects(request, v));
    let new = change.new.filter(|v| selects(request, v));
    match (old, new) {
        (None, Some(new)) => Some(Event::Added(object(&new))),
        (Some(_), Some(new)) => Some(Event::Modified(object(&new))),
        (Some(mut old), None) => {
            old.set(&["metadata", "resourceVersion"], change.revision.to_string());
            Some(Event::Deleted(object(&old)))
        }
        (None, None) => None,
    }
}

/// Namespace, and the terms `path=value` and `path!=value` of a field selector. Labels: `key=value`.
fn selects(request: &Request, v: &Value) -> bool {
    let in_namespace = request.namespace.is_empty() || request.namespace == v.str_at(&["metadata", "namespace"]);
    let terms = |text: &str, read: &dyn Fn(&str) -> Str| {
        text.split(',').filter(|t| !t.is_empty()).all(|term| match term.split_once("!=") {
            Some((key, want)) => read(key) != want,
            None => term.split_once('=').is_some_and(|(key, want)| read(key.trim_end_matches('=')) == want),
        })
    };
    in_namespace
        && terms(&request.options.field_selector, &|path| Str::from(v.str_at(&path.split('.').collect::<Vec<_>>())))
        && terms(&request.options.label_selector, &|key| Str::from(v.str_at(&["metadata", "labels", key])))
}

fn merge(tree: &mut Value, patch: Value, strategic: bool) {
    let Value::Object(patch) = patch else {
        *tree = patch;
        return;
    };
    if !matches!(tree, Value::Object(_)) {
        *tree = Value::object();
    }
    for (key, change) in patch {
        let Value::Object(map) = &mut *tree else { unreachable!("made an object above") };
        if let Some(list) = key.strip_prefix("$deleteFromPrimitiveList/").filter(|_| strategic) {
            let gone = change.as_array().unwrap_or_default().to_vec();
            if let Some(items) = map.get_mut(list).and_then(Value::as_array_mut) {
                items.retain(|item| !gone.contains(item));
            }
            continue;
        }
        match change {
            Value::Null => drop(map.remove(&key)),
            Value::Object(_) => merge(map.entry(&key), change, strategic),
            Value::Array(items) if strategic && merged_list(&key) => merge_list(map.entry(&key), items),
            Value::Array(items) if strategic && &*key == "finalizers" => {
                let mut all = map.get(&key).and_then(Value::as_array).unwrap_or_default().to_vec();
                all.extend(items.into_iter().filter(|item| !all.contains(item)).collect::<Vec<_>>());
                map.insert(key, all);
            }
            other => drop(map.insert(key, other)),
        }
    }
}

fn merged_list(key: &str) -> bool {
    matches!(key, "conditions" | "podIPs" | "hostIPs" | "addresses" | "ownerReferences")
}

fn merge_list(list: &mut Value, changes: Vec<Value>) {
    const KEYS: [&str; 4] = ["type", "ip", "uid", "name"];
    let mut items = list.as_array().unwrap_or_default().to_vec();
    for mut change in changes {
        let Some(key) = KEYS.into_iter().find(|k| change.get(k).is_some()) else { continue };
        let place = items.iter().position(|item| item.get(key) == change.get(key));
        let directive = change.as_object_mut().and_then(|m| m.remove("$patch"));
        match (place, directive.is_some()) {
            (Some(i), true) => drop(items.remove(i)),
            (None, true) => {}
            (Some(i), false) => merge(&mut items[i], change, true),
            (None, false) => items.push(change),
        }
    }
    *list = Value::Array(items);
}

fn now() -> String {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}

fn object(tree: &Value) -> Object {
    Object::from_json(Bytes::from(json(tree).to_string())).expect("the fake keeps objects with metadata")
}

/// A tree as serde's.
fn json(tree: &Value) -> serde_json::Value {
    match tree {
        Value::Null => serde_json::Value::Null,
        Value::Bool(b) => (*b).into(),
        Value::Int(n) => (*n).into(),
        Value::Float(n) => (*n).into(),
        Value::String(s) => s.as_str().into(),
        Value::Array(items) => items.iter().map(json).collect(),
        Value::Object(map) => map.iter().map(|(k, v)| (k.to_owned(), json(v))).collect(),
    }
}
