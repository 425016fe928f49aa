//! NodeMetrics and PodMetrics. Pure.

use jiff::Timestamp;
use knarr_api::{
    Map, Object, Value,
    duration::Duration,
    quantity::{Format, Quantity},
    value,
};

use super::rate::Reading;

/// A node's.
pub(super) fn node(node: &Object, reading: &Reading) -> Value {
    let mut out = head(node, reading.at, reading.window);
    out.set(&["usage"], usage(reading));
    out
}

/// A pod's; `containers` are not none. The window is that of the container seen last.
pub(super) fn pod(pod: &Object, containers: &[(String, Reading)]) -> Value {
    let last = containers.iter().map(|(_, r)| r).max_by_key(|r| r.at);
    let mut out = head(pod, last.map_or(0, |r| r.at), last.map_or(0, |r| r.window));
    let each = containers.iter().map(|(name, r)| value!({ "name": name.as_str(), "usage": usage(r) }));
    out.set(&["containers"], Value::Array(each.collect()));
    out
}

fn head(of: &Object, at: i64, window: i64) -> Value {
    let at = Timestamp::from_second(at / 1000).unwrap_or_default().to_string();
    let meta = of.meta();
    let labels: Map = meta.labels.iter().map(|(k, v)| (&**k, Value::from(&**v))).collect();
    let mut metadata = value!({ "name": of.name(), "creationTimestamp": at.as_str() });
    if !of.namespace().is_empty() {
        metadata.set(&["namespace"], of.namespace());
    }
    if !meta.labels.is_empty() {
        metadata.set(&["labels"], Value::Object(labels));
    }
    let window = Duration(window.saturating_mul(1_000_000)).to_string();
    value!({ "metadata": metadata, "timestamp": at.as_str(), "window": window })
}

fn usage(reading: &Reading) -> Value {
    let cpu: Quantity = format!("{}n", reading.cpu).parse().unwrap_or_default();
    let memory = Quantity::new(reading.memory, Format::BinarySi);
    value!({ "cpu": cpu.to_string(), "memory": memory.to_string() })
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use knarr_api::json;

    use super::*;

    #[test]
    fn objects_carry_the_labels_of_what_they_measure() {
        let of = Object::from_json(bytes::Bytes::from_static(
            br#"{"metadata":{"name":"p","namespace":"n","uid":"u","labels":{"app":"web"}}}"#,
        ))
        .unwrap();
        let reading = Reading { cpu: 1_234_567, memory: 12 << 10, at: 1_700_000_000_900, window: 15_034 };
        let show = |tree: &Value| {
            let mut out = Vec::new();
            json::write(tree, &mut out);
            String::from_utf8(out).unwrap()
        };
        expect![[r#"{"containers":[{"name":"c","usage":{"cpu":"1234567n","memory":"12Ki"}}],"metadata":{"creationTimestamp":"2023-11-14T22:13:20Z","labels":{"app":"web"},"name":"p","namespace":"n"},"timestamp":"2023-11-14T22:13:20Z","window":"15.034s"}"#]]
        .assert_eq(&show(&pod(&of, &[("c".into(), reading)])));
    }
}
