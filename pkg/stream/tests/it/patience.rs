//! Time: hours in which nothing is said, clients and pods that take nothing. The clock is the test's.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use knarr_stream::{
    Ending, Forward, Options, Outcome, Session, accept_exec, accept_forward, accept_output,
    spdy::{Connection, Headers, Opener, Role, Stall, Stream, connection},
    splice,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::{
    exec::{ALL, pair},
    spdy_request,
    websocket::connect,
    websocket_request,
};

const HOURS: Duration = Duration::from_secs(9 * 3600);

/// Answers a line after hours.
async fn sleepy(mut session: Session) {
    let mut line = [0; 3];
    session.stdin.as_mut().unwrap().read_exact(&mut line).await.unwrap();
    tokio::time::sleep(HOURS).await;
    session.stdout.as_mut().unwrap().write_all(&line).await.unwrap();
    session.finish(Outcome::Success);
}

#[tokio::test(start_paused = true)]
async fn a_websocket_may_be_silent_for_hours() {
    let (server, client) = tokio::io::duplex(1000);
    let (session, driver) = accept_exec(&websocket_request("v5.channel.k8s.io")).unwrap().session(server, ALL);
    let client = async {
        let mut socket = connect(client).await;
        tokio::time::sleep(HOURS).await;
        socket.send(Message::binary(&b"\0hi\n"[..])).await.unwrap();
        let mut said = Vec::new();
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Binary(bytes) = message
                && bytes.first() == Some(&1)
            {
                said.extend_from_slice(&bytes[1..]);
            }
        }
        assert_eq!(said, b"hi\n");
    };
    let ((), (), end) = tokio::join!(client, sleepy(session), driver);
    end.unwrap();
}

/// A client of one SPDY connection, and the forwards it makes.
async fn spdy(work: impl AsyncFnOnce(Opener), io: DuplexStream) {
    let (Connection { accept, opener }, driver) = connection(io, Role::Client, Stall::Wait);
    let work = async move {
        drop(accept);
        work(opener).await;
    };
    // The client hangs up when it has what it wants.
    tokio::select! {
        () = work => {}
        end = driver => panic!("the connection ended first: {end:?}"),
    }
}

async fn open(opener: &Opener, id: &str, port: &str) -> (Stream, Stream) {
    let headers = |kind| Headers::new([("streamType", kind), ("port", port), ("requestID", id)]);
    let error = opener.open(headers("error")).await.unwrap();
    (opener.open(headers("data")).await.unwrap(), error)
}

/// Says back what it is told.
async fn echo(forward: Forward) {
    let (data, end) = forward.split();
    let (mut read, mut write) = tokio::io::split(data);
    let _ = tokio::io::copy(&mut read, &mut write).await;
    let _ = write.shutdown().await;
    drop((read, write));
    end.finish(Ok(())).await;
}

#[tokio::test(start_paused = true)]
async fn a_forward_may_be_silent_for_hours() {
    let (server, io) = tokio::io::duplex(1000);
    let (mut forwards, driver) = accept_forward(&spdy_request("portforward.k8s.io")).unwrap().forwards(server, &[]);
    let client = spdy(
        async |opener| {
            let (mut data, _error) = open(&opener, "0", "80").await;
            for _ in 0..3 {
                tokio::time::sleep(HOURS).await;
                data.io.write_all(b"hi").await.unwrap();
                let mut back = [0; 2];
                data.io.read_exact(&mut back).await.unwrap();
                assert_eq!(&back, b"hi");
            }
        },
        io,
    );
    let serve = async { echo(forwards.recv().await.unwrap()).await };
    let ((), (), _lost) = tokio::join!(client, serve, driver);
}

/// One pod takes nothing; another forward of the same client goes on, and the first one learns that it is over.
#[tokio::test(start_paused = true)]
async fn a_pod_that_takes_nothing_holds_up_nobody_else() {
    let (server, io) = tokio::io::duplex(1000);
    let (mut forwards, driver) = accept_forward(&spdy_request("portforward.k8s.io")).unwrap().forwards(server, &[]);
    let client = spdy(
        async |opener| {
            let (mut lazy, _) = open(&opener, "0", "80").await;
            let (mut busy, _) = open(&opener, "1", "81").await;
            let flood = async {
                let large = vec![0; 1 << 20];
                while lazy.io.write_all(&large).await.is_ok() {}
            };
            let talk = async {
                busy.io.write_all(b"hi").await.unwrap();
                let mut back = [0; 2];
                busy.io.read_exact(&mut back).await.unwrap();
            };
            let both = async { tokio::join!(flood, talk) };
            tokio::time::timeout(Duration::from_secs(120), both).await.expect("neither waits for ever");
        },
        io,
    );
    let serve = async {
        let lazy = forwards.recv().await.unwrap();
        let busy = forwards.recv().await.unwrap();
        assert_eq!((lazy.port, busy.port), (80, 81));
        echo(busy).await;
        drop(lazy);
    };
    let ((), (), _lost) = tokio::join!(client, serve, driver);
}

/// Plain WebSocket cannot end one channel: the connection is cut.
#[tokio::test(start_paused = true)]
async fn without_a_way_to_end_a_channel_the_connection_is_cut() {
    let (server, client) = tokio::io::duplex(1000);
    let accepted = accept_forward(&websocket_request("v4.channel.k8s.io")).unwrap();
    let (mut forwards, driver) = accepted.forwards(server, &[80]);
    let client = async {
        let mut socket = connect(client).await;
        while socket.send(Message::binary(vec![0; 32 << 10])).await.is_ok() {}
    };
    let pod = async {
        let lazy = forwards.recv().await.unwrap();
        tokio::time::sleep(HOURS).await;
        drop(lazy);
    };
    let all = async { tokio::join!(client, driver).1 };
    let end = tokio::select! {
        end = all => end,
        () = pod => panic!("it waits for the pod"),
    };
    assert_eq!(end.unwrap_err().to_string(), "channel 0 stands still");
}

/// A client that resets a stream ends the forward, though it may never have ended its own side.
#[tokio::test(start_paused = true)]
async fn a_reset_ends_both_directions() {
    use knarr_stream::spdy::{Encoder, Frame};
    let (server, mut client) = tokio::io::duplex(1 << 16);
    let (mut forwards, driver) = accept_forward(&spdy_request("portforward.k8s.io")).unwrap().forwards(server, &[]);
    let (mut encoder, mut bytes) = (Encoder::default(), Vec::new());
    for (id, kind) in [(1, "error"), (3, "data")] {
        let headers = Headers::new([("streamType", kind), ("port", "80"), ("requestID", "0")]);
        encoder.encode(&Frame::SynStream { id, headers, fin: kind == "error" }, &mut bytes).unwrap();
    }
    encoder.encode(&Frame::Reset { id: 3, code: 5 }, &mut bytes).unwrap();
    client.write_all(&bytes).await.unwrap();
    let serve = async {
        let mut forward = forwards.recv().await.unwrap();
        assert_eq!(forward.data.read(&mut [0; 8]).await.unwrap(), 0);
        assert!(forward.data.write_all(&[0; 1 << 17]).await.is_err());
        drop(forward);
        drop(client);
    };
    let both = async { tokio::join!(serve, driver) };
    let _ = tokio::time::timeout(Duration::from_secs(60), both).await.expect("it ends");
}

/// Clients give up when pings are not answered. Behind input that waits they cannot be, so the server speaks first.
#[tokio::test(start_paused = true)]
async fn a_client_whose_input_waits_hears_that_we_live() {
    let (server, client) = tokio::io::duplex(1000);
    let options = Options { stdin: true, stdout: true, stderr: false, tty: false };
    let (mut session, driver) = accept_exec(&websocket_request("v5.channel.k8s.io")).unwrap().session(server, options);
    let command = async {
        tokio::time::sleep(Duration::from_secs(100)).await;
        let mut all = Vec::new();
        session.stdin.take().unwrap().read_to_end(&mut all).await.unwrap();
        assert_eq!(all.len(), 300_000);
        session.finish(Outcome::Success);
    };
    let client = async {
        let (mut to, mut from) = connect(client).await.split();
        let typing = async {
            for _ in 0..10 {
                to.send(Message::binary(vec![0; 30_001])).await.unwrap();
            }
            to.send(Message::binary(&b"\xff\0"[..])).await.unwrap();
        };
        let listening = async {
            let mut beats = 0;
            while let Some(Ok(message)) = from.next().await {
                beats += usize::from(matches!(message, Message::Pong(_)));
            }
            beats
        };
        let ((), beats) = tokio::join!(typing, listening);
        assert!((8..=12).contains(&beats), "{beats} beats");
    };
    let ((), (), end) = tokio::join!(command, client, driver);
    end.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_stream_goes_out_whole() {
    for (protocol, expected) in [
        ("binary.k8s.io", [Message::binary(Bytes::new()), Message::binary(&b"a line\n"[..])]),
        ("base64.binary.k8s.io", [Message::text(""), Message::text("YSBsaW5lCg==")]),
    ] {
        let (server, client) = tokio::io::duplex(1000);
        let (mut output, driver) = accept_output(&websocket_request(protocol)).unwrap().output(server);
        let write = async move {
            tokio::time::sleep(HOURS).await;
            output.write_all(b"a line\n").await.unwrap();
        };
        let client = async {
            let mut socket = connect(client).await;
            socket.send(Message::text("nobody listens")).await.unwrap();
            let mut heard = Vec::new();
            while let Some(message) = socket.next().await {
                match message {
                    Ok(Message::Close(_)) | Err(Error::ConnectionClosed) => {}
                    other => heard.push(other.unwrap()),
                }
            }
            assert_eq!(heard, expected);
        };
        let ((), (), end) = tokio::join!(write, client, driver);
        end.unwrap();
    }
    assert!(accept_output(&websocket_request("v4.channel.k8s.io")).is_err());
    assert!(accept_output(&spdy_request("binary.k8s.io")).is_err());
}

/// What a command says to a client whose input has ended, and when the runtime learns of that end.
async fn after_the_end(typed: &'static [u8]) -> (Vec<u8>, Option<Duration>) {
    let ((session, a), (near, b)) = pair(ALL).await;
    let ((far, c), (mut served, d)) = pair(ALL).await;
    let begun = tokio::time::Instant::now();
    let command = async move {
        let (mut stdin, mut stdout) = (served.stdin.take().unwrap(), served.stdout.take().unwrap());
        let input = async {
            stdin.read_to_end(&mut Vec::new()).await.unwrap();
            begun.elapsed()
        };
        let output = async {
            for pause in [1, 1, 10] {
                tokio::time::sleep(Duration::from_secs(pause)).await;
                stdout.write_all(b"x").await.unwrap();
            }
        };
        let ended = tokio::select! {
            at = input => Some(at),
            () = output => None,
        };
        drop((stdin, stdout));
        served.finish(Outcome::Success);
        ended
    };
    let client = async move {
        let mut session = session;
        session.stdin.take().unwrap().write_all(typed).await.unwrap();
        let mut said = Vec::new();
        session.stdout.take().unwrap().read_to_end(&mut said).await.unwrap();
        said
    };
    let (said, ended, ..) = tokio::join!(client, command, splice(near, far, Ending::Kept), a, b, c, d);
    (said, ended)
}

#[tokio::test(start_paused = true)]
async fn who_never_typed_sees_all() {
    assert_eq!(after_the_end(b"").await, (b"xxx".to_vec(), None));
}

#[tokio::test(start_paused = true)]
async fn who_typed_sees_the_answer() {
    let (said, ended) = after_the_end(b"hi").await;
    assert_eq!(said, b"xx");
    assert!(ended.is_some_and(|at| at.as_secs() == 4), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn who_has_nothing_to_type_is_known_soon() {
    const WAIT: Duration = Duration::from_millis(100);
    let silent = async |client: &'static [u8], closes: bool| {
        let ((mut session, a), (near, b)) = pair(ALL).await;
        let asked = async move {
            let mut near = near;
            let said = near.is_silent(WAIT).await;
            // Nothing that was typed is lost.
            let ((far, c), (mut served, d)) = pair(ALL).await;
            let command = async move {
                let mut heard = vec![0; client.len()];
                served.stdin.as_mut().unwrap().read_exact(&mut heard).await.unwrap();
                served.finish(Outcome::Success);
                heard
            };
            let (heard, ..) = tokio::join!(command, splice(near, far, Ending::Kept), c, d);
            assert_eq!(heard, client);
            said
        };
        let typing = async move {
            let mut stdin = session.stdin.take().unwrap();
            stdin.write_all(client).await.unwrap();
            if closes {
                drop(stdin);
            } else {
                tokio::time::sleep(HOURS).await;
            }
            drop(session);
        };
        tokio::select! {
            said = asked => said,
            _ = async { tokio::join!(typing, a, b) } => panic!("it ended"),
        }
    };
    assert!(silent(b"", true).await);
    assert!(!silent(b"", false).await);
    assert!(!silent(b"hi", true).await);
    assert!(!silent(b"hi", false).await);
}
