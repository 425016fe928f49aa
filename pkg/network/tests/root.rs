//! The plugin and the host set-up on a real kernel: two pods and a node in network namespaces of their own.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

/// Runs a shell script inside a fresh network namespace with `$CNI` the plugin and `$DIR` a scratch directory.
fn in_namespace(script: &str) {
    let built = Command::new(env!("CARGO")).args(["build", "--example", "cni"]).status().unwrap();
    assert!(built.success());
    let exe = std::env::current_exe().unwrap();
    let plugin = exe.parent().unwrap().parent().unwrap().join("examples/cni");
    let dir = std::env::temp_dir().join(format!("knarr-net-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let mut shell = Command::new("unshare")
        .args(["-n", "sh", "-eu"])
        .env("CNI", &plugin)
        .env("DIR", &dir)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let status = shell.wait().unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    assert!(status.success());
}

const PRELUDE: &str = r#"
ip link set lo up
conf='{"cniVersion":"1.0.0","name":"knarr","type":"knarr-cni","podCidr":"10.42.0.0/24","ipamDir":"'$DIR'/ips","mtu":1500}'
plugin() { echo "$conf" | CNI_COMMAND=$1 CNI_CONTAINERID=$2 CNI_NETNS=/proc/$3/ns/net CNI_IFNAME=eth0 $CNI; }
pod() { unshare -n sleep 60 & eval $1=$!; sleep 0.2; }
in_pod() { pid=$1; shift; nsenter --net=/proc/$pid/ns/net "$@"; }
finish() { kill $a $b 2>/dev/null || true; }
trap finish EXIT
pod a; pod b
"#;

#[test]
#[ignore = "needs root"]
fn pods_reach_each_other_and_the_node_and_leave_nothing() {
    let script = r#"
plugin ADD one $a | grep -q 10.42.0.2/32
plugin ADD two $b | grep -q 10.42.0.3/32
plugin ADD two $b | grep -q 10.42.0.3/32
plugin CHECK two $b
ip address add 10.42.0.1/32 dev lo
in_pod $a ping -c 1 -W 2 10.42.0.3
in_pod $a ping -c 1 -W 2 10.42.0.1
ping -c 1 -W 2 10.42.0.2
loop='{"cniVersion":"0.3.1","name":"lo","type":"loopback"}'
echo "$loop" | CNI_COMMAND=ADD CNI_CONTAINERID=one CNI_NETNS=/proc/$a/ns/net CNI_IFNAME=lo $CNI | grep -q 127.0.0.1/8
in_pod $a ping -c 1 -W 2 127.0.0.1
plugin DEL one $a; plugin DEL one $a; plugin DEL two $b
test -z "$(ip -o link | grep ' kn')"
test -z "$(ip route | grep 10.42)"
test -z "$(ls $DIR/ips | grep 10.42)"
! plugin CHECK two $b
"#;
    in_namespace(&format!("{PRELUDE}{script}"));
}
