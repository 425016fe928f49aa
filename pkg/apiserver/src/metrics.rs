//! Counters of the face, in Prometheus' text format under upstream's names.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use parking_lot::Mutex;

#[derive(Default)]
pub(crate) struct Metrics {
    running: Arc<AtomicI64>,
    /// By verb, resource and code. Bounded: a client can make up resources.
    answered: Mutex<BTreeMap<(String, String, u16), u64>>,
}

/// Rows at most; the rest is counted without its resource.
const ROWS: usize = 2000;

/// One running request.
pub(crate) struct Running(Arc<AtomicI64>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Metrics {
    pub(crate) fn begin(&self) -> Running {
        self.running.fetch_add(1, Ordering::Relaxed);
        Running(self.running.clone())
    }

    pub(crate) fn answered(&self, verb: &str, resource: &str, code: u16) {
        let mut answered = self.answered.lock();
        let full = answered.len() >= ROWS || code == 404;
        let resource = if full { "" } else { resource };
        let verb = if resource.is_empty() && !matches!(verb, "get" | "list" | "post") { "other" } else { verb };
        *answered.entry((verb.to_ascii_uppercase(), resource.to_owned(), code)).or_default() += 1;
    }

    pub(crate) fn text(&self) -> String {
        let mut out = String::from("# TYPE apiserver_request_total counter\n");
        for ((verb, resource, code), n) in &*self.answered.lock() {
            let resource = resource.replace(['"', '\\', '\n'], "_");
            writeln!(out, r#"apiserver_request_total{{verb="{verb}",resource="{resource}",code="{code}"}} {n}"#)
                .expect("writing to a string cannot fail");
        }
        let running = self.running.load(Ordering::Relaxed);
        out.push_str("# TYPE apiserver_current_inflight_requests gauge\n");
        writeln!(out, "apiserver_current_inflight_requests {running}").expect("writing to a string cannot fail");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        let metrics = Metrics::default();
        let running = metrics.begin();
        metrics.answered("list", "pods", 200);
        metrics.answered("list", "pods", 200);
        metrics.answered("brew", "coffee", 404);
        let expected = "# TYPE apiserver_request_total counter\n\
            apiserver_request_total{verb=\"LIST\",resource=\"pods\",code=\"200\"} 2\n\
            apiserver_request_total{verb=\"OTHER\",resource=\"\",code=\"404\"} 1\n\
            # TYPE apiserver_current_inflight_requests gauge\n\
            apiserver_current_inflight_requests 1\n";
        assert_eq!(metrics.text(), expected);
        drop(running);
        assert!(metrics.text().ends_with("requests 0\n"));
    }
}
