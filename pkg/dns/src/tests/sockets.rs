//! Sockets on loopback, and a name server beside to forward to.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use knarr_daemon::{Stop, Tasks};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::tools::{ResolvConf, Upstream, ask, ask_tcp, handler, request};
use crate::{Sockets, upstreams::Settings};

const ONE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const TWO: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
const KNOWN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const OTHER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

/// A served handler; stops when dropped.
struct Server {
    address: SocketAddr,
    tasks: Tasks,
}

async fn serve(settings: Settings) -> Server {
    let sockets = Sockets::bind(&["127.0.0.1:0".parse().unwrap()]).await.unwrap();
    let (address, tasks) = (sockets.addresses()[0], Tasks::new(&Stop::new()));
    sockets.serve(&handler(true, settings), &tasks);
    Server { address, tasks }
}

#[tokio::test]
async fn udp_and_tcp_answer_alike_and_stop() {
    let file = ResolvConf::new(&[]);
    let server = serve(file.settings(53)).await;
    let question = request("kubernetes.default.svc.cluster.local", "A", 0);
    assert_eq!(ask(server.address, &question).await, "NoError aa 5=10.43.0.1");
    let missing = request("none.shop.svc.cluster.local", "A", 0);
    let replies = ask_tcp(server.address, &[question, missing]).await;
    assert_eq!(replies, ["NoError aa 5=10.43.0.1", "NXDomain aa"]);
    assert!(server.tasks.stop_all(Duration::from_secs(5)).await.is_empty());
}

#[tokio::test]
async fn a_connection_that_says_nonsense_is_closed() {
    let file = ResolvConf::new(&[]);
    let server = serve(file.settings(53)).await;
    for nonsense in [&[0, 0][..], &[0xff, 0xff], &[0, 3, 1, 2, 3]] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(nonsense).await.unwrap();
        let mut rest = Vec::new();
        let end = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
        assert!(end.is_ok() && rest.is_empty(), "{nonsense:?}");
    }
}

#[tokio::test]
async fn an_address_in_use_is_an_error_with_its_name() {
    let taken = Sockets::bind(&["127.0.0.1:0".parse().unwrap()]).await.unwrap();
    let error = Sockets::bind(&taken.addresses()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("listen on UDP {}", taken.addresses()[0]));
}

#[tokio::test]
async fn other_names_are_asked_for_once_and_kept() {
    let upstream = Upstream::start(ONE, 0, KNOWN).await;
    let file = ResolvConf::new(&["127.0.0.2"]);
    let server = serve(file.settings(upstream.address.port())).await;
    for name in ["example.com", "EXAMPLE.com"] {
        assert_eq!(ask(server.address, &request(name, "A", 0)).await, "NoError 30=192.0.2.1");
    }
    assert_eq!(upstream.asked(), 1);
    for _ in 0..2 {
        assert_eq!(ask(server.address, &request("none.example.com", "A", 0)).await, "NXDomain");
    }
    assert_eq!(upstream.asked(), 2);
    // An alias of the cluster, completed by what is kept already.
    let alias = ask(server.address, &request("out.shop.svc.cluster.local", "A", 0)).await;
    assert_eq!(alias, "NoError 5=example.com. 30=192.0.2.1");
    assert_eq!(upstream.asked(), 2);
}

#[tokio::test]
async fn an_answer_too_long_for_a_datagram_is_fetched_by_tcp() {
    let upstream = Upstream::start(ONE, 0, KNOWN).await;
    let file = ResolvConf::new(&["127.0.0.2"]);
    let server = serve(file.settings(upstream.address.port())).await;
    assert_eq!(ask(server.address, &request("big.example.com", "A", 0)).await, "NoError 30=192.0.2.1");
}

#[tokio::test]
async fn equal_questions_at_once_are_sent_once() {
    let upstream = Upstream::start(ONE, 0, KNOWN).await;
    let file = ResolvConf::new(&["127.0.0.2"]);
    let server = serve(file.settings(upstream.address.port())).await;
    let question = request("slow.example.com", "A", 0);
    let (a, b, c) =
        tokio::join!(ask(server.address, &question), ask(server.address, &question), ask(server.address, &question));
    assert_eq!([a, b, c], ["NoError 30=192.0.2.1"; 3]);
    assert_eq!(upstream.asked(), 1);
}

#[tokio::test]
async fn a_dead_server_is_passed_over_and_asked_last_from_then_on() {
    let one = Upstream::start(ONE, 0, KNOWN).await;
    let two = Upstream::start(TWO, one.address.port(), OTHER).await;
    one.mute.store(true, Ordering::SeqCst);
    let file = ResolvConf::new(&["127.0.0.2", "127.0.0.3"]);
    let server = serve(file.settings(one.address.port())).await;
    assert_eq!(ask(server.address, &request("a.example.com", "A", 0)).await, "NoError 30=192.0.2.2");
    assert_eq!(ask(server.address, &request("b.example.com", "A", 0)).await, "NoError 30=192.0.2.2");
    assert_eq!((one.asked(), two.asked()), (1, 2));
}

#[tokio::test]
async fn without_a_server_that_answers_there_is_a_failure_in_time() {
    let upstream = Upstream::start(ONE, 0, KNOWN).await;
    upstream.mute.store(true, Ordering::SeqCst);
    for servers in [&[][..], &["127.0.0.2"], &["127.0.0.9"]] {
        let file = ResolvConf::new(servers);
        let server = serve(file.settings(upstream.address.port())).await;
        let start = Instant::now();
        assert_eq!(ask(server.address, &request("example.com", "A", 0)).await, "ServFail");
        assert!(start.elapsed() < Duration::from_secs(2));
        assert_eq!(ask(server.address, &request("out.shop.svc.cluster.local", "A", 0)).await, "ServFail");
        assert_eq!(
            ask(server.address, &request("kubernetes.default.svc.cluster.local", "A", 0)).await,
            "NoError aa 5=10.43.0.1"
        );
    }
}

#[tokio::test]
async fn our_own_address_is_never_asked() {
    let upstream = Upstream::start(ONE, 0, KNOWN).await;
    let file = ResolvConf::new(&["127.0.0.2"]);
    let settings = Settings { own: vec![ONE.into()], ..file.settings(upstream.address.port()) };
    let server = serve(settings).await;
    assert_eq!(ask(server.address, &request("example.com", "A", 0)).await, "ServFail");
    assert_eq!(upstream.asked(), 0);
}

#[tokio::test]
async fn a_question_that_comes_back_ends() {
    // Listed as upstream under a name we do not recognise, as through a forwarder in between.
    let sockets = Sockets::bind(&["127.0.0.1:0".parse().unwrap()]).await.unwrap();
    let (address, tasks) = (sockets.addresses()[0], Tasks::new(&Stop::new()));
    let file = ResolvConf::new(&["127.0.0.1"]);
    sockets.serve(&handler(true, file.settings(address.port())), &tasks);
    assert_eq!(ask(address, &request("example.com", "A", 0)).await, "ServFail");
}

#[tokio::test]
async fn the_list_behind_the_stub_is_used_and_a_changed_file_is_read_again() {
    let one = Upstream::start(ONE, 0, KNOWN).await;
    let _two = Upstream::start(TWO, one.address.port(), OTHER).await;
    let (file, behind) = (ResolvConf::new(&["127.0.0.53"]), ResolvConf::new(&["127.0.0.2"]));
    let settings = Settings { behind_stub: behind.path(), ..file.settings(one.address.port()) };
    let mut upstreams = crate::upstreams::Upstreams::new(settings);
    let now = Instant::now();
    assert_eq!(upstreams.current(now), [one.address]);
    file.write(&["127.0.0.3", "127.0.0.2"]);
    assert_eq!(upstreams.current(now), [one.address]);
    let list = upstreams.current(now + Duration::from_secs(3));
    assert_eq!(list.iter().map(SocketAddr::ip).collect::<Vec<_>>(), [TWO, ONE]);
}
