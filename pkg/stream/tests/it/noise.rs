//! Bytes that are no protocol: connections end, nothing panics, nothing waits for ever.

use std::time::Duration;

use knarr_stream::{Options, accept_exec, accept_forward};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::{spdy_request, websocket_request};

/// Sends bytes, closes, and reads what comes.
async fn shout_at(io: DuplexStream, bytes: &[u8]) {
    let (mut read, mut write) = tokio::io::split(io);
    let typing = async {
        let _ = write.write_all(bytes).await;
        let _ = write.shutdown().await;
    };
    let mut sink = Vec::new();
    let ((), _) = tokio::join!(typing, read.read_to_end(&mut sink));
}

fn survive(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let options = Options { stdin: true, stdout: true, stderr: true, tty: false };
        for request in [websocket_request("v5.channel.k8s.io"), spdy_request("v4.channel.k8s.io")] {
            let (server, client) = tokio::io::duplex(1000);
            let (session, driver) = accept_exec(&request).unwrap().session(server, options);
            drop(session);
            let all = async { tokio::join!(shout_at(client, bytes), driver) };
            let _ = tokio::time::timeout(Duration::from_secs(60), all).await.expect("it ends");
        }
        for request in [
            websocket_request("v4.channel.k8s.io"),
            websocket_request("SPDY/3.1+portforward.k8s.io"),
            spdy_request("portforward.k8s.io"),
        ] {
            let (server, client) = tokio::io::duplex(1000);
            let (forwards, driver) = accept_forward(&request).unwrap().forwards(server, &[80]);
            drop(forwards);
            let all = async { tokio::join!(shout_at(client, bytes), driver) };
            let _ = tokio::time::timeout(Duration::from_secs(60), all).await.expect("it ends");
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_end_the_connection(bytes: Vec<u8>) {
        survive(&bytes);
    }

    #[test]
    fn spdy_like_bytes_end_the_connection(kind in 0u8..12, flags: u8, body in proptest::collection::vec(any::<u8>(), 0..64)) {
        let mut frame = vec![0x80, 3, 0, kind, flags, 0, 0, body.len() as u8];
        frame.extend(&body);
        survive(&frame);
    }
}
