//! A small cluster, questions, and a name server to forward to.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use hickory_proto::{
    op::{Edns, Message, MessageType, Query, ResponseCode},
    rr::{Name, RData, Record, RecordType, rdata::A},
};
use knarr_api::Object;
use knarr_client::Key;
use knarr_daemon::{Error, Stop, Tasks};
use parking_lot::RwLock;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
};

use crate::{
    Service, Slice, Sockets, Zone,
    access::Access,
    forward::{Forward, Patience},
    handler::Handler,
    upstreams::Settings,
};

/// Services by name and spec.
const SERVICES: &[(&str, &str, &str)] = &[
    ("default", "kubernetes", r#"{"clusterIP":"10.43.0.1","ports":[{"name":"https","port":443,"protocol":"TCP"}]}"#),
    ("kube-system", "kube-dns", r#"{"clusterIP":"10.43.0.10","ports":[{"name":"dns","port":53,"protocol":"UDP"}]}"#),
    ("shop", "web", r#"{"clusterIP":"10.43.7.7","clusterIPs":["10.43.7.7","fd00:43::7"],"ports":[{"port":80}]}"#),
    ("shop", "db", r#"{"clusterIP":"None","ports":[{"name":"sql","port":5432,"protocol":"TCP"}]}"#),
    ("shop", "void", r#"{"clusterIP":"None","ports":[{"name":"sql","port":5432}]}"#),
    ("shop", "out", r#"{"type":"ExternalName","externalName":"Example.com"}"#),
    ("shop", "alias", r#"{"type":"ExternalName","externalName":"web.shop.svc.cluster.local."}"#),
    ("shop", "dangling", r#"{"type":"ExternalName","externalName":"none.shop.svc.cluster.local"}"#),
    ("shop", "ring", r#"{"type":"ExternalName","externalName":"ring.shop.svc.cluster.local"}"#),
    ("shop", "number", r#"{"type":"ExternalName","externalName":"1.2.3.4"}"#),
];

/// EndpointSlices by name, Service and the rest.
const SLICES: &[(&str, &str, &str, &str)] = &[
    (
        "shop",
        "db-1",
        "db",
        r#""addressType":"IPv4","ports":[{"name":"sql","port":15432,"protocol":"TCP"}],"endpoints":[
            {"addresses":["10.42.0.5"],"hostname":"db-0","conditions":{"ready":true}},
            {"addresses":["10.42.1.6"]},
            {"addresses":["10.42.1.7"],"conditions":{"ready":false}}]"#,
    ),
    (
        "shop",
        "db-2",
        "db",
        r#""addressType":"IPv6","ports":[{"name":"sql","port":15432}],"endpoints":[{"addresses":["fd00::5"]}]"#,
    ),
    (
        "shop",
        "web-1",
        "web",
        r#""addressType":"IPv4","ports":[{"port":8080}],"endpoints":[{"addresses":["10.42.0.9"],"hostname":"front"}]"#,
    ),
];

pub(super) fn key(namespace: &str, name: &str) -> Key {
    Key::new(namespace, name)
}

pub(super) fn service(spec: &str) -> Arc<Service> {
    let json = format!(r#"{{"metadata":{{"name":"a","namespace":"b"}},"spec":{spec}}}"#);
    Arc::new(Service::project(&Object::from_json(json.into()).unwrap()).unwrap())
}

pub(super) fn slice(service: &str, rest: &str) -> Arc<Slice> {
    let labels = format!(r#"{{"kubernetes.io/service-name":"{service}"}}"#);
    let json = format!(r#"{{"metadata":{{"name":"a","namespace":"b","labels":{labels}}},{rest}}}"#);
    Arc::new(Slice::project(&Object::from_json(json.into()).unwrap()).unwrap())
}

/// The zone of all of the above, with the empty namespace `bare`.
pub(super) fn zone() -> Zone {
    let mut zone = Zone::new("cluster.local").unwrap();
    zone.set_namespace("bare", true);
    for (namespace, name, spec) in SERVICES {
        zone.set_service(&key(namespace, name), Some(service(spec)));
    }
    for (namespace, name, of, rest) in SLICES {
        zone.set_slice(&key(namespace, name), None, Some(&slice(of, rest)));
    }
    zone
}

pub(super) fn query(name: &str, kind: &str) -> Query {
    let mut name = Name::from_ascii(name).unwrap();
    name.set_fqdn(true);
    Query::query(name, kind.parse().unwrap())
}

/// A request as bytes; `payload` 0 for one without EDNS.
pub(super) fn request(name: &str, kind: &str, payload: u16) -> Vec<u8> {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(query(name, kind));
    if payload > 0 {
        let mut edns = Edns::new();
        edns.set_max_payload(payload);
        message.set_edns(edns);
    }
    message.to_vec().unwrap()
}

/// A reply in words: its code, what is marked, its answers' data.
pub(super) fn words(reply: &[u8]) -> String {
    let reply = Message::from_vec(reply).unwrap();
    let mut out = format!("{:?}", reply.response_code);
    for (flag, word) in [(reply.authoritative, "aa"), (reply.truncation, "tc")] {
        if flag {
            out = format!("{out} {word}");
        }
    }
    reply.answers.iter().fold(out, |out, r| format!("{out} {}={}", r.ttl, r.data))
}

/// Waits for a condition.
pub(super) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never came true: {what}");
}

/// A name server that knows one address for every name: UDP and TCP on one port.
///
/// Names that begin with `big` are truncated over UDP, with `none` do not exist, with `slow` take their time.
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    pub(super) asked: Arc<AtomicUsize>,
    /// Takes questions and says nothing.
    pub(super) mute: Arc<AtomicBool>,
    _tasks: Tasks,
}

impl Upstream {
    pub(super) async fn start(ip: Ipv4Addr, port: u16, knows: Ipv4Addr) -> Self {
        let mut sockets = Sockets::bind(&[(ip, port).into()]).await.unwrap().into_parts();
        let (udp, tcp) = (sockets.0.remove(0), sockets.1.remove(0));
        let (asked, mute, tasks) =
            (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default(), Tasks::new(&Stop::new()));
        let address = udp.local_addr().unwrap();
        let (count, quiet) = (asked.clone(), mute.clone());
        tasks.spawn("udp", |_| async move {
            let mut buffer = [0; 2048];
            loop {
                let (length, client) = udp.recv_from(&mut buffer).await?;
                count.fetch_add(1, Ordering::SeqCst);
                if quiet.load(Ordering::SeqCst) {
                    continue;
                }
                let (reply, slow) = reply(&buffer[..length], knows, true);
                if slow {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                udp.send_to(&reply, client).await?;
            }
            #[expect(unreachable_code, reason = "gives the block its type")]
            Ok::<(), Error>(())
        });
        tasks.spawn("tcp", |_| async move {
            loop {
                let (mut stream, _) = tcp.accept().await?;
                let mut request = vec![0; stream.read_u16().await?.into()];
                stream.read_exact(&mut request).await?;
                let (reply, _) = reply(&request, knows, false);
                stream.write_u16(reply.len().try_into()?).await?;
                stream.write_all(&reply).await?;
            }
            #[expect(unreachable_code, reason = "gives the block its type")]
            Ok::<(), Error>(())
        });
        Self { address, asked, mute, _tasks: tasks }
    }

    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn reply(request: &[u8], knows: Ipv4Addr, datagram: bool) -> (Vec<u8>, bool) {
    let mut message = Message::from_vec(request).unwrap();
    let name = message.queries[0].name.clone();
    let text = name.to_string();
    message.metadata.message_type = MessageType::Response;
    if text.starts_with("none") {
        message.metadata.response_code = ResponseCode::NXDomain;
        let zone = zone();
        message.authorities.extend(crate::answer::soa(&zone));
    } else if text.starts_with("big") && datagram {
        message.metadata.truncation = true;
    } else if message.queries[0].query_type == RecordType::A {
        message.add_answer(Record::from_rdata(name, 30, RData::A(A(knows))));
    }
    (message.to_vec().unwrap(), text.starts_with("slow"))
}

/// A handler over the zone above that forwards to the servers a file names.
pub(super) fn handler(ready: bool, settings: Settings) -> Arc<Handler> {
    let patience = Patience { each: Duration::from_millis(300), all: Duration::from_millis(900) };
    let forward = Forward::new(settings, patience);
    Arc::new(Handler::new(Arc::new(RwLock::new(zone())), move || ready, Access::new(Vec::new()), forward))
}

/// No servers at all.
pub(super) fn nowhere() -> Settings {
    Settings { path: "/nowhere".into(), behind_stub: "/nowhere".into(), own: Vec::new(), port: 53 }
}

/// A resolv.conf of a test; removed when dropped.
pub(super) struct ResolvConf(std::path::PathBuf);

impl ResolvConf {
    pub(super) fn new(servers: &[&str]) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("knarr-dns-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::SeqCst));
        let file = Self(std::env::temp_dir().join(name));
        file.write(servers);
        file
    }

    pub(super) fn write(&self, servers: &[&str]) {
        let text: String = servers.iter().map(|s| format!("nameserver {s}\n")).collect();
        std::fs::write(&self.0, format!("search never.used\n{text}")).unwrap();
    }

    pub(super) fn settings(&self, port: u16) -> Settings {
        Settings { path: self.0.clone(), behind_stub: "/nowhere".into(), own: Vec::new(), port }
    }

    pub(super) fn path(&self) -> std::path::PathBuf {
        self.0.clone()
    }
}

impl Drop for ResolvConf {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Asks over UDP.
pub(super) async fn ask(server: SocketAddr, request: &[u8]) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(request, server).await.unwrap();
    let mut buffer = [0; 4096];
    let received = tokio::time::timeout(Duration::from_secs(5), socket.recv(&mut buffer)).await;
    words(&buffer[..received.unwrap().unwrap()])
}

/// Asks over TCP, all on one connection.
pub(super) async fn ask_tcp(server: SocketAddr, requests: &[Vec<u8>]) -> Vec<String> {
    let mut stream = TcpStream::connect(server).await.unwrap();
    let mut replies = Vec::new();
    for request in requests {
        stream.write_u16(request.len().try_into().unwrap()).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut reply = vec![0; stream.read_u16().await.unwrap().into()];
        stream.read_exact(&mut reply).await.unwrap();
        replies.push(words(&reply));
    }
    replies
}
