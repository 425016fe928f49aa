//! The two transports of `knarr_client::Api`: what one does, the other does too.

use std::{sync::Arc, time::Duration};

use expect_test::expect;
use futures_util::StreamExt as _;
use jiff::Timestamp;
use knarr_api::{Object, Status, Value, value};
use knarr_apiserver::{Server, TlsMaterial};
use knarr_client::{
    Api, ApiExt as _, Cache, Event, Key, List, PatchKind, Propagation, Reply, Request, Selection, Verb,
    remote::{Remote, Target, UNTRUSTED, tls},
    resources::{CONFIG_MAPS, NAMESPACES, PODS},
};
use knarr_daemon::{Stop, Tasks};
use knarr_pki::{Ca, Identity, Leaf};
use rustls::{ClientConfig, ServerConfig};
use tokio::{net::TcpListener, sync::watch};

use crate::world::World;

/// A server on a socket in front of a world.
struct Served {
    world: World,
    target: Target,
    server_ca: String,
    client_ca: Ca,
    stop: Stop,
    tasks: Tasks,
}

impl Served {
    async fn new() -> Self {
        Self::with(|config| config).await
    }

    async fn with(change: impl FnOnce(ServerConfig) -> ServerConfig) -> Self {
        let now = Timestamp::now();
        let (server_ca, _) = Ca::create("server", now).unwrap();
        let (client_ca, _) = Ca::create("client", now).unwrap();
        let shown = server_ca.issue(&Leaf::server("api", ["127.0.0.1"]), now).unwrap();
        let material = TlsMaterial { chain: shown.cert, key: shown.key, client_ca: client_ca.cert().to_owned() };
        let config = change(Arc::unwrap_or_clone(material.server_config().unwrap()));
        let world = World::new().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target::at(listener.local_addr().unwrap());
        let stop = Stop::new();
        let tasks = Tasks::new(&stop);
        let (_keep, tls) = watch::channel(Arc::new(config));
        let server = Server::new(listener, tls, world.face.clone());
        tasks.spawn("server", |stop| server.run(stop));
        Self { world, target, server_ca: server_ca.cert().to_owned(), client_ca, stop, tasks }
    }

    fn identity(&self, name: &str, groups: &[&str]) -> Identity {
        self.client_ca.issue(&Leaf::client(name, groups), Timestamp::now()).unwrap()
    }

    fn config(&self, identity: &Identity) -> Arc<ClientConfig> {
        tls::config(&self.server_ca, Some((&identity.cert, &identity.key))).unwrap()
    }

    /// The API as a client with a certificate.
    fn api(&self, name: &str, groups: &[&str]) -> Remote {
        let config = self.config(&self.identity(name, groups));
        Remote::new(self.target.clone(), watch::channel(config).1, "tester/1", &self.stop)
    }
}

fn tree(object: &Object) -> Value {
    object.decode().unwrap()
}

/// Code and words of a refusal, or what the answer is about.
fn show(result: Result<Reply, Status>) -> String {
    match result {
        Ok(Reply::Object(o)) => {
            let tree = tree(&o);
            let mut data = Vec::new();
            knarr_api::json::write(tree.get("data").unwrap_or(&Value::Null), &mut data);
            format!("{} {}", o.name(), String::from_utf8(data).unwrap())
        }
        Ok(Reply::List(List { items, continue_token, .. })) => {
            let names: Vec<&str> = items.iter().map(Object::name).collect();
            format!("[{}]{}", names.join(" "), if continue_token.is_empty() { "" } else { " and more" })
        }
        Ok(Reply::Done) => "done".to_owned(),
        Err(e) => {
            // Every world has its own UIDs.
            let text = e.to_string();
            let text = text.split("UID in record (").next().unwrap_or_default();
            format!("{} {:?}: {text}", e.code(), e.reason())
        }
    }
}

async fn events(api: &dyn Api, request: Request, mut count: usize) -> String {
    let mut out = Vec::new();
    let mut stream = api.watch(request).await.unwrap();
    while count > 0 {
        let event = tokio::time::timeout(Duration::from_secs(10), stream.next()).await.unwrap().unwrap();
        out.push(match event {
            Ok(Event::Added(o)) => format!("+{}", o.name()),
            Ok(Event::Modified(o)) => format!("~{}", o.name()),
            Ok(Event::Deleted(o)) => format!("-{}", o.name()),
            Ok(Event::Bookmark { initial_events_end, .. }) => format!("mark {initial_events_end}"),
            Err(e) => format!("{:?}", e.reason()),
        });
        count -= 1;
    }
    out.join(" ")
}

/// What a client can do, told as text.
async fn suite(api: Arc<dyn Api>) -> String {
    let mut log = String::new();
    let maps = |verb| Request::new(verb, &CONFIG_MAPS).namespace("default");
    let map = |name: &str, data: Value| value!({ "metadata": { "name": name, "labels": { "l": name } }, "data": data });
    let patch = |kind, body: Value| maps(Verb::Patch(kind)).name("a").body(body);
    for (what, request) in
        [
            ("create", maps(Verb::Create).body(map("a", value!({ "k": "1" })))),
            ("create", maps(Verb::Create).body(map("b", value!({ "k": "1" })))),
            ("again", maps(Verb::Create).body(map("a", value!({})))),
            ("get", maps(Verb::Get).name("a")),
            ("missing", maps(Verb::Get).name("none")),
            ("wrong", maps(Verb::Create).body(value!({ "metadata": { "name": "A_B" } }))),
            ("dry run", maps(Verb::Create).body(map("c", value!({}))).options(|o| o.dry_run = true)),
            ("update", maps(Verb::Update).name("a").body(map("a", value!({ "k": "2" })))),
            ("merge", patch(PatchKind::Merge, value!({ "data": { "m": "1" } }))),
            ("strategic", patch(PatchKind::Strategic, value!({ "data": { "s": "1", "k": null } }))),
            ("json", patch(PatchKind::Json, value!([{ "op": "remove", "path": "/data/m" }]))),
            (
                "apply",
                patch(PatchKind::Apply, value!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "s": "2" } }))
                    .options(|o| {
                        o.field_manager = "other".into();
                    }),
            ),
            (
                "apply by force",
                patch(PatchKind::Apply, value!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "s": "2" } }))
                    .options(|o| {
                        o.field_manager = "other".into();
                        o.force = true;
                    }),
            ),
            ("list", maps(Verb::List)),
            ("by label", maps(Verb::List).options(|o| o.label_selector = "l in (b, c)".into())),
            ("by field", maps(Verb::List).options(|o| o.field_selector = "metadata.name!=a".into())),
            ("page", maps(Verb::List).options(|o| o.limit = 1)),
            ("bad selector", maps(Verb::List).options(|o| o.label_selector = "l in".into())),
            (
                "at a revision",
                maps(Verb::List).options(|o| {
                    o.resource_version = "1".into();
                    o.resource_version_match = "Exact".into();
                }),
            ),
            ("not that one", maps(Verb::Delete).name("a").options(|o| o.precondition.uid = "other".into())),
            ("delete", maps(Verb::Delete).name("a").options(|o| o.propagation = Some(Propagation::Background))),
            ("the rest", maps(Verb::DeleteCollection).options(|o| o.label_selector = "l=b".into())),
            ("list", maps(Verb::List)),
            ("no such kind", Request::new(Verb::List, &knarr_client::Resource { plural: "nones".into(), ..PODS })),
        ]
    {
        log.push_str(&format!("{what}: {}\n", show(api.call(request).await)));
    }
    // A document that is no object.
    let review = knarr_client::Resource {
        group: "authentication.k8s.io".into(),
        plural: "selfsubjectreviews".into(),
        kind: "SelfSubjectReview".into(),
        namespaced: false,
        ..NAMESPACES
    };
    let me = api.create(&review, "", value!({})).await.unwrap();
    log.push_str(&format!("I am {}\n", tree(&me).str_at(&["status", "userInfo", "username"])));
    // The present state first, then what happens.
    let initial = |r: Request| {
        r.options(|o| {
            o.send_initial_events = Some(true);
            o.resource_version_match = "NotOlderThan".into();
            o.allow_bookmarks = true;
        })
    };
    for name in ["x", "y"] {
        api.create(&CONFIG_MAPS, "default", map(name, value!({}))).await.unwrap();
    }
    let following = events(&*api, initial(maps(Verb::Watch)), 6);
    let happening = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        api.merge(&CONFIG_MAPS, "default", "x", "", value!({ "data": { "k": "v" } })).await.unwrap();
        api.delete(&CONFIG_MAPS, "default", "y", "").await.unwrap();
        api.create(&CONFIG_MAPS, "default", map("z", value!({}))).await.unwrap();
    };
    let (seen, ()) = tokio::join!(following, happening);
    log.push_str(&format!("watch: {seen}\n"));
    let old = events(&*api, maps(Verb::Watch).options(|o| o.resource_version = "1".into()), 1).await;
    log.push_str(&format!("old watch: {old}\n"));
    // The informer cannot tell which one it runs on.
    let stop = Stop::new();
    let tasks = Tasks::new(&stop);
    let cache: Arc<Cache<String>> = Cache::new();
    let (run, follower) = (cache.clone(), api.clone());
    let mut selection = Selection::all(&CONFIG_MAPS);
    selection.namespace = "default".into();
    tasks.spawn("cache", |stop| run.run(follower, selection, stop, |o| Some(o.name().to_owned()), |_| {}));
    cache.synced().await;
    api.delete(&CONFIG_MAPS, "default", "z", "").await.unwrap();
    while cache.get(&Key::new("default", "z")).is_some() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    log.push_str(&format!("cache: {:?}\n", cache.list()));
    tasks.stop_all(Duration::from_secs(5)).await;
    log
}

#[tokio::test]
async fn both_transports_do_the_same() {
    let world = World::new().await;
    let local = suite(world.api("tester", &["system:masters"])).await;
    let served = Served::new().await;
    let remote = suite(Arc::new(served.api("tester", &["system:masters"]))).await;
    assert_eq!(local, remote);
    let http1 = Served::with(|mut config| {
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config
    });
    let http1 = http1.await;
    let remote = suite(Arc::new(http1.api("tester", &["system:masters"]))).await;
    assert_eq!(local, remote, "over HTTP/1.1");
    expect![[r#"
        create: a {"k":"1"}
        create: b {"k":"1"}
        again: 409 AlreadyExists: configmaps "a" already exists
        get: a {"k":"1"}
        missing: 404 NotFound: configmaps "none" not found
        wrong: 422 Invalid: ConfigMap "A_B" is invalid: metadata.name: Invalid value: "A_B": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
        dry run: c null
        update: a {"k":"2"}
        merge: a {"k":"2","m":"1"}
        strategic: a {"m":"1","s":"1"}
        json: a {"s":"1"}
        apply: a {"s":"2"}
        apply by force: a {"s":"2"}
        list: [a b]
        by label: [b]
        by field: [b]
        page: [a] and more
        bad selector: 400 BadRequest: unable to parse requirement: found '' expected: '('
        at a revision: []
        not that one: 409 Conflict: Operation cannot be fulfilled on ConfigMap "a": the UID in the precondition (other) does not match the 
        delete: done
        the rest: [b]
        list: []
        no such kind: 404 NotFound: the server could not find the requested resource
        I am tester
        watch: +x +y mark true ~x -y +z
        old watch: +a
        cache: ["x"]
    "#]].assert_eq(&local);
}

#[tokio::test]
async fn a_renewed_certificate_is_used_at_once() {
    let served = Served::new().await;
    let (renew, current) = watch::channel(served.config(&served.identity("first", &[])));
    let api = Remote::new(served.target.clone(), current, "tester/1", &served.stop);
    let whoami = async || {
        let review = knarr_client::Resource {
            group: "authentication.k8s.io".into(),
            plural: "selfsubjectreviews".into(),
            kind: "SelfSubjectReview".into(),
            namespaced: false,
            ..NAMESPACES
        };
        let me = api.create(&review, "", value!({})).await.unwrap();
        tree(&me).str_at(&["status", "userInfo", "username"]).to_owned()
    };
    assert_eq!(whoami().await, "first");
    renew.send_replace(served.config(&served.identity("second", &[])));
    assert_eq!(whoami().await, "second");
}

#[tokio::test]
async fn who_is_not_believed_is_told_apart_from_who_is_away() {
    let served = Served::new().await;
    let (other, _) = Ca::create("other", Timestamp::now()).unwrap();
    let strange = watch::channel(tls::config(other.cert(), None).unwrap()).1;
    let api = Remote::new(served.target.clone(), strange, "tester/1", &served.stop);
    let refused = api.get(&NAMESPACES, "", "default").await.unwrap_err();
    assert_eq!(refused.code(), UNTRUSTED, "{refused}");
    let admin = served.api("tester", &["system:masters"]);
    admin.get(&NAMESPACES, "", "default").await.unwrap();
    served.tasks.stop_all(Duration::from_secs(20)).await;
    let away = admin.get(&NAMESPACES, "", "default").await.unwrap_err();
    assert_eq!((away.code(), away.reason()), (503, knarr_api::Reason::ServiceUnavailable), "{away}");
    // Nobody is called while the last attempt is fresh: the answer is the same, and at once.
    let asked = tokio::time::Instant::now();
    for _ in 0..100 {
        assert_eq!(admin.get(&NAMESPACES, "", "default").await.unwrap_err().code(), 503);
    }
    assert!(asked.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn many_watches_share_few_connections() {
    let served = Served::new().await;
    let api = served.api("tester", &["system:masters"]);
    let mut streams = Vec::new();
    for _ in 0..250 {
        let request = Request::new(Verb::Watch, &NAMESPACES).options(|o| {
            o.send_initial_events = Some(true);
            o.resource_version_match = "NotOlderThan".into();
            o.allow_bookmarks = true;
        });
        streams.push(api.watch(request).await.unwrap());
    }
    for stream in &mut streams {
        assert!(matches!(stream.next().await, Some(Ok(Event::Added(_)))));
    }
    // While they run, others are answered.
    api.get(&NAMESPACES, "", "default").await.unwrap();
}

#[tokio::test]
async fn a_node_sees_only_what_is_its_own() {
    let served = Served::new().await;
    let admin = served.api("tester", &["system:masters"]);
    served.world.until(200, "GET /api/v1/namespaces/default/serviceaccounts", &[]).await;
    let secret = |name: &str, kind: &str| value!({ "metadata": { "name": name }, "type": kind, "data": { "tls.crt": "", "tls.key": "" } });
    let secrets = knarr_client::resources::SECRETS;
    admin.create(&secrets, "default", secret("s", "Opaque")).await.unwrap();
    let node = served.api("system:node:n", &["system:nodes"]);
    let code = |result: Result<Reply, Status>| result.map_or_else(|e| e.code(), |_| 200);
    let list = |r: &knarr_client::Resource, fields: &str| {
        Request::new(Verb::List, r).options(|o| o.field_selector = fields.into())
    };
    for (request, want) in [
        (Request::new(Verb::Get, &secrets).namespace("default").name("s"), 403),
        (list(&secrets, ""), 403),
        (list(&secrets, "type=Opaque"), 403),
        (list(&secrets, "type=kubernetes.io/tls"), 200),
        (list(&secrets, "type!=kubernetes.io/tls"), 403),
        (list(&PODS, ""), 403),
        (list(&PODS, "spec.nodeName=other"), 403),
        (list(&PODS, "spec.nodeName=n"), 200),
        (list(&knarr_client::resources::NODES, ""), 200),
        (list(&knarr_client::resources::SERVICES, ""), 200),
        (list(&CONFIG_MAPS, ""), 403),
    ] {
        let what = format!("{request:?}");
        assert_eq!(code(node.call(request).await), want, "{what}");
    }
    // Endpoints: its own, nobody else's.
    let slices = knarr_client::resources::ENDPOINT_SLICES;
    let slice = |name: &str, owner: &str| {
        value!({
            "metadata": {
                "name": name,
                "ownerReferences": [{ "apiVersion": "v1", "kind": "Node", "name": owner, "uid": "u" }],
            },
            "addressType": "IPv4",
            "endpoints": [{ "addresses": ["10.0.0.1"], "nodeName": owner }],
        })
    };
    let create = |name: &str, owner: &str, namespace: &str| {
        Request::new(Verb::Create, &slices).namespace(namespace).body(slice(name, owner))
    };
    for (request, want) in [
        (create("kube-dns-n", "n", "kube-system"), 200),
        (create("kube-dns-m", "m", "kube-system"), 403),
        (create("kube-dns-n", "n", "default"), 403),
    ] {
        let what = format!("{request:?}");
        assert_eq!(code(node.call(request).await), want, "{what}");
    }
}
