//! Port-forwards by every protocol.

use futures_util::{SinkExt, StreamExt};
use knarr_stream::{
    Forwards, accept_forward,
    spdy::{Connection, Headers, Opener, Role, Stall, connection},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_tungstenite::tungstenite::Message;

use crate::{spdy_request, websocket::connect, websocket_request};

/// A pod where port 80 says everything back and other ports do not answer.
async fn pod(mut forwards: Forwards) {
    while let Some(forward) = forwards.recv().await {
        if forward.port != 80 {
            forward.fail("connection refused").await;
            continue;
        }
        let (data, end) = forward.split();
        let (mut read, mut write) = tokio::io::split(data);
        tokio::io::copy(&mut read, &mut write).await.unwrap();
        write.shutdown().await.unwrap();
        drop((read, write));
        end.finish(Ok(())).await;
    }
}

/// One forward of a client: what came back, and the error.
async fn forward(opener: &Opener, id: &str, port: &str, text: &[u8]) -> (Vec<u8>, String) {
    let headers = |kind| Headers::new([("streamType", kind), ("port", port), ("requestID", id)]);
    let mut error = opener.open(headers("error")).await.unwrap().io;
    error.shutdown().await.unwrap();
    let data = opener.open(headers("data")).await.unwrap().io;
    let (mut read, mut write) = tokio::io::split(data);
    let typing = async {
        let _ = write.write_all(text).await;
        let _ = write.shutdown().await;
    };
    let (mut back, mut message) = (Vec::new(), String::new());
    let ((), _, _) = tokio::join!(typing, read.read_to_end(&mut back), error.read_to_string(&mut message));
    (back, message)
}

/// Drives a client's SPDY connection through two forwards.
async fn client(io: DuplexStream) {
    let (Connection { accept, opener }, driver) = connection(io, Role::Client, Stall::Wait);
    let work = async move {
        drop(accept);
        let text = vec![7; 200_000];
        assert_eq!(forward(&opener, "0", "80", &text).await, (text, String::new()));
        assert_eq!(forward(&opener, "1", "81", b"").await, (Vec::new(), "connection refused".to_owned()));
    };
    let ((), end) = tokio::join!(work, driver);
    end.unwrap();
}

#[tokio::test]
async fn spdy() {
    let (server, io) = tokio::io::duplex(1000);
    let (forwards, driver) = accept_forward(&spdy_request("portforward.k8s.io")).unwrap().forwards(server, &[]);
    let ((), (), end) = tokio::join!(client(io), pod(forwards), driver);
    end.unwrap();
}

#[tokio::test]
async fn spdy_inside_websocket() {
    let (server, io) = tokio::io::duplex(1000);
    let accepted = accept_forward(&websocket_request("SPDY/3.1+portforward.k8s.io")).unwrap();
    let (forwards, driver) = accepted.forwards(server, &[]);
    let (inner, outer) = tokio::io::duplex(1000);
    let tunnel = async {
        let (mut to, mut from) = connect(io).await.split();
        let (mut read, mut write) = tokio::io::split(outer);
        let output = async {
            let mut buffer = vec![0; 500];
            loop {
                let n = read.read(&mut buffer).await.unwrap();
                if n == 0 {
                    break;
                }
                to.send(Message::binary(buffer[..n].to_vec())).await.unwrap();
            }
            to.close().await.unwrap();
        };
        let input = async {
            while let Some(Ok(Message::Binary(bytes))) = from.next().await {
                write.write_all(&bytes).await.unwrap();
            }
            let _ = write.shutdown().await;
        };
        tokio::join!(output, input);
    };
    let ((), (), (), end) = tokio::join!(client(inner), tunnel, pod(forwards), driver);
    end.unwrap();
}

#[tokio::test]
async fn plain_websocket() {
    let (server, io) = tokio::io::duplex(1000);
    let accepted = accept_forward(&websocket_request("v4.channel.k8s.io")).unwrap();
    let (forwards, driver) = accepted.forwards(server, &[80, 81]);
    let client = async {
        let mut socket = connect(io).await;
        let mut seen = Vec::new();
        socket.send(Message::binary(&b"\0hi"[..])).await.unwrap();
        while seen.len() < 6 {
            let Some(Ok(Message::Binary(bytes))) = socket.next().await else { panic!("closed after {seen:?}") };
            seen.push(bytes);
        }
        assert_eq!(seen[..4], [&b"\x00\x50\x00"[..], b"\x01\x50\x00", b"\x02\x51\x00", b"\x03\x51\x00"]);
        seen[4..].sort();
        assert_eq!(seen[4..], [&b"\0hi"[..], b"\x03connection refused"]);
        socket.close(None).await.unwrap();
    };
    // Forwards are served side by side, as a kubelet does.
    let serve = async {
        let mut forwards = forwards;
        let mut all = Vec::new();
        while let Some(forward) = forwards.recv().await {
            let (tx, rx) = tokio::sync::mpsc::channel(1);
            tx.send(forward).await.unwrap();
            all.push(pod(rx));
        }
        futures_util::future::join_all(all).await;
    };
    let ((), (), end) = tokio::join!(client, serve, driver);
    end.unwrap();
}
