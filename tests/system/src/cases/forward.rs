//! `kubectl port-forward`: to pods, Services and Deployments, over both transports.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
};

use anyhow::{Context as _, Result, anyhow, ensure};

use super::sleeper;
use crate::{
    command::Following,
    kubectl::Kubectl,
    poll::{secs, until},
    suite::{
        Case, Cx,
        Place::{Both, Shared},
        case,
    },
    text::{has, is},
};

pub const CASES: &[Case] = &[
    case("port-forward/pods, Services, Deployments", Both(targets)),
    case("port-forward/half-close", Both(half_close)),
    case("port-forward/20 MB and many at once", Both(many)),
    case("port-forward/a stalled connection", Both(stalled)),
    case("port-forward/a client that goes", Shared(leaving)),
    case("port-forward/a pod that goes", Both(removed)),
    case("port-forward/what does not answer", Both(refusals)),
];

/// Says everything back on 8080 and 8090 to 8099, and the checksum of everything on 8081 once its input has ended. Each of these
/// listeners copes with one connection at a time.
fn server(k: &Kubectl) -> Result<()> {
    let script = "for port in $(seq 8090 8099); do nc -ll -p $port -e cat & done; nc -ll -p 8081 -e md5sum & exec nc -ll -p 8080 -e cat";
    let web = sleeper("web", 1, ", ports: [{name: echo, containerPort: 8080}, {name: sum, containerPort: 8081}]");
    k.apply(&web.replace("[sleep, '100000']", &format!("[sh, -c, '{script}']")))?;
    k.within(secs(60), "rollout status deployment/web")?;
    k.ok("expose deployment web --port=80 --target-port=echo")?;
    until(secs(10), "the listeners", || {
        let seen = k.ok("exec deploy/web -- netstat -ltn")?;
        has(&seen, &[":8080 ", ":8081 ", ":8090 ", ":8099 "])
    })
}

/// A running `kubectl port-forward` with an address of its own for each port.
struct Forwarding {
    following: Following,
    addresses: Vec<SocketAddr>,
}

/// Forwards ports (`8080 8081`) from free ones of the node's address, where the suite can reach them.
fn forward(cx: &Cx, k: &Kubectl, target: &str, ports: &str) -> Result<Forwarding> {
    let mapped: Vec<String> = ports.split(' ').map(|p| format!(":{p}")).collect();
    let ip = cx.node.ip;
    let following = k.follow(&format!("port-forward --address {ip} {target} {}", mapped.join(" ")))?;
    let addresses = until(secs(20), "the ports", || {
        let text = following.text();
        let shown = text.lines().filter_map(|l| l.strip_prefix("Forwarding from ")?.split(' ').next()?.parse().ok());
        let found: Vec<SocketAddr> = shown.collect();
        ensure!(found.len() == mapped.len(), "kubectl says:\n{text}");
        Ok(found)
    })?;
    Ok(Forwarding { following, addresses })
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, secs(5)).with_context(|| format!("connect to {address}"))?;
    stream.set_read_timeout(Some(secs(60)))?;
    stream.set_write_timeout(Some(secs(30)))?;
    Ok(stream)
}

/// Sends all, ends its side, and reads to the other side's end.
fn exchange(address: SocketAddr, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut stream = connect(address)?;
    let mut writer = stream.try_clone()?;
    std::thread::scope(|scope| {
        let sent = scope.spawn(move || {
            writer.write_all(bytes)?;
            writer.shutdown(Shutdown::Write)
        });
        let mut back = Vec::new();
        let read = stream.read_to_end(&mut back);
        sent.join().map_err(|_| anyhow!("the writer panicked"))?.context("send")?;
        read.context("read")?;
        Ok(back)
    })
}

fn targets(cx: &Cx) -> Result<()> {
    server(&cx.kubectl)?;
    let name = cx.kubectl.ok("get pods -l app=web -o name")?.trim().to_owned();
    for (transport, k) in cx.kubectl.each_transport() {
        for (target, ports) in
            [(name.as_str(), "8080"), (name.as_str(), "echo"), ("deployment/web", "8080"), ("service/web", "80")]
        {
            let to = || format!("{target} {ports} over {transport}");
            let forwarding = forward(cx, &k, target, ports).with_context(to)?;
            // A second connection after the first has ended.
            for word in [b"one".as_slice(), b"another"] {
                let back = exchange(forwarding.addresses[0], word).with_context(to)?;
                ensure!(
                    back == word,
                    "{} came back as {:?}",
                    String::from_utf8_lossy(word),
                    String::from_utf8_lossy(&back)
                );
            }
            has(&forwarding.following.text(), &["-> 8080"]).with_context(to)?;
        }
        let both = forward(cx, &k, "deployment/web", "8080 8081")?;
        ensure!(exchange(both.addresses[0], b"x")? == b"x", "the first of two ports, over {transport}");
        ensure!(
            exchange(both.addresses[1], b"x")?.starts_with(b"9dd4e461268c8034f5c8564e155c67a6"),
            "the second of two ports"
        );
    }
    Ok(())
}

/// The end of our input reaches the pod, and its answer comes after it.
fn half_close(cx: &Cx) -> Result<()> {
    server(&cx.kubectl)?;
    for (transport, k) in cx.kubectl.each_transport() {
        let forwarding = forward(cx, &k, "deployment/web", "8081")?;
        let answer = exchange(forwarding.addresses[0], b"hello\n").context(transport)?;
        is(&String::from_utf8_lossy(&answer), "b1946ac92492d2347c6235b4d2611184  -").context(transport)?;
    }
    Ok(())
}

fn many(cx: &Cx) -> Result<()> {
    server(&cx.kubectl)?;
    let large: Vec<u8> = (0..20_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let ports: Vec<String> = std::iter::once(8080).chain(8090..=8099).map(|p: u16| p.to_string()).collect();
    for (transport, k) in cx.kubectl.each_transport() {
        let forwarding = forward(cx, &k, "deployment/web", &ports.join(" "))?;
        let [first, rest @ ..] = forwarding.addresses.as_slice() else { unreachable!("as many as asked for") };
        let exchanged = std::thread::scope(|scope| {
            let whole = scope.spawn(|| exchange(*first, &large));
            let small: Vec<_> =
                (0..).zip(rest).map(|(n, a)| scope.spawn(move || exchange(*a, &vec![n; 30_000]))).collect();
            for (n, one) in (0u8..).zip(small) {
                let back = one.join().map_err(|_| anyhow!("panicked"))??;
                ensure!(back == vec![n; 30_000], "connection {n}: {} bytes came back", back.len());
            }
            let back = whole.join().map_err(|_| anyhow!("panicked"))??;
            ensure!(back == large, "{} of {} bytes came back", back.len(), large.len());
            Ok(())
        });
        exchanged.with_context(|| format!("over {transport}; kubectl says:\n{}", forwarding.following.text()))?;
    }
    Ok(())
}

/// A connection whose pod reads nothing is given up after half a minute; the others of the same client go on.
fn stalled(cx: &Cx) -> Result<()> {
    let script = "nc -ll -p 8081 -e sleep 1000 & exec nc -ll -p 8080 -e cat";
    let web = sleeper("web", 1, "").replace("[sleep, '100000']", &format!("[sh, -c, '{script}']"));
    cx.kubectl.apply(&web)?;
    cx.kubectl.within(secs(60), "rollout status deployment/web")?;
    let forwardings =
        cx.kubectl.each_transport().map(|(transport, k)| (transport, forward(cx, &k, "deployment/web", "8080 8081")));
    let mut lazy = Vec::new();
    for (transport, forwarding) in &forwardings {
        let address = forwarding.as_ref().map_err(|e| anyhow!("{transport}: {e:#}"))?.addresses[1];
        let mut stream = connect(address)?;
        stream.set_write_timeout(Some(secs(2)))?;
        // Until every buffer on the way is full.
        while stream.write_all(&[7; 64 << 10]).is_ok() {}
        lazy.push(stream);
    }
    for (transport, forwarding) in &forwardings {
        let address = forwarding.as_ref().map_err(|e| anyhow!("{transport}: {e:#}"))?.addresses[0];
        let back = exchange(address, b"still there").with_context(|| (*transport).to_owned())?;
        ensure!(back == b"still there", "over {transport}: {:?}", String::from_utf8_lossy(&back));
    }
    Ok(())
}

/// A client that leaves in the midst of an endless answer costs the others of its kubectl nothing. (Older versions of kubectl do
/// not take away what they no longer pass on, and stop.)
fn leaving(cx: &Cx) -> Result<()> {
    let script = "nc -ll -p 8081 -e yes & exec nc -ll -p 8080 -e cat";
    let web = sleeper("web", 1, "").replace("[sleep, '100000']", &format!("[sh, -c, '{script}']"));
    cx.kubectl.apply(&web)?;
    cx.kubectl.within(secs(60), "rollout status deployment/web")?;
    for (transport, k) in cx.kubectl.each_transport() {
        let forwarding = forward(cx, &k, "deployment/web", "8080 8081")?;
        let mut leaver = connect(forwarding.addresses[1])?;
        leaver.read_exact(&mut [0; 1]).context(transport)?;
        drop(leaver);
        ensure!(
            exchange(forwarding.addresses[0], b"x").context(transport)? == b"x",
            "nothing comes back over {transport}"
        );
        ensure!(exchange(forwarding.addresses[0], b"y")? == b"y", "nothing comes back over {transport}");
    }
    Ok(())
}

fn removed(cx: &Cx) -> Result<()> {
    server(&cx.kubectl)?;
    let [a, b] =
        cx.kubectl.each_transport().map(|(transport, k)| Ok((transport, forward(cx, &k, "deployment/web", "8080")?)));
    let forwardings: [Result<_>; 2] = [a, b];
    cx.kubectl.ok("delete deployment web")?;
    for forwarding in forwardings {
        let (transport, forwarding) = forwarding?;
        let (code, text) = forwarding.following.end(secs(30)).context(transport)?;
        ensure!(code == 1, "over {transport} kubectl ended with {code}:\n{text}");
        has(&text, &["lost connection to pod"]).context(transport)?;
    }
    Ok(())
}

fn refusals(cx: &Cx) -> Result<()> {
    server(&cx.kubectl)?;
    for (transport, k) in cx.kubectl.each_transport() {
        // Nothing listens: this connection ends, with the reason on kubectl's screen.
        let forwarding = forward(cx, &k, "deployment/web", "9999")?;
        let back = exchange(forwarding.addresses[0], b"").unwrap_or_default();
        ensure!(back.is_empty(), "something answered: {back:?}");
        forwarding.following.shows("error forwarding port 9999 to pod", secs(10)).context(transport)?;
        has(&k.refused("port-forward pod/none :80", None)?, &["pods \"none\" not found"])?;
        has(&k.refused("port-forward service/web :81", None)?, &["does not have a service port 81"])?;
    }
    Ok(())
}
