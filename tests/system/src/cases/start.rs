//! A start that cannot succeed: one final line that says what is wrong and how to mend it, and a documented exit code.

use std::{fs, net::TcpListener, process::Command};

use anyhow::{Result, ensure};

use crate::{
    command,
    node::Node,
    poll::secs,
    suite::{Case, Env, Place::Host, case},
    text::has,
};

pub const CASES: &[Case] = &[
    case("start/wrong arguments", Host(wrong_arguments)),
    case("start/wrong configuration", Host(wrong_configuration)),
    case("start/missing programs", Host(missing_programs)),
    case("start/not root", Host(not_root)),
    case("start/port in use", Host(port_in_use)),
    case("start/version and help", Host(version_and_help)),
];

/// The command fails with this code, and its last line says this.
pub(super) fn fails(mut command: Command, code: i32, says: &[&str]) -> Result<()> {
    let output = command::run(&mut command, None, secs(30))?;
    let last = output.err.lines().last().unwrap_or_default();
    ensure!(output.code == code, "it ended with {}, not {code}:\n{}", output.code, output.err);
    has(last, says)?;
    ensure!(last.starts_with("knarr: ") && last.contains(" — "), "the last line has no remedy: {last:?}");
    ensure!(!output.err.contains("panicked"), "it panicked:\n{}", output.err);
    Ok(())
}

/// Where a server that should not have started does no harm.
fn nowhere(env: &Env) -> std::path::PathBuf {
    env.work.join("nowhere")
}

fn wrong_arguments(env: &Env) -> Result<()> {
    let rows: &[(&[&str], &[&str])] = &[
        (&["nonsense"], &["there is no command \"nonsense\""]),
        (&["server", "--frobnicate"], &["there is no flag --frobnicate"]),
        (&["server", "extra"], &["unexpected argument \"extra\""]),
        (&["server", "--cluster-cidr", "10.0.0.0"], &["--cluster-cidr", "not an IPv4 network"]),
        (&["server", "--https-listen-port", "99999"], &["--https-listen-port", "not a port"]),
        (&["server", "--prefix", "relative"], &["--prefix", "absolute"]),
        (&["server", "--node-name", "No_Name"], &["cannot be a node's name"]),
        (&["server", "--disable", "moon"], &["there is no such component"]),
        (&["server", "--docker"], &["the runtime is containerd"]),
        (&["server", "--datastore-endpoint", "mysql://x"], &["--datastore-endpoint"]),
    ];
    for (args, says) in rows {
        let mut command = Command::new(&env.binary);
        command.args(*args);
        if args[0] == "server" && !args.contains(&"--prefix") {
            command.arg("--prefix").arg(nowhere(env));
        }
        fails(command, 2, says).map_err(|e| e.context(args.join(" ")))?;
    }
    Ok(())
}

fn wrong_configuration(env: &Env) -> Result<()> {
    let file = env.work.join("config.yaml");
    let rows: &[(&str, &[&str])] = &[
        ("cluster-cidr: nonsense\n", &["--cluster-cidr"]),
        ("a: [b\n", &["config.yaml"]),
        ("- a\n", &["config.yaml"]),
    ];
    for (text, says) in rows {
        fs::write(&file, text)?;
        let mut command = Command::new(&env.binary);
        command.args(["server", "--config"]).arg(&file).arg("--prefix").arg(nowhere(env));
        fails(command, 2, says).map_err(|e| e.context(format!("config {text:?}")))?;
    }
    let mut command = Command::new(&env.binary);
    command.args(["server", "--config", "/nonexistent/config.yaml"]);
    fails(command, 2, &["/nonexistent/config.yaml"])
}

/// The places where a system keeps programs for root are searched too, so they must not have them either: the program
/// runs with an empty `PATH` and `/usr/sbin`, `/sbin` and `/usr/local/sbin` hidden in a mount namespace of its own.
fn missing_programs(env: &Env) -> Result<()> {
    for (keep, says) in [
        ("", "nft is missing"),
        ("nft", "containerd is missing"),
        ("nft containerd containerd-shim-runc-v2", "runc is missing"),
    ] {
        let path = env.work.join("bin");
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path)?;
        for program in keep.split_whitespace() {
            std::os::unix::fs::symlink("/bin/true", path.join(program))?;
        }
        let empty = env.work.join("empty");
        fs::create_dir_all(&empty)?;
        let script =
            "for dir in /usr/local/sbin /usr/sbin; do mount --bind \"$1\" $dir; done; PATH=$2; shift 2; exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", script, "sh"]).arg(&empty).arg(&path);
        command.arg(&env.binary).args(["server", "--config", "/dev/null", "--prefix"]).arg(nowhere(env));
        fails(command, 3, &[says, "install the package"]).map_err(|e| e.context(says))?;
    }
    Ok(())
}

fn not_root(env: &Env) -> Result<()> {
    use std::os::unix::process::CommandExt as _;
    // The binary may lie where only root may look.
    let copy = std::path::PathBuf::from(format!("/tmp/kn-nobody-{:x}", std::process::id()));
    fs::copy(&env.binary, &copy)?;
    let mut command = Command::new(&copy);
    command.args(["server", "--config", "/dev/null", "--prefix", "/tmp/kn-nobody-prefix"]).uid(65534).gid(65534);
    let result = fails(command, 3, &["root"]);
    fs::remove_file(&copy)?;
    result
}

fn port_in_use(env: &Env) -> Result<()> {
    let node = Node::prepare(env, "--bind-address 127.0.0.1 --https-listen-port 16443")?;
    // The suite's own namespace is where the command runs: the port is taken there.
    let _taken = TcpListener::bind(("127.0.0.1", 16443))?;
    let mut command = Command::new(&env.binary);
    command.args(["server", "--config", "/dev/null", "--bind-address", "127.0.0.1", "--https-listen-port", "16443"]);
    command.args(["--node-name", &node.name, "--prefix"]).arg(node.file(""));
    fails(command, 4, &["127.0.0.1:16443 is in use", "--https-listen-port"])?;
    node.finish()
}

fn version_and_help(env: &Env) -> Result<()> {
    let version = command::ok(Command::new(&env.binary).arg("--version"), secs(10))?;
    has(&version, &["knarr version v1.36."])?;
    let help = command::ok(Command::new(&env.binary).arg("help"), secs(10))?;
    has(&help, &["usage: knarr server", "--data-dir", "--node-ip", "--cluster-cidr"])
}
