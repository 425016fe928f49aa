//! From two looks at a node to what it uses. Pure.

use std::collections::BTreeMap;

use super::text::{Point, Sample};

/// A rate over less time than this says nothing, milliseconds.
const SHORTEST: i64 = 500;

/// What a node and the pods on it use.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Usage {
    /// The node; `None` while it is not known.
    pub(super) node: Option<Reading>,
    /// Containers by pod (namespace and name).
    pods: BTreeMap<(String, String), Vec<(String, Reading)>>,
}

/// What something uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// Billionths of a core, on average over the window.
    pub(super) cpu: i64,
    /// Bytes.
    pub(super) memory: i64,
    /// The end of the window, milliseconds since 1970.
    pub(super) at: i64,
    /// Its length, milliseconds.
    pub(super) window: i64,
}

impl Usage {
    /// The containers of a pod, if all that were seen are known.
    pub(super) fn pod(&self, namespace: &str, name: &str) -> Option<&[(String, Reading)]> {
        let containers = self.pods.get(&(namespace.to_owned(), name.to_owned()))?;
        (!containers.is_empty()).then_some(containers)
    }
}

/// What was used between two looks.
///
/// A container that began in between counts from its start. A pod with a container of which nothing can be said yet is
/// left out: a sum without it would be wrong.
pub(super) fn usage(earlier: &Sample, later: &Sample) -> Usage {
    let mut pods: BTreeMap<_, Option<Vec<_>>> = BTreeMap::new();
    for (key, point) in &later.containers {
        let (namespace, pod, container) = key;
        let containers = pods.entry((namespace.clone(), pod.clone())).or_insert_with(|| Some(Vec::new()));
        match (reading(earlier.containers.get(key), point), containers) {
            (Some(reading), Some(containers)) => containers.push((container.clone(), reading)),
            (Some(_), None) => {}
            (None, containers) => *containers = None,
        }
    }
    Usage {
        node: reading(Some(&earlier.node), &later.node),
        pods: pods.into_iter().filter_map(|(key, containers)| Some((key, containers?))).collect(),
    }
}

fn reading(earlier: Option<&Point>, later: &Point) -> Option<Reading> {
    let started = (later.started * 1000.0) as i64;
    let same = |p: &&Point| p.is_whole() && p.at >= started && p.cpu <= later.cpu;
    let (at, cpu) = match earlier.filter(same) {
        Some(point) => (point.at, point.cpu),
        None if started > 0 => (started, 0.0),
        None => return None,
    };
    let window = later.at - at;
    if !later.is_whole() || window < SHORTEST {
        return None;
    }
    let cores = (later.cpu - cpu) * 1000.0 / window as f64;
    let memory = i64::try_from(later.memory).unwrap_or(i64::MAX);
    Some(Reading { cpu: (cores * 1e9).round() as i64, memory, at: later.at, window })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(points: &[(&str, Point)]) -> Sample {
        let mut out = Sample::default();
        for (name, point) in points {
            match name.split_once('/') {
                None => out.node = *point,
                Some((pod, container)) => {
                    out.containers.insert(("n".into(), pod.into(), container.into()), *point);
                }
            }
        }
        out
    }

    fn point(at: i64, cpu: f64, started: f64) -> Point {
        Point { at, cpu, memory: 4096, started }
    }

    /// `node` and `pod/container` with thousandths of a core and the window.
    #[track_caller]
    fn check(earlier: &[(&str, Point)], later: &[(&str, Point)], want: &str) {
        let usage = usage(&sample(earlier), &sample(later));
        let mut out: Vec<String> =
            usage.node.iter().map(|r| format!("node {}m/{}ms", r.cpu / 1_000_000, r.window)).collect();
        for ((_, pod), containers) in &usage.pods {
            for (name, r) in containers {
                out.push(format!("{pod}/{name} {}m/{}ms", r.cpu / 1_000_000, r.window));
            }
        }
        assert_eq!(out.join(", "), want);
    }

    #[test]
    fn rates() {
        let node = ("node", point(1000, 5.0, 0.0));
        check(&[node], &[("node", point(11_000, 7.0, 0.0))], "node 200m/10000ms");
        check(&[], &[node], "");
        check(&[node], &[("node", point(1100, 5.0, 0.0))], "");
        check(&[("node", Point { memory: 0, ..point(1000, 5.0, 0.0) })], &[("node", point(2000, 6.0, 0.0))], "");
        let both = [("p/a", point(1000, 1.0, 0.5)), ("p/b", point(1000, 0.0, 0.5))];
        check(
            &both,
            &[("p/a", point(2000, 1.5, 0.5)), ("p/b", point(2000, 0.0, 0.5))],
            "p/a 500m/1000ms, p/b 0m/1000ms",
        );
    }

    #[test]
    fn what_began_in_between_counts_from_its_start() {
        check(&[], &[("p/a", point(3000, 0.5, 1.0))], "p/a 250m/2000ms");
        // Restarted: the counter began anew.
        check(&[("p/a", point(2000, 9.0, 0.5))], &[("p/a", point(4000, 0.1, 3.0))], "p/a 100m/1000ms");
        // Too young to say anything, and with it its pod.
        let pair = [("p/a", point(2000, 1.0, 1.0)), ("p/b", point(2000, 0.1, 1.9)), ("p/c", point(2000, 1.0, 1.0))];
        check(&[("p/a", point(1000, 0.5, 1.0))], &pair, "");
    }
}
