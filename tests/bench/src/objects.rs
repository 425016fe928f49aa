//! The objects that are measured with.

use serde_json::{Value, json};

/// The image of test pods.
pub(crate) const IMAGE: &str = "knarr.local/busybox:1";
/// What they run.
pub(crate) const COMMAND: [&str; 2] = ["sleep", "100000"];

/// A namespace.
pub(crate) fn namespace(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } })
}

/// Selects what was made here: a namespace has a ConfigMap of the cluster's own, which comes again when deleted.
pub(crate) const OURS: &str = "labelSelector=bench%3Dyes";

/// A ConfigMap of 1 KB.
pub(crate) fn config_map(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "labels": { "bench": "yes" } },
        "data": { "text": "0123456789abcdef".repeat(56) },
    })
}

/// A pod that is ready as soon as it runs and gone as soon as it is told.
pub(crate) fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "labels": { "bench": "yes" } },
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{ "name": "main", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": COMMAND }],
        },
    })
}

/// Whether a pod is Ready.
pub(crate) fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|c| c["type"] == "Ready" && c["status"] == "True")
}

/// A Service without selector and the slice that holds its endpoint.
pub(crate) fn service(name: &str, address: &str) -> (Value, Value) {
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": name }, "spec": { "ports": [{ "port": 80 }] },
    });
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": { "name": name, "labels": { "kubernetes.io/service-name": name } },
        "addressType": "IPv4", "ports": [{ "name": "", "port": 80, "protocol": "TCP" }],
        "endpoints": [{ "addresses": [address], "conditions": { "ready": true } }],
    });
    (service, slice)
}

/// What an object of a manifest calls itself, for messages.
pub(crate) fn name_of(document: &str) -> String {
    let kind = document.lines().find(|l| l.starts_with("kind:")).unwrap_or("an object without a kind");
    kind.trim_start_matches("kind:").trim().to_owned()
}

/// The path of an object of a manifest, by its head; `None` for a kind that is not used here.
pub(crate) fn path_of(document: &str) -> Option<String> {
    let head = |key: &str| document.lines().find_map(|l| l.strip_prefix(key)).map(str::trim);
    let meta = |key: &str| {
        let lines = document.lines().skip_while(|l| *l != "metadata:").skip(1).take_while(|l| l.starts_with("  "));
        lines.into_iter().find_map(|l| l.strip_prefix("  ")?.strip_prefix(key)).map(str::trim)
    };
    let api = head("apiVersion:")?;
    let plural = match head("kind:")? {
        "Namespace" => "namespaces",
        "ConfigMap" => "configmaps",
        "Secret" => "secrets",
        "Service" => "services",
        "Deployment" => "deployments",
        "Ingress" => "ingresses",
        "DaemonSet" => "daemonsets",
        "CronJob" => "cronjobs",
        "PodDisruptionBudget" => "poddisruptionbudgets",
        _ => return None,
    };
    let root = if api.contains('/') { "apis" } else { "api" };
    let namespace = meta("namespace:").map(|n| format!("namespaces/{n}/")).unwrap_or_default();
    Some(format!("/{root}/{api}/{namespace}{plural}/{}", meta("name:")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_map_is_1_kb() {
        assert!((1000..1024).contains(&config_map("list-01234").to_string().len()));
    }

    #[test]
    fn manifests_have_paths() {
        let app = include_str!("../../../examples/hello/hello.yaml");
        let paths: Vec<_> = app.split("\n---\n").map(|d| path_of(d).unwrap_or_default()).collect();
        expect_test::expect![[r#"
            [
                "/api/v1/namespaces/hello",
                "/api/v1/namespaces/hello/configmaps/hello",
                "/api/v1/namespaces/hello/secrets/hello",
                "/apis/apps/v1/namespaces/hello/deployments/hello",
                "/api/v1/namespaces/hello/services/hello",
                "/apis/networking.k8s.io/v1/namespaces/hello/ingresses/hello",
            ]
        "#]]
        .assert_debug_eq(&paths);
    }
}
