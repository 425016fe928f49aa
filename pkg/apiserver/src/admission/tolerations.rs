//! DefaultTolerationSeconds: pods stay five minutes on a node that stopped answering, unless they say otherwise.

use knarr_api::{Status, Value, value};

use super::{Attributes, Operation, Plugin};

const TAINTS: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];
const SECONDS: i64 = 300;

/// See the module.
pub struct DefaultTolerationSeconds;

impl Plugin for DefaultTolerationSeconds {
    fn name(&self) -> &'static str {
        "DefaultTolerationSeconds"
    }

    fn mutate(&self, a: &Attributes<'_>, pod: &mut Value) -> Result<(), Status> {
        if !a.is("", "pods") || a.operation == Operation::Delete {
            return Ok(());
        }
        let tolerates = |t: &Value, taint: &str| {
            let (key, effect) = (t.str_at(&["key"]), t.str_at(&["effect"]));
            (key == taint || key.is_empty()) && (effect == "NoExecute" || effect.is_empty())
        };
        let have = pod.list_at(&["spec", "tolerations"]);
        let missing: Vec<Value> = TAINTS
            .into_iter()
            .filter(|taint| !have.iter().any(|t| tolerates(t, taint)))
            .map(
                |key| value!({ "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": SECONDS }),
            )
            .collect();
        if !missing.is_empty() {
            let all = [have.to_vec(), missing].concat();
            pod.set(&["spec", "tolerations"], all);
        }
        Ok(())
    }
}
