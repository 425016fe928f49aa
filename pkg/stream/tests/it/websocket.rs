//! Sessions over WebSocket, message by message.

use futures_util::{SinkExt, StreamExt};
use knarr_stream::{Options, accept_exec};
use tokio::io::DuplexStream;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

use crate::{
    exec::{ALL, TTY, shout},
    websocket_request,
};

pub(crate) async fn connect(client: DuplexStream) -> WebSocketStream<DuplexStream> {
    WebSocketStream::from_raw_socket(client, Role::Client, None).await
}

/// Sends messages, returns all answers (those of one channel joined) up to the close.
async fn talk(protocol: &str, options: Options, messages: Vec<Message>) -> Vec<String> {
    let (server, client) = tokio::io::duplex(1000);
    let (session, driver) = accept_exec(&websocket_request(protocol)).unwrap().session(server, options);
    let client = async {
        let mut socket = connect(client).await;
        for message in messages {
            socket.send(message).await.unwrap();
        }
        let mut answers: Vec<String> = Vec::new();
        while let Some(Ok(message)) = socket.next().await {
            let text = match &message {
                Message::Binary(b) => format!("{}:{}", b[0], String::from_utf8_lossy(&b[1..])),
                Message::Text(t) => t.to_string(),
                Message::Pong(b) => format!("pong {}", String::from_utf8_lossy(b)),
                _ => "close".to_owned(),
            };
            answers.push(text);
        }
        answers.sort();
        answers
    };
    let (answers, (), end) = tokio::join!(client, shout(session), driver);
    end.unwrap();
    answers
}

fn binary(channel: u8, bytes: &[u8]) -> Message {
    Message::binary([&[channel], bytes].concat())
}

const STATUS: &str = r#"3:{"details":{"causes":[{"message":"3","reason":"ExitCode"}]},"message":"command terminated with non-zero exit code: exit status 3","metadata":{},"reason":"NonZeroExitCode","status":"Failure"}"#;

#[tokio::test]
async fn v5_closes_its_input_and_gets_a_status() {
    let messages = vec![binary(0, b"hi"), Message::Ping("p".into()), binary(255, &[0])];
    let answers = talk("v5.channel.k8s.io", ALL, messages).await;
    assert_eq!(answers, ["1:", "1:HI", "2:that was loud", STATUS, "close", "pong p"]);
}

#[tokio::test]
async fn v5_has_terminals() {
    let messages = vec![binary(4, br#"{"Width":80,"Height":24}"#), binary(0, b"hi"), binary(255, &[0])];
    let answers = talk("v5.channel.k8s.io", TTY, messages).await;
    assert_eq!((answers[0].as_str(), answers.last().map(String::as_str)), ("1:", Some("close")));
    assert_eq!(answers[1..answers.len() - 2].concat().replace("1:", ""), "80x24 HI");
}

/// Before version 5 input ends only with the connection, so the command here reads none.
async fn finish_at_once(protocol: &str) -> Vec<String> {
    let options = Options { stdin: false, stdout: true, stderr: true, tty: false };
    let (server, client) = tokio::io::duplex(1000);
    let (mut session, driver) = accept_exec(&websocket_request(protocol)).unwrap().session(server, options);
    let command = async move {
        use tokio::io::AsyncWriteExt;
        let mut stdout = session.stdout.take().unwrap();
        stdout.write_all(b"done").await.unwrap();
        drop(stdout);
        session.finish(knarr_stream::Outcome::exit(3));
    };
    let client = async {
        let mut socket = connect(client).await;
        let mut answers = Vec::new();
        while let Some(Ok(message)) = socket.next().await {
            answers.push(match &message {
                Message::Binary(b) => format!("{}:{}", b[0], String::from_utf8_lossy(&b[1..])),
                Message::Text(t) => t.to_string(),
                _ => "close".to_owned(),
            });
        }
        answers
    };
    let (answers, (), end) = tokio::join!(client, command, driver);
    end.unwrap();
    answers
}

#[tokio::test]
async fn older_versions_differ_in_encoding_and_errors() {
    assert_eq!(finish_at_once("v4.channel.k8s.io").await, ["1:", "1:done", STATUS, "close"]);
    let words = "3:command terminated with non-zero exit code: exit status 3";
    assert_eq!(finish_at_once("channel.k8s.io").await, ["1:", "1:done", words, "close"]);
    let base64 = finish_at_once("base64.channel.k8s.io").await;
    assert_eq!(base64[..2], ["1", "1ZG9uZQ=="]);
    assert_eq!(base64.len(), 4);
}

#[tokio::test]
async fn huge_messages_are_cut_off() {
    let (server, client) = tokio::io::duplex(1 << 16);
    let (session, driver) = accept_exec(&websocket_request("v5.channel.k8s.io")).unwrap().session(server, ALL);
    let client = async {
        let mut socket = connect(client).await;
        // Nobody reads what is refused: the send ends with the connection.
        let _ = socket.send(binary(0, &vec![0; 4 << 20])).await;
    };
    let ((), end) = tokio::join!(client, driver);
    assert_eq!(end.unwrap_err().to_string(), "websocket");
    drop(session);
}
