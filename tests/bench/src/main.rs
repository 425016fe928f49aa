//! `knarr-bench`: what the release binary costs and how fast it is, measured from outside and printed beside the budget.
//!
//! Everything is seen as a user sees it: through the public API over TLS, through containerd's CRI, and in `/proc`. The
//! node runs in a network namespace of its own and below a prefix of its own, and is taken away however the run ends.

mod budget;
mod client;
mod disk;
mod load;
mod manager;
mod measure;
mod node;
mod objects;
mod options;
mod process;
mod report;
mod stats;

use std::{path::Path, process::ExitCode};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::{measure::Bench, node::Node, report::Report};

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(e) => {
            eprintln!("knarr-bench: {e:#}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<ExitCode> {
    let Some(options) = options::parse(std::env::args_os().skip(1))? else { return Ok(ExitCode::SUCCESS) };
    let binary = std::fs::canonicalize(&options.binary).with_context(|| format!("{}", options.binary.display()))?;
    // Before there is a second thread.
    node::enter_netns()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.context("start threads")?;
    let node = Node::prepare(binary.clone(), &options.images)?;
    let (machine, version) = (machine(), version(&binary));
    let mut bench = Bench { options, node, report: Report::default(), highest: 0.0 };
    let measured = runtime.block_on(async {
        tokio::select! {
            measured = measure::all(&mut bench) => measured,
            told = told_to_stop() => told.and(Err(anyhow::anyhow!("interrupted"))),
        }
    });
    let Bench { options, node, report, highest: _ } = bench;
    if let Err(e) = &measured {
        eprintln!("knarr-bench: {e:#}\nthe end of the log:\n{}", node.tail(15));
    }
    let _guard = runtime.enter();
    let removed = node.remove();
    print!("{version}; {}\n{}", words(&machine), report.text());
    if let Some(path) = &options.json {
        write_json(path, &report.json(&machine, &version)).with_context(|| format!("write {}", path.display()))?;
    }
    removed?;
    Ok(match (measured, report.over()) {
        (Err(_), _) => ExitCode::from(2),
        (Ok(()), (0, _)) => ExitCode::SUCCESS,
        (Ok(()), _) => ExitCode::FAILURE,
    })
}

async fn told_to_stop() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut term = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = term.recv() => {}
    }
    Ok(())
}

fn write_json(path: &Path, json: &Value) -> Result<()> {
    let mut text = serde_json::to_string_pretty(json)?;
    text.push('\n');
    Ok(std::fs::write(path, text)?)
}

fn version(binary: &Path) -> String {
    let output = std::process::Command::new(binary).arg("version").output();
    output.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned()).unwrap_or_default()
}

fn machine() -> Value {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let cpu =
        cpu.lines().find_map(|l| l.strip_prefix("model name")?.split(": ").nth(1)).unwrap_or("unknown").to_owned();
    let memory = read("/proc/meminfo");
    let memory: u64 = memory.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
    json!({
        "cpus": std::thread::available_parallelism().map_or(0, usize::from),
        "cpu": cpu,
        "memoryMiB": memory / 1024,
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
    })
}

fn words(machine: &Value) -> String {
    let Value::Object(fields) = machine else { return String::new() };
    fields.iter().map(|(k, v)| format!("{k} {}", v.to_string().trim_matches('"'))).collect::<Vec<_>>().join(", ")
}
