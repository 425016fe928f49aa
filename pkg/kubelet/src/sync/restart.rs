//! Whether a container that ended is to run again.

use k8s_openapi::api::core::v1::{Container, Pod};

use crate::pod::{self, Kind};

/// By the container's own rules and policy, else by the pod's policy.
pub(crate) fn should_restart(pod: &Pod, kind: Kind, container: &Container, exit_code: i32) -> bool {
    match kind {
        Kind::Ephemeral => return false,
        Kind::Sidecar => return true,
        Kind::Init | Kind::App => {}
    }
    for rule in container.restart_policy_rules.iter().flatten() {
        let Some(codes) = &rule.exit_codes else { continue };
        let listed = codes.values.iter().flatten().any(|code| *code == exit_code);
        let matches = match codes.operator.as_str() {
            "In" => listed,
            "NotIn" => !listed,
            _ => false,
        };
        if matches {
            return rule.action == "Restart";
        }
    }
    let pods = pod::restart_policy(pod);
    let policy = container.restart_policy.as_deref().unwrap_or(pods);
    match policy {
        "Never" => false,
        "OnFailure" => exit_code != 0,
        // `Always` of the pod does not make a finished init container run again.
        _ => kind == Kind::App || exit_code != 0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pod::testutil::pod;

    #[test]
    fn rules_then_container_then_pod() {
        let table = [
            ("Always", json!({}), Kind::App, 0, true),
            ("OnFailure", json!({}), Kind::App, 0, false),
            ("OnFailure", json!({}), Kind::App, 1, true),
            ("Never", json!({}), Kind::App, 1, false),
            ("Always", json!({}), Kind::Init, 0, false),
            ("Always", json!({}), Kind::Init, 1, true),
            ("Never", json!({}), Kind::Sidecar, 0, true),
            ("Always", json!({}), Kind::Ephemeral, 1, false),
            ("Never", json!({"restartPolicy": "Always"}), Kind::App, 0, true),
            (
                "Never",
                json!({"restartPolicy": "Never", "restartPolicyRules":
                    [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]}),
                Kind::App,
                42,
                true,
            ),
        ];
        for (policy, over, kind, code, want) in table {
            let mut container = json!({"name": "app"});
            container.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
            let p = pod(json!({"spec": {"restartPolicy": policy, "containers": [container]}}));
            let c = &pod::spec(&p).containers[0];
            assert_eq!(should_restart(&p, kind, c, code), want, "{policy} {kind:?} {code}");
        }
    }
}
