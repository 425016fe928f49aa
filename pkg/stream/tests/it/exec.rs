//! Sessions: a pretended command served by every protocol, asked through SPDY, and spliced.

use knarr_stream::{ClientSession, Driver, Ending, Options, Outcome, Session, Size, accept_exec, client, splice};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::spdy_request;

pub(crate) const ALL: Options = Options { stdin: true, stdout: true, stderr: true, tty: false };
pub(crate) const TTY: Options = Options { stdin: true, stdout: true, stderr: false, tty: true };

/// Says its input back in upper case, complains, and exits with 3. With a terminal it first tells a size.
pub(crate) async fn shout(mut session: Session) {
    let mut stdout = session.stdout.take().expect("asked for");
    if session.stderr.is_none() {
        let Size { width, height } = session.resize.recv().await.expect("a size comes");
        stdout.write_all(format!("{width}x{height} ").as_bytes()).await.unwrap();
    }
    let mut text = Vec::new();
    session.stdin.take().expect("asked for").read_to_end(&mut text).await.unwrap();
    stdout.write_all(&text.to_ascii_uppercase()).await.unwrap();
    drop(stdout);
    if let Some(mut stderr) = session.stderr.take() {
        stderr.write_all(b"that was loud").await.unwrap();
    }
    session.finish(Outcome::exit(3));
}

/// Switches a client's connection to SPDY; the HTTP side of the server is a few lines here.
async fn switch(mut server: DuplexStream, client: DuplexStream) -> (DuplexStream, client::Upgraded<DuplexStream>) {
    let answer = async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(server.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("POST /exec/token HTTP/1.1\r\nHost: 127.0.0.1:1\r\n"), "{head}");
        server.write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\n\r\n").await.unwrap();
    };
    let upgrade = client::upgrade(client, "http://127.0.0.1:1/exec/token", "v4.channel.k8s.io");
    let ((), upgraded) = tokio::join!(answer, upgrade);
    (server, upgraded.unwrap())
}

/// A client and a server of one SPDY connection.
pub(crate) async fn pair(options: Options) -> ((ClientSession, Driver), (Session, Driver)) {
    let (server, client) = tokio::io::duplex(1000);
    let (server, upgraded) = switch(server, client).await;
    let accepted = accept_exec(&spdy_request("v4.channel.k8s.io")).unwrap();
    (client::exec(upgraded, options), accepted.session(server, options))
}

/// Types, listens, and waits for the end.
async fn ask(mut session: ClientSession, text: Vec<u8>) -> (Vec<u8>, Vec<u8>, Outcome) {
    let _ = session.resize.send(Size { width: 80, height: 24 }).await;
    let mut stdin = session.stdin.take().unwrap();
    let (mut stdout, mut stderr) = (session.stdout.take().unwrap(), session.stderr.take());
    let typing = async move { stdin.write_all(&text).await.unwrap() };
    let listening = async {
        let mut out = Vec::new();
        stdout.read_to_end(&mut out).await.unwrap();
        out
    };
    let complaints = async {
        let mut err = Vec::new();
        if let Some(stderr) = &mut stderr {
            stderr.read_to_end(&mut err).await.unwrap();
        }
        err
    };
    let ((), out, err) = tokio::join!(typing, listening, complaints);
    (out, err, session.outcome().await)
}

#[tokio::test]
async fn spdy_carries_all_streams_and_the_exit_code() {
    let ((session, client), (served, server)) = pair(ALL).await;
    let (answer, (), client, server) = tokio::join!(ask(session, vec![b'x'; 300_000]), shout(served), client, server);
    let (out, err, outcome) = answer;
    assert_eq!((out, err.as_slice()), (vec![b'X'; 300_000], &b"that was loud"[..]));
    assert!(matches!(outcome, Outcome::Exit { code: 3, .. }), "{outcome:?}");
    client.unwrap();
    server.unwrap();
}

#[tokio::test]
async fn spdy_carries_terminals() {
    let ((session, client), (served, server)) = pair(TTY).await;
    let (answer, (), ..) = tokio::join!(ask(session, b"hi".to_vec()), shout(served), client, server);
    assert_eq!(answer.0, b"80x24 HI");
}

#[tokio::test]
async fn sessions_can_be_spliced() {
    let ((session, a), (near, b)) = pair(ALL).await;
    let ((far, c), (served, d)) = pair(ALL).await;
    let (answer, ..) =
        tokio::join!(ask(session, b"hi".to_vec()), splice(near, far, Ending::Passed), shout(served), a, b, c, d);
    assert_eq!((answer.0.as_slice(), answer.1.as_slice()), (&b"HI"[..], &b"that was loud"[..]));
    assert!(matches!(answer.2, Outcome::Exit { code: 3, .. }), "{:?}", answer.2);
}

#[tokio::test]
async fn a_lost_client_ends_the_session() {
    let ((session, client), (mut served, server)) = pair(ALL).await;
    let lost = async move {
        let mut stdin = served.stdin.take().unwrap();
        assert_eq!(stdin.read(&mut [0; 8]).await.unwrap(), 0);
        served.client_gone().await;
    };
    let client = async move {
        // Until the streams are open; then everything is dropped.
        let _ = tokio::time::timeout(std::time::Duration::from_millis(100), client).await;
        drop(session);
    };
    let ((), (), _end) = tokio::join!(lost, client, server);
}

#[tokio::test]
async fn a_refused_upgrade_tells_why() {
    let (mut server, client) = tokio::io::duplex(1000);
    let answer = async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(server.read_u8().await.unwrap());
        }
        server.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\n\r\nexpired").await.unwrap();
        drop(server);
    };
    let upgrade = client::upgrade(client, "http://127.0.0.1:1/exec/token", "v4.channel.k8s.io");
    let ((), refused) = tokio::join!(answer, upgrade);
    assert_eq!(refused.unwrap_err().to_string(), "the streaming server answered 404: expired");
    assert_eq!(client::address("http://127.0.0.1:4711/exec/x").unwrap(), "127.0.0.1:4711");
    assert!(client::address("unix:///x").is_err());
}
