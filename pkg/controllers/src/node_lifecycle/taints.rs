//! Which taints a node gets, and how long pods stay with them. Pure: time is a parameter.

use jiff::Timestamp;
use knarr_api::{Value, value};
use serde::Deserialize;

use super::seen::Node;
use crate::{conditions::find, context::rfc3339};

const NOT_READY: &str = "node.kubernetes.io/not-ready";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";

/// `spec.taints[*]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Taint {
    key: Box<str>,
    #[serde(default)]
    value: Box<str>,
    pub(super) effect: Box<str>,
    time_added: Option<Box<str>>,
}

/// `spec.tolerations[*]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Toleration {
    key: Box<str>,
    operator: Box<str>,
    value: Box<str>,
    effect: Box<str>,
    toleration_seconds: Option<i64>,
}

impl Toleration {
    fn covers(&self, taint: &Taint) -> bool {
        (self.effect.is_empty() || self.effect == taint.effect)
            && (self.key.is_empty() || self.key == taint.key)
            && (&*self.operator == "Exists" || self.value == taint.value)
    }
}

/// The taints a node's conditions ask for, if they differ from those it has. Taints of others are left alone.
pub(super) fn wanted_taints(node: &Node, now: Timestamp) -> Option<Value> {
    let state = |kind: &str| find(&node.conditions, kind).map(|c| &*c.status);
    let mut want: Vec<(&str, &str)> = Vec::new();
    match state("Ready") {
        Some("True") => {}
        Some("Unknown") => want.extend([(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")]),
        _ => want.extend([(NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute")]),
    }
    let pressures = [
        ("MemoryPressure", "node.kubernetes.io/memory-pressure"),
        ("DiskPressure", "node.kubernetes.io/disk-pressure"),
        ("PIDPressure", "node.kubernetes.io/pid-pressure"),
        ("NetworkUnavailable", "node.kubernetes.io/network-unavailable"),
    ];
    want.extend(
        pressures.into_iter().filter(|(c, _)| state(c) == Some("True")).map(|(_, taint)| (taint, "NoSchedule")),
    );
    if node.unschedulable {
        want.push(("node.kubernetes.io/unschedulable", "NoSchedule"));
    }
    let ours = |t: &Taint| {
        pressures.iter().any(|(_, k)| **k == *t.key)
            || [NOT_READY, UNREACHABLE, "node.kubernetes.io/unschedulable"].contains(&&*t.key)
    };
    let has = |key: &str, effect: &str| node.taints.iter().find(|t| *t.key == *key && *t.effect == *effect);
    let right = want.iter().all(|(k, e)| has(k, e).is_some())
        && node.taints.iter().filter(|t| ours(t)).all(|t| want.iter().any(|(k, e)| *t.key == **k && *t.effect == **e));
    if right {
        return None;
    }
    let mut out: Vec<Value> = node.taints.iter().filter(|t| !ours(t)).map(print).collect();
    for (key, effect) in want {
        let added = (effect == "NoExecute").then(|| rfc3339(now).into_boxed_str());
        let fresh = Taint { key: key.into(), value: "".into(), effect: effect.into(), time_added: added };
        out.push(print(has(key, effect).unwrap_or(&fresh)));
    }
    Some(Value::Array(out))
}

fn print(taint: &Taint) -> Value {
    let mut v = value!({ "key": &*taint.key, "effect": &*taint.effect });
    if !taint.value.is_empty() {
        v.set(&["value"], &*taint.value);
    }
    if let Some(at) = &taint.time_added {
        v.set(&["timeAdded"], &**at);
    }
    v
}

/// How many seconds a pod may stay: `None` for as long as it likes, 0 or less for not at all.
pub(super) fn stays(tolerations: &[Toleration], taints: &[Taint], now: Timestamp) -> Option<i64> {
    let mut least: Option<i64> = None;
    for taint in taints.iter().filter(|t| &*t.effect == "NoExecute") {
        let covering: Vec<&Toleration> = tolerations.iter().filter(|t| t.covers(taint)).collect();
        if covering.is_empty() {
            return Some(0);
        }
        let added = taint.time_added.as_ref().and_then(|t| t.parse::<Timestamp>().ok()).unwrap_or(now);
        if let Some(seconds) = covering.iter().filter_map(|t| t.toleration_seconds).min() {
            // A taint of the future is one from before the clock was put back.
            let left = seconds - now.duration_since(added).as_secs().max(0);
            least = Some(least.map_or(left, |l| l.min(left)));
        }
    }
    least
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::node_lifecycle::seen::project_node;

    fn node(ready: &str, taints: serde_json::Value) -> Node {
        let v = json!({"metadata": {"name": "n", "uid": "u"}, "spec": {"taints": taints},
            "status": {"conditions": [{"type": "Ready", "status": ready}]}});
        project_node(&knarr_api::Object::from_json(v.to_string().into()).unwrap()).unwrap()
    }

    fn now() -> Timestamp {
        "2026-01-01T00:10:00Z".parse().unwrap()
    }

    fn keys(taints: Option<Value>) -> Option<Vec<String>> {
        let of = |t: &Value| format!("{}:{}", t.str_at(&["key"]), t.str_at(&["effect"]));
        taints.map(|t| t.as_array().unwrap().iter().map(of).collect())
    }

    #[test]
    fn taints_follow_conditions_and_spare_others() {
        let mine = json!([{"key": "mine", "effect": "NoSchedule"}]);
        assert_eq!(keys(wanted_taints(&node("True", mine.clone()), now())), None);
        let want = [
            "mine:NoSchedule",
            "node.kubernetes.io/unreachable:NoSchedule",
            "node.kubernetes.io/unreachable:NoExecute",
        ];
        assert_eq!(keys(wanted_taints(&node("Unknown", mine), now())).unwrap(), want);
        let old = json!([{"key": NOT_READY, "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z"}]);
        assert_eq!(keys(wanted_taints(&node("True", old.clone()), now())), Some(vec![]));
        let kept = wanted_taints(&node("False", old), now()).unwrap();
        let execute = kept.as_array().unwrap().iter().find(|t| t.str_at(&["effect"]) == "NoExecute").unwrap();
        assert_eq!(execute.str_at(&["timeAdded"]), "2026-01-01T00:00:00Z", "the clock of a taint does not start again");
    }

    #[test]
    fn tolerations_run_out() {
        let taint: Vec<Taint> = serde_json::from_value(
            json!([{"key": UNREACHABLE, "effect": "NoExecute", "timeAdded": "2026-01-01T00:06:00Z"}]),
        )
        .unwrap();
        let check = |t: serde_json::Value| stays(&serde_json::from_value::<Vec<Toleration>>(t).unwrap(), &taint, now());
        assert_eq!(check(json!([])), Some(0));
        assert_eq!(check(json!([{"operator": "Exists"}])), None);
        assert_eq!(check(json!([{"key": UNREACHABLE, "operator": "Exists", "tolerationSeconds": 300}])), Some(60));
        assert_eq!(check(json!([{"key": UNREACHABLE, "operator": "Exists", "tolerationSeconds": 200}])), Some(-40));
        let future = json!([{"key": UNREACHABLE, "effect": "NoExecute", "timeAdded": "2026-01-02T00:00:00Z"}]);
        let (future, waits): (Vec<Taint>, Vec<Toleration>) = (
            serde_json::from_value(future).unwrap(),
            serde_json::from_value(json!([{"operator": "Exists", "tolerationSeconds": 30}])).unwrap(),
        );
        assert_eq!(stays(&waits, &future, now()), Some(30), "the clock was put back");
    }
}
