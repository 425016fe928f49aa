//! What pods use, as the metrics API tells it. Pure.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use knarr_api::{Object, duration::Duration, quantity::Quantity};
use serde::Deserialize;

/// What one pod used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    /// Thousandths of the resource's unit.
    pub(super) value: i64,
    /// When it was taken, at the end of `window`.
    pub(super) at: Timestamp,
    pub(super) window: SignedDuration,
}

/// Samples by pod.
pub(super) type Samples = BTreeMap<Box<str>, Sample>;

#[derive(Deserialize)]
struct Wire {
    timestamp: Timestamp,
    window: Box<str>,
    #[serde(default)]
    containers: Vec<Container>,
}

#[derive(Deserialize)]
struct Container {
    name: Box<str>,
    #[serde(default)]
    usage: BTreeMap<Box<str>, Box<str>>,
}

/// The samples of a resource in PodMetrics: of one container, or (empty) of the whole pod, which then must be complete.
pub(super) fn samples(metrics: &[Object], resource: &str, container: &str) -> Samples {
    let sample = |object: &Object| {
        let wire: Wire = object.decode().ok()?;
        let mut chosen = wire.containers.iter().filter(|c| container.is_empty() || *c.name == *container).peekable();
        chosen.peek()?;
        let used = |c: &Container| Some(c.usage.get(resource)?.parse::<Quantity>().ok()?.milli_value());
        let value = chosen.map(used).try_fold(0i64, |sum, one| Some(sum.saturating_add(one?)))?;
        let window = wire.window.parse::<Duration>().ok()?;
        let sample = Sample { value, at: wire.timestamp, window: SignedDuration::from_nanos(window.0) };
        Some((object.name().into(), sample))
    };
    metrics.iter().filter_map(sample).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pods_and_containers() {
        let metrics = |name: &str, containers: serde_json::Value| {
            let v = json!({"metadata": {"name": name, "namespace": "n"}, "timestamp": "2026-01-01T00:00:00Z",
                "window": "15s", "containers": containers});
            Object::from_json(v.to_string().into()).unwrap()
        };
        let c = |name: &str, cpu: &str| json!({"name": name, "usage": {"cpu": cpu, "memory": "1Mi"}});
        let all = [
            metrics("two", json!([c("a", "100m"), c("b", "250000000n")])),
            metrics("part", json!([c("a", "1"), {"name": "b", "usage": {}}])),
            metrics("none", json!([])),
        ];
        let values = |resource: &str, container: &str| {
            let samples = samples(&all, resource, container);
            samples.into_iter().map(|(name, s)| (name.to_string(), s.value)).collect::<Vec<_>>()
        };
        assert_eq!(values("cpu", ""), [("two".to_owned(), 350)]);
        assert_eq!(values("cpu", "a"), [("part".to_owned(), 1000), ("two".to_owned(), 100)]);
        assert_eq!(values("cpu", "b"), [("two".to_owned(), 250)]);
        assert_eq!(values("memory", ""), [("two".to_owned(), 2 * 1024 * 1024 * 1000)]);
        assert_eq!(samples(&all, "cpu", "")["two"].window, SignedDuration::from_secs(15));
    }
}
