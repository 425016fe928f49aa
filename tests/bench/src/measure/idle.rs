//! A node with nothing to do.

use anyhow::Result;

use super::Bench;
use crate::process::{Spent, Usage, pss};

/// Memory, CPU, wake-ups and writes over a while in which nobody asks for anything.
pub(super) async fn measure(bench: &mut Bench) -> Result<()> {
    // What a start leaves to do (events, leases, first heartbeats) is not idleness.
    tokio::time::sleep(bench.options.seconds(10.0, 3.0)).await;
    let (pid, containerd) = (bench.node.pid()?, bench.node.processes().containerd);
    bench.put("memory.idle", pss(&[pid])?, "no pods");
    bench.put("memory.idle.containerd", pss(&containerd)?, "");
    let beside: Vec<Usage> = containerd.iter().map(|pid| Usage::of(*pid)).collect::<Result<_>>()?;
    let (spent, note) = watch_idle(bench, pid).await?;
    bench.put("cpu.idle", spent.cpu, note.clone());
    bench.put("wakeups.idle", spent.wakeups, spent.busiest());
    bench.put("writes.idle", spent.written, note);
    let (mut cpu, mut wakeups, mut written) = (0.0, 0.0, 0.0);
    for (pid, before) in containerd.iter().zip(&beside) {
        let spent = Usage::of(*pid)?.since(before);
        cpu += spent.cpu;
        wakeups += spent.wakeups;
        written += spent.written;
    }
    bench.put("cpu.idle.containerd", cpu, format!("{wakeups:.1} wake-ups/s, {written:.2} KiB/s written"));
    Ok(())
}

/// What a process uses over a while, and how long that was.
pub(super) async fn watch_idle(bench: &Bench, pid: i32) -> Result<(Spent, String)> {
    let before = Usage::of(pid)?;
    let time = bench.options.seconds(60.0, 10.0);
    tokio::time::sleep(time).await;
    Ok((Usage::of(pid)?.since(&before), format!("over {} s", time.as_secs())))
}
