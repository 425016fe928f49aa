//! WebSockets as clients other than kubectl speak them: every protocol of exec, attach, port-forward and logs.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{await_phase, await_pod, pod};
use crate::{
    http::Socket,
    poll::{secs, until},
    suite::{Case, Cx, Place::Shared, case},
    text::{equals, has, is},
};

pub const CASES: &[Case] = &[
    case("websocket/exec in every protocol", Shared(exec)),
    case("websocket/half-close", Shared(half_close)),
    case("websocket/terminal and sizes", Shared(terminal)),
    case("websocket/attach", Shared(attach)),
    case("websocket/port-forward", Shared(forward)),
    case("websocket/logs", Shared(logs)),
    case("websocket/pings", Shared(pings)),
    case("websocket/a client that stops reading", Shared(lazy)),
    case("websocket/refusals", Shared(refusals)),
];

/// What came on each channel up to the close, and the code of the close.
#[derive(Debug, Default)]
struct Heard {
    channels: [Vec<u8>; 8],
    /// The first message: its channel, and whether it was empty.
    first: Option<(u8, bool)>,
    close: Option<u16>,
}

impl Heard {
    fn text(&self, channel: usize) -> String {
        String::from_utf8_lossy(&self.channels[channel]).into_owned()
    }

    fn status(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.channels[3]).with_context(|| format!("a status: {self:?}"))
    }

    /// Takes a message; gives whether more can come.
    fn take(&mut self, message: Result<Message, Error>) -> Result<bool> {
        let (channel, bytes) = match message {
            Ok(Message::Binary(bytes)) => (*bytes.first().context("a channel")?, bytes[1..].to_vec()),
            Ok(Message::Text(text)) => {
                let channel = text.bytes().next().context("a channel")? - b'0';
                (channel, STANDARD.decode(&text[1..]).context("base64")?)
            }
            Ok(Message::Close(frame)) => {
                self.close = frame.map(|f| f.code.into());
                return Ok(true);
            }
            Ok(_) => return Ok(true),
            Err(Error::ConnectionClosed) => return Ok(false),
            Err(e) => return Err(e).context("read a message"),
        };
        self.first.get_or_insert((channel, bytes.is_empty()));
        self.channels.get_mut(usize::from(channel)).context("a known channel")?.extend(bytes);
        Ok(true)
    }
}

fn listen(socket: &mut Socket) -> Result<Heard> {
    let mut heard = Heard::default();
    while heard.take(socket.read())? {}
    Ok(heard)
}

/// Listens until a channel has said something.
fn until_said(socket: &mut Socket, heard: &mut Heard, channel: usize, part: &str) -> Result<()> {
    let deadline = Instant::now() + secs(20);
    while !heard.text(channel).contains(part) {
        ensure!(Instant::now() < deadline, "channel {channel} did not say {part:?}: {heard:?}");
        ensure!(heard.take(socket.read())?, "closed before {part:?}: {heard:?}");
    }
    Ok(())
}

fn send(socket: &mut Socket, channel: u8, bytes: &[u8]) -> Result<()> {
    socket.send(Message::binary([&[channel], bytes].concat())).context("send")
}

/// The path of a subresource of a pod of this case.
fn path(cx: &Cx, pod: &str, what: &str) -> String {
    format!("/api/v1/namespaces/{}/pods/{pod}/{what}", cx.ns)
}

fn sleeping(cx: &Cx) -> Result<()> {
    cx.kubectl.apply(&pod("web", "sleep 1000", ""))?;
    await_pod(&cx.kubectl, "web").map(drop)
}

fn exec(cx: &Cx) -> Result<()> {
    sleeping(cx)?;
    let api = cx.node.api()?;
    let script = "command=sh&command=-c&command=echo%20out%3B%20echo%20err%20%3E%262%3B%20exit%203";
    let path = path(cx, "web", &format!("exec?stdout=1&stderr=1&{script}"));
    for (asked, chosen) in [
        ("v5.channel.k8s.io", "v5.channel.k8s.io"),
        ("v4.channel.k8s.io", "v4.channel.k8s.io"),
        ("channel.k8s.io", "channel.k8s.io"),
        ("v4.base64.channel.k8s.io", "v4.base64.channel.k8s.io"),
        ("base64.channel.k8s.io", "base64.channel.k8s.io"),
        ("nonsense.k8s.io, v4.channel.k8s.io", "v4.channel.k8s.io"),
        ("", ""),
    ] {
        (|| {
            let (mut socket, got) = api.websocket(&path, asked)?;
            ensure!(got == chosen, "the server chose {got:?}");
            let heard = listen(&mut socket)?;
            ensure!(heard.first == Some((1, true)), "the first message says that it runs: {:?}", heard.first);
            is(&heard.text(1), "out")?;
            is(&heard.text(2), "err")?;
            if got.starts_with('v') {
                let status = heard.status()?;
                equals(&status, "/reason", "NonZeroExitCode")?;
                equals(&status, "/details/causes/0/message", "3")?;
            } else {
                has(&heard.text(3), &["exit", "3"])?;
            }
            ensure!(heard.close == Some(1000), "closed with {:?}", heard.close);
            Ok(())
        })()
        .with_context(|| format!("protocol {asked:?}"))?;
    }
    Ok(())
}

/// In version 5 the end of input is a message, and the answer comes after it.
fn half_close(cx: &Cx) -> Result<()> {
    sleeping(cx)?;
    let path = path(cx, "web", "exec?stdin=1&stdout=1&command=md5sum");
    let (mut socket, _) = cx.node.api()?.websocket(&path, "v5.channel.k8s.io")?;
    send(&mut socket, 0, b"hel")?;
    send(&mut socket, 0, b"")?;
    send(&mut socket, 0, b"lo\n")?;
    send(&mut socket, 255, &[0])?;
    let heard = listen(&mut socket)?;
    is(&heard.text(1), "b1946ac92492d2347c6235b4d2611184  -")?;
    equals(&heard.status()?, "/status", "Success")
}

fn terminal(cx: &Cx) -> Result<()> {
    sleeping(cx)?;
    let path = path(cx, "web", "exec?stdin=1&stdout=1&tty=1&command=sh");
    for protocol in ["v5.channel.k8s.io", "v4.channel.k8s.io", "channel.k8s.io"] {
        (|| {
            let (mut socket, _) = cx.node.api()?.websocket(&path, protocol)?;
            let mut heard = Heard::default();
            for (columns, rows) in [(91, 41), (77, 33)] {
                send(&mut socket, 4, format!("{{\"Width\":{columns},\"Height\":{rows}}}").as_bytes())?;
                // The size travels beside the input: ask until it has arrived.
                let want = format!("{rows} {columns}");
                until(secs(10), "the size", || {
                    heard.channels[1].clear();
                    send(&mut socket, 0, b"stty size; echo as''ked\n")?;
                    until_said(&mut socket, &mut heard, 1, "asked")?;
                    has(&heard.text(1), &[&want])
                })?;
            }
            send(&mut socket, 0, b"exit 4\n")?;
            while heard.take(socket.read())? {}
            has(&heard.text(3), &["4"])
        })()
        .with_context(|| protocol.to_owned())?;
    }
    Ok(())
}

fn attach(cx: &Cx) -> Result<()> {
    let manifest =
        pod("web", "while read -r line; do echo heard $line; [ $line = end ] && exit 0; done", "restartPolicy: Never");
    cx.kubectl.apply(&format!("{manifest}    stdin: true\n"))?;
    await_pod(&cx.kubectl, "web")?;
    let api = cx.node.api()?;
    let (mut socket, _) = api.websocket(&path(cx, "web", "attach?stdin=1&stdout=1&stderr=1"), "v5.channel.k8s.io")?;
    let (mut other, _) = api.websocket(&path(cx, "web", "attach?stdout=1"), "base64.channel.k8s.io")?;
    let (mut heard, mut overheard) = (Heard::default(), Heard::default());
    overheard.take(other.read())?;
    heard.take(socket.read())?;
    // The first message says that a session is there, not yet that the runtime serves it: what is said before that, the
    // second one does not hear.
    for n in 0..50 {
        send(&mut socket, 0, format!("something {n}\n").as_bytes())?;
        until_said(&mut socket, &mut heard, 1, &format!("heard something {n}"))?;
    }
    send(&mut socket, 0, b"end\n")?;
    while heard.take(socket.read())? {}
    while overheard.take(other.read())? {}
    has(&heard.text(1), &["heard end"])?;
    has(&overheard.text(1), &["heard end"])?;
    await_phase(&cx.kubectl, "web", "Succeeded").map(drop)
}

fn forward(cx: &Cx) -> Result<()> {
    cx.kubectl.apply(&pod("web", "exec nc -ll -p 8080 -e cat", ""))?;
    await_pod(&cx.kubectl, "web")?;
    let api = cx.node.api()?;
    for protocol in ["v4.channel.k8s.io", ""] {
        let (mut socket, _) = api.websocket(&path(cx, "web", "portforward?ports=8080&ports=9999"), protocol)?;
        let mut heard = Heard::default();
        send(&mut socket, 0, b"hello")?;
        until_said(&mut socket, &mut heard, 0, "hello")?;
        until_said(&mut socket, &mut heard, 3, "9999")?;
        // Each channel begins with its port.
        for (channel, port) in [(0, 8080u16), (1, 8080), (2, 9999), (3, 9999)] {
            ensure!(heard.channels[channel].starts_with(&port.to_le_bytes()), "channel {channel}: {heard:?}");
        }
    }
    Ok(())
}

fn logs(cx: &Cx) -> Result<()> {
    cx.kubectl.apply(&pod(
        "web",
        "echo one; echo two; while [ ! -e /tmp/end ]; do sleep 0.1; done; echo three",
        "restartPolicy: Never",
    ))?;
    await_pod(&cx.kubectl, "web")?;
    let api = cx.node.api()?;
    let mut followed = api.websocket(&path(cx, "web", "log?follow=true"), "binary.k8s.io")?.0;
    until(secs(10), "the log", || is(&cx.kubectl.ok("logs web")?, "one\ntwo"))?;
    let whole = |socket: &mut Socket, encoded: bool| -> Result<String> {
        let mut text = Vec::new();
        loop {
            match socket.read() {
                Ok(Message::Binary(bytes)) if !encoded => text.extend(bytes),
                Ok(Message::Text(part)) if encoded => text.extend(STANDARD.decode(part.as_bytes())?),
                Ok(Message::Close(_)) => {}
                Err(Error::ConnectionClosed) => return String::from_utf8(text).context("text"),
                other => bail!("unexpected: {other:?}"),
            }
        }
    };
    for (protocol, encoded) in [("binary.k8s.io", false), ("base64.binary.k8s.io", true), ("", false)] {
        let (mut socket, chosen) = api.websocket(&path(cx, "web", "log"), protocol)?;
        ensure!(chosen == protocol, "asked for {protocol:?}, got {chosen:?}");
        is(&whole(&mut socket, encoded)?, "one\ntwo").with_context(|| format!("protocol {protocol:?}"))?;
    }
    cx.kubectl.ok("exec web -- touch /tmp/end")?;
    is(&whole(&mut followed, false)?, "one\ntwo\nthree")
}

/// Pings are answered while nothing else is said, and also while a command reads none of what it is sent.
fn pings(cx: &Cx) -> Result<()> {
    sleeping(cx)?;
    let path = path(cx, "web", "exec?stdin=1&stdout=1&command=sleep&command=100");
    let (mut socket, _) = cx.node.api()?.websocket(&path, "v5.channel.k8s.io")?;
    let mut ponged = |word: &'static str| -> Result<()> {
        socket.send(Message::Ping(word.into())).context("ping")?;
        loop {
            match socket.read().context("read the answer to a ping")? {
                Message::Pong(back) if back == word => return Ok(()),
                Message::Binary(bytes) if bytes.len() == 1 => {}
                other => bail!("unexpected: {other:?}"),
            }
        }
    };
    (0..3).try_for_each(|_| {
        std::thread::sleep(Duration::from_millis(300));
        ponged("still there?")
    })
}

/// It costs bounded memory, and goes on where it stopped.
fn lazy(cx: &Cx) -> Result<()> {
    sleeping(cx)?;
    let resident = || -> Result<u64> {
        let pid = cx.node.pid().context("the server runs")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).context("VmRSS")?;
        line.trim().trim_end_matches(" kB").parse().context("a number")
    };
    const SIZE: usize = 64 << 20;
    let path = path(cx, "web", &format!("exec?stdout=1&command=head&command=-c&command={SIZE}&command=%2Fdev%2Fzero"));
    let before = resident()?;
    let mut sockets =
        (0..4).map(|_| Ok(cx.node.api()?.websocket(&path, "v5.channel.k8s.io")?.0)).collect::<Result<Vec<_>>>()?;
    // Others are served meanwhile.
    for _ in 0..10 {
        is(&cx.kubectl.ok("exec web -- echo here")?, "here")?;
    }
    let grown = resident()?.saturating_sub(before);
    ensure!(grown < 24 << 10, "four clients that do not read cost {grown} KiB");
    for socket in &mut sockets {
        let heard = listen(socket)?;
        ensure!(heard.channels[1].len() == SIZE, "{} bytes came", heard.channels[1].len());
        equals(&heard.status()?, "/status", "Success")?;
    }
    Ok(())
}

fn refusals(cx: &Cx) -> Result<()> {
    sleeping(cx)?;
    let api = cx.node.api()?;
    let refused = |path: &str, protocol: &str| match api.websocket(path, protocol) {
        Ok(_) => bail!("{path} was upgraded"),
        Err(e) => Ok(format!("{e:#}")),
    };
    has(&refused(&path(cx, "web", "exec?stdout=1&command=true"), "v9.channel.k8s.io")?, &["403"])?;
    has(&refused(&path(cx, "web", "exec?stdout=1"), "v5.channel.k8s.io")?, &["400", "you must specify"])?;
    has(
        &refused(&path(cx, "web", "exec?command=true"), "v5.channel.k8s.io")?,
        &["400", "at least 1 of stdin, stdout, stderr"],
    )?;
    has(&refused(&path(cx, "none", "exec?stdout=1&command=true"), "v5.channel.k8s.io")?, &["404", "not found"])?;
    has(
        &refused(&path(cx, "web", "exec?stdout=1&command=true&container=x"), "v5.channel.k8s.io")?,
        &["400", "x is not valid"],
    )?;
    let plain = api.get(&path(cx, "web", "exec?stdout=1&command=true"))?;
    ensure!(plain.status == 400, "a plain GET is told {}", plain.status);
    equals(&plain.json()?, "/message", "Upgrade request required")?;
    let program = refused(&path(cx, "web", "exec?stdout=1&command=%2Fno%2Fsuch"), "v5.channel.k8s.io");
    // It is upgraded first; what it is told then is on the error channel.
    ensure!(program.is_err(), "{program:?}");
    let (mut socket, _) = api.websocket(&path(cx, "web", "exec?stdout=1&command=%2Fno%2Fsuch"), "v5.channel.k8s.io")?;
    has(&listen(&mut socket)?.text(3), &["no such file or directory"])?;
    // Malformed messages end the connection at most: the server goes on.
    let (mut socket, _) = api.websocket(&path(cx, "web", "exec?stdin=1&stdout=1&command=cat"), "v5.channel.k8s.io")?;
    for bad in [&b"\xff"[..], b"\xff\x09", b"\x63abc", b"\x04not a size", b""] {
        socket.send(Message::binary(bad.to_vec())).context("send")?;
    }
    send(&mut socket, 0, b"fine")?;
    send(&mut socket, 255, &[0])?;
    is(&listen(&mut socket)?.text(1), "fine")
}
