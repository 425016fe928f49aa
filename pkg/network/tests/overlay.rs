//! The overlay on a real kernel: nodes in network namespaces of their own, joined by a bridge, each with a pod.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::fd::AsRawFd as _,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use knarr_api::value;
use knarr_client::{Api, ApiExt as _, fake::FakeApi, resources::NODES};
use knarr_daemon::{Stop, Tasks};
use knarr_network::{Backend, Host, HostConfig, Overlay, OverlayConfig};
use nix::sched::{CloneFlags, setns, unshare};

/// A network namespace, held by an open file.
struct Netns(File);

impl Netns {
    fn new() -> Self {
        let make = || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            File::open("/proc/thread-self/ns/net").unwrap()
        };
        let netns = Self(std::thread::spawn(make).join().unwrap());
        netns.ip("link set lo up");
        netns
    }

    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }

    /// Runs something on a thread of its own inside.
    fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                setns(&self.0, CloneFlags::CLONE_NEWNET).unwrap();
                work()
            });
            thread.join().unwrap()
        })
    }

    fn run(&self, line: &str) -> (bool, String) {
        let output = Command::new("nsenter")
            .arg(format!("--net={}", self.path()))
            .args(line.split(' '))
            .output()
            .unwrap_or_else(|e| panic!("{line}: {e}"));
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    #[track_caller]
    fn ok(&self, line: &str) -> String {
        let (ok, text) = self.run(line);
        assert!(ok, "{line}: {text}");
        text
    }

    #[track_caller]
    fn ip(&self, args: &str) -> String {
        self.ok(&format!("ip {args}"))
    }
}

#[track_caller]
fn until(what: &str, mut holds: impl FnMut() -> Result<(), String>) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while let Err(why) = holds() {
        assert!(Instant::now() < deadline, "waited for {what}: {why}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether text has, or has not, a part.
fn has(text: &str, part: &str, wanted: bool) -> Result<(), String> {
    if text.contains(part) == wanted { Ok(()) } else { Err(format!("{part:?} (wanted: {wanted}) in:\n{text}")) }
}

/// The network all nodes are on.
struct Lan(Netns);

impl Lan {
    fn new() -> Self {
        let switch = Netns::new();
        switch.ip("link add br0 type bridge");
        switch.ip("address add 198.18.0.254/24 dev br0");
        switch.ip("link set br0 up");
        Self(switch)
    }
}

/// A node with a pod, and its overlay while that runs.
struct Node {
    number: u8,
    netns: Netns,
    pod: Netns,
    running: Option<(Stop, std::thread::JoinHandle<()>)>,
    dir: std::path::PathBuf,
}

impl Node {
    fn new(lan: &Lan, number: u8) -> Self {
        let (netns, pod) = (Netns::new(), Netns::new());
        lan.0.ip(&format!("link add n{number} type veth peer name eth0 netns {}", netns.path()));
        lan.0.ip(&format!("link set n{number} master br0 up"));
        netns.ip(&format!("address add 198.18.0.{number}/24 dev eth0"));
        netns.ip("link set eth0 up");
        netns.ip("route add default via 198.18.0.254");
        // As the plugin does it.
        netns.ip(&format!("link add kn0 mtu 1450 type veth peer name eth0 mtu 1450 netns {}", pod.path()));
        netns.ip("link set kn0 up");
        netns.within(|| std::fs::write("/proc/sys/net/ipv4/conf/kn0/forwarding", "1").unwrap());
        netns.ip(&format!("route add 10.42.{number}.5 dev kn0"));
        pod.ip(&format!("address add 10.42.{number}.5/32 dev eth0"));
        pod.ip("link set eth0 up");
        pod.ip("route add default via 169.254.1.1 dev eth0 onlink");
        let mac = |netns: &Netns, link: &str| {
            let text = netns.ip(&format!("-o link show {link}"));
            text.split("link/ether ").nth(1).unwrap().split(' ').next().unwrap().to_owned()
        };
        pod.ip(&format!("neigh add 169.254.1.1 lladdr {} dev eth0 nud permanent", mac(&netns, "kn0")));
        netns.ip(&format!("neigh add 10.42.{number}.5 lladdr {} dev kn0 nud permanent", mac(&pod, "eth0")));
        let dir = std::env::temp_dir().join(format!("knarr-overlay-{}-{number}", std::process::id()));
        Self { number, netns, pod, running: None, dir }
    }

    fn address(&self) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, 0, self.number)
    }

    fn pod_address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 42, self.number, 5)
    }

    /// Starts the overlay on a thread inside; an earlier one is stopped first, as by a restart with other flags.
    fn start(&mut self, api: &FakeApi, backend: Backend) {
        self.stop();
        let config = OverlayConfig {
            node: format!("n{}", self.number),
            address: self.address().into(),
            pod_cidr: format!("10.42.{}.0/24", self.number).parse().unwrap(),
            cluster_cidr: "10.42.0.0/16".parse().unwrap(),
            backend,
            link: None,
        };
        let stop = Stop::new();
        let (netns, told, api, dir) =
            (File::open(self.netns.path()).unwrap(), stop.clone(), api.clone(), self.dir.clone());
        let (ready, started) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            setns(netns, CloneFlags::CLONE_NEWNET).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let overlay = Overlay::prepare(config.clone()).await.unwrap();
                let host = HostConfig {
                    binary: "/bin/true".into(),
                    cni_bin: dir.join("bin"),
                    cni_conf: dir.join("net.d"),
                    ipam_dir: dir.join("ips"),
                    pod_cidr: config.pod_cidr,
                    cluster_cidr: config.cluster_cidr,
                    service_cidr: "10.43.0.0/16".parse().unwrap(),
                    mtu: overlay.mtu(),
                    uplink: Some(overlay.uplink().clone()),
                    table: "knarr-network".to_owned(),
                };
                Host::set_up(host, &knarr_nft::Command).await.unwrap();
                let tasks = Tasks::new(&told);
                let api: Arc<dyn Api> = Arc::new(api);
                ready.send(overlay.mtu()).unwrap();
                overlay.start(api.clone(), api, &tasks);
                told.cancelled().await;
                assert!(tasks.stop_all(Duration::from_secs(5)).await.is_empty());
            });
        });
        let mtu = started.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!(mtu, if backend == Backend::Vxlan { 1450 } else { 1500 });
        self.running = Some((stop, thread));
    }

    fn stop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            stop.cancel();
            thread.join().unwrap();
        }
    }

    /// The pod reaches the other's pod.
    #[track_caller]
    fn pings(&self, other: &Self) {
        let to = other.pod_address();
        until(&format!("n{} → {to}", self.number), || {
            let (ok, text) = self.pod.run(&format!("ping -c 1 -W 1 {to}"));
            if ok { Ok(()) } else { Err(format!("{text}\n{}", self.netns.ip("route"))) }
        });
    }

    /// What a server in the pod sees as the caller's address, when a caller in `from` sends it a lot.
    fn sees(&self, from: &Netns) -> Ipv4Addr {
        const MUCH: usize = 1 << 20;
        let at = SocketAddr::from((self.pod_address(), 8080));
        let listener = self.pod.within(|| TcpListener::bind(at).unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, peer) = listener.accept().unwrap();
            let mut all = Vec::new();
            stream.read_to_end(&mut all).unwrap();
            assert_eq!(all.len(), MUCH);
            peer.ip()
        });
        from.within(|| {
            let mut stream = TcpStream::connect_timeout(&at, Duration::from_secs(5)).unwrap();
            stream.write_all(&vec![7; MUCH]).unwrap();
        });
        match server.join().unwrap() {
            std::net::IpAddr::V4(ip) => ip,
            std::net::IpAddr::V6(ip) => panic!("{ip}"),
        }
    }

    /// Everything of the overlay in the node's kernel.
    fn state(&self) -> String {
        let links = self.netns.run("ip -o link show knarr-vxlan").1;
        let routes = self.netns.ip("route show proto 107");
        let neighbours = self.netns.run("ip neigh show dev knarr-vxlan").1;
        let forwards = self.netns.run("bridge fdb show dev knarr-vxlan").1;
        [links, routes, neighbours, forwards].concat()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            stop.cancel();
            let _ = thread.join();
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn register(api: &FakeApi, number: u8, address: &str) {
    let body = value!({
        "metadata": { "name": format!("n{number}") },
        "spec": { "podCIDR": format!("10.42.{number}.0/24") },
        "status": { "addresses": [{ "type": "InternalIP", "address": address }] }
    });
    block_on(api.create(&NODES, "", body)).unwrap();
}

#[test]
#[ignore = "needs root"]
fn pods_reach_each_other_over_the_tunnel() {
    let (lan, api) = (Lan::new(), FakeApi::new());
    let (mut a, mut b) = (Node::new(&lan, 1), Node::new(&lan, 2));
    register(&api, 1, "198.18.0.1");
    register(&api, 2, "198.18.0.2");
    register(&api, 3, "198.18.0.3");
    for node in [&mut a, &mut b] {
        node.start(&api, Backend::Vxlan);
    }
    a.pings(&b);
    b.pings(&a);

    // Largest packets pass whole; larger ones are refused at once, not lost.
    a.pod.ok("ping -c 1 -W 2 -M do -s 1422 10.42.2.5");
    assert!(!a.pod.run("ping -c 1 -W 2 -M do -s 1423 10.42.2.5").0);
    // Pods see pods' own addresses; a node's programs come as its address among pods.
    assert_eq!(b.sees(&a.pod), a.pod_address());
    assert_eq!(b.sees(&a.netns), Ipv4Addr::new(10, 42, 1, 1));
    // What must be masqueraded into the tunnel gets an address that answers come back to.
    a.netns.ok("nft add table ip t");
    a.netns.ok("nft add chain ip t p { type nat hook postrouting priority 0 ; }");
    a.netns.ok("nft add rule ip t p oifname knarr-vxlan masquerade");
    assert_eq!(b.sees(&a.pod), Ipv4Addr::new(10, 42, 1, 1));
    a.netns.ok("nft delete table ip t");
    // An address of no pod is answered at once.
    let begun = Instant::now();
    assert!(!a.pod.run("ping -c 1 -W 5 10.42.2.77").0);
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());

    // A node moves, a node leaves.
    until("n3", || has(&a.state(), "dst 198.18.0.3", true));
    let moved = value!({ "status": { "addresses": [{ "type": "InternalIP", "address": "198.18.0.33" }] } });
    block_on(api.merge(&NODES, "", "n3", "status", moved)).unwrap();
    until("n3 to move", || has(&a.state(), "dst 198.18.0.33", true));
    block_on(api.delete(&NODES, "", "n3", "")).unwrap();
    until("n3 to go", || ["198.18.0.3", "10.42.3."].iter().try_for_each(|part| has(&a.state(), part, false)));
    a.pings(&b);

    // What others break is mended.
    a.netns.ip("link del knarr-vxlan");
    a.pings(&b);
    a.netns.ip("route del 10.42.2.0/24");
    a.pings(&b);

    // The node says how it is reached.
    until("the annotation", || {
        let node = api.tree(&NODES, "", "n1").unwrap();
        has(node.str_at(&["metadata", "annotations", "knarr.io/overlay"]), "vxlan", true)
    });

    // A process that ends leaves the network as it is; taking it away leaves nothing.
    a.stop();
    a.pings(&b);
    a.netns.within(|| block_on(Overlay::remove())).unwrap();
    a.netns.within(|| block_on(Overlay::remove())).unwrap();
    has(&a.state(), "10.42", false).unwrap();
    has(&a.state(), "state", false).unwrap();
}

#[test]
#[ignore = "needs root"]
fn a_switch_of_the_backend_goes_node_by_node() {
    let (lan, api) = (Lan::new(), FakeApi::new());
    let (mut a, mut b) = (Node::new(&lan, 1), Node::new(&lan, 2));
    register(&api, 1, "198.18.0.1");
    register(&api, 2, "198.18.0.2");
    for node in [&mut a, &mut b] {
        node.start(&api, Backend::Vxlan);
    }
    a.pings(&b);
    a.start(&api, Backend::HostGw);
    until("a direct route there", || has(&a.state(), "10.42.2.0/24 via 198.18.0.2 dev eth0", true));
    until("a direct route back", || has(&b.state(), "10.42.1.0/24 via 198.18.0.1 dev eth0", true));
    a.pings(&b);
    b.pings(&a);
    has(&a.state(), "knarr-vxlan: ", false).unwrap();
    assert_eq!(b.sees(&a.pod), a.pod_address());

    // The link was away for a moment, and with it the routes over it.
    a.netns.ip("link set eth0 down");
    a.netns.ip("link set eth0 up");
    a.netns.ip("route add default via 198.18.0.254");
    a.pings(&b);

    b.start(&api, Backend::HostGw);
    a.pings(&b);
    for node in [&mut a, &mut b] {
        node.start(&api, Backend::None);
        until("nothing to be left", || has(&node.state(), "10.42", false));
        has(&node.state(), "mtu", false).unwrap();
    }
}
