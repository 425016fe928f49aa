//! What is measured, and how much of it is allowed: one row a figure, in the order they are printed.
//!
//! *Budget* is what the design asks of the finished program, *bar* what it must keep already now. Both may refer to
//! another figure of the same run, because a disk or a container runtime of another machine is another measure.

/// A limit of a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Limit {
    /// None: the figure is printed to explain others.
    None,
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
    /// No more than another figure, times a factor, plus something.
    AtMostOf(&'static str, f64, f64),
    /// No less than another figure, times a factor.
    AtLeastOf(&'static str, f64),
}

/// A figure.
#[derive(Debug)]
pub(crate) struct Row {
    /// Its name in the JSON.
    pub(crate) key: &'static str,
    /// Its name for people.
    pub(crate) what: &'static str,
    /// Its unit.
    pub(crate) unit: &'static str,
    /// The same of upstream's components on a machine of this kind.
    pub(crate) upstream: Option<f64>,
    /// The design's budget.
    pub(crate) budget: Limit,
    /// What must hold now.
    pub(crate) bar: Limit,
}

const fn row(key: &'static str, unit: &'static str, what: &'static str) -> Row {
    Row { key, what, unit, upstream: None, budget: Limit::None, bar: Limit::None }
}

impl Row {
    const fn upstream(mut self, value: f64) -> Self {
        self.upstream = Some(value);
        self
    }
    const fn budget(mut self, limit: Limit) -> Self {
        self.budget = limit;
        self
    }
    const fn bar(mut self, limit: Limit) -> Self {
        self.bar = limit;
        self
    }
}

use Limit::{AtLeast, AtLeastOf, AtMost, AtMostOf};

/// All figures.
pub(crate) const ROWS: &[Row] = &[
    row("binary", "MB", "binary").budget(AtMost(25.0)).bar(AtMost(30.0)),
    row("start.first.api", "ms", "first start → API ready").upstream(3300.0),
    row("start.first.node", "ms", "first start → node Ready").upstream(15_000.0).budget(AtMost(3000.0)),
    row("start.warm.api", "ms", "warm start → API ready").upstream(3300.0).budget(AtMost(150.0)),
    row("start.warm.node", "ms", "warm start → node Ready")
        .upstream(15_000.0)
        .budget(AtMost(1000.0))
        .bar(AtMost(3000.0)),
    row("start.adopt.node", "ms", "  the same, containerd still running").budget(AtMost(1000.0)).bar(AtMost(3000.0)),
    row("memory.idle", "MiB", "memory of knarr, idle (PSS)").upstream(673.0).budget(AtMost(32.0)).bar(AtMost(48.0)),
    row("memory.idle.containerd", "MiB", "  containerd beside it"),
    row("cpu.idle", "%", "CPU of knarr, idle (of one core)").upstream(7.2).budget(AtMost(0.3)).bar(AtMost(0.5)),
    row("cpu.idle.containerd", "%", "  containerd beside it"),
    row("wakeups.idle", "/s", "wake-ups of knarr, idle").budget(AtMost(20.0)),
    row("writes.idle", "KiB/s", "disk writes of knarr, idle").upstream(19.0).budget(AtMost(0.1)).bar(AtMost(1.0)),
    row("memory.team", "MiB", "memory of knarr with examples/proguru").bar(AtMost(48.0)),
    row("memory.team.containerd", "MiB", "  containerd beside it"),
    row("memory.team.shims", "MiB", "  shims beside it"),
    row("cpu.team", "%", "  CPU of knarr").bar(AtMost(0.5)),
    row("wakeups.team", "/s", "  wake-ups of knarr"),
    row("writes.team", "KiB/s", "  disk writes of knarr").bar(AtMost(1.0)),
    row("disk.fdatasync", "ms", "fdatasync of 4 KiB here, p10"),
    row("create.1.ms", "ms", "create ConfigMap, 1 client, p50").budget(AtMostOf("disk.fdatasync", 1.0, 0.25)),
    row("create.1", "/s", "create ConfigMap, 1 client").upstream(278.0),
    row("create.16", "/s", "create ConfigMap, 16 clients")
        .upstream(752.0)
        .budget(AtLeast(8.0 * 752.0))
        .bar(AtLeast(6.0 * 752.0)),
    row("create.64", "/s", "create ConfigMap, 64 clients")
        .upstream(966.0)
        .budget(AtLeast(8.0 * 966.0))
        .bar(AtLeast(6.0 * 966.0)),
    row("get.16", "/s", "GET ConfigMap, 16 clients")
        .upstream(1820.0)
        .budget(AtLeast(8.0 * 1820.0))
        .bar(AtLeast(6.0 * 1820.0)),
    row("list.4", "/s", "LIST 5,000 ConfigMaps, 4 clients")
        .upstream(21.0)
        .budget(AtLeast(5.0 * 21.0))
        .bar(AtLeast(4.0 * 21.0)),
    row("watch.p99", "ms", "answer → last of 100 watchers, p99").budget(AtMost(10.0)),
    row("memory.churn", "MiB", "memory of knarr after the writes and gets"),
    row("memory.objects", "MiB", "memory of knarr with 5,000 ConfigMaps"),
    row("memory.lists", "MiB", "  after 30 LISTs of 6 MB").budget(AtMostOf("memory.objects", 1.3, 0.0)),
    row("cri.p50", "ms", "sandbox + container by CRI alone, p50").upstream(220.0),
    row("cri.p90", "ms", "sandbox + container by CRI alone, p90"),
    row("pod.p50", "ms", "pod create → Ready, p50")
        .upstream(329.0)
        .budget(AtMostOf("cri.p50", 1.0, 30.0))
        .bar(AtMostOf("cri.p50", 1.0, 50.0)),
    row("pod.p90", "ms", "pod create → Ready, p90").upstream(451.0).budget(AtMostOf("cri.p50", 1.0, 80.0)),
    row("pod.writes", "KiB", "disk writes of knarr for a pod's life").budget(AtMost(64.0)),
    row("cri.burst", "pods/s", "30 at once by CRI alone").upstream(8.0),
    row("pod.burst", "pods/s", "30 pods at once")
        .upstream(4.5)
        .budget(AtLeastOf("cri.burst", 0.95))
        .bar(AtLeastOf("cri.burst", 0.9)),
    row("dataplane.p99", "ms", "endpoint change → nftables, p99").budget(AtMost(20.0)),
    row("app.ready", "ms", "examples/hello: apply → page over TLS"),
    row("memory.app", "MiB", "memory of knarr with examples/hello"),
    row("memory.app.containerd", "MiB", "  containerd beside it"),
    row("memory.app.shims", "MiB", "  shims beside it"),
    row("gap.api", "ms", "restart: longest gap of the API").budget(AtMost(300.0)).bar(AtMost(1000.0)),
    row("gap.api.failed", "", "  connections that failed").budget(AtMost(0.0)),
    row("gap.api.refused", "", "  of them refused").budget(AtMost(0.0)).bar(AtMost(0.0)),
    row("gap.ingress", "ms", "restart: longest gap of the ingress").budget(AtMost(300.0)).bar(AtMost(1000.0)),
    row("gap.ingress.failed", "", "  connections that failed").budget(AtMost(0.0)).bar(AtMost(0.0)),
    row("gap.ingress.refused", "", "  of them refused").budget(AtMost(0.0)).bar(AtMost(0.0)),
    row("gap.kill.api", "ms", "kill -9: longest gap of the API").budget(AtMost(300.0)).bar(AtMost(1000.0)),
    row("gap.kill.api.failed", "", "  connections that failed (in flight at the kill)"),
    row("gap.kill.api.refused", "", "  of them refused").budget(AtMost(0.0)).bar(AtMost(0.0)),
    row("gap.kill.ingress", "ms", "kill -9: longest gap of the ingress").budget(AtMost(300.0)).bar(AtMost(1000.0)),
    row("gap.kill.ingress.failed", "", "  connections that failed (in flight at the kill)"),
    row("gap.kill.ingress.refused", "", "  of them refused").budget(AtMost(0.0)).bar(AtMost(0.0)),
    row("agent.join", "ms", "agent: first start → its node Ready"),
    row("memory.agent", "MiB", "memory of an agent alone (PSS)").budget(AtMost(20.0)).bar(AtMost(24.0)),
    row("cpu.agent", "%", "  CPU of it, idle"),
    row("wakeups.agent", "/s", "  wake-ups of it"),
    row("writes.agent", "KiB/s", "  disk writes of it"),
    row("memory.peak", "MiB", "memory of knarr, highest of the run (RSS)"),
];

impl Limit {
    /// The limit as a number, where `value` knows the other figures; whether it is a ceiling.
    pub(crate) fn resolve(self, value: impl Fn(&str) -> Option<f64>) -> Option<(bool, f64)> {
        match self {
            Self::None => None,
            AtMost(limit) => Some((true, limit)),
            AtLeast(limit) => Some((false, limit)),
            AtMostOf(of, times, plus) => Some((true, value(of)? * times + plus)),
            AtLeastOf(of, times) => Some((false, value(of)? * times)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_limits_refer_to_figures() {
        let known = |key: &str| ROWS.iter().find(|r| r.key == key).map(|_| 1.0);
        for (i, r) in ROWS.iter().enumerate() {
            assert!(ROWS[..i].iter().all(|s| s.key != r.key), "{} stands twice", r.key);
            for limit in [r.budget, r.bar] {
                assert_eq!(limit.resolve(known).is_some(), limit != Limit::None, "{}", r.key);
            }
        }
    }
}
