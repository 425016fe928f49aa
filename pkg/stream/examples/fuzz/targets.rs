//! What must hold for any bytes.

use std::{io::Write as _, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};
use knarr_stream::{
    Driver, Forwards, Options, Session, accept_exec, accept_forward, accept_output, client,
    spdy::{Decoder, Encoder, Frame, headers::Unpacker},
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};

/// Any bytes, fed in any pieces, give the same frames; frames that can be sent come back as they were.
pub(crate) fn frames(input: &[u8]) {
    let decoded = |piece: usize| {
        let (mut decoder, mut frames) = (Decoder::default(), Vec::new());
        for piece in input.chunks(piece) {
            decoder.feed(piece);
            loop {
                match decoder.next_frame() {
                    Ok(Some(frame)) => join(&mut frames, frame),
                    Ok(None) => break,
                    Err(e) => return (frames, Some(e)),
                }
            }
        }
        (frames, None)
    };
    let (whole, error) = decoded(input.len().max(1));
    assert_eq!(decoded(7), (whole.clone(), error), "cut in pieces");
    let (mut encoder, mut bytes) = (Encoder::default(), Vec::new());
    let mut sent = Vec::new();
    for frame in whole.into_iter().filter(|f| !matches!(f, Frame::Headers { .. } | Frame::Other)) {
        join(&mut sent, frame);
    }
    if sent.iter().try_for_each(|f| encoder.encode(f, &mut bytes)).is_ok() {
        let (mut decoder, mut back) = (Decoder::default(), Vec::new());
        decoder.feed(&bytes);
        while let Some(frame) = decoder.next_frame().expect("what we send can be read") {
            join(&mut back, frame);
        }
        assert_eq!(back, sent, "sent and read again");
    }
}

/// Pieces of a data frame are as good as the whole of it.
fn join(frames: &mut Vec<Frame>, frame: Frame) {
    if let Frame::Data { id, bytes, fin } = &frame
        && let Some(Frame::Data { id: last, bytes: before, fin: end }) = frames.last_mut()
        && id == last
        && !*end
    {
        *before = [before.as_ref(), bytes.as_ref()].concat().into();
        *end = *fin;
        return;
    }
    frames.push(frame);
}

/// A compressed block, and the next one on the same stream.
pub(crate) fn headers(input: &[u8]) {
    let mut unpacker = Unpacker::default();
    for _ in 0..2 {
        if unpacker.unpack(input).is_err() {
            return;
        }
    }
}

/// A block that is compressed as it should be, whatever is in it.
pub(crate) fn block(input: &[u8]) {
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    zlib.write_all(input).expect("memory takes it");
    zlib.flush().expect("memory takes it");
    let _ = Unpacker::default().unpack(zlib.get_ref());
}

const ALL: Options = Options { stdin: true, stdout: true, stderr: true, tty: false };
const TTY: Options = Options { stdin: true, stdout: true, stderr: false, tty: true };

fn request(lines: &str) -> HeaderMap {
    let pairs = lines.lines().filter_map(|l| l.trim().split_once(": "));
    let header = |(n, v)| Some((HeaderName::try_from(n).ok()?, HeaderValue::try_from(v).ok()?));
    pairs.filter_map(header).collect()
}

fn websocket_request(protocol: &str) -> HeaderMap {
    request(&format!(
        "connection: Upgrade\nupgrade: websocket\nsec-websocket-version: 13\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\nsec-websocket-protocol: {protocol}"
    ))
}

fn spdy_request(protocol: &str) -> HeaderMap {
    request(&format!("connection: Upgrade\nupgrade: SPDY/3.1\nx-stream-protocol-version: {protocol}"))
}

/// Runs `work` with a clock that does not wait: it must end, however long it may be patient.
fn ends(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let limit = Duration::from_secs(600);
    let in_time = runtime.expect("a runtime").block_on(async { tokio::time::timeout(limit, work).await });
    in_time.expect("it ends");
}

/// Sends bytes, closes, and reads what comes.
async fn shout_at(io: DuplexStream, bytes: &[u8]) {
    let (mut read, mut write) = tokio::io::split(io);
    let typing = async {
        let _ = write.write_all(bytes).await;
        let _ = write.shutdown().await;
    };
    tokio::join!(typing, swallow(&mut read));
}

async fn swallow(from: &mut (impl AsyncRead + Unpin)) {
    let _ = tokio::io::copy(from, &mut tokio::io::sink()).await;
}

/// A command that says back what it hears.
async fn command(mut session: Session) {
    if let (Some(mut stdin), Some(mut stdout)) = (session.stdin.take(), session.stdout.take()) {
        let _ = tokio::io::copy(&mut stdin, &mut stdout).await;
    }
    session.finish(knarr_stream::Outcome::exit(3));
}

async fn echo(io: impl AsyncRead + AsyncWrite) {
    let (mut read, mut write) = tokio::io::split(io);
    let _ = tokio::io::copy(&mut read, &mut write).await;
}

async fn pods(mut forwards: Forwards) {
    while let Some(forward) = forwards.recv().await {
        let (data, end) = forward.split();
        echo(data).await;
        end.finish(Ok(())).await;
    }
}

fn session(request: &HeaderMap, options: Options, input: &[u8]) {
    ends(async {
        let (server, io) = tokio::io::duplex(1000);
        let (session, driver) = accept_exec(request).expect("a good request").session(server, options);
        let _ = tokio::join!(shout_at(io, input), command(session), driver);
    });
}

fn forwards(request: &HeaderMap, input: &[u8]) {
    ends(async {
        let (server, io) = tokio::io::duplex(1000);
        let (forwards, driver): (_, Driver) =
            accept_forward(request).expect("a good request").forwards(server, &[80, 81]);
        let _ = tokio::join!(shout_at(io, input), pods(forwards), driver);
    });
}

pub(crate) fn spdy(input: &[u8]) {
    session(&spdy_request("v4.channel.k8s.io"), ALL, input);
    session(&spdy_request("channel.k8s.io"), TTY, input);
    forwards(&spdy_request("portforward.k8s.io"), input);
}

pub(crate) fn websocket(input: &[u8]) {
    session(&websocket_request("v5.channel.k8s.io"), ALL, input);
    session(&websocket_request("base64.channel.k8s.io"), TTY, input);
    forwards(&websocket_request("v4.channel.k8s.io"), input);
    ends(async {
        let (server, io) = tokio::io::duplex(1000);
        let accepted = accept_output(&websocket_request("base64.binary.k8s.io")).expect("a good request");
        let (mut output, driver) = accepted.output(server);
        let log = async move {
            let _ = output.write_all(&[b'x'; 5000]).await;
        };
        let _ = tokio::join!(shout_at(io, input), log, driver);
    });
}

pub(crate) fn tunnel(input: &[u8]) {
    forwards(&websocket_request("SPDY/3.1+portforward.k8s.io"), input);
}

/// The asking side: a runtime that answers anything.
pub(crate) fn answer(input: &[u8]) {
    ends(async {
        let (server, io) = tokio::io::duplex(1000);
        let ask = async {
            let Ok(upgraded) = client::upgrade(io, "http://127.0.0.1:1/exec/t", "v4.channel.k8s.io").await else {
                return;
            };
            let (mut session, driver) = client::exec(upgraded, ALL);
            drop(session.stdin.take());
            let (mut stdout, mut stderr) = (session.stdout.take(), session.stderr.take());
            let listen = async {
                for stream in [&mut stdout, &mut stderr].into_iter().flatten() {
                    swallow(stream).await;
                }
            };
            let _ = tokio::join!(listen, driver, session.outcome());
        };
        let answered = async {
            let (mut read, mut write) = tokio::io::split(server);
            // An answer comes after the request.
            let _ = read.read_u8().await;
            let _ = write.write_all(input).await;
            let _ = write.shutdown().await;
            swallow(&mut read).await;
        };
        tokio::join!(ask, answered);
    });
}
