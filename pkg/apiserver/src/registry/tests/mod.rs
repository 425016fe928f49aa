//! The registry against a real store, written as requests and what they answer.

mod admission;
mod lifecycle;
mod lists;
mod local;
mod ownership;
mod services;
mod subresources;
mod watches;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU32, Ordering},
    },
};

use expect_test::Expect;
use futures_util::StreamExt;
use jiff::{SignedDuration, Timestamp};
use knarr_api::{Status, Value, json};
use knarr_client::{Event, EventStream, Options, PatchKind, Propagation, Request, Resource, Verb};

use super::{
    Answer, Body, NoTokens, Parts, Registry, Review, ServiceNetwork, TokenGrant, TokenIssuer, TokenRequest,
    TokenReviewer,
};
use crate::{Attributes, Authorizer, Caller, Decision, User, admission::Admission};

/// A registry over an empty store, and a clock that is set by hand.
pub(super) struct Lab {
    pub(super) registry: Arc<Registry>,
    pub(super) caller: Caller,
    seconds: Arc<AtomicI64>,
    store: knarr_store::Store,
    directory: PathBuf,
}

/// Allows everything but the verb `forbidden`, and knows no roles.
struct Anyone;

impl Authorizer for Anyone {
    fn authorize(&self, user: &User, a: &Attributes<'_>) -> Decision {
        if a.verb == "forbidden" || user.name == "nobody" {
            Decision::Deny("no".into())
        } else {
            Decision::Allow("all".into())
        }
    }
}

/// The least a kind says: names are DNS subdomains, and what runs somewhere gets half a minute.
struct Simple;

impl knarr_catalog::Hooks for Simple {
    fn check_name(&self, name: &str) -> Vec<String> {
        knarr_api::names::dns1123_subdomain(name)
    }

    fn grace_period(&self, object: &Value, wanted: Option<i64>) -> i64 {
        if object.str_at(&["spec", "nodeName"]).is_empty() { 0 } else { wanted.unwrap_or(30) }
    }
}

/// Tokens that are their own description.
struct Plain;

impl TokenIssuer for Plain {
    fn issue(&self, r: &TokenRequest, now: Timestamp) -> Result<TokenGrant, Status> {
        let bound = r.bound.as_ref().map_or("nothing", |(kind, ..)| kind.as_str());
        let node = r.node.as_ref().map_or("no node", |(name, _)| name.as_str());
        Ok(TokenGrant {
            token: format!("{}/{} bound to {bound} on {node}", r.namespace, r.name),
            expires: now + SignedDuration::from_secs(r.expiration_seconds),
            audiences: if r.audiences.is_empty() { vec!["api".into()] } else { r.audiences.clone() },
        })
    }
}

#[async_trait::async_trait]
impl TokenReviewer for Plain {
    async fn review(&self, token: &str, audiences: &[String]) -> Review {
        NoTokens.review(token, audiences).await
    }
}

impl Lab {
    /// With the four namespaces and what else a cluster starts with.
    pub(super) async fn new() -> Self {
        let lab = Self::empty();
        let endpoint = super::bootstrap::Endpoint { address: [192, 0, 2, 1].into(), port: 6443 };
        super::bootstrap::run(&lab.registry, &endpoint).await.unwrap();
        lab.ask("POST /api/v1/namespaces/default/serviceaccounts", r#"{"metadata":{"name":"default"}}"#).await.unwrap();
        lab
    }

    pub(super) fn empty() -> Self {
        Self::remembering(knarr_store::Config::default())
    }

    /// With a store of certain bounds.
    pub(super) fn remembering(config: knarr_store::Config) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("knarr-registry-{}-{n}", std::process::id()));
        let store = knarr_store::Store::open(&directory, config).unwrap();
        let seconds = Arc::new(AtomicI64::new(1_767_323_045)); // 2026-01-02T03:04:05Z
        let user = User::new("alice", &["system:masters", "system:authenticated"]);
        let caller = Caller { user: user.into(), manager: "test".into() };
        Self { registry: Self::open(&store, &seconds), caller, seconds, store, directory }
    }

    /// As after a restart: another registry over the same store.
    pub(super) fn restart(&mut self) {
        self.registry = Self::open(&self.store, &self.seconds);
    }

    fn open(store: &knarr_store::Store, seconds: &Arc<AtomicI64>) -> Arc<Registry> {
        let clock = seconds.clone();
        let mut resources = knarr_catalog::resources();
        for resource in &mut resources {
            if matches!(&*resource.plural, "pods" | "configmaps") {
                resource.hooks = Arc::new(Simple); // what is tested here is the registry, not the kinds
            }
        }
        Registry::new(Parts {
            store: store.clone(),
            resources,
            authorizer: Arc::new(Anyone),
            issuer: Arc::new(Plain),
            reviewer: Arc::new(Plain),
            admission: Admission::standard(Arc::new(Anyone)),
            network: ServiceNetwork::default(),
            clock: Arc::new(move || Timestamp::from_second(clock.load(Ordering::Relaxed)).unwrap()),
        })
    }

    pub(super) fn with_user(mut self, user: User) -> Self {
        self.caller.user = user.into();
        self
    }

    pub(super) fn pass(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    /// `POST /api/v1/namespaces/default/pods?dryRun=All` with a JSON body. The patches are methods of their own:
    /// `JSON`, `MERGE`, `STRATEGIC`, `APPLY`.
    pub(super) async fn ask(&self, line: &str, body: &str) -> Result<Answer, Status> {
        let mut request = self.request(line, body);
        let warnings = self.registry.intake(&mut request)?;
        let mut answer = self.registry.execute(&self.caller, request).await?;
        answer.warnings.splice(0..0, warnings);
        Ok(answer)
    }

    /// Asks and compares the answer: its code and what `show` names of it (dotted paths; empty: nothing else).
    pub(super) async fn check(&self, line: &str, body: &str, show: &str, expected: Expect) {
        expected.assert_eq(&without_uids(&text(self.ask(line, body).await, show)));
    }

    /// A watch.
    pub(super) fn watch(&self, line: &str) -> Result<EventStream, Status> {
        let mut request = self.request(&format!("GET {line}"), "");
        request.verb = Verb::Watch;
        self.registry.watch(&self.caller, &request)
    }

    fn request(&self, line: &str, body: &str) -> Request {
        let (method, url) = line.split_once(' ').unwrap();
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let mut parts = path.trim_start_matches('/').split('/');
        let group = if parts.next() == Some("api") { "" } else { parts.next().unwrap() };
        let version = parts.next().unwrap();
        let mut rest: Vec<&str> = parts.collect();
        let mut namespace = "";
        if rest[0] == "namespaces" && rest.len() > 2 && !matches!(rest[2], "status" | "finalize") {
            namespace = rest[1];
            rest.drain(..2);
        }
        let plural = rest[0];
        let resources = self.registry.resources();
        let (entry, _) = resources.find(group, version, plural).unwrap_or_else(|| panic!("{path} is not served"));
        let resource = Resource {
            group: group.to_owned().into(),
            version: version.to_owned().into(),
            plural: plural.to_owned().into(),
            kind: entry.resource.kind.to_string().into(),
            namespaced: entry.resource.namespaced,
        };
        let name = rest.get(1).copied().unwrap_or_default();
        let verb = match (method, name) {
            ("GET", "") => Verb::List,
            ("GET", _) => Verb::Get,
            ("POST", _) => Verb::Create,
            ("PUT", _) => Verb::Update,
            ("DELETE", "") => Verb::DeleteCollection,
            ("DELETE", _) => Verb::Delete,
            ("JSON", _) => Verb::Patch(PatchKind::Json),
            ("MERGE", _) => Verb::Patch(PatchKind::Merge),
            ("STRATEGIC", _) => Verb::Patch(PatchKind::Strategic),
            ("APPLY", _) => Verb::Patch(PatchKind::Apply),
            _ => panic!("{method}"),
        };
        let mut request = Request::new(verb, &resource).namespace(namespace).name(name);
        request.subresource = rest.get(2).copied().unwrap_or_default().into();
        query.split('&').filter(|q| !q.is_empty()).for_each(|pair| option(&mut request.options, pair));
        if !body.is_empty() {
            request.body = Some(json::parse(body.as_bytes(), &json::Limits::default()).unwrap().value);
        }
        request
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = &self.store;
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn option(options: &mut Options, pair: &str) {
    let (key, value) = pair.split_once('=').unwrap();
    match key {
        "dryRun" => options.dry_run = value == "All",
        "fieldManager" => options.field_manager = value.into(),
        "fieldValidation" => options.field_validation = value.into(),
        "force" => options.force = value == "true",
        "labelSelector" => options.label_selector = value.into(),
        "fieldSelector" => options.field_selector = value.into(),
        "limit" => options.limit = value.parse().unwrap(),
        "continue" => options.continue_token = value.into(),
        "resourceVersion" => options.resource_version = value.into(),
        "resourceVersionMatch" => options.resource_version_match = value.into(),
        "sendInitialEvents" => options.send_initial_events = Some(value == "true"),
        "allowWatchBookmarks" => options.allow_bookmarks = value == "true",
        "timeoutSeconds" => options.timeout_seconds = value.parse().unwrap(),
        "gracePeriodSeconds" => options.grace_period_seconds = Some(value.parse().unwrap()),
        "uid" => options.precondition.uid = value.into(),
        "propagationPolicy" => {
            options.propagation = Some(match value {
                "Orphan" => Propagation::Orphan,
                "Foreground" => Propagation::Foreground,
                _ => Propagation::Background,
            });
        }
        _ => panic!("{key}"),
    }
}

/// The tree of an answer with one document.
pub(super) fn tree(answer: Answer) -> Value {
    match answer.body {
        Body::Object(object) => object.decode().unwrap(),
        Body::Document(tree) => tree,
        other => panic!("{other:?}"),
    }
}

fn text(answer: Result<Answer, Status>, show: &str) -> String {
    let answer = match answer {
        Ok(answer) => answer,
        Err(status) => return format!("{} {} {}", status.code(), status.reason().word(), status.message()),
    };
    let mut out = if answer.created { "201" } else { "200" }.to_owned();
    for warning in &answer.warnings {
        out.push_str(&format!(" ({warning})"));
    }
    let line = |tree: &Value| show.split_whitespace().map(|path| pick(tree, path)).collect::<Vec<_>>().join(" ");
    match answer.body {
        Body::Object(object) => out.push_str(&format!(" {}", line(&object.decode().unwrap()))),
        Body::Document(tree) => out.push_str(&format!(" {}", line(&tree))),
        Body::Success(details) => out.push_str(&format!(" Success {} {}", details.kind, details.name)),
        Body::List(list) => {
            let rest = list.remaining.map_or(String::new(), |n| format!(" +{n}"));
            let more = if list.continue_token.is_empty() { "" } else { " …" };
            out.push_str(&format!(
                " [{}]{rest}{more}",
                list.items.iter().map(|o| o.name()).collect::<Vec<_>>().join(" ")
            ));
        }
    }
    out.trim_end().to_owned()
}

/// UIDs are different every time.
fn without_uids(text: &str) -> String {
    let is_uid = |word: &str| word.len() == 36 && word.bytes().filter(|b| *b == b'-').count() == 4;
    let words = text.split_inclusive(|c: char| !c.is_ascii_hexdigit() && c != '-');
    let mut out = String::new();
    for word in words {
        let bare = word.trim_end_matches(|c: char| !c.is_ascii_hexdigit() && c != '-');
        out.push_str(if is_uid(bare) { "UID" } else { bare });
        out.push_str(&word[bare.len()..]);
    }
    out
}

fn pick(tree: &Value, path: &str) -> String {
    let found = path.split('.').try_fold(tree, |v, key| match key.parse::<usize>() {
        Ok(i) => v.as_array()?.get(i),
        Err(_) => v.get(key),
    });
    let Some(value) = found else { return "-".to_owned() };
    let mut out = Vec::new();
    json::write(value, &mut out);
    String::from_utf8(out).unwrap()
}

/// The next `n` events of a watch, one a line.
pub(super) async fn events(stream: &mut EventStream, n: usize) -> String {
    let mut lines = Vec::new();
    for _ in 0..n {
        let event = tokio::time::timeout(std::time::Duration::from_secs(10), stream.next()).await;
        lines.push(match event.expect("an event in time") {
            Some(Ok(Event::Added(o))) => format!("ADDED {}", o.name()),
            Some(Ok(Event::Modified(o))) => format!("MODIFIED {}", o.name()),
            Some(Ok(Event::Deleted(o))) => format!("DELETED {}", o.name()),
            Some(Ok(Event::Bookmark { initial_events_end, .. })) => format!("BOOKMARK {initial_events_end}"),
            Some(Err(status)) => format!("ERROR {status}"),
            None => "END".to_owned(),
        });
    }
    lines.join("\n")
}
